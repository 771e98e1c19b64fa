"""A tabela de "Para quem ensina" que diz onde se avalia cada objetivo: nenhum falta, e o que ela aponta existe."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from course_lib.exercises.question import load_exercise

ROOT = Path(__file__).resolve().parents[1]
EXERCISES = sorted(path.stem for path in (ROOT / "solutions").glob("*.ipynb"))
ROW = re.compile(
    r"^\| (?P<chapter>\d\d) \| (?P<goal>[^|]+) \| (?P<questions>[^|]*) \| (?P<items>[^|]*) \|$", re.MULTILINE
)


def markdown(path: Path) -> list[str]:
    """As células de texto de um caderno."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def goals(chapter: str) -> int:
    """Quantos objetivos o capítulo lista depois de "Ao final"."""
    (path,) = (ROOT / "chapters").glob(f"{chapter}_*.ipynb")
    text = next(source for source in markdown(path) if "Ao final" in source)
    listed = re.search(r"(?:^- .*\n?(?:  .*\n?)*)+", text[text.index("Ao final") :], re.MULTILINE)
    return len(re.findall(r"^- ", listed[0], re.MULTILINE))


def discussion_items(exercise: str) -> int:
    """Quantos itens tem a discussão, que é a última questão do caderno."""
    text = next(source for source in markdown(ROOT / "solutions" / f"{exercise}.ipynb") if "discussão\n" in source)
    return len(re.findall(r"^\d\. ", text, re.MULTILINE))


@pytest.mark.parametrize("exercise", EXERCISES)
def test_each_goal_of_a_chapter_is_graded_somewhere(exercise: str) -> None:
    chapter, questions = exercise[:2], {question.name for question in load_exercise(exercise).questions}
    table = (ROOT / "chapters" / "instrutores.md").read_text(encoding="utf-8")
    rows = [row for row in ROW.finditer(table) if row["chapter"] == chapter]
    assert len(rows) == goals(chapter)
    last = discussion_items(exercise)
    for row in rows:
        asked, items = row["questions"].split(", "), re.findall(r"\d+", row["items"])
        assert row["questions"] or items, f"{row['goal']}: não se avalia"
        assert set(filter(None, asked)) <= questions, row["goal"]
        assert all(1 <= int(item) <= last for item in items), row["goal"]
    # E o contrário: o que se cobra é objetivo do capítulo.
    assert {name for row in rows for name in row["questions"].split(", ") if name} == questions
