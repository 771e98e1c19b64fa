"""``python -m benchmarks.samples``: as amostras de cada família e as da GAN do documento, diante do juiz.

Cada linha é gravada assim que fica pronta; chamado de novo, faz só as que faltam e as dos modelos cujos pesos mudaram.
O resultado é o cartão ``course_lib/weights/samples.json``, que os capítulos 04 e 10 mostram em tabela.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.families import FAMILIES
from benchmarks.measure import machine
from course_lib import console, metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.training import fit
from course_lib.training.checkpoint import write_atomically
from course_lib.training.recipes import RECIPES, get_recipe
from course_lib.weights import (
    DOCUMENT,
    FLOOR,
    SAMPLES_CARD,
    SHIPPED,
    SampleRow,
    draw,
    load_judge,
    load_shipped,
)

SEED = 0
DOCUMENT_EPOCHS = 40
DOCUMENT_BATCH = 128


def document_gan(train: ImageDataset, n: int, seed: int) -> Tensor:
    """Amostras da GAN do documento: a rede, as taxas e as épocas dele, no laço da biblioteca."""
    (family,) = (family for family in FAMILIES if family.name == "gan")
    with runtime.isolated_seed(seed):
        step = family.library()
    fit(step, train.batches(DOCUMENT_BATCH, seed=seed), epochs=DOCUMENT_EPOCHS, seed=seed, description=DOCUMENT)
    return draw(step.gen.eval(), n, seed=seed)


def shipped_models() -> dict[str, str]:
    """Os modelos do curso que geram imagens, com o SHA-256 dos seus pesos."""
    names = [name for name, recipe in RECIPES.items() if recipe.sampler and (SHIPPED / f"{name}.json").is_file()]
    return {name: load_shipped(name)[1]["sha256"] for name in names}


def measure_row(
    name: str, weights: str, seed: int, judge: metrics.Judge, sample: Callable[[], Tensor]
) -> dict[str, Any]:
    """Uma linha do cartão: o que o juiz diz das amostras, e os segundos que elas levaram."""
    start = time.perf_counter()
    x = sample()
    seconds = time.perf_counter() - start
    report = asdict(judge.compare(name, x, seed=seed))
    return {**report, "pesos": weights, "semente": seed, "segundos": round(seconds, 2), "maquina": machine()}


def load_rows(path: Path) -> list[dict[str, Any]]:
    """As linhas gravadas até aqui."""
    return json.loads(path.read_text(encoding="utf-8"))["linhas"] if path.exists() else []


def save_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Grava o cartão, da menor distância à maior."""
    card = {"comando": "python -m benchmarks.samples", "linhas": sorted(rows, key=lambda row: row["frechet"])}
    text = json.dumps(card, ensure_ascii=False, indent=1) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def main() -> None:
    models = shipped_models()
    parser = console.Parser(prog="python -m benchmarks.samples", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="amostras de cada modelo (padrão: 10000)")
    parser.add_argument("--so", nargs="+", choices=models, default=list(models), help="mede só estas famílias")
    parser.add_argument("--sementes", type=int, default=3, metavar="K", help="treinos da GAN do documento (padrão: 3)")
    parser.add_argument(
        "--saida", type=Path, metavar="ARQUIVO", default=SAMPLES_CARD, help=f"o cartão (padrão: {SAMPLES_CARD})"
    )
    options = parser.parse_args()

    train, test = load_mnist("train"), load_mnist("test")
    if not test.is_mnist:
        raise SystemExit("O juiz compara com o MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")
    judge = load_judge(test)
    wanted: list[tuple[str, str, int, Callable[[], Tensor]]] = [
        (FLOOR, "", SEED, lambda: train.take(options.n, seed=SEED).images)
    ]
    for seed in range(options.sementes):
        wanted.append((DOCUMENT, "", seed, lambda seed=seed: document_gan(train, options.n, seed)))
    for name in options.so:
        wanted.append((name, models[name], SEED, lambda name=name: _draw_shipped(name, options.n)))

    # Ficam as linhas que ainda valem: mesmo juiz, mesmo N e, dos modelos do curso, os pesos de agora.
    current = {"", *models.values()}
    rows = [
        row
        for row in load_rows(options.saida)
        if row["n"] == options.n and row["network"] == judge.network_hash and row["pesos"] in current
    ]
    done = {(row["name"], row["pesos"], row["semente"]) for row in rows}
    for name, weights, seed, sample in wanted:
        if (name, weights, seed) in done:
            continue
        rows.append(measure_row(name, weights, seed, judge, sample))
        save_rows(options.saida, rows)
        print(metrics.SampleReport.table([SampleRow.from_dict(rows[-1]).report]), flush=True)

    rows.sort(key=lambda row: row["frechet"])
    print(f"\nDiante das {len(test)} imagens de teste")
    print(metrics.SampleReport.table([SampleRow.from_dict(row).report for row in rows]))
    document = statistics.median(row["frechet"] for row in rows if row["name"] == DOCUMENT)
    for row in rows:
        if row["name"] in models:
            speed = row["n"] / row["segundos"]
            share = document / row["frechet"]
            print(f"{row['name']}: 1/{share:.1f} da mediana da GAN do documento; {speed:,.0f} imagens por segundo")


def _draw_shipped(name: str, n: int) -> Tensor:
    return draw(get_recipe(name).sampler(load_shipped(name)[0]), n, seed=SEED)


if __name__ == "__main__":
    main()
