"""Slides de cada capítulo, do livro construído: ``python -m book.package.slides`` ou ``make slides``.

De cada seção, na ordem do texto: a primeira frase, as equações, as figuras e as perguntas, sem a resposta. É o que se
projeta; o que se diz está no capítulo. Sai um PDF por capítulo, que abre sem rede.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bs4 import Tag

from book.package.pages import BookPage, read_page, table_of_contents
from course_lib import console
from course_lib.text import number

ROOT = Path(__file__).resolve().parents[2]
STYLE = Path(__file__).with_name("slides.css")
CHAPTER = re.compile(r"chapters/\d\d_")
# O que não se projeta.
LEFT_OUT = {"Referências", "Exercício", "Como ler este curso", "O mapa do curso"}
# Uma figura ou uma pergunta enche um slide; três equações também.
FULL = 3
SENTENCE = re.compile(r".+?[.?!…](?=\s|$)", re.DOTALL)
# O que não cabe na folha, na altura ou na largura, encolhe até caber.
FIT = """() => document.querySelectorAll('.slide .corpo').forEach((body) => {
  const fits = () => body.scrollHeight <= body.clientHeight && body.scrollWidth <= body.clientWidth;
  for (let points = 22; points > 9 && !fits(); points -= 0.5) body.style.fontSize = `${points}pt`;
})"""
HTML = """<!DOCTYPE html>
<html lang="pt-BR"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="_static/formulas.css"><link rel="stylesheet" href="_static/formulas-fonte.css">
<style>{style}</style></head><body>{body}</body></html>
"""


@dataclass(frozen=True)
class Piece:
    """Uma parte de um slide: o HTML, e quanto dele ocupa."""

    html: str
    weight: int


def first_sentence(paragraph: Tag) -> str:
    """A primeira frase de um parágrafo, em HTML; vazia se ele tem fórmulas, links ou código antes do fim dela."""
    found = SENTENCE.match(" ".join(paragraph.get_text().split()))
    return escape(found[0]) if found and not paragraph.find(["math", "code"]) else ""


def question(tag: Tag) -> str:
    """Uma pergunta e as suas alternativas, sem dizer qual é a certa."""
    choices = "".join(f"<li>{item.decode_contents()}</li>" for item in tag.select("details > summary"))
    stem = "".join(str(child) for child in tag.find_all("p", recursive=False))
    return f'<div class="pergunta">{stem}<ol>{choices}</ol></div>'


def pieces(section: Tag) -> Iterator[Piece]:
    """O que se projeta de uma seção, sem o das que estão dentro dela."""
    opened = False
    for child in section.find_all(True, recursive=False):
        if child.name == "section":
            continue
        if child.name == "p" and not opened and "mapa-minutos" not in child.get("class", []):
            opened = True
            if sentence := first_sentence(child):
                yield Piece(f'<p class="ideia">{sentence}</p>', 1)
        if "pergunta" in child.get("class", []):
            yield Piece(question(child), FULL)
            continue
        for tag in [child, *child.find_all(True)]:
            if "math" in tag.get("class", []) and tag.name == "div":
                yield Piece(str(tag), 1)
            elif tag.name == "img":
                image = f'<img src="{escape(tag["src"])}" alt="{escape(tag.get("alt", ""))}">'
                yield Piece(f"<figure>{image}</figure>", FULL)


def pack(parts: Sequence[Piece]) -> Iterator[list[Piece]]:
    """As partes, em slides que as contêm."""
    page: list[Piece] = []
    for part in parts:
        if page and sum(one.weight for one in page) + part.weight > FULL + 1:
            yield page
            page = []
        page.append(part)
    if page:
        yield page


def slides_of(page: BookPage) -> list[str]:
    """Os slides de um capítulo, em HTML."""
    opening = f'<section class="slide titulo"><h1>{escape(page.title)}</h1></section>'
    return [opening, *goals(page), *(slide for section in page.article.find_all("section") for slide in show(section))]


def goals(page: BookPage) -> list[str]:
    """O slide dos objetivos; nenhum, se o capítulo não os lista."""
    for paragraph in page.article.find_all("p"):
        listed = paragraph.find_next_sibling("ul")
        if paragraph.get_text().lstrip().startswith("Ao final") and listed:
            body = f'<h2>Ao final, você saberá</h2><div class="corpo">{listed}</div>'
            return [f'<section class="slide">{body}</section>']
    return []


def show(section: Tag) -> Iterator[str]:
    """Os slides de uma seção."""
    heading = section.find(["h1", "h2", "h3"], recursive=False)
    title = " ".join(heading.get_text().split()) if heading else ""
    if not heading or heading.name == "h1" or title.partition(" (")[0] in LEFT_OUT | {"Objetivos"}:
        return
    for group in pack(list(pieces(section))):
        # Uma seção de uma frase só não precisa de um slide.
        if all(part.html.startswith("<p") for part in group):
            continue
        body = "".join(part.html for part in group)
        yield f'<section class="slide"><h2>{escape(title)}</h2><div class="corpo">{body}</div></section>'


def numbered(slides: Sequence[str], title: str) -> str:
    """Os slides com o rodapé."""
    foot = "<footer><span>{title}</span><span>{index}</span></footer></section>"
    return "".join(
        slide.removesuffix("</section>") + foot.format(title=escape(title), index=index)
        for index, slide in enumerate(slides, start=1)
    )


def write_slides(browser: Any, page: BookPage, html: Path, target: Path) -> int:
    """Imprime em ``target``, com um navegador, os slides de um capítulo; diz quantos são."""
    slides, single = slides_of(page), html / f"slides-{page.key}.html"
    style = STYLE.read_text(encoding="utf-8")
    text = HTML.format(title=escape(page.title), style=style, body=numbered(slides, page.title))
    single.write_text(text, encoding="utf-8")
    try:
        opened = browser.new_page()
        opened.goto(single.as_uri())
        opened.evaluate(FIT)
        opened.pdf(path=target, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        opened.close()
    finally:
        single.unlink()
    return len(slides)


def make(root: Path, html: Path, folder: Path, wanted: Sequence[str]) -> int:
    """Grava em ``folder`` os slides dos capítulos pedidos; devolve o código de saída.

    Raises:
        RuntimeError: não há Chromium nem Chrome que abra.
    """
    from book.screenshots import open_browser

    if not (html / "index.html").is_file():
        print("Ainda não há livro: rode make livro.", file=sys.stderr)
        return 1
    chapters = [name for name, _ in table_of_contents(root) if CHAPTER.match(name)]
    known = [name.removeprefix("chapters/") for name in chapters]
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"não há o capítulo {unknown[0]}; há {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for name in wanted or known:
            target = folder / f"{name}.pdf"
            count = write_slides(browser, read_page(html, f"chapters/{name}", ""), html, target)
            print(f"✔ {target}: {count} slides, {number(target.stat().st_size / 1e6, '.1f')} MB", flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve o código de saída."""
    parser = console.Parser(prog="python -m book.package.slides", description=__doc__.splitlines()[0])
    parser.add_argument("capitulo", nargs="*", help="só estes, como 03_vae (padrão: todos)")
    parser.add_argument("--livro", type=Path, default=ROOT / "_build" / "html", help="pasta do livro construído")
    parser.add_argument("--pasta", type=Path, default=ROOT / "_build" / "slides", help="onde gravar")
    options = parser.parse_args(arguments)
    return console.run(lambda: make(ROOT, options.livro.resolve(), options.pasta, options.capitulo), RuntimeError)


if __name__ == "__main__":
    sys.exit(main())
