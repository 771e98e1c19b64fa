"""GAN convolucional, a do capítulo 04."""

from __future__ import annotations

from course_lib.models.gan import (
    ConvDiscriminator,
    ConvGenerator,
    GANStep,
    hinge_discriminator_loss,
    linear_generator_loss,
)
from course_lib.recipes.engine import Config, Recipe, Scale, adam

# Sem momento (β1 = 0), o par que Miyato et al. (2018) usam com a dobradiça e a normalização espectral.
CONFIG = Config(
    networks={
        "gen": {"latent_dim": 64, "channels": 96, "n_classes": None},
        "disc": {"channels": 32, "spectral": True, "n_classes": None},
    },
    training={"gen_lr": 1e-3, "disc_lr": 1e-3, "betas": (0.0, 0.99)},
)


def make(config: Config, _total_steps: int) -> GANStep:
    """O passo do jogo, com a perda de dobradiça e taxas constantes."""
    gen, disc = ConvGenerator(**config.networks["gen"]), ConvDiscriminator(**config.networks["disc"])
    betas = config.training["betas"]
    return GANStep(
        gen,
        disc,
        adam(gen, config.training["gen_lr"], betas),
        adam(disc, config.training["disc_lr"], betas),
        gen_loss=linear_generator_loss,
        disc_loss=hinge_discriminator_loss,
    )


RECIPE = Recipe(
    name="dcgan",
    title="DCGAN",
    chapter=4,
    config=CONFIG,
    make=make,
    batch_size=64,
    scales={"rapido": Scale(1, 1_000), "padrao": Scale(8), "completo": Scale(100)},
    sampler=lambda step: step.gen,
    kept=("gen",),
    average=0.998,
)
