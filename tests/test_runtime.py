"""Perfil, dispositivo, pastas e sementes de ``course_lib.runtime``."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import runtime


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("CURSO_PERFIL", "CURSO_DADOS", "CURSO_CACHE", "CURSO_DISPOSITIVO", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runtime, "_noticed", set())


def test_default_profile_is_padrao(monkeypatch):
    assert runtime.profile() == "padrao"
    monkeypatch.setenv("CURSO_PERFIL", "")
    assert runtime.profile() == "padrao"


@pytest.mark.parametrize("name", ["rapido", "padrao", "completo"])
def test_profile_comes_from_the_environment_at_each_call(monkeypatch, name):
    monkeypatch.setenv("CURSO_PERFIL", name)
    assert runtime.profile() == name
    assert runtime.by_profile(rapido="rapido", padrao="padrao", completo="completo") == name


@pytest.mark.parametrize("name", ["turbo", "Rapido", "padrão"])
def test_unknown_profile(monkeypatch, name):
    monkeypatch.setenv("CURSO_PERFIL", name)
    with pytest.raises(ValueError, match=r"perfil desconhecido.*rapido, padrao, completo") as caught:
        runtime.profile()
    assert repr(name) in str(caught.value)
    with pytest.raises(ValueError, match="perfil desconhecido"):
        runtime.by_profile(rapido=1, padrao=2, completo=3)


def test_device_is_the_gpu_when_there_is_one(monkeypatch):
    assert runtime.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setenv("CURSO_DISPOSITIVO", "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:77", "cpu0"])
def test_unreachable_device(monkeypatch, name):
    monkeypatch.setenv("CURSO_DISPOSITIVO", name)
    with pytest.raises(ValueError, match=f"CURSO_DISPOSITIVO='{name}' não está disponível"):
        runtime.device()


def test_folders(monkeypatch, tmp_path):
    assert runtime.data_root() is None
    monkeypatch.setenv("CURSO_DADOS", "~/dados")
    assert runtime.data_root() == Path.home() / "dados"

    assert runtime.cache_dir() == Path.home() / ".cache" / "curso-redes-generativas"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runtime.cache_dir() == tmp_path / "curso-redes-generativas"
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "outro"))
    assert runtime.cache_dir() == tmp_path / "outro"


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()  # noqa: NPY002 - é o gerador testado


def test_seed_everything_seeds_the_three_generators():
    runtime.seed_everything(7)
    first = draws()
    runtime.seed_everything(8)
    other = draws()
    runtime.seed_everything(7)
    assert draws() == first
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_isolated_seed_repeats_inside_and_restores_outside():
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    with runtime.isolated_seed(5):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    with runtime.isolated_seed(5):
        assert torch.equal(torch.rand(4), inside)
    with runtime.isolated_seed(6):
        assert not torch.equal(torch.rand(4), inside)


def test_isolated_seed_restores_after_an_error():
    def fail():
        torch.rand(1)
        raise KeyError

    state = torch.get_rng_state()
    with pytest.raises(KeyError), runtime.isolated_seed(5):
        fail()
    assert torch.equal(torch.get_rng_state(), state)


def test_notice_is_written_once_for_each_text(capsys):
    runtime.notice("um")
    runtime.notice("um")
    runtime.notice("dois")
    assert capsys.readouterr().out.splitlines() == ["⚠ um", "⚠ dois"]


def test_not_in_a_notebook_here():
    assert runtime.in_notebook() is False


def test_derived_seeds_separate_uses_and_epochs():
    seeds = [runtime.derive_seed(seed, key, epoch) for seed in range(4) for key in (1, 2) for epoch in range(20)]
    assert len(set(seeds)) == len(seeds)
    # Semente e época não se somam: (0, 1) e (1, 0) são sorteios diferentes, e nenhum repete a própria semente.
    assert not set(seeds) & set(range(100))
    assert runtime.derive_seed(3, 1, 5) == runtime.derive_seed(3, 1, 5)
    torch.manual_seed(max(seeds))
