"""Quantos bits por pixel uma difusão gastaria: a cota da verossimilhança. Capítulo 07_difusao."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib import checks
from course_lib.contracts import Terms
from course_lib.models.diffusion import Diffusion, timesteps
from course_lib.models.layers import IMAGE_DIM

# Meia largura da caixinha de um tom de cinza, com os 256 tons espalhados em [-1, 1].
HALF_BIN = 1 / 255


@torch.no_grad()
def variational_bound(model: Diffusion, x: Tensor, y: Tensor | None = None, *, steps: int | None = None) -> Terms:
    r"""Cota superior de :math:`-\log_2 p(x)`, em bits por dimensão, da cadeia ancestral de ``steps`` saltos.

    .. math:: \mathrm{KL}(q(x_T|x_0)\,\|\,N(0, I)) + \sum_{(t, s)} \tfrac{1}{2}(\mathrm{SNR}_s - \mathrm{SNR}_t)
        \lVert x_0 - \hat{x}_0(x_t) \rVert^2 - \log p(x_0|x_{t_1})

    A soma percorre os saltos com s ≥ 0; o último, que chega à imagem limpa, é uma normal em torno de
    :math:`\hat{x}_0`, com a massa de cada um dos 256 tons.

    Args:
        model: o modelo.
        x: (B, 1, 28, 28) em [-1, 1], com 256 tons.
        y: (B,) dígitos, ou ``None``.
        steps: saltos da cadeia; T quando falta.

    Returns:
        ``prior``, ``denoising``, ``decoder`` e a soma ``total``, cada um (B,).

    Raises:
        TypeError, ValueError: ``x`` não é um lote de imagens de 256 tons, ou ``steps`` fora de 1..T.

    Referência:
        Ho, Jain e Abbeel (2020), equação 5; a forma com a razão sinal-ruído é de Kingma et al. (2021), *Variational
        diffusion models*, equação 13.
    """
    checks.levels(x)
    B = len(x)
    bar = model.alpha_bar.double()
    snr = bar / (1 - bar)
    prior = 0.5 * (bar[-1] * x.double().square() - bar[-1] - torch.log1p(-bar[-1])).flatten(1).sum(1)
    denoising = torch.zeros(B, dtype=torch.float64, device=x.device)
    decoder = denoising
    for now, after in timesteps(model.steps, model.steps if steps is None else steps):
        t = model.at(now, B)
        x_0 = model.predict(model.q_sample(x, t, torch.randn_like(x)), t, y)
        if after >= 0:
            error = (x - x_0).square().flatten(1).sum(1).double()
            denoising = denoising + 0.5 * (snr[after] - snr[now]) * error
        else:
            decoder = -_discretized_log_likelihood(x.double(), x_0.double(), (1 - bar[now]).sqrt())
    terms = {"prior": prior, "denoising": denoising, "decoder": decoder, "total": prior + denoising + decoder}
    return {name: value / (IMAGE_DIM * math.log(2)) for name, value in terms.items()}


def _discretized_log_likelihood(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """log da massa que N(mean, std²) põe na caixinha do tom x; as caixinhas das pontas vão até o infinito. (B,)."""
    normal = torch.distributions.Normal(0.0, 1.0)
    upper = torch.where(x > 1 - HALF_BIN, 1.0, normal.cdf((x + HALF_BIN - mean) / std))
    lower = torch.where(x < -1 + HALF_BIN, 0.0, normal.cdf((x - HALF_BIN - mean) / std))
    return (upper - lower).clamp_min(1e-12).log().flatten(1).sum(1)
