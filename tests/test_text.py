"""Números e tabelas em português: o que se lê de volta é o que se escreveu."""

from __future__ import annotations

import doctest
import math
import random
import struct

import numpy as np
import pytest
import torch

from course_lib import text
from course_lib.text import number, table

NORMAL = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def read(written: str) -> float:
    """O número que um brasileiro lê em ``written``."""
    sign, body = (-1, written[1:]) if written.startswith("-") else (1, written.removeprefix("+"))
    if body == "∞":
        return sign * math.inf
    share = body.endswith(" %")
    digits, has_power, power = body.removesuffix(" %").partition("·10")
    if body.startswith("10") and body[2:].translate(NORMAL) != body[2:]:
        digits, has_power, power = "1", "·10", body[2:]
    exponent = int(power.translate(NORMAL)) if has_power else 0
    return sign * float(f"{digits.replace('.', '').replace(',', '.')}e{exponent - 2 * share}")


def any_floats(n: int) -> list[float]:
    """Números de todos os tamanhos: metade com bits quaisquer, metade do tamanho dos que se veem no curso."""
    source = random.Random(0)
    bits = [struct.unpack("<d", struct.pack("<Q", source.getrandbits(64)))[0] for _ in range(n)]
    return [value for value in bits if math.isfinite(value)] + [
        source.uniform(-1, 1) * 10 ** source.randint(-9, 9) for _ in range(n)
    ]


def test_the_examples_of_the_module_are_true():
    assert doctest.testmod(text).failed == 0


@pytest.mark.parametrize("spec", ["", ".17g", ".16e"])
def test_every_float_is_read_back_exactly(spec):
    for value in any_floats(2_000):
        assert read(number(value, spec)) == value, number(value, spec)


@pytest.mark.parametrize("spec", [".4g", ".3f", "+.2f", ",.1f", ".2%", "g", ".0e"])
def test_rounding_is_that_of_python(spec):
    for value in any_floats(500):
        if abs(value) < 1e15:
            rounded = format(value, spec).replace(",", "")
            expected = float(rounded[:-1]) / 100 if rounded.endswith("%") else float(rounded)
            assert read(number(value, spec)) == pytest.approx(expected, rel=1e-12), (value, number(value, spec))


def test_what_is_written_is_never_ambiguous():
    """Com menos de três casas depois do ponto, um ponto seria lido como vírgula."""
    for value in any_floats(500):
        for spec in ("g", ".4g", ".3f", ",.2f", ".1%"):
            written = number(value, spec)
            assert "e" not in written
            groups = written.partition(",")[0].split(".")
            assert all(len(group.partition("·")[0]) == 3 for group in groups[1:]), written


@pytest.mark.parametrize(
    ("value", "spec", "expected"),
    [
        (9.0, "g", "9"),
        (-0.5, "g", "-0,5"),
        (1e-5, "g", "10⁻⁵"),
        (-1e-5, "g", "-10⁻⁵"),
        (3.2e12, "g", "3,2·10¹²"),
        (5.0, ".0e", "5"),
        (1_234_567.891, ",.2f", "1.234.567,89"),
        (0.25, "+.1%", "+25,0 %"),
        (math.nan, ".4g", "NaN"),
        (-math.inf, ".2f", "-∞"),
        (np.float32(0.5), ".2f", "0,50"),
        (np.int64(1_000), ",", "1.000"),
        (torch.tensor(0.25), ".2f", "0,25"),
    ],
)
def test_known_numbers(value, spec, expected):
    assert number(value, spec) == expected


def test_columns_are_aligned_and_can_be_read_back():
    rows = [("a", 1, 0.5), ("maior", 1_000, -12.25), ("c", np.int64(3), math.nan)]
    lines = table(rows, ["nome", "n", "valor"], spec=".2f").splitlines()
    assert lines[0].split() == ["nome", "n", "valor"]
    assert [line.split() for line in lines[1:]] == [["a", "1", "0,50"], ["maior", "1000", "-12,25"], ["c", "3", "NaN"]]
    # A primeira coluna começa no mesmo lugar; as outras terminam no mesmo lugar.
    assert {len(line) for line in lines} == {len("maior  1000  -12,25")}
    assert all(line[0] != " " for line in lines)
    assert [line[: len("maior  1000")].split()[-1] for line in lines] == ["n", "1", "1000", "3"]


def test_markdown_table():
    assert table([("a", 0.5)], ["nome", "valor"], spec=".1f", markdown=True).splitlines() == [
        "| nome | valor |",
        "| --- | ---: |",
        "| a | 0,5 |",
    ]


def test_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match="rows: veio uma linha de 3 células; esperava 2, as do cabeçalho"):
        table([("a", 1), ("b", 2, 3)], ["nome", "n"])
