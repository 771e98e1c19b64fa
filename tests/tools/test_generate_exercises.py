"""A geração: o que é do professor sai, o resto fica igual, e um caderno estragado recebe um erro claro."""

from __future__ import annotations

import json
from dataclasses import replace

import generate_exercises as generator
import nbformat
import pytest
from generate_exercises import ADDRESS, CODE_PROMPT, NotebookError, hide_solutions, main, student_notebook
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NAME = "01_teste.ipynb"
ANSWER = "def f(x):\n    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION"


def make_solution(root, *cells):
    """Grava em ``root`` um caderno de solução com o cabeçalho de todos e as células pedidas."""
    header = [
        new_markdown_cell(f"# Teste\n[Abrir no Colab]({ADDRESS.colab(f'solutions/{NAME}')})", id="titulo"),
        new_code_cell(ADDRESS.installation(), id="instalar", metadata={"tags": ["instalar"]}),
    ]
    notebook = new_notebook(cells=[*header, *cells])
    notebook.nbformat_minor = 5
    path = root / "solutions" / NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    return path


@pytest.fixture
def solution(tmp_path):
    checked = "# NBVAL_CHECK_OUTPUT\nverificar('q1')"
    output = new_output("stream", text="✔ q1\n")
    return make_solution(
        tmp_path,
        new_code_cell(ANSWER, id="q1-resposta", execution_count=3),
        new_code_cell(checked, id="q1-conferir", outputs=[output], execution_count=4),
        new_markdown_cell("Antes\n<!-- BEGIN SOLUTION -->\nsegredo\n<!-- END SOLUTION -->\nDepois", id="q2"),
        new_markdown_cell("rubrica", id="rubrica", metadata={"tags": ["professor"]}),
    )


def test_student_notebook_keeps_everything_but_the_answers(solution):
    notebook = nbformat.reads(student_notebook(solution), 4)
    by_id = {cell.id: cell for cell in notebook.cells}
    assert list(by_id) == ["titulo", "instalar", "q1-resposta", "q1-conferir", "q2"]
    assert by_id["q1-resposta"].source == f"def f(x):\n    {CODE_PROMPT}"
    assert by_id["q1-conferir"].source == "verificar('q1')"
    assert by_id["q2"].source == f"Antes\n{generator.TEXT_PROMPT}\nDepois"
    assert ADDRESS.colab(f"exercises/{NAME}") in by_id["titulo"].source
    assert all(cell.outputs == [] and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
    for forbidden in ("SOLUTION", "solutions/", "segredo", "x + 1", "NBVAL", "rubrica"):
        assert forbidden not in student_notebook(solution)


def test_generating_twice_gives_the_same_bytes(solution, tmp_path, capsys):
    assert main(["--raiz", str(tmp_path)]) == 0
    first = (tmp_path / "exercises" / NAME).read_bytes()
    assert main(["--raiz", str(tmp_path)]) == 0
    assert (tmp_path / "exercises" / NAME).read_bytes() == first
    assert main(["--raiz", str(tmp_path), "--conferir"]) == 0


def test_check_mode_sees_a_missing_a_changed_and_an_orphan_exercise(solution, tmp_path, capsys):
    assert main(["--raiz", str(tmp_path), "--conferir"]) == 1
    assert "ainda não foi gerado" in capsys.readouterr().err
    assert not (tmp_path / "exercises").exists()
    main(["--raiz", str(tmp_path)])
    exercise = tmp_path / "exercises" / NAME
    exercise.write_text(exercise.read_text("utf-8").replace("Depois", "Mexido"), encoding="utf-8")
    (tmp_path / "exercises" / "02_sobra.ipynb").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["--raiz", str(tmp_path), "--conferir"]) == 1
    message = capsys.readouterr().err
    assert "Mexido" in message
    assert "02_sobra.ipynb: não tem fonte" in message
    assert "make exercicios" in message
    assert "Mexido" in exercise.read_text("utf-8"), "conferir não pode gravar"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("### BEGIN SOLUTION\nx = 1", "linha 1: BEGIN SOLUTION sem END"),
        ("x = 1\n### END SOLUTION", "linha 2: END SOLUTION sem o BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\nx\n### END SOLUTION", "dentro de outro, aberto na linha 1"),
        ("### BEGIN SOLUTION\n### END SOLUTION", "vazio"),
        ("## BEGIN SOLUTION\nx = 1\n## END SOLUTION", "linha 1: marca mal escrita"),
        ("###BEGIN SOLUTION\nx = 1\n### END SOLUTION", "marca mal escrita"),
        ("### Begin Solution\nx = 1\n### END SOLUTION", "marca mal escrita"),
        ("### BEGIN SOLUTION\nx = 1\n### END  SOLUTION", "linha 3: marca mal escrita"),
        ("### BEGIN SOLUTION:\nx = 1\n### END SOLUTION", "marca mal escrita"),
        ("<!-- BEGIN SOLUTION -->\nx = 1\n<!-- END SOLUTION -->", "marca mal escrita"),
    ],
)
def test_malformed_markers_are_refused(source, message):
    with pytest.raises(NotebookError, match=message):
        hide_solutions(source, "code")


