"""As páginas da biblioteca: o que a extensão descobre, e o que se lê no livro construído."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from built_book import ROOT, BuiltBook, run_build
from page_checks import dead_links, documented_names, english_interface, missing_or_repeated
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from test_book import parse, small_book

import course_lib
from book.course_book import chapter_links, library, reference

LARGEST_PAGE = 1_500_000
LABELS = {"Parâmetros:", "Devolve:", "Levanta:", "Atributos:", "Produz:", "Referência:", "Referências:"}


# --- O que a extensão descobre ---------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, library.Module]:
    """A leitura de uma biblioteca pequena."""
    for name, text in {
        "__init__.py": '"""A raiz."""\n',
        "__main__.py": "",
        "checks.py": '"""Confere. E mais."""\n# Até onde.\n# E por quê.\nLIMIT = 3\nloose = 1\nT = object\n_OWN = 1\n',
        "models/__init__.py": '"""Redes."""\nfrom course_lib.models.vae import VAE as Net\n',
        "models/zebra.py": '"""Zebra. Capítulo 01_zebra."""\ndef run(): ...\ndef _help(): ...\n',
        "models/vae.py": '"""VAE. Construído no capítulo 03_vae."""\nclass VAE:\n    def sample(self): ...\n',
        "models/layers.py": '"""Camadas."""\n',
        "models/_inner.py": "",
        "exercises/__init__.py": "",
        "exercises/definitions/vae.py": "",
    }.items():
        path = tmp_path / "course_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return library.read_library(tmp_path)


def test_modules_come_by_chapter_and_then_by_name(tree: dict[str, library.Module]) -> None:
    models = [f"course_lib.models{name}" for name in ("", ".zebra", ".vae", ".layers")]
    assert list(tree) == ["course_lib", "course_lib.checks", "course_lib.exercises", *models]


def test_module_says_what_it_has(tree: dict[str, library.Module]) -> None:
    checks, zebra = tree["course_lib.checks"], tree["course_lib.models.zebra"]
    assert checks.summary == "Confere."
    assert list(checks.constants) == ["LIMIT"]
    assert checks.constants["LIMIT"].comment == "Até onde. E por quê."
    assert checks.constants["LIMIT"].value == "3"
    assert zebra.names == ("run",)
    assert zebra.chapter == "01_zebra"
    assert tree["course_lib.models.layers"].chapter == ""


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("course_lib.models.vae.VAE", "course_lib.models.vae.VAE"),
        ("models.vae", "course_lib.models.vae"),
        ("models.Net", "course_lib.models.vae.VAE"),
        ("models.Net.sample", "course_lib.models.vae.VAE.sample"),
        ("checks.LIMIT", "course_lib.checks.LIMIT"),
        ("checks.other", None),
        ("nn.Linear", None),
        ("model.encoder", None),
    ],
)
def test_resolves_names_of_the_library_only(tree: dict[str, library.Module], name: str, full: str | None) -> None:
    assert library.resolve(tree, name) == full


def test_a_lone_name_has_one_owner_or_none(tree: dict[str, library.Module]) -> None:
    assert library.find(tree, "VAE.sample") == "course_lib.models.vae.VAE.sample"
    assert library.find(tree, "other") is None
    twice = {**tree, "course_lib.copy": tree["course_lib.models.vae"]}
    assert library.find(twice, "VAE") is None


def test_a_module_no_page_names_goes_to_the_others(tree: dict[str, library.Module]) -> None:
    pages = reference.assign_modules(tree, {"a": [":demais:"], "b": ["course_lib.models"]})
    assert pages["a"] == ["course_lib", "course_lib.checks", "course_lib.exercises"]
    assert pages["b"][0] == "course_lib.models"
    assert sorted(pages["a"] + pages["b"]) == sorted(tree)


@pytest.mark.parametrize(
    ("name", "text", "moved"),
    [
        ("checks.py", '"""Confere mais."""\n# Até aqui.\nLIMIT = 4\n', False),
        (
            "models/vae.py",
            '"""VAE. Construído no capítulo 03_vae."""\nclass VAE:\n    def sample(self): return 1\n',
            False,
        ),
        ("checks.py", '"""Confere."""\nOTHER = 3\n', True),
        ("models/vae.py", '"""VAE. Construído no capítulo 03_vae."""\nclass VAE:\n    def draw(self): ...\n', True),
        ("models/vae.py", '"""VAE. Construído no capítulo 04_gan."""\nclass VAE:\n    def sample(self): ...\n', True),
        ("models/new.py", '"""Novo."""\n', True),
    ],
)
def test_pages_are_read_again_only_if_a_name_may_have_moved(
    tree: dict[str, library.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, moved: bool
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "read_requests", lambda env: {"a": [":demais:"]})
    pages = reference.assign_modules(tree, {"a": [":demais:"]})
    env = SimpleNamespace(course_library=tree, course_pages=pages, found_docs={"a", "b"})
    assert reference.find_moved(None, env) == []
    (tmp_path / "course_lib" / name).write_text(text, encoding="utf-8")
    assert reference.find_moved(None, env) == (["a", "b"] if moved else [])


def test_reference_section_becomes_a_field() -> None:
    lines = ["Soma.", "", "Referência:", "    Silva (2020),", "    *Somas*.", "", "Raises:", "    ValueError: não."]
    expected = ["Soma.", "", ":Referência: Silva (2020),", "    *Somas*.", "", "Raises:", "    ValueError: não."]
    assert reference.write_reference_field(lines) == expected


def test_only_text_is_escaped() -> None:
    assert reference.escape_text(["steps: T.", "n: T e mais."]) == [r"steps: \T.", "n: T e mais."]
    lines = ["(B, *forma), |x| e ``(B, *forma)``", ".. math:: |x|", "    + |y|", "", "*itálico*, :math:`|x|`"]
    expected = [r"(B, \*forma), \|x| e ``(B, *forma)``", *lines[1:]]
    assert reference.escape_text(lines) == expected


def test_bases_are_those_somebody_chose() -> None:
    class Own(dict): ...

    class Refused(ValueError): ...

    Own.__module__ = "course_lib.own"
    assert reference.write_bases(Own) == []
    assert reference.write_bases(Refused) == ["Herda de ``ValueError``.", ""]
    assert reference.write_bases(type("Child", (Own,), {}))[0].startswith("Herda de :py:class:`~course_lib.own.")


def test_signature_is_python() -> None:
    signature = "(a: int = <factory>, b=<function f at 0x7f>)"
    cleaned = reference.clean_signature(None, "class", "x", object, None, signature, "int")
    assert cleaned == ("(a: int = ..., b=f)", "int")


def test_comment_is_text_but_for_its_code() -> None:
    assert reference.as_text("x_hat de `f(x)` * 2") == r"x\_hat de ``f(x)`` \* 2"


def test_chapters_are_linked_when_they_exist() -> None:
    chapters = {"03": "chapters/03_vae"}
    pieces = reference.link_chapters("Capítulo 03_vae; e capítulo 3, capítulo 12.", chapters, "chapters/biblioteca/a")
    assert [piece.astext() for piece in pieces] == ["", "Capítulo 3", "; e ", "capítulo 3", ", capítulo 12."]
    assert pieces[1]["reftarget"] == "/chapters/03_vae"


@pytest.mark.parametrize(
    "source", ["from course_lib.data import a, b\nx = c", "from course_lib.data import (\n    a,\n    b,\n)\nx = c"]
)
def test_imports_are_found_in_coloured_code(source: str) -> None:
    html = highlight(source, PythonLexer(), HtmlFormatter())
    found = chapter_links.IMPORT.search(html)
    assert found["module"] == "course_lib.data"
    assert chapter_links.IMPORTED.findall(found["names"]) == ["a", "b"]


def test_other_imports_are_not_ours() -> None:
    html = highlight("from torch import nn\nimport course_lib", PythonLexer(), HtmlFormatter())
    assert not chapter_links.IMPORT.search(html)


def test_every_module_is_on_one_page() -> None:
    found = library.read_library(ROOT)
    pages = sorted((ROOT / "chapters" / "biblioteca").glob("*.md"))
    requests = {page.stem: reference.DIRECTIVE.findall(page.read_text("utf-8")) for page in pages}
    named = [name for names in requests.values() for line in names for name in line.split()]
    assert [name for name in named if name != reference.OTHERS and name not in found] == []
    assigned = reference.assign_modules(found, {page: " ".join(names).split() for page, names in requests.items()})
    assert missing_or_repeated([name for names in assigned.values() for name in names], found) == []


def test_missing_or_repeated_name_is_caught() -> None:
    page = parse('<article><dt class="sig" id="a.f"></dt><dt class="sig" id="a.g"></dt></article>')
    assert missing_or_repeated(documented_names(page), ["a.f", "a.g"]) == []
    assert missing_or_repeated(documented_names(page), ["a.f", "a.h"]) == ["a.h: 0 vez(es)"]
    assert missing_or_repeated(["a.f", "a.f"], ["a.f"]) == ["a.f: 2 vez(es)"]


def test_dead_link_is_caught(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.touch()
    for link, dead in {
        "#aqui": False,
        "#ali": True,
        "b.html": True,
        "a.html#aqui": False,
        "https://x.org": False,
    }.items():
        soup = parse(f'<article><p id="aqui"><a href="{link}">x</a></p></article>')
        assert bool(dead_links(page, lambda _, soup=soup: soup)) is dead, link


@pytest.mark.parametrize(
    "html",
    [
        '<article><dl><dt class="field-odd">Parameters<span>:</span></dt></dl></article>',
        '<article><dt class="sig"><a class="viewcode-link"><span class="pre">[source]</span></a></dt></article>',
    ],
)
def test_english_labels_are_caught(html: str) -> None:
    assert english_interface(parse(html))
    assert not english_interface(parse('<article><dt class="sig"><span class="pre">source</span></dt></article>'))


# --- O livro construído ------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def read(path: Path) -> BeautifulSoup:
    """Uma página construída."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def reference_pages(book: BuiltBook) -> list[Path]:
    """As páginas da biblioteca."""
    found = sorted((book.html / "chapters" / "biblioteca").glob("*.html"))
    assert found
    return found


