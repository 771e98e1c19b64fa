"""As redes da StyleGAN contra contas à mão, e o passo contra a sua escrita mais direta."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from course_lib.data import Batch
from course_lib.models.style_layers import SynthesisLayer, leaky_relu
from course_lib.models.stylegan import (
    MappingNetwork,
    StyleDiscriminator,
    StyleGANStep,
    StyleGenerator,
    SynthesisNetwork,
    r1_penalty,
)

CHANNELS = (8, 8, 6, 4)


def generator(**options) -> StyleGenerator:
    return StyleGenerator(z_dim=6, w_dim=5, channels=CHANNELS, **options)


def noisy(module: nn.Module) -> nn.Module:
    """Com o ruído ligado: a força começa em zero, e em zero ele não faz nada."""
    for layer in module.modules():
        if isinstance(layer, SynthesisLayer):
            nn.init.constant_(layer.noise_strength, 0.5)
    return module


# --- o gerador --------------------------------------------------------------------------------------------------------


def test_mapping_by_hand():
    mapping = MappingNetwork(3, 2, n_layers=1).double()
    z = torch.tensor([[1.0, -2.0, 2.0]], dtype=torch.float64)
    on_sphere = z / 3**0.5  # a média dos quadrados é 9 / 3
    layer = mapping.layers[0]
    expected = leaky_relu(on_sphere @ (layer.weight * 0.01 / 3**0.5).T + layer.bias * 0.01)
    torch.testing.assert_close(mapping(z), expected)


@pytest.mark.parametrize("demodulate", [False, True])
def test_images_of_the_course(demodulate):
    gen = generator(demodulate=demodulate)
    assert gen.n_styles == 8
    x = gen.sample(3)
    assert x.shape == (3, 1, 28, 28)
    assert x.abs().max() <= 1
    assert (x[0] - x[1]).abs().max() > 1e-3


def test_noise_does_nothing_at_first_and_changes_every_resolution_later():
    gen = generator()
    w = gen.mapping(torch.randn(2, 6))
    assert torch.equal(gen.synthesis(w), gen.synthesis(w))
    noisy(gen)
    noise = gen.synthesis.draw_noise(2)
    x = gen.synthesis(w, noise)
    assert torch.equal(x, gen.synthesis(w, noise))
    for k in range(gen.n_styles):
        other = list(noise)
        other[k] = torch.randn_like(noise[k])
        assert not torch.equal(gen.synthesis(w, other), x), f"o ruído da camada {k} não chega à imagem"


@pytest.mark.parametrize("demodulate", [False, True])
def test_each_layer_hears_its_own_style(demodulate):
    gen = generator(demodulate=demodulate)
    w = gen.mapping(torch.randn(1, 6)).unsqueeze(1).repeat(1, 8, 1)
    x = gen.synthesis(w)
    for k in range(8):
        other = w.clone()
        other[:, k] += 1
        assert not torch.equal(gen.synthesis(other), x), f"o estilo {k} não chega à imagem"


def test_mixing_takes_the_first_layers_from_one_and_the_rest_from_the_other():
    gen = generator()
    a, b = torch.zeros(2, 5), torch.ones(2, 5)
    assert gen.mix(a, b, 3)[0, :, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    torch.testing.assert_close(gen.synthesis(gen.mix(a, b, 8)), gen.synthesis(a))
    torch.testing.assert_close(gen.synthesis(gen.mix(a, b, 0)), gen.synthesis(b))


def test_truncation_pulls_to_the_mean():
    gen = generator()
    gen.measure_w_mean(2_000)
    w = gen.mapping(torch.randn(2_000, 6))
    torch.testing.assert_close(gen.w_mean, w.mean(0), rtol=0, atol=0.1)
    assert torch.equal(gen.truncate(w, 1.0), w)
    torch.testing.assert_close(gen.truncate(w, 0.0), gen.w_mean.expand_as(w))
    torch.testing.assert_close(gen.truncate(w, 0.25) - gen.w_mean, 0.25 * (w - gen.w_mean))
    assert gen.sample(4, psi=0.0).std(0).max() < 1e-5


# --- a R1 -------------------------------------------------------------------------------------------------------------


def test_r1_by_hand():
    """D(x) = soma de x² / 2: o gradiente é x, e R1 é a média de ||x||²."""
    x = torch.randn(5, 1, 2, 2, dtype=torch.float64)
    penalty = r1_penalty(lambda image: 0.5 * image.square().flatten(1).sum(1), x)
    torch.testing.assert_close(penalty, x.square().flatten(1).sum(1).mean())
    assert r1_penalty(lambda image: image.flatten(1).sum(1), x).item() == pytest.approx(4)
    assert not x.requires_grad


def test_r1_reaches_the_weights_of_the_discriminator(batch64):
    """A derivada da penalidade num peso, pelo autograd e por diferenças finitas."""
    disc = StyleDiscriminator(CHANNELS).double()
    x = batch64.x[:8]
    weight = disc.last.weight
    (gradient,) = torch.autograd.grad(r1_penalty(disc, x), weight)
    direction = torch.randn_like(weight)
    h = 1e-4
    with torch.no_grad():
        base = weight.clone()
        weight.copy_(base + h * direction)
    above = r1_penalty(disc, x).item()
    with torch.no_grad():
        weight.copy_(base - h * direction)
    below = r1_penalty(disc, x).item()
    assert (gradient * direction).sum().item() == pytest.approx((above - below) / (2 * h), rel=1e-5)


# --- o passo ----------------------------------------------------------------------------------------------------------


def game(*, gen_lr: float = 1e-3, disc_lr: float = 1e-3, **options) -> StyleGANStep:
    torch.manual_seed(4)
    gen, disc = noisy(generator()).double(), StyleDiscriminator(CHANNELS).double()
    return StyleGANStep(
        gen,
        disc,
        torch.optim.Adam(gen.parameters(), lr=gen_lr, betas=(0.0, 0.99)),
        torch.optim.Adam(disc.parameters(), lr=disc_lr, betas=(0.0, 0.99)),
        **options,
    )


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in network.parameters()]


@pytest.mark.parametrize(("gen_lr", "disc_lr"), [(1e-3, 0.0), (0.0, 1e-3), (1e-3, 1e-3)])
def test_each_network_is_moved_only_by_its_own_optimizer(batch64, gen_lr, disc_lr):
    step = game(gen_lr=gen_lr, disc_lr=disc_lr)
    before = weights(step.gen), weights(step.disc)
    step(batch64)
    for network, then, lr in ((step.gen, before[0], gen_lr), (step.disc, before[1], disc_lr)):
        moved = [not torch.equal(a, b) for a, b in zip(network.parameters(), then, strict=True)]
        assert all(value == (lr > 0) for value in moved)


@pytest.mark.parametrize("mixing", [0.0, 1.0])
def test_step_against_the_direct_form(batch64, mixing):
    """O passo como no papel: sigmoides, logaritmos e a penalidade em toda conta."""
    ours, theirs = game(r1_weight=3.0, r1_every=1, mixing=mixing), game()
    x, n = batch64.x, len(batch64.x)
    torch.manual_seed(9)
    found = ours(batch64)

    torch.manual_seed(9)
    gen, disc = theirs.gen, theirs.disc
    w = gen.mapping(torch.randn(n, 6, dtype=torch.float64))
    torch.rand(())
    if mixing:
        other = gen.mapping(torch.randn(n, 6, dtype=torch.float64))
        k = int(torch.randint(1, 8, ()))
        w = torch.cat([w.unsqueeze(1).repeat(1, k, 1), other.unsqueeze(1).repeat(1, 8 - k, 1)], dim=1)
    fake = gen.synthesis(w)
    real = x.clone().requires_grad_()
    logits = disc(real)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    disc_loss = -logits.sigmoid().log().mean() - (1 - disc(fake.detach()).sigmoid()).log().mean()
    r1 = slope.square().sum() / n
    theirs.disc_optimizer.zero_grad()
    (disc_loss + 3.0 / 2 * r1).backward()
    theirs.disc_optimizer.step()
    gen_loss = -disc(fake).sigmoid().log().mean()
    theirs.gen_optimizer.zero_grad()
    gen_loss.backward()
    theirs.gen_optimizer.step()

    for name, value in {"disc_loss": disc_loss, "gen_loss": gen_loss, "r1": r1}.items():
        torch.testing.assert_close(found[name], value.detach())
    for network in ("gen", "disc"):
        for a, b in zip(weights(getattr(ours, network)), weights(getattr(theirs, network)), strict=True):
            torch.testing.assert_close(a, b)


def test_spaced_r1_has_the_same_mean(batch64):
    step = game(gen_lr=0.0, disc_lr=0.0, r1_every=4)
    found = torch.stack([step(batch64)["r1"] for _ in range(80)])
    penalty = r1_penalty(step.disc, batch64.x).detach()
    drawn = found > 0
    torch.testing.assert_close(found[drawn], (4 * penalty).expand(int(drawn.sum())))
    assert 8 <= drawn.sum() <= 35  # binomial de 80 e 1/4: fora daí em menos de um caso em mil


def test_step_returns_detached_scalars_and_leaves_the_networks_trainable(batch64):
    step = game(r1_every=1)
    terms = step(batch64)
    assert set(terms) == {"disc_loss", "gen_loss", "r1"}
    assert all(value.shape == () and not value.requires_grad for value in terms.values())
    assert all(value.requires_grad for network in (step.gen, step.disc) for value in network.parameters())


def test_bad_batch_changes_nothing():
    step = game()
    before = copy.deepcopy(step.gen.state_dict()), copy.deepcopy(step.disc.state_dict())
    with pytest.raises(TypeError, match=r"veio torch\.float32; os pesos da rede são torch\.float64"):
        step(Batch(torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.int64)))
    for network, state in zip((step.gen, step.disc), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_the_discriminator_learns_to_tell_noise_from_digits(batch64):
    step = game(gen_lr=0.0, disc_lr=5e-3, r1_weight=0.0)
    losses = [step(batch64)["disc_loss"].item() for _ in range(40)]
    assert losses[-1] < 0.2 < losses[0]


# --- o que não serve --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: generator().sample(2, psi=1.5),
            r"psi: veio 1.5; esperava um número maior ou igual a 0 e menor ou igual a 1",
        ),
        (lambda: generator()(torch.zeros(2, 6), psi=-0.1), "psi: veio -0.1"),
        (lambda: generator()(torch.zeros(2, 6), psi=math.nan), "psi: veio nan"),
        (lambda: generator().sample(0), "n: veio 0"),
        (lambda: generator()(torch.zeros(2, 7)), r"z: .*\(2, 7\); esperava \(B, 6\)"),
        (lambda: generator().mix(torch.zeros(1, 5), torch.zeros(1, 5), 9), "crossover: veio 9; .* de 0 a 8"),
        (lambda: generator().mix(torch.zeros(1, 5), torch.zeros(2, 5), 3), "w_coarse e w_fine: vieram formas"),
        (lambda: generator().synthesis(torch.zeros(2, 7, 5)), r"w: veio .*\(2, 7, 5\); esperava \(B, 8, 5\)"),
        (lambda: generator().synthesis(torch.zeros(2, 5), []), "noise: veio 0; esperava 8 mapas"),
        (lambda: SynthesisNetwork(5, (8, 8, 8)), r"channels: veio \(8, 8, 8\); esperava 4 inteiros ≥ 1"),
        (lambda: StyleDiscriminator((8, 8, 0, 8)), r"channels: veio \(8, 8, 0, 8\)"),
        (lambda: MappingNetwork(n_layers=0), "n_layers: veio 0"),
        (lambda: game(r1_weight=-1.0), "r1_weight: veio -1.0"),
        (lambda: game(r1_every=0), "r1_every: veio 0"),
        (lambda: game(mixing=1.5), "mixing: veio 1.5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
