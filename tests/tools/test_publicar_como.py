"""O endereço do curso se muda com um comando, em todo lugar e em todas as formas, e se desfaz com outro."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import publicar_como
import pytest
from built_book import ROOT

from book.address import Address, read_address

HERE = read_address(ROOT)
NEW = "Ana-Lima/redes.2027"
# Menos o que não é do repositório, uma figura e os pesos, que não trazem endereço: basta o que é texto.
SKIPPED = shutil.ignore_patterns(
    ".git", ".venv", "_build", "__pycache__", "*.egg-info", "weights", "vendor", "*.png", ".*_cache"
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uma cópia do projeto, numa pasta com espaço e acento."""
    folder = tmp_path_factory.mktemp("endereço novo") / "Meu Curso – turma 1"
    shutil.copytree(ROOT, folder, ignore=SKIPPED)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def addresses(folder: Path, address: Address) -> Iterator[str]:
    """Onde um endereço aparece, em qualquer das suas formas: no GitHub, no Colab, no site, no git+, só o nome."""
    owner, name = address.slug.split("/")
    forms = re.compile(
        rf"{re.escape(address.slug)}|(?:github|githubusercontent)\.com/(?:github/)?{owner}\b"
        rf"|{owner}\.github\.io|\b{owner}(?:\\?/|%2F){name}\b",
        re.IGNORECASE,
    )
    for path, content in contents(folder).items():
        yield from (f"{path}: {found[0]}" for found in forms.finditer(content.decode(errors="replace")))


def test_no_old_address_remains_and_changing_back_leaves_no_difference(copy: Path) -> None:
    before = contents(copy)
    assert len(set(addresses(copy, HERE))) > 30
    assert publicar_como.main([NEW, "--revisao", "turma-2027.1", "--raiz", str(copy)]) == 0
    assert list(addresses(copy, HERE)) == []
    assert read_address(copy) == Address(NEW, "turma-2027.1")
    for path in [*copy.glob("chapters/*.ipynb"), *copy.glob("exercises/*.ipynb"), *copy.glob("solutions/*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert Address(NEW, "turma-2027.1").colab(path.relative_to(copy).as_posix()) in text
        assert f"git+https://github.com/{NEW}@turma-2027.1" in text
        assert "/blob/main/" not in text
    assert publicar_como.main([HERE.slug, "--revisao", HERE.revision, "--raiz", str(copy)]) == 0
    assert contents(copy) == before


def test_an_address_left_behind_is_seen(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy / "chapters" / "rodar.md"
    before = page.read_text(encoding="utf-8")
    (copy / "book" / "nova.md").write_text(f"[curso]({HERE.site}), [b]({HERE.repository}/issues)", encoding="utf-8")
    page.write_text(before + f"\ngit+{HERE.repository}@velha", encoding="utf-8")
    assert publicar_como.main(["--conferir", "--raiz", str(copy)]) == 1
    assert "chapters/rodar.md" in capsys.readouterr().err
    assert publicar_como.main([NEW, "--raiz", str(copy)]) == 0
    assert [found for found in addresses(copy, HERE) if "nova.md" in found] == []
    assert publicar_como.main([HERE.slug, "--raiz", str(copy)]) == 0
    (copy / "book" / "nova.md").unlink()
    page.write_text(before, encoding="utf-8")


def test_this_tree_agrees_with_its_own_address() -> None:
    assert publicar_como.main(["--conferir"]) == 0


@pytest.mark.parametrize("text", ["a taxa a/b cai", "x = a/b", "gitlab.com/a/b", "github.com/a/bc", "github.com/a/b-c"])
def test_what_only_looks_like_the_address_is_left_alone(text: str) -> None:
    assert publicar_como.rewrite(text, Address("a/b", "main"), Address("c/d", "v1")) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("veja https://github.com/a/b.", "veja https://github.com/c/d."),
        ("git+https://github.com/a/b@v0.1.", "git+https://github.com/c/d@v1."),
        ('"git+https://github.com/a/b"', '"git+https://github.com/c/d@v1"'),
        ("https://a.github.io/b/x.html", "https://c.github.io/d/x.html"),
        ("https://raw.githubusercontent.com/a/b/HEAD/x.png", "https://raw.githubusercontent.com/c/d/HEAD/x.png"),
        (
            "https://colab.research.google.com/github/a/b/blob/v0/x",
            "https://colab.research.google.com/github/c/d/blob/v1/x",
        ),
    ],
)
def test_every_form_is_rewritten(before: str, after: str) -> None:
    assert publicar_como.rewrite(before, Address("a/b", "main"), Address("c/d", "v1")) == after


def test_a_version_is_published_in_one_command(copy: Path) -> None:
    before = contents(copy)
    assert publicar_como.main(["--versao", "9.8.7", "--raiz", str(copy)]) == 0
    assert read_address(copy) == Address(HERE.slug, "v9.8.7")
    assert '__version__ = "9.8.7"' in (copy / "course_lib" / "__init__.py").read_text(encoding="utf-8")
    assert "\nversion: 9.8.7\n" in (copy / "CITATION.cff").read_text(encoding="utf-8")
    assert "## [A publicar]\n\n## [9.8.7] - 20" in (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, content in before.items():
        (copy / path).write_bytes(content)


@pytest.mark.parametrize(
    "arguments", [["so-um-nome"], ["a/b/c"], ["a b/c"], ["a/b", "--revisao", "x/y"], ["--versao", "1.0"]]
)
def test_what_is_no_address_is_refused_in_portuguese(
    copy: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert publicar_como.main([*arguments, "--raiz", str(copy)]) == 1
    assert re.match(r"erro: veio '.+'; esperava ", capsys.readouterr().err)


def test_a_whole_address_is_understood(copy: Path) -> None:
    assert publicar_como.main([f"{HERE.repository}.git", "--conferir", "--raiz", str(copy)]) == 0


def test_the_installation_cell_is_the_first_of_code_everywhere() -> None:
    for folder in ("chapters", "exercises", "solutions"):
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            first = next(cell for cell in cells if cell["cell_type"] == "code")
            assert "".join(first["source"]) == HERE.installation(), path
