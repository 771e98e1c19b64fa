"""Pré-treino guloso: uma camada de cada vez, cada uma congelada antes de começar a seguinte."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from course_lib import checks, runtime
from course_lib.models.stacked import StackLayer, freeze, layer_objective
from course_lib.training.fit import fit
from course_lib.training.history import History
from course_lib.training.step import ObjectiveStep


def greedy_pretrain(
    layers: Sequence[StackLayer],
    batches: Collection[Any],
    *,
    epochs: int,
    lr: float = 1e-3,
    corruptions: Sequence[Callable[[Tensor], Tensor] | None] | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> list[History]:
    """Treina e congela ``layers`` da imagem para cima; cada uma reconstrói o que as de baixo lhe entregam.

    Args:
        layers: a pilha, treinada e congelada no lugar.
        batches: lotes de imagens; os rótulos não são usados.
        epochs: épocas de cada camada.
        lr: maior taxa de aprendizado do Adam, que sobe e desce em cada camada.
        corruptions: o que corrompe a entrada de cada camada; ``None`` em seu lugar não corrompe.
        seed: semente; cada camada tem a sua, derivada dela.
        checkpoint: onde retomar; cada camada tem o seu arquivo, com este nome e o número dela.
        progress: se há barra de progresso.

    Returns:
        O histórico de cada camada; um Ctrl-C para na camada em que estava.

    Raises:
        ValueError: número de corrupções diferente do de camadas.
    """
    corruptions = [None] * len(layers) if corruptions is None else corruptions
    checks.count(corruptions, "corruptions", len(layers), "corrupções, uma por camada")
    histories = []
    for index, (layer, corrupt) in enumerate(zip(layers, corruptions, strict=True)):
        objective = partial(layer_objective, below=layers[:index], corrupt=corrupt)
        optimizer = torch.optim.Adam(layer.parameters(), lr=lr, fused=True)
        schedule = OneCycleLR(optimizer, max_lr=lr, total_steps=epochs * len(batches))
        step = ObjectiveStep(layer, objective, optimizer, schedule, autocast=runtime.fast_dtype())
        history = fit(
            step,
            batches,
            epochs=epochs,
            seed=runtime.derive_seed(seed, index) % 2**32,
            checkpoint=layer_checkpoint(checkpoint, index) if checkpoint is not None else None,
            description=f"camada {index + 1} de {len(layers)}",
            progress=progress,
        )
        histories.append(history)
        if history.interrupted:
            break
        freeze(layer)
    return histories


def layer_checkpoint(checkpoint: Path, index: int) -> Path:
    """Arquivo de retomada da camada ``index``, ao lado do treinamento inteiro."""
    return checkpoint.with_name(f"{checkpoint.stem}-camada{index + 1}{checkpoint.suffix}")
