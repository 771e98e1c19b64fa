"""O texto de cada caderno, como o Colab o mostra, e o da sua página: nenhuma palavra some no caminho."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from built_book import ROOT, BuiltBook, run_build
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from test_book import NOTEBOOKS, read_page, small_book

pytestmark = pytest.mark.livro

# O que o Colab lê: CommonMark, tabelas e fórmulas; nada do MyST.
COLAB = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_labels=False, double_inline=True)
# O que a página tem a mais, e o que se compara à parte (as fórmulas, em test_book_formulas).
NOT_TEXT = ".cell, .math.inline, .math.block, math, .headerlink, script, style, #jb-print-docs-body"


def words(html: str) -> list[str]:
    """As palavras de um trecho de HTML, na ordem, sem a pontuação que o livro troca pela tipográfica."""
    page = BeautifulSoup(html, "html.parser")
    for tag in page.select(NOT_TEXT):
        tag.decompose()
    for tag in page.find_all(re.compile("^(p|li|td|th|h[1-6]|div|br)$")):
        tag.append(" ")
    return re.findall(r"[\w%+=/@#]+", page.get_text())


def swallowed(notebook: Path, page: str) -> list[str]:
    """Os trechos do caderno que a página não mostra, na ordem em que vêm."""
    cells = nbformat.read(notebook, as_version=4).cells
    written = [
        word
        for cell in cells
        if cell.cell_type == "markdown"
        for word in words(f"<div>{COLAB.render(cell.source)}</div>")
    ]
    shown = words(page)
    matcher = SequenceMatcher(None, written, shown, autojunk=False)
    return [
        f"{' '.join(written[start:end])} → {' '.join(shown[low:high])}"
        for kind, start, end, low, high in matcher.get_opcodes()
        if kind in ("delete", "replace")
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_page_says_what_the_notebook_says(built_book: BuiltBook, name: str) -> None:
    article = read_page(built_book, name).select_one("article.bd-article")
    assert swallowed(ROOT / f"{name}.ipynb", str(article)) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_table_is_shown_as_pipes(built_book: BuiltBook, name: str) -> None:
    paragraphs = read_page(built_book, name).select("article p")
    assert [tag.get_text()[:60] for tag in paragraphs if re.match(r"\s*\|[^|]+\|", tag.get_text())] == []


PLANTED = """# Um capítulo

Com poucos rótulos, o ganho é de dez
% e some com mil: pré-treinar ainda vale a pena.

+++ isto não é uma quebra

(alvo)=

Fim.
"""


def test_what_only_myst_understands_is_text(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["unico"])
    cells = [nbformat.v4.new_markdown_cell(PLANTED), nbformat.v4.new_code_cell("1 + 1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, chapters / "unico.ipynb")
    result = run_build(tmp_path)
    assert result.returncode == 0, result.stdout
    page = BeautifulSoup((tmp_path / "_build/html/chapters/unico.html").read_text(encoding="utf-8"), "html.parser")
    article = page.select_one("article.bd-article")
    assert swallowed(chapters / "unico.ipynb", str(article)) == []
    assert "pré-treinar ainda vale a pena" in article.get_text()


def test_a_swallowed_sentence_is_noticed(built_book: BuiltBook) -> None:
    article = read_page(built_book, NOTEBOOKS[0]).select_one("article.bd-article")
    longest = max(article.select("section > p"), key=lambda tag: len(tag.get_text()))
    longest.decompose()
    assert swallowed(ROOT / f"{NOTEBOOKS[0]}.ipynb", str(article))
