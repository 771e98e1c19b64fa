"""O flow matching sem rótulos: a mesma rede do capítulo 08, diante das famílias que também não os veem."""

from __future__ import annotations

from dataclasses import replace

from course_lib.recipes import flow_matching
from course_lib.recipes.engine import Config

CONFIG = Config(
    networks={**flow_matching.CONFIG.networks, "model.network": {"channels": (48, 96), "n_classes": None}},
    training={**flow_matching.CONFIG.training, "label_dropout": 0.0},
)

RECIPE = replace(
    flow_matching.RECIPE, name="flow_matching_unconditional", title="Flow matching sem rótulos", config=CONFIG
)
