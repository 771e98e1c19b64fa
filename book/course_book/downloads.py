"""Os endereços do que se baixa: ``{baixar}`curso.zip``` e ``{repositorio}`o repositório```."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from book.address import read_address

from .interface import BOOK

# O que `make pacote` faz, e que acompanha cada versão publicada.
FILES = ("curso.zip", "curso.pdf", "curso.epub", "cadernos.zip")


def setup(app: Sphinx) -> None:
    """Registra os papéis."""
    app.add_role("baixar", Download())
    app.add_role("repositorio", Repository())


class Download(SphinxRole):
    """O link para um arquivo da última versão publicada."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in FILES:
            return [], [self.inliner.reporter.error(f"baixar: veio {self.text!r}; há {', '.join(FILES)}")]
        address = f"{read_address(BOOK.parent).repository}/releases/latest/download/{self.text}"
        return [nodes.reference("", "", nodes.literal(self.text, self.text), refuri=address, internal=False)], []


class Repository(SphinxRole):
    """O link para o repositório."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.reference("", self.text, refuri=read_address(BOOK.parent).repository, internal=False)], []
