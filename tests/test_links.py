"""Os links que o livro faz sozinho: de cada termo ao glossário, de cada citação à obra; e o que falta para isso."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_book import ROOT
from docutils import nodes
from docutils.core import publish_doctree

from book.course_book import citations, glossary

GLOSSARY = ROOT / f"{glossary.PAGE}.md"
TERMS = glossary.read_glossary(GLOSSARY)
WORKS = citations.read_works(ROOT / citations.BIBLIOGRAPHY)
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))


def prose(path: Path) -> Iterator[str]:
    """Os textos de um caderno, sem as marcas de citação no começo das linhas."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield re.sub(r"(?m)^> ?", "", "".join(cell["source"]))


# --- O que é um termo --------------------------------------------------------------------------------------

BOLD = re.compile(r"\*\*\*?(?!\s)(?P<text>.+?)\*?\*\*", re.DOTALL)
# Determinantes e conjunções, em negrito, são ênfase: "o **mesmo** $N$", "a **outra**".
FUNCTION_WORDS = {
    "de",
    "em",
    "o",
    "a",
    "os",
    "as",
    "mesmo",
    "mesma",
    "nosso",
    "nossa",
    "outra",
    "outras",
    "cada",
    "todas",
}
ENGLISH_AFTER = re.compile(r"\s*(?:\((?:\*(?P<english>[^*]+)\*|[A-Z]{2,}\b)|,\s*\*(?P<apposed>[^*]+)\*)")
SYMBOL_AFTER = re.compile(r"\s*\$")
NAMED_BEFORE = re.compile(
    r"(?:\bcham\w+(?:-\w+)?(?:\s+de)?|\bnome(?:\s+de)?|(?<!\$)\s(?:é|são)\s+(?:[oa]s?|uma?))$", re.IGNORECASE
)
ARTICLE_BEFORE = re.compile(r"\b(?:[oa]|um|uma)$", re.IGNORECASE)


def defined_terms(text: str) -> Iterator[tuple[str, str]]:
    """Os negritos de um texto que definem um termo, cada um com o nome em inglês, se ele o segue.

    Define um termo o negrito a que se segue o nome em inglês ou a sigla; o que se anuncia ("chama-se", "é a"); e o
    que, depois de um artigo, traz o seu símbolo ("o **código** $z$"). O que termina em ponto é rótulo, e o que tem
    mais de quatro palavras, frase.
    """
    for found in BOLD.finditer(text):
        words = found["text"].split()
        if found["text"][-1] in ".:?!" or len(words) > 4 or words[0].lower() in FUNCTION_WORDS:
            continue
        before, after = text[: found.start()].rstrip(), text[found.end() :]
        named = ENGLISH_AFTER.match(after)
        with_symbol = SYMBOL_AFTER.match(after) and ARTICLE_BEFORE.search(before)
        if named or with_symbol or NAMED_BEFORE.search(before):
            english = (named["english"] or named["apposed"] or "") if named else ""
            yield " ".join(words), " ".join(english.split())


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("o **gargalo** (*bottleneck*). Com 64", [("gargalo", "bottleneck")]),
        ("leva $x$ ao **código** $z$", [("código", "")][:0]),
        ("é um **código** $z$, pequeno", [("código", "")]),
        ("o outro (**mistura de estilos**, *style mixing*)", [("mistura de estilos", "style mixing")]),
        ("daí o nome **variável latente**", [("variável latente", "")]),
        ("Chamamos de **unidade ativa** a que", [("unidade ativa", "")]),
        ("com o **mesmo** $N$", []),
        ("O modelo **nunca** aparece; a KL **sobe**", []),
        ("> **Erro comum.** (*x*)", []),
    ],
)
def test_what_defines_a_term(text: str, terms: list[tuple[str, str]]) -> None:
    assert list(defined_terms(text)) == terms


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_term_of_a_chapter_is_in_the_glossary(path: Path) -> None:
    terms = [pair for text in prose(path) for pair in defined_terms(text)]
    assert [name for name, english in terms if not glossary.find_term(TERMS, name, english)] == []


def test_a_term_without_entry_is_seen() -> None:
    ((name, english),) = defined_terms("é a **quimera latente** (*latent chimera*), que")
    assert glossary.find_term(TERMS, name, english) is None


# --- O glossário ---------------------------------------------------------------------------------------------


def test_the_glossary_is_in_alphabetical_order_without_repetition() -> None:
    names = [" ".join(glossary.roots(term.name)) for term in TERMS]
    keys = [re.sub(r"[^a-z0-9]+", " ", glossary.fold(term.name)) for term in TERMS]
    assert len(set(names)) == len(names)
    assert keys == sorted(keys)


def test_a_glossary_entry_has_one_definition() -> None:
    """Duas, ou uma sem o seu nome, são o que sobra de juntar duas versões da página."""
    text = (ROOT / f"{glossary.PAGE}.md").read_text(encoding="utf-8")
    entries = re.findall(r"(?m)^(\S[^\n]*)\n((?:  .*\n)+)", text)
    assert len(entries) == len(TERMS)
    assert [name for name, body in entries if len(re.findall(r"(?m)^  \(\*", body)) > 1] == []


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("código", "código"),
        ("Códigos", "código"),
        ("distâncias de Fréchet", "distância de Fréchet"),
        ("função de perda", "função de perda"),
        ("mode collapse", "colapso de modos"),
        ("VAE", "autoencoder variacional"),
        ("fluxos normalizantes", "fluxo normalizante"),
    ],
)
def test_a_term_is_known_by_plural_accent_and_english(written: str, name: str) -> None:
    term = glossary.find_term(TERMS, written)
    assert term is not None
    assert term.name == name


