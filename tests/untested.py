"""O que não se testou nesta máquina, e o comando que muda isso: as últimas linhas de ``make testes``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RESTRICTED = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


@dataclass(frozen=True)
class Need:
    """O que um teste pede da máquina.

    Attributes:
        skip: como começa a razão com que ele se pula.
        what: o que fica sem testar.
        command: o que o traz.
    """

    skip: re.Pattern[str]
    what: str
    command: str


SKIPPED = pytest.StashKey[list[str]]()
AGAIN = "make testes"
INSTALL = "sudo apt-get install"
PYTHON = ".venv/bin/pip install -r requirements.txt"
MNIST = "export CURSO_DADOS=/pasta/que/contém/MNIST"
NEEDS = (
    Need(re.compile("não achei o bwrap"), "o corretor de turmas", f"{INSTALL} bubblewrap"),
    Need(re.compile("o bwrap está instalado mas"), "o corretor de turmas", f"sudo sysctl -w {RESTRICTED.name}=0"),
    Need(re.compile("a caixa isolada só existe no Linux"), "o corretor de turmas", "no Linux, ou no WSL2"),
    Need(re.compile("não achei um Chromium"), "as páginas num navegador", f"{INSTALL} chromium"),
    Need(re.compile("não há um Firefox"), "as demonstrações no Firefox", f"{INSTALL} firefox-esr"),
    Need(re.compile("o playwright não está"), "as páginas num navegador", PYTHON),
    Need(re.compile("could not import"), "o que usa um pacote que falta", PYTHON),
    Need(re.compile("o MNIST verdadeiro"), "o que pede o MNIST verdadeiro", MNIST),
    Need(re.compile("não há GPU"), "o treino numa GPU", ""),
)


def describe(reasons: Iterable[str]) -> str:
    """As últimas linhas de uma rodada em que testes se pularam pelas razões dadas; nada, se nenhum se pulou."""
    clean = [reason.removeprefix("Skipped: ") for reason in reasons]
    found = Counter(next((need for need in NEEDS if need.skip.match(reason)), None) for reason in clean)
    if not found:
        return ""
    lines = ["", "Não se testou nesta máquina:"]
    packages, commands = [], []
    for need, count in found.items():
        what = need.what if need else "o que só existe noutro sistema, ou com outros direitos"
        lines.append(f"  {what}: {count} teste{'s' if count > 1 else ''} a menos")
        if need and need.command.startswith(INSTALL):
            packages.append(need.command.removeprefix(f"{INSTALL} "))
        elif need and need.command:
            commands.append(need.command.replace(RESTRICTED.name, f"kernel.{RESTRICTED.name}"))
    whole = [f"{INSTALL} {' '.join(sorted(packages))}"] if packages else []
    if whole or commands:
        lines.append(f"Para testar também isto:  {' && '.join([*whole, *commands, AGAIN])}")
    return "\n".join(lines)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Guarda por que testes se pularam."""
    skipped = terminalreporter.stats.get("skipped", [])
    config.stash[SKIPPED] = [str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Diz, depois de tudo, o que não se testou: 215 testes pulados no meio de um relatório ninguém vê."""
    if said := describe(config.stash.get(SKIPPED, [])):
        print(said)
