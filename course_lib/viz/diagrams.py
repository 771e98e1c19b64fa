"""Diagramas de redes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib import checks
from course_lib.text import number
from course_lib.viz.style import COLORS, GRAY, course_style, finish, subplots, suptitle

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


@course_style()
def game_diagram(noise: str, fake: str, real: str, output: str, *, title: str = "") -> Figure:
    """Diagrama do jogo de uma GAN: o gerador faz a imagem falsa, e a falsa e a real entram no mesmo discriminador.

    A seta tracejada é o gradiente, que volta da saída ao gerador; nenhuma seta vai da imagem real a ele.

    Args:
        noise: texto da caixa do ruído.
        fake: texto da caixa da imagem falsa.
        real: texto da caixa da imagem real.
        output: texto da caixa da saída do discriminador.
        title: título.
    """
    fig, ax = subplots(data=False, figsize=(7.4, 3.0))
    ax.set_axis_off()
    up, down, disc = 0.45, -0.55, 3 * STRIDE
    _block(ax, 0, 0.5, noise, y=up)
    _block(ax, STRIDE, 0.5, "gerador\nG", y=up, color=COLORS[1])
    _block(ax, 2 * STRIDE, 0.5, fake, y=up)
    _block(ax, 2 * STRIDE, 0.5, real, y=down)
    _block(ax, disc, 0.9, "discrimi-\nnador D", y=(up + down) / 2, color=COLORS[2])
    _block(ax, 4 * STRIDE, 0.5, output, y=(up + down) / 2)
    arrow = {"arrowstyle": "->", "color": "#444444", "linewidth": 1.2}
    middle = (up + down) / 2
    for start, end in [
        ((0.5, up), (STRIDE - 0.5, up)),
        ((STRIDE + 0.5, up), (2 * STRIDE - 0.5, up)),
        ((2 * STRIDE + 0.5, up), (disc - 0.5, middle + 0.2)),
        ((2 * STRIDE + 0.5, down), (disc - 0.5, middle - 0.2)),
        ((disc + 0.5, middle), (4 * STRIDE - 0.5, middle)),
    ]:
        ax.annotate("", xy=end, xytext=start, arrowprops=arrow)
    line = {"color": COLORS[1], "linestyle": "--", "linewidth": 1.2}
    ax.plot([4 * STRIDE, 4 * STRIDE, STRIDE], [middle + 0.3, 1.0, 1.0], **line)
    ax.annotate("", xy=(STRIDE, up + 0.3), xytext=(STRIDE, 1.0), arrowprops={"arrowstyle": "->", **line})
    note = "o gradiente: tudo o que o gerador sabe dos dados"
    ax.text(2.5 * STRIDE, 1.03, note, ha="center", va="bottom", fontsize=8, color="#444444")
    ax.set_xlim(-0.7, 4 * STRIDE + 0.7)
    ax.set_ylim(-0.95, 1.25)
    suptitle(fig, title)
    return fig


@course_style()
def transport_diagram(
    source: tuple[np.ndarray, np.ndarray],
    target: tuple[np.ndarray, np.ndarray],
    plan: np.ndarray,
    potential: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Um plano de transporte na reta e, embaixo, a função de inclinação 1 que prova que ele é o mais barato.

    Args:
        source: posições e massas (N,) de onde a massa sai.
        target: posições e massas (M,) aonde ela chega.
        plan: (N, M), a massa levada de cada posição a cada outra; cada linha desenhada é mais larga quanto mais leva.
        potential: posições e valores (K,) da função, nos mesmos pontos.
        title: título.
    """
    fig, (ax, below) = subplots(2, 1, data=False, figsize=(6.4, 4.4), sharex=True, height_ratios=(3, 2))
    for (x, mass), height, color in ((source, 1, COLORS[1]), (target, 0, COLORS[0])):
        ax.scatter(x, np.full(len(x), height), s=900 * mass, color=color, zorder=3)
        for position, value in zip(x, mass, strict=True):
            text = number(float(value))
            ax.annotate(text, (position, height), (0, 16 if height else -24), textcoords="offset points", ha="center")
    for i, j in np.argwhere(plan > 1e-9):
        ends = [source[0][i], target[0][j]]
        ax.plot(ends, [1, 0], color=GRAY, linewidth=12 * plan[i, j], alpha=0.6, solid_capstyle="butt")
    ax.set_ylim(-0.5, 1.5)
    ax.set_yticks([0, 1], ["reais", "falsas"])
    ax.grid(visible=False)
    order = np.argsort(potential[0])
    below.plot(potential[0][order], potential[1][order], color=COLORS[2], marker="o")
    finish(below, "", "x", "crítico a(x)", legend=False)
    suptitle(fig, title)
    return fig


