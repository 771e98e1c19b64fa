"""Fluxos normalizantes: uma função inversível leva dados a ruído, e dá a densidade exata. Capítulo 08_fluxos.

Toda camada tem ``forward(x) -> (y, log_det)``, com y da forma de x e log_det (B,), e ``inverse(y) -> x``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import runtime
from course_lib.models.layers import IMAGE_SHAPE, mlp, require_count

LEVELS = 256
IMAGES_AT_ONCE = 500


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
        for layer in reversed(self):
            z = layer.inverse(z)
        return z


# --- de pixels a números reais ----------------------------------------------------------------------------------------


class Dequantize(nn.Module):
    r"""Soma ruído a cada tom k: de 256 valores isolados a uma densidade em (0, 1).

    .. math:: u = \frac{k + \epsilon}{256}, \quad \epsilon \sim q \text{ em } [0, 1), \qquad
        \log P(k) \ge E_{\epsilon \sim q}\left[\log p(u) - D \log 256 - \log q(\epsilon)\right]

    A probabilidade da imagem é a integral da densidade sobre a caixinha de lado 1/256, e a desigualdade de Jensen dá a
    cota, seja q qual for. A ida sorteia; a volta, :math:`\lfloor 256\,u \rfloor`, devolve o tom exato.

    Com q uniforme o modelo precisa encher caixinhas de paredes retas, o que uma normal não faz: mesmo a melhor perde
    :math:`\frac{1}{2}\log_2\frac{2 \pi e}{12} = 0{,}25` bit por pixel. Com q quase normal, não perde isso.

    Args:
        std: desvio padrão, em tons, da normal centrada no meio da caixinha e cortada nas suas paredes; ``None`` é o
            ruído uniforme.

    Raises:
        ValueError: ``std`` fora de (0, 1/2]: mais larga que isso, use a uniforme.

    Referência:
        Theis, van den Oord e Bethge (2016), *A note on the evaluation of generative models*, seção 3.1; a cota com q
        qualquer é a de Ho et al. (2019), *Flow++*, seção 3.1.
    """

    def __init__(self, std: float | None = None) -> None:
        super().__init__()
        runtime.require(
            std is None or 0 < std <= 0.5,
            f"std: veio {std}; esperava um número maior que 0 e até 0,5, ou None (uniforme)",
        )
        self.std = std

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""``(u, log_det)``: (B, …) em (0, 1), e (B,), de imagens x (B, …) em [-1, 1].

        ``log_det`` é :math:`-D \log 256 - \log q(\epsilon)`, o que se soma a :math:`\log p(u)` na cota.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens de 256 tons em [-1, 1].
        """
        runtime.require_levels(x, shape=tuple(x.shape[1:]))
        levels = ((x + 1) * ((LEVELS - 1) / 2)).round()
        log_det = x.new_full((len(x),), -math.prod(x.shape[1:]) * math.log(LEVELS))
        if self.std is None:
            return (levels + torch.rand_like(x)) / LEVELS, log_det
        noise = torch.empty_like(x)
        limit = 0.5 / self.std  # onde estão as paredes, em desvios
        nn.init.trunc_normal_(noise, a=-limit, b=limit)
        inside = math.erf(limit / math.sqrt(2))
        log_q = -0.5 * noise.square() - math.log(self.std * inside * math.sqrt(2 * math.pi))
        u = (levels + 0.5 + self.std * noise) / LEVELS
        return u, log_det - log_q.flatten(1).sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """Imagens (B, …) em [-1, 1], de 256 tons, de u (B, …) em (0, 1)."""
        levels = (u * LEVELS).floor().clamp(0, LEVELS - 1)
        return levels / ((LEVELS - 1) / 2) - 1


