"""As respostas certas escritas de outro modo: o mesmo número, com outros nomes, outra conta, outro tipo ou outra forma.

Nenhuma pode perder a questão. O que aqui se faz à máquina junta-se ao que se escreveu à mão em
``tests/exercises/planted/``.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.subjects import Subject

Answer = Callable[..., Any]


def right_answers(subject: Subject) -> Iterator[tuple[str, Answer]]:
    """O nome e a função de cada modo de acertar que se aplica à questão."""
    names = list(subject.inputs(subject.question.public_seeds[0]))
    right = subject.right
    yield "a do caderno", right
    yield "entradas em float64", lambda *given: right(*(_cast(item, torch.float64) for item in given))
    yield "entradas em float32", lambda *given: right(*(_cast(item, torch.float32) for item in given))
    for name, change in _FORMS:
        yield name, lambda *given, change=change: _each(right(*given), change)
    if subject.question.parts:
        yield "itens numa lista", lambda *given: list(right(*given))
        yield "itens empilhados", lambda *given: _stacked(right(*given))
    yield "dentro de outra função", lambda *given: _helper(right, given)
    yield "argumentos de outros nomes", subject.define(_renamed(subject.source, names))
    yield "sem guardar gradientes", torch.no_grad()(right)
    for name, rewriter in _REWRITERS.items():
        tree = ast.parse(subject.source)
        text = ast.unparse(ast.fix_missing_locations(rewriter().visit(copy.deepcopy(tree))))
        if text != ast.unparse(tree):
            yield name, subject.define(text)


def _numpy(item: Any) -> Any:
    return item.detach().numpy() if isinstance(item, Tensor) else np.asarray(item)


def _listed(item: Any) -> Any:
    value = _numpy(item)
    return value.tolist() if value.ndim < 3 else item


def _scalar(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def change(item: Any) -> Any:
        value = _numpy(item)
        return kind(value) if value.ndim == 0 else item

    return change


def _whole(kind: Callable[[np.ndarray], Any]) -> Callable[[Any], Any]:
    """Só muda o que é inteiro: contagens e vereditos."""

    def change(item: Any) -> Any:
        value = _numpy(item)
        whole = value.dtype.kind in "iub" or bool((value == value.round()).all())
        return kind(value.astype(np.int64)) if whole else item

    return change


_FORMS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("tensor float64", lambda item: torch.as_tensor(_numpy(item)).double()),
    ("tensor float32", lambda item: torch.as_tensor(_numpy(item)).float()),
    ("array do NumPy", _numpy),
    ("array float32", lambda item: _numpy(item).astype(np.float32)),
    ("lista", _listed),
    ("número do Python", _scalar(float)),
    ("np.float32", _scalar(np.float32)),
    ("np.float64", _scalar(np.float64)),
    ("array de zero eixos", _scalar(np.array)),
    ("tensor int64", _whole(torch.as_tensor)),
    ("array de inteiros", _whole(np.asarray)),
    ("inteiros em lista", _whole(np.ndarray.tolist)),
)


def _each(answer: Any, change: Callable[[Any], Any]) -> Any:
    """A mudança em cada item da tupla, ou na resposta."""
    return tuple(change(item) for item in answer) if isinstance(answer, tuple) else change(answer)


def _stacked(answer: Any) -> Any:
    items = [torch.as_tensor(_numpy(item)).double() for item in answer]
    return torch.stack(items) if len({item.shape for item in items}) == 1 else answer


def _helper(right: Answer, given: tuple[Any, ...]) -> Any:
    def compute(*inner: Any) -> Any:
        return right(*inner)

    return compute(*given)


def _cast(item: Any, dtype: torch.dtype) -> Any:
    if isinstance(item, nn.Module):
        return copy.deepcopy(item).to(dtype)
    if isinstance(item, list | tuple):
        return type(item)(_cast(each, dtype) for each in item)
    return item.to(dtype) if isinstance(item, Tensor) and item.is_floating_point() else item


def _renamed(source: str, names: list[str]) -> str:
    tree = ast.parse(source)
    new = {name: f"arg_{index}" for index, name in enumerate(names)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg in new:
            node.arg = new[node.arg]
        elif isinstance(node, ast.Name) and node.id in new:
            node.id = new[node.id]
    return ast.unparse(tree)


def _method(node: ast.Call, name: str) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == name and not _module(node.func.value)


def _module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"torch", "np", "math", "F"}


class _Squares(ast.NodeTransformer):
    """``x.square()`` vira ``x ** 2``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return ast.BinOp(node.func.value, ast.Pow(), ast.Constant(2)) if _method(node, "square") else node


