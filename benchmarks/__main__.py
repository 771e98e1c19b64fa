"""``python -m benchmarks``: o treinamento do documento e o da biblioteca, lado a lado.

Com ``--antes PASTA``, também o de outra árvore do curso (``git worktree add PASTA COMMIT``): as mesmas medidas, feitas
por ela, com a biblioteca dela, no ambiente de agora e na mesma chamada. Cada tabela ganha a coluna "antes".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Subset

from benchmarks import document
from benchmarks.book_times import CACHE, read_times
from benchmarks.families import FAMILIES, Family
from benchmarks.measure import interleaved, machine, peak_memory, record_products, seconds
from course_lib import console, runtime
from course_lib.data import Batch, ImageDataset, load_mnist
from course_lib.recipes import RECIPES, get_recipe
from course_lib.studies import load_study
from course_lib.text import number, table
from course_lib.training import fit

PRODUCTS_GOAL = (0.65, 0.80)
QUALITY_GOAL = (15.0, 30.0)
MEMORY_LIMIT_GB = 3.0
CHAPTER_LIMIT_GB = 1.5
SEED = 0
SAMPLES = 100


def say(message: str) -> None:
    """Andamento: na saída de erro, para não se misturar às tabelas."""
    print(f"· {message}", file=sys.stderr, flush=True)


# As colunas de cada tabela que a outra árvore também mede.
COMPARED = {"a": (2,), "b": (1, 3), "c": (4,), "d": (2, 4)}

# Chama a medida inteira da árvore em que roda, e devolve as linhas das tabelas em vez de mostrá-las.
MEASURE = """
import json
from benchmarks import __main__ as benchmark
tables = {}
benchmark.show = lambda title, header, rows: tables.setdefault(header[0][1], rows)
benchmark.main()
print(json.dumps(tables))
"""


def measure_tree(tree: Path, arguments: list[str]) -> dict[str, list[list[str]]]:
    """As linhas das tabelas de outra árvore do curso, pela letra de cada uma, medidas num processo só dela."""
    say(f"antes: as medidas de {tree}, com a biblioteca de lá")
    environ = dict(os.environ, PYTHONPATH=str(tree))
    command = [sys.executable, "-c", MEASURE, *arguments]
    done = subprocess.run(command, cwd=tree, env=environ, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"erro: a medida de {tree} não terminou (código {done.returncode}); o porquê está acima")
    return json.loads(done.stdout.splitlines()[-1])


def show(title: str, header: list[str], rows: list[list[str]], before: list[list[str]] | None = None) -> None:
    """Imprime uma tabela com o seu título; com as linhas de ``before``, o que nelas se compara, em mais colunas."""
    columns = COMPARED.get(header[0][1], ()) if before else ()
    known = {row[0]: row for row in before or []}
    header = header + [f"{header[column]}, antes" for column in columns]
    rows = [row + [known[row[0]][column] if row[0] in known else "—" for column in columns] for row in rows]
    print(f"\n{title}\n{table(rows, header)}", flush=True)


def verdict(value: float, goal: tuple[float, float]) -> str:
    """Se ``value`` chega ao pedido, ou até ao desejado."""
    asked, wanted = goal
    return "✔✔ desejado" if value >= wanted else "✔ pedido" if value >= asked else "✘ abaixo"


def measure_epochs(
    family: Family, data: torch.utils.data.Dataset, train: ImageDataset, rounds: int
) -> tuple[float, float]:
    """Segundos por época do documento e da biblioteca: a menor de ``rounds`` medidas de cada um, alternadas."""
    with runtime.isolated_seed(SEED):
        phase, step = family.document(), family.library()
    loader, batches = document.loader(data), train.batches(document.BATCH_SIZE, seed=SEED)
    fit(step, batches, epochs=1, progress=False)
    theirs, ours = [], []
    for index in range(rounds):
        say(f"{family.name}: uma época do documento e duas da biblioteca ({index + 1} de {rounds})")
        theirs.append(seconds(lambda: phase.epoch(loader)))
        ours += [seconds(lambda: fit(step, batches, epochs=1, progress=False)) for _ in range(2)]
    return min(theirs), min(ours)


def measure_step(name: str, step: Callable, batch: Batch, rounds: int) -> tuple[float, float]:
    """Segundos de um passo e segundos só dos seus produtos e convoluções: a menor medida de cada um."""
    step(batch)  # a primeira vez aloca os estados do otimizador
    products = record_products(lambda: step(batch))
    say(f"{name}: passo e produtos, {rounds} rodadas")
    times = interleaved(
        {"step": lambda: step(batch), "products": lambda: [run() for run in products]},
        rounds=rounds,
        calls=max(1, 100 // len(products)),
    )
    return min(times["step"]), min(times["products"])


def measure_sampling(name: str, sampler: Any) -> tuple[float, float]:
    """Segundos por imagem do ``sample`` da família, e quanto disso são os produtos e as convoluções."""
    products = record_products(lambda: sampler.sample(SAMPLES))
    say(f"{name}: {SAMPLES} amostras")
    times = interleaved(
        {"sample": lambda: sampler.sample(SAMPLES), "products": lambda: [run() for run in products]}, rounds=3, calls=1
    )
    return min(times["sample"]) / SAMPLES, min(times["products"]) / SAMPLES


def every_family(train: ImageDataset, rounds: int) -> list[list[str]]:
    """Uma linha por receita do curso que treina com o MNIST: o passo e a amostra, cada um ao lado dos seus produtos."""
    rows = []
    for name, recipe in RECIPES.items():
        if recipe.data is not ImageDataset:
            continue
        with runtime.isolated_seed(SEED):
            step = recipe.build(1_000_000)
        batch = next(iter(recipe.batches(train, recipe.batch_size, seed=SEED)))
        whole, products = measure_step(name, step, batch, rounds)
        row = [name, str(recipe.batch_size), f"{number(1e3 * whole, '.1f')} ms", number(products / whole, ".0%")]
        if recipe.sampler is None:
            rows.append([*row, "—", "—"])
            continue
        one, products = measure_sampling(name, recipe.sampler(step))
        rows.append([*row, number(1 / one, ",.0f"), number(products / one, ".0%")])
    return rows


def document_quality(family: Family, train: ImageDataset, test: ImageDataset, loader) -> tuple[float, float | None]:
    """A qualidade das épocas do documento e, se foi o laço dele que rodou (``loader``), quanto levou."""
    quality = family.quality
    with runtime.isolated_seed(SEED):
        phase, step = family.document(), family.library()
    if loader is None:
        say(f"{family.name}: {document.EPOCHS} épocas com os hiperparâmetros do documento, no laço da biblioteca")
        batches = train.batches(document.BATCH_SIZE, seed=SEED)
        loss = fit(step, batches, epochs=document.EPOCHS, seed=SEED).last["loss"]
        return quality.measure(step.model, loss, test), None
    losses = []

    def run() -> None:
        for epoch in range(document.EPOCHS):
            losses.append(phase.epoch(loader))
            say(f"{family.name}: documento, época {epoch + 1} de {document.EPOCHS}, perda {number(losses[-1], '.4f')}")

    elapsed = seconds(run)
    return quality.measure(getattr(phase, "reconstruct", None), losses[-1], test), elapsed


def recipe_quality(family: Family, train: ImageDataset, test: ImageDataset) -> tuple[float, float]:
    """A qualidade da receita do curso e os segundos que levou, da construção das redes ao último passo."""
    recipe, quality = get_recipe(family.name), family.quality
    batches = train.batches(recipe.batch_size, seed=SEED)
    trained = {}

    def run() -> None:
        with runtime.isolated_seed(SEED):
            trained["step"] = recipe.build(quality.recipe_epochs * len(batches))
        trained["history"] = fit(trained["step"], batches, epochs=quality.recipe_epochs, seed=SEED)

    say(f"{family.name}: a receita do curso, {quality.recipe_epochs} épocas")
    elapsed = seconds(run)
    return quality.measure(trained["step"].model, trained["history"].last["loss"], test), elapsed


def epoch_rows(families: list[Family], epoch_seconds: dict[str, tuple[float, float]]) -> list[list[str]]:
    """As linhas da tabela (a)."""
    rows = []
    for family in families:
        theirs, ours = epoch_seconds[family.name]
        ratio, (asked, wanted) = theirs / ours, family.epoch_goal
        times = [f"{number(theirs, '.2f')} s", f"{number(ours, '.2f')} s", f"{number(ratio, '.1f')}×"]
        goal = f"{number(asked)}× [{number(wanted)}×]"
        rows.append([family.name, *times, goal, verdict(ratio, family.epoch_goal)])
    return rows


def step_rows(families: list[Family], train: ImageDataset, rounds: int) -> list[list[str]]:
    """As linhas da tabela (b)."""
    rows = []
    asked, wanted = (number(share, ".0%") for share in PRODUCTS_GOAL)
    for family in families:
        with runtime.isolated_seed(SEED):
            step = family.library()
        batch = next(iter(train.batches(document.BATCH_SIZE, seed=SEED)))
        whole, products = measure_step(family.name, step, batch, rounds)
        share = products / whole
        times = [f"{number(1e3 * whole, '.2f')} ms", f"{number(1e3 * products, '.2f')} ms", number(share, ".0%")]
        rows.append([family.name, *times, f"{asked} [{wanted}]", verdict(share, PRODUCTS_GOAL)])
    return rows


def quality_row(family: Family, train: ImageDataset, test: ImageDataset, loader: Any, epoch: float) -> list[str]:
    """Uma linha da tabela (c); ``epoch`` são os segundos de uma época do documento."""
    reference, elapsed = document_quality(family, train, test, loader)
    how = "medido" if elapsed is not None else f"{document.EPOCHS} × época"
    elapsed = elapsed or document.EPOCHS * epoch
    reached, ours = recipe_quality(family, train, test)
    asked, wanted = map(number, QUALITY_GOAL)
    result = verdict(elapsed / ours, QUALITY_GOAL) if reached <= reference else "✘ não chegou à qualidade"
    times = [f"{number(elapsed, '.0f')} s ({how})", f"{number(ours, '.1f')} s", f"{number(elapsed / ours, '.1f')}×"]
    reached_both = [number(reference, ".4f"), number(reached, ".4f")]
    return [f"{family.name}: {family.quality.label}", *reached_both, *times, f"{asked}× [{wanted}×]", result]


def chapter_rows(tree: Path | None) -> list[list[str]]:
    """As linhas da tabela (e): o que cada capítulo gastou na última construção medida, e na da outra árvore."""
    rows = []
    built = tree is not None and (tree / CACHE).is_dir()
    before = {run["chapter"]: run["seconds"] for run in read_times(tree / CACHE)} if built else {}
    for run in load_study("book_times").runs:
        peak = run["peak_mb"] and run["peak_mb"] / 1024
        fits = "" if peak is None else "✔" if peak <= CHAPTER_LIMIT_GB else "✘ acima"
        row = [run["chapter"], number(run["seconds"], ".0f"), number(peak, ".2f") if peak else "", fits]
        took = before.get(run["chapter"])
        rows.append([*row, number(took, ".0f") if took else "—"] if before else row)
    return rows


def read_options() -> Namespace:
    """As opções da linha de comando."""
    parser = console.Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rapido", action="store_true", help="12.000 imagens e poucas rodadas; sem tempo até a qualidade"
    )
    parser.add_argument("--completo", action="store_true", help="roda mesmo as 20 épocas do documento (minutos a mais)")
    parser.add_argument("--antes", type=Path, metavar="PASTA", help="mede também esta outra árvore do curso")
    parser.add_argument("--so", choices=[family.name for family in FAMILIES], help="mede uma família só")
    return parser.parse_args()


def print_quality(
    families: list[Family],
    train: ImageDataset,
    test: ImageDataset,
    loader: Any,
    epoch_seconds: dict[str, tuple[float, float]],
    before: list[list[str]] | None,
) -> None:
    """A tabela (c)."""
    rows = [
        quality_row(family, train, test, loader, epoch_seconds[family.name][0])
        for family in families
        if family.quality is not None
    ]
    header = ["(c) até a qualidade", "documento", "receita", "documento", "receita", "razão", "meta", ""]
    show(f"Tempo até a qualidade das {document.EPOCHS} épocas do documento", header, rows, before)


def main() -> None:
    options = read_options()
    families = [family for family in FAMILIES if options.so in (None, family.name)]
    print(machine())
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        print(f"⚠ A máquina está ocupada (carga {number(os.getloadavg()[0], '.1f')}): os tempos abaixo oscilam.")
    before: dict[str, list[list[str]]] = {}
    if options.antes is not None:
        arguments = [one for one in ("--rapido", "--completo") if getattr(options, one.strip("-"))]
        arguments += ["--so", options.so] if options.so else []
        before = measure_tree(options.antes.resolve(), arguments)
    documents, train, test = document.mnist(), load_mnist("train"), load_mnist("test")
    if options.rapido:
        documents, train = Subset(documents, range(12_000)), train.take(12_000)
    print(f"{train.name}, {number(len(train), ',')} imagens por época")

    rounds = 1 if options.rapido else 3
    epoch_seconds = {family.name: measure_epochs(family, documents, train, rounds) for family in families}
    header = ["(a) uma época", "documento", "biblioteca", "razão", "meta", ""]
    title = f"Uma época, a menor de {rounds} do documento e de {2 * rounds} da biblioteca"
    show(title, header, epoch_rows(families, epoch_seconds), before.get("a"))

    header = ["(b) um passo", "passo", "só os produtos", "produtos/passo", "meta", ""]
    title = "Quanto do passo são os produtos de matrizes (o menor tempo de cada um, em rodadas alternadas)"
    show(title, header, step_rows(families, train, rounds=10 if options.rapido else 60), before.get("b"))

    if not options.rapido:
        loader = document.loader(documents) if options.completo else None
        print_quality(families, train, test, loader, epoch_seconds, before.get("c"))
    peak = peak_memory()
    if peak is not None:
        print(f"\nMemória residente máxima até aqui: {number(peak, '.2f')} GB (limite {number(MEMORY_LIMIT_GB)} GB)")

    header = ["(d) receita", "lote", "um passo", "produtos/passo", "imagens/s", "produtos/amostra"]
    show("Todas as famílias", header, every_family(train, rounds=3 if options.rapido else 10), before.get("d"))

    header = ["(e) capítulo", "segundos", "pico (GB)", f"até {number(CHAPTER_LIMIT_GB)} GB"]
    rows = chapter_rows(options.antes)
    header += ["segundos, antes"] * (len(rows[0]) - len(header))
    show("O livro, no perfil padrao (estudo book_times)", header, rows)


if __name__ == "__main__":
    main()
