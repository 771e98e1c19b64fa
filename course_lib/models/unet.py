"""A U-Net pequena que a difusão e o *flow matching* usam. Construída no capítulo 07_difusao."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import checks
from course_lib.contracts import LabelledBatch
from course_lib.models.layers import class_count, class_dim, in_pieces, start_at_zero

# O seno mais rápido do código do tempo dá uma volta a cada 2π / 1000 do intervalo [0, 1].
TIME_SCALE = 1_000.0
GROUPS = 8


def time_embedding(t: Tensor, dim: int) -> Tensor:
    r"""Código do tempo: senos e cossenos de frequências em progressão geométrica.

    .. math:: \left[\cos(10^3\,t\,\omega_k),\ \sin(10^3\,t\,\omega_k)\right], \quad \omega_k = 10^{-4k/(d/2)}

    Args:
        t: (B,) em [0, 1].
        dim: d, par.

    Returns:
        (B, dim).

    Raises:
        ValueError: ``dim`` não é par.

    Referência:
        Vaswani et al. (2017), *Attention is all you need*, seção 3.5.
    """
    dim = checks.integer(dim, "dim", low=2, multiple=2)
    frequencies = torch.exp(-math.log(1e4) * torch.arange(dim // 2, device=t.device, dtype=torch.float32) / (dim // 2))
    angles = TIME_SCALE * t.float()[:, None] * frequencies  # (B, dim / 2)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResidualBlock(nn.Module):
    """Duas convoluções 3×3 com atalho; o contexto (tempo e classe) entra como escala e deslocamento por canal.

    Args:
        n_in: canais de entrada.
        n_out: canais de saída.
        context_dim: largura do contexto.

    Referência:
        Ho, Jain e Abbeel (2020), apêndice B; a escala e o deslocamento são de Dhariwal e Nichol (2021), seção 3.
    """

    def __init__(self, n_in: int, n_out: int, context_dim: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(GROUPS, n_in)
        self.conv_in = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.context = nn.Linear(context_dim, 2 * n_out)
        self.norm_out = nn.GroupNorm(GROUPS, n_out)
        self.conv_out = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)
        # Uma rede funda de blocos assim já começa deixando passar o sinal.
        start_at_zero(self.conv_out)

    def forward(self, h: Tensor, context: Tensor) -> Tensor:
        """(B, n_out, H, W) de h (B, n_in, H, W) e do contexto (B, context_dim)."""
        scale, shift = self.context(context)[:, :, None, None].chunk(2, dim=1)  # (B, n_out, 1, 1) cada um
        r = self.conv_in(F.silu(self.norm_in(h)))
        r = self.norm_out(r) * (1 + scale) + shift
        return self.shortcut(h) + self.conv_out(F.silu(r))


class SelfAttention(nn.Module):
    """Cada posição da imagem consulta todas as outras: no mapa 7×7 são só 49.

    Args:
        channels: canais, múltiplo de ``heads``.
        heads: cabeças.

    Referência:
        Vaswani et al. (2017), seção 3.2.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        start_at_zero(self.out)

    def forward(self, h: Tensor) -> Tensor:
        """(B, channels, H, W) de h da mesma forma."""
        B, C, H, W = h.shape
        qkv = self.qkv(self.norm(h)).view(B, 3, self.heads, C // self.heads, H * W)
        q, k, v = qkv.transpose(3, 4).unbind(1)  # (B, heads, H·W, C / heads) cada um
        attended = F.scaled_dot_product_attention(q, k, v)
        return h + self.out(attended.transpose(2, 3).reshape(B, C, H, W))


class UNet(nn.Module):
    r"""Leva uma imagem ruidosa, o instante e (se houver) a classe num mapa da mesma forma que a imagem.

    A imagem 1×28×28 é dobrada em 4×14×14 (cada quadrado 2×2 vira quatro canais): nada se perde, e as convoluções, em
    que está quase todo o custo, percorrem um quarto das posições. Dali a rede desce a 7×7, olha o todo com atenção e
    sobe de volta, juntando o que viu na descida.

    Args:
        channels: canais em 14×14 e em 7×7, múltiplos de 8.
        n_classes: classes de y; a rede guarda mais um código, o de "sem classe". Com ``None`` ela não olha a classe, e
            y é sempre ``None``.

    Raises:
        ValueError: ``channels`` não são dois múltiplos de 8, ou ``n_classes`` é menor que 1.

    Referência:
        Ronneberger, Fischer e Brox (2015), *U-Net*; Ho, Jain e Abbeel (2020), apêndice B.
    """

    def __init__(self, channels: Sequence[int] = (48, 96), *, n_classes: int | None = 10) -> None:
        super().__init__()
        channels = checks.integers(channels, "channels", low=GROUPS, length=2, multiple=GROUPS)
        wide, deep = channels
        self.n_classes = n_classes
        self.time_dim = wide
        context_dim = 2 * wide
        self.time = nn.Sequential(nn.Linear(wide, context_dim), nn.SiLU(), nn.Linear(context_dim, context_dim))
        self.label = nn.Embedding(no_class(class_dim(n_classes)) + 1, context_dim) if class_dim(n_classes) else None
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, wide, 3, padding=1))
        self.down_wide = ResidualBlock(wide, wide, context_dim)
        self.downsample = nn.Conv2d(wide, deep, 3, stride=2, padding=1)
        self.down_deep = ResidualBlock(deep, deep, context_dim)
        self.attention = SelfAttention(deep)
        self.middle = ResidualBlock(deep, deep, context_dim)
        self.up_deep = ResidualBlock(2 * deep, deep, context_dim)
        self.upsample = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(deep, wide, 3, padding=1))
        self.up_wide = ResidualBlock(2 * wide, wide, context_dim)
        self.head = nn.Sequential(
            nn.GroupNorm(GROUPS, wide), nn.SiLU(), nn.Conv2d(wide, 4, 3, padding=1), nn.PixelShuffle(2)
        )
        start_at_zero(self.head[2])

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Mapa (B, 1, 28, 28) de x (B, 1, 28, 28), t (B,) em [0, 1] e as classes y (B,), ou nenhuma.

        Numa rede de classes, ``y=None`` é "sem classe" para o lote todo; :func:`no_class`, no lugar de uma classe, é
        "sem classe" para aquele exemplo só.

        Raises:
            ValueError: a forma de ``x``, ``t`` ou ``y`` é outra, os valores saem da faixa, ou veio ``y`` a uma rede que
                não olha a classe.
        """
        y = checks.conditioned(x, t, y, self.n_classes)
        context = self._context(t, y)  # (B, context_dim)
        h_wide = self.down_wide(self.stem(x), context)  # (B, wide, 14, 14)
        h_deep = self.down_deep(self.downsample(h_wide), context)  # (B, deep, 7, 7)
        h = self.middle(self.attention(h_deep), context)
        h = self.up_deep(torch.cat([h, h_deep], dim=1), context)
        h = self.up_wide(torch.cat([self.upsample(h), h_wide], dim=1), context)
        return self.head(h)

    def _context(self, t: Tensor, y: Tensor | None) -> Tensor:
        code = self.time(time_embedding(t, self.time_dim).to(next(self.parameters()).dtype))
        if self.label is None or self.n_classes is None:
            return F.silu(code)
        if y is None:
            y = torch.full((len(t),), no_class(self.n_classes), device=t.device)
        return F.silu(code + self.label(y))


# --- a classe: com, sem, e mais longe de "sem" ------------------------------------------------------------------------


def no_class(n_classes: int) -> int:
    """O que diz "sem classe" no lugar da classe de um exemplo: o índice que vem depois do da última."""
    return n_classes


def drop_labels(network: nn.Module, batch: LabelledBatch, label_dropout: float) -> Tensor | None:
    """As classes do lote (B,), algumas escondidas; ``None`` se a rede não olha a classe.

    A rede que às vezes não vê a classe aprende a responder com e sem ela, e é disso que :func:`guided` precisa.

    Args:
        network: a rede.
        batch: lote com ``labels`` (B,), que só se leem se a rede olha a classe.
        label_dropout: fração dos exemplos que ela vê sem a classe.

    Raises:
        ValueError: ``label_dropout`` fora de [0, 1].

    Referência:
        Ho e Salimans (2022), *Classifier-free diffusion guidance*, algoritmo 1.
    """
    checks.number(label_dropout, "label_dropout", "[0, 1]")
    n_classes = class_count(network)
    if n_classes is None:
        return None
    dropped = torch.rand(len(batch.x), device=batch.x.device) < label_dropout
    return torch.where(dropped, no_class(n_classes), batch.labels)


def guided(network: nn.Module, x: Tensor, t: Tensor, y: Tensor | None, guidance: float) -> Tensor:
    r"""A saída da rede com a classe, afastada da saída sem ela: a orientação sem classificador.

    .. math:: (1 + w)\,o(x, t, y) - w\,o(x, t)

    Args:
        network: ``network(x, t, y)``, de saída da forma de ``x``.
        x: (B, …).
        t: (B,) em [0, 1].
        y: (B,) classes; ``None`` para nenhuma.
        guidance: w ≥ 0; com 0, uma avaliação da rede em vez de duas.

    Raises:
        ValueError: ``guidance`` negativo, ou maior que zero sem ``y``; ou um dos dois numa rede que não olha a classe.

    Referência:
        Ho e Salimans (2022), *Classifier-free diffusion guidance*, equação 6.
    """
    n_classes = class_count(network)
    checks.guidance(guidance, y, n_classes)
    if y is None or n_classes is None or guidance == 0:
        return in_pieces(network, x, t, y)
    labels = torch.cat([y, torch.full_like(y, no_class(n_classes))])
    with_y, without_y = in_pieces(network, torch.cat([x, x]), t.repeat(2), labels).chunk(2)
    return (1 + guidance) * with_y - guidance * without_y
