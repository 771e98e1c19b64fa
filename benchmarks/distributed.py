"""Um processo e dois, a mesma família: quanto os pesos diferem, e quanto tempo leva uma época.

``python -m benchmarks.distributed`` abre os processos com o torchrun, cada um com uma linha de execução. O resultado é
o estudo ``course_lib/studies/distributed.json``, que a página "Vários processos e várias máquinas" mostra.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.distributed_part import BATCHES, DTYPES, EPOCHS, LARGEST_BATCH, SEED
from benchmarks.study import add_run, command
from course_lib.recipes import RECIPES
from course_lib.studies import Study, study_command
from course_lib.text import number

PROCESSES = (1, 2)
# Imagens da época cronometrada da família densa; as das outras são uma fração.
IMAGES, QUICK_IMAGES = 12_800, 256


def measured(processes: int, images: int) -> dict[str, Any]:
    """O que :mod:`benchmarks.distributed_part` grava, com tantos processos.

    Raises:
        OSError: os processos não terminaram bem; o que disseram está na saída de erro.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "medidas.pt"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        part = ["-m", "benchmarks.distributed_part", str(path), str(images)]
        done = subprocess.run([*launch, *part], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        if done.returncode:
            raise OSError(f"os {processes} processos não terminaram bem (código {done.returncode})")
        found: dict[str, Any] = torch.load(path)
        return found


def differences(one: dict[str, Any], many: dict[str, Any], dtype: torch.dtype) -> dict[str, float]:
    """Quanto os pesos de vários processos diferem dos de um: o maior peso, e em fração do que o treino os moveu."""
    name = str(dtype).removeprefix("torch.")
    largest = max((many["after"][key] - value).abs().max().item() for key, value in one["after"].items())
    apart = sum((many["after"][key] - value).square().sum().item() for key, value in one["after"].items())
    moved = sum((one["before"][key] - value).square().sum().item() for key, value in one["after"].items())
    return {f"maior diferença, {name}": largest, f"diferença relativa, {name}": (apart / moved) ** 0.5}


def run(path: Path, quick: bool) -> None:
    """Mede com um e com dois processos e grava o estudo em ``path``, uma entrada por família."""
    images = QUICK_IMAGES if quick else IMAGES
    one, two = (measured(processes, images) for processes in PROCESSES)
    header = {"processes": PROCESSES[1], "threads": 1, "batch": LARGEST_BATCH, "steps": round(BATCHES + 0.5)}
    study = Study(study_command("distributed"), {**header, "epochs": EPOCHS, "seed": SEED})
    for name in RECIPES:
        measures = {}
        for dtype in DTYPES:
            pair = (side["weights"][str(dtype)][name] for side in (one, two))
            measures |= differences(*pair, dtype)
        seconds = {}
        if name in one["seconds"]:
            size, alone = one["seconds"][name]
            seconds = {"images": size, "seconds": {"1": round(alone, 3), "2": round(two["seconds"][name][1], 3)}}
        add_run(path, study, {"variant": name, "measures": measures, **seconds})
        said = ", ".join(f"{key} {number(value, '.1e')}" for key, value in measures.items())
        times = ", ".join(f"{number(value, '.2f')} s com {key}" for key, value in seconds.get("seconds", {}).items())
        print(f"{name}: {said}{'; ' + times if times else ''}", flush=True)


if __name__ == "__main__":
    raise SystemExit(command("distributed", "Mede o treino em dois processos contra o de um.", run))
