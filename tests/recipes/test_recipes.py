"""As receitas das famílias: cada uma treina, repete, retoma e recusa o que não conhece."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import asdict, replace

import pytest
import torch

from course_lib import recipes, runtime
from course_lib.data import ImageDataset, PhotoDomains, split_domains
from course_lib.recipes import engine
from course_lib.training.checkpoint import CheckpointError

FAMILIES = ["autoencoder", "vae", "gan"]
WITH_DIGITS = [name for name, recipe in recipes.RECIPES.items() if recipe.data is ImageDataset]


def state(trained) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in recipes.networks(trained.step).items()
        for key, value in network.state_dict().items()
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def quick(name: str, dataset, **options):
    return recipes.train(name, **{"profile": "rapido", "dataset": dataset, "progress": False, **options})


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_trains_and_samples(name, digits):
    before = torch.get_rng_state()
    trained = quick(name, digits)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(trained.history) == trained.recipe.scales["rapido"].epochs
    assert trained.recipe.name == name
    assert trained.dataset.name == digits.name
    assert trained.recipe.sampler(trained.step).sample(3).shape == (3, 1, 28, 28)
    assert same(state(trained), state(quick(name, digits)))
    other = quick(name, digits, seed=1)
    assert not same(state(trained), state(other))
    assert trained.history.epochs != other.history.epochs


def test_cyclegan_trains_on_the_two_halves(digits, monkeypatch):
    seen = []
    real = engine.fit
    monkeypatch.setattr(
        engine, "fit", lambda step, batches, **options: seen.append(batches) or real(step, batches, **options)
    )
    trained = quick("cyclegan", digits)
    assert same(state(trained), state(quick("cyclegan", digits)))
    assert trained.recipe.sampler is None
    assert trained.dataset.name == digits.name
    domains = split_domains(trained.dataset)
    assert len(seen) == 2
    for batches in seen:
        assert torch.equal(batches.x, domains.x.images)
        assert torch.equal(batches.y, domains.y.images)
    schedule = trained.step.gen_scheduler
    assert schedule.last_epoch == schedule.total_steps == trained.step.disc_scheduler.last_epoch


@pytest.mark.parametrize("name", [name for name in WITH_DIGITS if name != "cyclegan"])
def test_every_other_family_keeps_the_batches_of_its_data(name, digits):
    ours = recipes.RECIPES[name].batches(digits, 50, seed=3)
    for found, expected in zip(ours, digits.batches(50, seed=3), strict=True):
        assert torch.equal(found.x, expected.x)
        assert torch.equal(found.labels, expected.labels)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_profile_has_a_scale(name):
    scales = recipes.get_recipe(name).scales
    assert set(scales) == set(runtime.PROFILES)
    assert scales["rapido"].epochs <= scales["padrao"].epochs <= scales["completo"].epochs


def test_autoencoder_ends_with_its_gaussian_fitted(digits):
    model = quick("autoencoder", digits).step.model
    torch.testing.assert_close(model.code_mean, model.encode(digits.images).mean(0))
    assert model.code_mean.abs().max() > 0.1


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_the_schedule_ends_with_the_training(name, digits):
    scheduler = quick(name, digits).step.scheduler
    assert scheduler.last_epoch == scheduler.total_steps


def test_the_profile_limits_the_images(digits, monkeypatch):
    recipe = recipes.get_recipe("vae")
    small = replace(recipe, scales={"rapido": recipes.Scale(1, 40)})
    monkeypatch.setitem(recipes.RECIPES, "vae", small)
    assert len(quick("vae", digits).dataset) == 40


def test_the_profile_comes_from_the_environment(digits, monkeypatch):
    monkeypatch.setenv("CURSO_PERFIL", "rapido")
    trained = recipes.train("vae", dataset=digits, progress=False)
    assert len(trained.history) == trained.recipe.scales["rapido"].epochs


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("at", [1, 3])
def test_interrupted_recipe_resumes_bit_identical(name, digits, tmp_path, monkeypatch, at):
    expected = quick(name, digits)
    path = tmp_path / "treino.pt"

    class Stop(Exception):
        pass

    class StopsAt:
        left = at

        def on_step(self):
            self.left -= 1
            if self.left == 0:
                raise Stop

    with monkeypatch.context() as patch:
        real = engine.fit
        patch.setattr(
            engine,
            "fit",
            lambda *args, callbacks=(), **options: real(*args, callbacks=[*callbacks, StopsAt()], **options),
        )
        with pytest.raises(Stop):
            quick(name, digits, checkpoint=path)
    assert path.exists() == (at == 3)
    resumed = quick(name, digits, checkpoint=path)
    assert same(state(resumed), state(expected))
    assert resumed.history.epochs == expected.history.epochs
    finished = quick(name, digits, checkpoint=path)
    assert same(state(finished), state(expected))


@pytest.mark.parametrize("name", ["autoencoder", "vae"])
def test_a_checkpoint_of_another_profile_is_refused(name, digits, tmp_path):
    quick(name, digits, checkpoint=tmp_path / "t.pt")
    with pytest.raises(CheckpointError, match=r"passos ao todo; este treinamento tem"):
        quick(name, digits, profile="padrao", checkpoint=tmp_path / "t.pt")


def test_a_checkpoint_of_another_family_is_refused(digits, tmp_path):
    quick("vae", digits, checkpoint=tmp_path / "t.pt")
    with pytest.raises(CheckpointError, match=r"t\.pt"):
        quick("autoencoder", digits, checkpoint=tmp_path / "t.pt")
    with pytest.raises(CheckpointError, match=r"t\.pt: guarda"):
        quick("gan", digits, checkpoint=tmp_path / "t.pt")


@pytest.mark.parametrize("name", ["vaee", "", "VAE", None])
def test_unknown_model(name):
    with pytest.raises(ValueError, match=r"modelo desconhecido: .*autoencoder, .*vae, .*gan"):
        recipes.train(name)
    with pytest.raises(ValueError, match=r"modelo desconhecido: .*autoencoder, .*vae, .*gan"):
        recipes.get_recipe(name)


def test_unknown_profile(digits, monkeypatch):
    with pytest.raises(ValueError, match="perfil desconhecido: 'turbo'"):
        recipes.train("vae", profile="turbo", dataset=digits)
    monkeypatch.setenv("CURSO_PERFIL", "turbo")
    with pytest.raises(ValueError, match="perfil desconhecido: 'turbo'"):
        recipes.train("vae", dataset=digits)


@pytest.mark.parametrize(("name", "total_steps"), [("autoencoder", 2), ("diffusion", 10), ("flows", 10)])
def test_a_schedule_whose_rise_is_one_step_long_still_works(name, total_steps):
    """Com poucas imagens a subida da taxa pode ter um passo só, e o PyTorch dividiria por zero."""
    step = recipes.get_recipe(name).build(total_steps)
    for _ in range(total_steps - 1):
        step.optimizer.step()
        step.scheduler.step()
    assert all(0 < group["lr"] < 1e-3 for group in step.optimizer.param_groups)


def test_photos_need_two_folders_and_digits_are_not_photos(digits):
    with pytest.raises(ValueError, match="cyclegan_photos: veio nada; esperava PhotoDomains"):
        recipes.train("cyclegan_photos", profile="rapido", progress=False)
    with pytest.raises(ValueError, match="cyclegan_photos: veio ImageDataset; esperava PhotoDomains"):
        quick("cyclegan_photos", digits)
    photos = PhotoDomains((), (), 16, "fotos", digest="")
    with pytest.raises(ValueError, match="vae: veio PhotoDomains; esperava ImageDataset"):
        quick("vae", photos)


def test_the_files_of_the_layers_are_named_by_who_made_them(digits, tmp_path):
    path = tmp_path / "treino.ckpt"
    trained = quick("stacked", digits, checkpoint=path)
    assert sorted(trained.checkpoints) == sorted(tmp_path.iterdir())
    assert len(trained.checkpoints) == 1 + len(trained.pretraining) == 5
    assert quick("vae", digits).checkpoints == []


# --- a configuração --------------------------------------------------------------------------------------------------


def built_network(step, path):
    """A rede de nome ``path`` no passo: ``"model.network"`` é a que vai dentro de ``"model"``."""
    for name in path.split("."):
        step = getattr(step, name)
    return step


def ignored_arguments(recipe):
    """Os argumentos da configuração que a rede construída diz serem outros."""
    step = recipe.build(10)
    return [
        f"{path}.{name}"
        for path, arguments in recipe.config.networks.items()
        for name, value in arguments.items()
        if getattr(built_network(step, path), name, value) != value
    ]


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_the_networks_are_built_with_the_configuration(name):
    recipe = recipes.get_recipe(name)
    assert ignored_arguments(recipe) == []
    own = {path.partition(".")[0] for path in recipe.config.networks}
    assert own == set(engine.networks(recipe.build(10)))


def test_a_recipe_that_ignores_its_configuration_is_caught():
    recipe = recipes.get_recipe("diffusion")
    other = recipes.Config({**recipe.config.networks, "model": {"steps": 50, "prediction": "eps"}}, {})
    planted = replace(recipe, config=other, make=lambda config, total_steps: recipe.build(total_steps))
    assert ignored_arguments(planted) == ["model.steps", "model.prediction"]


# Quem não se constrói por ``__init__``: o fluxo tem um construtor para imagens.
BY_INIT = [name for name in recipes.RECIPES if name != "flows"]


def named_arguments(cls, build):
    """O que se passou pelo nome a cada ``cls(…)`` que ``build`` construiu."""
    seen, real = [], cls.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "__init__", lambda self, *a, **k: seen.append(k) or real(self, *a, **k))
        build()
    return seen


@pytest.mark.parametrize("name", BY_INIT)
def test_the_configuration_names_every_argument(name):
    """Um padrão que a classe mude não pode mudar, em silêncio, o que a receita quer dizer."""
    recipe = recipes.get_recipe(name)
    step = recipe.build(10)
    for path, arguments in recipe.config.networks.items():
        cls = type(built_network(step, path))
        assert set(arguments) == set(inspect.signature(cls).parameters) - {"network"}, path
        assert dict(arguments) in named_arguments(cls, lambda: recipe.build(10)), path


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_the_configuration_fits_in_a_card(name):
    config = recipes.get_recipe(name).config
    assert json.loads(json.dumps(asdict(config)))["training"]
    assert {"lr", "gen_lr"} & set(config.training)


def test_another_configuration_builds_another_network():
    recipe = recipes.get_recipe("autoencoder")
    small = {"model": {**recipe.config.networks["model"], "latent_dim": 7}}
    step = replace(recipe, config=replace(recipe.config, networks=small)).build(10)
    assert step.model.latent_dim == 7


# --- onde mora uma família -------------------------------------------------------------------------------------------


def test_each_family_is_the_file_of_its_name_in_the_order_of_the_chapters():
    assert all(sys.modules[f"course_lib.recipes.{name}"].RECIPE is recipe for name, recipe in recipes.RECIPES.items())
    chapters = [recipe.chapter for recipe in recipes.RECIPES.values()]
    assert chapters == sorted(chapters)
    assert len({recipe.title for recipe in recipes.RECIPES.values()}) == len(recipes.RECIPES)


TOY = """
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.recipes.engine import Config, Recipe, Scale, adam
from course_lib.training import ObjectiveStep


def make(config, total_steps):
    model = Autoencoder(**config.networks["model"])
    return ObjectiveStep(model, reconstruction_objective, adam(model, config.training["lr"], (0.9, 0.999)))


RECIPE = Recipe(
    name="brinquedo", title="Brinquedo", chapter=1, make=make, batch_size=32,
    config=Config({"model": {"latent_dim": 2, "hidden_dims": (), "relu_code": False}}, {"lr": 1e-3}),
    scales={"rapido": Scale(1, 64), "padrao": Scale(1), "completo": Scale(1)},
    sampler=lambda step: step.model,
)
"""


def test_a_new_family_is_one_new_file(tmp_path, monkeypatch, digits):
    before = set(recipes.RECIPES)
    (tmp_path / "brinquedo.py").write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path)])
    found = recipes.Recipes()
    assert set(found) - before == {"brinquedo"}
    del sys.modules["course_lib.recipes.brinquedo"]
    monkeypatch.setattr(recipes, "RECIPES", found)
    trained = quick("brinquedo", digits)
    assert trained.recipe.sampler(trained.step).sample(2).shape == (2, 1, 28, 28)
