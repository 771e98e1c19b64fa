"""Checkpoints inteiros ou inexistentes, retomada exata, e o que é recusado sem estragar o que está na memória."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from dataclasses import replace

import pytest
import torch

from course_lib.data import ImageDataset, split_domains
from course_lib.models.cyclegan import CycleGANStep, ImagePool, LinearDecay, PatchDiscriminator, ResnetGenerator
from course_lib.models.gan import Discriminator, GANStep, Generator
from course_lib.models.vae import VAE, gaussian_objective
from course_lib.training import EMA, ObjectiveStep, fit
from course_lib.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
    stateful_parts,
    write_atomically,
)


def vae_step(hidden_dim: int = 16, total_steps: int | None = None, seed: int = 0) -> ObjectiveStep:
    torch.manual_seed(seed)
    model = VAE(hidden_dims=(hidden_dim,), latent_dim=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = None
    if total_steps is not None:
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=total_steps)
    return ObjectiveStep(model, gaussian_objective, optimizer, scheduler)


def gan_step() -> GANStep:
    torch.manual_seed(0)
    gen, disc = Generator(hidden_dim=8), Discriminator(hidden_dim=8)
    return GANStep(gen, disc, torch.optim.Adam(gen.parameters()), torch.optim.Adam(disc.parameters()))


def cyclegan_step(total_steps: int = 24) -> CycleGANStep:
    torch.manual_seed(0)
    gens = [ResnetGenerator(width=4, n_blocks=1) for _ in range(2)]
    discs = [PatchDiscriminator(width=4) for _ in range(2)]
    optimizers = [torch.optim.Adam(torch.nn.ModuleList(pair).parameters(), lr=1e-2) for pair in (gens, discs)]
    # 8 imagens: o reservatório enche na segunda volta e daí em diante troca.
    schedules = tuple(LinearDecay(optimizer, total_steps) for optimizer in optimizers)
    return CycleGANStep(*gens, *discs, *optimizers, schedules, pool_size=8)


def everything(step) -> dict[str, torch.Tensor]:
    """Todos os tensores das partes do passo, redes e otimizadores, por caminho."""
    found = {}

    def walk(prefix: str, value) -> None:
        if isinstance(value, torch.Tensor):
            found[prefix] = value.detach().clone()
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}", inner)

    for name, part in stateful_parts(step).items():
        walk(name, part.state_dict())
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def quiet_fit(step, batches, **options):
    return fit(step, batches, **{"epochs": 1, "progress": False, **options})


class Stop(Exception):
    """A queda que os testes simulam."""


class StopsAt:
    """Gancho que derruba o treinamento no passo ``at``."""

    def __init__(self, at: int) -> None:
        self.left = at

    def on_step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stop


# --- a retomada ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build", [vae_step, lambda: vae_step(total_steps=20), gan_step], ids=["vae", "onecycle", "gan"]
)
@pytest.mark.parametrize("at", [1, 7, 15, 19])
def test_resumed_training_is_bit_identical(digits, tmp_path, build, at):
    batches, path = digits.batches(50), tmp_path / "pasta" / "nova" / "treino.pt"
    whole = build()
    expected = quiet_fit(whole, batches, epochs=4)
    with pytest.raises(Stop):
        quiet_fit(build(), batches, epochs=4, checkpoint=path, callbacks=[StopsAt(at)])
    resumed = build()
    history = quiet_fit(resumed, batches, epochs=4, checkpoint=path)
    assert history.epochs == expected.epochs
    assert same(everything(resumed), everything(whole))


@pytest.mark.parametrize("at", [1, 7, 11, 23])
def test_resumed_cyclegan_is_bit_identical_pool_included(digits, tmp_path, at):
    """Seis lotes por época; as imagens guardadas para os discriminadores fazem parte do que se retoma."""
    batches, path = split_domains(digits.take(48)).batches(4), tmp_path / "treino.pt"
    whole = cyclegan_step()
    expected = quiet_fit(whole, batches, epochs=4)
    with pytest.raises(Stop):
        quiet_fit(cyclegan_step(), batches, epochs=4, checkpoint=path, callbacks=[StopsAt(at)])
    resumed = cyclegan_step()
    history = quiet_fit(resumed, batches, epochs=4, checkpoint=path)
    assert history.epochs == expected.epochs
    assert same(everything(resumed), everything(whole))
    assert everything(whole)["pool_x.images"].shape == (8, 1, 28, 28)


def test_a_pool_left_behind_would_be_seen(digits, tmp_path, monkeypatch):
    batches, path = split_domains(digits.take(48)).batches(4), tmp_path / "treino.pt"
    whole = cyclegan_step()
    quiet_fit(whole, batches, epochs=4)
    quiet_fit(cyclegan_step(), batches, epochs=3, checkpoint=path)
    monkeypatch.setattr(ImagePool, "load_state_dict", lambda self, state: None)
    resumed = cyclegan_step()
    quiet_fit(resumed, batches, epochs=4, checkpoint=path)
    assert not torch.equal(everything(resumed)["disc_x.net.0.weight"], everything(whole)["disc_x.net.0.weight"])


def test_a_linear_decay_of_another_length_is_refused(digits, tmp_path):
    batches, path = split_domains(digits.take(16)).batches(4), tmp_path / "treino.pt"
    quiet_fit(cyclegan_step(), batches, epochs=1, checkpoint=path)
    with pytest.raises(CheckpointError, match="foi gravado para 24 passos ao todo; este treinamento tem 30"):
        quiet_fit(cyclegan_step(30), batches, epochs=2, checkpoint=path)


def test_resuming_ignores_the_initial_weights_and_the_global_generator(digits, tmp_path):
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), epochs=2, checkpoint=path)
    whole, resumed = vae_step(), vae_step(seed=77)
    torch.manual_seed(99)
    quiet_fit(resumed, digits.batches(50), epochs=3, checkpoint=path)
    quiet_fit(whole, digits.batches(50), epochs=3)
    assert same(everything(resumed), everything(whole))


def test_a_shuffling_dataloader_resumes_too(digits, tmp_path):
    data = torch.utils.data.TensorDataset(digits.images)

    def build():
        step = vae_step()
        objective = step.objective
        step.objective = lambda model, batch: objective(model, type("Lote", (), {"x": batch[0]}))
        return step, torch.utils.data.DataLoader(data, batch_size=50, shuffle=True)

    whole, batches = build()
    quiet_fit(whole, batches, epochs=3)
    first, batches = build()
    with pytest.raises(Stop):
        quiet_fit(first, batches, epochs=3, checkpoint=tmp_path / "t.pt", callbacks=[StopsAt(8)])
    resumed, batches = build()
    quiet_fit(resumed, batches, epochs=3, checkpoint=tmp_path / "t.pt")
    assert same(everything(resumed), everything(whole))


def test_a_finished_training_returns_at_once(digits, tmp_path):
    path = tmp_path / "treino.pt"
    first = vae_step()
    history = quiet_fit(first, digits.batches(50), epochs=2, checkpoint=path)
    again = vae_step(seed=5)
    before = path.stat().st_mtime_ns
    calls = []
    again.objective = lambda model, batch: calls.append(batch)
    assert quiet_fit(again, digits.batches(50), epochs=2, checkpoint=path).to_dict() == history.to_dict()
    assert calls == []
    assert path.stat().st_mtime_ns == before
    assert same(everything(again), everything(first))


def test_more_epochs_continue_a_finished_training(digits, tmp_path):
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), epochs=2, checkpoint=path)
    longer, whole = vae_step(), vae_step()
    quiet_fit(longer, digits.batches(50), epochs=4, checkpoint=str(path))
    quiet_fit(whole, digits.batches(50), epochs=4)
    assert same(everything(longer), everything(whole))


def test_checkpointing_does_not_change_the_training(digits, tmp_path):
    plain, saved = vae_step(), vae_step()
    quiet_fit(plain, digits.batches(50), epochs=2)
    quiet_fit(saved, digits.batches(50), epochs=2, checkpoint=tmp_path / "t.pt")
    assert same(everything(plain), everything(saved))
    assert [path.name for path in tmp_path.iterdir()] == ["t.pt"]


def test_the_checkpoint_is_on_disk_before_the_epoch_callbacks(digits, tmp_path):
    path = tmp_path / "treino.pt"

    class Fails:
        def on_epoch(self, epoch, history):
            if epoch == 2:
                raise Stop

    with pytest.raises(Stop):
        quiet_fit(vae_step(), digits.batches(50), epochs=5, checkpoint=path, callbacks=[Fails()])
    assert len(load_checkpoint(path, path.read_bytes())["history"]["epochs"]) == 2


# --- o que é de outro treinamento ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "options", "batch_size", "message"),
    [
        (lambda: vae_step(17), {}, 50, r"step\.model é de outra arquitetura"),
        (vae_step, {"seed": 3}, 50, "semente 0; este treinamento usa 3"),
        (gan_step, {}, 50, r"guarda step\.model, .*; este treinamento tem step\.disc"),
        (lambda: vae_step(total_steps=15), {}, 50, r"guarda step\.model, step\.optimizer; .*step\.scheduler"),
        (vae_step, {}, 23, "5 passos por época; este treinamento tem 10"),
        (vae_step, {"epochs": 1}, 50, "já tem 2 épocas; este treinamento pede 1"),
    ],
    ids=["arquitetura", "semente", "familia", "agenda", "lote", "menos épocas"],
)
def test_a_foreign_checkpoint_is_refused_and_memory_stays(digits, tmp_path, build, options, batch_size, message):
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), epochs=2, checkpoint=path)
    content = path.read_bytes()
    step = build()
    before = everything(step)
    with pytest.raises(CheckpointError, match=message) as caught:
        quiet_fit(step, digits.batches(batch_size), **{"epochs": 3, "checkpoint": path, **options})
    assert str(path) in str(caught.value)
    assert same(everything(step), before)
    assert path.read_bytes() == content


def test_other_data_of_the_same_size_are_refused(digits, tmp_path):
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), checkpoint=path)
    content = path.read_bytes()
    other = ImageDataset(digits.images.flip(0), digits.labels, digits.name)
    with pytest.raises(CheckpointError, match=r"foi gravado com outros dados .*Apague-o para recomeçar") as caught:
        quiet_fit(vae_step(), other.batches(50), epochs=2, checkpoint=path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content
    # Os mesmos dados noutro objeto são os mesmos; e de lotes que não sabem o que são nada se confere.
    quiet_fit(vae_step(), replace(digits, name="outro nome").batches(50), epochs=2, checkpoint=path)
    path.unlink()
    for _ in range(2):
        quiet_fit(vae_step(), list(digits.batches(50, shuffle=False)), checkpoint=path)


def test_a_half_matching_architecture_leaves_memory_whole(digits, tmp_path):
    """A primeira camada cabe e a segunda não: o que load_state_dict chegou a copiar volta atrás."""
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), checkpoint=path)
    torch.manual_seed(1)
    model = VAE(hidden_dims=(16,), latent_dim=4)
    step = ObjectiveStep(model, gaussian_objective, torch.optim.Adam(model.parameters(), lr=1e-3))
    before = everything(step)
    with pytest.raises(CheckpointError, match="outra arquitetura"):
        quiet_fit(step, digits.batches(50), checkpoint=path)
    assert same(everything(step), before)


@pytest.mark.parametrize("epochs", [2, 6])
def test_a_schedule_with_another_end_is_refused(digits, tmp_path, epochs):
    path = tmp_path / "treino.pt"
    with pytest.raises(Stop):
        quiet_fit(vae_step(total_steps=20), digits.batches(50), epochs=4, checkpoint=path, callbacks=[StopsAt(7)])
    step = vae_step(total_steps=5 * epochs)
    before = everything(step)
    with pytest.raises(CheckpointError, match=rf"step\.scheduler foi gravado para 20 passos.*tem {5 * epochs}\."):
        quiet_fit(step, digits.batches(50), epochs=epochs, checkpoint=path)
    assert same(everything(step), before)


class Decay:
    """Uma agenda de quem sabe o seu fim, como a LambdaLR as guarda: pelos atributos do objeto."""

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps

    def __call__(self, step: int) -> float:
        return min(1.0, 2 * (1 - step / self.total_steps))


class Endless:
    """Uma agenda sem fim."""

    def __init__(self, half_life: float) -> None:
        self.half_life = half_life

    def __call__(self, step: int) -> float:
        return 0.5 ** (step / self.half_life)


def lambda_step(*factors) -> ObjectiveStep:
    """Um passo com um grupo de parâmetros e um fator para cada um."""
    step = vae_step()
    parameters = list(step.model.parameters())
    groups = [{"params": parameters[index :: len(factors)]} for index in range(len(factors))]
    step.optimizer = torch.optim.Adam(groups, lr=1e-3)
    step.scheduler = torch.optim.lr_scheduler.LambdaLR(step.optimizer, list(factors))
    return step


@pytest.mark.parametrize(
    "factors",
    [lambda n: [Decay(n)], lambda n: [lambda step: 1.0, Decay(n)], lambda n: [Endless(9.0), Decay(n)]],
    ids=["um grupo", "depois de uma função", "depois de uma sem fim"],
)
@pytest.mark.parametrize("epochs", [2, 6])
def test_a_lambda_schedule_with_another_end_is_refused(digits, tmp_path, factors, epochs):
    path = tmp_path / "treino.pt"
    with pytest.raises(Stop):
        quiet_fit(lambda_step(*factors(20)), digits.batches(50), epochs=4, checkpoint=path, callbacks=[StopsAt(7)])
    step = lambda_step(*factors(5 * epochs))
    before = everything(step)
    with pytest.raises(CheckpointError, match=rf"step\.scheduler foi gravado para 20 passos.*tem {5 * epochs}\."):
        quiet_fit(step, digits.batches(50), epochs=epochs, checkpoint=path)
    assert same(everything(step), before)


@pytest.mark.parametrize("build", [lambda: lambda_step(Decay(20)), lambda: lambda_step(Endless(9.0))])
@pytest.mark.parametrize("at", [7, 19])
def test_a_lambda_schedule_resumes_exactly(digits, tmp_path, build, at):
    batches, path = digits.batches(50), tmp_path / "treino.pt"
    whole = build()
    expected = quiet_fit(whole, batches, epochs=4)
    with pytest.raises(Stop):
        quiet_fit(build(), batches, epochs=4, checkpoint=path, callbacks=[StopsAt(at)])
    resumed = build()
    assert quiet_fit(resumed, batches, epochs=4, checkpoint=path).epochs == expected.epochs
    assert same(everything(resumed), everything(whole))


def test_an_endless_schedule_does_not_mind_more_epochs(digits, tmp_path):
    path = tmp_path / "treino.pt"
    quiet_fit(lambda_step(Endless(9.0)), digits.batches(50), epochs=2, checkpoint=path)
    assert len(quiet_fit(lambda_step(Endless(9.0)), digits.batches(50), epochs=3, checkpoint=path)) == 3


def test_a_step_without_parts_cannot_be_checkpointed(digits, tmp_path):
    def step(batch):
        return {"loss": batch.x.mean()}

    with pytest.raises(CheckpointError, match="guardar redes e otimizadores como atributos"):
        quiet_fit(step, digits.batches(50), checkpoint=tmp_path / "t.pt")


# --- o arquivo estragado -------------------------------------------------------------------------------------------


@pytest.fixture
def saved(digits, tmp_path):
    path = tmp_path / "treino.pt"
    quiet_fit(vae_step(), digits.batches(50), checkpoint=path)
    return path


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2000])


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("isto não é um checkpoint")


def alter_a_weight(path):
    """Um byte trocado no meio dos pesos: o torch.load sozinho não percebe."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content[largest.header_offset + largest.file_size // 2] ^= 0x10
    path.write_bytes(content)


