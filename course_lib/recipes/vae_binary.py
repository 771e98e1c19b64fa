"""VAE de pixels binários, cuja verossimilhança se compara com as publicadas, o do capítulo 03."""

from __future__ import annotations

from functools import partial

from course_lib import metrics, runtime
from course_lib.models.vae import VAE, bernoulli_objective
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

# A verossimilhança que se refaz em segundos: as primeiras imagens de teste, e menos amostras que as 1.000 de costume.
NLL_IMAGES = 500
NLL_SAMPLES = 200

# Os pixels são sorteados de novo a cada lote: 60.000 imagens viram um conjunto sem fim, e a rede demora a decorar.
CONFIG = Config(
    networks={"model": {"latent_dim": 50, "hidden_dims": (500, 500), "n_classes": 0}},
    training={"lr": 2e-3, "betas": (0.9, 0.999), "pct_start": 0.1, "beta": 1.0, "binarize": True},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, com a ELBO de Bernoulli."""
    model = VAE(**config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    objective = partial(bernoulli_objective, beta=config.training["beta"], binarize=config.training["binarize"])
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


def measure(exam: Exam) -> Measures:
    """A ELBO no teste inteiro, e a verossimilhança de parte dele."""
    model = exam.step.model
    x = metrics.binarize(exam.test.images, seed=0)
    terms = metrics.elbo_terms(model, x, likelihood="bernoulli", seed=0)
    nll = metrics.vae_nll(model, x[:NLL_IMAGES], n_samples=NLL_SAMPLES, progress=False)
    return {
        "KL no teste (nats)": terms["kl"],
        "ELBO negativa no teste, binarização dinâmica (nats)": -terms["elbo"],
        f"NLL de {NLL_IMAGES} imagens de teste, S = {NLL_SAMPLES} (nats)": nll,
    }


def slow_measure(exam: Exam) -> Measures:
    """A verossimilhança do teste inteiro."""
    nll = metrics.vae_nll(exam.step.model, metrics.binarize(exam.test.images, seed=0), n_samples=1_000)
    return {"NLL no teste inteiro, binarização dinâmica, S = 1000 (nats)": nll}


RECIPE = Recipe(
    name="vae_binary",
    title="VAE binário",
    chapter=3,
    config=CONFIG,
    make=make,
    batch_size=256,
    scales={"rapido": Scale(1, 2_000), "padrao": Scale(150), "completo": Scale(1_000)},
    sampler=lambda step: step.model,
    measure=measure,
    slow_measure=slow_measure,
)
