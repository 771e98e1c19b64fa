"""De quem é cada arquivo, e o que há nele para executar."""

from __future__ import annotations

import errno
import json
import os
import time

import pytest
from corpus.base import notebook

from course_grader import submission as module
from course_grader.batch import Store, plan
from course_grader.result import Deadlines
from course_grader.submission import SubmissionError, find_submissions, read_cells, visible

GOOD = notebook("x = 1")


def people(folder):
    found, ignored = find_submissions(folder)
    return {item.student: item for item in found}, ignored


def put(path, content=GOOD, when=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if when:
        os.utime(path, (when, when))
    return path


def test_the_three_conventions(tmp_path):
    put(tmp_path / "ana.ipynb")
    put(tmp_path / "José da Silva_123_assignsubmission_file_" / "lista.ipynb")
    put(tmp_path / "Bia Lima_45_assignsubmission_file_lista 1.ipynb")
    put(tmp_path / "caio" / "qualquer nome.ipynb")
    put(tmp_path / "leia.txt")
    put(tmp_path / ".ipynb_checkpoints" / "ana.ipynb")
    found, ignored = people(tmp_path)
    assert {name: item.identifier for name, item in found.items()} == {
        "ana": "", "José da Silva": "123", "Bia Lima": "45", "caio": ""
    }  # fmt: skip
    assert ignored == ["leia.txt"]


def test_the_later_of_two_counts_and_says_so(tmp_path):
    put(tmp_path / "ana.ipynb", when=100)
    later = put(tmp_path / "ana (1).ipynb", when=200)
    put(tmp_path / "Ana" / "a.ipynb", when=150)
    found, _ = people(tmp_path)
    assert len(found) == 1
    (item,) = found.values()
    assert item.path == later
    assert len(item.notes) == 2
    assert "ana.ipynb, que não contou" in " ".join(item.notes)


def test_a_link_never_hides_a_real_file(tmp_path):
    real = put(tmp_path / "ana" / "velho.ipynb", when=100)
    (tmp_path / "ana" / "novo.ipynb").symlink_to("/etc/passwd")
    found, _ = people(tmp_path)
    assert found["ana"].path == real


def test_a_linked_folder_is_not_followed(tmp_path):
    put(tmp_path / "fora" / "ana.ipynb")
    put(tmp_path / "turma" / "bia.ipynb")
    (tmp_path / "turma" / "caio").symlink_to(tmp_path / "fora")
    found, ignored = people(tmp_path / "turma")
    assert list(found) == ["bia"]
    assert ignored == ["caio"]


def test_the_output_may_live_among_the_submissions(tmp_path):
    put(tmp_path / "ana.ipynb")
    put(tmp_path / "saida" / "notas.csv")
    found, ignored = find_submissions(tmp_path, tmp_path / "saida")
    assert [item.student for item in found] == ["ana"]
    assert ignored == []


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="não há entregas"):
        find_submissions(tmp_path)
    with pytest.raises(ValueError, match="não há a pasta"):
        find_submissions(tmp_path / "nada")


def test_a_file_swapped_for_a_link_after_the_listing(tmp_path):
    path = put(tmp_path / "ana.ipynb")
    found, _ = people(tmp_path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="não consegui abrir"):
        found["ana"].read()


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    put(tmp_path / "ana.ipynb")
    found, _ = people(tmp_path)
    with pytest.raises(SubmissionError, match="limite"):
        found["ana"].read()


