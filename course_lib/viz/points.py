"""Nuvens de pontos no plano, e pontos com nome."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.transforms import Bbox
from torch import Tensor

from course_lib import checks
from course_lib.viz.style import (
    COLORS,
    GRAY,
    course_style,
    finish,
    finish_panel,
    legend_below,
    panel_grid,
    subplots,
    suptitle,
    to_numpy,
)

CLASS_COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F3C8D", "#8C6D31", "#666666", "#B8B000",
)  # fmt: skip
# Onde escrever um nome em relação ao seu ponto: deslocamento em pontos tipográficos e alinhamento, do melhor ao pior.
LABEL_SIDES = (
    ((7, 0), "left", "center"), ((-7, 0), "right", "center"), ((0, -7), "center", "top"), ((0, 7), "center", "bottom")
)  # fmt: skip


@course_style()
def scatter(
    clouds: Mapping[str, Tensor | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    equal: bool = True,
) -> Figure:
    """Nuvens de pontos (N, 2) rotuladas, nos mesmos eixos."""
    fig, ax = subplots(figsize=(5.0, 4.4))
    for index, (label, points) in enumerate(clouds.items()):
        xy = to_numpy(points)
        ax.scatter(xy[:, 0], xy[:, 1], s=7, alpha=0.6, color=COLORS[index % len(COLORS)], linewidths=0, label=label)
    if equal:
        ax.set_aspect("equal")
    finish(ax, title, xlabel, ylabel, legend=len(clouds) > 1)
    return fig


@course_style()
def scatter_panels(
    panels: Mapping[str, Mapping[str, Tensor | np.ndarray]], *, n_cols: int = 4, title: str = ""
) -> Figure:
    """Um quadro de dispersão por entrada, todos com os mesmos eixos: as mesmas nuvens em instantes ou casos diferentes.

    Args:
        panels: título do quadro → (rótulo → (N, 2)); as cores seguem a ordem dos rótulos do primeiro quadro.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros.
    """
    checks.not_empty(panels, "panels")
    fig, axes = panel_grid(len(panels), n_cols, cell=(1.9, 2.0), margin=(0, 0.7))
    for ax, (name, clouds) in zip(axes, panels.items(), strict=True):
        for index, (label, points) in enumerate(clouds.items()):
            xy = to_numpy(points)
            ax.scatter(xy[:, 0], xy[:, 1], s=4, alpha=0.6, color=COLORS[index % len(COLORS)], linewidths=0, label=label)
        ax.set_aspect("equal")
        finish_panel(ax, name)
    labels = axes[0].get_legend_handles_labels()[1]
    if len(labels) > 1:
        legend_below(fig, axes[0], ncols=len(labels), markerscale=3)
    suptitle(fig, title)
    return fig


@course_style()
def embedding(
    points: Tensor | np.ndarray,
    labels: Tensor,
    *,
    title: str = "",
    xlabel: str = "dimensão 1",
    ylabel: str = "dimensão 2",
    kind: str = "dígito",
) -> Figure:
    """Pontos no plano, uma cor por classe e o nome da classe escrito no seu centro.

    O nome escrito faz a figura servir também a quem não distingue as dez cores.

    Args:
        points: (N, 2).
        labels: (N,), inteiros.
        title: título.
        xlabel: eixo horizontal.
        ylabel: eixo vertical.
        kind: o que é uma classe, para a legenda.

    Raises:
        ValueError: ``points`` não é (N, 2), ou o número de rótulos difere.
    """
    xy = to_numpy(points)
    classes = to_numpy(labels)
    checks.shape(xy, "points", "N", 2)
    checks.shape(classes, "labels", len(xy))
    fig, ax = subplots(figsize=(5.6, 5.0))
    values = np.unique(classes)
    centers = np.array([np.median(xy[classes == value], axis=0) for value in values])
    for value, (x, y) in zip(values, _spread(centers, np.ptp(xy, axis=0)), strict=True):
        members = xy[classes == value]
        color = CLASS_COLORS[int(value) % len(CLASS_COLORS)]
        ax.scatter(members[:, 0], members[:, 1], s=5, alpha=0.55, color=color, linewidths=0, label=f"{kind} {value}")
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": color, "alpha": 0.9}
        ax.text(x, y, str(value), fontsize=10, fontweight="bold", color="black", ha="center", va="center", bbox=box)
    ax.legend(markerscale=3, loc="center left", bbox_to_anchor=(1.0, 0.5))
    finish(ax, title, xlabel, ylabel, legend=False)
    return fig


def _spread(centers: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Os centros (N, 2), com os que se cobririam afastados na vertical; ``extent`` é o tamanho da figura nos eixos."""
    width, height = 0.05 * extent
    placed = centers.copy()
    upwards = np.argsort(centers[:, 1])
    for k, one in enumerate(upwards):
        for below in upwards[:k]:
            if abs(placed[one, 0] - placed[below, 0]) < width:
                placed[one, 1] = max(placed[one, 1], placed[below, 1] + height)
    return placed


