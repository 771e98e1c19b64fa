"""As conferências de tensores: a forma, o tipo, a faixa, e o que é uma imagem, uma classe ou um instante."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import text
from course_lib.checks.values import number, require

IMAGE_SHAPE = (1, 28, 28)

# Folga para o arredondamento de quem normaliza ou interpola imagens em float32 ou float16.
RANGE_LIMIT = 1.001

# Quanto um pixel pode se afastar de um dos 256 tons, em tons: o arredondamento do float32, e não mais.
LEVEL_TOLERANCE = 0.01

# Um eixo de um número exato, um eixo livre com o seu nome ("B"), ou quantos eixos houver (...).
Axis = int | str | EllipsisType


def dtype(x: Any, name: str, expected: torch.dtype) -> None:
    """Um tensor do tipo ``expected``.

    Raises:
        TypeError: não é.
    """
    if not isinstance(x, Tensor) or x.dtype != expected:
        raise TypeError(f"{name}: veio {_kind(x)}; esperava um tensor {expected}")


def floating(x: Any, name: str = "x", expected: str = "um tensor float32") -> None:
    """Um tensor de ponto flutuante.

    Raises:
        TypeError: não é.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name}: veio {_kind(x)}; esperava {expected}")


def shape(x: Any, name: str, *axes: Axis) -> None:
    """Um tensor (ou array) cujos eixos são ``axes``: ``shape(h, "h", "B", 784)``, ``shape(x, "x", "B", 2, ...)``.

    Raises:
        TypeError: não é um tensor nem um array.
        ValueError: a forma é outra.
    """
    if not hasattr(x, "shape"):
        raise TypeError(f"{name}: veio {_kind(x)}; esperava um tensor de forma {_readable(axes)}")
    found = tuple(x.shape)
    open_ended = bool(axes) and axes[-1] is Ellipsis
    wanted = axes[:-1] if open_ended else axes
    fits = len(found) >= len(wanted) if open_ended else len(found) == len(wanted)
    if not (fits and all(isinstance(axis, str) or axis == size for axis, size in zip(wanted, found, strict=False))):
        raise ValueError(f"{name}: veio um tensor de forma {found}; esperava {_readable(axes)}")


def typed(x: Any, name: str, expected: torch.dtype, *axes: Axis) -> None:
    """Um tensor do tipo ``expected`` (:func:`dtype`) e destes eixos (:func:`shape`).

    Raises:
        TypeError: o tipo é outro.
        ValueError: a forma é outra.
    """
    dtype(x, name, expected)
    shape(x, name, *axes)


def same_shape(names: str, *tensors: Tensor, axes: int | None = None) -> None:
    """Tensores todos da mesma forma, de ``axes`` eixos; ``names`` são eles: ``"mu e logvar"``.

    Raises:
        ValueError: as formas diferem, ou o número de eixos é outro.
    """
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(set(shapes)) > 1 or axes not in (None, len(shapes[0])):
        wanted = "a mesma" if axes is None else f"a mesma, de {axes} eixo" + "s" * (axes > 1)
        raise ValueError(f"{names}: vieram formas {', '.join(map(str, shapes))}; esperava {wanted}")


def dtype_of(x: Tensor, layer: nn.Module, name: str = "x") -> None:
    """``x`` tem o tipo dos pesos da camada (um array do NumPy vira float64, e a rede é float32).

    Sob ``torch.autocast`` os tipos podem diferir: é ele que os concilia.

    Raises:
        TypeError: o tipo é outro.
    """
    expected = next(layer.parameters(), x).dtype
    if x.dtype != expected and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(f"{name}: veio {x.dtype}; os pesos da rede são {expected} (use {name}.to({expected}))")


def images(
    x: Any,
    name: str = "x",
    *,
    shape: tuple[int, ...] = IMAGE_SHAPE,
    in_range: bool = True,
    layer: nn.Module | None = None,
) -> None:
    """Um lote de imagens de ponto flutuante, de forma (B, *shape), em [-1, 1].

    Args:
        x: o que veio.
        name: como chamá-lo na mensagem.
        shape: forma de cada imagem.
        in_range: se a faixa importa; uma figura pode mostrar o que passa dela.
        layer: a camada de quem elas precisam ter o tipo (veja :func:`dtype_of`).

    Raises:
        TypeError: não é um tensor de ponto flutuante, ou não é do tipo dos pesos de ``layer``.
        ValueError: a forma é outra, ou há valores fora de [-1, 1] ou que não são números.
    """
    floating(x, name, "um tensor float32 em [-1, 1]")
    if tuple(x.shape[1:]) != shape:
        raise ValueError(f"{name}: veio um tensor de forma {tuple(x.shape)}; esperava {_readable(('B', *shape))}")
    if in_range:
        remedy = "(de [0, 1], use 2 * x - 1; de [0, 255], x / 127.5 - 1)"
        _within(x, -RANGE_LIMIT, RANGE_LIMIT, name, f"números finitos em [-1, 1] {remedy}")
    if layer is not None:
        dtype_of(x, layer, name)


