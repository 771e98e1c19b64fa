"""Substitutos do que, num caderno, custa caro ou não existe aqui, e que respondem como o verdadeiro responderia.

Treinar devolve os pesos e o histórico que vêm com o curso; o MNIST tem o tamanho do verdadeiro, com os dígitos
embutidos no lugar; do Colab há o que os cadernos chamam; ``verificar`` não confere nada; o joblib e os lotes do PyTorch
não criam processos. O mais é o que está instalado.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.util
import inspect
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Tudo em que uma célula pode dar, na correção, outro resultado que no caderno de quem a escreveu. A página do curso
# mostra esta lista, e um teste confere que é esta.
DIFFERENCES = (
    "Comandos do sistema (`!comando`, `%%bash`) não rodam, a não ser `!mkdir`; `nome = !comando` dá uma lista vazia.",
    "Nada se instala (`%pip`, `!pip`): os pacotes são os que a máquina da correção tem.",
    "Não há rede nem os seus arquivos: do Google Drive só existe a pasta, vazia.",
    "`train` devolve na hora os pesos e o histórico que vêm com o curso, em vez de treinar.",
    "`load_mnist` devolve 60.000 e 10.000 imagens que repetem os dígitos embutidos.",
    "`verificar` não confere nada e não para a célula.",
    "`input()` para a célula, e um controle (ipywidgets) fica no seu primeiro valor.",
    "As figuras existem, mas não se desenham até que a célula as grave num arquivo.",
    "`%timeit` executa uma vez só.",
    "O joblib e o `DataLoader` trabalham num processo só, e não há GPU.",
    "Uma célula tem 10 segundos de processador, 20 se o caderno usa o UMAP; todas juntas, 40; uma chamada, 10.",
)

# O que se compilou na instalação, copiado ao abrir a caixa, e a pasta de cada entrega.
SHARED_CACHE, OWN_CACHE = "/correcao/cache/numba", "/tmp/curso"
COMPILED = ("umap", "pynndescent")

SIZES = {"train": 60_000, "test": 10_000}


def install() -> None:
    """Põe os substitutos no lugar, antes de qualquer código do estudante."""
    from course_lib import exercises, runtime

    exercises.open_exercise = Unchecked
    _replace_data()
    _replace_training()
    _leave_figures_undrawn()
    _stay_in_one_process()
    sys.meta_path.insert(0, Compiled())
    sys.meta_path.append(Colab())
    # A pasta do curso é a que se preparou para todos; a de uma entrega é dela.
    runtime.cache_dir = lambda: Path(OWN_CACHE)


def rehearse() -> None:
    """Usa cada substituto uma vez, para que os filhos deste processo já encontrem tudo importado."""
    from course_lib.data import load_mnist
    from course_lib.recipes import RECIPES, train

    load_mnist("train"), load_mnist("test")
    train(next(iter(RECIPES)))


class Unchecked:
    """O ``verificar`` de um exercício: aceita toda questão e nada diz."""

    def __init__(self, name: str, namespace: dict[str, Any]) -> None:
        if not hasattr(namespace, "get"):
            raise TypeError(f"namespace: veio {type(namespace).__name__}; passe globals(), com os parênteses")
        self.name, self.namespace = name, namespace
        self._questions: dict[str, Any] = {}

    def __call__(self, name: str) -> None:
        """Nada confere."""


def _replace_data() -> None:
    from course_lib import data
    from course_lib.data import images

    # Os filhos recebem cada um a sua cópia da memória: o que um estudante altere só ele vê.
    @functools.cache
    def load(split: str) -> Any:
        few = data.load_embedded_digits(split)
        repeats = -(-SIZES[split] // len(few))
        return data.ImageDataset(
            few.images.repeat(repeats, 1, 1, 1)[: SIZES[split]].clone(),
            few.labels.repeat(repeats)[: SIZES[split]].clone(),
            few.name,
        )

    def load_mnist(split: str, *, root: object = None) -> Any:
        return load(split) if split in SIZES else data.load_embedded_digits(split)

    data.load_mnist = images.load_mnist = load_mnist


def _replace_training() -> None:
    from course_lib import recipes
    from course_lib.data import load_mnist
    from course_lib.weights import SHIPPED, load_shipped

    train_for_real = recipes.train

    def train(name: str, **options: Any) -> Any:
        inspect.signature(train_for_real).bind(name, **options)
        if not (SHIPPED / f"{name}.safetensors").exists():
            return train_for_real(name, **options | {"profile": "rapido", "progress": False})
        step, card = load_shipped(name)
        dataset = options.get("dataset") or load_mnist("train")
        return recipes.Trained(recipes.get_recipe(name), step, card.history, dataset, card.pretraining)

    recipes.train = train


def _leave_figures_undrawn() -> None:
    """Cada função de ``viz`` devolve logo a sua figura, que só se desenha se alguém a olhar."""
    from course_lib import viz

    from .figure import CourseFigure

    def later(draw: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(draw)
        def figure(*arguments: Any, **options: Any) -> Any:
            empty = viz.style.plt.figure(FigureClass=CourseFigure)
            empty.pending = functools.partial(draw, *arguments, **options)
            return empty

        return figure

    for name in viz.__all__:
        if name != "save":
            setattr(viz, name, later(getattr(viz, name)))


def _stay_in_one_process() -> None:
    """Quem divide o trabalho entre processos fica num só: o resultado é o mesmo, e novos processos não nascem aqui."""
    from torch.utils.data import DataLoader

    start = DataLoader.__init__

    @functools.wraps(start)
    def alone(self: Any, *arguments: Any, **options: Any) -> None:
        given = inspect.signature(start).bind(self, *arguments, **options).arguments
        for name in ("num_workers", "prefetch_factor", "persistent_workers", "timeout", "multiprocessing_context"):
            given.pop(name, None)
        start(**given)

    DataLoader.__init__ = alone
    with contextlib.suppress(ImportError):
        from joblib import parallel

        for name in ("loky", "multiprocessing"):
            parallel.BACKENDS[name] = parallel.SequentialBackend


class Compiled(importlib.abc.MetaPathFinder):
    """Antes que o UMAP se importe, dá ao numba uma pasta que se grava, com atalhos para o que já está compilado.

    Sem isto, importá-lo levaria 40 segundos de processador a cada entrega.
    """

    def find_spec(self, name: str, *_: Any) -> None:
        """Nunca acha nada: só prepara a pasta."""
        if name not in COMPILED or not os.path.isdir(SHARED_CACHE) or os.path.isdir(OWN_CACHE):
            return
        own = os.path.join(OWN_CACHE, "numba")
        for folder, _folders, files in os.walk(SHARED_CACHE):
            target = os.path.join(own, os.path.relpath(folder, SHARED_CACHE))
            os.makedirs(target, exist_ok=True)
            for file in files:
                os.symlink(os.path.join(folder, file), os.path.join(target, file))
        importlib.import_module("numba").config.CACHE_DIR = own


class Colab(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """O ``google.colab`` que um caderno importa: existe se o importam, e nada envia nem recebe.

    Vem por último entre quem acha módulos: um ``google`` instalado continua a ser o que é.
    """

    def find_spec(self, name: str, *_: Any) -> Any:
        """O módulo, se é dos que há aqui."""
        return importlib.util.spec_from_loader(name, self, is_package=True) if name in _COLAB else None

    def create_module(self, spec: Any) -> types.ModuleType:
        """Um módulo comum."""
        return types.ModuleType(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Põe nele o que o verdadeiro tem e os cadernos usam."""
        vars(module).update(_COLAB[module.__name__])
        if module.__name__ == "google.colab":
            for name in _COLAB:
                if name.startswith("google.colab."):
                    importlib.import_module(name)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _mount(mountpoint: str, **_: Any) -> None:
    # Onde não se pode criar a pasta, o que a célula ler dela falha, e isso se diz.
    with contextlib.suppress(OSError):
        os.makedirs(os.path.join(mountpoint, "MyDrive"), exist_ok=True)


def _empty(*_: Any, **__: Any) -> dict[str, bytes]:
    return {}


def _secret(name: str) -> str:
    raise KeyError(f"o segredo {name} do Colab não existe na correção")


_COLAB = {
    "google": {},
    "google.colab": {},
    "google.colab.auth": {"authenticate_user": _nothing},
    "google.colab.drive": {"mount": _mount, "flush_and_unmount": _nothing},
    "google.colab.files": {"upload": _empty, "download": _nothing, "view": _nothing},
    "google.colab.output": {"clear": _nothing, "eval_js": _nothing, "enable_custom_widget_manager": _nothing},
    "google.colab.patches": {"cv2_imshow": _nothing},
    "google.colab.runtime": {"unassign": _nothing},
    "google.colab.userdata": {"get": _secret},
    "google.colab.data_table": {"enable_dataframe_formatter": _nothing, "disable_dataframe_formatter": _nothing},
}
