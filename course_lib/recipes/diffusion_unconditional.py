"""A difusão sem rótulos: a mesma rede do capítulo 07, diante das famílias que também não os veem."""

from __future__ import annotations

from dataclasses import replace

from course_lib.recipes import diffusion
from course_lib.recipes.engine import Config

CONFIG = Config(
    networks={**diffusion.CONFIG.networks, "model.network": {"channels": (48, 96), "n_classes": None}},
    training={**diffusion.CONFIG.training, "label_dropout": 0.0},
)

RECIPE = replace(diffusion.RECIPE, name="diffusion_unconditional", title="Difusão sem rótulos", config=CONFIG)
