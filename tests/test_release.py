"""O que acompanha uma versão: o número num lugar só, o registro de mudanças, a citação e o assunto dos commits."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_subject import LONGEST, subject_fault

import course_lib
from book.address import read_address

ROOT = Path(course_lib.__file__).parents[1]
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
# O esquema do formato pede estes quatro (https://citation-file-format.github.io).
REQUIRED = {"cff-version", "message", "title", "authors"}


def citation_faults(citation: dict[str, Any]) -> list[str]:
    """O que falta ou discorda numa citação."""
    faults = [f"falta {name}" for name in sorted(REQUIRED - set(citation))]
    expected = {
        "cff-version": "1.2.0",
        "version": course_lib.__version__,
        "repository-code": course_lib.REPOSITORY,
        "url": read_address(ROOT).site,
        "license": ["MIT", "CC-BY-4.0"],
    }
    faults += [f"{name}: {citation.get(name)!r}" for name, value in expected.items() if citation.get(name) != value]
    # Uma pessoa tem sobrenome; uma equipe, só nome.
    authors = citation.get("authors", [])
    return faults + [f"autor {author}" for author in authors if not {"name", "family-names"} & set(author)]


def read_citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_citation_is_valid_and_of_this_version() -> None:
    assert citation_faults(read_citation()) == []


@pytest.mark.parametrize(
    "change", [{"version": "0.0.1"}, {"repository-code": "https://exemplo.org"}, {"authors": [{"email": "a@b.c"}]}]
)
def test_wrong_citation_is_caught(change: dict[str, Any]) -> None:
    assert citation_faults(read_citation() | change)
    assert citation_faults({name: value for name, value in read_citation().items() if name != "message"})


def test_version_is_written_once_and_read_without_importing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "course_lib.__version__"}
    # O setuptools só lê sem importar se o valor é um texto escrito ali.
    source = (ROOT / "course_lib" / "__init__.py").read_text(encoding="utf-8")
    assert re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE) == [course_lib.__version__]


def test_a_marked_version_opens_and_installs_itself() -> None:
    """A marca de uma versão diz aos cadernos que abram e instalem essa mesma marca."""
    found = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    versions = [tag for tag in found.stdout.split() if tag == f"v{course_lib.__version__}"]
    assert all(tag == course_lib.REVISION for tag in versions)


def test_changes_tell_of_this_version_first() -> None:
    versions = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", CHANGES, re.MULTILINE)
    assert versions[:2] == ["A publicar", course_lib.__version__]
    assert len(versions) == len(re.findall(r"^## ", CHANGES, re.MULTILINE))


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("ç" * LONGEST, False),
        ("ç" * (LONGEST + 1), True),
        ("Curto\n\n" + "x" * 200, False),
        ("x" * 200 + "\n\nCorpo", True),
    ],
)
def test_subject_is_measured_in_characters(message: str, wrong: bool) -> None:
    assert bool(subject_fault(message)) is wrong


@pytest.mark.parametrize(("subject", "status"), [("Curto", 0), ("x" * 90, 1)])
def test_commit_hook_refuses_in_portuguese(tmp_path: Path, subject: str, status: int) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    hook = next(hook for hook in hooks if hook.get("stages") == ["commit-msg"])
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text(subject, encoding="utf-8")
    command = [sys.executable, *hook["entry"].split()[1:], str(message)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == status
    assert ("o assunto tem 90 caracteres" in done.stderr) is bool(status)
