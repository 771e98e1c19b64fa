"""As perguntas dos capítulos: a forma, o que cobrem, e o que acontece no navegador."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from built_book import ROOT, run_build
from test_book import small_book
from test_goals import goals

from book import screenshots
from book.course_book.questions import (
    DEEPER,
    PLACE,
    START,
    is_question,
    parse_question,
    reading_minutes,
)

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


WITH_QUESTIONS = [path for path in CHAPTERS if questions_of(path)]
BY_NAME = pytest.mark.parametrize("path", WITH_QUESTIONS, ids=lambda path: path.stem)

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


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
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


@BY_NAME
def test_a_prediction_comes_before_what_it_predicts(path: Path) -> None:
    cells = cells_of(path)
    for index, cell in enumerate(cells):
        if "previsao" in cell.metadata.get("tags", []):
            following = [one for one in cells[index + 1 : index + 6] if not is_question(one.source)][:2]
            kinds = [one.cell_type for one in following]
            assert "code" in kinds, cell.id
            assert kinds[0] == "code" or not following[0].source.startswith("#"), cell.id


def essential_path(sources: list[str]) -> tuple[bool, bool]:
    """Se algum título diz que a sua seção pode esperar, e se um dos três primeiros textos diz o que é essencial."""
    titles = [line for source in sources for line in source.splitlines() if line.startswith("##")]
    guide = [source for source in sources[:3] if "**Como ler este capítulo.**" in source and DEEPER in source]
    return any(title.endswith(f" {DEEPER}") for title in titles), len(guide) == 1


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
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
    course = habits([cell.source for path in WITH_QUESTIONS for cell in questions_of(path)])
    assert {habit: share for habit, share in course.items() if share > MOST} == {}


def test_a_habit_is_noticed() -> None:
    assert habits([WHOLE]) == {"B": 1.0, "mais longa": 1.0}


# --- No navegador -------------------------------------------------------------------------------------------

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

FIRST, SECOND = "01-pergunta-01", "01-pergunta-02"


def notebook_with(title: str, cells: dict[str, str]) -> Any:
    """Um caderno só de texto: o título e as células, pelo nome."""
    made = [nbformat.v4.new_markdown_cell(f"# {title}")]
    for name, source in cells.items():
        made.append(nbformat.v4.new_markdown_cell(source))
        made[-1]["id"] = name
    notebook = nbformat.v4.new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pasta das páginas de um livro com o mapa na introdução e duas perguntas no capítulo 1."""
    root = tmp_path_factory.mktemp("perguntas")
    chapters = small_book(root, ["00_mapa", "01_perguntas", "glossario", "referencias"])
    for name in ("glossario.md", "referencias.md", "referencias.bib"):
        shutil.copy(ROOT / "chapters" / name, chapters)
    nbformat.write(notebook_with("Introdução", {"mapa": f"## O mapa do curso\n\n{PLACE}"}), chapters / "00_mapa.ipynb")
    other = WHOLE.replace("a perda?", "o espaço latente, se $a > 0$?")
    cells = {FIRST: WHOLE, SECOND: other}
    nbformat.write(notebook_with("Perguntas", cells), chapters / "01_perguntas.ipynb")
    result = run_build(root)
    assert result.returncode == 0, result.stdout + result.stderr
    return root / "_build" / "html" / "chapters"


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    try:
        with screenshots.open_browser() as opened:
            yield opened
    except RuntimeError as error:
        pytest.skip(str(error))


FORBIDDEN = "proibido de propósito"
BLOCKED = f"Object.defineProperty(window, 'localStorage', {{get() {{ throw new Error('{FORBIDDEN}'); }}}})"


