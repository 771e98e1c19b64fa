"""O que um capítulo usou da biblioteca: os módulos que importou, os arquivos que leu, as pastas que listou.

O kernel do capítulo anota (``watch``, ``report``) e a construção guarda, com as saídas, a impressão digital de cada
coisa. Na construção seguinte só se executa de novo o capítulo de que algo mudou (``changed``). É o que foi usado de
fato, e não o que o código do capítulo parece usar: um módulo importado por outro, os pesos e os estudos que uma função
abriu, tudo entra. Só não se vê quem pergunta se um arquivo existe e não o abre.

Não importa nada além da biblioteca padrão: roda também dentro do kernel, antes da primeira célula.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

LIBRARY = "course_lib"
# O programa das demonstrações: a saída o leva para o Colab, mas no livro a página usa sempre o de agora
# (``book/course_book/demos.py``), e mudá-lo não pede que se execute nada.
NOT_SHOWN = (
    "course_lib/interactive/page",
    # A versão e o endereço do curso: as páginas os leem ao construir, e nenhuma saída os traz.
    "course_lib/__init__.py",
)
# Quem pede ao sistema a lista de uma pasta só para achar um módulo: acrescentar outro não muda o que se importou.
IMPORTERS = ("<frozen importlib", "<frozen zipimport")

_touched: set[str] = set()


def watch() -> None:
    """No kernel: passa a anotar o que o processo lê."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("open", "os.listdir", "os.scandir"):
        return
    path = arguments[0]
    if event != "open" and sys._getframe(1).f_code.co_filename.startswith(IMPORTERS):
        return
    if isinstance(path, str | os.PathLike):
        _touched.add(os.path.abspath(os.fspath(path)))


def report(root: str) -> str:
    """No kernel: o que foi usado de ``root/course_lib`` até aqui, em JSON, com o pico de memória do processo, em MB."""
    imported = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    library = os.path.join(os.path.abspath(root), LIBRARY)
    used = {
        os.path.relpath(path, root).replace(os.sep, "/")
        for path in [*filter(None, imported), *_touched]
        if (path == library or path.startswith(library + os.sep)) and "__pycache__" not in path
    }
    shown = sorted(name for name in used if not name.startswith(NOT_SHOWN))
    return json.dumps({"uses": shown, "peak_mb": _peak_megabytes()})


def release() -> None:
    """No kernel: devolve ao sistema a memória que o processo já não usa e ainda segura, onde a libc sabe fazê-lo.

    Em pedaços espalhados, ela não serve aos tensores da célula seguinte: cresceria de célula em célula, até 300 MB.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _peak_megabytes() -> float | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def fingerprint(path: Path) -> str:
    """O que de um arquivo ou pasta decide o que um capítulo mostra; vazio se não existe.

    De um código Python, o que ele faz: os comentários, as docstrings e a formatação não contam. De uma pasta, os nomes.
    """
    if path.is_dir():
        content = "\0".join(sorted(child.name for child in path.iterdir() if child.name != "__pycache__")).encode()
    elif not path.is_file():
        return ""
    else:
        content = path.read_bytes()
        if path.suffix == ".py":
            content = _meaning(content)
    return hashlib.sha256(content).hexdigest()


def _meaning(code: bytes) -> bytes:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return code
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return _written(tree).encode("utf-8", "surrogatepass")


def _written(node: object) -> str:
    """A árvore por escrito, igual em todo Python: o ``ast.dump`` de cada um mostra, ou não, o que está vazio."""
    if isinstance(node, ast.AST):
        filled = {name: value for name, value in ast.iter_fields(node) if value is not None and value != []}
        return f"{type(node).__name__}({', '.join(f'{name}={_written(value)}' for name, value in filled.items())})"
    if isinstance(node, list):
        return f"[{', '.join(map(_written, node))}]"
    return repr(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def fingerprints(root: Path) -> dict[str, str]:
    """As impressões digitais de toda a biblioteca de ``root``, pelo caminho visto dali."""
    library = root / LIBRARY
    paths = [library, *(path for path in library.rglob("*") if "__pycache__" not in path.parts)]
    return {path.relative_to(root).as_posix(): fingerprint(path) for path in paths}


def stamp(used: Iterable[str], now: Mapping[str, str]) -> dict[str, str]:
    """O que se guarda com as saídas: a impressão de cada coisa usada, tirada antes da execução.

    Antes, e não depois: se alguém edita a biblioteca durante a construção, o capítulo será executado outra vez.
    """
    return {name: now.get(name, "") for name in used}


def changed(used: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """O que mudou do que um capítulo usou."""
    shown = {name: before for name, before in used.items() if not name.startswith(NOT_SHOWN)}
    return sorted(name for name, before in shown.items() if now.get(name, "") != before)
