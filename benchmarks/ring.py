"""O anel de oito gaussianas: que jogo oscila, que jogo colapsa, e o que cura cada um, com cinco sementes de cada.

``python -m benchmarks.ring`` grava cada variante assim que ela termina e, chamado de novo, faz só as que faltam. O
resultado é o estudo ``course_lib/studies/ring.json``, que o capítulo 04_gan mostra em tabela e em figura.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.study import add_run, command, resume
from course_lib import runtime
from course_lib.metrics.modes import count_modes
from course_lib.models import gan
from course_lib.studies import Study
from course_lib.text import number

ANGLES = torch.arange(8) * math.pi / 4
CENTERS = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)
STD = 0.05


@dataclass(frozen=True)
class Variant:
    """Um jogo.

    Attributes:
        loss: o nome das perdas, em ``LOSSES``.
        beta1: o momento do Adam dos dois jogadores.
        gen_lr: taxa de aprendizado do gerador.
        disc_lr: taxa do discriminador.
        pack: amostras que o discriminador julga de uma vez.
        r1_r2: peso das penalidades da inclinação nas reais e nas falsas.
        steps: passos do jogo.
    """

    loss: str = "não saturante"
    beta1: float = 0.5
    gen_lr: float = 1e-3
    disc_lr: float = 1e-3
    pack: int = 1
    r1_r2: float = 0.0
    steps: int = 1_600


# O gerador anda dez vezes mais devagar que o discriminador, que vence cedo: é o jogo que colapsa.
LOSING = Variant(gen_lr=3e-4, disc_lr=3e-3, steps=4_000)
NAMES = ("minimax", "não saturante", "dobradiça", "Wasserstein, sem limite", "Wasserstein + penalidade")
OSCILLATION = {
    f"{name}, β1 = {number(beta1)}": Variant(loss=name, beta1=beta1)
    for name, beta1 in itertools.product(NAMES, (0.9, 0.5))
}
SLOW_GENERATOR = {
    "gerador lento: não saturante": LOSING,
    "gerador lento: minimax": replace(LOSING, loss="minimax"),
    "cura: taxas iguais": replace(LOSING, gen_lr=1e-3, disc_lr=1e-3),
    "cura: quatro amostras por vez": replace(LOSING, pack=4),
    "cura: R1 + R2": replace(LOSING, r1_r2=1.0),
    "cura: relativista + R1 + R2": replace(LOSING, loss="relativista", r1_r2=1.0),
}
VARIANTS = {**OSCILLATION, **SLOW_GENERATOR}


@dataclass(frozen=True)
class Config:
    """O que é igual em todas as variantes.

    Attributes:
        seeds: partidas de cada variante, jogadas juntas; cada uma tem os seus pesos e os seus sorteios.
        batch_size: pontos por passo, de cada jogador.
        hidden_dim: largura das duas camadas ocultas de cada rede.
        latent_dim: dimensões do ruído.
        samples: pontos em que se contam os modos.
        shown: pontos guardados da primeira partida, para a figura.
        steps: passos; 0 são os da variante.
    """

    seeds: int = 5
    batch_size: int = 64
    hidden_dim: int = 32
    latent_dim: int = 16
    samples: int = 2_000
    shown: int = 300
    steps: int = 0


QUICK = Config(seeds=2, samples=200, shown=20, steps=5)


class Stack(nn.Module):
    """Uma MLP por semente, todas andando num produto só; cada uma vê apenas os seus pontos.

    Args:
        copies: quantas redes.
        sizes: as larguras, como em ``mlp``.
    """

    def __init__(self, copies: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.copies = copies
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in itertools.pairwise(sizes):
            bound = 1 / math.sqrt(n_in)
            self.weights.append(torch.empty(copies, n_in, n_out).uniform_(-bound, bound))
            self.biases.append(torch.empty(copies, 1, n_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """De (copies · B, D) a (copies · B, saídas), em blocos: os primeiros B pontos são da primeira rede."""
        h = x.view(self.copies, -1, self.weights[0].shape[1])
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h if index == 0 else F.relu(h), weight)
        return h.flatten(0, 1)


def relativistic_loss(favoured: Tensor, other: Tensor) -> Tensor:
    """Perda relativista: que cada logit favorecido passe o do seu par. Jolicoeur-Martineau (2019); R3GAN."""
    return F.softplus(other - favoured).mean()


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    # A perda do discriminador e a do gerador, dos logits das reais e das falsas.
    "minimax": (gan.discriminator_loss, lambda _, fake: gan.minimax_loss(fake)),
    "não saturante": (gan.discriminator_loss, lambda _, fake: gan.nonsaturating_loss(fake)),
    "dobradiça": (gan.hinge_discriminator_loss, lambda _, fake: gan.linear_generator_loss(fake)),
    "Wasserstein, sem limite": (gan.wasserstein_discriminator_loss, lambda _, fake: gan.linear_generator_loss(fake)),
    "Wasserstein + penalidade": (gan.wasserstein_discriminator_loss, lambda _, fake: gan.linear_generator_loss(fake)),
    "relativista": (relativistic_loss, lambda real, fake: relativistic_loss(fake, real)),
}


def sample_ring(n: int) -> Tensor:
    """``n`` pontos (n, 2) das oito gaussianas."""
    return CENTERS[torch.randint(8, (n,))] + STD * torch.randn(n, 2)


def slope_penalty(disc: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Metade do quadrado da inclinação média nos pontos (R1 nas reais, R2 nas falsas); Mescheder et al. (2018)."""
    points = points.detach().requires_grad_()
    (slope,) = torch.autograd.grad(disc(points).sum(), points, create_graph=True)
    return slope.square().sum(1).mean() / 2


