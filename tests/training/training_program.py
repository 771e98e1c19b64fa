"""O treinamento que os testes de interrupção matam e retomam: ``training_program.py CHECKPOINT SAÍDA [MODO PASSO]``.

MODO ``passo`` para no passo PASSO; ``gravação``, no meio da gravação do checkpoint da época PASSO. Parar é criar o
arquivo ``SAÍDA.parado`` e dormir, à espera do sinal.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch

from course_lib.data import ImageDataset
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.training import EMA, ObjectiveStep, fit

EPOCHS = 4
STEPS = 6


def stop(output: Path) -> None:
    Path(f"{output}.parado").touch()
    time.sleep(600)


class StopAtStep:
    """Gancho que para no passo ``at``, contado do começo deste processo."""

    def __init__(self, at: int, output: Path) -> None:
        self.left, self.output = at, output

    def on_step(self) -> None:
        self.left -= 1
        if self.left == 0:
            stop(self.output)


def stop_while_writing(at: int, output: Path) -> None:
    """Faz a ``at``-ésima gravação parar com o arquivo escrito e ainda sem o nome definitivo."""
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        real(descriptor)
        calls.append(descriptor)
        if len(calls) == at:
            stop(output)

    os.fsync = fsync


def run(checkpoint: Path | None, *, callbacks: tuple = (), progress: bool = False) -> dict:
    """Treina um VAE pequeno, com agenda e EMA, e devolve tudo o que sobrou."""
    # Ruído serve: o que se compara são bits, e assim o processo não importa o scikit-learn.
    images = torch.rand(560, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1
    dataset = ImageDataset(images, torch.zeros(560, dtype=torch.int64), "ruído")
    batches = dataset.batches(100, seed=5)
    torch.manual_seed(5)
    model = VAE(hidden_dims=(24,), latent_dim=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=EPOCHS * STEPS)
    step = ObjectiveStep(model, gaussian_objective, optimizer, scheduler)
    ema = EMA(model, decay=0.9)
    history = fit(
        step,
        batches,
        epochs=EPOCHS,
        seed=5,
        checkpoint=checkpoint,
        callbacks=(ema, *callbacks),
        description="treino",
        progress=progress,
    )
    return {
        "weights": model.state_dict(),
        "averages": ema.state_dict(),
        "moments": optimizer.state_dict()["state"],
        "epochs": history.epochs,
        "interrupted": history.interrupted,
    }


def main() -> None:
    torch.set_num_threads(1)
    checkpoint, output = map(Path, sys.argv[1:3])
    mode, at = (sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else ("", 0)
    callbacks = (StopAtStep(at, output),) if mode == "passo" else ()
    if mode == "gravação":
        stop_while_writing(at, output)
    torch.save(run(checkpoint, callbacks=callbacks, progress=True), output)


if __name__ == "__main__":
    main()
