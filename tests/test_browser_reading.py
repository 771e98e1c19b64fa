"""O que se lê inteiro no navegador: nada cortado na tela nem no papel, e no telefone só o que rola à vista."""

from __future__ import annotations

import pytest
from built_book import BuiltBook
from test_book import DOCUMENTS

from book import screenshots

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")

pytestmark = pytest.mark.livro

SIZES = {"portátil": (1366, 768), "monitor": (1920, 1080), "telefone": (390, 844)}

# O que não cabe na largura da sua caixa, e como a caixa o trata.
CUT = r"""(mayScroll) => {
  const shows = (box) => {
    const style = getComputedStyle(box);
    if (!/auto|scroll/.test(style.overflowX)) return false;
    const shadow = style.backgroundImage.includes("gradient") && style.backgroundAttachment.includes("local");
    const words = getComputedStyle(box, "::after").content;
    return mayScroll && (shadow || /[^"'\s]{4}/.test(words === "none" ? "" : words));
  };
  const clips = (box) => getComputedStyle(box).overflowX !== "visible";
  const boxes = [...document.querySelectorAll(".bd-article *")].filter((box) =>
    box.clientWidth && box.scrollWidth > box.clientWidth + 1 && clips(box) && !box.closest("svg, .visually-hidden"));
  return boxes.filter((box) => !shows(box)).map((box) =>
    `${box.tagName} ${box.className}: ${box.scrollWidth - box.clientWidth} px de ${box.textContent.slice(0, 60)}`);
}"""

# Uma fórmula e a pontuação colada a ela, em linhas diferentes.
STRANDED = r"""() => [...document.querySelectorAll(".bd-article span.math")].filter((span) => {
  const after = span.nextSibling;
  const text = after?.nodeType === Node.TEXT_NODE ? after.data : "";
  return /^[,.;:!?)\]]/.test(text);
}).map((span) => span.parentElement.textContent.slice(0, 60))"""

# Os sinais das fórmulas que outra fonte, do sistema, desenhou.
SIGNS = r"""() => [...document.querySelectorAll("math :is(mi, mo, mn)")].map((tag) => tag.textContent).join("")
  .replace(/[\s\u2061-\u2064]/g, "")"""


def visit(browser: playwright.Browser, book: BuiltBook, name: str, size: tuple[int, int]) -> playwright.Page:
    """A página, toda desenhada."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="pt-BR").new_page()
    page.goto((book.html / f"{name}.html").as_uri())
    screenshots.settle(page)
    screenshots.draw_everything(page)
    return page


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("screen", SIZES)
def test_nothing_is_cut_on_screen(built_book: BuiltBook, browser: playwright.Browser, screen: str, name: str) -> None:
    page = visit(browser, built_book, name, SIZES[screen])
    assert page.evaluate(CUT, screen == "telefone") == []
    assert page.evaluate(STRANDED) == []
    page.context.close()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_cut_on_paper(built_book: BuiltBook, browser: playwright.Browser, name: str) -> None:
    # A largura de uma folha A4 sem as margens.
    page = visit(browser, built_book, name, (718, 1000))
    page.emulate_media(media="print")
    assert page.evaluate(CUT, False) == []
    overflow = page.evaluate(
        "() => [...document.querySelectorAll('.bd-article :is(pre, table, div.math, img)')]"
        ".filter((box) => box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > innerWidth + 1)"
        ".map((box) => box.outerHTML.slice(0, 90))"
    )
    assert overflow == []
    page.context.close()


@pytest.mark.parametrize(
    ("style", "screen"),
    [
        (".bd-article pre { width: 20rem; overflow: hidden; }", "monitor"),
        (".bd-article pre { width: 20rem; overflow: auto; }", "monitor"),
        (".bd-article pre { background: none !important; }", "telefone"),
        (".figura-larga::after { content: none !important; }", "telefone"),
    ],
)
def test_what_is_cut_is_noticed(built_book: BuiltBook, browser: playwright.Browser, style: str, screen: str) -> None:
    page = visit(browser, built_book, "chapters/03_vae", SIZES[screen])
    page.add_style_tag(content=style)
    assert page.evaluate(CUT, screen == "telefone")
    page.context.close()


def test_the_font_of_the_formulas_has_every_sign(built_book: BuiltBook, browser: playwright.Browser) -> None:
    signs: set[str] = set()
    for name in DOCUMENTS:
        page = visit(browser, built_book, name, SIZES["portátil"])
        signs |= set(page.evaluate(SIGNS))
        if name != DOCUMENTS[-1]:
            page.context.close()
    every = "".join(sorted(signs))
    page.evaluate("(signs) => { document.body.innerHTML = `<math id=todos><mn>${signs}</mn></math>`; }", every)
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    document = session.send("DOM.getDocument")
    node = session.send("DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": "#todos"})
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})["fonts"]
    assert len(signs) > 100
    assert [font for font in fonts if not font["isCustomFont"]] == []
    page.context.close()


def test_no_formula_that_fits_is_a_tab_stop(built_book: BuiltBook, browser: playwright.Browser) -> None:
    page = visit(browser, built_book, "chapters/03_vae", SIZES["portátil"])
    stops = "document.querySelectorAll('.bd-article .math[tabindex], .bd-article math[tabindex]').length"
    assert page.evaluate(stops) == 0
    page.context.close()


@pytest.mark.parametrize("screen", ["portátil", "telefone"])
def test_a_link_to_a_section_stops_at_it(built_book: BuiltBook, browser: playwright.Browser, screen: str) -> None:
    width, height = SIZES[screen]
    page = browser.new_context(viewport={"width": width, "height": height}, locale="pt-BR").new_page()
    page.goto((built_book.html / "chapters/03_vae.html").as_uri())
    screenshots.settle(page)
    names = page.evaluate("() => [...document.querySelectorAll('.bd-article section[id]')].map((tag) => tag.id)")
    for name in names[-1::-5]:
        page.evaluate("(name) => { location.hash = name; }", name)
        # O lugar é o mesmo quadro após quadro: nada do caminho o empurra mais.
        page.wait_for_function(
            """(name) => {
              const top = Math.round(document.getElementById(name).getBoundingClientRect().top);
              const still = window.lastPlace === `${name} ${top}`;
              window.lastPlace = `${name} ${top}`;
              return still && top >= 0 && top < 200;
            }""",
            arg=name,
            polling=250,
        )
    page.context.close()
