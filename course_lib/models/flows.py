"""Fluxos normalizantes: uma função inversível leva dados a ruído, e dá a densidade exata. Capítulo 08_fluxos.

As curvas do Flow++ estão em :mod:`~course_lib.models.mixture_flows`, e o que só serve a imagens, em
:mod:`~course_lib.models.image_flows`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import Batch, Terms
from course_lib.models.layers import full_precision, in_pieces, mlp, standard_normal, start_at_zero


class Bijection(nn.Module, ABC):
    """Uma camada com volta; não muda a forma de um exemplo."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: da forma de x (B, …), e (B,), o logaritmo do determinante do jacobiano em cada exemplo."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """x, da forma de y (B, …)."""


class Chain(nn.ModuleList):
    r"""Camadas em sequência: a composição delas, com a soma dos log-determinantes.

    .. math:: \log\left|\det \frac{\partial z}{\partial x}\right| = \sum_i \log\left|\det J_i\right|
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(z, log_det)``: da forma de x (B, …), e (B,)."""
        log_det = x.new_zeros(len(x))
        for layer in self:
            x, term = layer(x)
            log_det = log_det + term
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """x, da forma de z: as camadas desfeitas, da última à primeira."""
        layer: Any  # a ModuleList só sabe que são módulos
        for layer in reversed(self):
            z = layer.inverse(z)
        return z


# --- acoplamento ------------------------------------------------------------------------------------------------------


