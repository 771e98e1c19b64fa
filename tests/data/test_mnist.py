"""Onde ``load_mnist`` procura, como confere, como repara, e o que diz quando não dá."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torchvision

from course_lib.data import DataError, embedded_in_use, load_embedded_digits, load_mnist

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Conteúdo e data de cada arquivo da pasta."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def alter(path: Path) -> None:
    """Troca um byte no meio: o tamanho e o cabeçalho continuam certos."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def notices(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("⚠")]


# --- a leitura e a ordem das buscas --------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "name"), [("train", "MNIST (treino)"), ("test", "MNIST (teste)")])
def test_reads_root(fake, tmp_path, network, split, name):
    fake.write(tmp_path / "meus")
    dataset = load_mnist(split, root=tmp_path / "meus")
    fake.check(dataset, split)
    assert dataset.name == name
    assert dataset.images.dtype == torch.float32
    assert load_mnist(split, root=str(tmp_path / "meus")).name == name
    assert network == []


def test_one_split_is_enough(fake, tmp_path, network):
    fake.write(tmp_path, ("test",))
    fake.check(load_mnist("test", root=tmp_path), "test")
    assert network == []


def test_files_of_an_old_torchvision_are_not_trusted(fake, tmp_path):
    fake.write(tmp_path)
    old = tmp_path / "MNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5)), old / name)
    fake.check(load_mnist("train", root=tmp_path), "train")


def test_root_comes_before_the_variable(fake, tmp_path, monkeypatch, capsys):
    fake.write(tmp_path / "root")
    alter(fake.write(tmp_path / "variavel") / TRAIN_IMAGES)
    monkeypatch.setenv("CURSO_DADOS", str(tmp_path / "variavel"))
    fake.check(load_mnist("train", root=tmp_path / "root"), "train")
    assert notices(capsys) == []
    with pytest.raises(DataError, match="variavel"):
        load_mnist("train")


def test_the_variable_comes_before_the_cache(fake, tmp_path, places, monkeypatch):
    fake.write(tmp_path / "variavel")
    damaged = fake.write(places) / TRAIN_IMAGES
    alter(damaged)
    before = snapshot(places)
    monkeypatch.setenv("CURSO_DADOS", str(tmp_path / "variavel"))
    fake.check(load_mnist("train"), "train")
    assert snapshot(places) == before


def test_the_cache_comes_before_the_network(fake, mirror, places, tmp_path, monkeypatch):
    fake.write(places)
    monkeypatch.setenv("CURSO_DADOS", str(tmp_path / "vazia"))
    fake.check(load_mnist("train"), "train")
    assert mirror.requests == []


@pytest.mark.parametrize("split", ["treino", "TRAIN", "", None, 1])
def test_unknown_split(split, network):
    with pytest.raises(ValueError, match=r"split: veio .*; as opções são 'train', 'test'"):
        load_mnist(split)
    assert network == []


# --- uma pasta do aluno com defeito --------------------------------------------------------------------------------


@pytest.mark.parametrize(("damage", "reason"), [(truncate, "truncado.*tem 18732 bytes"), (alter, "SHA-256")])
def test_damaged_root_without_network_is_named_and_left_alone(fake, tmp_path, damage, reason):
    root = tmp_path / "meus"
    damage(fake.write(root) / TRAIN_IMAGES)
    before = snapshot(root)
    with pytest.raises(DataError, match=rf"meus/MNIST/raw/{TRAIN_IMAGES}: .*{reason}") as caught:
        load_mnist("train", root=root)
    assert "load_embedded_digits()" in str(caught.value)
    assert snapshot(root) == before
    fake.check(load_mnist("test", root=root), "test")


def test_altered_labels_are_found_too(fake, tmp_path):
    alter(fake.write(tmp_path) / TRAIN_LABELS)
    with pytest.raises(DataError, match=f"{TRAIN_LABELS}: .*SHA-256"):
        load_mnist("train", root=tmp_path)


@pytest.mark.parametrize("damage", [truncate, alter, Path.unlink])
def test_bad_root_with_network_is_replaced_in_the_cache(fake, mirror, tmp_path, places, damage, capsys):
    root = tmp_path / "meus"
    damage(fake.write(root) / TRAIN_IMAGES)
    before = snapshot(root)
    fake.check(load_mnist("train", root=root), "train")
    fake.check(load_mnist("train", root=root), "train")
    assert snapshot(root) == before
    assert mirror.requests.count(f"{TRAIN_IMAGES}.gz") in (1, 2)  # o torchvision segue redirecionamentos antes
    named = [line for line in notices(capsys) if TRAIN_IMAGES in line and str(places) in line]
    assert len(named) == (0 if damage is Path.unlink else 1)


