"""O que cada parte da CycleGAN faz: a receita do curso, inteira e sem uma das suas partes, no mesmo número de passos.

``python -m benchmarks.cyclegan`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/cyclegan.json``, que o capítulo 06_cyclegan mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, hollow, load_mnist, split_domains
from course_lib.models.cyclegan import CycleGANStep, ImagePool
from course_lib.recipes import get_recipe
from course_lib.studies import Study
from course_lib.training import fit
from course_lib.weights import load_judge, load_shipped

# O que falta em cada variante; o resto é a receita.
VARIANTS: dict[str, tuple[str, ...]] = {
    "receita": (),
    "sem ciclo": ("ciclo",),
    "sem identidade": ("identidade",),
    "sem reservatório": ("reservatório",),
    "só a adversária": ("ciclo", "identidade"),
}


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a variante mudam.

    Attributes:
        images: imagens do MNIST, metade para cada domínio; com lotes de 8, cada 16 são um passo.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios do reservatório.
        test_images: pares de teste em que se mede.
    """

    images: int = 32_000
    seeds: tuple[int, ...] = (0, 1, 2)
    test_images: int = 2_000


QUICK = Config(images=64, seeds=(0,), test_images=50)


def without(step: CycleGANStep, parts: tuple[str, ...]) -> CycleGANStep:
    """O passo da receita, com as partes de nomes ``parts`` desligadas."""
    if "ciclo" in parts:
        step.cycle_weight = 0.0
    if "identidade" in parts:
        step.identity_weight = 0.0
    if "reservatório" in parts:
        step.pool_x, step.pool_y = ImagePool(0), ImagePool(0)
    return step


def train_variant(config: Config, train: ImageDataset, variant: str, seed: int) -> tuple[CycleGANStep, float]:
    """O passo treinado e os segundos que levou."""
    recipe = get_recipe("cyclegan")
    batches = split_domains(train.take(config.images, seed=0)).batches(recipe.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        step = without(recipe.build(len(batches)), VARIANTS[variant])
    for network in (step.gen_xy, step.gen_yx, step.disc_x, step.disc_y):
        network.to(runtime.device())
    history = fit(step, batches, epochs=1, seed=seed, description=f"{variant}, semente {seed}")
    return step, sum(history.seconds)


@torch.no_grad()
def measure(
    step: CycleGANStep, test: ImageDataset, judge: metrics.Judge | None, reader: nn.Module | None
) -> dict[str, float]:
    """As duas traduções diante dos pares de teste, a volta, e o que o juiz lê em cada uma.

    O juiz só conhece X. O que está escrito numa imagem de Y, quem o traz a X para ele é ``reader``, o gerador Y → X do
    curso, que não participou deste treinamento: um recado que só a volta da própria variante entenda, ele não lê.
    """
    step.gen_xy.eval()
    step.gen_yx.eval()
    x, labels = test.images, test.labels
    y = hollow(x)
    fake_y, fake_x = in_chunks(step.gen_xy, x), in_chunks(step.gen_yx, y)
    cycled_x, cycled_y = in_chunks(step.gen_yx, fake_y), in_chunks(step.gen_xy, fake_x)
    found = {}
    for name, (one, other) in {
        "X→Y": (fake_y, y), "Y→X": (fake_x, x), "X→Y→X": (cycled_x, x), "Y→X→Y": (cycled_y, y)
    }.items():  # fmt: skip
        found[f"SSIM {name}"] = metrics.ssim(one, other).mean().item()
        found[f"L1 {name}"] = (one - other).abs().mean().item()
    if judge is not None and reader is not None:
        found["dígito certo em X→Y"] = _share(judge.labels(in_chunks(reader, fake_y)) == labels)
        found["dígito certo em Y→X"] = _share(judge.labels(fake_x) == labels)
        found["mesmo dígito em X→Y→X"] = _share(judge.labels(cycled_x) == judge.labels(x))
    return {name: round(value, 4) for name, value in found.items()}


def _share(hits: Tensor) -> float:
    return hits.float().mean().item()


def in_chunks(network: nn.Module, images: Tensor) -> Tensor:
    """``network`` em todas as imagens, 250 de cada vez."""
    return torch.cat([network(chunk) for chunk in images.split(250)])


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    judge, reader, weights = None, None, ""
    if test.is_mnist:
        shipped, shipped_card = load_shipped("cyclegan")
        judge, reader, weights = load_judge(test), shipped.gen_yx, shipped_card.sha256
    test = test.take(config.test_images)
    header = {
        "config": asdict(config),
        "steps": config.images // 2 // get_recipe("cyclegan").batch_size,
        "data": {"train": train.name, "test": test.name},
        "reader": weights,
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        step, seconds = train_variant(config, train, variant, seed)
        return measure(step, test, judge, reader), seconds

    return run_variants("cyclegan", path, header, config.seeds, VARIANTS, train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("cyclegan", __doc__, main))
