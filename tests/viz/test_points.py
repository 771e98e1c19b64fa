"""Nuvens e pontos com nome."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz


def test_embedding_writes_each_class_at_its_centre():
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [10.0, 10.0]])
    viz.embedding(points, torch.tensor([3, 3, 7]))
    texts = {text.get_text(): text.get_position() for text in plt.gca().texts}
    assert texts == {"3": (1.0, 0.0), "7": (10.0, 10.0)}


def test_embedding_does_not_hide_a_name_behind_another():
    points = torch.tensor([[5.0, 5.0], [5.1, 5.1], [5.05, 5.0], [0.0, 0.0], [10.0, 10.0]])
    viz.embedding(points, torch.tensor([4, 9, 2, 1, 8]))
    places = {text.get_text(): text.get_position() for text in plt.gca().texts}
    heights = sorted(places[name][1] for name in ("2", "4", "9"))
    assert min(heights[1] - heights[0], heights[2] - heights[1]) >= 0.49
    assert places["1"] == (0.0, 0.0)
    assert places["8"] == (10.0, 10.0)
    assert [places[name][0] for name in ("4", "9", "2")] == pytest.approx([5.0, 5.1, 5.05])


def test_scatter_draws_each_cloud_in_its_colour():
    clouds = {"a": torch.randn(9, 2), "b": torch.randn(7, 2)}
    viz.scatter(clouds)
    drawn = plt.gca().collections
    for cloud, collection in zip(clouds.values(), drawn, strict=True):
        np.testing.assert_allclose(collection.get_offsets(), cloud)
    assert (drawn[0].get_facecolor() != drawn[1].get_facecolor()).any()
    assert [text.get_text() for text in plt.gca().get_legend().get_texts()] == ["a", "b"]


def test_scatter_panels_have_a_title_each_and_the_same_axes():
    viz.scatter_panels({"passo 1": {"a": torch.randn(9, 2)}, "passo 2": {"a": 5 * torch.randn(9, 2)}}, title="t")
    first, second = plt.gcf().axes
    assert [first.get_title(), second.get_title()] == ["passo 1", "passo 2"]
    assert first.get_xlim() == second.get_xlim()


def test_labelled_points_write_every_name_beside_its_point_without_overlap():
    points = {"longe": (1.0, 100.0), "perto": (10.0, 1.0), "vizinho": (10.5, 1.0), "outro": (9.8, 1.01)}
    viz.labelled_points(points, logx=True, logy=True, hline=(0.5, "piso"), title="t", xlabel="x", ylabel="y")
    fig = plt.gcf()
    (ax,) = fig.axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), list(points.values()))
    assert {text.get_text(): text.xy for text in ax.texts} == points
    boxes = [text.get_window_extent(fig.canvas.get_renderer()) for text in ax.texts]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_ball_panels_draw_each_ball_and_tell_inside_from_outside():
    cloud, radii = torch.tensor([[0.0, 0.0], [5.0, 0.0]]), torch.tensor([1.0, 2.0])
    points = torch.tensor([[0.9, 0.0], [1.1, 0.0], [5.0, 1.9], [5.0, 2.1], [0.0, -3.0]])
    viz.ball_panels({"a": (cloud, radii, points), "b": (cloud, radii, points)}, labels=("dentro", "fora"), title="t")
    first, second = plt.gcf().axes
    assert [ax.get_title() for ax in (first, second)] == ["a", "b"]
    balls, inside, outside = first.collections
    corners = [path.get_extents().extents for path in balls.get_paths()]
    np.testing.assert_allclose(corners, [(-1, -1, 1, 1), (3, -2, 7, 2)], atol=1e-9)
    np.testing.assert_allclose(inside.get_offsets(), points[[0, 2]])
    np.testing.assert_allclose(outside.get_offsets(), points[[1, 3, 4]])
    assert [text.get_text() for text in plt.gcf().legends[0].get_texts()] == ["dentro", "fora"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: viz.scatter_panels({}), "panels: não veio nada"),
        (lambda: viz.labelled_points({}), "points: não veio nada"),
        (lambda: viz.ball_panels({}, labels=("a", "b")), "panels: não veio nada"),
        (
            lambda: viz.ball_panels({"a": (torch.zeros(4, 2), torch.zeros(3), torch.zeros(1, 2))}, labels=("a", "b")),
            r"panels\['a'\], raios: veio um tensor de forma \(3,\); esperava \(4,\)",
        ),
        (
            lambda: viz.ball_panels({"a": (torch.zeros(4, 3), torch.zeros(4), torch.zeros(1, 2))}, labels=("a", "b")),
            r"nuvem: .* esperava \(M, 2\)",
        ),
        (
            lambda: viz.ball_panels({"a": (torch.zeros(4, 2), torch.zeros(4), torch.zeros(2))}, labels=("a", "b")),
            r"pontos: .* esperava \(N, 2\)",
        ),
        (lambda: viz.embedding(torch.zeros(4, 3), torch.zeros(4)), r"points: .* esperava \(N, 2\)"),
        (lambda: viz.embedding(torch.zeros(4, 2), torch.zeros(3)), r"labels: .* esperava \(4,\)"),
    ],
)
def test_bad_input_is_refused_in_portuguese(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_cloud_panels_draw_an_ellipse_a_cloud_in_the_colour_of_its_class():
    means = torch.tensor([[0.0, 0.0], [1.0, 3.0], [5.0, -1.0]])
    deviations = torch.tensor([[0.5, 0.2], [0.1, 0.3], [1.0, 0.4]])
    labels = torch.tensor([7, 2, 7])
    viz.cloud_panels({"a": (means, deviations, labels)}, title="t")
    (ax,) = plt.gcf().axes
    two, seven = ax.collections
    np.testing.assert_allclose(two.get_offsets(), means[1:2])
    np.testing.assert_allclose(seven.get_offsets(), means[[0, 2]])
    # Semieixos de um desvio: a largura inteira da elipse é de dois.
    np.testing.assert_allclose(2 * seven._widths, 2 * deviations[[0, 2], 0].numpy())
    np.testing.assert_allclose(2 * seven._heights, 2 * deviations[[0, 2], 1].numpy())
    assert (two.get_edgecolor() != seven.get_edgecolor()).any()
    low, high = ax.get_xlim()
    assert low < -2
    assert high > 6
    assert [circle.radius for circle in ax.patches] == [1.0, 2.0]
    assert [text.get_text() for text in plt.gcf().legends[0].get_texts()] == ["dígito 2", "dígito 7"]


def test_cloud_panels_refuse_shapes_that_do_not_match():
    means = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="panels"):
        viz.cloud_panels({})
    with pytest.raises(ValueError, match="desvios"):
        viz.cloud_panels({"a": (means, torch.zeros(3, 1), torch.zeros(3))})
    with pytest.raises(ValueError, match="classes"):
        viz.cloud_panels({"a": (means, means, torch.zeros(2))})
