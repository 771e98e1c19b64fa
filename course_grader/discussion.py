"""A discussão: os pontos que só uma pessoa dá. O que o estudante escreveu, a rubrica, e o arquivo em que ela anota.

O arquivo é ``discussao.csv``, na pasta de saída: uma linha por estudante, uma coluna por item da rubrica. A correção o
cria, acrescenta quem chegou depois e nunca apaga o que está nele.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from course_grader.names import plain
from course_grader.rules import RulesError
from course_grader.spreadsheet import Spreadsheet, WorksheetError, column_of, decimal, decimal_of, harmless
from course_grader.submission import Submission, SubmissionError, notebook_cells
from course_lib.files import write_atomically

FILE = "discussao.csv"
MAX_ANSWER = 20_000

_IDENTIFIER, _STUDENT, _COMMENT = "identificador", "estudante", "comentário"


@dataclass(frozen=True)
class Given:
    """O que o estudante recebe pronto: serve para separar dele o que é seu.

    Attributes:
        code: o texto de cada célula de código do caderno distribuído.
        texts: o de cada célula de texto.
        discussion: a questão que o professor lê, se há uma.
    """

    code: Sequence[str] = ()
    texts: Sequence[str] = ()
    discussion: Discussion | None = None


@dataclass(frozen=True)
class Discussion:
    """A questão que o professor lê.

    Attributes:
        name: o nome da coluna (``"q8"``).
        points: quanto vale.
        items: cada item da rubrica, com o que vale, o que ganha os pontos e o que não ganha.
        statement: o enunciado.
        rubric: o que mais a rubrica diz.
    """

    name: str
    points: float
    items: Sequence[Item]
    statement: str = ""
    rubric: str = ""


@dataclass(frozen=True)
class Item:
    """Um item da rubrica."""

    title: str
    points: float
    full: str = ""
    zero: str = ""


@dataclass(frozen=True)
class Read:
    """O que o professor anotou de um estudante.

    Attributes:
        marks: os pontos de cada item; ``None`` no que falta.
        comment: o que ele quer dizer ao estudante.
    """

    marks: Sequence[float | None] = ()
    comment: str = ""

    @property
    def complete(self) -> bool:
        """Se todos os itens foram lidos."""
        return bool(self.marks) and None not in self.marks

    @property
    def total(self) -> float:
        """Os pontos da discussão, quando todos os itens foram lidos; até então, nenhum."""
        return sum(self.marks) if self.complete else 0.0


def load_given(exercise: str, told: Mapping[str, Any]) -> Given:
    """O caderno distribuído de um exercício do curso; de um do professor, o que ele disse nas regras.

    Args:
        exercise: o nome do exercício.
        told: a tabela ``discussao`` das regras.

    Raises:
        RulesError: a tabela não serve.
    """
    place = files("course_grader") / "given" / f"{exercise}.json"
    given = Given()
    if place.is_file():
        data = json.loads(place.read_text(encoding="utf-8"))
        about = data["discussion"]
        items = [Item(*item) for item in about.pop("items")]
        given = Given(data["code"], data["texts"], Discussion(**about, items=items))
    return Given(given.code, given.texts, _told(told)) if told else given


def _told(told: Mapping[str, Any]) -> Discussion:
    extra = set(told) - {"questao", "pontos", "itens", "rubrica"}
    if extra:
        raise RulesError(f"discussao: não conheço {', '.join(sorted(extra))}")
    points, titles = told.get("pontos"), told.get("itens", ["discussão"])
    if type(points) not in (int, float) or points <= 0:
        raise RulesError(f"discussao: os pontos precisam ser um número maior que zero; veio {points!r}")
    if not (isinstance(titles, list) and titles and all(isinstance(title, str) and title.strip() for title in titles)):
        raise RulesError(f"discussao: itens é uma lista de textos; veio {titles!r}")
    items = [Item(title, points / len(titles)) for title in titles]
    return Discussion(str(told.get("questao", "discussão")), float(points), items, "", str(told.get("rubrica", "")))


def answer_of(submission: Submission, given: Given) -> str:
    """O que o estudante escreveu na discussão: os textos a partir do enunciado dela, menos os que já vieram prontos."""
    try:
        cells, _ = notebook_cells(submission.read())
    except SubmissionError:
        return ""
    texts = [_text(cell) for cell in cells if isinstance(cell, dict) and cell.get("cell_type") in ("markdown", "raw")]
    title = given.discussion.statement.partition("\n")[0].strip() if given.discussion else ""
    start = next((n for n, text in enumerate(texts) if title and title in text), 0)
    # Linha a linha: muitos respondem dentro da própria célula do enunciado.
    ready = {line.strip() for text in given.texts for line in text.splitlines()}
    lines = [line for text in texts[start:] for line in [*text.splitlines(), ""]]
    kept = "\n".join(line for line in lines if not line.strip() or line.strip() not in ready)
    answer = re.sub(r"\n{3,}", "\n\n", kept).strip()
    return answer if len(answer) <= MAX_ANSWER else f"{answer[:MAX_ANSWER]}\n… (o resto está no caderno)"


def _text(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


@dataclass
class Notebook:
    """O arquivo em que o professor anota os pontos da discussão.

    Args:
        folder: a pasta de saída.
        discussion: a questão.
    """

    folder: Path
    discussion: Discussion
    read: dict[str, Read] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Onde ele está."""
        return self.folder / FILE

    def load(self) -> None:
        """Lê o que já foi anotado.

        Raises:
            WorksheetError: um dos pontos não é um número que caiba no item; a mensagem diz a linha.
        """
        if not self.path.exists():
            return
        sheet = Spreadsheet(self.path, (plain(_COMMENT),))
        header = [cell.partition(" (")[0] for cell in sheet.rows[0]]
        identifier, student, comment = (column_of(header, [plain(t)]) for t in (_IDENTIFIER, _STUDENT, _COMMENT))
        columns = [column_of(header, [plain(item.title.partition(" (")[0])]) for item in self.discussion.items]
        if student is None or None in columns:
            expected = ", ".join([_STUDENT, *(item.title for item in self.discussion.items)])
            raise WorksheetError(f"{self.path}: o cabeçalho não é o da correção; esperava as colunas {expected}")
        for row in range(1, len(sheet.rows)):
            name = sheet.cell(row, student).lstrip("'")
            marks = [
                self._mark(sheet.cell(row, column), item, f"linha {row + 1}, {name}")
                for column, item in zip(columns, self.discussion.items, strict=True)
            ]
            if name.strip():
                self.read[_who(sheet.cell(row, identifier), name)] = Read(marks, sheet.cell(row, comment).strip())

    def _mark(self, text: str, item: Item, where: str) -> float | None:
        if not text.strip():
            return None
        value = decimal_of(text)
        if value is None or not 0 <= value <= item.points:
            raise WorksheetError(
                f"{self.path}, {where}: em “{item.title}” veio {text!r}; esperava de 0 a {decimal(item.points)}"
            )
        return value

    def add(self, submissions: Sequence[Submission]) -> None:
        """Acrescenta ao arquivo quem ainda não está nele; as linhas que já existem ficam como estão.

        Raises:
            OSError: sem espaço ou sem permissão.
        """
        new = [item for item in submissions if _who(item.identifier, item.student) not in self.read]
        if not self.path.exists():
            titles = [f"{item.title} (0 a {decimal(item.points)})" for item in self.discussion.items]
            # O separador e a marca de UTF-8 são os que uma planilha em português espera.
            head = ";".join([_IDENTIFIER, _STUDENT, *titles, _COMMENT]) + "\r\n"
            write_atomically(self.path, lambda file: file.write(head.encode("utf-8-sig")))
        if not new:
            return
        sheet = Spreadsheet(self.path, (plain(_COMMENT),))
        header = [plain(cell) for cell in sheet.rows[0]]
        for item in new:
            cells = [""] * len(header)
            cells[header.index(_STUDENT)] = harmless(item.student)
            if _IDENTIFIER in header:
                cells[header.index(_IDENTIFIER)] = item.identifier
            sheet.append(cells)
        sheet.save(self.path)

    def of(self, submission: Submission) -> Read:
        """O que foi anotado de um estudante; vazio se nada foi."""
        empty = Read([None] * len(self.discussion.items))
        return self.read.get(_who(submission.identifier, submission.student), empty)


def _who(identifier: str, student: str) -> str:
    return f"número {identifier.strip()}" if identifier.strip() else f"nome {plain(harmless(student).lstrip(chr(39)))}"
