"""Executa os capítulos que faltam antes que o Sphinx os leia, vários ao mesmo tempo.

O myst-nb executa um caderno de cada vez, e um capítulo sozinho não ocupa todos os núcleos: as redes são pequenas. Aqui
os que não estão no cache são executados lado a lado, e as saídas ficam onde o myst-nb as procura. O que falhar não é
guardado: o myst-nb o executa de novo e conta o erro como sempre. Um que ocupa sozinho todos os núcleos diz isso nos
seus metadados, ``"livro": {"sozinho": true}``, e fica para ele.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

# Um capítulo ocupa até 2 GB.
MOST_AT_ONCE = 4


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
    # Do último ao primeiro: os do começo são curtos, e um longo que ficasse para o fim deixaria um núcleo parado.
    for docname in sorted(docnames, reverse=True):
        path = Path(env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            if notebook.metadata.get("livro", {}).get("sozinho"):
                continue
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                missing[path] = notebook
    cores = os.cpu_count() or 1
    at_once = min(len(missing), cores, MOST_AT_ONCE)
    if at_once < 2:
        return
    # Processos, e não linhas de execução: com Ctrl-C cada um encerra o seu caderno, e a construção para na hora.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, context, initializer=share_cores, initargs=(cores // at_once,)) as pool:
        running = {pool.submit(execute, path, nb, config.execution_timeout): path for path, nb in missing.items()}
        for done in as_completed(running):
            executed, seconds = done.result()
            if executed is not None:
                bundle = CacheBundleIn(executed, str(running[done]), data={"execution_seconds": seconds})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                LOGGER.info("%s: Executed notebook in %.2f seconds", running[done], seconds)


def share_cores(threads: int) -> None:
    """Faz com que os capítulos executados por este processo usem ``threads`` linhas, se a pessoa não disse quantas."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def execute(path: Path, notebook: nbformat.NotebookNode, timeout: int) -> tuple[nbformat.NotebookNode | None, float]:
    """O caderno executado na sua pasta, ou ``None`` se uma célula falhou, e os segundos que levou."""
    print(f"{path}: Executing notebook using local CWD", flush=True)
    result = single_nb_execution(notebook, cwd=str(path.parent), timeout=timeout, allow_errors=False)
    return (notebook if result.err is None else None), result.time
