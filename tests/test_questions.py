"""As perguntas dos capítulos: a forma, o que cobrem e o que não pode entregar a resposta."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import nbformat
import pytest
from built_book import ROOT
from test_goals import goals

from book.course_book.questions import DEEPER, START, is_question, parse_question, reading_minutes

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
KINDS = {"previsao", "diagnostico", "conta"}
MOST = 0.45
# Quantas células, sem as perguntas, tem um capítulo que precisa dizer o que é essencial.
LONG = 100


def cells_of(path: Path) -> list[Any]:
    return nbformat.read(path, as_version=4).cells


def questions_of(path: Path) -> list[Any]:
    """As células de pergunta de um capítulo."""
    return [cell for cell in cells_of(path) if cell.cell_type == "markdown" and is_question(cell.source)]


BY_NAME = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)

# --- A forma -------------------------------------------------------------------------------------------

WRONG = "<details><summary>Sobe</summary>\n\n**Ainda não.** Sobe só no começo do treino.\n\n</details>"
GOOD = "<details><summary>Desce</summary>\n\n**Certo.** Desce porque o passo é pequeno.\n\n</details>"
WHOLE = f"{START}O que faz a perda?\n\n{WRONG}\n\n{GOOD}\n\n{WRONG}"


def test_a_question_is_read_whole() -> None:
    stem, choices = parse_question(WHOLE.replace("O que faz", "O que faz,\n> com $a > b$,"))
    assert stem == "**Pergunta.** O que faz,\ncom $a > b$, a perda?"
    assert [choice.right for choice in choices] == [False, True, False]
    assert choices[1].text == "Desce"
    assert choices[1].explanation == "**Certo.** Desce porque o passo é pequeno."


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("**Pergunta.**", "**Nota.**"),
        WHOLE.replace(GOOD, WRONG),
        WHOLE.replace(WRONG, GOOD),
        WHOLE.replace(WRONG, ""),
        WHOLE + f"\n\n{WRONG}" * 2,
        WHOLE.replace("**Certo.**", "Certo."),
        WHOLE.replace(" Desce porque o passo é pequeno.", " Sim."),
        WHOLE.replace("</summary>\n\n", "</summary>\n", 1),
        WHOLE.replace("</details>", "", 1),
        WHOLE + "\n\nE agora um parágrafo solto.",
    ],
    ids=["rotulo", "nenhuma", "duas", "poucas", "muitas", "sem-rotulo", "sem-razao", "sem-linha", "aberta", "solto"],
)
def test_a_malformed_question_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pergunta|explicação|alternativa"):
        parse_question(text)


@BY_NAME
def test_every_question_has_the_form_and_says_what_it_serves(path: Path) -> None:
    number, last = path.name[:2], goals(path.name[:2])
    for cell in questions_of(path):
        _, choices = parse_question(cell.source)
        assert re.fullmatch(rf"{number}-pergunta-\w+", cell.id)
        tags = cell.metadata.tags
        assert len(KINDS.intersection(tags)) == 1, cell.id
        (goal,) = (int(tag.removeprefix("objetivo-")) for tag in tags if tag.startswith("objetivo-"))
        assert 1 <= goal <= last, cell.id
        for choice in choices:
            # Dentro de <summary> o Markdown e as fórmulas não são lidos em toda parte.
            assert not re.search(r"[$*`\\_]", choice.text), (cell.id, choice.text)
        assert len({choice.text for choice in choices}) == len(choices), cell.id


@BY_NAME
def test_no_question_hides_inside_another_cell(path: Path) -> None:
    for cell in cells_of(path):
        if cell.cell_type == "markdown" and not is_question(cell.source):
            assert "**Pergunta.**" not in cell.source, cell.id
            assert "<details" not in cell.source, cell.id


# --- O que cobrem -----------------------------------------------------------------------------------------


def uncovered(tags: list[list[str]], last: int) -> list[int]:
    """Os objetivos, de 1 a ``last``, com menos de três perguntas."""
    served = Counter(tag for cell in tags for tag in cell if tag.startswith("objetivo-"))
    return [goal for goal in range(1, last + 1) if served[f"objetivo-{goal}"] < 3]


@BY_NAME
def test_each_goal_has_three_questions_and_each_chapter_the_three_kinds(path: Path) -> None:
    tags = [cell.metadata.tags for cell in questions_of(path)]
    assert uncovered(tags, goals(path.name[:2])) == []
    assert {tag for cell in tags for tag in cell} >= KINDS


def test_an_uncovered_goal_is_noticed() -> None:
    assert uncovered([["objetivo-1"]] * 3 + [["objetivo-2"]] * 2, 3) == [2, 3]


def comes_before_its_answer(cells: list[Any], index: int) -> bool:
    """Se depois da pergunta ``index`` vem o código, com um texto no meio no máximo, e sem outro assunto."""
    following = [cell for cell in cells[index + 1 : index + 6] if not is_question(cell.source)][:2]
    if following and following[0].cell_type == "markdown" and not following[0].source.startswith("#"):
        following = following[1:]
    return bool(following) and following[0].cell_type == "code"


@BY_NAME
def test_a_prediction_comes_before_what_it_predicts(path: Path) -> None:
    cells = cells_of(path)
    asked = [index for index, cell in enumerate(cells) if "previsao" in cell.metadata.get("tags", [])]
    assert [cells[index].id for index in asked if not comes_before_its_answer(cells, index)] == []


def test_a_prediction_out_of_place_is_noticed() -> None:
    question, text = (nbformat.v4.new_markdown_cell(source) for source in (WHOLE, "Eis a figura:"))
    title, code = nbformat.v4.new_markdown_cell("## Outro assunto"), nbformat.v4.new_code_cell("1")
    assert comes_before_its_answer([question, text, code], 0)
    assert comes_before_its_answer([question, question, code], 0)
    for after in ([], [text], [text, text, code], [title, code]):
        assert not comes_before_its_answer([question, *after], 0)


def essential_path(sources: list[str]) -> tuple[bool, bool]:
    """Se algum título diz que a sua seção pode esperar, e se um dos três primeiros textos diz o que é essencial."""
    titles = [line for source in sources for line in source.splitlines() if line.startswith("##")]
    guide = [source for source in sources[:3] if "**Como ler este capítulo.**" in source and DEEPER in source]
    return any(title.endswith(f" {DEEPER}") for title in titles), len(guide) == 1


@BY_NAME
def test_a_long_chapter_says_what_is_essential(path: Path) -> None:
    cells = cells_of(path)
    marked, guided = essential_path([cell.source for cell in cells if cell.cell_type == "markdown"])
    assert marked == guided
    assert marked or len([cell for cell in cells if not is_question(cell.source)]) < LONG


def test_a_mark_without_a_guide_is_noticed() -> None:
    guide = f"> **Como ler este capítulo.** As que trazem *{DEEPER}* no título podem esperar."
    assert essential_path([f"## A cota {DEEPER}"]) == (True, False)
    assert essential_path([guide, "## A cota"]) == (False, True)
    assert essential_path([guide, f"## A cota {DEEPER}"]) == (True, True)


def habits(questions: list[str]) -> dict[str, float]:
    """A parcela das certas em cada posição, e a das que são, sozinhas, a alternativa mais longa."""
    found: dict[str, float] = defaultdict(float)
    for source in questions:
        _, choices = parse_question(source)
        (right,) = (index for index, choice in enumerate(choices) if choice.right)
        sizes = [len(choice.text) for choice in choices]
        found["ABCD"[right]] += 1 / len(questions)
        found["mais longa"] += (sizes[right] > max(sizes[:right] + sizes[right + 1 :])) / len(questions)
    return found


def test_nothing_but_the_content_gives_the_right_answer_away() -> None:
    course = habits([cell.source for path in CHAPTERS for cell in questions_of(path)])
    assert {habit: share for habit, share in course.items() if share > MOST} == {}


def test_a_habit_is_noticed() -> None:
    assert habits([WHOLE]) == {"B": 1.0, "mais longa": 1.0}


def test_reading_minutes_are_rounded_to_five() -> None:
    assert [reading_minutes(words) for words in (0, 150, 1_500, 12_000)] == [5, 5, 10, 80]
