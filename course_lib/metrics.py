"""Com o que toda família é medida. Cada função diz a unidade do que devolve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from course_lib import runtime
from course_lib.models.vae import DOCUMENT_VARIANCE, VAE, kl_to_standard_normal

# Linhas (imagem, amostra) decodificadas de uma vez: 16.384 × 784 × 4 bytes = 51 MB por tensor intermediário.
ROWS_AT_ONCE = 16_384


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Soma dos quadrados por imagem, com os pixels levados a [0, 1] (a unidade de Hinton e Salakhutdinov).

    Args:
        x_hat: (B, 1, 28, 28) em [-1, 1].
        x: (B, 1, 28, 28) em [-1, 1].

    Returns:
        (B,).

    Raises:
        ValueError: as formas diferem.
    """
    _require_same_images(x_hat, x)
    return ((x_hat - x) / 2).square().flatten(1).sum(1)


@torch.no_grad()
def reconstruction_error(reconstruct: Callable[[Tensor], Tensor], images: Tensor, *, batch_size: int = 2_000) -> float:
    """Média de :func:`squared_error` entre ``images`` e ``reconstruct(images)``, em lotes.

    Para o erro quadrático médio por pixel em [-1, 1] (a perda do documento), multiplique por 4 / 784.

    Args:
        reconstruct: leva (B, 1, 28, 28) em imagens da mesma forma; um modelo em modo de avaliação, por exemplo.
        images: (N, 1, 28, 28) em [-1, 1].
        batch_size: imagens por lote.
    """
    total = 0.0
    for x in images.split(batch_size):
        total += squared_error(reconstruct(x), x).sum().item()
    return total / len(images)


def psnr(x_hat: Tensor, x: Tensor) -> Tensor:
    r"""Razão sinal-ruído de pico por imagem, em dB: :math:`-10\log_{10}\mathrm{MSE}` com os pixels em [0, 1].

    Args:
        x_hat: (B, 1, 28, 28) em [-1, 1].
        x: (B, 1, 28, 28) em [-1, 1].

    Returns:
        (B,); infinito onde as imagens são iguais.

    Raises:
        ValueError: as formas diferem.
    """
    return -10 * torch.log10(squared_error(x_hat, x) / x[0].numel())


@dataclass(frozen=True)
class PCA:
    """Componentes principais de um conjunto de imagens: o autoencoder linear ótimo.

    Attributes:
        mean: (D,), imagem média em [-1, 1].
        components: (K, D), linhas ortonormais, da maior variância para a menor.
        variances: (K,), variância ao longo de cada componente.
    """

    mean: Tensor
    components: Tensor
    variances: Tensor

    @classmethod
    def fit(cls, images: Tensor, n_components: int) -> PCA:
        """Ajusta às imagens (N, 1, 28, 28), pelos autovetores da matriz de covariância em float64.

        Raises:
            ValueError: ``n_components`` fora de 1 a 784.
        """
        runtime.require_images(images, "images")
        x = images.flatten(1)
        dim = x.shape[1]
        runtime.require(
            1 <= n_components <= dim, f"n_components: veio {n_components}; esperava um inteiro de 1 a {dim}"
        )
        mean = x.mean(0, dtype=torch.float64)
        gram = torch.zeros(dim, dim, dtype=torch.float64, device=x.device)
        for chunk in x.split(10_000):
            centred = chunk.double() - mean
            gram += centred.T @ centred
        variances, vectors = torch.linalg.eigh(gram / len(x))
        order = variances.argsort(descending=True)[:n_components]
        return cls(mean.float(), vectors[:, order].T.float().contiguous(), variances[order].float())

    def encode(self, x: Tensor) -> Tensor:
        """Coordenadas (B, K) de x (B, 1, 28, 28)."""
        return (x.flatten(1) - self.mean) @ self.components.T

    def decode(self, z: Tensor) -> Tensor:
        """Imagens (B, 1, 28, 28) de z (B, K)."""
        return (z @ self.components + self.mean).view(-1, 1, 28, 28)

    def __call__(self, x: Tensor) -> Tensor:
        """Reconstrução (B, 1, 28, 28) de x."""
        return self.decode(self.encode(x))


def binarize(images: Tensor, *, seed: int | None = None) -> Tensor:
    """Imagens com pixels só em {-1, 1}.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        seed: sem ela, limiar em 0 (binarização fixa e determinista); com ela, cada pixel aceso com probabilidade igual
            à sua intensidade (um sorteio de binarização dinâmica). Verossimilhanças das duas não se comparam.
    """
    if seed is None:
        return torch.where(images > 0, 1.0, -1.0)
    generator = torch.Generator(images.device).manual_seed(seed)
    uniform = torch.rand(images.shape, generator=generator, device=images.device)
    return torch.where(uniform < (images + 1) / 2, 1.0, -1.0)


