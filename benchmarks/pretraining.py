"""Com e sem pré-treino: a mesma rede, com todos os rótulos e com 1.000, três sementes de cada.

``python -m benchmarks.pretraining`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que
faltam. O resultado é o estudo ``course_lib/studies/pretraining.json``, que o capítulo 02_variantes mostra em tabela.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.study import add_run, command, resume
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.files import write_atomically
from course_lib.models.denoising import masking_noise
from course_lib.models.judge import classification_objective
from course_lib.models.stacked import StackClassifier, StackLayer, stack_layers
from course_lib.studies import Study
from course_lib.text import number
from course_lib.training import ObjectiveStep, fit
from course_lib.training.greedy import greedy_pretrain


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente, os rótulos e o pré-treino mudam.

    Attributes:
        sizes: larguras da rede, da imagem à última camada oculta.
        seeds: uma por repetição: pesos iniciais, ordem dos lotes, corrupções e quais imagens têm rótulo.
        labels: com quantas imagens rotuladas se faz o ajuste fino; 0 são todas.
        images: com quantas imagens, sem rótulo, se faz o pré-treino; 0 são todas.
        layer_epochs: épocas de pré-treino de cada camada.
        mask: fração apagada da entrada de cada camada no pré-treino, e da imagem no ajuste fino.
        fine_tuning_epochs: épocas do ajuste fino com todos os rótulos.
        few_labels_epochs: épocas do ajuste fino com poucos rótulos, que são curtas.
        lr: maior taxa de aprendizado, nas duas etapas.
        batch_size: imagens por lote no pré-treino e no ajuste fino com todos os rótulos.
        few_labels_batch_size: imagens por lote no ajuste fino com poucos rótulos.
    """

    sizes: tuple[int, ...] = (784, 1000, 1000, 1000)
    seeds: tuple[int, ...] = (0, 1, 2)
    labels: tuple[int, ...] = (0, 1_000)
    images: int = 0
    layer_epochs: int = 8
    mask: float = 0.2
    fine_tuning_epochs: int = 20
    few_labels_epochs: int = 120
    lr: float = 1e-3
    batch_size: int = 256
    few_labels_batch_size: int = 100


QUICK = Config(
    sizes=(784, 64, 64),
    seeds=(0,),
    labels=(0, 200),
    images=1_000,
    layer_epochs=1,
    fine_tuning_epochs=1,
    few_labels_epochs=2,
)


def pretrained_layers(config: Config, train: ImageDataset, seed: int, cache: Path) -> tuple[list[StackLayer], float]:
    """A pilha de autoencoders que tiram ruído, treinada sem rótulos (ou lida do cache), e os segundos que levou."""
    path = cache / f"pretraining-{seed}-{'-'.join(map(str, config.sizes))}.pt"
    with runtime.isolated_seed(seed):
        layers = nn.ModuleList(stack_layers(config.sizes)).to(runtime.device())
    if path.exists():
        state = torch.load(path, map_location=runtime.device(), weights_only=True)
        if state["config"] == asdict(config) and state["images"] == len(train):
            layers.load_state_dict(state["layers"])
            return list(layers), state["seconds"]
    pixels = partial(masking_noise, fraction=config.mask)
    codes = partial(masking_noise, fraction=config.mask, value=0.0)
    histories = greedy_pretrain(
        list(layers),
        train.batches(config.batch_size, seed=seed),
        epochs=config.layer_epochs,
        lr=config.lr,
        corruptions=[pixels, *[codes] * (len(layers) - 1)],
        seed=seed,
    )
    seconds = sum(sum(history.seconds) for history in histories)
    state = {"config": asdict(config), "images": len(train), "layers": layers.state_dict(), "seconds": seconds}
    write_atomically(path, lambda file: torch.save(state, file))
    return list(layers), seconds


def masked_classification(model: nn.Module, batch, *, mask: float) -> dict[str, Tensor]:
    """Entropia cruzada com uma fração da imagem apagada, que segura o sobreajuste das duas redes comparadas."""
    return classification_objective(model, batch._replace(x=masking_noise(batch.x, mask)))


def fine_tune(
    config: Config, train: ImageDataset, layers: Sequence[StackLayer] | None, *, n_labels: int, seed: int
) -> tuple[StackClassifier, float]:
    """O classificador ajustado com ``n_labels`` rótulos a partir da pilha (ou do acaso), e os segundos que levou."""
    few = 0 < n_labels < len(train)
    labelled = train.take(n_labels, seed=seed) if few else train
    epochs = config.few_labels_epochs if few else config.fine_tuning_epochs
    batches = labelled.batches(config.few_labels_batch_size if few else config.batch_size, seed=seed)
    with runtime.isolated_seed(seed):
        model = StackClassifier(config.sizes).to(runtime.device())
    if layers is not None:
        model.load_layers(layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    schedule = OneCycleLR(optimizer, max_lr=config.lr, total_steps=epochs * len(batches), pct_start=0.2)
    objective = partial(masked_classification, mask=config.mask)
    step = ObjectiveStep(model, objective, optimizer, schedule, autocast=runtime.fast_dtype())
    history = fit(step, batches, epochs=epochs, seed=seed, description="ajuste fino")
    return model.eval(), sum(history.seconds)


@torch.no_grad()
def error_percent(model: nn.Module, test: ImageDataset) -> float:
    """Erro de classificação no teste, em %."""
    wrong = sum((model(x).argmax(1) != y).sum().item() for x, y in test.batches(1_000, shuffle=False))
    return 100 * wrong / len(test)


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset, cache: Path) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    header = {
        "config": asdict(config),
        "data": {"train": train.name, "images": len(train), "test": test.name},
        "parameters": metrics.parameter_count(StackClassifier(config.sizes)),
    }
    study = resume("pretraining", path, header)
    done = {(one["seed"], one["labels"], one["pretrained"]) for one in study.runs}
    for seed in config.seeds:
        for n_labels in config.labels:
            for pretrained in (True, False):
                if (seed, n_labels, pretrained) in done:
                    continue
                layers, before = pretrained_layers(config, train, seed, cache) if pretrained else (None, 0.0)
                model, seconds = fine_tune(config, train, layers, n_labels=n_labels, seed=seed)
                one = {
                    "seed": seed,
                    "labels": n_labels,
                    "pretrained": pretrained,
                    "test_error_percent": round(error_percent(model, test), 4),
                    "pretraining_seconds": round(before, 1),
                    "fine_tuning_seconds": round(seconds, 1),
                }
                add_run(path, study, one)
                error, took = number(one["test_error_percent"], ".2f"), number(before + seconds, ".0f")
                what = f"{n_labels or 'todos os'} rótulos, {'com' if pretrained else 'sem'} pré-treino"
                print(f"semente {seed}, {what}: {error} % em {took} s", flush=True)
    return study


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    config = QUICK if quick else Config()
    train, test = load_mnist("train"), load_mnist("test")
    if config.images:
        train = train.take(config.images)
    cache = path.parent if quick else runtime.cache_dir()
    run(config, path, train.to(runtime.device()), test.to(runtime.device()), cache)


if __name__ == "__main__":
    raise SystemExit(command("pretraining", __doc__, main))
