"""Diagramas de redes."""

import matplotlib.pyplot as plt
import pytest

from course_lib import viz


def test_each_layer_has_its_box_and_each_arrow_its_note():
    viz.flow_diagram([("x", 784), ("h", 400), ("z", 64)], notes=["ReLU"])
    ax = plt.gca()
    assert {"x\n784", "h\n400", "z\n64", "ReLU"} == {text.get_text() for text in ax.texts} - {""}
    heights = [box.get_height() for box in ax.patches]
    assert heights == sorted(heights, reverse=True)


def test_shortcuts_go_over_the_blocks_between():
    viz.flow_diagram([("a", 9), ("b", 99), ("c", 9), ("d", 9)], shortcuts=[(0, 3), (1, 2)])
    ax = plt.gcf().axes[0]
    outer, inner = (line.get_xydata() for line in ax.lines)
    assert (outer[0, 0], outer[-1, 0]) == (0, pytest.approx(3 * 1.6))
    assert outer[-1, 1] > inner[-1, 1] > max(box.get_bbox().y1 for box in ax.patches)
    assert outer[-1, 1] < ax.get_ylim()[1]


def test_a_graph_has_its_networks_filled_and_its_arrows_where_they_were_asked_for():
    nodes = {"x": ("x", 0, 0), "net": ("$G$", 1, 0), "y": ("G(x)", 2, 0), "disc": ("$D$", 2, 1)}
    viz.graph_diagram(
        nodes,
        [("x", "net", ""), ("net", "y", "pinta"), ("y", "disc", "")],
        plain=["x", "y"],
        losses=[("x", "y", "ciclo")],
    )
    ax = plt.gca()
    boxes = {text.get_text(): text for text in ax.texts if text.get_bbox_patch() and text.get_text()}
    assert set(boxes) == {"x", "$G$", "G(x)", "$D$", "pinta", "ciclo"}
    filled = {
        name for name in ("x", "$G$", "G(x)", "$D$") if boxes[name].get_bbox_patch().get_facecolor()[:3] != (1, 1, 1)
    }
    assert filled == {"$G$", "$D$"}
    arrows = [(a.xyann, a.xy) for a in ax.texts if isinstance(a, plt.Annotation)]
    assert arrows == [
        ((0, 0), (1.6, 0)), ((1.6, 0), (3.2, 0)), ((3.2, 0), (3.2, 1)), ((0, 0), (3.2, 0))
    ]  # fmt: skip


def test_a_graph_refuses_an_arrow_to_nowhere():
    with pytest.raises(ValueError, match="não há o nó"):
        viz.graph_diagram({"x": ("x", 0, 0)}, [("x", "y", "")])
