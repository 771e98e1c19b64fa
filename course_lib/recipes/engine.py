"""O que toda receita é, e como se treina por ela. Ninguém aqui conhece família nenhuma."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from course_lib import checks, runtime
from course_lib.contracts import BatchSource, Step
from course_lib.data import ImageDataset, PhotoDomains, load_mnist
from course_lib.metrics import Judge
from course_lib.training import EMA, History, fit
from course_lib.training.checkpoint import stateful_parts

Measures = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """Tamanho de um treinamento num perfil: épocas e quantas imagens de treino (``None``: todas)."""

    epochs: int
    images: int | None = None


@dataclass(frozen=True)
class Config:
    """Tudo o que se escolheu de uma família; vai inteiro para o cartão dos pesos.

    Attributes:
        networks: os argumentos com que se constrói cada rede, todos, pelo nome dela no passo (``"model"``, ``"gen"``;
            ``"model.network"`` é a que vai dentro de ``"model"``). Pesos só servem à rede construída com os mesmos:
            dois objetos de formas iguais podem querer dizer coisas diferentes.
        training: as escolhas do treinamento: taxas, decaimentos, pesos das perdas.
    """

    networks: Mapping[str, Mapping[str, Any]]
    training: Mapping[str, Any]


class Exam(NamedTuple):
    """Com o que se mede um modelo.

    Attributes:
        step: o passo treinado.
        test: imagens de teste.
        judge: o juiz de amostras; ``None`` se as imagens não são do MNIST ou o modelo não faz imagens.
    """

    step: Any
    test: ImageDataset
    judge: Judge | None


class Prepared(NamedTuple):
    """O que uma receita treinou antes do treino: o histórico de cada etapa e os arquivos de retomada que gravou."""

    histories: list[History]
    checkpoints: list[Path]


def own_batches(dataset: Any, batch_size: int, *, seed: int) -> Any:
    """Os lotes que o próprio conjunto sabe fazer."""
    return dataset.batches(batch_size, seed=seed)


@dataclass(frozen=True)
class Recipe:
    """Uma família inteira: como construí-la, treiná-la, amostrá-la ou traduzir com ela, e o que medir dela.

    Attributes:
        name: nome da família, o do seu arquivo nesta pasta.
        title: nome que se lê em figuras e mensagens.
        chapter: capítulo que a apresenta; as listas de modelos seguem a ordem dos capítulos.
        config: os argumentos das redes e as escolhas do treinamento.
        make: ``make(config, total_steps) -> passo``, com redes e otimizadores novos, na CPU.
        batch_size: imagens por lote.
        scales: o que cada perfil quer dizer para esta família.
        data: com que tipo de conjunto ela treina.
        batches: ``batches(dados, batch_size, seed=)``, os lotes do laço; sem ela, os do próprio conjunto.
        least_side: da configuração, o menor lado de foto que as redes aceitam, se ela treina com fotos.
        photos: nome da receita que treina as mesmas redes com as fotos da pessoa, se há uma.
        sampler: do passo, a rede que tem ``sample(n)``; ``None`` se o modelo não gera imagens.
        translators: do passo, a rede de cada sentido (``"xy"`` e ``"yx"``), se ele traduz de um domínio a outro.
        kept: as redes do passo que se gravam, se não são todas; das outras, nada se usa depois do treino.
        average: decaimento da média móvel dos pesos da rede que amostra; no fim do treino ela toma o lugar deles.
        prepare: o que treinar antes, a partir do passo e dos lotes (as camadas de uma pilha).
        finish: o que fazer com o passo e os dados depois do treino (ajustar a densidade dos códigos, por exemplo).
        measure: o que o cartão diz do modelo, com a unidade no nome; do que ele amostra, o juiz já diz.
        slow_measure: medidas de minutos, feitas uma vez, ao fim do treino.
    """

    name: str
    title: str
    chapter: int
    config: Config
    make: Callable[[Config, int], Any]
    batch_size: int
    scales: Mapping[str, Scale]
    data: type[ImageDataset] | type[PhotoDomains] = ImageDataset
    batches: Callable[..., BatchSource] = own_batches
    least_side: Callable[[Config], int] | None = None
    photos: str | None = None
    sampler: Callable[[Any], Any] | None = None
    translators: Callable[[Any], Mapping[str, nn.Module]] | None = None
    kept: Sequence[str] = ()
    average: float | None = None
    prepare: Callable[..., Prepared] | None = None
    finish: Callable[[Any, Any], None] | None = None
    measure: Callable[[Exam], Measures] | None = None
    slow_measure: Callable[[Exam], Measures] | None = None

    def stored(self, step: Any) -> dict[str, nn.Module]:
        """As redes de ``step`` que vão para o arquivo de pesos, pelo nome."""
        return {name: part for name, part in networks(step).items() if not self.kept or name in self.kept}

    def build(self, total_steps: int) -> Any:
        """O passo, com redes e otimizadores novos, na CPU, e as agendas de um treino de ``total_steps`` passos."""
        return self.make(self.config, total_steps)


@dataclass
class Trained:
    """O que um treinamento deixou.

    Attributes:
        recipe: a receita.
        step: o passo, com as redes.
        history: o histórico do treino.
        dataset: os dados, no tamanho do perfil.
        pretraining: os históricos do que a receita treinou antes.
        checkpoints: os arquivos de retomada, a apagar quando os pesos estiverem gravados.
    """

    recipe: Recipe
    step: Any
    history: History
    dataset: ImageDataset | PhotoDomains
    pretraining: list[History] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)


def networks(step: Step) -> dict[str, nn.Module]:
    """As redes de um passo, por nome de atributo."""
    return {name: part for name, part in stateful_parts(step).items() if isinstance(part, nn.Module)}


def adam(model: nn.Module, lr: float, betas: Sequence[float]) -> torch.optim.Adam:
    """O Adam de uma rede."""
    # fused: um só núcleo atualiza todos os parâmetros, em vez de uma dezena de operações por parâmetro.
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(betas[0], betas[1]), fused=True)


def one_cycle(optimizer: torch.optim.Optimizer, total_steps: int, *, pct_start: float) -> OneCycleLR:
    """A taxa de cada grupo sobe até o máximo e desce quase a zero: mais alta no meio, mais fina no fim.

    Args:
        optimizer: o otimizador, com o máximo de cada grupo em ``lr``.
        total_steps: os passos do treinamento.
        pct_start: fração deles em que a taxa sobe.
    """
    if pct_start * total_steps == 1:
        # Com a subida de um passo só, o PyTorch divide por zero ao calcular a inclinação dela.
        pct_start += 1e-9
    max_lr = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps, pct_start=pct_start)


def train_recipe(
    recipe: Recipe,
    *,
    profile: str | None = None,
    seed: int = 0,
    dataset: ImageDataset | PhotoDomains | None = None,
    epochs: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> Trained:
    """Treina pela receita; os argumentos são os de :func:`course_lib.recipes.train`.

    Raises:
        ValueError: perfil desconhecido, dados de outro tipo, ou ``epochs`` além das da receita.
    """
    scale = recipe.scales[runtime.validate_profile(profile) if profile is not None else runtime.profile()]
    asked = scale.epochs if epochs is None else checks.integer(epochs, "epochs", high=scale.epochs)
    dataset = _training_data(recipe, dataset, scale, seed)
    batches = recipe.batches(dataset, recipe.batch_size, seed=seed)
    step = _new_step(recipe, scale.epochs * len(batches), seed)
    path = Path(checkpoint) if checkpoint is not None else None
    before = Prepared([], [])
    if recipe.prepare is not None:
        before = recipe.prepare(recipe.config, step, batches, seed=seed, checkpoint=path, progress=progress)
    files = [path, *before.checkpoints] if path is not None else []
    if any(one.interrupted for one in before.histories):
        return Trained(recipe, step, History(interrupted=True), dataset, before.histories, files)
    history = _fit(recipe, step, batches, epochs=asked, seed=seed, checkpoint=path, progress=progress)
    if recipe.finish is not None and len(history):
        recipe.finish(step, dataset)
    return Trained(recipe, step, history, dataset, before.histories, files)


def _training_data(recipe: Recipe, dataset: Any, scale: Scale, seed: int) -> Any:
    """Os dados no dispositivo e no tamanho do perfil; sem dados, o MNIST, se é com ele que a receita treina."""
    if dataset is None and recipe.data is ImageDataset:
        dataset = load_mnist("train")
    came = type(dataset).__name__ if dataset is not None else "nada"
    wanted = recipe.data.__name__
    checks.require(isinstance(dataset, recipe.data), f"{recipe.name}: veio {came}; esperava {wanted} para treinar")
    if scale.images is not None:
        dataset = dataset.take(scale.images, seed=seed)
    return dataset.to(runtime.device())


def _new_step(recipe: Recipe, total_steps: int, seed: int) -> Any:
    """O passo da receita, com as redes no dispositivo."""
    with runtime.isolated_seed(seed):
        step = recipe.build(total_steps)
    for network in networks(step).values():
        network.to(runtime.device())
    return step


def _fit(recipe: Recipe, step: Any, batches: BatchSource, **options: Any) -> History:
    """O laço; no fim, a rede que amostra fica com a média dos seus pesos, se a receita a pede."""
    if recipe.average is None or recipe.sampler is None:
        return fit(step, batches, description=recipe.title, **options)
    sampler = recipe.sampler(step)
    average = EMA(sampler, recipe.average)
    history = fit(step, batches, callbacks=[average], description=recipe.title, **options)
    if len(history):
        sampler.load_state_dict(average.model.state_dict())
    return history
