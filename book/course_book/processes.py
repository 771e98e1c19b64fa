"""A tabela do treino em dois processos, do estudo ``distributed``: ``.. processos::``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from course_lib.text import number

STUDY = Path(__file__).parents[2] / "course_lib" / "studies" / "distributed.json"
HEADER = (
    "família", "maior diferença, float64", "maior diferença, float32", "segundos, um processo",
    "segundos, dois", "quantas vezes mais rápido",
)  # fmt: skip


def setup(app: Sphinx) -> None:
    """Registra a diretiva."""
    app.add_directive("processos", Processes)


def rows(runs: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Uma linha por família: as diferenças e, das cronometradas, os segundos de uma época e a razão deles."""
    written = []
    for run in runs:
        apart = [number(run["measures"][f"maior diferença, {name}"], ".0e") for name in ("float64", "float32")]
        times = ["", "", ""]
        if "seconds" in run:
            one, two = run["seconds"]["1"], run["seconds"]["2"]
            times = [number(one, ".1f"), number(two, ".1f"), number(one / two, ".2f")]
        written.append((f"``{run['variant']}``", *apart, *times))
    return written


class Processes(SphinxDirective):
    """``.. processos::``: cada família e quanto dois processos diferem de um."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(STUDY))
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (HEADER, *rows(json.loads(STUDY.read_text(encoding="utf-8"))["runs"])):
            first, *others = row
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, "<processos>"), 0, container)
        return container.children
