"""Das operações do PyTorch, anotadas, às poucas da página."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.interactive.block import LEVELS, Constant, Exported, Reference
from course_lib.interactive.recording import Operation, Value

# Abaixo disto uma constante vai em float32: pesa pouco, e nela (um viés, uma frequência) o arredondamento custa mais.
SMALL = 1024
# Até aqui os inteiros economizariam poucos kB, e as camadas das pontas, que são destas, custam quase todo o erro: na
# U-Net, a distância de Fréchet sobe 3,5 % com elas em int8 e 0,9 % com elas em float16 (N = 1.000, três sorteios).
MEDIUM = 5_000

Lowering = Callable[["Graph", Operation, list[Any]], None]
LOWERINGS: dict[str, Lowering] = {}

# Não fazem conta, só mudam os números de lugar.
MOVES = {
    *("alias", "clone", "contiguous", "detach", "expand", "flip", "index", "lift_fresh", "permute", "pixel_shuffle"),
    *("pixel_unshuffle", "reflection_pad2d", "repeat", "reshape", "select", "slice", "split", "split_with_sizes"),
    *("squeeze", "t", "transpose", "unbind", "unsqueeze", "upsample_nearest2d", "view", "_unsafe_view"),
}
# Um número de cada vez.
MAPS = {"abs", "cos", "exp", "floor", "log", "neg", "relu", "rsqrt", "sigmoid", "silu", "sin", "sqrt", "tanh"}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Registra quem traduz as operações ``names``."""

    def register(lowering: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, lowering))
        return lowering

    return register


class Graph:
    """O grafo de um bloco em construção.

    Args:
        exported: onde ele fica.
        weights: como guardar os pesos grandes.
    """

    def __init__(self, exported: Exported, weights: str) -> None:
        self.exported, self.weights = exported, weights
        self._constants: dict[int, int] = {}
        # Um valor que é outro com outra forma: os números são os mesmos.
        self._same: dict[int, int] = {}

    def lower(self, operation: Operation) -> None:
        """Traduz uma operação."""
        # Mudar no lugar ou devolver outro tensor é a mesma conta.
        name = operation.function._overloadpacket.__name__.rstrip("_") or operation.name
        if name in MOVES:
            return self._move(operation)
        if name in MAPS:
            return self.emit("map", operation, self.place(operation.args[0]), name, _size(operation))
        if name not in LOWERINGS:
            where = f" na camada {operation.layer}" if operation.layer else ""
            raise ValueError(f"a página não sabe fazer {operation.name}{where}")
        return LOWERINGS[name](self, operation, list(operation.args))

    def place(self, leaf: Any, axis: int | None = None) -> Reference:
        """Onde estão os números de um valor ou de uma constante."""
        if leaf is None:
            return None
        if isinstance(leaf, Value):
            return self._same.get(leaf.index, leaf.index)
        if id(leaf) not in self._constants:
            kind = self.weights if leaf.numel() > SMALL else "float32"
            kind = "float16" if kind in LEVELS and (axis is None or leaf.numel() < MEDIUM) else kind
            # Um número que o float16 não alcança não pode virar infinito.
            kind = "float32" if kind == "float16" and leaf.abs().max() > np.finfo(np.float16).max else kind
            self._constants[id(leaf)] = len(self.exported.constants)
            self.exported.constants.append(Constant(leaf, axis, kind))
        return -1 - self._constants[id(leaf)]

    def emit(self, kind: str, operation: Operation, *rest: Any, result: int = 0) -> None:
        """Acrescenta um passo, que escreve o resultado ``result`` da operação."""
        value = operation.results[result]
        assert value is not None
        self.exported.steps.append([kind, value.index, *rest])

    def _move(self, operation: Operation) -> None:
        source = operation.args[0]
        # A mesma operação, sobre os números de cada lugar, diz de onde vem cada um.
        places = torch.arange(_count(source.shape), dtype=torch.float64).view(source.shape)
        moved = operation.function(places, *operation.args[1:], **operation.kwargs)
        for k, (value, one) in enumerate(
            zip(operation.results, moved if isinstance(moved, list | tuple) else (moved,), strict=True)
        ):
            index = one.long().flatten()
            if value is None:
                continue
            if torch.equal(index, torch.arange(_count(source.shape))):
                self._same[value.index] = self.place(source) or 0
            else:
                self.emit("move", operation, self.place(source), *loops(index.tolist()), result=k)


