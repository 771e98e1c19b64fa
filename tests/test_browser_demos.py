"""As demonstrações nas páginas do livro: vivas em cada capítulo, e a da abertura."""

from __future__ import annotations

import re

import pytest
from browser_watch import watch
from bs4 import BeautifulSoup
from built_book import BuiltBook

from book import screenshots
from book.course_book.demos import GUEST, SCRIPT, STYLE, invite

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

pytestmark = pytest.mark.livro

# Página → as demonstrações que ela mostra, em ordem.
SHOWN = {
    "index": ["diffusion"],
    "chapters/01_autoencoder": ["code-bars"],
    "chapters/02_variantes": ["denoising"],
    "chapters/03_vae": ["latent-plane", "gallery"],
    "chapters/04_gan": ["ring-gan"],
    "chapters/05_stylegan": ["styles"],
    "chapters/06_cyclegan": ["cycle"],
    "chapters/07_difusao": ["diffusion"],
    "chapters/08_fluxos": ["rubber-sheet", "ring-flow"],
    "chapters/09_exemplo_mnist": ["interpolation"],
    "chapters/10_comparacao": ["who-drew"],
}


@pytest.mark.parametrize("name", SHOWN)
def test_page_carries_its_demo_and_not_the_program(built_book: BuiltBook, name: str) -> None:
    text = (built_book.html / f"{name}.html").read_text("utf-8")
    page = BeautifulSoup(text, "html.parser")
    shown = [re.sub(r"^demo-|-\d+$", "", root["id"]) for root in page.select(".curso-demo")]
    assert shown == SHOWN[name]
    assert "data-curso" not in text
    assert len(page.select(f'script[src*="{SCRIPT}"]')) == len(page.select(f'link[href*="{STYLE}"]')) == 1


def test_pages_without_a_demo_do_not_load_the_program(built_book: BuiltBook) -> None:
    for name in ("chapters/00_introducao", "chapters/glossario", "search"):
        assert SCRIPT not in (built_book.html / f"{name}.html").read_text("utf-8")


@pytest.mark.parametrize("name", SHOWN)
def test_demo_lives_in_the_page(built_book: BuiltBook, browser: playwright.Browser, name: str) -> None:
    with screenshots.new_context(browser, "claro") as context:
        tab = context.new_page()
        problems = watch(tab)
        tab.goto((built_book.html / f"{name}.html").as_uri())
        for number in range(len(SHOWN[name])):
            root = f"document.querySelectorAll('.curso-demo')[{number}]"
            tab.evaluate(f"{root}.scrollIntoView()")
            tab.wait_for_function(f"['viva', 'falhou'].includes({root}.dataset.state)", timeout=120_000)
            assert tab.evaluate(f"{root}.dataset.state") == "viva"
        assert tab.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert problems == []


def test_an_invitation_waits_for_its_chapter(built_book: BuiltBook) -> None:
    asked = '<div class="demo-aqui" data-de="chapters/nenhum">a figura</div><!-- demo -->'
    assert GUEST.sub(lambda place: invite(built_book.html, place), asked) == asked
