"""O resultado de uma entrega, e a identidade dele: o que faz com que não precise ser refeito."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import course_lib.exercises
from course_grader.assignment import Assignment


@dataclass(frozen=True)
class Deadlines:
    """Prazos, em segundos que a máquina deu à entrega (:mod:`course_grader.clock`).

    Attributes:
        cell: de uma célula.
        compiling: de uma célula, num caderno que usa o que se compila ao ser chamado.
        call: de uma chamada.
        cells: de todas as células juntas; passado ele, cada uma das que faltam ganha um segundo, que basta para
            definir funções e deixa tempo para as chamadas.
        total: de uma entrega inteira.
        grace: quanto se espera, além do prazo, antes de matar o processo.
        restarts: quantas vezes o processo de uma entrega pode ser refeito.
    """

    cell: float = 10.0
    # O UMAP, que só se compila quando é chamado, leva 14.
    compiling: float = 20.0
    call: float = 10.0
    # Menos que os 60 segundos de CPU da caixa, para que às chamadas sobre algum.
    cells: float = 40.0
    total: float = 180.0
    grace: float = 2.0
    restarts: int = 4


@dataclass
class QuestionResult:
    """O resultado de uma questão: a nota e, se não é a máxima, a dica; e de que versão da questão ele é."""

    name: str
    function: str
    points: float
    mark: float = 0.0
    hint: str = ""
    digest: str = ""


@dataclass
class Result:
    """O resultado de uma entrega.

    Attributes:
        questions: um por questão, na ordem do exercício.
        notes: o que o estudante deve saber (células puladas, caderno convertido).
        alarms: o que o professor deve olhar (prazos, processos mortos, respostas forjadas).
        seconds: quanto a correção levou.
        fingerprint: resumo do código sem comentários nem espaços, para achar entregas iguais; vazio se não há código.
        replies: o que se respondeu a cada chamada, para julgar de novo (:mod:`course_grader.replies`).
    """

    questions: list[QuestionResult]
    notes: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fingerprint: str = ""
    replies: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """A nota da entrega."""
        return sum(question.mark for question in self.questions)

    def to_json(self) -> dict[str, Any]:
        """Como se guarda em arquivo."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        """De volta do arquivo.

        Raises:
            TypeError, KeyError: não é um resultado.
        """
        return cls(**data | {"questions": [QuestionResult(**question) for question in data["questions"]]})


@cache
def grader_version() -> str:
    """Muda quando muda o que pode mudar uma nota ou uma dica: um resultado de outra versão não vale.

    A definição do exercício não entra aqui: cada questão guarda a sua (:attr:`Assignment.digests`).
    """
    digest = hashlib.sha256()
    here, exercises = Path(__file__).parent, Path(course_lib.exercises.__file__).parent
    for path in sorted([*here.glob("*.py"), *here.glob("inside/*.py"), *exercises.glob("*.py")]):
        digest.update(f"{path.parent.name}/{path.name}".encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def result_key(content: bytes, assignment: Assignment, deadlines: Deadlines) -> str:
    """A identidade do resultado: a mesma entrega, do mesmo exercício, na mesma turma, pelo mesmo corretor.

    Uma questão consertada não a muda: só ela se corrige de novo (:func:`stale`).
    """
    parts = [hashlib.sha256(content).hexdigest(), assignment.digest, grader_version(), repr(deadlines)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def blank(assignment: Assignment, previous: Result | None = None) -> Result:
    """O resultado por preencher: cada questão sem pontos, menos as que ``previous`` já tem nesta versão delas."""
    known = {question.digest: question for question in previous.questions} if previous else {}
    fresh = [
        known.get(digest := assignment.digests[question.name])
        or QuestionResult(question.name, question.function, question.points, digest=digest)
        for question in assignment.exercise.questions
    ]
    if previous is None:
        return Result(fresh)
    known = (previous.seconds, previous.fingerprint, dict(previous.replies))
    return Result(fresh, list(previous.notes), list(previous.alarms), *known)


def stale(result: Result, assignment: Assignment) -> set[str]:
    """As questões que mudaram desde este resultado."""
    graded = {question.digest for question in result.questions}
    return {name for name, digest in assignment.digests.items() if digest not in graded}
