"""O que toda figura do curso tem em comum: cores, estilo, eixos com números em português, e como aparece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, LogFormatterMathtext
from torch import Tensor

from course_lib.data import embedded_in_use
from course_lib.text import number

# O que toda figura de dados diz de si quando os dados não são os do livro.
EMBEDDED_NOTE = "dados em uso: dígitos embutidos do scikit-learn, não o MNIST"
SHORT_NOTE = "dígitos\nembutidos"
# Mais estreita que isto, em polegadas, uma figura só comporta a nota curta.
NARROW = 3.2

# Paleta de Okabe e Ito, legível para quem não distingue vermelho de verde; linhas também diferem no traço.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), "-")
GRAY = "#666666"

STYLE: dict[str, Any] = {
    "figure.dpi": 110,
    # Fundo branco também no modo escuro do livro: as imagens do MNIST são pretas e sumiriam num fundo escuro.
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
}


@contextmanager
def course_style() -> Iterator[None]:
    """Decora tudo o que desenha: o estilo vale lá dentro, e as outras figuras continuam como a pessoa as quer.

    O ``rc_context`` do matplotlib não serve: ao sair ele desfaz também o modo interativo, que o backend dos cadernos
    liga quando faz a primeira figura, e nenhuma apareceria.
    """
    before = {name: mpl.rcParams[name] for name in STYLE}
    mpl.rcParams.update(STYLE)
    try:
        yield
    finally:
        mpl.rcParams.update(before)


class CourseFigure(Figure):
    """Uma figura com o estilo do curso, que num caderno aparece uma vez só.

    O Jupyter mostra, no fim da célula, as figuras abertas no pyplot; e mostra também o valor da última expressão, que
    pode ser uma delas.
    """

    def _ipython_display_(self) -> None:
        opened = [manager.canvas.figure for manager in Gcf.get_all_fig_managers()]
        if self not in opened or not plt.get_backend().endswith("inline"):
            # Para o IPython: mostre-a como a uma figura qualquer.
            raise NotImplementedError
        from IPython.display import display

        # As que a célula desenhou antes saem antes. Fechada, nenhuma volta a aparecer no fim da célula.
        for figure in opened[: opened.index(self) + 1]:
            if isinstance(figure, CourseFigure):
                plt.close(figure)
                display(figure)


def subplots(*grid: int, data: bool = True, **options: Any) -> tuple[CourseFigure, Any]:
    """O ``plt.subplots`` do curso; uma figura de dados diz no rodapé quando eles não são o MNIST.

    Args:
        grid: linhas e colunas.
        data: se a figura pode mostrar dados; um diagrama não mostra.
        options: as de ``plt.subplots``.
    """
    fig, axes = plt.subplots(*grid, FigureClass=CourseFigure, **options)
    if data and embedded_in_use():
        fig.supxlabel(EMBEDDED_NOTE if fig.get_figwidth() > NARROW else SHORT_NOTE, fontsize=7, color=GRAY)
    return fig, axes


def legend_below(fig: Figure, ax: Axes, **options: Any) -> None:
    """A legenda de ``ax`` embaixo da figura inteira."""
    note = fig.get_supxlabel()
    # O matplotlib não separa a legenda de fora do rótulo da figura: a nota vira o título dela.
    fig.supxlabel("")
    fig.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", title=note or None, title_fontsize=7, **options
    )


def panel_grid(
    n: int, n_cols: int, *, cell: tuple[float, float], margin: tuple[float, float]
) -> tuple[CourseFigure, list[Axes]]:
    """Figura e ``n`` quadros de mesmos eixos, em linhas de ``n_cols``; ``cell`` e ``margin`` em polegadas."""
    n_cols = min(n_cols, n)
    n_rows = -(-n // n_cols)
    size = (n_cols * cell[0] + margin[0], n_rows * cell[1] + margin[1])
    fig, axes = subplots(n_rows, n_cols, figsize=size, squeeze=False, sharex=True, sharey=True)
    for ax in axes.flat[n:]:
        ax.axis("off")
    return fig, list(axes.flat[:n])


def suptitle(fig: Figure, title: str) -> None:
    """O título da figura inteira, se há um."""
    if title:
        fig.suptitle(title, fontsize=11, fontweight="bold")


def finish(ax: Axes, title: str, xlabel: str, ylabel: str, *, legend: bool, format_x: bool = True) -> None:
    """Título, nomes dos eixos, legenda, e os números dos eixos em português (``format_x=False``: só os do vertical)."""
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    for axis, scale, names in ((ax.xaxis, ax.get_xscale(), not format_x), (ax.yaxis, ax.get_yscale(), False)):
        if scale == "log":
            axis.set_major_formatter(_PlainPowers())
            axis.set_minor_formatter(_PlainLog(minor_thresholds=(1, 0.4)))
        elif not names:
            axis.set_major_formatter(decimal_comma())
    if legend:
        ax.legend()


def finish_panel(ax: Axes, name: str) -> None:
    """Um quadro entre vários: título discreto, sem nomes nos eixos."""
    finish(ax, name, "", "", legend=False)
    ax.title.set(fontsize=9, fontweight="normal")


def decimal_comma() -> FuncFormatter:
    """Quem escreve os números de um eixo linear."""
    return FuncFormatter(lambda value, _: number(value))


def to_numpy(values: Any) -> np.ndarray:
    """Um tensor, de qualquer dispositivo e com ou sem gradiente, ou uma sequência, como array."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    # O NumPy não tem bfloat16, que é o que sai de uma rede sob autocast.
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def save(target: str | Path | BinaryIO) -> None:
    """Grava a última figura desenhada num caminho ou num arquivo aberto, e a fecha."""
    plt.savefig(target)
    plt.close()


class _PlainLog(LogFormatter):
    """Numa escala logarítmica de menos de uma década, "6" e "0,6" em lugar de 6 × 10⁰ e 6 × 10⁻¹."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        # O matplotlib decide quais marcas têm número; como se escreve o número é conosco.
        return number(x) if super().__call__(x, pos) else ""


class _PlainPowers(LogFormatterMathtext):
    """Numa escala logarítmica de menos de duas décadas, "10" em lugar de 10¹, como as marcas do meio."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        low, high = self.axis.get_view_interval()
        return number(x) if high < 100 * low else super().__call__(x, pos)
