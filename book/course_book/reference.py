"""As páginas da biblioteca: uma diretiva que descobre o que há em ``course_lib`` e o desenha a partir das docstrings.

Uma página de ``chapters/biblioteca`` diz só de que pacotes trata::

    .. biblioteca:: course_lib.models

e cada módulo deles vira uma seção, cada nome público uma entrada. ``.. biblioteca:: :demais:`` fica com os módulos que
nenhuma outra página nomeia, e assim nada do que se acrescente à biblioteca fica de fora.
"""

from __future__ import annotations

import builtins
import enum
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config as NapoleonConfig
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from .library import PACKAGE, Module, find, read_library, resolve

LOGGER = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
PAGES = "chapters/biblioteca/"
DIRECTIVE = re.compile(r"^\.\. biblioteca:: (?P<names>.+)$", re.MULTILINE)
OTHERS = ":demais:"
# Os métodos especiais que alguém chama, ainda que sem escrever o nome.
SPECIAL = ("__call__", "__iter__", "__len__")
# Uma constante mais longa que isto mostra só o nome: o valor está no código, a um clique.
LONGEST_VALUE = 60
LABELS = {
    "parameter": "Parâmetros",
    "variable": "Atributos",
    "exceptions": "Levanta",
    "returnvalue": "Devolve",
    "returntype": "Tipo do que devolve",
}
CHAPTER = re.compile(r"\b(?P<word>[Cc]apítulo) (?P<number>\d\d?)(?:_\w+)?")
# O asterisco de (B, *forma), as barras de |x| e o T de "passos: T.": nem itálico, nem substituição, nem lista.
UNMARKED = re.compile(r"(?<=, )\*(?=\w+\))|\|(?=\w+\|)|(?<=: )(?=[A-Za-z]\.$)")
NOT_CODE = re.compile(r"<(?:function (\w+))?[^<>]*>")
# Os atributos de uma classe estão na docstring dela, e os tipos, na assinatura.
SECTIONS = NapoleonConfig(napoleon_use_ivar=True, napoleon_use_rtype=False, napoleon_attr_annotations=False)
REFERENCE = re.compile(r"^Referências?:$")


def setup(app: Sphinx) -> None:
    """Registra as diretivas e os ganchos do autodoc."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.viewcode")
    # O Sphinx traduz estes rótulos ao ser importado, antes de conhecer o catálogo do livro.
    for field in PyObject.doc_field_types:
        field.label = LABELS.get(field.name, field.label)
    app.connect("env-get-outdated", find_moved)
    app.connect("env-before-read-docs", read_pages)
    app.connect("autodoc-process-docstring", translate_docstring)
    app.connect("autodoc-process-signature", clean_signature)
    app.connect("autodoc-skip-member", choose_members)
    app.connect("missing-reference", find_reference)
    app.add_directive("biblioteca", LibraryDirective)
    app.add_directive("mapa-da-biblioteca", MapDirective)
    app.add_transform(LinkChapters)


# --- O que está em que página ---------------------------------------------------------------------


def read_pages(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Lê a biblioteca e guarda em ``env`` os módulos de cada página, antes que a primeira seja lida."""
    env.course_library = read_library(ROOT)
    env.course_pages = assign_modules(env.course_library, read_requests(env))


