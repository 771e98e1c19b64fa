"""VAE de verossimilhança gaussiana, o do capítulo 03."""

from __future__ import annotations

from functools import partial

from course_lib import metrics
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

CONFIG = Config(
    networks={"model": {"latent_dim": 20, "hidden_dims": (400,), "n_classes": 0}},
    training={"lr": 4e-3, "betas": (0.9, 0.999), "pct_start": 0.3, "variance": 5.0, "beta": 1.0},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com a ELBO gaussiana."""
    model = VAE(**config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    objective = partial(gaussian_objective, variance=config.training["variance"], beta=config.training["beta"])
    return ObjectiveStep(model, objective, optimizer, schedule)


def measure(exam: Exam) -> Measures:
    """A ELBO e a sua KL."""
    terms = metrics.elbo_terms(exam.step.model, exam.test.images, seed=0)
    return {"KL no teste (nats)": terms["kl"], "ELBO gaussiana no teste (nats)": terms["elbo"]}


RECIPE = Recipe(
    name="vae",
    title="VAE",
    chapter=3,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(2, 6_000), "padrao": Scale(10), "completo": Scale(100)},
    sampler=lambda step: step.model,
    measure=measure,
)
