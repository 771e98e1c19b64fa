"""A célula que instala a biblioteca, nos lugares em que um caderno se abre; e o que ``make colab`` diz."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import run_in_colab
from built_book import ROOT
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from run_in_colab import Outcome, find_notebooks, kernel_environment, main, publish, report

from book.address import read_address

ADDRESS = read_address(ROOT)


class Shell:
    """O IPython: anota o que se lhe pede, e o ``%pip`` traz a biblioteca ou falha dizendo o que quiser, em inglês."""

    def __init__(self, works: bool) -> None:
        self.works, self.asked = works, []

    def run_line_magic(self, name: str, line: str, **_: Any) -> None:
        self.asked.append(f"%{name} {line}")
        if self.works:
            sys.modules["course_lib"] = types.ModuleType("course_lib")


def run_first_cell(monkeypatch: pytest.MonkeyPatch, *, colab: bool, there: bool, works: bool = False) -> list[str]:
    """O que a primeira célula pede ao IPython."""
    monkeypatch.setitem(sys.modules, "course_lib", types.ModuleType("course_lib") if there else None)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    shell = Shell(works)
    exec(TransformerManager().transform_cell(ADDRESS.installation()), {"get_ipython": lambda: shell})
    return shell.asked


def test_in_colab_it_installs_only_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    (asked,) = run_first_cell(monkeypatch, colab=True, there=False, works=True)
    assert asked.startswith("%pip install -q --no-deps ")
    assert f"git+{ADDRESS.repository}@{ADDRESS.revision}" in asked


def test_where_the_library_is_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_first_cell(monkeypatch, colab=False, there=True) == []


@pytest.mark.parametrize("colab", [True, False], ids=["Colab sem repositório ou sem rede", "outro Jupyter"])
def test_without_the_library_it_stops_in_portuguese_with_the_command(
    monkeypatch: pytest.MonkeyPatch, colab: bool
) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        run_first_cell(monkeypatch, colab=colab, there=False)
    said = str(caught.value)
    assert "a biblioteca do curso não está neste ambiente" in said
    assert said.endswith(f'%pip install "course-lib[cadernos] @ git+{ADDRESS.repository}@{ADDRESS.revision}"')
    # Sem a cadeia de erros: o que se lê por último é o que fazer.
    assert caught.value.__suppress_context__


def test_the_address_leads_to_this_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "Meu Curso – turma 1"
    (tree / "course_lib").mkdir(parents=True)
    (tree / "course_lib" / "__init__.py").write_text(
        'REPOSITORY = "https://github.com/a/b"\nREVISION = "turma-1"\n', encoding="utf-8"
    )
    monkeypatch.setattr(run_in_colab, "ROOT", tree)
    publish(tmp_path / "curso.git")
    environ = kernel_environment(tmp_path / "trabalho", tmp_path / "curso.git")
    clone = ["git", "clone", "--quiet", "--branch", "turma-1", "https://github.com/a/b", str(tmp_path / "clone")]
    subprocess.run(clone, env=os.environ | environ, check=True, capture_output=True)
    assert (tmp_path / "clone" / "course_lib" / "__init__.py").read_text(encoding="utf-8").endswith('"turma-1"\n')
    assert environ["CURSO_PERFIL"] == "rapido"
    assert str(ROOT) not in environ["PYTHONPATH"].split(os.pathsep)


def test_the_table_tells_the_faults() -> None:
    good, bad = Outcome("chapters/a", 3.2, 10.0), Outcome("chapters/b", 3.0, 5.0, "célula 4: NameError: x")
    assert "✔" in report([good]).splitlines()[1]
    assert report([good]).endswith("nada substituído")
    assert "✘ chapters/b: célula 4: NameError: x" in report([good, bad])
    changed = Outcome("chapters/c", replaced=["numpy 2.1.3 → 2.5.0"])
    assert "✘ chapters/c: mudou numpy 2.1.3 → 2.5.0" in report([changed])


def test_every_notebook_runs_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(find_notebooks([])) == 21
    assert [path.stem for path in find_notebooks(["solutions/03_vae"])] == ["03_vae"]
    assert main(["chapters/99_nada"]) == 1
    assert "não achei chapters/99_nada; há chapters/00_introducao" in capsys.readouterr().err


def test_the_versions_of_colab_are_dated_and_exact_where_they_matter() -> None:
    lines = run_in_colab.VERSIONS.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if line.startswith("#"))
    pinned = {
        one.name for one in map(Requirement, filter(lambda line: not line.startswith("#"), lines)) if one.specifier
    }
    assert "Visto em " in text
    assert "Para renovar:" in text
    assert pinned >= {"torch", "torchvision", "numpy", "matplotlib", "ipython", "ipywidgets", "umap-learn"}
