"""Um processo de verdade morto ou interrompido no meio, e o mesmo comando de novo: os mesmos pesos, bit a bit."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import training_program

from course_lib.text import number

PROGRAM = Path(training_program.__file__)


def start(folder: Path, *mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(PROGRAM), folder / "treino.pt", folder / "saida.pt", *mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


# Onde cada processo para (veja training_program): sempre com duas épocas gravadas.
KILLED = {"no meio da época 3": ("passo", "15"), "gravando a época 3": ("gravação", "3")}
CTRL_C = ("passo", "15")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Todos os processos, começados juntos, porque importar o PyTorch é quase todo o tempo de cada um."""
    modes = {"inteiro": (), "Ctrl-C": CTRL_C} | KILLED
    started = {}
    for name, mode in modes.items():
        folder = tmp_path_factory.mktemp("treino")
        started[name] = (start(folder, *mode), folder)
    yield started
    for process, _ in started.values():
        process.kill()
        process.communicate()


def send(sent: signal.Signals, process: subprocess.Popen[str], folder: Path) -> tuple[int, str]:
    """Espera o programa parar, envia o sinal e devolve o código de saída e o que ele disse."""
    stopped = folder / "saida.pt.parado"
    while not stopped.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(sent)
    output, errors = process.communicate(timeout=600)
    assert stopped.exists(), errors
    return process.returncode, output


def same(found, expected) -> bool:
    """Igualdade bit a bit, em qualquer profundidade."""
    if isinstance(expected, torch.Tensor):
        return torch.equal(found, expected)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    return found == expected


@pytest.fixture(scope="module")
def uninterrupted(processes):
    """O treinamento inteiro, noutro processo: o que deixou, e o que escreveu num log."""
    process, folder = processes["inteiro"]
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return torch.load(folder / "saida.pt"), output, errors


def test_another_process_and_this_one_agree(uninterrupted, tmp_path):
    expected = uninterrupted[0]
    assert len(expected["epochs"]) == training_program.EPOCHS
    assert same(training_program.run(None), expected)
    assert same(training_program.run(tmp_path / "treino.pt"), expected)


@pytest.mark.parametrize("name", KILLED)
def test_kill_9_and_the_same_command_again(uninterrupted, processes, name):
    process, folder = processes[name]
    code, _ = send(signal.SIGKILL, process, folder)
    assert code == -signal.SIGKILL
    checkpoint = folder / "treino.pt"
    assert len(torch.load(checkpoint)["history"]["epochs"]) == 2
    assert same(training_program.run(checkpoint), uninterrupted[0])


def test_ctrl_c_keeps_what_was_learnt_and_can_be_resumed(uninterrupted, processes):
    expected = uninterrupted[0]
    process, folder = processes["Ctrl-C"]
    code, output = send(signal.SIGINT, process, folder)
    assert code == 0
    assert "Interrompido na época 3 de 4" in output
    assert str(folder / "treino.pt") in output
    kept = torch.load(folder / "saida.pt")
    assert kept["interrupted"] is True
    assert same(kept["epochs"], expected["epochs"][:2])
    # Os pesos são os do 15º passo: nem os do checkpoint (12º), nem os do fim.
    saved = torch.load(folder / "treino.pt")["parts"]["step.model"]
    assert not same(kept["weights"], saved)
    assert not same(kept["weights"], expected["weights"])
    assert all(int(moments["step"]) == 15 for moments in kept["moments"].values())
    assert same(training_program.run(folder / "treino.pt"), expected)


def test_the_progress_bar_in_a_log_is_short_and_in_portuguese(uninterrupted):
    _, output, errors = uninterrupted
    assert output == ""
    lines = [line for line in re.split(r"[\r\n]+", errors) if line.strip()]
    assert 1 <= len(lines) <= 4
    last = lines[-1]
    assert last.startswith("treino: 100%")
    assert "24/24" in last
    assert "passo" in last
    assert f"época 4, loss={number(training_program.run(None)['epochs'][-1]['loss'], '.4g')}" in last
    assert not re.search(r"\b(it/s|epoch|step|loss per|training)\b", last)
    assert "█" not in errors
