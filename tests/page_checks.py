"""O que uma página construída não pode ter; cada função devolve a lista de faltas, vazia quando está tudo certo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

# O vocabulário da interface dos temas e das extensões, que são em inglês.
WORDS = """
skip main content contents back top search searching this the page previous next toggle sidebar primary secondary
navigation section download source file print fullscreen launch open issue repository suggest edit color colour mode
light dark system settings show hide hidden cell code output outputs click expand collapse copy copied failed clipboard
permalink last updated created using built with copyright note tip warning hint breadcrumb announcement version icon
home please activate enable results matches query index indices close
parameters arguments returns raises yields variables attributes bases alias docs references example examples
"""
# "By" é do rodapé; em "CC BY" é o nome de uma licença.
ENGLISH = re.compile(rf"\b({'|'.join(WORDS.split())}|link to|see also|(?<!CC )by)\b", re.IGNORECASE)
READ_ATTRIBUTES = ("aria-label", "title", "placeholder", "data-bs-title", "data-tooltip", "data-toggle-hint")
# Títulos escritos por nós (que podem citar nomes em inglês), o texto e as fórmulas (\top) não são interface.
OURS = (
    "article p, article li, article dd, article pre, article table, article code, article .math, "
    "article dt.sig .pre:not(.viewcode-link *), .bd-links a, nav.page-toc a, #jb-print-toc a"
)
# As definições do glossário, que a página mostra de perto, são texto nosso como o dele.
OURS_TOO = ".prev-next-title, .logo__title, .definicoes, h1, h2, h3, h4, script, style"
HASHED_NAME = re.compile(r"[0-9a-f]{16,}|\.(png|svg|jpe?g|gif)$")


def english_in(text: str) -> list[str]:
    """Palavras em inglês de um texto da interface."""
    return [found[0] for found in ENGLISH.finditer(text)]


def english_interface(soup: BeautifulSoup) -> list[str]:
    """Textos e atributos da interface em inglês, lidos ou ouvidos por alguém."""
    faults = []
    # A dica de uma citação é a referência inteira, com o título do artigo na língua dele.
    references = {id(tag) for tag in soup.select("article a.reference")}
    for tag in soup.body.find_all(lambda tag: id(tag) not in references):
        for name in READ_ATTRIBUTES:
            value = tag.get(name)
            if value and english_in(value):
                faults.append(f"{name}={value!r}")
    ours = {id(tag) for tag in soup.select(f"{OURS}, {OURS_TOO}")}
    # Dentro do artigo, o convite das células escondidas e o título dos avisos são interface.
    ours -= {id(tag) for tag in soup.select("summary p, p.admonition-title")}
    for text in soup.body.find_all(string=True):
        parents = [id(parent) for parent in text.parents]
        if not ours.intersection(parents) and type(text).__name__ == "NavigableString" and english_in(text):
            faults.append(text.strip())
    return faults


def images_without_alt(soup: BeautifulSoup) -> list[str]:
    """Figuras do texto sem descrição, ou com o nome do arquivo no lugar dela."""
    return [
        image.get("src", "")[:80]
        for image in soup.select("article img")
        if not (image.get("alt") or "").strip() or HASHED_NAME.search(image["alt"].strip())
    ]


def external_resources(soup: BeautifulSoup) -> list[str]:
    """Endereços de fora que a página carregaria sem que ninguém clicasse."""
    loaded = [*soup.find_all(["script", "img", "iframe", "video", "audio", "source", "embed", "object"])]
    loaded += [link for link in soup.find_all("link") if not is_only_reference(link)]
    addresses = [tag.get("src") or tag.get("href") or tag.get("data") or "" for tag in loaded]
    return [address for address in addresses if re.match(r"(https?:)?//", address)]


def is_only_reference(link: Tag) -> bool:
    """Diz se um ``<link>`` só aponta para outra página, sem carregar nada."""
    return not {"stylesheet", "preload", "modulepreload", "icon", "prefetch", "preconnect"} & set(link.get("rel", []))


def dead_widgets(soup: BeautifulSoup) -> list[str]:
    """Saídas de ipywidgets, que sem um kernel não funcionam (a célula pede a etiqueta ``remove-output``)."""
    return [tag.get("type") for tag in soup.find_all("script") if "jupyter.widget" in (tag.get("type") or "")]


def documented_names(soup: BeautifulSoup) -> list[str]:
    """O nome completo de cada entrada de uma página da biblioteca."""
    return [tag["id"] for tag in soup.select("article dt.sig[id]")]


def missing_or_repeated(documented: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Os nomes esperados que não aparecem exatamente uma vez."""
    times = Counter(documented)
    return [f"{name}: {times[name]} vez(es)" for name in sorted(set(expected)) if times[name] != 1]


@cache
def anchors(page: Path, parsed: Callable[[Path], BeautifulSoup]) -> frozenset[str]:
    """Os lugares de ``page`` a que um link pode levar; procurá-los um a um percorreria a página a cada link."""
    return frozenset(tag["id"] for tag in parsed(page).select("[id]"))


def dead_links(page: Path, parsed: Callable[[Path], BeautifulSoup]) -> list[str]:
    """Os links do texto de ``page``, e dela para o resto do livro, que não levam a lugar algum."""
    faults = []
    for link in parsed(page).select("article a[href]"):
        address, _, anchor = link["href"].partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        target = (page.parent / unquote(address)).resolve() if address else page
        if not target.is_file() or (anchor and unquote(anchor) not in anchors(target, parsed)):
            faults.append(link["href"])
    return faults
