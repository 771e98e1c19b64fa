"""As fórmulas do livro: a tradução do TeX para MathML, e as que as páginas construídas mostram."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest
from built_book import ROOT, BuiltBook
from docutils import nodes
from test_book import NOTEBOOKS, read_page

from book.course_book import formulas
from book.course_book.mathml import plain_text

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$(?!\s)[^$]+?(?<![\s\\])\$", re.DOTALL)
COMMAND = re.compile(r"\\[a-zA-Z]+")


@pytest.fixture(autouse=True, scope="module")
def closed_at_the_end() -> Iterator[None]:
    yield
    formulas.close()


@pytest.mark.parametrize(
    ("tex", "piece"),
    [
        (r"0{,}5 + x", "<mn>0,5</mn>"),
        (r"\hat x_{\bar y}", '<mover accent="true">'),
        (r"\big(x\big)", 'form="prefix"'),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "<mtable>"),
        (r"f = \begin{cases} 0 & x < 1 \\ 1 & x \ge 1 \end{cases}", "<mtable"),
        (r"a = b \tag{7}", "(7)"),
        (r"\text{preço}", "preço"),
    ],
)
def test_a_formula_becomes_mathml(tex: str, piece: str) -> None:
    assert piece in formulas.translate(tex, display=True)
    assert not COMMAND.search(formulas.translate(tex, display=True))


@pytest.mark.parametrize("tex", [r"\frac{a}{", r"\naoexiste x", r"x_1_2"])
def test_a_wrong_formula_is_an_error_that_shows_it(tex: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(tex))):
        formulas.translate(tex)


@pytest.mark.parametrize(
    ("tex", "rows"),
    [
        ("x = y + z", ["x", "=y", "+z"]),
        (r"-x = y", ["−x", "=y"]),
        (r"a = b, \qquad c \le d", ["a", "=b,", "c", "≤d"]),
        (r"\left(a + b\right)", []),
        ("x", []),
    ],
)
def test_a_display_formula_breaks_before_relations_and_sums(tex: str, rows: list[str]) -> None:
    math = formulas.translate(tex, display=True)
    inside = [
        re.sub(r"<.*?>|\s", "", row) for row in re.findall(r"(?:(?<=block\">)|(?<=</mrow>))<mrow>.*?</mrow>", math)
    ]
    assert (inside if len(rows) > 1 else []) == rows


def test_a_long_formula_in_the_text_is_several_in_a_row() -> None:
    drawn = formulas.translate(r"\mathrm{KL}(q \,\|\, p) = \log s_p - \log s_q + \tfrac{1}{2}(m_p - m_q)^2 + 1")
    assert drawn.count("<math") == drawn.count("</math>") == 5
    assert plain_text(drawn).endswith("(mp−mq)2+1")
    assert formulas.translate("a = b + c").count("<math") == 1


def test_lines_of_a_block_are_aligned_as_in_sphinx() -> None:
    assert formulas.environment(r"a = b") == "a = b"
    assert formulas.environment(r"a \\ b") == r"\begin{split}a \\ b\end{split}"
    assert formulas.environment("a\n\nb") == r"\begin{aligned}a\\b\end{aligned}"
    assert formulas.environment(r"\begin{align}a \\ b\end{align}").startswith(r"\begin{align}")


@pytest.mark.parametrize(
    ("before", "after", "glued"),
    [
        ("um ", ", e", ("", ",")),
        ("(", ") e", ("(", ")")),
        ("o ", "-VAE treina", ("", "-VAE")),
        ("um ", " e dois", ("", "")),
        ("o conjunto (de ", "— isto", ("", "")),
    ],
)
def test_punctuation_stays_with_the_formula(before: str, after: str, glued: tuple[str, str]) -> None:
    math = nodes.math("", "x")
    paragraph = nodes.paragraph("", "", nodes.Text(before), math, nodes.Text(after))
    assert (formulas.take_before(math), formulas.take_after(math)) == glued
    assert paragraph.astext() == before.removesuffix(glued[0]) + "x" + after.removeprefix(glued[1])


def test_what_the_search_reads_is_the_formula_and_not_its_code() -> None:
    assert plain_text(formulas.translate(r"\log\hat p(x) \le 0{,}5")) == "logpˆ(x)≤0,5"


@pytest.mark.livro
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_formula_of_a_notebook_is_drawn_in_its_page(built_book: BuiltBook, name: str) -> None:
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    texts = [CODE.sub("", FENCE.sub("", cell.source)) for cell in cells if cell.cell_type == "markdown"]
    written = sum(len(FORMULA.findall(text)) for text in texts)
    page = read_page(built_book, name).select_one("article")
    for made_here in page.select("#jb-print-docs-body, .cell_output"):
        made_here.decompose()
    assert len(page.select(".math")) == written
    assert [str(formula) for formula in page.select(".math") if not formula.select_one("math")] == []


@pytest.mark.livro
def test_no_page_nor_the_search_shows_tex(built_book: BuiltBook) -> None:
    pages = sorted((built_book.html / "chapters").rglob("*.html"))
    faults = [
        f"{page.stem}: {formula}"
        for page in pages
        for formula in re.findall(r'class="math[^>]*>(.*?)</math>', page.read_text(encoding="utf-8"), re.DOTALL)
        if COMMAND.search(re.sub(r"<.*?>", "", formula)) or "merror" in formula
    ]
    assert faults == []
    index = (built_book.html / "searchindex.js").read_text(encoding="utf-8")
    assert [
        word for word in ("mathbb", "tfrac", "lvert", "qquad") if f'"{word}"' in index or f",{word}:" in index
    ] == []
