"""O que o Makefile faz das variáveis com caminhos (espaços, acentos, ~ e $), e que PyTorch ele instala."""

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


# --- a instalação ----------------------------------------------------------------------------------------------------

# No lugar do Python e do uv: criam um ambiente de mentira e anotam o que se lhes pediu.
FAKE_UV = """#!/bin/sh
echo "$@" >> "$REGISTRO"
if [ -n "$UV_CACHE_DIR" ]; then mkdir -p "$UV_CACHE_DIR" && echo "$UV_CACHE_DIR" >> "$REGISTRO-cache"; fi
case "$*" in *sem-rede*) exit 2 ;; esac
"""
FAKE_PYTHON = """#!/bin/sh
if [ "$2" = "import umap" ] && [ -e sem-umap ]; then exit 3; fi
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$(dirname "$0")/uv" "$3/bin/uv"; fi
"""


class Installation:
    """Um projeto com os arquivos que a instalação lê, e o que ela pediu ao uv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("requirements.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        for name, source in (("uv", FAKE_UV), ("python-falso", FAKE_PYTHON)):
            (folder / name).write_text(source)
            (folder / name).chmod(0o755)

    def make(self, *arguments: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        log = self.folder / "pedidos"
        log.write_text("")
        command = [
            "make",
            "-f",
            str(ROOT / "Makefile"),
            f"PYTHON={self.folder}/python-falso",
            *arguments,
            ".venv/.pronto",
        ]
        hidden = ("TORCH", "VENV", "MAKE", "UV_CACHE", "XDG_CACHE")
        outside = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment = outside | {"REGISTRO": str(log)} | variables
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        return result, log.read_text().splitlines()

    def outdate(self) -> None:
        """Como se o ``requirements.txt`` tivesse mudado; tocá-lo não basta, que o relógio do disco anda aos saltos."""
        os.utime(self.folder / ".venv" / ".pronto", (0, 0))

    @property
    def chosen(self) -> str:
        return (self.folder / ".venv" / ".pronto").read_text().strip()


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def test_the_registry_is_the_default_and_an_older_environment_is_of_it(installation):
    result, asked = installation.make()
    assert result.returncode == 0, result.stderr
    assert asked[0].endswith("/python -r requirements.txt")
    assert len(asked) == 2
    assert installation.chosen == "registro"
    # Um ambiente de antes de se poder escolher tem o arquivo vazio.
    (installation.folder / ".venv" / ".pronto").write_text("")
    assert installation.make()[1] == []


def test_cpu_takes_torch_from_its_index_and_the_rest_by_the_same_versions(installation):
    result, asked = installation.make("TORCH=cpu")
    assert result.returncode == 0, result.stderr
    torch, removed, rest, own = asked
    assert "--no-deps --default-index https://download.pytorch.org/whl/cpu torch==" in torch
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    assert {one for one in torch.split() if "==" in one} == {
        one for one in pins if one.startswith(("torch==", "torchvision="))
    }
    assert "nvidia-cublas" in removed
    assert "triton" in removed.split()
    assert {one for one in removed.split()[5:] if not one.startswith(("nvidia-", "cuda-", "triton"))} == set()
    assert rest.endswith("--constraints requirements.txt --all-extras -r pyproject.toml")
    assert own.endswith("--no-deps --editable .")
    assert installation.chosen == "cpu"


def test_the_choice_is_remembered_and_can_be_changed(installation):
    installation.make("TORCH=cpu")
    assert installation.make()[1] == []
    installation.outdate()
    _, asked = installation.make()
    assert "--default-index" in asked[0]
    assert "--reinstall" not in asked[0]
    _, asked = installation.make("TORCH=registro")
    assert "--reinstall-package torch --reinstall-package torchvision -r requirements.txt" in asked[0]
    assert installation.chosen == "registro"
    _, asked = installation.make("TORCH=cpu")
    assert "--reinstall-package torch " in asked[0]
    assert installation.chosen == "cpu"


def test_an_index_out_of_reach_is_said_and_the_environment_stays(installation):
    installation.make()
    result, asked = installation.make("TORCH=cpu", "TORCH_INDICE=https://sem-rede/whl")
    assert result.returncode != 0
    assert len(asked) == 1
    assert "Não consegui instalar o PyTorch de CPU a partir de https://sem-rede/whl" in result.stdout
    assert "make ALVO TORCH=registro" in result.stdout
    assert installation.chosen == "registro"
    assert installation.make()[1] == []


def test_without_a_home_to_write_in_the_downloads_stay_in_the_environment_and_go(installation, tmp_path):
    used = installation.folder / "pedidos-cache"
    installation.make(HOME=str(tmp_path / "casa"))
    assert not used.exists()
    installation.outdate()
    # Nem o administrador, que escreve em toda parte, cria uma pasta dentro de um arquivo.
    result, _ = installation.make(HOME="/dev/null/casa")
    assert result.returncode == 0, result.stderr
    assert used.read_text().split() == [".venv/.cache-do-uv"] * 2
    assert not (installation.folder / ".venv" / ".cache-do-uv").exists()


def test_an_installation_whose_umap_cannot_be_imported_is_not_ready(installation):
    (installation.folder / "sem-umap").touch()
    assert installation.make()[0].returncode != 0
    assert not (installation.folder / ".venv" / ".pronto").exists()


def test_an_unknown_torch_lists_the_known_ones(installation):
    result, asked = installation.make("TORCH=rocm")
    assert result.returncode != 0
    assert asked == []
    assert "TORCH=rocm: as opções são cpu (sem as bibliotecas da CUDA) e registro" in result.stderr
