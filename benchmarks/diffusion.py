"""O que custam e o que compram o rótulo, os saltos e a orientação, nos modelos do curso e com N = 2.000.

``python -m benchmarks.diffusion`` não treina nada: amostra a difusão, o *flow matching* e o fluxo normalizante que
vêm com o curso, de muitas maneiras, e mede cada conjunto diante do teste inteiro. Grava cada medida assim que ela
termina e, chamado de novo, faz só as que faltam. O resultado é o estudo ``course_lib/studies/diffusion.json``, que os
capítulos 07 e 08 mostram.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.study import add_run, command, resume
from course_lib import runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.metrics import Judge
from course_lib.metrics.samples import frechet_distance, frechet_spread, precision_recall
from course_lib.models import diffusion
from course_lib.models.flow_matching import integrate
from course_lib.studies import Study
from course_lib.text import number
from course_lib.weights import load_judge, load_shipped

SEED = 0
# Imagens amostradas de uma vez: mais do que isso não cabe no cache do processador, e cada uma sai mais cara.
IMAGES_AT_ONCE = 100
FLOOR_DRAWS = 8


@dataclass(frozen=True)
class Setting:
    """Um modo de amostrar.

    Attributes:
        model: ``"diffusion"``, ``"flow_matching"`` ou ``"flows"``.
        sampler: ``"DDIM"`` ou ``"DDPM"``; no *flow matching*, ``"ponto médio"``; no fluxo normalizante, a temperatura.
        evaluations: saltos da difusão; no *flow matching*, avaliações da rede; no fluxo normalizante, uma volta.
        label: se a rede recebe o dígito.
        guidance: força w da orientação.
    """

    model: str
    sampler: str
    evaluations: int
    label: bool = True
    guidance: float = 0.0


LABELS = [
    Setting(model, sampler, evaluations, label)
    for model, sampler, evaluations in (("diffusion", "DDIM", 16), ("flow_matching", "ponto médio", 12))
    for label in (True, False)
]
JUMPS = [Setting("diffusion", sampler, jumps) for jumps in (16, 8, 4, 2) for sampler in ("DDIM", "DDPM")]
GUIDANCE = [Setting("diffusion", "DDIM", 8, guidance=w) for w in (1.0, 3.0, 8.0)]
TEMPERATURES = {"T = 1": 1.0, "T = 0,7": 0.7}
FLOWS = [Setting("flows", temperature, 1, label=False) for temperature in TEMPERATURES]
SETTINGS = [*LABELS, *FLOWS, *JUMPS[1:], *GUIDANCE]


def draw(setting: Setting, n: int) -> Tensor:
    """As n imagens (n, 1, 28, 28); com rótulo, tantas de cada dígito."""
    model = load_shipped(setting.model)[0].model
    y = torch.arange(n, device=runtime.device()) % 10
    pieces = []
    with torch.no_grad(), runtime.isolated_seed(SEED):
        for labels in y.split(IMAGES_AT_ONCE):
            asked, count = labels if setting.label else None, len(labels)
            if setting.model == "flows":
                pieces.append(model.sample(count, temperature=TEMPERATURES[setting.sampler]))
                continue
            x = torch.randn(count, 1, 28, 28, device=y.device)
            if setting.model == "diffusion":
                jump = diffusion.ddpm_step if setting.sampler == "DDPM" else diffusion.ddim_step
                how = {"steps": setting.evaluations, "step": jump, "guidance": setting.guidance}
                pieces.append(diffusion.sample(model, x, y=asked, **how))
            else:
                steps = setting.evaluations // 2
                velocity = partial(model.network, y=asked)
                pieces.append(integrate(velocity, x, steps=steps).clamp(-1, 1))
    return torch.cat(pieces)


def class_spread(features: Tensor, y: Tensor) -> float:
    """Desvio das características em torno da média do seu dígito."""
    centers = torch.stack([features[y == digit].mean(0) for digit in range(10)])
    return (features - centers[y]).square().sum(1).mean().sqrt().item()


def measure(judge: Judge, images: Tensor, asked: Tensor | None, real_spread: float) -> dict[str, Any]:
    """As medidas de um conjunto; ``asked`` são os dígitos pedidos, se houve pedido."""
    features, probabilities = judge.examine(images)
    read = probabilities.argmax(1)
    precision, recall = precision_recall(features, judge.reference)
    coverage = torch.bincount(read, minlength=10) / len(read)
    found = {
        "frechet": frechet_distance(features, judge.reference),
        "frechet_std": frechet_spread(features, judge.reference),
        "precision": precision,
        "recall": recall,
        "coverage": [coverage.min().item(), coverage.max().item()],
    }
    if asked is not None:
        found |= {
            "obedience": (read == asked).float().mean().item(),
            "variety": class_spread(features, asked) / real_spread,
        }
    return found


def floor(judge: Judge, train: ImageDataset, n: int) -> dict[str, Any]:
    """Conjuntos de imagens reais do mesmo tamanho: a distância de cada um, o que o juiz lê e o desvio por dígito."""
    draws = [train.take(n, seed=seed) for seed in range(FLOOR_DRAWS)]
    distances, right, spreads = [], [], []
    for real in draws:
        features, probabilities = judge.examine(real.images)
        distances.append(frechet_distance(features, judge.reference))
        right.append((probabilities.argmax(1) == real.labels).float().mean().item())
        spreads.append(class_spread(features, real.labels))
    return {"frechet": distances, "obedience": right, "class_spread": spreads}


def run(path: Path, quick: bool, settings: list[Setting] | None = None) -> Study:
    """Faz as medidas que faltam no estudo em ``path``, gravando-o depois de cada uma, e o devolve."""
    n = 100 if quick else 2_000
    train, test = load_mnist("train").to(runtime.device()), load_mnist("test").to(runtime.device())
    judge = load_judge(test)
    header = {
        "n": n,
        "seed": SEED,
        "data": {"train": train.name, "reference": test.name, "images": len(test)},
        "judge": judge.network_hash,
        "weights": {name: load_shipped(name)[1].sha256 for name in ("diffusion", "flow_matching", "flows")},
        "floor": floor(judge, train, n),
    }
    study = resume("diffusion", path, header)
    done = [one["setting"] for one in study.runs]
    real_spread = statistics.mean(header["floor"]["class_spread"])
    for setting in settings or SETTINGS[:: 5 if quick else 1]:
        if asdict(setting) in done:
            continue
        start = time.perf_counter()
        images = draw(setting, n)
        seconds = time.perf_counter() - start
        asked = torch.arange(n, device=images.device) % 10 if setting.label else None
        found = measure(judge, images, asked, real_spread)
        add_run(path, study, {"setting": asdict(setting), "measures": found, "seconds": round(seconds, 1)})
        print(
            f"{setting}: Fréchet {number(found['frechet'], '.2f')} ± {number(found['frechet_std'], '.2f')}", flush=True
        )
    return study


if __name__ == "__main__":
    raise SystemExit(command("diffusion", __doc__, run))
