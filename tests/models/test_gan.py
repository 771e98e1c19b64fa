"""As perdas do jogo contra as suas formas fechadas, e o passo contra a sua escrita mais direta."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from course_lib.data import Batch
from course_lib.models.gan import (
    Discriminator,
    GANStep,
    Generator,
    discriminator_loss,
    minimax_loss,
    nonsaturating_loss,
)


def logits(n: int) -> torch.Tensor:
    return 3 * torch.randn(n, dtype=torch.float64)


# --- as perdas -----------------------------------------------------------------------------------------------------


def test_losses_against_binary_cross_entropy():
    real, fake = logits(7), logits(5)
    ones, zeros = torch.ones_like, torch.zeros_like
    bce = F.binary_cross_entropy
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    torch.testing.assert_close(discriminator_loss(real, fake), bce(d_real, ones(real)) + bce(d_fake, zeros(fake)))
    torch.testing.assert_close(nonsaturating_loss(fake), bce(d_fake, ones(fake)))
    torch.testing.assert_close(minimax_loss(fake), -bce(d_fake, zeros(fake)))


@pytest.mark.parametrize("loss", [nonsaturating_loss, minimax_loss, lambda fake: discriminator_loss(-fake, fake)])
@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_losses_and_gradients_are_finite_at_extreme_logits(loss, value):
    fake = torch.full((3,), value, requires_grad=True)
    result = loss(fake)
    result.backward()
    assert result.isfinite()
    assert fake.grad.isfinite().all()


def test_the_naive_form_breaks_where_ours_does_not():
    fake = torch.full((3,), -1e4)
    assert fake.sigmoid().log().isinf().all()
    assert nonsaturating_loss(fake).item() == pytest.approx(1e4)


def test_loss_is_log_4_when_the_discriminator_cannot_tell():
    assert discriminator_loss(torch.zeros(4), torch.zeros(9)).item() == pytest.approx(math.log(4))


def test_optimal_discriminator_measures_the_jensen_shannon_divergence():
    """Com D* = p / (p + q), a perda é log 4 - 2 JSD(p, q); nenhum outro D a faz menor."""
    p, q = torch.tensor([3, 1, 4], dtype=torch.float64), torch.tensor([1, 5, 2], dtype=torch.float64)
    best = (p / q).log()

    def loss(values: torch.Tensor) -> torch.Tensor:
        return discriminator_loss(values.repeat_interleave(p.long()), values.repeat_interleave(q.long()))

    p_hat, q_hat = p / 8, q / 8
    middle = (p_hat + q_hat) / 2
    jsd = 0.5 * ((p_hat * (p_hat / middle).log()).sum() + (q_hat * (q_hat / middle).log()).sum())
    torch.testing.assert_close(loss(best), math.log(4) - 2 * jsd)
    for _ in range(20):
        assert loss(best + 0.3 * torch.randn(3, dtype=torch.float64)) > loss(best)


def test_minimax_saturates_where_the_other_does_not():
    """Os dois gradientes empurram para o mesmo lado; o minimax some quando o discriminador vence."""
    fake = torch.tensor([-10.0, 0.0, 10.0], dtype=torch.float64, requires_grad=True)
    (minimax,) = torch.autograd.grad(minimax_loss(fake), fake)
    (nonsaturating,) = torch.autograd.grad(nonsaturating_loss(fake), fake)
    torch.testing.assert_close(minimax, -fake.detach().sigmoid() / 3)
    torch.testing.assert_close(nonsaturating, -(-fake.detach()).sigmoid() / 3)
    assert (minimax < 0).all()
    assert (nonsaturating < 0).all()
    assert minimax[1] == nonsaturating[1]
    assert nonsaturating[0] / minimax[0] > 1e4


@pytest.mark.parametrize("loss", [nonsaturating_loss, minimax_loss])
def test_gradient_of_the_generator_losses(loss):
    assert torch.autograd.gradcheck(loss, logits(5).requires_grad_())


def test_gradient_of_the_discriminator_loss():
    assert torch.autograd.gradcheck(discriminator_loss, (logits(5).requires_grad_(), logits(4).requires_grad_()))


# --- o passo -------------------------------------------------------------------------------------------------------


def game(*, gen_lr: float = 1e-3, disc_lr: float = 1e-3, **options) -> GANStep:
    torch.manual_seed(4)
    gen, disc = Generator(hidden_dim=16).double(), Discriminator(hidden_dim=16).double()
    return GANStep(
        gen,
        disc,
        torch.optim.Adam(gen.parameters(), lr=gen_lr),
        torch.optim.Adam(disc.parameters(), lr=disc_lr),
        **options,
    )


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in network.parameters()]


def moved(network: torch.nn.Module, before: list[torch.Tensor]) -> list[bool]:
    return [not torch.equal(now, then) for now, then in zip(network.parameters(), before, strict=True)]


@pytest.mark.parametrize(("gen_lr", "disc_lr"), [(1e-3, 0.0), (0.0, 1e-3), (1e-3, 1e-3), (0.0, 0.0)])
def test_each_network_is_moved_only_by_its_own_optimizer(batch64, gen_lr, disc_lr):
    step = game(gen_lr=gen_lr, disc_lr=disc_lr)
    for _ in range(3):
        before = weights(step.gen), weights(step.disc)
        step(batch64)
        assert all(value == (gen_lr > 0) for value in moved(step.gen, before[0]))
        assert all(value == (disc_lr > 0) for value in moved(step.disc, before[1]))


def reference_step(step: GANStep, x: torch.Tensor, *, saturating: bool) -> dict[str, torch.Tensor]:
    """O passo escrito como no papel: sigmoide, entropia cruzada, reais e falsas em passagens separadas."""
    real, fake_label = torch.ones(len(x), dtype=x.dtype), torch.zeros(len(x), dtype=x.dtype)
    step.disc_optimizer.zero_grad()
    fake = step.gen(torch.randn(len(x), 20, dtype=x.dtype))
    disc_loss = F.binary_cross_entropy(step.disc(x).sigmoid(), real)
    disc_loss = disc_loss + F.binary_cross_entropy(step.disc(fake.detach()).sigmoid(), fake_label)
    disc_loss.backward()
    step.disc_optimizer.step()

    step.gen_optimizer.zero_grad()
    judged = step.disc(fake).sigmoid()
    gen_loss = (1 - judged).log().mean() if saturating else F.binary_cross_entropy(judged, real)
    gen_loss.backward()
    step.gen_optimizer.step()
    return {"disc_loss": disc_loss.detach(), "gen_loss": gen_loss.detach()}


@pytest.mark.parametrize(("gen_loss", "saturating"), [(nonsaturating_loss, False), (minimax_loss, True)])
def test_step_against_the_direct_form(batch64, gen_loss, saturating):
    ours, theirs = game(gen_loss=gen_loss), game()
    for index in range(4):
        torch.manual_seed(index)
        found = ours(batch64)
        torch.manual_seed(index)
        expected = reference_step(theirs, batch64.x, saturating=saturating)
        assert set(found) == set(expected)
        for name in expected:
            torch.testing.assert_close(found[name], expected[name])
    for network in ("gen", "disc"):
        for a, b in zip(weights(getattr(ours, network)), weights(getattr(theirs, network)), strict=True):
            torch.testing.assert_close(a, b)


def test_default_generator_loss_is_nonsaturating(batch64):
    default, explicit = game(), game(gen_loss=nonsaturating_loss)
    torch.manual_seed(0)
    first = default(batch64)
    torch.manual_seed(0)
    assert torch.equal(first["gen_loss"], explicit(batch64)["gen_loss"])


def test_step_returns_detached_scalars_and_leaves_the_networks_trainable(batch64):
    step = game()
    terms = step(batch64)
    assert all(value.shape == () and not value.requires_grad for value in terms.values())
    for network in (step.gen, step.disc):
        assert all(value.requires_grad for value in network.parameters())


def test_step_leaves_the_batch_alone(batch64):
    before = batch64.x.clone()
    game()(batch64)
    assert torch.equal(batch64.x, before)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(4, 784, dtype=torch.float64), ValueError, r"batch\.x: .*\(4, 784\)"),
        (torch.zeros(4, 1, 28, 28), TypeError, r"veio torch\.float32; os pesos da rede são torch\.float64"),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), TypeError, r"batch\.x: veio torch\.uint8"),
    ],
)
def test_bad_batch_changes_nothing(x, error, message):
    step = game()
    before = copy.deepcopy(step.gen.state_dict()), copy.deepcopy(step.disc.state_dict())
    with pytest.raises(error, match=message):
        step(Batch(x, torch.zeros(4, dtype=torch.int64)))
    for network, state in zip((step.gen, step.disc), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_the_discriminator_learns_to_tell_noise_from_digits(batch64):
    step = game(gen_lr=0.0, disc_lr=1e-2)
    losses = [step(batch64)["disc_loss"].item() for _ in range(60)]
    assert losses[0] > 1
    assert losses[-1] < 0.05


def test_the_generator_learns_to_please_a_fixed_discriminator(batch64):
    step = game(gen_lr=1e-2, disc_lr=0.0)
    losses = [step(batch64)["gen_loss"].item() for _ in range(100)]
    assert losses[-1] < losses[0] - 0.2
