"""Fluxo normalizante para imagens, o do capítulo 08."""

from __future__ import annotations

import torch

from course_lib import runtime
from course_lib.models.flows import flow_objective
from course_lib.models.image_flows import ConvConditioner, ImageFlow, bits_per_dim
from course_lib.models.mixture_flows import MixtureCDF
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, one_cycle
from course_lib.training import ObjectiveStep

# Bits por dimensão que se refazem em segundos; no fim do treino, o teste inteiro, com um sorteio do ruído e com K = 8.
BITS_IMAGES = 2_000
BITS_SAMPLES = 8

# As curvas de cada pixel andam a uma taxa cinco vezes maior: era preciso quando começavam longe do preto e do branco;
# desde que começam sobre eles, a taxa comum não foi medida.
CONFIG = Config(
    networks={"model": {"hidden_channels": 64, "n_fine": 1, "n_coarse": 1, "n_components": 4}},
    training={"lr": 2e-3, "curves_lr": 1e-2, "betas": (0.9, 0.999), "pct_start": 0.1},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com uma taxa para as redes e outra para as curvas."""
    model = ImageFlow(**config.networks["model"])
    training = config.training
    curves = [p for layer in model.modules() if isinstance(layer, MixtureCDF) for p in layer.parameters()]
    networks = [p for layer in model.modules() if isinstance(layer, ConvConditioner) for p in layer.parameters()]
    groups = [{"params": networks, "lr": training["lr"]}, {"params": curves, "lr": training["curves_lr"]}]
    optimizer = torch.optim.Adam(groups, betas=training["betas"], fused=True)
    schedule = one_cycle(optimizer, total_steps, pct_start=training["pct_start"])
    return ObjectiveStep(model, flow_objective, optimizer, schedule, autocast=runtime.fast_dtype())


def measure(exam: Exam) -> Measures:
    """Bits por dimensão de parte do teste, com um sorteio do ruído."""
    return _bits(exam, BITS_IMAGES, 1)


def slow_measure(exam: Exam) -> Measures:
    """Bits por dimensão do teste inteiro, com um sorteio do ruído e com vários."""
    return _bits(exam, len(exam.test), 1) | _bits(exam, len(exam.test), BITS_SAMPLES)


def _bits(exam: Exam, images: int, n_samples: int) -> Measures:
    x = exam.test.images[:images].to(runtime.device())
    bits = bits_per_dim(exam.step.model, x, n_samples=n_samples, seed=0)
    return {f"bits por dimensão de {len(x)} imagens de teste, K = {n_samples}": bits.mean().item()}


RECIPE = Recipe(
    name="flows",
    title="Fluxo normalizante",
    chapter=8,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(1, 2_000), "padrao": Scale(8), "completo": Scale(200)},
    sampler=lambda step: step.model,
    measure=measure,
    slow_measure=slow_measure,
)
