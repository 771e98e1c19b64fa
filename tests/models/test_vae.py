"""A KL em forma fechada, a reparametrização, as duas leituras do decodificador, a cota de importância e a classe."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import distributions

from course_lib.data import Batch
from course_lib.models.vae import (
    VAE,
    bernoulli_objective,
    draw_binary,
    gaussian_objective,
    iwae_objective,
    kl_to_standard_normal,
    log_importance_weights,
)
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
        (torch.zeros(6, 1), None, r"mu, logvar e eps: vieram formas \(6, 3\), \(6, 1\), \(6, 3\); esperava a mesma"),
        (
            torch.zeros(6, 3),
            torch.zeros(3),
            r"logvar e eps: vieram formas \(6, 3\), \(6, 3\), \(3,\); esperava a mesma",
        ),
        (torch.zeros(6, 3), torch.zeros(1, 3), r"mu, logvar e eps: vieram formas \(6, 3\), \(6, 3\), \(1, 3\)"),
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
    with pytest.raises(ValueError, match=r"variance: veio .*; esperava um número maior que 0"):
        gaussian_objective(VAE(), batch, variance=variance)


@pytest.mark.parametrize("objective", [gaussian_objective, bernoulli_objective])
@pytest.mark.parametrize("beta", [-0.5, float("nan")])
def test_bad_beta(batch, objective, beta):
    with pytest.raises(ValueError, match=r"beta: veio .*; esperava um número maior ou igual a 0"):
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


# --- binarização dinâmica ------------------------------------------------------------------------------------------


def test_draw_binary_lights_each_pixel_with_its_intensity():
    image = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
    drawn = draw_binary(image.expand(4_000, 1, 28, 28))
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    frequency = (drawn == 1).float().mean(0)
    # 5 erros padrão de uma frequência em 4.000 sorteios, no pior caso (probabilidade 1/2).
    torch.testing.assert_close(frequency, ((image + 1) / 2)[0], rtol=0, atol=5 * 0.5 / math.sqrt(4_000))
    assert draw_binary(image.double()).dtype == torch.float64


OBJECTIVES_OF_BINARY_PIXELS = [bernoulli_objective, functools.partial(iwae_objective, k=3)]


@pytest.mark.parametrize("objective", OBJECTIVES_OF_BINARY_PIXELS, ids=["bernoulli", "iwae"])
def test_binarize_is_a_draw_made_before_the_objective(batch64, objective):
    model = VAE().double()
    torch.manual_seed(11)
    expected = objective(model, Batch(draw_binary(batch64.x), batch64.labels))
    torch.manual_seed(11)
    found = objective(model, batch64, binarize=True)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])


@pytest.mark.parametrize("objective", OBJECTIVES_OF_BINARY_PIXELS, ids=["bernoulli", "iwae"])
def test_each_batch_is_drawn_anew(batch, objective, monkeypatch):
    model, seen = VAE(), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x, y=None: (seen.append(x), encode(x, y))[1])
    before = batch.x.clone()
    for _ in range(2):
        objective(model, batch, binarize=True)
    assert all(set(x.unique().tolist()) == {-1.0, 1.0} for x in seen)
    assert not torch.equal(*seen)
    assert torch.equal(batch.x, before)


# --- a cota de importância -----------------------------------------------------------------------------------------


def wide_gap_model() -> VAE:
    """VAE de uma coordenada, de decodificador inclinado: a posterior fica longe do palpite do codificador."""
    torch.manual_seed(4)
    model = VAE(latent_dim=1, hidden_dims=(16,)).double()
    with torch.no_grad():
        model.decoder[0].weight.mul_(2)
        model.decoder[-1].weight.mul_(3)
    return model


def binary_batch(batch: Batch) -> Batch:
    return Batch((batch.x > 0).to(batch.x.dtype) * 2 - 1, batch.labels)


def repeated_losses(model: VAE, batch: Batch, k: int, times: int) -> torch.Tensor:
    """Perdas (times,), cada uma média de 16 imagens, em sorteios independentes."""
    with torch.no_grad():
        return torch.stack([iwae_objective(model, batch, k=k)["loss"] for _ in range(times)])


def test_iwae_with_one_draw_is_the_single_sample_elbo(batch64):
    model, binary = VAE().double(), binary_batch(batch64)
    torch.manual_seed(11)
    found = iwae_objective(model, binary, k=1)
    torch.manual_seed(11)
    mu, logvar = model.encode(binary.x)
    q = distributions.Normal(mu, (0.5 * logvar).exp())
    z = mu + q.stddev * torch.randn(1, *mu.shape, dtype=torch.float64)[0]
    pixels = distributions.Bernoulli(logits=model.decode_logits(z))
    log_px = pixels.log_prob((binary.x + 1) / 2).flatten(1).sum(1)
    log_pz = distributions.Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum(1)
    expected = (log_px + log_pz - q.log_prob(z).sum(1)).mean()
    torch.testing.assert_close(found["loss"], -expected)
    torch.testing.assert_close(found["elbo"], expected)


def test_iwae_with_one_draw_is_the_elbo_in_expectation(batch64):
    model, binary = VAE(latent_dim=4, hidden_dims=(16,)).double(), binary_batch(batch64)
    with torch.no_grad():
        model.posterior[0].bias[:4] = 2.0  # longe da priori, para que a KL pese
        model.decoder[-1].weight.mul_(0.1)  # e a reconstrução quase não varie com z
        closed = torch.stack([bernoulli_objective(model, binary)["loss"] for _ in range(400)])
    losses = repeated_losses(model, binary, 1, 400)
    error = math.sqrt((losses.var() + closed.var()) / 400)
    assert abs(losses.mean() - closed.mean()) < 5 * error
    assert error < 0.2


def test_iwae_bound_tightens_with_k_and_never_passes_the_likelihood(batch64):
    model, binary = wide_gap_model(), binary_batch(batch64)
    grid = torch.linspace(-8, 8, 2_001, dtype=torch.float64)
    with torch.no_grad():
        logits = model.decode_logits(grid.unsqueeze(1)).flatten(1)
        target = (binary.x.flatten(1) + 1) / 2
        log_px = torch.stack([distributions.Bernoulli(logits=logits).log_prob(t).sum(1) for t in target])
        log_pz = distributions.Normal(0.0, 1.0).log_prob(grid)
        exact = -(torch.logsumexp(log_px + log_pz, dim=1) + math.log(grid[1] - grid[0])).mean()
    losses = {k: repeated_losses(model, binary, k, 60) for k in (1, 4, 32)}
    for few, many in ((1, 4), (4, 32)):
        error = math.sqrt((losses[few].var() + losses[many].var()) / 60)
        assert losses[few].mean() - losses[many].mean() > 5 * error
    assert losses[32].mean() > exact - 5 * losses[32].std() / math.sqrt(60)
    assert losses[1].mean() > exact + 1


def test_iwae_returns_the_elbo_of_the_same_draws(batch64):
    terms = iwae_objective(wide_gap_model(), binary_batch(batch64), k=8)
    assert terms["elbo"] < -terms["loss"]
    assert set(terms) == {"loss", "elbo"}


def test_iwae_survives_weights_that_underflow(batch):
    model, binary = VAE(), binary_batch(batch)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(300)
    terms = iwae_objective(model, binary, k=4)
    terms["loss"].backward()
    assert terms["loss"].isfinite()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())
    # A média dos pesos, sem o logaritmo da soma, daria log 0.
    mu, logvar = model.encode(binary.x)
    log_w = log_importance_weights(model, binary.x, mu, logvar, torch.randn(4, *mu.shape))
    assert log_w.exp().mean(0).log().isinf().all()


def test_iwae_gradient_reaches_both_networks(batch):
    model = VAE()
    iwae_objective(model, batch, k=3, binarize=True)["loss"].backward()
    assert all(weights.grad.abs().max() > 0 for weights in model.parameters())


@pytest.mark.parametrize("k", [0, -1, 2.5, None])
def test_bad_k(batch, k):
    with pytest.raises(ValueError, match=r"k: veio .*; esperava um inteiro ≥ 1"):
        iwae_objective(VAE(), batch, k=k)


def test_half_precision_products_keep_full_precision_sums(batch):
    model = VAE()
    for objective in (bernoulli_objective, functools.partial(iwae_objective, k=3)):
        torch.manual_seed(11)
        expected = objective(model, batch, binarize=True)
        torch.manual_seed(11)
        with torch.autocast("cpu", torch.bfloat16):
            found = objective(model, batch, binarize=True)
        for name in expected:
            assert found[name].dtype == torch.float32
            torch.testing.assert_close(found[name], expected[name], rtol=2e-3, atol=2e-3)


# --- VAE condicional -----------------------------------------------------------------------------------------------


def test_the_class_reaches_encoder_and_decoder():
    model = VAE(n_classes=10).double()
    x, z = torch.zeros(2, 1, 28, 28, dtype=torch.float64), torch.zeros(2, 20, dtype=torch.float64)
    y = torch.tensor([3, 8])
    for output in (*model.encode(x, y), model.decode(z, y), model.decode_logits(z, y)):
        assert not torch.equal(output[0], output[1])
    for output in (*model.encode(x, y[:1].repeat(2)), model.decode(z, y[:1].repeat(2))):
        assert torch.equal(output[0], output[1])
    assert model.encoder[0][0].in_features == 794
    assert model.decoder[0].in_features == 30


@pytest.mark.parametrize("objective", [gaussian_objective, bernoulli_objective, iwae_objective])
def test_objectives_give_the_labels_to_the_conditional_model(batch64, objective):
    model = VAE(n_classes=10).double()
    losses = []
    for labels in (batch64.labels, batch64.labels, (batch64.labels + 1) % 10):
        torch.manual_seed(11)
        losses.append(objective(model, Batch(batch64.x, labels))["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_each_draw_keeps_the_class_of_its_image(batch64):
    model = VAE(n_classes=10).double()
    x, y = batch64.x[:4], torch.tensor([1, 5, 5, 9])
    mu, logvar = model.encode(x, y)
    eps = torch.randn(3, *mu.shape, dtype=torch.float64)
    together = log_importance_weights(model, x, mu, logvar, eps, y=y)
    for i in range(4):
        one = slice(i, i + 1)
        alone = log_importance_weights(model, x[one], mu[one], logvar[one], eps[:, one], y=y[one])
        torch.testing.assert_close(together[:, one], alone)


def test_samples_of_the_asked_class():
    model = VAE(latent_dim=4, hidden_dims=(16,), n_classes=3)
    with torch.no_grad():
        # Só a classe fala: cada uma liga uma unidade oculta, e cada unidade um nível de cinza.
        for weights in model.decoder.parameters():
            weights.zero_()
        model.decoder[0].weight[:3, 4:] = torch.eye(3)
        model.decoder[-1].weight[:, :3] = torch.tensor([-1.0, 0.0, 1.0])
    y = torch.tensor([2, 0, 1, 2])
    expected = torch.tanh(y - 1.0).view(4, 1, 1, 1).expand(4, 1, 28, 28)
    torch.testing.assert_close(model.sample(4, y), expected)
    levels = model.sample(600)[:, 0, 0, 0].round(decimals=3)
    counts = torch.unique(levels, return_counts=True)[1]
    assert len(counts) == 3
    assert ((counts - 200).abs() < 5 * math.sqrt(600 * 2 / 9)).all()


@pytest.mark.parametrize(
    ("build", "y", "message"),
    [
        (lambda: VAE(n_classes=10), None, "y: falta a classe; esta rede é condicional, de 10 classes"),
        (VAE, torch.zeros(2, dtype=torch.int64), "y: veio uma classe, e esta rede não é condicional"),
        (lambda: VAE(n_classes=10), torch.tensor([0, 10]), "y: os valores vão de 0 a 10; esperava inteiros de 0 a 9"),
        (lambda: VAE(n_classes=10), torch.zeros(3, dtype=torch.int64), r"y: .*esperava um tensor .* forma \(2,\)"),
        (lambda: VAE(n_classes=10), torch.zeros(2), r"y: .*esperava um tensor de inteiros"),
    ],
)
def test_bad_class(build, y, message):
    model = build()
    for call in (
        lambda: model.encode(torch.zeros(2, 1, 28, 28), y),
        lambda: model.decode(torch.zeros(2, 20), y),
        lambda: model.decode_logits(torch.zeros(2, 20), y),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("n_classes", [0, -1, 2.5, "10"])
def test_bad_n_classes(n_classes):
    with pytest.raises(ValueError, match=r"n_classes: veio .*; esperava um inteiro ≥ 1"):
        VAE(n_classes=n_classes)


# --- aprende -------------------------------------------------------------------------------------------------------


def test_overfits_one_batch(batch):
    model = VAE(hidden_dims=(64,))
    objective = functools.partial(gaussian_objective, variance=0.2)
    step = ObjectiveStep(model, objective, torch.optim.Adam(model.parameters(), lr=6e-3))
    history = [{name: value.item() for name, value in step(batch).items()} for _ in range(150)]
    first, last = history[0], history[-1]
    assert first["reconstruction"] > 400
    assert last["reconstruction"] < 30
    assert last["kl"] > 5
    assert last["loss"] < first["loss"] / 10
