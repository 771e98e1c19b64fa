"""Pesos gravados com cartão: a volta é exata, e um arquivo estragado nunca vira lixo silencioso."""

import copy
import hashlib
import json
import shutil
from dataclasses import FrozenInstanceError, replace

import pytest
import safetensors.torch
import torch

from course_lib import recipes, runtime
from course_lib.data import ImageDataset, load_embedded_digits, load_mnist
from course_lib.recipes import RECIPES, networks, train
from course_lib.weights import (
    SHIPPED,
    Card,
    WeightsError,
    fast_forward,
    load_judge,
    load_shipped,
    load_trained,
    measure,
    save_trained,
)

# As que treinam com dígitos.
FAMILIES = [name for name, recipe in RECIPES.items() if recipe.data is ImageDataset]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pesos")
    dataset = load_embedded_digits("train").take(200)
    trained = {name: train(name, profile="rapido", dataset=dataset, progress=False) for name in FAMILIES}
    for one in trained.values():
        save_trained(folder, one, profile="rapido", seed=0, metrics={"medida": 1.5})
    return folder, trained


@pytest.fixture
def started(saved, monkeypatch):
    """Um treino salvo como se viesse com o curso, e o começo dele: a primeira de duas épocas."""
    monkeypatch.setattr("course_lib.weights.shipped.SHIPPED", saved[0])
    monkeypatch.setattr(runtime, "profile", lambda: "rapido")
    whole = saved[1]["gan"]
    first = train("gan", profile="rapido", dataset=whole.dataset, epochs=1, progress=False)
    return first, whole


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "pesos")


@pytest.mark.parametrize("name", FAMILIES)
def test_round_trip_is_exact(saved, name):
    """Gravar arredonda o próprio treinado a float16: daí em diante, arquivo e memória são iguais bit a bit."""
    folder, trained = saved
    step, card = load_trained(folder, name)
    for part, network in networks(step).items():
        for key, tensor in networks(trained[name].step)[part].state_dict().items():
            assert torch.equal(network.state_dict()[key].cpu(), tensor.cpu()), f"{part}.{key}"
        assert not network.training
    assert card.history == trained[name].history
    assert card.pretraining == trained[name].pretraining
    assert card.dataset.name == "dígitos embutidos (treino)"
    assert card.dataset.images == 200
    assert card.metrics == {"medida": 1.5}
    if RECIPES[name].sampler is not None:
        samples = RECIPES[name].sampler(step).sample(5)
        assert samples.shape == (5, 1, 28, 28)
        assert samples.abs().max() <= 1


@pytest.mark.parametrize(("where", "layout"), [("cpu", torch.channels_last), ("meta", torch.contiguous_format)])
def test_convolutions_are_loaded_in_the_layout_that_is_fast_here(monkeypatch, saved, where, layout):
    monkeypatch.setenv("CURSO_DISPOSITIVO", where)
    weights = [w for w in load_trained(saved[0], "diffusion")[0].model.parameters() if w.ndim == 4 and min(w.shape) > 1]
    assert weights
    spatial = [w for w in weights if w.shape[2:] != (1, 1)]  # num filtro 1×1 as duas ordens são uma só
    assert all(w.is_contiguous(memory_format=layout) for w in spatial)


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


def edit_card(folder, name, **changes):
    """Troca campos do cartão gravado; ``...`` apaga o campo."""
    path = folder / f"{name}.json"
    state = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in state.items() if value is not ...}), encoding="utf-8")


def test_the_card_of_another_model_is_named(folder):
    for suffix in (".safetensors", ".json"):
        shutil.copy(folder / f"autoencoder{suffix}", folder / f"vae{suffix}")
    with pytest.raises(WeightsError, match=r"é o cartão de 'autoencoder'; esperava o de 'vae'"):
        load_trained(folder, "vae")


def test_another_architecture_is_named(folder):
    path = shutil.copy(folder / "autoencoder.safetensors", folder / "vae.safetensors")
    edit_card(folder, "vae", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(WeightsError, match=r"outra arquitetura\. model\.\S+: veio"):
        load_trained(folder, "vae")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": 3}', '"cartão"', "3", b"\xff"])
def test_garbage_card_is_refused(folder, text):
    (folder / "vae.json").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(WeightsError, match="o cartão está estragado"):
        load_trained(folder, "vae")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": 3}, "sha256 é int"),
        ({"seconds": "muitos"}, "seconds é str"),
        ({"history": []}, "history é list"),
        ({"pretraining": [3]}, r"pretraining\[0\] é int"),
        ({"dataset": {"name": "MNIST"}}, "falta images, shape, sha256 em dataset"),
        ({"metrics": {"acerto": None}}, r"metrics\['acerto'\] é NoneType"),
        ({"config": ...}, r"falta config em vae\.json"),
        ({"config": {"training": {}}}, "falta networks em config"),
        ({"config": {"networks": {"model": 3}, "training": {}}}, r"networks\['model'\] é int"),
    ],
)
def test_a_damaged_field_is_named(folder, changes, message):
    edit_card(folder, "vae", **changes)
    with pytest.raises(WeightsError, match=message):
        load_trained(folder, "vae")


