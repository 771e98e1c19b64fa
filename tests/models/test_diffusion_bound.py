"""A cota da difusão contra as suas formas fechadas: a rede perfeita, a rede cega e a massa dos 256 tons."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from course_lib.models.diffusion import Diffusion
from course_lib.models.diffusion_bound import _discretized_log_likelihood, variational_bound

T = 50


class Answer(nn.Module):
    """Responde a velocidade de quem imagina sempre a mesma imagem."""

    def __init__(self, x_0):
        super().__init__()
        self.x_0 = x_0

    def forward(self, x_t, t, y=None):
        alpha_bar = Diffusion(nn.Identity(), steps=T).alpha_bar[(t * T).round().long()].view(-1, 1, 1, 1)
        signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        return (signal * x_t - self.x_0) / noise


def test_bound_of_a_perfect_network_is_only_the_prior_and_a_sharp_decoder(batch):
    levels = ((batch.x + 1) * 127.5).round() / 127.5 - 1
    terms = variational_bound(Diffusion(Answer(levels), steps=T), levels)
    assert terms["denoising"].abs().max() < 0.02
    assert terms["prior"].max() < 1e-2
    assert set(terms) == {"prior", "denoising", "decoder", "total"}
    torch.testing.assert_close(terms["total"], terms["prior"] + terms["denoising"] + terms["decoder"])


def test_bound_of_a_blind_network_against_the_sum_by_hand():
    """Uma rede que sempre prevê x_0 = 0 (cinza): cada KL é ½(SNR_s - SNR_t)‖x‖²."""

    model = Diffusion(Answer(0.0), steps=T)
    x = torch.full((2, 1, 28, 28), 101 / 127.5 - 1)
    terms = variational_bound(model, x)
    bar = model.alpha_bar.double()
    norm = x[0].double().square().sum()
    by_hand = sum(0.5 * (bar[t - 1] / (1 - bar[t - 1]) - bar[t] / (1 - bar[t])) * norm for t in range(1, T))
    assert terms["denoising"][0].item() == pytest.approx(by_hand.item() / (784 * math.log(2)), rel=1e-3)
    std = (1 - bar[0]).sqrt()
    normal = torch.distributions.Normal(0.0, 1.0)
    value = x[0, 0, 0, 0].double()
    mass = normal.cdf((value + 1 / 255) / std) - normal.cdf((value - 1 / 255) / std)
    assert terms["decoder"][0].item() == pytest.approx(-math.log2(mass.clamp_min(1e-12).item()), rel=1e-4)


def test_decoder_mass_adds_to_one():
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64).view(256, 1)
    for mean in (-1.2, -1.0, 0.3, 1.0):
        log_mass = _discretized_log_likelihood(levels, torch.full_like(levels, mean), torch.tensor(0.05).double())
        assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_images_between_two_levels_are_refused(batch):
    with pytest.raises(ValueError, match=r"256 tons|esperava números finitos"):
        variational_bound(Diffusion(nn.Identity(), steps=T), batch.x + 1e-3)


@pytest.mark.parametrize("steps", [0, T + 1])
def test_more_steps_than_the_chain_has(batch, steps):
    levels = ((batch.x + 1) * 127.5).round() / 127.5 - 1
    with pytest.raises(ValueError, match=f"steps: veio {steps}; esperava um inteiro de 1 a {T}"):
        variational_bound(Diffusion(nn.Identity(), steps=T), levels, steps=steps)
