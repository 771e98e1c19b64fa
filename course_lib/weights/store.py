"""Grava e lê pesos com o seu cartão, conferindo hash, versão e arquitetura."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from course_lib import __version__, runtime
from course_lib.training.checkpoint import write_atomically
from course_lib.training.recipes import Trained, get_recipe, networks

# Sobe quando o mesmo arquivo passa a querer dizer outra coisa.
FORMAT = 1


class WeightsError(RuntimeError):
    """Um arquivo de pesos falta, está estragado, ou é de outra arquitetura."""


def save_trained(
    folder: str | Path, trained: Trained, *, profile: str, seed: int, metrics: dict[str, float] | None = None
) -> Path:
    """Grava ``NOME.safetensors`` e o cartão ``NOME.json`` em ``folder``.

    Os pesos vão em float16, metade do espaço: o arredondamento muda cada um em menos de 0,05 %. O treinado também é
    arredondado, para que o que se mede dele seja o que o arquivo guarda.

    Args:
        folder: pasta de destino, criada se falta.
        trained: o que :func:`~course_lib.training.recipes.train` devolveu.
        profile: perfil do treinamento.
        seed: semente do treinamento.
        metrics: o que se mediu do modelo, com a unidade no nome.

    Returns:
        Caminho do arquivo de pesos.

    Raises:
        OSError: sem espaço ou sem permissão; o que havia antes fica intacto.
    """
    name = trained.recipe.name
    path = Path(folder) / f"{name}.safetensors"
    round_weights(trained.step)
    payload = safetensors.torch.save({key: _stored(tensor) for key, tensor in _flat_state(trained.step).items()})
    card = {
        "formato": FORMAT,
        "modelo": name,
        "perfil": profile,
        "semente": seed,
        "dados": {
            "nome": trained.dataset.name,
            "imagens": len(trained.dataset),
            "forma": list(trained.dataset.shape),
            "sha256": trained.dataset.sha256(),
        },
        "parametros": {
            part: sum(p.numel() for p in network.parameters()) for part, network in networks(trained.step).items()
        },
        "metricas": metrics or {},
        "historico": trained.history.to_dict(),
        "pre_treino": [history.to_dict() for history in trained.pretraining],
        "interrompido": trained.history.interrupted,
        "segundos": round(sum(sum(one.seconds) for one in (*trained.pretraining, trained.history)), 3),
        "dispositivo": str(runtime.device()),
        "maquina": platform.processor() or platform.machine(),
        "versoes": {"course_lib": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    # O cartão vai primeiro: se algo parar entre os dois, o hash denuncia que eles não são do mesmo treinamento.
    text = json.dumps(card, ensure_ascii=False, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), lambda file: file.write(text.encode()))
    write_atomically(path, lambda file: file.write(payload))
    return path


def load_trained(folder: str | Path, name: str) -> tuple[Any, dict[str, Any]]:
    """Lê os pesos de ``NOME`` gravados por :func:`save_trained`.

    Returns:
        O passo, com as redes em modo de avaliação, e o cartão.

    Raises:
        ValueError: modelo desconhecido.
        WeightsError: o arquivo falta, está truncado, não confere com o cartão ou é de outra arquitetura.
    """
    recipe = get_recipe(name)
    path = Path(folder) / f"{name}.safetensors"
    card_path = path.with_suffix(".json")
    for wanted in (path, card_path):
        if not wanted.is_file():
            raise WeightsError(f"não achei {wanted}; treine antes com: python -m course_lib treinar {name}")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        expected, version = card["sha256"], card["formato"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{card_path}: o cartão está estragado; treine de novo para refazê-lo") from error
    if version != FORMAT:
        raise WeightsError(
            f"{card_path}: o formato é {version!r} e esta versão do curso lê o {FORMAT}; treine de novo, ou use a "
            "versão do curso que o gravou"
        )
    payload = path.read_bytes()
    found = hashlib.sha256(payload).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{path}: o conteúdo não confere com o cartão (SHA-256 {found[:12]}…, esperava {str(expected)[:12]}…). "
            "O arquivo foi truncado ou trocado; treine de novo para refazê-lo."
        )
    try:
        state = safetensors.torch.load(payload)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path}: não é um arquivo de pesos") from error
    step = recipe.build(1)
    expected_shapes = {key: tuple(tensor.shape) for key, tensor in _flat_state(step).items()}
    found_shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if found_shapes != expected_shapes:
        differing = sorted(
            key for key in expected_shapes | found_shapes if expected_shapes.get(key) != found_shapes.get(key)
        )
        key = differing[0]
        raise WeightsError(
            f"{path}: é de outra arquitetura. {key}: veio {found_shapes.get(key, 'nada')}, "
            f"esperava {expected_shapes.get(key, 'nada')}"
        )
    for part, network in networks(step).items():
        prefix = f"{part}."
        network.load_state_dict({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
        network.to(runtime.device()).eval()
    return step, card


@torch.no_grad()
def round_weights(step: Any) -> Any:
    """Arredonda os pesos do passo, no lugar, ao float16 em que são gravados. Devolve o passo."""
    for network in networks(step).values():
        for tensor in network.state_dict().values():
            tensor.copy_(_stored(tensor))
    return step


def _stored(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _flat_state(step: Any) -> dict[str, Tensor]:
    return {
        f"{part}.{key}": tensor.detach().cpu().contiguous()
        for part, network in networks(step).items()
        for key, tensor in network.state_dict().items()
    }
