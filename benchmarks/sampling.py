"""``python -m benchmarks.sampling``: o que custa uma amostra de cada família e a que distância fica, antes e depois.

*Depois* é o que ``python -m course_lib amostrar`` faz agora. *Antes* é o que ele fazia, com os mesmos pesos e a mesma
semente: DDIM de 30 saltos na difusão, ponto médio de 30 avaliações no *flow matching*, 40 níveis de ruído em quem tira
ruído, os pesos das convoluções na ordem em que foram treinados, e as imagens todas na rede de uma vez, em vez de em
levas que cabem no cache do processador. Nas famílias de uma avaliação só, são essas duas as diferenças.

Cada medida é gravada assim que termina; chamado de novo, faz só as que faltam e as dos pesos que mudaram. As de agora
vêm primeiro. ``--so NOME`` faz uma família só; com ``--n`` menor é mais rápido, e a distância, mais incerta. O
resultado é o estudo ``course_lib/studies/sampling.json``.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.study import add_run, resume
from course_lib import console, metrics
from course_lib.data import load_mnist
from course_lib.metrics.samples import frechet_distance, frechet_spread, spread
from course_lib.models import diffusion, layers
from course_lib.models.flow_matching import integrate
from course_lib.models.layers import draw_classes, standard_normal
from course_lib.recipes import get_recipe
from course_lib.studies import StudyError, study_command, study_path
from course_lib.text import number, table
from course_lib.weights import draw, load_judge, load_shipped

SEED = 0
CONVOLUTIONAL = ("denoising", "diffusion", "flow_matching", "flow_matching_unconditional", "flows", "stylegan", "dcgan")
FAMILIES = (*CONVOLUTIONAL, "vae", "gan")
READ_AT_ONCE = {"depois": layers.READ_AT_ONCE, "antes": 2**63 - 1}
WAYS = tuple(READ_AT_ONCE)

Draw = Callable[[Any, int], Tensor]


def ddim_of_30(model: Any, n: int) -> Tensor:
    """A amostra da difusão, como era: trinta saltos de primeira ordem."""
    y = draw_classes(n, model.network.n_classes, model)
    return diffusion.sample(model, standard_normal(n, 1, 28, 28, like=model), steps=30, y=y)


@torch.no_grad()
def midpoint_of_30(model: Any, n: int) -> Tensor:
    """A amostra do *flow matching*, como era: quinze passos do ponto médio."""
    x = standard_normal(n, *model.shape, like=model)
    y = draw_classes(n, model.network.n_classes, model)
    return integrate(lambda x, t: model.network(x, t, y), x, steps=15).clamp(-1, 1)


def walk_of_40(model: Any, n: int) -> Tensor:
    """A amostra de quem tira ruído, como era: quarenta níveis."""
    return model.sample(n, steps=40, order=1)


BEFORE: dict[str, Draw] = {
    "denoising": walk_of_40,
    "diffusion": ddim_of_30,
    "flow_matching": midpoint_of_30,
    "flow_matching_unconditional": midpoint_of_30,
}


class Timed(nn.Module):
    """Um amostrador que anota os segundos de processador de cada leva, por imagem.

    Args:
        sampler: a rede.
        sample: de rede e n, as imagens; ``sampler.sample`` quando falta.
    """

    def __init__(self, sampler: nn.Module, sample: Draw | None = None) -> None:
        super().__init__()
        self.sampler = sampler
        self._sample = sample or (lambda sampler, n: sampler.sample(n))
        self.seconds: list[float] = []

    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28)."""
        start = time.process_time()
        x = self._sample(self.sampler, n)
        self.seconds.append((time.process_time() - start) / n)
        return x


def sampler_of(family: str, way: str) -> tuple[Timed, str]:
    """O amostrador de uma família, e o SHA-256 dos seus pesos."""
    step, card = load_shipped(family)
    network = get_recipe(family).sampler(step)
    if way == "antes":
        return Timed(network.to(memory_format=torch.contiguous_format), BEFORE.get(family)), card.sha256
    return Timed(network), card.sha256


def measure(family: str, way: str, n: int, judge: metrics.Judge) -> dict[str, Any]:
    """Uma linha: a distância de n amostras, e quantas por segundo na leva mais rápida.

    O que as outras levas têm a mais não é do modelo: é a máquina ocupada.
    """
    layers.READ_AT_ONCE = READ_AT_ONCE[way]
    sampler, weights = sampler_of(family, way)
    features = judge.examine(draw(sampler, n, seed=SEED))[0]
    rate = 1 / min(sampler.seconds)
    return {
        "family": family,
        "way": way,
        "weights": weights,
        "evaluations": metrics.network_evaluations(sampler),
        "images_per_second": round(rate, 2),
        "frechet": frechet_distance(features, judge.reference),
        "frechet_std": frechet_spread(features, judge.reference, seed=SEED),
    }


def print_rows(runs: list[dict[str, Any]]) -> None:
    """Uma linha por família medida dos dois modos."""
    by_key = {(run["family"], run["way"]): run for run in runs}
    rows = []
    for family in FAMILIES:
        pair = [by_key.get((family, way)) for way in reversed(WAYS)]
        if None in pair:
            continue
        before, after = pair
        rows.append(
            (
                family,
                f"{before['evaluations']} → {after['evaluations']}",
                number(before["images_per_second"], ".3g"),
                number(after["images_per_second"], ".3g"),
                number(after["images_per_second"] / before["images_per_second"], ".2f"),
                spread(before["frechet"], before["frechet_std"]),
                spread(after["frechet"], after["frechet_std"]),
            )
        )
    if rows:
        header = ["família", "avaliações", "imagens/s antes", "depois", "razão", "Fréchet antes", "depois"]
        print(f"\n{table(rows, header)}")


def read_options() -> Namespace:
    """As opções da linha de comando."""
    default = study_path("sampling")
    parser = console.Parser(prog=study_command("sampling"), description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, metavar="N", help="amostras de cada modelo (padrão: 10000)")
    parser.add_argument("--so", nargs="+", choices=FAMILIES, default=FAMILIES, help="mede só estas famílias")
    parser.add_argument("--modo", nargs="+", choices=WAYS, default=WAYS, help="mede só o de agora, ou só o de antes")
    parser.add_argument("--saida", type=Path, metavar="ARQUIVO", default=default, help=f"o estudo (padrão: {default})")
    return parser.parse_args()


def main() -> int:
    options = read_options()
    test = load_mnist("test")
    if not test.is_mnist:
        raise SystemExit("O juiz compara com o MNIST verdadeiro: aponte CURSO_DADOS para a pasta que contém MNIST/raw.")
    judge = load_judge(test)
    header = {"n": options.n, "seed": SEED, "judge": judge.network_hash, "reference": judge.description}
    study = resume("sampling", options.saida, header)
    current = {load_shipped(family)[1].sha256 for family in FAMILIES}
    study.runs = [run for run in study.runs if run["weights"] in current]
    done = {(run["family"], run["way"]) for run in study.runs}
    for family, way in ((family, way) for way in WAYS for family in FAMILIES):
        if family not in options.so or way not in options.modo or (family, way) in done:
            continue
        run = measure(family, way, options.n, judge)
        add_run(options.saida, study, run)
        rate, distance = number(run["images_per_second"], ".3g"), spread(run["frechet"], run["frechet_std"])
        print(f"{family}, {way}: {rate} imagens por segundo, Fréchet {distance}", flush=True)
    print_rows(study.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(console.run(main, StudyError))
