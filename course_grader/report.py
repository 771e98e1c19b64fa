"""Os relatórios: um por estudante, com o que acertou e as dicas, e o do professor, com a turma inteira."""

from __future__ import annotations

import hashlib
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from course_grader.batch import Marked
from course_grader.copies import Pair
from course_grader.discussion import Discussion
from course_grader.items import item_statistics
from course_grader.spreadsheet import decimal
from course_lib.exercises.question import Exercise
from course_lib.files import write_atomically
from course_lib.text import number

MAX_NOTES, MAX_ERRORS = 12, 30
# Com estes pontos, o histograma tem uma barra para cada um; com mais ou menos, tem sempre tantas.
WHOLE, BINS = range(4, 13), 9
# A linha em que uma função parou é de cada um: o engano é o mesmo.
_PLACE = re.compile(r"\s+na linha \d+ da célula.*", re.DOTALL)


@dataclass(frozen=True)
class Extras:
    """O que entra nos relatórios e não é da correção automática.

    Attributes:
        discussion: a questão que o professor lê, se há uma.
        answers: o que cada estudante escreveu nela, pela chave da entrega.
        copies: as entregas parecidas, da mais à menos.
        by_case: se cada caso oculto vale a sua parte dos pontos.
    """

    discussion: Discussion | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    copies: Sequence[Pair] = ()
    by_case: bool = False


def write_reports(folder: Path, exercise: Exercise, marked: list[Marked], extras: Extras = Extras()) -> Path:
    """Grava os relatórios em ``folder`` e devolve o endereço do do professor.

    Args:
        folder: a pasta de saída.
        exercise: o exercício.
        marked: as entregas.
        extras: o que não é da correção automática.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    # Tudo o que vem de um caderno ou de um nome de arquivo entra escapado.
    environment = Environment(
        loader=PackageLoader("course_grader"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"decimal": decimal, "code": code, "percent": percent}
    template = environment.get_template("estudante.html")
    for entry in marked:
        if entry.result is not None:
            text = template.render(exercise=exercise.name, extras=extras, **_student(entry, exercise, extras))
            _write(folder / report_name(entry), text)
    path = folder / "professor.html"
    page = environment.get_template("professor.html")
    _write(path, page.render(exercise=exercise.name, extras=extras, **_class(exercise, marked, extras)))
    return path


def full_marks(exercise: Exercise, discussion: Discussion | None) -> float:
    """Quanto vale o exercício inteiro, com o que o professor lê."""
    return sum(question.points for question in exercise.questions) + (discussion.points if discussion else 0)


def code(text: str) -> Markup:
    """O texto escapado, com o que está entre crases em letra de código."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def percent(value: float | None) -> str:
    """Uma estatística por escrito; um traço onde a fórmula não se aplica."""
    return "–" if value is None else number(value, ".1f")


def report_name(entry: Marked) -> str:
    """O endereço do relatório de um estudante, dentro da pasta de saída: só letras, números e hifens."""
    plain = unicodedata.normalize("NFKD", entry.submission.student).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "estudante"
    # Nomes diferentes podem dar as mesmas letras.
    mark = hashlib.sha256(entry.submission.key.encode("utf-8", "replace")).hexdigest()[:8]
    return f"relatorios/{slug}-{mark}.html"


def _student(entry: Marked, exercise: Exercise, extras: Extras) -> dict[str, Any]:
    notes = list(entry.notes)
    if len(notes) > MAX_NOTES:
        notes = [*notes[:MAX_NOTES], f"… e mais {len(notes) - MAX_NOTES}."]
    full = full_marks(exercise, extras.discussion)
    return {"entry": entry, "result": entry.result, "notes": notes, "full": full, "file": entry.submission.file}


