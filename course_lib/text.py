"""Os números e as tabelas que uma pessoa lê, escritos como no Brasil. Só aqui.

Um número leva a especificação de formato do Python, sem a largura, que se dá ao texto pronto:

>>> number(0.03125, ".2f")
'0,03'
>>> number(60_000, ",")
'60.000'
>>> number(0.973, ".1%")
'97,3 %'
>>> number(0.0000895, ".3g")
'8,95·10⁻⁵'
>>> f"perda {number(0.5, '.2f'):>8}"
'perda     0,50'

Uma tabela leva células prontas ou números:

>>> print(table([("VAE", 0.031, 12), ("GAN", 0.5, 8)], ["modelo", "erro", "épocas"], spec=".2f"))
modelo  erro  épocas
VAE     0,03      12
GAN     0,50       8
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

_BRAZILIAN = str.maketrans(",.", ".,")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPECIAL = {"nan": "NaN", "inf": "∞"}


def number(value: Any, spec: str = "g") -> str:
    """Um número em português: vírgula decimal, ponto nos milhares, potência de dez em lugar de ``e``.

    Args:
        value: um número do Python ou do NumPy, ou um tensor de forma ().
        spec: a especificação de formato do Python (``".2f"``, ``",.0f"``, ``".1%"``), sem largura.
    """
    digits, e, exponent = format(value, spec).partition("e")
    sign = digits[0] if digits[0] in "+-" else ""
    digits = digits.removeprefix(sign).rstrip("%")
    written = _SPECIAL.get(digits) or digits.translate(_BRAZILIAN)
    if e and int(exponent):
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
        written = power if written == "1" else f"{written}·{power}"
    return sign + written + (" %" if spec.endswith("%") else "")


def table(rows: Iterable[Sequence[Any]], header: Sequence[str], *, spec: str = "g", markdown: bool = False) -> str:
    """Uma tabela: a primeira coluna alinhada à esquerda, as outras à direita.

    Args:
        rows: as linhas; uma célula é um texto, que fica como está, ou um número.
        header: o nome de cada coluna.
        spec: como :func:`number` escreve as células que são números; as de inteiros ficam sem casas.
        markdown: se a tabela é de Markdown; sem isso, é de texto, com as colunas alinhadas por espaços.

    Raises:
        ValueError: uma linha tem mais ou menos células que o cabeçalho.
    """
    lines = [list(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"rows: veio uma linha de {len(row)} células; esperava {len(header)}, as do cabeçalho")
        lines.append([_cell(value, spec) for value in row])
    if markdown:
        lines.insert(1, ["---"] + ["---:"] * (len(header) - 1))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        ).rstrip()
        for first, *others in lines
    )


def _cell(value: Any, spec: str) -> str:
    if isinstance(value, str):
        return value
    return number(value, "d" if isinstance(value, Integral) else spec)
