"""Põe em todo o curso o endereço em que ele se publica: ``python tools/publicar_como.py DONO/REPOSITÓRIO``.

O endereço e a revisão que o Colab abre moram em ``course_lib/__init__.py``. Este comando os muda ali e em tudo o que os
repete porque precisa ser lido sozinho: os links e a primeira célula dos cadernos, o README, a citação, o pacote e as
páginas. Sem argumentos, leva a todos o que está escrito ali; ``--conferir`` só diz quem discorda.

A revisão é uma marca do git (``v0.3.0``, ``turma-2027-1``): com ela, o que uma turma abre no Colab, cadernos e
biblioteca, não muda no meio do período. ``main`` acompanha cada mudança, e serve a quem desenvolve.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from book.address import HOME, SOURCE, Address, installs, read_address  # noqa: E402
from course_lib import console  # noqa: E402
from course_lib.files import write_atomically  # noqa: E402

FOLDERS = (
    ".ci", ".github", "benchmarks", "book", "chapters", "course_grader", "course_lib", "exercises", "solutions",
    "tests", "tools",
)  # fmt: skip
TEXTS = {".cff", ".css", ".html", ".ipynb", ".js", ".json", ".md", ".py", ".toml", ".txt", ".yml"}
# O que veio de fora cita os endereços dos outros.
FOREIGN = {"vendor", "weights", "__pycache__", ".ipynb_checkpoints"}

# O GitHub só aceita estes nomes; a revisão é uma marca ou um ramo sem barras, que um endereço leva sem escapar.
SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9._-]*[A-Za-z0-9_-]")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION = re.compile(r"\d+\.\d+\.\d+")
NEXT = "## [A publicar]\n"


def texts(root: Path) -> Iterator[Path]:
    """Os arquivos do curso em que um endereço pode estar."""
    yield from sorted(path for path in root.iterdir() if path.is_file() and path.suffix in TEXTS)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root).parts
            if path.is_file() and path.suffix in TEXTS and not FOREIGN.intersection(inside):
                yield path


def rewrite(text: str, old: Address, new: Address) -> str:
    """Um texto com o endereço novo, em todas as suas formas.

    Só se mexe em endereços: um ``a/b`` solto pode ser uma fração.
    """
    owner = r"(?P<site>github\.com/|colab\.research\.google\.com/github/|raw\.githubusercontent\.com/)"
    end = r"(?![\w-]|\.\w)"
    text = re.sub(owner + re.escape(old.slug) + end, rf"\g<site>{new.slug}", text)
    text = re.sub(rf"(?<![\w./-]){re.escape(old.site)}", new.site, text)
    here = re.escape(new.slug)
    text = re.sub(rf"(github(?:\.com)?/{here}/blob/)[\w.-]+(?=/)", rf"\g<1>{new.revision}", text)
    return re.sub(rf"(git\+https://github\.com/{here})(?:@[\w.-]*[\w-])?{end}", rf"\g<1>@{new.revision}", text)


def rewrite_source(text: str, new: Address, version: str | None) -> str:
    """O ``__init__`` da biblioteca com o endereço, a revisão e, se há uma nova, a versão."""
    values = {"REPOSITORY": new.repository, "REVISION": new.revision} | ({"__version__": version} if version else {})
    for name, value in values.items():
        text = re.sub(rf'^{name} = ".*"$', f'{name} = "{value}"', text, count=1, flags=re.MULTILINE)
    return text


def rewrite_notebook(text: str, new: Address) -> str:
    """Um caderno com a célula de instalação de agora."""
    notebook, fresh = json.loads(text), new.installation().splitlines(keepends=True)
    old = [cell for cell in notebook["cells"] if installs(cell) and cell["source"] != fresh]
    for cell in old:
        cell["source"] = fresh
    # Como o nbformat grava: o que não se mudou fica igual, byte a byte.
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" if old else text


def rewrite_all(root: Path, new: Address, version: str | None = None) -> dict[Path, tuple[str, str]]:
    """Os arquivos que mudariam: o texto de agora e o novo."""
    old, changes = read_address(root), {}
    for path in texts(root):
        before = path.read_text(encoding="utf-8")
        after = rewrite(before, old, new)
        if path.suffix == ".ipynb":
            after = rewrite_notebook(after, new)
        if path == root / SOURCE:
            after = rewrite_source(after, new, version)
        if version and path.name == "CITATION.cff":
            after = re.sub(r"^version: .*$", f"version: {version}", after, count=1, flags=re.MULTILINE)
        if version and path.name == "CHANGELOG.md" and f"## [{version}]" not in after:
            after = after.replace(NEXT, f"{NEXT}\n## [{version}] - {date.today().isoformat()}\n", 1)
        if after != before:
            changes[path] = before, after
    return changes


def build_parser() -> console.Parser:
    """O analisador de argumentos."""
    parser = console.Parser(prog="python tools/publicar_como.py", description=__doc__.splitlines()[0])
    parser.add_argument("repositorio", nargs="?", metavar="DONO/REPOSITÓRIO", help="no GitHub (padrão: o de agora)")
    parser.add_argument("--revisao", metavar="MARCA", help="a marca do git que o Colab abre (padrão: a de agora)")
    parser.add_argument("--versao", metavar="N.N.N", help="publica esta versão: muda-a, e a revisão passa a ser vN.N.N")
    parser.add_argument("--conferir", action="store_true", help="não grava nada; falha se algum arquivo discorda")
    parser.add_argument("--raiz", type=Path, default=ROOT, help="a pasta do curso")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve 0 se tudo está em ordem e 1 se não está."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: _run(options.raiz, options))


def _run(root: Path, options: argparse.Namespace) -> int:
    current = read_address(root)
    slug = (options.repositorio or current.slug).removeprefix(HOME).removesuffix(".git").strip("/")
    revision = options.revisao or (f"v{options.versao}" if options.versao else current.revision)
    for value, pattern, expected in (
        (slug, SLUG, "DONO/REPOSITÓRIO, como ana-lima/redes-generativas"),
        (revision, REVISION, "uma marca do git sem espaços nem barras, como turma-2027-1"),
        (options.versao or "0.0.0", VERSION, "três números, como 0.3.0"),
    ):
        if not pattern.fullmatch(value):
            raise ValueError(f"veio {value!r}; esperava {expected}")
    new = Address(slug, revision)
    changes = rewrite_all(root, new, options.versao)
    for path, (_, after) in changes.items():
        if options.conferir:
            print(f"✘ {path.relative_to(root)}: não traz {new.repository} na revisão {new.revision}", file=sys.stderr)
        else:
            write_atomically(path, lambda file, text=after: file.write(text.encode()))
    if options.conferir:
        return int(bool(changes))
    print(f"✔ {new.repository}, revisão {new.revision}: {len(changes)} arquivo(s) mudado(s).")
    if changes:
        marked = f"git tag {new.revision} && git push origin main {new.revision}"
        print(f"O site ficará em {new.site}. Confira com make testes e publique:")
        print(f"git commit -am 'Publica o curso' && {'git push' if new.revision == 'main' else marked}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
