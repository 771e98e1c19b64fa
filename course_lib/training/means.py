"""As médias de uma época, somadas onde os termos estão."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.contracts import Terms


class TermMeans:
    """Média de cada termo sobre os exemplos vistos: o último lote, menor, pesa menos.

    Os termos continuam tensores até que alguém peça as médias: lê-los um a um pararia a GPU a cada passo.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.seen = 0
        self._sums = torch.zeros(0)

    def add(self, terms: Terms, n: int) -> None:
        """Junta os termos de um lote de ``n`` exemplos.

        Raises:
            ValueError: o que veio no primeiro lote não é um dicionário de escalares.
        """
        if not self.names:
            self.names = term_names(terms)
            device = next(iter(terms.values())).device
            # As GPUs da Apple não têm float64.
            dtype = torch.float32 if device.type == "mps" else torch.float64
            self._sums = torch.zeros(len(self.names), dtype=dtype, device=device)
        self._sums.add_(torch.stack([terms[name] for name in self.names]).detach(), alpha=n)
        self.seen += n

    def values(self) -> dict[str, float]:
        """Termo → média; vazio antes do primeiro lote."""
        return dict(zip(self.names, (self._sums / self.seen).tolist(), strict=True))


def term_names(terms: Any) -> list[str]:
    """Nomes dos termos, depois de conferir o dicionário que o passo devolveu.

    Raises:
        ValueError: não é um dicionário de escalares.
    """
    if not isinstance(terms, dict) or not terms:
        raise ValueError(f"step: devolveu {type(terms).__name__}; esperava um dicionário {{termo: escalar}}")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            came = f"um tensor de forma {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"step: o termo {name!r} é {came}; esperava um tensor escalar, de forma ()")
    return list(terms)
