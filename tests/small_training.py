"""Um treinamento pequeno, e o mundo em volta quieto."""

from __future__ import annotations

import pytest
import torch

from course_lib import runtime
from course_lib.data import load_embedded_digits


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Redes pequenas: dividir cada conta entre núcleos custa mais que fazê-la, e muito mais com a máquina ocupada."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """CPU, perfil padrão e nenhum aviso dado ainda."""
    monkeypatch.setenv("CURSO_DISPOSITIVO", "cpu")
    monkeypatch.delenv("CURSO_PERFIL", raising=False)
    monkeypatch.setattr(runtime, "_noticed", set())


@pytest.fixture(scope="session")
def digits():
    """230 dígitos embutidos: com lotes de 50, o último tem 30."""
    return load_embedded_digits("train").take(230, seed=0)
