"""As densidades no plano: o que se sorteia é o que log_prob diz, e a integral é 1."""

from __future__ import annotations

import math

import pytest
import torch

from course_lib.data import Toy
from course_lib.data.toy import TOYS


def grid(n=320, half=3.2):
    """Centros de n×n casinhas de [-half, half]², e a área de uma."""
    side = 2 * half / n
    axis = torch.arange(n, dtype=torch.float64) * side - half + side / 2
    return torch.cartesian_prod(axis, axis), side**2


@pytest.mark.parametrize("name", TOYS)
def test_density_integrates_to_one(name):
    points, area = grid()
    assert (Toy(name).log_prob(points).exp().sum() * area).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", TOYS)
def test_samples_follow_the_density(name):
    """Em cada quadradinho, a fração das amostras contra a integral da densidade."""
    toy, n = Toy(name), 100_000
    points, area = grid(240, 3.0)
    mass = torch.zeros(24, 24, dtype=torch.float64)
    cells = ((points + 3) / 0.25).long()
    mass.index_put_((cells[:, 0], cells[:, 1]), toy.log_prob(points).exp() * area, accumulate=True)
    x = toy.sample(n, seed=0).x.double()
    inside = x[(x.abs() < 3).all(1)]
    found = torch.zeros_like(mass)
    cells = ((inside + 3) / 0.25).long()
    found.index_put_((cells[:, 0], cells[:, 1]), torch.ones(len(inside), dtype=torch.float64) / n, accumulate=True)
    error = (mass * (1 - mass) / n).sqrt()
    assert ((found - mass).abs() <= 5 * error + 2e-5).all()


@pytest.mark.parametrize("name", TOYS)
def test_entropy_of_samples_matches_the_grid(name):
    toy = Toy(name)
    points, area = grid()
    log_p = toy.log_prob(points)
    entropy = -(log_p.exp() * log_p.clamp_min(-1e3)).sum().item() * area
    x = toy.sample(20_000, seed=1).x
    values = -toy.log_prob(x)
    assert values.mean().item() == pytest.approx(entropy, abs=5 * values.std().item() / math.sqrt(len(x)) + 1e-4)


@pytest.mark.parametrize("name", TOYS)
def test_samples(name):
    toy = Toy(name)
    before = torch.get_rng_state()
    batch = toy.sample(64, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert batch.x.shape == (64, 2)
    assert batch.x.dtype == torch.float32
    assert batch.labels.shape == (64,)
    assert batch.labels.unique().numel() == {"luas": 2, "anel": 8, "xadrez": 4}[name]
    assert torch.equal(toy.sample(64, seed=3).x, batch.x)
    assert not torch.equal(toy.sample(64, seed=4).x, batch.x)
    assert toy.log_prob(batch.x.double()).dtype == torch.float64
    assert toy.log_prob(batch.x).isfinite().all()


def test_outside_the_checkerboard_the_density_is_zero():
    toy = Toy("xadrez")
    assert toy.log_prob(torch.tensor([[0.5, 0.5]])).item() == pytest.approx(-math.log(8))
    assert torch.isneginf(toy.log_prob(torch.tensor([[0.5, -0.5], [2.5, 0.5], [-2.5, 0.5]]))).all()


def test_each_batch_is_new_and_each_epoch_repeats_with_its_seed():
    batches = Toy("luas").batches(16, 3)
    torch.manual_seed(0)
    first = [batch.x for batch in batches]
    assert len(batches) == len(first) == 3
    assert not torch.equal(first[0], first[1])
    torch.manual_seed(0)
    assert all(torch.equal(a, b.x) for a, b in zip(first, batches, strict=True))


def test_bad_input():
    with pytest.raises(ValueError, match="name: veio 'lua'; as opções são 'luas', 'anel', 'xadrez'"):
        Toy("lua")
    with pytest.raises(ValueError, match=r"x: veio um tensor de forma \(3,\); esperava \(N, 2\)"):
        Toy("anel").log_prob(torch.zeros(3))
    with pytest.raises(ValueError, match="n: veio 0"):
        Toy("anel").sample(0)
    with pytest.raises(ValueError, match="n_batches: veio 0"):
        Toy("anel").batches(8, 0)
