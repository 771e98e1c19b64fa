"""O que vale cada peça do fluxo de imagens: o ruído da desquantização e o acoplamento, três sementes de cada.

``python -m benchmarks.flow_parts`` treina por 200 passos três variantes de um fluxo estreito, com os mesmos lotes e com
parâmetros em número parecido, grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam. O
resultado é o estudo ``course_lib/studies/flow_parts.json``, que o capítulo 08_fluxos mostra em tabela.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.flows import AffineCoupling, Flow, flow_objective
from course_lib.models.image_flows import ConvConditioner, Dequantize, ImageFlow, bits_per_dim
from course_lib.models.mixture_flows import MixtureCDF, MixtureCoupling
from course_lib.studies import Study

UNIFORM = "afim, ruído uniforme"
AFFINE = "afim, ruído quase normal"
MIXTURE = "mistura, ruído quase normal"
VARIANTS = (UNIFORM, AFFINE, MIXTURE)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a variante mudam.

    Attributes:
        seeds: uma por repetição: pesos iniciais, ordem dos lotes e ruído.
        steps: passos de treino.
        batch_size: imagens por lote.
        mixture_channels: canais por dentro das redes que dão os parâmetros das misturas.
        affine_channels: dos acoplamentos afins, cujas redes têm saídas mais estreitas: mais largos, para que o número
            de parâmetros fique parecido.
        lr: a maior taxa de aprendizado das redes: sobe até ela e desce a quase zero, como na receita.
        curves_lr: a das curvas por pixel.
        test_images: imagens de teste sorteadas em que se medem os bits.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 200
    batch_size: int = 64
    mixture_channels: int = 32
    affine_channels: int = 46
    lr: float = 2e-3
    curves_lr: float = 1e-2
    test_images: int = 2_000


QUICK = Config(seeds=(0,), steps=2, batch_size=8, mixture_channels=8, affine_channels=8, test_images=10)


def build(config: Config, variant: str) -> Flow:
    """O fluxo de uma variante: o do curso, com as peças trocadas."""
    model = ImageFlow(hidden_channels=config.mixture_channels)
    if variant != MIXTURE:
        to_affine(model, config.affine_channels)
    if variant == UNIFORM:
        to_uniform(model)
    return model


def to_affine(model: nn.Module, hidden_channels: int) -> None:
    """Troca cada acoplamento de mistura por um afim, que vê e muda as mesmas metades."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, MixtureCoupling):
                half = len(child.order) // 2
                network = ConvConditioner(half, 2 * half, hidden_channels, fold=child.network.fold)
                setattr(parent, name, AffineCoupling(child.order.tolist(), network, max_log_scale=child.max_log_scale))


def to_uniform(model: nn.Module) -> None:
    """Troca o ruído quase normal pelo uniforme, e dá às curvas que começam no preto e no branco a largura dele."""
    for layer in model.modules():
        if isinstance(layer, Dequantize):
            wider = math.log(12**-0.5 / layer.std)
            layer.std = None
    for layer in model.modules():
        if isinstance(layer, MixtureCDF):
            with torch.no_grad():
                layer.log_scale[[0, -1]] += wider


def train(config: Config, model: Flow, images: ImageDataset, seed: int) -> None:
    """``config.steps`` passos de Adam, com as curvas a uma taxa maior, como na receita."""
    curves = [p for layer in model.modules() if isinstance(layer, MixtureCDF) for p in layer.parameters()]
    networks = [p for layer in model.modules() if isinstance(layer, ConvConditioner) for p in layer.parameters()]
    groups = [{"params": networks, "lr": config.lr}, {"params": curves, "lr": config.curves_lr}]
    optimizer = torch.optim.Adam(groups, fused=True)
    schedule = OneCycleLR(optimizer, [config.lr, config.curves_lr], total_steps=config.steps, pct_start=0.1)
    with runtime.isolated_seed(seed):
        for batch in islice(images.batches(config.batch_size, seed=seed), config.steps):
            loss = flow_objective(model, batch)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def run(path: Path, quick: bool) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    config = QUICK if quick else Config()
    images, test = load_mnist("train").to(runtime.device()), load_mnist("test").to(runtime.device())
    some = test.take(config.test_images, seed=0).images
    levels = ((some + 1) * 127.5).round() / 127.5 - 1
    header = {
        "config": asdict(config),
        "data": {"train": images.name, "images": len(images), "test": test.name},
        "parameters": {variant: metrics.parameter_count(build(config, variant)) for variant in VARIANTS},
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        with runtime.isolated_seed(seed):
            model = build(config, variant).to(runtime.device())
        start = time.perf_counter()
        train(config, model, images, seed)
        seconds = time.perf_counter() - start
        return {"bits_per_dim": bits_per_dim(model.eval(), levels).mean().item()}, seconds

    return run_variants("flow_parts", path, header, config.seeds, VARIANTS, train_and_measure)


if __name__ == "__main__":
    raise SystemExit(command("flow_parts", __doc__, run))
