"""Um nome que falta num caderno vem com a célula que o cria."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from course_lib import cell_order

ROOT = Path(__file__).resolve().parents[1]


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "source": source}


def code(source: str) -> dict:
    return {"cell_type": "code", "source": source.splitlines(keepends=True)}


CELLS = [
    markdown("# O capítulo\n\nUma frase."),
    code("from course_lib import runtime"),
    markdown("## Os dados\n\nE outra."),
    code("%matplotlib inline\nimport numpy as np\ntrain_data, test_data = load()"),
    code("%%time\nmodel = fit(train_data)"),
    markdown("### O treinamento"),
    code("def step(batch):\n    loss = model(batch)\n    return loss\n\nfor epoch in range(3):\n    step(epoch)"),
    code("train_data = None  # de novo"),
]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("np", "a 2ª célula de código, em “Os dados”"),
        ("test_data", "a 2ª célula de código, em “Os dados”"),
        # A primeira que o cria, e não a última.
        ("train_data", "a 2ª célula de código, em “Os dados”"),
        ("step", "a 4ª célula de código, em “O treinamento”"),
        ("epoch", "a 4ª célula de código, em “O treinamento”"),
    ],
)
def test_says_which_cell_creates_the_missing_name(name, place):
    assert place in cell_order.advice(name, CELLS)


@pytest.mark.parametrize("name", ["treino", "loss", "batch", "load"])
def test_is_silent_about_a_name_that_no_cell_creates(name):
    assert cell_order.advice(name, CELLS) is None


@pytest.mark.parametrize("source", ["x = (", "%%bash\nx=1\necho $x", "", "\0"])
def test_reads_cells_that_are_not_python(source):
    assert cell_order.bound_names(source) in (set(), {"x"})


@pytest.mark.parametrize("notebook", sorted(ROOT.glob("chapters/0*.ipynb")), ids=lambda path: path.stem)
def test_finds_what_every_chapter_creates(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    created = set().union(*(cell_order.bound_names("".join(c["source"])) for c in cells if c["cell_type"] == "code"))
    assert len(created) > 10
    assert all(cell_order.advice(name, cells) for name in created)


def run(client, source: str) -> tuple[str, str]:
    """O erro de uma célula e o que ela escreveu."""
    errors, printed = [], []

    def keep(message: dict) -> None:
        content = message["content"]
        if message["msg_type"] == "error":
            errors.append(content["ename"])
        elif message["msg_type"] == "stream":
            printed.append(content["text"])

    client.execute_interactive(source, timeout=120, output_hook=keep)
    return " ".join(errors), "".join(printed)


def test_in_a_kernel_the_advice_comes_after_the_error(tmp_path):
    notebook = tmp_path / "João 1.ipynb"
    notebook.write_text(json.dumps({"cells": CELLS}), encoding="utf-8")
    environment = {**os.environ, "JPY_SESSION_NAME": str(notebook), "PYTHONPATH": str(ROOT)}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    try:
        assert run(client, "from course_lib import runtime") == ("", "")
        error, printed = run(client, "print(len(train_data))")
        assert error == "NameError"
        assert "`train_data` ainda não existe" in printed
        assert "a 2ª célula de código, em “Os dados”" in printed
        # Um nome errado e um caderno que sumiu deixam só o erro do Python; outro erro, também.
        assert run(client, "treino") == ("NameError", "")
        assert run(client, "1 / 0") == ("ZeroDivisionError", "")
        notebook.write_text("lixo")
        assert run(client, "train_data") == ("NameError", "")
        notebook.unlink()
        assert run(client, "train_data") == ("NameError", "")
        assert run(client, "train_data = 3; print(train_data)") == ("", "3\n")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_in_colab_the_notebook_comes_from_the_browser(monkeypatch):
    colab = type(sys)("google.colab")
    colab._message = type(sys)("google.colab._message")
    asked = []

    def blocking_request(kind: str, **options):
        asked.append((kind, options))
        return {"ipynb": {"cells": CELLS}}

    colab._message.blocking_request = blocking_request
    for name, module in (("google", type(sys)("google")), ("google.colab", colab)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "google.colab._message", colab._message)
    assert cell_order.read_notebook(None, None) == CELLS
    assert asked[0][0] == "get_ipynb"
    assert asked[0][1]["timeout_sec"] == cell_order.COLAB_SECONDS
