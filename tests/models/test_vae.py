"""A KL em forma fechada, a reparametrização e as duas leituras do decodificador."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import distributions

from course_lib.data import Batch
from course_lib.models.vae import VAE, bernoulli_objective, gaussian_objective, kl_to_standard_normal
from course_lib.training import ObjectiveStep


def posterior(batch: int = 6, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """mu e logvar longe da priori, em float64."""
    return 2 * torch.randn(batch, dim, dtype=torch.float64), torch.randn(batch, dim, dtype=torch.float64) - 0.5


# --- KL ------------------------------------------------------------------------------------------------------------


def test_kl_against_torch_distributions():
    mu, logvar = posterior()
    q = distributions.Normal(mu, (0.5 * logvar).exp())
    p = distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    torch.testing.assert_close(kl_to_standard_normal(mu, logvar), distributions.kl_divergence(q, p).sum(1))


def test_kl_against_monte_carlo():
    mu, logvar = posterior()
    std = (0.5 * logvar).exp()
    z = mu + std * torch.randn(200_000, *mu.shape, dtype=torch.float64)
    log_q = -0.5 * ((z - mu) / std) ** 2 - std.log()
    log_p = -0.5 * z**2
    values = (log_q - log_p).sum(2)
    error = values.std(0) / math.sqrt(len(values))
    kl = kl_to_standard_normal(mu, logvar)
    assert kl.shape == (6,)
    assert ((values.mean(0) - kl).abs() < 5 * error).all()
    assert (error < 0.05).all()


def test_kl_is_zero_only_at_the_prior():
    zero = torch.zeros(1, 4, dtype=torch.float64)
    assert kl_to_standard_normal(zero, zero).item() == 0
    for mu, logvar in ((0.1, 0.0), (0.0, 0.1), (0.0, -0.1)):
        assert kl_to_standard_normal(zero + mu, zero + logvar).item() > 1e-3


def test_kl_gradient():
    mu, logvar = posterior()
    assert torch.autograd.gradcheck(kl_to_standard_normal, (mu.requires_grad_(), logvar.requires_grad_()))


# --- reparametrização ----------------------------------------------------------------------------------------------


def test_reparameterize_has_the_asked_mean_and_variance():
    mu, logvar = posterior(1, 4)
    n = 200_000
    z = VAE.reparameterize(mu.expand(n, 4), logvar.expand(n, 4))
    variance = logvar.exp().squeeze(0)
    assert ((z.mean(0) - mu.squeeze(0)).abs() < 5 * (variance / n).sqrt()).all()
    assert ((z.var(0) - variance).abs() < 5 * variance * math.sqrt(2 / n)).all()


def test_reparameterize_with_given_noise():
    mu, logvar = posterior()
    eps = torch.randn_like(mu)
    z = VAE.reparameterize(mu, logvar, eps)
    torch.testing.assert_close(z, mu + logvar.exp().sqrt() * eps)
    assert torch.equal(VAE.reparameterize(mu, logvar, eps), z)
    assert not torch.equal(VAE.reparameterize(mu, logvar), VAE.reparameterize(mu, logvar))


def test_reparameterize_lets_the_gradient_through():
    mu, logvar = posterior()
    eps = torch.randn_like(mu)
    mu.requires_grad_()
    logvar.requires_grad_()
    z = VAE.reparameterize(mu, logvar, eps)
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(logvar.grad, 0.5 * eps * (0.5 * logvar.detach()).exp())
    assert torch.autograd.gradcheck(lambda m, v: VAE.reparameterize(m, v, eps), (mu, logvar))


def test_reparameterize_leaves_its_arguments_alone():
    mu, logvar = posterior()
    eps = torch.randn_like(mu)
    before = mu.clone(), logvar.clone(), eps.clone()
    VAE.reparameterize(mu, logvar, eps)
    assert all(torch.equal(a, b) for a, b in zip(before, (mu, logvar, eps), strict=True))


@pytest.mark.parametrize(
    ("logvar", "eps", "message"),
    [
        (torch.zeros(6, 1), None, r"mu e logvar: vieram formas \(6, 3\) e \(6, 1\)"),
        (torch.zeros(6, 3), torch.zeros(3), r"eps: veio forma \(3,\); esperava a de mu, \(6, 3\)"),
        (torch.zeros(6, 3), torch.zeros(1, 3), r"eps: veio forma \(1, 3\)"),
    ],
)
def test_shapes_that_would_broadcast_in_silence_are_refused(logvar, eps, message):
    with pytest.raises(ValueError, match=message):
        VAE.reparameterize(torch.zeros(6, 3), logvar, eps)


def test_kl_refuses_other_shapes():
    with pytest.raises(ValueError, match="mu e logvar: vieram formas"):
        kl_to_standard_normal(torch.zeros(6, 3), torch.zeros(3))


# --- objetivo gaussiano --------------------------------------------------------------------------------------------


def noisy_pass(model: VAE, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A passagem que o objetivo fez, com o mesmo sorteio."""
    torch.manual_seed(11)
    return model(x)


