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
from course_grader.channel import Channel, ChannelError, ChildDied, ChildLate, MemoryAbuse, Starved, Violation
from course_grader.inside.wire import NoAnswer
from course_grader.replies import Replies
from course_grader.result import Deadlines, QuestionResult, Result, blank, stale
from course_grader.sandbox import Sandbox
from course_grader.submission import Cells, SubmissionError, read_cells, visible
from course_grader.suspicion import suspicions
from course_lib import text
from course_lib.exercises.calls import Stumble, StumbleKind
from course_lib.exercises.hints import explain, explain_altered
from course_lib.exercises.question import Question

# Segundos de cada célula quando as anteriores já gastaram o tempo de todas.
HURRY = 1.0

# Quantas observações, e quantos alarmes, cabem num relatório.
MANY = 30

# Erros que dizem que a máquina é outra; os demais podem ser do caderno, se ele veio sem saídas.
_ELSEWHERE = ("ImportError", "OSError", "FileNotFoundError", "PermissionError", "EOFError", "UsageError")

# Os juízes e os sorteios usam o gerador global do PyTorch, e as entregas são corrigidas em linhas paralelas.
_one_at_a_time = threading.Lock()


class TryAlone(Exception):
    """Um prazo acabou enquanto outras entregas dividiam a máquina: antes de valer, que se corrija de novo, sozinha."""


