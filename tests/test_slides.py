"""Os slides: de cada seção, as equações, as figuras e as perguntas, sem as respostas."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book.package import slides
from book.package.pages import BookPage

PAGE = """<article class="bd-article"><section id="t"><h1>3. Um capítulo</h1><p class="mapa-minutos">leitura: 5 min</p>
<section><h2>Objetivos</h2><p>Ao final, você será capaz de:</p><ul><li>dizer o que é</li></ul></section>
<section><h2>A conta</h2><p>Começa aqui. E continua.</p><div class="math"><math display="block"><mi>x</mi></math></div>
<p>Depois.</p><div class="cell"><img src="_images/a.png" alt="Uma curva"></div>
<div class="pergunta"><p><strong>Pergunta.</strong> E agora?</p>
<details class="alternativa" data-certa=""><summary>Sim</summary><p><strong>Certo.</strong> É isso.</p></details>
<details class="alternativa"><summary>Não</summary><p><strong>Ainda não.</strong> Veja.</p></details></div>
<section><h3>Por dentro</h3><div class="math"><math><mi>y</mi></math></div></section></section>
<section><h2>Só texto</h2><p>Nada a mostrar.</p></section>
<section><h2>Referências</h2><div class="math"><math><mi>z</mi></math></div></section></section></article>"""


def page() -> BookPage:
    article = BeautifulSoup(PAGE, "html.parser").article
    return BookPage("chapters/03_um", "", "3. Um capítulo", article)


def titles(shown: list[str]) -> list[str]:
    return [BeautifulSoup(slide, "html.parser").find(["h1", "h2"]).get_text() for slide in shown]


def test_each_section_shows_what_is_projected() -> None:
    shown = slides.slides_of(page())
    assert titles(shown) == ["3. Um capítulo", "Ao final, você saberá", "A conta", "A conta", "A conta", "Por dentro"]
    assert "Começa aqui." in shown[2]
    assert "E continua." not in shown[2]
    assert "<mi>x</mi>" in shown[2]
    assert 'alt="Uma curva"' in shown[3]
    assert "<mi>y</mi>" not in "".join(shown[:5])


def test_a_question_never_shows_its_answer() -> None:
    text = "".join(slides.slides_of(page()))
    assert "E agora?" in text
    assert "<li>Sim</li><li>Não</li>" in text
    assert not any(word in text for word in ("Certo.", "É isso", "data-certa", "Ainda não"))


@pytest.mark.parametrize(
    ("weights", "groups"), [([1, 1, 1], [3]), ([1, 3], [2]), ([3, 3], [1, 1]), ([1, 1, 3, 1], [2, 2]), ([], [])]
)
def test_what_fits_goes_together(weights: list[int], groups: list[int]) -> None:
    parts = [slides.Piece("x", weight) for weight in weights]
    assert [len(group) for group in slides.pack(parts)] == groups


def test_a_sentence_cut_by_a_formula_is_left_out() -> None:
    paragraph = BeautifulSoup("<p>Seja <math><mi>x</mi></math> um número. Fim.</p>", "html.parser").p
    assert slides.first_sentence(paragraph) == ""


def test_an_unknown_chapter_and_a_missing_book_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert slides.main(["--livro", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "Ainda não há livro: rode make livro.\n"


def test_they_print_one_sheet_each(tmp_path: Path, browser: object) -> None:
    count = slides.write_slides(browser, page(), tmp_path, tmp_path / "um.pdf")
    printed = (tmp_path / "um.pdf").read_bytes()
    assert count == printed.count(b"/Type /Page\n") == 6
    assert [path.name for path in tmp_path.iterdir()] == ["um.pdf"]
