"""No livro, um link para o caderno de um capítulo ou de um exercício leva à página dele.

Num caderno o endereço é o do repositório, porque no Colab não há outro; na página, ele tiraria o leitor do livro, sem
as saídas, e sem rede não abriria. O que abre no Colab, que é outro endereço, fica como está.
"""

from __future__ import annotations

import re
from collections.abc import Set

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from book.address import read_address

from .interface import BOOK


def setup(app: Sphinx) -> None:
    """Registra a transformação."""
    app.add_transform(LinkPages)


def page_of(address: str, repository: str, documents: Set[str]) -> str | None:
    """O documento do livro que mostra o arquivo de um endereço do repositório, ou None se não há um."""
    found = re.fullmatch(rf"{re.escape(repository)}/blob/[^/]+/([\w/]+)\.(?:ipynb|md)", address)
    return found[1] if found and found[1] in documents else None


class LinkPages(SphinxTransform):
    """Troca os endereços do repositório pelos das páginas."""

    default_priority = 780

    def apply(self, **kwargs: object) -> None:
        repository = read_address(BOOK.parent).repository
        for reference in list(self.document.findall(nodes.reference)):
            target = page_of(reference.get("refuri", ""), repository, self.env.found_docs)
            if target:
                link = addnodes.pending_xref(
                    "", refdomain="std", reftype="doc", reftarget=f"/{target}", refdoc=self.env.docname,
                    refexplicit=True, refwarn=True,
                )  # fmt: skip
                link += nodes.inline("", "", *reference.children, classes=["std", "std-doc"])
                reference.replace_self(link)
