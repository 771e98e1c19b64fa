"""O livro construído num navegador de verdade: claro, escuro e telefone, sem rede.

Com ``CURSO_FOTOS=pasta``, cada página é também fotografada ali.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser_watch import watch
from built_book import BuiltBook
from page_checks import english_in
from test_book import DOCUMENTS

from book import screenshots
from book.course_book.search import SearchFoldedPortuguese

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

pytestmark = pytest.mark.livro

# Tudo o que um leitor de tela ouve ou uma dica mostra, depois que os scripts agiram.
READ_BY_SOMEONE = """() => {
  const names = ["aria-label", "title", "placeholder", "data-tooltip", "data-bs-title", "data-bs-original-title"];
  const tags = [...document.body.querySelectorAll("*:not(article a.reference)")];
  const values = tags.flatMap((tag) => names.map((name) => tag.getAttribute(name)));
  const icons = [...document.querySelectorAll("button svg title, a svg title")].map((tag) => tag.textContent);
  return [...values, ...icons].filter(Boolean);
}"""

# Um nome acessível que não contém o texto visível confunde quem comanda o navegador por voz.
MISLABELLED = """() => [...document.querySelectorAll("button[aria-label], summary[aria-label], a[aria-label]")]
  .filter((tag) => tag.offsetParent)
  .filter((tag) => {
    const copy = tag.cloneNode(true);
    copy.querySelectorAll("[aria-hidden=true]").forEach((hidden) => hidden.remove());
    const seen = copy.textContent.trim().toLowerCase();
    return !tag.getAttribute("aria-label").toLowerCase().includes(seen);
  })
  .map((tag) => tag.outerHTML)"""


class Visit:
    """Uma página aberta e o que deu errado nela."""

    def __init__(self, context: playwright.BrowserContext, address: str) -> None:
        self.page = context.new_page()
        self.problems = watch(self.page)
        self.page.goto(address)
        screenshots.settle(self.page)


@pytest.mark.parametrize("name", [*DOCUMENTS, "search"])
@pytest.mark.parametrize("view", screenshots.VIEWS)
def test_page_in_the_browser(built_book: BuiltBook, browser: playwright.Browser, view: str, name: str) -> None:
    with screenshots.new_context(browser, view) as context:
        visit = Visit(context, (built_book.html / f"{name}.html").as_uri())
        page = visit.page
        if folder := os.environ.get("CURSO_FOTOS"):
            screenshots.take_screenshot(page, Path(folder) / view / f"{name}.png")
        assert visit.problems == []
        mode = page.evaluate("document.documentElement.dataset.theme")
        assert mode == screenshots.VIEWS[view][0]
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"a página é {overflow} px mais larga que a tela"
        assert [text for text in page.evaluate(READ_BY_SOMEONE) if english_in(text)] == []
        assert page.evaluate(MISLABELLED) == []


@pytest.fixture(scope="module")
def site(built_book: BuiltBook) -> Iterator[str]:
    """Endereço do livro servido nesta máquina."""

    class QuietHandler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Não escreve cada pedido na saída dos testes."""

    handler = functools.partial(QuietHandler, directory=str(built_book.html))
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def search(page: playwright.Page, address: str, query: str) -> list[str]:
    """Títulos que a página de busca mostra."""
    page.goto(f"{address}/search.html?q={query}")
    page.wait_for_function("() => document.querySelector('.search-summary')?.innerText")
    return sorted(link.inner_text() for link in page.query_selector_all("#search-results li a"))


def test_search_finds_with_and_without_accents(built_book: BuiltBook, browser: playwright.Browser, site: str) -> None:
    for address in (site, built_book.html.as_uri()):
        with screenshots.new_context(browser, "claro") as context:
            visit = Visit(context, f"{address}/search.html")
            assert search(visit.page, address, "codificador")
            for accented, plain in (("não supervisionada", "nao supervisionada"), ("introdução", "introducao")):
                found = search(visit.page, address, accented)
                assert found
                assert found == search(visit.page, address, plain)
            assert search(visit.page, address, "xilofone+inexistente") == []
            assert "Nenhuma página" in visit.page.inner_text(".search-summary")
            assert visit.problems == []


def test_search_shows_the_excerpt_found(browser: playwright.Browser, site: str) -> None:
    with screenshots.new_context(browser, "claro") as context:
        page = context.new_page()
        search(page, site, "codificador")
        page.wait_for_selector("#search-results li p.context")
        assert "codificador" in page.inner_text("#search-results").lower()


def test_stemmer_is_the_same_on_both_sides(browser: playwright.Browser, site: str) -> None:
    words = "codificação codificações não redução reduções máquinas variacional adversárias amostras imagens é"
    language = SearchFoldedPortuguese({})
    with screenshots.new_context(browser, "claro") as context:
        page = context.new_page()
        page.goto(f"{site}/search.html")
        stems = page.evaluate("(words) => words.map((word) => new Stemmer().stemWord(word))", words.split())
    assert stems == [language.stem(word) for word in words.split()]


def test_copy_button_speaks_portuguese(built_book: BuiltBook, browser: playwright.Browser, site: str) -> None:
    with screenshots.new_context(browser, "claro") as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(f"{site}/{DOCUMENTS[1]}.html")
        button = page.wait_for_selector("button.copybtn", state="attached")
        assert button.get_attribute("data-tooltip") == "Copiar"
        button.dispatch_event("click")
        page.wait_for_function("() => document.querySelector('button.copybtn').dataset.tooltip !== 'Copiar'")
        assert button.get_attribute("data-tooltip") == "Copiado!"
