"""Figuras: o que desenham, e o que recusam."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz
from course_lib.training import History


@pytest.fixture(autouse=True)
def fresh_figures():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def images():
    return torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 28, 28)


def mosaic(fig):
    """O único desenho da figura, com NaN no papel entre as imagens."""
    (ax,) = fig.axes
    (drawn,) = ax.images
    # Sem escala fixa, uma imagem toda cinza apareceria preta.
    assert drawn.get_clim() == (-1, 1)
    return ax, drawn.get_array().filled(np.nan)


def test_image_grid_puts_every_image_and_its_caption_in_place(images):
    viz.image_grid(images, n_cols=5, title="doze", captions=[f"n{i}" for i in range(12)])
    ax, canvas = mosaic(plt.gcf())
    height, width = 28 + 10, 28 + 2
    for i, value in enumerate(torch.linspace(-1, 1, 12).tolist()):
        row, column = divmod(i, 5)
        cell = canvas[row * height : row * height + 28, column * width : column * width + 28]
        np.testing.assert_allclose(cell, value, atol=1e-6)
        (caption,) = (text for text in ax.texts if text.get_text() == f"n{i}")
        x, y = caption.get_position()
        assert x == column * width + 13.5
        assert row * height - 10 < y < row * height
    assert np.isnan(canvas).sum() == canvas.size - 12 * 28 * 28
    assert plt.gcf().get_suptitle() == "doze"


def test_image_grid_does_not_flip_images():
    image = torch.full((1, 1, 28, 28), -1.0)
    image[..., 0, 1] = 1.0
    viz.image_grid(image)
    ax, canvas = mosaic(plt.gcf())
    assert canvas[0, 1] == 1
    assert ax.yaxis_inverted()


def test_strips_has_one_labelled_row_per_entry(images):
    viz.strips({"original": images[:4], "reconstrução": images[4:8]}, captions=["a", "b", "c", "d"])
    ax, canvas = mosaic(plt.gcf())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "reconstrução"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c", "d"]
    for i, x in enumerate(ax.get_xticks()):
        for j, y in enumerate(ax.get_yticks()):
            assert canvas[round(y), round(x)] == pytest.approx(images[4 * j + i].mean().item())


def test_latent_traversal_moves_one_coordinate_at_a_time():
    seen = []

    def decode(z):
        seen.append(z.clone())
        return torch.zeros(len(z), 1, 28, 28)

    viz.latent_traversal(decode, torch.tensor([0.5, -0.5, 1.0]), [0, 2], span=2.0, n=5)
    first, second = seen
    torch.testing.assert_close(first[:, 0], torch.linspace(-2, 2, 5))
    assert (first[:, 1] == -0.5).all()
    assert (first[:, 2] == 1.0).all()
    torch.testing.assert_close(second[:, 2], torch.linspace(-2, 2, 5))
    assert (second[:, 0] == 0.5).all()


def test_histories_draws_the_named_terms():
    history = History([{"loss": 3.0, "kl": 1.0}, {"loss": 2.0, "kl": 1.5}], [1.0, 1.0])
    viz.histories({"VAE": history, "AE": history}, terms=["loss"], names={"loss": "perda"})
    lines = plt.gca().get_lines()
    assert [line.get_label() for line in lines] == ["VAE", "AE"]
    np.testing.assert_allclose(lines[0].get_ydata(), [3.0, 2.0])
    viz.histories(history, names={"loss": "perda"})
    assert [line.get_label() for line in plt.gca().get_lines()] == ["perda", "kl"]


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


def test_remaining_kinds_draw_and_save(tmp_path):
    x = torch.linspace(0, 1, 5)
    viz.curves({"a": (x, x), "b": (x, x**2)}, title="t", xlabel="x", ylabel="y", logy=False, hline=(0.5, "meio"))
    viz.bars({"1": 0.5, "2": 1.25}, ylabel="nats", hline=(1.0, "piso"))
    assert [text.get_text() for text in plt.gca().texts] == ["0,5", "1,25"]
    viz.histogram({"a": torch.randn(50)}, xlabel="x", density={"p": (x, x)})
    viz.scatter({"a": torch.randn(9, 2), "b": torch.randn(9, 2)})
    viz.scatter_panels({"passo 1": {"a": torch.randn(9, 2)}, "passo 2": {"a": torch.randn(9, 2)}}, title="t")
    assert [ax.get_title() for ax in plt.gcf().axes] == ["passo 1", "passo 2"]
    viz.flow_diagram([("x", 784), ("z", 64)], notes=["ReLU"])
    viz.save(tmp_path / "figura.png")
    assert (tmp_path / "figura.png").read_bytes().startswith(b"\x89PNG")


def test_shortcuts_go_over_the_blocks_between():
    viz.flow_diagram([("a", 9), ("b", 99), ("c", 9), ("d", 9)], shortcuts=[(0, 3), (1, 2)])
    ax = plt.gcf().axes[0]
    outer, inner = (line.get_xydata() for line in ax.lines)
    assert (outer[0, 0], outer[-1, 0]) == (0, pytest.approx(3 * 1.6))
    assert outer[-1, 1] > inner[-1, 1] > max(box.get_bbox().y1 for box in ax.patches)
    assert outer[-1, 1] < ax.get_ylim()[1]


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
        (lambda x: viz.image_grid(x.flatten(1)), r"\(B, 1, 28, 28\)"),
        (lambda x: viz.image_grid(x, captions=["só uma"]), "uma por imagem"),
        (lambda x: viz.strips({}), "nenhuma fileira"),
        (lambda x: viz.strips({"a": x[:2], "b": x[:3]}), "tamanhos diferentes"),
        (lambda x: viz.latent_traversal(lambda z: z, torch.zeros(2, 2), [0]), "latent_dim"),
        (lambda x: viz.latent_traversal(lambda z: z, torch.zeros(2), [2]), "não existe"),
        (lambda x: viz.scatter_panels({}), "nenhum quadro"),
        (lambda x: viz.arrow_panels({}), "nenhum quadro"),
        (lambda x: viz.labelled_points({}), "nenhum ponto"),
        (lambda x: viz.ball_panels({}, labels=("a", "b")), "nenhum quadro"),
        (
            lambda x: viz.ball_panels({"a": (torch.zeros(4, 2), torch.zeros(3), torch.zeros(1, 2))}, labels=("a", "b")),
            r"\(4, 2\), \(3,\), \(1, 2\)",
        ),
        (lambda x: viz.arrow_panels({"a": (torch.zeros(4, 2), torch.zeros(3, 2))}), r"\(N, 2\) nas duas"),
        (lambda x: viz.embedding(torch.zeros(4, 3), torch.zeros(4)), r"\(N, 2\)"),
        (lambda x: viz.embedding(torch.zeros(4, 2), torch.zeros(3)), r"\(4,\)"),
    ],
)
def test_bad_input_is_refused_in_portuguese(images, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(images)


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


def test_bad_lattices_and_densities():
    with pytest.raises(ValueError, match="nenhum quadro"):
        viz.lattice_panels({})
    with pytest.raises(ValueError, match=r"panels\['a'\]: veio forma \(4, 2\); esperava \(H, W, 2\)"):
        viz.lattice_panels({"a": (torch.zeros(4, 2), torch.zeros(1, 2))})
    with pytest.raises(ValueError, match="nenhum quadro"):
        viz.density_panels({}, half=1.0)
    with pytest.raises(ValueError, match=r"panels\['a'\]: veio forma \(4,\); esperava \(n, n\)"):
        viz.density_panels({"a": torch.zeros(4)}, half=1.0)


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
