"""Recursos que vários testes usam."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from built_book import BuiltBook, copy_sources, run_build
from untested import pytest_terminal_summary, pytest_unconfigure  # noqa: F401

from course_lib import runtime
from course_lib.files import MNIST_FILES

# Os que usam o livro construído: no mesmo processo, ele se constrói uma vez só.
BOOK_TESTS = tuple(f"tests/test_{name}" for name in ("book", "browser", "package", "reference", "site"))
MNIST_NAMES = [name for files in MNIST_FILES.values() for name, _, _ in files]


def pytest_configure() -> None:
    """Um processo começado por ``nohup … &`` ignora o Ctrl-C, e assim os seus filhos, a quem os testes o mandam."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    give_a_home()


def give_a_home() -> None:
    """Sem uma casa em que escrever, uma só para os testes: o IPython reclama, e o Firefox nem abre."""
    if not os.access(Path.home(), os.W_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="casa-dos-testes-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Os testes que usam o livro construído primeiro: são os que mais demoram."""
    items.sort(key=lambda item: scope_of(item.nodeid) != "livro")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide os testes entre os processos por :func:`scope_of`."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return Scheduling(config, log)


def scope_of(nodeid: str) -> str:
    """O nome do grupo de um teste; um grupo corre inteiro no mesmo processo.

    Vão juntos os que usam o livro construído, os do corretor (que contam os processos das caixas) e os de cada
    arquivo; um capítulo que roda sozinho e um cartão que se confere não dependem de nada.
    """
    file = nodeid.partition("::")[0]
    if file.startswith(BOOK_TESTS):
        return "livro"
    if file.startswith(("tests/grader/", "tests/exercises/")):
        return "corretor"
    independent = "::test_runs_alone" in nodeid or "::test_card_figures" in nodeid
    return nodeid if independent else file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Um navegador sem janela; sem playwright ou sem um Chromium, o teste é pulado."""
    pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")
    from book import screenshots

    try:
        with screenshots.open_browser() as opened:
            yield opened
    except RuntimeError as error:
        pytest.skip(str(error))


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
