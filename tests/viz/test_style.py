"""O estilo das figuras, que só vale nelas, e como elas aparecem num caderno."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from course_lib import viz
from course_lib.data import load_embedded_digits
from course_lib.viz import style

ONE = np.ones(1)
TRANSPORT = ((ONE, ONE), (2 * ONE, ONE), np.ones((1, 1)), (ONE, ONE))

DRAWINGS = {
    "image_grid": lambda: viz.image_grid(torch.zeros(3, 1, 28, 28)),
    "strips": lambda: viz.strips({"a": torch.zeros(3, 1, 28, 28)}),
    "latent_traversal": lambda: viz.latent_traversal(lambda z: torch.zeros(len(z), 1, 28, 28), torch.zeros(2), [0]),
    "histories": lambda: viz.histories({}),
    "curves": lambda: viz.curves({"a": ([0, 1], [0, 1])}),
    "bars": lambda: viz.bars({"a": 1.0}),
    "histogram": lambda: viz.histogram({"a": torch.zeros(3)}),
    "embedding": lambda: viz.embedding(torch.zeros(3, 2), torch.tensor([0, 1, 1])),
    "scatter": lambda: viz.scatter({"a": torch.zeros(3, 2)}),
    "scatter_panels": lambda: viz.scatter_panels({"a": {"b": torch.zeros(3, 2)}}),
    "labelled_points": lambda: viz.labelled_points({"a": (1.0, 2.0)}),
    "ball_panels": lambda: viz.ball_panels(
        {"a": (torch.zeros(3, 2), torch.ones(3), torch.zeros(2, 2))}, labels=("b", "c")
    ),
    "arrow_panels": lambda: viz.arrow_panels({"a": (torch.zeros(3, 2), torch.ones(3, 2))}),
    "lattice_panels": lambda: viz.lattice_panels({"a": (torch.zeros(3, 3, 2), torch.zeros(3, 2))}),
    "density_panels": lambda: viz.density_panels({"a": torch.ones(3, 3)}, half=1.0),
    "paths": lambda: viz.paths({"a": torch.zeros(4, 3)}),
    "cloud_panels": lambda: viz.cloud_panels({"a": (torch.zeros(3, 2), torch.ones(3, 2), torch.zeros(3))}),
    "flow_diagram": lambda: viz.flow_diagram([("a", 1), ("b", 2)]),
    "game_diagram": lambda: viz.game_diagram("a", "b", "c", "d"),
    "graph_diagram": lambda: viz.graph_diagram({"a": ("a", 0, 0), "b": ("b", 1, 0)}, [("a", "b", "")]),
    "transport_diagram": lambda: viz.transport_diagram(*TRANSPORT),
}


def test_every_public_function_is_here():
    assert {*DRAWINGS, "save"} == set(viz.__all__)


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_figure_is_returned_open_and_with_the_style_of_the_course(name):
    before = dict(mpl.rcParams)
    fig = DRAWINGS[name]()
    assert fig is plt.gcf()
    assert isinstance(fig, style.CourseFigure)
    assert fig.dpi == 110
    assert fig.get_facecolor() == (1, 1, 1, 1)
    assert fig.get_layout_engine() is not None
    for ax in fig.axes:
        assert not ax.spines["top"].get_visible() or ax.get_label() == "<colorbar>"
    assert dict(mpl.rcParams) == before


def test_importing_viz_leaves_matplotlib_as_it_was():
    program = (
        "import matplotlib as mpl; before = dict(mpl.rcParams)\n"
        "import course_lib.viz\n"
        "assert dict(mpl.rcParams) == before"
    )
    # Noutro processo: neste, o pacote já foi importado.
    subprocess.run([sys.executable, "-c", program], check=True)


def pixels(fig) -> np.ndarray:
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba()).copy()


def test_the_style_holds_whatever_the_person_has_chosen():
    expected = pixels(viz.curves({"a": ([0, 1000], [0, 0.004])}, title="t", ylabel="y"))
    with mpl.rc_context({"grid.alpha": 1.0, "axes.titlesize": 30, "figure.facecolor": "black", "axes.grid": False}):
        fig = viz.curves({"a": ([0, 1000], [0, 0.004])}, title="t", ylabel="y")
        np.testing.assert_array_equal(pixels(fig), expected)


def test_a_figure_of_the_person_keeps_her_style():
    plain = pixels(plt.figure())
    viz.bars({"a": 1.0})
    fig = plt.figure()
    assert type(fig) is not style.CourseFigure
    np.testing.assert_array_equal(pixels(fig), plain)


# --- de que dados é a figura ------------------------------------------------------------------------------------------


def words(fig) -> str:
    """Tudo o que a figura escreve fora dos eixos."""
    titles = [legend.get_title().get_text() for legend in fig.legends]
    return " ".join([fig.get_supxlabel(), *titles])


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_of_embedded_digits_says_so_by_itself(name):
    load_embedded_digits("test")
    # Um diagrama não mostra dados.
    assert ("embutidos" in words(DRAWINGS[name]())) == (not name.endswith("_diagram"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_of_mnist_says_nothing(name):
    assert "embutidos" not in words(DRAWINGS[name]())


def test_the_legend_below_keeps_the_note():
    load_embedded_digits("train")
    clouds = {"b": torch.zeros(3, 2), "c": torch.ones(3, 2)}
    fig = viz.scatter_panels({"um": clouds, "dois": clouds})
    assert fig.get_supxlabel() == ""
    assert fig.legends[0].get_title().get_text() == style.EMBEDDED_NOTE


@pytest.mark.parametrize("n", [1, 2, 4, 10])
def test_the_note_fits_in_the_figure(n):
    load_embedded_digits("test")
    fig = viz.image_grid(torch.zeros(n, 1, 28, 28))
    fig.draw_without_rendering()
    box = fig._supxlabel.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= fig.bbox.x1


def test_save_writes_the_last_figure_and_closes_it(tmp_path):
    viz.bars({"a": 1.0})
    viz.image_grid(torch.zeros(3, 1, 28, 28))
    viz.save(tmp_path / "figura.png")
    assert (tmp_path / "figura.png").read_bytes().startswith(b"\x89PNG")
    assert len(plt.get_fignums()) == 1
    assert plt.gca().patches


# --- no caderno ------------------------------------------------------------------------------------------------------

# Em cada célula, as imagens que ela deve mostrar, na ordem: quantas barras tem cada uma (None: não é do curso).
CELLS = {
    "última expressão": ("draw(3)", [3]),
    "no meio": ("draw(3)\nprint('depois')", [3]),
    "num laço": ("for n in (9, 3, 6):\n    draw(n)", [9, 3, 6]),
    "guardada num nome": ("kept = draw(6)", [6]),
    "o nome, noutra célula": ("kept", [6]),
    "o nome, outra vez": ("kept", [6]),
    "o nome, depois de outra figura": ("draw(3)\nkept", [6, 3]),
    "duas, e a última é a expressão": ("draw(9)\ndraw(3)", [9, 3]),
    "guardada e dita": ("mine = draw(9)\nmine", [9]),
    "display": ("display(draw(9))\ndraw(3)", [9, 3]),
    "plt.show": ("draw(9)\ndraw(3)\nplt.show()", [9, 3]),
    "ponto e vírgula": ("draw(9);", [9]),
    "gravada": ("draw(3)\nviz.save('figura.png')", []),
    "desenhada e recusada": ("draw(3)\ntry:\n    viz.strips({})\nexcept ValueError:\n    pass", [3]),
    "com uma do pyplot": ("plt.plot([0, 1])\nkept = draw(9)", [None, 9]),
    "com uma do pyplot depois": ("draw(9)\nplt.figure().add_subplot();", [9, None]),
    "com uma do pyplot, e a última é a expressão": ("plt.figure().add_subplot()\ndraw(9)", [9, None]),
    "nenhuma": ("None", []),
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[str, list]:
    """As saídas de cada célula de um caderno de verdade."""
    start = (
        "import matplotlib.pyplot as plt\nfrom course_lib import viz\n"
        "def draw(n):\n    return viz.bars({str(i): 1.0 for i in range(n)})"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (start, *(source for source, _ in CELLS.values()))]
    )
    folder = tmp_path_factory.mktemp("caderno")
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells[1:], strict=True)}


def width(n_bars: int) -> int:
    """Largura, em pixels, de ``n_bars`` barras, mais ou menos: o Jupyter corta as margens."""
    return round(110 * max(4.0, 0.62 * n_bars + 1.2))


@pytest.mark.parametrize("name", CELLS)
def test_a_figure_appears_once_wherever_it_is_in_the_cell(outputs, name):
    expected = CELLS[name][1]
    shown = [output for output in outputs[name] if output.output_type != "stream"]
    assert all("image/png" in output.data for output in shown), "só imagens: nada de <Figure size …>"
    widths = [struct.unpack(">I", base64.b64decode(output.data["image/png"])[16:20])[0] for output in shown]
    assert len(widths) == len(expected)
    for found, n_bars in zip(widths, expected, strict=True):
        assert n_bars is None or found == pytest.approx(width(n_bars), abs=25)