def loops(index: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Um índice como laços encaixados: os tamanhos, os passos, e a tabela do laço de dentro.

    O elemento de posições :math:`(i_1, …, i_k, j)` é o :math:`\\sum_a i_a p_a + tabela_j` da origem: uma fatia, uma
    transposição e um embaralhamento de pixels são isso, e a tabela tem um número só.
    """
    sizes: list[int] = []
    steps: list[int] = []
    while len(index) > 1:
        found = next((n for n in range(len(index), 1, -1) if len(index) % n == 0 and _repeats(index, n)), None)
        if found is None:
            break
        inner = len(index) // found
        sizes.append(found)
        steps.append(index[inner] - index[0])
        index = index[:inner]
    return sizes, steps, index


def _repeats(index: list[int], times: int) -> bool:
    """Se o índice são ``times`` trechos iguais, cada um à mesma distância do anterior."""
    inner = len(index) // times
    step = index[inner] - index[0]
    return all(index[k] - index[k - inner] == step for k in range(inner, len(index)))


@lowers("addmm", "mm")
def _dense(graph: Graph, operation: Operation, args: list[Any]) -> None:
    bias, x, weight = args if len(args) == 3 else (None, *args)
    _require(not operation.kwargs and isinstance(weight, Tensor), operation, "com o peso e o viés constantes")
    rows, inner = x.shape
    graph.emit(
        "dense", operation, graph.place(x), graph.place(weight, 1), graph.place(bias), rows, inner, weight.shape[1]
    )


@lowers("convolution")
def _convolution(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = args
    plain = groups == 1 and set(dilation) == {1} and len(set(stride)) == len(set(padding)) == 1
    _require(plain and isinstance(weight, Tensor), operation, "de um grupo, sem dilatação, de pesos constantes")
    graph.emit(
        "conv",
        operation,
        graph.place(x),
        graph.place(weight, 1 if transposed else 0),
        graph.place(bias),
        list(x.shape),
        list(_result(operation).shape),
        list(weight.shape[2:]),
        stride[0],
        padding[0],
        int(transposed),
    )


@lowers("add", "sub", "mul", "div")
def _arithmetic(graph: Graph, operation: Operation, args: list[Any]) -> None:
    name = operation.function._overloadpacket.__name__.rstrip("_")
    left, right = args
    _require(operation.kwargs.get("alpha", 1) == 1, operation, "com alpha = 1")
    numbers = [_number(side) for side in (left, right)]
    if None not in numbers[1:]:
        value = numbers[1] or 0.0
        a, b = {"add": (1, value), "sub": (1, -value), "mul": (value, 0), "div": (1 / (value or 1), 0)}[name]
        return graph.emit("map", operation, graph.place(left), "affine", _size(operation), a, b)
    shape = _result(operation).shape
    sides = [torch.broadcast_to(torch.empty(side.shape, device="meta"), shape).stride() for side in (left, right)]
    return graph.emit("pair", operation, graph.place(left), graph.place(right), name, list(shape), *map(list, sides))


@lowers("leaky_relu")
def _leaky(graph: Graph, operation: Operation, args: list[Any]) -> None:
    slope = args[1] if len(args) > 1 else 0.01
    graph.emit("map", operation, graph.place(args[0]), "leaky", _size(operation), slope, 0)


@lowers("clamp")
def _clamp(graph: Graph, operation: Operation, args: list[Any]) -> None:
    low, high = [*args[1:], None, None][:2]
    _require(low is not None and high is not None, operation, "com os dois limites")
    graph.emit("map", operation, graph.place(args[0]), "clamp", _size(operation), low, high)


@lowers("pow")
def _power(graph: Graph, operation: Operation, args: list[Any]) -> None:
    _require(args[1] == 2, operation, "de expoente 2")
    graph.emit("map", operation, graph.place(args[0]), "square", _size(operation))


@lowers("cat")
def _concatenate(graph: Graph, operation: Operation, args: list[Any]) -> None:
    parts, axis = args[0], args[1] if len(args) > 1 else 0
    outer = _count(_result(operation).shape[:axis]) if axis else 1
    graph.emit(
        "concat", operation, [graph.place(part) for part in parts], outer, [_count(p.shape) // outer for p in parts]
    )


@lowers("mean", "sum")
def _reduce(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x = args[0]
    axes = sorted(axis % len(x.shape) for axis in (args[1] if len(args) > 1 and args[1] else range(len(x.shape))))
    _require(axes == list(range(axes[0], axes[-1] + 1)), operation, "de eixos seguidos")
    outer, inner = _count(x.shape[: axes[0]]), _count(x.shape[axes[-1] + 1 :])
    name = operation.function._overloadpacket.__name__
    graph.emit("reduce", operation, graph.place(x), name, outer, _count(x.shape) // (outer * inner), inner)


@lowers("native_group_norm")
def _group_norm(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x, weight, bias, n, channels, places, groups, epsilon = args
    graph.emit(
        "norm", operation, graph.place(x), graph.place(weight), graph.place(bias), n, channels, places, groups, epsilon
    )


@lowers("native_batch_norm")
def _batch_norm(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x, weight, bias, mean, variance, training, _, epsilon = args
    channels, places = x.shape[1], _count(x.shape[2:])
    if training:
        # A normalização por instância é isto, com os exemplos no lugar dos canais.
        _require(x.shape[0] == 1, operation, "em modo de avaliação")
        sources = [graph.place(side) for side in (x, weight, bias)]
        return graph.emit("norm", operation, *sources, 1, channels, places, channels, epsilon)
    scale = torch.rsqrt(variance + epsilon) * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    return graph.emit(
        "channels", operation, graph.place(x), graph.place(scale), graph.place(shift), x.shape[0], channels, places
    )


@lowers("_scaled_dot_product_flash_attention_for_cpu")
def _attention(graph: Graph, operation: Operation, args: list[Any]) -> None:
    q, k, v = args[:3]
    batch, heads, places, width = q.shape
    _require(len(args) == 3 and not operation.kwargs.get("attn_mask"), operation, "sem máscara")
    scale = operation.kwargs.get("scale") or width**-0.5
    sources = [graph.place(side) for side in (q, k, v)]
    graph.emit("attention", operation, *sources, batch * heads, places, k.shape[2], width, scale)


@lowers("upsample_bilinear2d")
def _bilinear(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x, _, align_corners = args[:3]
    _require(not align_corners, operation, "com align_corners=False")
    graph.emit("bilinear", operation, graph.place(x), list(x.shape), list(_result(operation).shape))


@lowers("max_pool2d_with_indices")
def _max_pool(graph: Graph, operation: Operation, args: list[Any]) -> None:
    x, size = args[:2]
    stride = args[2] if len(args) > 2 else size
    _require(len(set(size)) == 1 and list(stride) == list(size), operation, "sem sobreposição")
    graph.emit("maxpool", operation, graph.place(x), list(x.shape), size[0])


@lowers("embedding")
def _rows(graph: Graph, operation: Operation, args: list[Any]) -> None:
    table, index = args[:2]
    graph.emit("rows", operation, graph.place(table), graph.place(index), _count(index.shape), table.shape[1])


def _require(condition: Any, operation: Operation, what: str) -> None:
    if not condition:
        where = f" (camada {operation.layer})" if operation.layer else ""
        raise ValueError(f"{operation.name}{where}: a página só a faz {what}")


def _number(side: Any) -> float | None:
    """O valor de um escalar, ou de um tensor constante de um número só."""
    if isinstance(side, int | float):
        return float(side)
    return float(side) if isinstance(side, Tensor) and side.ndim == 0 else None


def _result(operation: Operation) -> Value:
    value = operation.results[0]
    assert value is not None
    return value


def _size(operation: Operation) -> int:
    return _count(_result(operation).shape)


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