def grade_submission(
    content: bytes,
    assignment: Assignment,
    sandbox: Sandbox,
    deadlines: Deadlines | None = None,
    previous: Result | None = None,
    *,
    alone: bool = True,
) -> Result:
    """Corrige uma entrega.

    Args:
        content: os bytes do caderno, como vieram.
        assignment: o exercício da turma.
        sandbox: a caixa em que o código dela roda.
        deadlines: os prazos.
        previous: o resultado que ela já tem; só se corrigem as questões que mudaram desde então.
        alone: se nenhuma outra entrega é corrigida ao mesmo tempo.

    Returns:
        O resultado; uma entrega ilegível tem nota zero, com a razão em ``notes``.

    Raises:
        SandboxError: a caixa não funciona.
        TryAlone: um prazo acabou e custou pontos, e talvez não seja culpa dela.
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
    student = _Student(assignment, sandbox, notebook, deadlines or Deadlines(), result, alone=alone)
    try:
        both = zip(assignment.exercise.questions, result.questions, strict=True)
        _mark_all(student, [pair for pair in both if pair[0].name in todo])
    finally:
        sandbox.kill()
    if result.total < sum(question.points for question in result.questions):
        if student.late and not alone:
            raise TryAlone
        result.alarms += student.differences
    result.replies = student.replies.stored
    result.notes, result.alarms = _few(result.notes), _few(result.alarms)
    result.seconds = round(time.monotonic() - start, 2)
    if previous is not None:
        # O que se disse das outras questões continua dito, na ordem em que estava.
        result.notes = list(dict.fromkeys([*previous.notes, *result.notes]))
        result.alarms = list(dict.fromkeys([*previous.alarms, *result.alarms]))
    return result


def _mark_all(student: _Student, pairs: Sequence[tuple[Question, QuestionResult]]) -> None:
    """As dicas, pelos casos públicos, e depois as notas, pelos ocultos.

    O que o processo diz dos públicos pode ser contado inteiro, porque ele ainda não viu nenhum oculto; do que ele diz
    depois, nada chega ao relatório.
    """
    stopped = [_hint(student, question, outcome) for question, outcome in pairs]
    student.hush()
    for (question, outcome), gone in zip(pairs, stopped, strict=True):
        # Onde cada caso vale a sua parte, um público que custou o processo não esconde os ocultos certos.
        if student.assignment.by_case or not gone:
            _mark(student, question, outcome)


def _hint(student: _Student, question: Question, outcome: QuestionResult) -> bool:
    """Põe a dica da questão, se um caso público falha; verdadeiro se ele custou o processo ou o prazo."""
    for case in student.assignment.public[question.name]:
        try:
            reply = student.call(case)
        except _Stopped as stop:
            outcome.hint = str(stop)
            return True
        hint = _verdict(student, question, case, reply, secret=False)
        if hint is not None:
            outcome.hint = hint
            return _is_late(reply)
    return False


def _mark(student: _Student, question: Question, outcome: QuestionResult) -> None:
    """Põe a nota da questão e, se um caso oculto falha e nenhum público falhou, a dica que não cita nada."""
    assignment = student.assignment
    cases, right, stopped = assignment.hidden[question.name], 0, 0
    for case in cases:
        try:
            hint = _verdict(student, question, case, student.call(case), secret=True)
        except _Stopped as stop:
            hint, stopped = str(stop), stopped + 1
        if hint is None:
            right += 1
            continue
        outcome.hint = outcome.hint or hint
        # Tudo ou nada: um erro basta. Por caso: cada processo morto custa um dos recomeços, que são de todas.
        if not assignment.by_case or stopped == 2:
            break
    if right == len(cases):
        outcome.mark, outcome.hint = question.points, ""
    elif assignment.by_case:
        outcome.mark = round(question.points * right / len(cases), 4)


def _is_late(reply: dict[str, Any]) -> bool:
    return type(reply.get("error")) is dict and reply["error"].get("kind") == NoAnswer.LATE


def _verdict(student: _Student, question: Question, case: Case, reply: dict[str, Any], *, secret: bool) -> str | None:
    """A dica, ou ``None`` se a resposta está certa."""
    error = reply.get("error")
    if error is not None or "answer" not in reply:
        return _explain(error if type(error) is dict else {}, question, case, student.longest, secret=secret)
    for name in case.message["names"]:
        # Quem esconde que alterou o argumento não ganha nada: o juiz olha o original.
        if type(reply.get("altered")) is list and name in reply["altered"]:
            return explain_altered(name)
    with _one_at_a_time:
        verdict = student.assignment.judge(question, case, reply["answer"])
    if verdict.failure:
        told = f"{question.name}: o juiz parou com {verdict.failure}; confira a resposta à mão"
        student.result.alarms.append(told)
    return verdict.secret if secret and verdict.hint is not None else verdict.hint


def _explain(error: dict[str, Any], question: Question, case: Case, longest: int, *, secret: bool) -> str:
    kind = error.get("kind")
    if kind == NoAnswer.LATE:
        return "a função não terminou no prazo."
    if kind == NoAnswer.UNFIT:
        # O texto também vem de lá: com uma entrada oculta na mão, ele poderia citá-la.
        return "a resposta é grande demais." if secret else f"{_text(error, 'text') or 'a resposta não serve'}."
    told = StumbleKind(kind) if kind in list(StumbleKind) else StumbleKind.ERROR
    if secret:
        # A linha e até o nome do tipo são números que o processo escolhe, com a entrada oculta na mão.
        return explain(Stumble(told, type="um erro"), question, case.message["names"], secret=True)
    line = error.get("line")
    stumble = Stumble(
        told,
        _text(error, "text"),
        _text(error, "type") or "um erro",
        # Uma linha que nenhuma célula tem não é um lugar: é um número que quem respondeu escolheu.
        line if type(line) is int and 0 < line <= longest else 0,
        _text(error, "source"),
    )
    return explain(stumble, question, case.message["names"])


def _text(error: dict[str, Any], key: str) -> str:
    value = error.get(key)
    return visible(value[:500]) if type(value) is str else ""


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MANY else [*lines[:MANY], f"e mais {len(lines) - MANY}"]


def _line(text: str) -> str:
    """O texto numa linha só e curta: um erro de três linhas não finge ser três linhas do corretor."""
    return " ".join(visible(text).split())[:200]


class _Stopped(Exception):
    """A questão não pôde ser respondida; o texto é a dica."""


class _Student:
    """O processo de uma entrega, refeito quando morre, com as células que o deixam no ponto de responder."""

    def __init__(
        self,
        assignment: Assignment,
        sandbox: Sandbox,
        notebook: Cells,
        deadlines: Deadlines,
        result: Result,
        *,
        alone: bool,
    ) -> None:
        self.assignment = assignment
        self.sandbox = sandbox
        self.notebook = notebook
        self.longest = max((source.count("\n") + 1 for source in notebook.cells), default=0)
        self.deadlines = deadlines
        self.result = result
        self.replies = Replies(result.replies, assignment.cases())
        self.late = False
        # O que uma célula não fez aqui e fez no caderno: só interessa se custou pontos.
        self.differences: list[str] = []
        self._alone = alone
        self._hushed = False
        # Segundos do relógio dos prazos: o que a máquina demora não é do estudante.
        self._left_total, self._left_cells = deadlines.total, deadlines.cells
        self._cell_deadline = max(deadlines.cell, deadlines.compiling if notebook.compiles else 0)
        self._channel: Channel | None = None
        self._starts = 0
        self._skipped: set[int] = set()
        self._noted: set[int] = set()

    def hush(self) -> None:
        """Daqui em diante, o que as células disserem não vai ao relatório."""
        self._hushed = True

    def call(self, case: Case) -> dict[str, Any]:
        """A resposta da função a um caso.

        Raises:
            _Stopped: o processo morreu, passou do prazo ou trapaceou no canal.
        """
        known = self.replies.find(case)
        if known is not None:
            return known
        channel = self._ready()
        seconds = min(self.deadlines.call, self._left())
        name = case.message["function"]
        try:
            reply = channel.request(case.message, case.blobs, seconds, self.deadlines.grace)
        except ChannelError as error:
            raise self._stop(name, error) from None
        finally:
            self._left_total -= channel.spent
        if _is_late(reply):
            self.late = True
            self.result.alarms.append(f"{name}: prazo esgotado")
        else:
            self.replies.keep(case, reply)
        return reply

    def _ready(self) -> Channel:
        """O canal com as células já executadas."""
        while self._channel is None:
            if self._starts > self.deadlines.restarts:
                raise _Stopped("o processo da entrega terminou vezes demais, e não houve como continuar.")
            self._starts += 1
            self._channel = self.sandbox.open()
            for number, source in enumerate(self.notebook.cells, start=1):
                if number not in self._skipped and not self._run(number, source):
                    break
        return self._channel

    def _run(self, number: int, source: str) -> bool:
        """Executa uma célula; falso se ela custou o processo."""
        channel = self._channel
        seconds = min(self._cell_deadline, max(self._left_cells, HURRY), self._left())
        try:
            reply = channel.request({"op": "cell", "source": source}, (), seconds, self.deadlines.grace)
        except ChannelError as error:
            self._skipped.add(number)
            told = f"{self._stop(f'célula {number}', error)} A célula foi pulada."
            if not self._hushed:
                self.result.notes.append(told)
            return False
        finally:
            self._left_total -= channel.spent
            self._left_cells -= channel.spent
        if number in self._noted or self._hushed:
            # Uma célula que se atrase agora ainda é pulada da próxima vez.
            if _is_late(reply):
                self._skipped.add(number)
            return True
        error, skipped = reply.get("error"), reply.get("skipped")
        if type(error) is dict:
            self._noted.add(number)
            self._note_error(number, error, seconds)
        elif type(skipped) is list and skipped:
            self._noted.add(number)
            asked = ", ".join(_line(item) for item in skipped[:3] if type(item) is str)
            self.result.notes.append(f"célula {number}: {asked} não roda na correção")
            self.differences.append(f"célula {number}: {asked} não roda na correção")
        return True

    def _note_error(self, number: int, error: dict[str, Any], seconds: float) -> None:
        if error.get("kind") == NoAnswer.LATE:
            self.late = True
            self._skipped.add(number)
            told = text.number(max(seconds, 1), ".0f")
            self.result.notes.append(f"célula {number}: passou do prazo de {told} s e foi interrompida.")
            self.result.alarms.append(f"célula {number}: prazo esgotado")
            return
        kind = _text(error, "type")
        what = _line(": ".join(filter(None, (kind, _text(error, "text")))))
        self.result.notes.append(f"célula {number}: parou com {what}")
        ran = self.notebook.ran[number - 1]
        if kind == "ModuleNotFoundError":
            # Um pacote que o estudante tem e quem corrige não tem.
            self.result.alarms.append(f"célula {number}: falta um módulo nesta máquina ({what})")
        elif ran or (ran is None and kind in _ELSEWHERE):
            self.differences.append(f"célula {number}: rodou no caderno, e na correção parou com {what}")

    def _stop(self, where: str, error: ChannelError) -> _Stopped:
        self._channel = None
        if isinstance(error, Starved) and not self._alone:
            raise TryAlone from None
        self.late = self.late or isinstance(error, ChildLate | Starved)
        reasons = {
            Starved: ("não terminou no prazo.", "prazo esgotado"),
            ChildLate: ("não terminou no prazo.", "prazo esgotado"),
            ChildDied: ("encerrou o processo (memória demais, ou uma saída forçada?).", "processo morto"),
            MemoryAbuse: ("usou memória demais.", "memória esgotada"),
            Violation: ("escreveu no canal do corretor.", "resposta forjada"),
        }
        told, alarm = reasons[type(error)]
        self.result.alarms.append(f"{where}: {alarm} ({error})")
        return _Stopped(f"{where} {told}")

    def _left(self) -> float:
        if self._left_total <= 0:
            self.late = True
            raise _Stopped("o prazo da entrega inteira acabou antes desta questão.")
        return self._left_total
