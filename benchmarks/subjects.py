"""As questões dos exercícios, com as respostas dos cadernos de ``solutions/`` e os casos de muitas turmas."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import nbformat
import torch

from course_grader.assignment import Assignment, load_assignment
from course_lib import exercises
from course_lib.exercises.answers import Mistake
from course_lib.exercises.calls import Stumble
from course_lib.exercises.hints import explain
from course_lib.exercises.question import Question, load_exercise
from course_lib.exercises.verify import judge_call

SOLUTIONS = Path(__file__).parents[1] / "solutions"
ENGINE = [
    *(Path(exercises.__file__).with_name(f"{name}.py") for name in ("answers", "calls", "diagnosis", "question")),
    *(Path(__file__).with_name(f"{name}.py") for name in ("mutations", "rewrites", "sameness", "wrong_answers")),
]

# Segundos de processador de uma resposta em todos os casos: há enganos que nunca terminam.
CPU_SECONDS = 4.0
LATE = "a função não terminou no prazo."


class Late(BaseException):
    """O tempo acabou; não é ``Exception`` porque a conferência transforma essas num tropeço do estudante."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Interrompe com :class:`Late` o que gastar mais do que isso de processador."""

    def stop(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@dataclass
class Subject:
    """Uma questão, com o que se precisa para experimentar respostas nela.

    Attributes:
        exercise: o exercício.
        question: a questão.
        index: o lugar dela no exercício.
        source: o texto da função que a resolve.
        namespace: o que essa função enxerga.
    """

    exercise: str
    question: Question
    index: int
    source: str
    namespace: dict[str, Any] = field(repr=False)
    _inputs: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)
    _answers: dict[int, Any] = field(default_factory=dict, repr=False)

    @property
    def right(self) -> Callable[..., Any]:
        """A função do caderno de soluções."""
        return self.namespace[self.question.function]

    @property
    def key(self) -> tuple[str, str]:
        """O exercício e o nome da questão."""
        return self.exercise, self.question.name

    @property
    def digest(self) -> str:
        """De que textos depende o que se mede: a questão, a sua resposta, o juiz e os enganos."""
        files = [Path(inspect.getfile(type(self.question))), *ENGINE]
        text = self.source + "".join(file.read_text(encoding="utf-8") for file in files)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def define(self, source: str) -> Callable[..., Any]:
        """A função que o texto define, no lugar da do caderno."""
        namespace = dict(self.namespace)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            exec(compile(source, "<resposta>", "exec"), namespace)
        return namespace[self.question.function]

    def inputs(self, seed: int) -> dict[str, Any]:
        """As entradas de uma semente, que o sorteio só faz uma vez; são para ler."""
        if seed not in self._inputs:
            self._inputs[seed] = self.question.make_inputs(seed)
        return self._inputs[seed]

    def hidden(self, class_seed: int) -> list[int]:
        """As sementes dos casos ocultos de uma turma."""
        return _assignment(self.exercise, class_seed).hidden_seeds(self.index)

    def hint(
        self, function: Callable[..., Any], seeds: Iterable[int], *, secret: bool = False
    ) -> tuple[str | None, bool]:
        """A dica do primeiro caso errado, como a do caderno e a do corretor, e se ela é vaga; ``None`` se não há."""
        for seed in seeds:
            inputs = self.inputs(seed)
            try:
                self._call(self.question, function, seed)
            except Stumble as stumble:
                return explain(stumble, self.question, inputs, secret=secret), False
            except Mistake as mistake:
                told = mistake.secret if secret else str(mistake)
                return told, mistake.vague or (secret and str(mistake).startswith(f"{told} "))
        return None, False

    def passes(self, function: Callable[..., Any], seeds: Iterable[int]) -> bool:
        """Se a função acerta todos os casos, pelo mesmo juiz, sem procurar que engano explica um erro."""
        quick = copy.copy(self.question)

        def mistakes() -> Iterator[Any]:
            raise Mistake("errada")
            yield

        quick.mistakes = mistakes
        for seed in seeds:
            quick.answer = partial(self._expected, seed)
            try:
                self._call(quick, function, seed)
            except (Stumble, Mistake):
                return False
        return True

    def _call(self, question: Question, function: Callable[..., Any], seed: int) -> None:
        inputs = self.inputs(seed)
        torch.default_generator.manual_seed(seed)
        judge_call(question, function, inputs, copy.deepcopy(inputs))

    def _expected(self, seed: int) -> Any:
        if seed not in self._answers:
            self._answers[seed] = self.question.expected(self.inputs(seed))
        return self._answers[seed]


@cache
def _assignment(exercise: str, class_seed: int) -> Assignment:
    return load_assignment(exercise, class_seed)


def load_subjects(name: str) -> list[Subject]:
    """As questões do exercício ``name``, com as respostas do seu caderno."""
    exercise = load_exercise(name)
    functions = {question.function for question in exercise.questions}
    namespace: dict[str, Any] = {}
    sources = {}
    for node in _statements(SOLUTIONS / f"{name}.ipynb"):
        wanted = isinstance(node, ast.FunctionDef) and node.name in functions
        if wanted:
            sources[node.name] = ast.unparse(node)
        if wanted or isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.unparse(node), "<resposta>", "exec"), namespace)
    return [
        Subject(name, question, index, sources[question.function], namespace)
        for index, question in enumerate(exercise.questions)
    ]


def _statements(path: Path) -> Iterator[ast.stmt]:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            yield from ast.parse(cell.source).body