def public_names() -> Iterator[str]:
    """Tudo o que uma pessoa pode usar da biblioteca, perguntando ao Python e não à extensão."""
    modules = ["course_lib", *(info.name for info in pkgutil.walk_packages(course_lib.__path__, "course_lib."))]
    for name in filter(library.is_public, modules):
        for attribute, value in vars(import_module(name)).items():
            ours = inspect.isclass(value) or inspect.isfunction(value)
            if not ours or attribute.startswith("_") or value.__module__ != name or value.__name__ != attribute:
                continue
            yield f"{name}.{attribute}"
            if inspect.isclass(value):
                yield from (f"{name}.{attribute}.{member}" for member in documented_members(value))


def public_constants() -> list[str]:
    """As constantes públicas, que só o código distingue do que se importou."""
    return [f"{module.name}.{name}" for module in library.read_library(ROOT).values() for name in module.constants]


def documented_members(cls: type) -> list[str]:
    """Os métodos e as propriedades públicas de ``cls`` que têm docstring e são nossos."""
    found = []
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        ours = (
            inspect.isfunction(function) and function.__module__.startswith("course_lib") and function.__name__ == name
        )
        if ours and not name.startswith("_") and value.__doc__:
            found.append(name)
    return found


@pytest.mark.livro
def test_every_public_name_appears_once(built_book: BuiltBook) -> None:
    documented = [name for page in reference_pages(built_book) for name in documented_names(read(page))]
    expected = [*public_names(), *public_constants()]
    assert len(expected) > 300
    assert missing_or_repeated(documented, expected) == []
    assert [name for name in documented if any(hidden in name for hidden in library.HIDDEN)] == []


