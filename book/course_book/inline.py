"""O que as transformações que ligam trechos do texto de um capítulo têm em comum."""

from __future__ import annotations

import re
from itertools import groupby

from docutils import nodes
from sphinx import addnodes

CHAPTER = re.compile(r"chapters/\d\d_\w+$")


class Question(nodes.General, nodes.Element):
    """Uma pergunta: o enunciado e as alternativas."""


class Alternative(nodes.General, nodes.Element):
    """Uma alternativa de uma pergunta: o que ela diz e a explicação; ``right`` se é a certa."""


class AlternativeText(nodes.General, nodes.TextElement):
    """O que uma alternativa diz."""


class CourseMap(nodes.General, nodes.Element):
    """O mapa do curso."""


# Onde um link não cabe: títulos, código, fórmulas, perguntas (a resposta não pode estar num link) e o que já é link.
CLOSED = (
    nodes.title, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.reference, nodes.raw,
    nodes.comment, nodes.caption, addnodes.pending_xref, Question,
)  # fmt: skip


def merge_texts(document: nodes.document) -> None:
    """Junta os textos vizinhos: o leitor de Markdown parte um parágrafo a cada fim de linha."""
    for parent in list(document.findall(nodes.TextElement)):
        groups = [list(group) for _, group in groupby(parent.children, key=lambda node: isinstance(node, nodes.Text))]
        if any(len(group) > 1 and isinstance(group[0], nodes.Text) for group in groups):
            children: list[nodes.Node] = []
            for group in groups:
                children += [nodes.Text("".join(group))] if isinstance(group[0], nodes.Text) else group
            parent.clear()
            parent += children


def inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    """Se ``node`` está dentro de algum nó destes tipos."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def in_references(node: nodes.Node) -> bool:
    """Se ``node`` está na seção das referências."""
    while node is not None and not (isinstance(node, nodes.section) and is_references(node)):
        node = node.parent
    return node is not None


def is_references(section: nodes.section) -> bool:
    """Se uma seção é a das referências."""
    return section.children[0].astext() == "Referências"


def replace_pieces(text: nodes.Text, links: list[tuple[int, int, nodes.Node]]) -> None:
    """Troca trechos de ``text`` pelos nós de ``links``, dados com o seu começo e o seu fim, na ordem."""
    whole, pieces, end = str(text), [], 0
    for start, stop, link in links:
        pieces += [nodes.Text(whole[end:start]), link]
        end = stop
    if links:
        text.parent.replace(text, [*pieces, nodes.Text(whole[end:])])
