"""O treinamento que os testes interrompem: ``reading_program.py MODO X Y SAÍDA``, com o modo de criar processos.

Grava em SAÍDA o resumo dos lotes de uma época, e então treina; no terceiro passo cria ``SAÍDA.parado``, com os números
dos seus leitores, e dorme à espera do sinal.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from course_lib.data import PhotoDomains, UnpairedBatch
from course_lib.training import fit


def digest(batches: Iterable[UnpairedBatch]) -> str:
    """O resumo de todos os pixels de uma época."""
    found = hashlib.sha256()
    for batch in batches:
        for images in batch:
            found.update(images.numpy().data)
    return found.hexdigest()


class StopAtThirdStep:
    def __init__(self, output: str) -> None:
        self.steps, self.output = 0, Path(output)

    def on_step(self) -> None:
        self.steps += 1
        if self.steps == 3:
            readers = [str(child.pid) for child in multiprocessing.active_children()]
            mark = Path(f"{self.output}.parado")
            mark.with_suffix(".tmp").write_text(" ".join(readers))
            mark.with_suffix(".tmp").replace(mark)
            time.sleep(600)


def main() -> None:
    mode, x, y, output = sys.argv[1:]
    multiprocessing.set_start_method(mode)
    batches = PhotoDomains.from_folders(x, y, 16, workers=2, progress=False).batches(2, seed=3)
    Path(output).write_text(digest(batches))
    fit(lambda batch: {"loss": torch.zeros(())}, batches, epochs=2, callbacks=[StopAtThirdStep(output)], progress=False)


if __name__ == "__main__":
    main()
