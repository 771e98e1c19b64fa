"""Os enganos da função inteira: o que ela devolve, o que recebe e o que altera, a partir de uma resposta certa."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Question

Answer = Callable[..., Any]

# O que se faz de cada item de uma resposta certa.
_CHANGES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("sinal", "-x", lambda x: -x),
    ("fator", "2x", lambda x: 2 * x),
    ("fator", "x/2", lambda x: x / 2),
    ("potência", "x²", lambda x: x**2),
    ("constante", "0", lambda x: 0 * x),
    ("constante", "1", lambda x: 0 * x + 1),
    ("parcela", "x + 1", lambda x: x + 1),
    ("parcela", "x - 1", lambda x: x - 1),
    ("lote", "a média no lugar de cada um", lambda x: 0 * x + x.mean(0)),
    ("ordem", "ao contrário", lambda x: x.flip(0)),
    ("ordem", "o primeiro vai para o fim", lambda x: x.roll(-1, 0)),
    ("um só", "o primeiro no lugar de cada um", lambda x: 0 * x + x[:1]),
    ("um só", "errado só no fim", lambda x: torch.cat([x[:-1], x[-1:] + 1])),
    ("um só", "errado só no começo", lambda x: torch.cat([x[:1] + 1, x[1:]])),
    ("transposta", "xᵀ", lambda x: x.mT),
)


_OF_NUMBERS = 8  # estas servem também a um número só


def wrong_answers(question: Question, right: Answer) -> Iterator[tuple[str, str, Answer]]:
    """A espécie, o nome e a função de cada engano; alguns não mudam nada, ou não se aplicam.

    Args:
        question: a questão.
        right: uma função certa.
    """
    inputs = question.make_inputs(question.public_seeds[0])
    yield from _of_the_answer(question, right)
    yield from _of_memory(question, right)
    for index, (name, value) in enumerate(inputs.items()):
        yield "devolve o argumento", name, lambda *given, index=index: given[index]
        if isinstance(value, Tensor):
            yield "altera o argumento", name, _altering(right, index)
        if (isinstance(value, Tensor) and value.is_floating_point()) or isinstance(value, float):
            for kind, change, new in _OF_INPUTS:
                yield kind, f"{name} = {change.format(name)}", _with_input(right, index, new)
    for index, (one, other) in enumerate(zip(inputs, list(inputs)[1:], strict=False)):
        if type(inputs[one]) is type(inputs[other]):
            yield "argumentos trocados", f"{one} e {other}", _swapped(right, index)


_OF_INPUTS = (
    ("não usa o argumento", "0 · {}", lambda x: 0 * x),
    ("não usa o argumento", "1", lambda x: 0 * x + 1),
    ("sinal do argumento", "-{}", lambda x: -x),
    ("fator do argumento", "2 {}", lambda x: 2 * x),
    ("fator do argumento", "{}²", lambda x: x * x),
)


def _of_the_answer(question: Question, right: Answer) -> Iterator[tuple[str, str, Answer]]:
    answer = question.expected(question.make_inputs(question.public_seeds[0]))
    for item, value in enumerate(answer if question.parts else [answer]):
        part = f", {question.parts[item]}" if question.parts else ""
        value = torch.as_tensor(value)
        for kind, change, new in _CHANGES if value.ndim and len(value) > 1 else _CHANGES[:_OF_NUMBERS]:
            if change != "xᵀ" or value.ndim > 1:
                yield kind, change + part, _with_answer(right, item if question.parts else None, new)
    if question.parts:
        yield "ordem", "itens trocados", lambda *given: tuple(right(*given))[::-1]


def _of_memory(question: Question, right: Answer) -> Iterator[tuple[str, str, Answer]]:
    known = {}
    for seed in question.public_seeds:
        inputs = question.make_inputs(seed)
        known[_fingerprint(inputs.values())] = right(*question.make_inputs(seed).values())
    first = next(iter(known.values()))
    yield "casos públicos decorados", "zero nos outros", lambda *given: known.get(_fingerprint(given), 0.0)
    yield "casos públicos decorados", "o primeiro nos outros", lambda *given: known.get(_fingerprint(given), first)
    yield "constante", "a resposta do primeiro caso público", lambda *_: first
    yield (
        "casos públicos decorados",
        "quase certa nos outros",
        lambda *given: known.get(_fingerprint(given), _mapped(right(*given), lambda x: 1.01 * x)),
    )


def _fingerprint(values: Any) -> bytes:
    return pickle.dumps([item.state_dict() if isinstance(item, torch.nn.Module) else item for item in values])


def _altering(right: Answer, index: int) -> Answer:
    def wrong(*given: Any) -> Any:
        answer = right(*given)
        with torch.no_grad():
            given[index].add_(1)
        return answer

    return wrong


def _with_input(right: Answer, index: int, new: Callable[[Any], Any]) -> Answer:
    return lambda *given: right(*given[:index], new(given[index]), *given[index + 1 :])


def _swapped(right: Answer, index: int) -> Answer:
    return lambda *given: right(*given[:index], given[index + 1], given[index], *given[index + 2 :])


def _with_answer(right: Answer, item: int | None, new: Callable[[Any], Any]) -> Answer:
    def wrong(*given: Any) -> Any:
        answer = right(*given)
        if item is None:
            return _changed(answer, new)
        parts = list(answer)
        parts[item] = _changed(parts[item], new)
        return tuple(parts)

    return wrong


def _mapped(answer: Any, new: Callable[[Any], Any]) -> Any:
    return tuple(_mapped(item, new) for item in answer) if isinstance(answer, tuple) else _changed(answer, new)


def _changed(item: Any, new: Callable[[Any], Any]) -> Any:
    if not isinstance(item, Tensor):
        item = torch.as_tensor(np.asarray(item, dtype=float))
    item = item if item.is_floating_point() else item.double()
    return new(item)
