"""Flow matching: o objetivo contra campos conhecidos, o integrador contra soluções exatas, e o que não serve."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from course_lib.data import Toy
from course_lib.models.flow_matching import METHODS, FlowMatching, flow_matching_objective, integrate, trajectory
from course_lib.models.unet import UNet


class Recorder(nn.Module):
    """Anota o que lhe pedem e devolve uma velocidade fixa."""

    def __init__(self, answer=0.0, n_classes=None):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))
        self.answer = answer
        self.calls = []
        if n_classes is not None:
            self.n_classes = n_classes

    def forward(self, x, t, y=None):
        self.calls.append((x.detach(), t, y))
        return torch.full_like(x, self.answer) + self.anchor


class ByClass(Recorder):
    """Velocidade 1 com a classe, 0 sem ela."""

    def forward(self, x, t, y=None):
        super().forward(x, t, y)
        return (y != self.n_classes).to(x.dtype).view(-1, *[1] * (x.ndim - 1)).expand_as(x)


def points(network):
    return FlowMatching(network, shape=(2,))


# --- o objetivo -------------------------------------------------------------------------------------------------------


def test_the_path_is_straight_and_the_target_is_its_velocity():
    """A rede zero erra exatamente x_1 - x_0; e o que ela recebeu está na reta, no instante t."""
    network = Recorder()
    batch = Toy("anel").sample(4_000, seed=0)
    torch.manual_seed(5)
    loss = flow_matching_objective(points(network), batch)["loss"]
    ((x_t, t, y),) = network.calls
    torch.manual_seed(5)
    x_0 = torch.randn_like(batch.x)
    torch.testing.assert_close(loss, (batch.x - x_0).square().mean())
    torch.testing.assert_close(x_t, (1 - t[:, None]) * x_0 + t[:, None] * batch.x)
    assert y is None
    assert t.mean().item() == pytest.approx(0.5, abs=5 / math.sqrt(12 * 4_000))
    assert t.min() >= 0
    assert t.max() <= 1
    # Um t para cada exemplo, e não um só para o lote.
    assert t.unique().numel() > 3_900


def test_the_field_of_a_single_point_has_zero_loss():
    """Se todo dado é c, a velocidade que sobra em x_t é (c - x_t) / (1 - t), sem erro nenhum."""

    class Exact(Recorder):
        def forward(self, x, t, y=None):
            return (2.0 - x) / (1 - t[:, None])

    batch = Toy("anel").sample(256, seed=0)._replace(x=torch.full((256, 2), 2.0, dtype=torch.float64))
    assert flow_matching_objective(points(Exact()), batch)["loss"].item() < 1e-20


@pytest.mark.parametrize("dropout", [0.0, 0.3, 1.0])
def test_label_dropout(dropout):
    network = Recorder(n_classes=8)
    batch = Toy("anel").sample(4_000, seed=0)
    flow_matching_objective(points(network), batch, label_dropout=dropout)
    ((_, _, y),) = network.calls
    dropped = y == 8
    assert dropped.float().mean().item() == pytest.approx(dropout, abs=5 * math.sqrt(0.25 / 4_000))
    assert torch.equal(y[~dropped], batch.labels[~dropped])


def test_default_network_learns_a_batch(batch):
    model = FlowMatching(UNet((8, 16)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for i in range(25):
        torch.manual_seed(i % 2)
        loss = flow_matching_objective(model, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1
    assert losses[-1] < 0.8 * losses[0]


# --- o integrador -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("adams", 2)])
def test_error_falls_with_the_order_of_the_method(method, order):
    """dx/dt = x cos t tem solução x_0 exp(sen t): metade do passo, erro 2^ordem vezes menor.

    De 0 a 1, os dois termos do erro de Adams, o do primeiro passo e o dos outros, quase se anulam.
    """
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    exact = x * math.exp(math.sin(1.3) - math.sin(0.3))

    def velocity(x, t):
        assert t.shape == (2,)
        return x * t.cos()[:, None]

    span = {"start": 0.3, "end": 1.3, "method": method}
    errors = [(integrate(velocity, x, steps=steps, **span) - exact).abs().max().item() for steps in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.1)


def test_back_in_time_returns_to_the_start():
    x = torch.randn(4, 2, dtype=torch.float64)

    def velocity(x, t):
        return torch.stack([x[:, 1], -x[:, 0]], dim=1) * (1 + t[:, None])

    there = integrate(velocity, x, steps=200)
    assert not torch.allclose(there, x, atol=0.1)
    torch.testing.assert_close(integrate(velocity, there, steps=200, start=1.0, end=0.0), x, rtol=0, atol=1e-4)


def test_trajectory_shows_each_instant():
    seen = list(trajectory(lambda x, t: torch.ones_like(x), torch.zeros(1, 1), steps=4))
    assert [t for t, _ in seen] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert [x.item() for _, x in seen] == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("method", METHODS)
def test_integrate_is_the_end_of_the_trajectory(method):
    def velocity(x, t):
        return x * t.cos()[:, None]

    options = {"steps": 5, "start": 0.9, "end": 0.2, "method": method}
    (*_, (t, x)) = trajectory(velocity, torch.ones(2, 1), **options)
    assert t == pytest.approx(0.2)
    assert torch.equal(x, integrate(velocity, torch.ones(2, 1), **options))


# --- a amostragem -----------------------------------------------------------------------------------------------------


def test_sample_of_the_exact_field_is_the_data():
    class Exact(Recorder):
        def forward(self, x, t, y=None):
            super().forward(x, t, y)
            # Para dados N(3, 0,5²) o campo é conhecido: E[x_1 - x_0 | x_t], todos normais.
            t = t[:, None]
            variance = (1 - t) ** 2 + (0.5 * t) ** 2
            return 3.0 + (0.25 * t - (1 - t)) / variance * (x - 3.0 * t)

    model = points(Exact())
    x = model.sample(4_000, steps=100)
    assert x.shape == (4_000, 2)
    assert x.mean().item() == pytest.approx(3, abs=0.04)
    assert x.std().item() == pytest.approx(0.5, abs=0.03)
    assert not x.requires_grad
    assert len(model.network.calls) == 100


def test_images_are_clipped_and_digits_are_drawn():
    network = Recorder(answer=5.0, n_classes=10)
    model = FlowMatching(network)
    x = model.sample(200, steps=2)
    assert x.shape == (200, 1, 28, 28)
    assert x.max() == 1
    first, second = torch.cat([call[2] for call in network.calls]).chunk(2)  # as classes de cada passo, em levas
    assert set(first.tolist()) == set(range(10))
    assert torch.equal(first, second)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_guidance_extrapolates_from_without_to_with_the_class(guidance):
    model = points(ByClass(n_classes=3))
    torch.manual_seed(0)
    x = model.sample(5, steps=2, y=torch.tensor([0, 1, 2, 0, 1]), guidance=guidance)
    torch.manual_seed(0)
    # (1 + w) · 1 - w · 0, durante o tempo 1.
    torch.testing.assert_close(x, torch.randn(5, 2) + 1 + guidance)


def test_without_classes_trains_and_samples(batch):
    model = FlowMatching(UNet((8, 16), n_classes=None))
    before = [weights.clone() for weights in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(2):  # no primeiro passo só anda a saída, que começa em zero
        loss = flow_matching_objective(model, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert sum(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)) > 10
    assert model.sample(2, steps=2).shape == (2, 1, 28, 28)
    with pytest.raises(ValueError, match="não tem classes"):
        model.sample(2, steps=2, y=torch.tensor([0, 1]))


def test_sample_follows_the_type_of_the_weights():
    assert points(Recorder().double()).sample(2).dtype == torch.float64


# --- o que não serve --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(0), "n: veio 0"),
        (lambda m: m.sample(2, steps=2.5), "steps: veio 2.5; esperava um inteiro"),
        (lambda m: m.sample(2, steps=0), "steps: veio 0"),
        (lambda m: m.sample(2, guidance=-1.0), "guidance: veio -1.0"),
        (lambda m: m.sample(2, y=torch.tensor([0, 1])), "esta rede não tem classes"),
        (lambda m: m.sample(2, guidance=1.0), "esta rede não tem classes"),
        (lambda m: m(torch.zeros(2, 2), torch.tensor([0.5, 1.5])), "t: os valores vão de 0.5 a 1.5"),
        (lambda m: m(torch.zeros(2, 2), torch.tensor(0.5)), r"t: veio forma \(\); esperava \(2,\)"),
        (lambda m: flow_matching_objective(m, Toy("luas").sample(2), label_dropout=1.5), "label_dropout: veio 1.5"),
        (lambda m: integrate(m, torch.zeros(1, 2), steps=0), "steps: veio 0"),
        (lambda m: integrate(m, torch.zeros(1, 2), steps=2, method="rk4"), "method: veio 'rk4'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(points(Recorder()))
