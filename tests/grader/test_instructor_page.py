"""A página de quem ensina, seguida ao pé da letra: o exercício dela é criado e corrigido fora do repositório."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from corpus.base import notebook

from course_grader import command
from course_grader.assignment import define
from course_grader.inside.wire import Caps
from course_grader.result import Deadlines
from course_grader.submission import MAX_BYTES, MAX_CELLS

PAGE = Path(__file__).resolve().parents[2] / "chapters" / "instrutores.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


WILDCARD = """
class Whatever:
    def __eq__(self, other):
        return True


center = covariance = lambda x: Whatever()
"""


@pytest.fixture
def exercise():
    """O exercício da página e a célula do estudante."""
    (definition,) = (block for block in BLOCKS if block.startswith("# centrar.py"))
    (answer,) = (block for block in BLOCKS if block.startswith("# célula do estudante"))
    return definition, answer


def test_the_limits_on_the_page_are_the_graders():
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    limits, caps = Deadlines(), Caps()
    assert f"Uma célula tem {limits.cell:.0f} segundos de processador" in text
    assert f"e todas juntas, {limits.cells:.0f}; uma chamada, {limits.call:.0f}" in text
    assert limits.total == 180
    assert "a entrega inteira, três minutos" in text
    nodes, characters = (f"{n:,}".replace(",", ".") for n in (caps.nodes, caps.text))
    size = caps.array_bytes // 2**20
    assert f"até {size} MB em arrays, {nodes} itens e {characters} caracteres por texto" in text
    assert f"até {MAX_BYTES // 2**20} MB e {MAX_CELLS} células de código" in text


def test_the_example_is_short(exercise):
    lines = [line for line in exercise[0].splitlines() if line.strip()]
    assert len(lines) <= 35


def test_the_example_is_authored_and_graded(exercise, needs_sandbox, tmp_path, monkeypatch):
    definition, answer = exercise
    monkeypatch.chdir(tmp_path)
    Path("centrar.py").write_text(definition, encoding="utf-8")
    Path("entregas").mkdir()
    submissions = {
        "Ana": answer,
        "Bia": answer.replace("(len(x) - 1)", "len(x)"),
        "Caio": answer.replace("x.mean(0)", "x.mean()"),
        "Davi": "def center(x):\n    raise NotImplementedError\n",
        "Eva": WILDCARD,
    }
    for name, code in submissions.items():
        Path("entregas", f"{name}.ipynb").write_bytes(notebook(code))
    assert command.main(["centrar.py", "entregas", "--saida", "notas"]) == 0
    with open("notas/notas.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    header, *table = rows
    marks = {row[0]: [row[header.index(name)] for name in ("q1", "q2")] for row in table}
    assert marks == {"Ana": ["2", "3"], "Bia": ["2", "0"], "Caio": ["0", "0"], "Davi": ["0", "0"], "Eva": ["0", "0"]}
    (path,) = Path("notas", "relatorios").glob("bia-*.html")
    report = path.read_text(encoding="utf-8")
    assert "divida por n - 1" in report


def test_every_hint_of_the_example_is_reachable(exercise):
    """As dicas da página não são enfeite: cada uma tem um engano que a merece."""
    import numpy as np

    from course_lib.exercises.answers import Mistake

    questions = {question.name: question for question in define(exercise[0], "centrar.py", 0).exercise.questions}
    x = questions["q1"].make_inputs(5)["x"]
    centred = x - x.mean(0)
    wrong = {
        "q1": [x.mean(0), x - x.mean(), x],
        "q2": [centred, centred.T @ centred / len(x), x.T @ x / (len(x) - 1)],
    }
    for name, answers in wrong.items():
        hints = set()
        for answer in answers:
            with pytest.raises(Mistake) as raised:
                questions[name].judge({"x": x}, answer)
            hints.add(str(raised.value))
        assert len(hints) == 3
    questions["q1"].judge({"x": x}, centred)
    questions["q2"].judge({"x": x}, np.cov(x, rowvar=False))
