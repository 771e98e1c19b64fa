"""O que o pré-treino e o decaimento de pesos fazem a um autoencoder profundo: três sementes de cada.

É a receita ``stacked``, com uma rede menor e menos imagens, e com uma coisa trocada. ``python -m benchmarks.stacked``
grava cada treinamento assim que ele termina e, chamado de novo, faz só os que faltam. O resultado é o estudo
``course_lib/studies/stacked.json``, que o capítulo 02_variantes mostra em tabela.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.study import command, run_variants
from course_lib import metrics, runtime
from course_lib.data import ImageDataset, load_mnist
from course_lib.models.autoencoder import Autoencoder
from course_lib.recipes import get_recipe
from course_lib.recipes.engine import Config as RecipeConfig
from course_lib.recipes.engine import Recipe, Scale, train_recipe
from course_lib.studies import Study

RECIPE, SCRATCH, NO_DECAY = "receita", "sem pré-treino", "sem decaimento"
VARIANTS = (RECIPE, SCRATCH, NO_DECAY)


@dataclass(frozen=True)
class Config:
    """O que é igual em todos os treinamentos; só a semente e a variante mudam.

    Attributes:
        images: imagens de treino, as primeiras do MNIST.
        hidden_dims: larguras entre a imagem e o código de 30 números.
        epochs: épocas do ajuste fino. Sem pré-treino, são tantas quantas as das duas etapas somadas.
        seeds: uma por repetição: pesos iniciais e ordem dos lotes.
    """

    images: int = 3_000
    hidden_dims: tuple[int, ...] = (500, 250)
    epochs: int = 40
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Config(images=256, hidden_dims=(32, 16), epochs=1, seeds=(0,))


def recipe_of(config: Config, variant: str) -> Recipe:
    """A receita, com o que ``variant`` troca."""
    recipe = get_recipe("stacked")
    training = dict(recipe.config.training)
    epochs = config.epochs
    if variant == NO_DECAY:
        training["weight_decay"] = 0.0
    if variant == SCRATCH:
        epochs += training["layer_epochs"] * (len(config.hidden_dims) + 1)
    networks = {"model": {**recipe.config.networks["model"], "hidden_dims": config.hidden_dims}}
    changed = replace(
        recipe,
        config=RecipeConfig(networks, training),
        scales={"padrao": Scale(epochs)},
        prepare=None if variant == SCRATCH else recipe.prepare,
    )
    return changed


def run(config: Config, path: Path, train: ImageDataset, test: ImageDataset) -> Study:
    """Faz os treinamentos que faltam no estudo em ``path``, gravando-o depois de cada um, e o devolve."""
    train = train.take(config.images)
    pca = metrics.PCA.fit(train.images, 30)
    header = {
        "config": asdict(config),
        "data": {"train": train.name, "images": len(train), "test": test.name},
        "parameters": metrics.parameter_count(Autoencoder(30, config.hidden_dims, relu_code=False)),
        "pca_error": round(metrics.reconstruction_error(pca, test.images), 4),
    }

    def train_and_measure(variant: str, seed: int) -> tuple[dict[str, float], float]:
        recipe = recipe_of(config, variant)
        trained = train_recipe(recipe, profile="padrao", seed=seed, dataset=train, progress=False)
        model = trained.step.model.eval()
        found = {
            "erro no treino": round(metrics.reconstruction_error(model, train.images), 4),
            "erro no teste": round(metrics.reconstruction_error(model, test.images), 4),
        }
        seconds = sum(sum(history.seconds) for history in (trained.history, *trained.pretraining))
        return found, seconds

    return run_variants("stacked", path, header, config.seeds, VARIANTS, train_and_measure)


def main(path: Path, quick: bool) -> None:
    """Faz o estudo, ou um de brinquedo."""
    train, test = (load_mnist(split).to(runtime.device()) for split in ("train", "test"))
    run(QUICK if quick else Config(), path, train, test)


if __name__ == "__main__":
    raise SystemExit(command("stacked", __doc__, main))
