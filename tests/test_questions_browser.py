"""As perguntas e o mapa do curso num navegador: mouse, teclado, o que se guarda e o que se apaga."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from built_book import ROOT, run_build
from test_book import small_book
from test_questions import WHOLE

from book.course_book.questions import PLACE

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

pytestmark = pytest.mark.livro

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


def test_the_group_and_the_choices_have_names(page: playwright.Page) -> None:
    group = page.get_by_role("group", name="Pergunta. O que faz a perda?")
    assert group.get_by_role("button").count() == 3
    group.get_by_role("button", name="Desce").click()
    assert group.get_by_role("button", name="Desce (certo)", pressed=True).count() == 1


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


def test_a_blocked_storage_only_loses_the_memory(page: playwright.Page) -> None:
    page.add_init_script(BLOCKED)
    page.reload()
    buttons(page, FIRST).nth(0).click()
    buttons(page, FIRST).nth(1).click()
    assert len(seen(page, FIRST)) == 2
    assert "acertou 1 de 2" in progress(page)
    assert "só enquanto a página estiver aberta" in progress(page)


def test_a_spoilt_storage_is_forgotten(page: playwright.Page) -> None:
    for text in BROKEN:
        page.evaluate("(text) => localStorage.setItem('curso:perguntas', text)", text)
        page.reload()
        assert seen(page, FIRST) == [], text
        buttons(page, FIRST).nth(1).click()
        assert kept(page)[FIRST] == [0], text


def test_without_javascript_each_alternative_opens(browser: playwright.Browser, pages: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((pages / "01_perguntas.html").as_uri())
        page.locator(f".pergunta[id='{FIRST}'] summary").nth(1).click()
        assert seen(page, FIRST) == ["Certo. Desce porque o passo é pequeno."]
        page.goto((pages / "00_mapa.html").as_uri())
        assert "2 perguntas" in page.locator(".mapa-do-curso li").nth(1).inner_text()


def test_nothing_overflows_a_narrow_screen(page: playwright.Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    buttons(page, FIRST).nth(1).click()
    inside = "() => document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(inside)


def test_the_page_has_no_link_inside_a_question(page: playwright.Page) -> None:
    """O primeiro uso de um termo se liga ao glossário, menos dentro de uma pergunta."""
    assert page.locator(".pergunta a").count() == 0
