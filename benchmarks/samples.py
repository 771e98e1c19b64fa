"""``python -m benchmarks.samples``: as amostras de cada família diante do juiz.

Cada linha é gravada assim que fica pronta; chamado de novo, faz só as que faltam, as dos modelos cujos pesos ou cujo
amostrador mudaram e as que ainda não têm o desvio da distância. ``--so NOME`` faz uma família só. O que sai do cartão
(rótulos, parâmetros, imagens vistas) é refeito sempre.

De quem foi treinado com rótulos, mede também os mesmos pesos sem dizer o rótulo de cada imagem, com tão poucas amostras
quanto o cartão: é o que o rótulo vale para eles.

O que treina em minutos é treinado também com outras sementes: o desvio da distância é o de sortear outras amostras, e
o de treinar de novo só assim se vê. O resultado é o estudo ``course_lib/studies/samples.json``, que os capítulos 04 e
10 mostram em tabela.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import machine
from course_lib import console, metrics
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.layers import class_count
from course_lib.recipes import RECIPES, get_recipe, train
from course_lib.studies import (
    FLOOR,
    SampleRow,
    Study,
    load_sample_floor,
    load_sample_rows,
    load_study,
    save_study,
    study_command,
    study_path,
)
from course_lib.text import number
from course_lib.weights import SHIPPED, Card, draw, load_judge, load_shipped

SEED = 0

# Com quem se compara o que o curso alcança.
DOCUMENT = "gan_document"

# Sorteios do piso: com 10.000 imagens cada um, quantos as 60.000 de treino dão sem repetir imagem.
FLOOR_DRAWS = 6

# Amostras sem rótulo: as mesmas do cartão.
JUDGED = 500

# Segundos de treino, pelo cartão, até os quais uma família é treinada com outras sementes.
QUICK = 300


@dataclass(frozen=True)
class Source:
    """De onde vêm as imagens de uma linha, e o que se sabe do modelo sem julgá-las.

    Attributes:
        labelled: se ele usa o rótulo.
        parameters: de todas as redes treinadas.
        images_seen: épocas × imagens.
        evaluations: da rede, por amostra.
    """

    labelled: bool = False
    parameters: int = 0
    images_seen: int = 0
    evaluations: int = 0


@dataclass(frozen=True)
class Wanted:
    """Uma linha a medir.

    Attributes:
        name: o nome que ela tem no estudo.
        weights: o SHA-256 dos pesos, se vêm com o curso.
        seed: semente do treino.
        sample: faz as imagens e diz de que modelo elas são.
    """

    name: str
    weights: str
    seed: int
    sample: Callable[[], tuple[Tensor, Source]]

    @property
    def key(self) -> tuple[str, str, int]:
        """O que distingue a linha das outras."""
        return self.name, self.weights, self.seed


def source_of(card: Card, sampler: Any) -> Source:
    """O que o cartão e o amostrador dizem de um modelo."""
    evaluations = metrics.network_evaluations(sampler)
    return Source(card.labelled, sum(card.parameters.values()), card.images_seen, evaluations)


def draw_shipped(name: str, n: int) -> tuple[Tensor, Source]:
    """Amostras de um modelo do curso."""
    step, card = load_shipped(name)
    sampler = get_recipe(name).sampler(step)
    return draw(sampler, n, seed=SEED), source_of(card, sampler)


def draw_retrained(name: str, data: ImageDataset, n: int, seed: int) -> tuple[Tensor, Source]:
    """Amostras do mesmo modelo, treinado no perfil ``padrao`` com outra semente."""
    trained = train(name, profile="padrao", seed=seed, dataset=data)
    sampler = trained.recipe.sampler(trained.step)
    card = Card.of(trained, profile="padrao", seed=seed, metrics={}, sha256="")
    return draw(sampler, n, seed=seed), source_of(card, sampler)


class Unlabelled:
    """Um amostrador a que não se diz o rótulo, embora ele tenha sido treinado com rótulos.

    Args:
        model: o modelo, que viu também lotes sem rótulo.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28), todas da classe que quer dizer "sem classe"."""
        classes = class_count(self.model.network)
        return self.model.sample(n, y=torch.full((n,), classes))


def measure_unlabelled(name: str, judge: metrics.Judge) -> dict[str, Any]:
    """Os mesmos pesos sem rótulo, e de que pesos se trata."""
    step, card = load_shipped(name)
    x = draw(Unlabelled(get_recipe(name).sampler(step)), JUDGED, seed=SEED)
    evaluations = metrics.network_evaluations(get_recipe(name).sampler(step))
    return {"weights": card.sha256, "evaluations": evaluations, "report": asdict(judge.compare(name, x, seed=SEED))}


def shipped_models() -> dict[str, Card]:
    """Os modelos do curso que geram imagens, com os seus cartões."""
    names = [name for name, recipe in RECIPES.items() if recipe.sampler and (SHIPPED / f"{name}.json").is_file()]
    return {name: load_shipped(name)[1] for name in names}


def wanted_rows(data: ImageDataset, models: dict[str, Card], options: Namespace) -> list[Wanted]:
    """As linhas pedidas: o piso e os modelos, os rápidos também com outras sementes."""
    n = options.n
    rows = [Wanted(FLOOR, "", SEED, lambda: (data.take(n, seed=SEED).images, Source()))]
    for name in options.so:
        card = models[name]
        rows.append(Wanted(name, card.sha256, card.seed, lambda name=name: draw_shipped(name, n)))
        if card.seconds <= QUICK:
            rows += [
                Wanted(name, "", seed, lambda name=name, seed=seed: draw_retrained(name, data, n, seed))
                for seed in range(options.sementes)
                if seed != card.seed
            ]
    return rows


def measure_row(wanted: Wanted, judge: metrics.Judge) -> SampleRow:
    """Uma linha: o que o juiz diz das amostras, o modelo de que vieram, e os segundos que levaram."""
    start = time.process_time()
    x, source = wanted.sample()
    seconds = round(time.process_time() - start, 2)
    report = judge.compare(wanted.name, x, seed=SEED if wanted.weights else wanted.seed)
    return SampleRow(report, wanted.weights, wanted.seed, **asdict(source), seconds=seconds, machine=machine())


def fastest(row: SampleRow, before: SampleRow | None) -> SampleRow:
    """A linha nova com o menor dos dois tempos, se a de antes é dos mesmos pesos na mesma máquina.

    O que uma medida tem a mais que a outra não é do modelo: é a máquina ocupada.
    """
    if before is None or before.machine != row.machine:
        return row
    return dataclasses.replace(row, seconds=min(row.seconds, before.seconds))


def refreshed(row: SampleRow, models: dict[str, Card]) -> SampleRow:
    """A linha com o que o cartão de agora diz do modelo: nada disto depende das amostras."""
    if not row.weights:
        return row
    step, card = load_shipped(row.report.name)
    source = source_of(card, get_recipe(row.report.name).sampler(step))
    return dataclasses.replace(row, seed=models[row.report.name].seed, **asdict(source))


def save_rows(path: Path, rows: list[SampleRow], header: dict[str, Any]) -> None:
    """Grava o estudo, da menor distância à maior."""
    ordered = sorted(rows, key=lambda row: row.report.frechet)
    save_study(Study(study_command("samples"), header, [asdict(row) for row in ordered]), path)


def still_valid(path: Path, n: int, judge: metrics.Judge, models: dict[str, Card]) -> list[SampleRow]:
    """As linhas gravadas que ainda valem: mesmo juiz, referência e N; dos modelos, os pesos e o amostrador."""
    rows = load_sample_rows(path) if path.exists() else []
    current = {"", *(card.sha256 for card in models.values())}
    kept = [
        (row, refreshed(row, models))
        for row in rows
        if (row.report.n, row.report.network, row.report.reference) == (n, judge.network_hash, judge.description)
        and row.weights in current
    ]
    # Outro número de avaliações da rede é outra maneira de amostrar.
    return [now for before, now in kept if now.evaluations == before.evaluations]


def study_floor(path: Path, data: ImageDataset, n: int, judge: metrics.Judge) -> metrics.Floor:
    """O piso gravado, se ainda vale; senão, um novo."""
    if path.exists():
        floor = load_sample_floor(path)
        if (floor.n, floor.network, floor.reference) == (n, judge.network_hash, judge.description):
            return floor
    return judge.floor(data, n, draws=FLOOR_DRAWS, seed=SEED)


def read_options(models: dict[str, Card]) -> Namespace:
    """As opções da linha de comando."""
    default, choices = study_path("samples"), list(models)
    parser = console.Parser(prog=study_command("samples"), description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="amostras de cada modelo (padrão: 10000)")
    parser.add_argument("--so", nargs="+", choices=choices, default=choices, help="mede só estas famílias")
    parser.add_argument(
        "--sementes", type=int, default=3, metavar="K", help="treinos dos que levam poucos minutos (padrão: 3)"
    )
    parser.add_argument("--saida", type=Path, metavar="ARQUIVO", default=default, help=f"o estudo (padrão: {default})")
    return parser.parse_args()


def print_rows(rows: list[SampleRow], floor: metrics.Floor) -> None:
    """A tabela inteira e, de cada modelo, a distância diante da GAN do documento."""
    rows = sorted(rows, key=lambda row: row.report.frechet)
    print(f"\n{metrics.SampleReport.table([row.report for row in rows], floor=floor)}")
    documents = [row.report.frechet for row in rows if row.report.name == DOCUMENT]
    for row in rows:
        if row.weights:
            speed = number(row.report.n / row.seconds, ",.0f")
            share = number(statistics.median(documents) / row.report.frechet, ".1f") if documents else "?"
            print(f"{row.report.name}: 1/{share} da mediana da GAN do documento; {speed} imagens por segundo")


def main() -> None:
    models = shipped_models()
    options = read_options(models)
    data, test = load_mnist("train"), load_mnist("test")
    if not test.is_mnist:
        raise SystemExit("O juiz compara com o MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")
    judge = load_judge(test)
    rows = {
        (row.report.name, row.weights, row.seed): row for row in still_valid(options.saida, options.n, judge, models)
    }
    floor = study_floor(options.saida, data, options.n, judge)
    unlabelled = load_study("samples", options.saida).header.get("without_label", {}) if options.saida.exists() else {}
    header = {"floor": asdict(floor), "without_label": unlabelled}
    save_rows(options.saida, list(rows.values()), header)
    for name in set(options.so) & {name for name, card in models.items() if card.labelled}:
        evaluations = metrics.network_evaluations(get_recipe(name).sampler(load_shipped(name)[0]))
        known = unlabelled.get(name, {})
        if (known.get("weights"), known.get("evaluations")) != (models[name].sha256, evaluations):
            unlabelled[name] = measure_unlabelled(name, judge)
            save_rows(options.saida, list(rows.values()), header)
    for wanted in wanted_rows(data, models, options):
        if wanted.key in rows and rows[wanted.key].report.frechet_std is not None:
            continue
        rows[wanted.key] = fastest(measure_row(wanted, judge), rows.get(wanted.key))
        save_rows(options.saida, list(rows.values()), header)
        print(metrics.SampleReport.table([rows[wanted.key].report]), flush=True)
    print_rows(list(rows.values()), floor)


if __name__ == "__main__":
    main()