def find_moved(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """Todas as páginas, se um nome da biblioteca apareceu, sumiu ou mudou de lugar: qualquer uma pode citá-lo.

    Se só mudou o que um nome faz, ou o que se diz dele, o autodoc anotou de que arquivo a página dele depende.
    """
    if not hasattr(env, "course_library"):
        return []
    library = read_library(ROOT)
    before, after = ({name: module.outline for name, module in one.items()} for one in (env.course_library, library))
    moved = before != after or env.course_pages != assign_modules(library, read_requests(env))
    return sorted(env.found_docs) if moved else []


def read_requests(env: BuildEnvironment) -> dict[str, list[str]]:
    """O que cada página da biblioteca pede, na ordem do sumário."""
    requests = {}
    for docname in env.external_site_map:
        if docname.startswith(PAGES):
            found = DIRECTIVE.findall(Path(env.doc2path(docname)).read_text(encoding="utf-8"))
            requests[docname] = [name for names in found for name in names.split()]
    return requests


def assign_modules(library: dict[str, Module], requests: dict[str, list[str]]) -> dict[str, list[str]]:
    """Os módulos de cada página: os pacotes que ela nomeia, inteiros, ou os que nenhuma outra nomeia."""
    named = [name for names in requests.values() for name in names if name != OTHERS]

    def within(module: str, name: str) -> bool:
        return module == name or module.startswith(f"{name}.")

    pages = {}
    for docname, names in requests.items():
        pages[docname] = [
            module
            for name in names
            for module in library
            if (within(module, name) if name != OTHERS else not any(within(module, other) for other in named))
        ]
    return pages


class LibraryDirective(SphinxDirective):
    """``.. biblioteca:: course_lib.models``: uma seção para cada módulo."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        library: dict[str, Module] = self.env.course_library
        for name in self.arguments[0].split():
            if name != OTHERS and name not in library:
                LOGGER.warning("a biblioteca não tem %s", name, location=self.get_location())
        return [self.draw(library[name]) for name in self.env.course_pages[self.env.docname]]

    def draw(self, module: Module) -> nodes.section:
        """A seção de um módulo: o que ele diz de si, o que dele se importa, e cada nome na ordem do código."""
        section = nodes.section(ids=[nodes.make_id(module.name)], names=[module.name])
        section += draw_title(module.name)
        lines = [f".. automodule:: {module.name}"]
        if module.definitions:
            lines += [f"   :members: {', '.join(module.definitions)}"]
            lines.append("   :member-order: bysource")
        lines.append("")
        if module.exports:
            names = ", ".join(f":py:obj:`{name} <{full}>`" for name, full in sorted(module.exports.items()))
            lines += [f"Daqui se importam {names}.", ""]
        for name in module.constants:
            lines += write_constant(module, name)
        nested_parse_with_titles(self.state, StringList(lines, f"<{module.name}>"), section)
        return section


def draw_title(name: str) -> nodes.title:
    """O título de uma seção; o começo, igual em todos, fica à parte para que o sumário estreito não o mostre."""
    prefix, dot, rest = name.partition(".")
    parts = [nodes.inline("", prefix + dot, classes=["pacote"]), nodes.Text(rest)] if rest else [nodes.Text(prefix)]
    return nodes.title("", "", nodes.literal("", "", *parts))


def write_constant(module: Module, name: str) -> list[str]:
    """A entrada de uma constante, que o autodoc só mostraria se o comentário começasse por ``#:``.

    O valor é a expressão do código: o da execução teria as pastas desta máquina.
    """
    constant = module.constants[name]
    # O viewcode só põe âncoras no que o Sphinx acha sozinho: classes e funções.
    analyzer = ModuleAnalyzer.for_module(module.name)
    analyzer.analyze()
    analyzer.tags.setdefault(name, ("other", *constant.lines))
    value = [f"   :value: {constant.value}"] if len(constant.value) <= LONGEST_VALUE else []
    comment = [f"   {as_text(constant.comment)}", ""] if constant.comment else []
    return [f".. py:data:: {name}", f"   :module: {module.name}", *value, "", *comment]


def as_text(comment: str) -> str:
    """Um comentário como reST, em que só o código entre crases é marcação."""
    pieces = re.split(r"(`+[^`]+`+)", comment)
    return "".join(
        f"``{piece.strip('`')}``" if piece.startswith("`") else re.sub(r"([\\*`|_])", r"\\\1", piece)
        for piece in pieces
    )


class MapDirective(SphinxDirective):
    """``.. mapa-da-biblioteca::``: cada página, com os seus módulos e a primeira frase de cada um."""

    def run(self) -> list[nodes.Node]:
        library: dict[str, Module] = self.env.course_library
        lines = []
        for docname, modules in self.env.course_pages.items():
            if modules:
                lines += [f":doc:`/{docname}`", ""]
                lines += [f"* :py:mod:`{name}`: {library[name].summary}" for name in modules]
                lines.append("")
        for page in self.env.course_pages:
            self.env.note_dependency(self.env.doc2path(page))
        for name in library:
            self.env.note_dependency(ModuleAnalyzer.for_module(name).srcname)
        container = nodes.container(classes=["mapa-da-biblioteca"])
        self.state.nested_parse(StringList(lines, "<mapa>"), 0, container)
        return [container]


# --- O que o autodoc não faz como queremos --------------------------------------------------------


def translate_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Passa uma docstring do estilo Google ao reST."""
    # De um atributo, o napoleon tomaria por um tipo o que vem antes dos dois-pontos da primeira linha.
    kind = "method" if what in ("property", "attribute", "data") else what
    google = write_reference_field(escape_text(lines))
    bases = write_bases(obj) if inspect.isclass(obj) else []
    lines[:] = bases + GoogleDocstring(google, SECTIONS, None, kind, name, obj, options).lines()


def write_reference_field(lines: list[str]) -> list[str]:
    """As linhas com a seção "Referência:" escrita como um campo, ao lado de "Parâmetros" e "Levanta"."""
    start = next((index for index, line in enumerate(lines) if REFERENCE.match(line)), None)
    if start is None:
        return lines
    end = next((i for i in range(start + 1, len(lines)) if lines[i] and not lines[i].startswith(" ")), len(lines))
    first, *rest = (line.strip() for line in lines[start + 1 : end])
    return [*lines[:start], f":{lines[start]} {first}", *(line and f"    {line}" for line in rest), *lines[end:]]


def escape_text(lines: list[str]) -> list[str]:
    """As linhas com o que, fora do código e das fórmulas, o reST tomaria por marcação: (B, *forma) e |x|."""
    result = []
    formula = -1
    for line in lines:
        indentation = len(line) - len(line.lstrip())
        if line.strip() and indentation <= formula:
            formula = -1
        if line.lstrip().startswith(".. math::"):
            formula = indentation
        pieces = [line] if formula >= 0 else re.split(r"(`+[^`]+`+)", line)
        result.append("".join(piece if piece.startswith("`") or formula >= 0 else escape(piece) for piece in pieces))
    return result


def escape(text: str) -> str:
    """O texto com os sinais que pareceriam marcação escapados."""
    return UNMARKED.sub(lambda found: "\\" + found[0], text)


def clean_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Tira de uma assinatura o que não é código que alguém escreva."""
    # Um protocolo e uma enumeração não se constroem: os argumentos que o Python mostraria não dizem nada.
    if what == "class" and (getattr(obj, "_is_protocol", False) or issubclass(obj, enum.Enum)):
        return "", None
    # Padrões como `<factory>` e `<function f>` não são Python, e com um deles o Sphinx já não leria o resto.
    return (NOT_CODE.sub(lambda found: found[1] or "...", signature), returns) if signature else None


def write_bases(obj: type) -> list[str]:
    """A linha que diz de que classes ``obj`` herda; as que o Python põe sem que ninguém peça não contam."""
    bases = [
        base for base in obj.__bases__ if base.__module__ not in ("builtins", "typing") or issubclass(base, Exception)
    ]
    names = [
        f":py:class:`~{base.__module__}.{base.__qualname__}`"
        if base.__module__.startswith(f"{PACKAGE}.")
        else f"``{base.__name__}``"
        for base in bases
    ]
    return [f"Herda de {' e de '.join(names)}.", ""] if names else []


def choose_members(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Mostra os métodos especiais documentados, e nada que outra biblioteca tenha escrito numa classe nossa.

    São assim os campos de uma NamedTuple e o que o Matplotlib acrescenta às figuras.
    """
    doc = getattr(obj, "__doc__", None) or ""
    source = getattr(obj, "__module__", None)
    if doc.startswith("Alias for field number") or (inspect.isfunction(obj) and source.split(".")[0] != PACKAGE):
        return True
    return False if name in SPECIAL and doc else None


def find_reference(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.TextElement
) -> nodes.Node | None:
    """Resolve o que passa por uma reexportação, ou só tem um dono possível; o resto é um aviso, e aviso é erro.

    O livro não busca nada fora: o que é do PyTorch ou da biblioteca padrão fica sem link.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    known = (
        resolve(env.course_library, target) if target.startswith(f"{PACKAGE}.") else find(env.course_library, target)
    )
    if known and known != target:
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", known, node, contnode)
    top = target.split(".")[0]
    foreign = top != PACKAGE and (top in sys.modules or hasattr(builtins, top))
    # Uma anotação é código que já foi executado: o que nela não tem página é interno, e não um nome errado.
    return contnode if foreign or is_annotation(node) else None


def is_annotation(node: nodes.Node) -> bool:
    """Se ``node`` está numa assinatura."""
    while node.parent is not None and not isinstance(node, addnodes.desc_signature):
        node = node.parent
    return isinstance(node, addnodes.desc_signature)


class LinkChapters(SphinxTransform):
    """Nas páginas da biblioteca, liga cada "Capítulo 03_vae" das docstrings ao capítulo."""

    default_priority = 800

    def apply(self, **kwargs: Any) -> None:
        if not self.env.docname.startswith(PAGES):
            return
        chapters = {Path(name).name[:2]: name for name in self.env.found_docs if re.match(r"chapters/\d\d_", name)}
        for text in list(self.document.findall(nodes.Text)):
            if isinstance(text.parent, nodes.literal | nodes.literal_block | nodes.reference | addnodes.pending_xref):
                continue
            pieces = link_chapters(str(text), chapters, self.env.docname)
            if len(pieces) > 1:
                text.parent.replace(text, pieces)


def link_chapters(text: str, chapters: dict[str, str], docname: str) -> list[nodes.Node]:
    """O texto em pedaços, e os que nomeiam um capítulo do livro como links para ele."""
    pieces: list[nodes.Node] = []
    end = 0
    for found in CHAPTER.finditer(text):
        target = chapters.get(found["number"].zfill(2))
        if target is None:
            continue
        label = f"{found['word']} {int(found['number'])}"
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="doc", reftarget=f"/{target}", refdoc=docname, refexplicit=True, refwarn=True
        )
        link += nodes.inline(label, label, classes=["std", "std-doc"])
        pieces += [nodes.Text(text[end : found.start()]), link]
        end = found.end()
    return [*pieces, nodes.Text(text[end:])]
