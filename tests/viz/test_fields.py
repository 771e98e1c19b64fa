"""Setas, malhas e mapas de densidade."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz


def test_arrows_start_at_their_points_and_keep_their_length():
    points, arrows = torch.rand(5, 2), torch.rand(5, 2) - 0.5
    viz.arrow_panels({"campo": (points, arrows), "contrário": (points, -arrows)}, cloud=torch.rand(9, 2))
    first, second = plt.gcf().axes
    for ax, sign in ((first, 1), (second, -1)):
        (quiver,) = (part for part in ax.collections if hasattr(part, "U"))
        np.testing.assert_allclose(quiver.XY, points)
        np.testing.assert_allclose(np.stack([quiver.U, quiver.V], 1), sign * arrows)
        assert (quiver.angles, quiver.scale_units, quiver.scale) == ("xy", "xy", 1)
    assert [first.get_title(), second.get_title()] == ["campo", "contrário"]


def test_lattice_panels_draw_every_line_and_the_cloud():
    axis = torch.linspace(-1, 1, 4)
    lattice = torch.stack(torch.meshgrid(axis, axis[:3], indexing="ij"), dim=2)
    cloud = torch.randn(7, 2)
    viz.lattice_panels({"antes": (lattice, cloud), "depois": (2 * lattice, cloud)}, n_cols=2, title="malha")
    fig = plt.gcf()
    before, after = fig.axes
    assert len(before.lines) == 4 + 3
    np.testing.assert_allclose(before.lines[0].get_xydata(), lattice[0])
    np.testing.assert_allclose(after.lines[-1].get_xydata(), 2 * lattice[:, -1])
    np.testing.assert_allclose(before.collections[0].get_offsets(), cloud)
    assert [ax.get_title() for ax in fig.axes] == ["antes", "depois"]


def test_density_panels_put_x_on_the_horizontal_axis_and_share_the_scale():
    values = torch.zeros(5, 5)
    values[4, 0] = 2.0  # x grande, y pequeno: embaixo, à direita
    viz.density_panels({"a": values, "b": values / 4}, half=3.0, title="mapas")
    fig = plt.gcf()
    first, second = (ax for ax in fig.axes if ax.images)
    assert first.images[0].get_array()[0, 4] == 2.0
    assert first.images[0].origin == "lower"
    assert tuple(first.images[0].get_extent()) == (-3.0, 3.0, -3.0, 3.0)
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 2.0)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: viz.arrow_panels({}), "panels: não veio nada"),
        (lambda: viz.arrow_panels({"a": (torch.zeros(4, 3), torch.zeros(4, 3))}), r"pontos: .* esperava \(N, 2\)"),
        (
            lambda: viz.arrow_panels({"a": (torch.zeros(4, 2), torch.zeros(3, 2))}),
            r"panels\['a'\], pontos e setas: vieram formas \(4, 2\), \(3, 2\); esperava a mesma",
        ),
        (lambda: viz.lattice_panels({}), "panels: não veio nada"),
        (
            lambda: viz.lattice_panels({"a": (torch.zeros(4, 2), torch.zeros(1, 2))}),
            r"panels\['a'\]: veio um tensor de forma \(4, 2\); esperava \(H, W, 2\)",
        ),
        (lambda: viz.density_panels({}, half=1.0), "panels: não veio nada"),
        (
            lambda: viz.density_panels({"a": torch.zeros(4)}, half=1.0),
            r"panels\['a'\]: veio um tensor de forma \(4,\); esperava \(n, n\)",
        ),
    ],
)
def test_bad_input_is_refused_in_portuguese(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
