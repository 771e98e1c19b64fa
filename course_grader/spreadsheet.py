"""Uma planilha de texto (CSV) de quem quer que a tenha gravado, devolvida byte a byte fora das células que mudam."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from course_grader.names import plain
from course_lib.files import write_atomically
from course_lib.text import number

MAX_BYTES = 20 * 2**20

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SEPARATOR = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")


class WorksheetError(ValueError):
    """A planilha não serve; a mensagem diz o que falta."""


class Spreadsheet:
    """As linhas e as células de uma planilha.

    Aceita os fins de linha de qualquer sistema, UTF-8, UTF-16 e as páginas do Windows e do Mac antigo, e a primeira
    linha ``sep=;`` do Excel.

    Args:
        path: o arquivo.
        known: títulos que ela pode ter, sem acentos; é por eles que se escolhe entre páginas de código.

    Attributes:
        rows: os textos das células; a primeira linha é o cabeçalho.
        delimiter: o que separa as células.

    Raises:
        WorksheetError: está vazia, é grande demais ou não é texto.
        OSError: não foi possível ler.
    """

    def __init__(self, path: Path, known: Sequence[str] = ()) -> None:
        if path.stat().st_size > MAX_BYTES:
            raise WorksheetError(f"{path}: grande demais para uma planilha")
        raw = path.read_bytes()
        self._bom = next((bom for bom in _BOMS if raw.startswith(bom)), b"")
        body = raw[len(self._bom) :]
        try:
            self._encoding = _BOMS[self._bom] if self._bom else _guess(body, known)
            text = body.decode(self._encoding)
        except UnicodeDecodeError:
            raise WorksheetError(f"{path}: o arquivo está cortado ou não é um texto em {self._encoding}") from None
        declared = _SEPARATOR.match(text)
        self._head = text[: declared.end()] if declared else ""
        text = text[len(self._head) :]
        self.delimiter = declared[1] if declared else max(",;\t", key=_LINE_END.split(text, 1)[0].count)
        self._records = _scan(text, self.delimiter)
        if not any(map(str.strip, map("".join, self._records))):
            raise WorksheetError(f"{path}: a planilha está vazia")
        self.rows = [[_value(cell) for cell in record[:-1]] for record in self._records]

    def cell(self, row: int, column: int | None) -> str:
        """O texto de uma célula; vazio se a linha não chega até ela."""
        cells = self.rows[row]
        return cells[column] if column is not None and column < len(cells) else ""

    def replace(self, row: int, column: int, value: str) -> None:
        """Troca o texto de uma célula, com aspas se ela as tinha."""
        record, cells = self._records[row], self.rows[row]
        while len(cells) <= column:
            record.insert(-1, "")
            cells.append("")
        cells[column] = value
        quoted = record[column].startswith('"') or self.delimiter in value
        record[column] = f'"{value}"' if quoted else value

    def append(self, cells: Sequence[str]) -> None:
        """Acrescenta uma linha no fim, sem tocar nas outras."""
        end = next((record[-1] for record in self._records if record[-1]), "\r\n")
        if not self._records[-1][-1]:
            self._records[-1][-1] = end
        special = (self.delimiter, '"', "\r", "\n")
        escaped = (cell.replace('"', '""') for cell in cells)
        quoted = [f'"{cell}"' if any(mark in cell for mark in special) else cell for cell in escaped]
        self._records.append([*quoted, end])
        self.rows.append(list(cells))

    def save(self, path: Path) -> None:
        """Grava a planilha na codificação em que veio.

        Raises:
            OSError: sem espaço ou sem permissão.
        """
        lines = [self.delimiter.join(record[:-1]) + record[-1] for record in self._records]
        content = self._bom + (self._head + "".join(lines)).encode(self._encoding, "replace")
        write_atomically(path, lambda file: file.write(content))


def column_of(header: Sequence[str], names: Sequence[str]) -> int | None:
    """A posição da primeira coluna com um destes títulos, sem acentos nem maiúsculas."""
    titles = [plain(cell) for cell in header]
    return next((titles.index(name) for name in names if name in titles), None)


def decimal_of(text: str) -> float | None:
    """O número escrito numa célula, com vírgula ou com ponto; ``None`` se não é um."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def decimal(value: float) -> str:
    """Uma nota por escrito, com duas casas no máximo e sem zeros à toa."""
    written = number(value, ".2f").rstrip("0").rstrip(",")
    return "0" if written == "-0" else written


def harmless(cell: str) -> str:
    """Uma célula que a planilha não toma por fórmula: o nome de um arquivo é do estudante."""
    flat = " ".join(cell.split())
    # O sinal de igual tem variantes largas, e letras que não se veem podem vir antes dele.
    seen = "".join(
        letter for letter in unicodedata.normalize("NFKC", flat[:50]) if unicodedata.category(letter) != "Cf"
    )
    return f"'{flat}" if seen.lstrip().startswith(("=", "+", "-", "@")) else flat


def _scan(text: str, delimiter: str) -> list[list[str]]:
    """As células de cada linha, como estão escritas, e por último o fim da linha."""
    # Aspas só abrem no começo de uma célula, e as que nunca fecham são um caractere como outro.
    cell = re.compile(rf'(?:"[^"]*(?:""[^"]*)*"(?=[{re.escape(delimiter)}\r\n]|\Z))|[^{re.escape(delimiter)}\r\n]*')
    records, record, position = [], [], 0
    while position < len(text):
        record.append(cell.match(text, position)[0])
        position += len(record[-1])
        if text[position : position + 1] == delimiter:
            position += 1
            if position < len(text):
                continue
            record.append("")
        end = _LINE_END.match(text, position)
        records.append([*record, end[0] if end else ""])
        record, position = [], position + (len(end[0]) if end else 0)
    return records


def _value(written: str) -> str:
    quoted = len(written) > 1 and written[0] == written[-1] == '"'
    return written[1:-1].replace('""', '"') if quoted else written


def _guess(body: bytes, known: Sequence[str]) -> str:
    """A codificação de um texto sem marca: a que deixa mais títulos reconhecíveis."""
    try:
        body.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    head = re.split(rb"[\r\n]", body, maxsplit=1)[0]

    def recognised(encoding: str) -> int:
        try:
            body.decode(encoding)
            titles = plain(head.decode(encoding))
        except UnicodeDecodeError:
            return -1
        return sum(name in titles for name in known)

    # O latin-1 aceita qualquer byte; nele, o que o Windows escreve como aspas curvas são caracteres de controle.
    return max(("cp1252", "mac_roman", "latin-1"), key=recognised)
