"""O que as notas dizem de cada questão, pelas fórmulas do relatório de estatísticas dos questionários do Moodle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ItemStatistics:
    """As medidas de uma questão, em porcentagem; ``None`` onde a fórmula divide por zero.

    Attributes:
        facility: o índice de facilidade, a nota média dividida pela máxima.
        deviation: o desvio-padrão da nota, dividido pela máxima.
        discrimination: o índice de discriminação, a correlação entre a nota da questão e a do resto da prova.
        efficiency: a eficiência discriminativa, a covariância das duas dividida pela maior que as mesmas notas dariam.
    """

    facility: float
    deviation: float | None
    discrimination: float | None
    efficiency: float | None


def item_statistics(marks: Sequence[float], totals: Sequence[float], maximum: float) -> ItemStatistics:
    r"""As estatísticas de uma questão.

    Com :math:`x_s` a nota do estudante :math:`s` na questão, :math:`X_s = T_s - x_s` a do resto, :math:`C` a
    covariância e :math:`V` a variância,

    .. math:: F = \bar x / x_{max}, \quad D = C(x, X) / \sqrt{V(x) V(X)}, \quad E = C(x, X) / C_{max}(x, X),

    em que :math:`C_{max}` é a covariância das mesmas notas, cada lista posta em ordem.

    Args:
        marks: a nota de cada estudante na questão.
        totals: a nota de cada um na prova toda.
        maximum: quanto a questão vale.

    Raises:
        ValueError: não há notas, ou as listas têm comprimentos diferentes.

    Referência: Moodle, "Quiz statistics calculations"
    (https://docs.moodle.org/dev/Quiz_statistics_calculations).
    """
    if not marks or len(marks) != len(totals):
        raise ValueError(f"esperava uma nota e um total por estudante; vieram {len(marks)} e {len(totals)}")
    rest = [total - mark for mark, total in zip(marks, totals, strict=True)]
    facility = 100 * math.fsum(marks) / len(marks) / maximum
    if len(marks) < 2:
        return ItemStatistics(facility, None, None, None)
    variance, others = _covariance(marks, marks), _covariance(rest, rest)
    together, most = _covariance(marks, rest), _covariance(sorted(marks), sorted(rest))
    return ItemStatistics(
        facility,
        100 * math.sqrt(variance) / maximum,
        100 * together / math.sqrt(variance * others) if _differ(marks) and _differ(rest) else None,
        100 * together / most if _differ(marks) and _differ(rest) else None,
    )


def _covariance(one: Sequence[float], other: Sequence[float]) -> float:
    mean, another = math.fsum(one) / len(one), math.fsum(other) / len(other)
    products = ((a - mean) * (b - another) for a, b in zip(one, other, strict=True))
    return math.fsum(products) / (len(one) - 1)


def _differ(values: Sequence[float]) -> bool:
    """Se nem todos têm a mesma nota: a variância de notas iguais só seria zero sem arredondamento."""
    return max(values) - min(values) > 1e-9
