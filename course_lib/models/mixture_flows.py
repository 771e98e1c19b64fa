"""As curvas do Flow++: misturas de logísticas, por dimensão ou dentro de um acoplamento. Capítulo 08_fluxos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.models.flows import Bijection, Coupling

# O piso da inclinação da curva.
FLOOR = 0.05


class Mixture(NamedTuple):
    r"""A curva crescente de uma mistura de K logísticas, com um eixo K depois do lote.

    .. math:: y = \log\frac{F(x)}{1 - F(x)} + \gamma x, \qquad F(x) = \sum_k w_k\,\sigma\left(\frac{x - m_k}{s_k}\right)

    A parcela :math:`\gamma x` põe um piso na inclinação, para que a volta seja precisa também onde F é plana.

    Attributes:
        log_weight: :math:`\log w_k` (B ou 1, K, …).
        mean: :math:`m_k`, da mesma forma.
        log_scale: :math:`\log s_k`, da mesma forma.
    """

    log_weight: Tensor
    mean: Tensor
    log_scale: Tensor

    def curve(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y e o logaritmo da derivada, um por dimensão, de x (B, …).

        Tudo em logaritmos: F arredondaria a 0 e a 1 nas caudas.
        """
        a = (x.unsqueeze(1) - self.mean) * (-self.log_scale).exp()  # (B, K, …)
        log_below = F.logsigmoid(a)
        log_above = log_below - a  # log σ(-a)
        log_cdf = (self.log_weight + log_below).logsumexp(1)
        log_survival = (self.log_weight + log_above).logsumexp(1)
        log_density = (self.log_weight - self.log_scale + log_below + log_above).logsumexp(1)
        log_slope = torch.logaddexp(log_density - log_cdf - log_survival, x.new_tensor(math.log(FLOOR)))
        return log_cdf - log_survival + FLOOR * x, log_slope

    @torch.no_grad()
    def inverse(self, y: Tensor) -> Tensor:
        """x (B, …) de y (B, …): a bisseção garante a volta, e o método de Newton a termina depressa."""
        # F fica entre a menor e a maior das suas parcelas: isso prende x entre as soluções de uma parcela só.
        inverse_scale = (-self.log_scale).exp()
        single = (y.unsqueeze(1) + self.mean * inverse_scale) / (inverse_scale + FLOOR)  # (B, K, …)
        low, high = single.amin(1), single.amax(1)
        x = (low + high) / 2
        # O erro do método de Newton é da ordem do quadrado do passo: um passo destes já dá todos os algarismos.
        close = 0.25 * torch.finfo(y.dtype).eps ** 0.5
        for i in range(100):
            found, log_slope = self.curve(x)
            low, high = torch.where(found < y, x, low), torch.where(found < y, high, x)
            newton = x + (y - found) * (-log_slope).exp()
            if ((newton - x).abs() <= close).all():
                return newton
            middle = (low + high) / 2
            x = torch.where((newton > low) & (newton < high) & (i % 4 != 0), newton, middle)
        return x


class MixtureCDF(Bijection):
    """Uma curva crescente para cada dimensão, sem olhar as outras: a de :class:`Mixture`, de parâmetros livres.

    Um pixel que é preto em quase toda imagem não tem nada de normal, e a curva desfaz isso antes das camadas de
    acoplamento.

    Args:
        shape: forma de um exemplo; cada dimensão tem a sua curva.
        centers: as médias :math:`m_k` no começo, uma por parcela.
        widths: as larguras :math:`s_k` no começo, uma por parcela ou a mesma para todas.

    Raises:
        ValueError: não veio nenhum centro, alguma largura não é positiva, ou são de números diferentes.

    Referência:
        Ho et al. (2019), *Flow++*, seção 3.2, com parâmetros livres no lugar da rede.
    """

    def __init__(
        self,
        shape: Sequence[int],
        centers: Sequence[float] = (-3.0, -1.0, 1.0, 3.0),
        widths: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__()
        K = len(centers)
        widths = [float(widths)] * K if isinstance(widths, int | float) else list(widths)
        checks.not_empty(centers, "centers")
        checks.numbers_each(widths, "widths", "(0, inf)", length=K)
        per_component = (K, *[1] * len(shape))
        self.logits = nn.Parameter(torch.zeros(K, *shape))
        self.mean = nn.Parameter(torch.tensor(centers).view(per_component).repeat(1, *shape))
        self.log_scale = nn.Parameter(torch.tensor(widths).log().view(per_component).repeat(1, *shape))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: (B, *shape), e (B,), de x (B, *shape)."""
        y, log_slope = self._mixture().curve(x)
        return y, log_slope.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """x (B, *shape) de y (B, *shape)."""
        return self._mixture().inverse(y)

    def _mixture(self) -> Mixture:
        return Mixture(self.logits.log_softmax(0)[None], self.mean[None], self.log_scale[None])


class MixtureCoupling(Coupling):
    r"""O acoplamento cuja função é a curva de uma mistura, escalada e deslocada.

    .. math:: f(x_b) = e^{s}\,c(x_b) + t, \qquad \log f' = \log c'(x_b) + s

    c é a curva de :class:`Mixture`, e os seus parâmetros, como s e t, saem da rede que vê :math:`x_a`. Um acoplamento
    afim só põe uma gaussiana onde x_b deve estar; este põe uma mistura: "ou preto, ou branco" cabe numa camada só.

    Args:
        order: os canais de x, na ordem de :class:`~course_lib.models.flows.Coupling`.
        network: leva (B, C/2, …) em (B, (3K + 2)·C/2, …): pesos, médias e larguras das K parcelas, s e t; em zeros, a
            curva é a mesma para todos.
        n_components: K.
        max_log_scale: limite do logaritmo de cada escala.

    Raises:
        ValueError: ``n_components`` menor que 1.

    Referência:
        Ho et al. (2019), *Flow++*, seção 3.2.
    """

    centers: Tensor

    def __init__(
        self, order: Sequence[int], network: nn.Module, *, n_components: int = 4, max_log_scale: float = 3.0
    ) -> None:
        super().__init__(order, network, max_log_scale=max_log_scale)
        n_components = checks.integer(n_components, "n_components")
        self.n_components = n_components
        self.n_parameters = 3 * n_components + 2
        start = torch.linspace(-2, 2, n_components) if n_components > 1 else torch.zeros(1)
        self.register_buffer("centers", start, persistent=False)

    def transform(self, x_b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """y_b e o logaritmo da derivada, da forma de x_b."""
        mixture, log_scale, shift = self._split(theta)
        y, log_slope = mixture.curve(x_b)
        return y * log_scale.exp() + shift, log_slope + log_scale

    def restore(self, y_b: Tensor, theta: Tensor) -> Tensor:
        """x_b, da forma de y_b."""
        mixture, log_scale, shift = self._split(theta)
        return mixture.inverse((y_b - shift) * (-log_scale).exp())

    def _split(self, theta: Tensor) -> tuple[Mixture, Tensor, Tensor]:
        K = self.n_components
        weight, mean, scale, last = theta.split([K, K, K, 2], dim=1)  # (B, K, C/2, …) as três primeiras
        log_scale, shift = last.unbind(1)
        centers = self.centers.view(1, K, *[1] * (theta.ndim - 2))
        mixture = Mixture(weight.log_softmax(1), centers + mean, self.limited(scale))
        return mixture, self.limited(log_scale), shift
