"""O que há em ``course_lib``, lido dos arquivos: módulos, nomes públicos, constantes, reexportações.

Nada é importado: os capítulos mudam mais que a biblioteca, e refazê-los não deve esperar o torch carregar.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "course_lib"
# As respostas de referência dos exercícios não são para ler, e `__main__` só chama `cli`.
HIDDEN = (f"{PACKAGE}.exercises.definitions", f"{PACKAGE}.__main__")
BUILT_IN = re.compile(r"[Cc]apítulo (\d\d_\w+)")


@dataclass(frozen=True)
class Constant:
    """Uma constante de módulo.

    Attributes:
        comment: o comentário logo acima dela, sem os ``#``; vazio se não há.
        value: a expressão, como está escrita.
        lines: a primeira e a última linha da atribuição.
    """

    comment: str
    value: str
    lines: tuple[int, int]


@dataclass(frozen=True)
class Module:
    """Um módulo, ou um pacote, da biblioteca.

    Attributes:
        name: nome completo.
        doc: a docstring.
        definitions: as classes e as funções públicas.
        methods: os métodos públicos das classes, como ``VAE.decode``.
        constants: as constantes públicas.
        exports: o que um pacote reexporta, e o nome completo de cada coisa.
    """

    name: str
    doc: str
    definitions: tuple[str, ...]
    methods: tuple[str, ...]
    constants: dict[str, Constant]
    exports: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Os nomes públicos que se definem aqui."""
        return (*self.definitions, *self.constants)

    @property
    def outline(self) -> tuple[object, ...]:
        """O que dele as outras páginas usam para achá-lo e aos seus nomes."""
        return self.names, self.methods, self.exports, self.chapter

    @property
    def summary(self) -> str:
        """A primeira frase da docstring."""
        paragraph = " ".join(self.doc.partition("\n\n")[0].split())
        return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]

    @property
    def chapter(self) -> str:
        """O capítulo em que se constrói, como ``03_vae``; vazio se a docstring não cita nenhum."""
        found = BUILT_IN.search(self.doc)
        return found[1] if found else ""


def read_library(root: Path) -> dict[str, Module]:
    """Os módulos públicos de ``root/course_lib`` por nome, o pacote antes do que contém.

    Dentro de um pacote, primeiro os que um capítulo constrói, na ordem dos capítulos, e depois os outros por nome.
    """
    found = {}
    for path in (root / PACKAGE).rglob("*.py"):
        pieces = path.relative_to(root).with_suffix("").parts
        name = ".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)
        if is_public(name):
            found[name] = read_module(name, path)

    def order(name: str) -> list[tuple[str, str]]:
        pieces = name.split(".")
        path = [".".join(pieces[:size]) for size in range(1, len(pieces) + 1)]
        # O til vem depois de qualquer número de capítulo.
        return [(found[step].chapter or "~", step) for step in path]

    return {name: found[name] for name in sorted(found, key=order)}


def is_public(name: str) -> bool:
    """Se o módulo ``name`` é para ler."""
    hidden = any(name == other or name.startswith(f"{other}.") for other in HIDDEN)
    return not hidden and not any(piece.startswith("_") for piece in name.split("."))


def read_module(name: str, path: Path) -> Module:
    """Um módulo, do seu arquivo."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    # Um nome que aparece mais de uma vez tem assinaturas sobrecarregadas: a página é de uma só.
    definitions = tuple(
        dict.fromkeys(
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        )
    )
    return Module(
        name=name,
        doc=ast.get_docstring(tree) or "",
        definitions=definitions,
        methods=tuple(
            f"{node.name}.{method.name}"
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            for method in node.body
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and not method.name.startswith("_")
        ),
        constants=dict(read_constants(tree, source.splitlines())),
        exports=read_exports(tree) if path.name == "__init__.py" else {},
    )


def read_constants(tree: ast.Module, lines: list[str]) -> Iterator[tuple[str, Constant]]:
    """As constantes públicas: o que se atribui a um nome em maiúsculas, ou a outro que um comentário apresenta."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        comment = comment_above(lines, node.lineno)
        for target in targets:
            if not isinstance(target, ast.Name) or target.id.startswith("_") or node.value is None:
                continue
            # Uma letra só é o nome de um tipo genérico, que nada diz a quem lê.
            if comment or (target.id.isupper() and len(target.id) > 1):
                place = (node.lineno, node.end_lineno or node.lineno)
                yield target.id, Constant(comment, ast.unparse(node.value), place)


def comment_above(lines: list[str], number: int) -> str:
    """O comentário que termina na linha anterior à ``number``, numa linha só."""
    found: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.startswith("#"):
            break
        found.insert(0, line.lstrip("#").strip())
    return " ".join(found)


def read_exports(tree: ast.Module) -> dict[str, str]:
    """O que um pacote importa dos seus módulos para que se importe dele."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.")
        for alias in node.names
    }


def resolve(library: dict[str, Module], name: str) -> str | None:
    """O nome completo, no módulo que o define, do que um capítulo chama de ``name``; None se não é da biblioteca.

    ``name`` pode vir sem ``course_lib.`` na frente (``metrics.psnr``), e passar por uma reexportação.
    """
    full = name if name.split(".")[0] == PACKAGE else f"{PACKAGE}.{name}"
    parent, _, last = full.rpartition(".")
    exported = library[parent].exports.get(last) if parent in library else None
    if exported and (exported in library or exported.rpartition(".")[0] in library):
        return exported
    if full in library:
        return full
    if parent in library:
        return full if last in library[parent].names else None
    # Um método: quem se resolve é a classe dele.
    owner = resolve(library, parent) if parent.count(".") >= 1 else None
    return f"{owner}.{last}" if owner and owner not in library else None


def find(library: dict[str, Module], name: str) -> str | None:
    """O nome completo do que se chama ``name``, sem módulo na frente, se um só módulo o define."""
    first, dot, rest = name.partition(".")
    owners = [module.name for module in library.values() if first in module.names]
    return f"{owners[0]}.{first}{dot}{rest}" if len(owners) == 1 else None