def link_terms(text: str) -> list[tuple[str, str, bool]]:
    """Os links ao glossário de um texto em reST: o que está escrito, o verbete, e se está em negrito."""
    document = publish_doctree(text)
    glossary.link_terms(document, TERMS, "chapters/01_x")
    found = document.findall(lambda node: node.get("reftype") == "term" if isinstance(node, nodes.Element) else False)
    return [(node.astext(), node["reftarget"], isinstance(node.parent, nodes.strong)) for node in found]


def test_the_first_bold_use_is_linked_once() -> None:
    assert link_terms("O **código**, o código e os **códigos**.") == [("código", "código", True)]


def test_a_term_never_in_bold_is_linked_if_its_name_is_unmistakable() -> None:
    assert link_terms("Um passo. As distâncias\nde Fréchet, e a distância de Fréchet.") == [
        ("distâncias\nde Fréchet", "distância de Fréchet", False)
    ]


@pytest.mark.parametrize(
    "text", ["``ELBO``", "ELBO\n====\n\nNada.", "`ELBO <https://example.org>`_", ":math:`ELBO`", "*ELBO*"]
)
def test_no_link_in_code_titles_formulas_and_links(text: str) -> None:
    assert link_terms(text) == []


def test_the_references_are_not_linked_to_the_glossary() -> None:
    assert link_terms("Capítulo\n========\n\nNada.\n\nReferências\n-----------\n\n- Um artigo. ELBO surgery.") == []


# --- As referências -------------------------------------------------------------------------------------------


def split_references(path: Path) -> tuple[str, list[str]]:
    """O texto de um capítulo, e os itens da sua lista de referências."""
    text, _, references = "\n\n".join(prose(path)).partition("## Referências")
    return text, [" ".join(item.replace("*", "").split()) for item in re.split(r"(?m)^- ", references)[1:]]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_reference_is_in_the_bibliography_and_every_citation_is_listed(path: Path) -> None:
    text, items = split_references(path)
    listed = {item: citations.find_listed(item, WORKS) for item in items}
    assert items
    assert [item for item, work in listed.items() if work is None] == []
    cited = [(text[start:end], work) for start, end, work in citations.find_citations(text, WORKS)]
    assert [written for written, work in cited if work not in listed.values()] == []


def test_every_work_has_an_address() -> None:
    assert [work.key for work in WORKS if not (work.address or "").startswith(("https://", "http://"))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(veja Efron, 2011)", [("Efron, 2011", "efron2011")]),
        ("Depois, Vincent (2011) mostrou", [("Vincent (2011)", "vincent2011")]),
        ("Bourlard e Kamp (1988) e Baldi e\nHornik (1989)",
         [("Bourlard e Kamp (1988)", "bourlard1988"), ("Baldi e\nHornik (1989)", "baldi1989")]),
        ("(VAE; Kingma e Welling, 2013; Rezende et al., 2014)",
         [("Kingma e Welling, 2013", "kingma2013"), ("Rezende et al., 2014", "rezende2014")]),
        ("(Chen et al., 2018)", [("Chen et al., 2018", "chenode2018")]),
        ("Em 2006, o artigo de 1986", []),
        ("(Inventado e Suposto, 2019)", [("Inventado e Suposto, 2019", None)]),
        ("Kingma e Welling (2031)", [("Kingma e Welling (2031)", None)]),
        ("(Kingma et al., 2013)", [("Kingma et al., 2013", None)]),
    ],
)  # fmt: skip
def test_find_citations(text: str, found: list[tuple[str, str | None]]) -> None:
    result = citations.find_citations(text, WORKS)
    assert [(text[start:end], work and work.key) for start, end, work in result] == found


PAGE = """
Capítulo
========

O VAE (Kingma e Welling, 2013) e{extra}.

Referências
-----------

- Kingma, D. P. e Welling, M. (2013). *Auto-encoding variational
  Bayes*.
{item}
"""


def test_citations_lead_to_the_list_and_the_list_to_the_work() -> None:
    document = publish_doctree(PAGE.format(extra="", item=""))
    assert citations.link_citations(document, WORKS) == []
    inner, outer = document.findall(nodes.reference)
    (item,) = document.findall(nodes.list_item)
    assert (inner.astext(), inner["refid"]) == ("Kingma e Welling, 2013", item["ids"][0])
    assert (outer.astext(), outer["refuri"]) == (
        "Auto-encoding variational\nBayes",
        "https://arxiv.org/abs/1312.6114",
    )


@pytest.mark.parametrize(
    ("extra", "item", "fault"),
    [
        (" Suposto (2019)", "", "citação que falta em chapters/referencias.bib: Suposto (2019)"),
        (" Efron (2011)", "", "citação que falta na lista de referências do capítulo: Efron (2011)"),
        ("", "- Suposto, A. (2019). *Nada*.", "referência que falta em chapters/referencias.bib: Suposto, A. (2019)."),
        ("", "- Efron, B. (2011). *Outro título*.", "referência que falta em"),
    ],
)
def test_what_is_missing_is_told(extra: str, item: str, fault: str) -> None:
    ((message, _),) = citations.link_citations(publish_doctree(PAGE.format(extra=extra, item=item)), WORKS)
    assert message.startswith(fault)
