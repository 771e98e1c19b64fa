"""O treinamento que os testes interrompem: ``reading_program.py MODO X Y SAÍDA``, com o modo de criar processos.

No terceiro passo grava em SAÍDA o resumo dos lotes que viu, em ``SAÍDA.parado`` os números dos seus leitores, e dorme à
espera do sinal.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from course_lib.data import PhotoDomains, UnpairedBatch
from course_lib.training import fit

STEPS = 3


def digest(batches: Iterable[UnpairedBatch]) -> str:
    """O resumo de todos os pixels destes lotes."""
    found = hashlib.sha256()
    for batch in batches:
        for images in batch:
            found.update(images.numpy().data)
    return found.hexdigest()


class Reading:
    """Passo que só guarda os lotes que viu, e no terceiro para à espera do sinal."""

    def __init__(self, output: str) -> None:
        self.seen: list[UnpairedBatch] = []
        self.output = Path(output)

    def __call__(self, batch: UnpairedBatch) -> dict[str, torch.Tensor]:
        self.seen.append(batch)
        if len(self.seen) == STEPS:
            self.output.write_text(digest(self.seen))
            mark = Path(f"{self.output}.parado")
            mark.with_suffix(".tmp").write_text(" ".join(str(child.pid) for child in multiprocessing.active_children()))
            mark.with_suffix(".tmp").replace(mark)
            time.sleep(600)
        return {"loss": torch.zeros(())}


def main() -> None:
    mode, x, y, output = sys.argv[1:]
    multiprocessing.set_start_method(mode)
    # Conferir sem leitores poupa começá-los do zero mais duas vezes.
    domains = replace(PhotoDomains.from_folders(x, y, 16, workers=0, progress=False), workers=2)
    fit(Reading(output), domains.batches(2, seed=3), epochs=2, progress=False)


if __name__ == "__main__":
    main()
