"""O laço: o que mede, o que repete, o que devolve ao mundo, e o que recusa."""

from __future__ import annotations

import random
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from tqdm import tqdm

from course_lib import runtime
from course_lib.data import Batch, ImageDataset
from course_lib.models.autoencoder import Autoencoder, reconstruction_objective
from course_lib.models.gan import Discriminator, GANStep, Generator
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.training import NonFiniteLossError, ObjectiveStep, fit
from course_lib.training.fit import CHECK_EVERY, NOISE


def vae_step(seed: int = 0, lr: float = 1e-3) -> ObjectiveStep:
    """Um passo que sorteia (o VAE), com pesos iniciais que dependem só da semente."""
    torch.manual_seed(seed)
    model = VAE(hidden_dims=(16,), latent_dim=3)
    return ObjectiveStep(model, gaussian_objective, torch.optim.Adam(model.parameters(), lr=lr))


def weights(step) -> list[torch.Tensor]:
    return [value.detach().clone() for value in step.model.parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


class Values:
    """Passo que não aprende: devolve a média do lote e o número de passos dados."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, batch) -> dict[str, torch.Tensor]:
        self.calls += 1
        return {"média": batch.x.mean(), "passos": torch.tensor(float(self.calls))}


def quiet_fit(step, batches, **options):
    return fit(step, batches, **{"epochs": 1, "progress": False, **options})


# --- o histórico ---------------------------------------------------------------------------------------------------


def test_history_weighs_each_batch_by_its_size():
    x = torch.linspace(-1, 1, 10).view(10, 1, 1, 1).expand(10, 1, 28, 28).clone()
    x[8:] = 1.0
    dataset = ImageDataset(x, torch.zeros(10, dtype=torch.int64), "rampa")
    step = Values()
    history = quiet_fit(step, dataset.batches(4, shuffle=False), epochs=2)
    assert step.calls == 6
    # Nem a média das médias (o último lote só tem 2 imagens), nem o último lote.
    batch_means = [x[:4].mean().item(), x[4:8].mean().item(), 1.0]
    assert history["média"][0] == pytest.approx(x.mean().item(), rel=1e-5)
    assert history["média"][0] != pytest.approx(sum(batch_means) / 3, rel=1e-2)
    assert history["média"][0] != pytest.approx(batch_means[-1], rel=1e-2)
    assert history["passos"] == pytest.approx([(4 * 1 + 4 * 2 + 2 * 3) / 10, (4 * 4 + 4 * 5 + 2 * 6) / 10])
    assert history.terms == ["média", "passos"]
    assert len(history) == len(history.seconds) == 2
    assert not history.interrupted


def test_the_first_epoch_matches_a_loop_written_by_hand(digits):
    step, expected = vae_step(), []
    fitted = vae_step()
    batches = digits.batches(50, seed=3)
    history = quiet_fit(fitted, batches, epochs=2, seed=9)
    for epoch in range(2):
        batches.set_epoch(epoch)
        torch.manual_seed(runtime.derive_seed(9, NOISE, epoch))
        total = sum(step(batch)["loss"].double() * len(batch.x) for batch in batches)
        expected.append(total.item() / len(digits))
    assert history["loss"] == pytest.approx(expected, rel=1e-12)
    assert same(weights(fitted), weights(step))


@pytest.mark.parametrize("kind", ["tensor", "tuple", "loader", "generator"])
def test_batches_can_be_any_iterable(digits, kind):
    x, labels = digits.images, digits.labels
    batches = {
        "tensor": [x[:200], x[200:]],
        "tuple": [(x[:200], labels[:200]), (x[200:], labels[200:])],
        "loader": torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), batch_size=200),
        "generator": (part for part in (x[:200], x[200:])),
    }[kind]

    def step(batch):
        return {"loss": (batch if isinstance(batch, torch.Tensor) else batch[0]).mean()}

    assert quiet_fit(step, batches)["loss"][0] == pytest.approx(x.mean().item(), rel=1e-5)


def test_terms_do_not_keep_the_graph_alive(digits):
    """Um passo que esquece o ``detach`` não pode segurar os grafos da época inteira."""
    model, alive = nn.Linear(784, 1), []

    def step(batch):
        hidden = model(batch.x.flatten(1)) * 2
        alive.append(weakref.ref(hidden))
        assert sum(reference() is not None for reference in alive) <= 2
        return {"loss": hidden.square().mean()}

    quiet_fit(step, digits.batches(20))
    assert len(alive) == 12


# --- a semente -----------------------------------------------------------------------------------------------------


def test_same_seed_same_history_and_weights(digits):
    first, second = vae_step(), vae_step()
    one = quiet_fit(first, digits.batches(50), epochs=3, seed=1)
    torch.manual_seed(123)
    torch.rand(7)
    two = quiet_fit(second, digits.batches(50), epochs=3, seed=1)
    assert one.epochs == two.epochs
    assert same(weights(first), weights(second))


def test_another_seed_another_history(digits):
    batches = digits.batches(50, shuffle=False)
    one, two = quiet_fit(vae_step(), batches, seed=1), quiet_fit(vae_step(), batches, seed=2)
    assert one["loss"] != two["loss"]
    assert one["loss"] == pytest.approx(two["loss"], rel=0.05)


def test_epochs_do_not_repeat_the_same_noise(digits):
    noises = []

    def step(batch):
        noises.append(torch.randn(()).item())
        return {"loss": batch.x.mean()}

    quiet_fit(step, digits.batches(300), epochs=4)
    assert len(set(noises)) == 4


def test_the_order_of_the_batches_is_fresh_each_epoch_and_starts_at_the_epoch(digits):
    batches, seen = digits.batches(300, seed=2), []

    def step(batch):
        seen.append(batch.labels.tolist())
        return {"loss": batch.x.mean()}

    list(batches)  # alguém já percorreu os lotes: não muda nada
    quiet_fit(step, batches, epochs=3)
    batches.set_epoch(0)
    assert seen[0] == next(iter(batches)).labels.tolist()
    assert seen[0] != seen[1] != seen[2]


def test_a_shuffling_dataloader_repeats_too(digits):
    def run():
        data = torch.utils.data.TensorDataset(digits.images, digits.labels)
        step = vae_step()
        step.objective = lambda model, batch: gaussian_objective(model, Batch(*batch))
        quiet_fit(step, torch.utils.data.DataLoader(data, batch_size=50, shuffle=True), epochs=2)
        return weights(step)

    assert same(run(), run())


def test_fit_leaves_the_global_generators_alone(digits):
    step = vae_step()
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002 - o global
    quiet_fit(step, digits.batches(50), epochs=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # noqa: NPY002


# --- ganchos -------------------------------------------------------------------------------------------------------


def test_callbacks_are_called_in_order(digits):
    events = []

    class Both:
        def on_step(self):
            events.append("passo")

        def on_epoch(self, epoch, history):
            events.append((epoch, len(history)))

    quiet_fit(Values(), digits.batches(100), epochs=2, callbacks=[Both(), object()])
    assert events == ["passo"] * 3 + [(1, 1)] + ["passo"] * 3 + [(2, 2)]


def test_a_callback_that_draws_does_not_change_the_training(digits):
    class Draws:
        def on_epoch(self, epoch, history):
            torch.randn(100)

    plain, watched = vae_step(), vae_step()
    quiet_fit(plain, digits.batches(50), epochs=3)
    quiet_fit(watched, digits.batches(50), epochs=3, callbacks=[Draws()])
    assert same(weights(plain), weights(watched))


# --- o passo de um objetivo só -------------------------------------------------------------------------------------


def test_objective_step_takes_one_optimizer_step(digits):
    torch.manual_seed(0)
    model = Autoencoder(latent_dim=2, hidden_dims=(8,)).double()
    batch = Batch(digits.images[:9].double(), digits.labels[:9])
    before = [value.detach().clone() for value in model.parameters()]
    gradients = torch.autograd.grad(reconstruction_objective(model, batch)["loss"], list(model.parameters()))
    step = ObjectiveStep(model, reconstruction_objective, torch.optim.SGD(model.parameters(), lr=0.5))
    terms = step(batch)
    for value, start, gradient in zip(model.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(value.detach(), start - 0.5 * gradient)
    assert not terms["loss"].requires_grad


def test_the_gradient_of_a_step_does_not_leak_into_the_next(digits):
    def run(split: bool) -> list[torch.Tensor]:
        step = vae_step()
        step.objective, step.model = reconstruction_objective, Autoencoder(latent_dim=2, hidden_dims=(8,))
        torch.manual_seed(0)
        for value in step.model.parameters():
            nn.init.normal_(value, std=0.05)
        step.optimizer = torch.optim.SGD(step.model.parameters(), lr=0.5)
        for start in (0, 50):
            step(Batch(digits.images[start : start + 50], digits.labels[start : start + 50]))
            if split:
                step.optimizer.zero_grad()
        return weights(step)

    assert same(run(split=True), run(split=False))


def test_the_schedule_advances_once_a_step(digits):
    step = vae_step(lr=1.0)
    step.optimizer = torch.optim.SGD(step.model.parameters(), lr=1e-3)
    step.scheduler = torch.optim.lr_scheduler.StepLR(step.optimizer, step_size=1, gamma=0.5)
    quiet_fit(step, digits.batches(50), epochs=2)
    assert step.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.5**10)


def test_an_objective_without_loss_is_refused(digits):
    step = vae_step()
    step.objective = lambda model, batch: {"erro": batch.x.mean(), "kl": batch.x.mean()}
    with pytest.raises(ValueError, match="objective: devolveu erro, kl; esperava um dicionário com 'loss'"):
        quiet_fit(step, digits.batches(50))


# --- o que não é finito --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_non_finite_term_stops_the_training_and_is_named(digits, value):
    step = Values()

    def poisoned(batch):
        terms = step(batch)
        terms["veneno"] = torch.tensor(value if step.calls == 7 else 1.0)
        return terms

    with pytest.raises(NonFiniteLossError, match=r"'veneno' deixou de ser finito na época 2.*taxa de aprendizado"):
        quiet_fit(poisoned, digits.batches(50), epochs=9)
    assert step.calls == 10


def test_a_non_finite_term_does_not_wait_for_the_end_of_a_long_epoch(digits):
    step = Values()

    def poisoned(batch):
        return {"loss": step(batch)["média"] * (float("nan") if step.calls == 3 else 1)}

    with pytest.raises(NonFiniteLossError, match=f"época 1, até o passo {CHECK_EVERY}"):
        quiet_fit(poisoned, digits.batches(1), epochs=1)
    assert step.calls == CHECK_EVERY < len(digits)


def test_a_network_that_refuses_what_another_made_does_not_hide_the_divergence(digits):
    """O gerador divergiu, e é o discriminador quem reclama dos pixels: o que se diz é que os pesos divergiram."""
    torch.manual_seed(0)
    gen, disc = Generator(hidden_dim=16), Discriminator(hidden_dim=16)
    with torch.no_grad():
        gen.net[0].weight[3, 2] = float("nan")
    optimizers = (torch.optim.SGD(network.parameters(), lr=1e-3) for network in (gen, disc))
    with pytest.raises(NonFiniteLossError, match=r"os pesos net\.0\.weight de step\.gen .*época 1"):
        quiet_fit(GANStep(gen, disc, *optimizers), [Batch(digits.images, digits.labels)])


def test_nan_in_a_batch_is_caught(digits):
    x = digits.images.clone()
    x[17, 0, 3, 3] = float("nan")
    clean, poisoned = Batch(digits.images, digits.labels), Batch(x, digits.labels)
    for batches in ([poisoned, clean], [clean, poisoned]):
        with pytest.raises(ValueError, match="os valores vão de NaN a NaN"):
            quiet_fit(vae_step(), batches)
    # Um passo que não confere os seus dados chega à perda.
    with pytest.raises(NonFiniteLossError, match=r"'média'.*NaN nos dados"):
        quiet_fit(Values(), [clean, poisoned])


class BreaksWeights:
    """Gancho que estraga um peso no passo ``at``, depois de uma perda ainda finita."""

    def __init__(self, model: nn.Module, at: int) -> None:
        self.model, self.left = model, at

    def on_step(self) -> None:
        self.left -= 1
        if self.left == 0:
            with torch.no_grad():
                self.model.posterior[0].bias[0] = float("nan")


def test_weights_broken_by_the_last_step_are_not_returned_as_good(digits):
    step = vae_step()
    with pytest.raises(NonFiniteLossError, match=r"pesos posterior\.0\.bias de step\.model .* na época 1"):
        quiet_fit(step, digits.batches(50), callbacks=[BreaksWeights(step.model, at=5)])


@pytest.mark.parametrize("at", [10, 12], ids=["no último passo da época", "no meio da época"])
def test_the_last_good_checkpoint_survives(digits, tmp_path, at):
    path, good = tmp_path / "treino.pt", tmp_path / "bom.pt"
    quiet_fit(vae_step(), digits.batches(50), checkpoint=good, epochs=at // 5 - (at % 5 == 0))
    step = vae_step()
    with pytest.raises(NonFiniteLossError):
        quiet_fit(step, digits.batches(50), epochs=5, checkpoint=path, callbacks=[BreaksWeights(step.model, at=at)])
    found, expected = torch.load(path)["parts"]["step.model"], torch.load(good)["parts"]["step.model"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    resumed = vae_step()
    assert len(quiet_fit(resumed, digits.batches(50), epochs=3, checkpoint=path)) == 3
    assert all(value.isfinite().all() for value in weights(resumed))


# --- o que não serve -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [0, -1, 2.0, "3", None, True])
def test_bad_epochs(digits, epochs):
    with pytest.raises(ValueError, match=r"epochs: veio .*; esperava um inteiro ≥ 1"):
        quiet_fit(Values(), digits.batches(50), epochs=epochs)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a", None])
def test_bad_seed(digits, seed):
    with pytest.raises(ValueError, match=r"seed: veio .*; esperava um inteiro de 0 a 4294967295"):
        quiet_fit(Values(), digits.batches(50), seed=seed)


def test_numpy_integers_are_integers_even_in_a_checkpoint(digits, tmp_path):
    path = tmp_path / "treino.pt"
    options = {"epochs": np.int64(2), "seed": np.int64(3), "checkpoint": path}
    history = quiet_fit(vae_step(), digits.batches(50), **options)
    assert quiet_fit(vae_step(), digits.batches(50), epochs=2, seed=3, checkpoint=path).epochs == history.epochs


@pytest.mark.parametrize("batches", [[], iter(())])
def test_no_batches(batches):
    with pytest.raises(ValueError, match="batches: não veio nenhum lote"):
        quiet_fit(Values(), batches)


def test_batches_that_end_after_one_epoch(digits):
    with pytest.raises(ValueError, match="batches: não veio nenhum lote"):
        quiet_fit(Values(), (batch for batch in digits.batches(50)), epochs=2)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "step: devolveu NoneType; esperava um dicionário"),
        ({}, "step: devolveu dict; esperava um dicionário"),
        (torch.zeros(()), "step: devolveu Tensor"),
        ({"loss": 0.5}, "o termo 'loss' é float; esperava um tensor escalar"),
        ({"a": torch.zeros(()), "b": torch.zeros(3)}, r"o termo 'b' é um tensor de forma \(3,\)"),
    ],
)
def test_a_step_that_does_not_return_scalars(digits, result, message):
    with pytest.raises(ValueError, match=message):
        quiet_fit(lambda batch: result, digits.batches(50))


# --- a barra e o Ctrl-C --------------------------------------------------------------------------------------------


def test_no_progress_bar_when_not_asked(digits, capfd):
    quiet_fit(Values(), digits.batches(50))
    assert capfd.readouterr() == ("", "")


def test_progress_bar_counts_every_step(digits, capfd):
    fit(Values(), digits.batches(50), epochs=2, description="dígitos")
    error = capfd.readouterr().err
    assert "dígitos: 100%" in error
    assert "10/10" in error
    assert "época 2, média=" in error


def test_in_a_notebook_the_pace_of_the_bar_is_the_one_of_tqdm(digits, monkeypatch):
    bars = []
    # O módulo tem o nome da função.
    monkeypatch.setitem(fit.__globals__, "tqdm", lambda **options: bars.append(options) or tqdm(disable=True))
    monkeypatch.setattr(runtime, "in_notebook", lambda: True)
    fit(Values(), digits.batches(50), epochs=1)
    monkeypatch.setattr(runtime, "in_notebook", lambda: False)
    fit(Values(), digits.batches(50), epochs=1)
    assert "mininterval" not in bars[0]  # o que se passa ao tqdm vale mais que TQDM_MININTERVAL
    assert bars[1]["mininterval"] == 10


def test_progress_bar_without_a_known_length(digits, capfd):
    fit(Values(), iter(digits.batches(50)), epochs=1)
    assert "5passo" in capfd.readouterr().err


class PressesCtrlC:
    """Gancho que interrompe no passo ``at``."""

    def __init__(self, at: int) -> None:
        self.left = at

    def on_step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("at", "epochs"), [(3, 0), (5, 0), (8, 1), (15, 2)])
def test_ctrl_c_returns_the_finished_epochs(digits, capsys, at, epochs):
    step, reference = vae_step(), vae_step()
    state = torch.get_rng_state()
    history = quiet_fit(step, digits.batches(50), epochs=3, callbacks=[PressesCtrlC(at)])
    assert torch.equal(torch.get_rng_state(), state)
    assert history.interrupted
    assert len(history) == epochs
    output = capsys.readouterr().out
    assert f"Interrompido na época {epochs + 1} de 3" in output
    assert "checkpoint" not in output
    if epochs:
        expected = quiet_fit(reference, digits.batches(50), epochs=3)
        assert history.epochs == expected.epochs[:epochs]
    assert not same(weights(step), weights(vae_step()))
