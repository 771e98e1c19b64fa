"""Grava e lê pesos com o seu cartão, conferindo hash, configuração e arquitetura."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from course_lib.files import write_atomically
from course_lib.recipes import Recipe, Trained, get_recipe, networks
from course_lib.runtime import device, fast_layout
from course_lib.weights.card import Card, WeightsError


def save_trained(
    folder: str | Path, trained: Trained, *, profile: str, seed: int, metrics: dict[str, float] | None = None
) -> Path:
    """Grava ``NOME.safetensors`` e o cartão ``NOME.json`` em ``folder``.

    Os pesos vão em float16, metade do espaço: o arredondamento muda cada um em menos de 0,05 %. O treinado também é
    arredondado, para que o que se mede dele seja o que o arquivo guarda.

    Args:
        folder: pasta de destino, criada se falta.
        trained: o que :func:`~course_lib.recipes.train` devolveu.
        profile: perfil do treinamento.
        seed: semente do treinamento.
        metrics: o que se mediu do modelo, com a unidade no nome.

    Returns:
        Caminho do arquivo de pesos.

    Raises:
        OSError: sem espaço ou sem permissão; o que havia antes fica intacto.
    """
    path = Path(folder) / f"{trained.recipe.name}.safetensors"
    round_weights(trained.step)
    state = _flat_state(trained.recipe.stored(trained.step))
    payload = safetensors.torch.save({key: _stored(tensor) for key, tensor in state.items()})
    card = Card.of(trained, profile=profile, seed=seed, metrics=metrics or {}, sha256=_sha256(payload))
    # O cartão vai primeiro: se algo parar entre os dois, o hash denuncia que eles não são do mesmo treinamento.
    write_atomically(path.with_suffix(".json"), lambda file: file.write(card.to_json().encode()))
    write_atomically(path, lambda file: file.write(payload))
    return path


def load_trained(folder: str | Path, name: str) -> tuple[Any, Card]:
    """Lê os pesos de ``NOME`` gravados por :func:`save_trained`.

    Returns:
        O passo, com as redes em modo de avaliação e os pesos na ordem de :func:`~course_lib.runtime.fast_layout`, e o
        cartão. Uma rede que a receita não grava, como um discriminador que só serviu ao treino, é ``None`` no passo.

    Raises:
        ValueError: modelo desconhecido.
        WeightsError: o arquivo falta, está truncado, não confere com o cartão, ou é de outra configuração ou
            arquitetura.
    """
    recipe = get_recipe(name)
    path = Path(folder) / f"{name}.safetensors"
    for wanted in (path, path.with_suffix(".json")):
        if not wanted.is_file():
            raise WeightsError(f"não achei {wanted}; treine antes com: python -m course_lib treinar {name}")
    card = _read_card(path.with_suffix(".json"), recipe)
    state = _read_state(path, card.sha256)
    step = recipe.build(1)
    stored = recipe.stored(step)
    _require_shapes_of(stored, state, path)
    for part in networks(step).keys() - stored.keys():
        # Melhor nenhuma do que uma que acabou de ser sorteada.
        setattr(step, part, None)
    for part, network in stored.items():
        prefix = f"{part}."
        network.load_state_dict({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
        network.to(device(), memory_format=fast_layout()).eval()
    return step, card


@torch.no_grad()
def round_weights(step: Any) -> Any:
    """Arredonda os pesos do passo, no lugar, ao float16 em que são gravados. Devolve o passo."""
    for network in networks(step).values():
        for tensor in network.state_dict().values():
            tensor.copy_(_stored(tensor))
    return step


def _read_card(path: Path, recipe: Recipe) -> Card:
    card = Card.read(path)
    if card.model != recipe.name:
        raise WeightsError(f"{path}: é o cartão de {card.model!r}; esperava o de {recipe.name!r}")
    card.require_config_of(recipe, path)
    return card


def _read_state(path: Path, expected: str) -> dict[str, Tensor]:
    payload = path.read_bytes()
    found = _sha256(payload)
    if found != expected:
        raise WeightsError(
            f"{path}: o conteúdo não confere com o cartão (SHA-256 {found[:12]}…, esperava {expected[:12]}…). "
            "O arquivo foi truncado ou trocado; treine de novo para refazê-lo."
        )
    try:
        return safetensors.torch.load(payload)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path}: não é um arquivo de pesos") from error


def _require_shapes_of(stored: Mapping[str, nn.Module], state: dict[str, Tensor], path: Path) -> None:
    expected = {key: tuple(tensor.shape) for key, tensor in _flat_state(stored).items()}
    found = {key: tuple(tensor.shape) for key, tensor in state.items()}
    for key in sorted(expected | found):
        if expected.get(key) != found.get(key):
            raise WeightsError(
                f"{path}: é de outra arquitetura. {key}: veio {found.get(key, 'nada')}, "
                f"esperava {expected.get(key, 'nada')}"
            )


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _stored(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _flat_state(stored: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{part}.{key}": tensor.detach().cpu().contiguous()
        for part, network in stored.items()
        for key, tensor in network.state_dict().items()
    }