def test_what_this_machine_cannot_read_is_not_a_zero(tmp_path, assignment, monkeypatch):
    put(tmp_path / "ana.ipynb")
    put(tmp_path / "bia" / "lista.ipynb")

    def deny(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    scandir = os.scandir
    monkeypatch.setattr(module.os, "open", deny)
    monkeypatch.setattr(module.os, "scandir", lambda path: deny(path) if "bia" in str(path) else scandir(path))
    submissions, _ = find_submissions(tmp_path)
    marked, jobs = plan(submissions, assignment, Deadlines(), Store(tmp_path))
    assert not jobs
    assert [entry.result for entry in marked] == [None, None]
    assert all("sem permissão de leitura" in entry.failure for entry in marked)


def test_a_notebook_without_a_name_does_not_vanish(tmp_path):
    for name in (".ipynb", "._ana.ipynb", "ana.ipynb"):
        put(tmp_path / name)
    found, ignored = people(tmp_path)
    assert list(found) == ["ana"]
    assert ignored == [".ipynb"]


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    put(tmp_path / "ana\x1b[31m\n.ipynb")
    found, _ = people(tmp_path)
    assert list(found) == ["ana�[31m"]
    assert found["ana�[31m"].file == "ana�[31m .ipynb"


def test_spaces_and_joined_letters_of_a_name_stay(tmp_path):
    put(tmp_path / "Ana\u00a0Souza 👩\u200d🎓.ipynb")
    found, _ = people(tmp_path)
    assert list(found) == ["Ana Souza 👩\u200d🎓"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([{"cell_type": "code", "source": "x"}, {"cell_type": "markdown", "source": "y"}], ["x"]),
        ([{"cell_type": "code", "source": ["a\n", "b"]}], ["a\nb"]),
        ([{"cell_type": "code"}, 3, None, {"cell_type": "code", "source": 4}], [""]),
    ],
)
def test_sources_of_code_cells(cells, expected):
    assert read_cells(json.dumps({"cells": cells}).encode()).cells == expected


def test_old_format_is_converted():
    sheet = {"cells": [{"cell_type": "code", "input": ["x = 1"]}]}
    read = read_cells(json.dumps({"nbformat": 3, "worksheets": [sheet]}).encode())
    assert read.cells == ["x = 1"]
    assert "foi convertido" in read.notes[0]


def test_fingerprint_ignores_spaces_and_comments_and_nothing_else():
    def mark(*cells):
        return read_cells(notebook(*cells)).fingerprint

    assert mark("x = 1  # um", "", "y=2") == mark("x=1", "# dois\n\ny  =  2")
    assert mark("x = 1") != mark("x = 2")
    assert mark("if a:\n    b\nc") != mark("if a:\n    b\n    c")
    assert mark("%pip install x", "x = (") == mark("%pip  install x", "x =  (")
    assert mark("# só isto") == mark("")


@pytest.mark.parametrize(
    "cell", ["x = '''" + "a\n" * 90_000, "(" * 190_000, "\\\n" * 90_000], ids=["aspas", "abre", "barra"]
)
def test_fingerprint_of_a_cell_made_to_be_slow_is_quick(cell):
    start = time.process_time()
    assert read_cells(notebook(cell)).fingerprint
    assert time.process_time() - start < 1


def test_a_folder_that_points_to_itself_is_one_more_file(tmp_path):
    (tmp_path / "laco.ipynb").symlink_to(tmp_path / "laco.ipynb")
    (tmp_path / "ana.ipynb").write_bytes(notebook("1"))
    found, _ = find_submissions(tmp_path, tmp_path / "notas")
    assert {submission.student: bool(submission.problem) for submission in found} == {"ana": False, "laco": True}


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        ("Eva_102_assignsubmission_file__109_assignsubmission_file_/a.ipynb", "109"),
        ("Eva_109_assignsubmission_file_Bia_102_assignsubmission_file_.ipynb", "109"),
    ],
    ids=["pasta", "arquivo"],
)
def test_nobody_takes_the_number_of_another(tmp_path, path, identifier):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes(notebook("1"))
    (submission,), _ = find_submissions(tmp_path)
    assert submission.identifier == identifier


def test_a_file_named_as_a_number_is_not_the_participant_of_that_number(tmp_path):
    (tmp_path / "102.ipynb").write_bytes(notebook("1"))
    (tmp_path / "Ana_102_assignsubmission_file_a.ipynb").write_bytes(notebook("2"))
    assert len(find_submissions(tmp_path)[0]) == 2


def test_visible_text_has_no_commands_and_can_be_written():
    assert visible("a\ud800\x1b[2J\nção") == "a��[2J\nção"


def test_one_entry_that_cannot_be_looked_at_does_not_stop_the_class(tmp_path):
    """Um atalho para um nome que o sistema de arquivos não aceita, solto, como pasta ou dentro de uma."""
    (tmp_path / "ana.ipynb").write_bytes(b"{}")
    (tmp_path / "bia.ipynb").symlink_to("x" * 300)
    (tmp_path / "caio").symlink_to("x" * 300)
    (tmp_path / "davi").mkdir()
    (tmp_path / "davi" / "lista.ipynb").symlink_to("x" * 300)
    found, ignored = find_submissions(tmp_path)
    problems = {entry.student: entry.problem for entry in found}
    assert problems["ana"] == ""
    assert "atalho" in problems["bia"]
    assert "atalho" in problems["davi"]
    assert ignored == ["caio"]


