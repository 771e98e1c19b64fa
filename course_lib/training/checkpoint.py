"""Checkpoints: gravados por inteiro ou não gravados, e conferidos na volta."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch


class CheckpointError(RuntimeError):
    """O checkpoint está estragado ou é de outro treinamento; a mensagem diz qual arquivo e por quê."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Grava um arquivo de modo que, a qualquer instante, exista nele a versão velha ou a nova inteira.

    Args:
        path: destino; as pastas que faltam são criadas.
        write: recebe o arquivo aberto para escrita binária.

    Raises:
        OSError: sem espaço ou sem permissão; o arquivo velho fica intacto e o temporário é apagado.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            # Sem fsync, uma queda de energia pode deixar o nome novo apontando para um arquivo vazio.
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def stateful_parts(owner: Any) -> dict[str, Any]:
    """Atributos de ``owner`` que sabem guardar e retomar o seu estado (redes, otimizadores, agendas)."""
    return {
        name: part
        for name, part in vars(owner).items()
        if hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
    }


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Grava ``state`` (tensores, números, textos, listas e dicionários) em ``path``, atomicamente.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Lê um checkpoint sem executar nada do que está nele.

    Raises:
        CheckpointError: o arquivo está truncado ou não é um checkpoint do curso.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: o checkpoint está truncado ou não é deste curso. Apague-o para recomeçar do zero."
        ) from error
    if not isinstance(state, dict) or "parts" not in state:
        raise CheckpointError(f"{path}: não é um checkpoint do curso. Apague-o ou escolha outro nome.")
    return state
