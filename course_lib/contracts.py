"""Os contratos do curso: o que um lote, um passo, um objetivo e um amostrador precisam ter. Só nomes, nenhum código.

Nada aqui se herda: um objeto que tem o que o contrato pede já o cumpre, e o verificador de tipos confere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

# O nome de cada termo de uma perda, e o seu valor: um escalar, de forma ().
Terms = dict[str, Tensor]


class Batch(Protocol):
    """Um lote: exemplos ``x`` (B, …) e, quando há, os seus rótulos ``labels`` (B,) int64."""

    @property
    def x(self) -> Tensor:
        """Os exemplos, (B, …)."""
        ...


class LabelledBatch(Batch, Protocol):
    """Um lote com rótulos."""

    @property
    def labels(self) -> Tensor:
        """As classes, (B,) int64."""
        ...


class UnpairedBatch(Protocol):
    """Um lote de dois domínios, ``x`` e ``y``, ambos (B, C, H, W) e sem par entre si."""

    @property
    def x(self) -> Tensor:
        """Imagens do domínio X."""
        ...

    @property
    def y(self) -> Tensor:
        """Imagens do domínio Y."""
        ...


class Step(Protocol):
    """Um passo de treinamento: anda com um lote e devolve os termos, sem gradiente.

    É dono das redes e dos otimizadores, guardados como atributos: é assim que o checkpoint os encontra.
    """

    def __call__(self, batch: Any, /) -> Terms:
        """Anda um passo com ``batch``."""
        ...


# objetivo(modelo, lote) -> termos; "loss" é o que se minimiza, e os outros só se registram.
Objective = Callable[[Any, Any], Terms]


@runtime_checkable
class Sampler(Protocol):
    """O que sabe gerar exemplos."""

    def sample(self, n: int, /) -> Tensor:
        """``n`` exemplos novos, (n, …)."""
        ...


class BatchSource(Protocol):
    """De onde o laço tira os lotes: percorre-se uma vez por época, numa ordem que só depende da semente e da época."""

    def __len__(self) -> int:
        """Quantos lotes tem uma época."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Os lotes da época."""
        ...

    def set_epoch(self, epoch: int, /) -> None:
        """Chamado antes de cada época, com o número dela a partir de 0."""
        ...


class Stateful(Protocol):
    """O que sabe guardar e retomar o seu estado: redes, otimizadores, agendas, médias móveis."""

    def state_dict(self) -> dict[str, Any]:
        """O estado."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Retoma de um :meth:`state_dict`."""
        ...
