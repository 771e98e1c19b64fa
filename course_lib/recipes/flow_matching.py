"""Flow matching com a mesma U-Net da difusão, o do capítulo 08."""

from __future__ import annotations

from functools import partial

from course_lib import runtime
from course_lib.models.flow_matching import FlowMatching, flow_matching_objective
from course_lib.models.unet import UNet
from course_lib.recipes.engine import Config, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

CONFIG = Config(
    networks={
        "model": {"shape": (1, 28, 28)},
        "model.network": {"channels": (48, 96), "n_classes": 10},
    },
    training={"lr": 1.5e-3, "betas": (0.9, 0.999), "pct_start": 0.1, "label_dropout": 0.1},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com o Adam e a agenda de um ciclo."""
    model = FlowMatching(UNet(**config.networks["model.network"]), **config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    objective = partial(flow_matching_objective, label_dropout=config.training["label_dropout"])
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


RECIPE = Recipe(
    name="flow_matching",
    title="Flow matching",
    chapter=8,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(1, 1_000), "padrao": Scale(4), "completo": Scale(200)},
    sampler=lambda step: step.model,
    average=0.999,
)
