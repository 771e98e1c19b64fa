"""As variantes do autoencoder, três sementes de cada, com os seus controles: a rede sem treino e a mais larga.

``python -m benchmarks.variants`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam.
O resultado é o estudo ``course_lib/studies/variants.json``, que o capítulo 02_variantes mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.autoencoder import contractive_objective, reconstruction_objective, sparse_objective
from course_lib.models.denoising import (
    DenoisingAutoencoder,
    denoising_objective,
    gaussian_noise,
    masking_noise,
    salt_and_pepper,
)
from course_lib.models.layers import IMAGE_DIM, IMAGE_SHAPE, fast_tanh
from course_lib.studies import Study
from course_lib.training import ObjectiveStep, fit

CORRUPTIONS = {
    "gaussiana": partial(gaussian_noise, sigma=0.5),
    "máscara": partial(masking_noise, fraction=0.5),
    "sal e pimenta": partial(salt_and_pepper, fraction=0.4),
}
UNTRAINED, WIDE, TIED, MORE = "sem treino", ", larga", ", pesos amarrados", ", 3 × imagens"


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos: o que o capítulo faz ao vivo, com um terço das imagens.

    Attributes:
        images: imagens de treino, as primeiras do MNIST; em cinco das variantes, o triplo.
        epochs: épocas.
        seeds: uma por repetição: pesos iniciais e ordem dos lotes.
        n_hidden: unidades.
        n_wide: unidades da rede larga, com mais unidades que pixels.
        penalty: peso das duas penalidades.
        lr: maior taxa de aprendizado.
        batch_size: imagens por lote.
        ridge: regularização da sonda linear, em relação ao tamanho do código.
    """

    images: int = 10_000
    epochs: int = 4
    seeds: tuple[int, ...] = (0, 1, 2)
    n_hidden: int = 500
    n_wide: int = 1_000
    penalty: float = 2e-4
    lr: float = 2e-3
    batch_size: int = 128
    ridge: float = 1e-3


QUICK = Config(images=500, epochs=1, seeds=(0,), n_hidden=20, n_wide=30)


class TiedAutoencoder(DenoisingAutoencoder):
    """O decodificador usa os pesos do codificador, transpostos: encolher um encolhe o outro."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.decoder = nn.Identity()
        self.bias = nn.Parameter(torch.zeros(IMAGE_DIM))

    def decode(self, z: Tensor) -> Tensor:
        """Imagens (B, 1, 28, 28) em (-1, 1) a partir dos códigos z (B, latent_dim)."""
        return fast_tanh(F.linear(z, self.encoder[0].weight.T, self.bias)).view(-1, *IMAGE_SHAPE)


def objectives(config: Config):
    """O objetivo de cada variante; ``None`` é a rede como foi sorteada."""
    sparse = partial(sparse_objective, weight=config.penalty)
    contractive = partial(contractive_objective, weight=config.penalty)
    noisy = {f"tira ruído: {name}": partial(denoising_objective, corrupt=each) for name, each in CORRUPTIONS.items()}
    return {
        UNTRAINED: None,
        "comum": reconstruction_objective,
        **noisy,
        "esparsa": sparse,
        "contrativa": contractive,
        f"comum{TIED}": reconstruction_objective,
        f"esparsa{TIED}": sparse,
        f"contrativa{TIED}": contractive,
        f"{UNTRAINED}{WIDE}": None,
        f"comum{WIDE}": reconstruction_objective,
        f"{UNTRAINED}{MORE}": None,
        f"comum{MORE}": reconstruction_objective,
        f"tira ruído: gaussiana{MORE}": noisy["tira ruído: gaussiana"],
        f"esparsa{MORE}": sparse,
        f"contrativa{MORE}": contractive,
    }


def train_variant(config: Config, train: ImageDataset, variant: str, seed: int) -> tuple[DenoisingAutoencoder, float]:
    """A rede da variante, treinada, e os segundos que levou."""
    n_hidden = config.n_wide if variant.endswith(WIDE) else config.n_hidden
    with runtime.isolated_seed(seed):
        network = TiedAutoencoder if variant.endswith(TIED) else DenoisingAutoencoder
        model = network(n_hidden).to(runtime.device())
    objective = objectives(config)[variant]
    if objective is None:
        return model.eval(), 0.0
    batches = train.batches(config.batch_size, seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    schedule = OneCycleLR(optimizer, max_lr=config.lr, total_steps=config.epochs * len(batches))
    step = ObjectiveStep(model, objective, optimizer, schedule)
    history = fit(step, batches, epochs=config.epochs, seed=seed, description=f"{variant}, semente {seed}")
    return model.eval(), sum(history.seconds)


def probe(encode, train: ImageDataset, test: ImageDataset, ridge: float) -> float:
    """Acerto no teste, em %, da sonda linear: mínimos quadrados regularizados sobre o código."""

    def features(images: Tensor) -> Tensor:
        z = torch.cat([encode(x) for x in images.split(2_000)]).double()
        return torch.cat([z, torch.ones_like(z[:, :1])], dim=1)

    z, targets = features(train.images), 2 * F.one_hot(train.labels, 10).double() - 1
    penalty = ridge * len(z) * z.square().mean() * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    weights = torch.linalg.solve(z.T @ z + penalty, z.T @ targets)
    return 100 * ((features(test.images) @ weights).argmax(1) == test.labels).double().mean().item()


@torch.no_grad()
def measure(config: Config, model: DenoisingAutoencoder, train: ImageDataset, test: ImageDataset) -> dict[str, float]:
    """O que se mede de uma variante, no teste."""
    z = model.encode(test.images)
    rows = model.encoder[0].weight.square().sum(1)
    found = {
        "erro limpo": metrics.reconstruction_error(model, test.images),
        "acesas": (z > 0).double().sum(1).mean().item(),
        "norma 1 do código": z.sum(1).mean().item(),
        "jacobiano": ((z > 0).to(rows.dtype) @ rows).mean().item(),
        "sonda": probe(model.encode, train, test, config.ridge),
    }
    for name, corrupt in CORRUPTIONS.items():
        with runtime.isolated_seed(0):
            noisy = corrupt(test.images)
        found[f"PSNR, {name}"] = metrics.psnr(model(noisy), test.images).mean().item()
    return {name: round(value, 4) for name, value in found.items()}


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    few = train.take(config.images)
    header = {
        "config": asdict(config),
        "data": {"train": few.name, "images": len(few), "test": test.name},
        "probe_on_pixels": round(probe(lambda x: x.flatten(1), few, test, config.ridge), 4),
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        images = train.take(3 * config.images) if variant.endswith(MORE) else few
        model, seconds = train_variant(config, images, variant, seed)
        return measure(config, model, images, test), seconds

    return run_variants("variants", path, header, config.seeds, objectives(config), train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("variants", __doc__, main))