@pytest.mark.livro
def test_every_name_leads_to_its_code(built_book: BuiltBook) -> None:
    expected = {*public_names(), *public_constants()}
    for page in reference_pages(built_book):
        # Um atributo está no código da sua classe, e não leva a um lugar só dele.
        for entry in read(page).select("article dt.sig[id]"):
            if entry["id"] not in expected:
                continue
            link = entry.find("a", class_="reference", string="[código]")
            assert link, entry["id"]
            address, _, anchor = link["href"].partition("#")
            assert entry["id"].endswith(f".{anchor}")
            assert read((page.parent / address).resolve()).find(id=anchor), entry["id"]


@pytest.mark.livro
def test_reference_has_no_dead_link(built_book: BuiltBook) -> None:
    code = sorted((built_book.html / "_modules").rglob("*.html"))
    assert code
    for page in [*reference_pages(built_book), *code]:
        assert dead_links(page.resolve(), read) == [], page


@pytest.mark.livro
def test_reference_speaks_portuguese(built_book: BuiltBook) -> None:
    labels = {
        label.get_text() for page in reference_pages(built_book) for label in read(page).select("dl.field-list dt")
    }
    assert labels <= LABELS
    assert {"Parâmetros:", "Devolve:", "Levanta:", "Referência:"} <= labels
    for page in reference_pages(built_book):
        assert not re.search(r"Bases: |alias of|Alias for", read(page).select_one("article").get_text()), page
    for page in (built_book.html / "_modules").rglob("*.html"):
        assert english_interface(read(page)) == [], page
        assert read(page).select_one("article h1").get_text().startswith(("Código de", "O código")), page


