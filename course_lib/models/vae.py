"""Autoencoder variacional: uma distribuição no lugar de um código. Capítulo 03_vae."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.layers import (
    IMAGE_DIM,
    IMAGE_SHAPE,
    class_dim,
    draw_classes,
    fast_tanh,
    full_precision,
    mlp,
    pixels,
    standard_normal,
    widths_between,
    with_class,
)

# O documento divide o erro quadrático por beta = 10. Como -log N(x; x_hat, σ²) = ‖x - x_hat‖² / 2σ² + constante, isso
# é supor em cada pixel uma gaussiana de variância σ² = 10 / 2.
DOCUMENT_VARIANCE = 5.0


class VAE(nn.Module):
    r"""VAE denso: :math:`q(z|x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))`, :math:`p(z) = N(0, I)`.

    Com os valores padrão é a rede 784-400-20-400-784 do documento de origem. O mesmo decodificador serve às duas
    verossimilhanças: se ``a`` é a saída da última camada, a média gaussiana é ``tanh(a)`` em (-1, 1), e a
    probabilidade de um pixel aceso é ``(tanh(a) + 1) / 2 = sigmoid(2a)``, cujo logit é ``2a``.

    Com ``n_classes`` o VAE é condicional: o codificador recebe a classe junto da imagem, o decodificador a recebe
    junto de z, e o que se modela é :math:`p(x|y)`.

    Args:
        latent_dim: dimensões de z.
        hidden_dims: larguras entre a imagem e o código; o decodificador as percorre ao contrário.
        n_classes: classes de um VAE condicional; o comum não as tem.

    Raises:
        ValueError: não há camada oculta, ou alguma largura ou ``n_classes`` é menor que 1.

    Referência:
        Kingma e Welling (2013), *Auto-encoding variational Bayes*, apêndices B e C; Sohn, Lee e Yan (2015), *Learning
        structured output representation using deep conditional generative models*.
    """

    def __init__(
        self, latent_dim: int = 20, hidden_dims: Sequence[int] = (400,), *, n_classes: int | None = None
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.n_classes = n_classes
        # As duas saídas, mu e logvar, são duas fatias de uma só camada: um produto de matrizes em vez de dois.
        *widths, n_out = widths_between(IMAGE_DIM + class_dim(n_classes), hidden_dims, 2 * latent_dim, least=1)
        self.encoder = nn.Sequential(mlp(widths), nn.ReLU())
        self.posterior = mlp((widths[-1], n_out))
        self.decoder = mlp((latent_dim + class_dim(n_classes), *reversed(hidden_dims), IMAGE_DIM))

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Parâmetros de q(z|x), ou de q(z|x, y) no VAE condicional.

        Args:
            x: (B, 1, 28, 28) em [-1, 1].
            y: (B,) classes de 0 a n_classes - 1; só no VAE condicional, e nele sempre.

        Returns:
            ``(mu, logvar)``, cada um (B, latent_dim).

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens, ou ``y`` falta, sobra ou não é das classes.
        """
        h = self.encoder(with_class(pixels(x, self.encoder), y, self.n_classes))
        mu, logvar = full_precision(self.posterior, h).chunk(2, dim=1)
        return mu, logvar

    @staticmethod
    def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor | None = None) -> Tensor:
        r"""Amostra de q(z|x) derivável em mu e logvar: :math:`z = \mu + \sigma\,\epsilon`.

        Args:
            mu: (B, latent_dim).
            logvar: (B, latent_dim), logaritmo da variância.
            eps: (B, latent_dim) de N(0, I); sorteado quando falta.

        Returns:
            z (B, latent_dim).

        Raises:
            ValueError: as formas diferem.

        Referência:
            Kingma e Welling (2013), seção 2.4.
        """
        eps = torch.randn_like(mu) if eps is None else eps
        # Um eps (D,) ou (1, D) se propagaria em silêncio: o mesmo ruído em todas as imagens do lote.
        checks.same_shape("mu, logvar e eps", mu, logvar, eps)
        return torch.addcmul(mu, eps, torch.exp(0.5 * logvar))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Imagens médias (B, 1, 28, 28) em (-1, 1) de z (B, latent_dim) e, no VAE condicional, das classes y (B,).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma, ou ``y`` falta, sobra ou não é das classes.
        """
        return fast_tanh(self._decode(z, y))

    def decode_logits(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (B, 1, 28, 28) de cada pixel estar aceso, na leitura de Bernoulli do mesmo decodificador.

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma, ou ``y`` falta, sobra ou não é das classes.
        """
        return 2.0 * self._decode(z, y)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """``(x_hat, mu, logvar)`` de x (B, 1, 28, 28), com z sorteado de q(z|x)."""
        mu, logvar = self.encode(x, y)
        return self.decode(self.reparameterize(mu, logvar), y), mu, logvar

    @torch.no_grad()
    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) em (-1, 1): z de N(0, I), decodificado.

        Args:
            n: quantas imagens.
            y: (n,) classes pedidas a um VAE condicional; sorteadas por igual quando faltam.

        Raises:
            ValueError: ``n`` menor que 1, ou ``y`` num VAE que não é condicional.
        """
        y = draw_classes(n, self.n_classes, like=self) if y is None else y
        return self.decode(standard_normal(n, self.latent_dim, like=self), y)

    def _decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        checks.codes(z, self.latent_dim, self.decoder)
        return full_precision(self.decoder, with_class(z, y, self.n_classes)).view(-1, *IMAGE_SHAPE)


def draw_binary(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Imagens com pixels só em {-1, 1}: cada pixel aceso com probabilidade igual à sua intensidade.

    É a binarização dinâmica quando o sorteio se refaz a cada lote.

    Args:
        images: (B, 1, 28, 28) em [-1, 1].
        generator: de onde sortear; o gerador global quando falta.

    Returns:
        Da forma de ``images``.

    Referência:
        Salakhutdinov e Murray (2008), *On the quantitative analysis of deep belief networks*.
    """
    uniform = torch.rand(images.shape, generator=generator, device=images.device)
    return torch.where(uniform < (images + 1) / 2, 1.0, -1.0).to(images.dtype)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""KL de N(mu, diag exp(logvar)) a N(0, I), em nats.

    .. math:: \frac{1}{2}\sum_j \left(\mu_j^2 + e^{\ell_j} - 1 - \ell_j\right)

    Args:
        mu: (B, D).
        logvar: (B, D).

    Returns:
        (B,), nunca negativa.

    Raises:
        ValueError: as formas diferem.

    Referência:
        Kingma e Welling (2013), apêndice B.
    """
    checks.same_shape("mu e logvar", mu, logvar)
    return 0.5 * (mu.square() + logvar.expm1() - logvar).sum(1)


def gaussian_objective(model: VAE, batch: Batch, *, variance: float = DOCUMENT_VARIANCE, beta: float = 1.0) -> Terms:
    r"""ELBO negativa com verossimilhança gaussiana, sem a constante :math:`\frac{D}{2}\log 2\pi\sigma^2`.

    .. math:: \frac{1}{2\sigma^2}\lVert x - \hat{x} \rVert^2 + \beta\,\mathrm{KL}(q(z|x)\,\|\,p(z))

    Args:
        model: o VAE.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1] e, se o VAE é condicional, ``labels`` (B,).
        variance: σ² de cada pixel; 5 reproduz a perda do documento (erro quadrático dividido por 10).
        beta: peso da KL; 1 é a ELBO.

    Returns:
        ``loss``, ``reconstruction`` (soma dos quadrados) e ``kl``: somas sobre dimensões, médias sobre o lote.

    Raises:
        ValueError: ``variance`` não é positiva ou ``beta`` é negativo.

    Referência:
        Kingma e Welling (2013), equação 10; Higgins et al. (2017), *beta-VAE*.
    """
    checks.number(variance, "variance", "(0, inf)")
    x_hat, mu, logvar = model(batch.x, _classes(model, batch))
    n = len(batch.x)
    reconstruction = F.mse_loss(x_hat, batch.x, reduction="sum") / n
    kl = kl_to_standard_normal(mu, logvar).mean()
    return {
        "loss": _negative_elbo(reconstruction / (2 * variance), kl, beta),
        "reconstruction": reconstruction,
        "kl": kl,
    }


def bernoulli_objective(model: VAE, batch: Batch, *, beta: float = 1.0, binarize: bool = False) -> Terms:
    r"""ELBO negativa com verossimilhança de Bernoulli nos pixels em [0, 1], em nats por imagem.

    Os pixels de [-1, 1] são levados a [0, 1] aqui: entropia cruzada fora dessa faixa não tem sentido. Com pixels
    binários é uma cota da log-verossimilhança; com tons de cinza, só um erro de reconstrução.

    Args:
        model: o VAE.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1] e, se o VAE é condicional, ``labels`` (B,).
        beta: peso da KL; 1 é a ELBO.
        binarize: sorteia antes os pixels, de novo a cada lote (veja :func:`draw_binary`).

    Returns:
        ``loss``, ``reconstruction`` (entropia cruzada) e ``kl``: somas sobre dimensões, médias sobre o lote.

    Raises:
        ValueError: ``beta`` negativo.

    Referência:
        Kingma e Welling (2013), apêndice C.1.
    """
    x, y = draw_binary(batch.x) if binarize else batch.x, _classes(model, batch)
    mu, logvar = model.encode(x, y)
    logits = model.decode_logits(model.reparameterize(mu, logvar), y)
    target = (x + 1) / 2
    reconstruction = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(x)
    kl = kl_to_standard_normal(mu, logvar).mean()
    return {"loss": _negative_elbo(reconstruction, kl, beta), "reconstruction": reconstruction, "kl": kl}


def _negative_elbo(reconstruction: Tensor, kl: Tensor, beta: float) -> Tensor:
    checks.number(beta, "beta", "[0, inf)")
    return reconstruction + beta * kl


def iwae_objective(model: VAE, batch: Batch, *, k: int = 5, binarize: bool = False) -> Terms:
    r"""Cota de importância negativa, com verossimilhança de Bernoulli, em nats por imagem.

    .. math:: -E\left[\log \frac{1}{k}\sum_{s=1}^{k} w_s\right], \quad
        w_s = \frac{p(x|z_s)\,p(z_s)}{q(z_s|x)}, \quad z_s \sim q(z|x)

    Com k = 1 é a ELBO, com a KL estimada no mesmo sorteio em vez de calculada; em média, aperta-se quando k cresce.

    Args:
        model: o VAE.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1] e, se o VAE é condicional, ``labels`` (B,).
        k: sorteios de z por imagem.
        binarize: sorteia antes os pixels, de novo a cada lote (veja :func:`draw_binary`).

    Returns:
        ``loss`` e, dos mesmos sorteios, ``elbo`` (a média de :math:`\log w_s`, que é menor que ``-loss``).

    Raises:
        ValueError: ``k`` não é um inteiro maior que zero.

    Referência:
        Burda, Grosse e Salakhutdinov (2016), *Importance weighted autoencoders*, equação 8.
    """
    k = checks.integer(k, "k")
    x, y = draw_binary(batch.x) if binarize else batch.x, _classes(model, batch)
    mu, logvar = model.encode(x, y)
    eps = torch.randn(k, *mu.shape, device=mu.device, dtype=mu.dtype)
    log_w = log_importance_weights(model, x, mu, logvar, eps, y=y)
    bound = torch.logsumexp(log_w, dim=0) - math.log(k)
    return {"loss": -bound.mean(), "elbo": log_w.mean()}


def log_likelihood(
    model: VAE,
    x: Tensor,
    z: Tensor,
    *,
    y: Tensor | None = None,
    likelihood: str = "bernoulli",
    variance: float = DOCUMENT_VARIANCE,
) -> Tensor:
    """log p(x|z) em nats, com todas as constantes.

    Args:
        model: o VAE.
        x: (B, 1, 28, 28) em [-1, 1]; só -1 e 1 para ``"bernoulli"``.
        z: (S, B, latent_dim).
        y: (B,) classes, no VAE condicional.
        likelihood: ``"bernoulli"`` ou ``"gaussian"`` (de média tanh e variância ``variance`` em cada pixel).
        variance: σ² da gaussiana.

    Returns:
        (S, B).
    """
    flat = x.flatten(1)  # (B, D)
    rows = z.flatten(0, 1)  # (S·B, latent_dim)
    classes = y.repeat(len(z)) if y is not None else None
    if likelihood == "bernoulli":
        logits = model.decode_logits(rows, classes).view(*z.shape[:2], -1)  # (S, B, D)
        target = ((flat + 1) / 2).expand_as(logits)
        return -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(2)
    mean = model.decode(rows, classes).view(*z.shape[:2], -1)
    constant = 0.5 * flat.shape[1] * math.log(2 * math.pi * variance)
    return -(flat - mean).square().sum(2) / (2 * variance) - constant


def log_importance_weights(
    model: VAE, x: Tensor, mu: Tensor, logvar: Tensor, eps: Tensor, *, y: Tensor | None = None, **options: Any
) -> Tensor:
    r"""Logaritmo dos pesos de importância :math:`w = p(x|z)\,p(z) / q(z|x)`, com :math:`z = \mu + \sigma\,\epsilon`.

    Args:
        model: o VAE.
        x: (B, 1, 28, 28) em [-1, 1].
        mu: (B, latent_dim).
        logvar: (B, latent_dim).
        eps: (S, B, latent_dim) de N(0, I).
        y: (B,) classes, no VAE condicional.
        options: a verossimilhança, como em :func:`log_likelihood`.

    Returns:
        (S, B), em nats.
    """
    z = mu + eps * (0.5 * logvar).exp()
    # log p(z) - log q(z|x): as constantes das duas normais se cancelam.
    log_ratio = 0.5 * (eps.square() - z.square() + logvar).sum(2)
    return log_likelihood(model, x, z, y=y, **options) + log_ratio


def _classes(model: VAE, batch: Any) -> Tensor | None:
    """As classes do lote, se o VAE é condicional."""
    return batch.labels if model.n_classes is not None else None
