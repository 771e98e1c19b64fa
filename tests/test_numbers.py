"""Um número que uma pessoa lê só é escrito por ``course_lib.text``: nos cadernos, na biblioteca e no corretor.

O que denuncia o contrário é a especificação de formato: ``f"{x:.2f}"`` escreve um ponto onde se lê uma vírgula. Uma
largura (``f"{name:>8}"``) e um inteiro (``f"{n:03d}"``) não têm esse risco.
"""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path for folder in ("chapters", "solutions") for path in (ROOT / folder).glob("*.ipynb"))
MODULES = sorted(
    path for folder in ("course_lib", "course_grader", "benchmarks", "book") for path in (ROOT / folder).rglob("*.py")
)
# O que pode escrever um número sem o text.number, e por quê.
ALLOWED = {
    "course_lib/text.py": {"format(value, spec)"},  # é ele
    "course_grader/moodle.py": {"f'{total:.2f}'"},  # numa planilha em inglês, o Moodle só lê a nota com ponto
}
# Os tipos que escrevem casas decimais, e os separadores de milhar.
WRITES_POINT = re.compile(r"[eEfFgGn%]$|[,_]|\.\d+$")
PERCENT_POINT = re.compile(r"%[-+ #0]*\d*(\.\d+)?[eEfFgG]")


def violations(source: str) -> list[str]:
    """Cada expressão de ``source`` que escreve um número com ponto, ou que troca pontos por vírgulas à mão."""
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr) and _breaks(node)]


def _breaks(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr():
            return any(_writes_point(spec) for spec in _specs(node))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(template)), attr="format")):
            return any(_writes_point(spec or "") for _, _, spec, _ in string.Formatter().parse(template))
        case ast.Call(func=ast.Name(id="format"), args=[_, ast.Constant(value=spec)]):
            return _writes_point(spec)
        case ast.Call(func=ast.Name(id="format"), args=[_, _]):
            return True
        case ast.Call(func=ast.Attribute(attr="replace"), args=[ast.Constant("."), ast.Constant(","), *_]):
            return True
        case ast.BinOp(left=ast.Constant(value=str(template)), op=ast.Mod()):
            return bool(PERCENT_POINT.search(template))
        case _:
            return False


def _specs(node: ast.JoinedStr) -> Iterator[str]:
    for part in node.values:
        if isinstance(part, ast.FormattedValue) and isinstance(part.format_spec, ast.JoinedStr):
            # Uma parte calculada da especificação, como a largura, é como um algarismo.
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "0" for p in part.format_spec.values)


def _writes_point(spec: str) -> bool:
    # Depois de um %, o tipo é o de uma data ("%d/%m/%Y"); o que precede o alinhamento é o preenchimento.
    return "%" not in spec[:-1] and bool(WRITES_POINT.search(re.sub(r"^.(?=[<>=^])", "", spec)))


def code_of(notebook: Path) -> Iterator[str]:
    """O código de cada célula, sem as linhas de comando do IPython."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", "".join(cell["source"]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebooks_write_numbers_in_portuguese(path):
    found = [wrong for source in code_of(path) for wrong in violations(source)]
    assert not found, "use course_lib.text.number:\n" + "\n".join(found)


def test_packages_write_numbers_in_portuguese():
    found = {path.relative_to(ROOT).as_posix(): set(violations(path.read_text(encoding="utf-8"))) for path in MODULES}
    assert {path: wrong for path, wrong in found.items() if wrong} == ALLOWED


@pytest.mark.parametrize(
    "planted",
    [
        'print(f"{loss:.3f}")',
        'f"{x:8.2f}"',
        'f"{x:.1%}"',
        'f"{n:,}"',
        'f"{n:_}"',
        'f"{x:g}"',
        'f"{x:+.1e}"',
        'f"{x:.3}"',
        'f"{x:,.{digits}f}"',
        'f"{x:{width}.2f}"',
        "f\"{'a' + f'{x:.2f}'}\"",
        '"{:.2f} {}".format(x, y)',
        '"{0:,}".format(n)',
        'format(x, ".2f")',
        "format(x, spec)",
        '"%.2f" % x',
        '"%d de %5.1f" % (n, x)',
        'str(x).replace(".", ",")',
        'f"{x}".replace(".", ",", 1)',
    ],
)
def test_a_planted_number_is_seen(planted):
    assert len(violations(planted)) == 1


@pytest.mark.parametrize(
    "fine",
    [
        "f\"{number(x, '.2f'):>8}\"",
        'f"{name:16s} {n:3d} {n:03d} {x!r:>10} {kind:<{width}}"',
        'f"{total:,<10} {total:_^{width}}"',
        'f"{when:%d/%m/%Y} {when:%H:%M}"',
        '"{} {:>4} {:d}".format(a, b, c)',
        '"%s: %d" % (name, n)',
        "n % 2",
        'text.replace(",", ".")',
        'path.replace(".py", ",")',
        'cell.format("x")',
        'number(x, ".2f")',
    ],
)
def test_what_is_not_a_number_with_a_point(fine):
    assert violations(fine) == []


def test_the_commands_of_ipython_are_left_out(tmp_path):
    cell = {"cell_type": "code", "source": ["if colab:\n", "    %pip install -q x\n", "!ls\n", 'f"{x:.2f}"']}
    path = tmp_path / "caderno.ipynb"
    path.write_text(json.dumps({"cells": [cell, {"cell_type": "markdown", "source": ["%"]}]}))
    assert [violations(source) for source in code_of(path)] == [["f'{x:.2f}'"]]
