"""Valores ↔ JSON e bytes: o que passa entre o corretor e o processo do estudante são só dados.

Um valor vira um *nó* de JSON, que diz o seu tipo, e os bytes crus dos arrays, na ordem em que os nós aparecem. Quem
decodifica nunca executa nada: os tipos são os de uma lista fechada, e cada tamanho é conferido antes de ser lido.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

TORCH_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
    )
}
# Os nomes que uma dica pode citar do que não é dado; qualquer outro é "objeto".
TYPE_NAMES = frozenset(name for name, item in vars(builtins).items() if isinstance(item, type)) | {
    *("function", "method", "builtin_function_or_method", "generator", "coroutine", "module"),
    *("Tensor", "Parameter", "Generator", "dtype", "ndarray", "DataFrame", "Series", "Figure", "Axes", "Image"),
}
NUMPY_DTYPES = tuple(name for name in TORCH_DTYPES if name != "bfloat16")

MAX_LINE = 256 * 2**10  # bytes da linha de JSON de uma resposta
MAX_DIMS = 8
MAX_BITS = 1024  # de um inteiro
MAX_SIZE = 2**31  # de um eixo; nenhuma resposta do curso chega perto, e o produto ainda cabe em 64 bits
MAX_DEPTH = 8


class WireError(ValueError):
    """O que veio pelo canal não é um valor bem formado."""


class NoAnswer(StrEnum):
    """Por que um pedido ficou sem resposta, fora os tropeços da função (:class:`~course_lib.exercises.calls.Stumble`).

    Attributes:
        LATE: o prazo acabou.
        UNFIT: a função respondeu, e a resposta não cabe no canal.
    """

    LATE = "prazo"
    UNFIT = "canal"


@dataclass(frozen=True)
class Caps:
    """Quanto uma resposta pode ocupar.

    Attributes:
        array_bytes: soma dos bytes de todos os arrays.
        text: caracteres de um texto.
        nodes: valores ao todo, contados os de dentro de listas e dicionários.
    """

    array_bytes: int = 16 * 2**20
    text: int = 10_000
    nodes: int = 4_000


class Opaque:
    """Um valor que não viaja pelo canal; dele só se sabe o nome do tipo, que a dica cita."""


class Encoder:
    """Transforma valores em nós; os bytes dos arrays se acumulam em :attr:`blobs`."""

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps
        self.blobs: list[bytes] = []
        self._nodes = 0
        self._bytes = 0

    def encode(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """O nó de ``value``; o que não é dado vira um nó opaco.

        Raises:
            WireError: o valor passa dos limites.
        """
        self._nodes += 1
        if self.caps and (self._nodes > self.caps.nodes or depth > MAX_DEPTH):
            raise WireError("a resposta tem itens demais")
        # `type`, e não isinstance: uma subclasse poderia trazer métodos próprios.
        kind = type(value)
        if value is None:
            return {"k": "none"}
        if kind is bool:
            return {"k": "bool", "v": value}
        if kind is int and value.bit_length() <= MAX_BITS:
            return {"k": "int", "v": str(value)}
        if kind is float:
            return {"k": "float", "v": value.hex()}
        if kind is str:
            if self.caps and len(value) > self.caps.text:
                raise WireError("a resposta tem um texto longo demais")
            return {"k": "str", "v": value}
        if kind in (list, tuple):
            return {"k": kind.__name__, "items": [self.encode(item, depth + 1) for item in value]}
        if kind is dict and all(type(key) is str for key in value):
            return {
                "k": "dict",
                "keys": list(value),
                "items": [self.encode(item, depth + 1) for item in value.values()],
            }
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            value = _common(value)
            kind = type(value)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.name in NUMPY_DTYPES:
            shape = list(value.shape)
            self._keep(np.ascontiguousarray(value).tobytes())
            return {
                "k": "array" if kind is not value.dtype.type else "scalar",
                "dtype": value.dtype.name,
                "shape": shape,
            }
        return self.special(value, depth)

    def special(self, value: Any, depth: int) -> dict[str, Any]:
        """O nó do que não é dado; quem leva entradas ao estudante sabe mais tipos."""
        for plain in (list, tuple, dict):
            # Uma tupla com nomes ou o dicionário ordenado de um state_dict viram o tipo simples.
            if isinstance(value, plain) and type(value) is not plain:
                return self.encode(plain(value), depth)
        return {"k": "other", "type": type(value).__name__[:60]}

    def _tensor(self, value: Tensor) -> dict[str, Any]:
        name = str(value.dtype).removeprefix("torch.")
        if value.layout is not torch.strided or name not in TORCH_DTYPES or value.device.type == "meta":
            return {"k": "other", "type": "Tensor"}
        node = {"k": "tensor", "dtype": name, "shape": list(value.shape), "grad": value.requires_grad}
        if self.caps and value.numel() * value.element_size() > self.caps.array_bytes:
            raise WireError("a resposta é grande demais")
        plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
        self._keep(plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
        return node

    def _keep(self, blob: bytes) -> None:
        self._bytes += len(blob)
        if self.caps and self._bytes > self.caps.array_bytes:
            raise WireError("a resposta é grande demais")
        self.blobs.append(blob)


def _common(value: Any) -> Any:
    """O array num dos tipos que viajam, quando isso não muda os seus números: sem sinal, mais longo, noutra ordem."""
    dtype = value.dtype
    if dtype.kind == "u" and dtype.itemsize in (2, 4):
        return value.astype(np.int64)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return value.astype(np.float64)
    return value if dtype.isnative else value.astype(dtype.newbyteorder("="))


class Decoder:
    """Refaz valores a partir de nós, lendo os bytes dos arrays com ``take``.

    Args:
        take: devolve os próximos ``n`` bytes, num bloco que será do array.
        caps: limites; sem eles, quem escreve é de confiança.
    """

    def __init__(self, take: Callable[[int], bytearray], caps: Caps | None = None) -> None:
        self.take = take
        self.caps = caps
        self._nodes = 0
        self._bytes = 0

    def decode(self, node: Any, depth: int = 0) -> Any:
        """O valor que o nó descreve.

        Raises:
            WireError: o nó está malformado ou passa dos limites.
        """
        self._nodes += 1
        if self.caps and (self._nodes > self.caps.nodes or depth > MAX_DEPTH):
            raise WireError("itens demais")
        kind = node.get("k") if type(node) is dict else None
        if kind == "none":
            return None
        if kind == "bool" and type(node.get("v")) is bool:
            return node["v"]
        if kind in ("int", "float") and type(node.get("v")) is str and len(node["v"]) < 400:
            return _number(kind, node["v"])
        if kind == "str" and type(node.get("v")) is str:
            if self.caps and len(node["v"]) > self.caps.text:
                raise WireError("texto longo demais")
            return node["v"]
        if kind in ("list", "tuple", "dict") and type(node.get("items")) is list:
            return self._container(kind, node, depth)
        if kind in ("tensor", "array", "scalar"):
            return self._array(kind, node)
        return self.special(node)

    def special(self, node: Any) -> Any:
        """O que fazer com os demais nós: na volta, só os opacos são aceitos."""
        if type(node) is dict and node.get("k") == "other" and type(node.get("type")) is str:
            # A dica do juiz cita este nome, e uma classe do estudante poderia chamar-se como uma entrada oculta.
            safe = node["type"] if node["type"] in TYPE_NAMES else "objeto"
            return type(safe, (Opaque,), {})()
        raise WireError("tipo de valor desconhecido")

    def _container(self, kind: str, node: dict[str, Any], depth: int) -> Any:
        items = [self.decode(item, depth + 1) for item in node["items"]]
        if kind != "dict":
            return items if kind == "list" else tuple(items)
        keys = node.get("keys")
        if type(keys) is not list or len(keys) != len(items) or not all(type(key) is str for key in keys):
            raise WireError("dicionário malformado")
        return dict(zip(keys, items, strict=True))

    def _array(self, kind: str, node: dict[str, Any]) -> Any:
        dtype, shape = node.get("dtype"), node.get("shape")
        if type(dtype) is not str or dtype not in (TORCH_DTYPES if kind == "tensor" else NUMPY_DTYPES):
            raise WireError("tipo de array fora da lista")
        if type(shape) is not list or len(shape) > MAX_DIMS or (kind == "scalar" and shape):
            raise WireError("forma malformada")
        if not all(type(size) is int and 0 <= size < MAX_SIZE for size in shape):
            raise WireError("forma malformada")
        # Um eixo vazio zera o produto, mas não pode esconder eixos absurdos: o juiz poderia somá-los noutro tensor.
        if math.prod(max(size, 1) for size in shape) >= MAX_SIZE:
            raise WireError("array grande demais")
        n_bytes = math.prod(shape) * TORCH_DTYPES[dtype].itemsize
        self._bytes += n_bytes
        if self.caps and self._bytes > self.caps.array_bytes:
            raise WireError("array grande demais")
        buffer = self.take(n_bytes) if n_bytes else bytearray()
        if kind == "tensor":
            return _tensor(buffer, dtype, shape, grad=node.get("grad") is True)
        # Um booleano é um byte 0 ou 1; qualquer outro valor confundiria as contas do NumPy e do PyTorch.
        array = np.frombuffer(buffer, np.uint8) != 0 if dtype == "bool" else np.frombuffer(buffer, dtype)
        array = array.reshape(shape)
        return array[()] if kind == "scalar" else array


def _number(kind: str, text: str) -> int | float:
    try:
        value = int(text) if kind == "int" else float.fromhex(text)
    except (ValueError, OverflowError):
        raise WireError("número malformado") from None
    # O que não se codifica também não se decodifica: dois valores diferentes nunca têm o mesmo nó.
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise WireError("inteiro grande demais")
    return value


def _tensor(buffer: bytearray, dtype: str, shape: list[int], *, grad: bool) -> Tensor:
    wanted = TORCH_DTYPES[dtype]
    if not buffer:
        value = torch.empty(shape, dtype=wanted)
    elif wanted is torch.bool:
        value = (torch.frombuffer(buffer, dtype=torch.uint8) != 0).reshape(shape)
    else:
        value = torch.frombuffer(buffer, dtype=wanted).reshape(shape)
    if grad and (value.is_floating_point() or value.is_complex()):
        value.requires_grad_(True)
    return value