class Coupling(Bijection):
    r"""Metade dos canais passa intacta e diz que função crescente aplicar a cada número da outra metade.

    .. math:: y_a = x_a, \qquad y_b = f(x_b;\ \theta(x_a)), \qquad
        \log\left|\det\right| = \sum_i \log f'(x_{b,i})

    Na volta, a metade intacta ainda está lá: os parâmetros se recalculam e f se desfaz. A rede pode ser qualquer uma, e
    não precisa de inversa. Quem herda diz quantos parâmetros tem f (``n_parameters``), a sua ida e a sua volta.

    Args:
        order: os canais (ou coordenadas) de x, cada um uma vez: a rede vê a primeira metade desta lista, e a segunda
            é a que muda.
        network: leva x_a (B, C/2, …) em θ (B, P·C/2, …): o primeiro parâmetro de cada canal, depois o segundo, e assim
            até P.
        max_log_scale: limite L do logaritmo de cada escala, imposto por :math:`L \tanh(a / L)`: nenhuma vira 0 nem
            infinito, e a camada nunca deixa de ter volta.

    Raises:
        ValueError: ``order`` não é uma permutação de um número par de canais, ou ``max_log_scale`` não é positivo e
            finito.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, seção 3.2.
    """

    n_parameters: int
    order: Tensor
    back: Tensor

    def __init__(self, order: Sequence[int], network: nn.Module, *, max_log_scale: float) -> None:
        super().__init__()
        checks.permutation(order, "order", multiple=2)
        checks.number(max_log_scale, "max_log_scale", "(0, inf)")
        self.network = network
        self.max_log_scale = max_log_scale
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("back", torch.tensor(order).argsort(), persistent=False)

    @abstractmethod
    def transform(self, x_b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """f e o logaritmo da sua derivada, da forma de x_b (B, C/2, …); theta é (B, P, C/2, …)."""

    @abstractmethod
    def restore(self, y_b: Tensor, theta: Tensor) -> Tensor:
        """x_b, da forma de y_b (B, C/2, …)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: da forma de x (B, C, …), e (B,).

        Raises:
            ValueError: o número de canais de ``x`` é outro.
        """
        x_a, x_b = self._halves(x, "x")
        y_b, log_slope = self.transform(x_b, self._theta(x_a))
        return self._whole(x_a, y_b), log_slope.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """x, da forma de y (B, C, …).

        Raises:
            ValueError: o número de canais de ``y`` é outro.
        """
        y_a, y_b = self._halves(y, "y")
        return self._whole(y_a, self.restore(y_b, self._theta(y_a)))

    def limited(self, raw: Tensor) -> Tensor:
        """O logaritmo de uma escala, entre -L e L, de um número qualquer."""
        return self.max_log_scale * torch.tanh(raw / self.max_log_scale)

    def _theta(self, seen: Tensor) -> Tensor:
        return full_precision(self.network, seen).view(len(seen), self.n_parameters, *seen.shape[1:])

    def _halves(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        checks.shape(x, name, "B", len(self.order), ...)
        seen, hidden = x[:, self.order].chunk(2, dim=1)
        return seen, hidden

    def _whole(self, seen: Tensor, hidden: Tensor) -> Tensor:
        return torch.cat([seen, hidden], dim=1)[:, self.back]


class AffineCoupling(Coupling):
    r"""O acoplamento que escala e desloca.

    .. math:: f(x_b) = x_b\,e^{s} + t, \qquad \log f' = s

    Args:
        order: os canais de x, na ordem de :class:`Coupling`.
        network: leva (B, C/2, …) em (B, C, …): s antes do limite, e t.
        max_log_scale: limite de s.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, equações 4, 5 e 8.
    """

    n_parameters = 2

    def __init__(self, order: Sequence[int], network: nn.Module, *, max_log_scale: float = 2.0) -> None:
        super().__init__(order, network, max_log_scale=max_log_scale)

    def transform(self, x_b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``(y_b, s)``, da forma de x_b."""
        raw, shift = theta.unbind(1)
        log_scale = self.limited(raw)
        return x_b * log_scale.exp() + shift, log_scale

    def restore(self, y_b: Tensor, theta: Tensor) -> Tensor:
        """x_b, da forma de y_b."""
        raw, shift = theta.unbind(1)
        return (y_b - shift) * (-self.limited(raw)).exp()


# --- o modelo ---------------------------------------------------------------------------------------------------------


class Flow(nn.Module):
    r"""Uma sequência de camadas inversíveis, e a normal padrão do outro lado.

    .. math:: \log p(x) = \log N(z; 0, I) + \log\left|\det \frac{\partial z}{\partial x}\right|, \qquad z = f(x)

    Args:
        layers: as camadas (:class:`Bijection`), dos dados ao ruído.
        shape: forma de um exemplo.

    Raises:
        ValueError: não veio nenhuma camada.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, equações 2 e 3.
    """

    origin: Tensor

    def __init__(self, layers: Sequence[nn.Module], shape: Sequence[int]) -> None:
        super().__init__()
        checks.not_empty(layers, "layers")
        self.layers = Chain(layers)
        self.shape = tuple(shape)
        # Um lugar de onde ler o tipo e o dispositivo do modelo, mesmo que nenhuma camada tenha pesos.
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(z, log_det)``: (B, *shape), e (B,), de x (B, *shape).

        Raises:
            TypeError, ValueError: a forma ou o tipo de ``x`` é outro, ou (num fluxo de imagens) ele sai do suporte.
        """
        checks.typed(x, "x", self.origin.dtype, "B", *self.shape)
        return self.layers(x)

    def inverse(self, z: Tensor) -> Tensor:
        """x (B, *shape) de z (B, *shape).

        Raises:
            TypeError, ValueError: a forma ou o tipo de ``z`` é outro.
        """
        checks.typed(z, "z", self.origin.dtype, "B", *self.shape)
        return self.layers.inverse(z)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) em nats, (B,), de x (B, *shape); num fluxo de imagens, uma cota inferior.

        Raises:
            TypeError, ValueError: como em :meth:`forward`.
        """
        z, log_det = self(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, n: int, *, temperature: float = 1.0) -> Tensor:
        """``n`` amostras (n, *shape): z da normal padrão, desfeito.

        Args:
            n: quantas.
            temperature: desvio padrão de z; abaixo de 1, amostras mais prováveis e menos variadas.

        Raises:
            ValueError: ``n`` menor que 1, ou ``temperature`` negativa.
        """
        checks.number(temperature, "temperature", "[0, inf)")
        return in_pieces(self.inverse, temperature * standard_normal(n, *self.shape, like=self))


class RealNVP(Flow):
    """Fluxo de acoplamentos afins para pontos (B, dim), que alternam a metade que veem.

    Args:
        dim: coordenadas, um número par.
        n_couplings: camadas de acoplamento.
        hidden_dim: largura das duas camadas ocultas de cada uma.

    Raises:
        ValueError: ``dim`` ímpar, ou ``n_couplings`` ou ``hidden_dim`` menor que 1.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, seção 3.5.
    """

    def __init__(self, dim: int = 2, *, n_couplings: int = 8, hidden_dim: int = 64) -> None:
        checks.sizes(dim=dim, n_couplings=n_couplings)
        half = dim // 2
        first, second = list(range(half)), list(range(half, dim))
        layers = []
        for i in range(n_couplings):
            network = mlp((half, hidden_dim, hidden_dim, dim), activation=nn.SiLU)
            start_at_zero(network[-1])  # o fluxo começa como a identidade
            layers.append(AffineCoupling(first + second if i % 2 == 0 else second + first, network))
        super().__init__(layers, (dim,))


def flow_objective(model: Flow, batch: Batch) -> Terms:
    r"""Log-verossimilhança negativa por dimensão.

    .. math:: -\frac{1}{D}\,E_x[\log p(x)]

    Args:
        model: o fluxo.
        batch: lote com ``x`` (B, *shape).

    Returns:
        ``loss`` em nats por dimensão, e ``bits_per_dim``, a mesma coisa em bits.

    Raises:
        TypeError, ValueError: ``batch.x`` não serve ao modelo.
    """
    loss = -model.log_prob(batch.x).mean() / math.prod(model.shape)
    return {"loss": loss, "bits_per_dim": loss / math.log(2)}
