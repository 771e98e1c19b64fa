"""Molde, estilo e textos da interface que não passam por catálogo de tradução."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxTranslator

from book.address import read_address, without_installation

BOOK = Path(__file__).parents[1]

# O myst-nb preenche "{type}" com estas palavras em inglês.
HIDDEN_PARTS = {"content": "a célula", "source": "o código", "outputs": "as saídas", "output": "a saída"}


def setup(app: Sphinx) -> None:
    """Registra moldes, estilos, scripts e transformações."""
    app.connect("config-inited", add_paths)
    app.connect("config-inited", set_repository)
    app.connect("source-read", leave_installation_out)
    # Depois do tema, que monta os botões com prioridade 501.
    app.connect("html-page-context", translate_issue_form, priority=600)
    for name in ("course.css", "opening.css", "site.css"):
        app.add_css_file(name, priority=900)
    for name in ("course.js", "highlight.js"):
        app.add_js_file(name, loading_method="defer", priority=900)
    app.add_post_transform(TranslateHiddenCells)
    app.add_node(HideCodeCellNode, override=True, html=(visit_hidden_cell, depart_hidden_cell))


def add_paths(app: Sphinx, config: Config) -> None:
    """Acrescenta as pastas de ``book/``, com os nossos moldes à frente dos do tema."""
    config.templates_path.insert(0, str(BOOK / "templates"))
    config.html_static_path.append(str(BOOK / "static"))


def set_repository(app: Sphinx, config: Config) -> None:
    """Dá ao tema o endereço do repositório e a revisão que o Colab abre, que assim ficam escritos num só lugar."""
    address = read_address(BOOK.parent)
    config.html_theme_options |= {"repository_url": address.repository, "repository_branch": address.revision}


def leave_installation_out(app: Sphinx, docname: str, source: list[str]) -> None:
    """Tira de um caderno a célula que instala a biblioteca: no livro ela não se mostra nem se executa."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = json.dumps(without_installation(json.loads(source[0])))


def translate_issue_form(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Põe em português o título e o texto que o botão "Relatar um problema" preenche."""
    title = quote(f"Problema na página {pagename}")
    body = quote("Descreva aqui o que está errado e o que você esperava.")
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") == "source-issues-button":
                button["url"] = f"{button['url'].partition('?')[0]}?title={title}&body={body}"


class TranslateHiddenCells(SphinxPostTransform):
    """Traduz o nome da parte escondida nos convites "Mostrar …" e "Esconder …"."""

    # Logo depois de HideInputCells (199), que cria os nós.
    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for node in self.document.findall(HideCodeCellNode):
            for key in ("prompt_show", "prompt_hide"):
                verb, _, part = node[key].rpartition(" ")
                if part in HIDDEN_PARTS:
                    node[key] = f"{verb} {HIDDEN_PARTS[part]}"


def visit_hidden_cell(self: SphinxTranslator, node: HideCodeCellNode) -> None:
    """Como o do myst-nb, sem o ``aria-label`` em inglês: o nome acessível passa a ser o texto que se vê."""
    classes = " ".join(node["classes"])
    self.body.append(
        f'<details class="admonition hide {classes}">\n<summary>\n'
        f'<p class="collapsed admonition-title">{escape(node["prompt_show"])}</p>\n'
        f'<p class="expanded admonition-title">{escape(node["prompt_hide"])}</p>\n'
        "</summary>\n"
    )


def depart_hidden_cell(self: SphinxTranslator, node: HideCodeCellNode) -> None:
    """Fecha o que ``visit_hidden_cell`` abriu."""
    self.body.append("</details>\n")
