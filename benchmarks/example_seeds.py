"""O VAE do documento com várias sementes: quanto da última perda, e da vizinhança dos códigos, é sorte.

Duas receitas para a mesma rede, a mesma perda e os mesmos lotes: a do documento, de taxa constante, e a do capítulo,
de um ciclo e um quarto das épocas. ``python -m benchmarks.example_seeds`` grava cada treinamento assim que ele termina
e, chamado de novo, faz só os que faltam. O resultado é o estudo ``course_lib/studies/example_seeds.json``, que o
capítulo 09_exemplo_mnist mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.study import command, run_variants
from course_lib import runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.studies import Study
from course_lib.training import ObjectiveStep, fit


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente muda.

    Attributes:
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e sorteios.
        images: imagens de treino; 0 são todas.
        epochs: passagens pelos dados, na receita do documento.
        cycle_epochs: as da receita de um ciclo.
        batch_size: imagens por lote.
        points: imagens do teste, sorteadas, em que se olha o vizinho mais próximo.
        active_above: KL, em nats, a partir da qual uma dimensão do VAE conta como ativa.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    images: int = 0
    epochs: int = 20
    cycle_epochs: int = 5
    batch_size: int = 128
    points: int = 2_000
    active_above: float = 0.05


QUICK = Config(seeds=(0,), images=512, epochs=2, cycle_epochs=2, points=100)

DOCUMENT, CYCLE = "VAE", "VAE, um ciclo"


def neighbour_agreement(z: Tensor, labels: Tensor) -> float:
    """Fração dos pontos z (N, D) cujo vizinho mais próximo tem o mesmo rótulo."""
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(float("inf"))
    return (labels[distance.argmin(1)] == labels).float().mean().item()


@torch.no_grad()
def vae_spaces(vae: VAE, points: ImageDataset, suffix: str = "") -> dict[str, float]:
    """A vizinhança em mu e na camada oculta."""
    spaces = {"mu": vae.encode(points.images)[0], "camada oculta": vae.encoder(points.images.flatten(1))}
    return {f"vizinhos, {name}{suffix}": neighbour_agreement(z, points.labels) for name, z in spaces.items()}


def make_step(model: VAE, recipe: str, total_steps: int) -> ObjectiveStep:
    """O passo, com o Adam de cada receita e, na de um ciclo, a agenda da taxa."""
    if recipe == DOCUMENT:
        return ObjectiveStep(model, gaussian_objective, Adam(model.parameters(), lr=2e-3, fused=True))
    optimizer = Adam(model.parameters(), lr=4e-3, fused=True)
    return ObjectiveStep(model, gaussian_objective, optimizer, OneCycleLR(optimizer, 4e-3, total_steps=total_steps))


def train_vae(
    config: Config, recipe: str, train: ImageDataset, points: ImageDataset, seed: int
) -> tuple[dict[str, float], float]:
    """O VAE por uma das receitas; as medidas e os segundos."""
    runtime.seed_everything(seed)
    model = VAE().to(runtime.device())
    before = vae_spaces(model, points, " sem treino")
    batches = train.batches(config.batch_size, seed=seed)
    epochs = config.epochs if recipe == DOCUMENT else config.cycle_epochs
    step = make_step(model, recipe, epochs * len(batches))
    history = fit(step, batches, epochs=epochs, seed=seed)
    with torch.no_grad():
        mu, logvar = model.encode(points.images)
    kl = (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0)
    found = {
        "perda": history.last["loss"],
        "perda da segunda época": history["loss"][1],
        "dimensões ativas": int((kl > config.active_above).sum()),
    }
    return {**found, **vae_spaces(model, points), **before}, sum(history.seconds)


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    points = test.take(config.points, seed=0)
    pixels = neighbour_agreement(points.images.flatten(1), points.labels)
    data = {"train": train.name, "images": len(train), "test": test.name}
    header = {"config": asdict(config), "data": data, "pixels": round(pixels, 4)}

    def train_and_measure(recipe: str, seed: int) -> tuple[dict[str, float], float]:
        found, seconds = train_vae(config, recipe, train, points, seed)
        return {name: round(value, 4) for name, value in found.items()}, seconds

    return run_variants("example_seeds", path, header, config.seeds, (DOCUMENT, CYCLE), train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    config = QUICK if quick else Config()
    train, test = load_mnist("train"), load_mnist("test")
    if config.images:
        train = train.take(config.images)
    run(config, path, train.to(runtime.device()), test.to(runtime.device()))


if __name__ == "__main__":
    raise SystemExit(command("example_seeds", __doc__, main))
