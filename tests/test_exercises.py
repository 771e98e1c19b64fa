"""Os cadernos de exercício: gerados da solução, em branco falham com a dica, resolvidos passam."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from generate_exercises import CHECKED_OUTPUT, CODE_PROMPT, differences, generate
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from course_lib.exercises import CheckFailed, open_exercise
from course_lib.exercises.question import load_exercise

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(path.stem for path in (ROOT / "solutions").glob("*.ipynb"))

pytestmark = pytest.mark.parametrize("name", NAMES)


def read(folder: str, name: str) -> NotebookNode:
    return nbformat.read(ROOT / folder / f"{name}.ipynb", as_version=4)


def answers(folder: str, name: str) -> dict:
    """Executa, em Python puro, só as células que definem as funções pedidas; devolve o que elas definem."""
    functions = {question.function for question in load_exercise(name).questions}
    namespace: dict = {}
    exec("import torch", namespace)
    for cell in read(folder, name).cells:
        if cell.cell_type == "code" and any(f"def {function}(" in cell.source for function in functions):
            exec(compile(cell.source, f"<{cell.id}>", "exec"), namespace)
    return namespace


def checks(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """As células de conferência, por nome de questão, na ordem do caderno."""
    found = {}
    for cell in notebook.cells:
        asked = re.findall(r'^verificar\("(\w+)"\)$', cell.source, re.MULTILINE)
        if cell.cell_type == "code" and asked:
            found[asked[0]] = cell
    return found


def test_generating_again_changes_nothing(name):
    path = ROOT / "exercises" / f"{name}.ipynb"
    expected = {path: generate(ROOT)[path]}
    assert path.read_text(encoding="utf-8") == expected[path], differences(ROOT, expected)


def test_there_is_no_exercise_without_its_source(name):
    assert differences(ROOT, generate(ROOT)) == []


def test_blank_exercise_alone_in_a_folder_stops_at_its_first_check_with_the_hint(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CURSO_PERFIL", "rapido")
    shutil.copy(ROOT / "exercises" / f"{name}.ipynb", tmp_path)
    notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    with pytest.raises(CellExecutionError) as caught:
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    assert caught.value.ename == "CheckFailed"
    question = load_exercise(name).questions[0]
    ran = [cell for cell in notebook.cells if cell.get("execution_count")]
    assert ran[-1].source == f'verificar("{question.name}")'
    output = ran[-1].outputs[-1]
    assert output.output_type == "error"
    # O estudante vê uma linha, e não a pilha de chamadas.
    assert output.traceback == [f"✘ {question.name} · {question.function}: {hint_of_blank(question)}"]


def hint_of_blank(question) -> str:
    return f"ainda em branco (ou a linha do `raise` ficou no lugar). {question.start}"


def test_every_check_of_the_blank_exercise_fails_with_its_own_hint(name):
    verify = open_exercise(name, answers("exercises", name))
    for question in load_exercise(name).questions:
        with pytest.raises(CheckFailed) as caught:
            verify(question.name)
        assert question.start in str(caught.value)


def test_solution_passes_and_prints_what_is_stored(name, capsys):
    verify = open_exercise(name, answers("solutions", name))
    stored = checks(read("solutions", name))
    for question in load_exercise(name).questions:
        start = time.process_time()
        verify(question.name)
        assert time.process_time() - start < 2, "a conferência deve ser imediata"
        printed = capsys.readouterr().out
        assert printed.startswith("✔ ")
        assert [output.text for output in stored[question.name].outputs] == [printed]


def test_every_question_is_asked_in_order_and_its_output_is_checked_by_nbval(name):
    solution, exercise = read("solutions", name), read("exercises", name)
    expected = [question.name for question in load_exercise(name).questions]
    assert list(checks(solution)) == list(checks(exercise)) == expected
    assert all(cell.source.startswith(CHECKED_OUTPUT) for cell in checks(solution).values())
    for cell in solution.cells:
        if cell.cell_type == "code":
            assert bool(cell.outputs) == (CHECKED_OUTPUT in cell.source), (
                f"saída guardada a mais ou a menos em {cell.id}"
            )


def test_no_answer_and_no_teacher_cell_reaches_the_student(name):
    solution, exercise = read("solutions", name), read("exercises", name)
    text = "\n".join(cell.source for cell in exercise.cells)
    assert "SOLUTION" not in text
    assert text.count(CODE_PROMPT) >= len(load_exercise(name).questions)
    hidden = []
    for cell in solution.cells:
        if "professor" in cell.metadata.get("tags", []):
            hidden.append(cell.source)
        blocks = re.findall(r"BEGIN SOLUTION(?: -->)?\n(.*?)\n\s*(?:###|<!--) END SOLUTION", cell.source, re.DOTALL)
        hidden += [block.strip() for block in blocks]
    assert len(hidden) > len(load_exercise(name).questions)
    for secret in hidden:
        assert secret not in text


def test_points_in_the_statement_are_the_ones_that_count(name):
    text = "\n".join(cell.source for cell in read("exercises", name).cells if cell.cell_type == "markdown")
    for question in load_exercise(name).questions:
        points = f"{question.points:g}".replace(".", ",")
        assert re.search(rf"^\|.*`{question.function}` \| {points} \|$", text, re.MULTILINE)


def test_nbval_sees_a_changed_output(name, tmp_path):
    """O mesmo comando de ``make testes``, num caderno com só a primeira questão: passa, e mudada a saída, falha."""
    notebook = read("solutions", name)
    question = load_exercise(name).questions[0]
    check = checks(notebook)[question.name]
    kept = [cell for cell in notebook.cells if f"def {question.function}(" in cell.source]
    setup = nbformat.v4.new_code_cell(
        f'import torch\nfrom course_lib.exercises import open_exercise\nverificar = open_exercise("{name}", globals())'
    )
    notebook.cells = [setup, *kept, check]
    path = tmp_path / "caderno.ipynb"

    def nbval() -> subprocess.CompletedProcess[str]:
        nbformat.write(notebook, path)
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", path.name]
        return subprocess.run(
            command, cwd=tmp_path, env=dict(os.environ), capture_output=True, encoding="utf-8", check=False
        )

    result = nbval()
    assert result.returncode == 0, result.stdout
    check.outputs[0].text = check.outputs[0].text.replace("✔", "✘")
    result = nbval()
    assert result.returncode == 1
    assert "Cell outputs differ" in result.stdout
