"""As demonstrações no livro: o programa, que cada saída leva consigo para o Colab, aqui é um arquivo só.

Assim a página não o repete, o navegador o guarda de um capítulo para o outro, e ele é o da biblioteca de agora, e não o
de quando o capítulo foi executado.

A abertura do livro mostra viva a demonstração de um capítulo: ``<div class="demo-aqui" data-de="chapters/NOME">``, numa
página sem células, recebe a que aquele capítulo desenhou.
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
DEMO = re.compile(r'<div class="curso-demo".*?</script></div>\s*<script>.*?</script>', re.DOTALL)
GUEST = re.compile(r'(<div class="demo-aqui" data-de="([^"]+)">)(.*?)(</div><!-- demo -->)', re.DOTALL)
EMBEDDED = re.compile(r"<(script|style) data-curso>.*?</\1>", re.DOTALL)


def setup(app: Sphinx) -> None:
    """Registra a troca e a gravação dos dois arquivos."""
    app.connect("html-page-context", share)
    app.connect("build-finished", publish)


def share(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Tira o programa das saídas da página e a liga aos arquivos, se ela tem alguma demonstração."""
    body, found = EMBEDDED.subn("", context.get("body", ""))
    if found or GUEST.search(body):
        context["body"] = body
        app.add_js_file(SCRIPT, loading_method="defer")
        app.add_css_file(STYLE)


def publish(app: Sphinx, error: Exception | None) -> None:
    """Grava o programa e o estilo de todas as demonstrações, e leva a de um capítulo à página que a convida."""
    # Um livro sem a biblioteca inteira não tem demonstrações.
    if error is not None or app.builder.format != "html" or not PAGE.is_dir():
        return
    folder = Path(app.outdir)
    parts = [*sorted(PAGE.glob("*.js")), *sorted(PAGE.glob("demos/*.js"))]
    (folder / "_static" / SCRIPT).write_text("".join(part.read_text("utf-8") for part in parts), encoding="utf-8")
    (folder / "_static" / STYLE).write_text((PAGE / "demo.css").read_text("utf-8"), encoding="utf-8")
    for page in folder.glob("*.html"):
        text = page.read_text("utf-8")
        if GUEST.search(text):
            page.write_text(GUEST.sub(lambda place: invite(folder, place), text), encoding="utf-8")


def invite(folder: Path, place: re.Match[str]) -> str:
    """O lugar da demonstração, com a do capítulo de ``data-de``; sem capítulo pronto, como estava."""
    opening, chapter, content, closing = place.groups()
    source = folder / f"{chapter}.html"
    found = DEMO.search(source.read_text("utf-8")) if source.is_file() else None
    return opening + (found[0] if found else content) + closing
