"""A caixa isolada, aberta uma vez para os testes que precisam de uma; sem bubblewrap, eles são pulados."""

from __future__ import annotations

import pytest

from course_grader.assignment import load_assignment
from course_grader.bubblewrap import SandboxError, require_sandbox
from course_grader.sandbox import Confinement, Sandbox


@pytest.fixture(scope="session")
def needs_sandbox():
    """Pula onde não há como isolar."""
    try:
        require_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sandbox(needs_sandbox):
    """Uma caixa pronta."""
    with Sandbox(Confinement(), slot=9) as box:
        yield box


@pytest.fixture(scope="session")
def assignment():
    """O exercício 09 aplicado a uma turma."""
    return load_assignment("09_interpolacao", 7)
