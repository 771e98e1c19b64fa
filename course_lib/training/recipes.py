"""A receita de cada família: dados, redes, otimizadores e o que cada perfil quer dizer. Só aqui.

Os hiperparâmetros do documento de origem estão escritos no capítulo 09; os daqui são os melhores que medimos para
chegar à mesma qualidade em menos tempo (``make bench`` mostra quanto).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from course_lib import runtime
from course_lib.data import Batches, ImageDataset, PhotoDomains, UnpairedBatches, load_mnist, split_domains
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.cyclegan import CycleGANStep, LinearDecay, PatchDiscriminator, ResnetGenerator
from course_lib.models.denoising import ConvDenoiser, denoising_objective
from course_lib.models.diffusion import Diffusion, diffusion_objective
from course_lib.models.flow_matching import FlowMatching, flow_matching_objective
from course_lib.models.flows import flow_objective
from course_lib.models.gan import (
    ConvDiscriminator,
    ConvGenerator,
    Discriminator,
    GANStep,
    Generator,
    hinge_discriminator_loss,
    linear_generator_loss,
)
from course_lib.models.image_flows import ConvConditioner, ImageFlow
from course_lib.models.judge import JudgeNetwork, classification_objective
from course_lib.models.mixture_flows import MixtureCDF
from course_lib.models.stacked import stack_layers, unroll
from course_lib.models.stylegan import StyleDiscriminator, StyleGANStep, StyleGenerator
from course_lib.models.vae import VAE, bernoulli_objective, gaussian_objective
from course_lib.training.checkpoint import stateful_parts
from course_lib.training.ema import EMA
from course_lib.training.fit import fit
from course_lib.training.greedy import greedy_pretrain
from course_lib.training.history import History
from course_lib.training.step import ObjectiveStep


@dataclass(frozen=True)
class Scale:
    """Tamanho de um treinamento num perfil: épocas e quantas imagens de treino (``None``: todas)."""

    epochs: int
    images: int | None = None


def _own_batches(dataset: Any, batch_size: int, *, seed: int) -> Any:
    return dataset.batches(batch_size, seed=seed)


@dataclass(frozen=True)
class Recipe:
    """Como treinar e amostrar uma família.

    Attributes:
        name: nome da família, o do arquivo em ``models/``.
        title: nome que se lê em figuras e mensagens.
        batch_size: imagens por lote.
        scales: o que cada perfil quer dizer para esta família.
        build: ``build(total_steps) -> passo``, com redes e otimizadores novos, na CPU.
        batches: ``batches(dados, batch_size, seed=)``, os lotes do laço; sem ela, os do próprio conjunto.
        sampler: do passo, a rede que tem ``sample(n)``; ``None`` se o modelo não gera imagens.
        average: decaimento da média móvel dos pesos da rede que amostra; no fim do treino ela toma o lugar deles.
        prepare: o que treinar antes, a partir do passo e dos lotes (as camadas de uma pilha); devolve os históricos.
        finish: o que fazer com o passo e os dados depois do treino (ajustar a densidade dos códigos, por exemplo).
    """

    name: str
    title: str
    batch_size: int
    scales: Mapping[str, Scale]
    build: Callable[[int], Any]
    batches: Callable[..., Any] = _own_batches
    sampler: Callable[[Any], nn.Module] | None = None
    average: float | None = None
    prepare: Callable[..., list[History]] | None = None
    finish: Callable[[Any, ImageDataset], None] | None = None


@dataclass
class Trained:
    """O que :func:`train` devolve: o passo (com as redes), o histórico, os dados e o que ``prepare`` treinou antes."""

    recipe: Recipe
    step: Any
    history: History
    dataset: ImageDataset | PhotoDomains
    pretraining: list[History] = field(default_factory=list)


def _adam(model: nn.Module, lr: float, **options: Any) -> torch.optim.Adam:
    # fused: um só núcleo atualiza todos os parâmetros, em vez de uma dezena de operações por parâmetro.
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True, **options)


def _one_cycle(optimizer: torch.optim.Optimizer, total_steps: int, *, pct_start: float = 0.3) -> OneCycleLR:
    """A taxa de cada grupo sobe até o máximo e desce quase a zero: mais alta no meio, mais fina no fim."""
    if pct_start * total_steps == 1:
        # Com a subida de um passo só, o PyTorch divide por zero ao calcular a inclinação dela.
        pct_start += 1e-9
    max_lr = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps, pct_start=pct_start)


def _build_autoencoder(total_steps: int) -> ObjectiveStep:
    model = Autoencoder()
    # Com a taxa alta cedo, unidades da ReLU do código morrem e o erro estaciona: a subida toma metade do treino, e
    # beta2 = 0,99 deixa o Adam acompanhar gradientes que mudam depressa num treino tão curto.
    optimizer = _adam(model, 4e-3, betas=(0.9, 0.99))
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.5)
    return ObjectiveStep(model, reconstruction_objective, optimizer, schedule)


def _build_denoising(total_steps: int) -> ObjectiveStep:
    model = ConvDenoiser()
    optimizer = _adam(model, 3e-3)
    objective = partial(denoising_objective, corrupt=model.corrupt)
    schedule = _one_cycle(optimizer, total_steps)
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


STACKED_SIZES = (784, 1000, 500, 250, 30)
LAYER_EPOCHS = 3


def _build_stacked(total_steps: int) -> ObjectiveStep:
    model = Autoencoder(STACKED_SIZES[-1], STACKED_SIZES[1:-1], relu_code=False)
    # Sem o decaimento a rede decora: o erro de teste fica em 3,56 e, com 70 épocas, sobe a 3,69. Com 0,1, é 3,32; com
    # 0,5, 3,71.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.2)
    return ObjectiveStep(model, reconstruction_objective, optimizer, schedule, autocast=runtime.fast_dtype())


def _pretrain_stacked(
    step: ObjectiveStep, batches: Batches, *, seed: int, checkpoint: Path | None, progress: bool
) -> list[History]:
    # O ajuste fino parte de uma pilha que já reconstrói: no mesmo número de épocas chega a um erro bem menor.
    with runtime.isolated_seed(seed):
        layers = [layer.to(runtime.device()) for layer in stack_layers(STACKED_SIZES, relu_code=False)]
    histories = greedy_pretrain(
        layers, batches, epochs=LAYER_EPOCHS, seed=seed, checkpoint=checkpoint, progress=progress
    )
    step.model.load_state_dict(unroll(layers).state_dict())
    return histories


def _build_vae(total_steps: int) -> ObjectiveStep:
    model = VAE()
    optimizer = _adam(model, 4e-3)
    return ObjectiveStep(model, gaussian_objective, optimizer, _one_cycle(optimizer, total_steps))


def _build_vae_binary(total_steps: int) -> ObjectiveStep:
    model = VAE(latent_dim=50, hidden_dims=(500, 500))
    optimizer = _adam(model, 2e-3)
    # Os pixels são sorteados de novo a cada lote: 60.000 imagens viram um conjunto sem fim, e a rede demora a decorar.
    objective = partial(bernoulli_objective, binarize=True)
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.1)
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


def _build_gan(total_steps: int) -> GANStep:
    gen, disc = Generator(), Discriminator()
    # Com beta1 = 0,9, o padrão do Adam, o jogo oscila e o gerador esquece dígitos: o capítulo 04 mede isso.
    betas = (0.5, 0.999)
    return GANStep(gen, disc, _adam(gen, 5e-4, betas=betas), _adam(disc, 5e-4, betas=betas))


def _build_dcgan(total_steps: int) -> GANStep:
    # Em 900 passos, com β1 = 0, a dobradiça deu Fréchet 20; com β1 = 0,5 deu 39, e as outras perdas, de 31 a 38.
    gen, disc = ConvGenerator(), ConvDiscriminator(spectral=True)
    betas = (0.0, 0.99)
    return GANStep(
        gen,
        disc,
        _adam(gen, 1e-3, betas=betas),
        _adam(disc, 1e-3, betas=betas),
        gen_loss=linear_generator_loss,
        disc_loss=hinge_discriminator_loss,
    )


def _build_stylegan(total_steps: int) -> StyleGANStep:
    # Na CPU, com os canais juntos na memória, cada passo leva um quinto a menos.
    gen, disc = (network.to(memory_format=torch.channels_last) for network in (StyleGenerator(), StyleDiscriminator()))
    betas = (0.0, 0.99)
    return StyleGANStep(gen, disc, _adam(gen, 2e-3, betas=betas), _adam(disc, 2e-3, betas=betas))


def _measure_style_mean(step: StyleGANStep, dataset: ImageDataset) -> None:
    with runtime.isolated_seed(0):
        step.gen.measure_w_mean()


def _build_cyclegan(total_steps: int) -> CycleGANStep:
    return _cyclegan(ResnetGenerator, PatchDiscriminator, total_steps, gen_lr=1.5e-3, disc_lr=5e-4)


def _build_photos(total_steps: int) -> CycleGANStep:
    # As redes e a taxa do artigo, para fotos de 256×256.
    gen = partial(ResnetGenerator, 3, 64, fold=1, n_downs=2, n_blocks=9)
    return _cyclegan(gen, partial(PatchDiscriminator, 3, 64, n_downs=3), total_steps, gen_lr=2e-4, disc_lr=2e-4)


def _cyclegan(
    gen: Callable[[], nn.Module], disc: Callable[[], nn.Module], total_steps: int, *, gen_lr: float, disc_lr: float
) -> CycleGANStep:
    gen_xy, gen_yx, disc_x, disc_y = gen(), gen(), disc(), disc()
    betas = (0.5, 0.999)
    gen_optimizer = _adam(nn.ModuleList([gen_xy, gen_yx]), gen_lr, betas=betas)
    disc_optimizer = _adam(nn.ModuleList([disc_x, disc_y]), disc_lr, betas=betas)
    schedules = LinearDecay(gen_optimizer, total_steps), LinearDecay(disc_optimizer, total_steps)
    return CycleGANStep(
        gen_xy, gen_yx, disc_x, disc_y, gen_optimizer, disc_optimizer, schedules, autocast=runtime.fast_dtype()
    )


def _digit_domains(dataset: ImageDataset, batch_size: int, *, seed: int) -> UnpairedBatches:
    return split_domains(dataset).batches(batch_size, seed=seed)


def _photo_domains(dataset: Any, batch_size: int, *, seed: int) -> UnpairedBatches:
    runtime.require(
        isinstance(dataset, PhotoDomains),
        f"cyclegan_photos: veio {type(dataset).__name__}; esperava PhotoDomains, duas pastas de fotos",
    )
    return dataset.batches(batch_size, seed=seed)


def _build_judge(total_steps: int) -> ObjectiveStep:
    model = JudgeNetwork()
    optimizer = _adam(model, 3e-3)
    objective = partial(classification_objective, shift=2)
    schedule = _one_cycle(optimizer, total_steps)
    return ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())


def _build_diffusion(total_steps: int) -> ObjectiveStep:
    model = Diffusion()
    optimizer = _adam(model, 1.5e-3)
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.1)
    return ObjectiveStep(model, diffusion_objective, optimizer, schedule, autocast=runtime.fast_dtype())


def _build_flow_matching(total_steps: int) -> ObjectiveStep:
    model = FlowMatching()
    optimizer = _adam(model, 1.5e-3)
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.1)
    return ObjectiveStep(model, flow_matching_objective, optimizer, schedule, autocast=runtime.fast_dtype())


def _build_flows(total_steps: int) -> ObjectiveStep:
    model = ImageFlow()
    # As curvas de cada pixel andam a uma taxa cinco vezes maior: era preciso quando começavam longe do preto e do
    # branco; desde que começam sobre eles, a taxa comum não foi medida.
    curves = [p for layer in model.modules() if isinstance(layer, MixtureCDF) for p in layer.parameters()]
    networks = [p for layer in model.modules() if isinstance(layer, ConvConditioner) for p in layer.parameters()]
    optimizer = torch.optim.Adam([{"params": networks, "lr": 2e-3}, {"params": curves, "lr": 1e-2}], fused=True)
    schedule = _one_cycle(optimizer, total_steps, pct_start=0.1)
    return ObjectiveStep(model, flow_objective, optimizer, schedule, autocast=runtime.fast_dtype())


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
            name="denoising",
            title="Autoencoder que tira ruído",
            batch_size=128,
            scales={"rapido": Scale(1, 1_000), "padrao": Scale(4), "completo": Scale(100)},
            build=_build_denoising,
            sampler=lambda step: step.model,
            average=0.995,
        ),
        Recipe(
            name="stacked",
            title="Autoencoder profundo",
            batch_size=256,
            scales={"rapido": Scale(1, 2_000), "padrao": Scale(40), "completo": Scale(400)},
            build=_build_stacked,
            sampler=lambda step: step.model,
            prepare=_pretrain_stacked,
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
            name="vae_binary",
            title="VAE binário",
            batch_size=256,
            scales={"rapido": Scale(1, 2_000), "padrao": Scale(150), "completo": Scale(1_000)},
            build=_build_vae_binary,
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
        Recipe(
            name="dcgan",
            title="DCGAN",
            batch_size=64,
            scales={"rapido": Scale(1, 1_000), "padrao": Scale(8), "completo": Scale(100)},
            build=_build_dcgan,
            sampler=lambda step: step.gen,
            average=0.998,
        ),
        Recipe(
            name="stylegan",
            title="StyleGAN",
            batch_size=64,
            scales={"rapido": Scale(1, 256), "padrao": Scale(8), "completo": Scale(200)},
            build=_build_stylegan,
            sampler=lambda step: step.gen,
            average=0.998,
            finish=_measure_style_mean,
        ),
        Recipe(
            name="cyclegan",
            title="CycleGAN",
            batch_size=8,
            scales={"rapido": Scale(1, 256), "padrao": Scale(3), "completo": Scale(30)},
            build=_build_cyclegan,
            batches=_digit_domains,
        ),
        Recipe(
            name="diffusion",
            title="Difusão",
            batch_size=128,
            scales={"rapido": Scale(1, 1_000), "padrao": Scale(12), "completo": Scale(200)},
            build=_build_diffusion,
            sampler=lambda step: step.model,
            average=0.999,
        ),
        Recipe(
            name="flow_matching",
            title="Flow matching",
            batch_size=128,
            scales={"rapido": Scale(1, 1_000), "padrao": Scale(4), "completo": Scale(200)},
            build=_build_flow_matching,
            sampler=lambda step: step.model,
            average=0.999,
        ),
        Recipe(
            name="flows",
            title="Fluxo normalizante",
            batch_size=128,
            scales={"rapido": Scale(1, 2_000), "padrao": Scale(8), "completo": Scale(200)},
            build=_build_flows,
            sampler=lambda step: step.model,
        ),
        Recipe(
            name="judge",
            title="Juiz",
            batch_size=128,
            scales={"rapido": Scale(1, 2_000), "padrao": Scale(8), "completo": Scale(20)},
            build=_build_judge,
        ),
    )
}


# Fora da lista porque não se treina com o MNIST: pede duas pastas de fotos.
PHOTO_RECIPE = Recipe(
    name="cyclegan_photos",
    title="CycleGAN de fotos",
    batch_size=1,
    scales={"rapido": Scale(1), "padrao": Scale(20), "completo": Scale(200)},
    build=_build_photos,
    batches=_photo_domains,
)


def get_recipe(name: str) -> Recipe:
    """A receita da família ``name``: uma de :data:`RECIPES`, ou a de fotos.

    Raises:
        ValueError: não há família com esse nome.
    """
    if name == PHOTO_RECIPE.name:
        return PHOTO_RECIPE
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
    dataset: ImageDataset | PhotoDomains | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Treina a família ``name`` pela sua receita.

    Args:
        name: chave de :data:`RECIPES`, ou ``"cyclegan_photos"``.
        profile: ``rapido``, ``padrao`` ou ``completo``; o de ``CURSO_PERFIL`` quando falta.
        seed: semente dos pesos iniciais e do treinamento.
        dataset: dados de treino; o MNIST quando faltam (a receita de fotos pede as suas).
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
    batches = recipe.batches(dataset, recipe.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        step = recipe.build(scale.epochs * len(batches))
    for network in networks(step).values():
        network.to(runtime.device())
    average = EMA(recipe.sampler(step), recipe.average) if recipe.average is not None else None
    path = Path(checkpoint) if checkpoint is not None else None
    pretraining = []
    if recipe.prepare is not None:
        pretraining = recipe.prepare(step, batches, seed=seed, checkpoint=path, progress=progress)
        if any(one.interrupted for one in pretraining):
            return Trained(recipe, step, History(interrupted=True), dataset, pretraining)
    history = fit(
        step,
        batches,
        epochs=scale.epochs,
        seed=seed,
        checkpoint=path,
        callbacks=[average] if average is not None else [],
        description=recipe.title,
        progress=progress,
    )
    if average is not None and len(history):
        recipe.sampler(step).load_state_dict(average.model.state_dict())
    if recipe.finish is not None and len(history):
        recipe.finish(step, dataset)
    return Trained(recipe, step, history, dataset, pretraining)
