"""As conferências das bordas públicas, uma linha cada: dizem o que veio e o que se esperava. Só aqui.

Uma conferência devolve ``None`` se o valor serve; se não, levanta ``TypeError`` (não é esse tipo de coisa) ou
``ValueError`` (é, mas não este valor), em português e com o nome do argumento na frente. Nenhuma muda o que recebe.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, nn

IMAGE_SHAPE = (1, 28, 28)

# Folga para o arredondamento de quem normaliza ou interpola imagens em float32 ou float16.
RANGE_LIMIT = 1.001

# Quanto um pixel pode se afastar de um dos 256 tons, em tons: o arredondamento do float32, e não mais.
LEVEL_TOLERANCE = 0.01

# Um eixo de um número exato, um eixo livre com o seu nome ("B"), ou quantos eixos houver (...).
Axis = int | str | EllipsisType


def require(condition: bool, message: str) -> None:
    """Levanta ``ValueError(message)`` se a condição for falsa: para o que não tem conferência própria aqui.

    Raises:
        ValueError: a condição é falsa.
    """
    if not condition:
        raise ValueError(message)


# --- números ----------------------------------------------------------------------------------------------------------


def integer(value: Any, name: str, *, low: int = 1, high: int | None = None, multiple: int = 1) -> None:
    """Um inteiro de ``low`` a ``high`` (sem ``high``, a partir de ``low``), múltiplo de ``multiple``.

    Raises:
        ValueError: não é um inteiro, ou está fora da faixa.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (whole and low <= value and (high is None or value <= high) and value % multiple == 0):
        kind = {1: "inteiro", 2: "inteiro par"}.get(multiple, f"múltiplo de {multiple}")
        span = f"≥ {low}" if high is None else f"de {low} a {high}"
        raise ValueError(f"{name}: veio {value!r}; esperava um {kind} {span}")


def integers(values: Any, name: str, *, low: int = 1, length: int | None = None, multiple: int = 1) -> None:
    """Uma sequência de inteiros a partir de ``low``: ``length`` deles ou, sem ele, pelo menos um.

    Raises:
        ValueError: não é uma sequência assim.
    """
    listed = isinstance(values, Collection) and not isinstance(values, str)
    right = listed and (len(values) == length if length is not None else len(values) > 0)
    for value in values if right else ():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        right = right and whole and value >= low and value % multiple == 0
    if not right:
        kind = "inteiros" if multiple == 1 else f"múltiplos de {multiple}"
        wanted = f"{length} {kind}" if length is not None else f"uma sequência de {kind}"
        raise ValueError(f"{name}: veio {tuple(values) if listed else repr(values)}; esperava {wanted} ≥ {low}")


def number(value: Any, name: str, interval: str = "(-inf, inf)") -> None:
    """Um número no intervalo, que se escreve como na matemática: ``"[0, 1)"`` tem o 0 e não o 1.

    Raises:
        ValueError: não é um número, ou está fora do intervalo.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    above = real and (value >= low if interval[0] == "[" else value > low)
    if not (above and (value <= high if interval[-1] == "]" else value < high)):
        least = "maior ou igual a" if interval[0] == "[" else "maior que"
        most = "menor ou igual a" if interval[-1] == "]" else "menor que"
        sides = [f"{least} {_comma(low)}"] * (low > -math.inf) + [f"{most} {_comma(high)}"] * (high < math.inf)
        raise ValueError(f"{name}: veio {value!r}; esperava um número {' e '.join(sides) or 'finito'}")


def one_of(value: Any, name: str, options: Collection[Any]) -> None:
    """Um valor da lista.

    Raises:
        ValueError: não está nela.
    """
    if value not in options:
        raise ValueError(f"{name}: veio {value!r}; as opções são {', '.join(map(repr, options))}")


def count(values: Any, name: str, expected: int, what: str = "itens") -> None:
    """Uma coleção de ``expected`` itens, que a mensagem chama de ``what``.

    Raises:
        ValueError: há outro número deles.
    """
    if len(values) != expected:
        raise ValueError(f"{name}: veio {len(values)}; esperava {expected} {what}")


def not_empty(values: Any, name: str) -> None:
    """Uma coleção com pelo menos um item.

    Raises:
        ValueError: está vazia.
    """
    if len(values) == 0:
        raise ValueError(f"{name}: não veio nada; esperava pelo menos um item")


# --- tensores ---------------------------------------------------------------------------------------------------------


def floating(x: Any, name: str = "x", expected: str = "um tensor float32") -> None:
    """Um tensor de ponto flutuante.

    Raises:
        TypeError: não é.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name}: veio {kind}; esperava {expected}")


def shape(x: Any, name: str, *axes: Axis) -> None:
    """Um tensor (ou array) cujos eixos são ``axes``: ``shape(h, "h", "B", 784)``, ``shape(x, "x", "B", 2, ...)``.

    Raises:
        ValueError: a forma é outra.
    """
    found = tuple(x.shape)
    open_ended = bool(axes) and axes[-1] is Ellipsis
    wanted = axes[:-1] if open_ended else axes
    fits = len(found) >= len(wanted) if open_ended else len(found) == len(wanted)
    if not (fits and all(isinstance(axis, str) or axis == size for axis, size in zip(wanted, found, strict=False))):
        raise ValueError(f"{name}: veio um tensor de forma {found}; esperava {_readable(axes)}")


