"""StyleGAN pequena, a do capítulo 05."""

from __future__ import annotations

import torch

from course_lib import runtime
from course_lib.data import ImageDataset
from course_lib.models.stylegan import StyleDiscriminator, StyleGANStep, StyleGenerator
from course_lib.recipes.engine import Config, Recipe, Scale, adam

CONFIG = Config(
    networks={
        "gen": {"z_dim": 64, "w_dim": 64, "channels": (64, 64, 32, 16), "demodulate": False},
        "disc": {"channels": (64, 64, 32, 16)},
    },
    training={
        "gen_lr": 2e-3,
        "disc_lr": 2e-3,
        "betas": (0.0, 0.99),
        "r1_weight": 1.0,
        "r1_every": 8,
        "mixing": 0.9,
    },
)


def make(config: Config, _total_steps: int) -> StyleGANStep:
    """O passo do jogo, com R1 e mistura de estilos."""
    gen, disc = StyleGenerator(**config.networks["gen"]), StyleDiscriminator(**config.networks["disc"])
    for network in (gen, disc):
        # Na CPU, com os canais juntos na memória, cada passo leva um quinto a menos.
        network.to(memory_format=torch.channels_last)
    betas = config.training["betas"]
    return StyleGANStep(
        gen,
        disc,
        adam(gen, config.training["gen_lr"], betas),
        adam(disc, config.training["disc_lr"], betas),
        **{name: config.training[name] for name in ("r1_weight", "r1_every", "mixing")},
    )


def measure_mean(step: StyleGANStep, _dataset: ImageDataset) -> None:
    """O estilo médio, de que o truque do truncamento precisa, sai da rede já treinada."""
    with runtime.isolated_seed(0):
        step.gen.measure_w_mean()


RECIPE = Recipe(
    name="stylegan",
    title="StyleGAN",
    chapter=5,
    config=CONFIG,
    make=make,
    batch_size=64,
    scales={"rapido": Scale(1, 256), "padrao": Scale(8), "completo": Scale(200)},
    sampler=lambda step: step.gen,
    kept=("gen",),
    average=0.998,
    finish=measure_mean,
)
