"""``python -m benchmarks.grader``: uma turma de 300 corrigida, com uma questão consertada, e com três kill -9.

As entregas são o caderno de solução inteiro, com os treinamentos e as figuras, mudado em cada estudante: seis em dez
certas, três com enganos, uma com um laço sem fim, uma saída forçada ou um arquivo cortado.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measure import machine
from course_grader.result import Result
from course_lib import console
from course_lib.text import number, table

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "09_interpolacao"
GOAL_SECONDS, GOAL_REGRADE, GOAL_MEMORY, GOAL_RESIDENT = 180.0, 60.0, 500.0, 700.0

# O que se conserta: quanto vale a primeira questão.
MENDED = ('"q1", "pick_pair", 1', '"q1", "pick_pair", 2')
# As colunas que o conserto muda: a nota inteira e a da questão.
CHANGED = ("total", "q1")

# Uma célula no fim do caderno, que redefine uma função; ``@`` é o número do estudante.
CHANGES = [
    "",
    "# estudante @",
    "x_@ = 1",
    "def interpolate(z_a, z_b, n):\n    t = torch.linspace(0, 1, n)[:, None]\n    return (1 - t) * z_a + t * z_b",
    "print('fim', @)",
    "# nada a acrescentar",
    "def jump_ratio(frames):\n    return (frames[1:] - frames[:-1]).flatten(1).norm(dim=1).max()  # @",
    "def latent_code(model, x):\n    return model.encode(x)[0].detach()  # @",
    "def distance_to_real(frames, images):\n    return undefined_name  # @",
]
HOSTILE = ["while True: pass  # @", "import os; os._exit(@ % 2)", None]


@dataclass
class Run:
    """O que se mediu de uma execução do comando."""

    seconds: float
    cpu_seconds: float
    peak_own: float
    peak_resident: float
    code: int


def write_class(folder: Path, n: int) -> None:
    """Grava ``n`` entregas."""
    base = json.loads((ROOT / "solutions" / f"{EXERCISE}.ipynb").read_text(encoding="utf-8"))
    folder.mkdir(parents=True)
    for index in range(n):
        source = CHANGES[index % 10] if index % 10 < 9 else HOSTILE[index // 10 % 3]
        text = (source or "").replace("@", str(index))
        cell = {"cell_type": "code", "id": "mudanca", "metadata": {}, "outputs": [], "execution_count": None}
        content = json.dumps(base | {"cells": [*base["cells"], cell | {"source": f"# {index}\n{text}"}]})
        if source is None:
            content = content[: len(content) // 2 + index]
        (folder / f"estudante {index:03d}.ipynb").write_text(content, encoding="utf-8")


def grade(definition: Path, folder: Path, output: Path, workers: int, *, kill_after: int = 0) -> Run:
    """Roda o comando; com ``kill_after``, mata-o assim que houver tantos resultados."""
    command = [sys.executable, "-m", "course_grader", str(definition), str(folder), "--saida", str(output)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        [*command, "--semente", "1", "--processos", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    own, resident = [0.0], [0.0]

    def watch() -> None:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                own.append(parent.memory_full_info().uss / 2**20)
                resident.append(parent.memory_info().rss / 2**20)
            except psutil.Error:
                return
            if kill_after and len(list(output.glob("resultados/*.json"))) >= kill_after:
                os.kill(process.pid, signal.SIGKILL)
                return
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.monotonic() - start
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu, max(own), max(resident), code)


def marks(output: Path) -> list[list[str]]:
    """As notas, sem as observações, que dizem em que célula um prazo acabou."""
    with (output / "notas.csv").open(encoding="utf-8-sig", newline="") as file:
        return [line[:10] for line in csv.reader(file, delimiter=";")]


def untouched(before: list[list[str]], after: list[list[str]]) -> bool:
    """Se só mudaram as colunas que o conserto muda."""
    kept = [n for n, title in enumerate(before[0]) if not title.lower().startswith(CHANGED)]
    return [[line[n] for n in kept] for line in before] == [[line[n] for n in kept] for line in after]


def times(output: Path) -> tuple[list[float], list[float]]:
    """Os segundos de cada entrega que acabou por si, e os das que só o prazo parou."""
    results = [Result.from_json(json.loads(path.read_text("utf-8"))) for path in output.glob("resultados/*.json")]
    late = [any("prazo esgotado" in alarm for alarm in result.alarms) for result in results]
    both = list(zip(results, late, strict=True))
    return [one.seconds for one, stopped in both if not stopped], [one.seconds for one, stopped in both if stopped]


def interrupted(definition: Path, folder: Path, output: Path, options: Namespace) -> tuple[float, int, int, int]:
    """Corrige com mortes em momentos sorteados; os segundos, os processos que sobraram, os refeitos e o código."""
    source, seconds, orphans, again = random.Random(0), 0.0, 0, 0
    for death in range(options.mortes + 1):
        kept = {path: path.stat().st_mtime_ns for path in output.glob("resultados/*.json")}
        last = death == options.mortes
        stop = 0 if last else len(kept) + 1 + source.randrange(max(1, (options.n_morte - len(kept)) // 2))
        run = grade(definition, folder, output, options.processos, kill_after=stop)
        seconds += run.seconds
        again += sum(path.stat().st_mtime_ns != when for path, when in kept.items())
        if not last:
            time.sleep(2)
            ours = (p for p in psutil.process_iter(["cmdline"]) if "inside" in (p.info["cmdline"] or []))
            orphans += sum(process.ppid() == 1 for process in ours)
            print(f"  kill -9 com {len(list(output.glob('resultados/*.json')))} prontas")
    return seconds, orphans, again, run.code


def main() -> int:
    """Mede e imprime; devolve 1 se algo não conferiu."""
    parser = console.Parser(prog="python -m benchmarks.grader", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=console.positive_integer, default=300, help="entregas (padrão: 300)")
    parser.add_argument(
        "--n-morte", type=console.positive_integer, default=300, help="entregas da execução interrompida (padrão: 300)"
    )
    parser.add_argument("--mortes", type=console.positive_integer, default=3, help="kill -9 (padrão: 3)")
    parser.add_argument(
        "--processos", type=console.positive_integer, default=2, help="entregas ao mesmo tempo (padrão: 2)"
    )
    options = parser.parse_args()
    print(machine())
    print(f"carga da máquina antes: {number(os.getloadavg()[0], '.1f')}")
    with tempfile.TemporaryDirectory() as name:
        return measure(Path(name), options)


def measure(folder: Path, options: Namespace) -> int:
    """A turma inteira, a questão consertada e as mortes."""
    definition = folder / "exercicio.py"
    module = ROOT / "course_lib/exercises/definitions" / f"{EXERCISE.partition('_')[2]}.py"
    definition.write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    write_class(folder / "turma", options.n)
    run = grade(definition, folder / "turma", folder / "saida", options.processos)
    first = marks(folder / "saida")
    text = definition.read_text(encoding="utf-8")
    definition.write_text(text.replace(*MENDED), encoding="utf-8")
    again = grade(definition, folder / "turma", folder / "saida", options.processos)
    second = marks(folder / "saida")
    definition.write_text(text, encoding="utf-8")
    print(f"\n{options.n} entregas, {options.processos} ao mesmo tempo")
    each = run.seconds * options.processos / options.n
    ended, endless = times(folder / "saida")
    rows = [
        ("tempo total (s)", number(run.seconds, ".0f"), f"{number(GOAL_SECONDS)} para 300"),
        ("por entrega e núcleo (s)", number(each, ".2f"), "1"),
        (f"o mesmo, das {len(ended)} que acabam (s)", number(statistics.fmean(ended), ".2f"), "1"),
        (f"e das {len(endless)} paradas no prazo (s)", number(statistics.fmean(endless or [0]), ".1f"), ""),
        ("CPU do corretor por entrega (s)", number(run.cpu_seconds / options.n, ".2f"), ""),
        ("corretor, memória sua (MB)", number(run.peak_own, ".0f"), number(GOAL_MEMORY)),
        # Com as bibliotecas do PyTorch, que se dividem entre os processos.
        ("corretor, residente (MB)", number(run.peak_resident, ".0f"), number(GOAL_RESIDENT)),
        ("código de saída", run.code, "0"),
        ("uma questão consertada (s)", number(again.seconds, ".0f"), f"{number(GOAL_REGRADE)} para 300"),
        ("CPU do corretor por entrega (s)", number(again.cpu_seconds / options.n, ".2f"), ""),
        ("as outras notas", "iguais" if untouched(first, second) and first != second else "MUDARAM", "iguais"),
    ]
    print(table(rows, ["", "medido", "pedido"]))
    print(f"\n{options.n_morte} entregas, {options.mortes} kill -9, e o mesmo comando outra vez")
    write_class(folder / "turma2", options.n_morte)
    seconds, orphans, redone, code = interrupted(definition, folder / "turma2", folder / "saida2", options)
    same = options.n != options.n_morte or marks(folder / "saida2") == first
    print(f"  tempo ao todo                 {number(seconds, '.0f')} s")
    print(f"  processos que sobraram        {orphans}")
    print(f"  resultados refeitos           {redone}")
    print(f"  notas iguais às da primeira   {'sim' if same else 'NÃO'}")
    good = same and untouched(first, second) and not redone and not orphans
    return 0 if good and run.code == again.code == code == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
