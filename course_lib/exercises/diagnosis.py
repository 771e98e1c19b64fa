"""O que se vê numa resposta errada que nenhum engano conhecido da questão explica: um sinal, um fator, uma ordem.

Cada observação é um fato sobre os números que vieram, e vale para qualquer questão.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.answers import close

# A observação e a função que a explica, que dos números certos tira os que vieram.
_OF_EACH: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("É o certo com o sinal trocado.", lambda x: -x),
    ("Veio zero.", lambda x: 0 * x),
    ("Está invertido: é 1 dividido pelo certo.", lambda x: 1 / x),
    ("É 1 menos o certo.", lambda x: 1 - x),
    ("É o quadrado do certo.", lambda x: x**2),
    ("É a raiz do certo.", lambda x: x.sqrt()),
    ("É o logaritmo do certo.", lambda x: x.log()),
    ("É a exponencial do certo.", lambda x: x.exp()),
    ("É o módulo do certo: perdeu-se um sinal.", lambda x: x.abs()),
    ("Sobra 1.", lambda x: x + 1),
    ("Falta 1.", lambda x: x - 1),
    ("Está arredondado para baixo.", lambda x: x.floor()),
    ("Está arredondado para cima.", lambda x: x.ceil()),
)

_FACTORS = {
    2.0: "É o dobro do certo.",
    0.5: "É a metade do certo.",
    4.0: "É quatro vezes o certo: um 2 que devia entrar ao quadrado?",
    0.25: "É um quarto do certo: um 2 que devia entrar ao quadrado?",
    -2.0: "É o dobro do certo, com o sinal trocado.",
    -0.5: "É a metade do certo, com o sinal trocado.",
    10.0: "É dez vezes o certo.",
    0.1: "É um décimo do certo.",
    100.0: "É cem vezes o certo: uma porcentagem?",
    math.log(2): "É o certo vezes log 2: bits no lugar de nats, ou o contrário?",
    1 / math.log(2): "É o certo dividido por log 2: bits no lugar de nats, ou o contrário?",
    math.log(10): "É o certo vezes log 10: a base do logaritmo é outra.",
    1 / math.log(10): "É o certo dividido por log 10: a base do logaritmo é outra.",
}

# O que se faz de uma entrada, e como se diz.
_OF_INPUTS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("com `{}` igual a zero: ele entrou na conta?", lambda x: 0 * x),
    ("com `{}` igual a 1: ele entrou na conta?", lambda x: 0 * x + 1),
    ("com o sinal de `{}` trocado.", lambda x: -x),
    ("com o dobro de `{}`.", lambda x: 2 * x),
    ("com a metade de `{}`.", lambda x: x / 2),
    ("com `{}` ao quadrado.", lambda x: x * x),
    ("com a raiz de `{}`.", lambda x: x**0.5),
    ("com `{}` mais 1.", lambda x: x + 1),
    ("com `{}` menos 1.", lambda x: x - 1),
    ("com 1 menos `{}`.", lambda x: 1 - x),
    ("com o inverso de `{}`.", lambda x: 1 / x),
    ("com `{}` em ordem inversa.", lambda x: x.flip(0)),
    ("com a média de `{}` no lugar de cada um.", lambda x: 0 * x + x.mean(0)),
    ("só com o primeiro de `{}`.", lambda x: 0 * x + x[:1]),
)

# O que se faz de uma entrada para ter o fator que sobra.
_TIMES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("vezes `{}`", lambda x: x),
    ("dividido por `{}`", lambda x: 1 / x),
    ("vezes o quadrado de `{}`", lambda x: x * x),
    ("dividido pelo quadrado de `{}`", lambda x: 1 / (x * x)),
    ("vezes a raiz de `{}`", lambda x: x**0.5),
    ("dividido pela raiz de `{}`", lambda x: x**-0.5),
    ("vezes 1 menos `{}`", lambda x: 1 - x),
    ("dividido por 1 menos `{}`", lambda x: 1 / (1 - x)),
)


def diagnose(value: Any, right: Any, inputs: Mapping[str, Any], but: Callable[..., Any]) -> str:
    """Uma frase sobre o que há de errado nos números, ou um texto vazio.

    Args:
        value: o que veio, já lido, da forma de ``right``.
        right: o certo.
        inputs: as entradas da questão.
        but: o certo com outras entradas: ``but(x=-x)``.
    """
    value, right = (torch.as_tensor(item).detach().double() for item in (value, right))
    observations = itertools.chain(
        _of_the_numbers(value, right, inputs),
        _of_the_order(value, right),
        _of_the_places(value, right),
        _of_the_verdicts(value, right),
        _of_the_inputs(value, right, inputs, but),
        _of_the_size(value, right),
    )
    return next(observations, "")


def _of_the_numbers(value: Tensor, right: Tensor, inputs: Mapping[str, Any]) -> Iterator[str]:
    for text, change in _OF_EACH:
        if _same(value, change(right)):
            yield text
    ratio, difference = value / right, value - right
    factor = float(ratio.flatten()[0]) if value.numel() else math.nan
    if not math.isfinite(factor) or factor == 0 or not _same(value, factor * right):
        if value.numel() > 1 and _same(difference, difference.flatten()[0].expand_as(difference)):
            yield "Todos diferem do certo pelo mesmo tanto: sobra ou falta uma parcela."
        return
    for wanted, text in _FACTORS.items():
        if math.isclose(factor, wanted, rel_tol=1e-3):
            yield text
    for size in _sizes(inputs):
        if any(math.isclose(factor, wanted, rel_tol=1e-3) for wanted in (size, 1 / size)):
            yield "É o certo vezes o tamanho de um eixo, ou dividido por ele: a soma no lugar da média, ou o contrário?"
        if any(math.isclose(factor, wanted, rel_tol=1e-3) for wanted in (size / (size - 1), (size - 1) / size)):
            yield "Há um n no lugar de n - 1, ou o contrário."
    if any(whole > 1.5 and abs(whole - round(whole)) < 1e-5 * whole for whole in (factor, 1 / factor)):
        yield "É o certo vezes um inteiro, ou dividido por um: a soma no lugar da média, ou o contrário?"
    if value.numel() > 1 and right.flatten().unique().numel() > 1:
        yield "Todos são o certo vezes um mesmo fator: uma constante esquecida?"


def _of_the_order(value: Tensor, right: Tensor) -> Iterator[str]:
    if not value.ndim or not _same(value.flatten().sort().values, right.flatten().sort().values):
        return
    for axis in range(value.ndim):
        if _same(value, right.flip(axis)):
            yield "Os números são os certos, na ordem inversa."
        if any(_same(value, right.roll(step, axis)) for step in (1, -1)):
            yield "Os números são os certos, deslocados de um lugar."
    if value.ndim > 1 and _same(value, right.mT.reshape(value.shape)):
        yield "Está transposto."
    yield "Os números são os certos, noutra ordem."


def _of_the_places(value: Tensor, right: Tensor) -> Iterator[str]:
    if value.ndim == 0 or value.numel() < 2:
        return
    if _same(value, value.flatten()[0].expand_as(value)) and not _same(right, right.flatten()[0].expand_as(right)):
        yield "Vieram todos iguais, e não são."
    rows = value.shape[0] > 1 and _same(value, value[:1].expand_as(value))
    if rows and not _same(right, right[:1].expand_as(right)):
        yield "A resposta é a mesma em toda linha (eixo 0), e não devia."
    hits = torch.isclose(value, right, rtol=1e-4, atol=1e-4).reshape(len(value), -1).all(1)
    if len(hits) > 1 and hits[1:].all():
        yield "Só o primeiro não confere."
    if len(hits) > 1 and hits[:-1].all():
        yield "Só o último não confere."
    if len(hits) > 2 and hits[1:-1].all():
        yield "Só as pontas não conferem."
    if len(hits) > 1 and hits[0] and not hits[1:].any():
        yield "Só o primeiro confere."
    if len(hits) > 1 and hits[-1] and not hits[:-1].any():
        yield "Só o último confere."


def _of_the_verdicts(value: Tensor, right: Tensor) -> Iterator[str]:
    if value.ndim == 0 or not _same(right, right.round()) or not _same(value, value.round()):
        return
    wrong = value != right
    pairs = {(float(a), float(b)) for a, b in zip(right[wrong], value[wrong], strict=True)}
    if len(pairs) < 3:
        told = " e ".join(f"o que é {int(a)} saiu {int(b)}" for a, b in sorted(pairs))
        yield f"Há um engano só, e se repete: {told}."


def _of_the_inputs(value: Tensor, right: Tensor, inputs: Mapping[str, Any], but: Callable[..., Any]) -> Iterator[str]:
    def explains(make: Callable[[], Any]) -> bool:
        try:
            return _same(value, make())
        except Exception:
            return False  # a conta não aceita essa entrada

    plain = {name: item for name, item in inputs.items() if _is_plain(item)}
    for name, item in plain.items():
        if _same(value, item):
            yield f"É o próprio argumento `{name}`."
    for name, item in plain.items():
        for text, change in _OF_INPUTS:
            if explains(lambda name=name, item=item, change=change: but(**{name: _finite(change(item))})):
                yield f"É o que se teria {text.format(name)}"
    for name, item in plain.items():
        for text, change in _TIMES:
            if explains(lambda item=item, change=change: change(item) * right):
                yield f"É o certo {text.format(name)}."
        if any(explains(lambda item=item, sign=sign: right + sign * item) for sign in (1, -1)):
            yield f"Sobra ou falta uma parcela `{name}`."
    for one, other in itertools.combinations(inputs, 2):
        swapped = {one: inputs[other], other: inputs[one]}
        if type(inputs[one]) is type(inputs[other]) and explains(lambda swapped=swapped: but(**swapped)):
            yield f"É o que se teria com `{one}` e `{other}` trocados."


def _of_the_size(value: Tensor, right: Tensor) -> Iterator[str]:
    if value.ndim and torch.isclose(value, right, rtol=1e-4, atol=1e-4).any():
        yield "Uma parte dos valores confere; a outra, não: que caso a sua conta não trata?"
    scale = right.abs().max() if right.numel() else 0.0
    if scale and (value - right).abs().max() < 0.03 * scale:
        yield "Falta pouco: procure uma parcela pequena, um n no lugar de n - 1, ou um arredondamento."
    if (value < 0).any() and (right >= 0).all():
        yield "Há um valor negativo, e nenhum devia ser."
    if (value >= 0).all() and (right < 0).any():
        yield "Falta um valor negativo."


def _finite(item: Any) -> Any:
    """A entrada, se os seus números são finitos: com outras, uma biblioteca escreveria queixas na tela do estudante."""
    if not torch.as_tensor(item).isfinite().all():
        raise ValueError(item)
    return item


def _is_plain(item: Any) -> bool:
    return (isinstance(item, Tensor) and item.dtype is not torch.bool) or type(item) in (int, float)


def _sizes(inputs: Mapping[str, Any]) -> list[int]:
    """Os tamanhos dos eixos das entradas, e os produtos deles."""
    shapes = [item.shape for item in inputs.values() if isinstance(item, Tensor)]
    found = {size for shape in shapes for size in (*shape, math.prod(shape), math.prod(shape[1:]))}
    found |= {item for item in inputs.values() if type(item) is int} | {sum(shape[:1]) for shape in shapes}
    found |= {sum(len(item) for item in inputs.values() if isinstance(item, Tensor) and item.ndim)}
    return sorted(size for size in found if size > 1)


def _same(value: Any, expected: Any) -> bool:
    """Se são os mesmos números, e finitos."""
    expected = torch.as_tensor(expected).detach()
    if expected.is_complex() or expected.numel() != value.numel() or not bool(expected.isfinite().all()):
        return False
    return close(value, expected.reshape(value.shape))
