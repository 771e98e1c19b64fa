"""A receita de cada família: dados, redes, otimizadores e o que cada perfil quer dizer. Só aqui.

Os hiperparâmetros do documento de origem estão escritos no capítulo 09; os daqui são os melhores que medimos para
chegar à mesma qualidade em menos tempo (``make bench`` mostra quanto).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from course_lib import runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.gan import Discriminator, GANStep, Generator
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.training.checkpoint import stateful_parts
from course_lib.training.fit import ObjectiveStep, fit
from course_lib.training.history import History


@dataclass(frozen=True)
class Scale:
    """Tamanho de um treinamento num perfil: épocas e quantas imagens de treino (``None``: todas)."""

    epochs: int
    images: int | None = None


@dataclass(frozen=True)
class Recipe:
    """Como treinar e amostrar uma família.

    Attributes:
        name: nome da família, o do arquivo em ``models/``.
        title: nome que se lê em figuras e mensagens.
        batch_size: imagens por lote.
        scales: o que cada perfil quer dizer para esta família.
        build: ``build(total_steps) -> passo``, com redes e otimizadores novos, na CPU.
        sampler: do passo, a rede que tem ``sample(n)``.
        finish: o que fazer com o passo e os dados depois do treino (ajustar a densidade dos códigos, por exemplo).
    """

    name: str
    title: str
    batch_size: int
    scales: Mapping[str, Scale]
    build: Callable[[int], Any]
    sampler: Callable[[Any], nn.Module]
    finish: Callable[[Any, ImageDataset], None] | None = None


@dataclass
class Trained:
    """O que :func:`train` devolve: o passo (com as redes), o histórico e os dados usados."""

    recipe: Recipe
    step: Any
    history: History
    dataset: ImageDataset


def _adam(model: nn.Module, lr: float, **options: Any) -> torch.optim.Adam:
    # fused: um só núcleo atualiza todos os parâmetros, em vez de uma dezena de operações por parâmetro.
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True, **options)


def _one_cycle(optimizer: torch.optim.Optimizer, total_steps: int, **options: float) -> OneCycleLR:
    """A taxa do otimizador sobe até o máximo e desce quase a zero: mais alta no meio, mais fina no fim."""
    return OneCycleLR(optimizer, max_lr=optimizer.defaults["lr"], total_steps=total_steps, **options)


def _build_autoencoder(total_steps: int) -> ObjectiveStep:
    model = Autoencoder()
    # Com a taxa alta cedo, unidades da ReLU do código morrem e o erro estaciona: a subida toma metade do treino, e
    # beta2 = 0,99 deixa o Adam acompanhar gradientes que mudam depressa num treino tão curto.
    optimizer = _adam(model, 4e-3, betas=(0.9, 0.99))
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.5)
    return ObjectiveStep(model, reconstruction_objective, optimizer, schedule)


def _build_vae(total_steps: int) -> ObjectiveStep:
    model = VAE()
    optimizer = _adam(model, 4e-3)
    return ObjectiveStep(model, gaussian_objective, optimizer, _one_cycle(optimizer, total_steps))


def _build_gan(total_steps: int) -> GANStep:
    gen, disc = Generator(), Discriminator()
    # Com beta1 = 0,9, o padrão do Adam, o jogo oscila e o gerador esquece dígitos: o capítulo 04 mede isso.
    betas = (0.5, 0.999)
    return GANStep(gen, disc, _adam(gen, 5e-4, betas=betas), _adam(disc, 5e-4, betas=betas))


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="autoencoder",
            title="Autoencoder",
            batch_size=128,
            scales={"rapido": Scale(2, 6_000), "padrao": Scale(10), "completo": Scale(60)},
            build=_build_autoencoder,
            sampler=lambda step: step.model,
            finish=lambda step, dataset: step.model.fit_codes(dataset.take(10_000).images),
        ),
        Recipe(
            name="vae",
            title="VAE",
            batch_size=128,
            scales={"rapido": Scale(2, 6_000), "padrao": Scale(10), "completo": Scale(100)},
            build=_build_vae,
            sampler=lambda step: step.model,
        ),
        Recipe(
            name="gan",
            title="GAN",
            batch_size=128,
            scales={"rapido": Scale(2, 6_000), "padrao": Scale(20), "completo": Scale(200)},
            build=_build_gan,
            sampler=lambda step: step.gen,
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """A receita da família ``name``.

    Raises:
        ValueError: não há família com esse nome.
    """
    runtime.require(name in RECIPES, f"modelo desconhecido: {name!r}; os modelos são {', '.join(RECIPES)}")
    return RECIPES[name]


def networks(step: Any) -> dict[str, nn.Module]:
    """As redes de um passo, por nome de atributo."""
    return {name: part for name, part in stateful_parts(step).items() if isinstance(part, nn.Module)}


def train(
    name: str,
    *,
    profile: str | None = None,
    seed: int = 0,
    dataset: ImageDataset | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Treina a família ``name`` pela sua receita.

    Args:
        name: chave de :data:`RECIPES`.
        profile: ``rapido``, ``padrao`` ou ``completo``; o de ``CURSO_PERFIL`` quando falta.
        seed: semente dos pesos iniciais e do treinamento.
        dataset: dados de treino; o MNIST quando faltam.
        checkpoint: arquivo de retomada (veja :func:`~course_lib.training.fit`).
        progress: se há barra de progresso.

    Raises:
        ValueError: modelo ou perfil desconhecido.
    """
    recipe = get_recipe(name)
    scale = recipe.scales[runtime.validate_profile(profile) if profile is not None else runtime.profile()]
    dataset = dataset if dataset is not None else load_mnist("train")
    if scale.images is not None:
        dataset = dataset.take(scale.images, seed=seed)
    dataset = dataset.to(runtime.device())
    batches = dataset.batches(recipe.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        step = recipe.build(scale.epochs * len(batches))
    for network in networks(step).values():
        network.to(runtime.device())
    history = fit(
        step,
        batches,
        epochs=scale.epochs,
        seed=seed,
        checkpoint=checkpoint,
        description=recipe.title,
        progress=progress,
    )
    if recipe.finish is not None and len(history):
        recipe.finish(step, dataset)
    return Trained(recipe, step, history, dataset)
