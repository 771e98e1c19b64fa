"""O livro em EPUB 3: as páginas em XHTML, com as figuras e o sumário, sem nada que dependa de um script."""

from __future__ import annotations

import re
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from bs4 import Tag

from .pages import BookPage

STYLE = Path(__file__).with_name("book.css")
MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml", ".gif": "image/gif", ".webp": "image/webp"}
CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="livro/livro.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
XHTML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="pt-BR" xml:lang="pt-BR">
<head><title>{title}</title><link rel="stylesheet" type="text/css" href="livro.css"/></head>
<body>{body}</body>
</html>
"""
PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="pt-BR">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{identifier}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:language>pt-BR</dc:language>
<dc:creator>{author}</dc:creator>
<dc:rights>CC BY 4.0 (texto), MIT (código)</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


def write_epub(target: Path, pages: Sequence[BookPage], html: Path, about: Mapping[str, str]) -> None:
    """Grava o EPUB.

    Args:
        target: o arquivo.
        pages: as páginas; os seus textos são mudados.
        html: a pasta do site, de onde vêm as figuras.
        about: ``title``, ``author``, ``version`` e ``site``, o endereço para onde vão os links do que não se leva.
    """
    images: dict[str, str] = {}
    items = ['<item id="sumario" href="sumario.xhtml" media-type="application/xhtml+xml" properties="nav"/>']
    items.append('<item id="estilo" href="livro.css" media-type="text/css"/>')
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        # O tipo vem primeiro e sem compressão: é por ele que se reconhece um EPUB.
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        names = {page.name for page in pages}
        for page in pages:
            redirect(page, names, images, about["site"])
            body = serialize(page.article)
            archive.writestr(f"livro/{page.key}.xhtml", XHTML.format(title=escape(page.title), body=body))
            kinds = [kind for kind, tag in (("mathml", "math"), ("svg", "svg")) if page.article.find(tag)]
            properties = f' properties="{" ".join(kinds)}"' if kinds else ""
            items.append(
                f'<item id="{page_id(page)}" href="{page.key}.xhtml" media-type="application/xhtml+xml"{properties}/>'
            )
        for number, (source, name) in enumerate(images.items()):
            archive.write(html / source, f"livro/{name}", zipfile.ZIP_STORED)
            cover = ' properties="cover-image"' if source.endswith("cartao.png") else ""
            media = MEDIA[Path(name).suffix.lower()]
            items.append(f'<item id="figura-{number}" href="{name}" media-type="{media}"{cover}/>')
        archive.writestr("livro/sumario.xhtml", navigation(pages))
        archive.write(STYLE, "livro/livro.css")
        archive.writestr("livro/livro.opf", package(pages, items, about))


def page_id(page: BookPage) -> str:
    """O identificador de uma página no manifesto."""
    return f"p-{page.key}"


def redirect(page: BookPage, names: set[str], images: dict[str, str], site: str) -> None:
    """Leva os endereços da página aos arquivos do EPUB, ou ao site; anota em ``images`` as figuras que ela usa."""
    for image in page.article.select("img[src]"):
        source = image["src"]
        if source.startswith("data:"):
            continue  # A figura parada de uma demonstração já vem na página.
        image["src"] = images.setdefault(source, f"figuras/{Path(source).parent.name.lstrip('_')}-{Path(source).name}")
    for link in page.article.select("a[href]"):
        address, mark, anchor = link["href"].partition("#")
        if re.match(r"[a-z][a-z+.-]*:", address):
            continue
        target = address.removesuffix(".html")
        if target in names:
            link["href"] = f"{target.replace('/', '-')}.xhtml{mark}{anchor}"
        else:
            link["href"] = f"{site}{link['href']}"


def serialize(article: Tag) -> str:
    """O texto em XHTML."""
    for math in article.find_all("math"):
        math["xmlns"] = "http://www.w3.org/1998/Math/MathML"
    return "".join(child.decode(formatter="minimal") if isinstance(child, Tag) else escape(child) for child in article)


def navigation(pages: Sequence[BookPage]) -> str:
    """O sumário: as partes e as suas páginas."""
    lines, part = [], ""
    for page in pages:
        if page.part != part:
            if part:
                lines.append("</ol></li>")
            part = page.part
            lines.append(f"<li><span>{escape(part)}</span><ol>")
        lines.append(f'<li><a href="{page.key}.xhtml">{escape(page.title)}</a></li>')
    if part:
        lines.append("</ol></li>")
    nav = f'<nav epub:type="toc" id="toc"><h1>Sumário</h1><ol>{"".join(lines)}</ol></nav>'
    return XHTML.format(title="Sumário", body=nav)


def package(pages: Sequence[BookPage], items: Sequence[str], about: Mapping[str, str]) -> str:
    """O arquivo que diz o que há no EPUB e em que ordem."""
    return PACKAGE.format(
        identifier=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, about['site'])}",
        title=escape(about["title"]),
        author=escape(about["author"]),
        modified=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        manifest="\n".join(items),
        spine="\n".join(f'<itemref idref="{page_id(page)}"/>' for page in pages),
    )
