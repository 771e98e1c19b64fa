"""Pesos gravados com cartão: a volta é exata, e um arquivo estragado nunca vira lixo silencioso."""

import copy
import itertools
import json
import shutil

import pytest
import safetensors.torch
import torch

from course_lib.data import load_embedded_digits, load_mnist
from course_lib.metrics import SampleReport
from course_lib.training import History
from course_lib.training.recipes import RECIPES, networks, train
from course_lib.weights import (
    DOCUMENT,
    FLOOR,
    SHIPPED,
    WeightsError,
    load_judge,
    load_sample_rows,
    load_shipped,
    load_trained,
    measure,
    save_trained,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pesos")
    dataset = load_embedded_digits("train").take(200)
    trained = {name: train(name, profile="rapido", dataset=dataset, progress=False) for name in RECIPES}
    for one in trained.values():
        save_trained(folder, one, profile="rapido", seed=0, metrics={"medida": 1.5})
    return folder, trained


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "pesos")


@pytest.mark.parametrize("name", RECIPES)
def test_round_trip_is_exact(saved, name):
    """Gravar arredonda o próprio treinado a float16: daí em diante, arquivo e memória são iguais bit a bit."""
    folder, trained = saved
    step, card = load_trained(folder, name)
    for part, network in networks(step).items():
        for key, tensor in networks(trained[name].step)[part].state_dict().items():
            assert torch.equal(network.state_dict()[key].cpu(), tensor.cpu()), f"{part}.{key}"
        assert not network.training
    assert card["historico"] == trained[name].history.to_dict()
    assert card["dados"]["nome"] == "dígitos embutidos (treino)"
    assert card["dados"]["imagens"] == 200
    assert card["metricas"] == {"medida": 1.5}
    if RECIPES[name].sampler is not None:
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


def test_another_format_is_refused(folder):
    path = folder / "vae.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**card, "formato": 99}), encoding="utf-8")
    with pytest.raises(WeightsError, match="o formato é 99"):
        load_trained(folder, "vae")


def test_stored_weights_are_half_precision_and_close(tmp_path):
    dataset = load_embedded_digits("train").take(100)
    trained = train("autoencoder", profile="rapido", dataset=dataset, progress=False)
    before = copy.deepcopy(trained.step.model.state_dict())
    path = save_trained(tmp_path, trained, profile="rapido", seed=0)
    stored = safetensors.torch.load_file(path)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    for key, tensor in trained.step.model.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, before[key], rtol=6e-4, atol=1e-6)
        assert torch.equal(tensor, stored[f"model.{key}"].float())


# --- os pesos que vêm com o curso ------------------------------------------------------------------------------------

ALL_SHIPPED = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def test_every_shipped_file_has_its_recipe_and_its_card():
    assert set(ALL_SHIPPED) <= set(RECIPES)
    assert all((SHIPPED / f"{name}.json").is_file() for name in ALL_SHIPPED)
    total = sum(path.stat().st_size for path in SHIPPED.glob("*.safetensors"))
    assert total <= 25e6, f"os pesos do curso somam {total / 1e6:.1f} MB"


@pytest.mark.parametrize("name", ALL_SHIPPED)
def test_shipped_weights_load_and_their_card_is_whole(name):
    step, card = load_shipped(name)
    assert card["modelo"] == name
    assert card["dados"]["nome"] == "MNIST (treino)"
    assert card["dados"]["imagens"] == 60_000
    assert not card["interrompido"]
    assert len(History.from_dict(card["historico"])) == RECIPES[name].scales[card["perfil"]].epochs
    assert card["metricas"]
    assert all(not network.training for network in networks(step).values())


@pytest.mark.mnist
@pytest.mark.parametrize("name", ALL_SHIPPED)
def test_card_figures_come_out_again(name, mnist_root):
    step, card = load_shipped(name)
    found = measure(name, step, load_mnist("test", root=mnist_root))
    # As medidas de minutos, feitas uma vez no fim do treino, estão no cartão e não se refazem aqui.
    assert found
    assert found.keys() <= card["metricas"].keys()
    for label, value in found.items():
        assert value == pytest.approx(card["metricas"][label], rel=0.02), label


