"""O que um plano de aula tira do próprio capítulo: ``{aula} 03_vae``, nas páginas de ``chapters/professor``.

Os objetivos, quanto leva ler e executar, o que pode ficar para depois e o exercício mudam com o capítulo; escritos à
mão na página do professor, envelheceriam. O resto do plano é dele.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

from book.address import read_address
from book.times import STUDY, read_seconds

from .interface import BOOK
from .questions import DEEPER, known, page_of, what_it_takes

GOALS = "Ao final"
LIST = re.compile(r"(?:^- .*\n?(?:  .*\n?)*)+", re.MULTILINE)


class Takes(nodes.General, nodes.Element):
    """Quanto leva um capítulo, ``chapter``; só se sabe depois de lidos todos."""


def setup(app: Sphinx) -> None:
    """Registra a diretiva e o que ela mostra."""
    app.add_directive("aula", Lesson)
    app.add_node(Takes, html=(visit_takes, depart_takes))


def markdown_of(path: Path) -> list[str]:
    """Os textos de um caderno."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def goals_of(texts: list[str]) -> list[str]:
    """Os objetivos de um capítulo, como ele os lista depois de "Ao final".

    Raises:
        ValueError: o capítulo não os lista.
    """
    for text in texts:
        if GOALS in text and (found := LIST.search(text, text.index(GOALS))):
            return [" ".join(goal.split()) for goal in re.split(r"(?m)^- ", found[0])[1:]]
    raise ValueError(f"nenhuma célula lista objetivos depois de “{GOALS}”")


def deeper_of(texts: list[str]) -> list[str]:
    """As seções que, numa primeira leitura, podem ficar para depois."""
    titles = re.findall(rf"(?m)^#+ (.+?) {re.escape(DEEPER)}$", "\n".join(texts))
    return [title.strip() for title in titles]


def links_of(root: Path, name: str) -> list[str]:
    """O que se usa com um capítulo: o exercício de mesmo número, se há um, e os slides da última versão publicada."""
    exercises = sorted((root / "exercises").glob(f"{name[:2]}_*.ipynb"))
    address = f"{read_address(root).repository}/releases/latest/download/{name}.pdf"
    return [*(f"[exercício](../../exercises/{path.name})" for path in exercises), f"[slides]({address})"]


class Lesson(SphinxDirective):
    """``{aula} CAPÍTULO``: os links, os tempos, os objetivos e as seções de aprofundamento."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        path = BOOK.parent / "chapters" / f"{name}.ipynb"
        for dependency in (path, STUDY):
            self.env.note_dependency(str(dependency))
        # Refeita quando qualquer capítulo muda: os tempos de leitura são dele.
        page_of(self.env, self.env.docname)["map"] = True
        texts = markdown_of(path)
        lines = [f"**Objetivos** do [capítulo](../{name}.ipynb)", "", *(f"- {goal}" for goal in goals_of(texts)), ""]
        if deeper := deeper_of(texts):
            lines += [f"**Pode ficar para casa:** {'; '.join(deeper)}.", ""]
        lines += [f"**Para usar:** {' e '.join(links_of(BOOK.parent, name))}.", ""]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, f"<aula {name}>"), 0, container)
        return [Takes(chapter=f"chapters/{name}"), *container.children]


def visit_takes(self: SphinxTranslator, node: Takes) -> None:
    """Escreve os tempos."""
    page = known(self.builder.env).get(node["chapter"])
    if page:
        said = what_it_takes(page, read_seconds(STUDY).get(node["chapter"].removeprefix("chapters/")))
        self.body.append(f'<p class="mapa-minutos">{said} (CPU de dois núcleos, perfil <code>padrao</code>)</p>\n')


def depart_takes(self: SphinxTranslator, node: Takes) -> None:
    """Nada a fechar."""
