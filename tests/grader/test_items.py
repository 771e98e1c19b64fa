"""As estatísticas das questões, contra as contas feitas à mão pelas fórmulas do Moodle."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from course_grader.items import item_statistics

# Seis estudantes, três questões de 1, 2 e 2 pontos.
MARKS = [(1, 2, 0), (1, 0, 2), (0, 2, 0), (1, 2, 2), (0, 0, 0), (Fraction(1, 2), 1, 2)]
POINTS = (1, 2, 2)


def by_hand(item):
    """As mesmas medidas, em frações exatas até a raiz."""
    x = [Fraction(row[item]) for row in MARKS]
    rest = [Fraction(sum(row)) - mark for row, mark in zip(MARKS, x, strict=True)]
    n = len(x)

    def covariance(a, b):
        mean_a, mean_b = sum(a) / n, sum(b) / n
        return sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True)) / (n - 1)

    return (
        float(100 * sum(x) / n / POINTS[item]),
        100 * math.sqrt(covariance(x, x)) / POINTS[item],
        100 * float(covariance(x, rest)) / math.sqrt(covariance(x, x) * covariance(rest, rest)),
        float(100 * covariance(x, rest) / covariance(sorted(x), sorted(rest))),
    )


@pytest.mark.parametrize("item", [0, 1, 2])
def test_moodles_formulas(item):
    marks, totals = [float(row[item]) for row in MARKS], [float(sum(row)) for row in MARKS]
    found = item_statistics(marks, totals, POINTS[item])
    expected = by_hand(item)
    assert (found.facility, found.deviation, found.discrimination, found.efficiency) == pytest.approx(
        expected, abs=1e-9
    )


def test_a_class_computed_by_hand():
    # x = (1, 1, 0, 0) e resto = (2, 1, 1, 0): C = 1/3, V(x) = 1/3, V(X) = 2/3; em ordem, a covariância é a mesma.
    found = item_statistics([1, 1, 0, 0], [3, 2, 1, 0], 1)
    assert found.facility == 50
    assert found.discrimination == pytest.approx(100 * math.sqrt(1 / 2), abs=1e-9)
    assert found.efficiency == pytest.approx(100, abs=1e-9)
    # Quem acerta a questão erra o resto: as duas medidas ficam negativas.
    assert item_statistics([1, 1, 0, 0], [1, 1, 2, 2], 1).discrimination == pytest.approx(-100, abs=1e-9)


@pytest.mark.parametrize(
    ("marks", "totals"),
    [([1.0, 1.0, 1.0], [3.0, 2.0, 1.0]), ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]), ([0.1] * 7, [0.7] * 7)],
    ids=["todos acertam", "o resto é igual", "tudo é igual"],
)
def test_nothing_is_divided_by_zero(marks, totals):
    found = item_statistics(marks, totals, 1)
    assert found.discrimination is None
    assert found.efficiency is None


def test_one_student_has_no_deviation():
    assert item_statistics([1.0], [1.0], 2) == item_statistics([1.0], [5.0], 2)
    with pytest.raises(ValueError, match="uma nota e um total"):
        item_statistics([], [], 1)
