"""A definição de cada termo na própria página: quem passa por um link do glossário a lê sem sair de onde está.

As definições vão escondidas na página, e o link diz qual é a sua (``aria-describedby``): o leitor de tela a lê, e
``definitions.js`` a mostra. Sem JavaScript o link continua a levar ao glossário.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from .glossary import PAGE
from .inline import CHAPTER

# O link para um verbete, como o Sphinx o escreve, até o seu endereço.
TERM_LINK = re.compile(r'<a class="reference internal" href="[^"#]*glossario\.html#(?P<term>term-[^"]+)"')


def setup(app: Sphinx) -> None:
    """Registra o que se faz com o HTML e os arquivos da página."""
    app.connect("html-page-context", describe_terms)
    app.add_css_file("definitions.css", priority=900)
    app.add_js_file("definitions.js", loading_method="defer", priority=900)


def describe_terms(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Num capítulo, ou num exercício, liga cada termo à sua definição e põe as definições na página."""
    if "body" not in context or not CHAPTER.match(pagename):
        return
    known = definitions(app)
    used: dict[str, str] = {}

    def describe(link: re.Match[str]) -> str:
        term = link["term"]
        if term not in known:
            return link[0]
        used[term] = known[term]
        return f'{link[0]} aria-describedby="definicao-{escape(term)}"'

    context["body"] = TERM_LINK.sub(describe, context["body"])
    context["definitions"] = "".join(
        f'<div id="definicao-{escape(term)}" data-termo="{escape(term)}">{text}</div>' for term, text in used.items()
    )


def definitions(app: Sphinx) -> dict[str, str]:
    """O HTML da definição de cada verbete, pelo alvo do seu link; feito uma vez em cada construção."""
    builder: Any = app.builder
    if not hasattr(builder, "course_definitions"):
        found: dict[str, str] = {}
        if PAGE in app.env.found_docs:
            for item in app.env.get_and_resolve_doctree(PAGE, builder).findall(nodes.definition_list_item):
                text = render(builder, item)
                found |= {name: text for term in item.findall(nodes.term) for name in term["ids"]}
        builder.course_definitions = found
    return builder.course_definitions


def render(builder: Any, item: nodes.definition_list_item) -> str:
    """A definição de um verbete em HTML, sem os links: escondida, ninguém os alcançaria."""
    definition = next(item.findall(nodes.definition)).deepcopy()
    for link in list(definition.findall(nodes.reference)):
        link.replace_self(link.children)
    return builder.render_partial(nodes.container("", *definition.children))["fragment"]
