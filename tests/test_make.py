"""O que o Makefile faz das variáveis com caminhos: espaços, acentos, ~ e $."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHOW = 'mostra:\n\t@printf "%s|%s" "$$CURSO_DADOS" "$$CURSO_CACHE"\n'

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="não há make nesta máquina")


def seen(*arguments: str, folder: Path = ROOT, **variables: str) -> list[str]:
    """``CURSO_DADOS`` e ``CURSO_CACHE`` como uma receita os vê."""
    outside = {name: value for name, value in os.environ.items() if name not in ("CURSO_DADOS", "CURSO_CACHE")}
    command = ["make", "-s", "-f", str(ROOT / "Makefile"), "-f", "-", "mostra", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=outside | variables, input=SHOW, capture_output=True, text=True, check=True
    )
    return result.stdout.split("|")


def test_spaces_accents_and_dollars_arrive_whole():
    data, cache = "/mnt/c/Users/João Silva/Meus  Dados", "/var/tmp/cache do curso/a$b%c"
    assert seen(CURSO_DADOS=data, CURSO_CACHE=cache) == [data, cache]


@pytest.mark.parametrize("home", ["/home/ana", "/home/João Só"])
def test_a_quoted_tilde_is_the_persons_folder(home):
    assert seen(HOME=home, CURSO_DADOS="~/meu mnist", CURSO_CACHE="~") == [f"{home}/meu mnist", home]
    # No meio do caminho um ~ é uma letra como outra.
    assert seen(HOME=home, CURSO_DADOS="/dados/a~/b")[0] == "/dados/a~/b"


def test_relative_folders_become_absolute(tmp_path):
    folder = tmp_path / "minha cópia"
    folder.mkdir()
    expected = [str(folder / "meus dados"), str(tmp_path / "cache")]
    assert seen(folder=folder, CURSO_DADOS="meus dados", CURSO_CACHE="../cache") == expected


def test_a_variable_given_to_make_itself_counts_too():
    assert seen("CURSO_DADOS=meus dados", CURSO_DADOS="outros") == [str(ROOT / "meus dados"), ""]


def test_nothing_is_invented():
    assert seen() == ["", ""]
    assert seen(CURSO_DADOS="", CURSO_CACHE="") == ["", ""]
