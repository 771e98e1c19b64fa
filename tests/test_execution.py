"""O que um capítulo usou da biblioteca, e o que disso conta como mudança."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import built_book  # noqa: F401 - põe a raiz no caminho, para que se ache book/
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from book import uses
from book.execution import ChapterClient, Chapters, Executed, Progress

ROOT = Path(__file__).parents[1]

CODE = '''
"""O módulo."""
from dataclasses import dataclass

@dataclass
class Cloud:
    """A nuvem."""
    width: float = 1.0
    """Quanto mede."""

def draw(n):
    """Sorteia."""
    return [n, "não é docstring"]  # um por um
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Sorteia.", "Sorteia n.", True),
        ('    """A nuvem."""\n', "", True),
        ("Quanto mede.", "O desvio.", True),
        ("# um por um", "# dois a dois", True),
        ("[n, ", "[n,  ", True),
        ('"""O módulo."""\n', "\n\n", True),
        ("1.0", "2.0", False),
        ("não é docstring", "nem isto", False),
        ("def draw(n)", "def draw(n, /)", False),
        ("@dataclass\n", "", False),
        ("def draw", "def draw(", False),
    ],
)
def test_what_a_module_does_is_what_counts(tmp_path: Path, old: str, new: str, same: bool) -> None:
    assert old in CODE
    path = tmp_path / "a.py"
    path.write_text(CODE, encoding="utf-8")
    before = uses.fingerprint(path)
    path.write_text(CODE.replace(old, new), encoding="utf-8")
    assert (uses.fingerprint(path) == before) is same


def test_what_a_module_does_is_written_the_same_in_every_python() -> None:
    """A conta dos gabaritos guarda impressões no repositório, e quem a confere pode ter outro Python."""
    tree = ast.parse("def f(): return 1")
    assert uses._written(tree) == (
        "Module(body=[FunctionDef(name='f', args=arguments(), body=[Return(value=Constant(value=1))])])"
    )


def test_a_file_counts_by_its_bytes_and_a_folder_by_its_names(tmp_path: Path) -> None:
    card = tmp_path / "pesos" / "a.json"
    assert uses.fingerprint(card) == ""
    card.parent.mkdir()
    empty = uses.fingerprint(card.parent)
    card.write_text("{}")
    one, folder = uses.fingerprint(card), uses.fingerprint(card.parent)
    assert empty != folder
    card.write_text("{ }")
    (card.parent / "__pycache__").mkdir()
    assert uses.fingerprint(card) != one
    assert uses.fingerprint(card.parent) == folder


def used_by(code: str) -> set[str]:
    """O que ``code`` usa de ``course_lib``, executado num processo novo."""
    program = f"from book import uses\nuses.watch()\n{code}\nprint(uses.report({str(ROOT)!r}))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1])["uses"])


def test_a_chapter_depends_on_the_families_that_it_loads() -> None:
    used = used_by("from course_lib.weights import load_shipped\nload_shipped('gan')")
    assert {"course_lib/recipes/gan.py", "course_lib/models/gan.py"} < used
    assert {"course_lib/weights/gan.json", "course_lib/weights/gan.safetensors"} < used
    assert not {"course_lib/models/stylegan.py", "course_lib/recipes/vae.py", "course_lib/weights/dcgan.json"} & used
    assert "course_lib/recipes" not in used


def test_who_goes_through_all_the_families_depends_on_their_list() -> None:
    used = used_by("from course_lib.recipes import RECIPES\nlen(RECIPES)")
    assert {"course_lib/recipes", "course_lib/models/stylegan.py"} < used


def test_a_study_is_used_by_who_reads_it() -> None:
    used = used_by("from course_lib.studies import load_study\nload_study('ring')")
    assert "course_lib/studies/ring.json" in used
    assert "course_lib/studies/samples.json" not in used


def test_nothing_shown_comes_from_a_docstring() -> None:
    """As docstrings não contam como mudança: então ninguém as mostra num capítulo."""
    reads = re.compile(r"__doc__|getsource|getdoc|\bhelp\(|^\s*\w+\?\??$", re.MULTILINE)
    for path in (ROOT / "course_lib").rglob("*.py"):
        assert not reads.search(path.read_text(encoding="utf-8")), path
    for path in (ROOT / "chapters").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert not reads.search(code), path


def test_the_wait_follows_the_pace_of_the_machine() -> None:
    progress = Progress(["a", "b", "c", "novo"], {"a": 60, "b": 120, "c": 30}, at_once=2)
    # Duas vezes mais lenta que a da medida: 240 s, o mais longo, mandam mais que (240 + 60) / 2.
    assert progress.finish("a", 120) == "1 de 4, faltam até 4 min"
    assert progress.finish("b", 240) == "2 de 4, falta até 1 min"
    assert progress.finish("novo", 5) == "3 de 4, falta até 1 min"
    assert progress.finish("c", 60) == "4 de 4"
    assert Progress(["a"], {}, 1).finish("a", 3) == "1 de 1"


@pytest.fixture
def chapters(tmp_path: Path) -> Chapters:
    """Um livro de um capítulo, que se diz em execução."""
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "_config.yml").write_text("execute: {timeout: 5}", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("root: um\nparts: [{chapters: [{file: dois}]}]", encoding="utf-8")
    cells = [nbformat.v4.new_markdown_cell("# Um"), nbformat.v4.new_code_cell("1 / 0", id="um-1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "um.ipynb")
    found = Chapters(tmp_path, {})
    assert list(found.missing) == [tmp_path / "um.ipynb"]
    found.progress = Progress(["um"], {}, 1)
    found._running = {"um"}
    return found


def finish(chapters: Chapters, result: Executed | BaseException) -> None:
    """Como se a execução tivesse terminado assim."""
    future: Future[Executed] = Future()
    if isinstance(result, Executed):
        future.set_result(result)
    else:
        future.set_exception(result)
    chapters._finish(chapters.root / "um.ipynb", future)


def test_a_chapter_that_ends_is_kept_at_once(chapters: Chapters) -> None:
    notebook, _ = chapters.missing[chapters.root / "um.ipynb"]
    assert chapters.pending == ["um"]
    finish(chapters, Executed(notebook, seconds=2.0))
    assert chapters.done
    assert chapters.pending == []
    assert chapters.executed == ["um"]
    assert list(Chapters(chapters.root, {}).missing) == []


def test_outputs_that_cannot_be_kept_are_a_failure_with_its_cause(
    chapters: Chapters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chapters.cache, "cache_notebook_bundle", full)
    notebook, _ = chapters.missing[chapters.root / "um.ipynb"]
    finish(chapters, Executed(notebook))
    assert chapters.done
    assert chapters.pending == ["um"]
    assert chapters.failures["um"].reason == "não consegui guardar as saídas (No space left on device)"
    assert "✘ um.ipynb falhou" in capsys.readouterr().out


def test_a_process_that_dies_is_a_failure(chapters: Chapters) -> None:
    finish(chapters, BrokenProcessPool("morto"))
    assert chapters.done
    assert chapters.failures["um"].reason == "o processo que o executava morreu"


def test_an_error_of_the_build_itself_does_not_wait_forever(chapters: Chapters) -> None:
    finish(chapters, UnicodeEncodeError("ascii", "…", 0, 1, "não cabe"))
    assert chapters.done
    assert chapters.failures["um"].reason.startswith("UnicodeEncodeError: ")
    assert "UnicodeEncodeError" in chapters.failures["um"].detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            CellExecutionError("Traceback…", "ZeroDivisionError", "division by zero"),
            "ZeroDivisionError: division by zero",
        ),
        (CellTimeoutError("devagar"), "passou dos 5 s que uma célula pode levar"),
        (DeadKernelError("morto"), "o processo do capítulo morreu; o mais comum é faltar memória"),
    ],
)
def test_a_failure_names_its_cell_and_its_cause(chapters: Chapters, error: Exception, reason: str) -> None:
    notebook, _ = chapters.missing[chapters.root / "um.ipynb"]
    client = ChapterClient(notebook, chapters.root, timeout=5)
    client.running = notebook.cells[1]
    failure = client.explain(error)
    assert (failure.cell, failure.reason) == ("1ª célula de código, um-1", reason)
    assert failure.detail.startswith("1 / 0\n")
