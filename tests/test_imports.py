"""As importações de ``course_lib`` só descem, só ``viz`` importa o matplotlib e só ``runtime`` lê o ambiente.

O corretor, ``course_grader``, importa a biblioteca e nunca o contrário; e o que dele roda dentro da caixa não importa o
que fica de fora dela.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import course_grader
import course_lib

# Cada andar só vê os de baixo; os da mesma linha não se veem se estão em ISOLATED.
FLOORS = {
    "files": 0,
    "cell_order": 0,
    "runtime": 0,
    "checks": 0,
    "contracts": 0,
    "text": 0,
    "console": 0,
    "data": 1,
    "models": 1,
    "training": 2,
    "metrics": 3,
    "recipes": 4,
    "weights": 5,
    "studies": 6,
    "viz": 6,
    "interactive": 7,
    "exercises": 8,
    "cli": 9,
    "__main__": 10,
}
ISOLATED = {"data", "models"}


def imported_names(tree: ast.AST, package: str) -> list[tuple[str, bool]]:
    """Tudo o que a árvore importa, em qualquer profundidade, por nome completo, e se a importação é relativa."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            names += [(f"{base}.{alias.name}", node.level > 0) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__"):
                names.append((str(node.args[0].value), False))
    return names


def reads_environment(tree: ast.AST) -> bool:
    """Se o código usa ``os.environ``, ``os.getenv`` ou parentes, sob qualquer nome."""
    forbidden = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in forbidden:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
            if names & forbidden:
                return True
    return False


def breaches(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """As regras que ``source``, o código de ``module`` (``course_lib.data.images``), quebra."""
    parts = module.split(".")
    package = module if is_package else ".".join(parts[:-1])
    broken = library_breach if parts[0] == "course_lib" else grader_breach
    tree = ast.parse(source)
    found = []
    for name, relative in imported_names(tree, package):
        if reason := broken(parts, name.split("."), relative):
            found.append(f"{module} importa {name}: {reason}")
    if parts[:2] != ["course_lib", "runtime"] and reads_environment(tree):
        found.append(f"{module} lê variáveis de ambiente: só runtime pode")
    return found


def library_breach(parts: list[str], name: list[str], relative: bool) -> str:
    """Por que um módulo da biblioteca não pode importar ``name``, ou ``""``."""
    own = parts[1] if len(parts) > 1 else None
    if name[0] in ("matplotlib", "mpl_toolkits", "pylab") and own != "viz":
        return "só viz fala com o matplotlib"
    if name[0] == "course_grader":
        return "a biblioteca não sabe do corretor"
    if name[0] != "course_lib" or len(name) < 2 or name[1] not in FLOORS or own == name[1]:
        return ""
    if own is None:
        return "o pacote não importa os seus módulos"
    return "as importações só descem" if FLOORS[name[1]] > FLOORS[own] or {own, name[1]} <= ISOLATED else ""


def grader_breach(parts: list[str], name: list[str], relative: bool) -> str:
    """Por que um módulo do corretor não pode importar ``name``, ou ``""``."""
    if name[0] in ("matplotlib", "mpl_toolkits", "pylab"):
        return "só viz fala com o matplotlib"
    if name[:2] in (["course_lib", "cli"], ["course_lib", "__main__"]):
        return "o corretor usa a biblioteca, e não os comandos dela"
    if parts[1:2] != ["inside"]:
        return ""
    if relative:
        return "" if name[:2] == ["course_grader", "inside"] else "a caixa não mostra o que está fora de inside"
    # Dentro da caixa a pasta tem outro nome: só uma importação relativa serve aos dois lados.
    return "dentro da caixa, só importações relativas" if name[0] in ("course_grader", "inside") else ""


def modules() -> list[tuple[str, Path]]:
    """Nome e arquivo de cada módulo da biblioteca e do corretor."""
    found = []
    for package in (course_lib, course_grader):
        root = Path(package.__file__).parent
        found += [(package.__name__, root, path) for path in sorted(root.rglob("*.py"))]
    return [(_name(package, path.relative_to(root)), path) for package, root, path in found]


def _name(package: str, path: Path) -> str:
    pieces = [package, *path.with_suffix("").parts]
    return ".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_module_obeys_the_floors(module, path):
    assert breaches(path.read_text("utf-8"), module, is_package=path.name == "__init__.py") == []


def test_every_module_has_a_floor():
    top = {module.split(".")[1] for module, _ in modules() if module.startswith("course_lib.")}
    assert top <= set(FLOORS), f"sem andar definido: {sorted(top - set(FLOORS))}"
    assert {"runtime", "data", "models", "training"} <= top


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("course_lib.runtime", "from course_lib.data import load_mnist"),
        ("course_lib.data.images", "import course_lib.models.vae"),
        ("course_lib.models.vae", "from course_lib import data"),
        ("course_lib.models.vae", "from ..data import images"),
        ("course_lib.models.vae", "def f():\n    from course_lib.training import fit"),
        ("course_lib.training.fit", "import importlib\nimportlib.import_module('course_lib.metrics')"),
        ("course_lib.training.fit", "from .. import viz"),
        ("course_lib.metrics", "def f():\n    import matplotlib.pyplot as plt"),
        ("course_lib.metrics", "from matplotlib import pyplot"),
        ("course_lib.interactive.widgets", "import matplotlib as mpl"),
        ("course_lib.text", "from course_lib.training import History"),
        ("course_lib.exercises.verify", "from course_lib.cli import main"),
        ("course_lib.training.fit", "import os\nhome = os.environ['HOME']"),
        ("course_lib.training.fit", "from os import getenv as g"),
        ("course_lib.weights.loader", "import os as system\nsystem.getenv('X')"),
        ("course_lib", "from course_lib import viz"),
        ("course_lib.cli", "from course_grader import command"),
        ("course_lib.exercises.verify", "def f():\n    import course_grader.grade"),
        ("course_lib.__main__", "__import__('course_grader')"),
        ("course_grader.report", "import matplotlib.pyplot as plt"),
        ("course_grader.command", "from course_lib.cli import main"),
        ("course_grader.bubblewrap", "import os\nos.environ['HOME']"),
        ("course_grader.inside.serve", "from course_grader.assignment import Case"),
        ("course_grader.inside.serve", "from course_grader.inside.wire import Caps"),
        ("course_grader.inside.serve", "import inside.wire"),
        ("course_grader.inside.serve", "from ..assignment import Case"),
        ("course_grader.inside.serve", "def f():\n    from .. import assignment"),
    ],
)
def test_breach_is_seen(module, source):
    assert breaches(source, module, is_package=module == "course_lib")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("course_lib.runtime", "import os\nos.environ.get('CURSO_PERFIL')"),
        ("course_lib.models.vae", "from course_lib import runtime\nfrom course_lib.models.layers import mlp"),
        ("course_lib.models.vae", "from . import layers\nfrom .. import runtime"),
        ("course_lib.recipes.vae", "from course_lib.data import load_mnist\nimport os\nos.getpid()"),
        ("course_lib.viz.images", "import matplotlib.pyplot as plt\nfrom course_lib import metrics"),
        ("course_lib.metrics.report", "from course_lib.text import number"),
        ("course_lib.__main__", "from course_lib.cli import main"),
        (
            "course_grader.grade",
            "from course_grader.inside import wire\nfrom course_lib.exercises.calls import call",
        ),
        (
            "course_grader.inside.serve",
            "import torch\nfrom course_lib.exercises import calls\nfrom .wire import Caps",
        ),
        ("course_grader.inside.serve", "from . import wire"),
    ],
)
def test_allowed_import_passes(module, source):
    assert breaches(source, module) == []
