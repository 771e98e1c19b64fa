"""``python -m benchmarks.grader``: uma turma de 300 entregas corrigida, e de novo com um kill -9 no meio.

As entregas são o caderno de solução inteiro, com os treinamentos e as figuras, mudado em cada estudante: seis em dez
certas, três com enganos, uma com um laço sem fim, uma saída forçada ou um arquivo cortado.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measure import machine
from course_lib import console
from course_lib.text import number, table

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "09_interpolacao"
GOAL_SECONDS, GOAL_MEMORY = 600.0, 500.0

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


def grade(folder: Path, output: Path, workers: int, *, kill_after: int = 0) -> Run:
    """Roda o comando; com ``kill_after``, mata-o assim que houver tantos resultados."""
    command = [sys.executable, "-m", "course_grader", EXERCISE, str(folder), "--saida", str(output)]
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


def marks(output: Path) -> list[str]:
    """As notas, sem as observações, que dizem em que célula um prazo acabou."""
    lines = (output / "notas.csv").read_text(encoding="utf-8-sig").splitlines()
    return [";".join(line.split(";")[:10]) for line in lines]


def main() -> int:
    """Mede e imprime; devolve 1 se algo não conferiu."""
    parser = console.Parser(prog="python -m benchmarks.grader", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=console.positive_integer, default=300, help="entregas (padrão: 300)")
    parser.add_argument(
        "--n-morte", type=console.positive_integer, default=300, help="entregas da execução interrompida (padrão: 300)"
    )
    parser.add_argument(
        "--processos", type=console.positive_integer, default=2, help="entregas ao mesmo tempo (padrão: 2)"
    )
    options = parser.parse_args()
    print(machine())
    print(f"carga da máquina antes: {number(os.getloadavg()[0], '.1f')}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_class(folder / "turma", options.n)
        run = grade(folder / "turma", folder / "saida", options.processos)
        print(f"\n{options.n} entregas, {options.processos} ao mesmo tempo")
        each = run.seconds * options.processos / options.n
        rows = [
            ("tempo total (s)", number(run.seconds, ".0f"), f"{number(GOAL_SECONDS)} para 300"),
            ("por entrega e núcleo (s)", number(each, ".2f"), "3"),
            ("CPU por entrega (s)", number(run.cpu_seconds / options.n, ".2f"), ""),
            ("corretor, memória sua (MB)", number(run.peak_own, ".0f"), number(GOAL_MEMORY)),
            # Com as bibliotecas do PyTorch, que se dividem entre os processos.
            ("corretor, residente (MB)", number(run.peak_resident, ".0f"), ""),
            ("código de saída", run.code, "0"),
        ]
        print(table(rows, ["", "medido", "pedido"]))
        write_class(folder / "turma2", options.n_morte)
        first = grade(folder / "turma2", folder / "saida2", options.processos, kill_after=options.n_morte // 2)
        kept = {path: path.stat().st_mtime_ns for path in folder.glob("saida2/resultados/*.json")}
        time.sleep(2)
        orphans = [p.pid for p in psutil.process_iter(["cmdline"]) if "inside" in (p.info["cmdline"] or [])]
        second = grade(folder / "turma2", folder / "saida2", options.processos)
        again = sum(path.stat().st_mtime_ns != when for path, when in kept.items())
        print(f"\n{options.n_morte} entregas, kill -9 com {len(kept)} prontas, e o mesmo comando outra vez")
        before, after = number(first.seconds, ".0f"), number(second.seconds, ".0f")
        print(f"  tempo até a morte, e depois   {before} s + {after} s")
        print(f"  processos que sobraram        {len(orphans)}")
        print(f"  resultados refeitos           {again}")
        same = options.n != options.n_morte or marks(folder / "saida") == marks(folder / "saida2")
        print(f"  notas iguais às da primeira   {'sim' if same else 'NÃO'}")
    return 0 if same and not again and not orphans and run.code == second.code == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