def test_card_holds_what_the_course_promises(saved):
    card = Card.read(saved[0] / "vae.json")
    assert card.parameters == {"model": 652_824}
    assert set(card.versions) == {"course_lib", "torch", "python"}
    assert card.seed == 0
    assert card.profile == "rapido"
    assert card.seconds > 0
    assert card.dataset.shape == [1, 28, 28]
    assert card.config.networks["model"] == {"latent_dim": 20, "hidden_dims": [400], "n_classes": None}
    assert card.config.training["batch_size"] == RECIPES["vae"].batch_size
    assert card.config.training["epochs"] == RECIPES["vae"].scales["rapido"].epochs
    assert card.config.training["lr"] == RECIPES["vae"].config.training["lr"]
    assert Card.read(saved[0] / "dcgan.json").config.training["average"] == RECIPES["dcgan"].average
    with pytest.raises(FrozenInstanceError):
        card.seed = 1


def test_the_keys_of_the_card_are_its_fields(saved):
    text = (saved[0] / "stacked.json").read_text(encoding="utf-8")
    assert json.loads(text).keys() == Card.__dataclass_fields__.keys()
    assert Card.read(saved[0] / "stacked.json").to_json() == text


# --- a configuração --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "part", "argument", "value", "message"),
    [
        ("diffusion", "model", "prediction", "eps", r"model\.prediction: veio 'v', esperava 'eps'"),
        ("diffusion", "model", "schedule", "linear", r"model\.schedule: veio 'cosine', esperava 'linear'"),
        ("autoencoder", "model", "relu_code", False, r"model\.relu_code: veio True, esperava False"),
    ],
)
def test_weights_of_another_configuration_are_refused(monkeypatch, name, part, argument, value, message):
    """Redes das mesmas formas, em que os pesos do curso caberiam e quereriam dizer outra coisa."""
    recipe = RECIPES[name]
    arguments = {**recipe.config.networks, part: {**recipe.config.networks[part], argument: value}}
    other = replace(recipe, config=replace(recipe.config, networks=arguments))
    shapes = [{k: v.shape for k, v in one.build(1).model.state_dict().items()} for one in (recipe, other)]
    assert shapes[0] == shapes[1]
    monkeypatch.setitem(recipes.RECIPES, name, other)
    with pytest.raises(WeightsError, match=message):
        load_shipped(name)


@pytest.mark.parametrize(
    ("networks_in_card", "message"),
    [
        ({"model": {"latent_dim": 20, "hidden_dims": [400]}}, r"model\.n_classes: veio nada, esperava None"),
        (
            {"model": {"latent_dim": 20, "hidden_dims": [400], "n_classes": None, "beta": 4}},
            r"model\.beta: veio 4, esp",
        ),
        ({}, r"model\.latent_dim: veio nada, esperava 20"),
    ],
)
def test_a_configuration_with_more_or_less_is_refused(folder, networks_in_card, message):
    edit_card(folder, "vae", config={"networks": networks_in_card, "training": {}})
    with pytest.raises(WeightsError, match=message):
        load_trained(folder, "vae")


def test_how_it_was_trained_does_not_matter_to_who_reads(folder):
    card = Card.read(folder / "vae.json")
    edit_card(folder, "vae", config={"networks": card.config.networks, "training": {"lr": 1.0}})
    assert load_trained(folder, "vae")[1].config.training == {"lr": 1.0}


@pytest.mark.parametrize("name", ["vaee", "", None])
def test_unknown_model_lists_the_known_ones(name, tmp_path):
    for read in (lambda: load_shipped(name), lambda: load_trained(tmp_path, name), lambda: measure(name, None, None)):
        with pytest.raises(ValueError, match=r"modelo desconhecido: .*autoencoder, .*judge"):
            read()


# --- o disco ---------------------------------------------------------------------------------------------------------


