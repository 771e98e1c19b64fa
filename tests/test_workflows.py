"""Os arquivos da integração contínua chamam o que existe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from built_book import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
PATHS = re.compile(r"(?<![\w/.-])(?:\./)?((?:tests|tools|\.ci|\.github)/[\w./-]*\w)")


def faults(text: str) -> list[str]:
    """O que um arquivo chama e não existe."""
    missing = [path for path in PATHS.findall(text) if not (ROOT / path).exists()]
    return missing + [target for target in re.findall(r"\bmake ([a-z]+)", text) if target not in TARGETS]


def jobs(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_is_called_exists_and_ends(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []
    for name, job in jobs(path).items():
        # O que instala ou executa tem um prazo: um preso gastaria seis horas.
        heavy = any("setup-python" in step.get("uses", "") for step in job.get("steps", []))
        assert not heavy or "timeout-minutes" in job, name


def test_what_does_not_exist_is_seen() -> None:
    assert faults("run: make conferir && python tools/nada.py tests/models") == ["tools/nada.py", "conferir"]
