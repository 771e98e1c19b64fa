"""As receitas das famílias: cada uma treina, repete, retoma e recusa o que não conhece."""

from __future__ import annotations

import pytest
import torch

from course_lib import runtime
from course_lib.data import split_domains
from course_lib.training import recipes
from course_lib.training.checkpoint import CheckpointError

FAMILIES = ["autoencoder", "vae", "gan"]


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
    real = recipes.fit
    monkeypatch.setattr(
        recipes, "fit", lambda step, batches, **options: seen.append(batches) or real(step, batches, **options)
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


@pytest.mark.parametrize("name", [name for name in recipes.RECIPES if name != "cyclegan"])
def test_every_other_family_keeps_the_batches_of_its_data(name, digits):
    ours = recipes.RECIPES[name].batches(digits, 50, seed=3)
    for found, expected in zip(ours, digits.batches(50, seed=3), strict=True):
        assert torch.equal(found.x, expected.x)
        assert torch.equal(found.labels, expected.labels)


@pytest.mark.parametrize("name", [*FAMILIES, "cyclegan", "cyclegan_photos"])
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
    small = recipes.Scale(1, 40)
    monkeypatch.setitem(recipes.RECIPES, "vae", recipes.Recipe(**{**vars(recipe), "scales": {"rapido": small}}))
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
        real = recipes.fit
        patch.setattr(
            recipes,
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
