"""A turma: retomada, gravação inteira ou nenhuma, interrupções, e o comando como uma pessoa o usa."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from corpus.base import answers, notebook, others
from test_grade import DEFINITION

from course_grader import batch, bubblewrap, command
from course_grader.batch import Store
from course_grader.result import Deadlines, QuestionResult, Result, blank
from course_grader.submission import find_submissions


def result(mark=1.0):
    return Result([QuestionResult("q1", "f", 1.0, mark)], ["nota"], [], 0.5, "abc")


class Fake:
    """Quem corrige, de mentira: devolve (ou levanta) o que lhe mandam, na ordem."""

    outcomes: tuple = ()
    graded = 0

    def __init__(self, assignment, *_, **__):
        self.assignment = assignment

    def grade(self, jobs):
        for position, job in enumerate(jobs):
            outcome = self.outcomes[position] if position < len(self.outcomes) else result()
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome
            type(self).graded += 1
            if isinstance(outcome, Result):
                filled = blank(self.assignment)
                filled.questions[0].mark = outcome.total
                outcome = filled
            yield job, outcome

    def close(self):
        pass


@pytest.fixture
def fake(monkeypatch):
    """O comando com quem corrija de mentira."""
    monkeypatch.setattr(command, "Local", Fake)
    monkeypatch.setattr(command, "require_sandbox", lambda: None)
    monkeypatch.setattr(Fake, "graded", 0)
    monkeypatch.setattr(Fake, "outcomes", ())
    return Fake


@pytest.fixture
def turma(tmp_path):
    """Três entregas, duas delas iguais byte a byte."""
    folder = tmp_path / "entregas"
    folder.mkdir()
    for name, source in (("ana", "x = 1"), ("bia", "x = 2"), ("caio", "x = 1")):
        (folder / f"{name}.ipynb").write_bytes(notebook(source))
    return folder


def correct(turma, *more):
    return command.main(["09_interpolacao", str(turma), "--saida", str(turma.parent / "saida"), *more])


def rows(turma):
    text = (turma.parent / "saida" / "notas.csv").read_text(encoding="utf-8-sig")
    return {line.split(";")[0]: line for line in text.splitlines()[1:]}


def test_a_result_survives_the_disk(tmp_path):
    store = Store(tmp_path)
    assert store.load("k") is None
    store.save("k", result())
    assert store.load("k") == result()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"questions": 3}', '{"questions": [{"x": 1}]}', "\x00"])
def test_a_damaged_result_is_graded_again(tmp_path, text):
    store = Store(tmp_path)
    store.save("k", result())
    next(store.folder.glob("*.json")).write_text(text)
    assert store.load("k") is None


def test_equal_bytes_are_graded_once(turma, assignment, tmp_path):
    submissions, _ = find_submissions(turma)
    marked, jobs = batch.plan(submissions, assignment, Deadlines(), Store(tmp_path))
    assert len(marked) == 3
    assert sorted(job.owners for job in jobs) == [[0, 2], [1]]


def test_each_student_may_have_their_own_cases(turma, assignment, tmp_path):
    each = replace(assignment, by_student=True)
    submissions, _ = find_submissions(turma)
    _, jobs = batch.plan(submissions, each, Deadlines(), Store(tmp_path))
    assert sorted(job.owners for job in jobs) == [[0], [1], [2]]
    assert all(job.read(each, Deadlines()) for job in jobs)
    ana, again, bia = (each.of(who) for who in ("nome ana", "nome ana", "nome bia"))
    names = [[case.name for cases in one.hidden.values() for case in cases] for one in (ana, again, bia, each)]
    assert names[0] == names[1]
    assert not set(names[0]) & {*names[2], *names[3]}
    # O que se vê no caderno é o mesmo para todos, e uma questão consertada é a mesma questão.
    assert (ana.public, ana.digests) == (each.public, each.digests)
    assert assignment.of("nome ana") is assignment


def test_the_second_run_grades_nothing(turma, fake, capsys):
    assert correct(turma) == 0
    assert fake.graded == 2
    assert correct(turma) == 0
    assert fake.graded == 2
    assert "3 já corrigidas" in capsys.readouterr().out
    assert correct(turma, "--semente", "5") == 0
    assert fake.graded == 4


def test_the_seed_is_drawn_once_and_kept(tmp_path):
    first = batch.class_seed(tmp_path, None)
    assert batch.class_seed(tmp_path, None) == first
    assert batch.class_seed(tmp_path, 8) == batch.class_seed(tmp_path, None) == 8
    (tmp_path / "turma.json").write_text("{")
    with pytest.raises(ValueError, match="dê a semente"):
        batch.class_seed(tmp_path, None)


def test_interrupt_keeps_what_is_done_and_the_same_command_goes_on(turma, fake, monkeypatch, capsys):
    monkeypatch.setattr(fake, "outcomes", (result(), KeyboardInterrupt()))
    assert correct(turma) == 130
    assert "o mesmo comando continua daí" in capsys.readouterr().out
    assert sorted("ainda não foi corrigida" in line for line in rows(turma).values()) == [False, False, True]
    monkeypatch.setattr(fake, "outcomes", ())
    assert correct(turma) == 0
    assert fake.graded == 2


def test_one_failure_does_not_stop_the_class(turma, fake, monkeypatch, capsys):
    monkeypatch.setattr(fake, "outcomes", (RuntimeError("o disco sumiu"),))
    assert correct(turma) == 1
    assert "✘ ana: não foi corrigida: o disco sumiu" in capsys.readouterr().out
    assert "bia.ipynb;1;" in rows(turma)["bia"]


def test_disk_full_is_one_line_and_loses_nothing(turma, fake, monkeypatch, capsys):
    real, writes = batch.write_atomically, []

    def full(path, write):
        if "resultados" in str(path):
            writes.append(path)
            if len(writes) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, write)

    monkeypatch.setattr(batch, "write_atomically", full)
    assert correct(turma) == 1
    error = capsys.readouterr().err
    assert "acabou o espaço em disco" in error
    assert "Traceback" not in error
    monkeypatch.setattr(batch, "write_atomically", real)
    assert correct(turma) == 0
    assert fake.graded == 3


def test_without_sandbox_it_refuses_and_says_how(turma, monkeypatch, capsys):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    assert correct(turma) == 1
    assert "apt-get install bubblewrap" in capsys.readouterr().err
    assert not (turma.parent / "saida").exists()


@pytest.mark.parametrize(("package", "more"), [("jinja2", []), ("IPython", []), ("distributed", ["--dask", "tcp://x"])])
def test_a_missing_package_is_said_before_the_first_submission(turma, fake, monkeypatch, capsys, package, more):
    real = command.find_spec
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == package else real(name))
    assert correct(turma, *more) == 1
    assert f'falta {package}: instale com pip install "course-lib[correcao] @ git+https://' in capsys.readouterr().err
    assert not (turma.parent / "saida").exists()


def test_what_the_students_could_read_is_refused(turma, fake, monkeypatch, capsys):
    monkeypatch.setattr(bubblewrap, "_SYSTEM_FOLDERS", (str(turma.parent),))
    assert correct(turma) == 1
    assert "que o código dos estudantes consegue ler" in capsys.readouterr().err
    assert not (turma.parent / "saida").exists()


def test_a_python_of_another_user_is_refused_before_the_first_submission(needs_sandbox, turma, monkeypatch, capsys):
    monkeypatch.setattr(bubblewrap, "_readable", lambda folder: False)
    assert correct(turma) == 1
    assert "não tem permissão de ler" in capsys.readouterr().err


def test_the_median_of_an_even_class_is_in_the_middle(turma, fake, monkeypatch, capsys):
    monkeypatch.setattr(fake, "outcomes", (result(0), result(1)))
    (turma / "caio.ipynb").unlink()
    assert correct(turma) == 0
    assert "mediana 0,5" in capsys.readouterr().out


def test_unprotected_grading_warns_on_every_line(turma, fake, capsys):
    assert correct(turma, "--sem-isolamento") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(lines) > 5
    assert all("SEM ISOLAMENTO" in line for line in lines)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--moodle", "nada.csv"], "não há a planilha do Moodle"),
        (["--processos", "0"], "maior que zero"),
        (["--semente", "-1"], "maior ou igual a zero"),
        (["--dask", "tcp://127.0.0.1:1"], "dask em tcp://127.0.0.1:1"),
    ],
)
def test_usage_errors(turma, fake, more, message, capsys):
    try:
        code = correct(turma, *more)
    except SystemExit as stop:
        code = stop.code
    assert code != 0
    assert message in capsys.readouterr().err


def test_an_empty_folder_and_an_unknown_exercise(tmp_path, fake, capsys):
    assert command.main(["09_interpolacao", str(tmp_path), "--saida", str(tmp_path / "s")]) == 1
    assert "não há entregas" in capsys.readouterr().err
    (tmp_path / "a.ipynb").write_text("{}")
    assert command.main(["nada", str(tmp_path), "--saida", str(tmp_path / "s")]) == 1
    assert "exercício desconhecido" in capsys.readouterr().err


def test_killed_in_the_middle_and_started_again(needs_sandbox, tmp_path):
    folder, output = tmp_path / "entregas", tmp_path / "saida"
    folder.mkdir()
    for n in range(6):
        (folder / f"aluno{n}.ipynb").write_bytes(
            notebook(f"x = {n}", "import time\ntime.sleep(1)", *answers(*others()))
        )
    arguments = [sys.executable, "-m", "course_grader", "09_interpolacao", str(folder), "--saida", str(output)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 300
    while len(list(output.glob("resultados/*.json"))) < 2 and time.monotonic() < limit:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in output.glob("resultados/*.json")}
    assert 2 <= len(kept) < 6
    assert command.main(arguments[3:]) == 0
    done = list(output.glob("resultados/*.json"))
    assert len(done) == 6
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert all(sum(q["mark"] for q in json.loads(path.read_text())["questions"]) == 8 for path in done)
    assert not [path for path in output.rglob(".*.tmp") if path.stat().st_mtime > time.time()]


def test_ctrl_c_stops_at_once_and_leaves_nobody(needs_sandbox, tmp_path):
    folder, output = tmp_path / "entregas", tmp_path / "saida"
    folder.mkdir()
    for n in range(5):
        slow = f"import time\ntime.sleep({1 if n == 0 else 12})  # {n}"
        (folder / f"aluno{n}.ipynb").write_bytes(notebook(slow, *answers(*others())))
    arguments = [sys.executable, "-m", "course_grader", "09_interpolacao", str(folder), "--saida", str(output)]
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        # Testes iniciados em segundo plano herdam o Ctrl-C desligado, e o comando herdaria deles.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    limit = time.monotonic() + 300
    while not list(output.glob("resultados/*.json")) and time.monotonic() < limit:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "o mesmo comando continua daí" in told
    assert children
    _, alive = psutil.wait_procs(children, timeout=10)
    # Um zumbi já morreu: só falta alguém ler o seu código de saída.
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
    assert (output / "notas.csv").read_text(encoding="utf-8-sig").count("ainda não foi corrigida") == 4


def test_an_own_exercise_without_isolation(tmp_path, capsys):
    definition = tmp_path / "dobro.py"
    definition.write_text(DEFINITION, encoding="utf-8")
    folder = tmp_path / "entregas"
    folder.mkdir()
    (folder / "ana.ipynb").write_bytes(notebook("def double(x): return 2 * x\ntwice = double"))
    arguments = [str(definition), str(folder), "--saida", str(tmp_path / "s"), "--sem-isolamento"]
    assert command.main(arguments) == 0
    assert "ana: 4" in capsys.readouterr().out
