"""Fluxos de imagens: de tons inteiros a números reais, várias escalas, e bits por dimensão. Capítulo 08_fluxos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks, runtime
from course_lib.checks import IMAGE_SHAPE
from course_lib.models.flows import Bijection, Chain, Flow
from course_lib.models.layers import start_at_zero, whole_batch
from course_lib.models.mixture_flows import MixtureCDF, MixtureCoupling

LEVELS = 256
IMAGES_AT_ONCE = 500


# --- de pixels a números reais ----------------------------------------------------------------------------------------


@whole_batch
def _truncated_normal(x: Tensor, limit: float) -> Tensor:
    # O sorteio é por rejeição, e de quantas vezes se repete decide o lote inteiro.
    return nn.init.trunc_normal_(torch.empty_like(x), a=-limit, b=limit)


class Dequantize(Bijection):
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
        checks.number(std, "std", "(0, 0.5]", optional=True)
        self.std = std

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""``(u, log_det)``: (B, …) em (0, 1), e (B,), de imagens x (B, …) em [-1, 1].

        ``log_det`` é :math:`-D \log 256 - \log q(\epsilon)`, o que se soma a :math:`\log p(u)` na cota.

        Raises:
            TypeError, ValueError: ``x`` não é um lote de imagens de 256 tons em [-1, 1].
        """
        checks.levels(x, shape=tuple(x.shape[1:]))
        levels = ((x + 1) * ((LEVELS - 1) / 2)).round()
        log_det = x.new_full((len(x),), -math.prod(x.shape[1:]) * math.log(LEVELS))
        if self.std is None:
            return (levels + torch.rand_like(x)) / LEVELS, log_det
        limit = 0.5 / self.std  # onde estão as paredes, em desvios
        noise = _truncated_normal(x, limit)
        inside = math.erf(limit / math.sqrt(2))
        log_q = -0.5 * noise.square() - math.log(self.std * inside * math.sqrt(2 * math.pi))
        u = (levels + 0.5 + self.std * noise) / LEVELS
        return u, log_det - log_q.flatten(1).sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """Imagens (B, …) em [-1, 1], de 256 tons, de u (B, …) em (0, 1)."""
        levels = (u * LEVELS).floor().clamp(0, LEVELS - 1)
        return levels / ((LEVELS - 1) / 2) - 1


class Logit(Bijection):
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
        checks.number(alpha, "alpha", "(0, 0.5)")
        self.alpha = alpha

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """``(y, log_det)``: (B, …), e (B,), de u (B, …) em [0, 1]."""
        s = self.alpha + (1 - 2 * self.alpha) * u
        log_s, log_rest = s.log(), torch.log1p(-s)
        return log_s - log_rest, (math.log(1 - 2 * self.alpha) - log_s - log_rest).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """u (B, …) de y (B, …)."""
        return (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)


# --- várias escalas ---------------------------------------------------------------------------------------------------


class Squeeze(Bijection):
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
        checks.integers(x.shape[2:], "altura e largura de x", length=2, low=2, multiple=2)
        return F.pixel_unshuffle(x, 2)


class FactorOut(Bijection):
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
        checks.integer(x.shape[1], "canais de x", low=2, multiple=2)
        done, rest = x.chunk(2, dim=1)
        return done, rest


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
        start_at_zero(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_out, H, W) de x (B, n_in, H, W), com H = W = 7·fold."""
        h = self.stem(F.pixel_unshuffle(x, self.fold)) + self.place  # (B, hidden, 7, 7)
        h = h + self.block(h)
        return F.pixel_shuffle(self.head(F.relu(h)), self.fold)


# --- o modelo ---------------------------------------------------------------------------------------------------------


class ImageFlow(Flow):
    """Fluxo de duas escalas para imagens (B, 1, 28, 28) em [-1, 1], de 256 tons: acoplamentos de mistura, não afins.

    Em 4×14×14 os acoplamentos separam os pixels em xadrez, em linhas e em colunas; metade dos canais fica pronta ali, e
    a outra metade segue em 8×7×7.

    Args:
        hidden_channels: canais por dentro de cada rede.
        n_fine: vezes que o trio xadrez, linhas, colunas se repete.
        n_coarse: pares de acoplamentos em 8×7×7.
        n_components: parcelas da mistura de cada acoplamento.

    Raises:
        ValueError: algum deles é menor que 1.

    Referência:
        A arquitetura de Dinh, Sohl-Dickstein e Bengio (2017), *Density estimation using Real NVP*, seção 3.6, com os
        acoplamentos de Ho et al. (2019), *Flow++*.
    """

    def __init__(self, *, hidden_channels: int = 64, n_fine: int = 1, n_coarse: int = 1, n_components: int = 4) -> None:
        checks.sizes(hidden_channels=hidden_channels, n_fine=n_fine, n_coarse=n_coarse, n_components=n_components)
        # Num quadrado 2×2 dobrado os canais são ↖ ↗ ↙ ↘: a diagonal é o xadrez; ↖ ↗, uma linha; ↖ ↙, uma coluna.
        orders = [[0, 3, 1, 2], [0, 1, 2, 3], [0, 2, 1, 3]] * n_fine
        fine = [layer for order in orders for layer in _pair(order, hidden_channels, n_components, fold=2)]
        coarse: list[nn.Module] = []
        for i in range(n_coarse):
            order = torch.randperm(8, generator=torch.Generator().manual_seed(i)).tolist()
            coarse += _pair(order, hidden_channels, n_components, fold=1)
        super().__init__([*_to_the_line(), Squeeze([*fine, FactorOut([Squeeze(coarse)])])], IMAGE_SHAPE)


def _pair(order: list[int], hidden_channels: int, n_components: int, *, fold: int) -> list[nn.Module]:
    """Dois acoplamentos: cada metade de ``order`` é vista por um e mudada pelo outro."""
    half = len(order) // 2
    layers: list[nn.Module] = []
    for channels in (order, order[half:] + order[:half]):
        network = ConvConditioner(half, (3 * n_components + 2) * half, hidden_channels, fold=fold)
        layers.append(MixtureCoupling(channels, network, n_components=n_components))
    return layers


def _to_the_line() -> list[nn.Module]:
    """As camadas que levam os 256 tons à reta, e uma curva por pixel."""
    std, alpha = 1 / 6, 0.002
    # Alpha da ordem de meio tom: o logit estica o preto e o branco, onde está quase toda a imagem. As parcelas das
    # pontas começam sobre eles, com a largura que dá ao seu ruído o desvio 1; as do meio, largas, com os cinzas.
    black = alpha + (1 - 2 * alpha) * 0.5 / LEVELS
    end, edge = math.log1p(-black) - math.log(black), std * (1 - 2 * alpha) / LEVELS / (black * (1 - black))
    curves = MixtureCDF(IMAGE_SHAPE, (-end, -end / 3, end / 3, end), (edge, 1.25, 1.25, edge))
    return [Dequantize(std), Logit(alpha), curves]


@torch.no_grad()
def bits_per_dim(model: Flow, images: Tensor, *, n_samples: int = 1, seed: int = 0) -> Tensor:
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
    n_samples = checks.integer(n_samples, "n_samples")
    with runtime.isolated_seed(seed):
        log_mean = [
            torch.stack([model.log_prob(x) for _ in range(n_samples)]).logsumexp(0) - math.log(n_samples)
            for x in images.split(IMAGES_AT_ONCE)
        ]
    return -torch.cat(log_mean) / (math.prod(model.shape) * math.log(2))
