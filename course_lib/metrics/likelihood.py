"""Verossimilhança de um VAE: os termos da ELBO e a estimativa por amostragem por importância, em nats."""

from __future__ import annotations

import math

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

# Linhas (imagem, amostra) decodificadas de uma vez: 16.384 × 784 × 4 bytes = 51 MB por tensor intermediário.
ROWS_AT_ONCE = 16_384

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
            log_px = log_likelihood(model, x, z, likelihood=likelihood, variance=variance)
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
                log_w = log_importance_weights(model, x, mu, logvar, eps, likelihood=likelihood, variance=variance)
                log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_w, dim=0))
            total += (math.log(n_samples) - log_sum).sum().item()
    return total / len(images)


def _check_support(images: Tensor, likelihood: str, variance: float) -> None:
    checks.images(images, "images")
    checks.one_of(likelihood, "likelihood", LIKELIHOODS)
    checks.number(variance, "variance", "(0, inf)")
    checks.require(
        likelihood == "gaussian" or bool((images.abs() == 1).all()),
        "images: a verossimilhança de Bernoulli só existe para pixels binários; passe as imagens por binarize()",
    )
