"""Recursos que vários testes usam."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from course_lib import runtime
from course_lib.data.images import MNIST_FILES

MNIST_NAMES = [name for files in MNIST_FILES.values() for name, _, _ in files]
ROOT = Path(__file__).resolve().parents[1]
# Para que os testes importem os programas de book/.
sys.path.insert(0, str(ROOT))

from book import build  # noqa: E402

BOOK_SOURCES = ("_config.yml", "_toc.yml", "book", "chapters", "course_lib")


@dataclass(frozen=True)
class BuiltBook:
    """Um livro construído: a pasta da cópia do projeto e o que a construção disse."""

    root: Path
    output: str

    @property
    def html(self) -> Path:
        return self.root / "_build" / "html"


def run_build(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Chama ``book/build.py`` da cópia ``root``, como ``make livro``."""
    return subprocess.run(
        [sys.executable, str(root / "book" / "build.py")],
        cwd=root,
        # Um CURSO_DADOS relativo é relativo a onde os testes rodam, não à cópia.
        env={**build.kernel_environment(root, os.environ), **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def copy_sources(destination: Path, names: tuple[str, ...] = BOOK_SOURCES) -> None:
    """Copia do projeto o que o livro usa, sem o que está construído ou guardado em cache."""
    for name in names:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "_build")
            shutil.copytree(source, destination / name, ignore=ignored)
        else:
            shutil.copy(source, destination / name)


@pytest.fixture(scope="session")
def built_book(tmp_path_factory: pytest.TempPathFactory) -> BuiltBook:
    """O livro inteiro, construído uma vez no perfil rápido numa cópia do projeto."""
    root = tmp_path_factory.mktemp("livro")
    copy_sources(root)
    result = run_build(root, CURSO_PERFIL="rapido")
    if result.returncode:
        pytest.fail(f"o livro não foi construído:\n{result.stdout}\n{result.stderr}", pytrace=False)
    return BuiltBook(root, result.stdout)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """Pasta com o MNIST verdadeiro; pula o teste onde ele não está, sem tentar baixá-lo."""
    for root in (runtime.data_root(), runtime.cache_dir()):
        if root is not None and all((root / "MNIST" / "raw" / name).is_file() for name in MNIST_NAMES):
            return root
    pytest.skip("o MNIST verdadeiro não está nesta máquina")
