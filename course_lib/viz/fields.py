"""O que uma função faz do plano: setas, malhas deformadas e mapas de densidade."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from course_lib import checks
from course_lib.viz.style import COLORS, GRAY, course_style, decimal_comma, finish_panel, panel_grid, suptitle, to_numpy


@course_style()
def arrow_panels(
    panels: Mapping[str, tuple[Tensor, Tensor]], *, cloud: Tensor | None = None, n_cols: int = 3, title: str = ""
) -> Figure:
    """Um quadro de setas por entrada, todos com os mesmos eixos e a mesma escala: um campo de vetores no plano.

    Args:
        panels: título do quadro → (pontos (N, 2), setas (N, 2)); cada seta sai do seu ponto, em tamanho natural.
        cloud: (M, 2), pontos desenhados por baixo em todos os quadros.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou pontos e setas de algum têm formas diferentes.
    """
    checks.not_empty(panels, "panels")
    for name, (points, arrows) in panels.items():
        checks.shape(points, f"panels[{name!r}], pontos", "N", 2)
        checks.same_shape(f"panels[{name!r}], pontos e setas", points, arrows)
    fig, axes = panel_grid(len(panels), n_cols, cell=(2.9, 3.0), margin=(0, 0.4))
    for ax, (name, (points, arrows)) in zip(axes, panels.items(), strict=True):
        if cloud is not None:
            ax.scatter(*to_numpy(cloud).T, s=4, alpha=0.35, color=GRAY, linewidths=0)
        ax.quiver(
            *to_numpy(points).T,
            *to_numpy(arrows).T,
            color=COLORS[0],
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.005,
        )
        ax.set_aspect("equal")
        finish_panel(ax, name)
    suptitle(fig, title)
    return fig


@course_style()
def lattice_panels(panels: Mapping[str, tuple[Tensor, Tensor]], *, n_cols: int = 5, title: str = "") -> Figure:
    """Uma malha deformada por quadro, com a nuvem que ela carrega: o que uma função faz do plano.

    Args:
        panels: título do quadro → (malha (H, W, 2), nuvem (N, 2)); cada fileira e cada coluna da malha é uma linha.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou uma malha não é (H, W, 2).
    """
    checks.not_empty(panels, "panels")
    for name, (lattice, _) in panels.items():
        checks.shape(lattice, f"panels[{name!r}]", "H", "W", 2)
    fig, axes = panel_grid(len(panels), n_cols, cell=(2.0, 2.1), margin=(0, 0.4))
    for ax, (name, (lattice, cloud)) in zip(axes, panels.items(), strict=True):
        ax.scatter(*to_numpy(cloud).T, s=3, alpha=0.5, color=COLORS[1], linewidths=0, zorder=3)
        for line in [*to_numpy(lattice), *to_numpy(lattice).transpose(1, 0, 2)]:
            ax.plot(line[:, 0], line[:, 1], color=COLORS[0], linewidth=0.6)
        ax.set_aspect("equal")
        ax.grid(visible=False)
        finish_panel(ax, name)
    suptitle(fig, title)
    return fig


@course_style()
def density_panels(panels: Mapping[str, Tensor], *, half: float, n_cols: int = 3, title: str = "") -> Figure:
    """Um mapa de densidade por quadro, todos na mesma escala de cor.

    Args:
        panels: título do quadro → (n, n), densidade no ponto (x, y) em [i, j], com x e y de ``-half`` a ``half``.
        half: metade do lado da região.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou um mapa não é uma matriz.
    """
    checks.not_empty(panels, "panels")
    for name, values in panels.items():
        checks.shape(values, f"panels[{name!r}]", "n", "n")
    fig, axes = panel_grid(len(panels), n_cols, cell=(2.6, 2.6), margin=(0.8, 0.4))
    highest = max(float(values.max()) for values in panels.values())
    for ax, (name, values) in zip(axes, panels.items(), strict=True):
        drawn = ax.imshow(
            to_numpy(values).T, origin="lower", extent=(-half, half, -half, half), vmin=0, vmax=highest, cmap="cividis"
        )
        ax.grid(visible=False)
        finish_panel(ax, name)
    bar = fig.colorbar(drawn, ax=axes, shrink=0.8, label="densidade")
    bar.ax.yaxis.set_major_formatter(decimal_comma())
    suptitle(fig, title)
    return fig