# --- sem arquivo e sem rede ----------------------------------------------------------------------------------------


def test_no_data_and_no_network_gives_the_embedded_digits_and_one_notice(tmp_path, network, monkeypatch, capsys):
    monkeypatch.setenv("CURSO_DADOS", str(tmp_path / "nenhures"))
    train, test = load_mnist("train"), load_mnist("test")
    load_mnist("train")
    assert (train.name, test.name) == ("dígitos embutidos (treino)", "dígitos embutidos (teste)")
    assert not train.is_mnist
    assert len(network) > 0
    (notice,) = notices(capsys)
    assert "dígitos embutidos" in notice
    assert "nenhures" in notice


def test_no_data_no_network_and_no_variable(capsys):
    assert load_mnist("test").name == "dígitos embutidos (teste)"
    assert len(notices(capsys)) == 1


# --- o download ----------------------------------------------------------------------------------------------------


def test_download_reads_back_and_is_kept(fake, mirror, places):
    fake.check(load_mnist("train"), "train")
    fake.check(load_mnist("test"), "test")
    for name, content in fake.raw.items():
        assert (places / "MNIST" / "raw" / name).read_bytes() == content
    asked = len(mirror.requests)
    assert asked > 0
    fake.check(load_mnist("train"), "train")
    assert len(mirror.requests) == asked


@pytest.mark.parametrize("trouble", ["morto", "ausente", "cortado", b"<html>pagina de entrada</html>", b""])
def test_second_mirror_answers_when_the_first_does_not(fake, mirror, make_mirror, monkeypatch, trouble):
    first = make_mirror()
    first.answer = dict.fromkeys(first.answer, trouble)
    if trouble == "morto":
        first.close()
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [first.url, mirror.url])
    fake.check(load_mnist("train"), "train")
    assert bool(first.requests) == (trouble != "morto")
    assert f"{TRAIN_IMAGES}.gz" in mirror.requests


def test_connection_lost_in_the_middle_goes_to_the_next_mirror(fake, mirror, monkeypatch):
    real, broken = urllib.request.urlopen, []

    def urlopen(request, *arguments, **options):
        response = real(request, *arguments, **options)
        if request.full_url.startswith("http://127.0.0.1") and "/primeiro/" in request.full_url:

            def read(*sizes):
                broken.append(1)
                raise ConnectionResetError(104, "Connection reset by peer")

            response.read = read
        return response

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(
        torchvision.datasets.MNIST, "mirrors", [mirror.url.replace("/mnist/", "/primeiro/"), mirror.url]
    )
    fake.check(load_mnist("train"), "train")
    assert broken


def test_mirror_that_never_has_the_right_file_gives_the_embedded_digits(fake, mirror, capsys):
    mirror.answer = dict.fromkeys(mirror.answer, b"outra coisa")
    assert load_mnist("train").name == "dígitos embutidos (treino)"
    assert len(notices(capsys)) == 1


def test_download_interrupted_by_the_user_is_repaired_next_time(fake, mirror, places, monkeypatch):
    real = urllib.request.urlopen

    def urlopen(request, *arguments, **options):
        response = real(request, *arguments, **options)
        pieces = iter([response.read(2000)])

        def read(*sizes):
            for piece in pieces:
                return piece
            raise KeyboardInterrupt

        response.read = read
        return response

    with monkeypatch.context() as patch:
        patch.setattr(urllib.request, "urlopen", urlopen)
        with pytest.raises(KeyboardInterrupt):
            load_mnist("train")
    half = places / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz"
    assert half.stat().st_size == 2000
    fake.check(load_mnist("train"), "train")
    assert half.read_bytes() == fake.archives[half.name]


# --- o reparo do cache ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [truncate, alter, Path.unlink])
def test_cache_is_repaired_from_the_mirror(fake, mirror, places, damage, capsys):
    path = fake.write(places) / TRAIN_IMAGES
    damage(path)
    fake.check(load_mnist("train"), "train")
    assert path.read_bytes() == fake.raw[TRAIN_IMAGES]
    assert set(mirror.requests) == {f"{TRAIN_IMAGES}.gz"}
    assert (f"{path}: " in capsys.readouterr().err) == (damage is not Path.unlink)


