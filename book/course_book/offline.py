"""O livro não busca nada fora dele: serve as bibliotecas de ``book/vendor`` e retira o que viria de uma CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

VENDOR = Path(__file__).parents[1] / "vendor"
THEBE = "sphinx_thebe"


def setup(app: Sphinx) -> None:
    """Registra a pasta de bibliotecas e desliga o thebe."""
    app.connect("config-inited", add_vendor)
    # Por último, quando todos já puseram os seus arquivos na página.
    app.connect("html-page-context", remove_useless_files, priority=900)
    # O Jupyter Book sempre carrega o thebe (células executadas num servidor externo). Não o usamos, e cada página
    # levaria consigo o endereço da CDN e um script; os seus ouvintes são retirados antes de agirem.
    for listeners in app.events.listeners.values():
        listeners[:] = [item for item in listeners if not item.handler.__module__.startswith(THEBE)]


def add_vendor(app: Sphinx, config: Config) -> None:
    """Publica ``book/vendor`` dentro de ``_static``."""
    config.html_static_path.append(str(VENDOR))


def remove_useless_files(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Retira o estilo do thebe (registrado antes que pudéssemos impedir) e o estado dos ipywidgets, mortos aqui."""
    context["css_files"] = [item for item in context["css_files"] if "sphinx-thebe" not in str(item.filename)]
    context["script_files"] = [
        item
        for item in context["script_files"]
        if getattr(item, "attributes", {}).get("type") != "application/vnd.jupyter.widget-state+json"
    ]
