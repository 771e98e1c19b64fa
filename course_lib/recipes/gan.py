"""GAN densa, a do capítulo 04."""

from __future__ import annotations

from course_lib.models.gan import Discriminator, GANStep, Generator
from course_lib.recipes.engine import Config, Recipe, Scale, adam

# Com beta1 = 0,9, o padrão do Adam, o jogo oscila e o gerador esquece dígitos: o capítulo 04 mede isso.
CONFIG = Config(
    networks={"gen": {"latent_dim": 20, "hidden_dim": 256}, "disc": {"hidden_dim": 256}},
    training={"gen_lr": 5e-4, "disc_lr": 5e-4, "betas": (0.5, 0.999)},
)


def make(config: Config, _total_steps: int) -> GANStep:
    """O passo do jogo, com taxas constantes."""
    gen, disc = Generator(**config.networks["gen"]), Discriminator(**config.networks["disc"])
    betas = config.training["betas"]
    return GANStep(
        gen, disc, adam(gen, config.training["gen_lr"], betas), adam(disc, config.training["disc_lr"], betas)
    )


RECIPE = Recipe(
    name="gan",
    title="GAN",
    chapter=4,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(2, 6_000), "padrao": Scale(20), "completo": Scale(200)},
    sampler=lambda step: step.gen,
)
