"""Quanto a imagem reconstruída se afasta da original, e a referência linear: a PCA."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import checks
from course_lib.models.layers import in_pieces


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
    _check_same_images(x_hat, x)
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


def ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    r"""Semelhança estrutural (SSIM) por imagem: médias, contrastes e correlação locais.

    .. math:: \frac{(2\mu_a\mu_b + c_1)(2\sigma_{ab} + c_2)}{(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)}

    As médias são pesadas por uma janela gaussiana 11×11, de desvio 1,5, com a borda refletida; a medida é a média sobre
    todos os pixels, com :math:`c_1 = 0{,}02^2` e :math:`c_2 = 0{,}06^2`, que são os de pixels numa faixa de largura 2.

    Args:
        x_hat: (B, 1, 28, 28) em [-1, 1].
        x: (B, 1, 28, 28) em [-1, 1].

    Returns:
        (B,); 1 só onde as imagens são iguais.

    Raises:
        ValueError: as formas diferem.

    Referência:
        Wang et al. (2004), *Image quality assessment: from error visibility to structural similarity*, equação 13.
    """
    _check_same_images(x_hat, x)
    return in_pieces(_ssim, x_hat, x)


def _ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    offsets = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    window = torch.softmax(-(offsets**2) / (2 * 1.5**2), dim=0)
    padded = [F.pad(images, (5, 5, 5, 5), mode="reflect") for images in (x_hat, x)]
    products = [a * b for a, b in itertools.combinations_with_replacement(padded, 2)]
    # A janela é um produto de duas: uma passada em cada direção são 22 contas por pixel, e não 121.
    across = F.conv2d(torch.cat([*padded, *products]), window.view(1, 1, 1, -1))
    mu_a, mu_b, *squares = F.conv2d(across, window.view(1, 1, -1, 1)).chunk(5)
    # O arredondamento deixa, onde a imagem é constante, uma variância um pouco abaixo de zero.
    var_a, var_b = (squares[0] - mu_a**2).clamp(min=0), (squares[2] - mu_b**2).clamp(min=0)
    covariance = squares[1] - mu_a * mu_b
    c1, c2 = 0.02**2, 0.06**2
    luminance = (2 * mu_a * mu_b + c1) / (mu_a**2 + mu_b**2 + c1)
    return (luminance * (2 * covariance + c2) / (var_a + var_b + c2)).flatten(1).mean(1)


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
        checks.images(images, "images")
        x = images.flatten(1)
        dim = x.shape[1]
        n_components = checks.integer(n_components, "n_components", high=dim)
        mean = x.mean(0, dtype=torch.float64)
        gram = torch.zeros(dim, dim, dtype=torch.float64, device=x.device)
        for chunk in x.split(2_000):
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
        return (z @ self.components + self.mean).view(-1, *checks.IMAGE_SHAPE)

    def __call__(self, x: Tensor) -> Tensor:
        """Reconstrução (B, 1, 28, 28) de x."""
        return self.decode(self.encode(x))


def _check_same_images(x_hat: Tensor, x: Tensor) -> None:
    checks.images(x)
    checks.same_shape("x_hat e x", x_hat, x)