@pytest.mark.mnist
def test_judge_reads_mnist(mnist_root):
    test = load_mnist("test", root=mnist_root)
    judge = load_judge(test)
    accuracy = (judge.labels(test.images) == test.labels).float().mean().item()
    assert accuracy >= 0.992


def test_the_pretraining_study_has_every_run():
    study = json.loads((SHIPPED / "pretraining.json").read_text(encoding="utf-8"))
    assert study["dados"] == {"treino": "MNIST (treino)", "imagens": 60_000, "teste": "MNIST (teste)"}
    runs = [(run["semente"], run["rotulos"], run["pre_treino"]) for run in study["treinamentos"]]
    assert sorted(runs) == sorted(itertools.product((0, 1, 2), (0, 1_000), (True, False)))


ROW = {
    "name": "gan", "n": 500, "network": "abc", "frechet": 30.0, "kid": 0.5, "kid_std": 0.1, "precision": 0.4,
    "recall": 0.2, "coverage": [0.1] * 10, "confidence": 0.9, "pesos": "f00", "semente": 0, "segundos": 2.5,
    "maquina": "aqui",
}  # fmt: skip


def test_the_samples_card_comes_back_sorted_by_distance(tmp_path):
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"linhas": [ROW, {**ROW, "name": FLOOR, "frechet": 0.2}]}), encoding="utf-8")
    floor, gan = load_sample_rows(path)
    assert (floor.report.name, gan.report.name) == (FLOOR, "gan")
    assert gan.report.coverage == (0.1,) * 10
    assert (gan.weights, gan.seed, gan.seconds, gan.machine) == ("f00", 0, 2.5, "aqui")
    assert "gan" in SampleReport.table([gan.report])


def test_bad_samples_card_says_how_to_make_it(tmp_path):
    with pytest.raises(WeightsError, match=r"benchmarks\.samples"):
        load_sample_rows(tmp_path / "samples.json")
    path = tmp_path / "samples.json"
    for text in ("{", "[]", '{"linhas": [{"name": "gan"}]}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WeightsError, match="estragado"):
            load_sample_rows(path)


def test_the_samples_card_is_of_the_weights_that_ship():
    rows = load_sample_rows()
    (judge,) = {row.report.network for row in rows}
    assert load_shipped("judge")[1]["sha256"].startswith(judge)
    assert len({row.report.n for row in rows}) == 1
    measured = {row.report.name: row.weights for row in rows if row.weights}
    shipped = {name: load_shipped(name)[1]["sha256"] for name in ALL_SHIPPED if RECIPES[name].sampler is not None}
    assert measured == shipped
    assert {FLOOR, DOCUMENT} <= {row.report.name for row in rows}


def test_the_cyclegan_study_has_every_run():
    study = json.loads((SHIPPED / "cyclegan_ablations.json").read_text(encoding="utf-8"))
    assert study["dados"] == {"treino": "MNIST (treino)", "teste": "MNIST (teste)"}
    # Quem leu o que está escrito em Y foi o gerador que vem com o curso: trocado ele, o estudo se refaz.
    assert study["leitor"] == load_shipped("cyclegan")[1]["sha256"]
    runs = [(run["semente"], run["variante"]) for run in study["treinamentos"]]
    parts = ("receita", "sem ciclo", "sem identidade", "sem reservatório", "só a adversária")
    assert sorted(runs) == sorted(itertools.product(study["configuracao"]["seeds"], parts))


def test_the_stylegan_study_has_every_run():
    study = json.loads((SHIPPED / "stylegan_ablations.json").read_text(encoding="utf-8"))
    assert study["dados"] == {"treino": "MNIST (treino)", "teste": "MNIST (teste)"}
    assert load_shipped("judge")[1]["sha256"].startswith(study["juiz"])
    runs = [(run["semente"], run["variante"]) for run in study["treinamentos"]]
    assert sorted(runs) == sorted(itertools.product((0, 1), ("receita (AdaIN)", "demodulação", "sem R1")))


def test_model_without_shipped_weights_says_how_to_train(tmp_path, monkeypatch):
    monkeypatch.setattr("course_lib.weights.shipped.SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match="course_lib treinar judge"):
        load_judge(load_embedded_digits("test"))
