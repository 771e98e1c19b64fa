"""Estilo ``portuguese`` para as referências: o ``alpha`` do pybtex com as palavras de ligação em português."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style import FormattedEntry
from pybtex.style.formatting.alpha import Style as AlphaStyle
from pybtex.style.template import Node, field, names, sentence
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxTranslator

WORDS = {
    "In": "Em",
    "in": "em",
    "of": "de",
    "Number": "Número",
    "number": "número",
    "chapter": "capítulo",
    "pages": "páginas",
    "edition": "edição",
    "editor": "organização",
    "editors": "organização",
    "Master's thesis": "Dissertação de mestrado",
    "PhD thesis": "Tese de doutorado",
    "Technical Report": "Relatório técnico",
    "URL:": "Endereço:",
    " (visited on ": " (acesso em ",
}


def translate_template(node: Any) -> Any:
    """Cópia do molde de uma referência com as palavras soltas traduzidas; campos e títulos não são tocados."""
    if isinstance(node, str):
        return WORDS.get(node, node)
    if isinstance(node, list | tuple):
        return [translate_template(item) for item in node]
    # Em field("chapter"), o nome do campo é um filho que não é texto a mostrar.
    if not isinstance(node, Node) or node.name in {"field", "optional_field", "names"}:
        return node
    copy = node._clone()
    copy.children = [translate_template(child) for child in node.children]
    return copy


class PortugueseStyle(AlphaStyle):
    """Como ``alpha``, em português e sem mexer nas maiúsculas dos títulos."""

    def format_names(self, role: str, as_sentence: bool = True) -> Node:
        formatted = names(role, sep=", ", sep2=" e ", last_sep=" e ")
        return sentence[formatted] if as_sentence else formatted

    def format_title(self, e: Entry, which_field: str, as_sentence: bool = True) -> Node:
        title = field(which_field)
        return sentence[title] if as_sentence else title

    def format_entry(self, label: str, entry: Entry, bib_data: Any = None) -> FormattedEntry:
        template = translate_template(getattr(self, f"get_{entry.type}_template")(entry))
        text = template.format_data({"entry": entry, "style": self, "bib_data": bib_data})
        return FormattedEntry(entry.key, text, label)


def visit_citation(self: SphinxTranslator, node: nodes.citation) -> None:
    """Como a do docutils, sem os papéis ARIA de lista, que ali não formam uma lista válida."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div class="citation-list">\n')
    self.body.append(self.starttag(node, "div", CLASS="citation"))


def depart_citation(self: SphinxTranslator, node: nodes.citation) -> None:
    """Fecha o que ``visit_citation`` abriu."""
    self.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</div>\n")


def setup(app: Sphinx) -> None:
    """Torna o estilo conhecido do pybtex pelo nome que ``_config.yml`` usa."""
    register_plugin("pybtex.style.formatting", "portuguese", PortugueseStyle)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
