"""Quanto os capítulos levam, do estudo que a construção do livro gravou: ``.. duracoes::`` e ``{minutos}`total```."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from book.times import STUDY, read_seconds, write_minutes


def setup(app: Sphinx) -> None:
    """Registra a diretiva e o papel."""
    app.add_directive("duracoes", Durations)
    app.add_role("minutos", Minutes())


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


SUMMARIES: dict[str, Callable[[Iterable[float]], float]] = {"menor": min, "maior": max, "total": sum}


class Minutes(SphinxRole):
    """``{minutos}`total```: os minutos do capítulo mais curto (``menor``), do mais longo (``maior``) ou de todos."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in SUMMARIES:
            known = ", ".join(SUMMARIES)
            return [], [self.inliner.reporter.error(f"minutos: veio {self.text!r}; as opções são {known}")]
        self.env.note_dependency(str(STUDY))
        return [nodes.Text(write_minutes(SUMMARIES[self.text](read_seconds(STUDY).values())))], []
