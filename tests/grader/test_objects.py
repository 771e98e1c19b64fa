"""Redes, geradores, funções e lotes chegam do outro lado fazendo a mesma conta."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from test_wire import slices
from torch import nn
from torch.nn.utils import parametrize

from course_grader.inside.objects import InputDecoder, InputEncoder
from course_grader.inside.wire import Caps, Decoder, WireError
from course_lib.data import Batch
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.vae import VAE, kl_to_standard_normal
from course_lib.recipes import networks
from course_lib.weights import SHIPPED, load_shipped


def travel(value):
    encoder = InputEncoder()
    node = json.loads(json.dumps(encoder.encode(value), allow_nan=False))
    return InputDecoder(slices(encoder.blobs)).decode(node)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Autoencoder(latent_dim=3, hidden_dims=(8,)),
        lambda: VAE(latent_dim=3, hidden_dims=(8,)),
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LeakyReLU(0.2), nn.Flatten()),
    ],
    ids=["autoencoder", "vae", "torch"],
)
def test_a_network_computes_the_same(make):
    model = make().eval()
    twin = travel(model)
    assert type(twin) is type(model)
    assert twin.state_dict().keys() == model.state_dict().keys()
    x = 2 * torch.rand(2, 1, 28, 28) - 1
    call = (lambda net: net.encode(x)) if hasattr(model, "encode") else (lambda net: net(x))
    ours, theirs = call(model), call(twin)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)
    assert not twin.training
    assert all(p.requires_grad for p in twin.parameters())


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.safetensors")))
def test_every_family_of_the_course_keeps_its_weights(name):
    step, _ = load_shipped(name)
    for model in networks(step).values():
        if any(map(parametrize.is_parametrized, model.modules())):
            # A normalização espectral troca a classe da camada por outra que só existe deste lado: é recusada.
            with pytest.raises(WireError, match="não existe no processo do estudante"):
                travel(model)
            continue
        twin = travel(model)
        assert type(twin) is type(model)
        assert repr(twin) == repr(model)
        for (key, a), (other, b) in zip(model.state_dict().items(), twin.state_dict().items(), strict=True):
            assert key == other
            assert torch.equal(a, b)


def test_frozen_parameters_and_transient_buffers_stay_so():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    model.register_buffer("temporary", torch.ones(2), persistent=False)
    twin = travel(model)
    assert not twin.weight.requires_grad
    assert twin.bias.requires_grad
    assert "temporary" not in twin.state_dict()
    assert torch.equal(twin.temporary, torch.ones(2))


def test_the_twin_is_independent():
    model = nn.Linear(2, 2)
    before = model.weight.clone()
    travel(model).weight.data.zero_()
    assert torch.equal(model.weight, before)


def test_a_generator_draws_the_same():
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    twin = travel(generator)
    assert torch.equal(torch.rand(4, generator=twin), torch.rand(4, generator=generator))


@pytest.mark.parametrize(
    "function", [torch.exp, torch.nn.functional.relu, kl_to_standard_normal, nn.ReLU, partial(torch.add, alpha=2)]
)
def test_functions_of_the_libraries_travel_by_name(function):
    twin = travel(function)
    if isinstance(function, partial):
        assert twin(torch.ones(1), torch.ones(1)).item() == 3
    else:
        assert twin is function


def test_records_and_torch_values():
    batch = travel(Batch(torch.ones(1), torch.zeros(1)))
    assert isinstance(batch, Batch)
    assert torch.equal(batch.x, torch.ones(1))
    assert travel([torch.float32, torch.device("cpu"), torch.Size([2])]) == [
        torch.float32, torch.device("cpu"), torch.Size([2])
    ]  # fmt: skip


class Mine(nn.Module):
    pass


@pytest.mark.parametrize("value", [Mine(), lambda x: x, object(), {1: object()}], ids=range(4))
def test_what_the_child_would_not_have_is_explained_to_the_author(value):
    with pytest.raises(WireError, match=r"processo do estudante|não sei levar"):
        travel(value)


def test_an_answer_never_carries_an_object():
    encoder = InputEncoder()
    node = encoder.encode(nn.Linear(1, 1))
    with pytest.raises(WireError):
        Decoder(slices(encoder.blobs), Caps()).decode(node)
