"""O estudo ``samples``: o que o juiz disse das amostras de cada família (``python -m benchmarks.samples``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.metrics import SampleReport
from course_lib.studies.store import StudyError, load_study, study_command, study_path

# As duas linhas que não são de um modelo do curso.
FLOOR = "reais de treino (o piso)"
DOCUMENT = "GAN do documento"


@dataclass(frozen=True)
class SampleRow:
    """Uma linha do estudo.

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
    def from_run(cls, run: dict[str, Any]) -> SampleRow:
        """A linha de uma medida gravada com ``dataclasses.asdict``."""
        report = {**run["report"], "coverage": tuple(run["report"]["coverage"])}
        return cls(**{**run, "report": SampleReport(**report)})


def load_sample_rows(path: Path | None = None) -> list[SampleRow]:
    """As linhas do estudo, da menor distância de Fréchet à maior.

    Args:
        path: o arquivo, se não é o que vem com o curso.

    Raises:
        StudyError: o estudo falta ou está estragado.
    """
    study = load_study("samples", path)
    try:
        rows = [SampleRow.from_run(run) for run in study.runs]
    except (KeyError, TypeError) as error:
        where, command = path or study_path("samples"), study_command("samples")
        raise StudyError(f"{where}: o estudo está estragado; apague-o e rode {command}") from error
    return sorted(rows, key=lambda row: row.report.frechet)
