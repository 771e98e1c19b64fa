"""Duas máquinas do dask, uma delas morta no meio: cada entrega é corrigida exatamente uma vez."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from corpus.base import answers, notebook, others

from course_grader import command

pytest.importorskip("distributed")

N = 10


def start(*arguments, folder):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", *arguments], cwd=folder, start_new_session=True, **quiet)


@pytest.fixture
def cluster(tmp_path):
    """O endereço do escalonador e os dois trabalhadores."""
    contact = tmp_path / "escalonador.json"
    scheduler = start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", str(contact), folder=tmp_path,
    )  # fmt: skip
    limit = time.monotonic() + 120
    while not contact.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    workers = [
        start(
            "distributed.cli.dask_worker", "--scheduler-file", str(contact), "--nthreads", "1", "--no-nanny",
            "--no-dashboard", "--name", f"maquina{n}", folder=tmp_path,
        )
        for n in range(2)
    ]  # fmt: skip
    yield json.loads(contact.read_text())["address"], workers
    for process in [*workers, scheduler]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.filterwarnings("default")
def test_each_submission_is_marked_exactly_once(needs_sandbox, cluster, tmp_path):
    address, workers = cluster
    folder, output = tmp_path / "entregas", tmp_path / "saida"
    folder.mkdir()
    for n in range(N):
        (folder / f"aluno{n}.ipynb").write_bytes(
            notebook(f"x = {n}", "import time\ntime.sleep(1)", *answers(*others()))
        )
    arguments = ["09_interpolacao", str(folder), "--saida", str(output), "--semente", "3", "--dask", address]
    grader = start("course_grader", *arguments, folder=tmp_path)
    limit = time.monotonic() + 500
    while len(list(output.glob("resultados/*.json"))) < 3 and time.monotonic() < limit:
        time.sleep(0.1)
        assert grader.poll() is None
    os.kill(workers[0].pid, signal.SIGKILL)
    assert grader.wait(timeout=500) == 0
    lines = (output / "notas.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    assert sorted(line.split(";")[0] for line in lines) == sorted(f"aluno{n}" for n in range(N))
    assert all(";8;" in line for line in lines)
    assert len(list(output.glob("resultados/*.json"))) == N
    # Nada ficou por fazer: localmente, o mesmo comando não corrige mais nenhuma.
    assert command.main(arguments[:-2]) == 0
    assert len(list(output.glob("resultados/*.json"))) == N
