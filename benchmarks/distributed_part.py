"""A parte de cada processo no estudo ``distributed``: ``torchrun … -m benchmarks.distributed_part ARQUIVO IMAGENS``.

Treina cada família por três passos e, das de ``TIMED``, mede os segundos de uma época de ``IMAGENS``; o primeiro
processo grava no ARQUIVO os pesos de antes, os de depois e os segundos.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from course_lib import runtime
from course_lib.data import PhotoDomains, load_mnist
from course_lib.recipes import RECIPES, Recipe, Scale, networks, train
from course_lib.training import distributed

SEED = 0
# Dois lotes e meio: a última fatia de cada processo é menor que as outras.
LARGEST_BATCH, BATCHES = 32, 2.5
# Em float32, como se treina; em float64, em que se vê que a conta é a mesma.
DTYPES = (torch.float32, torch.float64)
# Uma densa, uma convolucional, uma U-Net: pouca conta por peso, mais, e muita. E de quantas imagens é a época de cada.
TIMED = {"vae": 1.0, "denoising": 0.25, "diffusion": 0.05}
EPOCHS = 3


@contextmanager
def noise_photos(n_x: int, n_y: int, *, side: int, size: int) -> Iterator[PhotoDomains]:
    """Ruído no lugar de fotos, numa pasta que só dura o bloco: o que se compara são contas."""
    generator = torch.Generator().manual_seed(SEED)
    with tempfile.TemporaryDirectory() as folder:
        for domain, n in (("x", n_x), ("y", n_y)):
            (Path(folder) / domain).mkdir()
            for index in range(n):
                pixels = torch.randint(256, (side, side, 3), generator=generator).byte()
                Image.fromarray(pixels.numpy()).save(Path(folder) / domain / f"{index:03}.png")
        yield PhotoDomains.from_folders(Path(folder) / "x", Path(folder) / "y", size, workers=0, progress=False)


class Doubled:
    """Os lotes de outro, em float64."""

    def __init__(self, source: Any) -> None:
        self.source, self.set_epoch, self.sha256 = source, source.set_epoch, source.sha256

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.source:
            yield type(batch)(*(value.double() if value.is_floating_point() else value for value in batch))


def weights(step: Any) -> dict[str, Tensor]:
    """Os pesos de cada rede do passo, copiados."""
    parts = networks(step).items()
    return {f"{part}.{name}": p.detach().clone() for part, network in parts for name, p in network.named_parameters()}


def trained(recipe: Recipe, scale: Scale, **changes: Any) -> Any:
    """O que sobra de treinar a receita no tamanho pedido, com ou sem outros processos."""
    RECIPES[recipe.name] = replace(recipe, scales={"rapido": scale}, finish=None, **changes)
    try:
        if recipe.data is not PhotoDomains:
            return train(recipe.name, profile="rapido", seed=SEED, dataset=load_mnist("train"), progress=False)
        RECIPES[recipe.name] = replace(RECIPES[recipe.name], scales={"rapido": replace(scale, images=None)})
        with noise_photos(scale.images or 0, scale.images or 0, side=36, size=32) as photos:
            return train(recipe.name, profile="rapido", seed=SEED, dataset=photos, progress=False)
    finally:
        RECIPES[recipe.name] = recipe


def few_steps(recipe: Recipe, dtype: torch.dtype) -> dict[str, dict[str, Tensor]]:
    """Os pesos antes e depois de três passos, no tipo pedido."""
    torch.set_default_dtype(dtype)
    batch_size = 4 if recipe.data is PhotoDomains else min(recipe.batch_size, LARGEST_BATCH)
    images = int(BATCHES * batch_size) * (2 if recipe.name == "cyclegan" else 1)
    with runtime.isolated_seed(SEED):
        before = weights(recipe.build(10))
    changes: dict[str, Any] = {"batch_size": batch_size}
    if dtype is torch.float64:
        changes["batches"] = lambda data, size, *, seed: Doubled(recipe.batches(data, size, seed=seed))
    after = weights(trained(recipe, Scale(1, images), **changes).step)
    torch.set_default_dtype(torch.float32)
    return {"before": before, "after": after}


def main() -> None:
    """Tudo, num processo ou em vários."""
    path, images = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    with distributed.joined():
        recipes = list(RECIPES.items())
        found = {str(dtype): {name: few_steps(recipe, dtype) for name, recipe in recipes} for dtype in DTYPES}
        seconds = {}
        for name, part in TIMED.items():
            # Um lote no mínimo, e lotes inteiros.
            size = RECIPES[name].batch_size
            whole = max(1, round(images * part / size)) * size
            history = trained(RECIPES[name], Scale(EPOCHS, whole)).history
            seconds[name] = (whole, min(history.seconds))
        if distributed.is_first():
            torch.save({"weights": found, "seconds": seconds}, path)


if __name__ == "__main__":
    main()
