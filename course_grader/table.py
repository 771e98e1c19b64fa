"""``notas.csv``: uma linha por estudante, que qualquer planilha abre; e ``mudancas.csv``, o que mudou nela."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from course_grader.batch import Marked
from course_grader.discussion import Discussion
from course_grader.spreadsheet import decimal, harmless
from course_lib.exercises.question import Exercise
from course_lib.files import write_atomically

MAX_NOTES = 2_000
CHANGES = "mudancas.csv"
# As notas da última vez, para saber o que mudou; a tabela não serve: quem a abre numa planilha a grava de outro jeito.
_PUBLISHED = "publicadas.json"


def write_marks(path: Path, exercise: Exercise, marked: list[Marked], discussion: Discussion | None = None) -> None:
    """Grava a tabela de notas, em UTF-8 com BOM, que é como as planilhas reconhecem os acentos.

    A coluna da discussão fica vazia até que todos os itens dela tenham sido lidos, e a do atraso só existe se houve um.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    late = any(entry.lost for entry in marked)
    titles = [question.name for question in exercise.questions]
    titles += [discussion.name] if discussion else []
    titles += ["atraso", "total"] if late else ["total"]
    rows = [["estudante", "identificador", "arquivo", *titles, "observações"]]
    for entry in marked:
        submission = entry.submission
        marks = marks_of(entry, discussion)
        told = " · ".join(entry.notes if entry.result else [entry.failure or "ainda não foi corrigida"])
        # Uma planilha recusa células enormes; o relatório do estudante tem tudo.
        told = told if len(told) <= MAX_NOTES else f"{told[:MAX_NOTES]}…"
        name, file = harmless(submission.student), harmless(submission.file)
        rows.append([name, submission.identifier, file, *(marks.get(title, "") for title in titles), harmless(told)])
    _write(path, rows)


def marks_of(entry: Marked, discussion: Discussion | None) -> dict[str, str]:
    """As notas de uma entrega por título de coluna, como se escrevem; nenhuma se ela não foi corrigida."""
    if entry.result is None:
        return {}
    marks = {question.name: decimal(question.mark) for question in entry.result.questions}
    if discussion is not None:
        marks[discussion.name] = decimal(entry.read.total) if entry.read and entry.read.complete else ""
    marks["atraso"] = decimal(entry.total - entry.earned)
    return marks | {"total": decimal(entry.total)}


def note_changes(
    folder: Path, marked: list[Marked], discussion: Discussion | None, now: datetime
) -> list[tuple[str, str, str, str]]:
    """O que mudou desde a última vez, que também se acrescenta a ``mudancas.csv``: quem, que nota, o que era e o que é.

    Uma entrega corrigida pela primeira vez não mudou, e a que ficou por corrigir ainda não.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    place = folder / _PUBLISHED
    try:
        before = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    after = {entry.submission.key: marks_of(entry, discussion) for entry in marked if entry.result is not None}
    found = [
        (entry.submission.student, title, was, value)
        for entry in marked
        for title, value in after.get(entry.submission.key, {}).items()
        if (was := before.get(entry.submission.key, {}).get(title, value)) != value
    ]
    if found:
        path, when = folder / CHANGES, now.strftime("%Y-%m-%d %H:%M")
        old = _read(path) or [["quando", "estudante", "nota de", "era", "é"]]
        _write(path, [*old, *([when, harmless(who), *more] for who, *more in found)])
    text = json.dumps(before | after, ensure_ascii=False, indent=1)
    write_atomically(place, lambda file: file.write(text.encode("utf-8", "replace")))
    return found


def _read(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    buffer = io.StringIO(newline="")
    # O separador e a vírgula decimal são os que uma planilha em português espera.
    csv.writer(buffer, delimiter=";").writerows(rows)
    write_atomically(path, lambda file: file.write(buffer.getvalue().encode("utf-8-sig", "replace")))
