"""As entradas que não são só números: redes, geradores, funções e lotes, levados ao estudante como dados.

Uma rede vai como o nome da sua classe, os seus atributos simples e os seus tensores; do outro lado, a classe é a da
biblioteca instalada e os tensores são postos no lugar. Assim qualquer rede do curso ou de ``torch.nn`` viaja, sem
cadastro e sem ``pickle``. Só vale nesse sentido, do corretor para a caixa: uma resposta nunca traz um objeto.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import types
from typing import Any

import torch
from torch import nn

from .wire import Decoder, Encoder, WireError

# De onde podem vir as classes e as funções que uma entrada cita: o que a caixa também tem instalado.
LIBRARIES = (
    "torch",
    "course_lib.data",
    "course_lib.models",
    "course_lib.training",
    "course_lib.recipes",
    "math",
    "builtins",
)

_STANDARD = frozenset(nn.Module().__dict__) - {"training"}


class InputEncoder(Encoder):
    """Codifica argumentos: os dados de :class:`~.wire.Encoder` e os objetos da lista acima."""

    def special(self, value: Any, depth: int) -> dict[str, Any]:
        encode = functools.partial(self.encode, depth=depth + 1)
        if isinstance(value, nn.Module):
            own = {name: item for name, item in vars(value).items() if name not in _STANDARD}
            return {
                "k": "module",
                "class": _address(type(value)),
                "attributes": encode(own),
                "parameters": encode({name: _detached(item) for name, item in value._parameters.items()}),
                "frozen": [
                    name for name, item in value._parameters.items() if item is not None and not item.requires_grad
                ],
                "buffers": encode(dict(value._buffers)),
                "transient": sorted(value._non_persistent_buffers_set),
                "children": encode(dict(value._modules)),
            }
        if isinstance(value, torch.Generator):
            return {"k": "generator", "state": encode(value.get_state())}
        if isinstance(value, torch.dtype | torch.device | torch.Size):
            kind = "size" if isinstance(value, torch.Size) else type(value).__name__
            return {"k": kind, "v": list(value) if kind == "size" else str(value).removeprefix("torch.")}
        if isinstance(value, functools.partial):
            parts = encode([value.func, value.args, value.keywords])
            return {"k": "partial", "parts": parts}
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return {"k": "name", "address": _address(value)}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {"k": "record", "class": _address(type(value)), "fields": encode(value._asdict())}
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return {"k": "record", "class": _address(type(value)), "fields": encode(fields)}
        if isinstance(value, list | tuple | dict) and type(value) not in (list, tuple, dict):
            return super().special(value, depth)
        raise WireError(
            f"não sei levar um {type(value).__name__} ao processo do estudante; use números, textos, tensores, arrays, "
            "listas, dicionários, redes e funções do curso ou do PyTorch"
        )


class InputDecoder(Decoder):
    """Refaz, dentro da caixa, o que :class:`InputEncoder` codificou."""

    def special(self, node: Any) -> Any:
        kind = node["k"]
        if kind == "module":
            return self._module(node)
        if kind == "generator":
            return torch.Generator().set_state(self.decode(node["state"]))
        if kind == "size":
            return torch.Size(node["v"])
        if kind == "dtype":
            return getattr(torch, node["v"])
        if kind == "device":
            return torch.device(node["v"])
        if kind == "partial":
            function, arguments, keywords = self.decode(node["parts"])
            return functools.partial(function, *arguments, **keywords)
        if kind == "name":
            return _resolve(node["address"])
        if kind == "record":
            return _resolve(node["class"])(**self.decode(node["fields"]))
        raise WireError(f"entrada de tipo desconhecido: {kind!r}")

    def _module(self, node: dict[str, Any]) -> nn.Module:
        cls = _resolve(node["class"])
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        module.__dict__.update(self.decode(node["attributes"]))
        for name, value in self.decode(node["parameters"]).items():
            trained = name not in node["frozen"]
            module.register_parameter(name, None if value is None else nn.Parameter(value, requires_grad=trained))
        for name, value in self.decode(node["buffers"]).items():
            module.register_buffer(name, value, persistent=name not in node["transient"])
        for name, child in self.decode(node["children"]).items():
            module.register_module(name, child)
        return module


def _detached(value: torch.Tensor | None) -> torch.Tensor | None:
    return None if value is None else value.detach()


def _address(item: Any) -> str:
    # torch.exp e outras funções em C dizem morar noutro lugar.
    for address in (f"{item.__module__}:{item.__qualname__}", f"torch:{item.__name__}"):
        module = address.partition(":")[0]
        known = any(module == library or module.startswith(f"{library}.") for library in LIBRARIES)
        if known and _found(address, item):
            return address
    raise WireError(
        f"{item.__module__}.{item.__qualname__} não existe no processo do estudante; redes e funções de entrada "
        "precisam vir do curso ou do PyTorch"
    )


def _found(address: str, item: Any) -> bool:
    try:
        return _resolve(address) is item
    except (ImportError, AttributeError):
        return False


def _resolve(address: str) -> Any:
    module, _, path = address.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))
