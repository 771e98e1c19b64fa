"""Curvas, barras e histogramas."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz
from course_lib.training import History


def test_histories_draws_the_named_terms():
    history = History([{"loss": 3.0, "kl": 1.0}, {"loss": 2.0, "kl": 1.5}], [1.0, 1.0])
    viz.histories({"VAE": history, "AE": history}, terms=["loss"], names={"loss": "perda"})
    lines = plt.gca().get_lines()
    assert [line.get_label() for line in lines] == ["VAE", "AE"]
    np.testing.assert_allclose(lines[0].get_ydata(), [3.0, 2.0])
    viz.histories(history, names={"loss": "perda"})
    assert [line.get_label() for line in plt.gca().get_lines()] == ["perda", "kl"]


def test_bars_write_their_values_with_a_comma_and_without_idle_zeros():
    viz.bars({"1": 0.5, "2": 1.25}, ylabel="nats", hline=(1.0, "piso"))
    assert [text.get_text() for text in plt.gca().texts] == ["0,5", "1,25"]
    viz.bars({"1": 1200.0, "2": 8.95e-05})
    assert [text.get_text() for text in plt.gca().texts] == ["1200", "0"]


def test_histogram_has_unit_area_and_the_density_over_it():
    x = torch.linspace(0, 1, 5)
    viz.histogram({"a": torch.randn(50)}, bins=7, density={"p": (x, x**2)})
    ax = plt.gca()
    assert sum(bar.get_height() * bar.get_width() for bar in ax.patches) == pytest.approx(1)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), x**2)
    assert ax.get_ylabel() == "densidade"


def test_axes_are_numbered_in_portuguese():
    viz.curves({"a": ([0, 1], [0, 0.5])}, xlabel="x", ylabel="y")
    plt.gcf().canvas.draw()
    written = [label.get_text() for label in plt.gca().get_yticklabels()]
    assert "0,2" in written
    assert not any("." in label for label in written)


def test_a_reference_line_just_above_the_curve_is_not_drawn_on_the_frame():
    viz.curves({"cota": ([1, 2, 3], [0.0, 0.5, 0.8])}, hline=(0.838, "teto"))
    bottom, top = plt.gca().get_ylim()
    assert top - 0.838 > 0.02 * (top - bottom)


def test_short_logarithmic_axis_writes_plain_numbers():
    viz.curves({"erro": ([1, 2, 3], [0.2, 0.4, 0.8])}, logy=True)
    plt.gcf().canvas.draw()
    written = {label.get_text() for label in plt.gca().get_yticklabels(minor=True)} - {""}
    assert {"0,2", "0,4"} <= written
    viz.curves({"erro": ([1, 2, 3], [2, 4, 13])}, logy=True)
    plt.gcf().canvas.draw()
    assert "10" in {label.get_text() for label in plt.gca().get_yticklabels()}


def test_paths_draw_one_line_for_each_column_and_one_legend_entry_for_each_group():
    viz.paths({"sobem": torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]), "descem": torch.tensor([[0.0], [-1.0]])})
    lines = plt.gca().get_lines()
    assert [line.get_ydata().tolist() for line in lines] == [[0, 1, 2], [0, 2, 4], [0, -1]]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    assert [text.get_text() for text in plt.gca().get_legend().get_texts()] == ["sobem", "descem"]


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.zeros(3, 0)])
def test_paths_refuse_what_is_not_instants_by_paths(wrong):
    with pytest.raises(ValueError, match=r"groups\['a'\]: a forma é .*esperava \(T, N\)"):
        viz.paths({"a": wrong})
