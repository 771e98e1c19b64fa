"""O livro num PDF só: todas as páginas num documento, impresso pelo Chromium, com marcadores e links de uma a outra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from .epub import STYLE
from .pages import BookPage

# Ao lado do site, de cujas figuras e fontes ele precisa.
SINGLE = "livro-inteiro.html"
# Do site, só o que colore o código e o que dá letra às fórmulas.
SITE_STYLES = ("pygments.css", "formulas.css", "formulas-fonte.css")
HTML = """<!DOCTYPE html>
<html lang="pt-BR" data-theme="light">
<head><meta charset="utf-8"><title>{title}</title>{styles}<style>{style}</style></head>
<body class="papel">{body}</body>
</html>
"""
FOOTER = (
    '<div style="width: 100%; font: 8px sans-serif; text-align: center; color: #52606d">'
    '<span class="pageNumber"></span></div>'
)
MARGINS = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}
# Um livro inteiro demora a ser paginado.
PATIENCE_MS = 600_000


def write_pdf(target: Path, pages: Sequence[BookPage], html: Path, title: str, site: str) -> None:
    """Imprime as páginas em ``target``; os seus textos são mudados.

    Raises:
        RuntimeError: não há Chromium nem Chrome que abra.
    """
    from book.screenshots import open_browser

    single = html / SINGLE
    styles = "".join(
        f'<link rel="stylesheet" href="_static/{name}">' for name in SITE_STYLES if (html / "_static" / name).is_file()
    )
    style = STYLE.read_text(encoding="utf-8")
    names = {page.name for page in pages}
    opening, *others = (section(page, names, site) for page in pages)
    body = "".join([opening, contents(pages[1:]), *others])
    single.write_text(HTML.format(title=escape(title), styles=styles, style=style, body=body), encoding="utf-8")
    try:
        with open_browser() as browser:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(single.as_uri(), timeout=PATIENCE_MS)
            page.pdf(
                path=target, format="A4", margin=MARGINS, outline=True, tagged=True, print_background=True,
                display_header_footer=True, header_template="<span></span>", footer_template=FOOTER,
            )  # fmt: skip
    finally:
        single.unlink()


def contents(pages: Sequence[BookPage]) -> str:
    """O sumário."""
    lines, part = [], ""
    for page in pages:
        if page.part != part:
            part = page.part
            lines.append(f'<li class="parte">{escape(part)}</li>')
        lines.append(f'<li><a href="#{page.key}">{escape(page.title)}</a></li>')
    return f'<nav class="sumario"><h2>Sumário</h2><ul>{"".join(lines)}</ul></nav>'


def section(page: BookPage, names: set[str], site: str) -> str:
    """Uma página como parte do documento, com os seus identificadores e os seus links."""
    for details in page.article.find_all("details"):
        details["open"] = ""
    for tag in page.article.select("[id]"):
        tag["id"] = f"{page.key}--{tag['id']}"
    for link in page.article.select("a[href]"):
        address, _, anchor = link["href"].partition("#")
        if re.match(r"[a-z][a-z+.-]*:", address):
            continue
        target = address.removesuffix(".html")
        key = target.replace("/", "-")
        if target in names:
            link["href"] = f"#{key}--{anchor}" if anchor else f"#{key}"
        else:
            link["href"] = f"{site}{link['href']}"
    return f'<section class="pagina" id="{page.key}">{page.article.decode_contents(formatter="html5")}</section>'
