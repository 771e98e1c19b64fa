"""A linha de comando, como uma pessoa a usa."""

import json
import subprocess
import sys

import numpy as np
import pytest

from course_lib import __main__ as cli
from course_lib import metrics
from course_lib.data import load_embedded_digits
from course_lib.weights import load_trained


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    """Cache vazio, perfil rápido e os dígitos embutidos, sem tocar na rede."""
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CURSO_PERFIL", "rapido")
    for module in ("training.recipes", "__main__"):
        monkeypatch.setattr(f"course_lib.{module}.load_mnist", lambda split: load_embedded_digits(split).take(256))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["autoencoder", "vae", "gan"])
def test_train_then_sample(name, tmp_path, capsys):
    assert cli.main(["treinar", name, "--saida", "pesos"]) == 0
    assert (tmp_path / "pesos" / f"{name}.safetensors").exists()
    assert not list((tmp_path / "pesos").glob("*.ckpt"))
    assert cli.main(["amostrar", name, "--n", "5", "--pesos", "pesos", "--saida", "a.npz"]) == 0
    x = np.load("a.npz")["x"]
    assert x.shape == (5, 1, 28, 28)
    assert x.dtype == np.float32
    assert np.abs(x).max() <= 1
    assert x.std() > 0
    assert "dígitos embutidos" in capsys.readouterr().out


def test_sampling_without_training_uses_the_weights_of_the_course_and_is_reproducible(capsys):
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "a.npz", "--semente", "4"]) == 0
    assert "treinado em MNIST (treino)" in capsys.readouterr().out
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "b.npz", "--semente", "4"]) == 0
    np.testing.assert_array_equal(np.load("a.npz")["x"], np.load("b.npz")["x"])
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "c.npz", "--semente", "5"]) == 0
    assert not np.array_equal(np.load("a.npz")["x"], np.load("c.npz")["x"])


def test_your_own_weights_come_before_those_of_the_course(capsys):
    assert cli.main(["treinar", "vae"]) == 0
    assert cli.main(["amostrar", "vae", "--n", "3"]) == 0
    assert "treinado em dígitos embutidos" in capsys.readouterr().out


def test_a_folder_without_weights_is_an_error_when_you_chose_it(tmp_path, capsys):
    assert cli.main(["amostrar", "vae", "--n", "3", "--pesos", str(tmp_path)]) == 1
    assert "não achei" in capsys.readouterr().err


def test_the_card_carries_what_was_measured(tmp_path):
    assert cli.main(["treinar", "autoencoder", "--saida", "pesos"]) == 0
    card = json.loads((tmp_path / "pesos" / "autoencoder.json").read_text(encoding="utf-8"))
    step, _ = load_trained(tmp_path / "pesos", "autoencoder")
    test = load_embedded_digits("test").take(256)
    expected = metrics.reconstruction_error(step.model, test.images)
    assert card["metricas"] == {"erro quadrático por imagem de teste": pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["treinar", "stylegam"], "veio 'stylegam'; as opções são"),
        (["treinar"], "faltou informar: NOME"),
        (["amostrar", "vae", "--n", "0"], "esperava um inteiro maior que zero"),
        (["amostrar", "vae", "--n", "-3"], "esperava"),
        (["amostrar", "vae", "--n", "dez"], "esperava um inteiro maior que zero"),
        (["treinar", "vae", "--perfil", "lento"], "rapido"),
        (["treinar", "vae", "--cor", "azul"], "argumentos que não conheço"),
        ([], "faltou informar: comando"),
    ],
)
def test_usage_errors_are_in_portuguese(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "usage" not in error
    assert "error:" not in error


def test_unknown_profile_in_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("CURSO_PERFIL", "lento")
    assert cli.main(["treinar", "vae"]) == 1
    assert "perfil desconhecido: 'lento'" in capsys.readouterr().err


def test_unwritable_output_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "arquivo").write_text("não sou pasta")
    assert cli.main(["treinar", "vae", "--saida", "arquivo/pesos"]) == 1
    error = capsys.readouterr().err
    assert "não consegui" in error
    assert "Traceback" not in error


def test_help_is_in_portuguese_and_needs_no_data():
    result = subprocess.run(
        [sys.executable, "-m", "course_lib", "amostrar", "--help"], capture_output=True, text=True, check=True
    )
    assert "uso:" in result.stdout
    assert "opções:" in result.stdout
    assert "show this help" not in result.stdout