def test_markers_keep_the_indentation_and_the_rest_of_the_cell():
    source = "if a:\n        ### BEGIN SOLUTION\n        b()\n        c()\n        ### END SOLUTION\nd()"
    assert hide_solutions(source, "code") == f"if a:\n        {CODE_PROMPT}\nd()"


def test_error_names_the_file_the_cell_and_the_line(tmp_path, capsys):
    make_solution(tmp_path, new_code_cell("a\n### BEGIN SOLUTION\nb", id="quebrada"))
    assert main(["--raiz", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert NAME in message
    assert "célula 3 (quebrada), linha 2: BEGIN SOLUTION sem END SOLUTION" in message
    assert not (tmp_path / "exercises").exists()


def spoil(change):
    """Um estrago que relê o JSON do caderno, muda-o e o grava."""

    def apply(path):
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("", encoding="utf-8"), "JSON está malformado na linha 1"),
        (lambda path: path.write_text(path.read_text("utf-8")[:-40], encoding="utf-8"), "JSON está malformado"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\xe9"), "não está em UTF-8"),
        (lambda path: path.write_text("[]", encoding="utf-8"), "não um caderno"),
        (lambda path: path.write_text('{"cells": []}', encoding="utf-8"), "falta nbformat"),
        (lambda path: path.write_text('{"nbformat": 3, "worksheets": []}', encoding="utf-8"), "nbformat 3.0"),
        (spoil(lambda notebook: notebook.update(nbformat_minor=4)), "nbformat 4.4"),
        (spoil(lambda notebook: notebook.pop("cells")), "não tem a lista de células"),
        (spoil(lambda notebook: notebook.update(cells=["x"])), "não tem a lista de células"),
        (spoil(lambda notebook: notebook["cells"][2].pop("id")), "célula sem identificador"),
        (spoil(lambda notebook: notebook["cells"][2].pop("source")), "não segue o nbformat (em cells/2)"),
        (spoil(lambda notebook: notebook["cells"][2].update(cell_type="nada")), "não segue o nbformat"),
        (spoil(lambda notebook: notebook["cells"][2].update(id="com espaço")), "não segue o nbformat"),
        (spoil(lambda notebook: notebook["cells"][2].update(id="titulo")), "mesmo identificador: titulo"),
        (spoil(lambda notebook: notebook["cells"].__delitem__(slice(2, None))), "nenhum bloco BEGIN SOLUTION"),
        (spoil(lambda notebook: notebook["cells"].pop(0)), "Abrir no Colab"),
        (spoil(lambda notebook: notebook["cells"].pop(1)), "instala a biblioteca"),
    ],
)
def test_spoiled_notebook_gets_a_clear_error(solution, tmp_path, capsys, damage, message):
    damage(solution)
    assert main(["--raiz", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("erro: ")
    assert NAME in error
    assert message in error
    assert "Traceback" not in error


def test_address_of_another_repository_is_refused(solution, monkeypatch):
    monkeypatch.setattr(generator, "ADDRESS", replace(ADDRESS, slug="outra/casa"))
    with pytest.raises(NotebookError, match="outra/casa"):
        student_notebook(solution)


def test_byte_order_mark_is_tolerated(solution):
    expected = student_notebook(solution)
    solution.write_bytes(b"\xef\xbb\xbf" + solution.read_bytes())
    assert student_notebook(solution) == expected


def test_source_as_one_string_or_a_list_of_lines_is_the_same(solution):
    expected = student_notebook(solution)
    spoil(lambda notebook: [cell.update(source="".join(cell["source"])) for cell in notebook["cells"]])(solution)
    assert student_notebook(solution) == expected


def test_empty_folder_says_where_it_looked(tmp_path, capsys):
    assert main(["--raiz", str(tmp_path)]) == 1
    assert "não há cadernos em" in capsys.readouterr().err


def test_storing_outputs_keeps_only_the_checked_ones(tmp_path):
    path = make_solution(
        tmp_path,
        new_code_cell("print('barulho')", id="barulho"),
        new_code_cell("# NBVAL_CHECK_OUTPUT\nprint('✔')", id="conferida"),
    )
    spoil(lambda notebook: notebook["cells"].pop(1))(path)  # a célula do pip não deve rodar aqui
    generator.store_outputs(path)
    cells = {cell.id: cell for cell in nbformat.read(path, 4).cells}
    assert cells["barulho"].outputs == []
    assert cells["barulho"].execution_count is None
    assert [output.text for output in cells["conferida"].outputs] == ["✔\n"]
    assert cells["conferida"].execution_count == 2


def test_storing_outputs_of_a_failing_cell_says_which(tmp_path, capsys):
    path = make_solution(tmp_path, new_code_cell(ANSWER, id="resposta"), new_code_cell("1 / 0", id="quebrada"))
    spoil(lambda notebook: notebook["cells"].pop(1))(path)
    before = path.read_bytes()
    assert main(["--raiz", str(tmp_path), "--executar"]) == 1
    error = capsys.readouterr().err
    assert "uma célula falhou" in error
    assert "ZeroDivisionError" in error
    assert path.read_bytes() == before
