"""CycleGAN entre dígitos cheios e dígitos vazados, a do capítulo 06."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib import metrics, runtime
from course_lib.data import ImageDataset, UnpairedBatches, restyle, split_domains
from course_lib.metrics import Judge
from course_lib.models.cyclegan import CycleGANStep, LinearDecay, PatchDiscriminator, ResnetGenerator
from course_lib.recipes.engine import Config, Exam, Measures, Recipe, Scale, adam

IMAGES_AT_ONCE = 500

GENERATOR = {"image_channels": 1, "width": 64, "fold": 4, "n_downs": 0, "n_blocks": 3}
DISCRIMINATOR = {"image_channels": 1, "width": 32, "n_downs": 1}

CONFIG = Config(
    networks={"gen_xy": GENERATOR, "gen_yx": GENERATOR, "disc_x": DISCRIMINATOR, "disc_y": DISCRIMINATOR},
    training={
        "gen_lr": 1.5e-3,
        "disc_lr": 5e-4,
        "betas": (0.5, 0.999),
        "cycle_weight": 10.0,
        "identity_weight": 5.0,
        "pool_size": 50,
    },
)


def make(config: Config, total_steps: int) -> CycleGANStep:
    """O passo do jogo: dois geradores, dois discriminadores, um otimizador de cada par."""
    gen_xy, gen_yx = (ResnetGenerator(**config.networks[name]) for name in ("gen_xy", "gen_yx"))
    disc_x, disc_y = (PatchDiscriminator(**config.networks[name]) for name in ("disc_x", "disc_y"))
    training = config.training
    gen_optimizer = adam(nn.ModuleList([gen_xy, gen_yx]), training["gen_lr"], training["betas"])
    disc_optimizer = adam(nn.ModuleList([disc_x, disc_y]), training["disc_lr"], training["betas"])
    return CycleGANStep(
        gen_xy,
        gen_yx,
        disc_x,
        disc_y,
        gen_optimizer,
        disc_optimizer,
        (LinearDecay(gen_optimizer, total_steps), LinearDecay(disc_optimizer, total_steps)),
        **{name: training[name] for name in ("cycle_weight", "identity_weight", "pool_size")},
        autocast=runtime.fast_dtype(),
    )


def digit_domains(dataset: ImageDataset, batch_size: int, *, seed: int) -> UnpairedBatches:
    """Metade dos dígitos de um domínio e metade do outro, sem pares."""
    return split_domains(dataset).batches(batch_size, seed=seed)


def both_ways(step: CycleGANStep) -> dict[str, nn.Module]:
    """O gerador de cada sentido."""
    return {"xy": step.gen_xy, "yx": step.gen_yx}


@torch.no_grad()
def measure(exam: Exam) -> Measures:
    """Os pares que o treino nunca viu dizem quão certa é a tradução; o juiz, se o dígito sobreviveu a ela."""
    x, y = exam.test.images.to(runtime.device()), restyle(exam.test).images.to(runtime.device())
    fake_y, fake_x = _in_chunks(exam.step.gen_xy, x), _in_chunks(exam.step.gen_yx, y)
    cycled_x = _in_chunks(exam.step.gen_yx, fake_y)
    found = {
        "SSIM de X→Y com o par de teste": metrics.ssim(fake_y, y).mean().item(),
        "SSIM de Y→X com o par de teste": metrics.ssim(fake_x, x).mean().item(),
        "SSIM da volta X→Y→X": metrics.ssim(cycled_x, x).mean().item(),
    }
    if exam.judge is not None:
        labels = exam.test.labels.to(runtime.device())
        before = exam.judge.labels(x)
        found["mesmo dígito depois de X→Y→X, pelo juiz"] = _agreement(exam.judge, cycled_x, before)
        found["dígito certo depois de Y→X, pelo juiz"] = _agreement(exam.judge, fake_x, labels)
    return found


def _agreement(judge: Judge, images: Tensor, labels: Tensor) -> float:
    return (judge.labels(images) == labels).float().mean().item()


def _in_chunks(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([network(chunk) for chunk in images.split(IMAGES_AT_ONCE)])


RECIPE = Recipe(
    name="cyclegan",
    title="CycleGAN",
    chapter=6,
    config=CONFIG,
    make=make,
    batch_size=8,
    scales={"rapido": Scale(1, 256), "padrao": Scale(3), "completo": Scale(30)},
    batches=digit_domains,
    photos="cyclegan_photos",
    translators=both_ways,
    kept=("gen_xy", "gen_yx"),
    measure=measure,
)
