"""O livro não busca nada fora dele: serve a fonte das fórmulas, de ``book/vendor``, e retira o que viria de uma CDN."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

VENDOR = Path(__file__).parents[1] / "vendor"
THEBE = "sphinx_thebe"
# Um controle só se desenha com um núcleo: sem ele, esta marca na página não é nada.
WIDGET = re.compile(r'<script type="application/vnd\.jupyter\.widget-view\+json">.*?</script>', re.DOTALL)
# O que o tema mede, no seu script.
MEASURED = (
    '["pre",".nboutput > .output_area",".cell_output > .output",".jp-RenderedHTMLCommon",'
    '".pst-scrollable-table-container"]'
)
NOTHING = '["nenhum-elemento"]'

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Registra a pasta da fonte e desliga o thebe."""
    app.connect("config-inited", add_vendor)
    # Por último, quando todos já puseram os seus arquivos na página.
    app.connect("html-page-context", remove_useless_files, priority=900)
    app.connect("build-finished", trim_theme)
    # O Jupyter Book sempre carrega o thebe (células executadas num servidor externo). Não o usamos, e cada página
    # levaria consigo o endereço da CDN e um script; os seus ouvintes são retirados antes de agirem.
    for listeners in app.events.listeners.values():
        listeners[:] = [item for item in listeners if not item.handler.__module__.startswith(THEBE)]


def add_vendor(app: Sphinx, config: Config) -> None:
    """Publica, dentro de ``_static``, a parte de ``book/vendor`` que as páginas carregam."""
    config.html_static_path.append(str(VENDOR / "stix"))


def trim_theme(app: Sphinx, exception: Exception | None) -> None:
    """Tira do tema publicado o que nenhuma página usa, e a medida que atrasa todas.

    Ao carregar, o tema mede cada bloco de código para que o teclado alcance os que rolam, o que obriga o navegador a
    desenhar a página inteira de uma vez; ``course.js`` faz o mesmo só com o que se vê.
    """
    if exception is not None:
        return
    static = Path(app.outdir) / "_static"
    for pattern in ("**/*.map", "**/fontawesome.js.LICENSE.txt", "vendor/fontawesome/webfonts/*"):
        for path in static.glob(pattern):
            path.unlink()
    script = static / "scripts" / "pydata-sphinx-theme.js"
    code = script.read_text(encoding="utf-8")
    if MEASURED in code:
        script.write_text(code.replace(MEASURED, NOTHING), encoding="utf-8")
    elif NOTHING not in code:
        logger.warning("o script do tema mudou: não achei nele a medida dos blocos que rolam")


def remove_useless_files(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Retira o estilo do thebe (registrado antes que pudéssemos impedir) e os ipywidgets, mortos aqui."""
    if "body" in context:
        context["body"] = WIDGET.sub("", context["body"])
    context["css_files"] = [item for item in context["css_files"] if "sphinx-thebe" not in str(item.filename)]
    context["script_files"] = [
        item
        for item in context["script_files"]
        if getattr(item, "attributes", {}).get("type") != "application/vnd.jupyter.widget-state+json"
    ]
