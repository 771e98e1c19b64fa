"""Toda figura estática do curso. Só este módulo importa o matplotlib.

As funções desenham numa figura nova do pyplot e não devolvem nada: num caderno ela aparece sob a célula; num script,
``viz.save("figura.png")`` a grava.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.ticker import FuncFormatter, LogFormatter, LogFormatterMathtext, MaxNLocator
from matplotlib.transforms import Bbox
from torch import Tensor

from course_lib import runtime
from course_lib.models.layers import IMAGE_SHAPE
from course_lib.training.history import History

# Paleta de Okabe e Ito, legível para quem não distingue vermelho de verde; linhas também diferem no traço.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Onde escrever um nome em relação ao seu ponto: deslocamento em pontos tipográficos e alinhamento, do melhor ao pior.
LABEL_SIDES = (
    ((7, 0), "left", "center"), ((-7, 0), "right", "center"), ((0, -7), "center", "top"), ((0, 7), "center", "bottom")
)  # fmt: skip
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), "-")
CLASS_COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F3C8D", "#8C6D31", "#666666", "#B8B000",
)  # fmt: skip

# O que não é imagem, num mosaico, é papel.
_GRAY_ON_WHITE = plt.get_cmap("gray").with_extremes(bad="white")
_SIDE = IMAGE_SHAPE[-1]
_GAP = 2

plt.rcParams.update(
    {
        "figure.dpi": 110,
        # Fundo branco também no modo escuro do livro: as imagens do MNIST são pretas e sumiriam num fundo escuro.
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.labelsize": 10,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "image.cmap": "gray",
        "figure.constrained_layout.use": True,
    }
)


def save(target: str | Path | BinaryIO) -> None:
    """Grava a última figura desenhada num caminho ou num arquivo aberto, e a fecha."""
    plt.savefig(target)
    plt.close()


def image_grid(images: Tensor, *, n_cols: int = 10, title: str = "", captions: Sequence[str] | None = None) -> None:
    """Imagens em grade, da esquerda para a direita.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        n_cols: colunas.
        title: título da figura.
        captions: legenda curta de cada imagem.

    Raises:
        ValueError: forma errada, ou número de legendas diferente do de imagens.
    """
    runtime.require_images(images, "images", in_range=False)
    n = len(images)
    runtime.require(
        captions is None or len(captions) == n, f"captions: vieram {len(captions or ())}; esperava {n}, uma por imagem"
    )
    n_cols = min(n_cols, n)
    rows = [images[start : start + n_cols] for start in range(0, n, n_cols)]
    gap = 10 if captions else _GAP
    ax = _mosaic(rows, cell=0.72, gap=gap, margin=(0, 0.55 if captions else 0.35))
    for index, caption in enumerate(captions or ()):
        row, column = divmod(index, n_cols)
        x, y = _cell_centre(row, column, gap)
        ax.text(x, y - _SIDE / 2 - 1, caption, ha="center", va="bottom", fontsize=8)
    _suptitle(ax.figure, title)


def strips(rows: Mapping[str, Tensor], *, title: str = "", captions: Sequence[str] | None = None) -> None:
    """Uma fileira rotulada de imagens por entrada: original e reconstrução, ou um caminho no espaço latente.

    Args:
        rows: rótulo → (N, 1, 28, 28) em [-1, 1], o mesmo N em todas.
        title: título da figura.
        captions: legenda de cada coluna.

    Raises:
        ValueError: não há fileiras, ou elas têm tamanhos diferentes.
    """
    runtime.require(len(rows) > 0, "rows: não veio nenhuma fileira")
    for label, images in rows.items():
        runtime.require_images(images, f"rows[{label!r}]", in_range=False)
    lengths = {label: len(images) for label, images in rows.items()}
    runtime.require(len(set(lengths.values())) == 1, f"rows: fileiras de tamanhos diferentes: {lengths}")
    n = next(iter(lengths.values()))
    runtime.require(
        captions is None or len(captions) == n, f"captions: vieram {len(captions or ())}; esperava {n}, uma por coluna"
    )
    label_width = 0.35 + 0.085 * max(len(label) for label in rows)
    ax = _mosaic(list(rows.values()), cell=0.78, gap=_GAP, margin=(label_width, 0.55))
    ax.set_yticks([_cell_centre(row, 0, _GAP)[1] for row in range(len(rows))], list(rows), fontsize=9)
    if captions is not None:
        ax.set_xticks([_cell_centre(0, column, _GAP)[0] for column in range(n)], captions, fontsize=8)
    _suptitle(ax.figure, title)


def latent_traversal(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    dims: Sequence[int],
    *,
    span: float = 3.0,
    n: int = 9,
    title: str = "",
) -> None:
    """Decodifica ``z`` mudando uma coordenada de cada vez de ``-span`` a ``span``: uma fileira por coordenada.

    Args:
        decode: leva (B, latent_dim) em imagens (B, 1, 28, 28).
        z: (latent_dim,), o ponto de partida.
        dims: coordenadas a percorrer.
        span: até onde ir, para os dois lados.
        n: imagens por fileira.
        title: título da figura.

    Raises:
        ValueError: ``z`` não é um vetor, ou uma coordenada não existe.
    """
    runtime.require(z.ndim == 1, f"z: veio forma {tuple(z.shape)}; esperava (latent_dim,)")
    for dim in dims:
        runtime.require(0 <= dim < len(z), f"dims: a coordenada {dim} não existe; elas vão de 0 a {len(z) - 1}")
    values = torch.linspace(-span, span, n, device=z.device)
    rows = {}
    with torch.no_grad():
        for dim in dims:
            points = z.repeat(n, 1)
            points[:, dim] = values
            rows[f"$z_{{{dim}}}$"] = decode(points)
    strips(rows, title=title, captions=[_comma(f"{value:.1f}") for value in values.tolist()])


def histories(
    curves_by_label: Mapping[str, History] | History,
    *,
    terms: Sequence[str] | None = None,
    title: str = "",
    ylabel: str = "perda (média da época)",
    names: Mapping[str, str] | None = None,
) -> None:
    """Termos de um ou mais históricos, época a época.

    Args:
        curves_by_label: um histórico, ou rótulo → histórico.
        terms: termos a desenhar; todos quando faltam.
        title: título da figura.
        ylabel: eixo vertical, com a unidade.
        names: nome em português de cada termo.
    """
    single = isinstance(curves_by_label, History)
    by_label = {"": curves_by_label} if single else curves_by_label
    series = {}
    for label, history in by_label.items():
        for term in terms or history.terms:
            name = (names or {}).get(term, term)
            key = name if single else (label if len(terms or history.terms) == 1 else f"{label}: {name}")
            series[key] = (range(1, len(history) + 1), history[term])
    curves(series, title=title, xlabel="época", ylabel=ylabel, marker="o", integer_x=True)


def curves(
    series: Mapping[str, tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    marker: str | None = None,
    logx: bool = False,
    logy: bool = False,
    hline: tuple[float, str] | None = None,
    integer_x: bool = False,
) -> None:
    """Curvas rotuladas ``rótulo → (x, y)`` nos mesmos eixos.

    Args:
        series: rótulo → (abscissas, ordenadas).
        title: título.
        xlabel: eixo horizontal, com a unidade.
        ylabel: eixo vertical, com a unidade.
        marker: marcador do matplotlib nos pontos.
        logx: escala logarítmica no eixo horizontal.
        logy: escala logarítmica no eixo vertical.
        hline: altura e rótulo de uma linha horizontal de referência.
        integer_x: se as abscissas são contagens (épocas, componentes).
    """
    _, ax = plt.subplots(figsize=(6.4, 3.6))
    for index, (label, (x, y)) in enumerate(series.items()):
        ax.plot(
            _numpy(x),
            _numpy(y),
            label=label,
            color=COLORS[index % len(COLORS)],
            linestyle=DASHES[index % len(DASHES)],
            marker=marker,
            markersize=3,
        )
    if hline is not None:
        ax.axhline(hline[0], color="#666666", linestyle=(0, (1, 2)), label=hline[1])
        # O matplotlib não dá margem a uma linha que já cabe nos eixos, e ela pode cair em cima da moldura.
        ax.autoscale_view()
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    if integer_x:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(ax, title, xlabel, ylabel, legend=len(series) > 1 or hline is not None)


def bars(
    values: Mapping[str, float], *, title: str = "", ylabel: str = "", hline: tuple[float, str] | None = None
) -> None:
    """Uma barra por entrada, com o número em cima.

    Args:
        values: rótulo → altura.
        title: título.
        ylabel: eixo vertical, com a unidade.
        hline: altura e rótulo de uma linha horizontal de referência.
    """
    _, ax = plt.subplots(figsize=(max(4.0, 0.62 * len(values) + 1.2), 3.4))
    drawn = ax.bar(list(values), list(values.values()), color=COLORS[0])
    # Tantas casas quantas a maior barra pede: três algarismos nela, e nas pequenas nada de 8,95e-05.
    decimals = max(0, 2 - int(np.floor(np.log10(max(map(abs, values.values())) or 1.0))))
    labels = [f"{value:.{decimals}f}" for value in values.values()]
    labels = [label.rstrip("0").rstrip(".") if "." in label else label for label in labels]
    ax.bar_label(drawn, labels=[_comma(label) for label in labels], fontsize=8)
    ax.grid(axis="x", visible=False)
    if hline is not None:
        ax.axhline(hline[0], color=COLORS[1], linestyle="--", label=hline[1])
    _finish(ax, title, "", ylabel, legend=hline is not None, format_x=False)


def histogram(
    samples: Mapping[str, Tensor],
    *,
    bins: int = 60,
    title: str = "",
    xlabel: str = "",
    density: Mapping[str, tuple[Tensor, Tensor]] | None = None,
) -> None:
    """Histogramas normalizados sobrepostos, com curvas de densidade opcionais ``rótulo → (x, p(x))``."""
    _, ax = plt.subplots(figsize=(6.4, 3.4))
    for index, (label, values) in enumerate(samples.items()):
        ax.hist(_numpy(values).ravel(), bins=bins, density=True, alpha=0.45, color=COLORS[index], label=label)
    for index, (label, (x, p)) in enumerate((density or {}).items()):
        ax.plot(_numpy(x), _numpy(p), color=COLORS[(index + len(samples)) % len(COLORS)], label=label, linewidth=2)
    _finish(ax, title, xlabel, "densidade", legend=True)


def embedding(
    points: Tensor | np.ndarray,
    labels: Tensor,
    *,
    title: str = "",
    xlabel: str = "dimensão 1",
    ylabel: str = "dimensão 2",
    kind: str = "dígito",
) -> None:
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
    xy = _numpy(points)
    classes = _numpy(labels)
    runtime.require(xy.ndim == 2 and xy.shape[1] == 2, f"points: veio forma {xy.shape}; esperava (N, 2)")
    runtime.require(classes.shape == (len(xy),), f"labels: veio forma {classes.shape}; esperava ({len(xy)},)")
    _, ax = plt.subplots(figsize=(5.6, 5.0))
    values = np.unique(classes)
    centers = np.array([np.median(xy[classes == value], axis=0) for value in values])
    for value, (x, y) in zip(values, _spread(centers, np.ptp(xy, axis=0)), strict=True):
        members = xy[classes == value]
        color = CLASS_COLORS[int(value) % len(CLASS_COLORS)]
        ax.scatter(members[:, 0], members[:, 1], s=5, alpha=0.55, color=color, linewidths=0, label=f"{kind} {value}")
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": color, "alpha": 0.9}
        ax.text(x, y, str(value), fontsize=10, fontweight="bold", color="black", ha="center", va="center", bbox=box)
    ax.legend(markerscale=3, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _finish(ax, title, xlabel, ylabel, legend=False)


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


def scatter(
    clouds: Mapping[str, Tensor | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    equal: bool = True,
) -> None:
    """Nuvens de pontos (N, 2) rotuladas, nos mesmos eixos."""
    _, ax = plt.subplots(figsize=(5.0, 4.4))
    for index, (label, points) in enumerate(clouds.items()):
        xy = _numpy(points)
        ax.scatter(xy[:, 0], xy[:, 1], s=7, alpha=0.6, color=COLORS[index % len(COLORS)], linewidths=0, label=label)
    if equal:
        ax.set_aspect("equal")
    _finish(ax, title, xlabel, ylabel, legend=len(clouds) > 1)


def scatter_panels(
    panels: Mapping[str, Mapping[str, Tensor | np.ndarray]], *, n_cols: int = 4, title: str = ""
) -> None:
    """Um quadro de dispersão por entrada, todos com os mesmos eixos: as mesmas nuvens em instantes ou casos diferentes.

    Args:
        panels: título do quadro → (rótulo → (N, 2)); as cores seguem a ordem dos rótulos do primeiro quadro.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros.
    """
    runtime.require(len(panels) > 0, "panels: não veio nenhum quadro")
    fig, axes = _panel_grid(len(panels), n_cols, cell=(1.9, 2.0), margin=(0, 0.7))
    for ax, (name, clouds) in zip(axes, panels.items(), strict=True):
        for index, (label, points) in enumerate(clouds.items()):
            xy = _numpy(points)
            ax.scatter(xy[:, 0], xy[:, 1], s=4, alpha=0.6, color=COLORS[index % len(COLORS)], linewidths=0, label=label)
        ax.set_aspect("equal")
        _finish_panel(ax, name)
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=3)
    _suptitle(fig, title)


def labelled_points(
    points: Mapping[str, tuple[float, float]],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    logx: bool = False,
    logy: bool = False,
    hline: tuple[float, str] | None = None,
) -> None:
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
    runtime.require(len(points) > 0, "points: não veio nenhum ponto")
    fig, ax = plt.subplots(figsize=(6.8, 4.4))
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    xy = np.array(list(points.values()), dtype=float)
    ax.scatter(xy[:, 0], xy[:, 1], s=36, color=COLORS[0], zorder=3)
    if hline is not None:
        ax.axhline(hline[0], color="#666666", linestyle=(0, (1, 2)), label=hline[1])
    ax.margins(x=0.18, y=0.12)
    _finish(ax, title, xlabel, ylabel, legend=hline is not None)
    # Cada nome vai para o lado em que encosta menos noutros nomes, noutros pontos e nos eixos.
    fig.draw_without_rendering()
    obstacles = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in ax.transData.transform(xy)]
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


def ball_panels(
    panels: Mapping[str, tuple[Tensor, Tensor, Tensor]], *, labels: tuple[str, str], n_cols: int = 3, title: str = ""
) -> None:
    """Um quadro por entrada: as bolas de uma nuvem e, por cima, os pontos de outra, os de fora marcados com um x.

    Args:
        panels: título do quadro → (nuvem (M, 2), raios (M,), pontos (N, 2)).
        labels: o nome dos pontos que caem dentro de alguma bola, e o dos que ficam fora.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou a nuvem e os raios de algum não combinam.
    """
    runtime.require(len(panels) > 0, "panels: não veio nenhum quadro")
    for name, (cloud, radii, points) in panels.items():
        valid = cloud.ndim == points.ndim == 2 and cloud.shape[1] == points.shape[1] == 2 and len(cloud) == len(radii)
        shapes = ", ".join(str(tuple(value.shape)) for value in (cloud, radii, points))
        runtime.require(valid, f"panels[{name!r}]: vieram formas {shapes}; esperava (M, 2), (M,) e (N, 2)")
    fig, axes = _panel_grid(len(panels), n_cols, cell=(2.9, 2.3), margin=(0, 0.7))
    for ax, (name, (cloud, radii, points)) in zip(axes, panels.items(), strict=True):
        # Juntas num desenho só: com um por bola, a figura levaria segundos.
        balls = [Circle(center, radius) for center, radius in zip(cloud.tolist(), radii.tolist(), strict=True)]
        ax.add_collection(PatchCollection(balls, facecolor=COLORS[5], alpha=0.18, linewidth=0))
        inside = _numpy((torch.cdist(points, cloud) <= radii).any(1))
        xy = _numpy(points)
        for members, marker, color, label in (
            (inside, "o", COLORS[0], labels[0]),
            (~inside, "x", COLORS[1], labels[1]),
        ):
            ax.scatter(xy[members, 0], xy[members, 1], s=11, marker=marker, color=color, linewidths=0.9, label=label)
        ax.set_aspect("equal")
        _finish_panel(ax, name)
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=2)
    _suptitle(fig, title)


def arrow_panels(
    panels: Mapping[str, tuple[Tensor, Tensor]], *, cloud: Tensor | None = None, n_cols: int = 3, title: str = ""
) -> None:
    """Um quadro de setas por entrada, todos com os mesmos eixos e a mesma escala: um campo de vetores no plano.

    Args:
        panels: título do quadro → (pontos (N, 2), setas (N, 2)); cada seta sai do seu ponto, em tamanho natural.
        cloud: (M, 2), pontos desenhados por baixo em todos os quadros.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou pontos e setas de algum têm formas diferentes.
    """
    runtime.require(len(panels) > 0, "panels: não veio nenhum quadro")
    for name, (points, arrows) in panels.items():
        runtime.require(
            points.ndim == 2 and points.shape[1] == 2 and points.shape == arrows.shape,
            f"panels[{name!r}]: vieram formas {tuple(points.shape)} e {tuple(arrows.shape)}; esperava (N, 2) nas duas",
        )
    fig, axes = _panel_grid(len(panels), n_cols, cell=(2.9, 3.0), margin=(0, 0.4))
    for ax, (name, (points, arrows)) in zip(axes, panels.items(), strict=True):
        if cloud is not None:
            ax.scatter(*_numpy(cloud).T, s=4, alpha=0.35, color="#666666", linewidths=0)
        ax.quiver(
            *_numpy(points).T, *_numpy(arrows).T, color=COLORS[0], angles="xy", scale_units="xy", scale=1, width=0.005
        )
        ax.set_aspect("equal")
        _finish_panel(ax, name)
    _suptitle(fig, title)


def lattice_panels(panels: Mapping[str, tuple[Tensor, Tensor]], *, n_cols: int = 5, title: str = "") -> None:
    """Uma malha deformada por quadro, com a nuvem que ela carrega: o que uma função faz do plano.

    Args:
        panels: título do quadro → (malha (H, W, 2), nuvem (N, 2)); cada fileira e cada coluna da malha é uma linha.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou uma malha não é (H, W, 2).
    """
    runtime.require(len(panels) > 0, "panels: não veio nenhum quadro")
    for name, (lattice, _) in panels.items():
        valid = lattice.ndim == 3 and lattice.shape[2] == 2
        runtime.require(valid, f"panels[{name!r}]: veio forma {tuple(lattice.shape)}; esperava (H, W, 2)")
    fig, axes = _panel_grid(len(panels), n_cols, cell=(2.0, 2.1), margin=(0, 0.4))
    for ax, (name, (lattice, cloud)) in zip(axes, panels.items(), strict=True):
        ax.scatter(*_numpy(cloud).T, s=3, alpha=0.5, color=COLORS[1], linewidths=0, zorder=3)
        for line in [*_numpy(lattice), *_numpy(lattice).transpose(1, 0, 2)]:
            ax.plot(line[:, 0], line[:, 1], color=COLORS[0], linewidth=0.6)
        ax.set_aspect("equal")
        ax.grid(visible=False)
        _finish_panel(ax, name)
    _suptitle(fig, title)


def density_panels(panels: Mapping[str, Tensor], *, half: float, n_cols: int = 3, title: str = "") -> None:
    """Um mapa de densidade por quadro, todos na mesma escala de cor.

    Args:
        panels: título do quadro → (n, n), densidade no ponto (x, y) em [i, j], com x e y de ``-half`` a ``half``.
        half: metade do lado da região.
        n_cols: quadros por linha.
        title: título da figura.

    Raises:
        ValueError: não há quadros, ou um mapa não é uma matriz.
    """
    runtime.require(len(panels) > 0, "panels: não veio nenhum quadro")
    for name, values in panels.items():
        runtime.require(values.ndim == 2, f"panels[{name!r}]: veio forma {tuple(values.shape)}; esperava (n, n)")
    fig, axes = _panel_grid(len(panels), n_cols, cell=(2.6, 2.6), margin=(0.8, 0.4))
    highest = max(float(values.max()) for values in panels.values())
    for ax, (name, values) in zip(axes, panels.items(), strict=True):
        drawn = ax.imshow(
            _numpy(values).T, origin="lower", extent=(-half, half, -half, half), vmin=0, vmax=highest, cmap="cividis"
        )
        ax.grid(visible=False)
        _finish_panel(ax, name)
    bar = fig.colorbar(drawn, ax=axes, shrink=0.8, label="densidade")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _comma(f"{value:g}")))
    _suptitle(fig, title)


def flow_diagram(
    blocks: Sequence[tuple[str, int]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
    shortcuts: Sequence[tuple[int, int]] = (),
) -> None:
    """Diagrama de uma rede: uma caixa por camada, da entrada à saída, com altura que acompanha a largura da camada.

    Args:
        blocks: (texto, número de unidades) de cada camada.
        title: título.
        notes: texto escrito sobre cada seta (no máximo uma a menos que os blocos).
        shortcuts: pares (de, para) de blocos ligados também por uma seta tracejada que passa por cima dos outros.
    """
    # Quanto mais longe os blocos, mais alto o atalho passa: assim dois atalhos, um dentro do outro, não se cruzam.
    top = 0.66 + 0.12 * max((end - start for start, end in shortcuts), default=0)
    fig, ax = plt.subplots(figsize=(1.45 * len(blocks) + 0.4, 2.1 * (top + 0.62)))
    ax.set_axis_off()
    largest = max(size for _, size in blocks)
    tops = []
    for index, (text, size) in enumerate(blocks):
        height = 0.25 + 0.75 * np.log1p(size) / np.log1p(largest)
        tops.append(height / 2 + 0.05)
        x = index * 1.6
        box = FancyBboxPatch(
            (x - 0.42, -height / 2), 0.84, height, boxstyle="round,pad=0.04", facecolor="#DCEAF5", edgecolor=COLORS[0]
        )
        ax.add_patch(box)
        ax.text(x, 0, f"{text}\n{size}", ha="center", va="center", fontsize=9)
        if index:
            arrow = {"arrowstyle": "->", "color": "#444444", "linewidth": 1.2}
            ax.annotate("", xy=(x - 0.5, 0), xytext=(x - 1.1, 0), arrowprops=arrow)
            if index <= len(notes):
                ax.text(x - 0.8, 0.1, notes[index - 1], ha="center", va="bottom", fontsize=7.5, color="#444444")
    ax.set_xlim(-0.7, 1.6 * (len(blocks) - 1) + 0.7)
    for start, end in shortcuts:
        x_start, x_end, height = 1.6 * start, 1.6 * end, 0.58 + 0.12 * (end - start)
        line = {"color": COLORS[1], "linestyle": "--", "linewidth": 1.2}
        ax.plot([x_start, x_start, x_end], [tops[start], height, height], **line)
        ax.annotate("", xy=(x_end, tops[end]), xytext=(x_end, height), arrowprops={"arrowstyle": "->", **line})
    ax.set_ylim(-0.62, top)
    _suptitle(fig, title)


def _cell_centre(row: int, column: int, gap: int) -> tuple[float, float]:
    """Centro (x, y), em pixels do mosaico, da imagem na fileira ``row`` e na coluna ``column``."""
    return column * (_SIDE + _GAP) + (_SIDE - 1) / 2, row * (_SIDE + gap) + (_SIDE - 1) / 2


def _mosaic(rows: Sequence[Tensor], *, cell: float, gap: int, margin: tuple[float, float]) -> Axes:
    """Fileiras de imagens (N, 1, 28, 28) num desenho só: com um par de eixos por imagem, uma grade levaria segundos.

    Args:
        rows: as fileiras; a última pode ser mais curta.
        cell: lado de cada imagem na figura, em polegadas.
        gap: pixels entre duas fileiras; entre duas colunas são ``_GAP``.
        margin: largura e altura, em polegadas, do que a figura tem além das imagens.
    """
    n_cols = max(len(row) for row in rows)
    canvas = np.full((len(rows) * (_SIDE + gap) - gap, n_cols * (_SIDE + _GAP) - _GAP), np.nan)
    for i, row in enumerate(rows):
        for j, image in enumerate(_numpy(row)):
            top, left = i * (_SIDE + gap), j * (_SIDE + _GAP)
            canvas[top : top + _SIDE, left : left + _SIDE] = image[0]
    height, width = (cell * side / _SIDE for side in canvas.shape)
    _, ax = plt.subplots(figsize=(width + margin[0], height + margin[1]))
    ax.imshow(np.ma.masked_invalid(canvas), vmin=-1, vmax=1, interpolation="nearest", cmap=_GRAY_ON_WHITE)
    ax.set(xticks=[], yticks=[])
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def _panel_grid(
    n: int, n_cols: int, *, cell: tuple[float, float], margin: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    """Figura e ``n`` quadros de mesmos eixos, em linhas de ``n_cols``; ``cell`` e ``margin`` em polegadas."""
    n_cols = min(n_cols, n)
    n_rows = -(-n // n_cols)
    size = (n_cols * cell[0] + margin[0], n_rows * cell[1] + margin[1])
    fig, axes = plt.subplots(n_rows, n_cols, figsize=size, squeeze=False, sharex=True, sharey=True)
    for ax in axes.flat[n:]:
        ax.axis("off")
    return fig, list(axes.flat[:n])


def _suptitle(fig, title: str) -> None:
    if title:
        fig.suptitle(title, fontsize=11, fontweight="bold")


def _finish(ax: Axes, title: str, xlabel: str, ylabel: str, *, legend: bool, format_x: bool = True) -> None:
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    decimal_comma = FuncFormatter(lambda value, _: _comma(f"{value:g}"))
    if format_x and ax.get_xscale() == "linear":
        ax.xaxis.set_major_formatter(decimal_comma)
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_formatter(decimal_comma)
    for axis, scale in ((ax.xaxis, ax.get_xscale()), (ax.yaxis, ax.get_yscale())):
        if scale == "log":
            axis.set_major_formatter(_PlainPowers())
            axis.set_minor_formatter(_PlainLog(minor_thresholds=(1, 0.4)))
    if legend:
        ax.legend()


def _finish_panel(ax: Axes, name: str) -> None:
    """Um quadro entre vários: título discreto, sem nomes nos eixos."""
    _finish(ax, name, "", "", legend=False)
    ax.title.set(fontsize=9, fontweight="normal")


class _PlainLog(LogFormatter):
    """Numa escala logarítmica de menos de uma década, "6" e "0,6" em lugar de 6 × 10⁰ e 6 × 10⁻¹."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        # O matplotlib decide quais marcas têm número; como se escreve o número é conosco.
        return _comma(f"{x:g}") if super().__call__(x, pos) else ""


class _PlainPowers(LogFormatterMathtext):
    """Numa escala logarítmica de menos de duas décadas, "10" em lugar de 10¹, como as marcas do meio."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        low, high = self.axis.get_view_interval()
        return _comma(f"{x:g}") if high < 100 * low else super().__call__(x, pos)


def _comma(number: str) -> str:
    return number.replace(".", ",")


def _numpy(values) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
