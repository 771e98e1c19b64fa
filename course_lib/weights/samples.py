"""O cartão ``samples.json``: o que o juiz disse das amostras de cada família (``python -m benchmarks.samples``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.metrics import SampleReport
from course_lib.weights.shipped import SHIPPED
from course_lib.weights.store import WeightsError

SAMPLES_CARD = SHIPPED / "samples.json"

# As duas linhas que não são de um modelo do curso.
FLOOR = "reais de treino (o piso)"
DOCUMENT = "GAN do documento"


@dataclass(frozen=True)
class SampleRow:
    """Uma linha do cartão.

    Attributes:
        report: o relato do juiz; ``report.name`` é o nome da receita, :data:`FLOOR` ou :data:`DOCUMENT`.
        weights: SHA-256 dos pesos que amostraram; vazio nas duas linhas que não são de um modelo do curso.
        seed: semente das amostras ou, na GAN do documento, do treino dela.
        seconds: quanto levou para ter as imagens; na GAN do documento, com o treino.
        machine: onde foi medido.
    """

    report: SampleReport
    weights: str
    seed: int
    seconds: float
    machine: str

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SampleRow:
        """Uma linha a partir do que está gravado."""
        fields = {key: row[key] for key in SampleReport.__dataclass_fields__}
        report = SampleReport(**{**fields, "coverage": tuple(fields["coverage"])})
        return cls(report, row["pesos"], row["semente"], row["segundos"], row["maquina"])


def load_sample_rows(path: Path = SAMPLES_CARD) -> list[SampleRow]:
    """As linhas do cartão, da menor distância de Fréchet à maior.

    Raises:
        WeightsError: o cartão falta ou está estragado.
    """
    if not path.is_file():
        raise WeightsError(f"não achei {path}; meça as amostras com: python -m benchmarks.samples")
    try:
        rows = [SampleRow.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))["linhas"]]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: o cartão está estragado; apague-o e rode python -m benchmarks.samples") from error
    return sorted(rows, key=lambda row: row.report.frechet)
