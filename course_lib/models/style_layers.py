"""As peças da StyleGAN: camadas equalizadas, as duas formas de vestir um mapa com um estilo, e o desvio no lote.

Construídas no capítulo 05_stylegan; as redes feitas delas estão em :mod:`~course_lib.models.stylegan`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.layers import whole_batch

SLOPE = 0.2
# A leaky ReLU encolhe a variância de uma normal a (1 + 0,2²) / 2; este ganho a devolve a 1.
GAIN = math.sqrt(2 / (1 + SLOPE**2))
EPSILON = 1e-8


class EqualizedLinear(nn.Module):
    r"""Camada densa de taxa de aprendizado equalizada: guarda pesos N(0, 1) e os multiplica por :math:`1/\sqrt{n}`.

    O Adam anda a mesma distância em todo peso. Com a escala fora do peso, essa distância é a mesma fração do peso em
    qualquer camada, seja qual for a sua largura.

    Args:
        n_in: largura de entrada.
        n_out: largura de saída.
        bias: valor inicial do viés.
        lr_multiplier: quanto menor, mais devagar esta camada aprende, com a mesma saída inicial.

    Referência:
        Karras et al. (2018), *Progressive growing of GANs*, seção 4.1.
    """

    def __init__(self, n_in: int, n_out: int, *, bias: float = 0.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((n_out,), bias / lr_multiplier))
        self.scale = lr_multiplier / math.sqrt(n_in)
        self.lr_multiplier = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_out) de x (B, n_in)."""
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)


class EqualizedConv2d(nn.Module):
    r"""Convolução de taxa de aprendizado equalizada, que mantém a resolução; como em :class:`EqualizedLinear`.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        size: lado do núcleo, ímpar.
        bias: se há viés.
    """

    def __init__(self, n_in: int, n_out: int, size: int = 3, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self.scale = 1 / math.sqrt(n_in * size**2)

    def forward(self, h: Tensor) -> Tensor:
        """(B, n_out, H, W) de h (B, n_in, H, W)."""
        return F.conv2d(h, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)


def leaky_relu(h: Tensor) -> Tensor:
    """Leaky ReLU com o ganho que devolve à saída a variância da entrada."""
    return F.leaky_relu(h, SLOPE) * GAIN


def pixel_norm(z: Tensor) -> Tensor:
    r"""Põe cada vetor na esfera de raio :math:`\sqrt{d}`: :math:`z / \sqrt{\overline{z^2}}`, de z (B, d).

    Referência:
        Karras et al. (2018), seção 4.2.
    """
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + EPSILON)


def adaptive_instance_norm(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    r"""AdaIN: apaga a média e o desvio de cada mapa e escreve no lugar os do estilo.

    .. math:: \mathrm{AdaIN}(h_c, s, b) = s_c\,\frac{h_c - \mu(h_c)}{\sigma(h_c)} + b_c

    Média e desvio são de cada exemplo e de cada canal, sobre as posições.

    Args:
        h: (B, C, H, W).
        scale: s (B, C).
        shift: b (B, C).

    Returns:
        (B, C, H, W), em que o mapa c tem média b_c e desvio |s_c|.

    Referência:
        Karras, Laine e Aila (2019), *A style-based generator architecture*, equação 1.
    """
    # De um exemplo só, com os canais juntos na memória, o PyTorch erra o gradiente da instance_norm.
    h = F.group_norm(h, h.shape[1], eps=EPSILON) if len(h) == 1 else F.instance_norm(h, eps=EPSILON)
    return h * scale[:, :, None, None] + shift[:, :, None, None]


class SynthesisLayer(nn.Module):
    """O que toda camada da síntese tem: convolução, ruído por pixel e ativação. O estilo entra nas duas formas abaixo.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        upsample: se a resolução dobra.
        convolve: se há convolução; a primeira camada só veste a constante.
    """

    def __init__(self, n_in: int, n_out: int, *, upsample: bool = False, convolve: bool = True) -> None:
        super().__init__()
        self.conv = EqualizedConv2d(n_in, n_out, bias=False) if convolve else None
        # Depois da convolução, que assim se faz na resolução menor: um quarto do custo.
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False) if upsample else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(n_out))

    def noisy_activation(self, h: Tensor, noise: Tensor) -> Tensor:
        """Leaky ReLU de h (B, n_out, H, W) mais o ruído (B, 1, H, W), de força aprendida por canal, e o viés."""
        return leaky_relu(h + self.noise_strength[:, None, None] * noise + self.bias[:, None, None])


