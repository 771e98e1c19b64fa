"""Os enganos automáticos: de uma função certa, todas as que diferem dela num lugar só, como erraria quem a escreve."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OPERATORS = {
    ast.Add: ("sinal", ast.Sub),
    ast.Sub: ("sinal", ast.Add),
    ast.Mult: ("operador", ast.Div),
    ast.Div: ("operador", ast.Mult),
    ast.FloorDiv: ("operador", ast.Div),
    ast.Pow: ("operador", ast.Mult),
    ast.BitAnd: ("operador", ast.BitOr),
    ast.BitOr: ("operador", ast.BitAnd),
}
_COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_REDUCTIONS = {
    "sum": ("mean",),
    "mean": ("sum",),
    "max": ("min",),
    "min": ("max",),
    "amax": ("amin",),
    "amin": ("amax",),
    "argmax": ("argmin",),
    "argmin": ("argmax",),
    "any": ("all",),
    "all": ("any",),
    "std": ("var",),
    "var": ("std",),
    "norm": ("sum",),
    "cumsum": ("cumprod",),
    "ceil": ("floor",),
    "floor": ("ceil",),
    "round": ("floor",),
    "trace": ("sum",),
    "minimum": ("maximum",),
    "maximum": ("minimum",),
    "sin": ("cos",),
    "cos": ("sin",),
    "log": ("log2", "log1p"),
    "log10": ("log",),
    "exp": ("expm1",),
    "sigmoid": ("tanh",),
    "tanh": ("sigmoid",),
}
_PLAIN = {"detach", "clone", "contiguous", "double", "float", "tolist", "item", "numpy", "to", "long", "int", "bool"}
_REDUCED = {*_REDUCTIONS, "logsumexp", "softmax", "sort", "argsort", "diff", "prod", "median"}
_AXES = {"dim", "axis"}


@dataclass(frozen=True)
class Mutant:
    """Uma resposta com um engano.

    Attributes:
        kind: a espécie do engano.
        place: a linha, contada do ``def``.
        change: o que virou o quê.
        source: o texto da função.
    """

    kind: str
    place: int
    change: str
    source: str

    @property
    def name(self) -> str:
        """O que o identifica numa tabela."""
        return f"{self.kind}, linha {self.place}: {self.change}"


def mutants_of(source: str) -> list[Mutant]:
    """Os enganos de um lugar só da função ``source``, sem repetição de texto."""
    source = _without_docstring(source)
    found, seen = [], {source}
    for kind, place, change, text in _every(source):
        if text not in seen:
            seen.add(text)
            found.append(Mutant(kind, place, change, text))
    return found


def _without_docstring(source: str) -> str:
    tree = ast.parse(source)
    function = _function(tree)
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:]
    return _plain(tree)


def _plain(tree: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(tree))


def _function(tree: ast.Module) -> ast.FunctionDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef))


def _every(source: str) -> Iterator[tuple[str, int, str, str]]:
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        for kind, new in _changes(node):
            yield _replaced(tree, index, kind, new)


def _replaced(tree: ast.Module, index: int, kind: str, new: Callable[[ast.AST], ast.AST | None]):
    """A árvore com o nó ``index`` trocado pelo que ``new`` faz dele (``None`` tira o comando)."""
    edited = copy.deepcopy(tree)
    target = list(ast.walk(edited))[index]
    before = ast.unparse(target).split("\n")[0]
    after = new(target)
    _Put(target, after).visit(edited)
    told = ast.unparse(after).split("\n")[0] if after is not None else "nada"
    line = getattr(target, "lineno", 0) - _function(edited).lineno if hasattr(target, "lineno") else 0
    return kind, line, f"`{before}` → `{told}`", _plain(edited)


class _Put(ast.NodeTransformer):
    def __init__(self, target: ast.AST, new: ast.AST | None) -> None:
        self.target, self.new = target, new

    def visit(self, node: ast.AST) -> ast.AST | None:
        return self.new if node is self.target else self.generic_visit(node)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable]]:
    """As mudanças de um nó: a espécie, e a função que dá o que fica no lugar."""
    for kind, of in _BY_TYPE:
        if isinstance(node, of):
            yield from kind(node)


def _binary(node: ast.BinOp) -> Iterator[tuple[str, Callable]]:
    if type(node.op) in _OPERATORS:
        kind, other = _OPERATORS[type(node.op)]
        yield kind, lambda node: ast.BinOp(node.left, other(), node.right)
    if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
        yield "ordem", lambda node: ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
        yield "parcela ou fator", lambda node: node.left
        yield "parcela ou fator", lambda node: node.right
    if isinstance(node.op, ast.Pow):
        yield "sem a função", lambda node: node.left


def _unary(node: ast.UnaryOp) -> Iterator[tuple[str, Callable]]:
    if isinstance(node.op, ast.USub):
        yield "sinal", lambda node: node.operand
    elif isinstance(node.op, ast.Not | ast.Invert):
        yield "condição", lambda node: node.operand


def _compare(node: ast.Compare) -> Iterator[tuple[str, Callable]]:
    if len(node.ops) == 1:
        for other in _COMPARISONS.get(type(node.ops[0]), ()):
            yield "comparação", lambda node, other=other: ast.Compare(node.left, [other()], node.comparators)


def _constant(node: ast.Constant) -> Iterator[tuple[str, Callable]]:
    value = node.value
    if isinstance(value, bool):
        yield "opção", lambda _: ast.Constant(not value)
    elif isinstance(value, int):
        yield "um a mais", lambda _: ast.Constant(value + 1)
        yield "um a menos", lambda _: _number(value - 1)
    elif isinstance(value, float):
        for times in (2, 0.5, 10):
            yield "constante", lambda _, times=times: ast.Constant(value * times)


def _number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _call(node: ast.Call) -> Iterator[tuple[str, Callable]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    for other in _REDUCTIONS.get(name, ()):
        yield "redução", lambda node, other=other: _renamed_call(node, other)
    if len(node.args) >= 2 and not any(isinstance(item, ast.Starred) for item in node.args[:2]):
        yield (
            "ordem dos argumentos",
            lambda node: ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords),
        )
    whole = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
    if whole and name not in _PLAIN:
        yield "sem a função", lambda node: node.func.value
    elif whole and name in {"detach", "clone"}:
        yield f"sem {name}", lambda node: node.func.value
    elif node.args and name not in {"range", "zip", "len", "enumerate"} and not whole:
        yield "sem a função", lambda node: node.args[0]
    for keyword in node.keywords:
        if keyword.arg in {"unbiased", "correction", "keepdim", "min", "max", "minlength"}:
            yield "sem a opção", lambda node, arg=keyword.arg: _without(node, arg)
    yield from _axes(node, name)


def _axes(node: ast.Call, name: str) -> Iterator[tuple[str, Callable]]:
    if name not in _REDUCED and not any(keyword.arg in _AXES for keyword in node.keywords):
        return
    for position, item in enumerate(node.args):
        if isinstance(item, ast.Constant) and type(item.value) is int:
            yield "eixo", lambda node, position=position: _with_axis(node, position)
            if len(node.args) == 1:
                yield "eixo", lambda node: ast.Call(node.func, [], node.keywords)
    for keyword in node.keywords:
        if keyword.arg in _AXES and isinstance(keyword.value, ast.Constant):
            yield "eixo", lambda node, arg=keyword.arg: _with_axis(node, arg)


def _with_axis(node: ast.Call, which: int | str) -> ast.Call:
    node = copy.deepcopy(node)
    if isinstance(which, int):
        node.args[which] = ast.Constant(1 - node.args[which].value if node.args[which].value in (0, 1) else 0)
    else:
        keyword = next(keyword for keyword in node.keywords if keyword.arg == which)
        keyword.value = ast.Constant(1 - keyword.value.value if keyword.value.value in (0, 1) else 0)
    return node


def _without(node: ast.Call, arg: str) -> ast.Call:
    return ast.Call(node.func, node.args, [keyword for keyword in node.keywords if keyword.arg != arg])


def _renamed_call(node: ast.Call, name: str) -> ast.Call:
    node = copy.deepcopy(node)
    if isinstance(node.func, ast.Attribute):
        node.func.attr = name
    else:
        node.func.id = name
    return node


def _is_module(node: ast.expr) -> bool:
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and root.id in {"torch", "np", "math", "F", "nn"}


def _attribute(node: ast.Attribute) -> Iterator[tuple[str, Callable]]:
    if node.attr in {"T", "mT"}:
        yield "transposta", lambda node: node.value
    elif node.attr in {"values", "indices"}:
        other = {"values": "indices", "indices": "values"}[node.attr]
        yield "o outro item", lambda node: ast.Attribute(node.value, other, node.ctx)


def _subscript(node: ast.Subscript) -> Iterator[tuple[str, Callable]]:
    if isinstance(node.ctx, ast.Load):
        yield "sem o recorte", lambda node: node.value
    if isinstance(node.slice, ast.Slice):
        for end in ("lower", "upper"):
            if getattr(node.slice, end) is not None and not isinstance(getattr(node.slice, end), ast.Constant):
                for step in (1, -1):
                    yield "um a mais", lambda node, end=end, step=step: _moved(node, end, step)


def _moved(node: ast.Subscript, end: str, step: int) -> ast.Subscript:
    node = copy.deepcopy(node)
    setattr(node.slice, end, ast.BinOp(getattr(node.slice, end), ast.Add(), _number(step)))
    return node


def _tuple(node: ast.Tuple) -> Iterator[tuple[str, Callable]]:
    if isinstance(node.ctx, ast.Load) and len(node.elts) >= 2:
        yield "ordem", lambda node: ast.Tuple([node.elts[1], node.elts[0], *node.elts[2:]], node.ctx)


def _conditional(_: ast.IfExp) -> Iterator[tuple[str, Callable]]:
    yield "condição", lambda node: node.body
    yield "condição", lambda node: node.orelse


def _boolean(node: ast.BoolOp) -> Iterator[tuple[str, Callable]]:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield "condição", lambda node: ast.BoolOp(other(), node.values)
    for position in range(len(node.values)):
        yield "condição", lambda node, position=position: node.values[position]


def _with(node: ast.With) -> Iterator[tuple[str, Callable]]:
    if "no_grad" in ast.unparse(node.items[0]):
        yield "sem no_grad", lambda node: node.body


def _if(_: ast.If) -> Iterator[tuple[str, Callable]]:
    yield "condição", lambda node: ast.If(ast.Constant(True), node.body, node.orelse)
    yield "condição", lambda node: ast.If(ast.Constant(False), node.body, node.orelse)


def _statement(_: ast.stmt) -> Iterator[tuple[str, Callable]]:
    # Só o que altera o que já havia: sem o que dá nome a uma coisa, a função apenas para com um erro.
    yield "sem o comando", lambda _: ast.Pass()


_BY_TYPE: tuple[tuple[Callable, type | tuple[type, ...]], ...] = (
    (_binary, ast.BinOp),
    (_unary, ast.UnaryOp),
    (_compare, ast.Compare),
    (_constant, ast.Constant),
    (_call, ast.Call),
    (_attribute, ast.Attribute),
    (_subscript, ast.Subscript),
    (_tuple, ast.Tuple),
    (_conditional, ast.IfExp),
    (_boolean, ast.BoolOp),
    (_with, ast.With),
    (_if, ast.If),
    (_statement, (ast.Assign, ast.AugAssign, ast.Expr, ast.Continue, ast.Break)),
)
