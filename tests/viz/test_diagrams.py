"""Diagramas de redes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib import viz


def test_each_layer_has_its_box_and_each_arrow_its_note():
    viz.flow_diagram([("x", 784), ("h", 400), ("z", 64)], notes=["ReLU"])
    ax = plt.gca()
    assert {"x\n784", "h\n400", "z\n64", "ReLU"} == {text.get_text() for text in ax.texts} - {""}
    heights = [box.get_height() for box in ax.patches]
    assert heights == sorted(heights, reverse=True)


def test_the_bottleneck_is_seen():
    viz.flow_diagram([("x", 784), ("h", 256), ("z", 64), ("y", 1)])
    ax = plt.gca()
    image, hidden, code, single = (box.get_height() for box in ax.patches)
    assert code / image == pytest.approx(64 / 784)
    assert hidden / image == pytest.approx(256 / 784)
    assert 0 < single < code
    # O que não cabe numa caixa baixa vai por baixo dela, e não por cima das bordas.
    text = {label.get_text(): label.get_position()[1] for label in ax.texts}
    assert text["x\n784"] == 0
    assert text["z\n64"] < -code / 2


def test_the_sizes_are_written_as_in_the_prose():
    viz.flow_diagram([("x", 784), ("h", 16384)])
    assert "h\n16.384" in {text.get_text() for text in plt.gca().texts}


def test_shortcuts_go_over_the_blocks_between():
    viz.flow_diagram([("a", 9), ("b", 99), ("c", 9), ("d", 9)], shortcuts=[(0, 3), (1, 2)])
    ax = plt.gcf().axes[0]
    outer, inner = (line.get_xydata() for line in ax.lines)
    assert (outer[0, 0], outer[-1, 0]) == (0, pytest.approx(3 * 1.6))
    assert outer[-1, 1] > inner[-1, 1] > max(box.get_bbox().y1 for box in ax.patches)
    assert outer[-1, 1] < ax.get_ylim()[1]


def test_real_and_fake_both_enter_the_discriminator():
    viz.game_diagram("z", "falsa", "real", "logit")
    ax = plt.gca()
    centers = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    solid = [(note.xyann, note.xy) for note in ax.texts if getattr(note, "arrowprops", None)]
    near = [
        {name for name, (x, y) in centers.items() for end in [start] if abs(x - end[0]) < 0.6 and abs(y - end[1]) < 0.3}
        for start, (x_end, _) in solid
        if abs(x_end - (centers["discrimi-\nnador D"][0] - 0.5)) < 1e-6
    ]
    assert sorted(map(sorted, near)) == [["falsa"], ["real"]]


def test_a_transport_plan_shows_who_moves_and_how_much():
    source, target = (np.array([0.0, 3.0]), np.array([0.75, 0.25])), (np.array([1.0]), np.array([1.0]))
    potential = np.array([3.0, 0.0, 1.0]), np.array([-1.0, 0.0, 1.0])
    viz.transport_diagram(source, target, np.array([[0.75], [0.25]]), potential, title="plano")
    above, below = plt.gcf().axes
    assert [tuple(line.get_xdata()) for line in above.lines] == [(0.0, 1.0), (3.0, 1.0)]
    assert above.lines[0].get_linewidth() == pytest.approx(3 * above.lines[1].get_linewidth())
    assert {"0,75", "0,25", "1"} == {text.get_text() for text in above.texts}
    # A função se desenha na ordem das posições, e não na em que veio.
    assert below.lines[0].get_xdata().tolist() == [0.0, 1.0, 3.0]


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
