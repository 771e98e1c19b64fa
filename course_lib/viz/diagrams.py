"""Diagramas de redes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.text import number
from course_lib.viz.style import COLORS, course_style, subplots, suptitle

# De uma camada à seguinte, nas unidades do desenho.
STRIDE = 1.6
# A altura de uma caixa é proporcional à largura da camada, mas nenhuma some; nas mais baixas o texto vai por baixo.
LOWEST = 0.04
ROOM_FOR_TEXT = 0.26


@course_style()
def flow_diagram(
    blocks: Sequence[tuple[str, int]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
    shortcuts: Sequence[tuple[int, int]] = (),
) -> Figure:
    """Diagrama de uma rede: uma caixa por camada, da entrada à saída, de altura proporcional à largura da camada.

    Args:
        blocks: (texto, número de unidades) de cada camada.
        title: título.
        notes: texto escrito sobre cada seta (no máximo uma a menos que os blocos).
        shortcuts: pares (de, para) de blocos ligados também por uma seta tracejada que passa por cima dos outros.
    """
    # Quanto mais longe os blocos, mais alto o atalho passa: assim dois atalhos, um dentro do outro, não se cruzam.
    top = 0.66 + 0.12 * max((end - start for start, end in shortcuts), default=0)
    fig, ax = subplots(data=False, figsize=(1.45 * len(blocks) + 0.4, 2.1 * (top + 0.62)))
    ax.set_axis_off()
    largest = max(size for _, size in blocks)
    tops = []
    for index, (text, size) in enumerate(blocks):
        height = max(LOWEST, size / largest)
        tops.append(height / 2 + 0.05)
        _block(ax, STRIDE * index, height, f"{text}\n{number(size, ',')}")
        if index:
            _arrow(ax, STRIDE * index, notes[index - 1] if index <= len(notes) else "")
    ax.set_xlim(-0.7, STRIDE * (len(blocks) - 1) + 0.7)
    for start, end in shortcuts:
        x_start, x_end, height = STRIDE * start, STRIDE * end, 0.58 + 0.12 * (end - start)
        line = {"color": COLORS[1], "linestyle": "--", "linewidth": 1.2}
        ax.plot([x_start, x_start, x_end], [tops[start], height, height], **line)
        ax.annotate("", xy=(x_end, tops[end]), xytext=(x_end, height), arrowprops={"arrowstyle": "->", **line})
    ax.set_ylim(-0.62, top)
    suptitle(fig, title)
    return fig


def _block(ax: Axes, x: float, height: float, text: str) -> None:
    """A caixa de uma camada, centrada em (x, 0)."""
    corner = (x - 0.42, -height / 2)
    box = FancyBboxPatch(corner, 0.84, height, boxstyle="round,pad=0.04", facecolor="#DCEAF5", edgecolor=COLORS[0])
    ax.add_patch(box)
    # Três linhas ("constante, 4×4, 1024") pedem uma caixa mais alta que duas.
    if height < ROOM_FOR_TEXT + 0.1 * (text.count("\n") - 1):
        ax.text(x, -height / 2 - 0.07, text, ha="center", va="top", fontsize=9)
    else:
        ax.text(x, 0, text, ha="center", va="center", fontsize=9)


def _arrow(ax: Axes, x: float, note: str) -> None:
    """A seta que chega à caixa centrada em (x, 0), com o seu texto por cima."""
    arrow = {"arrowstyle": "->", "color": "#444444", "linewidth": 1.2}
    ax.annotate("", xy=(x - 0.5, 0), xytext=(x - 1.1, 0), arrowprops=arrow)
    if note:
        ax.text(x - 0.8, 0.1, note, ha="center", va="bottom", fontsize=7.5, color="#444444")
