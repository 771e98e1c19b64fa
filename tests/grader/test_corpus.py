"""O corpus inteiro numa turma só: cada entrega com a sua nota, nenhum efeito fora da caixa, e a turma corrigida."""

from __future__ import annotations

import time

import psutil
import pytest
from corpus import CORPUS, FULL, write_all
from corpus.world import SECRET, World

from course_grader import batch
from course_grader.assignment import load_assignment
from course_grader.batch import Local, Store
from course_grader.inside.lockdown import Limits
from course_grader.result import Deadlines
from course_grader.sandbox import Confinement
from course_grader.submission import find_submissions


@pytest.fixture(scope="module")
def world(needs_sandbox, tmp_path_factory):
    """O mundo de fora: um canário, o caderno de um vizinho e alguém que escuta."""
    with World(tmp_path_factory.mktemp("fora") / "mundo") as world:
        yield world


@pytest.fixture(scope="module")
def outcome(world, tmp_path_factory):
    """A turma corrigida: notas por estudante, segundos e quanto a memória do corretor cresceu."""
    folder = tmp_path_factory.mktemp("entregas")
    write_all(CORPUS, folder, world.folder, world.port)
    assignment = load_assignment("09_interpolacao", 20_251)
    assert assignment.hidden
    assert assignment.public
    deadlines = Deadlines(cell=4, call=3, total=60, grace=1)
    confinement = Confinement(limits=Limits(memory=2**30), total_memory=2 * 2**30)
    store = Store(tmp_path_factory.mktemp("saida"))
    submissions, _ = find_submissions(folder)
    marked, jobs = batch.plan(submissions, assignment, deadlines, store)
    peak, start = [memory()], time.monotonic()
    engine = Local(assignment, confinement, deadlines, workers=2)
    try:
        batch.run(marked, jobs, engine, store, tell=lambda _: peak.append(memory()))
    finally:
        engine.close()
    return {entry.submission.student: entry for entry in marked}, time.monotonic() - start, max(peak) - peak[0]


def memory() -> int:
    """Bytes próprios deste processo."""
    info = psutil.Process().memory_full_info()
    return info.uss


def test_the_corpus_is_large_and_names_are_unique():
    assert len(CORPUS) >= 60
    assert len({entry.name for entry in CORPUS}) == len(CORPUS)


def test_everyone_is_marked_once(outcome):
    marked, _, _ = outcome
    assert marked.keys() == {entry.name for entry in CORPUS}
    assert [name for name, entry in marked.items() if entry.failure] == []


@pytest.mark.parametrize("expected", CORPUS, ids=lambda entry: entry.name.encode("ascii", "replace").decode())
def test_mark(outcome, expected):
    result = outcome[0][expected.name].result
    told = result.notes + result.alarms + [question.hint for question in result.questions]
    assert expected.low <= result.total <= expected.high, told
    notes = " ".join(outcome[0][expected.name].submission.notes + told)
    assert expected.says in notes


def test_nothing_leaked(outcome):
    for name, entry in outcome[0].items():
        told = str(entry.result.to_json())
        assert SECRET not in told, name
        # "olhe as entradas" vem num erro que cita as entradas ocultas; as públicas podem aparecer.
        assert "hidden" not in told


def test_nothing_happened_outside(outcome, world):
    assert world.damage() == []


def test_the_grader_stays_small(outcome):
    assert outcome[2] < 150 * 2**20


def test_table_of_outcomes(outcome, capsys):
    marked, seconds, growth = outcome
    lines = ["", f"{'entrega':<40}{'nota':>6}{'esperada':>12}{'s':>7}  o que se disse"]
    for expected in CORPUS:
        result = marked[expected.name].result
        wanted = f"{expected.low:g}" if expected.low == expected.high else f"{expected.low:g}–{expected.high:g}"
        said = (result.alarms or result.notes or [""])[0]
        lines.append(f"{expected.name:<40}{result.total:>6g}{wanted:>12}{result.seconds:>7.1f}  {said[:70]!r}")
    lines.append(f"{len(CORPUS)} entregas em {seconds:.0f} s; o corretor cresceu {growth / 2**20:.0f} MB")
    with capsys.disabled():
        print("\n".join(lines))
    assert sum(entry.result.total for entry in marked.values()) >= FULL
