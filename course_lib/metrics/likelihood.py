"""Verossimilhança de um VAE: os termos da ELBO e a estimativa por amostragem por importância, em nats."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib import checks, runtime
from course_lib.models.vae import (
    DOCUMENT_VARIANCE,
    VAE,
    draw_binary,
    kl_to_standard_normal,
    log_importance_weights,
    log_likelihood,
)

# Linhas (imagem, amostra) sorteadas de uma vez; mudá-lo muda os sorteios. E decodificadas de uma vez: 512 × 784 × 4
# bytes = 1,6 MB por tensor intermediário, que cabem no cache do processador.
ROWS_AT_ONCE = 16_384
DECODED_AT_ONCE = 512

# Pares (sorteio, nuvem) de uma vez: 1 milhão × 8 bytes = 8 MB por tensor intermediário.
PAIRS_AT_ONCE = 1_000_000

LIKELIHOODS = ("bernoulli", "gaussian")


def binarize(images: Tensor, *, seed: int | None = None) -> Tensor:
    """Imagens com pixels só em {-1, 1}.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        seed: sem ela, limiar em 0 (binarização fixa e determinista); com ela, cada pixel aceso com probabilidade igual
            à sua intensidade (um sorteio de binarização dinâmica). Verossimilhanças das duas não se comparam.
    """
    if seed is None:
        return torch.where(images > 0, 1.0, -1.0)
    return draw_binary(images, torch.Generator(images.device).manual_seed(seed))


@torch.no_grad()
def elbo_terms(
    model: VAE,
    images: Tensor,
    *,
    likelihood: str = "gaussian",
    variance: float = DOCUMENT_VARIANCE,
    n_samples: int = 1,
    seed: int = 0,
) -> dict[str, float]:
    r"""Termos da ELBO em nats por imagem, com as constantes: :math:`E_q[\log p(x|z)] - \mathrm{KL}(q\,\|\,p)`.

    Args:
        model: o VAE.
        images: (N, 1, 28, 28) em [-1, 1]; só -1 e 1 para ``"bernoulli"``.
        likelihood: ``"gaussian"`` ou ``"bernoulli"``.
        variance: σ² da gaussiana.
        n_samples: amostras de q(z|x) por imagem na esperança.
        seed: semente dessas amostras.

    Returns:
        ``log_likelihood``, ``kl`` e ``elbo`` (a diferença das duas).

    Raises:
        ValueError: verossimilhança desconhecida, ou imagens fora do suporte dela.
    """
    _check_support(images, likelihood, variance)
    n_samples = checks.integer(n_samples, "n_samples")
    reconstruction = kl = 0.0
    with runtime.isolated_seed(seed):
        for x in images.split(max(1, ROWS_AT_ONCE // n_samples)):
            mu, logvar = model.encode(x)
            z = mu + torch.randn(n_samples, *mu.shape, device=mu.device) * (0.5 * logvar).exp()
            at_once = max(1, DECODED_AT_ONCE // n_samples)
            for piece in zip(x.split(at_once), z.split(at_once, dim=1), strict=True):
                log_px = log_likelihood(model, *piece, likelihood=likelihood, variance=variance)
                reconstruction += log_px.mean(0).sum().item()
            kl += kl_to_standard_normal(mu, logvar).sum().item()
    n = len(images)
    return {"log_likelihood": reconstruction / n, "kl": kl / n, "elbo": (reconstruction - kl) / n}


@torch.no_grad()
def vae_nll(
    model: VAE,
    images: Tensor,
    *,
    likelihood: str = "bernoulli",
    variance: float = DOCUMENT_VARIANCE,
    n_samples: int = 1_000,
    seed: int = 0,
    progress: bool = True,
) -> float:
    r"""Log-verossimilhança negativa por amostragem por importância, em nats por imagem.

    .. math:: -\log \frac{1}{S}\sum_{s=1}^{S} \frac{p(x|z_s)\,p(z_s)}{q(z_s|x)}, \quad z_s \sim q(z|x)

    Em média é uma cota superior da verdadeira, que se aperta quando S cresce. A memória fica abaixo de 1 GB, seja qual
    for o número de imagens e de amostras.

    Args:
        model: o VAE.
        images: (N, 1, 28, 28) em [-1, 1]; só -1 e 1 para ``"bernoulli"`` (veja :func:`binarize`).
        likelihood: ``"bernoulli"`` ou ``"gaussian"``.
        variance: σ² da gaussiana.
        n_samples: S; abaixo de 1.000 o número não se compara com os publicados.
        seed: semente das amostras.
        progress: se há barra de progresso.

    Raises:
        ValueError: verossimilhança desconhecida, imagens fora do suporte, ou ``n_samples`` menor que 1.

    Referência:
        Burda, Grosse e Salakhutdinov (2016), *Importance weighted autoencoders*, equação 8.
    """
    _check_support(images, likelihood, variance)
    n_samples = checks.integer(n_samples, "n_samples")
    options: dict[str, Any] = {"likelihood": likelihood, "variance": variance}
    images_at_once = max(1, ROWS_AT_ONCE // n_samples)
    total = 0.0
    chunks = images.split(images_at_once)
    with runtime.isolated_seed(seed):
        for x in tqdm(chunks, desc="verossimilhança", unit="lote", disable=not progress):
            mu, logvar = model.encode(x)
            log_sum = torch.full((len(x),), -math.inf, device=x.device)
            for start in range(0, n_samples, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, n_samples - start)
                eps = torch.randn(count, *mu.shape, device=mu.device)
                at_once = max(1, DECODED_AT_ONCE // count)
                pieces = zip(*(part.split(at_once) for part in (x, mu, logvar)), eps.split(at_once, dim=1), strict=True)
                found = [log_importance_weights(model, *piece, **options).logsumexp(0) for piece in pieces]
                log_sum = torch.logaddexp(log_sum, torch.cat(found))
            total += (math.log(n_samples) - log_sum).sum().item()
    return total / len(images)


def log_aggregate_posterior(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    r"""Logaritmo de :math:`q(z) = \frac{1}{N}\sum_n q(z|x_n)`, a média das nuvens de N imagens, em nats.

    Args:
        z: (M, D), onde calcular.
        mu: (N, D), as médias das nuvens.
        logvar: (N, D), os logaritmos das variâncias.

    Returns:
        (M,).

    Raises:
        ValueError: ``mu`` e ``logvar`` têm formas diferentes, ou não há nuvens.

    Referência:
        Hoffman e Johnson (2016), *ELBO surgery*.
    """
    checks.shape(mu, "mu", "N", "D")
    checks.same_shape("mu e logvar", mu, logvar)
    checks.shape(z, "z", "M", mu.shape[1])
    checks.require(len(mu) > 0, "mu: é preciso ao menos uma nuvem")
    return torch.cat([pairs.logsumexp(1) for pairs in _cloud_log_densities(z, mu, logvar)]) - math.log(len(mu))


def _cloud_log_densities(z: Tensor, mu: Tensor, logvar: Tensor) -> Iterator[Tensor]:
    """log q(z_m|x_n), (m, N) de cada vez; em float64, porque os quadrados de nuvens estreitas quase se cancelam."""
    dtype = z.dtype
    z, mu, logvar = z.double(), mu.double(), logvar.double()
    inverse = (-logvar).exp()  # 1/σ², (N, D)
    constant = (mu.square() * inverse + logvar + math.log(2 * math.pi)).sum(1)  # (N,)
    for part in z.split(max(1, PAIRS_AT_ONCE // len(mu))):
        squared = part.square() @ inverse.T - 2 * part @ (mu * inverse).T + constant
        yield (-0.5 * squared).to(dtype)


@torch.no_grad()
def rate_terms(model: VAE, images: Tensor, *, n_draws: int = 2_000, seed: int = 0) -> dict[str, float]:
    r"""A taxa de um VAE partida em duas: o que informa sobre x e o que afasta q(z) da priori, em nats por imagem.

    .. math:: E_x[\mathrm{KL}(q(z|x)\,\|\,p(z))] = E_x[\mathrm{KL}(q(z|x)\,\|\,q(z))] + \mathrm{KL}(q(z)\,\|\,p(z))

    Aqui q(z) é a média das nuvens das N imagens dadas, e por isso a informação, que é sobre *qual* das N é x, nunca
    passa de log N. Quem quer saber da população de onde elas vieram tem dois limites: ``information``, por baixo, e
    ``information_bound``, que deixa de fora a nuvem da própria imagem e em média fica acima.

    Args:
        model: o VAE.
        images: (N, 1, 28, 28) em [-1, 1], ao menos duas.
        n_draws: de quantas das imagens sortear um z para estimar a informação; a taxa é calculada em todas.
        seed: semente desses sorteios.

    Returns:
        ``rate`` (a KL média), ``information``, ``aggregate_kl`` (a diferença das duas) e ``information_bound``.

    Raises:
        ValueError: há menos de duas imagens, ou ``n_draws`` não é um inteiro maior que zero.

    Referência:
        Hoffman e Johnson (2016), *ELBO surgery*; Poole et al. (2019), *On variational bounds of mutual information*,
        seção 2.
    """
    checks.images(images, "images")
    checks.require(len(images) > 1, "images: são precisas ao menos duas, para que uma se distinga da outra")
    checks.integer(n_draws, "n_draws")
    mu, logvar = (torch.cat(parts) for parts in zip(*map(model.encode, images.split(ROWS_AT_ONCE)), strict=True))
    with runtime.isolated_seed(seed):
        chosen = torch.randperm(len(images), device=mu.device)[:n_draws]
        z = model.reparameterize(mu[chosen], logvar[chosen])
    own, others = [], []
    parts = chosen.split(max(1, PAIRS_AT_ONCE // len(mu)))
    for index, pairs in zip(parts, _cloud_log_densities(z, mu, logvar), strict=True):
        column = index.unsqueeze(1)
        own.append(pairs.gather(1, column).squeeze(1))
        others.append(pairs.scatter_(1, column, -math.inf).logsumexp(1))
    log_own, log_others, n = torch.cat(own), torch.cat(others), len(images)
    rate = kl_to_standard_normal(mu, logvar).mean().item()
    information = (log_own - torch.logaddexp(log_own, log_others)).mean().item() + math.log(n)
    bound = (log_own - log_others).mean().item() + math.log(n - 1)
    return {
        "rate": rate,
        "information": information,
        "aggregate_kl": rate - information,
        "information_bound": bound,
    }


def _check_support(images: Tensor, likelihood: str, variance: float) -> None:
    checks.images(images, "images")
    checks.one_of(likelihood, "likelihood", LIKELIHOODS)
    checks.number(variance, "variance", "(0, inf)")
    checks.require(
        likelihood == "gaussian" or bool((images.abs() == 1).all()),
        "images: a verossimilhança de Bernoulli só existe para pixels binários; passe as imagens por binarize()",
    )
