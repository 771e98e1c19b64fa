"""Se uma resposta errada é só outro modo de escrever a certa: comparam-se as duas em muitos sorteios, e fora deles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchmarks.subjects import Subject

DRAWS = range(10_000, 10_018)
PERTURBED = range(10_000, 10_002)


@dataclass
class Sameness:
    """As entradas em que se compara, e o que a resposta certa dá nelas.

    Attributes:
        subject: a questão.
        drawn: sorteios.
        edges: sorteios esticados, encolhidos, com empates, com ruído.
    """

    subject: Subject
    drawn: list[tuple[dict[str, Any], Tensor]] = field(init=False)
    edges: list[tuple[dict[str, Any], Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self.drawn = [*self._known(self.subject.inputs(seed) for seed in DRAWS)]
        self.edges = [*self._known(inputs for seed in PERTURBED for inputs in _edges(self.subject, seed))]

    def compare(self, function: Callable[..., Any]) -> tuple[bool, bool]:
        """Se a função dá o mesmo que a certa nos sorteios, e se dá o mesmo também nas bordas."""
        drawn, edges = (
            all(_agree(function, inputs, right) for inputs, right in known) for known in (self.drawn, self.edges)
        )
        return drawn, edges

    def _known(self, every: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Tensor]]:
        for inputs in every:
            try:
                right = _numbers(_answer(self.subject.right, inputs))
            except Exception:
                continue  # fora do que a questão promete: a própria resposta certa não sabe o que fazer
            if right.isfinite().all():
                yield inputs, right


def _agree(function: Callable[..., Any], inputs: dict[str, Any], right: Tensor) -> bool:
    try:
        found = _numbers(_answer(function, inputs))
    except Exception:
        return False
    scale = float(right.abs().max()) if right.numel() else 0.0
    return found.shape == right.shape and torch.allclose(found, right, rtol=1e-4, atol=1e-5 * (1 + scale))


def _answer(function: Callable[..., Any], inputs: dict[str, Any]) -> Any:
    torch.default_generator.manual_seed(0)
    return function(*copy.deepcopy(inputs).values())


def _numbers(answer: Any) -> Tensor:
    if isinstance(answer, list | tuple):
        return torch.cat([_numbers(item) for item in answer]) if len(answer) else torch.zeros(0)
    return torch.as_tensor(answer).detach().double().flatten()


def _edges(subject: Subject, seed: int) -> Iterator[dict[str, Any]]:
    """As entradas de um sorteio, esticadas, encolhidas, com empates, com ruído e com um lote de um."""
    inputs = subject.inputs(seed)
    source = torch.Generator().manual_seed(seed)

    def noisy(x: Tensor) -> Tensor:
        return x + 0.3 * torch.randn(x.shape, generator=source, dtype=x.dtype)

    changes: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda x: 3 * x,
        lambda x: x / 10,
        lambda x: x.round(decimals=1),
        noisy,
        lambda x: x.round(),
    )
    for change in changes:
        yield {name: _changed(value, change) for name, value in inputs.items()}
        for name, value in inputs.items():
            if len(inputs) > 1:
                yield inputs | {name: _changed(value, change)}
    for name, value in inputs.items():
        if type(value) in (int, float):
            for other in (1, 2, 3, 2 * value, value / 2 if type(value) is float else value // 2):
                yield inputs | {name: type(value)(other)}


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(_changed(item, change) for item in value)
    return value
