"""``python -m benchmarks.samples``: as amostras de cada família e as da GAN do documento, diante do juiz."""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from benchmarks.families import FAMILIES
from benchmarks.measure import machine
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.training import fit
from course_lib.training.recipes import RECIPES, get_recipe
from course_lib.weights import SHIPPED, draw, load_judge, load_shipped

SEED = 0
DOCUMENT_EPOCHS = 40
DOCUMENT_BATCH = 128


def document_gan(train: ImageDataset, n: int) -> Tensor:
    """Amostras da GAN do documento: a rede, as taxas e as épocas dele, no laço da biblioteca."""
    (family,) = (family for family in FAMILIES if family.name == "gan")
    with runtime.isolated_seed(SEED):
        step = family.library()
    fit(
        step,
        train.batches(DOCUMENT_BATCH, seed=SEED),
        epochs=DOCUMENT_EPOCHS,
        seed=SEED,
        description="GAN do documento",
    )
    return draw(step.gen.eval(), n, seed=SEED)


def main() -> None:
    shipped = [name for name, recipe in RECIPES.items() if recipe.sampler and (SHIPPED / f"{name}.json").is_file()]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samples", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="amostras de cada modelo (padrão: 10000)")
    parser.add_argument("--so", nargs="+", choices=shipped, default=shipped, help="mede só estas famílias")
    options = parser.parse_args()

    print(machine())
    train, test = load_mnist("train"), load_mnist("test")
    if not test.is_mnist:
        raise SystemExit("O juiz compara com o MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")
    judge = load_judge(test)
    reports = [judge.compare("reais de treino (o piso)", train.take(options.n, seed=SEED).images)]
    document = judge.compare("GAN do documento", document_gan(train, options.n))
    reports.append(document)
    speed = {}
    for name in options.so:
        step, _ = load_shipped(name)
        start = time.perf_counter()
        x = draw(get_recipe(name).sampler(step), options.n, seed=SEED)
        speed[name] = options.n / (time.perf_counter() - start)
        reports.append(judge.compare(name, x))
        print(metrics.SampleReport.table(reports[-1:]), flush=True)
    print(f"\nDiante das {len(test)} imagens de teste ({torch.get_num_threads()} threads)")
    print(metrics.SampleReport.table(reports))
    for report in reports[2:]:
        share = document.frechet / report.frechet
        print(
            f"{report.name}: Fréchet 1/{share:.1f} da GAN do documento; {speed[report.name]:,.0f} imagens por segundo"
        )


if __name__ == "__main__":
    main()
