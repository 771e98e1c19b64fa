"""Quanto do código são conferências: ``python tests/count_checks.py [PASTA]`` (sem ela, ``course_lib/models``).

Uma linha de código tem ao menos um símbolo fora de comentários e docstrings. É de conferência se pertence a:

- uma chamada ``checks.…(…)``, em todas as linhas que ocupa, ou um ``raise``;
- um ``if`` ou um laço em que tudo o que se faz é conferir;
- uma função em que tudo o que se faz é conferir, e cada chamada dela;
- uma atribuição a um nome que só conferências leem: o que se prepara para conferir.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from course_lib import text

LIMIT = 0.06

NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Count:
    """As linhas de código de um arquivo, e as que são de conferência."""

    code: frozenset[int]
    checks: frozenset[int]

    @property
    def share(self) -> float:
        """A parte das conferências, em [0, 1]."""
        return len(self.checks) / len(self.code) if self.code else 0.0


def count(source: str) -> Count:
    """Conta as linhas de um arquivo."""
    tree = ast.parse(source)
    code = _code_lines(source, tree)
    checkers = _check_functions(tree)
    checks = set(_check_lines(tree, checkers))
    checks |= set(_preparation_lines(tree, checks))
    return Count(frozenset(code), frozenset(checks & code))


def count_folder(folder: Path) -> dict[str, Count]:
    """Cada arquivo Python da pasta, por nome."""
    return {path.name: count(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}


def share(counts: dict[str, Count]) -> float:
    """A parte das conferências em todos os arquivos juntos, em [0, 1]."""
    code = sum(len(one.code) for one in counts.values())
    return sum(len(one.checks) for one in counts.values()) / code if code else 0.0


def table(counts: dict[str, Count]) -> str:
    """Uma linha por arquivo: linhas de código, de conferência, e a parte delas."""
    rows = [(name, len(one.code), len(one.checks), one.share) for name, one in counts.items()]
    rows.append(("ao todo", sum(row[1] for row in rows), sum(row[2] for row in rows), share(counts)))
    return text.table(rows, ["arquivo", "código", "conferências", "parte"], spec=".1%")


def _code_lines(source: str, tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node) is not None:
            lines -= set(_span(node.body[0]))
    return lines


def _check_functions(tree: ast.Module) -> set[str]:
    """Os nomes das funções que só conferem, chamem elas :mod:`checks` ou umas às outras."""
    found: set[str] = set()
    while True:
        more = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, Function) and _statements(node) and _only_checks(_statements(node), found)
        }
        if more <= found:
            return found
        found |= more


def _statements(function: Function) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _only_checks(body: list[ast.stmt], checkers: set[str]) -> bool:
    return all(_is_check(statement, checkers) for statement in body)


def _is_check(node: ast.stmt, checkers: set[str]) -> bool:
    match node:
        case ast.Raise():
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return _is_checker(function, checkers)
        case ast.If() | ast.For():
            return _only_checks([*node.body, *node.orelse], checkers)
        case ast.FunctionDef():
            return node.name in checkers
        case _:
            return False


def _is_checker(function: ast.expr, checkers: set[str]) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="checks")):
            return True
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name in checkers
        case _:
            return False


def _check_lines(node: ast.AST, checkers: set[str]) -> Iterator[int]:
    for child in ast.iter_child_nodes(node):
        statement = isinstance(child, ast.stmt) and _is_check(child, checkers)
        if statement or (isinstance(child, ast.Call) and _is_checker(child.func, checkers)):
            assert isinstance(child, ast.stmt | ast.expr)
            yield from _span(child)
        else:
            yield from _check_lines(child, checkers)


def _preparation_lines(tree: ast.Module, checks: set[int]) -> Iterator[int]:
    for function in ast.walk(tree):
        if not isinstance(function, Function):
            continue
        assigned: dict[str, set[int]] = {}
        read: dict[str, set[int]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for name in _names(node.targets, ast.Store):
                    assigned.setdefault(name.id, set()).update(_span(node))
        for name in _names([function], ast.Load):
            read.setdefault(name.id, set()).add(name.lineno)
        for variable, lines in assigned.items():
            # Ler o nome para o refazer (``fits = fits and …``) não é usá-lo noutra coisa.
            uses = read.get(variable, set()) - lines
            if uses and uses <= checks:
                yield from lines


def _names(nodes: Iterable[ast.AST], use: type[ast.expr_context]) -> Iterator[ast.Name]:
    for node in nodes:
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and isinstance(name.ctx, use):
                yield name


def _span(node: ast.stmt | ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[1] / "course_lib" / "models"
    counts = count_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
    print(table(counts))
    sys.exit(share(counts) > LIMIT)
