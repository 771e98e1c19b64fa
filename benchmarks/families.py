"""O que se mede de cada família. Uma família nova entra com mais uma linha em ``FAMILIES``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.document import DocumentAutoencoder, DocumentGAN, DocumentVAE
from course_lib import metrics
from course_lib.data import ImageDataset
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.gan import Discriminator, GANStep, Generator
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.training import ObjectiveStep


@dataclass(frozen=True)
class Quality:
    """A qualidade a que o documento chega e com quantas épocas a receita do curso a alcança.

    Attributes:
        label: o que se mede; quanto menor, melhor.
        recipe_epochs: épocas da receita ``padrao``, com a agenda encurtada para esse total.
        measure: ``measure(reconstruct, loss, test)``, com a reconstrução, a perda média da última época e o teste.
    """

    label: str
    recipe_epochs: int
    measure: Callable[[Callable, float, ImageDataset], float]


@dataclass(frozen=True)
class Family:
    """Uma família e as suas metas.

    Attributes:
        name: a chave da receita.
        document: constrói a fase do documento, com ``epoch(batches) -> perda``.
        library: constrói o passo da biblioteca com as redes e os hiperparâmetros do documento.
        epoch_goal: quantas vezes mais rápida a época deve ser: o pedido e o desejado.
        quality: ``None`` se a família não tem uma medida de qualidade que só desce.
    """

    name: str
    document: Callable[[], Any]
    library: Callable[[], Any]
    epoch_goal: tuple[float, float]
    quality: Quality | None = None


def _adam(model: torch.nn.Module, lr: float) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True)


def _autoencoder() -> ObjectiveStep:
    model = Autoencoder()
    return ObjectiveStep(model, reconstruction_objective, _adam(model, 1e-4))


def _vae() -> ObjectiveStep:
    model = VAE()
    return ObjectiveStep(model, gaussian_objective, _adam(model, 2e-3))


def _gan() -> GANStep:
    gen, disc = Generator(), Discriminator()
    return GANStep(gen, disc, _adam(gen, 5e-4), _adam(disc, 5e-4))


FAMILIES = (
    Family(
        "autoencoder",
        DocumentAutoencoder,
        _autoencoder,
        epoch_goal=(5.0, 7.0),
        quality=Quality(
            "MSE de teste, pixels em [-1, 1]",
            recipe_epochs=4,
            # reconstruction_error soma os 784 pixels em [0, 1]: a soma de lá é 784 / 4 vezes a média daqui.
            measure=lambda reconstruct, _loss, test: metrics.reconstruction_error(reconstruct, test.images) / 196,
        ),
    ),
    Family(
        "vae",
        DocumentVAE,
        _vae,
        epoch_goal=(3.5, 4.5),
        quality=Quality("perda média da última época", recipe_epochs=4, measure=lambda _reconstruct, loss, _test: loss),
    ),
    Family("gan", DocumentGAN, _gan, epoch_goal=(3.5, 4.5)),
)
