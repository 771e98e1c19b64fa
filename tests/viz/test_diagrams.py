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
