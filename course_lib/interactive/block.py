"""O bloco: uma rede em forma de grafo pequeno de operações, com os pesos em base64, como a página a executa.

Cada operação está descrita em ``page/runtime.js``, que é quem a faz.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from course_lib.interactive.recording import Recording

# O bloco muda de forma: quem o executa confere.
VERSION = 2

# Quantos níveis há de cada lado do zero: menos níveis, menos informação por peso, e o bloco comprimido pesa menos.
LEVELS = {"int8": 127, "int7": 63, "int6": 31}
KINDS = ("float32", "float16", *LEVELS)
# Uma referência: um valor (o seu número), uma constante (o seu número, de -1 para baixo), ou nada.
Reference = int | None


@dataclass
class Constant:
    """Um tensor que não depende das entradas.

    Attributes:
        tensor: os números, no tensor que a rede usa.
        axis: o eixo dos canais de saída, se é o peso de uma camada; nos inteiros cada canal tem a sua escala.
        kind: como é guardado.
    """

    tensor: Tensor
    axis: int | None
    kind: str

    @property
    def scale(self) -> Tensor:
        """Quanto vale um nível em cada canal."""
        others = [axis for axis in range(self.tensor.ndim) if axis != self.axis]
        return self.tensor.detach().abs().amax(others, keepdim=True).clamp(min=1e-12) / LEVELS[self.kind]

    def stored(self) -> Tensor:
        """Os números como ficam depois de guardados."""
        if self.kind in LEVELS:
            return self._levels() * self.scale
        return self.tensor.half().to(self.tensor.dtype) if self.kind == "float16" else self.tensor

    def to_bytes(self) -> bytes:
        """Os números; se inteiros, um byte cada um, e depois deles a escala de cada canal em float32."""
        if self.kind in LEVELS:
            levels = self._levels().to(torch.int8).cpu().numpy().tobytes()
            return _aligned(levels) + self.scale.flatten().cpu().numpy().astype("<f4").tobytes()
        return (
            self.tensor.detach().cpu().contiguous().numpy().astype("<f2" if self.kind == "float16" else "<f4").tobytes()
        )

    def _levels(self) -> Tensor:
        return (self.tensor.detach() / self.scale).round()


@dataclass
class Exported:
    """Uma rede pronta para a página.

    Attributes:
        recording: o que ela faz.
        names: os nomes das entradas e os das saídas.
        constants: as constantes do grafo.
        steps: as operações dele, em ordem.
        places: de cada saída, o nome, onde fica e a forma.
    """

    recording: Recording
    names: tuple[tuple[str, ...], tuple[str, ...]]
    constants: list[Constant] = field(default_factory=list)
    steps: list[list[Any]] = field(default_factory=list)
    places: list[tuple[str, Reference, tuple[int, ...]]] = field(default_factory=list)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """As saídas que o PyTorch dá com os pesos como foram guardados: o que a página deve dar."""
        stored = {id(constant.tensor): constant.stored() for constant in self.constants}
        outputs: list[Tensor] = self.recording.replay(inputs, lambda tensor: stored.get(id(tensor), tensor))
        return outputs

    def block(self) -> dict[str, Any]:
        """O bloco: ``data`` são as constantes em sequência, comprimidas (zlib), em base64; ``crc32`` as confere."""
        data, listed = b"", []
        for constant in self.constants:
            kind = "int8" if constant.kind in LEVELS else constant.kind
            listed.append([kind, list(constant.tensor.shape), len(data), constant.axis])
            data += _aligned(constant.to_bytes())
        inputs = [
            [name, value.index, list(value.shape)]
            for name, value in zip(self.names[0], self.recording.inputs, strict=True)
        ]
        return {
            "version": VERSION,
            "inputs": inputs,
            "outputs": [[name, place, list(shape)] for name, place, shape in self.places],
            "constants": listed,
            "steps": self.steps,
            "crc32": zlib.crc32(data),
            "data": base64.b64encode(zlib.compress(data, 9)).decode(),
        }


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
