"""``python -m benchmarks.samples``: as amostras de cada família e as da GAN do documento, diante do juiz.

Cada linha é gravada assim que fica pronta; chamado de novo, faz só as que faltam e as dos modelos cujos pesos mudaram.
O resultado é o estudo ``course_lib/studies/samples.json``, que os capítulos 04 e 10 mostram em tabela.
"""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from benchmarks.families import FAMILIES
from benchmarks.measure import machine
from course_lib import console, metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.recipes import RECIPES, get_recipe
from course_lib.studies import (
    DOCUMENT,
    FLOOR,
    SampleRow,
    Study,
    load_sample_rows,
    save_study,
    study_command,
    study_path,
)
from course_lib.text import number
from course_lib.training import fit
from course_lib.weights import SHIPPED, draw, load_judge, load_shipped

SEED = 0
DOCUMENT_EPOCHS = 40
DOCUMENT_BATCH = 128

# O que falta medir: nome, pesos, semente, e quem faz as imagens.
Wanted = tuple[str, str, int, Callable[[], Tensor]]


def document_gan(train: ImageDataset, n: int, seed: int) -> Tensor:
    """Amostras da GAN do documento: a rede, as taxas e as épocas dele, no laço da biblioteca."""
    (family,) = (family for family in FAMILIES if family.name == "gan")
    with runtime.isolated_seed(seed):
        step = family.library()
    fit(step, train.batches(DOCUMENT_BATCH, seed=seed), epochs=DOCUMENT_EPOCHS, seed=seed, description=DOCUMENT)
    return draw(step.gen.eval(), n, seed=seed)


def draw_shipped(name: str, n: int) -> Tensor:
    """Amostras de um modelo do curso."""
    return draw(get_recipe(name).sampler(load_shipped(name)[0]), n, seed=SEED)


def shipped_models() -> dict[str, str]:
    """Os modelos do curso que geram imagens, com o SHA-256 dos seus pesos."""
    names = [name for name, recipe in RECIPES.items() if recipe.sampler and (SHIPPED / f"{name}.json").is_file()]
    return {name: load_shipped(name)[1].sha256 for name in names}


def wanted_rows(train: ImageDataset, models: dict[str, str], names: list[str], n: int, seeds: int) -> list[Wanted]:
    """Tudo o que o estudo mede: o piso, a GAN do documento uma vez por semente, e os modelos pedidos."""
    floor: Wanted = (FLOOR, "", SEED, lambda: train.take(n, seed=SEED).images)
    documents = [(DOCUMENT, "", seed, lambda seed=seed: document_gan(train, n, seed)) for seed in range(seeds)]
    return [floor, *documents, *((name, models[name], SEED, lambda name=name: draw_shipped(name, n)) for name in names)]


def measure_row(wanted: Wanted, judge: metrics.Judge) -> SampleRow:
    """Uma linha: o que o juiz diz das amostras, e os segundos que elas levaram."""
    name, weights, seed, sample = wanted
    start = time.perf_counter()
    x = sample()
    seconds = round(time.perf_counter() - start, 2)
    return SampleRow(judge.compare(name, x, seed=seed), weights, seed, seconds, machine())


def save_rows(path: Path, rows: list[SampleRow]) -> None:
    """Grava o estudo, da menor distância à maior."""
    ordered = sorted(rows, key=lambda row: row.report.frechet)
    save_study(Study(study_command("samples"), runs=[asdict(row) for row in ordered]), path)


def still_valid(path: Path, n: int, judge: metrics.Judge, models: dict[str, str]) -> list[SampleRow]:
    """As linhas gravadas que ainda valem: mesmo juiz, mesmo N e, dos modelos do curso, os pesos de agora."""
    rows = load_sample_rows(path) if path.exists() else []
    current = {"", *models.values()}
    return [
        row for row in rows
        if row.report.n == n and row.report.network == judge.network_hash and row.weights in current
    ]  # fmt: skip


def read_options(models: dict[str, str]) -> Namespace:
    """As opções da linha de comando."""
    default = study_path("samples")
    parser = console.Parser(prog=study_command("samples"), description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="amostras de cada modelo (padrão: 10000)")
    parser.add_argument("--so", nargs="+", choices=models, default=list(models), help="mede só estas famílias")
    parser.add_argument("--sementes", type=int, default=3, metavar="K", help="treinos da GAN do documento (padrão: 3)")
    parser.add_argument("--saida", type=Path, metavar="ARQUIVO", default=default, help=f"o estudo (padrão: {default})")
    return parser.parse_args()


def print_rows(rows: list[SampleRow], models: dict[str, str], n_test: int) -> None:
    """A tabela inteira e, de cada modelo, a distância diante da GAN do documento."""
    rows = sorted(rows, key=lambda row: row.report.frechet)
    print(f"\nDiante das {n_test} imagens de teste")
    print(metrics.SampleReport.table([row.report for row in rows]))
    document = statistics.median(row.report.frechet for row in rows if row.report.name == DOCUMENT)
    for row in rows:
        report = row.report
        if report.name in models:
            share, speed = number(document / report.frechet, ".1f"), number(report.n / row.seconds, ",.0f")
            print(f"{report.name}: 1/{share} da mediana da GAN do documento; {speed} imagens por segundo")


def main() -> None:
    models = shipped_models()
    options = read_options(models)
    train, test = load_mnist("train"), load_mnist("test")
    if not test.is_mnist:
        raise SystemExit("O juiz compara com o MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")
    judge = load_judge(test)
    rows = still_valid(options.saida, options.n, judge, models)
    done = {(row.report.name, row.weights, row.seed) for row in rows}
    for wanted in wanted_rows(train, models, options.so, options.n, options.sementes):
        if wanted[:3] in done:
            continue
        rows.append(measure_row(wanted, judge))
        save_rows(options.saida, rows)
        print(metrics.SampleReport.table([rows[-1].report]), flush=True)
    print_rows(rows, models, len(test))


if __name__ == "__main__":
    main()