class _Roots(ast.NodeTransformer):
    """``x.sqrt()`` vira ``x ** 0.5``, e ``x.abs()``, ``torch.maximum(x, -x)``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _method(node, "sqrt"):
            return ast.BinOp(node.func.value, ast.Pow(), ast.Constant(0.5))
        if _method(node, "abs"):
            return (
                ast.parse(f"torch.maximum({ast.unparse(node.func.value)}, -{ast.unparse(node.func.value)})")
                .body[0]
                .value
            )
        return node


class _Functions(ast.NodeTransformer):
    """``x.sum(1)`` vira ``torch.sum(x, 1)``."""

    NAMES = frozenset({"sum", "mean", "exp", "log", "abs", "sqrt", "cumsum", "argmin", "argmax", "flip", "roll"})

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in self.NAMES and not _module(node.func.value):
            function = ast.Attribute(ast.Name("torch", ast.Load()), node.func.attr, ast.Load())
            return ast.Call(function, [node.func.value, *node.args], node.keywords)
        return node


class _Products(ast.NodeTransformer):
    """``a @ b`` vira ``torch.matmul(a, b)``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        return ast.Call(ast.parse("torch.matmul").body[0].value, [node.left, node.right], [])


class _Commuted(ast.NodeTransformer):
    """``a + b`` vira ``b + a``, e ``a * b``, ``b * a``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        plain = not isinstance(node.left, ast.List | ast.Tuple) and not isinstance(node.right, ast.List | ast.Tuple)
        if isinstance(node.op, ast.Add | ast.Mult) and plain:
            node.left, node.right = node.right, node.left
        return node


class _Quotients(ast.NodeTransformer):
    """``a / b`` vira ``a * (1 / b)``, e ``a - b``, ``-b + a``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            return ast.BinOp(node.left, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Div(), node.right))
        if isinstance(node.op, ast.Sub):
            return ast.BinOp(ast.UnaryOp(ast.USub(), node.right), ast.Add(), node.left)
        return node


class _Means(ast.NodeTransformer):
    """``x.mean(k)`` vira ``x.sum(k) / x.shape[k]``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if (
            not _method(node, "mean")
            or node.keywords
            or len(node.args) != 1
            or not isinstance(node.args[0], ast.Constant)
        ):
            return node
        x, axis = ast.unparse(node.func.value), node.args[0].value
        return ast.parse(f"(({x}).sum({axis}) / ({x}).shape[{axis}])").body[0].value


class _Loops(ast.NodeTransformer):
    """Uma lista por compreensão vira uma que se monta item por item."""

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("list", ast.Load()), [ast.GeneratorExp(node.elt, node.generators)], [])


class _Stored(ast.NodeTransformer):
    """O que se devolve ganha antes um nome."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        last = node.body[-1]
        if isinstance(last, ast.Return) and last.value is not None:
            node.body[-1:] = [
                ast.Assign([ast.Name("resposta", ast.Store())], last.value),
                ast.Return(ast.Name("resposta", ast.Load())),
            ]
        return node


_REWRITERS = {
    "x ** 2": _Squares,
    "x ** 0.5": _Roots,
    "torch.sum(x)": _Functions,
    "torch.matmul": _Products,
    "b + a": _Commuted,
    "a * (1 / b)": _Quotients,
    "soma sobre o tamanho": _Means,
    "lista montada": _Loops,
    "resposta com nome": _Stored,
}
