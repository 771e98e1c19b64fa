"""Nenhuma figura sobra de um teste para outro."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
import torch


@pytest.fixture(autouse=True)
def fresh_figures():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def images():
    return torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 28, 28)
