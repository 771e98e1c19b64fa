"""O sumário ao lado das páginas que não estão nele, desenhado uma vez só.

As do código da biblioteca são duas em cada três páginas, e cada uma refazia o sumário do livro inteiro, que em todas é
o mesmo: só muda o caminho até a raiz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Antes do tema, que desenha o sumário para saber se ele está vazio."""
    drawn: dict[Any, str] = {}

    def share(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
        # Uma página do sumário se marca nele, e uma com o nome de uma pasta dele teria outros caminhos.
        if pagename.startswith("_modules/"):
            context["toctree"] = once_per_depth(context["toctree"], pagename.count("/"), drawn)

    app.connect("html-page-context", share, priority=400)


def once_per_depth(draw: Callable[..., str], depth: int, drawn: dict[Any, str]) -> Callable[..., str]:
    """``draw``, que só desenha o que ainda não está em ``drawn`` para esta distância da raiz e estas opções."""

    def shared(**options: Any) -> str:
        key = depth, tuple(sorted(options.items()))
        if key not in drawn:
            drawn[key] = draw(**options)
        return drawn[key]

    return shared