def test_forward_decodes_a_sample_of_the_posterior(batch64):
    model = VAE().double()
    x_hat, mu, logvar = noisy_pass(model, batch64.x)
    torch.manual_seed(11)
    eps = torch.randn_like(mu)
    torch.testing.assert_close(x_hat, model.decode(mu + (0.5 * logvar).exp() * eps))
    for found, expected in zip((mu, logvar), model.encode(batch64.x), strict=True):
        torch.testing.assert_close(found, expected)


def test_default_objective_is_the_loss_of_the_document(batch64):
    """Erro quadrático somado sobre 10, mais a KL somada, tudo dividido pelo lote."""
    model = VAE().double()
    x_hat, mu, logvar = noisy_pass(model, batch64.x)
    squared = torch.nn.functional.mse_loss(x_hat, batch64.x, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    torch.manual_seed(11)
    terms = gaussian_objective(model, batch64)
    torch.testing.assert_close(terms["loss"], (squared / 10 + kl) / 16)
    torch.testing.assert_close(terms["reconstruction"], squared / 16)
    torch.testing.assert_close(terms["kl"], kl / 16)


@pytest.mark.parametrize("variance", [0.1, 1.0, 5.0])
def test_gaussian_objective_is_the_negative_log_likelihood_up_to_the_stated_constant(batch64, variance):
    model = VAE().double()
    x_hat, mu, logvar = noisy_pass(model, batch64.x)
    pixel = distributions.Normal(x_hat, math.sqrt(variance))
    negative_log_likelihood = -pixel.log_prob(batch64.x).sum() / 16
    torch.manual_seed(11)
    terms = gaussian_objective(model, batch64, variance=variance)
    constant = 784 / 2 * math.log(2 * math.pi * variance)
    expected = negative_log_likelihood + kl_to_standard_normal(mu, logvar).mean()
    torch.testing.assert_close(terms["loss"] + constant, expected)


@pytest.mark.parametrize("objective", [gaussian_objective, bernoulli_objective])
def test_beta_weighs_only_the_kl(batch64, objective):
    model = VAE().double()
    found = {}
    for beta in (0.0, 1.0, 4.0):
        torch.manual_seed(11)
        found[beta] = objective(model, batch64, beta=beta)
    kl = found[1.0]["kl"]
    assert kl > 0.01
    for beta, terms in found.items():
        torch.testing.assert_close(terms["loss"], found[0.0]["loss"] + beta * kl)
        torch.testing.assert_close(terms["kl"], kl)
        torch.testing.assert_close(terms["reconstruction"], found[1.0]["reconstruction"])
    assert set(found[1.0]) == {"loss", "reconstruction", "kl"}


def test_objectives_are_means_over_the_batch(batch64):
    """O lote dobrado, com o mesmo ruído em cada metade, dá os mesmos números."""
    model = VAE().double()
    eps = torch.randn(16, 20, dtype=torch.float64)
    model.reparameterize = lambda mu, logvar: mu + (0.5 * logvar).exp() * eps.repeat(len(mu) // 16, 1)
    doubled = Batch(batch64.x.repeat(2, 1, 1, 1), batch64.labels.repeat(2))
    for objective in (gaussian_objective, bernoulli_objective):
        one, two = objective(model, batch64), objective(model, doubled)
        for name in one:
            torch.testing.assert_close(one[name], two[name])


@pytest.mark.parametrize("variance", [0, -1, float("nan")])
def test_bad_variance(batch, variance):
    with pytest.raises(ValueError, match=r"variance: veio .*; esperava um número maior que zero"):
        gaussian_objective(VAE(), batch, variance=variance)


@pytest.mark.parametrize("objective", [gaussian_objective, bernoulli_objective])
@pytest.mark.parametrize("beta", [-0.5, float("nan")])
def test_bad_beta(batch, objective, beta):
    with pytest.raises(ValueError, match=r"beta: veio .*; esperava um número maior ou igual a zero"):
        objective(VAE(), batch, beta=beta)


# --- leitura de Bernoulli ------------------------------------------------------------------------------------------


def test_both_readings_share_one_decoder():
    model, z = VAE().double(), torch.randn(5, 20, dtype=torch.float64)
    logits = model.decode_logits(z)
    torch.testing.assert_close(logits, 2 * torch.atanh(model.decode(z)))
    torch.testing.assert_close(logits.sigmoid(), (model.decode(z) + 1) / 2)


def test_bernoulli_objective_against_torch_distributions(batch64):
    model = VAE().double()
    binary = Batch((batch64.x > 0).double() * 2 - 1, batch64.labels)
    x_hat, mu, logvar = noisy_pass(model, binary.x)
    pixel = distributions.Bernoulli(probs=(x_hat + 1) / 2)
    expected = -pixel.log_prob((binary.x > 0).double()).sum() / 16
    torch.manual_seed(11)
    terms = bernoulli_objective(model, binary)
    torch.testing.assert_close(terms["reconstruction"], expected)
    torch.testing.assert_close(terms["loss"], expected + kl_to_standard_normal(mu, logvar).mean())


def test_bernoulli_objective_on_grey_pixels_is_the_cross_entropy_in_0_1(batch64):
    model = VAE().double()
    x_hat, _, _ = noisy_pass(model, batch64.x)
    target, p = (batch64.x + 1) / 2, (x_hat + 1) / 2
    torch.manual_seed(11)
    found = bernoulli_objective(model, batch64)["reconstruction"]
    torch.testing.assert_close(found, -(target * p.log() + (1 - target) * (1 - p).log()).sum() / 16)


def test_bernoulli_objective_survives_extreme_logits(batch):
    model = VAE()
    with torch.no_grad():
        model.decoder[-1].bias.fill_(1e4)
    terms = bernoulli_objective(model, batch)
    terms["loss"].backward()
    assert terms["loss"].isfinite()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())
    # A conta pela probabilidade, no mesmo ponto, já não tem número.
    p = model.decode_logits(torch.zeros(1, 20)).sigmoid()
    assert not (1 - p).log().isfinite().all()


# --- aprende -------------------------------------------------------------------------------------------------------


def test_overfits_one_batch(batch):
    model = VAE(hidden_dim=64)
    objective = functools.partial(gaussian_objective, variance=0.2)
    step = ObjectiveStep(model, objective, torch.optim.Adam(model.parameters(), lr=6e-3))
    history = [{name: value.item() for name, value in step(batch).items()} for _ in range(150)]
    first, last = history[0], history[-1]
    assert first["reconstruction"] > 400
    assert last["reconstruction"] < 30
    assert last["kl"] > 5
    assert last["loss"] < first["loss"] / 10