class AdaINLayer(SynthesisLayer):
    """Camada da StyleGAN: o estilo entra por último, e é a média e o desvio de cada mapa.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        w_dim: largura do estilo w.
        upsample: se a resolução dobra.
        convolve: se há convolução; a primeira camada só veste a constante.

    Referência:
        Karras, Laine e Aila (2019), figura 1b.
    """

    def __init__(self, n_in: int, n_out: int, w_dim: int, *, upsample: bool = False, convolve: bool = True) -> None:
        super().__init__(n_in, n_out, upsample=upsample, convolve=convolve)
        self.style = EqualizedLinear(w_dim, 2 * n_out)

    def forward(self, h: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """(B, n_out, H', W') de h (B, n_in, H, W), do estilo w (B, w_dim) e do ruído (B, 1, H', W')."""
        if self.conv is not None:
            h = self.conv(h)
        h = self.noisy_activation(self.resize(h), noise)
        scale, shift = self.style(w).chunk(2, dim=1)  # (B, n_out) cada um
        return adaptive_instance_norm(h, 1 + scale, shift)


class DemodulatedLayer(SynthesisLayer):
    r"""Camada da StyleGAN2: o estilo escala os canais que entram na convolução, e a saída é dividida pelo desvio que
    isso lhe daria se as entradas fossem independentes e de variância 1.

    .. math:: h'_j = \frac{1}{\sigma_j} \sum_i W_{ji} * (s_i h_i), \quad
        \sigma_j^2 = \sum_i s_i^2 \sum_k W_{jik}^2

    A normalização usa só os pesos e o estilo, e não os mapas.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        w_dim: largura do estilo w.
        upsample: se a resolução dobra.
        convolve: se há convolução; a primeira camada só veste a constante.

    Referência:
        Karras et al. (2020), *Analyzing and improving the image quality of StyleGAN*, equações 1 a 3.
    """

    def __init__(self, n_in: int, n_out: int, w_dim: int, *, upsample: bool = False, convolve: bool = True) -> None:
        super().__init__(n_in, n_out, upsample=upsample, convolve=convolve)
        self.style = EqualizedLinear(w_dim, n_in)

    def forward(self, h: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """(B, n_out, H', W') de h (B, n_in, H, W), do estilo w (B, w_dim) e do ruído (B, 1, H', W')."""
        style = 1 + self.style(w)  # (B, n_in)
        h = h * style[:, :, None, None]
        if self.conv is not None:
            h = self.conv(h) * demodulation(self.conv, style)[:, :, None, None]
        return self.noisy_activation(self.resize(h), noise)


def demodulation(conv: EqualizedConv2d, style: Tensor) -> Tensor:
    r"""O inverso do desvio :math:`\sigma` (B, n_out) que o estilo (B, n_in) dá à saída de ``conv``."""
    power = (conv.weight * conv.scale).square().sum((2, 3))  # Σ_k W_jik²: (n_out, n_in)
    return torch.rsqrt(style.square() @ power.T + EPSILON)


@whole_batch
def minibatch_std(h: Tensor, group: int = 8) -> Tensor:
    """Junta a h um canal com o desvio padrão dentro do grupo: (B, C + 1, H, W) de h (B, C, H, W).

    O discriminador passa a ver se as imagens de um grupo são parecidas demais, e um gerador que só sabe poucos dígitos
    é apanhado.

    Args:
        h: mapas; B é múltiplo de ``group`` ou o lote todo é um grupo.
        group: exemplos por grupo.

    Referência:
        Karras et al. (2018), seção 3.
    """
    B, C, H, W = h.shape
    group = group if B % group == 0 else B
    # Um grupo são exemplos a B / group posições uns dos outros.
    grouped = h.view(group, B // group, C, H, W)
    std = (grouped.var(0, unbiased=False) + EPSILON).sqrt().mean((1, 2, 3))  # (B / group,)
    return torch.cat([h, std.repeat(group).view(B, 1, 1, 1).expand(-1, -1, H, W)], dim=1)