@course_style()
def labelled_points(
    points: Mapping[str, tuple[float, float]],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    logx: bool = False,
    logy: bool = False,
    hline: tuple[float, str] | None = None,
) -> Figure:
    """Um ponto por entrada, com o nome escrito ao lado: uma medida contra outra.

    Args:
        points: nome → (x, y).
        title: título.
        xlabel: eixo horizontal, com a unidade.
        ylabel: eixo vertical, com a unidade.
        logx: escala logarítmica no eixo horizontal.
        logy: escala logarítmica no eixo vertical.
        hline: altura e rótulo de uma linha horizontal de referência.

    Raises:
        ValueError: não há pontos.
    """
    checks.not_empty(points, "points")
    fig, ax = subplots(figsize=(6.8, 4.4))
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    xy = np.array(list(points.values()), dtype=float)
    ax.scatter(xy[:, 0], xy[:, 1], s=36, color=COLORS[0], zorder=3)
    if hline is not None:
        ax.axhline(hline[0], color=GRAY, linestyle=(0, (1, 2)), label=hline[1])
    ax.margins(x=0.18, y=0.12)
    finish(ax, title, xlabel, ylabel, legend=hline is not None)
    # O lado de cada nome depende de onde os pontos caem na figura, e só o desenho diz isso.
    fig.draw_without_rendering()
    _write_names(ax, points)
    return fig


