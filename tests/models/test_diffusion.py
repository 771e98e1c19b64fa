"""A difusão contra as suas formas fechadas: ida em um passo e em muitos, posterior, amostradores e a cota."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from course_lib.data import Batch
from course_lib.models.diffusion import (
    Diffusion,
    chain,
    cosine_schedule,
    ddim_step,
    ddpm_step,
    diffusion_objective,
    inpaint,
    linear_schedule,
    sample,
    timesteps,
)
from course_lib.models.unet import UNet

T = 50


class Oracle(nn.Module):
    """Conhece a imagem limpa: devolve o que uma rede perfeita devolveria."""

    n_classes = 10

    def __init__(self, x_0):
        super().__init__()
        self.x_0 = x_0
        self.model = None

    def watch(self, model):
        self.model = [model]  # numa lista, para que o módulo não contenha quem o contém
        return model

    def forward(self, x_t, t, y=None):
        (model,) = self.model
        index = (t * model.steps).round().long()
        signal, noise = model.rates(model.alpha_bar_at(index, len(x_t)))
        x_0 = self.x_0[: len(x_t)]
        return model.target(x_0, index, (x_t - signal * x_0) / noise)


def oracle(x_0, **options):
    network = Oracle(x_0)
    return network.watch(Diffusion(network, steps=T, **options))


class Zero(nn.Module):
    n_classes = 10

    def forward(self, x, t, y=None):
        return torch.zeros_like(x)


@pytest.fixture
def model():
    return Diffusion(UNet((8, 16)), steps=T)


def at(index, n=16):
    return torch.full((n,), index)


def noise(n):
    return torch.randn(n, 1, 28, 28)


# --- os planos de ruído ----------------------------------------------------------------------------------------------


def test_linear_schedule_is_the_published_one():
    beta = linear_schedule(1_000)
    assert beta.dtype == torch.float64
    assert beta[0].item() == pytest.approx(1e-4)
    assert beta[-1].item() == pytest.approx(0.02)
    # Ho et al. dizem que sobra quase nada do sinal: alfa-barra final de 4e-5.
    assert torch.cumprod(1 - beta, 0)[-1].item() == pytest.approx(4.0e-5, rel=0.02)


def test_cosine_schedule_rebuilds_the_cosine():
    beta = cosine_schedule(1_000)
    alpha_bar = torch.cumprod(1 - beta, 0)
    for t in (0, 10, 500, 900):
        expected = math.cos(((t + 1) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
        expected /= math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        assert alpha_bar[t].item() == pytest.approx(expected, rel=1e-9)
    assert beta.max().item() == 0.999


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_signal_only_fades(schedule):
    alpha_bar = Diffusion(Zero(), schedule=schedule).alpha_bar
    assert (alpha_bar[1:] < alpha_bar[:-1]).all()
    assert 0 < alpha_bar[-1] < 1e-3
    assert alpha_bar[0] > 0.999


# --- a ida -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_q_sample_is_what_the_iterated_steps_give(schedule):
    model = Diffusion(Zero(), steps=T, schedule=schedule)
    x_0 = torch.rand(16, 1, 28, 28) * 2 - 1
    # Um passo de cada vez, acumulando o peso do sinal e a variância do ruído.
    signal, variance = 1.0, 0.0
    for t in range(T):
        beta = model.beta[t].item()
        signal, variance = math.sqrt(1 - beta) * signal, (1 - beta) * variance + beta
        zero, one = torch.zeros_like(x_0), torch.ones_like(x_0)
        torch.testing.assert_close(model.q_sample(x_0, at(t), zero), signal * x_0, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model.q_sample(zero, at(t), one), math.sqrt(variance) * one, rtol=1e-4, atol=1e-5)


def test_iterated_noise_has_the_moments_of_q_sample():
    model = Diffusion(Zero(), steps=T)
    x = torch.full((4, 1, 28, 28), 0.5)
    for t in range(30):
        x = (1 - model.beta[t]).sqrt() * x + model.beta[t].sqrt() * torch.randn_like(x)
    alpha_bar = model.alpha_bar[29].item()
    n = x.numel()
    assert x.mean().item() == pytest.approx(0.5 * math.sqrt(alpha_bar), abs=4 * math.sqrt((1 - alpha_bar) / n))
    assert x.var().item() == pytest.approx(1 - alpha_bar, rel=4 * math.sqrt(2 / n))


def test_each_image_has_its_own_instant(batch):
    model = Diffusion(Zero(), steps=T)
    eps = torch.randn_like(batch.x)
    t = torch.randint(T, (16,))
    together = model.q_sample(batch.x, t, eps)
    for i in range(16):
        torch.testing.assert_close(
            together[i : i + 1], model.q_sample(batch.x[i : i + 1], t[i : i + 1], eps[i : i + 1])
        )


def test_posterior_is_bayes_rule():
    """q(x_s|x_t, x_0) calculada por completar o quadrado, em precisões: um caminho que não passa pela fórmula."""
    model = Diffusion(Zero(), steps=T)
    x_0, x_t = torch.rand(1, 1, 28, 28) * 2 - 1, torch.randn(1, 1, 28, 28)
    for t, s in [(1, 0), (30, 29), (49, 10)]:
        bar_t, bar_s = model.alpha_bar[t].double(), model.alpha_bar[s].double()
        a = bar_t / bar_s  # x_t = √a x_s + √(1 - a) ruído
        precision = 1 / (1 - bar_s) + a / (1 - a)
        mean = (bar_s.sqrt() * x_0 / (1 - bar_s) + a.sqrt() * x_t / (1 - a)) / precision
        found, variance = model.q_posterior(x_0, x_t, at(t, 1), at(s, 1))
        torch.testing.assert_close(found, mean.float(), rtol=1e-3, atol=1e-4)
        assert variance.item() == pytest.approx(1 / precision.item(), rel=1e-3)


def test_posterior_of_one_step_is_the_published_one():
    model = Diffusion(Zero(), steps=T)
    x_0, x_t = torch.rand(1, 1, 28, 28) * 2 - 1, torch.randn(1, 1, 28, 28)
    t = 20
    beta, bar, previous = model.beta[t], model.alpha_bar[t], model.alpha_bar[t - 1]
    mean = previous.sqrt() * beta / (1 - bar) * x_0 + (1 - beta).sqrt() * (1 - previous) / (1 - bar) * x_t
    found, variance = model.q_posterior(x_0, x_t, at(t, 1), at(t - 1, 1))
    torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(variance.squeeze(), (1 - previous) / (1 - bar) * beta, rtol=1e-4, atol=1e-6)


# --- o alvo e a previsão ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["eps", "v"])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_oracle_recovers_the_clean_image_and_the_noise(batch, prediction, schedule):
    model = oracle(batch.x, prediction=prediction, schedule=schedule)
    eps = torch.randn_like(batch.x)
    for t in (0, 7, 30, T - 5):
        x_t = model.q_sample(batch.x, at(t), eps)
        x_0 = model.predict(x_t, at(t))
        torch.testing.assert_close(x_0, batch.x, rtol=0, atol=2e-3)
        torch.testing.assert_close(model.noise_in(x_t, x_0, at(t)), eps, rtol=0, atol=2e-2)


def test_velocity_is_the_derivative_along_the_circle(batch):
    """Com sinal = cos φ e ruído = sen φ, v é dx/dφ: conferido por diferenças finitas."""
    model = Diffusion(Zero(), steps=T)
    eps = torch.randn_like(batch.x).double()
    t, h = 20, 1e-5
    x_0 = batch.x.double()
    phi = torch.acos(model.alpha_bar[t].double().sqrt())
    slope = ((torch.cos(phi + h) - torch.cos(phi - h)) * x_0 + (torch.sin(phi + h) - torch.sin(phi - h)) * eps) / (
        2 * h
    )
    torch.testing.assert_close(model.target(x_0, at(t), eps), slope, rtol=1e-4, atol=1e-5)


def test_prediction_explains_the_noisy_image(model, batch):
    for t in (0, 20, T - 1):
        x_t = model.q_sample(batch.x, at(t), torch.randn_like(batch.x))
        with torch.no_grad():
            x_0 = model.predict(x_t, at(t))
        eps = model.noise_in(x_t, x_0, at(t))
        assert x_0.abs().max() <= 1
        torch.testing.assert_close(model.q_sample(x_0, at(t), eps), x_t, rtol=1e-4, atol=1e-4)


class ByLabel(nn.Module):
    """Um número por classe; sem classe, 7."""

    n_classes = 10

    def forward(self, x, t, y=None):
        value = torch.where(y == 10, 7, y).view(-1, 1, 1, 1).float() if y is not None else torch.tensor(7.0)
        return value.expand_as(x) / 100


def test_guidance_moves_away_from_the_unconditional_output(batch):
    model = Diffusion(ByLabel(), steps=T, prediction="v")
    x_t, t, y = batch.x, at(10), at(3)
    signal, noise = model.rates(model.alpha_bar_at(t, 16))
    for w, output in [(0.0, 0.03), (1.0, 0.06 - 0.07), (2.0, 0.09 - 0.14)]:
        x_0 = model.predict(x_t, t, y, guidance=w)
        torch.testing.assert_close(x_0, (signal * x_t - noise * output).clamp(-1, 1))


# --- os amostradores -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 30, 49, 50])
def test_timesteps_go_from_pure_noise_to_the_clean_image(steps):
    pairs = timesteps(T, steps)
    assert len(pairs) == steps
    assert pairs[0][0] == T - 1
    assert pairs[-1][1] == -1
    assert all(t > s for t, s in pairs)
    assert all(first[1] == second[0] for first, second in pairwise(pairs))
    assert max(t - s for t, s in pairs) - min(t - s for t, s in pairs) <= 1 + (T % steps > 0)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
@pytest.mark.parametrize("steps", [5, T])
def test_samplers_with_an_oracle_end_in_the_clean_image(batch, step, steps, order):
    x = sample(oracle(batch.x), noise(16), steps=steps, step=step, order=order)
    torch.testing.assert_close(x, batch.x, rtol=0, atol=1e-4)


class GaussianOracle(Oracle):
    """Conhece a distribuição: pixels independentes de N(m, s²), de que a melhor estimativa é linear em x_t."""

    n_classes = None
    m, s = 0.2, 0.15

    def forward(self, x_t, t, y=None):
        (model,) = self.model
        index = (t * model.steps).round().long()
        signal, noise = model.rates(model.alpha_bar_at(index, len(x_t)))
        x_0 = (noise**2 * self.m + signal * self.s**2 * x_t) / self.spread(signal, noise) ** 2
        return model.target(x_0, index, (x_t - signal * x_0) / noise)

    def spread(self, signal, noise):
        """O desvio de x_t."""
        return (signal**2 * self.s**2 + noise**2).sqrt()

    def error_at(self, chosen, x_T, **options):
        """Quanto a cadeia erra no instante ``chosen``: na volta exata, x_t fica sempre aos mesmos desvios da média."""
        (model,) = self.model
        signal, noise = model.rates(model.alpha_bar[-1])
        z = (x_T - signal * self.m) / self.spread(signal, noise)
        (x,) = [x for t, x, _ in chain(model, x_T, **options) if t == chosen]
        signal, noise = model.rates(model.alpha_bar[chosen])
        return (x - signal * self.m - self.spread(signal, noise) * z).abs().max().item()


@pytest.mark.parametrize("order", [1, 2])
def test_error_of_the_deterministic_jump_falls_with_its_order(order):
    """Metade do salto, erro 2^ordem vezes menor, quando a imagem limpa se sabe em forma fechada."""
    network = GaussianOracle(None)
    network.watch(Diffusion(network, steps=1_000, schedule="linear").double())
    x_T = noise(2).double()
    errors = [network.error_at(199, x_T, steps=steps, order=order) for steps in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.1)


def test_the_model_samples_by_the_second_order_and_ends_in_its_own_estimate():
    network = GaussianOracle(None)
    model = network.watch(Diffusion(network, steps=T))
    torch.manual_seed(0)
    found = model.sample(2, steps=6)
    torch.manual_seed(0)
    (*_, (_, x, x_0)) = chain(model, noise(2), steps=6, order=2)
    assert torch.equal(found, x)
    torch.testing.assert_close(x, x_0)
    torch.manual_seed(0)
    assert not torch.allclose(found, sample(model, noise(2), steps=6, order=1), atol=1e-3)


def test_noisy_jumps_of_second_order_keep_the_distribution_better():
    """Com ruído o acaso não deixa comparar imagens: compara-se o desvio de muitas, que a forma fechada dá."""
    network = GaussianOracle(None)
    model = network.watch(Diffusion(network, steps=1_000, schedule="linear"))
    exact, x_T, missing = network.spread(*model.rates(model.alpha_bar[99])).item(), noise(64), []
    for order in (1, 2):
        (x,) = [x for t, x, _ in chain(model, x_T, steps=10, step=ddpm_step, order=order) if t == 99]
        missing.append(abs(x.std().item() / exact - 1))
    assert missing[1] < 0.8 * missing[0]


@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_the_last_step_adds_no_noise(batch, step):
    model = Diffusion(Zero(), steps=T)
    x_t = torch.randn_like(batch.x)
    first, second = (step(model, x_t, batch.x, at(0), at(-1)) for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, batch.x, rtol=1e-3, atol=1e-4)


def test_ddpm_step_has_the_mean_and_variance_of_the_posterior():
    model = Diffusion(Zero(), steps=T)
    n = 64
    x_0, x_t = torch.full((n, 1, 28, 28), 0.3), torch.full((n, 1, 28, 28), -0.5)
    mean, variance = model.q_posterior(x_0, x_t, at(30, n), at(20, n))
    drawn = ddpm_step(model, x_t, x_0, at(30, n), at(20, n))
    std = variance[0].item() ** 0.5
    assert (drawn - mean).mean().item() == pytest.approx(0, abs=4 * std / math.sqrt(drawn.numel()))
    assert (drawn - mean).std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * drawn.numel()))


def test_ddim_keeps_the_noise_level(batch):
    """Com previsões perfeitas, o salto determinístico cai exatamente sobre q(x_s|x_0) do mesmo ruído."""
    model = Diffusion(Zero(), steps=T)
    eps = torch.randn_like(batch.x)
    x_t = model.q_sample(batch.x, at(40), eps)
    torch.testing.assert_close(ddim_step(model, x_t, batch.x, at(40), at(11)), model.q_sample(batch.x, at(11), eps))


def test_ddim_depends_only_on_the_starting_noise(model):
    x_T = torch.randn(3, 1, 28, 28)
    y = torch.tensor([1, 2, 3])
    first, second = (sample(model, x_T, steps=4, y=y) for _ in range(2))
    torch.testing.assert_close(first, second)
    first, second = (sample(model, x_T, steps=4, step=ddpm_step, y=y) for _ in range(2))
    assert not torch.equal(first, second)


def test_chain_shows_every_state(model, batch):
    x_T = torch.randn(16, 1, 28, 28)
    seen = list(chain(oracle(batch.x), x_T, steps=5))
    assert [s for s, _, _ in seen] == [s for _, s in timesteps(T, 5)]
    for _, _, x_0 in seen:
        torch.testing.assert_close(x_0, batch.x, rtol=0, atol=2e-2)
    # No meio do caminho a imagem ainda está suja; a cada salto, menos.
    far = [(x - batch.x).abs().mean().item() for _, x, _ in seen]
    assert far == sorted(far, reverse=True)
    assert far[0] > 0.1
    assert torch.equal(seen[-1][1], sample(oracle(batch.x), x_T, steps=5))
    assert not any(x.requires_grad for _, x, _ in chain(model, x_T, steps=2))
    assert torch.is_grad_enabled()


def test_chain_obeys_the_digit_and_the_guidance():
    """Cada salto de uma rede que só olha o pedido, refeito à mão."""
    model = Diffusion(ByLabel(), steps=T)
    x, y = torch.randn(2, 1, 28, 28), torch.tensor([3, 8])
    for (t, s), (_, found, x_0) in zip(timesteps(T, 3), chain(model, x, steps=3, y=y, guidance=2.0), strict=True):
        v = (3 * y.view(2, 1, 1, 1) - 2 * 7) / 100
        signal, noise = model.rates(model.alpha_bar[t])
        expected = (signal * x - noise * v).clamp(-1, 1)
        torch.testing.assert_close(x_0, expected)
        eps, bar = (x - signal * expected) / noise, model.alpha_bar[s] if s >= 0 else torch.tensor(1.0)
        x = bar.sqrt() * expected + (1 - bar).sqrt() * eps
        torch.testing.assert_close(found, x)


def test_sample_draws_the_digits_and_stays_in_range(model):
    x = model.sample(6, steps=3)
    assert x.shape == (6, 1, 28, 28)
    assert x.abs().max() <= 1


def test_inpainting_keeps_what_is_known_and_fills_the_rest(model, batch):
    mask = torch.zeros(1, 1, 28, 28, dtype=torch.bool)
    mask[..., :14] = True
    x = inpaint(model, batch.x, mask, steps=5)
    assert torch.equal(x[..., :14], batch.x[..., :14])
    assert not torch.allclose(x[..., 14:], batch.x[..., 14:])


def test_inpainting_shows_the_network_what_is_known_under_the_noise_of_each_instant(batch):
    """A entrada de cada salto: a parte conhecida tem a média e o desvio de q(x_t|x_0)."""
    seen = []

    class Spy(Zero):
        def forward(self, x, t, y=None):
            seen.append((round(t[0].item() * T), x))
            return torch.zeros_like(x)

    known = torch.full_like(batch.x, 0.5)
    inpaint(Diffusion(Spy(), steps=T), known, torch.ones(1, 1, 28, 28, dtype=torch.bool), steps=5)
    assert [t for t, _ in seen] == [t for t, _ in timesteps(T, 5)]
    n = known.numel()
    for t, x in seen[1:]:
        bar = Diffusion(Zero(), steps=T).alpha_bar[t].item()
        assert x.mean().item() == pytest.approx(0.5 * math.sqrt(bar), abs=5 * math.sqrt((1 - bar) / n))
        assert x.var().item() == pytest.approx(1 - bar, rel=5 * math.sqrt(2 / n))


# --- sem classes -----------------------------------------------------------------------------------------------------


def test_without_classes_trains_and_samples(batch):
    model = Diffusion(UNet((8, 16), n_classes=None), steps=T)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(20):
        torch.manual_seed(0)
        loss = diffusion_objective(model, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert model.sample(3, steps=2).shape == (3, 1, 28, 28)
    assert sample(model, noise(2), steps=2, step=ddpm_step).abs().max() <= 1
    with pytest.raises(ValueError, match="não tem classes"):
        model.sample(2, steps=2, y=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="não tem classes"):
        model.sample(2, steps=2, guidance=1.0)


# --- o objetivo ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_objective_is_zero_for_the_oracle_and_one_for_silence(batch, prediction):
    assert diffusion_objective(oracle(batch.x, prediction=prediction), batch)["loss"].item() < 1e-4
    if prediction == "eps":
        # Quem responde zero erra o ruído inteiro, de variância 1.
        many = Batch(batch.x.repeat(20, 1, 1, 1), batch.labels.repeat(20))
        loss = diffusion_objective(Diffusion(Zero(), steps=T, prediction="eps"), many)["loss"]
        assert loss.item() == pytest.approx(1, abs=4 * math.sqrt(2 / many.x.numel()))


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_label_dropout_hides_the_digit(batch, dropout):
    seen = []

    class Spy(Zero):
        def forward(self, x, t, y=None):
            seen.append(y)
            return torch.zeros_like(x)

    diffusion_objective(Diffusion(Spy(), steps=T), batch, label_dropout=dropout)
    expected = torch.full_like(batch.labels, 10) if dropout else batch.labels
    assert torch.equal(seen[0], expected)


def test_overfits_one_batch(batch):
    model = Diffusion(UNet((16, 32)), steps=T)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    few = Batch(batch.x[:4], batch.labels[:4])
    losses = []
    for _ in range(200):
        loss = diffusion_objective(model, few, label_dropout=0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # Quatro imagens e um instante sorteado para cada: a perda de um passo oscila muito, a média de cinquenta não.
    assert sum(losses[-50:]) / 50 < 0.35 * sum(losses[:10]) / 10


# --- o que é recusado ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [-1, T])
def test_instants_outside_the_chain(model, batch, t):
    with pytest.raises(ValueError, match=f"esperava inteiros de 0 a {T - 1}"):
        model.q_sample(batch.x, at(t), batch.x)


@pytest.mark.parametrize("t", [torch.zeros(16), torch.zeros(3, dtype=torch.long), 5])
def test_instants_of_another_kind(model, batch, t):
    with pytest.raises(ValueError, match="esperava um tensor de inteiros"):
        model.q_sample(batch.x, t, batch.x)


@pytest.mark.parametrize("steps", [0, T + 1, 2.5])
@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_more_steps_than_the_chain_has(model, step, steps):
    with pytest.raises(ValueError, match=f"steps: veio .*; esperava um inteiro de 1 a {T}"):
        sample(model, noise(2), steps=steps, step=step)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            lambda m, x: Diffusion(Zero(), schedule="quadrado"),
            "schedule: veio 'quadrado'; as opções são 'linear', 'cosine'",
        ),
        (lambda m, x: Diffusion(Zero(), prediction="x"), "prediction: veio 'x'; as opções são 'eps', 'v'"),
        (lambda m, x: linear_schedule(10), "steps: veio 10; esperava um inteiro ≥ 21"),
        (
            lambda m, x: m.predict(x, at(1), at(1), guidance=-1),
            "guidance: veio -1; esperava um número maior ou igual a 0",
        ),
        (lambda m, x: m.predict(x, at(1), guidance=1), "passe também y"),
        (lambda m, x: m.q_sample(x, at(1), x[:1]), "x_0 e eps: vieram formas"),
        (lambda m, x: m(x, at(1), at(11)), "esperava inteiros de 0 a 10"),
        (lambda m, x: m.sample(0), "n: veio 0; esperava um inteiro ≥ 1"),
        (lambda m, x: m.sample(2.5), "n: veio 2.5"),
        (lambda m, x: sample(m, x[:, 0]), "esperava \\(B, 1, 28, 28\\)"),
        (lambda m, x: sample(m, x, y=at(1, 3)), "esperava um tensor de inteiros de forma \\(16,\\)"),
        (lambda m, x: inpaint(m, x, torch.ones(1, 1, 28, 28)), "booleanos"),
        (
            lambda m, x: diffusion_objective(m, Batch(x, at(1)), label_dropout=2),
            "label_dropout: veio 2; esperava um número .* e menor ou igual a 1",
        ),
        (lambda m, x: UNet((10, 20)), "2 múltiplos de 8"),
    ],
)
def test_bad_input_is_explained(model, batch, action, message):
    with pytest.raises(ValueError, match=message):
        action(model, batch.x)