def _class(exercise: Exercise, marked: list[Marked], extras: Extras) -> dict[str, Any]:
    graded = [entry for entry in marked if entry.result is not None]
    totals = [entry.total for entry in graded]
    full = full_marks(exercise, extras.discussion)
    bars = _bars(totals, full)
    return {
        "marked": marked,
        "graded": graded,
        "done": len(graded),
        "unread": sum(not (entry.read and entry.read.complete) for entry in graded),
        "full": full,
        "mean": statistics.fmean(totals) if totals else 0.0,
        "median": statistics.median(totals) if totals else 0.0,
        "bars": bars,
        "bars_text": "; ".join(f"nota {bar['label']}: {bar['count']}" for bar in bars),
        "questions": _hardest(graded, extras.discussion),
        "stopped": _stopped(graded),
        "same": same_code(marked),
        "alarms": [(entry.submission.student, entry.alarms) for entry in marked if entry.alarms],
        "rows": [_row(entry) for entry in marked],
    }


def same_code(marked: list[Marked]) -> list[list[str]]:
    """Grupos de estudantes com o mesmo código; quem não ganhou ponto (um caderno em branco) não conta."""
    groups = defaultdict(list)
    for entry in marked:
        if entry.result is not None and entry.result.fingerprint and entry.result.total > 0:
            groups[entry.result.fingerprint].append(entry.submission.student)
    return [names for names in groups.values() if len(names) > 1]


def _hardest(graded: list[Marked], discussion: Discussion | None) -> list[dict[str, Any]]:
    """As questões da mais difícil à mais fácil, com as estatísticas e, de cada dica, quem a recebeu."""
    rows = []
    totals = [entry.earned for entry in graded]
    for answers in zip(*(entry.result.questions for entry in graded), strict=True):
        hints = defaultdict(list)
        for entry, answer in zip(graded, answers, strict=True):
            if answer.hint:
                hints[" ".join(_PLACE.sub("", answer.hint).split())].append(entry.submission.student)
        marks, points = [answer.mark for answer in answers], answers[0].points
        row = {"name": answers[0].name, "function": answers[0].function, "right": sum(mark == points for mark in marks)}
        row["hints"] = sorted(hints.items(), key=lambda pair: -len(pair[1]))
        rows.append(row | {"items": item_statistics(marks, totals, points)})
    # Enquanto falta ler alguma, a discussão não é uma questão em que todos tenham nota.
    if discussion is not None and graded and all(entry.read and entry.read.complete for entry in graded):
        marks = [entry.read.total for entry in graded]
        row = {"name": discussion.name, "function": "discussão", "hints": []}
        row["right"] = sum(mark == discussion.points for mark in marks)
        rows.append(row | {"items": item_statistics(marks, totals, discussion.points)})
    return sorted(rows, key=lambda row: row["items"].facility)


def _stopped(graded: list[Marked]) -> list[tuple[str, list[str]]]:
    """Os erros de células, cada um com quem o teve; o número da célula muda de um caderno a outro."""
    groups = defaultdict(list)
    for entry in graded:
        for error in dict.fromkeys(re.findall(r"célula \d+: parou com (.+)", "\n".join(entry.result.notes))):
            groups[error].append(entry.submission.student)
    return sorted(groups.items(), key=lambda pair: -len(pair[1]))[:MAX_ERRORS]


def _bars(totals: list[float], full: float) -> list[dict[str, Any]]:
    """As barras do histograma, em coordenadas do desenho."""
    last = int(full) if full in WHOLE else BINS - 1
    counts = Counter(min(int(total / full * last + 0.5), last) for total in totals)
    tallest = max(counts.values(), default=1)
    step = 600 / (last + 1)
    bars = []
    for position in range(last + 1):
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
                "label": decimal(full * position / last),
            }
        )
    return bars


def _row(entry: Marked) -> dict[str, Any]:
    result = entry.result
    notes = entry.notes if result else [entry.failure or "ainda não foi corrigida"]
    return {
        "student": entry.submission.student,
        "file": entry.submission.file,
        "total": decimal(entry.total) if result else "",
        "notes": "\n".join(notes[:3]),
        "link": report_name(entry) if result else "",
    }


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "replace")))
