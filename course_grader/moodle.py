"""A planilha de notas do Moodle: só a coluna da nota muda, e o resto volta como veio, byte a byte."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from course_grader.batch import Marked
from course_lib.files import write_atomically
from course_lib.text import number

MAX_BYTES = 20 * 2**20

_HEADERS = {
    "identifier": ("identificador", "identifier", "numero de identificacao", "id number"),
    "name": ("nome completo", "full name", "nome", "name"),
    "email": ("endereco de email", "endereco de e-mail", "email address", "e-mail", "email"),
    "mark": ("nota", "grade", "avaliacao"),
    "maximum": ("nota maxima", "maximum grade", "avaliacao maxima"),
}


class WorksheetError(ValueError):
    """A planilha não serve; a mensagem diz o que falta."""


@dataclass
class Filled:
    """O que aconteceu com a planilha.

    Attributes:
        filled: quantas linhas ganharam nota.
        missing: estudantes corrigidos que não estão nela.
        doubtful: estudantes que são mais de uma linha, ou dividem a mesma, e ficaram sem nota.
        scale: por quanto a nota foi multiplicada para caber na nota máxima da planilha.
    """

    filled: int
    missing: list[str]
    doubtful: list[str]
    scale: float = 1.0


def fill_worksheet(source: Path, target: Path, marked: list[Marked]) -> Filled:
    """Grava em ``target`` a planilha ``source`` com as notas.

    Cada estudante é achado pelo identificador, pelo e-mail ou pelo nome, nesta ordem. As linhas sem nota não mudam
    nem um byte, e nas outras só muda a célula da nota.

    Raises:
        WorksheetError: não é uma planilha do Moodle.
        OSError: não foi possível ler ou gravar.
    """
    if source.stat().st_size > MAX_BYTES:
        raise WorksheetError(f"{source}: grande demais para uma planilha de notas")
    raw = source.read_bytes()
    encoding, bom = _encoding(raw)
    records = _split(raw[len(bom):].decode(encoding))  # fmt: skip
    if not records:
        raise WorksheetError(f"{source}: a planilha está vazia")
    delimiter = max(",;\t", key=records[0].count)
    header = _cells(records[0], delimiter)
    columns = {field: _column(header, names) for field, names in _HEADERS.items()}
    if columns["mark"] is None or all(columns[field] is None for field in ("identifier", "email", "name")):
        raise WorksheetError(
            f"{source}: não achei as colunas da planilha do Moodle (Nota e Identificador, E-mail ou Nome completo); "
            f"vieram {', '.join(header)}"
        )
    rows = [_cells(record, delimiter) for record in records]
    total = sum(question.points for entry in marked[:1] if entry.result for question in entry.result.questions)
    outcome = Filled(0, [], [])
    outcome.scale = _scale(rows[1:], columns["maximum"], total)
    comma = delimiter == ";" or any("," in _cell(row, columns["maximum"]) for row in rows[1:])
    graded = [(entry, _find(entry, rows, columns)) for entry in marked if entry.result is not None]
    claims = Counter(found[0] for _, found in graded if len(found) == 1)
    for entry, found in graded:
        # Duas pessoas para a mesma linha: nenhuma das duas notas é segura.
        if len(found) != 1 or claims[found[0]] > 1:
            (outcome.doubtful if found else outcome.missing).append(entry.submission.student)
            continue
        total = entry.result.total * outcome.scale
        # Numa planilha em inglês, o Moodle lê a nota com ponto.
        mark = number(total, ".2f") if comma else f"{total:.2f}"
        records[found[0]] = _replace(records[found[0]], delimiter, columns["mark"], mark)
        outcome.filled += 1
    write_atomically(target, lambda file: file.write(bom + "".join(records).encode(encoding)))
    return outcome


def _find(entry: Marked, rows: list[list[str]], columns: dict[str, int | None]) -> list[int]:
    """As linhas que podem ser deste estudante."""
    submission = entry.submission
    wanted = [
        ("identifier", {submission.identifier} if submission.identifier else {submission.student}),
        ("email", {submission.student}),
        ("name", {submission.student}),
    ]
    for column, values in wanted:
        keys = {_plain(value) for value in values}
        if column == "identifier":
            # "Participante 123", ou só o número.
            found = [n for n, row in enumerate(rows) if n and _number(_cell(row, columns[column])) in keys]
        elif column == "email":
            found = [n for n, row in enumerate(rows) if n and _emails(_cell(row, columns[column])) & keys]
        else:
            found = [n for n, row in enumerate(rows) if n and _plain(_cell(row, columns[column])) in keys]
        if found:
            return found
    return []


def _emails(cell: str) -> set[str]:
    """O endereço e a parte antes da arroba, que é como muitos nomeiam o arquivo."""
    plain = _plain(cell)
    return {plain, plain.partition("@")[0]} - {""}


def _number(cell: str) -> str:
    digits = re.search(r"(\d+)\s*$", cell)
    return digits[1] if digits else _plain(cell)


def _scale(rows: list[list[str]], column: int | None, total: float) -> float:
    for row in rows:
        text = _cell(row, column).replace(",", ".")
        try:
            maximum = float(text)
        except ValueError:
            continue
        if maximum > 0 and total > 0:
            return maximum / total
    return 1.0


def _replace(record: str, delimiter: str, column: int, value: str) -> str:
    """A linha com uma célula trocada, e tudo o mais como estava, aspas inclusive."""
    start, position, quoted = 0, 0, False
    body = record.rstrip("\r\n")
    for index, character in enumerate(body + delimiter):
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            if position == column:
                written = f'"{value}"' if body[start : start + 1] == '"' or delimiter in value else value
                return record[:start] + written + record[index:]
            position, start = position + 1, index + 1
    return body + delimiter * (column - position + 1) + value + record[len(body) :]


def _split(text: str) -> list[str]:
    """As linhas da planilha, com o fim de linha de cada uma; uma célula entre aspas pode ter várias linhas."""
    records, start, quoted = [], 0, False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == "\n" and not quoted:
            records.append(text[start : index + 1])
            start = index + 1
    return [*records, text[start:]] if start < len(text) else records


def _cells(record: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])


def _cell(row: list[str], column: int | None) -> str:
    return row[column] if column is not None and column < len(row) else ""


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    plain = [_plain(cell) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _plain(text: str) -> str:
    """Sem acentos, maiúsculas nem espaços a mais: como se compara um nome com outro."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def _encoding(raw: bytes) -> tuple[str, bytes]:
    if raw.startswith(b"\xef\xbb\xbf"):
        return "utf-8", b"\xef\xbb\xbf"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1", b""
    return "utf-8", b""
