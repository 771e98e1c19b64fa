"""As perguntas dos capítulos e o mapa do curso, que diz quantas de cada um o leitor já acertou.

Num capítulo, uma pergunta é uma célula de texto só dela, no Markdown que o Colab também mostra: uma citação que começa
com **Pergunta.** e um ``<details>`` por alternativa, cuja explicação começa com **Certo.** ou **Ainda não.**::

    > **Pergunta.** Dobramos o passo. O que acontece com a perda?

    <details><summary>Cai duas vezes mais depressa</summary>

    **Ainda não.** O passo anda em linha reta, e a perda não é uma reta.

    </details>

Sem JavaScript, quem lê abre uma alternativa e lê a explicação dela. No livro, ``book/static/questions.js`` faz das
alternativas botões e guarda, só no navegador, o que se escolheu; o nome da célula é o da pergunta. As etiquetas da
célula dizem o que ela pergunta e a que objetivo serve: ``previsao``, ``diagnostico`` ou ``conta``, e ``objetivo-2``.

O mapa do curso aparece onde um capítulo tem o comentário ``<!-- mapa do curso -->``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

from book.times import STUDY, read_seconds, write_minutes

from .inline import CHAPTER, Alternative, AlternativeText, CourseMap, Question

STEM = re.compile(r"\A(?:> ?.*(?:\n|\Z))+")
START = "> **Pergunta.** "
ALTERNATIVE = re.compile(
    r"^<details><summary>(?P<text>[^<]+)</summary>\n\n(?P<explanation>.+?)\n\n</details>$", re.MULTILINE | re.DOTALL
)
RIGHT, NOT_YET = "**Certo.** ", "**Ainda não.** "
PLACE = "<!-- mapa do curso -->"
# Como termina o título de uma seção que, numa primeira leitura, pode ficar para depois.
DEEPER = "(aprofundamento)"
# Quantas palavras de texto técnico se leem por minuto: uma estimativa, e a página diz que é.
WORDS_PER_MINUTE = 150


def setup(app: Sphinx) -> None:
    """Registra a leitura das células, as diretivas em que ela as transforma e o desenho em HTML."""
    app.connect("source-read", write_directives)
    app.connect("doctree-read", count_words)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", pages_with_map)
    app.connect("html-page-context", announce)
    app.add_directive("pergunta", QuestionDirective)
    app.add_directive("alternativa", AlternativeDirective)
    app.add_directive("mapa", MapDirective)
    app.add_node(Question, html=(visit_question, depart_question))
    app.add_node(Alternative, html=(visit_alternative, depart_alternative))
    app.add_node(AlternativeText, html=(visit_text, depart_text))
    app.add_node(CourseMap, html=(visit_map, depart_map))
    app.add_css_file("questions.css", priority=900)
    app.add_js_file("questions.js", loading_method="defer", priority=900)


# --- As células ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """Uma alternativa: o que ela diz, se é a certa, e a sua explicação, em Markdown."""

    text: str
    right: bool
    explanation: str


def is_question(markdown: str) -> bool:
    """Se uma célula de texto é uma pergunta."""
    return markdown.startswith(START)


def parse_question(markdown: str) -> tuple[str, tuple[Choice, ...]]:
    """O enunciado, em Markdown e sem as marcas da citação, e as alternativas de uma célula.

    Raises:
        ValueError: a célula não tem a forma de uma pergunta; a mensagem diz o que falta.
    """
    stem = STEM.match(markdown)
    if stem is None or not is_question(markdown):
        raise ValueError(f"uma pergunta começa com «{START}»")
    choices, rest = [], markdown[stem.end() :]
    for found in ALTERNATIVE.finditer(rest):
        text, explanation = " ".join(unescape(found["text"]).split()), found["explanation"]
        label = next((label for label in (RIGHT, NOT_YET) if explanation.startswith(label)), None)
        if label is None or len(explanation.removeprefix(label).split()) < 4:
            raise ValueError(f"a explicação de «{text}» começa com «{RIGHT}» ou «{NOT_YET}», e diz por quê")
        choices.append(Choice(text, label == RIGHT, explanation))
    if lost := ALTERNATIVE.sub("", rest).strip():
        raise ValueError(f"não é do enunciado nem de uma alternativa: «{lost[:60]}»")
    if len(choices) not in (3, 4) or sum(choice.right for choice in choices) != 1:
        raise ValueError("uma pergunta tem 3 ou 4 alternativas, e só uma certa")
    return re.sub(r"(?m)^> ?", "", stem[0]).strip(), tuple(choices)


def as_directive(markdown: str, name: str) -> str:
    """A célula escrita com as diretivas deste módulo."""
    stem, choices = parse_question(markdown)
    parts = [f"::::{{pergunta}} {name}", stem, ""]
    for choice in choices:
        right = [":certa:"] if choice.right else []
        parts += [f":::{{alternativa}} {choice.text}", *right, "", choice.explanation, ":::"]
    return "\n".join([*parts, "::::"])


def write_directives(app: Sphinx, docname: str, source: list[str]) -> None:
    """Troca, no que o Sphinx lê de um capítulo, as perguntas e o lugar do mapa por diretivas."""
    if not CHAPTER.match(docname) or not source[0].lstrip().startswith("{"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and is_question(text):
            try:
                cell["source"] = as_directive(text, cell["id"])
            except ValueError as error:
                raise ValueError(f"{docname}, célula {cell['id']}: {error}") from None
        elif cell["cell_type"] == "markdown" and PLACE in text:
            cell["source"] = text.replace(PLACE, ":::{mapa}\n:::")
    source[0] = json.dumps(notebook)


# --- O que o livro sabe de cada capítulo ----------------------------------------------------------------


def known(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    """O que se sabe de cada página.

    ``questions``: os nomes, na ordem; ``words`` e ``deeper``: quantas palavras, ao todo e fora do essencial; ``map``:
    se o mapa está nela.
    """
    if not hasattr(env, "course_questions"):
        env.course_questions = {}
    return env.course_questions


def page_of(env: BuildEnvironment, docname: str) -> dict[str, Any]:
    """O que se sabe de uma página, para se completar."""
    return known(env).setdefault(docname, {"questions": [], "words": 0, "deeper": 0, "map": False})


def count_words(app: Sphinx, doctree: nodes.document) -> None:
    """Conta as palavras dos parágrafos, que são o que se lê."""
    page = page_of(app.env, app.env.docname)
    for paragraph in doctree.findall(nodes.paragraph):
        words = len(paragraph.astext().split())
        page["words"] += words
        page["deeper"] += words if is_deeper(paragraph) else 0


def is_deeper(node: nodes.Node) -> bool:
    """Se está numa seção que pode ficar para depois."""
    while node is not None and not (isinstance(node, nodes.section) and node.children[0].astext().endswith(DEEPER)):
        node = node.parent
    return node is not None


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Esquece uma página que vai ser lida de novo."""
    known(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Junta o que outro processo leu."""
    known(env).update({name: known(other)[name] for name in docnames if name in known(other)})


def pages_with_map(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """As páginas que mudam quando qualquer capítulo muda."""
    return [name for name, page in known(env).items() if page["map"]]


class QuestionDirective(SphinxDirective):
    """``.. pergunta:: NOME``: o enunciado e as alternativas."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        page_of(self.env, self.env.docname)["questions"].append(name)
        question = Question(ids=[name])
        self.state.nested_parse(self.content, self.content_offset, question)
        return [question]


class AlternativeDirective(SphinxDirective):
    """``.. alternativa:: TEXTO``: uma alternativa e a sua explicação."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"certa": directives.flag}
    has_content = True

    def run(self) -> list[nodes.Node]:
        alternative = Alternative(right="certa" in self.options)
        alternative += AlternativeText("", self.arguments[0])
        self.state.nested_parse(self.content, self.content_offset, alternative)
        return [alternative]


class MapDirective(SphinxDirective):
    """``.. mapa::``: os capítulos, quanto leva cada um e o que já se acertou."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(STUDY))
        page_of(self.env, self.env.docname)["map"] = True
        return [CourseMap()]


# --- O HTML ----------------------------------------------------------------------------------------------


def visit_question(self: SphinxTranslator, node: Question) -> None:
    """Abre a pergunta; o script acha nela as alternativas."""
    self.body.append(self.starttag(node, "div", CLASS="pergunta"))


def depart_question(self: SphinxTranslator, node: Question) -> None:
    """Fecha a pergunta."""
    self.body.append("</div>\n")


def visit_alternative(self: SphinxTranslator, node: Alternative) -> None:
    """Abre uma alternativa, que sem o script se abre com um clique."""
    right = " data-certa" if node["right"] else ""
    self.body.append(f'<details class="alternativa"{right}>\n')


def depart_alternative(self: SphinxTranslator, node: Alternative) -> None:
    """Fecha a alternativa e a explicação."""
    self.body.append("</div>\n</details>\n")


def visit_text(self: SphinxTranslator, node: AlternativeText) -> None:
    """Abre o que a alternativa diz."""
    self.body.append("<summary>")


def depart_text(self: SphinxTranslator, node: AlternativeText) -> None:
    """Fecha o que a alternativa diz e abre a explicação."""
    self.body.append('</summary>\n<div class="explicacao">\n')


def reading_minutes(words: int) -> int:
    """Os minutos de leitura, de cinco em cinco."""
    return max(5, 5 * round(words / WORDS_PER_MINUTE / 5))


def what_it_takes(page: dict[str, Any], seconds: float | None) -> str:
    """Os minutos e as perguntas de um capítulo."""
    whole, essential = (reading_minutes(words) for words in (page["words"], page["words"] - page["deeper"]))
    only = f" (só o essencial, {essential})" if essential < whole else ""
    parts = [f"leitura: cerca de {whole}&nbsp;min{only}"]
    if seconds is not None:
        parts.append(f"execução: {write_minutes(seconds)}&nbsp;min")
    if count := len(page["questions"]):
        parts.append(f"{count} pergunta{'s' if count > 1 else ''}")
    return " · ".join(parts)


def chapter_item(number: int, address: str, title: str, names: list[str], takes: str) -> str:
    """Um capítulo no mapa."""
    link = f'<a class="reference internal" href="{escape(address)}">{escape(title)}</a>'
    questions = escape(" ".join(names))
    return f'<li value="{number}" data-perguntas="{questions}">{link}<span class="mapa-minutos">{takes}</span></li>'


def announce(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Põe sob o título de um capítulo o que ele leva."""
    if CHAPTER.match(pagename) and pagename in known(app.env) and "body" in context:
        takes = what_it_takes(known(app.env)[pagename], read_seconds(STUDY).get(pagename.removeprefix("chapters/")))
        context["body"] = context["body"].replace("</h1>", f'</h1>\n<p class="mapa-minutos">{takes}</p>', 1)


def visit_map(self: SphinxTranslator, node: CourseMap) -> None:
    """Escreve a lista dos capítulos; o progresso, quem põe é o script."""
    env, seconds = self.builder.env, read_seconds(STUDY)
    items = [
        chapter_item(
            int(name.removeprefix("chapters/")[:2]),
            self.builder.get_relative_uri(self.builder.current_docname, name),
            env.titles[name].astext(),
            page["questions"],
            what_it_takes(page, seconds.get(name.removeprefix("chapters/"))),
        )
        for name, page in sorted(known(env).items())
        if CHAPTER.match(name)
    ]
    self.body.append('<ol class="mapa-do-curso">\n' + "\n".join(items) + "\n</ol>\n")


def depart_map(self: SphinxTranslator, node: CourseMap) -> None:
    """Nada a fechar."""
