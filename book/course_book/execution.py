"""Executa os capítulos que faltam antes que o Sphinx os leia, vários ao mesmo tempo.

O myst-nb executa um caderno de cada vez, e um capítulo sozinho não ocupa todos os núcleos: as redes são pequenas. Aqui
os que faltam são executados lado a lado, os mais longos primeiro, e as saídas ficam onde o myst-nb as procura. Faltam
os que não estão no cache e os que usam alguma coisa da biblioteca que mudou (veja ``book/uses.py``). O que falhar não é
guardado: o myst-nb o executa de novo e conta o erro como sempre.

As linhas que começam por ``NEWS`` são para quem espera; ``book/build.py`` as mostra.
"""

from __future__ import annotations

import ast
import json
import math
import multiprocessing
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from book import uses
from book.build import NEWS, READY
from course_lib.text import number

from .durations import STUDY, read_seconds, write_minutes

# Um capítulo ocupa até 3 GB: os picos estão no estudo book_times.
MOST_AT_ONCE = 4


@dataclass
class Executed:
    """O que uma execução deixou.

    Attributes:
        notebook: o caderno com as saídas; ``None`` se uma célula falhou.
        seconds: quanto levou.
        cells: os segundos de cada célula, pelo nome dela.
        uses: o que o capítulo usou da biblioteca.
        peak_mb: o pico de memória do kernel; ``None`` se o sistema não o diz.
    """

    notebook: NotebookNode | None
    seconds: float = 0.0
    cells: dict[str, float] = field(default_factory=dict)
    uses: list[str] = field(default_factory=list)
    peak_mb: float | None = None


class ChapterClient(NotebookClient):  # type: ignore[misc]
    """Executa um caderno, medindo cada célula, e pergunta ao kernel o que ele usou."""

    def __init__(self, notebook: NotebookNode, root: Path, **options: Any) -> None:
        super().__init__(notebook, **options)
        self.root = root
        self.cell_seconds: dict[str, float] = {}
        self.report: dict[str, Any] = {}

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        await self.ask("watch()")
        return client

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, *args: Any, **options: Any) -> NotebookNode:
        start = time.monotonic()
        result = await super().async_execute_cell(cell, cell_index, *args, **options)
        if cell.cell_type == "code":
            self.cell_seconds[cell.id] = round(time.monotonic() - start, 2)
        if cell_index == len(self.nb.cells) - 1:
            self.report = json.loads(await self.ask(f"report({str(self.root)!r})"))
        return result

    async def ask(self, call: str) -> Any:
        """O que uma chamada a ``book.uses`` devolve no kernel, sem deixar nome nenhum no caderno."""
        expression = f"__import__('book.uses', fromlist=['uses']).{call}"
        reply = await self.kc.execute_interactive(
            "", silent=True, store_history=False, allow_stdin=False, user_expressions={"answer": expression}
        )
        answer = reply["content"]["user_expressions"]["answer"]
        if answer["status"] != "ok":
            raise RuntimeError(f"{call}: {answer['ename']}: {answer['evalue']}")
        return ast.literal_eval(answer["data"]["text/plain"])


def setup(app: Sphinx) -> None:
    """Registra a execução antes da leitura."""
    app.connect("env-get-outdated", find_changed)
    app.connect("env-before-read-docs", execute_missing)


