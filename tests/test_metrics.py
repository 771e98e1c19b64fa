"""Medidas: formas fechadas, valores publicados e o que elas recusam."""

import math

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure

from course_lib import metrics
from course_lib.data import load_embedded_digits, load_mnist
from course_lib.metrics import likelihood
from course_lib.models.vae import VAE

PIXELS = 784


@pytest.fixture(scope="module")
def digits():
    return load_embedded_digits("test").images


def test_squared_error_is_summed_over_pixels_in_unit_range():
    x = torch.full((3, 1, 28, 28), -1.0)
    x_hat = torch.full((3, 1, 28, 28), 1.0)  # preto contra branco: erro 1 em cada pixel de [0, 1]
    torch.testing.assert_close(metrics.squared_error(x_hat, x), torch.full((3,), float(PIXELS)))


def test_reconstruction_error_is_the_same_for_any_batch_size(digits):
    reconstruct = lambda x: 0.9 * x  # noqa: E731
    whole = metrics.reconstruction_error(reconstruct, digits, batch_size=1_000)
    assert whole == pytest.approx(metrics.squared_error(0.9 * digits, digits).mean().item(), rel=1e-5)
    assert metrics.reconstruction_error(reconstruct, digits, batch_size=7) == pytest.approx(whole, rel=1e-5)


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 1, 28, 28)
    x_hat = x + 0.2  # 0,1 em [0, 1]: erro quadrático médio 0,01, logo 20 dB
    torch.testing.assert_close(metrics.psnr(x_hat, x), torch.full((2,), 20.0), rtol=1e-4, atol=1e-4)
    assert metrics.psnr(x, x).isinf().all()


def test_ssim_against_its_formula(digits):
    """Wang et al. (2004): janela gaussiana 11×11 de desvio 1,5, borda refletida e pixels numa faixa de 2."""
    x = digits[:4].double()
    torch.manual_seed(0)
    x_hat = (x + 0.3 * torch.randn_like(x)).clamp(-1, 1)
    g = torch.exp(-0.5 * (torch.arange(-5, 6, dtype=torch.float64) / 1.5) ** 2)
    window = (g[:, None] * g / g.sum() ** 2)[None, None]

    def mean(value: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(nn.functional.pad(value, (5, 5, 5, 5), mode="reflect"), window)

    mu_a, mu_b = mean(x_hat), mean(x)
    var_a, var_b, cov = mean(x_hat**2) - mu_a**2, mean(x**2) - mu_b**2, mean(x_hat * x) - mu_a * mu_b
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    numerator = (2 * mu_a * mu_b + c1) * (2 * cov + c2)
    expected = (numerator / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))
    torch.testing.assert_close(metrics.ssim(x_hat, x), expected, rtol=1e-5, atol=1e-6)
    theirs = structural_similarity_index_measure(x_hat, x, data_range=2.0, reduction="none")
    torch.testing.assert_close(metrics.ssim(x_hat, x), theirs)
    torch.testing.assert_close(metrics.ssim(x, x), torch.ones(4, dtype=torch.float64))
    # Dígitos diferentes só se parecem no fundo.
    assert (metrics.ssim(x.roll(1, 0), x) < 0.8).all()


def test_pca_is_orthonormal_and_reconstructs_with_all_components(digits):
    pca = metrics.PCA.fit(digits, 20)
    torch.testing.assert_close(pca.components @ pca.components.T, torch.eye(20), rtol=0, atol=1e-5)
    assert (pca.variances.diff() <= 1e-6).all()
    assert metrics.reconstruction_error(metrics.PCA.fit(digits, PIXELS), digits) < 1e-5


def test_pca_error_is_the_discarded_variance(digits):
    # Nos próprios dados do ajuste, o erro é a soma das variâncias deixadas de fora (em [0, 1]: um quarto).
    discarded = metrics.PCA.fit(digits, PIXELS).variances[8:].double().sum().item() / 4
    assert metrics.reconstruction_error(metrics.PCA.fit(digits, 8), digits) == pytest.approx(discarded, rel=1e-4)


