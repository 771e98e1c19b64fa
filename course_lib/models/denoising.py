"""Autoencoders que tiram ruído: corromper a entrada, pedir a imagem limpa. Capítulo 02_variantes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.layers import IMAGE_SHAPE, fast_tanh, full_precision, in_pieces, standard_normal

# Acima disto o desvio já não é de pixels em [0, 1]: 25, por exemplo, é da escala de 0 a 255.
MAX_SIGMA = 10.0

# Níveis de ruído por amostra; o que custam e o que valem, mede-se com ``benchmarks.sampling``.
STEPS = 13

Corruption = Callable[[Tensor], Tensor]


def gaussian_noise(x: Tensor, sigma: float, *, generator: torch.Generator | None = None) -> Tensor:
    r"""Soma ruído gaussiano: :math:`\tilde{x} = x + 2\sigma\epsilon`, :math:`\epsilon \sim \mathcal{N}(0, I)`.

    O 2 aparece porque ``sigma`` se mede com os pixels em [0, 1] e as imagens estão em [-1, 1]. O resultado não é
    cortado: cortá-lo faria um ruído que não é gaussiano e que não tem média zero.

    Args:
        x: (B, 1, 28, 28) em [-1, 1].
        sigma: desvio padrão do ruído, de 0 a 10, com os pixels em [0, 1].
        generator: de onde sai o acaso; o gerador global quando falta.

    Returns:
        (B, 1, 28, 28), sem limites.

    Raises:
        ValueError: ``sigma`` fora da faixa.
    """
    checks.number(sigma, "sigma", f"[0, {MAX_SIGMA}]", "um desvio, com os pixels em [0, 1],")
    return x + 2 * sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def masking_noise(
    x: Tensor, fraction: float, *, value: float = -1.0, generator: torch.Generator | None = None
) -> Tensor:
    r"""Apaga cada valor com probabilidade ``fraction``: :math:`\tilde{x}_d = x_d` ou ``value``.

    Args:
        x: (B, ...).
        fraction: probabilidade de apagar, de 0 a 1.
        value: o que fica no lugar: -1, o preto das imagens; 0 para os códigos de uma camada.
        generator: de onde sai o acaso; o gerador global quando falta.

    Raises:
        ValueError: ``fraction`` fora de [0, 1].

    Referência:
        Vincent, Larochelle, Bengio e Manzagol (2008), *Extracting and composing robust features*.
    """
    return x.masked_fill(_draw(x, fraction, generator) < fraction, value)


def salt_and_pepper(x: Tensor, fraction: float, *, generator: torch.Generator | None = None) -> Tensor:
    r"""Troca cada pixel, com probabilidade ``fraction``, por preto ou branco em partes iguais.

    Args:
        x: (B, 1, 28, 28) em [-1, 1].
        fraction: probabilidade de trocar, de 0 a 1.
        generator: de onde sai o acaso; o gerador global quando falta.

    Raises:
        ValueError: ``fraction`` fora de [0, 1].
    """
    draw = _draw(x, fraction, generator)
    # Um sorteio só decide se troca e por quê: a primeira metade da fração vira preto; a segunda, branco.
    return x.masked_fill(draw < fraction, 1.0).masked_fill(draw < fraction / 2, -1.0)


def _draw(x: Tensor, fraction: float, generator: torch.Generator | None) -> Tensor:
    """Um sorteio uniforme por valor de x: fica abaixo de ``fraction`` com essa probabilidade."""
    checks.number(fraction, "fraction", "[0, 1]", "uma probabilidade")
    return torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def varied_gaussian_noise(x: Tensor, low: float, high: float, *, generator: torch.Generator | None = None) -> Tensor:
    """:func:`gaussian_noise` com um desvio por imagem, sorteado entre ``low`` e ``high`` com o logaritmo uniforme.

    Args:
        x: (B, 1, 28, 28) em [-1, 1].
        low: menor desvio, maior que 0, com os pixels em [0, 1].
        high: maior desvio, até 10.
        generator: de onde sai o acaso; o gerador global quando falta.

    Raises:
        ValueError: a faixa é vazia ou sai de (0, 10].
    """
    checks.span(low, high, "low e high", MAX_SIGMA)
    u = torch.rand(len(x), 1, 1, 1, generator=generator, dtype=x.dtype, device=x.device)
    return x + low * (high / low) ** u * gaussian_noise(torch.zeros_like(x), 1.0, generator=generator)


class DenoisingAutoencoder(Autoencoder):
    r"""O autoencoder denso, com uma diferença: a entrada pode vir corrompida, fora de [-1, 1].

    O que o faz tirar ruído não está na rede, e sim em :func:`denoising_objective`.

    Args:
        latent_dim: dimensões do código; pode passar de 784, porque copiar a entrada já não basta.
        hidden_dims: larguras entre a imagem e o código.
        relu_code: se o código passa por ReLU.

    Referência:
        Vincent, Larochelle, Lajoie, Bengio e Manzagol (2010), *Stacked denoising autoencoders*.
    """

    input_in_range = False

    def __init__(self, latent_dim: int = 500, hidden_dims: tuple[int, ...] = (), *, relu_code: bool = True) -> None:
        super().__init__(latent_dim, hidden_dims, relu_code=relu_code)


class ConvDenoiser(nn.Module):
    r"""Rede convolucional que estima a imagem limpa em qualquer nível de ruído: :math:`\hat{x} = D(\tilde{x})`.

    Ela vê a imagem em três tamanhos (28, 14 e 7); em cada subida recebe também o que viu na descida, que guarda a
    posição exata dos traços. Ninguém lhe diz o nível do ruído: ela o lê na própria imagem.

    Args:
        width: canais no tamanho 28; o 14 tem o dobro, e o 7, quatro vezes.
        sigma_min: menor desvio do ruído que a rede aprende a tirar, e último de :meth:`sample`.
        sigma_max: maior deles, e o primeiro de :meth:`sample`.

    Raises:
        ValueError: ``width`` menor que 1 ou faixa de ruído inválida.

    Referência:
        Ronneberger, Fischer e Brox (2015), *U-Net*; Kadkhodaie e Simoncelli (2021), *Stochastic solutions for linear
        inverse problems using the prior implicit in a denoiser*.
    """

    def __init__(self, width: int = 16, *, sigma_min: float = 0.05, sigma_max: float = 5.0) -> None:
        super().__init__()
        width = checks.integer(width, "width")
        checks.span(sigma_min, sigma_max, "sigma_min e sigma_max", MAX_SIGMA, strict=True)
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.down_28 = _conv(1, width)
        self.down_14 = nn.Sequential(_conv(width, 2 * width, stride=2), _conv(2 * width, 2 * width))
        self.down_7 = nn.Sequential(
            _conv(2 * width, 4 * width, stride=2), _conv(4 * width, 4 * width), _conv(4 * width, 4 * width)
        )
        self.up_14 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.merge_14 = _conv(4 * width, 2 * width)
        self.up_28 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge_28 = _conv(2 * width, width)
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def corrupt(self, x: Tensor) -> Tensor:
        """O ruído com que a rede treina: um nível por imagem, de ``sigma_min`` a ``sigma_max``."""
        return varied_gaussian_noise(x, self.sigma_min, self.sigma_max)

    def forward(self, x: Tensor) -> Tensor:
        """Imagem limpa estimada, (B, 1, 28, 28) em (-1, 1), da imagem ruidosa x (B, 1, 28, 28), sem limites.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens.
        """
        checks.images(x, in_range=False)
        # Com desvio 5 os pixels passam de 20: dividir pelo tamanho típico dá à rede números parecidos em todo nível.
        scale = x.flatten(1).square().mean(1).add(1e-6).sqrt().view(-1, 1, 1, 1)
        h_28 = self.down_28(x / scale)  # (B, W, 28, 28)
        h_14 = self.down_14(h_28)  # (B, 2W, 14, 14)
        h_7 = self.down_7(h_14)  # (B, 4W, 7, 7)
        h_14 = self.merge_14(torch.cat([self.up_14(h_7), h_14], 1))
        h_28 = self.merge_28(torch.cat([self.up_28(h_14), h_28], 1))
        return fast_tanh(full_precision(self.out, h_28))

    @torch.no_grad()
    def sample(self, n: int, *, steps: int = STEPS, order: int = 2) -> Tensor:
        r"""``n`` imagens (n, 1, 28, 28) em (-1, 1), do ruído puro à imagem, tirando um pouco de ruído por passo.

        .. math:: x_{k+1} = \hat{x} + \tfrac{\sigma_{k+1}^2}{\sigma_k^2}(x_k - \hat{x})
                  + 2\,\sigma_{k+1}\sqrt{1 - \sigma_{k+1}^2 / \sigma_k^2}\;\epsilon

        É a média e o desvio de :math:`x_{k+1}` dados :math:`x_k` e a imagem limpa, com a estimativa no lugar dela. A
        estimativa muda no caminho: com ``order=2`` usa-se a do meio dele, na reta que passa pela de agora e pela do
        nível anterior, :math:`\tfrac{3}{2}\hat{x}_k - \tfrac{1}{2}\hat{x}_{k-1}`, e bastam menos níveis.

        Args:
            n: quantas imagens.
            steps: quantos níveis de ruído, em progressão geométrica de ``sigma_max`` a ``sigma_min``.
            order: 1 ou 2.

        Raises:
            ValueError: ``n`` menor que 1, ``steps`` menor que 2, ou ``order`` nem 1 nem 2.

        Referência:
            Song e Ermon (2019), *Generative modeling by estimating gradients of the data distribution*; Ho, Jain e
            Abbeel (2020), equação 7; a segunda ordem é de Lu et al. (2022), *DPM-Solver++*, seção 5.
        """
        steps, order = checks.integer(steps, "steps", low=2), checks.integer(order, "order", high=2)
        ratio = (self.sigma_min / self.sigma_max) ** (1 / (steps - 1))
        x = 2 * self.sigma_max * standard_normal(n, *IMAGE_SHAPE, like=self)
        before = None
        for k in range(1, steps):
            sigma = self.sigma_max * ratio**k
            x_hat = in_pieces(self, x)
            aim = x_hat if order == 1 or before is None else torch.lerp(before, x_hat, 1.5)
            x = torch.lerp(aim, x, ratio**2) + 2 * sigma * math.sqrt(1 - ratio**2) * torch.randn_like(x)
            before = x_hat
        return in_pieces(self, x)


def denoising_objective(model: nn.Module, batch: Batch, *, corrupt: Corruption) -> Terms:
    r"""Entrada corrompida, alvo limpo: :math:`\frac{1}{BD}\sum_{b,d}(g(f(\tilde{x}))_{bd} - x_{bd})^2`.

    Com ruído gaussiano, a rede que minimiza isto é :math:`\mathbb{E}[x \mid \tilde{x}]`, e daí sai o escore:
    :math:`\nabla \log p_\sigma(\tilde{x}) = (\mathbb{E}[x \mid \tilde{x}] - \tilde{x}) / \sigma^2`.

    Args:
        model: leva x̃ em x_hat da mesma forma.
        batch: lote com ``x`` limpo.
        corrupt: leva x em x̃ da mesma forma; sorteia de novo a cada lote.

    Returns:
        ``{"loss": ()}``, média sobre lote e pixels, em unidades de pixel em [-1, 1].

    Referência:
        Vincent e outros (2008); Vincent (2011), *A connection between score matching and denoising autoencoders*.
    """
    return {"loss": F.mse_loss(model(corrupt(batch.x)), batch.x)}


def _conv(n_in: int, n_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1), nn.ReLU())
