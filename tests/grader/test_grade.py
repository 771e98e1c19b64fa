"""A nota vem dos casos ocultos, e a dica não conta nada deles."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import shutil
from pathlib import Path

import pytest
from corpus.base import FULL, RIGHT, answers, notebook, others

from course_grader import assignment as assignment_module
from course_grader import grade as grading
from course_grader import result as result_module
from course_grader.assignment import HIDDEN_CASES, define, load_assignment
from course_grader.grade import grade_submission
from course_grader.replies import Replies
from course_grader.result import Deadlines, Result, grader_version, result_key
from course_grader.suspicion import suspicions
from course_lib import exercises, runtime

ROOT = Path(__file__).resolve().parents[2]
FAST = Deadlines(cell=10, call=10, total=60, grace=1)

DEFINITION = """
import torch
from course_lib.exercises.answers import Mistake, close, tensor_answer
from course_lib.exercises.question import Exercise, Question

class Double(Question):
    name, function, points, start = "q1", "double", 3, "Multiplique."
    public_seeds = (0, 1)

    def draw(self, source):
        return {"x": torch.randn(3, generator=source)}

    def judge(self, inputs, answer):
        value = tensor_answer(answer, (3,))
        if (value > 100).any():
            raise ZeroDivisionError
        inputs["x"].mul_(2)  # um juiz descuidado
        if not close(value, inputs["x"]):
            raise Mistake("esperava o dobro.")

class Twice(Double):
    name, function, points, start = "q2", "twice", 1, "De novo."
    public_seeds = (0,)

