"""Extensão do Sphinx que faz o livro do curso: capítulos lado a lado, português em tudo, nada de fora, caixas e busca.

Cada módulo cuida de uma coisa e tem o seu próprio ``setup``.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import (
    bibliography,
    boxes,
    chapter_links,
    citations,
    contents,
    definitions,
    demos,
    downloads,
    durations,
    figures,
    formulas,
    glossary,
    interface,
    lessons,
    offline,
    page_links,
    pending,
    processes,
    questions,
    reference,
    search,
    site_metadata,
    translation,
)

__version__ = "1.0"


def setup(app: Sphinx) -> dict[str, Any]:
    """Registra os módulos da extensão."""
    for module in (
        pending,
        translation,
        interface,
        offline,
        boxes,
        search,
        bibliography,
        reference,
        page_links,
        chapter_links,
        citations,
        contents,
        glossary,
        definitions,
        downloads,
        durations,
        demos,
        processes,
        questions,
        lessons,
        site_metadata,
        formulas,
        figures,
    ):
        module.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
