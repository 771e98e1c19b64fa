"""O mesmo laço na GPU; pulado onde não há uma."""

from __future__ import annotations

import pytest
import torch

from course_lib import recipes, runtime
from course_lib.training import EMA, fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="não há GPU nesta máquina")


@pytest.fixture(autouse=True)
def gpu(quiet, monkeypatch):
    monkeypatch.setenv("CURSO_DISPOSITIVO", "cuda")


@pytest.mark.parametrize("name", ["autoencoder", "vae", "gan"])
def test_recipe_trains_and_samples_on_the_gpu(name, digits):
    trained = recipes.train(name, profile="rapido", dataset=digits, progress=False)
    for network in recipes.networks(trained.step).values():
        assert all(value.device.type == "cuda" for value in network.state_dict().values())
    images = trained.recipe.sampler(trained.step).sample(4)
    assert images.device.type == "cuda"
    assert images.isfinite().all()


@pytest.mark.parametrize("name", ["autoencoder", "vae", "gan"])
def test_checkpoint_of_the_gpu_is_read_back(name, digits, tmp_path):
    first = recipes.train(name, profile="rapido", dataset=digits, checkpoint=tmp_path / "t.pt", progress=False)
    again = recipes.train(name, profile="rapido", dataset=digits, checkpoint=tmp_path / "t.pt", progress=False)
    assert again.history.epochs == first.history.epochs
    for key, network in recipes.networks(first.step).items():
        for name_, value in network.state_dict().items():
            assert torch.equal(value, recipes.networks(again.step)[key].state_dict()[name_])


def test_batches_have_the_same_order_as_on_the_cpu(digits):
    on_cpu = torch.cat([batch.labels for batch in digits.batches(50, seed=3)])
    on_gpu = torch.cat([batch.labels for batch in digits.to("cuda").batches(50, seed=3)])
    assert torch.equal(on_cpu, on_gpu.cpu())


def test_the_generator_of_the_gpu_is_left_alone(digits):
    trained = recipes.train("vae", profile="rapido", dataset=digits, progress=False)
    before = torch.cuda.get_rng_state()
    ema = EMA(trained.step.model)
    trained.step.scheduler = None
    fit(trained.step, trained.dataset.batches(50), epochs=1, callbacks=[ema], progress=False)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert next(ema.model.parameters()).device.type == runtime.device().type == "cuda"
