"""Autoencoder denso, o do capítulo 01."""

from __future__ import annotations

from course_lib import metrics
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

# Com a taxa alta cedo, unidades da ReLU do código morrem e o erro estaciona: a subida toma metade do treino, e
# beta2 = 0,99 deixa o Adam acompanhar gradientes que mudam depressa num treino tão curto.
CONFIG = Config(
    networks={"model": {"latent_dim": 64, "hidden_dims": (256,), "relu_code": True}},
    training={"lr": 4e-3, "betas": (0.9, 0.99), "pct_start": 0.5},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com o Adam e a agenda de um ciclo."""
    model = Autoencoder(**config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    return ObjectiveStep(model, reconstruction_objective, optimizer, schedule)


def measure(exam: Exam) -> Measures:
    """Quanto a reconstrução se afasta da imagem."""
    error = metrics.reconstruction_error(exam.step.model, exam.test.images)
    return {"erro quadrático por imagem de teste": error}


RECIPE = Recipe(
    name="autoencoder",
    title="Autoencoder",
    chapter=1,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(2, 6_000), "padrao": Scale(10), "completo": Scale(60)},
    sampler=lambda step: step.model,
    finish=lambda step, dataset: step.model.fit_codes(dataset.take(10_000).images),
    measure=measure,
)
