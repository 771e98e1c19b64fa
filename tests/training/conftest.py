"""Um treinamento pequeno, o mundo em volta quieto, e um disco que se pode encher."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest
from small_training import digits, one_thread, quiet

__all__ = ["digits", "files_limited_to", "one_thread", "quiet"]


@pytest.fixture
def files_limited_to():
    """Bloco em que toda escrita além de ``size`` bytes falha com OSError: um disco cheio, sem ser administrador."""

    @contextmanager
    def limit(size: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
