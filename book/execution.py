"""Executa os capítulos que faltam, vários ao mesmo tempo, e guarda as saídas onde o myst-nb as procura.

O myst-nb executa um caderno de cada vez, e um capítulo sozinho não ocupa todos os núcleos: as redes são pequenas. Aqui
os que faltam são executados lado a lado, os mais longos primeiro, enquanto ``book/build.py`` faz as páginas dos que já
terminaram. Faltam os que não estão no cache e os que usam alguma coisa da biblioteca que mudou (veja ``book/uses.py``).
Cada um que termina é guardado na hora: uma construção interrompida continua dali, e um que falha não leva os outros.
"""

from __future__ import annotations

import ast
import json
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from traceback import format_exception
from typing import Any

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from book import uses, warm
from book.address import without_installation
from book.times import STUDY, read_seconds, write_minutes
from course_lib.console import tolerate_any_terminal
from course_lib.text import number

# Um capítulo ocupa até 1,5 GB: os picos estão no estudo book_times.
MOST_AT_ONCE = 4

KERNEL_LOG = "kernels.log"


@dataclass(frozen=True)
class Failure:
    """Uma célula que não terminou.

    Attributes:
        cell: qual, para quem lê: a posição entre as de código e o nome; vazio se não foi culpa de nenhuma.
        reason: a última linha do erro.
        detail: a célula e o erro inteiro.
    """

    cell: str
    reason: str
    detail: str


@dataclass
class Executed:
    """O que uma execução deixou.

    Attributes:
        notebook: o caderno com as saídas.
        failure: o que falhou; ``None`` se nada.
        seconds: quanto levou.
        cells: os segundos de cada célula, pelo nome dela.
        uses: o que o capítulo usou da biblioteca.
        peak_mb: o pico de memória do kernel; ``None`` se o sistema não o diz.
    """

    notebook: NotebookNode
    failure: Failure | None = None
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
        self.running: NotebookNode | None = None
        self.report: dict[str, Any] = {}

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        manager.provisioner = warm.WarmProvisioner(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
        return manager

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        await self.ask("watch()")
        return client

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, *args: Any, **options: Any) -> NotebookNode:
        start = time.monotonic()
        self.running = cell
        result = await super().async_execute_cell(cell, cell_index, *args, **options)
        if cell.cell_type == "code":
            self.cell_seconds[cell.id] = round(time.monotonic() - start, 2)
            await self.ask("release()")
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

    def explain(self, error: CellExecutionError | CellTimeoutError | DeadKernelError) -> Failure:
        """O que dizer da célula em que a execução parou."""
        codes = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        cell = self.running if self.running in codes else codes[0]
        where = f"{codes.index(cell) + 1}ª célula de código, {cell.id}"
        if isinstance(error, CellTimeoutError):
            reason = f"passou dos {self.timeout} s que uma célula pode levar"
        elif isinstance(error, DeadKernelError):
            reason = "o processo do capítulo morreu; o mais comum é faltar memória"
        else:
            reason = f"{error.ename}: {error.evalue}".splitlines()[0]
        return Failure(where, reason, f"{cell.source}\n\n{error}")


