"""O estudo ``samples``: o que o juiz disse das amostras de cada família (``python -m benchmarks.samples``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.metrics import Floor, SampleReport
from course_lib.studies.store import Study, StudyError, load_study, study_command, study_path

# A linha que não é de um modelo.
FLOOR = "reais de treino (o piso)"


@dataclass(frozen=True)
class SampleRow:
    """Uma linha do estudo.

    Attributes:
        report: o relato do juiz; ``report.name`` é o nome da receita, ou :data:`FLOOR`.
        weights: SHA-256 dos pesos que amostraram, se são os que vêm com o curso; vazio no piso e nos treinos
            refeitos com outra semente.
        seed: semente do treino.
        labelled: se o modelo aprende com o rótulo e, ao amostrar, recebe um. Quem o tem recebe de graça a proporção dos
            dígitos: não se compara com quem não o tem sem dizê-lo.
        parameters: parâmetros de todas as redes treinadas.
        images_seen: imagens de treino que passaram pelo modelo: épocas × imagens.
        evaluations: avaliações da rede por amostra.
        seconds: segundos de processador, num fio, para ter as imagens; nos treinos refeitos, com o treino.
        machine: onde foi medido.
    """

    report: SampleReport
    weights: str
    seed: int
    labelled: bool
    parameters: int
    images_seen: int
    evaluations: int
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
    with _whole(path) as study:
        rows = [SampleRow.from_run(run) for run in study.runs]
    return sorted(rows, key=lambda row: row.report.frechet)


def load_sample_floor(path: Path | None = None) -> Floor:
    """O piso do estudo: vários sorteios de imagens de treino, com o mesmo N das linhas.

    Args:
        path: o arquivo, se não é o que vem com o curso.

    Raises:
        StudyError: o estudo falta ou está estragado.
    """
    with _whole(path) as study:
        floor = study.header["floor"]
        return Floor(**{**floor, "values": tuple(floor["values"])})


@contextmanager
def _whole(path: Path | None) -> Iterator[Study]:
    """O estudo, lido por quem espera achar nele tudo o que procura."""
    study = load_study("samples", path)
    try:
        yield study
    except (KeyError, TypeError) as error:
        where, command = path or study_path("samples"), study_command("samples")
        raise StudyError(f"{where}: o estudo está estragado; apague-o e rode {command}") from error
