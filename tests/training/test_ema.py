"""A média móvel contra a conta feita à mão."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.training import EMA, ObjectiveStep, fit


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_average_by_hand(decay):
    model = nn.Linear(3, 2).double()
    ema = EMA(model, decay)
    values = torch.tensor([1.0, -2.0, 5.0, 0.5], dtype=torch.float64)
    for n, value in enumerate(values.tolist(), start=1):
        with torch.no_grad():
            for weights in model.parameters():
                weights.fill_(value)
        ema.on_step()
        # Média pesada dos passos vistos; os pesos iniciais da rede não entram nela.
        importance = decay ** torch.arange(n - 1, -1, -1, dtype=torch.float64)
        expected = ((importance @ values[:n]) / importance.sum()).item()
        for weights in ema.model.parameters():
            torch.testing.assert_close(weights, torch.full_like(weights, expected))
        assert model.bias[0] == value


def test_average_follows_every_step_of_the_loop(digits):
    torch.manual_seed(0)
    model = Autoencoder(latent_dim=2, hidden_dims=(4,))
    seen = []

    class Watch:
        def on_step(self):
            seen.append(model.decoder[0].weight.detach().clone())

    ema = EMA(model, 0.7)
    step = ObjectiveStep(model, reconstruction_objective, torch.optim.Adam(model.parameters(), lr=1e-2))
    fit(step, digits.batches(50), epochs=2, callbacks=[ema, Watch()], progress=False)
    assert len(seen) == 10
    importance = 0.7 ** torch.arange(9, -1, -1)
    expected = torch.tensordot(importance / importance.sum(), torch.stack(seen), dims=1)
    torch.testing.assert_close(ema.model.decoder[0].weight, expected)
    assert not torch.equal(ema.model.decoder[0].weight, model.decoder[0].weight)


def test_average_does_not_touch_the_training(digits):
    def run(watched: bool):
        torch.manual_seed(0)
        model = Autoencoder(latent_dim=2, hidden_dims=(4,))
        step = ObjectiveStep(model, reconstruction_objective, torch.optim.Adam(model.parameters()))
        fit(step, digits.batches(50), epochs=2, callbacks=[EMA(model, 0.9)] if watched else [], progress=False)
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(run(True), run(False), strict=True))


def test_the_average_is_a_network_like_the_other(digits):
    model = Autoencoder(latent_dim=2, hidden_dims=(4,))
    ema = EMA(model)
    ema.on_step()
    assert isinstance(ema.model, Autoencoder)
    torch.testing.assert_close(ema.model(digits.images[:3]), model(digits.images[:3]))
    assert ema.model.sample(2).shape == (2, 1, 28, 28)


def test_state_round_trip():
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    ema, copy = EMA(model, 0.5), EMA(other, 0.5)
    ema.on_step()
    copy.load_state_dict(ema.state_dict())
    with torch.no_grad():
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            b.copy_(a.add_(1))
    ema.on_step()
    copy.on_step()
    for a, b in zip(ema.model.parameters(), copy.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, float("nan")])
def test_bad_decay(decay):
    with pytest.raises(ValueError, match=r"decay: veio .*; esperava um número maior ou igual a 0 e menor que 1"):
        EMA(nn.Linear(1, 1), decay)