EXERCISE = Exercise("dobro", (Double(), Twice()))
"""


@pytest.fixture(scope="module")
def double():
    return define(DEFINITION, "dobro.py", 5)


def grade(sandbox, assignment, *cells, deadlines=FAST):
    return grade_submission(notebook("import torch", *cells), assignment, sandbox, deadlines)


def test_right_and_blank(sandbox, double):
    result = grade(sandbox, double, "def double(x): return 2 * x", "def twice(x): raise NotImplementedError")
    assert [question.mark for question in result.questions] == [3, 0]
    assert result.questions[1].hint == "ainda em branco (ou a linha do `raise` ficou no lugar). De novo."
    assert Result.from_json(result.to_json()) == result


def test_the_answer_to_the_public_cases_alone_earns_nothing(sandbox, double):
    seen = "VISTOS = [tuple(torch.randn(3, generator=torch.Generator().manual_seed(s)).tolist()) for s in (0, 1)]"
    body = "def double(x): return 2 * x if tuple(x.tolist()) in VISTOS else x"
    result = grade(sandbox, double, seen, body)
    assert result.total == 0
    assert result.questions[0].hint == "esperava o dobro."


def test_an_error_with_hidden_inputs_says_only_that_there_was_one(sandbox, double):
    seen = "VISTOS = [tuple(torch.randn(3, generator=torch.Generator().manual_seed(s)).tolist()) for s in (0, 1)]"
    body = "def double(x):\n    if tuple(x.tolist()) not in VISTOS:\n        raise ValueError(x)\n    return 2 * x"
    result = grade(sandbox, double, seen, body)
    assert result.questions[0].hint == "a função parou com um erro"


def test_an_error_that_also_happens_in_public_is_told_in_full(sandbox, double):
    result = grade(sandbox, double, "def double(x):\n    return y * 2")
    assert "name 'y' is not defined" in result.questions[0].hint
    assert "return y * 2" in result.questions[0].hint


def test_a_judge_that_breaks_is_an_alarm_and_not_a_crash(sandbox, double):
    result = grade(sandbox, double, "def double(x): return x + 1000", "def twice(x): return 2 * x")
    assert [question.mark for question in result.questions] == [0, 1]
    assert "o juiz parou com ZeroDivisionError" in " ".join(result.alarms)


def test_a_careless_judge_does_not_hurt_the_neighbour(sandbox, double):
    for _ in range(2):
        assert grade(sandbox, double, "def double(x): return 2 * x", "twice = double").total == 4


def test_a_dead_call_costs_its_question_only(sandbox, double):
    result = grade(sandbox, double, "import os\ndef double(x): os._exit(1)", "def twice(x): return 2 * x")
    assert [question.mark for question in result.questions] == [0, 1]
    assert "encerrou o processo" in result.questions[0].hint


def test_a_dead_cell_is_skipped_on_the_second_start(sandbox, double):
    result = grade(sandbox, double, "import os\nos._exit(1)", "double = twice = lambda x: 2 * x")
    assert result.total == 4
    assert "célula 2 encerrou o processo" in result.notes[0]


def test_restarts_are_bounded(sandbox, double):
    deadlines = dataclasses.replace(FAST, restarts=1)
    deaths = ["import os\nos._exit(1)"] * 5
    result = grade(sandbox, double, *deaths, "double = twice = lambda x: 2 * x", deadlines=deadlines)
    assert result.total == 0
    assert "vezes demais" in result.questions[0].hint


def test_the_whole_submission_has_a_deadline(sandbox, double):
    deadlines = Deadlines(cell=1, call=1, total=2.5, grace=1)
    lazy = ["import time\ntime.sleep(60)"] * 6
    result = grade(sandbox, double, *lazy, "double = twice = lambda x: 2 * x", deadlines=deadlines)
    assert result.total == 0
    assert "prazo da entrega inteira" in result.questions[1].hint
    assert result.seconds < 20


@pytest.mark.parametrize(("imports", "right"), [("from umap import UMAP as Map", 4), ("import numpy as np", 0)])
def test_a_notebook_that_compiles_has_longer_for_each_cell(sandbox, double, imports, right):
    deadlines = Deadlines(cell=1, compiling=10, call=2, grace=0.5)
    slow = "import time\ntime.sleep(2.5)\ndouble = twice = lambda x: 2 * x"
    assert grade(sandbox, double, f"if False: {imports}", slow, deadlines=deadlines).total == right


def test_slow_cells_leave_time_for_the_functions(sandbox, double):
    deadlines = Deadlines(cell=4, call=2, cells=4, total=9, grace=1)
    lazy = ["import time\ntime.sleep(60)"] * 3
    result = grade(sandbox, double, *lazy, "double = twice = lambda x: 2 * x", deadlines=deadlines)
    assert result.total == 4


def test_a_missing_package_is_for_the_teacher_to_see(sandbox, double):
    result = grade(sandbox, double, "import pacote_ausente", "import google.colab")
    assert [alarm for alarm in result.alarms if "falta um módulo" in alarm] == [
        "célula 2: falta um módulo nesta máquina (ModuleNotFoundError: No module named 'pacote_ausente')"
    ]


@pytest.mark.parametrize(
    ("count", "outputs", "alarmed"),
    [
        (1, [], True),
        (1, [{"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}], False),
        (None, [], False),
    ],
)
def test_a_cell_that_ran_in_the_notebook_and_stops_here_is_an_alarm(sandbox, double, count, outputs, alarmed):
    cells = json.loads(notebook("import torch", "raise ValueError('só aqui')", "x = 1"))
    cells["cells"][1] |= {"execution_count": count, "outputs": outputs}
    cells["cells"][2]["execution_count"] = 2
    result = grade_submission(json.dumps(cells).encode(), double, sandbox, FAST)
    told = "célula 2: rodou no caderno, e na correção parou com ValueError: só aqui"
    assert (told in result.alarms) == alarmed
    assert "célula 2: parou com ValueError: só aqui" in result.notes


def test_an_error_of_many_lines_is_one_line(sandbox, double):
    result = grade(sandbox, double, "raise ValueError('a\\nBia Lima: 0\\n' + 'x' * 900)")
    assert len(result.notes) == 1
    assert "\n" not in result.notes[0]
    assert len(result.notes[0]) < 300


def test_a_notebook_cannot_fill_the_report(sandbox, double):
    result = grade(sandbox, double, *["import ctypes\nraise ValueError"] * 80)
    assert len(result.alarms) == len(result.notes) == 31
    assert result.alarms[-1] == "e mais 50"


def test_full_marks_raise_no_alarm_for_a_difference(sandbox, double):
    assert grade(sandbox, double, "!ls", "double = twice = lambda x: 2 * x").alarms == []
    assert grade(sandbox, double, "!ls", "double = lambda x: 2 * x").alarms == ["célula 2: !ls não roda na correção"]


def test_a_hidden_mutation_earns_nothing(sandbox, double):
    cheat = "import inside.serve\ninside.serve.altered = lambda a, b: []"
    result = grade(sandbox, double, cheat, "def double(x):\n    x.zero_()\n    return x")
    assert result.total == 0
    honest = grade(sandbox, double, "def double(x):\n    return x.mul_(2)")
    assert "alterou o argumento `x`" in honest.questions[0].hint


def test_the_course_exercise(sandbox, assignment):
    assert grade(sandbox, assignment, *answers(*others())).total == FULL


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "solutions").glob("*.ipynb"))])
def test_every_solution_earns_everything_and_every_blank_nothing(sandbox, name):
    """Pelo lado de fora: o caderno inteiro, como o estudante o entregaria, na caixa em que a turma é corrigida."""
    course = load_assignment(name, 7)
    marks = {}
    for folder in ("solutions", "exercises"):
        result = grade_submission((ROOT / folder / f"{name}.ipynb").read_bytes(), course, sandbox, Deadlines())
        marks[folder] = [question.mark for question in result.questions]
        assert not result.alarms
    assert marks["solutions"] == [question.points for question in course.exercise.questions]
    assert set(marks["exercises"]) == {0}


def test_unreadable_notebook_has_zero_and_the_reason(sandbox, double):
    result = grade_submission(b"{", double, sandbox, FAST)
    assert result.total == 0
    assert "malformado" in result.notes[0]


def test_hidden_seeds_are_secret_stable_and_vary_with_the_class(double):
    seeds = [case.seed for case in double.hidden["q1"]]
    assert len(seeds) == HIDDEN_CASES
    assert not set(seeds) & {0, 1}
    assert seeds == [case.seed for case in define(DEFINITION, "dobro.py", 5).hidden["q1"]]
    assert seeds != [case.seed for case in define(DEFINITION, "dobro.py", 6).hidden["q1"]]
    assert not set(seeds) & {case.seed for case in double.hidden["q2"]}
    # Um exercício que alterna pela paridade, ou pelo resto por 3, mostra todos os seus casos.
    assert {seed % 6 for seed in seeds} == set(range(6))


def test_the_seed_of_a_case_does_not_travel(double):
    for case in double.hidden["q1"]:
        assert str(case.seed) not in str(case.message)
        assert case.message["seed"] != case.seed


def test_the_key_depends_on_everything_that_changes_the_mark(double):
    keys = {
        result_key(b"a", double, FAST),
        result_key(b"b", double, FAST),
        result_key(b"a", define(DEFINITION, "dobro.py", 6), FAST),
        result_key(b"a", dataclasses.replace(double, by_case=True), FAST),
        result_key(b"a", double, Deadlines(cell=1)),
    }
    assert len(keys) == 5
    assert result_key(b"a", define(DEFINITION, "outro.py", 5), FAST) in keys
    # Uma questão que muda não é outra turma: o resultado se acha, e só ela se corrige de novo.
    mended = define(DEFINITION.replace("De novo.", "Outra vez."), "dobro.py", 5)
    assert result_key(b"a", mended, FAST) in keys
    assert result_module.stale(result_module.blank(double), mended) == {"q2"}
    assert result_module.stale(result_module.blank(double), define(DEFINITION + "\n# nada\n", "x", 5)) == set()


@pytest.mark.parametrize(
    "part", ["course_grader/grade.py", "course_grader/inside/serve.py", "course_lib/exercises/question.py"]
)
def test_the_version_changes_with_every_part_that_marks(part, tmp_path, monkeypatch):
    for package in ("course_grader", "course_lib/exercises"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(result_module, "__file__", str(tmp_path / "course_grader" / "result.py"))
    monkeypatch.setattr(exercises, "__file__", str(tmp_path / "course_lib" / "exercises" / "__init__.py"))
    version = grader_version.__wrapped__
    assert version() == grader_version()
    with (tmp_path / part).open("a") as file:
        file.write("# outra")
    assert version() != grader_version()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", r"dobro.py, linha 1: a definição parou com ZeroDivisionError"),
        ("x = (", "SyntaxError"),
        ("x = 1", "EXERCISE"),
        ("EXERCISE = 3", "EXERCISE"),
        ("from course_lib.exercises.question import Exercise\nEXERCISE = Exercise('a', ())", "não tem questões"),
    ],
)
def test_a_bad_definition_is_explained(source, message):
    with pytest.raises(ValueError, match=message):
        define(source, "dobro.py", 0)


def test_an_input_that_cannot_travel_is_explained():
    broken = DEFINITION.replace('return {"x": ', 'return {"x": object(), "y": ')
    with pytest.raises(ValueError, match="q1: uma das entradas não serve: não sei levar um object"):
        _ = define(broken, "dobro.py", 0).hidden


def test_a_definition_file_is_found_by_its_path(tmp_path):
    path = tmp_path / "dobro.py"
    path.write_text(DEFINITION, encoding="utf-8")
    assert load_assignment(str(path), 5).digest == define(DEFINITION, "x", 5).digest
    with pytest.raises(ValueError, match="não consegui ler"):
        load_assignment(str(tmp_path / "nada.py"), 5)
    with pytest.raises(ValueError, match="exercício desconhecido"):
        load_assignment("99_nada", 5)


def test_suspicions_name_the_cell_and_spare_the_usual():
    usual = ["import sys\nif 'google.colab' in sys.modules:\n    %pip install x", "import torch, os\nos.path.join('a')"]
    assert suspicions([*usual, "import ctypes\nos._exit(1)"]) == ["célula 3: cita ctypes, os._exit"]


@pytest.mark.parametrize(
    "source",
    [
        "from course_grader.grade import grade_submission",
        "open('/usr/lib/python3/dist-packages/course_grader/assignment.py')",
        "from course_lib.exercises.definitions.vae import EXERCISE",
        "from course_lib.exercises import definitions",
        "os.listdir(os.path.join(raiz, 'exercises', 'definitions'))",
        "import course_lib.exercises.question",
        "from course_lib.exercises import calls",
        "from course_lib import exercises\nexercises.question.load_exercise('09_interpolacao')",
        "inside.serve.altered = None",
        "import inside",
    ],
)
def test_who_looks_for_the_grader_or_the_references_is_suspect(source):
    assert suspicions([source])


def test_a_cell_that_cites_without_end_is_one_short_line():
    many = "\n".join(f"course_lib.exercises.x{n}{'y' * 500}" for n in range(500)) + "\nimport\ninside"
    (alarm,) = suspicions([many])
    assert len(alarm) < 500
    assert "\n" not in alarm
    assert alarm.endswith("e outros")


@pytest.mark.parametrize(
    "source",
    [
        "from course_lib.exercises import open_exercise\nverificar = open_exercise('09_interpolacao', globals())",
        "import course_lib.exercises\nv = course_lib.exercises.open_exercise('09_interpolacao', globals())",
        "from course_lib import viz\nfrom course_lib.models.vae import VAE",
        "inside = x.abs() < 1\nshare = inside.float().mean()\nprint(inside.shape, inside.sum())",
    ],
)
def test_who_checks_an_answer_is_not_suspect(source):
    assert suspicions([source]) == []


# Cada um guarda o que recebe e tenta contá-lo por um caminho: o texto de um erro num caso público, o de um erro do
# próprio canal, um nome de função, um nome de tipo.
MEMORY = """
SEEN = []
SECRET = lambda: "VI " + repr(SEEN)


