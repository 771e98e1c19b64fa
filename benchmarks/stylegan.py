"""As duas formas de injetar o estilo, e a falta que a R1 faz: a receita da StyleGAN, curta, com uma coisa trocada.

``python -m benchmarks.stylegan`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/stylegan.json``, que o capítulo 05_stylegan mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.stylegan import StyleGANStep, StyleGenerator
from course_lib.recipes import get_recipe
from course_lib.studies import Study
from course_lib.training import fit
from course_lib.training.ema import EMA
from course_lib.weights import draw, load_judge

RECIPE, DEMODULATED, NO_R1 = "receita (AdaIN)", "demodulação", "sem R1"
VARIANTS = (RECIPE, DEMODULATED, NO_R1)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a variante mudam.

    Attributes:
        images: imagens do MNIST, uma época; com lotes de 64, são 600 passos.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios.
        samples: amostras julgadas.
    """

    images: int = 38_400
    seeds: tuple[int, ...] = (0, 1, 2)
    samples: int = 2_000


QUICK = Config(images=256, seeds=(0,), samples=500)


def build(variant: str, total_steps: int) -> StyleGANStep:
    """O passo da receita, com o que ``variant`` troca."""
    step = get_recipe("stylegan").build(total_steps)
    if variant == DEMODULATED:
        step.gen = StyleGenerator(demodulate=True).to(memory_format=torch.channels_last)
        step.gen_optimizer = torch.optim.Adam(step.gen.parameters(), **step.gen_optimizer.defaults)
    elif variant == NO_R1:
        step.r1_weight = 0.0
    return step


def train_variant(config: Config, train: ImageDataset, variant: str, seed: int) -> tuple[StyleGANStep, float]:
    """O passo treinado, com a média dos pesos no gerador, e os segundos que levou."""
    recipe = get_recipe("stylegan")
    batches = train.take(config.images, seed=0).batches(recipe.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        step = build(variant, len(batches))
    for network in (step.gen, step.disc):
        network.to(runtime.device())
    average = EMA(step.gen, recipe.average)
    history = fit(step, batches, epochs=1, seed=seed, callbacks=[average], description=f"{variant}, semente {seed}")
    step.gen.load_state_dict(average.model.state_dict())
    return step, sum(history.seconds)


def measure(step: StyleGANStep, judge: metrics.Judge, n: int) -> dict[str, float]:
    """O que o juiz diz de ``n`` amostras; a cobertura é a fatia do dígito mais raro."""
    report = judge.compare("StyleGAN", draw(step.gen, n, seed=0))
    found = {
        "Fréchet": report.frechet,
        "precisão": report.precision,
        "revocação": report.recall,
        "dígito mais raro": min(report.coverage),
    }
    return {name: round(value, 4) for name, value in found.items()}


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    judge = load_judge(test)
    header = {
        "config": asdict(config),
        "steps": config.images // get_recipe("stylegan").batch_size,
        "data": {"train": train.name, "test": test.name},
        "judge": judge.network_hash,
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        step, seconds = train_variant(config, train, variant, seed)
        return measure(step, judge, config.samples), seconds

    return run_variants("stylegan", path, header, config.seeds, VARIANTS, train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("stylegan", __doc__, main))
