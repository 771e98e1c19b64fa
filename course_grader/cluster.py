"""A mesma correção em várias máquinas, pelo dask: cada entrega é uma tarefa, refeita noutra se a sua máquina cai."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from distributed import Client, as_completed, get_worker

from course_grader.assignment import Assignment, define, load_assignment
from course_grader.batch import Job
from course_grader.grade import TryAlone, grade_submission
from course_grader.result import Deadlines, Result, grader_version
from course_grader.sandbox import Confinement, Sandbox
from course_grader.submission import SubmissionError

# Tarefas pedidas de cada vez, por máquina.
IN_FLIGHT = 4

_mine = threading.local()


class Cluster:
    """Corrige num aglomerado do dask; tem a mesma forma de :class:`~course_grader.batch.Local`.

    Args:
        address: o do escalonador (``tcp://máquina:8786``).
        assignment: o exercício; a definição de um professor vai junto, a do curso precisa estar instalada lá.
        confinement: os limites das caixas.
        deadlines: os prazos.

    Raises:
        OSError: ninguém responde nesse endereço.
    """

    def __init__(self, address: str, assignment: Assignment, confinement: Confinement, deadlines: Deadlines) -> None:
        try:
            self._client = Client(address, timeout=20)
        except (OSError, ValueError) as error:
            raise OSError(f"não consegui falar com o dask em {address} ({error})") from None
        self._assignment, self._deadlines = assignment, deadlines
        own = assignment.own
        self._settings = {
            "name": None if own else assignment.exercise.name,
            "source": assignment.source if own else None,
            "class_seed": assignment.class_seed,
            "by_case": assignment.by_case,
            "by_student": assignment.by_student,
            "version": grader_version(),
            "confinement": confinement,
            "deadlines": deadlines,
        }

    def grade(self, jobs: list[Job]) -> Iterator[tuple[Job, Result | Exception]]:
        """Cada caderno com o seu resultado, na ordem em que ficam prontos, uma vez cada um; os atrasados, no fim."""
        workers = self._client.scheduler_info()["workers"].values()
        # Poucos de cada vez: os cadernos de uma turma inteira não cabem na memória.
        window = IN_FLIGHT * max(1, len(workers))
        late = []
        for job, outcome in self._grade(jobs, window, alone=sum(worker["nthreads"] for worker in workers) == 1):
            if isinstance(outcome, TryAlone):
                late.append(job)
            else:
                yield job, outcome
        # Um de cada vez no aglomerado inteiro: duas das suas máquinas podem ser a mesma.
        yield from self._grade(late, 1, alone=True)

    def _grade(self, jobs: list[Job], window: int, *, alone: bool) -> Iterator[tuple[Job, Result | Exception]]:
        """O mesmo, com ``window`` tarefas pedidas de cada vez."""
        waiting, futures, ready = list(reversed(jobs)), {}, as_completed()
        while waiting or futures:
            while waiting and len(futures) < window:
                job = waiting.pop()
                try:
                    content = job.read(self._assignment, self._deadlines)
                except SubmissionError as error:
                    yield job, error
                    continue
                # A chave é a identidade do resultado: pedir duas vezes a mesma correção não a faz duas vezes.
                previous = job.previous.to_json() if job.previous else None
                versions = hashlib.sha256(repr((self._assignment.digests, alone)).encode()).hexdigest()[:12]
                name = f"correcao-{job.key}-{versions}"
                who = job.submission.key
                future = self._client.submit(
                    grade_remotely, content, self._settings, previous, student=who, alone=alone, key=name
                )
                futures[future] = job
                ready.add(future)
            if futures:
                future = next(ready)
                error = future.exception()
                outcome = Result.from_json(future.result()) if error is None else error
                yield futures.pop(future), outcome
                future.release()

    def close(self) -> None:
        """Desiste do que falta e se despede."""
        self._client.close()


def grade_remotely(
    content: bytes,
    settings: dict[str, Any],
    previous: dict[str, Any] | None = None,
    *,
    student: str = "",
    alone: bool = True,
) -> dict[str, Any]:
    """A tarefa: corrige uma entrega nesta máquina, com uma caixa que fica para a próxima.

    Raises:
        ValueError: o corretor daqui é outro.
        SandboxError: a caixa não funciona aqui.
        TryAlone: um prazo acabou, e outras tarefas dividiam as máquinas.
    """
    if settings["version"] != grader_version():
        raise ValueError(f"a máquina {get_worker().address} tem outra versão do corretor; instale a mesma em todas")
    if getattr(_mine, "settings", None) != settings:
        if settings["source"] is None:
            assignment = load_assignment(settings["name"], settings["class_seed"])
        else:
            assignment = define(settings["source"], "a definição do exercício", settings["class_seed"])
        _mine.assignment = replace(assignment, by_case=settings["by_case"], by_student=settings["by_student"])
        _mine.sandbox = Sandbox(settings["confinement"], threading.get_native_id())
        _mine.settings = settings
    known = Result.from_json(previous) if previous else None
    assignment, deadlines = _mine.assignment.of(student), settings["deadlines"]
    return grade_submission(content, assignment, _mine.sandbox, deadlines, known, alone=alone).to_json()
