"""Checkpoints: gravados por inteiro ou não gravados, e conferidos na volta."""

from __future__ import annotations

import io
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
    # Na memória primeiro: com o disco cheio, torch.save direto no arquivo levanta um RuntimeError que não diz a causa.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Lê um checkpoint sem executar nada do que está nele.

    Raises:
        CheckpointError: o arquivo está truncado, alterado, ilegível, ou não é um checkpoint do curso.
    """
    try:
        # torch.load não confere o CRC do que lê: um byte trocado no disco viraria um peso errado, em silêncio.
        with zipfile.ZipFile(path) as archive:
            altered = archive.testzip()
        if altered is not None:
            raise zipfile.BadZipFile(f"CRC de {altered} não confere")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: o checkpoint está truncado ou alterado, ou não é deste curso. Apague-o para recomeçar do zero."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: não consegui ler o checkpoint ({error.strerror or error})") from error
    if not isinstance(state, dict) or not {"seed", "steps", "history", "parts"} <= state.keys():
        raise CheckpointError(f"{path}: não é um checkpoint do curso. Apague-o ou escolha outro nome.")
    return state