def find_changed(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """Os capítulos que não mudaram, mas que usam o que mudou na biblioteca."""
    if env.mystnb_config.execution_mode != "cache":
        return []
    cache, now = get_cache(env.mystnb_config.execution_cache_path), uses.fingerprints(Path(app.srcdir))
    notebooks = {name: Path(env.doc2path(name)) for name in env.found_docs}
    return [
        name
        for name, path in notebooks.items()
        if path.suffix == ".ipynb" and why_missing(cache, nbformat.read(path, as_version=4), now) is not None
    ]


def execute_missing(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Executa os cadernos de ``docnames`` que não estão no cache, ou que usam o que mudou."""
    config = env.mystnb_config
    if config.execution_mode != "cache":
        return
    root = Path(app.srcdir)
    cache, now = get_cache(config.execution_cache_path), uses.fingerprints(root)
    missing = {}
    for docname in docnames:
        path = Path(env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            reasons = why_missing(cache, notebook, now)
            if reasons is not None:
                missing[path] = notebook, reasons
                discard(cache, notebook)
    if not missing:
        return
    known = read_seconds(STUDY)
    order = sorted(missing, key=lambda path: known.get(path.stem, math.inf), reverse=True)
    cores = os.cpu_count() or 1
    at_once = min(len(missing), cores, MOST_AT_ONCE)
    # Processos, e não linhas de execução: com Ctrl-C cada um encerra o seu caderno, e a construção para na hora.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, context, initializer=share_cores, initargs=(cores // at_once,)) as pool:
        running = {pool.submit(execute, root, path, *missing[path], config.execution_timeout): path for path in order}
        progress = Progress([path.stem for path in order], known, at_once)
        for future in as_completed(running):
            done, path = future.result(), running[future]
            if done.notebook is not None:
                kept = {
                    "execution_seconds": done.seconds,
                    "cell_seconds": done.cells,
                    "peak_mb": done.peak_mb,
                    "uses": uses.stamp(done.uses, now),
                }
                bundle = CacheBundleIn(done.notebook, str(path), data=kept)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                rest = progress.finish(path.stem, done.seconds)
                print(
                    f"{NEWS}  {path.relative_to(root).as_posix()}{READY}{number(done.seconds, '.1f')} s; {rest}",
                    flush=True,
                )


def why_missing(cache: JupyterCacheAbstract, notebook: NotebookNode, now: Mapping[str, str]) -> list[str] | None:
    """O que mudou do que o caderno guardado usou; vazio se não há saídas guardadas, ``None`` se as que há valem."""
    try:
        used = cache.match_cache_notebook(notebook).data.get("uses")
    except KeyError:
        return []
    if used is None:
        return []
    return uses.changed(used, now) or None


def discard(cache: JupyterCacheAbstract, notebook: NotebookNode) -> None:
    """Tira do cache as saídas guardadas do caderno, se há."""
    with suppress(KeyError):
        cache.remove_cache(cache.match_cache_notebook(notebook).pk)


class Progress:
    """Quanto falta, pelos tempos da última medida e pela pressa desta máquina."""

    def __init__(self, waiting: list[str], known: Mapping[str, float], at_once: int) -> None:
        self.known, self.at_once = known, at_once
        self.left, self.total = list(waiting), len(waiting)
        self.spent = self.expected = 0.0

    def finish(self, name: str, seconds: float) -> str:
        """Anota um que terminou e diz, em português, quantos são e quanto falta."""
        self.left.remove(name)
        if name in self.known:
            self.spent += seconds
            self.expected += self.known[name]
        said = f"{self.total - len(self.left)} de {self.total}"
        rest = [self.known[name] for name in self.left if name in self.known]
        if not rest or not self.expected:
            return said
        pace = self.spent / self.expected
        # Nem os núcleos acabam antes do trabalho, nem o mais longo antes de si mesmo.
        wait = pace * max(sum(rest) / self.at_once, *rest)
        minutes = write_minutes(wait)
        return f"{said}, falta{'m' if wait >= 105 else ''} até {minutes} min"


def share_cores(threads: int) -> None:
    """Faz com que os capítulos executados por este processo usem ``threads`` linhas, se a pessoa não disse quantas."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def execute(root: Path, path: Path, notebook: NotebookNode, reasons: list[str], timeout: int) -> Executed:
    """Executa o caderno na sua pasta."""
    because = f" (mudou {', '.join(reasons[:3])}{'…' if len(reasons) > 3 else ''})" if reasons else ""
    print(f"{NEWS}executando {path.relative_to(root).as_posix()}{because} …", flush=True)
    start = time.monotonic()
    options = {"timeout": timeout, "resources": {"metadata": {"path": str(path.parent)}}, "record_timing": False}
    client = ChapterClient(notebook, root, **options)
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError):
        return Executed(None)
    return Executed(
        notebook, time.monotonic() - start, client.cell_seconds, client.report["uses"], client.report["peak_mb"]
    )