class Chapters:
    """Os capítulos que faltam, em execução desde que se entra no contexto.

    Args:
        root: a raiz do projeto.
        environ: o ambiente dos kernels.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["execute"]
        self.timeout: int = settings["timeout"]
        self.excluded: list[str] = settings.get("exclude_patterns", [])
        self.cache = get_cache(str(root / "_build" / ".jupyter_cache"))
        self.now = uses.fingerprints(root)
        self.missing = self._find_missing()
        self.executed: list[str] = []
        self.failures: dict[str, Failure] = {}
        self._running: set[str] = set()
        self._leaving = False
        self._changed = Condition()
        self._environ = dict(environ)

    def _find_missing(self) -> dict[Path, tuple[NotebookNode, list[str]]]:
        found = {}
        for name in documents(self.root):
            path = self.root / f"{name}.ipynb"
            if path.is_file() and not any(path.match(pattern) for pattern in self.excluded):
                notebook = without_installation(nbformat.read(path, as_version=4))
                reasons = discard_changed(self.cache, notebook, self.now)
                if reasons is not None:
                    found[path] = notebook, reasons
        return found

    def __enter__(self) -> Chapters:
        self._on_interrupt = signal.signal(signal.SIGINT, self._interrupt)
        known = read_seconds(STUDY)
        order = sorted(self.missing, key=lambda path: known.get(path.stem, math.inf), reverse=True)
        cores = os.cpu_count() or 1
        at_once = max(1, min(len(order), cores, MOST_AT_ONCE))
        self.progress = Progress([path.stem for path in order], known, at_once)
        self._running = {self._name(path) for path in order}
        # Processos, e não linhas de execução: com Ctrl-C a construção para na hora.
        context = multiprocessing.get_context("spawn")
        settings = self._environ, cores // at_once, len(order) > at_once
        self.pool = ProcessPoolExecutor(at_once, context, initializer=prepare, initargs=settings)
        for path in order:
            future = self.pool.submit(execute, self.root, path, *self.missing[path], self.timeout)
            # Guardado assim que termina, faça o que fizer quem espera: uma construção interrompida não o perde.
            future.add_done_callback(partial(self._finish, path))
        return self

    def _interrupt(self, number: int, frame: Any) -> None:
        # Anotado já: o que cair daqui em diante cai porque se parou, ainda que quem espera demore a saber.
        self._leaving = True
        signal.default_int_handler(number, frame)

    def __exit__(self, kind: object, *_: object) -> None:
        signal.signal(signal.SIGINT, self._on_interrupt)
        self._leaving |= kind is not None
        if self._leaving:
            # O que terminou já está guardado, e esperar que um caderno pare no meio às vezes não tem fim. O kernel, sem
            # o processo que o abriu, encerra-se sozinho.
            for worker in list((self.pool._processes or {}).values()):
                worker.kill()
        self.pool.shutdown()

    @property
    def pending(self) -> list[str]:
        """Os que ainda não têm saídas: os que estão em execução, os que esperam e os que falharam."""
        with self._changed:
            return sorted(self._running | self.failures.keys())

    @property
    def done(self) -> bool:
        """Se todos terminaram, bem ou mal."""
        with self._changed:
            return not self._running

    def wait(self, seconds: float) -> None:
        """Espera que mais algum termine, ou que passem ``seconds``."""
        with self._changed:
            left = len(self._running)
            self._changed.wait_for(lambda: len(self._running) < left or not left, seconds)

    def _finish(self, path: Path, future: Future[Executed]) -> None:
        name = self._name(path)
        try:
            result = future.result()
            failure = result.failure
            took = f"{number(result.seconds, '.1f')} s; {self.progress.finish(path.stem, result.seconds)}"
            if failure is None:
                self._keep(path, result)
        except BrokenProcessPool as error:
            failure, took = Failure("", "o processo que o executava morreu", str(error)), "?"
        except OSError as error:
            failure, took = Failure("", f"não consegui guardar as saídas ({error.strerror or error})", str(error)), "?"
        except BaseException as error:
            # Um erro daqui, e não do capítulo (o asyncio, parado, levanta um que não é Exception): sem isto ninguém o
            # veria, e quem espera esperaria para sempre.
            failure, took = Failure("", f"{type(error).__name__}: {error}", "".join(format_exception(error))), "?"
        if failure is not None and self._leaving:
            return  # Foi parado, com os outros: não é um capítulo que falhou.
        print(f"  ✘ {name}.ipynb falhou ({took})" if failure else f"    {name}.ipynb pronto em {took}", flush=True)
        with self._changed:
            if failure is None:
                self.executed.append(name)
            else:
                self.failures[name] = failure
            self._running.discard(name)
            self._changed.notify_all()

    def _keep(self, path: Path, result: Executed) -> None:
        kept = {
            "execution_seconds": result.seconds,
            "cell_seconds": result.cells,
            "peak_mb": result.peak_mb,
            "uses": uses.stamp(result.uses, self.now),
        }
        bundle = CacheBundleIn(result.notebook, str(path), data=kept)
        self.cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).with_suffix("").as_posix()


def documents(root: Path) -> list[str]:
    """As páginas do sumário, sem a extensão."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for key, value in node.items() if key in ("root", "file"))
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from walk(child)

    return list(walk(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def discard_changed(cache: JupyterCacheAbstract, notebook: NotebookNode, now: Mapping[str, str]) -> list[str] | None:
    """O que mudou do que o caderno guardado usou, e ele sai do cache; ``None`` se as saídas guardadas valem."""
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return []
    used = record.data.get("uses")
    reasons = [] if used is None else uses.changed(used, now)
    if used is not None and not reasons:
        return None
    cache.remove_cache(record.pk)
    return reasons


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
        left = pace * max(sum(rest) / self.at_once, *rest)
        return f"{said}, falta{'m' if left >= 105 else ''} até {write_minutes(left)} min"


def prepare(environ: Mapping[str, str], threads: int, many: bool) -> None:
    """Neste processo, o ambiente dos kernels, com ``threads`` linhas para cada um, se a pessoa não disse quantas.

    Se são ``many``, mais do que os que correm ao mesmo tempo, vale a pena o processo de que eles nascem.
    """
    tolerate_any_terminal()
    ignore_interrupts()
    leave_with_parent()
    os.environ.update(environ)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if many:
        warm.start()


def leave_with_parent() -> None:
    """Sem quem espera o livro, morto à força, este processo também acaba; e, sem ele, o kernel que abriu."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def ignore_interrupts() -> None:
    """O Ctrl-C, que o terminal manda a todos, é com quem espera o livro: aqui seria um traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def execute(root: Path, path: Path, notebook: NotebookNode, reasons: list[str], timeout: int) -> Executed:
    """Executa o caderno na sua pasta."""
    because = f" (mudou {', '.join(reasons[:3])}{'…' if len(reasons) > 3 else ''})" if reasons else ""
    print(f"  executando {path.relative_to(root).as_posix()}{because} …", flush=True)
    start = time.monotonic()
    options = {"timeout": timeout, "resources": {"metadata": {"path": str(path.parent)}}, "record_timing": False}
    client = ChapterClient(notebook, root, **options)
    failure = None
    try:
        # O que o kernel diz fora das células (avisos do Jupyter, uma queda do processo) não é de quem espera o livro.
        with (root / "_build" / KERNEL_LOG).open("ab") as log:
            client.execute(stderr=log)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = client.explain(error)
    finally:
        # O nbclient, ao tirar o seu tratador, deixa o do Python.
        ignore_interrupts()
    used, peak = client.report.get("uses", []), client.report.get("peak_mb")
    return Executed(notebook, failure, time.monotonic() - start, client.cell_seconds, used, peak)
