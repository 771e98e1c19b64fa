"""Os relatórios: um por estudante, com o que acertou e as dicas, e o do professor, com a turma inteira."""

from __future__ import annotations

import hashlib
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from course_grader.batch import Marked
from course_grader.table import decimal
from course_lib.exercises.question import Exercise
from course_lib.files import write_atomically

MAX_NOTES = 12
BINS = 9


def write_reports(folder: Path, exercise: Exercise, marked: list[Marked]) -> Path:
    """Grava os relatórios em ``folder`` e devolve o endereço do do professor.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    # Tudo o que vem de um caderno ou de um nome de arquivo entra escapado.
    environment = Environment(
        loader=PackageLoader("course_grader"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"decimal": decimal, "code": code}
    template = environment.get_template("estudante.html")
    for entry in marked:
        if entry.result is not None:
            text = template.render(exercise=exercise.name, **_student(entry))
            _write(folder / report_name(entry), text)
    path = folder / "professor.html"
    _write(path, environment.get_template("professor.html").render(exercise=exercise.name, **_class(exercise, marked)))
    return path


def code(text: str) -> Markup:
    """O texto escapado, com o que está entre crases em letra de código."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def report_name(entry: Marked) -> str:
    """O endereço do relatório de um estudante, dentro da pasta de saída: só letras, números e hifens."""
    plain = unicodedata.normalize("NFKD", entry.submission.student).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "estudante"
    # Nomes diferentes podem dar as mesmas letras.
    mark = hashlib.sha256(entry.submission.key.encode("utf-8", "replace")).hexdigest()[:8]
    return f"relatorios/{slug}-{mark}.html"


def _student(entry: Marked) -> dict[str, Any]:
    result = entry.result
    notes = entry.submission.notes + result.notes
    if len(notes) > MAX_NOTES:
        notes = [*notes[:MAX_NOTES], f"… e mais {len(notes) - MAX_NOTES}."]
    full = sum(question.points for question in result.questions)
    return {"entry": entry, "result": result, "notes": notes, "full": full, "file": entry.submission.file}


def _class(exercise: Exercise, marked: list[Marked]) -> dict[str, Any]:
    results = [entry.result for entry in marked if entry.result is not None]
    totals = [result.total for result in results]
    full = sum(question.points for question in exercise.questions)
    bars = _bars(totals, full)
    return {
        "marked": marked,
        "done": len(results),
        "full": full,
        "mean": statistics.fmean(totals) if totals else 0.0,
        "median": statistics.median(totals) if totals else 0.0,
        "bars": bars,
        "bars_text": "; ".join(f"nota {bar['label']}: {bar['count']}" for bar in bars),
        "questions": _hardest(results),
        "same": same_code(marked),
        "alarms": [(entry.submission.student, entry.result.alarms) for entry in marked
                   if entry.result is not None and entry.result.alarms],
        "rows": [_row(entry) for entry in marked],
    }  # fmt: skip


def same_code(marked: list[Marked]) -> list[list[str]]:
    """Grupos de estudantes com o mesmo código; quem não ganhou ponto (um caderno em branco) não conta."""
    groups = defaultdict(list)
    for entry in marked:
        if entry.result is not None and entry.result.fingerprint and entry.result.total > 0:
            groups[entry.result.fingerprint].append(entry.submission.student)
    return [names for names in groups.values() if len(names) > 1]


def _hardest(results: list[Any]) -> list[dict[str, Any]]:
    rows = []
    for answers in zip(*(result.questions for result in results), strict=True):
        hints = Counter(" ".join(answer.hint.split()) for answer in answers if answer.hint)
        right = sum(answer.mark == answer.points for answer in answers)
        rows.append(
            {"name": answers[0].name, "function": answers[0].function, "right": right, "hints": hints.most_common(3)}
        )
    return sorted(rows, key=lambda row: row["right"])


def _bars(totals: list[float], full: float) -> list[dict[str, Any]]:
    """As barras do histograma, em coordenadas do desenho."""
    counts = Counter(min(int(total / full * (BINS - 1) + 0.5), BINS - 1) for total in totals)
    tallest = max(counts.values(), default=1)
    step = 600 / BINS
    bars = []
    for position in range(BINS):
        height = 150 * counts[position] / tallest
        x = 30 + position * step
        bars.append(
            {
                "x": round(x + 4, 1),
                "y": round(180 - height, 1),
                "width": round(step - 8, 1),
                "height": round(height, 1),
                "middle": round(x + step / 2, 1),
                "count": counts[position],
                "label": decimal(full * position / (BINS - 1)),
            }
        )
    return bars


def _row(entry: Marked) -> dict[str, Any]:
    result = entry.result
    notes = entry.submission.notes + (result.notes if result else [entry.failure or "ainda não foi corrigida"])
    return {
        "student": entry.submission.student,
        "file": entry.submission.file,
        "total": decimal(result.total) if result else "",
        "notes": "\n".join(notes[:3]),
        "link": report_name(entry) if result else "",
    }


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))
