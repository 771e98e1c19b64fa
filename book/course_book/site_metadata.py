"""O que o site diz de si a quem o encontra: o endereço e a descrição de cada página, o cartão, o mapa, a página 404."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape as escape_xml

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

from book.address import read_address

from .interface import BOOK

CARD = "_static/abertura/cartao.png"
CARD_SIZE = (1200, 630)
CARD_ALT = "O nome do curso e nove fileiras de dígitos: cada uma de uma família de modelos, e a última, reais."
LONGEST = 200
# Um parágrafo menor que isto não descreve a página: é um link, ou o começo de uma lista.
SHORTEST = 60
# A descrição que a própria página traz (`html_meta`, no MyST).
HAND_WRITTEN = re.compile(r'<meta content="(?P<text>[^"]*)" name="description"')
NOT_TEXT = (nodes.block_quote, nodes.table, nodes.list_item, nodes.container, addnodes.desc, nodes.figure)


def setup(app: Sphinx) -> None:
    """Registra o endereço do site, o que cada página diz de si e as páginas que só as máquinas leem."""
    app.connect("config-inited", set_address)
    app.connect("html-page-context", describe_page)
    app.connect("html-collect-pages", lambda app: [("404", {"site": app.config.html_baseurl}, "404.html")])
    app.connect("build-finished", write_maps)


def set_address(app: Sphinx, config: Config) -> None:
    """Dá ao Sphinx o endereço do site, de que saem os das páginas."""
    config.html_baseurl = read_address(BOOK.parent).site


def describe(doctree: nodes.document) -> str:
    """O primeiro parágrafo de verdade de uma página, cortado numa palavra."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        parent = paragraph.parent
        while parent is not None and not isinstance(parent, NOT_TEXT):
            parent = parent.parent
        if parent is None and len(text) >= SHORTEST and not text.startswith("Abrir no Colab"):
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    return ""


def describe_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Acrescenta ao cabeçalho a descrição e o cartão; a página que não se lê, como a busca, fica de fora."""
    if doctree is None:
        context["metatags"] = context.get("metatags", "") + '\n<meta name="robots" content="noindex">'
        return
    site = app.config.html_baseurl
    title = re.sub(r"<[^>]*>", "", context.get("title", ""))
    is_root = pagename == app.config.root_doc
    name = app.config.html_title or app.config.project
    metatags = context.get("metatags", "")
    written_by_hand = HAND_WRITTEN.search(metatags)
    text = unescape(written_by_hand["text"]) if written_by_hand else describe(doctree)
    if is_root:
        context["pageurl"] = site
    tags = {
        "name": {"description": "" if written_by_hand else text, "twitter:card": "summary_large_image"},
        "property": {
            "og:type": "website" if is_root else "article",
            "og:site_name": name,
            "og:locale": "pt_BR",
            "og:title": title,
            "og:description": text,
            "og:url": context.get("pageurl") or site,
            "og:image": site + CARD,
            "og:image:width": str(CARD_SIZE[0]),
            "og:image:height": str(CARD_SIZE[1]),
            "og:image:alt": CARD_ALT,
        },
    }
    written = [
        f'<meta {kind}="{key}" content="{escape(value, quote=True)}">'
        for kind, values in tags.items()
        for key, value in values.items()
        if value
    ]
    context["metatags"] = "\n".join([metatags, *written])


def write_maps(app: Sphinx, error: Exception | None) -> None:
    """Escreve ``sitemap.xml``, com as páginas que se leem, e ``robots.txt``, que diz onde ele está."""
    if error is not None or app.builder.name != "html":
        return
    site, folder = app.config.html_baseurl, Path(app.outdir)
    names = sorted(app.env.found_docs - {app.config.root_doc})
    addresses = [site, *(site + app.builder.get_target_uri(name) for name in names)]
    lines = [f"<url><loc>{escape_xml(address)}</loc></url>" for address in addresses]
    sitemap = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "\n".join(lines)
        + "\n</urlset>\n"
    )
    (folder / "sitemap.xml").write_text(sitemap, encoding="utf-8")
    (folder / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {site}sitemap.xml\n", encoding="utf-8")
