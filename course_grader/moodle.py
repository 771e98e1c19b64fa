"""As planilhas de notas do Moodle e do Google Sala de Aula: só a coluna da nota muda, e o resto volta byte a byte."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_grader.batch import Marked
from course_grader.names import loose, plain
from course_grader.spreadsheet import Spreadsheet, WorksheetError, column_of, decimal_of
from course_grader.submission import Submission
from course_lib.text import number

_HEADERS = {
    "participant": ("identificador", "identifier"),
    "registration": ("numero de identificacao", "id number"),
    "name": ("nome completo", "full name"),
    "first": ("nome", "primeiro nome", "first name", "name"),
    "last": ("sobrenome", "last name", "surname"),
    "email": ("endereco de email", "endereco de e-mail", "email address", "e-mail", "email"),
    "mark": ("nota", "grade", "avaliacao"),
    "maximum": ("nota maxima", "maximum grade", "avaliacao maxima"),
    "when": ("ultima modificacao (envio)", "last modified (submission)"),
}
_TITLES = tuple(name for names in _HEADERS.values() for name in names)
_POINTS = ("pontos", "points")


@dataclass
class Filled:
    """O que aconteceu com a planilha.

    Attributes:
        filled: quantas linhas ganharam nota.
        missing: estudantes corrigidos que não estão nela.
        doubtful: estudantes que são mais de uma linha, ou dividem a mesma, e ficaram sem nota.
        scale: por quanto a nota foi multiplicada para caber na nota máxima da planilha.
        participants: o número do Moodle de cada estudante achado, pela chave da entrega.
    """

    filled: int = 0
    missing: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    scale: float = 1.0
    participants: dict[str, str] = field(default_factory=dict)


class Roster:
    """A planilha de uma turma, em que se acha a linha de cada estudante.

    Args:
        path: o arquivo.

    Raises:
        WorksheetError: não é uma planilha de notas.
        OSError: não foi possível ler.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.sheet = path, Spreadsheet(path, _TITLES)
        self.columns = {title: column_of(self.sheet.rows[0], names) for title, names in _HEADERS.items()}
        if self.columns["name"] is None and self.columns["last"] is None:
            self.columns["name"], self.columns["first"] = self.columns["first"], None
        if all(self.columns[title] is None for title in ("participant", "registration", "email", "name", "first")):
            self.refuse("Identificador, E-mail ou Nome completo")

    def refuse(self, expected: str) -> None:
        """Desiste, com os títulos que vieram.

        Raises:
            WorksheetError: sempre.
        """
        came = ", ".join(self.sheet.rows[0])
        raise WorksheetError(f"{self.path}: não achei as colunas da planilha ({expected}); vieram {came}")

    def cell(self, row: int, title: str) -> str:
        """O texto da célula de um título."""
        return self.sheet.cell(row, self.columns[title])

    def find(self, submission: Submission) -> list[int]:
        """As linhas que podem ser deste estudante.

        Pelo número do Moodle, pela matrícula, pelo e-mail ou pelo nome, nesta ordem; um nome que não se acha como está
        se procura sem hífens nem apóstrofos.
        """
        student = submission.student
        # O nome de um arquivo só com números é a matrícula, se a planilha a tem.
        number = "registration" if self.columns["registration"] is not None else "participant"
        tries: list[tuple[Callable[[int], bool], bool]] = [
            (lambda row: _digits(self.cell(row, "participant")) == submission.identifier, bool(submission.identifier)),
            (lambda row: _digits(self.cell(row, number)) == plain(student), not submission.identifier),
            (lambda row: plain(student) in _emails(self.cell(row, "email")), True),
            (lambda row: plain(self._name(row)) == plain(student), bool(plain(student))),
            (lambda row: loose(self._name(row)) == loose(student), bool(loose(student))),
        ]
        for matches, useful in tries:
            found = [row for row in range(1, len(self.sheet.rows)) if useful and matches(row)]
            if found:
                return found
        return []

    def _name(self, row: int) -> str:
        whole = self.cell(row, "name")
        return whole or f"{self.cell(row, 'first')} {self.cell(row, 'last')}"