def log_likelihood(model: VAE, x: Tensor, z: Tensor, *, likelihood: str, variance: float) -> Tensor:
    """log p(x|z) em nats, com todas as constantes.

    Args:
        model: o VAE.
        x: (B, 1, 28, 28) em [-1, 1]; só -1 e 1 para ``"bernoulli"``.
        z: (S, B, latent_dim).
        likelihood: ``"bernoulli"`` ou ``"gaussian"`` (de média tanh e variância ``variance`` em cada pixel).
        variance: σ² da gaussiana.

    Returns:
        (S, B).
    """
    flat = x.flatten(1)  # (B, D)
    rows = z.flatten(0, 1)  # (S·B, latent_dim)
    if likelihood == "bernoulli":
        logits = model.decode_logits(rows).view(*z.shape[:2], -1)  # (S, B, D)
        # log p = x·a - log(1 + e^a), somada nos pixels; o primeiro termo é um produto interno.
        return torch.einsum("sbd,bd->sb", logits, (flat + 1) / 2) - F.softplus(logits).sum(2)
    mean = model.decode(rows).view(*z.shape[:2], -1)
    constant = 0.5 * flat.shape[1] * math.log(2 * math.pi * variance)
    return -(flat - mean).square().sum(2) / (2 * variance) - constant


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
    _require_support(images, likelihood, variance)
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
    _require_support(images, likelihood, variance)
    runtime.require(n_samples >= 1, f"n_samples: veio {n_samples}; esperava pelo menos 1")
    images_at_once = max(1, ROWS_AT_ONCE // n_samples)
    total = 0.0
    chunks = images.split(images_at_once)
    with runtime.isolated_seed(seed):
        for x in tqdm(chunks, desc="verossimilhança", unit="lote", disable=not progress):
            mu, logvar = model.encode(x)
            std = (0.5 * logvar).exp()
            log_sum = torch.full((len(x),), -math.inf, device=x.device)
            for start in range(0, n_samples, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, n_samples - start)
                eps = torch.randn(count, *mu.shape, device=mu.device)
                z = mu + eps * std
                # log p(z) - log q(z|x): as constantes das duas normais se cancelam.
                log_ratio = 0.5 * (eps.square() - z.square() + logvar).sum(2)
                log_px = log_likelihood(model, x, z, likelihood=likelihood, variance=variance)
                log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_px + log_ratio, dim=0))
            total += (math.log(n_samples) - log_sum).sum().item()
    return total / len(images)


def expect_range(
    name: str,
    value: float,
    low: float,
    high: float,
    *,
    unit: str = "",
    causes: Sequence[str] = (),
    applies: bool = True,
) -> None:
    """Diz se um número caiu na faixa esperada: ✔ e o número, ou ✘ e as causas prováveis.

    Args:
        name: o que foi medido.
        value: o número.
        low: menor valor esperado.
        high: maior valor esperado.
        unit: unidade, escrita depois do número.
        causes: o que costuma explicar um número fora da faixa.
        applies: se a faixa vale aqui; ela costuma valer só para o MNIST verdadeiro no perfil ``padrao``.
    """
    figure = f"{name}: {value:.4g}{' ' + unit if unit else ''}"
    interval = f"faixa esperada: {low:g} a {high:g}"
    if not applies:
        print(f"• {figure} ({interval}, no MNIST verdadeiro e no perfil padrao; aqui ela não se aplica)")
    elif low <= value <= high:
        print(f"✔ {figure} ({interval})")
    else:
        print(f"✘ {figure} ({interval})")
        for cause in causes:
            print(f"    causa provável: {cause}")


def parameter_count(model: nn.Module) -> int:
    """Número de parâmetros treináveis."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _require_same_images(x_hat: Tensor, x: Tensor) -> None:
    runtime.require_images(x)
    runtime.require(
        x_hat.shape == x.shape, f"x_hat e x: vieram formas {tuple(x_hat.shape)} e {tuple(x.shape)}; esperava a mesma"
    )


def _require_support(images: Tensor, likelihood: str, variance: float) -> None:
    runtime.require_images(images, "images")
    runtime.require(
        likelihood in ("bernoulli", "gaussian"),
        f"likelihood: veio {likelihood!r}; esperava 'bernoulli' ou 'gaussian'",
    )
    if likelihood == "gaussian":
        runtime.require(variance > 0, f"variance: veio {variance}; esperava um número maior que zero")
    else:
        runtime.require(
            bool((images.abs() == 1).all()),
            "images: a verossimilhança de Bernoulli só existe para pixels binários; passe as imagens por binarize()",
        )