class Logit(nn.Module):
    r"""Estica o intervalo (0, 1) até a reta inteira, onde mora a normal.

    .. math:: y = \log\frac{s}{1 - s}, \quad s = \alpha + (1 - 2\alpha)\,u, \qquad
        \log\left|\det\right| = \sum_i \log(1 - 2\alpha) - \log s_i - \log(1 - s_i)

    Args:
        alpha: a distância que s guarda de 0 e de 1, onde o logit é infinito.

    Raises:
        ValueError: ``alpha`` fora de (0, 1/2).

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), seção 4.1.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__()
        runtime.require(0 < alpha < 0.5, f"alpha: veio {alpha}; esperava um número entre 0 e 0,5, sem os extremos")
        self.alpha = alpha

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: (B, …), e (B,), de u (B, …) em [0, 1]."""
        s = self.alpha + (1 - 2 * self.alpha) * u
        log_s, log_rest = s.log(), torch.log1p(-s)
        return log_s - log_rest, (math.log(1 - 2 * self.alpha) - log_s - log_rest).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """u (B, …) de y (B, …)."""
        return (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)


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


class MixtureCDF(nn.Module):
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
        runtime.require(K >= 1, "centers: não veio nenhum centro")
        runtime.require(
            len(widths) == K and min(widths) > 0,
            f"widths: veio {widths}; esperava números maiores que zero, um só ou {K}, como centers",
        )
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


# --- acoplamento ------------------------------------------------------------------------------------------------------


