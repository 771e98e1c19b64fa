"""A figura que ainda não se desenhou: um caderno faz uma dúzia, cada uma leva um décimo de segundo, e ninguém as vê."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course_lib.viz import style


class CourseFigure(style.CourseFigure):
    """Uma figura do pyplot que só se desenha quando se pergunta por um eixo dela, ou quando se grava.

    Attributes:
        pending: quem a desenha, numa figura sua.
    """

    pending: Callable[[], style.CourseFigure] | None = None
    _drawn: style.CourseFigure | None = None

    def drawn(self) -> style.CourseFigure | None:
        """A figura de verdade; ``None`` se esta ainda não tem quem a desenhe."""
        if self._drawn is None and self.pending is not None:
            current = style.plt.gcf()
            self._drawn = self.pending()
            # A verdadeira sai da lista do pyplot, onde o lugar é desta.
            style.plt.close(self._drawn)
            style.plt.figure(current)
        return self._drawn

    @property
    def axes(self) -> list[Any]:
        """Os eixos."""
        return (self.drawn() or super()).axes

    def gca(self) -> Any:
        """O eixo corrente."""
        return (self.drawn() or super()).gca()

    def savefig(self, *arguments: Any, **options: Any) -> None:
        """Grava a figura."""
        (self.drawn() or super()).savefig(*arguments, **options)
