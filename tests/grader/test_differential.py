"""O mesmo caderno num núcleo do Jupyter e na caixa: depois de cada célula, os mesmos nomes com os mesmos valores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from course_grader.sandbox import Confinement, Sandbox

HERE = Path(__file__).parent
CELLS = [cell.strip("\n") for cell in re.split(r"^#%%.*\n", (HERE / "honest_cells.txt").read_text(), flags=re.M)[1:]]

# Guarda, ao fim de cada célula, os nomes que mudaram e se ela parou com um erro.
WATCH = """
def _watch():
    import json
    hidden, seen, log = {"In", "Out", "get_ipython", "exit", "quit", "open"}, {}, []
    def plain(value, depth=0):
        kind = type(value).__name__
        if depth > 3 or isinstance(value, type) or callable(value):
            return kind
        if isinstance(value, (list, tuple)):
            return [kind, *(plain(item, depth + 1) for item in value)]
        if isinstance(value, dict):
            return {repr(key): plain(item, depth + 1) for key, item in value.items()}
        if hasattr(value, "tolist") and hasattr(value, "dtype"):
            return [kind, str(value.dtype), repr(value.tolist())]
        return repr(value) if isinstance(value, (int, float, str, bool, type(None))) else kind
    def after(result):
        namespace = get_ipython().user_ns
        now = {name: json.dumps(plain(value)) for name, value in list(namespace.items())
               if not name.startswith("_") and name not in hidden}
        log.append([sorted((name, value) for name, value in now.items() if seen.get(name) != value),
                    sorted(set(seen) - set(now)), result.success])
        seen.clear()
        seen.update(now)
    get_ipython().events.register("post_run_cell", after)
    return log
_log = _watch()
"""
TOLD = "def told():\n    import json, numpy\n    return numpy.frombuffer(json.dumps(_log).encode(), numpy.uint8)"


@pytest.fixture(scope="module")
def in_the_box(needs_sandbox):
    """O que cada célula deixou na caixa."""
    with Sandbox(Confinement(), slot=10) as box:
        channel = box.open()
        replies = [channel.request({"op": "cell", "source": cell}, (), 100) for cell in [WATCH, *CELLS, TOLD]]
        call = {"op": "call", "function": "told", "names": [], "inputs": [], "bytes": 0, "seed": 0}
        answer = channel.request(call, (), 30)["answer"]
    return json.loads(answer.tobytes()), replies[1:-1]


@pytest.fixture(scope="module")
def in_a_kernel(tmp_path_factory):
    """O que cada célula deixou num núcleo de verdade."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    sources = [WATCH, *CELLS, TOLD, "print(told().tobytes().decode())"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    folder = str(tmp_path_factory.mktemp("nucleo"))
    resources = {"metadata": {"path": folder}}
    nbclient.NotebookClient(
        notebook, timeout=300, allow_errors=True, kernel_name="python3", resources=resources
    ).execute()
    return json.loads(notebook.cells[-1].outputs[0]["text"])


def test_the_corpus_is_large():
    assert len(CELLS) >= 150


def test_every_cell_leaves_the_same_names_with_the_same_values(in_the_box, in_a_kernel):
    box, _ = in_the_box
    differ = []
    for source, ours, theirs in zip(CELLS, box[1:], in_a_kernel[1:], strict=False):
        mine, real = dict(ours[0]), dict(theirs[0])
        names = {name for name in mine.keys() | real.keys() if mine.get(name) != real.get(name)}
        names |= set(ours[1]) ^ set(theirs[1])
        if ours[2] != theirs[2]:
            names.add("(parou)")
        if names:
            differ.append((source, {name: (mine.get(name), real.get(name)) for name in names}))
    assert differ == []
