"""O que a ReLU custa ao código do autoencoder clássico: a mesma receita com ela e sem ela, três sementes.

``python -m benchmarks.relu_code`` grava cada treinamento assim que ele termina e, chamado de novo, faz só os que
faltam. O resultado é o estudo ``course_lib/studies/relu_code.json``, que o capítulo 01_autoencoder mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.recipes import get_recipe
from course_lib.recipes.engine import Config as RecipeConfig
from course_lib.recipes.engine import Scale, train_recipe
from course_lib.studies import Study

WITH_RELU, FREE = "com ReLU", "livre"
VARIANTS = (WITH_RELU, FREE)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a ReLU do código mudam.

    Attributes:
        images: imagens de treino, as primeiras do MNIST: um sexto delas, pelas mesmas épocas da receita.
        epochs: épocas.
        seeds: uma por repetição: pesos iniciais e ordem dos lotes.
    """

    images: int = 10_000
    epochs: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Config(images=256, epochs=1, seeds=(0,))


@torch.no_grad()
def measure(model, test: ImageDataset) -> dict[str, float]:
    """O erro no teste, e quantas unidades do código nunca se acendem (nenhuma, se ele é livre)."""
    dead = (model.encode(test.images) == 0).all(0).sum().item()
    return {"erro no teste": round(metrics.reconstruction_error(model, test.images), 4), "unidades mortas": dead}


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    train = train.take(config.images)
    header = {
        "config": asdict(config),
        "data": {"train": train.name, "images": len(train), "test": test.name},
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        recipe = get_recipe("autoencoder")
        network = {**recipe.config.networks["model"], "relu_code": variant == WITH_RELU}
        changed = replace(
            recipe,
            config=RecipeConfig({"model": network}, recipe.config.training),
            scales={"padrao": Scale(config.epochs)},
        )
        trained = train_recipe(changed, profile="padrao", seed=seed, dataset=train, progress=False)
        return measure(trained.step.model.eval(), test), sum(trained.history.seconds)

    return run_variants("relu_code", path, header, config.seeds, VARIANTS, train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("relu_code", __doc__, main))
