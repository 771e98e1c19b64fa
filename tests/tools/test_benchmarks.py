"""A coluna "antes" de ``python -m benchmarks --antes PASTA``: as medidas de outra árvore, ao lado das de agora."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks

# Uma árvore de outro tempo: a sua biblioteca diz quem é, e o seu programa mede com ela.
PROGRAM = """
import sys
import course_lib

def show(title, header, rows):
    raise SystemExit("estas linhas eram para quem compara")

def main():
    print("a máquina")
    show("uma época", ["(a) uma época", "documento", "biblioteca"], [["vae", "9 s", course_lib.NAME, *sys.argv[1:]]])
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, code in {"course_lib/__init__.py": 'NAME = "a de antes"', "benchmarks/__main__.py": PROGRAM}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(code, encoding="utf-8")
    (tmp_path / "benchmarks" / "__init__.py").touch()
    return tmp_path


def test_the_other_tree_measures_its_own_library(tree):
    assert benchmarks.measure_tree(tree, ["--rapido"]) == {"a": [["vae", "9 s", "a de antes", "--rapido"]]}


def test_a_tree_that_fails_stops_the_comparison(tree, capfd):
    (tree / "course_lib" / "__init__.py").write_text("raise RuntimeError('quebrada')", encoding="utf-8")
    with pytest.raises(SystemExit, match="não terminou"):
        benchmarks.measure_tree(tree, [])
    assert "quebrada" in capfd.readouterr().err


def test_each_row_gets_its_own_before(capsys):
    header, rows = ["(a) uma época", "documento", "biblioteca"], [["vae", "9 s", "3 s"], ["nova", "9 s", "2 s"]]
    benchmarks.show("t", header, rows, [["vae", "8 s", "6 s"]])
    lines = capsys.readouterr().out.splitlines()
    assert "biblioteca, antes" in lines[2]
    assert [line.split()[-2:] for line in lines if line.startswith(("vae", "nova"))] == [["6", "s"], ["s", "—"]]
