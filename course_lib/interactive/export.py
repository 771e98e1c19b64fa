"""De uma rede do PyTorch a um bloco que a página executa."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.interactive.block import KINDS, Exported
from course_lib.interactive.lowering import Graph
from course_lib.interactive.recording import Recording, record


def export(
    function: Callable[..., Any],
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str] = ("out",),
    modules: Sequence[nn.Module] = (),
    weights: str = "float16",
) -> Exported:
    """O bloco de uma rede, ou de uma função feita de redes.

    Args:
        function: a rede, um método dela, ou uma função dos tensores de ``inputs``, que devolve um tensor ou uma tupla.
        inputs: um exemplo de cada entrada, pelo nome que terá na página, na ordem em que ``function`` as recebe; as
            formas ficam fixas.
        outputs: os nomes das saídas.
        modules: as redes de que a função é feita, para que uma recusa diga a camada.
        weights: como guardar os pesos grandes: ``"float32"``, ``"float16"``, ou inteiros com uma escala por canal, de
            oito, sete ou seis bits: ``"int8"``, ``"int7"``, ``"int6"``.

    Raises:
        ValueError: a rede usa uma operação que a página não tem (diz qual, e em que camada), sorteia, ou faz uma conta
            que depende dos valores da entrada.
    """
    if weights not in KINDS:
        raise ValueError(f"weights: esperava um de {', '.join(KINDS)}; recebi {weights!r}")
    owner = getattr(function, "__self__", function)
    modules = modules or ([owner] if isinstance(owner, nn.Module) else [])
    examples = [tensor.detach() for tensor in inputs.values()]
    recording = record(function, examples, modules)
    _check_same(function, recording, examples)
    exported = Exported(recording, (tuple(inputs), tuple(outputs)))
    graph = Graph(exported, weights)
    for operation in recording.operations:
        graph.lower(operation)
    exported.places = [
        (name, graph.place(value), value.shape) for name, value in zip(outputs, recording.outputs, strict=True)
    ]
    return exported


def _check_same(function: Callable[..., Any], recording: Recording, examples: Sequence[Tensor]) -> None:
    """Com outras entradas, as contas anotadas dão o que a função dá."""
    others = [tensor.flip(*range(tensor.ndim)) for tensor in examples]
    with torch.no_grad():
        out = function(*others)
    for ours, theirs in zip(recording.replay(others), out if isinstance(out, tuple) else (out,), strict=True):
        if not torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4):
            raise ValueError("a conta depende dos valores da entrada, e não só da forma: não há como anotá-la")
