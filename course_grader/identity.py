"""De que texto depende uma questão: o que faz com que só ela se corrija de novo quando é ela que muda."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache

from course_lib.exercises.question import Question

_NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def question_digest(source: str, question: Question) -> str:
    """Identidade de uma questão numa definição.

    Muda com a classe dela e com tudo o que a classe cita, direta ou indiretamente; não muda com a questão ao lado. Se
    não há como separá-la (a classe não está no texto, ou a questão recebeu argumentos), é a identidade da definição
    inteira.

    Args:
        source: o texto da definição.
        question: a questão.
    """
    separate = not vars(question)
    text = _needed(source, type(question).__name__) if separate else source
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=256)
def _needed(source: str, name: str) -> str:
    """O que a classe ``name`` precisa, na ordem do texto; o texto todo se ela não está nele."""
    tree = ast.parse(source)
    owners: dict[str, list[ast.stmt]] = {}
    always = []
    for node in tree.body:
        names = _defined(node)
        # O que não define um nome (um laço, uma chamada) pode mexer em qualquer um: vale para todas.
        if names is None:
            always.append(node)
        for each in names or ():
            owners.setdefault(each, []).append(node)
    if name not in owners:
        return source
    kept: dict[tuple[int, int], ast.stmt] = {}
    waiting = [*always, *owners[name]]
    while waiting:
        node = waiting.pop()
        if (place := (node.lineno, node.col_offset)) not in kept:
            kept[place] = node
            cited = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            waiting += [owner for each in cited for owner in owners.get(each, ())]
    # A árvore, e não o texto: um comentário ou uma linha em branco não muda a questão.
    return "\n".join(ast.dump(kept[place]) for place in sorted(kept))


def _defined(node: ast.stmt) -> list[str] | None:
    """Os nomes que um comando define; ``None`` se faz outra coisa."""
    if isinstance(node, _NAMED):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if isinstance(node, ast.Assign | ast.AnnAssign) and all(isinstance(target, ast.Name) for target in targets):
        return [target.id for target in targets]
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return [] if constant else None
