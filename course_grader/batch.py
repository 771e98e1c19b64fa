"""A turma inteira: entregas em paralelo, um resultado gravado por vez, e o que já foi corrigido nunca se perde."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from course_grader.assignment import Assignment
from course_grader.bubblewrap import SandboxError
from course_grader.discussion import Read
from course_grader.grade import TryAlone, grade_submission
from course_grader.result import Deadlines, Result, blank, result_key, stale
from course_grader.sandbox import Confinement, Sandbox
from course_grader.submission import Submission, SubmissionError, UnreachableError
from course_lib.files import write_atomically
from course_lib.text import number

# Quantos alarmes de uma entrega se mostram, e quantas letras de cada um.
MAX_ALARMS, MAX_ALARM = 20, 300


@dataclass
class Marked:
    """Uma entrega e o seu resultado; sem ele, ``failure`` diz por que não foi corrigida.

    Attributes:
        read: o que o professor anotou da discussão, se há uma.
        lost: a fração da nota que o atraso tira.
    """

    submission: Submission
    result: Result | None = None
    failure: str = ""
    read: Read | None = None
    lost: float = 0.0

    @property
    def earned(self) -> float:
        """Os pontos das questões e, se já foi toda lida, os da discussão."""
        return (self.result.total if self.result else 0.0) + (self.read.total if self.read else 0.0)

    @property
    def total(self) -> float:
        """A nota da entrega: o que ganhou, menos o que o atraso tira."""
        return self.earned * (1 - self.lost)

    @property
    def notes(self) -> list[str]:
        """O que dizer a quem entregou."""
        late = [f"entregue com atraso: a nota perdeu {number(self.lost, '.0%')}."] if self.lost else []
        return self.submission.notes + late + (self.result.notes if self.result else [])

    @property
    def alarms(self) -> list[str]:
        """O que o professor deve olhar: poucas linhas, cada uma numa linha só, por mais que um caderno as provoque."""
        told = self.submission.alarms + (self.result.alarms if self.result else [])
        more = [f"… e mais {len(told) - MAX_ALARMS}"] if len(told) > MAX_ALARMS else []
        return [" ".join(alarm.split())[:MAX_ALARM] for alarm in told[:MAX_ALARMS]] + more


@dataclass
class Job:
    """Um caderno a corrigir, e as entregas que são ele, byte a byte.

    Attributes:
        key: a identidade do resultado.
        submission: onde estão os bytes; uma turma inteira deles não caberia na memória.
        owners: a posição das entregas.
        previous: o resultado que ele já tem, se mudaram só algumas questões.
    """

    key: str
    submission: Submission
    owners: list[int]
    previous: Result | None = None

    def read(self, assignment: Assignment, deadlines: Deadlines) -> bytes:
        """Os bytes do caderno.

        Raises:
            SubmissionError: já não é possível lê-lo, ou ele mudou desde que a correção começou.
        """
        content = self.submission.read()
        if result_key(content, assignment.of(self.submission.key), deadlines) != self.key:
            raise SubmissionError("o arquivo mudou durante a correção; corrija de novo")
        return content


class Store:
    """Um arquivo por resultado, com o nome da sua identidade, gravado inteiro ou não gravado.

    Args:
        folder: a pasta de saída da turma.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "resultados"

    def load(self, key: str) -> Result | None:
        """O resultado guardado, ou ``None`` se não há um inteiro."""
        try:
            return Result.from_json(json.loads(self._path(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, key: str, result: Result) -> None:
        """Grava um resultado, com as respostas ao lado: só quem corrige de novo as lê.

        Raises:
            OSError: sem espaço ou sem permissão.
        """
        plain = result.to_json()
        replies = json.dumps(plain.pop("replies"))
        # Primeiro as respostas: sem elas o resultado vale, e elas sem ele não são nada.
        write_atomically(self._replies(key), lambda file: file.write(replies.encode()))
        text = json.dumps(plain, ensure_ascii=False, indent=1)
        write_atomically(self._path(key), lambda file: file.write(text.encode("utf-8", "replace")))

    def recall(self, key: str, result: Result) -> Result:
        """O resultado guardado com as suas respostas, se ainda estão lá inteiras."""
        try:
            replies = json.loads(self._replies(key).read_text(encoding="utf-8"))
            whole = isinstance(replies, dict) and all(type(text) is str for text in replies.values())
        except (OSError, ValueError):
            whole = False
        return replace(result, replies=replies if whole else {})

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _replies(self, key: str) -> Path:
        return self.folder.parent / "respostas" / f"{key}.json"


class Local:
    """Corrige nesta máquina, com uma caixa por linha de execução.

    Args:
        assignment: o exercício.
        confinement: os limites das caixas.
        deadlines: os prazos.
        workers: quantas entregas ao mesmo tempo.
    """

    def __init__(
        self, assignment: Assignment, confinement: Confinement, deadlines: Deadlines, *, workers: int = 1
    ) -> None:
        self.assignment = assignment
        self.confinement = confinement
        self.deadlines = deadlines
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="correcao")
        self._mine = threading.local()
        self._sandboxes: list[Sandbox] = []
        self._stopping = threading.Event()

    def grade(self, jobs: list[Job]) -> Iterator[tuple[Job, Result | Exception]]:
        """Cada caderno com o seu resultado, na ordem em que ficam prontos; os atrasados, no fim e sozinhos."""
        futures = {self._pool.submit(self._grade, job, alone=self._workers == 1): job for job in jobs}
        late = []
        for future in as_completed(futures):
            outcome = _outcome(future)
            if isinstance(outcome, TryAlone):
                late.append(futures[future])
            else:
                yield futures[future], outcome
        for job in late:
            yield job, _outcome(self._pool.submit(self._grade, job, alone=True))

    def close(self) -> None:
        """Para o que estiver em andamento e desfaz as caixas."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for sandbox in self._sandboxes:
            sandbox.abandon()
        self._pool.shutdown(wait=True)
        for sandbox in self._sandboxes:
            sandbox.close()

    def _grade(self, job: Job, *, alone: bool) -> Result:
        content = job.read(self.assignment, self.deadlines)
        sandbox = getattr(self._mine, "sandbox", None)
        if sandbox is None:
            sandbox = self._mine.sandbox = Sandbox(self.confinement, len(self._sandboxes))
            self._sandboxes.append(sandbox)
        assignment = self.assignment.of(job.submission.key)
        try:
            result = grade_submission(content, assignment, sandbox, self.deadlines, job.previous, alone=alone)
        except SandboxError:
            if self._stopping.is_set():
                raise
            # Uma vez pode ser azar da máquina (memória, outro processo); duas, não.
            result = grade_submission(content, assignment, sandbox, self.deadlines, job.previous, alone=alone)
        if self._stopping.is_set():
            raise SandboxError("a correção foi interrompida")
        return result


def plan(
    submissions: list[Submission], assignment: Assignment, deadlines: Deadlines, store: Store
) -> tuple[list[Marked], list[Job]]:
    """O que já está corrigido ou não tem o que corrigir, e o que falta.

    Duas entregas com os mesmos bytes são corrigidas uma vez só, a não ser que cada estudante tenha os seus casos.
    """
    marked = [Marked(submission) for submission in submissions]
    jobs: dict[str, Job] = {}
    for position, entry in enumerate(marked):
        try:
            content = entry.submission.read()
        except UnreachableError as error:
            entry.failure = f"não foi corrigida: {error}"
            continue
        except SubmissionError as error:
            entry.result = _unreadable(assignment, str(error))
            continue
        key = result_key(content, assignment.of(entry.submission.key), deadlines)
        known = store.load(key)
        if known is not None and not stale(known, assignment):
            entry.result = blank(assignment, known)
        else:
            known = store.recall(key, known) if known is not None else None
            jobs.setdefault(key, Job(key, entry.submission, [], known)).owners.append(position)
    return marked, list(jobs.values())


def run(
    marked: list[Marked],
    jobs: list[Job],
    engine: Any,
    store: Store,
    *,
    tell: Callable[[Marked], None],
) -> None:
    """Corrige o que falta, grava cada resultado assim que sai e o põe nas entregas correspondentes.

    Args:
        marked: as entregas.
        jobs: o que falta.
        engine: quem corrige (:class:`Local`, ou um aglomerado de máquinas).
        store: onde gravar.
        tell: chamada a cada entrega corrigida.

    Raises:
        OSError: não há onde gravar; o que já foi gravado continua valendo.
    """
    for job, outcome in engine.grade(jobs):
        if isinstance(outcome, Result):
            store.save(job.key, outcome)
            outcome.replies = {}
        for position in job.owners:
            entry = marked[position]
            if isinstance(outcome, Result):
                entry.result = outcome
            else:
                entry.failure = f"não foi corrigida: {outcome or type(outcome).__name__}"
            tell(entry)


def class_seed(folder: Path, asked: int | None) -> int:
    """A semente da turma: a pedida, a guardada em ``turma.json`` ou uma nova, que fica guardada.

    Raises:
        ValueError: o arquivo guardado está estragado.
        OSError: não foi possível gravar.
    """
    path = folder / "turma.json"
    stored = None
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))["semente"]
        except (ValueError, KeyError, TypeError):
            stored = None
        if asked is None and type(stored) is not int:
            raise ValueError(f"{path} está estragado; dê a semente da turma com --semente")
    seed = asked if asked is not None else stored if stored is not None else secrets.randbits(62)
    if seed != stored:
        text = json.dumps({"semente": seed}) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))
    return seed


def _outcome(future: Future[Result]) -> Result | Exception:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return error
    raise error


def _unreadable(assignment: Assignment, reason: str) -> Result:
    result = blank(assignment)
    for question in result.questions:
        question.hint = "não há como ler o caderno."
    result.notes.append(reason)
    return result
