"""O que os comandos têm em comum: o português do analisador, os erros numa linha e o Ctrl-C de quem espera."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from tqdm import tqdm

from course_lib import console

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def parser():
    parser = console.Parser(prog="teste")
    parser.add_argument("nome", choices=("a", "b"))
    parser.add_argument("--n", type=console.positive_integer)
    parser.add_argument("--semente", type=console.whole_number)
    parser.add_argument("--inteiro", type=int)
    parser.add_argument("--taxa", type=float)
    parser.add_argument("--pasta", metavar="tcp://…")
    parser.add_argument("--par", nargs=2)
    parser.add_argument("--varios", nargs="+")
    parser.add_argument("--perto-x")
    parser.add_argument("--perto-y")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--sim", action="store_true")
    one.add_argument("--nao", action="store_true")
    return parser


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "faltou informar: nome"),
        (["c"], "nome: veio 'c'; as opções são"),
        (["a", "z", "--w"], "argumentos que não conheço: z --w"),
        (["a", "--n", "0"], "--n: veio '0'; esperava um inteiro maior que zero"),
        (["a", "--semente=-1"], "--semente: veio '-1'; esperava um inteiro maior ou igual a zero"),
        (["a", "--inteiro", "1.5"], "--inteiro: veio '1.5'; esperava um inteiro"),
        (["a", "--taxa", "x: y"], "--taxa: veio 'x: y'; esperava um número"),
        (["a", "--pasta"], "--pasta: esperava um valor"),
        (["a", "--par", "1"], "--par: esperava 2 valores"),
        (["a", "--varios"], "--varios: esperava pelo menos um valor"),
        (["a", "--perto", "1"], "opção ambígua: --perto pode ser --perto-x, --perto-y"),
        (["a", "--sim", "--nao"], "--nao: não se usa junto com --sim"),
        (["a", "--sim=1"], "--sim: esta opção não leva valor: '1'"),
    ],
)
def test_every_mistake_is_told_in_portuguese(parser, arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(arguments)
    assert stop.value.code == 2
    usage, *_, last = capsys.readouterr().err.splitlines()
    assert usage.startswith("uso: teste ")
    assert last.startswith(f"teste: erro: {message}")


def test_one_of_a_group_is_asked_in_portuguese(capsys):
    parser = console.Parser()
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--sim", action="store_true")
    group.add_argument("--nao", action="store_true")
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert "erro: faltou informar um destes: --sim --nao" in capsys.readouterr().err


def test_the_help_of_a_command_and_of_its_subcommands_is_in_portuguese():
    parser = console.Parser(prog="teste", description="Testa.")
    sub = parser.add_subparsers(metavar="comando").add_parser("rodar", help="roda")
    sub.add_argument("pasta")
    assert sub.prog == "teste rodar"
    for text in (parser.format_help(), sub.format_help()):
        assert text.startswith("uso: teste ")
        assert "argumentos:" in text
        assert "opções:" in text
        assert "mostra esta ajuda e sai" in text


def test_argparse_itself_still_speaks_english():
    """Num processo novo, que importa os comandos e depois faz um analisador comum."""
    program = (
        "import argparse, gettext\nimport course_lib.cli, course_grader.command\n"
        "assert argparse._ is gettext.gettext\nassert argparse.HelpFormatter.add_usage.__module__ == 'argparse'\n"
        "p = argparse.ArgumentParser(prog='deles')\np.add_argument('name')\np.parse_args([])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr.splitlines() == [
        "usage: deles [-h] name",
        "deles: error: the following arguments are required: name",
    ]


class Expected(RuntimeError):
    pass


def stumbling(error: BaseException):
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("veio 3"), "erro: veio 3"),
        (Expected("sem caixa"), "erro: sem caixa"),
        (OSError("sem rede"), "erro: sem rede"),
        (FileNotFoundError(errno.ENOENT, "nada", "x.txt"), "erro: não consegui ler ou gravar x.txt (nada)"),
        (OSError(errno.ENOSPC, "full", "x.txt"), "erro: acabou o espaço em disco; libere algum"),
        (OSError(errno.EDQUOT, "full"), "erro: acabou o espaço em disco; libere algum"),
    ],
    ids=repr,
)
def test_an_expected_error_is_one_line(error, message, capsys):
    assert console.run(stumbling(error), Expected) == 1
    told = capsys.readouterr().err
    assert told.startswith(message)
    assert told.count("\n") == 1


def test_what_nobody_expected_is_not_hidden():
    with pytest.raises(Expected):
        console.run(stumbling(Expected()))
    assert console.run(lambda: 7) == 7


def test_an_interruption_has_its_own_code(capsys):
    assert console.run(stumbling(KeyboardInterrupt())) == 130
    assert "Interrompido" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["course_lib.console", "course_lib.__main__", "course_grader.__main__"])
def test_what_guards_the_imports_loads_nothing_heavy(module):
    heavy = "{'torch', 'numpy', 'matplotlib', 'tqdm'}"
    program = f"import sys\nimport {module}\nraise SystemExit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_ctrl_c_during_the_imports_just_ends():
    program = (
        "import time\nfrom course_lib import console\n"
        "with console.loading():\n    print(1, flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert error == ""


def test_after_the_imports_ctrl_c_is_an_exception_and_no_letter_is_an_error():
    program = (
        "import os, signal\nfrom course_lib import console\nwith console.loading():\n    pass\n"
        "def command():\n    print('ação')\n    os.kill(os.getpid(), signal.SIGINT)\n    return 0\n"
        "raise SystemExit(console.run(command))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert result.returncode == 130
    assert result.stdout == "a??o\n"
    assert "Traceback" not in result.stderr


def test_a_stream_that_is_not_a_terminal_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    console.tolerate_any_terminal()
    print("ação…")
    assert sys.stdout.getvalue() == "ação…\n"


@pytest.mark.parametrize("package", ["course_lib", "course_grader"])
def test_both_commands_carry_this_care(package):
    result = subprocess.run(
        [sys.executable, "-m", package, "--help"],
        capture_output=True,
        encoding="ascii",
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert result.returncode == 0
    assert result.stdout.startswith(f"uso: python -m {package} ")


def test_the_installed_commands_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"].keys() == {"curso", "curso-corrigir"}
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_only_the_console_makes_parsers():
    """Quem cria o seu próprio analisador fala inglês com quem erra."""
    for folder in ("course_lib", "course_grader", "tools", "benchmarks", "book"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != Path(console.__file__):
                assert "ArgumentParser(" not in path.read_text(encoding="utf-8"), path
    assert issubclass(console.Parser, argparse.ArgumentParser)


def test_a_command_leaves_no_semaphore_of_its_bars(monkeypatch):
    """O trinco do tqdm é do sistema, e quem acaba de repente o deixa para trás."""
    monkeypatch.setattr(tqdm, "_lock", None, raising=False)
    assert console.run(lambda: 0) == 0
    assert isinstance(tqdm.get_lock(), type(threading.RLock()))