def fill_worksheet(source: Path, target: Path, marked: list[Marked], full: float) -> Filled:
    """Grava em ``target`` a planilha ``source`` do Moodle com as notas.

    As linhas sem nota não mudam nem um byte, e nas outras só muda a célula da nota.

    Args:
        source: a planilha que o Moodle exporta.
        target: onde gravar.
        marked: as entregas.
        full: quanto vale o exercício inteiro, com o que o professor lê.

    Raises:
        WorksheetError: não é uma planilha do Moodle.
        OSError: não foi possível ler ou gravar.
    """
    roster = Roster(source)
    if roster.columns["mark"] is None:
        roster.refuse("Nota e Identificador, E-mail ou Nome completo")
    rows = range(1, len(roster.sheet.rows))
    maxima = [roster.cell(row, "maximum") for row in rows]
    comma = roster.sheet.delimiter == ";" or any("," in text for text in maxima)
    return _fill(roster, target, marked, roster.columns["mark"], _scale(maxima, full), comma=comma)


def fill_classroom(source: Path, target: Path, marked: list[Marked], full: float, titles: Sequence[str]) -> Filled:
    """Grava em ``target`` a tabela de notas do Google Sala de Aula, com as notas na coluna da atividade.

    Args:
        source: a tabela que o Sala de Aula exporta: sobrenome, nome, e-mail e uma coluna por atividade.
        target: onde gravar.
        marked: as entregas.
        full: quanto vale o exercício inteiro.
        titles: os títulos que a coluna da atividade pode ter; com uma atividade só, é ela.

    Raises:
        WorksheetError: não é uma tabela do Sala de Aula, ou não se sabe que coluna é a da atividade.
        OSError: não foi possível ler ou gravar.
    """
    roster = Roster(source)
    header = roster.sheet.rows[0]
    people = {roster.columns[title] for title in ("first", "last", "email", "name")}
    activities = [title for n, title in enumerate(header) if n not in people and title.strip()]
    column = column_of(header, [plain(title) for title in titles])
    if column is None and len(activities) == 1:
        column = header.index(activities[0])
    if column is None:
        raise WorksheetError(f"{source}: diga a coluna da atividade com --coluna; há {', '.join(activities)}")
    points = [row for row in range(1, len(roster.sheet.rows)) if set(map(plain, roster.sheet.rows[row])) & set(_POINTS)]
    cells = [roster.sheet.cell(row, column) for row in points]
    return _fill(roster, target, marked, column, _scale(cells, full), comma=roster.sheet.delimiter == ";")


def _fill(roster: Roster, target: Path, marked: list[Marked], column: int, scale: float, *, comma: bool) -> Filled:
    outcome = Filled(scale=scale)
    graded = [(entry, roster.find(entry.submission)) for entry in marked if entry.result is not None]
    claims = Counter(found[0] for _, found in graded if len(found) == 1)
    for entry, found in graded:
        # Duas pessoas para a mesma linha: nenhuma das duas notas é segura.
        if len(found) != 1 or claims[found[0]] > 1:
            (outcome.doubtful if found else outcome.missing).append(entry.submission.student)
            continue
        total = entry.total * scale
        # Numa planilha em inglês, o Moodle lê a nota com ponto.
        roster.sheet.replace(found[0], column, number(total, ".2f") if comma else f"{total:.2f}")
        outcome.filled += 1
        outcome.participants[entry.submission.key] = _digits(roster.cell(found[0], "participant"))
    roster.sheet.save(target)
    return outcome


def _emails(cell: str) -> set[str]:
    """O endereço e a parte antes da arroba, que é como muitos nomeiam o arquivo."""
    address = plain(cell)
    return {address, address.partition("@")[0]} - {""}


def _digits(cell: str) -> str:
    """O número no fim de "Participante 123", ou a célula como está."""
    digits = re.search(r"(\d+)\s*$", cell)
    return digits[1] if digits else plain(cell)


def _scale(maxima: Sequence[str], full: float) -> float:
    found = (decimal_of(text) for text in maxima)
    return next((maximum / full for maximum in found if maximum is not None and maximum > 0), 1.0)
