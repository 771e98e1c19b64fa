"""``notas.csv``: uma linha por estudante, que qualquer planilha abre."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from course_grader.batch import Marked
from course_lib.exercises.question import Exercise
from course_lib.files import write_atomically
from course_lib.text import number

MAX_NOTES = 2_000


def write_marks(path: Path, exercise: Exercise, marked: list[Marked]) -> None:
    """Grava a tabela de notas, em UTF-8 com BOM, que é como as planilhas reconhecem os acentos.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    buffer = io.StringIO(newline="")
    # O separador e a vírgula decimal são os que uma planilha em português espera.
    writer = csv.writer(buffer, delimiter=";")
    names = [question.name for question in exercise.questions]
    writer.writerow(["estudante", "identificador", "arquivo", *names, "total", "observações"])
    for entry in marked:
        submission, result = entry.submission, entry.result
        marks = [""] * (len(names) + 1)
        notes = [entry.failure or "ainda não foi corrigida"]
        if result is not None:
            marks = [decimal(question.mark) for question in result.questions] + [decimal(result.total)]
            notes = submission.notes + result.notes
        told = " · ".join(notes)
        # Uma planilha recusa células enormes; o relatório do estudante tem tudo.
        told = told if len(told) <= MAX_NOTES else f"{told[:MAX_NOTES]}…"
        cells = [submission.student, submission.identifier, submission.file, *marks, told]
        writer.writerow([harmless(cell) for cell in cells])
    text = buffer.getvalue()
    write_atomically(path, lambda file: file.write(text.encode("utf-8-sig", "replace")))


def decimal(value: float) -> str:
    """Uma nota por escrito, sem zeros à toa."""
    return number(value, ".4g")


def harmless(cell: str) -> str:
    """Uma célula que a planilha não toma por fórmula: o nome de um arquivo é do estudante."""
    flat = " ".join(cell.split())
    return f"'{flat}" if flat.startswith(("=", "+", "-", "@")) else flat
