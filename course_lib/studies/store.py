"""Grava e lê um estudo: muitos treinamentos, ou muitas amostras, medidos lado a lado."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course_lib.files import write_atomically

FOLDER = Path(__file__).parent


class StudyError(RuntimeError):
    """O arquivo de um estudo falta ou está estragado; a mensagem diz o comando que o refaz."""


@dataclass
class Study:
    """Um estudo; as chaves do ``.json`` são os nomes destes campos.

    Attributes:
        command: o que o refaz.
        header: o que vale para todas as medidas: a configuração e os dados.
        runs: uma entrada por medida feita.
    """

    command: str
    header: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)


def study_path(name: str) -> Path:
    """Onde está o estudo ``name``, que tem o nome do programa de ``benchmarks/`` que o faz."""
    return FOLDER / f"{name}.json"


def study_command(name: str) -> str:
    """O comando que refaz o estudo ``name``."""
    return f"python -m benchmarks.{name}"


def load_study(name: str, path: Path | None = None) -> Study:
    """O estudo ``name``.

    Args:
        name: o do seu arquivo: ``"pretraining"``, ``"variants"``, ``"samples"``…
        path: o arquivo, se não é o que vem com o curso.

    Raises:
        StudyError: o arquivo falta ou está estragado.
    """
    path, command = path or study_path(name), study_command(name)
    if not path.is_file():
        raise StudyError(f"não achei {path}; faça o estudo com: {command}")
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        study = Study(**state)
        whole = isinstance(study.header, dict) and all(isinstance(run, dict) for run in study.runs)
    except (ValueError, TypeError) as error:
        raise StudyError(f"{path}: o estudo está estragado; apague-o e rode {command}") from error
    if not whole:
        raise StudyError(f"{path}: o estudo está estragado; apague-o e rode {command}")
    return study


def save_study(study: Study, path: Path) -> None:
    """Grava o estudo em ``path``, inteiro ou nada.

    Raises:
        OSError: sem espaço ou sem permissão; o que havia antes fica intacto.
    """
    text = json.dumps(asdict(study), ensure_ascii=False, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
