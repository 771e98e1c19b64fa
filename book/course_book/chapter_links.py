"""Liga os capítulos às páginas da biblioteca: nomes no texto, importações no código, e o que o capítulo constrói.

Só no livro: no caderno, que também se lê no Colab, nada muda.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from .library import PACKAGE, Module, resolve

CHAPTER = re.compile(r"chapters/(\d\d_\w+)$")
NAME = re.compile(r"[A-Za-z_][\w.]*")
# Uma importação já colorida pelo Pygments: `from MÓDULO import …`, até o fim da linha ou dos parênteses.
IMPORT = re.compile(
    r'(?P<before><span class="kn">from</span><span class="w"> </span><span class="nn">)'
    rf"(?P<module>{PACKAGE}[\w.]*)"
    r'(?P<middle></span><span class="w"> </span><span class="kn">import</span>)'
    r'(?P<names> <span class="p">\(</span>.*?<span class="p">\)</span>|[^\n]*)',
    re.DOTALL,
)
IMPORTED = re.compile(r'<span class="n">(?P<name>\w+)</span>')


def setup(app: Sphinx) -> None:
    """Registra a transformação e o que se faz com o HTML."""
    app.add_transform(LinkLibrary)
    app.connect("html-page-context", link_imports)


class LinkLibrary(SphinxTransform):
    """Num capítulo, liga o código que nomeia algo da biblioteca e acrescenta a caixa "Na biblioteca"."""

    default_priority = 800

    def apply(self, **kwargs: Any) -> None:
        found = CHAPTER.match(self.env.docname)
        if not found:
            return
        library: dict[str, Module] = self.env.course_library
        shown = {module for modules in self.env.course_pages.values() for module in modules}
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removesuffix("()")
            target = resolve(library, name) if NAME.fullmatch(name) and "." in name else None
            if target and owner(target, library) in shown and not isinstance(literal.parent, nodes.reference):
                literal.replace_self(link(target, literal.deepcopy(), self.env.docname))
        built = [module.name for module in library.values() if module.chapter == found[1] and module.name in shown]
        if built:
            sections = list(self.document.findall(nodes.section))
            sections[-1].append(draw_box(built, self.env.docname))


def owner(name: str, library: dict[str, Module]) -> str:
    """O módulo em que ``name`` é definido."""
    while name and name not in library:
        name = name.rpartition(".")[0]
    return name


def link(target: str, content: nodes.Node, docname: str) -> addnodes.pending_xref:
    """Link para um nome da biblioteca."""
    result = addnodes.pending_xref(
        "", refdomain="py", reftype="obj", reftarget=target, refdoc=docname, refexplicit=True, refwarn=True
    )
    result += content
    return result


def draw_box(modules: list[str], docname: str) -> nodes.block_quote:
    """A caixa que diz onde está, na biblioteca, o que o capítulo construiu."""
    paragraph = nodes.paragraph()
    paragraph += [nodes.strong("", "Na biblioteca."), nodes.Text(" O que este capítulo constrói está em ")]
    for index, module in enumerate(modules):
        if index:
            paragraph += nodes.Text(" e em " if index == len(modules) - 1 else ", ")
        paragraph += link(module, nodes.literal(module, module), docname)
    paragraph += nodes.Text(".")
    return nodes.block_quote("", paragraph, classes=["caixa", "caixa-nota"])


def link_imports(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Nas células de um capítulo, liga cada módulo e cada nome que se importa da biblioteca."""
    if not CHAPTER.match(pagename) or "body" not in context:
        return
    library: dict[str, Module] = app.env.course_library
    objects = app.env.get_domain("py").objects

    def address(name: str) -> str | None:
        entry = objects.get(resolve(library, name) or "")
        return f"{app.builder.get_relative_uri(pagename, entry.docname)}#{entry.node_id}" if entry else None

    def anchor(name: str, html: str) -> str:
        target = address(name)
        return f'<a class="da-biblioteca" href="{escape(target)}">{html}</a>' if target else html

    def replace(found: re.Match[str]) -> str:
        module = found["module"]
        names = IMPORTED.sub(lambda name: anchor(f"{module}.{name['name']}", name[0]), found["names"])
        return f"{found['before']}{anchor(module, module)}{found['middle']}{names}"

    context["body"] = IMPORT.sub(replace, context["body"])
