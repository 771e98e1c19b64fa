"""Quantos modos um gerador cobre, quando os modos se conhecem: o que é colapso, e o que é só ficar fora dos dados."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib import checks

# O que uma nuvem de amostras pode ser diante de modos conhecidos.
COLLAPSE, OFF_DATA, COVERAGE, PARTIAL = "colapso de modos", "fora dos dados", "todos os modos", "parcial"


@dataclass(frozen=True)
class ModeReport:
    """Onde as amostras caem.

    Attributes:
        modes: modos que há.
        covered: modos com pelo menos 1 % das amostras.
        on_modes: fração das amostras que caem em algum modo, em [0, 1].
    """

    modes: int
    covered: int
    on_modes: float

    @property
    def verdict(self) -> str:
        """O nome do que se vê.

        É ``"colapso de modos"`` só o que o glossário chama assim: amostras convincentes (quatro em cinco caem num
        modo) de poucas variedades (no máximo metade dos modos). Se nem uma em cinco cai num modo, o gerador está
        ``"fora dos dados"``, e não colapsado; é o que faz quem oscila.
        """
        if self.on_modes >= 0.8 and self.covered <= self.modes / 2:
            return COLLAPSE
        if self.on_modes < 0.2:
            return OFF_DATA
        return COVERAGE if self.covered == self.modes else PARTIAL


def count_modes(points: Tensor, centers: Tensor, radius: float) -> ModeReport:
    """Conta as amostras que caem em cada modo.

    Args:
        points: (N, D), as amostras.
        centers: (K, D), o centro de cada modo.
        radius: até que distância do centro se está no modo; cinco desvios, se os modos são gaussianas.

    Raises:
        ValueError: as formas não combinam, não há pontos ou ``radius`` não é positivo.
    """
    same = points.ndim == centers.ndim == 2 and points.shape[1] == centers.shape[1]
    shapes = f"points {tuple(points.shape)} e centers {tuple(centers.shape)}"
    checks.require(same, f"points e centers devem ser (N, D) e (K, D), com o mesmo D; vieram {shapes}")
    checks.require(len(points) > 0 and len(centers) > 0, f"não há o que contar: {shapes}")
    checks.require(radius > 0, f"radius deve ser positivo; veio {radius}")
    distance, nearest = torch.cdist(points, centers).min(dim=1)
    inside = distance < radius
    share = torch.bincount(nearest[inside], minlength=len(centers)) / len(points)
    return ModeReport(len(centers), int((share >= 0.01).sum()), inside.float().mean().item())
