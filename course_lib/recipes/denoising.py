"""Autoencoder convolucional que tira ruído, o do capítulo 02."""

from __future__ import annotations

from functools import partial

import torch

from course_lib import metrics, runtime
from course_lib.models.denoising import ConvDenoiser, denoising_objective, gaussian_noise
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam, one_cycle
from course_lib.training import ObjectiveStep

# O nível de ruído em que se mede quem tira ruído: desvio de meio pixel, com os pixels em [0, 1].
PSNR_SIGMA = 0.5

CONFIG = Config(
    networks={"model": {"width": 16, "sigma_min": 0.05, "sigma_max": 5.0}},
    training={"lr": 3e-3, "betas": (0.9, 0.999), "pct_start": 0.3},
)


def make(config: Config, total_steps: int) -> ObjectiveStep:
    """O passo, que corrompe cada lote com o ruído da própria rede."""
    model = ConvDenoiser(**config.networks["model"])
    optimizer = adam(model, config.training["lr"], config.training["betas"])
    schedule = one_cycle(optimizer, total_steps, pct_start=config.training["pct_start"])
    objective = partial(denoising_objective, corrupt=model.corrupt)
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


@torch.no_grad()
def measure(exam: Exam) -> Measures:
    """A razão sinal-ruído de pico antes e depois de passar pela rede."""
    x = exam.test.images.to(runtime.device())
    noisy = gaussian_noise(x.cpu(), PSNR_SIGMA, generator=torch.Generator().manual_seed(0)).to(x.device)
    x_hat = torch.cat([exam.step.model(chunk) for chunk in noisy.split(500)])
    before, cut, after = (metrics.psnr(y, x).mean().item() for y in (noisy, noisy.clamp(-1, 1), x_hat))
    return {
        f"PSNR da entrada ruidosa, σ = {PSNR_SIGMA}, sem corte (dB)": before,
        f"PSNR da entrada ruidosa, σ = {PSNR_SIGMA}, cortada em [-1, 1] (dB)": cut,
        f"PSNR da saída, σ = {PSNR_SIGMA} (dB)": after,
    }


RECIPE = Recipe(
    name="denoising",
    title="Autoencoder que tira ruído",
    chapter=2,
    config=CONFIG,
    make=make,
    batch_size=128,
    scales={"rapido": Scale(1, 1_000), "padrao": Scale(4), "completo": Scale(100)},
    sampler=lambda step: step.model,
    average=0.995,
    measure=measure,
)
