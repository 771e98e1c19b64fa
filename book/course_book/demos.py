"""As demonstrações no livro: o programa, que cada saída leva consigo para o Colab, aqui é um arquivo só.

Assim a página não o repete, o navegador o guarda de um capítulo para o outro, e ele é o da biblioteca de agora, e não o
de quando o capítulo foi executado.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# Os arquivos, e não o módulo: importá-lo traria o PyTorch a cada construção.
PAGE = Path(__file__).parents[2] / "course_lib" / "interactive" / "page"
SCRIPT, STYLE = "demonstracoes.js", "demonstracoes.css"
EMBEDDED = re.compile(r"<(script|style) data-curso>.*?</\1>", re.DOTALL)


def setup(app: Sphinx) -> None:
    """Registra a troca e a gravação dos dois arquivos."""
    app.connect("html-page-context", share)
    app.connect("build-finished", publish)


def share(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Tira o programa das saídas da página e a liga aos arquivos, se ela tem alguma demonstração."""
    body, found = EMBEDDED.subn("", context.get("body", ""))
    if found:
        context["body"] = body
        app.add_js_file(SCRIPT, loading_method="defer")
        app.add_css_file(STYLE)


def publish(app: Sphinx, error: Exception | None) -> None:
    """Grava o programa de todas as demonstrações, e o estilo delas."""
    if error is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        parts = [*sorted(PAGE.glob("*.js")), *sorted(PAGE.glob("demos/*.js"))]
        (static / SCRIPT).write_text("".join(part.read_text("utf-8") for part in parts), encoding="utf-8")
        (static / STYLE).write_text((PAGE / "demo.css").read_text("utf-8"), encoding="utf-8")
