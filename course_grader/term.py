"""O que a turma acrescenta à correção: quando cada um entregou, qual entrega vale, o que o professor leu, as cópias."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from course_grader.batch import Marked
from course_grader.copies import Pair, Source, near_copies
from course_grader.discussion import Notebook, answer_of, load_given
from course_grader.moodle import Roster
from course_grader.names import plain
from course_grader.report import Extras
from course_grader.rules import BRASILIA, Rules
from course_grader.submission import Submission, SubmissionError, read_cells
from course_lib.exercises.question import Exercise

_MONTHS = {"jan": 1, "fev": 2, "feb": 2, "mar": 3, "abr": 4, "apr": 4, "mai": 5, "may": 5, "jun": 6, "jul": 7, "ago": 8}
_MONTHS |= {"aug": 8, "set": 9, "sep": 9, "out": 10, "oct": 10, "nov": 11, "dez": 12, "dec": 12}
_WHEN = re.compile(r"(\d{1,2})\s(?:de\s)?([a-z]{3})[a-z]*\.?,?\s(?:de\s)?(\d{4}),?\s+(\d{1,2}):(\d{2})\s*(am|pm)?")


class Term:
    """Uma turma e as suas regras.

    Args:
        folder: a pasta de saída.
        exercise: o exercício.
        rules: as regras.
        worksheet: a planilha do Moodle, que diz quando cada um entregou.

    Raises:
        ValueError: as regras, a planilha ou os pontos da discussão não servem.
    """

    def __init__(self, folder: Path, exercise: Exercise, rules: Rules, worksheet: Path | None = None) -> None:
        self.exercise, self.rules = exercise, rules
        self.given = load_given(exercise.name, rules.discussion)
        self.discussion = self.given.discussion
        self.book = Notebook(folder, self.discussion) if self.discussion else None
        if self.book is not None:
            self.book.load()
        self._roster = Roster(worksheet) if worksheet is not None and rules.deadline is not None else None

    def attempts(self, submissions: list[Submission]) -> list[Submission]:
        """As entregas a corrigir: uma por pessoa, ou todas, se vale a melhor."""
        for submission in submissions:
            self._date(submission)
            for other in submission.others:
                other.student = submission.student
        if not self.rules.best:
            return [self._counted(submission) for submission in submissions]
        return [attempt for submission in submissions for attempt in [submission, *reversed(submission.others)]]

    def annotate(self, marked: list[Marked]) -> None:
        """Junta a cada entrega o desconto do atraso e o que o professor leu da discussão."""
        for entry in marked:
            entry.lost = self.rules.lost(entry.submission)
            entry.read = self.book.of(entry.submission) if self.book is not None else None

    def settle(self, marked: list[Marked]) -> list[Marked]:
        """Deixa uma entrega por pessoa, e um lugar para cada uma no arquivo da discussão."""
        people = defaultdict(list)
        for entry in marked:
            people[entry.submission.key].append(entry)
        chosen = [self._best(entries) for entries in people.values()]
        if self.book is not None:
            self.book.add([entry.submission for entry in chosen])
        return chosen

    def extras(self, marked: list[Marked]) -> Extras:
        """O que entra nos relatórios e não é da correção automática."""
        answers, sources = {}, []
        for entry in marked:
            if entry.result is None:
                continue
            if self.discussion is not None:
                answers[entry.submission.key] = answer_of(entry.submission, self.given)
            try:
                cells = read_cells(entry.submission.read()).cells
            except SubmissionError:
                continue
            sources.append(Source(entry.submission.student, cells))
        copies: list[Pair] = near_copies(sources, self.given.code)
        return Extras(self.discussion, answers, copies, self.rules.by_case)

    def _counted(self, submission: Submission) -> Submission:
        chosen = self.rules.counted(submission)
        if chosen is not submission:
            chosen.notes.append(f"há outra entrega da mesma pessoa, {submission.file}, fora do prazo, que não contou.")
        return chosen

    def _best(self, entries: list[Marked]) -> Marked:
        # Na igualdade, a primeira: elas vêm da mais recente à mais antiga.
        best = max(entries, key=lambda entry: (entry.result is not None, entry.total))
        if len(entries) > 1:
            best.submission.notes = [f"foram {len(entries)} entregas; vale a melhor, {best.submission.file}."]
        return best

    def _date(self, submission: Submission) -> None:
        """A data que o Moodle diz vale mais que a do arquivo, que uma cópia muda."""
        if self._roster is None:
            return
        found = self._roster.find(submission)
        when = moment(self._roster.cell(found[0], "when")) if len(found) == 1 else None
        if when is not None:
            submission.when = when.timestamp()


def moment(text: str) -> datetime | None:
    """A data e a hora como o Moodle as escreve, em português ou em inglês; ``None`` se não são uma."""
    match = _WHEN.search(plain(text))
    if match is None or match[2] not in _MONTHS:
        return None
    day, month, year, hour, minute, half = match.groups()
    hours = int(hour) % 12 + 12 * (half == "pm") if half else int(hour)
    try:
        return datetime(int(year), _MONTHS[month], int(day), hours, int(minute), tzinfo=BRASILIA)
    except ValueError:
        return None
