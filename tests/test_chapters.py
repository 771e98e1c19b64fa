"""Capítulos: guardados limpos, escritos só com o que o livro e o Colab mostram, e capazes de rodar sozinhos."""

import json
import os
import re
import shutil

import nbformat
import pytest
from built_book import ROOT
from nbclient import NotebookClient

from book.address import installs, read_address
from course_lib import viz

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
ADDRESS = read_address(ROOT)
CONVOLUTIONAL = ("04", "05", "06", "07", "08", "10")
DRAWS = tuple(f"viz.{name}(" for name in viz.__all__)


def read(path):
    return nbformat.read(path, as_version=4)


def by_name(path):
    return path.stem


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_is_stored_clean(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert not cell.outputs, cell.source[:60]
            assert cell.execution_count is None, cell.source[:60]


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_opens_with_title_colab_address_and_install_cell(path):
    title, install = read(path).cells[:2]
    assert title.source.startswith("# ")
    assert f"({ADDRESS.colab(f'chapters/{path.name}')})" in title.source
    assert install.source == ADDRESS.installation()
    assert installs(install)
    assert "remove-cell" in install.metadata.tags


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_every_figure_has_alternative_text(path):
    for cell in read(path).cells:
        hidden = {"remove-output", "remove-cell"} & set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and any(draw in cell.source for draw in DRAWS) and not hidden:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 20, cell.source[:80]


@pytest.mark.parametrize("path", CHAPTERS[:3], ids=by_name)
def test_a_prediction_is_asked_just_before_the_cell_that_answers_it(path):
    cells = read(path).cells
    asked = [index for index, cell in enumerate(cells) if "> **Confira.**" in cell.source]
    assert asked, "a introdução promete que Confira pede uma previsão"
    for index in asked:
        assert cells[index].source.split("\n\n")[-1].startswith("> **Confira.** Antes de rodar")
        assert cells[index + 1].cell_type == "code"


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_uses_only_markdown_that_colab_renders(path):
    for cell in read(path).cells:
        if cell.cell_type != "markdown":
            continue
        for pattern, what in [
            (r"^\s*(```|:::)\{", "diretiva do MyST"),
            (r"\{[a-z:]+\}`", "papel do MyST"),
            (r"\[\^", "nota de rodapé"),
            (r"<(img|div|span|table|br)\b", "HTML"),
            (r"!\[", "imagem externa"),
        ]:
            assert not re.search(pattern, cell.source, re.MULTILINE), f"{what}: {cell.source[:80]}"
        for target in re.findall(r"\]\(([^)]+)\)", cell.source):
            assert target.startswith(("https://", "#")), f"endereço relativo: {target}"


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_links_into_the_repository_point_to_files_that_exist(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for target in re.findall(rf"github(?:\.com)?/{re.escape(ADDRESS.slug)}/blob/[^/]+/([^)#\s]+)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_cell_ids_are_unique_and_metadata_is_minimal(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    # Os de redes convolucionais pedem ao Colab uma GPU.
    asked = notebook["metadata"].get("accelerator"), notebook["metadata"].get("colab")
    assert asked == (("GPU", {"gpuType": "T4"}) if path.stem[:2] in CONVOLUTIONAL else (None, None))
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags", "mystnb"}, cell["id"]


@pytest.mark.livro
@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_runs_alone_in_an_empty_folder_without_data_or_network(path, tmp_path, monkeypatch):
    """Como o instrutor que copia um capítulo só: aqui com os dígitos embutidos, porque não há nem dados nem rede."""
    shutil.copy(path, tmp_path)
    for name in [name for name in os.environ if name.startswith("CURSO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CURSO_PERFIL", "rapido")
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    notebook = read(tmp_path / path.name)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert printed.count("dígitos embutidos do scikit-learn") == 1
    assert "✘" not in printed
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == [path.name]