@pytest.mark.mnist
def test_pca_of_mnist_gives_the_published_error(mnist_root):
    published = {2: 43.65, 8: 29.35, 16: 21.06, 30: 13.87, 64: 7.09}
    train, test = load_mnist("train", root=mnist_root), load_mnist("test", root=mnist_root)
    full = metrics.PCA.fit(train.images, max(published))
    for k, error in published.items():
        pca = metrics.PCA(full.mean, full.components[:k], full.variances[:k])
        assert metrics.reconstruction_error(pca, test.images) == pytest.approx(error, abs=0.01)


def test_binarize_thresholds_or_samples_with_the_pixel_as_probability():
    images = torch.full((1, 1, 28, 28), 0.5)  # intensidade 0,75
    assert (metrics.binarize(images) == 1).all()
    drawn = torch.stack([metrics.binarize(images, seed=seed) for seed in range(200)])
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    assert (drawn == 1).float().mean().item() == pytest.approx(0.75, abs=0.005)
    torch.testing.assert_close(metrics.binarize(images, seed=1), metrics.binarize(images, seed=1))


class LinearGaussian(VAE):
    """VAE de decodificador afim e posterior exato, para o qual log p(x) tem forma fechada."""

    def __init__(self, variance: float):
        super().__init__(latent_dim=2)
        self.variance = variance
        self.loading = 0.02 * torch.randn(2, PIXELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        precision = torch.eye(2, dtype=torch.float64) + self.loading @ self.loading.T / variance
        # A base que torna a precisão do posterior diagonal: só assim q(z|x) diagonal pode ser exato.
        _, vectors = torch.linalg.eigh(precision)
        self.loading = vectors.T @ self.loading
        self.posterior_variance = 1 / (1 + self.loading.square().sum(1) / variance)

    def encode(self, x, y=None):
        mu = self.posterior_variance * (x.flatten(1) @ self.loading.T) / self.variance
        return mu, self.posterior_variance.log().expand_as(mu)

    def decode(self, z, y=None):
        return (z @ self.loading).view(-1, 1, 28, 28)

    def exact_log_likelihood(self, x):
        covariance = self.variance * torch.eye(PIXELS, dtype=torch.float64) + self.loading.T @ self.loading
        normal = torch.distributions.MultivariateNormal(torch.zeros(PIXELS, dtype=torch.float64), covariance)
        return normal.log_prob(x.flatten(1)).mean().item()


def test_gaussian_nll_and_elbo_are_exact_when_the_posterior_is(digits):
    model = LinearGaussian(variance=0.5)
    x = digits[:20].double()
    exact = model.exact_log_likelihood(x)
    # Com q igual ao posterior, todo peso de importância é o próprio p(x), com qualquer número de amostras.
    nll = metrics.vae_nll(model, x, likelihood="gaussian", variance=0.5, n_samples=3, progress=False)
    assert -nll == pytest.approx(exact, rel=1e-9)
    terms = metrics.elbo_terms(model, x, likelihood="gaussian", variance=0.5, n_samples=4_000)
    assert terms["elbo"] == pytest.approx(exact, rel=1e-4)
    assert terms["elbo"] == pytest.approx(terms["log_likelihood"] - terms["kl"])


def test_bernoulli_nll_matches_numerical_integration(digits):
    torch.manual_seed(0)
    model = VAE(latent_dim=1, hidden_dims=(8,))
    x = metrics.binarize(digits[:6])
    grid = torch.linspace(-8, 8, 4_001, dtype=torch.float64)
    with torch.no_grad():
        logits = model.decode_logits(grid.float().unsqueeze(1)).flatten(1).double()
        target = (x.flatten(1).double() + 1) / 2
        log_px = torch.distributions.Bernoulli(logits=logits.unsqueeze(0)).log_prob(target.unsqueeze(1)).sum(2)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(grid)
        integral = torch.logsumexp(log_px + prior, dim=1) + math.log(grid[1] - grid[0])
    nll = metrics.vae_nll(model, x, n_samples=20_000, progress=False)
    assert nll == pytest.approx(-integral.mean().item(), abs=0.02)


def test_more_importance_samples_tighten_the_bound(digits):
    torch.manual_seed(0)
    model = VAE(latent_dim=4, hidden_dims=(16,))
    x = metrics.binarize(digits[:50])
    elbo = metrics.elbo_terms(model, x, likelihood="bernoulli", n_samples=200)["elbo"]
    few = metrics.vae_nll(model, x, n_samples=5, progress=False)
    many = metrics.vae_nll(model, x, n_samples=2_000, progress=False)
    assert -elbo > few > many


class Clouds(nn.Module):
    """Um codificador de nuvens conhecidas: a imagem n traz no primeiro pixel a fração n / N."""

    reparameterize = staticmethod(VAE.reparameterize)

    def __init__(self, mu, logvar):
        super().__init__()
        self.mu, self.logvar = mu, logvar

    def encode(self, x):
        index = (x[:, 0, 0, 0] * len(self.mu)).round().long()
        return self.mu[index], self.logvar[index]


def numbered_images(n):
    images = torch.zeros(n, 1, 28, 28)
    images[:, 0, 0, 0] = torch.arange(n) / n
    return images


def test_log_aggregate_posterior_is_the_mean_of_the_clouds(monkeypatch):
    torch.manual_seed(0)
    z, mu, logvar = torch.randn(30, 3), torch.randn(7, 3), torch.randn(7, 3)
    normal = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    expected = normal.log_prob(z[:, None]).sum(2).exp().mean(1).log()
    torch.testing.assert_close(metrics.log_aggregate_posterior(z, mu, logvar), expected)
    monkeypatch.setattr(likelihood, "PAIRS_AT_ONCE", 20)
    torch.testing.assert_close(metrics.log_aggregate_posterior(z, mu, logvar), expected)


def test_equal_clouds_tell_nothing_and_the_whole_rate_is_the_gap():
    n = 50
    model = Clouds(torch.full((n, 2), 1.5), torch.full((n, 2), -1.0))
    terms = metrics.rate_terms(model, numbered_images(n))
    assert terms["information"] == pytest.approx(0.0, abs=1e-5)
    assert terms["information_bound"] == pytest.approx(0.0, abs=1e-5)
    exact = 2 * 0.5 * (1.5**2 + math.exp(-1) - 1 + 1)
    assert terms["rate"] == pytest.approx(exact, rel=1e-5)
    assert terms["aggregate_kl"] == pytest.approx(exact, rel=1e-5)


def test_separate_clouds_say_which_image_it_is_and_no_more():
    n = 40
    model = Clouds(100 * torch.arange(n, dtype=torch.float32)[:, None], torch.zeros(n, 1))
    terms = metrics.rate_terms(model, numbered_images(n))
    assert terms["information"] == pytest.approx(math.log(n), abs=1e-4)
    assert terms["information_bound"] > 1_000


def test_the_two_bounds_hold_the_information_of_the_population():
    """x normal de variância 4, nuvens de variância 1: q(z) é N(0, 5), a informação é log(5) / 2, e a KL, 2 - isso."""
    n = 4_000
    mu = 2 * torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(n) + 0.5) / n)[:, None]
    terms = metrics.rate_terms(Clouds(mu, torch.zeros(n, 1)), numbered_images(n), n_draws=n)
    information = 0.5 * math.log(5)
    assert terms["information"] == pytest.approx(information, abs=0.03)
    assert terms["information"] < terms["information_bound"] == pytest.approx(information, abs=0.03)
    assert terms["rate"] == pytest.approx(2.0, abs=0.01)
    assert terms["aggregate_kl"] == pytest.approx(2.0 - information, abs=0.03)


