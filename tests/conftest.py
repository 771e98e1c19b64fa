"""Recursos que vários testes usam."""

from __future__ import annotations

from pathlib import Path

import pytest
from built_book import BuiltBook, copy_sources, run_build

from course_lib import runtime
from course_lib.data.images import MNIST_FILES

MNIST_NAMES = [name for files in MNIST_FILES.values() for name, _, _ in files]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divide os testes entre os processos: o que se prepara uma vez só fica num deles, e o mais demorado começa antes.

    Vão juntos os que usam o livro construído, os do corretor (que contam os processos das caixas) e os de cada
    arquivo; um capítulo que roda sozinho não depende de nada.
    """
    items.sort(key=lambda item: not _uses_book(item))
    for item in items:
        if _uses_book(item):
            group = "livro"
        elif "grading" in item.path.parts:
            group = "corretor"
        elif item.get_closest_marker("livro"):
            group = item.nodeid
        else:
            group = str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def _uses_book(item: pytest.Item) -> bool:
    return "built_book" in getattr(item, "fixturenames", ())


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