@pytest.mark.parametrize("damage", [truncate, alter, Path.unlink])
def test_cache_is_repaired_from_its_own_archive_without_network(fake, network, places, damage):
    path = fake.write(places, ("train",)) / TRAIN_IMAGES
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(fake.archives[f"{TRAIN_IMAGES}.gz"])
    damage(path)
    fake.check(load_mnist("train"), "train")
    assert network == []


@pytest.mark.parametrize(
    "archive",
    [b"lixo", gzip.compress(b"outro conjunto")[:-4], gzip.compress(b"outro conjunto")],
    ids=["lixo", "cortado", "outro"],
)
def test_bad_archive_beside_a_bad_file_is_replaced(fake, mirror, places, archive):
    path = fake.write(places) / TRAIN_IMAGES
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(archive)
    alter(path)
    fake.check(load_mnist("train"), "train")
    assert path.with_name(f"{TRAIN_IMAGES}.gz").read_bytes() == fake.archives[f"{TRAIN_IMAGES}.gz"]


def test_damaged_cache_without_network_falls_back(fake, places, capsys):
    alter(fake.write(places) / TRAIN_IMAGES)
    assert load_mnist("train").name == "dígitos embutidos (treino)"
    assert len(notices(capsys)) == 1
    fake.check(load_mnist("test"), "test")


# --- o disco -------------------------------------------------------------------------------------------------------


@contextmanager
def files_limited_to(size: int):
    """Toda escrita além de ``size`` bytes falha com OSError: o disco "cheio" de verdade, sem ser administrador."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def check_disk_error(caught, places) -> None:
    message = str(caught.value)
    assert f"não consegui gravar o MNIST em {places / 'MNIST' / 'raw'}" in message
    assert "CURSO_CACHE" in message
    assert isinstance(caught.value.__cause__, OSError)


def test_full_disk_says_so_and_recovers_when_there_is_room(fake, mirror, places):
    with files_limited_to(4096), pytest.raises(DataError) as caught:
        load_mnist("train")
    check_disk_error(caught, places)
    fake.check(load_mnist("train"), "train")


def test_full_disk_while_unpacking(fake, places):
    path = fake.write(places, ("train",)) / TRAIN_IMAGES
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(fake.archives[f"{TRAIN_IMAGES}.gz"])
    path.unlink()
    with files_limited_to(4096), pytest.raises(DataError) as caught:
        load_mnist("train")
    check_disk_error(caught, places)
    fake.check(load_mnist("train"), "train")


def test_cache_under_a_regular_file(fake, mirror, tmp_path, monkeypatch):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "arquivo" / "cache"))
    with pytest.raises(DataError) as caught:
        load_mnist("train")
    check_disk_error(caught, tmp_path / "arquivo" / "cache")
    fake.write(tmp_path / "meus")
    fake.check(load_mnist("train", root=tmp_path / "meus"), "train")


@pytest.mark.skipif(os.geteuid() != 0, reason="montar um disco pequeno pede administrador")
def test_small_disk(fake, mirror, places):
    places.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", places], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("esta máquina não deixa montar um disco pequeno")
    try:
        with pytest.raises(DataError, match="No space left") as caught:
            load_mnist("train")
        check_disk_error(caught, places)
    finally:
        subprocess.run(["umount", places], check=True)


# --- o MNIST verdadeiro --------------------------------------------------------------------------------------------


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("split", "n", "first"), [("train", 60_000, [5, 0, 4, 1, 9]), ("test", 10_000, [7, 2, 1, 0, 4])]
)
def test_real_mnist(mnist_root, network, split, n, first):
    dataset = load_mnist(split, root=mnist_root)
    assert dataset.images.shape == (n, 1, 28, 28)
    assert dataset.labels[:5].tolist() == first
    assert dataset.images.aminmax() == (-1, 1)
    assert dataset.labels.bincount().shape == (10,)
    assert dataset.is_mnist
    assert network == []
    # Média e desvio dos pixels em [0, 1], os números de sempre: 0,1307 e 0,3081 no treino.
    if split == "train":
        pixels = (dataset.images + 1) / 2
        assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
        assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)


# --- que dados estão em uso ----------------------------------------------------------------------------------------


def test_falling_back_is_remembered_until_the_real_data_come(fake, tmp_path):
    fake.write(tmp_path / "meus")
    load_mnist("train", root=tmp_path / "meus")
    assert not embedded_in_use()
    # Uma parte embutida basta: uma figura que junte as duas não é do MNIST.
    load_mnist("test")
    assert embedded_in_use()
    load_mnist("test", root=tmp_path / "meus")
    assert not embedded_in_use()
    load_embedded_digits("train")
    assert embedded_in_use()
