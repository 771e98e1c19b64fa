"""O que não se testou se diz no fim, com o comando que muda isso."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from built_book import ROOT
from untested import describe

BOX = "Skipped: não achei o bwrap, que isola o código dos estudantes; instale o pacote bubblewrap"
BROWSER = "Skipped: não achei um Chromium nem um Chrome que abra; instale"


def test_what_is_missing_is_told_with_one_command() -> None:
    said = describe([BOX] * 203 + [BROWSER]).splitlines()
    assert said[2:4] == ["  o corretor de turmas: 203 testes a menos", "  as páginas num navegador: 1 teste a menos"]
    assert said[-1].endswith("  sudo apt-get install bubblewrap chromium && make testes")


def test_a_reason_without_remedy_is_counted_too() -> None:
    said = describe(["não há GPU nesta máquina", "o administrador lê tudo"])
    assert "o treino numa GPU: 1 teste a menos" in said
    assert "noutro sistema" in said
    assert "make testes" not in said


def test_nothing_is_said_when_nothing_was_skipped() -> None:
    assert describe([]) == ""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_they_are_the_last_lines(tmp_path: Path, workers: str) -> None:
    code = f"import pytest\n\ndef test_x():\n    pytest.skip({BOX[9:]!r})\n"
    (tmp_path / "test_x.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "untested", "-n", workers, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.splitlines()[-1] == "Para testar também isto:  sudo apt-get install bubblewrap && make testes"


PROGRAMS = {
    "id": "echo ${QUEM:-1000}",
    "sudo": "exit ${SUDO:-1}",
    "apt-get": 'echo "$@" >> "$REGISTRO"; case "$*" in *bubblewrap*) exit ${FALHA:-0} ;; esac',
    "env": 'while [ "${1#*=}" != "$1" ]; do shift; done; exec "$@"',
}


@pytest.mark.parametrize(
    ("variables", "present", "expected"),
    [
        ({"QUEM": "0"}, [], ["bubblewrap", "chromium", "firefox-esr"]),
        ({"QUEM": "0"}, ["bwrap", "firefox"], ["chromium"]),
        ({"QUEM": "0"}, ["bwrap", "google-chrome", "firefox-esr"], []),
        ({"QUEM": "0", "FALHA": "1"}, [], ["bubblewrap", "chromium", "firefox-esr"]),
        ({}, [], []),
    ],
)
def test_packages_are_installed_where_there_is_right(
    tmp_path: Path, variables: dict[str, str], present: list[str], expected: list[str]
) -> None:
    for name, body in {**PROGRAMS, **dict.fromkeys(present, "exit 0")}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "registro"
    log.touch()
    environ = {"PATH": str(tmp_path), "REGISTRO": str(log), **variables}
    script = ROOT / "tools" / "system_packages.sh"
    done = subprocess.run(["/bin/sh", str(script)], env=environ, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0
    assert [line.split()[-1] for line in log.read_text().splitlines() if line.startswith("install")] == expected
    assert ("Não consegui instalar o pacote bubblewrap" in done.stdout) is ("FALHA" in variables)
