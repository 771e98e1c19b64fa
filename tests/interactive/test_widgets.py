"""Controles para núcleos vivos: mexer num deles redesenha a figura."""

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch

from course_lib import interactive
from course_lib.interactive import widgets
from course_lib.models.vae import VAE


@pytest.fixture
def shown(monkeypatch):
    """O que foi mostrado, em vez de ir para a tela."""
    boxes = []
    monkeypatch.setattr(widgets, "display", boxes.append)
    yield boxes
    plt.close("all")


def picture(box):
    return next(child for child in box.children if isinstance(child, ipywidgets.Image))


def control(box, description):
    return next(child for child in box.children if getattr(child, "description", None) == description)


def assert_redraws(box, description, value):
    before = bytes(picture(box).value)
    assert before.startswith(b"\x89PNG")
    control(box, description).value = value
    after = bytes(picture(box).value)
    assert after.startswith(b"\x89PNG")
    assert after != before
    # A figura do controle vive na imagem dele; aberta, só fica a que a página mostra.
    assert len(plt.get_fignums()) == 1


def test_latent_walk_moves_one_coordinate(shown):
    torch.manual_seed(0)
    vae = VAE()
    interactive.latent_walk(vae.decode, vae.latent_dim)
    assert_redraws(shown[0], "Valor", 3.0)
    assert_redraws(shown[0], "Coordenada", 7)
    assert control(shown[0], "Coordenada").max == vae.latent_dim - 1