def _write_names(ax: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Cada nome vai para o lado em que encosta menos noutros nomes, noutros pontos e nos eixos."""
    obstacles = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in ax.transData.transform(list(points.values()))]
    for name, point in points.items():
        labels = [
            ax.annotate(name, point, xytext=offset, textcoords="offset points", fontsize=8, ha=ha, va=va)
            for offset, ha, va in LABEL_SIDES
        ]
        boxes = [label.get_window_extent() for label in labels]
        touches = [sum(map(box.overlaps, obstacles)) + (box.x0 < ax.bbox.x0) + (box.y0 < ax.bbox.y0) for box in boxes]
        best = touches.index(min(touches))
        obstacles.append(boxes[best])
        for label in labels[:best] + labels[best + 1 :]:
            label.remove()


@course_style()
def ball_panels(
    panels: Mapping[str, tuple[Tensor, Tensor, Tensor]], *, labels: tuple[str, str], n_cols: int = 3, title: str = ""
) -> Figure:
    """Um quadro por entrada: as bolas de uma nuvem e, por cima, os pontos de outra, os de fora marcados com um x.

    Args:
        panels: título do quadro → (nuvem (M, 2), raios (M,), pontos (N, 2)).
        labels: o nome dos pontos que caem dentro de alguma bola, e o dos que ficam fora.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou a nuvem e os raios de algum não combinam.
    """
    checks.not_empty(panels, "panels")
    for name, (cloud, radii, points) in panels.items():
        checks.shape(cloud, f"panels[{name!r}], nuvem", "M", 2)
        checks.shape(radii, f"panels[{name!r}], raios", len(cloud))
        checks.shape(points, f"panels[{name!r}], pontos", "N", 2)
    fig, axes = panel_grid(len(panels), n_cols, cell=(2.9, 2.3), margin=(0, 0.7))
    for ax, (name, (cloud, radii, points)) in zip(axes, panels.items(), strict=True):
        # Juntas num desenho só: com um por bola, a figura levaria segundos.
        balls = [Circle(center, radius) for center, radius in zip(cloud.tolist(), radii.tolist(), strict=True)]
        ax.add_collection(PatchCollection(balls, facecolor=COLORS[5], alpha=0.18, linewidth=0))
        inside = to_numpy((torch.cdist(points, cloud) <= radii).any(1))
        xy = to_numpy(points)
        for members, marker, color, label in (
            (inside, "o", COLORS[0], labels[0]),
            (~inside, "x", COLORS[1], labels[1]),
        ):
            ax.scatter(xy[members, 0], xy[members, 1], s=11, marker=marker, color=color, linewidths=0.9, label=label)
        ax.set_aspect("equal")
        finish_panel(ax, name)
    legend_below(fig, axes[0], ncols=2)
    suptitle(fig, title)
    return fig


@course_style()
def cloud_panels(
    panels: Mapping[str, tuple[Tensor, Tensor, Tensor]],
    *,
    n_cols: int = 2,
    title: str = "",
    xlabel: str = "$z_0$",
    ylabel: str = "$z_1$",
    kind: str = "dígito",
) -> Figure:
    """Um quadro por entrada: uma elipse por gaussiana do plano, da cor da sua classe, e a normal padrão tracejada.

    Cada elipse tem por semieixos os desvios da sua gaussiana; os círculos tracejados são os de um e de dois desvios da
    normal padrão.

    Args:
        panels: título do quadro → (médias (N, 2), desvios (N, 2), classes (N,)).
        n_cols: quadros por linha.
        title: título da figura.
        xlabel: eixo horizontal.
        ylabel: eixo vertical.
        kind: o que é uma classe, para a legenda.

    Raises:
        ValueError: não há quadros, ou as formas de algum não combinam.
    """
    checks.not_empty(panels, "panels")
    for name, (means, deviations, labels) in panels.items():
        checks.shape(means, f"panels[{name!r}], médias", "N", 2)
        checks.same_shape(f"panels[{name!r}], médias e desvios", means, deviations)
        checks.shape(labels, f"panels[{name!r}], classes", len(means))
    fig, axes = panel_grid(len(panels), n_cols, cell=(3.4, 3.3), margin=(1.2, 0.5))
    drawn: dict[int, EllipseCollection] = {}
    for ax, (name, (means, deviations, labels)) in zip(axes, panels.items(), strict=True):
        for radius in (1.0, 2.0):
            ax.add_patch(Circle((0, 0), radius, fill=False, color=GRAY, linestyle="--", linewidth=1, zorder=3))
        classes = to_numpy(labels)
        for value in np.unique(classes):
            members = classes == value
            widths, heights = (2 * to_numpy(deviations)[members]).T
            color = CLASS_COLORS[int(value) % len(CLASS_COLORS)]
            ellipses = EllipseCollection(
                widths,
                heights,
                np.zeros(members.sum()),
                units="xy",
                offsets=to_numpy(means)[members],
                offset_transform=ax.transData,
                facecolor=to_rgba(color, 0.25),
                edgecolor=color,
                linewidth=0.6,
            )
            drawn.setdefault(int(value), ax.add_collection(ellipses))
        # Uma coleção de elipses não alarga os eixos sozinha.
        ax.update_datalim(np.concatenate([to_numpy(means + deviations), to_numpy(means - deviations)]))
        ax.update_datalim([(-2, -2), (2, 2)])
        ax.autoscale_view()
        ax.set_aspect("equal")
        finish_panel(ax, name)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
    values = sorted(drawn)
    handles = [Circle((0, 0), 1, color=CLASS_COLORS[value % len(CLASS_COLORS)], alpha=0.6) for value in values]
    fig.legend(handles, [f"{kind} {value}" for value in values], loc="outside right center")
    suptitle(fig, title)
    return fig