@pytest.mark.livro
def test_no_page_is_too_large(built_book: BuiltBook) -> None:
    pages = [*reference_pages(built_book), *(built_book.html / "_modules").rglob("*.html")]
    assert {page.name: page.stat().st_size for page in pages if page.stat().st_size > LARGEST_PAGE} == {}


@pytest.mark.livro
def test_chapter_and_module_link_to_each_other(built_book: BuiltBook) -> None:
    built = [module for module in library.read_library(ROOT).values() if module.chapter]
    chapters = {path.stem for path in (built_book.html / "chapters").glob("0*.html")}
    assert built
    assert {module.chapter for module in built} <= {path.stem for path in (ROOT / "chapters").glob("*.ipynb")}
    for module in built:
        if module.chapter in chapters:
            chapter = read(built_book.html / "chapters" / f"{module.chapter}.html")
            box = next(
                box for box in chapter.select(".caixa-nota") if box.get_text(strip=True).startswith("Na biblioteca.")
            )
            assert box.select(f'a[href$="#module-{module.name}"]'), module.name
            section = read(built_book.html / "chapters/biblioteca/modelos.html").find(id=f"module-{module.name}")
            assert section.select(f'a[href="../{module.chapter}.html"]'), module.name


@pytest.mark.livro
def test_imports_in_chapters_lead_to_the_reference(built_book: BuiltBook) -> None:
    links = 0
    for page in sorted((built_book.html / "chapters").glob("*.html")):
        for link in read(page).select("a.da-biblioteca"):
            address, _, anchor = link["href"].partition("#")
            assert address.startswith("biblioteca/")
            target = read((page.parent / address).resolve()).find(id=anchor)
            assert target, f"{page.name}: {link['href']}"
            links += 1
    assert links > 10


@pytest.mark.livro
def test_a_docstring_is_redrawn_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    chapters = small_book(tmp_path, ["texto", "biblioteca/tudo"])
    (chapters / "texto.md").write_text("# Um texto\n", encoding="utf-8")
    (chapters / "biblioteca").mkdir()
    page = chapters / "biblioteca" / "tudo.md"
    page.write_text("# Tudo\n\n```{eval-rst}\n.. biblioteca:: :demais:\n```\n", encoding="utf-8")
    module = tmp_path / "course_lib" / "sums.py"
    html = tmp_path / "_build/html/chapters/biblioteca/tudo.html"
    for text in ("Soma de dois números.", "Soma de :func:`add`."):
        module.write_text(f'"""Somas."""\n\n\ndef add(a, b):\n    """{text}"""\n', encoding="utf-8")
        built = run_build(tmp_path)
        assert built.returncode == 0, built.stdout
        assert text.replace(":func:`add`", "add()") in parse(html.read_text("utf-8")).get_text()

    module.write_text('"""Somas de :func:`other`."""\n', encoding="utf-8")
    page.write_text(page.read_text("utf-8").replace(":demais:", ":demais: course_lib.gone"), encoding="utf-8")
    bad = run_build(tmp_path)
    assert bad.returncode != 0
    assert "a biblioteca não tem course_lib.gone" in bad.stdout
    assert "py:func reference target not found: other" in bad.stdout
