"""Dois domínios sem pares: dígitos do MNIST (X) e outros dígitos, em outro estilo (Y)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import checks, runtime
from course_lib.data.images import ORDER, ImageDataset, fingerprint

# Papel riscado na diagonal: riscos de dois pixels a cada quatro, com tons em [0, 1].
STRIPE_PERIOD = 4
LIGHT_PAPER, DARK_PAPER = 0.75, 0.4

# Sorteia que imagens vão para cada domínio. Não é a semente do treinamento: os domínios são sempre os mesmos.
SPLIT_SEED = 6


class UnpairedBatch(NamedTuple):
    """Um lote de cada domínio, sem par entre si: ``x`` (B, C, H, W) e ``y`` (B, C, H, W), em [-1, 1]."""

    x: Tensor
    y: Tensor


def hollow(x: Tensor) -> Tensor:
    r"""O estilo do domínio Y: o mesmo dígito, vazado, com contorno preto sobre papel riscado.

    Com :math:`u = (x + 1)/2` a tinta em [0, 1], :math:`d` o máximo de u em cada vizinhança 3×3 (o traço engrossado) e
    :math:`p` o papel,

    .. math:: y = 2\,\left[u + (1 - d)\,p\right] - 1

    Onde há traço, y é o próprio x; em volta dele, um pixel de contorno preto; longe, o papel. Nada do traço se perde:
    a volta é tirar o papel. Cada pixel de y depende só de uma vizinhança 3×3 de x e da sua posição.

    Args:
        x: (B, 1, 28, 28) em [-1, 1].

    Returns:
        (B, 1, 28, 28) em [-1, 1].

    Raises:
        TypeError, ValueError: ``x`` não é um lote de imagens.
    """
    checks.images(x)
    ink = (x.clamp(-1, 1) + 1) / 2
    thick = F.max_pool2d(ink, 3, stride=1, padding=1)
    rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
    stripe = (rows[:, None] + columns) % STRIPE_PERIOD < STRIPE_PERIOD // 2  # (28, 28)
    paper = torch.where(stripe, LIGHT_PAPER, DARK_PAPER).to(x.dtype)
    # A soma não passa de 1: thick ≥ ink e paper ≤ 1.
    return 2 * (ink + (1 - thick) * paper) - 1


def restyle(dataset: ImageDataset, style: Callable[[Tensor], Tensor] = hollow) -> ImageDataset:
    """As mesmas imagens, na mesma ordem, no outro estilo: com ``dataset``, os pares que medem uma tradução.

    Só para medir, e só com imagens de teste: no treinamento os domínios não têm pares.

    Args:
        dataset: as imagens em X.
        style: leva imagens (B, 1, 28, 28) em imagens da mesma forma e faixa.
    """
    return ImageDataset(style(dataset.images), dataset.labels, f"{dataset.name}, no estilo de Y")


@dataclass(frozen=True)
class UnpairedDataset:
    """Dois conjuntos de imagens; a i-ésima de um nada tem com a i-ésima do outro, e os tamanhos podem diferir.

    Attributes:
        x: domínio X.
        y: domínio Y.
    """

    x: ImageDataset
    y: ImageDataset

    @property
    def name(self) -> str:
        """De onde vieram os dois domínios."""
        return f"X: {self.x.name}; Y: {self.y.name}"

    def batches(self, batch_size: int, *, seed: int = 0) -> UnpairedBatches:
        """Lotes dos dois domínios, para o laço de treinamento."""
        return UnpairedBatches(self.x.images, self.y.images, batch_size, seed=seed)


def split_domains(dataset: ImageDataset, style: Callable[[Tensor], Tensor] = hollow) -> UnpairedDataset:
    """Reparte as imagens em duas metades, sorteadas, e leva uma delas ao outro estilo: nenhuma imagem está nas duas.

    Args:
        dataset: as imagens, todas em X.
        style: leva imagens (B, 1, 28, 28) em imagens da mesma forma e faixa.

    Returns:
        Os dois domínios, sempre com as mesmas imagens; com um número ímpar delas, Y tem uma a mais.

    Raises:
        ValueError: há menos de duas imagens.
    """
    n = len(dataset)
    checks.require(n >= 2, f"dataset: veio {n} imagem; dois domínios pedem pelo menos duas")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SPLIT_SEED)).to(dataset.images.device)
    x, y = (
        ImageDataset(dataset.images.index_select(0, index), dataset.labels.index_select(0, index), dataset.name)
        for index in (order[: n // 2], order[n // 2 :])
    )
    return UnpairedDataset(x, restyle(y, style))


class UnpairedBatches:
    """Lotes de dois domínios, cada um embaralhado por si; a ordem de cada época depende só de ``(seed, época)``.

    Uma época percorre o domínio maior uma vez; o menor recomeça, em outra ordem, tantas vezes quantas for preciso.

    Args:
        x: (N, C, H, W), imagens do domínio X, já no dispositivo em que serão usadas.
        y: (M, C, H, W), imagens do domínio Y.
        batch_size: imagens de cada domínio por lote; o último pode ter menos.
        seed: semente da ordem.

    Raises:
        ValueError: ``batch_size`` não é um inteiro maior que zero.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, *, seed: int = 0) -> None:
        batch_size = checks.integer(batch_size, "batch_size")
        self.x = x
        self.y = y
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Escolhe a época (a partir de 0) cuja ordem a próxima iteração usará."""
        self.epoch = epoch

    def sha256(self) -> str:
        """SHA-256 das imagens dos dois domínios: só com os mesmos se retoma um treinamento."""
        return fingerprint(self.x, self.y)

    def __len__(self) -> int:
        return -(-max(len(self.x), len(self.y)) // self.batch_size)

    def __iter__(self) -> Iterator[UnpairedBatch]:
        orders = shuffled_orders(len(self.x), len(self.y), seed=self.seed, epoch=self.epoch)
        order_x, order_y = (order.to(self.x.device) for order in orders)
        for start in range(0, len(order_x), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            yield UnpairedBatch(self.x.index_select(0, order_x[chunk]), self.y.index_select(0, order_y[chunk]))
        self.epoch += 1


def shuffled_orders(n_x: int, n_y: int, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Os índices de uma época em cada domínio, embaralhados cada um por si; o menor recomeça, em outra ordem."""
    generator = torch.Generator().manual_seed(runtime.derive_seed(seed, ORDER, epoch))
    longest = max(n_x, n_y)
    return _shuffled(n_x, longest, generator), _shuffled(n_y, longest, generator)


def _shuffled(n: int, length: int, generator: torch.Generator) -> Tensor:
    """``length`` índices de 0 a n - 1: permutações inteiras, uma depois da outra."""
    repeats = -(-length // n)
    return torch.cat([torch.randperm(n, generator=generator) for _ in range(repeats)])[:length]
