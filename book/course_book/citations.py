"""Liga as citações de um capítulo à sua lista de referências, e cada item da lista à obra.

O capítulo é Markdown comum: "(Kingma e Welling, 2013)" no texto, e uma lista na seção "Referências". Quem diz o
endereço de cada obra é ``referencias.bib``; o que o capítulo cita e não está lá é um aviso, e aviso é erro.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docutils import nodes
from pybtex.database import Entry, Person, parse_file
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from .inline import CHAPTER, CLOSED, in_references, inside, is_references, merge_texts, replace_pieces

LOGGER = logging.getLogger(__name__)
BIBLIOGRAPHY = "chapters/referencias.bib"
NAME = r"(?:(?:van|von|den|der|Van|Le)\s+)*[A-ZÀ-ÝŁŞ][\w’'-]+"
# "Karras, Laine e Aila (2019)" ou, já entre parênteses, "Zhu et al., 2017".
CITATION = re.compile(
    rf"(?P<names>{NAME}(?:,\s+{NAME})*(?:\s+e\s+{NAME})?)(?P<more>\s+et\s+al\.)?"
    r"(?:,\s+(?P<inside>(?:18|19|20)\d\d)\b|\s+\((?P<outside>(?:18|19|20)\d\d)\))"
)


def setup(app: Sphinx) -> None:
    """Registra a transformação."""
    app.add_transform(LinkCitations)


@dataclass(frozen=True)
class Work:
    """Uma obra de ``referencias.bib``: a chave, os sobrenomes, o ano, o título e onde ela está."""

    key: str
    surnames: tuple[str, ...]
    year: str
    title: str
    address: str | None


@cache
def read_works(path: Path) -> tuple[Work, ...]:
    """As obras de um arquivo ``.bib``."""
    return tuple(
        Work(
            key,
            tuple(surname(person) for person in entry.persons["author"]),
            entry.fields["year"],
            re.sub(r"[{}]", "", entry.fields["title"]),
            address(entry),
        )
        for key, entry in parse_file(str(path)).entries.items()
    )


def surname(person: Person) -> str:
    """O sobrenome, com as partículas."""
    return " ".join([*person.prelast_names, *person.last_names])


def address(entry: Entry) -> str | None:
    """Onde se lê a obra: no DOI, no arXiv ou no endereço que a entrada diz."""
    fields = entry.fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url")


def find_citations(text: str, works: tuple[Work, ...]) -> Iterator[tuple[int, int, Work | None]]:
    """As citações de um texto: começo, fim e a obra, ou ``None`` se nenhuma é de quem se cita."""
    for found in CITATION.finditer(text):
        names = [" ".join(name.split()) for name in re.split(r",\s+|\s+e\s+", found["names"])]
        year = found["inside"] or found["outside"]
        # Uma palavra com maiúscula pode anteceder os nomes: "Depois, Vincent (2011)".
        for first in range(len(names)):
            cited = [work for work in works if work.year == year and is_by(work, names[first:], bool(found["more"]))]
            if len(cited) == 1:
                start = found.start()
                for name in names[:first]:
                    start = re.compile(rf"{NAME}(?:,\s+|\s+e\s+)").match(text, start).end() if name else start
                yield start, found.end(), cited[0]
                break
        else:
            yield found.start(), found.end(), None


def is_by(work: Work, names: list[str], more: bool) -> bool:
    """Se a obra é de ``names``; com "et al.", o nome é só o do primeiro autor de três ou mais."""
    if more:
        return len(work.surnames) > 2 and names == [work.surnames[0]]
    return list(work.surnames) == names


def title_pattern(work: Work) -> re.Pattern[str]:
    """O título, com qualquer caixa, pontuação e quebra de linha."""
    return re.compile(r"[\W_]+".join(map(re.escape, re.findall(r"\w+", work.title))), re.IGNORECASE)


def find_listed(item: str, works: tuple[Work, ...]) -> Work | None:
    """A obra de um item da lista de referências, pelo primeiro autor, o ano e o título."""
    for work in works:
        if work.year in item and item.startswith(work.surnames[0]) and title_pattern(work).search(item):
            return work
    return None


class LinkCitations(SphinxTransform):
    """Liga as citações e as referências de um capítulo."""

    default_priority = 780

    def apply(self, **kwargs: object) -> None:
        if CHAPTER.match(self.env.docname):
            path = Path(self.env.srcdir) / BIBLIOGRAPHY
            self.env.note_dependency(str(path))
            for fault, node in link_citations(self.document, read_works(path)):
                LOGGER.warning(fault, location=node)


def link_citations(document: nodes.document, works: tuple[Work, ...]) -> list[tuple[str, nodes.Node]]:
    """Liga o título de cada referência à obra, e cada citação ao item da lista; devolve o que não se pôde ligar."""
    merge_texts(document)
    faults: list[tuple[str, nodes.Node]] = []
    lists = [section for section in document.findall(nodes.section) if is_references(section)]
    listed = set()
    for item in [item for section in lists for item in section.findall(nodes.list_item)]:
        work = find_listed(item.astext(), works)
        if work is None:
            faults.append((f"referência que falta em {BIBLIOGRAPHY}: {' '.join(item.astext().split())}", item))
            continue
        listed.add(work)
        item["ids"].append(f"ref-{work.key}")
        if work.address:
            link_title(item, work)
    for text in list(document.findall(nodes.Text)):
        if inside(text, CLOSED) or in_references(text):
            continue
        links = []
        for start, stop, work in find_citations(str(text), works):
            written = str(text)[start:stop]
            if work in listed:
                reference = nodes.reference("", written, refid=f"ref-{work.key}", internal=True)
                links.append((start, stop, reference))
            else:
                missing = "na lista de referências do capítulo" if work else f"em {BIBLIOGRAPHY}"
                faults.append((f"citação que falta {missing}: {written}", text.parent))
        replace_pieces(text, links)
    return faults


def link_title(item: nodes.list_item, work: Work) -> None:
    """Faz do título, no item, um link para a obra."""
    for text in item.findall(nodes.Text):
        found = title_pattern(work).search(str(text))
        if found:
            link = nodes.reference("", found[0], refuri=work.address, internal=False)
            replace_pieces(text, [(found.start(), found.end(), link)])
            return
