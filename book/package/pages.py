"""O texto de cada página do livro construído, sem a interface do site, pronto para um EPUB ou para o papel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

import yaml
from bs4 import BeautifulSoup, Comment, Tag

# A biblioteca se consulta no site, de que o seu código também faz parte.
LEFT_OUT = re.compile(r"chapters/biblioteca/")
# O que só faz sentido no site: o que se clica, o que um script usa e o que só um leitor de tela acha.
INTERFACE = (
    "script, style, link, button, form, input, select, textarea, template, canvas, iframe, [hidden], "
    ".headerlink, .toctree-wrapper"
)
# Apontam para o que saiu, ou não são mais do HTML.
LOST_ATTRIBUTES = ("aria-describedby", "aria-controls", "aria-owns", "tabindex", "loading", "align", "border")


@dataclass(frozen=True)
class BookPage:
    """Uma página do livro.

    Attributes:
        name: o documento, como ``chapters/03_vae``.
        part: a parte do sumário em que está; vazia na abertura.
        title: o título.
        article: o texto, cujos endereços são relativos à raiz do site.
    """

    name: str
    part: str
    title: str
    article: Tag

    @property
    def key(self) -> str:
        """O nome sem barras: serve de nome de arquivo e de começo de identificador."""
        return self.name.replace("/", "-")


def table_of_contents(root: Path) -> list[tuple[str, str]]:
    """As páginas do sumário que se levam, cada uma com a parte em que está, na ordem."""
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found = [(contents["root"], "")]
    for part in contents.get("parts", [{"chapters": contents.get("chapters", [])}]):
        found += [(name, part.get("caption", "")) for name in files_of(part.get("chapters", []))]
    return [(name, part) for name, part in found if not LEFT_OUT.match(name)]


def files_of(entries: list[dict[str, Any]]) -> Iterator[str]:
    """Os documentos de uma lista do sumário, e os das suas seções."""
    for entry in entries:
        yield entry["file"]
        yield from files_of(entry.get("sections", []))


def read_pages(root: Path, html: Path) -> list[BookPage]:
    """As páginas do livro construído em ``html``, na ordem do sumário.

    Raises:
        FileNotFoundError: uma página do sumário não foi construída.
    """
    return [read_page(html, name, part) for name, part in table_of_contents(root)]


def read_page(html: Path, name: str, part: str) -> BookPage:
    """Uma página, limpa."""
    soup = BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    article = soup.select_one("article.bd-article")
    if article is None:
        raise ValueError(f"{name}.html não tem texto; construa o livro de novo com make livro")
    clean(article)
    folder = name.rpartition("/")[0]
    for tag in article.select("[href], [src]"):
        attribute = "href" if tag.has_attr("href") else "src"
        tag[attribute] = from_root(tag[attribute], folder, f"{name}.html")
    heading = article.find("h1")
    return BookPage(name, part, " ".join(heading.get_text().split()) if heading else name, article)


def clean(article: Tag) -> None:
    """Tira da página a interface, e o que ela deixa apontando para nada."""
    for comment in article.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for tag in article.select(INTERFACE):
        if not tag.decomposed:
            tag.decompose()
    for tag in article.find_all(True):
        for attribute in LOST_ATTRIBUTES:
            tag.attrs.pop(attribute, None)
        for attribute in [name for name in tag.attrs if name.startswith(("data-", "on"))]:
            del tag[attribute]
    # O que aparece no lugar de uma demonstração, sem JavaScript, é o que fica.
    for tag in article.find_all("noscript"):
        tag.unwrap()
    # O que se esconde no site aqui se vê, menos a resposta de uma pergunta.
    for details in article.select("details:not(.alternativa)"):
        details["open"] = ""


def from_root(address: str, folder: str, page: str) -> str:
    """Um endereço relativo à pasta da página, relativo à raiz do site; os de fora ficam como estão."""
    if re.match(r"[a-z][a-z+.-]*:", address):
        return address
    path, mark, anchor = address.partition("#")
    target = normpath(f"{folder}/{unquote(path)}").lstrip("/") if path else page
    return f"{target}{mark}{anchor}"
