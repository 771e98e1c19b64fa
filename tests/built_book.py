"""Construir o livro numa cópia do projeto: o que os testes do livro e do navegador têm em comum."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Para que os testes importem os programas de book/.
sys.path.insert(0, str(ROOT))

from book import build  # noqa: E402

BOOK_SOURCES = ("_config.yml", "_toc.yml", "book", "chapters", "course_lib", "exercises", "index.md")


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
