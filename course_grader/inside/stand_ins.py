"""Substitutos do que, num caderno, custa caro e não muda o que as funções do estudante devolvem.

Treinar devolve os pesos que vêm com o curso, o MNIST são os dígitos embutidos, as figuras não se desenham e
``verificar`` não confere nada. Sem isto cada caderno levaria minutos; com isto, uma fração de segundo.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import cache
from typing import Any


def install() -> None:
    """Põe os substitutos no lugar, antes de qualquer código do estudante."""
    import course_lib
    from course_lib import exercises

    exercises.open_exercise = lambda name, namespace: _do_nothing
    for module in (_silent("course_lib.viz"), _silent("course_lib.interactive")):
        sys.modules[module.__name__] = module
        setattr(course_lib, module.__name__.rpartition(".")[2], module)
    _replace_data()
    _replace_training()


def rehearse() -> None:
    """Usa cada substituto uma vez, para que os filhos deste processo já encontrem tudo importado."""
    from course_lib.data import load_mnist
    from course_lib.recipes import RECIPES, train

    load_mnist("train"), load_mnist("test")
    train(next(iter(RECIPES)))


def _replace_data() -> None:
    from course_lib import data
    from course_lib.data import images

    # Os filhos recebem cada um a sua cópia da memória: o que um estudante altere só ele vê.
    embedded = cache(data.load_embedded_digits)

    def load_mnist(split: str, *, root: object = None) -> Any:
        return embedded(split)

    data.load_mnist = images.load_mnist = load_mnist


def _replace_training() -> None:
    from course_lib import recipes
    from course_lib.data import load_embedded_digits
    from course_lib.training.history import History
    from course_lib.weights import SHIPPED, load_shipped

    train_for_real = recipes.train

    def train(name: str, **options: Any) -> Any:
        if not (SHIPPED / f"{name}.safetensors").exists():
            return train_for_real(name, **options | {"profile": "rapido", "progress": False})
        step, _ = load_shipped(name)
        dataset = options.get("dataset") or load_embedded_digits("train")
        return recipes.Trained(recipes.get_recipe(name), step, History(), dataset)

    recipes.train = train


def _silent(name: str) -> types.ModuleType:
    """Um módulo em que toda função existe e nada faz."""
    module = types.ModuleType(name)
    # Uma pasta vazia por caminho: `from course_lib.viz import x` e `import course_lib.viz` funcionam.
    module.__path__ = []
    module.__getattr__ = lambda attribute: _attribute(name, attribute)
    return module


def _attribute(module: str, name: str) -> Callable[..., None]:
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return _do_nothing


def _do_nothing(*arguments: Any, **options: Any) -> None:
    return None
