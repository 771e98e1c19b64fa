"""Nenhuma figura sobra de um teste para outro, nem a lembrança de que dados estavam em uso."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
import torch

from course_lib.data import images as data_images


@pytest.fixture(autouse=True)
def no_data_in_use(monkeypatch):
    monkeypatch.setattr(data_images, "_last_loaded", {})


@pytest.fixture(autouse=True)
def fresh_figures():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def images():
    return torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 28, 28)
