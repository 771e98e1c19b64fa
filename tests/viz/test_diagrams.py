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
