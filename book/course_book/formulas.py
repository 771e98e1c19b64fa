"""As fórmulas, desenhadas ao construir o livro: o TeX vira MathML, que o navegador mostra sem script nenhum.

Quem traduz é o Temml, uma biblioteca em JavaScript que aqui roda dentro do Python; ``mathml.py`` acerta o que ele
devolve.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxTranslator
from sphinx.util.math import get_node_equation_number

from .mathml import plain_text, polish

TEMML = Path(__file__).parents[1] / "vendor" / "temml" / "temml.min.js"
OPTIONS = {"throwOnError": True, "strict": False, "xml": True}
# O que se escreve colado a uma fórmula não pode ficar na linha seguinte, nem o parêntese que a abre na de cima.
BEFORE = re.compile(r"(?<!\S)[(\[“‘«]+$|(?<=\s)[^\s—–]{1,12}[-/]$")
AFTER = re.compile(r"^[^\s—–]{1,16}(?!\S)")

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Registra quem desenha as fórmulas, no lugar do MathJax."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.add_post_transform(PrepareFormulas)
    for name in ("formulas-fonte.css", "formulas.css"):
        app.add_css_file(name, priority=900)
    app.connect("build-finished", close)


@lru_cache(maxsize=1)
def temml() -> MiniRacer:
    """O Temml carregado, uma vez a cada construção."""
    context = MiniRacer()
    context.eval(TEMML.read_text(encoding="utf-8"))
    return context


def close(app: Sphinx | None = None, exception: Exception | None = None) -> None:
    """Encerra o Temml: enquanto ele está aberto, uma linha de execução dele não deixa o Python terminar."""
    if temml.cache_info().currsize:
        temml().close()
        temml.cache_clear()


@cache
def translate(tex: str, display: bool = False) -> str:
    """O MathML de uma fórmula em TeX.

    Raises:
        ValueError: o Temml não entende a fórmula.
    """
    try:
        return polish(temml().call("temml.renderToString", tex.strip(), {**OPTIONS, "displayMode": display}), tex)
    except JSEvalException as error:
        reason = re.search(r"(?:ParseError|Error): (.*)", str(error))
        raise ValueError(f"a fórmula {tex!r} tem um erro: {reason[1] if reason else error}") from error


def draw(node: nodes.math | nodes.math_block) -> str:
    """O MathML de um nó; um erro é um aviso do Sphinx, e aqui aviso é erro."""
    display = isinstance(node, nodes.math_block)
    tex = node.get("tex", node.astext())
    try:
        return translate(environment(tex) if display else tex, display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return ""


def environment(tex: str) -> str:
    """Um bloco como o Sphinx o entende: partes separadas por uma linha em branco, e linhas por ``\\\\``."""
    parts = [part for part in tex.split("\n\n") if part.strip()]
    if tex.lstrip().startswith(r"\begin") or (len(parts) == 1 and r"\\" not in tex):
        return tex
    lines = r"\\".join(rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts)
    return lines if len(parts) == 1 else rf"\begin{{aligned}}{lines}\end{{aligned}}"


class PrepareFormulas(SphinxPostTransform):
    """Traduz as fórmulas de uma página e lhes cola a pontuação; o que a busca indexa passa a ser o que se lê."""

    # Depois de todas as outras: as que ligam termos e obras contam com o texto inteiro.
    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(lambda node: isinstance(node, (nodes.math, nodes.math_block)))):
            node["tex"] = node.astext()
            node.children = []
            node += nodes.Text(plain_text(draw(node)))
            if isinstance(node, nodes.math):
                node["before"], node["after"] = take_before(node), take_after(node)


def take_before(node: nodes.math) -> str:
    """Retira do texto anterior, e devolve, o que não pode se separar da fórmula."""
    siblings = node.parent.children
    index = siblings.index(node)
    return take(siblings, index - 1, BEFORE) if index else ""


def take_after(node: nodes.math) -> str:
    """Retira do texto seguinte, e devolve, o que não pode se separar da fórmula."""
    siblings = node.parent.children
    index = siblings.index(node)
    return take(siblings, index + 1, AFTER) if index + 1 < len(siblings) else ""


def take(siblings: list[nodes.Node], index: int, pattern: re.Pattern[str]) -> str:
    """Retira do texto ``siblings[index]`` o que ``pattern`` acha."""
    text = siblings[index]
    found = pattern.search(str(text)) if isinstance(text, nodes.Text) else None
    if not found:
        return ""
    rest = nodes.Text(str(text)[: found.start()] + str(text)[found.end() :])
    rest.parent = text.parent
    siblings[index] = rest
    return found[0]


def visit_math(self: SphinxTranslator, node: nodes.math) -> None:
    """Uma fórmula no meio do texto, com o que está colado a ela."""
    before, after = self.encode(node.get("before", "")), self.encode(node.get("after", ""))
    pieces = re.split("(?<=</math>)", draw(node))[:-1] or [""]
    pieces[0] = before + pieces[0]
    pieces[-1] += after
    glued = (f'<span class="junto">{piece}</span>' if re.search("^[^<]|[^>]$", piece) else piece for piece in pieces)
    self.body.append(f"{self.starttag(node, 'span', '', CLASS='math')}{''.join(glued)}</span>")
    raise nodes.SkipNode


def visit_math_block(self: SphinxTranslator, node: nodes.math_block) -> None:
    """Uma fórmula em destaque, com o seu número se tem um."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link para esta equação")
        self.body.append("</span>")
    self.body.append(f"{draw(node)}</div>\n")
    raise nodes.SkipNode