def play(config: Config, variant: Variant) -> tuple[Tensor, Tensor]:
    """Joga as partidas da variante.

    Returns:
        As amostras no fim, (sementes, samples, 2), e o quanto o centro da nuvem andou a cada 50 passos, em média, no
        último quarto do jogo, (sementes,).
    """
    copies, hidden = config.seeds, (config.hidden_dim, config.hidden_dim)
    gen = Stack(copies, (config.latent_dim, *hidden, 2))
    net = Stack(copies, (2 * variant.pack, *hidden, 1))
    gen_optimizer, disc_optimizer = (
        torch.optim.Adam(one.parameters(), lr=lr, betas=(variant.beta1, 0.999), fused=True)
        for one, lr in ((gen, variant.gen_lr), (net, variant.disc_lr))
    )
    disc_loss, gen_loss = LOSSES[variant.loss]

    def disc(points: Tensor) -> Tensor:
        return net(points.reshape(-1, 2 * variant.pack)).squeeze(1)

    def draw(n: int) -> Tensor:
        return gen(torch.randn(copies * n, config.latent_dim))

    steps, centers = config.steps or variant.steps, []
    for step in range(steps):
        real, fake = sample_ring(copies * config.batch_size), draw(config.batch_size)
        loss = disc_loss(disc(real), disc(fake.detach()))
        if variant.loss == "Wasserstein + penalidade":
            loss = loss + gan.gradient_penalty(disc, real, fake)
        if variant.r1_r2:
            loss = loss + variant.r1_r2 * (slope_penalty(disc, real) + slope_penalty(disc, fake))
        disc_optimizer.zero_grad()
        # A média é sobre todas as partidas; vezes copies, cada uma recebe a sua, como se jogasse só.
        (copies * loss).backward()
        disc_optimizer.step()

        loss = gen_loss(disc(real).detach(), disc(fake))
        gen_optimizer.zero_grad()
        (copies * loss).backward()
        gen_optimizer.step()
        if step >= 3 * steps // 4 and (steps - 1 - step) % 50 == 0:
            centers.append(fake.detach().view(copies, -1, 2).mean(1))
    path = torch.stack(centers)
    drift = (path[1:] - path[:-1]).norm(dim=2).mean(0) if len(path) > 1 else torch.zeros(copies)
    with torch.no_grad():
        return draw(config.samples).view(copies, -1, 2), drift


def measure(config: Config, points: Tensor, drift: Tensor) -> dict[str, Any]:
    """Os modos, a fração sobre eles, o veredito e o movimento de cada partida, e os pontos da primeira."""
    reports = [count_modes(cloud, CENTERS, 5 * STD) for cloud in points]
    return {
        "covered": [report.covered for report in reports],
        "on_modes": [round(report.on_modes, 4) for report in reports],
        "verdict": [report.verdict for report in reports],
        "drift": [round(value, 4) for value in drift.tolist()],
        "points": [[round(value, 2) for value in point] for point in points[0, : config.shown].tolist()],
    }


def run(config: Config, path: Path) -> Study:
    """Joga as variantes que faltam no estudo em ``path``, gravando-o depois de cada uma, e o devolve."""
    variants = {name: asdict(variant) for name, variant in VARIANTS.items()}
    study = resume("ring", path, {"config": asdict(config), "variants": variants})
    done = {one["variant"] for one in study.runs}
    for name, variant in VARIANTS.items():
        if name in done:
            continue
        start = time.perf_counter()
        with runtime.isolated_seed(0):
            found = measure(config, *play(config, variant))
        add_run(path, study, {"variant": name, **found, "seconds": round(time.perf_counter() - start, 1)})
        shares = [number(value, ".0%") for value in found["on_modes"]]
        print(f"{name}: modos {found['covered']}, neles {', '.join(shares)}", flush=True)
    return study


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    run(QUICK if quick else Config(), path)


if __name__ == "__main__":
    raise SystemExit(command("ring", __doc__, main))
