"""O que uma rede faz, operação por operação: as contas do PyTorch que dependem das entradas, na ordem delas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

Function = Callable[..., Any]


@dataclass(frozen=True)
class Value:
    """O resultado de uma operação, ou uma entrada: o seu número e a sua forma."""

    index: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """Uma operação do PyTorch: os argumentos que dependem das entradas são :class:`Value`; os outros já são constantes.

    Attributes:
        function: a operação.
        args: os argumentos.
        kwargs: os que têm nome.
        results: o que ela devolve, com ``None`` no lugar do que não é tensor.
        layer: o nome da camada que a pediu, como em ``named_modules``.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Value | None, ...]
    layer: str

    @property
    def name(self) -> str:
        """O nome dela no PyTorch, como ``aten.relu.default``."""
        return str(self.function)

    @property
    def used(self) -> list[Value]:
        """Os valores de que ela depende."""
        return [leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Value)]


@dataclass(frozen=True)
class Recording:
    """As operações que levam das entradas às saídas, sem as que não servem a elas.

    Attributes:
        inputs: as entradas.
        outputs: as saídas.
        operations: na ordem em que se fazem.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operations: tuple[Operation, ...]

    def replay(self, inputs: Sequence[Tensor], constant: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> Any:
        """Refaz as contas com outras entradas e, por ``constant``, com outras constantes; devolve as saídas."""
        known = {value.index: tensor for value, tensor in zip(self.inputs, inputs, strict=True)}

        def resolve(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                return known[leaf.index]
            return constant(leaf) if isinstance(leaf, Tensor) else leaf

        with torch.no_grad():
            for operation in self.operations:
                args, kwargs = tree_map(resolve, (operation.args, operation.kwargs))
                results = operation.function(*args, **kwargs)
                listed = results if isinstance(results, list | tuple) else (results,)
                known.update({value.index: out for value, out in zip(operation.results, listed, strict=True) if value})
        return [known[value.index] for value in self.outputs]


def record(function: Callable[..., Any], inputs: Sequence[Tensor], modules: Sequence[nn.Module] = ()) -> Recording:
    """Executa ``function`` uma vez, com ``inputs``, e anota o que ela fez.

    O que não depende das entradas já foi calculado, e fica como constante: a escala que multiplica um peso equalizado,
    as frequências do código do tempo.

    Args:
        function: leva as entradas num tensor, ou numa tupla deles.
        inputs: as entradas; as formas ficam fixas.
        modules: as redes de que ``function`` é feita, para dar nome às camadas.

    Raises:
        ValueError: a saída não depende das entradas, ou a rede sorteia alguma coisa.
    """
    recorder = _Recorder(inputs)
    with torch.no_grad(), _names(modules) as recorder.layer, recorder:
        out = function(*inputs)
    outputs = tuple(recorder.value(tensor) for tensor in (out if isinstance(out, tuple) else (out,)))
    return Recording(recorder.inputs, outputs, tuple(_needed(recorder.operations, outputs)))


class _Recorder(TorchDispatchMode):
    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.layer: Callable[[], str] = str
        self.operations: list[Operation] = []
        # Os tensores ficam guardados: um que fosse apagado daria a outro o seu endereço.
        self._known: dict[int, tuple[Tensor, Value]] = {}
        self.inputs = tuple(self._note(tensor) for tensor in inputs)

    def value(self, tensor: Tensor) -> Value:
        if id(tensor) not in self._known:
            raise ValueError("a saída não depende das entradas: não há o que exportar")
        return self._known[id(tensor)][1]

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        seen = tree_map(self._resolve, (args, kwargs))
        results = function(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded in function.tags and "attention" not in str(function):
            raise ValueError(f"{self._where()}a rede sorteia ({function}); passe o sorteio como entrada")
        if any(isinstance(leaf, Value) for leaf in tree_leaves(seen)):
            self._refuse_changed_views(function, args)
            listed = results if isinstance(results, list | tuple) else (results,)
            noted = tuple(self._note(out) if isinstance(out, Tensor) else None for out in listed)
            self.operations.append(Operation(function, *seen, noted, self.layer()))
        return results

    def _refuse_changed_views(self, function: Any, args: tuple[Any, ...]) -> None:
        """Mudar uma vista muda também de onde ela veio, e isso não se anota."""
        if function._schema.is_mutable and isinstance(args[0], Tensor) and args[0]._is_view():
            raise ValueError(f"{self._where()}{function} muda no lugar um pedaço de outro tensor")

    def _where(self) -> str:
        return f"camada {self.layer()}: " if self.layer() else ""

    def _resolve(self, leaf: Any) -> Any:
        known = self._known.get(id(leaf)) if isinstance(leaf, Tensor) else None
        return leaf if known is None else known[1]

    def _note(self, tensor: Tensor) -> Value:
        value = Value(len(self._known), tuple(tensor.shape))
        # O mesmo tensor, mudado no lugar, é outro valor; a chave velha continua a contar no número do próximo.
        if id(tensor) in self._known:
            self._known[-len(self._known)] = self._known[id(tensor)]
        self._known[id(tensor)] = (tensor, value)
        return value


def _needed(operations: Sequence[Operation], outputs: Sequence[Value]) -> list[Operation]:
    """As operações de que as saídas dependem."""
    wanted = {value.index for value in outputs}
    kept = []
    for operation in reversed(operations):
        if any(value is not None and value.index in wanted for value in operation.results):
            wanted |= {value.index for value in operation.used}
            kept.append(operation)
    return kept[::-1]


@contextmanager
def _names(modules: Sequence[nn.Module]) -> Iterator[Callable[[], str]]:
    """Dentro do bloco, uma função que diz em que camada se está."""
    stack: list[str] = []
    hooks = []
    for module in modules:
        for name, layer in module.named_modules():
            hooks.append(layer.register_forward_pre_hook(lambda *_, name=name: stack.append(name)))
            # O que um gancho devolve troca a saída da camada: este não devolve nada.
            hooks.append(layer.register_forward_hook(lambda *_: stack.__delitem__(-1), always_call=True))
    try:
        yield lambda: stack[-1] if stack else ""
    finally:
        for hook in hooks:
            hook.remove()
