"""Pesos gravados com cartão: a volta é exata, e um arquivo estragado nunca vira lixo silencioso."""

import json
import shutil

import pytest
import torch

from course_lib.data import load_embedded_digits
from course_lib.training.recipes import RECIPES, networks, train
from course_lib.weights import WeightsError, load_trained, save_trained


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pesos")
    dataset = load_embedded_digits("train").take(200)
    trained = {name: train(name, profile="rapido", dataset=dataset, progress=False) for name in RECIPES}
    for one in trained.values():
        save_trained(folder, one, profile="rapido", seed=0)
    return folder, trained


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "pesos")


@pytest.mark.parametrize("name", RECIPES)
def test_round_trip_is_exact(saved, name):
    folder, trained = saved
    step, card = load_trained(folder, name)
    for part, network in networks(step).items():
        for key, tensor in networks(trained[name].step)[part].state_dict().items():
            assert torch.equal(network.state_dict()[key].cpu(), tensor.cpu()), f"{part}.{key}"
        assert not network.training
    assert card["historico"] == trained[name].history.to_dict()
    assert card["dados"] == {"nome": "dígitos embutidos (treino)", "imagens": 200}
    samples = RECIPES[name].sampler(step).sample(5)
    assert samples.shape == (5, 1, 28, 28)
    assert samples.abs().max() <= 1


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match="course_lib treinar vae"):
        load_trained(tmp_path, "vae")


def test_truncated_file_is_found_by_its_hash(folder):
    path = folder / "vae.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="truncado ou trocado"):
        load_trained(folder, "vae")


def test_one_changed_byte_is_found_by_its_hash(folder):
    path = folder / "gan.safetensors"
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    with pytest.raises(WeightsError, match="não confere"):
        load_trained(folder, "gan")


def test_another_architecture_is_named(folder):
    for suffix in (".safetensors", ".json"):
        shutil.copy(folder / f"autoencoder{suffix}", folder / f"vae{suffix}")
    with pytest.raises(WeightsError, match="outra arquitetura"):
        load_trained(folder, "vae")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": 3}'])
def test_garbage_card_is_refused(folder, text):
    (folder / "vae.json").write_text(text)
    with pytest.raises(WeightsError):
        load_trained(folder, "vae")


def test_card_holds_what_the_course_promises(saved):
    card = json.loads((saved[0] / "vae.json").read_text())
    assert card["parametros"] == {"model": 652_824}
    assert set(card["versoes"]) == {"course_lib", "torch", "python"}
    assert card["semente"] == 0
    assert card["perfil"] == "rapido"
    assert card["segundos"] > 0


def test_full_disk_keeps_the_old_weights(folder, saved, monkeypatch):
    before = (folder / "vae.safetensors").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("course_lib.training.checkpoint.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_trained(folder, saved[1]["vae"], profile="rapido", seed=0)
    assert (folder / "vae.safetensors").read_bytes() == before
    assert not list(folder.glob(".*tmp"))