@pytest.fixture
def page(browser: playwright.Browser, pages: Path) -> Iterator[playwright.Page]:
    """A página do capítulo 1, aberta do disco; um erro de script reprova o teste."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, locale="pt-BR") as context:
        opened, errors = context.new_page(), []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("dialog", lambda dialog: dialog.accept())
        opened.goto((pages / "01_perguntas.html").as_uri())
        yield opened
        # Os scripts do tema tropeçam num armazenamento proibido; os nossos, cada teste confere pelo que fazem.
        assert [error for error in errors if FORBIDDEN not in error] == []


def buttons(page: playwright.Page, name: str) -> Any:
    """As alternativas de uma pergunta."""
    return page.locator(f".pergunta[id='{name}'] button.alternativa")


def seen(page: playwright.Page, name: str) -> list[str]:
    """As explicações à vista."""
    return page.locator(f".pergunta[id='{name}'] .explicacao:visible").all_inner_texts()


def kept(page: playwright.Page) -> Any:
    """O que está guardado no navegador."""
    return json.loads(page.evaluate("localStorage.getItem('curso:perguntas') ?? 'null'"))


def progress(page: playwright.Page) -> str:
    return page.locator("aside.progresso p").inner_text()


IN_BROWSER = pytest.mark.livro


@IN_BROWSER
def test_by_mouse_each_alternative_shows_its_own_explanation(page: playwright.Page) -> None:
    assert seen(page, FIRST) == []
    buttons(page, FIRST).nth(0).click()
    assert seen(page, FIRST) == ["Ainda não. Sobe só no começo do treino."]
    assert buttons(page, FIRST).nth(0).inner_text().startswith("↺")
    status = page.locator(f".pergunta[id='{FIRST}'] [role=status]")
    assert status.text_content() == "Alternativa A. Ainda não. Sobe só no começo do treino."
    assert "acertou 0 de 2" in progress(page)
    buttons(page, FIRST).nth(1).click()
    assert len(seen(page, FIRST)) == 2
    assert status.text_content().startswith("Alternativa B. Certo.")
    assert buttons(page, FIRST).nth(1).inner_text().startswith("✔")
    assert "acertou 1 de 2 perguntas, 0 na primeira" in progress(page)
    assert seen(page, SECOND) == []
    assert kept(page) == {FIRST: [1, 0]}


@IN_BROWSER
def test_by_keyboard_alone(page: playwright.Page) -> None:
    focused = "document.activeElement.closest('.pergunta')?.id"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == FIRST:
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert seen(page, FIRST) == ["Certo. Desce porque o passo é pequeno."]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == SECOND
    page.keyboard.press("Enter")
    assert seen(page, SECOND) == ["Ainda não. Sobe só no começo do treino."]


@IN_BROWSER
def test_the_group_and_the_choices_have_names(page: playwright.Page) -> None:
    group = page.get_by_role("group", name="Pergunta. O que faz a perda?")
    assert group.get_by_role("button").count() == 3
    group.get_by_role("button", name="Desce").click()
    assert group.get_by_role("button", name="Desce (certo)", pressed=True).count() == 1


@IN_BROWSER
def test_what_was_chosen_comes_back_and_the_map_counts_it(page: playwright.Page, pages: Path) -> None:
    buttons(page, FIRST).nth(1).click()
    buttons(page, SECOND).nth(2).click()
    page.reload()
    assert len(seen(page, FIRST)) == len(seen(page, SECOND)) == 1
    page.goto((pages / "00_mapa.html").as_uri())
    chapters = page.locator(".mapa-do-curso li")
    assert chapters.count() == 2
    assert "2 perguntas" in chapters.nth(1).inner_text()
    assert "min" in chapters.nth(1).inner_text()
    assert "acertou 1 de 2" in chapters.nth(1).inner_text()
    page.get_by_role("button", name="Apagar todas as respostas").click()
    assert "acertou 0 de 2" in chapters.nth(1).inner_text()
    assert kept(page) is None
    chapters.nth(1).get_by_role("link").click()
    page.wait_for_url("**/01_perguntas.html")
    assert seen(page, FIRST) == []


@IN_BROWSER
def test_erasing_a_chapter_keeps_the_others(page: playwright.Page) -> None:
    page.evaluate("localStorage.setItem('curso:perguntas', JSON.stringify({'02-pergunta-01': [0]}))")
    buttons(page, FIRST).nth(1).click()
    page.get_by_role("button", name="Apagar as respostas deste capítulo").click()
    assert seen(page, FIRST) == []
    assert progress(page).startswith("As respostas foram apagadas.")
    assert kept(page) == {"02-pergunta-01": [0]}


BROKEN = (
    "{estragado",
    "null",
    "[1]",
    '"texto"',
    json.dumps({FIRST: "0"}),
    json.dumps({FIRST: {"0": 0}}),
    json.dumps({FIRST: ["0"]}),
)


@IN_BROWSER
def test_a_blocked_storage_only_loses_the_memory(page: playwright.Page) -> None:
    page.add_init_script(BLOCKED)
    page.reload()
    buttons(page, FIRST).nth(0).click()
    buttons(page, FIRST).nth(1).click()
    assert len(seen(page, FIRST)) == 2
    assert "acertou 1 de 2" in progress(page)
    assert "só enquanto a página estiver aberta" in progress(page)


@IN_BROWSER
def test_a_spoilt_storage_is_forgotten(page: playwright.Page) -> None:
    for text in BROKEN:
        page.evaluate("(text) => localStorage.setItem('curso:perguntas', text)", text)
        page.reload()
        assert seen(page, FIRST) == [], text
        buttons(page, FIRST).nth(1).click()
        assert kept(page)[FIRST] == [0], text


@IN_BROWSER
def test_without_javascript_each_alternative_opens(browser: playwright.Browser, pages: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((pages / "01_perguntas.html").as_uri())
        page.locator(f".pergunta[id='{FIRST}'] summary").nth(1).click()
        assert seen(page, FIRST) == ["Certo. Desce porque o passo é pequeno."]
        page.goto((pages / "00_mapa.html").as_uri())
        assert "2 perguntas" in page.locator(".mapa-do-curso li").nth(1).inner_text()


@IN_BROWSER
def test_nothing_overflows_a_narrow_screen(page: playwright.Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    buttons(page, FIRST).nth(1).click()
    inside = "() => document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(inside)


@IN_BROWSER
def test_the_page_has_no_link_inside_a_question(page: playwright.Page) -> None:
    """O primeiro uso de um termo se liga ao glossário, menos dentro de uma pergunta."""
    assert page.locator(".pergunta a").count() == 0


def test_reading_minutes_are_rounded_to_five() -> None:
    assert [reading_minutes(words) for words in (0, 150, 1_500, 12_000)] == [5, 5, 10, 80]
