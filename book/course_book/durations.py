"""A tabela de quanto cada capítulo leva, do estudo que a construção do livro gravou: ``.. duracoes::``."""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STUDY = Path(__file__).parents[2] / "course_lib" / "studies" / "book_times.json"


def setup(app: Sphinx) -> None:
    """Registra a diretiva."""
    app.add_directive("duracoes", Durations)


def write_minutes(seconds: float) -> str:
    """Um tempo em minutos, ao meio minuto, com vírgula."""
    halves = max(1, round(seconds / 30))
    return f"{halves // 2},{5 * (halves % 2)}".removesuffix(",0")


def read_seconds(study: Path) -> dict[str, float]:
    """Os segundos que cada capítulo levou, pelo nome do seu arquivo; nada, se não há estudo."""
    if not study.is_file():
        return {}
    runs = json.loads(study.read_text(encoding="utf-8"))["runs"]
    return {run["chapter"]: run["seconds"] for run in runs}


def durations(study: Path, documents: set[str]) -> list[tuple[str, str]]:
    """Os capítulos medidos que estão no livro, e os minutos de cada um."""
    found = {f"chapters/{name}": seconds for name, seconds in read_seconds(study).items()}
    return [(name, write_minutes(seconds)) for name, seconds in sorted(found.items()) if name in documents]


class Durations(SphinxDirective):
    """``.. duracoes::``: cada capítulo e os minutos que levou."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(STUDY))
        lines = [".. list-table::", "   :header-rows: 1", "", "   * - capítulo", "     - minutos"]
        for name, minutes in durations(STUDY, self.env.found_docs):
            lines += [f"   * - :doc:`/{name}`", f"     - {minutes}"]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, "<duracoes>"), 0, container)
        return container.children
