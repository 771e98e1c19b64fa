"""O traço que sai do lugar: a receita da CycleGAN sem a perda de identidade, comparada com o par deslocado.

``python -m benchmarks.position`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/position.json``, que o capítulo 06_cyclegan mostra em tabela e em figura.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import cyclegan
from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, hollow, load_mnist
from course_lib.models.cyclegan import CycleGANStep
from course_lib.recipes import get_recipe
from course_lib.studies import Study

NO_IDENTITY = "sem identidade"
SHIFTS = range(-3, 4)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente muda.

    Attributes:
        images: imagens do MNIST, metade para cada domínio; com lotes de 8, cada 16 são um passo.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios do reservatório.
        test_images: pares de teste, sorteados, em que se mede.
    """

    images: int = 32_000
    seeds: tuple[int, ...] = (0, 1, 2)
    test_images: int = 2_000


QUICK = Config(images=64, seeds=(0,), test_images=50)


@torch.no_grad()
def measure(step: CycleGANStep, x: Tensor) -> dict[str, float]:
    """A SSIM das traduções com o par deslocado de ``SHIFTS`` colunas (positivas: à direita), e a da volta.

    O dígito é deslocado; as riscas do par, que não dependem dele, ficam onde estavam.
    """
    step.gen_xy.eval()
    step.gen_yx.eval()
    fake_y, fake_x = cyclegan.in_chunks(step.gen_xy, x), cyclegan.in_chunks(step.gen_yx, hollow(x))
    found = {"SSIM X→Y→X": metrics.ssim(cyclegan.in_chunks(step.gen_yx, fake_y), x).mean().item()}
    for shift in SHIFTS:
        moved = torch.roll(x, shift, dims=3)
        found[f"SSIM X→Y, par em {shift:+d}"] = metrics.ssim(fake_y, hollow(moved)).mean().item()
        found[f"SSIM Y→X, par em {shift:+d}"] = metrics.ssim(fake_x, moved).mean().item()
    return {name: round(value, 4) for name, value in found.items()}


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    pairs = test.take(config.test_images, seed=0).images
    header = {
        "config": asdict(config),
        "steps": config.images // 2 // get_recipe("cyclegan").batch_size,
        "shifts": list(SHIFTS),
        "data": {"train": train.name, "test": test.name},
    }
    training = cyclegan.Config(config.images, config.seeds, config.test_images)

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        step, seconds = cyclegan.train_variant(training, train, variant, seed)
        return measure(step, pairs), seconds

    return run_variants("position", path, header, config.seeds, (NO_IDENTITY,), train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("position", __doc__, main))
