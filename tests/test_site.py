"""O site: a abertura, os exercícios, os links que não saem do livro, as definições, e o que ele diz de si."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from built_book import ROOT, BuiltBook
from docutils.core import publish_doctree
from page_checks import dead_links
from PIL import Image
from test_book import DOCUMENTS

from book import screenshots
from book.address import Address, read_address
from book.course_book import page_links, site_metadata
from course_lib import REPOSITORY
from course_lib.weights import load_shipped

FIGURES = ROOT / "book" / "static" / "abertura"
ADDRESS = read_address(ROOT)
SITE = ADDRESS.site
CHAPTERS = [name for name in DOCUMENTS if re.match(r"chapters/\d\d_", name)]
EXERCISES = sorted(f"exercises/{path.stem}" for path in (ROOT / "exercises").glob("*.ipynb"))


@cache
def parse(path: Path) -> BeautifulSoup:
    """Uma página construída."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def read_page(book: BuiltBook, name: str) -> BeautifulSoup:
    """A página de um documento."""
    return parse(book.html / f"{name}.html")


# --- A abertura ------------------------------------------------------------------------------------------------


def stale_figures(folder: Path) -> list[str]:
    """As figuras da abertura que não saíram dos pesos que o curso traz hoje."""
    faults = []
    for path in sorted(folder.glob("*.png")):
        if path.stem in ("cartao", "reais"):
            continue
        model = "diffusion" if path.stem == "difusao" else path.stem
        with Image.open(path) as figure:
            figure.load()
            if figure.text.get("pesos") != load_shipped(model)[1].sha256:
                faults.append(path.name)
    return faults


def test_the_figures_of_the_opening_come_from_the_weights_of_today() -> None:
    assert stale_figures(FIGURES) == []
    with Image.open(FIGURES / "cartao.png") as card:
        assert card.size == site_metadata.CARD_SIZE
    assert sum(path.stat().st_size for path in FIGURES.glob("*.png")) < 250_000


def test_a_figure_of_other_weights_is_seen(tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "vae.png")
    assert stale_figures(tmp_path) == ["vae.png"]


@pytest.mark.livro
def test_the_opening_shows_every_family_and_three_doors(built_book: BuiltBook) -> None:
    page = read_page(built_book, "index")
    families = page.select(".familia")
    assert len({row.a["href"] for row in families}) == len(families) == 9
    assert [
        image["src"]
        for image in page.select("article img:not(.cd-still)")
        if not (built_book.html / image["src"]).is_file()
    ] == []
    assert [door.strong.get_text() for door in page.select(".portas a")] == ["Ler", "Rodar", "Ensinar"]
    assert page.select_one(".demo-aqui")
    assert "min" in page.select_one("#quanto-tempo-leva").get_text()


# --- Os links que não saem do livro -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "page"),
    [
        (f"{REPOSITORY}/blob/main/chapters/03_vae.ipynb", "chapters/03_vae"),
        (f"{REPOSITORY}/blob/turma-2027.1/chapters/glossario.md", "chapters/glossario"),
        (f"{REPOSITORY}/blob/main/solutions/03_vae.ipynb", None),
        (f"{REPOSITORY}/blob/main/chapters/99_nada.ipynb", None),
        ("https://colab.research.google.com/github/a/b/blob/main/chapters/03_vae.ipynb", None),
        (REPOSITORY, None),
    ],
)
def test_the_page_of_an_address(address: str, page: str | None) -> None:
    assert page_links.page_of(address, REPOSITORY, {"chapters/03_vae", "chapters/glossario"}) == page


def links_out(page: BeautifulSoup) -> list[str]:
    """Os links do texto para um caderno, no repositório, que tem página no livro."""
    addresses = [link["href"] for link in page.select("article a[href]")]
    return [address for address in addresses if page_links.page_of(address, REPOSITORY, set(DOCUMENTS))]


@pytest.mark.livro
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_link_leaves_the_book_for_what_has_a_page(built_book: BuiltBook, name: str) -> None:
    assert links_out(read_page(built_book, name)) == []
    assert dead_links(built_book.html / f"{name}.html", parse) == []


