"""A correção de uma entrega: as células numa caixa, as chamadas com entradas ocultas, o julgamento aqui.

A nota de uma questão é tudo ou nada: os pontos dela, se a função acerta todos os casos ocultos; ou, se o professor
quer, a parte dos casos que ela acerta. O que o processo do estudante diz de si mesmo (um erro, um argumento alterado)
só pode tirar pontos.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from course_grader.assignment import Assignment, Case
from course_grader.channel import Channel, ChannelError, ChildDied, ChildLate, MemoryAbuse, Violation
from course_grader.inside.wire import NoAnswer
from course_grader.result import Deadlines, QuestionResult, Result, blank, stale
from course_grader.sandbox import Sandbox
from course_grader.submission import SubmissionError, read_cells, visible
from course_grader.suspicion import suspicions
from course_lib import text
from course_lib.exercises.answers import Mistake
from course_lib.exercises.calls import Stumble, StumbleKind
from course_lib.exercises.hints import explain, explain_altered
from course_lib.exercises.question import Question

# Segundos de cada célula quando as anteriores já gastaram o tempo de todas.
HURRY = 1.0

# Os juízes e os sorteios usam o gerador global do PyTorch, e as entregas são corrigidas em linhas paralelas.
_one_at_a_time = threading.Lock()


def grade_submission(
    content: bytes,
    assignment: Assignment,
    sandbox: Sandbox,
    deadlines: Deadlines | None = None,
    previous: Result | None = None,
) -> Result:
    """Corrige uma entrega.

    Args:
        content: os bytes do caderno, como vieram.
        assignment: o exercício da turma.
        sandbox: a caixa em que o código dela roda.
        deadlines: os prazos.
        previous: o resultado que ela já tem; só se corrigem as questões que mudaram desde então.

    Returns:
        O resultado; uma entrega ilegível tem nota zero, com a razão em ``notes``.

    Raises:
        SandboxError: a caixa não funciona.
    """
    start = time.monotonic()
    todo = {question.name for question in assignment.exercise.questions}
    result = blank(assignment, previous)
    if previous is not None:
        todo = stale(previous, assignment)
        result.notes, result.alarms = [], []
    try:
        # Um de cada vez: um JSON hostil ocupa, enquanto é lido, muitas vezes o seu tamanho.
        with _one_at_a_time:
            notebook = read_cells(content)
            fingerprint = notebook.fingerprint
    except SubmissionError as error:
        result.notes.append(str(error))
        for question in result.questions:
            question.hint = "não há como ler o caderno."
        return result
    result.notes += notebook.notes
    result.fingerprint = fingerprint
    result.alarms += suspicions(notebook.cells)
    student = _Student(sandbox, notebook.cells, deadlines or Deadlines(), result)
    try:
        both = zip(assignment.exercise.questions, result.questions, strict=True)
        pairs = [pair for pair in both if pair[0].name in todo]
        failed = [pair for pair in pairs if _grade_question(student, assignment, *pair)]
        if failed:
            _tell_more(student.fresh(), assignment, failed)
    finally:
        sandbox.kill()
    result.seconds = round(time.monotonic() - start, 2)
    if previous is not None:
        # O que se disse das outras questões continua dito, na ordem em que estava.
        result.notes = list(dict.fromkeys([*previous.notes, *result.notes]))
        result.alarms = list(dict.fromkeys([*previous.alarms, *result.alarms]))
    return result


def _grade_question(student: _Student, assignment: Assignment, question: Question, outcome: QuestionResult) -> bool:
    """Põe a nota da questão; verdadeiro se ela respondeu errado, e a dica talvez possa dizer mais."""
    if assignment.by_case:
        return _grade_cases(student, assignment, question, outcome)
    try:
        for case in assignment.hidden[question.name]:
            hint = _verdict(student, question, case, student.call(case), secret=True)
            if hint is not None:
                outcome.hint = hint
                return True
    except _Stopped as stop:
        outcome.hint = str(stop)
        return False
    outcome.mark = question.points
    return False


def _grade_cases(student: _Student, assignment: Assignment, question: Question, outcome: QuestionResult) -> bool:
    """O mesmo, quando cada caso vale a sua parte: uma resposta errada não esconde as certas."""
    cases, right, stopped, wrong = assignment.hidden[question.name], 0, 0, False
    for case in cases:
        try:
            hint = _verdict(student, question, case, student.call(case), secret=True)
        except _Stopped as stop:
            hint, stopped = str(stop), stopped + 1
        else:
            wrong = wrong or hint is not None
        right += hint is None
        outcome.hint = outcome.hint or hint or ""
        # Cada processo morto custa um dos poucos recomeços da entrega, que são de todas as questões.
        if stopped == 2:
            break
    outcome.mark = question.points if right == len(cases) else round(question.points * right / len(cases), 4)
    return wrong


def _tell_more(student: _Student, assignment: Assignment, failed: Sequence[tuple[Question, QuestionResult]]) -> None:
    """Troca a dica pela de um caso público que também falhe: ele não esconde nada, e ela pode citar o erro.

    Só num processo que nunca viu um caso oculto: outro contaria, no texto de um erro público, os ocultos que guardou.
    """
    for question, outcome in failed:
        try:
            for case in assignment.public[question.name]:
                hint = _verdict(student, question, case, student.call(case), secret=False)
                if hint is not None:
                    outcome.hint = hint
                    break
        except _Stopped:
            continue


def _verdict(student: _Student, question: Question, case: Case, reply: dict[str, Any], *, secret: bool) -> str | None:
    """A dica, ou ``None`` se a resposta está certa."""
    error = reply.get("error")
    if error is not None or "answer" not in reply:
        return _explain(error if type(error) is dict else {}, question, case, student.longest, secret=secret)
    for name in case.message["names"]:
        # Quem esconde que alterou o argumento não ganha nada: o juiz olha o original.
        if type(reply.get("altered")) is list and name in reply["altered"]:
            return explain_altered(name)
    try:
        with _one_at_a_time:
            question.judge(question.make_inputs(case.seed), reply["answer"])
    except Mistake as mistake:
        return mistake.secret if secret else str(mistake)
    except Exception as failure:
        student.result.alarms.append(
            f"{question.name}: o juiz parou com {type(failure).__name__}; confira a resposta à mão"
        )
        return "a resposta tem um formato que não soube julgar."
    return None


def _explain(error: dict[str, Any], question: Question, case: Case, longest: int, *, secret: bool) -> str:
    kind = error.get("kind")
    if kind == NoAnswer.LATE:
        return "a função não terminou no prazo."
    if kind == NoAnswer.UNFIT:
        # O texto também vem de lá: com uma entrada oculta na mão, ele poderia citá-la.
        return "a resposta é grande demais." if secret else f"{_text(error, 'text') or 'a resposta não serve'}."
    line = error.get("line")
    stumble = Stumble(
        StumbleKind(kind) if kind in list(StumbleKind) else StumbleKind.ERROR,
        _text(error, "text"),
        _text(error, "type") or "um erro",
        # Uma linha que nenhuma célula tem não é um lugar: é um número que quem respondeu escolheu.
        line if type(line) is int and 0 < line <= longest else 0,
        _text(error, "source"),
    )
    return explain(stumble, question, case.message["names"], secret=secret)


def _text(error: dict[str, Any], key: str) -> str:
    value = error.get(key)
    return visible(value[:500]) if type(value) is str else ""


class _Stopped(Exception):
    """A questão não pôde ser respondida; o texto é a dica."""


class _Student:
    """O processo de uma entrega, refeito quando morre, com as células que o deixam no ponto de responder."""

    def __init__(self, sandbox: Sandbox, cells: Sequence[str], deadlines: Deadlines, result: Result) -> None:
        self.sandbox = sandbox
        self.cells = cells
        self.longest = max((source.count("\n") + 1 for source in cells), default=0)
        self.deadlines = deadlines
        self.result = result
        self._limit = time.monotonic() + deadlines.total
        self._cells_limit = self._limit - deadlines.total + deadlines.cells
        self._channel: Channel | None = None
        self._starts = 0
        self._skipped: set[int] = set()
        self._noted: set[int] = set()

    def fresh(self) -> _Student:
        """A mesma entrega num processo novo, que não viu nada; o que houver nele já não conta para o resultado."""
        self.sandbox.kill()
        scratch = Result([])
        again = _Student(self.sandbox, self.cells, self.deadlines, scratch)
        again._limit, again._skipped = self._limit, self._skipped
        return again

    def call(self, case: Case) -> dict[str, Any]:
        """A resposta da função a um caso.

        Raises:
            _Stopped: o processo morreu, passou do prazo ou trapaceou no canal.
        """
        channel = self._ready()
        seconds = min(self.deadlines.call, self._left())
        name = case.message["function"]
        try:
            reply = channel.request(
                dict(case.message) | {"seconds": seconds}, case.blobs, seconds + self.deadlines.grace
            )
        except ChannelError as error:
            raise self._stop(name, error) from None
        if type(reply.get("error")) is dict and reply["error"].get("kind") == NoAnswer.LATE:
            self.result.alarms.append(f"{name}: prazo esgotado")
        return reply

    def _ready(self) -> Channel:
        """O canal com as células já executadas."""
        while self._channel is None:
            if self._starts > self.deadlines.restarts:
                raise _Stopped("o processo da entrega terminou vezes demais, e não houve como continuar.")
            self._starts += 1
            before = time.monotonic()
            self._channel = self.sandbox.open()
            # O tempo que a máquina leva para abrir uma caixa não é do estudante.
            opening = time.monotonic() - before
            self._limit += opening
            self._cells_limit += opening
            for number, source in enumerate(self.cells, start=1):
                if number not in self._skipped and not self._run(number, source):
                    break
        return self._channel

    def _run(self, number: int, source: str) -> bool:
        """Executa uma célula; falso se ela custou o processo."""
        seconds = min(self.deadlines.cell, max(self._cells_limit - time.monotonic(), HURRY), self._left())
        message = {"op": "cell", "source": source, "number": number, "seconds": seconds}
        try:
            reply = self._channel.request(message, (), seconds + self.deadlines.grace)
        except ChannelError as error:
            self._skipped.add(number)
            self.result.notes.append(f"{self._stop(f'célula {number}', error)} A célula foi pulada.")
            return False
        error = reply.get("error")
        if type(error) is dict and number not in self._noted:
            self._noted.add(number)
            if error.get("kind") == NoAnswer.LATE:
                self._skipped.add(number)
                self.result.notes.append(
                    f"célula {number}: passou do prazo de {text.number(max(seconds, 1), '.0f')} s e foi interrompida."
                )
                self.result.alarms.append(f"célula {number}: prazo esgotado")
            else:
                what = ": ".join(filter(None, (_text(error, "type"), _text(error, "text"))))
                self.result.notes.append(f"célula {number}: parou com {what}")
                # Um pacote que o estudante tem e quem corrige não tem; o do Colab só existe lá.
                if what.startswith("ModuleNotFoundError") and "google" not in what:
                    self.result.alarms.append(f"célula {number}: falta um módulo nesta máquina ({what})")
        return True

    def _stop(self, where: str, error: ChannelError) -> _Stopped:
        self._channel = None
        reasons = {
            ChildLate: ("não terminou no prazo.", "prazo esgotado"),
            ChildDied: ("encerrou o processo (memória demais, ou uma saída forçada?).", "processo morto"),
            MemoryAbuse: ("usou memória demais.", "memória esgotada"),
            Violation: ("escreveu no canal do corretor.", "resposta forjada"),
        }
        told, alarm = reasons[type(error)]
        self.result.alarms.append(f"{where}: {alarm} ({error})")
        return _Stopped(f"{where} {told}")

    def _left(self) -> float:
        left = self._limit - time.monotonic()
        if left <= 0:
            raise _Stopped("o prazo da entrega inteira acabou antes desta questão.")
        return left
