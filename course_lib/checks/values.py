"""As conferências de números, listas e opções."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any, Literal, overload

from course_lib import text


def require(condition: bool, message: str) -> None:
    """Levanta ``ValueError(message)`` se a condição for falsa: para o que não tem conferência própria aqui.

    Raises:
        ValueError: a condição é falsa.
    """
    if not condition:
        raise ValueError(message)


def _is(value: Any, kind: type) -> bool:
    # Os números do NumPy valem; True e False, que em Python são inteiros, não.
    return isinstance(value, kind) and not isinstance(value, bool)


@overload
def integer(
    value: Any, name: str, *, low: int = 1, high: int | None = None, multiple: int = 1, optional: Literal[False] = False
) -> int: ...


@overload
def integer(
    value: Any, name: str, *, low: int = 1, high: int | None = None, multiple: int = 1, optional: bool
) -> int | None: ...


def integer(
    value: Any, name: str, *, low: int = 1, high: int | None = None, multiple: int = 1, optional: bool = False
) -> int | None:
    """Um inteiro de ``low`` a ``high`` (sem ``high``, a partir de ``low``), múltiplo de ``multiple``.

    Com ``optional``, ``None`` também serve: o argumento que falta.

    Returns:
        O mesmo número, como ``int`` do Python: há contas do PyTorch, e arquivos, em que um do NumPy não serve.

    Raises:
        ValueError: não é um inteiro, ou está fora da faixa.
    """
    if optional and value is None:
        return None
    top = math.inf if high is None else high
    if not (_is(value, Integral) and low <= value <= top and value % multiple == 0):
        kind = {1: "inteiro", 2: "inteiro par"}.get(multiple, f"múltiplo de {multiple}")
        span = f"≥ {low}" if high is None else f"de {low} a {high}"
        raise ValueError(f"{name}: veio {value!r}; esperava um {kind} {span}")
    return int(value)


def sizes(**values: Any) -> None:
    """Cada argumento é um inteiro a partir de 1: ``sizes(width=width, n_blocks=n_blocks)``.

    Raises:
        ValueError: algum não é.
    """
    for name, value in values.items():
        integer(value, name)


def integers(
    values: Any, name: str, *, low: int = 1, length: int | None = None, least: int = 1, multiple: int = 1
) -> tuple[int, ...]:
    """Uma sequência de inteiros a partir de ``low``: ``length`` deles ou, sem ele, pelo menos ``least``.

    Returns:
        Os mesmos números, como ``int`` do Python.

    Raises:
        ValueError: não é uma sequência assim.
    """
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    enough = listed and (len(values) >= least if length is None else len(values) == length)
    if not (enough and all(_is(value, Integral) and value >= low and value % multiple == 0 for value in values)):
        kind = "inteiros" if multiple == 1 else f"múltiplos de {multiple}"
        some = "uma sequência de" if least <= 1 else f"pelo menos {least}"
        wanted = f"{some if length is None else length} {kind}"
        raise ValueError(f"{name}: veio {tuple(values) if listed else repr(values)}; esperava {wanted} ≥ {low}")
    return tuple(map(int, values))


def number(
    value: Any, name: str, interval: str = "(-inf, inf)", what: str = "um número", *, optional: bool = False
) -> None:
    """Um número no intervalo, que se escreve como na matemática: ``"[0, 1)"`` tem o 0 e não o 1.

    A mensagem o chama de ``what``: um desvio, uma probabilidade, com a unidade quando ela se confunde. Com
    ``optional``, ``None`` também serve.

    Raises:
        ValueError: não é um número, ou está fora do intervalo.
    """
    if optional and value is None:
        return
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = _is(value, Real) and (value >= low if interval[0] == "[" else value > low)
    if not (above and (value <= high if interval[-1] == "]" else value < high)):
        least = "maior ou igual a" if interval[0] == "[" else "maior que"
        most = "menor ou igual a" if interval[-1] == "]" else "menor que"
        sides = [f"{least} {text.number(low)}"] * (low > -math.inf)
        sides += [f"{most} {text.number(high)}"] * (high < math.inf)
        raise ValueError(f"{name}: veio {value!r}; esperava {what} {' e '.join(sides) or 'finito'}")


def span(low: Any, high: Any, names: str, most: float, *, strict: bool = False) -> None:
    """Dois números com 0 < low ≤ high ≤ most e, com ``strict``, diferentes; ``names`` é o par: ``"low e high"``.

    Raises:
        ValueError: não são dois números, ou não estão nessa ordem.
    """
    if not (_is(low, Real) and _is(high, Real) and 0 < low <= high <= most) or (strict and low == high):
        order = f"0 < mínimo {'<' if strict else '≤'} máximo ≤ {text.number(most)}"
        raise ValueError(f"{names}: vieram {low!r} e {high!r}; esperava {order}")


def numbers(interval: str, **values: Any) -> None:
    """Cada argumento é um número no intervalo (veja :func:`number`): ``numbers("[0, inf)", weight=weight)``.

    Raises:
        ValueError: algum não é.
    """
    for name, value in values.items():
        number(value, name, interval)


def numbers_each(values: Any, name: str, interval: str, *, length: int) -> None:
    """``length`` números, todos no intervalo (veja :func:`number`).

    Raises:
        ValueError: há outro número deles, ou algum não serve.
    """
    count(values, name, length, "números")
    for value in values:
        number(value, name, interval)


def one_of(value: Any, name: str, options: Collection[Any]) -> None:
    """Um valor da lista.

    Raises:
        ValueError: não está nela.
    """
    # Numa tupla, e não no próprio dicionário, um valor que não tem hash também é só um valor que não está.
    if value not in tuple(options):
        raise ValueError(f"{name}: veio {value!r}; as opções são {', '.join(map(repr, options))}")


def count(values: Any, name: str, expected: int, what: str = "itens") -> None:
    """Uma coleção de ``expected`` itens, que a mensagem chama de ``what``.

    Raises:
        ValueError: há outro número deles.
    """
    if len(values) != expected:
        raise ValueError(f"{name}: veio {len(values)}; esperava {expected} {what}")


def not_empty(values: Any, name: str) -> None:
    """Uma coleção com pelo menos um item.

    Raises:
        ValueError: está vazia.
    """
    if len(values) == 0:
        raise ValueError(f"{name}: não veio nada; esperava pelo menos um item")


def permutation(values: Any, name: str, *, multiple: int = 1) -> None:
    """Os números de 0 a n - 1, cada um uma vez, em qualquer ordem; n ≥ 1, múltiplo de ``multiple``.

    Raises:
        ValueError: falta algum, algum se repete, ou n é outro.
    """
    n = len(values)
    if n == 0 or n % multiple or sorted(values) != list(range(n)):
        kind = {1: "", 2: ", um número par deles"}.get(multiple, f", um múltiplo de {multiple} deles")
        raise ValueError(f"{name}: veio {list(values)}; esperava cada número de 0 em diante, uma vez{kind}")


def same(found: Any, expected: Any, name: str) -> None:
    """Um valor igual ao esperado.

    Raises:
        ValueError: é outro.
    """
    if found != expected:
        raise ValueError(f"{name}: veio {found}; esperava {expected}")