def double(x):
    SEEN.append([round(v, 4) for v in x.tolist()])
    raise ValueError(SECRET())
"""
FROM_WIRE = """
from inside.wire import WireError


class Teller(list):
    def __iter__(self):
        raise WireError("VI " + repr(self[0]))


def double(x):
    return Teller([x.tolist()])
"""
RENAMED = """
def double(x):
    globals()["doubleVI%d" % (abs(float(x[0])) * 1000)] = globals().pop("double")
    return 2 * x
"""
TYPE_NAME = """
def double(x):
    return type("VI%d" % (abs(float(x[0])) * 10**6), (), {})()
"""


@pytest.mark.parametrize("body", [MEMORY, FROM_WIRE, RENAMED, TYPE_NAME])
def test_no_hint_carries_what_the_process_saw_of_the_hidden_cases(sandbox, double, body):
    seen = "PUBLIC = [torch.randn(3, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]\n"
    tells = body + "\n\ntells = double\n"
    if body is not MEMORY and body is not RENAMED:
        tells += "\n\ndef double(x):\n    return 2 * x if any(torch.equal(x, p) for p in PUBLIC) else tells(x)\n"
    result = grade(sandbox, double, seen, tells, "def twice(x):\n    raise ValueError(globals().get('SEEN'))")
    told = " ".join([*(question.hint for question in result.questions), *result.notes])
    for case in [case for cases in double.hidden.values() for case in cases]:
        first = abs(float(double.exercise.questions[0].make_inputs(case.seed)["x"][0]))
        assert f"{first:.4f}" not in told
        assert f"VI{int(first * 1000)}" not in told
    assert result.questions[0].mark == 0


# Conta o que viu pela linha em que para, pelo nome do erro, e pelas células de um processo refeito.
BY_LINE = "def double(x):\n    exec(compile('\\n' * (int(abs(float(x[0])) * 1000) % 40) + '1 / 0', 'c', 'exec'))"
BY_TYPE = "def double(x):\n    raise [KeyError, ValueError, IndexError, OSError][int(abs(float(x[0])) * 1000) % 4]"


@pytest.mark.parametrize("body", [BY_LINE, BY_TYPE])
def test_no_bit_of_a_hidden_input_is_told_by_the_place_or_the_name_of_an_error(sandbox, double, body):
    seen = "PUBLIC = [torch.randn(3, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]\n"
    guard = "\ntells = double\ndef double(x):\n    return 2 * x if any(torch.equal(x, p) for p in PUBLIC) else tells(x)"
    result = grade(sandbox, double, seen + body + guard)
    assert result.questions[0].hint == "a função parou com um erro"


def test_public_cases_come_before_any_hidden_one(sandbox, double):
    """A dica de um caso público vem de um processo que não viu nenhum oculto."""
    body = "SEEN = []\ndef double(x):\n    SEEN.append(x)\n    raise ValueError(len(SEEN))"
    assert "ValueError: 1" in grade(sandbox, double, body).questions[0].hint


def test_a_line_that_no_cell_has_is_not_quoted(double):
    question, case = double.exercise.questions[0], double.hidden["q1"][0]
    hints = [
        grading._explain({"kind": "erro", "type": "ValueError", "line": line}, question, case, 10, secret=False)
        for line in (7, 110_000)
    ]
    assert "na linha 7 " in hints[0]
    assert "linha" not in hints[1]


@pytest.mark.parametrize("kind", ["novidade", None, 3, ["erro"], {}])
def test_a_stumble_nobody_knows_is_an_error(double, kind):
    question, case = double.exercise.questions[0], double.hidden["q1"][0]
    hint = grading._explain({"kind": kind, "type": "ValueError"}, question, case, 10, secret=False)
    assert hint == "a função parou com ValueError"


def test_the_seed_a_call_sees_is_not_a_sum_of_the_class_seed():
    """Uma chave de turma que se quisesse achar teria de ser adivinhada inteira: cada semente é um HMAC dela."""
    key, text = str(5).encode(), f"{assignment_module._CALL}/0/0".encode()
    expected = int.from_bytes(hmac.new(key, text, hashlib.sha256).digest()[:8], "big") >> 1
    assert define(DEFINITION, "dobro.py", 5).hidden["q1"][0].message["seed"] == expected


def test_the_seed_a_call_sees_does_not_lead_to_the_hidden_case(double):
    for case in double.hidden["q1"]:
        assert case.message["seed"] != runtime.derive_seed(case.seed, assignment_module._CALL)


def test_each_case_can_be_worth_its_part(sandbox, assignment):
    by_part = dataclasses.replace(assignment, by_case=True)
    half = """