ASKED = "def double(x):\n    return 2 * x"


@pytest.mark.parametrize(("right", "draft"), [("dobro.ipynb", "teste.ipynb"), ("z.ipynb", "a.ipynb")])
def test_a_notebook_without_what_is_asked_never_replaces_one_that_has_it(tmp_path, right, draft):
    folder = tmp_path / "Ana_11_assignsubmission_file_"
    put(folder / right, notebook(ASKED), when=100)
    put(folder / draft, notebook("print('rascunho')"), when=200)
    (item,), _ = find_submissions(tmp_path, functions=["double"])
    assert item.path.name == right
    assert draft in item.notes[0]


def test_two_answers_of_the_same_instant_ask_the_teacher(tmp_path):
    put(tmp_path / "Ana" / "a.ipynb", notebook(ASKED), when=100)
    put(tmp_path / "Ana" / "b.ipynb", notebook(ASKED, "x = 1"), when=100)
    (item,), _ = find_submissions(tmp_path, functions=["double"])
    assert len(item.alarms) == 1
    put(tmp_path / "Ana" / "b.ipynb", notebook(ASKED), when=100)
    (item,), _ = find_submissions(tmp_path, functions=["double"])
    assert item.alarms == []


def test_a_date_in_the_future_replaces_nobody(tmp_path):
    put(tmp_path / "ana.ipynb", when=100)
    put(tmp_path / "Ana (1).ipynb", when=4_000_000_000)
    (item,), _ = find_submissions(tmp_path)
    assert item.path.name == "ana.ipynb"
    assert "data no futuro" in item.alarms[0]


@pytest.mark.parametrize("others", [(), ("Ana (1).ipynb",)])
def test_the_one_that_counts_is_doubted_if_its_date_is_in_the_future(tmp_path, others):
    for name in ("ana.ipynb", *others):
        put(tmp_path / name, when=4_000_000_000)
    (item,), _ = find_submissions(tmp_path)
    assert f"{item.file} tem data no futuro; o prazo" in item.alarms[-1]
    put(tmp_path / "bia.ipynb", when=100)
    assert find_submissions(tmp_path)[0][1].alarms == []


def test_blind_marking_and_namesakes_can_be_told_apart(tmp_path):
    for number in (101, 102):
        put(tmp_path / f"Participante_{number}_assignsubmission_file_" / "a.ipynb")
        put(tmp_path / f"Ana Souza_{number + 10}_assignsubmission_file_" / "a.ipynb")
    found, _ = people(tmp_path)
    assert list(found) == ["Ana Souza (111)", "Ana Souza (112)", "Participante 101", "Participante 102"]


def test_the_output_of_a_grading_is_nobody(tmp_path):
    put(tmp_path / "ana.ipynb")
    for name in ("notas", "notas-antigas"):
        put(tmp_path / name / "turma.json")
        (tmp_path / name / "resultados").mkdir()
    found, ignored = find_submissions(tmp_path, tmp_path / "notas")
    assert ([item.student for item in found], ignored) == (["ana"], [])
    with pytest.raises(ValueError, match="própria pasta das entregas"):
        find_submissions(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["Cópia de Davi Sá", "Davi Sá - Cópia", "Davi Sá - Copia (2)", "Copy of Davi Sá"])
def test_a_copied_file_is_of_the_same_person(tmp_path, name):
    put(tmp_path / f"{name}.ipynb")
    assert list(people(tmp_path)[0]) == ["Davi Sá"]


def test_a_link_to_an_impossible_name_is_one_more_problem(tmp_path):
    put(tmp_path / "bia.ipynb")
    (tmp_path / "ana.ipynb").symlink_to("x" * 300)
    (tmp_path / "pasta").symlink_to("y" * 300)
    found, ignored = people(tmp_path)
    assert {name: bool(item.problem) for name, item in found.items()} == {"ana": True, "bia": False}
    assert ignored == ["pasta"]
