"""Densidades no plano, de onde se sorteia à vontade e cujo valor exato se conhece: o gabarito de um modelo."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib import checks, runtime
from course_lib.data.images import Batch

TOYS = ("luas", "anel", "xadrez")

RING_RADIUS = 2.0
RING_STD = 0.2
MOON_STD = 0.15
# Nós da integral ao longo de cada lua, bem mais juntos que MOON_STD: o erro da quadratura some.
MOON_NODES = 128
CHECKER_SIDE = 1.0


class Toy:
    """Uma densidade p(x) no plano.

    - ``"luas"``: duas meias-luas entrelaçadas, com ruído normal; a classe é a lua.
    - ``"anel"``: oito normais num círculo; a classe é a normal.
    - ``"xadrez"``: uniforme nas casas pretas de um tabuleiro 4×4; a classe é a fileira.

    Args:
        name: o nome de uma delas.

    Raises:
        ValueError: não há densidade com esse nome.
    """

    def __init__(self, name: str) -> None:
        checks.one_of(name, "name", TOYS)
        self.name = name

    def sample(self, n: int, *, seed: int | None = None) -> Batch:
        """``n`` pontos ``x`` (n, 2) float32 e as suas classes ``labels`` (n,).

        Args:
            n: quantos.
            seed: semente; sem ela, o gerador global do PyTorch.

        Raises:
            ValueError: ``n`` menor que 1.
        """
        n = checks.integer(n, "n")
        if seed is not None:
            with runtime.isolated_seed(seed):
                return self.sample(n)
        if self.name == "anel":
            labels = torch.randint(8, (n,))
            x = _ring_centers()[labels] + RING_STD * torch.randn(n, 2)
        elif self.name == "luas":
            labels = torch.randint(2, (n,))
            x = _moon_points(math.pi * torch.rand(n), labels) + MOON_STD * torch.randn(n, 2)
        else:
            labels = torch.randint(4, (n,))
            column = 2 * torch.randint(2, (n,)) + labels % 2
            corner = torch.stack([column, labels], dim=1) - 2.0
            x = CHECKER_SIDE * (corner + torch.rand(n, 2))
        return Batch(x, labels)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) em nats, (N,), de x (N, 2); ``-inf`` fora das casas do xadrez.

        A das luas é uma integral ao longo da curva, feita por quadratura de Gauss, com erro desprezível.

        Raises:
            ValueError: ``x`` não é (N, 2).
        """
        checks.shape(x, "x", "N", 2)
        if self.name == "xadrez":
            cell = (x / CHECKER_SIDE).floor()
            inside = (cell.abs() <= 2).all(1) & (cell < 2).all(1) & (cell.sum(1) % 2 == 0)
            return torch.where(inside, -math.log(8 * CHECKER_SIDE**2), -math.inf).to(x.dtype)
        if self.name == "anel":
            return _mixture(x, _ring_centers().to(x), RING_STD)
        node, weight = np.polynomial.legendre.leggauss(MOON_NODES)
        angle = torch.from_numpy(math.pi * (node + 1) / 2)
        centers = torch.cat([_moon_points(angle, torch.full((MOON_NODES,), moon)) for moon in (0, 1)])
        return _mixture(x, centers.to(x), MOON_STD, torch.from_numpy(weight).repeat(2).to(x))

    def batches(self, batch_size: int, n_batches: int) -> ToyBatches:
        """Uma época de ``n_batches`` lotes novos a cada passagem, para o laço de treinamento."""
        batch_size = checks.integer(batch_size, "batch_size")
        n_batches = checks.integer(n_batches, "n_batches")
        return ToyBatches(self, batch_size, n_batches)


@dataclass(frozen=True)
class ToyBatches:
    """Lotes sorteados na hora: nenhum ponto se repete, logo não há o que decorar.

    O acaso vem do gerador global, que o laço semeia a cada época.
    """

    toy: Toy
    batch_size: int
    n_batches: int

    def sha256(self) -> str:
        """SHA-256 do nome da densidade e do tamanho dos lotes: só com os mesmos se retoma um treinamento."""
        return hashlib.sha256(f"{self.toy.name} {self.batch_size}".encode()).hexdigest()

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.n_batches):
            yield self.toy.sample(self.batch_size)


def _ring_centers() -> Tensor:
    angle = 2 * math.pi * torch.arange(8) / 8
    return RING_RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)


def _moon_points(angle: Tensor, moon: Tensor) -> Tensor:
    """Pontos (N, 2) das curvas: a lua 0 é a de cima, e a lua 1, a de baixo, começa no meio dela."""
    up = 1 - 2 * moon.to(angle.dtype)  # 1 na lua de cima, -1 na de baixo
    x = up * angle.cos() + moon - 0.5
    y = up * angle.sin() + 0.5 * moon - 0.25
    return 1.5 * torch.stack([x, y], dim=1)


def _mixture(x: Tensor, centers: Tensor, std: float, weights: Tensor | None = None) -> Tensor:
    """Log-densidade em x (N, 2) da mistura de normais centradas em centers (K, 2), com estes pesos ou todos iguais."""
    weights = torch.ones_like(centers[:, 0]) if weights is None else weights
    square = (x.unsqueeze(1) - centers).square().sum(2) / std**2  # (N, K)
    log_weights = (weights / weights.sum()).log()
    return torch.logsumexp(log_weights - square / 2, dim=1) - math.log(2 * math.pi * std**2)
