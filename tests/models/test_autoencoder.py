"""Objetivo do autoencoder, a gaussiana dos códigos, e que ele aprende."""

from __future__ import annotations

import pytest
import torch

from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.training import ObjectiveStep


def test_objective_is_the_mean_squared_error(batch64):
    model = Autoencoder().double()
    terms = reconstruction_objective(model, batch64)
    assert list(terms) == ["loss"]
    expected = ((model(batch64.x) - batch64.x) ** 2).sum() / (16 * 784)
    torch.testing.assert_close(terms["loss"], expected)
    assert terms["loss"].shape == ()


def test_gradient_of_the_network():
    model = Autoencoder(latent_dim=2, hidden_dims=(3,)).double()
    x = (torch.rand(2, 1, 28, 28, dtype=torch.float64) * 2 - 1).requires_grad_()
    # Só alguns pixels: a derivada numérica de 784 deles custaria segundos e não diria mais.
    assert torch.autograd.gradcheck(lambda value: model(value)[..., 14, 10:14], x, fast_mode=True)


def test_overfits_one_batch(batch):
    model = Autoencoder(latent_dim=32, hidden_dims=(64,))
    step = ObjectiveStep(model, reconstruction_objective, torch.optim.Adam(model.parameters(), lr=6e-3))
    losses = [step(batch)["loss"].item() for _ in range(150)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.01


@pytest.mark.parametrize("relu_code", [True, False])
def test_fit_codes_matches_mean_and_covariance(digits, relu_code):
    model = Autoencoder(latent_dim=8, relu_code=relu_code).double()
    x = digits.images.double()
    with torch.no_grad():
        if relu_code:  # uma unidade morta, como a ReLU costuma deixar: variância zero
            torch.nn.init.zeros_(model.encoder[-1].weight[0])
            model.encoder[-1].bias[0] = -1
        z = model.encode(x)
    model.fit_codes(x)
    torch.testing.assert_close(model.code_mean, z.mean(0))
    centered = z - z.mean(0)
    torch.testing.assert_close(model.code_scale @ model.code_scale.T, centered.T @ centered / (len(z) - 1))
    assert model.code_scale.isfinite().all()


def test_fitted_samples_follow_the_codes(digits, monkeypatch):
    model = Autoencoder(latent_dim=4, relu_code=False)
    with torch.no_grad():  # duas coordenadas quase iguais: a covariância está longe de ser diagonal
        model.encoder[-1].weight[1] = 0.9 * model.encoder[-1].weight[0]
    model.fit_codes(digits.images)
    z = model.encode(digits.images)
    correlation = z.T.corrcoef()
    assert correlation[0, 1] > 0.99
    seen = []
    monkeypatch.setattr(model, "decode", lambda code: seen.append(code))
    model.sample(40_000)
    torch.testing.assert_close(seen[0].mean(0), z.mean(0), rtol=0, atol=5 * z.std().item() / 200)
    torch.testing.assert_close(seen[0].var(0), z.var(0), rtol=0.05, atol=0)
    torch.testing.assert_close(seen[0].T.corrcoef(), correlation, rtol=0, atol=0.03)


def test_samples_respect_the_relu(digits, monkeypatch):
    model = Autoencoder()
    seen = []
    monkeypatch.setattr(model, "decode", lambda code: seen.append(code))
    model.sample(100)
    model.fit_codes(digits.images)
    model.sample(100)
    assert all(code.min() == 0 for code in seen)


def test_before_fitting_samples_come_from_a_standard_normal(monkeypatch):
    model = Autoencoder(relu_code=False)
    seen = []
    monkeypatch.setattr(model, "decode", lambda code: seen.append(code))
    model.sample(2000)
    assert seen[0].mean().item() == pytest.approx(0, abs=0.014)
    assert seen[0].var().item() == pytest.approx(1, abs=0.02)


def test_the_fitted_gaussian_travels_with_the_weights(digits):
    model = Autoencoder(latent_dim=4)
    model.fit_codes(digits.images)
    copy = Autoencoder(latent_dim=4)
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy.code_mean, model.code_mean)
    assert torch.equal(copy.code_scale, model.code_scale)


def test_fit_codes_needs_two_images(digits):
    with pytest.raises(ValueError, match="veio um lote de 1 imagem"):
        Autoencoder().fit_codes(digits.images[:1])