def test_rate_terms_of_a_network_agree_with_elbo_terms(digits):
    torch.manual_seed(0)
    model = VAE(latent_dim=2, hidden_dims=(16,))
    terms = metrics.rate_terms(model, digits[:60], n_draws=60)
    assert terms["rate"] == pytest.approx(metrics.elbo_terms(model, digits[:60])["kl"], rel=1e-5)
    assert terms["rate"] == pytest.approx(terms["information"] + terms["aggregate_kl"])
    assert metrics.rate_terms(model, digits[:60], n_draws=60) == terms


def test_rate_terms_refuse_a_single_image_and_clouds_that_do_not_match(digits):
    with pytest.raises(ValueError, match="ao menos duas"):
        metrics.rate_terms(VAE(latent_dim=2), digits[:1])
    with pytest.raises(ValueError, match="n_draws"):
        metrics.rate_terms(VAE(latent_dim=2), digits[:9], n_draws=0)
    with pytest.raises(ValueError, match="mu e logvar"):
        metrics.log_aggregate_posterior(torch.zeros(3, 2), torch.zeros(4, 2), torch.zeros(4, 1))


def test_nll_does_not_depend_on_how_rows_are_split(digits, monkeypatch):
    torch.manual_seed(0)
    model = VAE(latent_dim=3, hidden_dims=(16,))
    x = metrics.binarize(digits[:5])
    whole = metrics.vae_nll(model, x, n_samples=4_000, progress=False)
    monkeypatch.setattr(likelihood, "ROWS_AT_ONCE", 512)
    assert metrics.vae_nll(model, x, n_samples=4_000, progress=False) == pytest.approx(whole, abs=0.3)


