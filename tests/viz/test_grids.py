"""Grades e fileiras de imagens."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib import viz


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


def test_a_grid_of_bfloat16_is_a_grid_and_one_of_nothing_is_refused(images):
    viz.image_grid(images.bfloat16()).canvas.draw()
    viz.image_grid(images, n_cols=np.int64(3)).canvas.draw()
    viz.strips({"a": images[:2].bfloat16(), "b": torch.full((2, 1, 28, 28), float("nan"))}).canvas.draw()
    with pytest.raises(ValueError, match="images: não veio nada"):
        viz.image_grid(images[:0])
    with pytest.raises(ValueError, match=r"rows\['a'\]: não veio nada"):
        viz.strips({"a": images[:0]})
    with pytest.raises(ValueError, match="n_cols: veio 0"):
        viz.image_grid(images, n_cols=0)


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


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda x: viz.image_grid(x.flatten(1)), r"\(B, 1, 28, 28\)"),
        (lambda x: viz.image_grid(x, captions=["só uma"]), "captions: veio 1; esperava 12 legendas, uma por imagem"),
        (lambda x: viz.strips({}), "rows: não veio nada"),
        (lambda x: viz.strips({"a": x[:2], "b": x[:3]}), "tamanhos diferentes"),
        (lambda x: viz.strips({"a": x[:2]}, captions=["só uma"]), "captions: veio 1; esperava 2 .* uma por coluna"),
        (lambda x: viz.strips({"a": x[:2], "b": x[0]}), r"rows\['b'\]: .*esperava \(B, 1, 28, 28\)"),
        (lambda x: viz.latent_traversal(lambda z: z, torch.zeros(2, 2), [0]), r"z: .*esperava \(latent_dim,\)"),
        (
            lambda x: viz.latent_traversal(lambda z: z, torch.zeros(2), [2]),
            "dims: veio 2; esperava um inteiro de 0 a 1",
        ),
    ],
)
def test_bad_input_is_refused_in_portuguese(images, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(images)
