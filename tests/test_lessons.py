"""O material do professor: um plano por capítulo, completo, e os programas do tamanho que dizem."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from built_book import ROOT, run_build
from test_book import parse, small_book
from test_goals import goals

from book.address import read_address
from book.course_book.lessons import deeper_of, goals_of, links_of, markdown_of

FOLDER = ROOT / "chapters" / "professor"
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
MINUTES = re.compile(r"(?m)^\| (\d+) \| ")
BOTH = re.compile(r"(?m)^\| (\d+) \| [^|]+ \| (\d+) \| ")
LESSON = 100


def plans() -> dict[str, str]:
    """O plano de cada capítulo, pelo nome dele."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("aulas_*.md")))
    sections = re.split(r"(?m)^## ", text)
    found = [(re.search(r"\{aula\} (\w+)", section), section) for section in sections]
    return {name[1]: section for name, section in found if name}


def faults(plan: str) -> list[str]:
    """O que falta a um plano."""
    parts = ("**Antes:**", "**Uma aula**", "**Duas aulas", "**Enganos comuns**", "**Para discutir**")
    missing = [f"falta {part}" for part in parts if part not in plan]
    one = plan.partition("**Uma aula**")[2].partition("**Duas aulas")[0]
    if (total := sum(map(int, MINUTES.findall(one)))) != LESSON:
        missing.append(f"a aula soma {total} minutos")
    two = plan.partition("**Duas aulas**")[2].partition("**Enganos comuns**")[0]
    totals = [sum(map(int, column)) for column in zip(*BOTH.findall(two), strict=True)]
    if totals != [LESSON, LESSON]:
        missing.append(f"as duas aulas somam {totals} minutos")
    if "**Se faltar tempo:**" not in two:
        missing.append("não diz o que cortar")
    mistakes, _, questions = plan.partition("**Enganos comuns**")[2].partition("**Para discutir**")
    if len(re.findall(r"(?m)^- \S", mistakes)) < 2:
        missing.append("poucos enganos")
    asked, answered = len(re.findall(r"(?m)^\d\. \*", questions)), questions.count("Boa resposta: ")
    if not 2 <= asked == answered:
        missing.append(f"{asked} perguntas e {answered} respostas")
    return missing


def test_every_chapter_has_a_whole_plan() -> None:
    found = plans()
    assert sorted(found) == CHAPTERS
    assert {name: faults(plan) for name, plan in found.items() if faults(plan)} == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| 10 |", "| 15 |"),
        ("| 25 | O colapso: prever com que $", "| 20 | O colapso: prever com que $"),
        ("**Se faltar tempo:**", "Depois:"),
        ("**Antes:**", "Antes:"),
        ("Boa resposta: ", "Resposta: "),
    ],
)
def test_an_incomplete_plan_is_seen(old: str, new: str) -> None:
    assert faults(plans()["03_vae"].replace(old, new, 1))


@pytest.mark.parametrize("name", CHAPTERS[1:])
def test_the_goals_of_the_plan_are_those_of_the_chapter(name: str) -> None:
    listed = goals_of(markdown_of(ROOT / "chapters" / f"{name}.ipynb"))
    assert len(listed) == goals(name[:2])
    assert all(len(goal) > 20 and "\n" not in goal for goal in listed)


def test_what_can_wait_is_read_from_the_titles() -> None:
    assert deeper_of(["# Um\n\n## Dois (aprofundamento)\n\ntexto (aprofundamento)", "### Três"]) == ["Dois"]


def test_the_plan_links_what_is_used_with_the_chapter() -> None:
    slides = read_address(ROOT).repository + "/releases/latest/download/{}.pdf"
    expected = {
        "00_introducao": [f"[slides]({slides.format('00_introducao')})"],
        "09_exemplo_mnist": [
            "[exercício](../../exercises/09_interpolacao.ipynb)",
            f"[slides]({slides.format('09_exemplo_mnist')})",
        ],
    }
    assert {name: links_of(ROOT, name) for name in expected} == expected


RUBRICS = sorted((ROOT / "course_grader" / "given").glob("*.json"))


@pytest.mark.parametrize("path", RUBRICS, ids=lambda path: path.stem)
def test_half_a_rubric_item_can_be_told(path: Path) -> None:
    """Metade é ter só parte do que o item pede: ele precisa de partes, separadas por ponto e vírgula."""
    discussion = json.loads(path.read_text(encoding="utf-8"))["discussion"]
    assert "metade quando só parte do que" in discussion["rubric"]
    assert [title for title, _, full, _ in discussion["items"] if ";" not in full] == []


def test_each_programme_has_its_weeks() -> None:
    text = (FOLDER / "programas.md").read_text(encoding="utf-8")
    for section in re.split(r"(?m)^## (?=\d+ semanas)", text)[1:]:
        weeks = [int(number) for number in MINUTES.findall(section)]
        assert weeks == list(range(1, int(section.split()[0]) + 1))


@pytest.mark.livro
def test_the_plan_shows_the_goals_and_the_times(tmp_path) -> None:
    chapters = small_book(tmp_path, ["professor/plano", "01_um", "glossario"])
    (chapters / "professor").mkdir()
    plan = "# Um plano de aula\n\n```{aula} 01_um\n```\n"
    (chapters / "professor" / "plano.md").write_text(plan, encoding="utf-8")
    shutil.copy(ROOT / "chapters" / "glossario.md", chapters)
    first = "# Um capítulo\n\nAo final você deve ser capaz de\n\n- dizer o que é\n  $x^2$;"
    texts = [first, "## Longe (aprofundamento)\n\nUm."]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])
    notebook.cells.append(nbformat.v4.new_code_cell("print(1)"))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, chapters / "01_um.ipynb")
    built = run_build(tmp_path)
    assert built.returncode == 0, built.stdout
    page = parse((tmp_path / "_build/html/chapters/professor/plano.html").read_text(encoding="utf-8"))
    text = page.select_one("article").get_text(" ")
    assert "leitura: cerca de 5" in text
    assert [goal.math is not None for goal in page.select("article li")] == [True]
    assert "Pode ficar para casa: Longe." in " ".join(text.replace(" :", ":").split())
    assert page.select('article a[href="../01_um.html"]')
    assert page.select('article a[href="https://github.com/a/b/releases/latest/download/01_um.pdf"]')
