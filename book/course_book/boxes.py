"""Caixas: blocos de citação que começam com um rótulo em negrito (``> **Erro comum.** …``).

Os capítulos só usam o Markdown que o Colab também mostra, então uma caixa é uma citação comum; aqui ela ganha uma
classe conforme o rótulo, e a folha de estilo a desenha.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxTranslator

# Rótulo (sem acento, em minúsculas) → aparência. Um rótulo que não está aqui dá uma caixa neutra.
KINDS = {
    "erro comum": "erro",
    "cuidado": "erro",
    "atencao": "erro",
    "confira": "confira",
    "faixa esperada": "confira",
    "o que esperar": "confira",
    "experimente": "experimente",
    "exercicio": "experimente",
    "faca voce": "experimente",
    "no colab": "nota",
    "nota": "nota",
    "dica": "nota",
    "para ler": "nota",
    "objetivos": "objetivos",
    "resumo": "objetivos",
    "definicao": "objetivos",
}


def setup(app: Sphinx) -> None:
    """Registra a transformação e o desenho em HTML."""
    app.add_transform(MarkBoxes)
    app.add_node(nodes.block_quote, override=True, html=(visit_quote, depart_quote))


def box_kind(label: str) -> str | None:
    """Aparência da caixa com este rótulo, ou None se o negrito é só ênfase no começo de uma citação."""
    if not re.search(r"[.:!?]\s*$", label):
        return None
    plain = unicodedata.normalize("NFD", label.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char)).strip(" .:!?")
    for known, kind in KINDS.items():
        # O rótulo pode continuar: "Erro comum: a perda vira NaN."
        if plain == known or re.match(rf"{known}\b", plain):
            return kind
    return "neutra"


class MarkBoxes(SphinxTransform):
    """Acrescenta ``caixa`` e ``caixa-TIPO`` às citações que são caixas."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for quote in self.document.findall(nodes.block_quote):
            first = quote.children[0] if quote.children else None
            if not isinstance(first, nodes.paragraph):
                continue
            # O leitor de Markdown deixa textos vazios em volta do negrito.
            pieces = [piece for piece in first.children if piece.astext()]
            if pieces and isinstance(pieces[0], nodes.strong):
                # O ponto pode estar dentro ou fora do negrito.
                rest = pieces[1].astext()[0] if len(pieces) > 1 else ""
                kind = box_kind(pieces[0].astext() + (rest if rest in ".:!?" else ""))
                if kind:
                    quote["classes"] += ["caixa", f"caixa-{kind}"]


def visit_quote(self: SphinxTranslator, node: nodes.block_quote) -> None:
    """Escreve as classes da citação, que o Sphinx descarta, e diz ao leitor de tela que a caixa é uma nota."""
    if "caixa" in node["classes"]:
        self.body.append(self.starttag(node, "div", role="note"))
    else:
        self.body.append(self.starttag(node, "blockquote"))


def depart_quote(self: SphinxTranslator, node: nodes.block_quote) -> None:
    """Fecha o que ``visit_quote`` abriu."""
    self.body.append("</div>\n" if "caixa" in node["classes"] else "</blockquote>\n")
