"""As demonstrações no plano: um espaço latente, dois treinos que acontecem na página, a folha de um fluxo."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course_lib import checks, viz
from course_lib.data import ImageDataset
from course_lib.data.toy import RING_RADIUS, RING_STD
from course_lib.interactive.demo import N_EXAMPLES, Demo, as_text, drawn_set, on_cpu, seeded, still_picture
from course_lib.interactive.export import export

# Um capítulo só importa as famílias que usa: quem pede a demonstração já tem o modelo.
if TYPE_CHECKING:
    from course_lib.models.flows import Flow
    from course_lib.models.vae import VAE

# Pontos da nuvem no plano latente, e pontos que a folha de borracha leva de uma vez.
N_CLOUD = 800
SHEET_POINTS = 64

# O anel da galeria de falhas do capítulo 04 (``python -m benchmarks.ring``), de nuvens mais estreitas que as do Toy: é
# entre elas que um gerador se perde. Um ponto é de uma nuvem até tantos desvios do centro.
NARROW_STD, NARROW_REACH = 0.05, 5
RING_REACH = 3


def latent_plane(model: VAE, dataset: ImageDataset) -> Demo:
    """O plano latente de um VAE de duas dimensões: arraste o código, desenhe um dígito e veja onde ele cai.

    Args:
        model: um VAE com ``latent_dim=2``.
        dataset: as imagens da nuvem, com os seus rótulos.

    Raises:
        ValueError: o espaço latente não é um plano.
    """
    checks.require(model.latent_dim == 2, f"model: esperava latent_dim = 2; recebi {model.latent_dim}")
    model = on_cpu(model)
    points = drawn_set(dataset, N_CLOUD)
    with torch.no_grad():
        mu, _ = model.encode(points.images)
        viz.embedding(mu, points.labels, title="μ(x) no plano latente", xlabel="$z_0$", ylabel="$z_1$")
    return Demo(
        "latent_plane",
        title="Passeie pelo plano latente",
        lead="Arraste o ponto: que dígito há entre dois? Desenhe um: a elipse é a nuvem q(z|x) dele.",
        alt="Dispersão das médias das imagens no plano latente, uma cor por dígito, em torno da origem.",
        still=still_picture(),
        programs={
            "enc": export(
                model.encode, {"x": points.images[:1]}, outputs=("mu", "logvar"), modules=[model], weights="int6"
            ),
            "dec": export(model.decode, {"z": mu[:1]}, modules=[model], weights="int6"),
        },
        options={
            "examples": as_text(points.images[:N_EXAMPLES]),
            "cloud": {"points": (100 * mu).round().int().flatten().tolist(), "labels": points.labels.tolist()},
        },
    )


def ring_gan() -> Demo:
    """Uma GAN no plano, treinada na página: o colapso do gerador lento, e o que o cura."""
    viz.scatter({"dados": _ring(NARROW_STD)}, title="O anel de oito nuvens que o gerador deve cobrir")
    slow = {"genRate": 3e-4, "discRate": 3e-3}
    return Demo(
        "ring_gan",
        title="Faça uma GAN colapsar, e cure-a",
        lead="Treine com o gerador lento e veja aonde vão os pontos. Que regra os espalha pelas oito nuvens?",
        alt="Oito nuvens de pontos dispostas num anel.",
        still=still_picture(),
        programs={},
        options={
            "data": _ring_options(NARROW_STD, NARROW_REACH),
            "limit": 4_001,
            "games": {
                "gerador lento": slow,
                "taxas iguais": {"genRate": 1e-3, "discRate": 1e-3},
                "gerador lento, quatro julgadas por vez": {**slow, "pack": 4},
            },
        },
    )


def ring_flow() -> Demo:
    """*Flow matching* no plano, treinado na página: a correnteza que leva o ruído ao anel."""
    viz.scatter({"dados": _ring(RING_STD)}, title="Os dados a que a correnteza deve levar")
    return Demo(
        "ring_flow",
        title="Treine uma correnteza",
        lead="Treine, solte o ruído e pare no meio do caminho. Com quantos passos o ruído ainda chega às nuvens?",
        alt="Oito nuvens de pontos dispostas num anel.",
        still=still_picture(),
        programs={},
        options={"data": _ring_options(RING_STD, RING_REACH), "limit": 1_200},
    )


def rubber_sheet(flow: Flow, data: Tensor) -> Demo:
    """A folha de borracha de um fluxo do plano: camada a camada, e a área de um quadrado que se arrasta.

    Args:
        flow: um fluxo de pontos do plano.
        data: pontos (N, 2) dos dados, que aparecem por baixo.

    Raises:
        ValueError: os exemplos do fluxo não são pontos do plano.
    """
    checks.require(flow.shape == (2,), f"flow: esperava pontos do plano, de forma (2,); recebi {flow.shape}")
    flow = on_cpu(flow)

    def unrolled(z: Tensor) -> tuple[Tensor, ...]:
        """Os pontos depois de desfeita cada camada, e quanto o logaritmo da área cresceu até ali."""
        stages, grown, layer = [], torch.zeros(len(z)), None
        for layer in reversed(flow.layers):
            z = layer.inverse(z)
            grown = grown - layer(z)[1]
            stages += [z, grown]
        return tuple(stages)

    with torch.no_grad(), seeded():
        side = torch.linspace(-2.5, 2.5, 21)
        lattice, cloud = torch.cartesian_prod(side, side), torch.randn(400, 2)
        panels = {
            "ruído": (lattice.view(21, 21, 2), cloud),
            "dados": (flow.inverse(lattice).view(21, 21, 2), flow.inverse(cloud)),
        }
        viz.lattice_panels(panels, n_cols=2, title="A folha, antes e depois")
    n_layers = len(flow.layers)
    outputs = tuple(f"{kind}{k}" for k in range(1, n_layers + 1) for kind in ("x", "grown"))
    return Demo(
        "rubber_sheet",
        title="Estique a folha de borracha",
        lead="Desfaça as camadas uma a uma e arraste o quadrado: onde ele encolhe na folha, o que faz a densidade?",
        alt="Dois quadros: a malha quadrada do ruído com uma nuvem redonda, e a mesma malha esticada sobre os dados.",
        still=still_picture(),
        programs={"flow": export(unrolled, {"z": cloud[:SHEET_POINTS]}, outputs=outputs, modules=[flow])},
        options={"points": SHEET_POINTS, "layers": n_layers, "data": (100 * data[:300].cpu()).round().int().tolist()},
    )


def _ring(std: float) -> Tensor:
    """400 pontos de oito nuvens, deste desvio, no anel."""
    with seeded():
        angle = 2 * math.pi * torch.randint(8, (400,)) / 8
        return RING_RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1) + std * torch.randn(400, 2)


def _ring_options(std: float, reach: float) -> dict[str, float]:
    return {"radius": RING_RADIUS, "std": std, "near": reach * std}