def test_full_disk_keeps_the_old_weights(folder, saved, monkeypatch):
    before = (folder / "vae.safetensors").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("course_lib.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_trained(folder, saved[1]["vae"], profile="rapido", seed=0)
    assert (folder / "vae.safetensors").read_bytes() == before
    assert not list(folder.glob(".*tmp"))


@pytest.mark.parametrize("card", [{"format": 99}, {"format": 1}, {"formato": 1, "sha256": "abc"}])
def test_another_format_is_refused(folder, card):
    (folder / "vae.json").write_text(json.dumps(card), encoding="utf-8")
    version = next(iter(card.values()))
    with pytest.raises(WeightsError, match=f"o formato é {version} .*treine de novo"):
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


def test_a_training_started_live_ends_as_its_card(started, capsys):
    first, whole = started
    assert len(first.history) < len(whole.history)
    before = {name: network.state_dict() for name, network in networks(first.step).items()}
    assert not torch.equal(before["gen"]["net.0.weight"], networks(whole.step)["gen"].state_dict()["net.0.weight"])
    history = fast_forward("gan", first.step, first.history, whole.dataset)
    assert history == whole.history
    for name, network in networks(whole.step).items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(networks(first.step)[name].state_dict()[key], tensor)
    assert capsys.readouterr().out.startswith("✔ épocas ao vivo: 1 de 2, que repetem o cartão (diferença de até 0,0 %)")


def test_another_training_is_told_apart(started, capsys):
    first, whole = started
    first.history.epochs[0]["gen_loss"] *= 1.2
    fast_forward("gan", first.step, first.history, whole.dataset)
    assert capsys.readouterr().out.startswith("⚠ épocas ao vivo: 1 de 2, que não repetem o cartão (diferença de até 20")
    del first.history.epochs[0]["gen_loss"]
    with pytest.raises(ValueError, match="registra disc_loss, gen_loss"):
        fast_forward("gan", first.step, first.history, whole.dataset)


def test_with_other_data_or_in_another_profile_nothing_is_skipped(started, monkeypatch, capsys):
    first, whole = started
    weights = copy.deepcopy(first.step.gen.state_dict())
    assert fast_forward("gan", first.step, first.history, whole.dataset.take(100)) is first.history
    assert fast_forward("gan", whole.step, whole.history, whole.dataset) is whole.history
    monkeypatch.setattr(runtime, "profile", lambda: "completo")
    assert fast_forward("gan", first.step, first.history, whole.dataset) is first.history
    assert all(torch.equal(weights[key], value) for key, value in first.step.gen.state_dict().items())
    assert capsys.readouterr().out == ""


def test_a_network_that_is_not_kept_is_none(saved):
    step, card = load_trained(saved[0], "dcgan")
    assert step.disc is None
    assert step.gen is not None
    assert card.parameters["disc"] > 0


ALL_SHIPPED = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def test_every_shipped_file_has_its_recipe_and_its_card():
    assert set(ALL_SHIPPED) <= set(RECIPES)
    assert all((SHIPPED / f"{name}.json").is_file() for name in ALL_SHIPPED)
    total = sum(path.stat().st_size for path in SHIPPED.glob("*.safetensors"))
    assert total <= 25e6, f"os pesos do curso somam {total / 1e6:.1f} MB"


@pytest.mark.parametrize("name", ALL_SHIPPED)
def test_shipped_weights_load_and_their_card_is_whole(name):
    step, card = load_shipped(name)
    assert card.model == name
    assert card.dataset.name == "MNIST (treino)"
    assert card.dataset.images == 60_000
    assert not card.history.interrupted
    assert len(card.history) == card.config.training["epochs"] == RECIPES[name].scales[card.profile].epochs
    assert card.metrics
    assert all(not network.training for network in networks(step).values())


@pytest.mark.mnist
@pytest.mark.parametrize("name", ALL_SHIPPED)
def test_card_figures_come_out_again(name, mnist_root):
    step, card = load_shipped(name)
    found = measure(name, step, load_mnist("test", root=mnist_root))
    # As medidas de minutos, feitas uma vez no fim do treino, estão no cartão e não se refazem aqui.
    assert found
    assert found.keys() <= card.metrics.keys()
    for label, value in found.items():
        assert value == pytest.approx(card.metrics[label], rel=0.02), label


@pytest.mark.mnist
def test_judge_reads_mnist(mnist_root):
    test = load_mnist("test", root=mnist_root)
    judge = load_judge(test)
    accuracy = (judge.labels(test.images) == test.labels).float().mean().item()
    assert accuracy >= 0.992


def test_model_without_shipped_weights_says_how_to_train(tmp_path, monkeypatch):
    monkeypatch.setattr("course_lib.weights.shipped.SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match="course_lib treinar judge"):
        load_judge(load_embedded_digits("test"))


def test_the_card_says_whether_the_model_takes_labels_and_how_many_images_it_saw():
    assert load_shipped("diffusion")[1].labelled
    for name in ("dcgan", "vae", "autoencoder", "flows"):  # a DCGAN e o VAE têm o argumento, sem classes
        assert not load_shipped(name)[1].labelled
    assert load_shipped("dcgan")[1].images_seen == 8 * 60_000
    assert load_shipped("stacked")[1].images_seen == (40 + 4 * 3) * 60_000  # as quatro camadas antes, três épocas cada