def foreign(path):
    torch.save({"pesos": torch.zeros(3)}, path)


def bare_tensor(path):
    torch.save(torch.zeros(3), path)


@pytest.mark.parametrize("damage", [truncate, halve, empty, text, alter_a_weight, foreign, bare_tensor])
def test_a_damaged_checkpoint_is_named(digits, saved, damage):
    damage(saved)
    content = saved.read_bytes()
    step = vae_step()
    before = everything(step)
    with pytest.raises(CheckpointError, match=r"[Aa]pague-o") as caught:
        quiet_fit(step, digits.batches(50), epochs=3, checkpoint=saved)
    assert str(saved) in str(caught.value)
    assert same(everything(step), before)
    assert saved.read_bytes() == content


def test_a_folder_in_the_place_of_the_checkpoint(digits, tmp_path):
    with pytest.raises(CheckpointError, match="não consegui ler o checkpoint"):
        quiet_fit(vae_step(), digits.batches(50), checkpoint=tmp_path)


class RunsACommand:
    """O que um arquivo malicioso guardaria: ao ser lido com pickle, cria um arquivo."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("write", ["torch", "pickle"])
def test_loading_never_runs_what_is_in_the_file(tmp_path, write):
    path, target = tmp_path / "mau.pt", tmp_path / "executado"
    state = {"seed": 0, "steps": 1, "history": {}, "parts": {"x": RunsACommand(target)}}
    if write == "torch":
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps(state))
    with pytest.raises(CheckpointError):
        load_checkpoint(path, path.read_bytes())
    assert not target.exists()


# --- o disco -------------------------------------------------------------------------------------------------------


def test_write_atomically_keeps_the_old_file_when_the_new_one_fails(tmp_path):
    path = tmp_path / "a" / "b.bin"
    write_atomically(path, lambda file: file.write(b"velho"))

    def broken(file):
        file.write(b"no")
        file.flush()
        assert path.read_bytes() == b"velho"
        raise Stop

    with pytest.raises(Stop):
        write_atomically(path, broken)
    assert path.read_bytes() == b"velho"
    write_atomically(path, lambda file: file.write(b"novo"))
    assert path.read_bytes() == b"novo"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.bin"]


def test_a_full_disk_is_an_oserror_and_the_old_checkpoint_stays(saved, files_limited_to):
    content = saved.read_bytes()
    with files_limited_to(20_000), pytest.raises(OSError, match="File too large"):
        save_checkpoint(saved, {"parts": {"pesos": torch.zeros(100_000)}})
    assert saved.read_bytes() == content
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_training_survives_a_disk_that_fills_up(digits, tmp_path, files_limited_to, capsys):
    path = tmp_path / "treino.pt"
    step, whole = vae_step(), vae_step()
    quiet_fit(step, digits.batches(50), epochs=1, checkpoint=path)
    content = path.read_bytes()
    with files_limited_to(20_000):
        history = quiet_fit(step, digits.batches(50), epochs=4, checkpoint=path)
    assert len(history) == 4
    output = capsys.readouterr().out
    assert output.count("não consegui gravar o checkpoint") == 1
    assert str(path) in output
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["treino.pt"]
    quiet_fit(whole, digits.batches(50), epochs=4)
    assert same(everything(step), everything(whole))


def test_training_survives_a_folder_that_cannot_be_made(digits, tmp_path, capsys):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    history = quiet_fit(vae_step(), digits.batches(50), checkpoint=tmp_path / "arquivo" / "treino.pt")
    assert len(history) == 1
    assert "não consegui gravar o checkpoint" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="montar um disco pequeno pede administrador")
def test_training_survives_a_small_disk(digits, tmp_path, capsys):
    disk = tmp_path / "disco"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("esta máquina não deixa montar um disco pequeno")
    try:
        assert len(quiet_fit(vae_step(), digits.batches(50), epochs=2, checkpoint=disk / "treino.pt")) == 2
        assert "No space left" in capsys.readouterr().out
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


# --- EMA no checkpoint ---------------------------------------------------------------------------------------------


def test_the_average_is_resumed_too(digits, tmp_path):
    batches = digits.batches(50)

    def run(**options):
        step = vae_step()
        ema = EMA(step.model, decay=0.8)
        extra = options.pop("extra", [])
        quiet_fit(step, batches, epochs=3, callbacks=[ema, *extra], **options)
        return ema

    whole = run()
    with pytest.raises(Stop):
        run(checkpoint=tmp_path / "t.pt", extra=[StopsAt(8)])
    resumed = run(checkpoint=tmp_path / "t.pt")
    assert same(dict(resumed.state_dict()), dict(whole.state_dict()))
    with pytest.raises(CheckpointError, match=r"guarda callback\.0"):
        quiet_fit(vae_step(), batches, epochs=3, checkpoint=tmp_path / "t.pt")
