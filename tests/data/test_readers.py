"""Os processos que leem adiante: o que entregam, quanto adiantam, e que nunca sobram."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from torch.utils.data import dataloader

from course_lib.data import DataError
from course_lib.data.readers import AHEAD, is_lost_reader, read_ahead


def where(key: int) -> tuple[int, int]:
    return key, os.getpid()


def fails_at_three(key: int) -> int:
    if key == 3:
        raise DataError(f"a chave {key} não se lê")
    return key


def leaves_a_mark(path: Path) -> Path:
    path.touch()
    return path


def dies(key: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def readers() -> list[psutil.Process]:
    """Os leitores vivos, entre os processos filhos; o ``multiprocessing`` deixa mais dois, que não são leitores.

    Um conta recursos; o outro, desde o Python 3.14, é filho deste e cria os leitores, que têm a linha de comando dele.
    """
    alive = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            # Um que já morreu não tem mais linha de comando.
            command = " ".join(one.cmdline())
            maker = "forkserver" in command and one.ppid() == os.getpid()
            alive += [one] if command and "resource_tracker" not in command and not maker else []
    return alive


@pytest.fixture(autouse=True)
def none_left():
    assert readers() == []
    yield
    assert readers() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order_from_as_many_processes_as_asked(workers):
    found = list(read_ahead(where, range(20), workers))
    assert [key for key, _ in found] == list(range(20))
    processes = {process for _, process in found}
    assert len(processes) == max(workers, 1)
    assert (os.getpid() in processes) == (workers == 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_data_arrives_as_it_was_raised_and_ends_the_readers(workers):
    results = read_ahead(fails_at_three, range(50), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError) as error:
        next(results)
    assert str(error.value) == "a chave 3 não se lê"
    # O erro, guardado (como um caderno o guarda), não segura os processos.
    assert readers() == []


def test_readers_end_when_who_reads_gives_up():
    results = read_ahead(where, range(1_000), 2)
    next(results)
    assert len(readers()) == 2
    results.close()
    assert readers() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_they_stay_only_a_few_results_ahead(tmp_path, workers):
    paths = [tmp_path / f"{index:02}" for index in range(60)]
    for done, _ in enumerate(read_ahead(leaves_a_mark, paths, workers), start=1):
        assert len(list(tmp_path.iterdir())) <= done + AHEAD * workers


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_generator_is_left_alone(workers):
    before = torch.get_rng_state()
    list(read_ahead(where, range(4), workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_reader_that_dies_is_recognized():
    with pytest.raises(RuntimeError) as error:
        list(read_ahead(dies, range(4), 2))
    # O outro também está morrendo.
    psutil.wait_procs(readers(), timeout=600)
    assert is_lost_reader(error.value)
    assert not is_lost_reader(RuntimeError("outra coisa"))
    assert not is_lost_reader(ValueError("DataLoader worker"))


def test_a_reader_lost_while_the_others_are_born_leaves_none(monkeypatch):
    iterator = dataloader._MultiProcessingDataLoaderIter
    start = iterator._reset

    def lost(self, *args, **options):
        start(self, *args, **options)
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    monkeypatch.setattr(iterator, "_reset", lost)
    with pytest.raises(RuntimeError, match="DataLoader worker") as error:
        next(read_ahead(where, range(4), 2))
    # O erro guardado, como um caderno o guarda, não segura os que já tinham nascido.
    assert error.value is not None
    assert readers() == []


def test_ctrl_c_still_reaches_this_process():
    before = signal.getsignal(signal.SIGINT)
    results = read_ahead(where, range(4), 1)
    next(results)
    assert signal.getsignal(signal.SIGINT) is before
    results.close()
