"""O que os testes de vários processos rodam, cada processo na sua pasta: ``distributed_program.py MODO PASTA``.

Sem as variáveis do torchrun o processo treina sozinho. O modo ``tudo`` treina cada família e cada engano plantado,
retoma o que o outro lado começou e para com um Ctrl-C; ``morte`` perde o processo 1 no meio da segunda época. Tudo em
float64: em float32 o Adam faz do arredondamento de um gradiente nulo um passo inteiro.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.distributed_part import Doubled, noise_photos
from course_lib import runtime
from course_lib.data import ImageDataset, PhotoDomains
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.recipes import RECIPES, Config, Recipe, Scale, train
from course_lib.training import EMA, ObjectiveStep, distributed, fit, sharding
from course_lib.training.distributed import ProcessError

# Lotes de 8, 8 e 3: entre dois processos, fatias de 4 e 4, e de 1 e 2. Os sorteios por exemplo têm de acertar as duas.
BATCH, IMAGES, EPOCHS, SEED = 8, 19, 3, 3

SMALL = {
    "stylegan": {"training": {"r1_every": 1}},
    "stacked": {"training": {"layer_epochs": 1}},
    "cyclegan": {"training": {"pool_size": 4}},
    "cyclegan_photos": {
        "training": {"pool_size": 4},
        "networks": {name: {"width": 8, "n_blocks": 1} for name in ("gen_xy", "gen_yx")}
        | {name: {"width": 8} for name in ("disc_x", "disc_y")},
    },
}

# Cada engano, e a família que o mostra.
PLANTED = {
    "média sem pesos": "vae",
    "ruído de cada um": "vae",
    "corrupção de cada um": "denoising",
    "normalização de cada um": "dcgan",
    "grupo de cada um": "stylegan",
    "reservatório de cada um": "cyclegan",
    "gradiente de cada um": "gan",
}


def small(recipe: Recipe) -> Recipe:
    """A receita com três passos e, onde as redes demorariam, com outras menores."""
    changes = SMALL.get(recipe.name, {})
    networks = {
        name: {**arguments, **changes.get("networks", {}).get(name, {})}
        for name, arguments in recipe.config.networks.items()
    }
    return replace(
        recipe,
        config=Config(networks, {**recipe.config.training, **changes.get("training", {})}),
        batch_size=BATCH,
        scales={"rapido": Scale(1)},
        batches=lambda dataset, batch_size, *, seed: Doubled(recipe.batches(dataset, batch_size, seed=seed)),
        finish=None,
    )


def images(n: int = IMAGES, seed: int = 0) -> ImageDataset:
    """Ruído de 256 tons: o que se compara são contas."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (n, 1, 28, 28), generator=generator).float() / 127.5 - 1
    return ImageDataset(pixels, torch.randint(10, (n,), generator=generator), "ruído")


def train_family(name: str, path: Path) -> None:
    recipe = small(RECIPES[name])
    RECIPES[name] = recipe
    with ExitStack() as kept:
        if recipe.data is PhotoDomains:
            dataset = kept.enter_context(noise_photos(11, 9, side=27, size=24))
        else:
            dataset = images(2 * IMAGES if name == "cyclegan" else IMAGES)
        train(name, profile="rapido", seed=SEED, dataset=dataset, checkpoint=path, progress=True)


@contextmanager
def planted(mistake: str) -> Iterator[None]:
    """Dentro do bloco, o engano."""
    kept = {name: getattr(sharding, name) for name in ("share", "LIKE_DRAWS", "IN_PLACE_DRAWS", "SIZED_DRAWS")}
    whole, batch_norm, add_up = set(sharding.WHOLE_BATCH), sharding._batch_norm, sharding._add_up_gradients
    if mistake == "média sem pesos":
        real = sharding.share
        sharding.share = lambda total, rank, count: real(total, rank, count)._replace(weight=1 / count)
    elif mistake == "ruído de cada um":
        sharding.LIKE_DRAWS = set()
    elif mistake == "corrupção de cada um":
        sharding.SIZED_DRAWS = set()
    elif mistake == "normalização de cada um":
        sharding._batch_norm = lambda *args, **kwargs: F.batch_norm(*args, training=True, **kwargs)
    elif mistake == "gradiente de cada um":
        sharding._add_up_gradients = lambda *_: None
    else:
        sharding.WHOLE_BATCH.clear()
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(sharding, name, value)
        sharding.WHOLE_BATCH |= whole
        sharding._batch_norm, sharding._add_up_gradients = batch_norm, add_up