def _block(ax: Axes, x: float, height: float, text: str, *, y: float = 0.0, color: str = COLORS[0]) -> None:
    """A caixa de uma camada, centrada em (x, y)."""
    corner = (x - 0.42, y - height / 2)
    box = FancyBboxPatch(corner, 0.84, height, boxstyle="round,pad=0.04", facecolor="#DCEAF5", edgecolor=color)
    ax.add_patch(box)
    # Três linhas ("constante, 4×4, 1024") pedem uma caixa mais alta que duas.
    if height < ROOM_FOR_TEXT + 0.1 * (text.count("\n") - 1):
        ax.text(x, y - height / 2 - 0.07, text, ha="center", va="top", fontsize=9)
    else:
        ax.text(x, y, text, ha="center", va="center", fontsize=9)


def _arrow(ax: Axes, x: float, note: str) -> None:
    """A seta que chega à caixa centrada em (x, 0), com o seu texto por cima."""
    arrow = {"arrowstyle": "->", "color": "#444444", "linewidth": 1.2}
    ax.annotate("", xy=(x - 0.5, 0), xytext=(x - 1.1, 0), arrowprops=arrow)
    if note:
        ax.text(x - 0.8, 0.1, note, ha="center", va="bottom", fontsize=7.5, color="#444444")


@course_style()
def graph_diagram(
    nodes: Mapping[str, tuple[str, float, float]],
    edges: Sequence[tuple[str, str, str]],
    *,
    title: str = "",
    plain: Collection[str] = (),
    losses: Sequence[tuple[str, str, str]] = (),
) -> Figure:
    """Diagrama de um jogo de redes: uma caixa por rede, em qualquer lugar do plano, e as setas por onde passa a imagem.

    Args:
        nodes: nome → (texto, coluna, linha); as linhas crescem para cima.
        edges: (de, para, texto) de cada seta.
        title: título.
        plain: nomes do que é dado, e não rede: só o texto, sem caixa cheia.
        losses: (de, para, texto) do que uma perda compara: um arco tracejado, sem seta.

    Raises:
        ValueError: não há nós, ou uma seta parte de um nó que não existe, ou chega a um.
    """
    checks.not_empty(nodes, "nodes")
    for start, end, _ in (*edges, *losses):
        checks.require(start in nodes and end in nodes, f"edges: não há o nó {start!r} ou o nó {end!r}")
    places = {name: (STRIDE * column, row) for name, (_, column, row) in nodes.items()}
    columns, rows = zip(*places.values(), strict=True)
    width, height = max(columns) - min(columns) + 2, max(rows) - min(rows) + 1.4
    fig, ax = subplots(data=False, figsize=(0.86 * width + 0.4, 0.86 * height + 0.3))
    ax.set_axis_off()
    boxes = {}
    for name, (text, _, _) in nodes.items():
        face, edge = ("white", "#AAAAAA") if name in plain else ("#DCEAF5", COLORS[0])
        box = {"boxstyle": "round,pad=0.45", "facecolor": face, "edgecolor": edge}
        boxes[name] = ax.text(*places[name], text, ha="center", va="center", fontsize=9, bbox=box)
    for kind, (start, end, text) in [("->", edge) for edge in edges] + [("-", loss) for loss in losses]:
        ends = {"patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()}
        _link(ax, places[start], places[end], text, {"arrowstyle": kind, "shrinkA": 3, "shrinkB": 3, **ends})
    ax.set_xlim(min(columns) - 1, max(columns) + 1)
    ax.set_ylim(min(rows) - 0.7, max(rows) + 0.7)
    suptitle(fig, title)
    return fig


def _link(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str, arrow: Mapping[str, object]
) -> None:
    """A seta de ``start`` a ``end``, ou o arco tracejado se ela não tem ponta, com o seu texto no meio."""
    directed = arrow["arrowstyle"] == "->"
    bend, color, style = (0.0, "#444444", "-") if directed else (0.16, COLORS[1], "--")
    line = {"color": color, "linestyle": style, "linewidth": 1.2, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", xy=end, xytext=start, arrowprops={**arrow, **line})
    if text:
        # O arco do matplotlib passa a meia curvatura da corda, à direita de quem vai.
        dx, dy = end[0] - start[0], end[1] - start[1]
        x, y = (start[0] + end[0]) / 2 + bend * dy / 2, (start[1] + end[1]) / 2 - bend * dx / 2
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        ax.text(x, y, text, ha="center", va="center", fontsize=7.5, color=color, bbox=box)
