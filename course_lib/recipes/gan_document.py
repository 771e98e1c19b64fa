"""A GAN do documento de origem: a do capítulo 04 com o Adam como ele vem, e o dobro das épocas. É a do capítulo 09."""

from __future__ import annotations

from dataclasses import replace

from course_lib.recipes import gan
from course_lib.recipes.engine import Config, Scale

CONFIG = Config(networks=gan.CONFIG.networks, training={**gan.CONFIG.training, "betas": (0.9, 0.999)})

RECIPE = replace(
    gan.RECIPE,
    name="gan_document",
    title="GAN do documento",
    chapter=9,
    config=CONFIG,
    scales={"rapido": Scale(4, 3_000), "padrao": Scale(40), "completo": Scale(40)},
    kept=("gen",),
)
