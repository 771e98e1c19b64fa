"""As importações de ``course_lib`` só descem, só ``viz`` importa o matplotlib e só ``runtime`` lê o ambiente."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import course_lib

ROOT = Path(course_lib.__file__).parent

# Cada andar só vê os de baixo; os da mesma linha não se veem se estão em ISOLATED.
FLOORS = {
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


def imported_names(tree: ast.AST, package: str) -> list[str]:
    """Tudo o que a árvore importa, em qualquer profundidade, por nome completo."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            names += [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__"):
                names.append(str(node.args[0].value))
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
    own = parts[1] if len(parts) > 1 else None
    tree = ast.parse(source)
    found = []
    for name in imported_names(tree, package):
        pieces = name.split(".")
        if pieces[0] in ("matplotlib", "mpl_toolkits", "pylab") and own != "viz":
            found.append(f"{module} importa {name}: só viz fala com o matplotlib")
        if pieces[0] != "course_lib" or len(pieces) < 2 or pieces[1] not in FLOORS or own == pieces[1]:
            continue
        target = pieces[1]
        if own is None:
            found.append(f"{module} importa {name}: o pacote não importa os seus módulos")
        elif FLOORS[target] > FLOORS[own] or {own, target} <= ISOLATED:
            found.append(f"{module} importa {name}: as importações só descem")
    if own != "runtime" and reads_environment(tree):
        found.append(f"{module} lê variáveis de ambiente: só runtime pode")
    return found


def modules() -> list[tuple[str, Path]]:
    """Nome e arquivo de cada módulo da biblioteca."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        pieces = ["course_lib", *path.relative_to(ROOT).with_suffix("").parts]
        if pieces[-1] == "__init__":
            pieces.pop()
        found.append((".".join(pieces), path))
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_module_obeys_the_floors(module, path):
    assert breaches(path.read_text("utf-8"), module, is_package=path.name == "__init__.py") == []


def test_every_module_has_a_floor():
    top = {module.split(".")[1] for module, _ in modules() if "." in module}
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
    ],
)
def test_allowed_import_passes(module, source):
    assert breaches(source, module) == []
