"""O que uma página pesa: tudo o que ela carrega, comprimido como um servidor o manda."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from built_book import BuiltBook
from PIL import Image
from test_book import DOCUMENTS, read_page

from book.course_book.demos import DEMO

pytestmark = pytest.mark.livro

# 1,5 MB com todas as figuras e as redes das demonstrações, e 400 KB para começar a ler: as figuras vêm quando se chega
# perto, e os pesos de uma rede estão no meio da página, perto da sua demonstração.
WHOLE, FIRST = 1_500_000, 400_000


def loaded(page: Path, soup: BeautifulSoup) -> tuple[set[Path], set[Path]]:
    """Os arquivos que uma página carrega ao abrir, e as suas figuras."""
    links = soup.select("script[src], link[rel=stylesheet], link[rel=preload], link[rel=icon]")
    files = {link.get("src") or link["href"] for link in links}
    images = {image["src"] for image in soup.select("img")}

    def found(names: set[str]) -> set[Path]:
        return {(page.parent / re.sub(r"[?#].*", "", name)).resolve() for name in names if "data:" not in name}

    return found(files) | {page}, found(images)


def on_the_wire(path: Path) -> int:
    """Os bytes de um arquivo, comprimido se o formato dele já não é."""
    content = path.read_bytes()
    return len(content) if path.suffix in (".png", ".webp", ".woff2") else len(gzip.compress(content, 6))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_page_is_light(built_book: BuiltBook, name: str) -> None:
    page, soup = built_book.html / f"{name}.html", read_page(built_book, name)
    files, images = loaded(page, soup)
    text = DEMO.sub("", page.read_text("utf-8"))
    assert sum(map(on_the_wire, files - {page})) + len(gzip.compress(text.encode(), 6)) <= FIRST
    assert sum(map(on_the_wire, files | images)) <= WHOLE


@pytest.mark.parametrize("name", DOCUMENTS)
def test_figures_wait_and_do_not_jump(built_book: BuiltBook, name: str) -> None:
    page = built_book.html / f"{name}.html"
    for figure in read_page(built_book, name).select("article .cell_output img"):
        if "cd-still" in figure.get("class", []):
            continue  # A figura parada de uma demonstração vem dentro da página.
        assert figure["loading"] == "lazy"
        with Image.open(page.parent / figure["src"]) as image:
            assert (int(figure["width"]), int(figure["height"])) == image.size


def test_nothing_useless_is_published(built_book: BuiltBook) -> None:
    static = built_book.html / "_static"
    assert [path.name for path in static.rglob("*") if path.suffix == ".map" or "fa-solid" in path.name] == []
    assert (static / "scripts" / "fontawesome.js").stat().st_size < 1_000
    # A medida que obrigaria o navegador a desenhar a página inteira ao abri-la.
    assert ".nboutput > .output_area" not in (static / "scripts" / "pydata-sphinx-theme.js").read_text(encoding="utf-8")
