"""As receitas: uma família, um arquivo, com tudo o que o curso escolheu dela.

Cada módulo desta pasta que tem uma ``RECIPE`` é uma família; as listas de modelos, a linha de comando, os cartões e as
medidas saem daqui, e acrescentar uma família é acrescentar o seu arquivo. Os hiperparâmetros do documento de origem
estão escritos no capítulo 09; os daqui são os melhores que medimos para chegar à mesma qualidade em menos tempo
(``make bench`` mostra quanto).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from course_lib.data import ImageDataset, PhotoDomains
from course_lib.recipes.engine import Config, Exam, Prepared, Recipe, Scale, Trained, networks, train_recipe

__all__ = [
    "RECIPES",
    "Config",
    "Exam",
    "Prepared",
    "Recipe",
    "Recipes",
    "Scale",
    "Trained",
    "get_recipe",
    "networks",
    "train",
]


class Recipes(MutableMapping[str, Recipe]):
    """As receitas dos módulos desta pasta, pelo nome e na ordem dos capítulos.

    Pedir uma importa só o arquivo dela, e as redes que ele usa; percorrê-las importa todos. É o que deixa o livro saber
    que capítulo depende de que família.
    """

    def __init__(self) -> None:
        self._read: dict[str, Recipe | None] = {}

    def __getitem__(self, name: str) -> Recipe:
        if name not in self._read and isinstance(name, str) and name.isidentifier():
            self._read[name] = self._import(name)
        recipe = self._read.get(name)
        if recipe is None:
            raise KeyError(name)
        return recipe

    def __setitem__(self, name: str, recipe: Recipe) -> None:
        self._read[name] = recipe

    def __delitem__(self, name: str) -> None:
        self._read[name] = None

    def __iter__(self) -> Iterator[str]:
        names = {found.name for found in pkgutil.iter_modules(__path__)} | self._read.keys()
        recipes = [self[name] for name in sorted(names) if name in self]
        return iter([recipe.name for recipe in sorted(recipes, key=lambda recipe: recipe.chapter)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @staticmethod
    def _import(name: str) -> Recipe | None:
        full = f"{__name__}.{name}"
        try:
            module = importlib.import_module(full)
        except ModuleNotFoundError as error:
            # A que falta pode ser outra, que o arquivo da família importa: essa, sim, é um erro.
            if error.name != full:
                raise
            return None
        recipe: Recipe | None = getattr(module, "RECIPE", None)
        return recipe


RECIPES = Recipes()


def get_recipe(name: str) -> Recipe:
    """A receita da família ``name``, uma de :data:`RECIPES`.

    Raises:
        ValueError: não há família com esse nome.
    """
    # Só quem erra o nome lista as famílias, o que importa todas.
    if name not in RECIPES:
        raise ValueError(f"modelo desconhecido: {name!r}; os modelos são {', '.join(RECIPES)}")
    return RECIPES[name]


def train(
    name: str,
    *,
    profile: str | None = None,
    seed: int = 0,
    dataset: ImageDataset | PhotoDomains | None = None,
    epochs: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Treina a família ``name`` pela sua receita.

    Args:
        name: chave de :data:`RECIPES`.
        profile: ``rapido``, ``padrao`` ou ``completo``; o de ``CURSO_PERFIL`` quando falta.
        seed: semente dos pesos iniciais e do treinamento.
        dataset: dados de treino; o MNIST quando faltam (a receita de fotos pede as suas).
        epochs: quantas épocas do treino fazer; todas quando falta. A agenda das taxas é sempre a do treino inteiro.
        checkpoint: arquivo de retomada (veja :func:`~course_lib.training.fit`).
        progress: se há barra de progresso.

    Raises:
        ValueError: modelo ou perfil desconhecido, dados de outro tipo, ou ``epochs`` além das da receita.
    """
    return train_recipe(
        get_recipe(name),
        profile=profile,
        seed=seed,
        dataset=dataset,
        epochs=epochs,
        checkpoint=checkpoint,
        progress=progress,
    )