def same_shape(x: Tensor, y: Tensor, names: str) -> None:
    """Dois tensores da mesma forma; ``names`` é o par: ``"mu e logvar"``.

    Raises:
        ValueError: as formas diferem.
    """
    if x.shape != y.shape:
        raise ValueError(f"{names}: vieram formas {tuple(x.shape)} e {tuple(y.shape)}; esperava a mesma")


def dtype_of(x: Tensor, layer: nn.Module, name: str = "x") -> None:
    """``x`` tem o tipo dos pesos da camada (um array do NumPy vira float64, e a rede é float32).

    Sob ``torch.autocast`` os tipos podem diferir: é ele que os concilia.

    Raises:
        TypeError: o tipo é outro.
    """
    expected = next(layer.parameters()).dtype
    if x.dtype != expected and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(f"{name}: veio {x.dtype}; os pesos da rede são {expected} (use {name}.to({expected}))")


def images(x: Any, name: str = "x", *, shape: tuple[int, ...] = IMAGE_SHAPE, in_range: bool = True) -> None:
    """Um lote de imagens de ponto flutuante, de forma (B, *shape), em [-1, 1].

    Args:
        x: o que veio.
        name: como chamá-lo na mensagem.
        shape: forma de cada imagem.
        in_range: se a faixa importa; uma figura pode mostrar o que passa dela.

    Raises:
        TypeError: não é um tensor de ponto flutuante.
        ValueError: a forma é outra, ou há valores fora de [-1, 1] ou que não são números.
    """
    floating(x, name, "um tensor float32 em [-1, 1]")
    if tuple(x.shape[1:]) != shape:
        raise ValueError(f"{name}: veio um tensor de forma {tuple(x.shape)}; esperava {_readable(('B', *shape))}")
    if in_range and x.numel():
        low, high = (end.item() for end in x.detach().aminmax())
        # NaN falha em qualquer comparação, então a mesma conta acha NaN, infinito e faixa errada.
        if not (low >= -RANGE_LIMIT and high <= RANGE_LIMIT):
            raise ValueError(
                f"{name}: os valores vão de {low:.3g} a {high:.3g}; esperava números finitos em [-1, 1] "
                "(de [0, 1], use 2 * x - 1; de [0, 255], x / 127.5 - 1)"
            )


def levels(x: Any, name: str = "x", *, shape: tuple[int, ...] = IMAGE_SHAPE) -> None:
    """Imagens em [-1, 1] só com 256 tons: fora deles a probabilidade de uma imagem digital é zero.

    Raises:
        TypeError: não é um tensor de ponto flutuante.
        ValueError: a forma é outra, ou há valores fora de [-1, 1] ou entre dois tons.
    """
    images(x, name, shape=shape)
    tones = (x.detach() + 1) * 127.5
    if not ((tones - tones.round()).abs() < LEVEL_TOLERANCE).all():
        raise ValueError(
            f"{name}: há pixels entre dois dos 256 tons de [-1, 1]; a verossimilhança em bits só existe para imagens "
            f"digitais, sem ruído nem interpolação (arredonde: (127.5 * ({name} + 1)).round() / 127.5 - 1)"
        )


def index(index: Any, n: int, low: int, high: int, name: str) -> None:
    """``n`` inteiros de ``low`` a ``high``, num tensor (n,).

    Raises:
        ValueError: o tipo, a forma ou a faixa é outra.
    """
    if not isinstance(index, Tensor) or index.is_floating_point() or index.shape != (n,):
        came = f"um tensor {index.dtype} de forma {tuple(index.shape)}" if isinstance(index, Tensor) else repr(index)
        raise ValueError(f"{name}: veio {came}; esperava um tensor de inteiros de forma ({n},)")
    if n and not (low <= (ends := index.aminmax())[0] and ends[1] <= high):
        first, last = (end.item() for end in ends)
        raise ValueError(f"{name}: os valores vão de {first} a {last}; esperava inteiros de {low} a {high}")


def times(t: Tensor, n: int, name: str = "t") -> None:
    """``n`` instantes em [0, 1], num tensor (n,).

    Raises:
        ValueError: a forma ou a faixa é outra.
    """
    if t.shape != (n,):
        raise ValueError(f"{name}: veio forma {tuple(t.shape)}; esperava ({n},), um instante por exemplo")
    if n and not ((ends := t.aminmax())[0] >= 0 and ends[1] <= 1):
        low, high = (end.item() for end in ends)
        raise ValueError(f"{name}: os valores vão de {low:.3g} a {high:.3g}; esperava números em [0, 1]")


def codes(z: Any, dim: int, layer: nn.Module, name: str = "z") -> None:
    """Códigos latentes (B, dim), do tipo dos pesos de ``layer``.

    Raises:
        TypeError: não é um tensor desse tipo.
        ValueError: a forma é outra.
    """
    floating(z, name)
    shape(z, name, "B", dim)
    dtype_of(z, layer, name)


def _readable(axes: tuple[Axis, ...]) -> str:
    names = ["…" if axis is Ellipsis else str(axis) for axis in axes]
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def _comma(value: float) -> str:
    return f"{value:g}".replace(".", ",")
