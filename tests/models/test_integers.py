"""Inteiros e classes de qualquer tipo dão o mesmo que os do Python e os int64, em toda a biblioteca."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib import metrics
from course_lib.data import Toy
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.diffusion import Diffusion, cosine_schedule, timesteps
from course_lib.models.flow_matching import FlowMatching
from course_lib.models.gan import ConvDiscriminator, ConvGenerator
from course_lib.models.layers import interpolate
from course_lib.models.stylegan import StyleGenerator
from course_lib.models.unet import UNet
from course_lib.models.vae import VAE, iwae_objective
from course_lib.training import fit

IMAGES = torch.zeros(3, 1, 28, 28)


def seeded(build):
    torch.manual_seed(0)
    return build()


VAES = {n_classes: seeded(lambda n=n_classes: VAE(2, (8,), n_classes=n)) for n_classes in (None, 10)}
UNET = seeded(lambda: UNet((8, 16)))
DIFFUSION = Diffusion(UNET, steps=21)
FLOW = FlowMatching(UNET)

WITH_COUNT = {
    "VAE": lambda n: VAE(n, (n,)).sample(n),
    "Autoencoder": lambda n: Autoencoder(n, (n,)).decoder(torch.zeros(1, 4)),
    "Toy": lambda n: Toy("luas").sample(n).x,
    "VAE.sample": lambda n: VAES[None].sample(n),
    "timesteps": lambda n: torch.tensor(timesteps(10, n)),
    "cosine_schedule": lambda n: cosine_schedule(n * 10),
    "elbo_terms": lambda n: torch.tensor(metrics.elbo_terms(VAES[None], IMAGES, n_samples=n)["elbo"]),
    "iwae": lambda n: iwae_objective(VAES[None], type("Batch", (), {"x": IMAGES})(), k=n)["loss"],
    "interpolate": lambda n: interpolate(torch.zeros(2), torch.ones(2), n),
    "Diffusion.sample": lambda n: DIFFUSION.sample(n, steps=n),
    "FlowMatching.sample": lambda n: FLOW.sample(n, steps=n),
    "StyleGenerator.sample": lambda n: StyleGenerator(n, n, (4, 4, 4, 4)).sample(n),
    "fit": lambda n: torch.tensor(
        len(fit(lambda batch: {"loss": torch.zeros(())}, [torch.zeros(1)], epochs=n, seed=n, progress=False))
    ),
}
WITH_CLASS = {
    "VAE.sample": lambda y: VAES[10].sample(3, y),
    "VAE.encode": lambda y: VAES[10].encode(IMAGES, y)[0],
    "ConvGenerator.sample": lambda y: seeded(lambda: ConvGenerator(4, 4, n_classes=10)).sample(3, y=y),
    "ConvDiscriminator": lambda y: seeded(lambda: ConvDiscriminator(4, n_classes=10))(IMAGES, y),
    "UNet": lambda y: UNET(IMAGES, torch.zeros(3), y),
    "Diffusion.sample": lambda y: DIFFUSION.sample(3, steps=2, y=y, guidance=1.0),
    "Diffusion.q_sample": lambda y: DIFFUSION.q_sample(IMAGES, y, IMAGES),
    "FlowMatching.sample": lambda y: FLOW.sample(3, steps=2, y=y, guidance=1.0),
}


@pytest.mark.parametrize("name", WITH_COUNT)
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_a_numpy_integer_is_an_integer(name, kind):
    trial = WITH_COUNT[name]
    assert torch.equal(seeded(lambda: trial(kind(4))), seeded(lambda: trial(4)))


@pytest.mark.parametrize("name", WITH_CLASS)
@pytest.mark.parametrize("kind", [torch.int32, torch.int16, torch.uint8])
def test_classes_of_any_integer_type_are_classes(name, kind):
    trial, y = WITH_CLASS[name], torch.tensor([0, 1, 9])
    assert torch.equal(seeded(lambda: trial(y.to(kind))), seeded(lambda: trial(y)))
