"""Nenhuma nota depende do vizinho, da ordem ou da carga: o relógio dos prazos e quem é corrigido outra vez."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from corpus.base import notebook
from test_grade import DEFINITION

from course_grader import batch
from course_grader.assignment import define
from course_grader.batch import Job, Local
from course_grader.channel import ChildLate, Starved
from course_grader.clock import Clock, _given, _Reading
from course_grader.grade import TryAlone, grade_submission
from course_grader.result import Deadlines, QuestionResult, Result
from course_grader.sandbox import Confinement
from course_grader.submission import Submission

SPIN = "while True: pass"
BURN = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.6: pass"


@contextmanager
def busy_machine(each=7):
    """A máquina com muitos processos que nunca param, por núcleo."""
    command = [sys.executable, "-S", "-E", "-c", SPIN]
    spinning = [subprocess.Popen(command) for _ in range(each * len(os.sched_getaffinity(0)))]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()


@pytest.fixture(scope="module")
def double():
    return define(DEFINITION, "dobro.py", 5)


def test_a_busy_machine_does_not_spend_the_deadline(sandbox):
    channel = sandbox.open()
    assert "error" not in channel.request({"op": "cell", "source": "x = 1"}, (), 60)
    with busy_machine():
        reply = channel.request({"op": "cell", "source": BURN}, (), 1.5, 0.5)
    assert "error" not in reply
    assert channel.spent < 2


def test_who_sleeps_reaches_the_deadline(sandbox):
    channel = sandbox.open()
    reply = channel.request({"op": "cell", "source": "import time\ntime.sleep(1000)"}, (), 0.5, 30)
    assert reply["error"]["kind"] == "prazo"
    assert "error" not in channel.request({"op": "cell", "source": "y = 2"}, (), 60)


def test_who_swallows_the_warning_is_killed(sandbox):
    stubborn = f"import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n{SPIN}"
    with pytest.raises(ChildLate):
        sandbox.open().request({"op": "cell", "source": stubborn}, (), 0.5, 0.5)


def test_the_whole_family_spends_the_deadline(sandbox):
    """Quem dorme enquanto os filhos giram gasta por eles."""
    family = f"import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        {SPIN}\ntime.sleep(1000)"
    channel = sandbox.open()
    begin = time.monotonic()
    with pytest.raises(ChildLate):
        channel.request({"op": "cell", "source": family}, (), 2, 0)
    if len(os.sched_getaffinity(0)) > 1 and os.getloadavg()[0] < 1:
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (_Reading(1.0, {1: 0.0}, 0.0, {"1": 0.0}), 1.0),  # dormiu
        (_Reading(1.0, {1: 1.0}, 0.0, {"1": 0.0}), 1.0),  # correu sozinho
        (_Reading(1.0, {1: 0.2}, 0.0, {"1": 0.8}), 0.2),  # esperou a vez
        (_Reading(1.0, {1: 0.0, 2: 0.9, 3: 0.9}, 0.0, {"1": 0.0, "2": 0.1, "3": 0.1}), 1.8),  # dois filhos correram
        (_Reading(1.0, {1: 0.0}, 0.7, {"1": 0.3}), 0.7),  # um filho nasceu e acabou
    ],
)
def test_the_time_that_the_machine_gave(after, seconds):
    assert _given(_Reading(0.0, {1: 0.0}, 0.0, {"1": 0.0}), after) == pytest.approx(seconds)


def test_without_a_root_the_clock_is_the_wall():
    clock = Clock()
    assert 0 <= clock.look() <= clock.wall


def test_a_starved_request_is_not_a_late_one(sandbox, double, monkeypatch):
    """Sem vizinhos vale como atraso, que mais não se pode fazer; ao lado de outros, se pede de novo."""
    channel = type(sandbox.open())
    monkeypatch.setattr(channel, "_look", lambda self: (_ for _ in ()).throw(Starved("ocupada")))
    content = notebook("import time\ntime.sleep(5)", "double = twice = lambda x: 2 * x")
    with pytest.raises(TryAlone):
        grade_submission(content, double, sandbox, Deadlines(), alone=False)


def test_a_late_submission_is_graded_again_alone_before_it_counts(sandbox, double):
    content = notebook("def double(x):\n    while True: pass")
    deadlines = Deadlines(cell=1, call=0.3, total=10, grace=0.5)
    with pytest.raises(TryAlone):
        grade_submission(content, double, sandbox, deadlines, alone=False)
    assert grade_submission(content, double, sandbox, deadlines).total == 0


def test_late_ones_come_last_and_one_at_a_time(monkeypatch, double):
    graded = []

    def fake(content, assignment, sandbox, deadlines, previous, *, alone):
        graded.append((content, alone))
        if not alone and content in (b"b", b"c"):
            raise TryAlone
        return Result([QuestionResult("q1", "f", 1.0, 1.0)])

    monkeypatch.setattr(batch, "grade_submission", fake)
    monkeypatch.setattr(Job, "read", lambda self, *_: self.key.encode())
    jobs = [Job(key, Submission(key, "", None), [n]) for n, key in enumerate("abcd")]
    engine = Local(double, Confinement(), Deadlines(), workers=2)
    outcomes = {job.key: outcome for job, outcome in engine.grade(jobs)}
    engine.close()
    assert sorted(outcomes) == list("abcd")
    assert all(isinstance(outcome, Result) for outcome in outcomes.values())
    assert sorted(graded[:4]) == [(key.encode(), False) for key in "abcd"]
    assert sorted(graded[4:]) == [(b"b", True), (b"c", True)]


def test_a_classmate_that_spins_sixty_children_costs_nobody_a_point(needs_sandbox, double, tmp_path):
    spins = f"import os\nfor _ in range(60):\n    if os.fork() == 0:\n        {SPIN}\n{SPIN}"
    answers = "double = twice = lambda x: 2 * x"
    files = {"honesta": notebook(BURN, answers), "gira": notebook(spins)}
    for name, content in files.items():
        (tmp_path / f"{name}.ipynb").write_bytes(content)
    submissions = [Submission(name, "", tmp_path / f"{name}.ipynb") for name in ("gira", "honesta")]
    deadlines = Deadlines(cell=1.5, call=1, total=4, grace=0.5, restarts=1)
    store = batch.Store(tmp_path / "saida")
    marked, jobs = batch.plan(submissions, double, deadlines, store)
    engine = Local(double, Confinement(), deadlines, workers=2)
    try:
        batch.run(marked, jobs, engine, store, tell=lambda _: None)
    finally:
        engine.close()
    assert {entry.submission.student: entry.result.total for entry in marked} == {"gira": 0, "honesta": 4}
