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
from course_grader.batch import Job
from course_grader.grade import TryAlone
from course_grader.result import Deadlines, blank, result_key
from course_grader.sandbox import Confinement
from course_grader.submission import Submission

distributed = pytest.importorskip("distributed")

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


@pytest.mark.filterwarnings("default")
def test_who_is_late_in_company_is_graded_again_alone(tmp_path, monkeypatch, assignment):
    """Um prazo que acaba com as máquinas cheias não vale: a entrega se corrige de novo, no fim, sem mais nenhuma."""
    from course_grader import cluster

    busy, tried = [], []

    def grade(content, assignment, sandbox, deadlines, previous, *, alone):
        busy.append(content)
        tried.append((content, alone, len(busy) if alone else 1))
        try:
            if content == b"1" and not alone:
                raise TryAlone
            return blank(assignment)
        finally:
            busy.remove(content)

    monkeypatch.setattr(cluster, "grade_submission", grade)
    jobs = []
    for n in range(3):
        path = tmp_path / f"{n}.ipynb"
        path.write_bytes(b"%d" % n)
        jobs.append(Job(result_key(b"%d" % n, assignment, Deadlines()), Submission(f"aluno{n}", "", path), [n]))
    with distributed.LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None) as local:
        engine = cluster.Cluster(local.scheduler_address, assignment, Confinement(), Deadlines())
        try:
            done = [(job.owners[0], outcome) for job, outcome in engine.grade(jobs)]
        finally:
            engine.close()
    assert [n for n, _ in done][-1] == 1
    assert sorted(n for n, _ in done) == [0, 1, 2]
    assert not [outcome for _, outcome in done if isinstance(outcome, Exception)]
    assert tried[-1] == (b"1", True, 1)
    assert [alone for _, alone, _ in tried] == [False, False, False, True]