class StopAt:
    """Gancho: ao fim da época ``epoch`` para o processo com uma exceção, ou no passo ``step`` lhe manda um sinal."""

    def __init__(self, *, epoch: int = 0, step: int = 0, signal: int = 0) -> None:
        self.epoch, self.left, self.signal = epoch, step, signal

    def on_epoch(self, epoch: int, _history) -> None:
        if epoch == self.epoch:
            raise StopIteration

    def on_step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.signal)


def vae(path: Path, *hooks: StopAt, data: int = 0):
    """Um VAE pequeno, com agenda e EMA. Devolve o histórico e o passo."""
    torch.manual_seed(5)
    model = VAE(hidden_dims=(24,), latent_dim=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=EPOCHS * 3)
    step = ObjectiveStep(model, gaussian_objective, optimizer, scheduler)
    batches = Doubled(images(seed=data).batches(BATCH, seed=5))
    callbacks = (EMA(model, 0.9), *hooks)
    history = fit(step, batches, epochs=EPOCHS, seed=5, checkpoint=path, callbacks=callbacks, progress=False)
    return history, step


def one_epoch(path: Path) -> None:
    try:
        vae(path, StopAt(epoch=1))
    except StopIteration:
        (path.parent / "uma-época-pronta").touch()


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.05)


def everything(folder: Path, other: Path) -> None:
    """Tudo o que se compara; ``other`` é a pasta do outro lado, de onde se retoma o que ele começou."""
    place = runtime.process_place()
    one_epoch(folder / "começado.ckpt")
    for name in list(RECIPES):
        train_family(name, folder / f"{name}.ckpt")
    if place is not None:
        for mistake, name in PLANTED.items():
            with planted(mistake):
                train_family(name, folder / f"{mistake}.ckpt")
    vae(folder / "inteiro.ckpt")
    wait_for(other / "uma-época-pronta")
    resumed = folder / "retomado.ckpt"
    # No processo 1 não há arquivo nenhum: é o que o 0 leu que ele recebe.
    if place is None or place.rank == 0:
        resumed.write_bytes((other / "começado.ckpt").read_bytes())
    vae(resumed)
    if place is not None:
        together(folder, place)


def together(folder: Path, place: runtime.Place) -> None:
    """O que só há entre vários: o Ctrl-C num deles, e os dados que não são os mesmos."""
    hooks = [StopAt(step=4, signal=signal.SIGINT)] if place.rank == 1 else []
    history, step = vae(folder / "ctrl-c.ckpt", *hooks)
    steps = {int(state["step"]) for state in step.optimizer.state.values()}
    said = [f"{history.interrupted} {len(history)} {steps}"]
    try:
        vae(folder / "outros dados.ckpt", data=place.rank)
    except ProcessError as error:
        said.append(str(error))
    # A pasta do processo 1 só pode ter o que o teste escreve.
    (folder.parent / f"disse-{place.rank}").write_text("\n".join(said), encoding="utf-8")
    # O 1 não se despede: o 0 perde o contato.
    os._exit(0)


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    runtime.fast_dtype = lambda: None
    # Numa máquina carregada, um processo pode ficar parado muito tempo: aqui, esperar não é um erro.
    distributed.ANSWER = timedelta(minutes=30)
    mode, folder = sys.argv[1], Path(sys.argv[2])
    place = runtime.process_place()
    with distributed.joined():
        if mode == "tudo":
            own = folder / (f"{place.rank}" if place is not None else "um")
            everything(own, folder / ("0" if place is None else "um"))
        else:
            hooks = [StopAt(step=4, signal=signal.SIGKILL)] if place is not None and place.rank == 1 else []
            vae(folder / "morte.ckpt", *hooks)


if __name__ == "__main__":
    try:
        main()
    except ProcessError as error:
        sys.exit(f"erro: {error}")