def test_a_link_that_leaves_is_seen() -> None:
    address = f"{REPOSITORY}/blob/main/{CHAPTERS[3]}.ipynb"
    page = BeautifulSoup(f'<article><a href="{address}">3</a></article>', "html.parser")
    assert links_out(page) == [address]


# --- Os enunciados dos exercícios ------------------------------------------------------------------------------------

BLOCK = re.compile(r"### BEGIN SOLUTION\n(.*?)\n\s*### END SOLUTION|<!-- BEGIN SOLUTION -->\n(.*?)\n<!--", re.DOTALL)


def answers(notebook: Path) -> list[str]:
    """O que um gabarito esconde do estudante, sem os espaços."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found = [block for cell in cells for block in BLOCK.finditer("".join(cell["source"]))]
    return ["".join((block[1] or block[2]).split()) for block in found]


def leaks(text: str, hidden: list[str]) -> list[str]:
    """As respostas que estão num texto."""
    plain = "".join(text.split())
    return [answer for answer in hidden if answer in plain]


@pytest.mark.livro
@pytest.mark.parametrize("name", EXERCISES)
def test_the_page_of_an_exercise_states_it_and_hides_the_answers(built_book: BuiltBook, name: str) -> None:
    page, hidden = read_page(built_book, name), answers(ROOT / "solutions" / f"{Path(name).name}.ipynb")
    text = page.select_one("article").get_text()
    assert len(hidden) >= 3
    assert "Questão 1" in text
    assert "Escreva aqui a sua solução" in text
    assert leaks(text, hidden) == []
    source = (built_book.html / "_sources" / f"{name}.ipynb").read_text(encoding="utf-8")
    cells = json.loads(source)["cells"]
    assert leaks("\n".join("".join(cell["source"]) for cell in cells), hidden) == []
    # Não se executa: as funções estão por escrever.
    assert page.select("div.cell_output") == []
    assert f"executando {name}" not in built_book.output
    launch = {link["href"] for link in page.select(".dropdown-launch-buttons a")}
    assert launch == {ADDRESS.colab(f"{name}.ipynb")}


def test_a_leaked_answer_is_seen() -> None:
    notebook = ROOT / "solutions" / "03_vae.ipynb"
    whole = "\n".join("".join(cell["source"]) for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"])
    assert len(leaks(whole, answers(notebook))) == len(answers(notebook)) >= 3


@pytest.mark.livro
def test_every_exercise_is_linked_from_its_chapter_and_from_the_contents(built_book: BuiltBook) -> None:
    assert set(EXERCISES) <= set(DOCUMENTS)
    for name in CHAPTERS[1:]:
        links = {link["href"] for link in read_page(built_book, name).select("article a[href]")}
        number = Path(name).name[:2]
        assert any(link.startswith(f"../exercises/{number}_") for link in links), name


def test_the_solutions_have_no_page() -> None:
    assert [name for name in DOCUMENTS if name.startswith("solutions")] == []
    assert "solutions" in (ROOT / "_config.yml").read_text(encoding="utf-8").partition("exclude_patterns:")[2]


# --- O que o site diz de si ---------------------------------------------------------------------------------------


def test_the_address_of_the_site_comes_from_the_repository() -> None:
    assert Address("Dona/curso", "v1").site == "https://dona.github.io/curso/"


def test_the_description_is_the_first_paragraph_that_says_something() -> None:
    link = "`Abrir no Colab <https://colab.research.google.com/x>`_"
    long = "Quase tudo o que se escreve, fotografa e grava no mundo não tem rótulo. " * 5
    text = site_metadata.describe(publish_doctree(f"Título\n======\n\n{link}\n\n- {long}\n\nCurto.\n\n{long}"))
    assert text.startswith("Quase tudo")
    assert len(text) <= site_metadata.LONGEST + 1
    assert text.endswith("…")
    assert site_metadata.describe(publish_doctree("Curto.")) == ""


def meta(page: BeautifulSoup, kind: str, key: str) -> list[str]:
    """O que um cabeçalho diz de ``key``."""
    return [tag["content"] for tag in page.head.find_all("meta", {kind: key})]


@pytest.mark.livro
def test_every_page_introduces_itself(built_book: BuiltBook) -> None:
    seen = {}
    for name in DOCUMENTS:
        page = read_page(built_book, name)
        (text,) = meta(page, "name", "description")
        assert meta(page, "property", "og:description") == [text]
        address = SITE if name == "index" else f"{SITE}{name}.html"
        assert [link["href"] for link in page.select('link[rel="canonical"]')] == [address]
        assert meta(page, "property", "og:url") == [address]
        (image,) = meta(page, "property", "og:image")
        assert (built_book.html / image.removeprefix(SITE)).is_file()
        assert meta(page, "name", "twitter:card") == ["summary_large_image"]
        assert seen.setdefault(text, name) == name
    assert meta(read_page(built_book, "search"), "name", "robots") == ["noindex"]


@pytest.mark.livro
def test_the_map_lists_every_page_and_nothing_else(built_book: BuiltBook) -> None:
    tree = ElementTree.parse(built_book.html / "sitemap.xml")
    listed = {tag.text for tag in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    assert listed == {SITE, *(f"{SITE}{name}.html" for name in DOCUMENTS if name != "index")}
    assert f"Sitemap: {SITE}sitemap.xml" in (built_book.html / "robots.txt").read_text(encoding="utf-8")


@pytest.mark.livro
def test_the_page_not_found_works_from_any_folder(built_book: BuiltBook) -> None:
    page = parse(built_book.html / "404.html")
    assert page.html["lang"] == "pt-BR"
    assert page.select("link, script, img") == []
    links = [unquote(link["href"].removeprefix(SITE)) or "index.html" for link in page.select("a")]
    assert links
    assert [link for link in links if not (built_book.html / link).is_file()] == []


# --- As definições --------------------------------------------------------------------------------------------------


@pytest.mark.livro
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_term_of_a_chapter_brings_its_definition(built_book: BuiltBook, name: str) -> None:
    page = read_page(built_book, name)
    links = page.select('article a[href^="glossario.html#term-"]')
    assert links
    for link in links:
        definition = page.find(id=link["aria-describedby"])
        assert len(definition.get_text(strip=True)) > 10
        assert definition.find_parent(hidden=True)
        assert definition.select("a, script") == []


# --- No navegador -----------------------------------------------------------------------------------------------------

playwright = pytest.importorskip("playwright.sync_api", reason="o playwright não está instalado")
SEEN = "() => { const box = document.querySelector('.definicao'); return box.hidden ? '' : box.innerText; }"
TERM = 'article a[aria-describedby^="definicao-"] >> nth=2'


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """Uma página vazia, que reprova o teste se um script falha."""
    with screenshots.new_context(browser, "claro") as context:
        errors: list[str] = []
        opened = context.new_page()
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        assert errors == []


@pytest.mark.livro
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_the_first_picture_is_on_the_first_screen(
    built_book: BuiltBook, page: playwright.Page, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto((built_book.html / "index.html").as_uri())
    for selector in (".familias img >> nth=0", ".familias img >> nth=8", ".demo-aqui"):
        box = page.locator(selector).bounding_box()
        assert 0 <= box["y"] <= box["y"] + box["height"] <= height, selector


@pytest.mark.livro
def test_a_definition_opens_by_pointer_and_by_keyboard_and_closes(built_book: BuiltBook, page: playwright.Page) -> None:
    page.goto((built_book.html / f"{CHAPTERS[3]}.html").as_uri())
    term = page.locator(TERM)
    expected = page.evaluate("(id) => document.getElementById(id).textContent.trim().slice(0, 12)",
                             term.get_attribute("aria-describedby"))  # fmt: skip
    assert page.evaluate(SEEN) == ""
    term.hover()
    page.wait_for_function(f"({SEEN})() !== ''")
    assert expected in page.evaluate(SEEN)
    page.keyboard.press("Escape")
    assert page.evaluate(SEEN) == ""
    page.mouse.move(1, 1)
    term.focus()
    assert expected in page.evaluate(SEEN)
    page.keyboard.press("Tab")
    assert expected not in page.evaluate(SEEN)


@pytest.mark.livro
def test_the_first_touch_shows_the_definition_and_the_second_opens_it(
    built_book: BuiltBook, browser: playwright.Browser
) -> None:
    with browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        address = (built_book.html / f"{CHAPTERS[3]}.html").as_uri()
        page.goto(address)
        page.locator(TERM).tap()
        page.wait_for_function(f"({SEEN})() !== ''")
        assert page.url == address
        edges = page.evaluate("() => { const b = document.querySelector('.definicao').getBoundingClientRect();"
                              "return [b.left, b.right]; }")  # fmt: skip
        assert 0 <= edges[0] < edges[1] <= 390
        page.locator(TERM).tap()
        page.wait_for_url("**/glossario.html#term-*")


@pytest.mark.livro
def test_a_result_of_the_search_opens_at_the_section_with_the_words_marked(
    built_book: BuiltBook, page: playwright.Page
) -> None:
    page.goto(f"{(built_book.html / 'search.html').as_uri()}?q=reparametrizacao gradiente")
    page.click("#search-results li a[href*='03_vae']")
    mark = page.locator("mark.destaque").first
    mark.wait_for()
    page.wait_for_function("() => scrollY > 500")
    words = page.locator("mark.destaque").all_inner_texts()
    assert any(word.lower() == "reparametrização" for word in words)
    on_screen = """(marks) => marks.some((mark) => {
      const box = mark.getBoundingClientRect();
      return box.top >= 0 && box.bottom <= innerHeight;
    })"""
    assert page.eval_on_selector_all("mark.destaque", on_screen)
    page.keyboard.press("Escape")
    assert page.locator("mark.destaque").count() == 0
    assert "destaque" not in page.url


# Os nomes do que recebe o foco sem que nada se veja.
UNSEEN_FOCUS = """() => {
  const tag = document.activeElement, style = getComputedStyle(tag);
  return style.outlineStyle === "none" || style.outlineWidth === "0px" ? tag.outerHTML.slice(0, 80) : "";
}"""


def unseen_focus(page: playwright.Page, presses: int) -> list[str]:
    """O que o teclado alcança, com tantos Tab, sem que se veja onde está."""
    unseen = []
    for _ in range(presses):
        page.keyboard.press("Tab")
        unseen.append(page.evaluate(UNSEEN_FOCUS))
    return [tag for tag in unseen if tag]


@pytest.mark.livro
def test_the_keyboard_sees_where_it_is(built_book: BuiltBook, page: playwright.Page) -> None:
    page.goto((built_book.html / f"{CHAPTERS[1]}.html").as_uri())
    assert unseen_focus(page, 60) == []
    page.reload()
    page.add_style_tag(content="html body :is(a, button).sidebar-toggle.sidebar-toggle:focus-visible "
                               "{ outline: none !important; }")  # fmt: skip
    page.evaluate("document.querySelector('.primary-toggle').previousElementSibling?.focus()")
    assert unseen_focus(page, 60)


@pytest.mark.livro
def test_on_paper_only_the_text_is_left(built_book: BuiltBook, page: playwright.Page) -> None:
    page.goto((built_book.html / f"{CHAPTERS[1]}.html").as_uri())
    page.emulate_media(media="print")
    gone = ".bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer, .headerlink, .copybtn"
    assert page.locator(gone).count() > 5
    assert (
        page.eval_on_selector_all(gone, "(tags) => tags.filter((tag) => tag.offsetParent).map((tag) => tag.className)")
        == []
    )
    # O título impresso é o do tema, acima do sumário da página.
    assert page.eval_on_selector_all("h1", "(tags) => tags.filter((tag) => tag.offsetParent).length") == 1
