"""As perdas do jogo contra as suas formas fechadas, e o passo contra a sua escrita mais direta."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from course_lib.data import Batch
from course_lib.models.gan import (
    ConvDiscriminator,
    ConvGenerator,
    Discriminator,
    GANStep,
    Generator,
    discriminator_loss,
    gradient_penalty,
    hinge_discriminator_loss,
    linear_generator_loss,
    minimax_loss,
    nonsaturating_loss,
    wasserstein_discriminator_loss,
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


def test_hinge_and_wasserstein_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    # Dobradiça: reais (0 + 0,5) / 2; falsas (0 + 1) / 2. Crítico: média das falsas, -1,5, menos a das reais, 1,25.
    assert hinge_discriminator_loss(real, fake).item() == pytest.approx(0.25 + 0.5)
    assert wasserstein_discriminator_loss(real, fake).item() == pytest.approx(-1.5 - 1.25)
    assert linear_generator_loss(fake).item() == pytest.approx(1.5)


def test_hinge_leaves_alone_who_passed_the_margin():
    real, fake = torch.tensor([1.5, 0.0], requires_grad=True), torch.tensor([-1.5, 0.0], requires_grad=True)
    hinge_discriminator_loss(real, fake).backward()
    assert real.grad.tolist() == [0, -0.5]
    assert fake.grad.tolist() == [0, 0.5]


def test_best_critic_of_slope_one_measures_the_distance():
    """Massas em 0 e em 3: o crítico a(x) = -x tem inclinação 1, e perda -3: menos a distância de Wasserstein."""
    real, fake = torch.zeros(4, 1), 3 * torch.ones(4, 1)

    def critic(x):
        return -x.squeeze(1)

    assert wasserstein_discriminator_loss(critic(real), critic(fake)).item() == -3
    assert gradient_penalty(critic, real, fake).item() == pytest.approx(0)
    assert gradient_penalty(lambda x: 4 * critic(x), real, fake).item() == pytest.approx(9)


def test_gradient_penalty_looks_between_real_and_fake():
    """D(x) = x² / 2 tem inclinação x: com reais em 2 e falsas em 4, cobra-se (x - 1)² com x uniforme entre 2 e 4."""
    real, fake = 2 * torch.ones(20_000, 1).double(), 4 * torch.ones(20_000, 1).double()
    penalty = gradient_penalty(lambda x: 0.5 * x.square().sum(1), real, fake)
    assert penalty.item() == pytest.approx((3**3 - 1) / 3 / 2, rel=0.02)
    # Uma mistura por exemplo, não por pixel: os pontos ficam na reta entre as duas imagens.
    seen = []

    def watch(x):
        seen.append(x.detach())
        return x.sum(1)

    gradient_penalty(watch, torch.zeros(5, 3), torch.ones(5, 3))
    assert (seen[0] == seen[0][:, :1]).all()


def test_gradient_penalty_reaches_the_weights(batch64):
    disc = ConvDiscriminator(4).double()
    gradient_penalty(disc, batch64.x, -batch64.x).backward()
    assert disc.features[0].weight.grad.abs().max() > 0


# --- as redes convolucionais ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [None, 10])
def test_conv_networks_have_the_shapes_of_the_course(n_classes):
    gen, disc = ConvGenerator(channels=8, n_classes=n_classes), ConvDiscriminator(4, n_classes=n_classes)
    x = gen.sample(5)
    assert x.shape == (5, 1, 28, 28)
    assert x.abs().max() <= 1
    y = None if n_classes is None else torch.arange(5)
    assert disc(x, y).shape == (5,)


def test_the_class_reaches_image_and_logit():
    gen, disc = ConvGenerator(channels=8, n_classes=10).eval(), ConvDiscriminator(4, n_classes=10)
    z, y = torch.randn(1, 64).expand(2, -1), torch.tensor([3, 8])
    x = gen(z, y)
    assert (x[0] - x[1]).abs().max() > 1e-3
    same = x[:1].expand(2, -1, -1, -1)
    logits = disc(same, y)
    assert logits[0] != logits[1]
    # A parcela da classe é o produto interno do código dela com as características.
    h = disc.features(same)
    torch.testing.assert_close(logits, disc.logit(h).squeeze(1) + (disc.label.weight[y] * h).sum(1))


def test_spectral_norm_limits_every_layer():
    disc = ConvDiscriminator(4, spectral=True, n_classes=10)
    for layer in disc.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            with torch.no_grad():
                layer.parametrizations.weight.original.mul_(50)
    disc.train()
    with torch.no_grad():
        for _ in range(30):  # cada passagem melhora a estimativa do maior valor singular
            disc(torch.rand(2, 1, 28, 28), torch.tensor([1, 2]))
        for layer in disc.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConvGenerator(channels=5), "channels: veio 5; esperava um inteiro par ≥ 2"),
        (lambda: ConvDiscriminator(0), "channels: veio 0"),
        (
            lambda: ConvGenerator(channels=4)(torch.zeros(2, 64), torch.tensor([1, 2])),
            "y: veio uma classe, e esta rede não é condicional",
        ),
        (lambda: ConvGenerator(channels=4, n_classes=10)(torch.zeros(2, 64)), "y: falta a classe"),
        (lambda: ConvGenerator(channels=4, n_classes=10).sample(1, y=torch.tensor([10])), "y: .*10"),
        (lambda: ConvDiscriminator(2, n_classes=10)(torch.zeros(2, 1, 28, 28)), "y: falta a classe"),
    ],
)
def test_bad_conditional_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


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


def test_losses_and_penalty_are_the_ones_asked_for(batch64):
    step = game(
        gen_loss=linear_generator_loss,
        disc_loss=wasserstein_discriminator_loss,
        penalty=lambda disc, real, fake: 10 * gradient_penalty(disc, real, fake),
    )
    gen, disc = copy.deepcopy(step.gen), copy.deepcopy(step.disc)
    torch.manual_seed(7)
    terms = step(batch64)
    torch.manual_seed(7)
    fake = gen(torch.randn(len(batch64.x), 20, dtype=torch.float64))
    torch.testing.assert_close(terms["disc_loss"], (disc(fake).mean() - disc(batch64.x).mean()).detach())
    torch.testing.assert_close(terms["penalty"], (10 * gradient_penalty(disc, batch64.x, fake)).detach())
    assert set(terms) == {"disc_loss", "gen_loss", "penalty"}
    # A penalidade entrou na conta: sem ela os pesos do discriminador seriam outros.
    plain = game(gen_loss=linear_generator_loss, disc_loss=wasserstein_discriminator_loss)
    torch.manual_seed(7)
    plain(batch64)
    assert not torch.equal(plain.disc.net[0].weight, step.disc.net[0].weight)


def test_conditional_step_asks_for_the_classes_of_the_batch(batch):
    torch.manual_seed(0)
    gen, disc = ConvGenerator(channels=8, n_classes=10), ConvDiscriminator(4, n_classes=10)
    asked = []
    gen.register_forward_pre_hook(lambda _, arguments: asked.append(arguments[1]))
    disc.register_forward_pre_hook(lambda _, arguments: asked.append(arguments[1]))
    optimizers = (torch.optim.Adam(net.parameters(), lr=1e-3) for net in (gen, disc))
    GANStep(gen, disc, *optimizers)(batch)
    assert torch.equal(asked[0], batch.labels)
    assert torch.equal(asked[1], batch.labels.repeat(2))
    assert torch.equal(asked[2], batch.labels)


@pytest.mark.parametrize("network", [ConvGenerator, ConvDiscriminator])
@pytest.mark.parametrize("n_classes", [0, -1, 2.5])
def test_the_number_of_classes_is_checked(network, n_classes):
    with pytest.raises(ValueError, match=r"n_classes: veio .*; esperava um inteiro ≥ 1"):
        network(n_classes=n_classes)
