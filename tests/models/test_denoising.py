"""Corrupções, o objetivo de entrada corrompida e alvo limpo, e as penalidades esparsa e contrativa."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from course_lib.data import Batch
from course_lib.models.autoencoder import Autoencoder, contractive_objective, sparse_objective
from course_lib.models.denoising import (
    ConvDenoiser,
    DenoisingAutoencoder,
    denoising_objective,
    gaussian_noise,
    masking_noise,
    salt_and_pepper,
    varied_gaussian_noise,
)
from course_lib.training import ObjectiveStep

GREY = torch.zeros(200, 1, 28, 28)


def test_gaussian_noise_is_twice_sigma_and_is_not_cut():
    noise = gaussian_noise(GREY, 0.5) - GREY
    # 156.800 sorteios: 5 erros padrão da média e do desvio.
    assert noise.mean().item() == pytest.approx(0, abs=0.013)
    assert noise.std().item() == pytest.approx(1.0, abs=0.009)
    assert noise.max() > 3


def test_varied_noise_covers_the_whole_range_with_a_uniform_logarithm():
    levels = varied_gaussian_noise(GREY.repeat(5, 1, 1, 1), 0.1, 10).flatten(1).std(1) / 2
    assert 0.09 < levels.min() < 0.12
    assert 8.5 < levels.max() < 11
    # A mediana do logaritmo uniforme é a média geométrica dos extremos.
    assert levels.median().item() == pytest.approx(1.0, rel=0.25)


def test_masking_erases_the_asked_fraction_and_nothing_else():
    x = torch.rand(200, 1, 28, 28)
    for value in (-1.0, 0.0):
        corrupted = masking_noise(x, 0.3, value=value)
        erased = corrupted == value
        assert erased.float().mean().item() == pytest.approx(0.3, abs=0.006)
        assert torch.equal(corrupted[~erased], x[~erased])


def test_salt_and_pepper_are_equally_likely():
    corrupted = salt_and_pepper(GREY, 0.3)
    for value, expected in ((-1.0, 0.15), (1.0, 0.15), (0.0, 0.7)):
        assert (corrupted == value).float().mean().item() == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("corrupt", [gaussian_noise, masking_noise, salt_and_pepper])
def test_level_zero_changes_nothing_and_the_generator_decides_the_draw(corrupt, batch):
    assert torch.equal(corrupt(batch.x, 0.0), batch.x)
    original = batch.x.clone()
    first, again, other = (corrupt(batch.x, 0.5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(batch.x, original)


def test_levels_out_of_range_raise(batch):
    for sigma in (-0.1, 10.5, 25, float("nan")):
        with pytest.raises(
            ValueError,
            match=r"sigma: veio .*; esperava um desvio, com os pixels em \[0, 1\], .* igual a 0 .* igual a 10",
        ):
            gaussian_noise(batch.x, sigma)
    for fraction in (-0.1, 1.1, float("nan")):
        for corrupt in (masking_noise, salt_and_pepper):
            with pytest.raises(
                ValueError, match=r"fraction: veio .*; esperava uma probabilidade .* igual a 0 .* igual a 1"
            ):
                corrupt(batch.x, fraction)
    for low, high in ((0, 1), (2, 1), (1, 11)):
        with pytest.raises(ValueError, match=f"low e high: vieram {low} e {high}; esperava 0 < mínimo ≤ máximo ≤ 10"):
            varied_gaussian_noise(batch.x, low, high)
    for bad, message in (
        ({"sigma_min": 0.0}, "sigma_min e sigma_max: vieram 0.0 e 5.0; esperava 0 < mínimo < máximo ≤ 10"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "sigma_min e sigma_max: vieram 2.0 e 1.0"),
        ({"sigma_min": 1.0, "sigma_max": 1.0}, "sigma_min e sigma_max: vieram 1.0 e 1.0"),
        ({"sigma_max": 11.0}, "sigma_min e sigma_max: vieram 0.05 e 11.0"),
        ({"width": 0}, "width: veio 0; esperava um inteiro ≥ 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ConvDenoiser(**bad)


def test_the_target_is_the_clean_image(batch64):
    model = DenoisingAutoencoder(8).double()
    shifted = batch64.x + 3
    terms = denoising_objective(model, batch64, corrupt=lambda x: x + 3)
    torch.testing.assert_close(terms["loss"], (model(shifted) - batch64.x).square().mean())


def test_the_best_denoiser_gives_the_score():
    """De pontos N(0, s²) com ruído σ, a melhor rede é linear, e (x̂ - x̃) / σ² é o escore de N(0, s² + σ²)."""
    s, sigma = 1.5, 0.8
    x = s * torch.randn(200_000, 1, dtype=torch.float64)
    noisy = x + sigma * torch.randn_like(x)
    slope = torch.linalg.lstsq(noisy, x).solution.item()
    assert (slope - 1) / sigma**2 == pytest.approx(-1 / (s**2 + sigma**2), rel=0.02)
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.constant_(model.weight, slope)
    best = denoising_objective(model, Batch(x, None), corrupt=lambda _: noisy)["loss"].item()
    assert best == pytest.approx(s**2 * sigma**2 / (s**2 + sigma**2), rel=0.02)


@pytest.mark.parametrize("build", [lambda: DenoisingAutoencoder(100), lambda: ConvDenoiser(6)])
def test_learns_to_remove_noise(build, batch):
    model = build()
    corrupt = partial(gaussian_noise, sigma=0.3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    step = ObjectiveStep(model, partial(denoising_objective, corrupt=corrupt), optimizer)
    losses = [step(batch)["loss"].item() for _ in range(60)]
    assert sum(losses[-5:]) / 5 < 0.2 * losses[0]


def test_only_the_denoisers_take_what_leaves_the_range(batch):
    noisy = gaussian_noise(batch.x, 0.5)
    for model in (DenoisingAutoencoder(8), ConvDenoiser(4)):
        assert model(noisy).shape == noisy.shape
        assert model(noisy).abs().max() < 1
        with pytest.raises(ValueError, match="esperava"):
            model(noisy[..., :27])
    with pytest.raises(ValueError, match="esperava números finitos em"):
        Autoencoder()(noisy)


class Gaussian(ConvDenoiser):
    """O melhor denoiser de dados N(m, s²) por pixel, que sabe em que nível de ruído está."""

    m, s = 0.2, 0.3

    def sample(self, n, *, steps, order):
        self.sigmas = iter([5.0 * (0.05 / 5.0) ** (k / (steps - 1)) for k in range(steps)])
        return super().sample(n, steps=steps, order=order)

    def forward(self, x):
        variance = (2 * next(self.sigmas)) ** 2
        return self.m + self.s**2 / (self.s**2 + variance) * (x - self.m)

    def missing(self, steps, order):
        """Quanto falta ao desvio das amostras para o exato."""
        x = self.sample(50, steps=steps, order=order)
        assert x.mean().item() == pytest.approx(self.m, abs=0.02)
        return 1 - x.std().item() / (self.s**2 / (self.s**2 + 0.01) ** 0.5)


@pytest.mark.parametrize("order", [1, 2])
def test_sampling_is_exact_when_the_denoiser_is(order):
    """Com dados N(m, s²) por pixel, o melhor denoiser é conhecido: as amostras têm de sair com a mesma média e desvio.

    Esquecer um 2, ou o ruído que se soma de volta, muda o desvio.
    """
    assert abs(Gaussian(1).missing(200, order)) < 0.05


def test_second_order_needs_fewer_levels():
    model = Gaussian(1)
    assert abs(model.missing(12, 2)) < 0.2 * abs(model.missing(12, 1))


@pytest.mark.parametrize("bad", [{"n": 0}, {"n": 2, "steps": 1}, {"n": 2, "steps": 2.5}, {"n": 2, "order": 3}])
def test_sampling_says_what_it_expected(bad):
    with pytest.raises(ValueError, match="esperava"):
        ConvDenoiser(1).sample(**bad)


def test_contractive_penalty_is_the_norm_of_autograds_jacobian(batch64):
    model = Autoencoder(latent_dim=6, hidden_dims=()).double()
    terms = contractive_objective(model, batch64, weight=0.7)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda x: torch.relu(model.encoder(x.flatten()))))(batch64.x)
    exact = jacobians.square().flatten(1).sum(1).mean()
    assert 0 < (model.encode(batch64.x) > 0).double().mean() < 1
    torch.testing.assert_close(terms["penalty"], exact)
    torch.testing.assert_close(terms["loss"], (model(batch64.x) - batch64.x).square().mean() + 0.7 * exact)


def test_sparse_penalty_by_hand(batch64):
    model = Autoencoder(latent_dim=6, hidden_dims=(), relu_code=False).double()
    terms = sparse_objective(model, batch64, weight=0.3)
    z = model.encode(batch64.x)
    expected = sum(abs(value) for row in z.tolist() for value in row) / len(z)
    assert z.min() < 0
    assert terms["penalty"].item() == pytest.approx(expected)
    torch.testing.assert_close(terms["loss"], (model(batch64.x) - batch64.x).square().mean() + 0.3 * terms["penalty"])


@pytest.mark.parametrize("objective", [sparse_objective, contractive_objective])
def test_the_penalty_falls_when_it_weighs(objective, batch):
    reached = {}
    for weight in (0.0, 0.01):
        torch.manual_seed(0)
        model = Autoencoder(latent_dim=32, hidden_dims=())
        step = ObjectiveStep(model, partial(objective, weight=weight), torch.optim.Adam(model.parameters(), lr=3e-3))
        for _ in range(60):
            terms = step(batch)
        reached[weight] = terms["penalty"].item()
    assert reached[0.01] < 0.5 * reached[0.0]


def test_penalties_refuse_what_they_cannot_measure(batch):
    for objective in (sparse_objective, contractive_objective):
        with pytest.raises(ValueError, match="weight: veio -1"):
            objective(Autoencoder(8, ()), batch, weight=-1)
    for model in (Autoencoder(8, (16,)), Autoencoder(8, (), relu_code=False)):
        with pytest.raises(ValueError, match="model: esperava uma camada só"):
            contractive_objective(model, batch, weight=1.0)
