"""O que a CycleGAN faz do lugar: o traço que sai deslocado sem a identidade, e as riscas fora da grade do gerador.

``python -m benchmarks.position`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/position.json``, que o capítulo 06_cyclegan mostra em tabela e em figura.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.cyclegan import in_chunks, without
from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, hollow, load_mnist, split_domains
from course_lib.models.cyclegan import CycleGANStep
from course_lib.recipes import get_recipe
from course_lib.studies import Study
from course_lib.training import fit

NO_IDENTITY, OFF_GRID, RECIPE = "sem identidade", "riscas de 6 em 6", "receita"
VARIANTS = (NO_IDENTITY, OFF_GRID, RECIPE)

# O gerador dobra a imagem de 4 em 4 pixels, que é também o período das riscas do curso; 6 não o divide nem é múltiplo.
OFF_GRID_PERIOD = 6
SHIFTS = range(-3, 4)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a variante mudam.

    Attributes:
        images: imagens do MNIST, metade para cada domínio; com lotes de 8, cada 16 são um passo.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios do reservatório.
        test_images: pares de teste, sorteados, em que se mede.
    """

    images: int = 32_000
    seeds: tuple[int, ...] = (0, 1, 2)
    test_images: int = 2_000


QUICK = Config(images=64, seeds=(0,), test_images=50)


def train_variant(
    config: Config, train: ImageDataset, variant: str, seed: int, style: Callable[[Tensor], Tensor]
) -> tuple[CycleGANStep, float]:
    """O passo treinado no estilo ``style`` e os segundos que levou."""
    recipe = get_recipe("cyclegan")
    domains = split_domains(train.take(config.images, seed=0), style=style)
    batches = domains.batches(recipe.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        step = without(recipe.build(len(batches)), ("identidade",) if variant == NO_IDENTITY else ())
    for network in (step.gen_xy, step.gen_yx, step.disc_x, step.disc_y):
        network.to(runtime.device())
    history = fit(step, batches, epochs=1, seed=seed, description=f"{variant}, semente {seed}")
    return step, sum(history.seconds)


@torch.no_grad()
def measure(step: CycleGANStep, x: Tensor, style: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """A SSIM das traduções com o par, com o par deslocado de ``SHIFTS`` colunas (positivas: à direita), e a da volta.

    O dígito é deslocado; as riscas do par, que não dependem dele, ficam onde estavam.
    """
    step.gen_xy.eval()
    step.gen_yx.eval()
    fake_y, fake_x = in_chunks(step.gen_xy, x), in_chunks(step.gen_yx, style(x))
    found = {"SSIM X→Y→X": metrics.ssim(in_chunks(step.gen_yx, fake_y), x).mean().item()}
    for shift in SHIFTS:
        moved = torch.roll(x, shift, dims=3)
        found[f"SSIM X→Y, par em {shift:+d}"] = metrics.ssim(fake_y, style(moved)).mean().item()
        found[f"SSIM Y→X, par em {shift:+d}"] = metrics.ssim(fake_x, moved).mean().item()
    return {name: round(value, 4) for name, value in found.items()}


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    pairs = test.take(config.test_images, seed=0).images
    header = {
        "config": asdict(config),
        "steps": config.images // 2 // get_recipe("cyclegan").batch_size,
        "period": OFF_GRID_PERIOD,
        "shifts": list(SHIFTS),
        "data": {"train": train.name, "test": test.name},
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        style = partial(hollow, period=OFF_GRID_PERIOD) if variant == OFF_GRID else hollow
        step, seconds = train_variant(config, train, variant, seed, style)
        return measure(step, pairs, style), seconds

    for variant in VARIANTS:
        study = run_variants("position", path, header, config.seeds, (variant,), train_and_measure)
    return study


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("position", __doc__, main))
