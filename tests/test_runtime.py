"""Perfil, dispositivo, pastas e sementes de ``course_lib.runtime``."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import files, runtime


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


def raise_no_home(*_):
    raise RuntimeError("Could not determine home directory.")


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """A pasta temporária deste teste, sem nada decidido ainda."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    files._temporary_cache.cache_clear()
    yield tmp_path / "tmp"
    files._temporary_cache.cache_clear()


def test_without_a_home_the_cache_is_a_temporary_folder_of_this_user(monkeypatch, temporary):
    monkeypatch.setattr(Path, "home", raise_no_home)
    assert runtime.cache_dir() == temporary / f"curso-redes-generativas-{os.getuid()}"
    assert runtime.data_root() is None


def test_a_tilde_without_a_home_says_what_to_do(monkeypatch):
    monkeypatch.setattr(Path, "expanduser", raise_no_home)
    for variable, function in (("CURSO_CACHE", runtime.cache_dir), ("CURSO_DADOS", runtime.data_root)):
        monkeypatch.setenv(variable, "~/c")
        with pytest.raises(ValueError, match=f"{variable}: veio '~/c', .*HOME.*escreva o caminho inteiro"):
            function()


def test_a_home_that_cannot_hold_a_cache_gives_way_to_the_temporary_folder(monkeypatch, temporary, tmp_path):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "arquivo" / "cache"))
    assert runtime.cache_dir().parent == temporary
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fechada"))
    (tmp_path / "fechada").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(tmp_path / "fechada")))
    assert runtime.cache_dir().parent == temporary
    # O que já está guardado ali serve, ainda que nada mais se grave.
    (tmp_path / "fechada" / "curso-redes-generativas").mkdir()
    assert runtime.cache_dir() == tmp_path / "fechada" / "curso-redes-generativas"


def test_a_temporary_folder_of_somebody_else_is_not_used(monkeypatch, temporary):
    monkeypatch.setattr(Path, "home", raise_no_home)
    other = os.getuid() + 1
    (temporary / f"curso-redes-generativas-{other}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: other)
    own = runtime.cache_dir()
    assert own.is_dir()
    assert own.parent == temporary
    assert own.name != f"curso-redes-generativas-{other}"
    assert runtime.cache_dir() == own


# --- o que o numba compila -------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Um pacote instalado por outra pessoa, com o que o numba compilou; devolve a pasta dele, que não se grava."""
    package = tmp_path / "site" / "pacote"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("f-1.py311.nbi", "f-1.py311.1.nbc", "__init__.cpython-311.pyc"):
        (package / "__pycache__" / name).write_bytes(name.encode())
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(package)))
    return package


def test_what_the_installer_compiled_is_copied_where_numba_will_look(compiled, tmp_path):
    runtime.share_numba_cache(["pacote", "nenhum_pacote"])
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "cache" / "numba")
    (copied,) = (tmp_path / "cache" / "numba").iterdir()
    assert sorted(path.name for path in copied.iterdir()) == ["f-1.py311.1.nbc", "f-1.py311.nbi"]
    assert (copied / "f-1.py311.nbi").read_bytes() == b"f-1.py311.nbi"


def test_the_folder_is_the_one_numba_asks_for(compiled, tmp_path):
    caching = pytest.importorskip("numba.core.caching")
    runtime.share_numba_cache(["pacote"])
    (copied,) = (tmp_path / "cache" / "numba").iterdir()
    wanted = caching._CacheLocator.get_suitable_cache_subpath(str(compiled / "f.py"))
    assert copied.name == wanted


def test_who_can_write_or_has_chosen_is_left_alone(compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/escolhida")
    runtime.share_numba_cache(["pacote"])
    assert os.environ["NUMBA_CACHE_DIR"] == "/escolhida"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    runtime.share_numba_cache(["nenhum_pacote"])
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    runtime.share_numba_cache(["pacote"])
    assert "NUMBA_CACHE_DIR" not in os.environ
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_stops_nobody(compiled, tmp_path, monkeypatch):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "arquivo" / "cache"))
    runtime.share_numba_cache(["pacote"])
    assert "NUMBA_CACHE_DIR" not in os.environ


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


@pytest.mark.parametrize(
    ("cores", "trainings", "readers"), [(1, "", 0), (2, "", 1), (5, "", 2), (64, "", 8), (8, "2", 2), (8, "8", 0)]
)
def test_half_of_the_cores_read(monkeypatch, cores, trainings, readers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", trainings)
    assert runtime.reader_count() == readers