def test_measures_do_not_disturb_the_global_generator(digits):
    model = VAE()
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    metrics.vae_nll(model, metrics.binarize(digits[:2]), n_samples=10, progress=False)
    metrics.elbo_terms(model, digits[:2])
    torch.testing.assert_close(torch.randn(4), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: metrics.squared_error(x[:2], x), "esperava a mesma"),
        (lambda x: metrics.ssim(x[:2], x), "esperava a mesma"),
        (lambda x: metrics.psnr(x.flatten(1), x.flatten(1)), r"esperava \(B, 1, 28, 28\)"),
        (lambda x: metrics.PCA.fit(x, 0), "inteiro de 1 a 784"),
        (lambda x: metrics.PCA.fit(x, 785), "inteiro de 1 a 784"),
        (lambda x: metrics.vae_nll(VAE(), x), "binários"),
        (lambda x: metrics.vae_nll(VAE(), x, likelihood="poisson"), "bernoulli"),
        (lambda x: metrics.vae_nll(VAE(), metrics.binarize(x), n_samples=0), "n_samples"),
        (lambda x: metrics.elbo_terms(VAE(), x, n_samples=0), "n_samples"),
        (lambda x: metrics.elbo_terms(VAE(), x, variance=0.0), "variance"),
        (lambda x: metrics.elbo_terms(VAE(n_classes=10), x), "y: falta a classe"),
    ],
)
def test_bad_input_is_refused_in_portuguese(digits, call, message):
    with pytest.raises(ValueError, match=message):
        call(digits[:4])


def test_expect_range_says_where_the_number_fell(capsys):
    metrics.expect_range("erro", 1.5, 1, 2, unit="nats")
    metrics.expect_range("erro", 2.5, 1, 2, causes=["taxa alta demais"])
    metrics.expect_range("erro", 2.5, 1, 2, applies=False)
    metrics.expect_range("erro", math.nan, 1, 2)
    inside, outside, cause, elsewhere, not_a_number = capsys.readouterr().out.splitlines()
    assert inside == "✔ erro: 1,5 nats (faixa esperada: 1 a 2)"
    assert outside.startswith("✘")
    assert "taxa alta demais" in cause
    assert elsewhere.startswith("•")
    assert not_a_number.startswith("✘")


def test_parameter_count_ignores_frozen_parameters():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert metrics.parameter_count(model) == 6


class Walks(torch.nn.Module):
    """Roda a rede ``steps`` vezes por amostra, e uma camada sua só uma vez."""

    def __init__(self, steps):
        super().__init__()
        self.first, self.network, self.steps = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), steps

    def sample(self, n):
        x = self.first(torch.randn(n, 2))
        for _ in range(self.steps):
            x = self.network(x)
        return x


def test_network_evaluations_are_counted_and_leave_nothing_behind():
    sampler = Walks(7)
    before = torch.get_rng_state()
    assert metrics.network_evaluations(sampler) == 7
    assert torch.equal(before, torch.get_rng_state())
    assert not sampler.network._forward_pre_hooks
    assert metrics.network_evaluations(Walks(1)) == 1
