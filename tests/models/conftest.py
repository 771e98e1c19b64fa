"""Lotes pequenos de dígitos embutidos, e float64 onde a conta é conferida."""

from __future__ import annotations

import pytest
import torch
from small_training import one_thread

from course_lib.data import Batch, load_embedded_digits

__all__ = ["one_thread"]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits():
    return load_embedded_digits("train")


@pytest.fixture
def batch(digits) -> Batch:
    """16 dígitos em float32."""
    return Batch(digits.images[:16].clone(), digits.labels[:16])


@pytest.fixture
def batch64(batch) -> Batch:
    """Os mesmos 16 dígitos em float64."""
    return Batch(batch.x.double(), batch.labels)
