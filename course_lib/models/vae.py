"""Autoencoder variacional: uma distribuição no lugar de um código. Capítulo 03_vae."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.layers import (
    IMAGE_DIM,
    IMAGE_SHAPE,
    mlp,
    require_count,
    require_dtype,
    require_latent,
    tanh,
)

# O documento divide o erro quadrático por beta = 10. Como -log N(x; x_hat, σ²) = ‖x - x_hat‖² / 2σ² + constante, isso
# é supor em cada pixel uma gaussiana de variância σ² = 10 / 2.
DOCUMENT_VARIANCE = 5.0


class VAE(nn.Module):
    r"""VAE denso: :math:`q(z|x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))`, :math:`p(z) = N(0, I)`.

    Com os valores padrão é a rede 784-400-20-400-784 do documento de origem. O mesmo decodificador serve às duas
    verossimilhanças: se ``a`` é a saída da última camada, a média gaussiana é ``tanh(a)`` em (-1, 1), e a
    probabilidade de um pixel aceso é ``(tanh(a) + 1) / 2 = sigmoid(2a)``, cujo logit é ``2a``.

    Args:
        latent_dim: dimensões de z.
        hidden_dim: largura das camadas ocultas.

    Raises:
        ValueError: alguma largura menor que 1.

    Referência:
        Kingma e Welling (2013), *Auto-encoding variational Bayes*, apêndices B e C.
    """

    def __init__(self, latent_dim: int = 20, hidden_dim: int = 400) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = nn.Sequential(mlp((IMAGE_DIM, hidden_dim)), nn.ReLU())
        # As duas saídas, mu e logvar, são duas fatias de uma só camada: um produto de matrizes em vez de dois.
        self.posterior = mlp((hidden_dim, 2 * latent_dim))
        self.decoder = mlp((latent_dim, hidden_dim, IMAGE_DIM))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Parâmetros de q(z|x).

        Args:
            x: (B, 1, 28, 28) em [-1, 1].

        Returns:
            ``(mu, logvar)``, cada um (B, latent_dim).

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        runtime.require_images(x)
        require_dtype(x, self.posterior[0])
        mu, logvar = self.posterior(self.encoder(x.flatten(1))).chunk(2, dim=1)
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
        _require_same_shape(mu, logvar)
        if eps is None:
            eps = torch.randn_like(mu)
        # Um eps (D,) ou (1, D) se propagaria em silêncio: o mesmo ruído em todas as imagens do lote.
        if eps.shape != mu.shape:
            raise ValueError(f"eps: veio forma {tuple(eps.shape)}; esperava a de mu, {tuple(mu.shape)}")
        return torch.addcmul(mu, eps, torch.exp(0.5 * logvar))

    def decode(self, z: Tensor) -> Tensor:
        """Imagens médias (B, 1, 28, 28) em (-1, 1) de z (B, latent_dim).

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        require_latent(z, self.latent_dim)
        require_dtype(z, self.decoder[0], "z")
        return tanh(self.decoder(z)).view(-1, *IMAGE_SHAPE)

    def decode_logits(self, z: Tensor) -> Tensor:
        """Logits (B, 1, 28, 28) de cada pixel estar aceso, na leitura de Bernoulli do mesmo decodificador.

        Raises:
            TypeError, ValueError: ``z`` tem outro tipo ou outra forma.
        """
        require_latent(z, self.latent_dim)
        require_dtype(z, self.decoder[0], "z")
        return 2.0 * self.decoder(z).view(-1, *IMAGE_SHAPE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(x_hat, mu, logvar)`` de x (B, 1, 28, 28), com z sorteado de q(z|x)."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """``n`` imagens (n, 1, 28, 28) em (-1, 1): z de N(0, I), decodificado.

        Raises:
            ValueError: ``n`` menor que 1.
        """
        require_count(n)
        weights = next(self.parameters())
        return self.decode(torch.randn(n, self.latent_dim, device=weights.device, dtype=weights.dtype))


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
    _require_same_shape(mu, logvar)
    return 0.5 * (mu.square() + logvar.expm1() - logvar).sum(1)


def gaussian_objective(
    model: VAE, batch, *, variance: float = DOCUMENT_VARIANCE, beta: float = 1.0
) -> dict[str, Tensor]:
    r"""ELBO negativa com verossimilhança gaussiana, sem a constante :math:`\frac{D}{2}\log 2\pi\sigma^2`.

    .. math:: \frac{1}{2\sigma^2}\lVert x - \hat{x} \rVert^2 + \beta\,\mathrm{KL}(q(z|x)\,\|\,p(z))

    Args:
        model: o VAE.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1].
        variance: σ² de cada pixel; 5 reproduz a perda do documento (erro quadrático dividido por 10).
        beta: peso da KL; 1 é a ELBO.

    Returns:
        ``loss``, ``reconstruction`` (soma dos quadrados) e ``kl``: somas sobre dimensões, médias sobre o lote.

    Raises:
        ValueError: ``variance`` não é positiva ou ``beta`` é negativo.

    Referência:
        Kingma e Welling (2013), equação 10; Higgins et al. (2017), *beta-VAE*.
    """
    runtime.require(variance > 0, f"variance: veio {variance}; esperava um número maior que zero")
    _require_beta(beta)
    x_hat, mu, logvar = model(batch.x)
    n = len(batch.x)
    reconstruction = F.mse_loss(x_hat, batch.x, reduction="sum") / n
    kl = kl_to_standard_normal(mu, logvar).mean()
    return {"loss": reconstruction / (2 * variance) + beta * kl, "reconstruction": reconstruction, "kl": kl}


def bernoulli_objective(model: VAE, batch, *, beta: float = 1.0) -> dict[str, Tensor]:
    r"""ELBO negativa com verossimilhança de Bernoulli nos pixels em [0, 1], em nats por imagem.

    Os pixels de [-1, 1] são levados a [0, 1] aqui: entropia cruzada fora dessa faixa não tem sentido. Com pixels
    binários é uma cota da log-verossimilhança; com tons de cinza, só um erro de reconstrução.

    Args:
        model: o VAE.
        batch: lote com ``x`` (B, 1, 28, 28) em [-1, 1].
        beta: peso da KL; 1 é a ELBO.

    Returns:
        ``loss``, ``reconstruction`` (entropia cruzada) e ``kl``: somas sobre dimensões, médias sobre o lote.

    Raises:
        ValueError: ``beta`` negativo.

    Referência:
        Kingma e Welling (2013), apêndice C.1.
    """
    _require_beta(beta)
    mu, logvar = model.encode(batch.x)
    logits = model.decode_logits(model.reparameterize(mu, logvar))
    target = (batch.x + 1) / 2
    reconstruction = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(batch.x)
    kl = kl_to_standard_normal(mu, logvar).mean()
    return {"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}


def _require_same_shape(mu: Tensor, logvar: Tensor) -> None:
    if mu.shape != logvar.shape:
        raise ValueError(f"mu e logvar: vieram formas {tuple(mu.shape)} e {tuple(logvar.shape)}; esperava a mesma")


def _require_beta(beta: float) -> None:
    runtime.require(beta >= 0, f"beta: veio {beta}; esperava um número maior ou igual a zero")
