"""Executa os capítulos que faltam antes que o Sphinx os leia, vários ao mesmo tempo.

O myst-nb executa um caderno de cada vez, e um capítulo sozinho não ocupa todos os núcleos: as redes são pequenas. Aqui
os que não estão no cache são executados lado a lado, e as saídas ficam onde o myst-nb as procura. O que falhar não é
guardado: o myst-nb o executa de novo e conta o erro como sempre.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

# Um capítulo ocupa até 2 GB.
MOST_AT_ONCE = 4
THREADS = "OMP_NUM_THREADS"


def setup(app: Sphinx) -> None:
    """Registra a execução antes da leitura."""
    app.connect("env-before-read-docs", execute_missing)


def execute_missing(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Executa os cadernos de ``docnames`` que não estão no cache."""
    config = env.mystnb_config
    if config.execution_mode != "cache":
        return
    cache = get_cache(config.execution_cache_path)
    missing = {}
    # O último capítulo primeiro: o mais longo de todos é o 09, e começado no fim deixaria os outros núcleos parados.
    for docname in sorted(docnames, reverse=True):
        path = Path(env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                missing[path] = notebook
    if len(missing) < 2:
        return
    at_once = min(len(missing), os.cpu_count() or 1, MOST_AT_ONCE)
    with threads_per_kernel(max(1, (os.cpu_count() or 1) // at_once)), ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(execute, path, notebook, config): path for path, notebook in missing.items()}
        try:
            for done in as_completed(running):
                result = done.result()
                if result.err is None:
                    data = {"execution_seconds": result.time}
                    bundle = CacheBundleIn(result.nb, str(running[done]), data=data)
                    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                    LOGGER.info("%s: Executed notebook in %.2f seconds", running[done], result.time)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def execute(path: Path, notebook: nbformat.NotebookNode, config: object) -> ExecutionResult:
    """Executa um caderno na pasta dele, como o myst-nb."""
    LOGGER.info("%s: Executing notebook using local CWD", path)
    timeout = notebook.metadata.get("mystnb", {}).get("execution_timeout", config.execution_timeout)
    return single_nb_execution(notebook, cwd=str(path.parent), timeout=timeout, allow_errors=False)


@contextmanager
def threads_per_kernel(n: int) -> Iterator[None]:
    """Cada núcleo de execução aberto aqui dentro usa ``n`` fios, a menos que a pessoa tenha escolhido quantos."""
    if THREADS in os.environ:
        yield
        return
    os.environ[THREADS] = str(n)
    try:
        yield
    finally:
        del os.environ[THREADS]
