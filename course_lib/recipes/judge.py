"""O juiz de amostras, o classificador de dígitos que mede as outras famílias no capítulo 10."""

from __future__ import annotations

from functools import partial

import torch

from course_lib import runtime
from course_lib.models.judge import JudgeNetwork, classification_objective
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

CONFIG = Config(
    networks={"model": {"width": 32, "n_features": 64}},
    training={"lr": 3e-3, "betas": (0.9, 0.999), "pct_start": 0.3, "shift": 2},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com a entropia cruzada de lotes deslocados."""
    model = JudgeNetwork(**config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    objective = partial(classification_objective, shift=config.training["shift"])
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


@torch.no_grad()
def measure(exam: Exam) -> Measures:
    """A fração dos dígitos de teste que ele lê certo."""
    model = exam.step.model
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in exam.test.batches(500, shuffle=False))
    return {"acerto no teste": right / len(exam.test)}


RECIPE = Recipe(
    name="judge",
    title="Juiz",
    chapter=10,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(1, 2_000), "padrao": Scale(8), "completo": Scale(20)},
    measure=measure,
)
