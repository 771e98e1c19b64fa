"""Domínios de fotos: os recortes que treinam, lidos do disco, os mesmos com qualquer número de leitores."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pytest
import reading_program
import torch
from PIL import Image

from course_lib.data import DataError, PhotoBatches, PhotoDomains, photo_domains
from course_lib.data.photos import read_photo

RED, BLUE = (200, 30, 10), (10, 40, 220)


def paint(path: Path, size=(40, 30), color=RED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def noise(folder: Path, n: int, *, seed: int = 0) -> Path:
    """Uma pasta com ``n`` fotos, todas diferentes."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 20, 24, 3), dtype=np.uint8)
    for index, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"{index:03}.png")
    return folder


def domains_of(x: Path, y: Path, size: int = 16, **options) -> PhotoDomains:
    return PhotoDomains.from_folders(x, y, size, progress=False, **{"workers": 0, **options})


@pytest.fixture
def folders(tmp_path):
    """Duas pastas: três fotos vermelhas e uma azul, cada uma de um tamanho."""
    for index, size in enumerate([(40, 30), (30, 64), (25, 25)]):
        paint(tmp_path / "x" / f"{index}.png", size)
    paint(tmp_path / "y" / "a.png", (50, 90), color=BLUE)
    return tmp_path / "x", tmp_path / "y"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Sete fotos de um lado, três do outro."""
    root = tmp_path_factory.mktemp("fotos")
    return noise(root / "x", 7), noise(root / "y", 3, seed=1)


# --- os domínios -----------------------------------------------------------------------------------------------------


def test_domains_of_different_sizes(folders):
    domains = domains_of(*folders)
    assert len(domains) == 4
    assert domains.shape == (3, 16, 16)
    assert domains.name == "fotos (X: x, 3; Y: y, 1)"
    (batch,) = domains.batches(3)
    assert batch.x.shape == batch.y.shape == (3, 3, 16, 16)
    for images, color in ((batch.x, RED), (batch.y, BLUE)):
        for channel, value in enumerate(color):
            torch.testing.assert_close(images[:, channel], torch.full((3, 16, 16), value / 127.5 - 1))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_photo_is_named_before_the_training(folders, workers):
    path = noise(folders[1] / "outra", 1) / "000.png"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"000\.png: o arquivo está estragado ou incompleto"):
        domains_of(folders[0], path.parent, workers=workers)


def test_empty_folder_is_named(tmp_path, folders):
    (tmp_path / "vazia").mkdir()
    with pytest.raises(DataError, match="vazia"):
        domains_of(folders[0], tmp_path / "vazia")


@pytest.mark.parametrize("size", [0, -8, 20, 3.5, None])
def test_bad_size(folders, size):
    with pytest.raises(ValueError, match=r"size: veio .*; esperava um múltiplo de 8"):
        domains_of(*folders, size)


def test_bad_workers_batches_and_slices(folders):
    with pytest.raises(ValueError, match="workers: veio -1; esperava um inteiro ≥ 0"):
        domains_of(*folders, workers=-1)
    domains = domains_of(*folders)
    for batch_size in (0, 2.5, None):
        with pytest.raises(ValueError, match=r"batch_size: veio .*; esperava um inteiro ≥ 1"):
            domains.batches(batch_size)
    with pytest.raises(ValueError, match="rank: veio 2; esperava um inteiro de 0 a 1"):
        domains.batches(1).shard(2, 2)


def test_readers_are_chosen_by_the_machine_and_on_request(folders, monkeypatch):
    monkeypatch.setattr(photo_domains.runtime, "reader_count", lambda: 5)
    monkeypatch.setattr(photo_domains, "read_ahead", lambda job, keys, workers: map(job, keys))
    assert domains_of(*folders, workers=None).workers == 5
    assert domains_of(*folders, workers=0).workers == 0
    assert domains_of(*folders, workers=3).to("cpu").workers == 3


# --- o resumo --------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_what_the_files_hold_in_order(tmp_path, noisy):
    x, y = noisy
    first = domains_of(x, y)
    moved = tmp_path / "noutro lugar"
    moved.mkdir()
    for index, path in enumerate(first.x):
        (moved / f"foto {index}.png").write_bytes(path.read_bytes())
    again = domains_of(moved, y, workers=2)
    assert first.sha256() == again.sha256()
    assert domains_of(y, x).sha256() != first.sha256()
    # As mesmas fotos noutra ordem são outros lotes.
    (moved / "foto 0.png").rename(moved / "foto 9.png")
    assert domains_of(moved, y).sha256() != first.sha256()


def test_the_digest_knows_where_a_domain_ends(tmp_path, noisy):
    photos = domains_of(*noisy).x
    for folder, chosen in {"a": photos[:2], "b": photos[2:4], "c": photos[:1], "d": photos[1:4]}.items():
        (tmp_path / folder).mkdir()
        for path in chosen:
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    a, b, c, d = (tmp_path / folder for folder in "abcd")
    assert domains_of(a, b).sha256() != domains_of(c, d).sha256()


def test_batches_say_which_photos_they_come_from_and_of_what_size(noisy):
    x, y = noisy
    made = [domains_of(x, y), domains_of(x, y, 24), domains_of(x, x), domains_of(y, x)]
    assert len({domains.batches(1).sha256() for domains in made}) == len(made)
    assert made[0].batches(1).sha256() == domains_of(x, y).batches(2, seed=3).shard(0, 2).sha256()


# --- os lotes --------------------------------------------------------------------------------------------------------


def epochs(batches: PhotoBatches, numbers: list[int]) -> list[str]:
    found = []
    for number in numbers:
        batches.set_epoch(number)
        found.append(reading_program.digest(batches))
    return found


def test_crops_move_and_flip(tmp_path):
    side, size = 18, 16
    # Cada pixel diz onde está: linha no primeiro canal, coluna no segundo.
    rows, columns = np.mgrid[0:side, 0:side].astype(np.uint8)
    ramp = np.stack([rows, columns, np.zeros_like(rows)], 2)
    for index in range(64):
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(ramp).save(tmp_path / "x" / f"{index}.png")
    ((x, y),) = domains_of(tmp_path / "x", tmp_path / "x").batches(64)
    assert not torch.equal(x, y)
    photo = torch.from_numpy(ramp).permute(2, 0, 1).int()
    for images in (x, y):
        pixels = ((images + 1) * 127.5).round().int()
        tops, lefts = pixels[:, 0, 0, 0], pixels[:, 1, 0].amin(1)
        flipped = pixels[:, 1, 0, 0] > pixels[:, 1, 0, -1]
        assert set(tops.tolist()) == set(lefts.tolist()) == {0, 1, 2}
        assert 16 <= flipped.sum() <= 48
        for one, top, left, flip in zip(pixels, tops, lefts, flipped, strict=True):
            expected = photo[:, top : top + size, left : left + size]
            assert torch.equal(one, expected.flip(2) if flip else expected)


def test_an_epoch_shows_the_longer_domain_once_and_repeats_the_shorter(noisy, monkeypatch):
    read = []
    monkeypatch.setattr(photo_domains, "read_photo", lambda path, side: read.append(path) or read_photo(path, side))
    batches = domains_of(*noisy).batches(3)
    assert [len(pair.x) for pair in batches] == [3, 3, 1]
    assert len(batches) == 3
    x, y = ([path.name for path in read if path.parent == folder] for folder in noisy)
    assert sorted(x) == [f"{index:03}.png" for index in range(7)]
    assert sorted(y[:3]) == sorted(y[3:6]) == [f"{index:03}.png" for index in range(3)]


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_depend_only_on_seed_and_epoch_and_not_on_the_readers(noisy, workers):
    expected = epochs(domains_of(*noisy).batches(2, seed=3), [0, 1, 2])
    assert len(set(expected)) == 3
    torch.manual_seed(workers)
    batches = domains_of(*noisy, workers=workers).batches(2, seed=3)
    assert epochs(batches, [2, 0]) == [expected[2], expected[0]]
    # Sem ninguém escolher, a seguinte.
    assert reading_program.digest(batches) == expected[1]
    assert epochs(domains_of(*noisy).batches(2, seed=4), [0]) != expected[:1]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_slices_make_the_whole_batch_and_nobody_reads_those_of_the_others(noisy, monkeypatch, world):
    whole = list(domains_of(*noisy).batches(3, seed=2))
    read = []
    monkeypatch.setattr(photo_domains, "read_photo", lambda path, side: read.append(path) or read_photo(path, side))
    slices = [list(domains_of(*noisy).batches(3, seed=2).shard(rank, world)) for rank in range(world)]
    assert len(read) == 2 * 7
    for batch, *parts in zip(whole, *slices, strict=True):
        for name in ("x", "y"):
            found = [getattr(part, name) for part in parts]
            assert torch.equal(torch.cat(found), getattr(batch, name))
            assert max(map(len, found)) - min(map(len, found)) <= 1
            assert {part.shape[1:] for part in found} == {(3, 16, 16)}


def alive_bytes(*sides: int) -> int:
    """Quanto ocupam, neste processo, as imagens vivas de um destes lados."""
    tensors = (one for one in gc.get_objects() if type(one) is torch.Tensor)
    return sum(one.numel() * one.element_size() for one in tensors if one.shape[-1:].numel() in sides and one.dim() > 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_does_not_grow_with_the_number_of_photos(tmp_path, workers):
    # Um lado que outro teste não usa, e o da foto de que ele se recorta.
    size, side = 40, 45
    # Um lote: dois domínios de duas fotos em float32, e os bytes de que elas vieram.
    batch = 2 * 2 * 3 * size * size * (4 + 1)
    for n in (12, 96):
        folder = noise(tmp_path / str(n), n)
        batches = domains_of(folder, folder, size, workers=workers).batches(2)
        # No último, o que se guardasse de cada um já estaria todo aqui.
        (last,) = (alive_bytes(size, side) for done, _ in enumerate(batches, start=1) if done == len(batches))
        assert batch * 4 / 5 <= last <= 2 * batch


# --- o meio do treinamento -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_photo_that_goes_away_is_named(tmp_path, workers):
    folder = noise(tmp_path / "x", 20)
    batches = domains_of(folder, folder, workers=workers).batches(1)
    results = iter(batches)
    next(results)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"\d\d\d\.png: não acho mais este arquivo") as error:
        list(results)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def programs(tmp_path_factory, noisy):
    """O mesmo treinamento com leitores bifurcados e com leitores começados do zero, até pararem à espera do sinal."""
    started = {}
    for mode in ("fork", "spawn"):
        output = tmp_path_factory.mktemp(mode) / "resumo"
        command = [sys.executable, "-W", "error", reading_program.__file__, mode, *map(str, noisy), str(output)]
        # Um grupo próprio: o Ctrl-C de um terminal chega a todos os processos dele.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
        )
        started[mode] = process, output
    yield started
    for process, _ in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("mode", ["fork", "spawn"])
def test_ctrl_c_ends_the_readers_in_silence(programs, noisy, mode):
    process, output = programs[mode]
    mark = Path(f"{output}.parado")
    while not mark.exists() and process.poll() is None:
        time.sleep(0.02)
    assert mark.exists(), process.communicate()
    readers = [int(one) for one in mark.read_text().split()]
    assert len(readers) == 2
    assert all(map(psutil.pid_exists, readers))
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=600)
    assert process.returncode == 0
    assert "Interrompido na época 1 de 2" in said
    assert errors == ""
    assert not any(map(psutil.pid_exists, readers))
    expected = islice(domains_of(*noisy).batches(2, seed=3), reading_program.STEPS)
    assert output.read_text() == reading_program.digest(expected)