def sized_images(x: Any, channels: int, multiple: int, layer: nn.Module, name: str = "x") -> None:
    """Imagens (B, channels, H, W) do tipo dos pesos de ``layer``, de altura e largura múltiplas de ``multiple``.

    Raises:
        TypeError: não é um tensor desse tipo.
        ValueError: a forma ou a faixa é outra, ou um lado não é múltiplo.
    """
    size = tuple(x.shape[2:]) if isinstance(x, Tensor) and x.ndim == 4 else IMAGE_SHAPE[1:]
    images(x, name, shape=(channels, *size), layer=layer)
    if not all(side > 0 and side % multiple == 0 for side in size):
        raise ValueError(f"{name}: as imagens são {size[0]}×{size[1]}; esperava lados múltiplos de {multiple}")


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
    integral = isinstance(index, Tensor) and not (index.is_floating_point() or index.is_complex())
    if not integral or index.dtype == torch.bool or index.shape != (n,):
        came = f"um tensor {index.dtype} de forma {tuple(index.shape)}" if isinstance(index, Tensor) else repr(index)
        raise ValueError(f"{name}: veio {came}; esperava um tensor de inteiros de forma ({n},)")
    _within(index, low, high, name, f"inteiros de {low} a {high}")


def classes(y: Any, n: int, n_classes: int | None, name: str = "y", *, optional: bool = False) -> None:
    """``n`` classes de 0 a ``n_classes`` - 1, num tensor (n,); numa rede sem classes (``None``), classe nenhuma.

    Com ``optional``, a classe pode faltar: ``y`` é ``None``, ou tem o índice ``n_classes``, que diz "sem classe".

    Raises:
        ValueError: ``y`` falta, sobra, ou não é das classes.
    """
    if n_classes is None:
        require(y is None, f"{name}: veio uma classe, e esta rede não é condicional")
    elif y is not None:
        index(y, n, 0, n_classes if optional else n_classes - 1, name)
    else:
        require(optional, f"{name}: falta a classe; esta rede é condicional, de {n_classes} classes")


def conditioned(x: Any, t: Tensor, y: Any, n_classes: int | None) -> None:
    """O que uma rede de difusão recebe: imagens ruidosas, um instante e a classe (ou nada) de cada uma.

    Raises:
        TypeError: ``x`` não é um tensor de ponto flutuante.
        ValueError: a forma de ``x``, ``t`` ou ``y`` é outra, ou os valores saem da faixa.
    """
    images(x, in_range=False)
    times(t, len(x))
    classes(y, len(x), n_classes, optional=True)


def partly_known(x: Any, mask: Tensor) -> None:
    """Imagens, e a máscara booleana dos pixels que se conhecem.

    Raises:
        TypeError: ``x`` não é um tensor de ponto flutuante.
        ValueError: a forma ou a faixa de ``x`` é outra, ou ``mask`` não é booleana.
    """
    images(x)
    require(mask.dtype == torch.bool, f"mask: veio {mask.dtype}; esperava booleanos")


def guidance(w: Any, y: Tensor | None, n_classes: int | None) -> None:
    """Um peso w ≥ 0 da orientação sem classificador; maior que zero, só com classes pedidas, e numa rede que as olha.

    Raises:
        ValueError: w é negativo, falta ``y``, ou a rede não olha a classe.
    """
    number(w, "guidance", "[0, inf)")
    require(n_classes is not None or (y is None and w == 0), "y e guidance: esta rede não tem classes")
    require(y is not None or w == 0, "guidance: só guia quem sabe aonde ir; passe também y")


def times(t: Any, n: int, name: str = "t") -> None:
    """``n`` instantes em [0, 1], num tensor (n,).

    Raises:
        TypeError: não é um tensor.
        ValueError: a forma ou a faixa é outra.
    """
    if not isinstance(t, Tensor):
        raise TypeError(f"{name}: veio {_kind(t)}; esperava um tensor de forma ({n},), um instante por exemplo")
    if t.shape != (n,):
        raise ValueError(f"{name}: veio forma {tuple(t.shape)}; esperava ({n},), um instante por exemplo")
    _within(t, 0, 1, name, "números em [0, 1]")


def codes(z: Any, dim: int, layer: nn.Module, name: str = "z") -> None:
    """Vetores (B, dim), em geral códigos latentes, do tipo dos pesos de ``layer``.

    Raises:
        TypeError: não é um tensor desse tipo.
        ValueError: a forma é outra.
    """
    floating(z, name)
    shape(z, name, "B", dim)
    dtype_of(z, layer, name)


def _within(x: Tensor, low: float, high: float, name: str, expected: str) -> None:
    if not x.numel():
        return
    # Lidos de uma vez: numa GPU, cada leitura espera por ela. NaN falha em qualquer comparação.
    ends = torch.stack(x.detach().aminmax()).tolist()
    if not (low <= ends[0] and ends[1] <= high):
        least, most = (text.number(end, ".3g" if x.is_floating_point() else "d") for end in ends)
        raise ValueError(f"{name}: os valores vão de {least} a {most}; esperava {expected}")


def _kind(value: Any) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def _readable(axes: tuple[Axis, ...]) -> str:
    names = ["…" if axis is Ellipsis else str(axis) for axis in axes]
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"
