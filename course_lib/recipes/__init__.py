"""As receitas: uma família, um arquivo, com tudo o que o curso escolheu dela.

Cada módulo desta pasta que tem uma ``RECIPE`` é uma família; as listas de modelos, a linha de comando, os cartões e as
medidas saem daqui, e acrescentar uma família é acrescentar o seu arquivo. Os hiperparâmetros do documento de origem
estão escritos no capítulo 09; os daqui são os melhores que medimos para chegar à mesma qualidade em menos tempo
(``make bench`` mostra quanto).
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from course_lib import checks
from course_lib.data import ImageDataset, PhotoDomains
from course_lib.recipes.engine import Config, Exam, Prepared, Recipe, Scale, Trained, networks, train_recipe

__all__ = [
    "RECIPES",
    "Config",
    "Exam",
    "Prepared",
    "Recipe",
    "Scale",
    "Trained",
    "discover",
    "get_recipe",
    "networks",
    "train",
]


def discover() -> dict[str, Recipe]:
    """As receitas dos módulos desta pasta, na ordem dos capítulos."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    recipes: list[Recipe] = [module.RECIPE for module in modules if hasattr(module, "RECIPE")]
    return {recipe.name: recipe for recipe in sorted(recipes, key=lambda recipe: recipe.chapter)}


RECIPES = discover()


def get_recipe(name: str) -> Recipe:
    """A receita da família ``name``, uma de :data:`RECIPES`.

    Raises:
        ValueError: não há família com esse nome.
    """
    checks.require(name in RECIPES, f"modelo desconhecido: {name!r}; os modelos são {', '.join(RECIPES)}")
    return RECIPES[name]


def train(
    name: str,
    *,
    profile: str | None = None,
    seed: int = 0,
    dataset: ImageDataset | PhotoDomains | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Treina a família ``name`` pela sua receita.

    Args:
        name: chave de :data:`RECIPES`.
        profile: ``rapido``, ``padrao`` ou ``completo``; o de ``CURSO_PERFIL`` quando falta.
        seed: semente dos pesos iniciais e do treinamento.
        dataset: dados de treino; o MNIST quando faltam (a receita de fotos pede as suas).
        checkpoint: arquivo de retomada (veja :func:`~course_lib.training.fit`).
        progress: se há barra de progresso.

    Raises:
        ValueError: modelo ou perfil desconhecido, ou dados de outro tipo.
    """
    return train_recipe(
        get_recipe(name), profile=profile, seed=seed, dataset=dataset, checkpoint=checkpoint, progress=progress
    )