whole, calls = interpolate, []
def interpolate(z_a, z_b, n):
    calls.append(n)
    return whole(z_a, z_b, n) if len(calls) % 2 else z_a
"""
    content = notebook(*answers(*others("q3"), q3=RIGHT["q3"] + half))
    whole = grade_submission(content, assignment, sandbox)
    by_case = grade_submission(content, by_part, sandbox)
    marks = {question.name: question.mark for question in by_case.questions}
    assert {question.name: question.mark for question in whole.questions} == marks | {"q3": 0}
    assert marks["q3"] == 0.5
    assert by_case.questions[2].hint
    assert by_part.digest != assignment.digest


class NoBox:
    """Uma caixa que não se pode abrir."""

    def open(self):
        raise AssertionError("abriu a caixa")

    def kill(self):
        pass


def test_a_mended_judge_judges_again_what_was_answered(sandbox, double):
    """Consertado só o juiz, ninguém é executado de novo; e a nota é a de quem corrigisse tudo outra vez."""
    content = notebook("import torch", "def double(x): return 2 * x", "def twice(x): return 2 * x")
    first = grade_submission(content, double, sandbox, FAST)
    assert [question.mark for question in first.questions] == [3, 1]
    mended = define(DEFINITION.replace("if not close(value, inputs", "if close(value, inputs"), "dobro.py", 5)
    again = grade_submission(content, mended, NoBox(), FAST, first)
    assert [question.mark for question in again.questions] == [0, 0]
    assert again.questions == grade_submission(content, mended, sandbox, FAST).questions
    # Quem errava no primeiro caso não respondeu aos outros: só este se executa outra vez.
    wrong = notebook("import torch", "def double(x): return 3 * x")
    first = grade_submission(wrong, double, sandbox, FAST)
    with pytest.raises(AssertionError, match="abriu a caixa"):
        grade_submission(wrong, mended, NoBox(), FAST, first)
    assert grade_submission(wrong, mended, sandbox, FAST, first).total == 3
    # Guardado em disco e de volta, e mudadas as entradas: então se executa.
    drawn = define(DEFINITION.replace("torch.randn(3", "torch.rand(3"), "dobro.py", 5)
    with pytest.raises(AssertionError, match="abriu a caixa"):
        grade_submission(content, drawn, NoBox(), FAST, Result.from_json(first.to_json()))


def test_a_kept_answer_that_was_damaged_is_asked_again(sandbox, double):
    content = notebook("import torch", "def double(x): return 2 * x", "def twice(x): return 2 * x")
    first = grade_submission(content, double, sandbox, FAST)
    for damage in (lambda text: "lixo", lambda text: text[:-5], lambda text: ""):
        first.replies = {name: damage(text) for name, text in first.replies.items()}
        case = double.hidden["q1"][0]
        assert Replies(first.replies, [case]).find(case) is None
