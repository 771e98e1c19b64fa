"""Liga, em cada capítulo, o primeiro uso de cada termo ao seu verbete do glossário.

Quem escreve põe o termo em **negrito** onde o define, e mais nada: o link é do livro. Um termo que o capítulo usa sem
definir é ligado na primeira vez em que aparece, se o nome não se confunde com uma palavra comum.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from .inline import CHAPTER, CLOSED, in_references, inside, merge_texts, replace_pieces

PAGE = "chapters/glossario"
GLOSSARY = re.compile(r"^:::\{glossary\}\n(?P<body>.*?)^:::$", re.MULTILINE | re.DOTALL)
# O que abre a definição, "(*coupling layer*)" ou "(*variational autoencoder*, VAE)", e os outros nomes, no fim dela.
OTHER_NAMES = re.compile(r"\A\s*\((?P<names>[^()]*)\)")
ALSO = re.compile(r"também se diz (?P<names>[^.]*)\.", re.IGNORECASE)
WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
# Plurais sem acento; o que não está aqui perde o s.
PLURALS = (("oes", "ao"), ("aes", "ao"), ("ais", "al"), ("eis", "el"), ("res", "r"), ("zes", "z"), ("ns", "m"))


def setup(app: Sphinx) -> None:
    """Registra a transformação."""
    app.add_transform(LinkTerms)


@dataclass(frozen=True)
class Term:
    """Um verbete: o nome, que é também o alvo do link, e os outros nomes pelos quais o texto o chama."""

    name: str
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.others)


@cache
def read_glossary(path: Path) -> tuple[Term, ...]:
    """Os verbetes de um glossário em Markdown."""
    body = GLOSSARY.search(path.read_text(encoding="utf-8"))
    assert body is not None, f"{path} não tem glossário"
    terms = []
    for entry in re.finditer(r"^(?P<name>\S.*)\n(?P<text>(?:(?:[ \t]+.*)?\n)+)", body["body"], re.MULTILINE):
        opening, also = OTHER_NAMES.match(entry["text"]), ALSO.search(entry["text"])
        others = re.split(r",\s+", opening["names"]) if opening else []
        others += re.findall(r"\*([^*]+)\*", also["names"]) if also else []
        terms.append(Term(entry["name"].strip(), tuple(" ".join(name.strip("*").split()) for name in others)))
    return tuple(terms)


def fold(text: str) -> str:
    """O texto em minúsculas e sem acentos."""
    return "".join(char for char in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(char))


def root_word(word: str) -> str:
    """A palavra sem acento, plural nem gênero: códigos, código e Código dão a mesma."""
    plain = fold(word)
    for ending, singular in PLURALS:
        if plain.endswith(ending) and len(plain) > len(ending) + 1:
            plain = plain.removesuffix(ending) + singular
            break
    else:
        plain = plain.removesuffix("s") if len(plain) > 3 else plain
    return plain.rstrip("aeo") if len(plain) > 3 else plain


def roots(text: str) -> tuple[str, ...]:
    """As raízes das palavras de um texto: é por elas que se compara."""
    return tuple(root_word(word[0]) for word in WORD.finditer(text))


@cache
def index_terms(terms: tuple[Term, ...]) -> dict[tuple[str, ...], Term]:
    """De cada nome, em raízes, ao verbete; o nome de um verbete ganha do segundo nome de outro."""
    index = {roots(name): term for term in terms for name in term.others}
    return index | {roots(term.name): term for term in terms}


def find_term(terms: tuple[Term, ...], text: str, english: str = "") -> Term | None:
    """O verbete que ``text`` nomeia, ou o do nome em inglês que o segue entre parênteses."""
    index = index_terms(terms)
    return index.get(roots(text)) or (index.get(roots(english)) if english else None)


def is_distinctive(name: str) -> bool:
    """Se um nome, solto no texto, só pode ser o do verbete: tem mais de uma palavra, ou é uma sigla."""
    return len(roots(name)) > 1 or sum(char.isupper() for char in name) > 1


def find_uses(terms: tuple[Term, ...], text: str) -> Iterator[tuple[int, int, Term]]:
    """Onde um texto usa, fora do negrito, um nome que não se confunde: começo, fim e verbete, na ordem do texto."""
    index = index_terms(terms)
    longest = max(map(len, index))
    words = list(WORD.finditer(text))
    position = 0
    while position < len(words):
        for length in range(min(longest, len(words) - position), 0, -1):
            run = words[position : position + length]
            gaps = (text[one.end() : other.start()] for one, other in pairwise(run))
            written = text[run[0].start() : run[-1].end()]
            term = index.get(tuple(root_word(word[0]) for word in run)) if all(map(str.isspace, gaps)) else None
            if term and is_distinctive(written):
                yield run[0].start(), run[-1].end(), term
                position += length
                break
        else:
            position += 1


class LinkTerms(SphinxTransform):
    """Liga os termos de um capítulo ao glossário."""

    default_priority = 790

    def apply(self, **kwargs: object) -> None:
        if CHAPTER.match(self.env.docname):
            path = self.env.doc2path(PAGE)
            self.env.note_dependency(path)
            link_terms(self.document, read_glossary(Path(path)), self.env.docname)


def link_terms(document: nodes.document, terms: tuple[Term, ...], docname: str) -> None:
    """Liga cada termo uma vez: onde está em negrito ou, se em nenhum lugar está, onde primeiro aparece."""
    merge_texts(document)
    linked = set()
    for strong in list(document.findall(nodes.strong)):
        term = find_term(terms, strong.astext(), english_after(strong))
        if term and term not in linked and not inside(strong, CLOSED):
            linked.add(term)
            content = list(strong.children)
            strong.clear()
            strong += link(term, content, docname)
    for text in list(document.findall(nodes.Text)):
        # Um nome em itálico é o inglês, já explicado pelo que vem antes dele; e as obras não são texto do capítulo.
        if inside(text, (*CLOSED, nodes.strong, nodes.emphasis)) or in_references(text):
            continue
        links = []
        for start, stop, term in find_uses(terms, str(text)):
            if term not in linked:
                linked.add(term)
                links.append((start, stop, link(term, [nodes.Text(str(text)[start:stop])], docname)))
        replace_pieces(text, links)


def english_after(strong: nodes.strong) -> str:
    """O nome em inglês que segue um negrito: em "**gargalo** (*bottleneck*)", *bottleneck*."""
    siblings = [node for node in strong.parent.children[strong.parent.index(strong) + 1 :] if node.astext()][:2]
    if len(siblings) == 2 and siblings[0].astext().strip() == "(" and isinstance(siblings[1], nodes.emphasis):
        return siblings[1].astext()
    return ""


def link(term: Term, content: Sequence[nodes.Node], docname: str) -> addnodes.pending_xref:
    """O link para um verbete."""
    result = addnodes.pending_xref(
        "", refdomain="std", reftype="term", reftarget=term.name, refdoc=docname, refexplicit=True, refwarn=True
    )
    result += nodes.inline("", "", *content, classes=["xref", "std", "std-term"])
    return result
