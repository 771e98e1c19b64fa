"""Autoencoder profundo, com as camadas treinadas uma a uma antes do ajuste fino, o do capítulo 02."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from course_lib import metrics, runtime
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.stacked import stack_layers, unroll
from course_lib.recipes.engine import Config, Exam, Measures, Prepared, Recipe, Scale, one_cycle
from course_lib.training import ObjectiveStep
from course_lib.training.greedy import greedy_pretrain, layer_checkpoint

# O que o pré-treino e o decaimento de pesos mudam no erro está no estudo stacked (benchmarks/stacked.py).
CONFIG = Config(
    networks={"model": {"latent_dim": 30, "hidden_dims": (1000, 500, 250), "relu_code": False}},
    training={
        "lr": 1.5e-3,
        "betas": (0.9, 0.99),
        "weight_decay": 0.1,
        "pct_start": 0.2,
        "layer_epochs": 3,
        "layer_lr": 1e-3,
    },
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo do ajuste fino."""
    model = Autoencoder(**config.networks["model"])
    options = {name: config.training[name] for name in ("lr", "betas", "weight_decay")}
    optimizer = torch.optim.AdamW(model.parameters(), **options, fused=True)
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    return ObjectiveStep(model, reconstruction_objective, optimizer, schedule, autocast=runtime.fast_dtype())


def pretrain(
    config: Config, step: ObjectiveStep, batches: Any, *, seed: int, checkpoint: Path | None, progress: bool
) -> Prepared:
    """Treina a pilha, camada a camada, e a desenrola na rede do passo.

    É o que o artigo de 2006 faz. Com ativações e otimizadores de hoje o ganho é pequeno: no estudo ``stacked``, com as
    mesmas épocas ao todo, o erro de treino não muda e o de teste fica poucos por cento menor.
    """
    network = config.networks["model"]
    sizes = (784, *network["hidden_dims"], network["latent_dim"])
    with runtime.isolated_seed(seed):
        layers = [layer.to(runtime.device()) for layer in stack_layers(sizes, relu_code=network["relu_code"])]
    histories = greedy_pretrain(
        layers,
        batches,
        epochs=config.training["layer_epochs"],
        lr=config.training["layer_lr"],
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    step.model.load_state_dict(unroll(layers).state_dict())
    files = [layer_checkpoint(checkpoint, index) for index in range(len(layers))] if checkpoint is not None else []
    return Prepared(histories, files)


def measure(exam: Exam) -> Measures:
    """Quanto a reconstrução se afasta da imagem."""
    error = metrics.reconstruction_error(exam.step.model, exam.test.images)
    return {"erro quadrático por imagem de teste": error}


RECIPE = Recipe(
    name="stacked",
    title="Autoencoder profundo",
    chapter=2,
    config=CONFIG,
    make=make,
    batch_size=256,
    scales={"rapido": Scale(1, 2_000), "padrao": Scale(40), "completo": Scale(400)},
    sampler=lambda step: step.model,
    prepare=pretrain,
    finish=lambda step, dataset: step.model.fit_codes(dataset.take(10_000).images),
    measure=measure,
)
