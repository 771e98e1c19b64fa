"""Imagens lado a lado: grades e fileiras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_lib import checks
from course_lib.text import number
from course_lib.viz.style import course_style, subplots, suptitle, to_numpy

# O que não é imagem, num mosaico, é papel.
_GRAY_ON_WHITE = mpl.colormaps["gray"].with_extremes(bad="white")
_SIDE = checks.IMAGE_SHAPE[-1]
_GAP = 2


@course_style()
def image_grid(images: Tensor, *, n_cols: int = 10, title: str = "", captions: Sequence[str] | None = None) -> Figure:
    """Imagens em grade, da esquerda para a direita.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        n_cols: colunas.
        title: título da figura.
        captions: legenda curta de cada imagem.

    Raises:
        ValueError: forma errada, imagem nenhuma, ou número de legendas diferente do de imagens.
    """
    checks.images(images, "images", in_range=False)
    checks.not_empty(images, "images")
    n_cols = checks.integer(n_cols, "n_cols")
    n = len(images)
    if captions is not None:
        checks.count(captions, "captions", n, "legendas, uma por imagem")
    n_cols = min(n_cols, n)
    rows = [images[start : start + n_cols] for start in range(0, n, n_cols)]
    gap = 10 if captions else _GAP
    fig, ax = _mosaic(rows, cell=0.72, gap=gap, margin=(0, 0.55 if captions else 0.35))
    for index, caption in enumerate(captions or ()):
        row, column = divmod(index, n_cols)
        x, y = _cell_centre(row, column, gap)
        ax.text(x, y - _SIDE / 2 - 1, caption, ha="center", va="bottom", fontsize=8)
    suptitle(fig, title)
    return fig


@course_style()
def strips(rows: Mapping[str, Tensor], *, title: str = "", captions: Sequence[str] | None = None) -> Figure:
    """Uma fileira rotulada de imagens por entrada: original e reconstrução, ou um caminho no espaço latente.

    Args:
        rows: rótulo → (N, 1, 28, 28) em [-1, 1], o mesmo N em todas.
        title: título da figura.
        captions: legenda de cada coluna.

    Raises:
        ValueError: não há fileiras, ou elas têm tamanhos diferentes.
    """
    checks.not_empty(rows, "rows")
    for label, images in rows.items():
        checks.images(images, f"rows[{label!r}]", in_range=False)
        checks.not_empty(images, f"rows[{label!r}]")
    lengths = {label: len(images) for label, images in rows.items()}
    checks.require(len(set(lengths.values())) == 1, f"rows: fileiras de tamanhos diferentes: {lengths}")
    n = next(iter(lengths.values()))
    if captions is not None:
        checks.count(captions, "captions", n, "legendas, uma por coluna")
    label_width = 0.35 + 0.085 * max(len(label) for label in rows)
    fig, ax = _mosaic(list(rows.values()), cell=0.78, gap=_GAP, margin=(label_width, 0.55))
    ax.set_yticks([_cell_centre(row, 0, _GAP)[1] for row in range(len(rows))], list(rows), fontsize=9)
    if captions is not None:
        ax.set_xticks([_cell_centre(0, column, _GAP)[0] for column in range(n)], captions, fontsize=8)
    suptitle(fig, title)
    return fig


def latent_traversal(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    dims: Sequence[int],
    *,
    span: float = 3.0,
    n: int = 9,
    title: str = "",
) -> Figure:
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
    checks.shape(z, "z", "latent_dim")
    for dim in dims:
        checks.integer(dim, "dims", low=0, high=len(z) - 1)
    values = torch.linspace(-span, span, n, device=z.device)
    rows = {}
    with torch.no_grad():
        for dim in dims:
            points = z.repeat(n, 1)
            points[:, dim] = values
            rows[f"$z_{{{dim}}}$"] = decode(points)
    return strips(rows, title=title, captions=[number(value, ".1f") for value in values.tolist()])


def _cell_centre(row: int, column: int, gap: int) -> tuple[float, float]:
    """Centro (x, y), em pixels do mosaico, da imagem na fileira ``row`` e na coluna ``column``."""
    return column * (_SIDE + _GAP) + (_SIDE - 1) / 2, row * (_SIDE + gap) + (_SIDE - 1) / 2


def _mosaic(rows: Sequence[Tensor], *, cell: float, gap: int, margin: tuple[float, float]) -> tuple[Figure, Axes]:
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
        for j, image in enumerate(to_numpy(row)):
            top, left = i * (_SIDE + gap), j * (_SIDE + _GAP)
            canvas[top : top + _SIDE, left : left + _SIDE] = image[0]
    height, width = (cell * side / _SIDE for side in canvas.shape)
    fig, ax = subplots(figsize=(width + margin[0], height + margin[1]))
    ax.imshow(np.ma.masked_invalid(canvas), vmin=-1, vmax=1, interpolation="nearest", cmap=_GRAY_ON_WHITE)
    ax.set(xticks=[], yticks=[])
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return fig, ax
