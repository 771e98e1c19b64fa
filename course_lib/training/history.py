"""O que um treinamento deixou registrado: uma linha por época, com a média de cada termo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from course_lib.text import number, table


@dataclass
class History:
    """Médias por época de cada termo que o passo devolveu.

    A média é sobre as imagens da época inteira; não é a perda do último lote, que oscila com o acaso do lote.

    Attributes:
        epochs: uma entrada por época terminada, ``{"loss": 0.05, …}``.
        seconds: duração de cada época.
        interrupted: se um Ctrl-C parou o treinamento antes da última época.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, term: str) -> list[float]:
        """Valores de um termo, época a época.

        Raises:
            KeyError: o passo não devolveu esse termo.
        """
        if term not in self.terms:
            raise KeyError(f"termo {term!r} não está no histórico; os termos são {', '.join(self.terms) or 'nenhum'}")
        return [epoch[term] for epoch in self.epochs]

    @property
    def terms(self) -> list[str]:
        """Nomes dos termos registrados, na ordem em que o passo os devolve."""
        return list(self.epochs[0]) if self.epochs else []

    @property
    def last(self) -> dict[str, float]:
        """Termos da última época.

        Raises:
            IndexError: nenhuma época terminou (um Ctrl-C na primeira, por exemplo).
        """
        if not self.epochs:
            raise IndexError("nenhuma época terminou: o histórico está vazio")
        return self.epochs[-1]

    def to_dict(self) -> dict[str, Any]:
        """Forma que cabe num JSON ou num checkpoint."""
        return {"epochs": self.epochs, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> History:
        """O inverso de :meth:`to_dict`."""
        return cls([dict(epoch) for epoch in state["epochs"]], list(state["seconds"]))

    def __str__(self) -> str:
        """Tabela curta: no máximo dez épocas, sempre com a primeira e a última."""
        if not self.epochs:
            return "nenhuma época terminada"
        stride = -(-len(self) // 10)
        shown = [n for n in range(1, len(self) + 1) if n == 1 or n % stride == 0 or n == len(self)]
        rows = [(str(n), *self.epochs[n - 1].values()) for n in shown]
        total = sum(self.seconds)
        took = f"tempo: {number(total, '.1f')} s ({number(total / len(self), '.2f')} s por época)"
        return table(rows, ["época", *self.terms], spec=".4f") + "\n" + took