def channel_mask(n: int, size: int = 0) -> Tensor:
    """Máscara que mostra a primeira metade de ``n`` coordenadas ou canais: (n,), ou (n, 1, 1) se ``size`` é 2.

    Args:
        n: coordenadas ou canais, um número par.
        size: dimensões depois dos canais: 0 para pontos, 2 para imagens.

    Raises:
        ValueError: ``n`` é ímpar: as duas metades seriam diferentes.
    """
    runtime.require(
        isinstance(n, int) and n >= 2 and n % 2 == 0, f"n: veio {n!r}; esperava um número par, para ter duas metades"
    )
    return (torch.arange(n) < n // 2).float().view(n, *[1] * size)


def checkerboard_mask(height: int, width: int) -> Tensor:
    """Máscara (1, height, width) em xadrez: mostra os pixels em que linha + coluna é par."""
    return ((torch.arange(height)[:, None] + torch.arange(width)) % 2 == 0).float().unsqueeze(0)


class AffineCoupling(nn.Module):
    r"""Metade das dimensões passa intacta e diz como a outra metade é escalada e deslocada.

    .. math:: y = m \odot x + (1 - m) \odot \left(x\,e^{s(m \odot x)} + t(m \odot x)\right), \qquad
        \log\left|\det\right| = \sum_i (1 - m_i)\,s_i

    Na volta, a metade intacta ainda está lá: s e t se recalculam e se desfazem. A rede pode ser qualquer uma, e não
    precisa de inversa.

    Args:
        mask: m, de zeros e uns, da forma de um exemplo (ou propagável até ela): 1 é o que a rede vê.
        network: leva (B, C, …) em (B, 2C, …): s antes do limite, e t.
        max_log_scale: limite L de s, imposto por :math:`s = L \tanh(a / L)`: nenhuma escala vira 0 nem infinito.

    Raises:
        ValueError: ``mask`` não é de zeros e uns, ou não tem dos dois; ``max_log_scale`` não é positivo e finito.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, equações 7 a 9.
    """

    def __init__(self, mask: Tensor, network: nn.Module, *, max_log_scale: float = 2.0) -> None:
        super().__init__()
        runtime.require(
            bool(((mask == 0) | (mask == 1)).all()) and 0 < mask.float().mean() < 1,
            "mask: esperava zeros e uns, e pelo menos um de cada; do contrário a camada não vê nada ou não muda nada",
        )
        _require_max_log_scale(max_log_scale)
        self.register_buffer("mask", mask.float())
        self.network = network
        self.max_log_scale = max_log_scale

    def _scale_and_shift(self, known: Tensor) -> tuple[Tensor, Tensor]:
        # Sob autocast a rede responde em bfloat16; a conta da transformação fica no tipo dos dados.
        raw, shift = self.network(known).to(known.dtype).chunk(2, dim=1)
        hidden = 1 - self.mask
        return hidden * self.max_log_scale * torch.tanh(raw / self.max_log_scale), hidden * shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: da forma de x (B, …), e (B,)."""
        log_scale, shift = self._scale_and_shift(self.mask * x)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """x, da forma de y (B, …)."""
        log_scale, shift = self._scale_and_shift(self.mask * y)
        return (y - shift) * (-log_scale).exp()


class MixtureCoupling(nn.Module):
    r"""Metade dos canais passa intacta e diz que curva crescente aplicar a cada número da outra metade.

    .. math:: y_a = x_a, \qquad y_b = e^{s}\,c(x_b) + t, \qquad
        \log\left|\det\right| = \sum_i \log c'(x_{b,i}) + s_i

    c é a curva de :class:`Mixture`, e os seus parâmetros, como s e t, saem da rede que vê :math:`x_a`. Um acoplamento
    afim só põe uma gaussiana onde x_b deve estar; este põe uma mistura: "ou preto, ou branco" cabe numa camada só.

    Args:
        channels: canais de x, um número par.
        network: leva (B, C/2, …) em (B, (3K + 2)·C/2, …); em zeros, a curva é a mesma para todos.
        n_components: K.
        max_log_scale: limite L do logaritmo de cada escala, imposto por :math:`L \tanh(a / L)`.

    Raises:
        ValueError: ``channels`` ímpar, ``n_components`` menor que 1, ou ``max_log_scale`` não positivo e finito.

    Referência:
        Ho et al. (2019), *Flow++*, seção 3.2.
    """

    def __init__(self, channels: int, network: nn.Module, *, n_components: int = 4, max_log_scale: float = 3.0) -> None:
        super().__init__()
        channel_mask(channels)  # recusa um número ímpar
        require_count(n_components, "n_components")
        _require_max_log_scale(max_log_scale)
        self.network = network
        self.n_components = n_components
        self.max_log_scale = max_log_scale
        start = torch.linspace(-2, 2, n_components) if n_components > 1 else torch.zeros(1)
        self.register_buffer("centers", start, persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: da forma de x (B, C, …), e (B,)."""
        known, hidden = x.chunk(2, dim=1)
        mixture, log_scale, shift = self._conditioned(known)
        y, log_slope = mixture.curve(hidden)
        return torch.cat([known, y * log_scale.exp() + shift], dim=1), (log_slope + log_scale).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """x, da forma de y (B, C, …)."""
        known, hidden = y.chunk(2, dim=1)
        mixture, log_scale, shift = self._conditioned(known)
        return torch.cat([known, mixture.inverse((hidden - shift) * (-log_scale).exp())], dim=1)

    def _conditioned(self, known: Tensor) -> tuple[Mixture, Tensor, Tensor]:
        # Sob autocast a rede responde em bfloat16; a conta da transformação fica no tipo dos dados.
        raw = self.network(known).to(known.dtype)
        K, C = self.n_components, known.shape[1]
        weight, mean, scale, last = raw.view(len(raw), -1, C, *known.shape[2:]).split([K, K, K, 2], dim=1)
        centers = self.centers.view(1, K, *[1] * (known.ndim - 1))
        log_scale, shift = last.unbind(1)
        mixture = Mixture(weight.log_softmax(1), centers + mean, self._limited(scale))
        return mixture, self._limited(log_scale), shift

    def _limited(self, raw: Tensor) -> Tensor:
        return self.max_log_scale * torch.tanh(raw / self.max_log_scale)


def _require_max_log_scale(max_log_scale: float) -> None:
    runtime.require(
        0 < max_log_scale < math.inf,
        f"max_log_scale: veio {max_log_scale}; esperava um número positivo e finito, sem o que a escala pode zerar "
        "e a camada deixa de ter volta",
    )


class Permutation(nn.Module):
    """Troca coordenadas ou canais de lugar, numa ordem fixa; o volume não muda, logo log_det = 0.

    Args:
        order: ``y[:, i] = x[:, order[i]]``.

    Raises:
        ValueError: ``order`` não é uma permutação de 0..n-1.
    """

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        came = list(order)
        runtime.require(
            len(came) > 0 and sorted(came) == list(range(len(came))),
            f"order: veio {came}; esperava cada número de 0 a {len(came) - 1}, uma vez",
        )
        self.order = came
        self.back = [came.index(i) for i in range(len(came))]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: da forma de x (B, n, …), e (B,)."""
        self._require(x)
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """x, da forma de y (B, n, …)."""
        self._require(y)
        return y[:, self.back]

    def _require(self, x: Tensor) -> None:
        n = len(self.order)
        runtime.require(x.shape[1] == n, f"x: veio forma {tuple(x.shape)}; esperava (B, {n}, …), como a permutação")


# --- várias escalas ---------------------------------------------------------------------------------------------------


class Squeeze(nn.Module):
    """Dobra cada quadrado 2×2 em quatro canais, aplica as camadas e desdobra: (C, H, W) por dentro é (4C, H/2, W/2).

    Args:
        layers: o que aplicar à imagem dobrada.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), seção 3.6.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = Chain(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(z, log_det)``: da forma de x (B, C, H, W), e (B,).

        Raises:
            ValueError: a altura ou a largura é ímpar.
        """
        z, log_det = self.layers(self._fold(x))
        return F.pixel_shuffle(z, 2), log_det

    def inverse(self, z: Tensor) -> Tensor:
        """x, da forma de z (B, C, H, W).

        Raises:
            ValueError: a altura ou a largura é ímpar.
        """
        return F.pixel_shuffle(self.layers.inverse(self._fold(z)), 2)

    @staticmethod
    def _fold(x: Tensor) -> Tensor:
        runtime.require(
            x.ndim == 4 and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0,
            f"x: veio forma {tuple(x.shape)}; só (B, C, H, W) com H e W pares se dobra em quadrados 2×2",
        )
        return F.pixel_unshuffle(x, 2)


class FactorOut(nn.Module):
    """Metade dos canais está pronta e vai direto para z; as camadas continuam com a outra metade.

    Args:
        layers: o que aplicar à segunda metade dos canais.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), seção 3.6, equações 14 e 15.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = Chain(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(z, log_det)``: da forma de x (B, C, …), e (B,).

        Raises:
            ValueError: o número de canais é ímpar.
        """
        done, rest = self._halves(x)
        rest, log_det = self.layers(rest)
        return torch.cat([done, rest], dim=1), log_det

    def inverse(self, z: Tensor) -> Tensor:
        """x, da forma de z (B, C, …).

        Raises:
            ValueError: o número de canais é ímpar.
        """
        done, rest = self._halves(z)
        return torch.cat([done, self.layers.inverse(rest)], dim=1)

    @staticmethod
    def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
        runtime.require(
            x.shape[1] % 2 == 0, f"x: veio forma {tuple(x.shape)}; um número ímpar de canais não tem duas metades"
        )
        return x.chunk(2, dim=1)


class ConvConditioner(nn.Module):
    """Rede que uma camada de acoplamento consulta: vê o dígito inteiro trabalhando em 7×7.

    Em 7×7 três convoluções 3×3 já alcançam a imagem toda, e custam um dezesseis avos do que custariam em 28×28. O
    dígito está sempre no centro, então a posição importa: cada lugar tem o seu viés.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        hidden_channels: canais por dentro.
        fold: por quanto dobrar a entrada até chegar a 7×7: 2 se ela é 14×14, 1 se já é.
    """

    def __init__(self, n_in: int, n_out: int, hidden_channels: int, *, fold: int) -> None:
        super().__init__()
        self.fold = fold
        self.stem = nn.Conv2d(n_in * fold**2, hidden_channels, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(hidden_channels, 7, 7))
        self.block = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(hidden_channels, hidden_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden_channels, hidden_channels, 3, padding=1),
        )
        self.head = nn.Conv2d(hidden_channels, n_out * fold**2, 3, padding=1)
        _start_at_zero(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_out, H, W) de x (B, n_in, H, W), com H = W = 7·fold."""
        h = self.stem(F.pixel_unshuffle(x, self.fold)) + self.place  # (B, hidden, 7, 7)
        h = h + self.block(h)
        return F.pixel_shuffle(self.head(F.relu(h)), self.fold)


def _start_at_zero(layer: nn.Linear | nn.Conv2d) -> None:
    # O fluxo começa como a identidade, e cada acoplamento aprende a partir daí.
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


# --- o modelo ---------------------------------------------------------------------------------------------------------


class RealNVP(nn.Module):
    r"""Uma sequência de camadas inversíveis, e a normal padrão do outro lado.

    .. math:: \log p(x) = \log N(z; 0, I) + \log\left|\det \frac{\partial z}{\partial x}\right|, \qquad z = f(x)

    ``RealNVP.for_points()`` faz um para pontos no plano; ``RealNVP.for_images()``, um para o MNIST.

    Args:
        layers: as camadas, dos dados ao ruído.
        shape: forma de um exemplo.

    Referência:
        Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, equações 2 e 3.
    """

    def __init__(self, layers: Sequence[nn.Module], shape: Sequence[int]) -> None:
        super().__init__()
        runtime.require(len(layers) > 0, "layers: não veio nenhuma camada")
        self.layers = Chain(layers)
        self.shape = tuple(shape)
        # Um lugar de onde ler o tipo e o dispositivo do modelo, mesmo que nenhuma camada tenha pesos.
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    @classmethod
    def for_points(cls, dim: int = 2, *, n_couplings: int = 8, hidden_dim: int = 64) -> RealNVP:
        """Fluxo para pontos (B, dim): acoplamentos que alternam a metade que veem.

        Args:
            dim: coordenadas, um número par.
            n_couplings: camadas de acoplamento.
            hidden_dim: largura das duas camadas ocultas de cada uma.

        Raises:
            ValueError: ``dim`` ímpar, ou ``n_couplings`` ou ``hidden_dim`` menor que 1.
        """
        runtime.require(
            isinstance(n_couplings, int) and n_couplings >= 1,
            f"n_couplings: veio {n_couplings!r}; esperava um inteiro maior que zero",
        )
        mask = channel_mask(dim)
        layers = []
        for i in range(n_couplings):
            network = mlp((dim, hidden_dim, hidden_dim, 2 * dim), activation=nn.SiLU)
            _start_at_zero(network[-1])
            layers.append(AffineCoupling(mask if i % 2 == 0 else 1 - mask, network))
        return cls(layers, (dim,))

    @classmethod
    def for_images(
        cls, *, hidden_channels: int = 64, n_fine: int = 1, n_coarse: int = 1, n_components: int = 4
    ) -> RealNVP:
        """Fluxo de duas escalas para imagens (B, 1, 28, 28) em [-1, 1], de 256 tons, com acoplamentos de mistura.

        Em 4×14×14 os acoplamentos separam os pixels em xadrez, em linhas e em colunas; metade dos canais fica pronta
        ali, e a outra metade segue em 8×7×7.

        Args:
            hidden_channels: canais por dentro de cada rede.
            n_fine: vezes que o trio xadrez, linhas, colunas se repete.
            n_coarse: pares de acoplamentos em 8×7×7.
            n_components: parcelas da mistura de cada acoplamento.

        Raises:
            ValueError: algum deles é menor que 1.
        """
        sizes = {"hidden_channels": hidden_channels, "n_fine": n_fine, "n_coarse": n_coarse}
        for name, value in {**sizes, "n_components": n_components}.items():
            runtime.require(isinstance(value, int) and value >= 1, f"{name}: veio {value!r}; esperava um inteiro ≥ 1")

        def pair(order: Sequence[int], fold: int) -> list[nn.Module]:
            # Posta a metade que se vê na frente, um acoplamento; trocadas as metades, outro; e tudo volta ao lugar.
            half = len(order) // 2
            layers: list[nn.Module] = [Permutation(order)]
            for _ in range(2):
                network = ConvConditioner(half, (3 * n_components + 2) * half, hidden_channels, fold=fold)
                swap = Permutation([*range(half, 2 * half), *range(half)])
                layers += [MixtureCoupling(2 * half, network, n_components=n_components), swap]
            return [*layers, Permutation([order.index(i) for i in range(2 * half)])]

        # Num quadrado 2×2 dobrado os canais são ↖ ↗ ↙ ↘: a diagonal é o xadrez; ↖ ↗, uma linha; ↖ ↙, uma coluna.
        fine: list[nn.Module] = []
        for _ in range(n_fine):
            for order in ([0, 3, 1, 2], [0, 1, 2, 3], [0, 2, 1, 3]):
                fine += pair(order, 2)
        coarse: list[nn.Module] = []
        for i in range(n_coarse):
            coarse += pair(torch.randperm(8, generator=torch.Generator().manual_seed(i)).tolist(), 1)
        std, alpha = 1 / 6, 0.002
        # Alpha da ordem de meio tom: o logit estica o preto e o branco, onde está quase toda a imagem. As parcelas das
        # pontas começam sobre eles, com a largura que dá ao seu ruído o desvio 1; as do meio, largas, com os cinzas.
        black = alpha + (1 - 2 * alpha) * 0.5 / LEVELS
        end, edge = math.log1p(-black) - math.log(black), std * (1 - 2 * alpha) / LEVELS / (black * (1 - black))
        layers = [
            Dequantize(std),
            Logit(alpha),
            MixtureCDF(IMAGE_SHAPE, (-end, -end / 3, end / 3, end), (edge, 1.25, 1.25, edge)),
            Squeeze([*fine, FactorOut([Squeeze(coarse)])]),
        ]
        return cls(layers, IMAGE_SHAPE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(z, log_det)``: (B, *shape), e (B,), de x (B, *shape).

        Raises:
            TypeError, ValueError: a forma ou o tipo de ``x`` é outro, ou (num fluxo de imagens) ele sai do suporte.
        """
        self._require(x, "x")
        return self.layers(x)

    def inverse(self, z: Tensor) -> Tensor:
        """x (B, *shape) de z (B, *shape).

        Raises:
            TypeError, ValueError: a forma ou o tipo de ``z`` é outro.
        """
        self._require(z, "z")
        return self.layers.inverse(z)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) em nats, (B,), de x (B, *shape); num fluxo de imagens, a cota inferior de :class:`Dequantize`.

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
        require_count(n)
        runtime.require(temperature >= 0, f"temperature: veio {temperature}; esperava um número maior ou igual a zero")
        z = torch.randn(n, *self.shape, device=self.origin.device, dtype=self.origin.dtype)
        return self.inverse(temperature * z)

    def _require(self, value: Tensor, name: str) -> None:
        if not isinstance(value, Tensor) or value.dtype != self.origin.dtype:
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"{name}: veio {kind}; esperava um tensor {self.origin.dtype}, como os pesos")
        expected = ", ".join(map(str, self.shape))
        runtime.require(
            tuple(value.shape[1:]) == self.shape, f"{name}: veio forma {tuple(value.shape)}; esperava (B, {expected})"
        )


def flow_objective(model: RealNVP, batch) -> dict[str, Tensor]:
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


@torch.no_grad()
def bits_per_dim(model: RealNVP, images: Tensor, *, n_samples: int = 1, seed: int = 0) -> Tensor:
    r"""Bits por dimensão de cada imagem, com sorteios semeados do ruído de :class:`Dequantize`.

    .. math:: -\frac{1}{D \log 2}\,\log \frac{1}{K} \sum_{j=1}^{K} p(k + \epsilon_j)

    Com K = 1 é a cota que se treina; com mais sorteios ela se aperta, como a cota de importância do VAE.

    Args:
        model: um fluxo de imagens.
        images: (N, 1, 28, 28) em [-1, 1], de 256 tons.
        n_samples: K.
        seed: semente do ruído.

    Returns:
        (N,): em média, uma cota superior dos bits que a imagem ocuparia num arquivo, por pixel.

    Raises:
        TypeError, ValueError: ``images`` não são imagens de 256 tons em [-1, 1], ou ``n_samples`` é menor que 1.

    Referência:
        Ho et al. (2019), *Flow++*, seção 4.1 (a mesma média, com o ruído aprendido deles).
    """
    require_count(n_samples, "n_samples")
    with runtime.isolated_seed(seed):
        log_mean = [
            torch.stack([model.log_prob(x) for _ in range(n_samples)]).logsumexp(0) - math.log(n_samples)
            for x in images.split(IMAGES_AT_ONCE)
        ]
    return -torch.cat(log_mean) / (math.prod(model.shape) * math.log(2))
