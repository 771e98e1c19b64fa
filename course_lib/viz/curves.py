"""Curvas, barras e histogramas: um número em função de outro, ou de um nome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from course_lib import checks
from course_lib.text import number
from course_lib.training.history import History
from course_lib.viz.style import COLORS, DASHES, GRAY, course_style, finish, subplots, to_numpy


def histories(
    curves_by_label: Mapping[str, History] | History,
    *,
    terms: Sequence[str] | None = None,
    title: str = "",
    ylabel: str = "perda (média da época)",
    names: Mapping[str, str] | None = None,
) -> Figure:
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
    return curves(series, title=title, xlabel="época", ylabel=ylabel, marker="o", integer_x=True)


@course_style()
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
) -> Figure:
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
    fig, ax = subplots(figsize=(6.4, 3.6))
    for index, (label, (x, y)) in enumerate(series.items()):
        ax.plot(
            to_numpy(x),
            to_numpy(y),
            label=label,
            color=COLORS[index % len(COLORS)],
            linestyle=DASHES[index % len(DASHES)],
            marker=marker,
            markersize=3,
        )
    if hline is not None:
        ax.axhline(hline[0], color=GRAY, linestyle=(0, (1, 2)), label=hline[1])
        # O matplotlib não dá margem a uma linha que já cabe nos eixos, e ela pode cair em cima da moldura.
        ax.autoscale_view()
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    if integer_x:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish(ax, title, xlabel, ylabel, legend=len(series) > 1 or hline is not None)
    return fig


@course_style()
def paths(
    groups: Mapping[str, Tensor | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
) -> Figure:
    """Muitos caminhos finos, um por coluna: o que cada sorteio percorreu do começo ao fim.

    Args:
        groups: rótulo → (T, N), N caminhos de T instantes; cada grupo tem a sua cor.
        title: título.
        xlabel: eixo horizontal, com a unidade.
        ylabel: eixo vertical, com a unidade.

    Raises:
        ValueError: um grupo não tem a forma (T, N), ou não tem caminhos.
    """
    fig, ax = subplots(figsize=(6.4, 3.6))
    for index, (label, steps) in enumerate(groups.items()):
        values = to_numpy(steps)
        checks.require(
            values.ndim == 2 and values.size > 0, f"groups[{label!r}]: a forma é {values.shape}; esperava (T, N)"
        )
        lines = ax.plot(values, color=COLORS[index % len(COLORS)], linewidth=0.5, alpha=0.45)
        lines[0].set_label(label)
    finish(ax, title, xlabel, ylabel, legend=len(groups) > 1)
    for handle in ax.get_legend().get_lines() if ax.get_legend() else []:
        handle.set(linewidth=2, alpha=1)
    return fig


@course_style()
def bars(
    values: Mapping[str, float], *, title: str = "", ylabel: str = "", hline: tuple[float, str] | None = None
) -> Figure:
    """Uma barra por entrada, com o número em cima.

    Args:
        values: rótulo → altura.
        title: título.
        ylabel: eixo vertical, com a unidade.
        hline: altura e rótulo de uma linha horizontal de referência.
    """
    fig, ax = subplots(figsize=(max(4.0, 0.62 * len(values) + 1.2), 3.4))
    drawn = ax.bar(list(values), list(values.values()), color=COLORS[0])
    # Tantas casas quantas a maior barra pede: três algarismos nela, e nas pequenas nada de 8,95e-05.
    decimals = max(0, 2 - int(np.floor(np.log10(max(map(abs, values.values())) or 1.0))))
    labels = [number(value, f".{decimals}f") for value in values.values()]
    labels = [label.rstrip("0").rstrip(",") if "," in label else label for label in labels]
    ax.bar_label(drawn, labels=labels, fontsize=8)
    ax.grid(axis="x", visible=False)
    if hline is not None:
        ax.axhline(hline[0], color=COLORS[1], linestyle="--", label=hline[1])
    finish(ax, title, "", ylabel, legend=hline is not None, format_x=False)
    return fig


@course_style()
def histogram(
    samples: Mapping[str, Tensor],
    *,
    bins: int = 60,
    title: str = "",
    xlabel: str = "",
    density: Mapping[str, tuple[Tensor, Tensor]] | None = None,
) -> Figure:
    """Histogramas normalizados sobrepostos, com curvas de densidade opcionais ``rótulo → (x, p(x))``."""
    fig, ax = subplots(figsize=(6.4, 3.4))
    for index, (label, values) in enumerate(samples.items()):
        ax.hist(to_numpy(values).ravel(), bins=bins, density=True, alpha=0.45, color=COLORS[index], label=label)
    for index, (label, (x, p)) in enumerate((density or {}).items()):
        ax.plot(to_numpy(x), to_numpy(p), color=COLORS[(index + len(samples)) % len(COLORS)], label=label, linewidth=2)
    finish(ax, title, xlabel, "densidade", legend=True)
    return fig
