"""Onde ``load_mnist`` procura, como confere, como repara, e o que diz quando não dá."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
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


@pytest.mark.parametrize(
    "folder", ["MNIST/raw", "raw", "."], ids=["contém MNIST/raw", "é a pasta MNIST", "soltos na pasta"]
)
@pytest.mark.parametrize("compressed", [False, True], ids=["", "gz"])
@pytest.mark.parametrize("rename", ["{}", "kaggle", "{0}/{0}"])
def test_files_fetched_by_hand_are_used_where_they_were_left(fake, tmp_path, network, folder, compressed, rename):
    if rename == "{0}/{0}" and compressed:
        pytest.skip("quem descompacta numa pasta não deixa .gz nela")
    root = tmp_path / "meus"
    for name, content in fake.raw.items():
        new = name.replace("-idx", ".idx") if rename == "kaggle" else rename.format(name)
        path = root / folder / (f"{new}.gz" if compressed else new)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if compressed else content)
    before = snapshot(root)
    for split in ("train", "test"):
        fake.check(load_mnist(split, root=root), split)
    assert snapshot(root) == before
    assert network == []


def test_a_good_archive_beside_a_damaged_file_is_enough(fake, tmp_path, network):
    path = fake.write(tmp_path) / TRAIN_IMAGES
    alter(path)
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(fake.archives[f"{TRAIN_IMAGES}.gz"])
    fake.check(load_mnist("train", root=tmp_path), "train")


@pytest.mark.parametrize(
    "archive",
    [b"lixo", gzip.compress(b"outro conjunto"), gzip.compress(b"x" * 10**6)],
    ids=["lixo", "outro", "longo"],
)
def test_a_damaged_archive_alone_is_named(fake, tmp_path, archive):
    path = fake.write(tmp_path) / TRAIN_IMAGES
    path.unlink()
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(archive)
    with pytest.raises(DataError, match=rf"{TRAIN_IMAGES}\.gz: arquivo compactado truncado ou alterado"):
        load_mnist("train", root=tmp_path)


def test_the_notice_says_what_was_missing_and_where(fake, tmp_path, capsys):
    fake.write(tmp_path / "meus", ("train",))
    (tmp_path / "meus" / "MNIST" / "raw" / TRAIN_LABELS).unlink()
    assert not load_mnist("train", root=tmp_path / "meus").is_mnist
    (notice,) = notices(capsys)
    missing = "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
    assert f"em {tmp_path / 'meus'} faltam {missing} (procurei ali e em MNIST/raw, com e sem .gz)" in notice


def test_the_notice_names_a_folder_that_does_not_exist(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CURSO_DADOS", str(tmp_path / "João" / "nenhures"))
    load_mnist("train")
    assert f"a pasta {tmp_path / 'João' / 'nenhures'} não existe" in notices(capsys)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="o administrador lê tudo")
def test_a_closed_file_is_named(fake, tmp_path):
    (fake.write(tmp_path) / TRAIN_IMAGES).chmod(0)
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES}: não consegui ler"):
        load_mnist("train", root=tmp_path)


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
    raw = places / "MNIST" / "raw"
    assert not (raw / f"{TRAIN_IMAGES}.gz").exists()
    assert not (raw / TRAIN_IMAGES).exists()
    assert not list(raw.glob("*.tmp"))
    fake.check(load_mnist("train"), "train")
    assert (raw / f"{TRAIN_IMAGES}.gz").read_bytes() == fake.archives[f"{TRAIN_IMAGES}.gz"]


# --- vários processos ------------------------------------------------------------------------------------------------

CHILD = """
import json, sys, time
from torchvision.datasets import MNIST
from course_lib import files
from course_lib.data import load_mnist

MNIST.mirrors, tables, delay = json.loads(sys.argv[1])
files.MNIST_FILES.update(tables)
print("pronto", flush=True)
sys.stdin.readline()
time.sleep(delay)
for split in ("train", "test"):
    dataset = load_mnist(split)
    print(dataset.name, len(dataset), dataset.sha256(), flush=True)
"""


@contextmanager
def loading_together(fake, mirror, delays: list[float]):
    """Processos de verdade, que carregam o MNIST ao mesmo tempo, cada um com o seu atraso em segundos."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        children = []
        for delay in delays:
            told = json.dumps([[mirror.url], fake.tables, delay])
            child = stack.enter_context(subprocess.Popen([sys.executable, "-c", CHILD, told], env=environ, **pipes))
            stack.callback(child.kill)
            children.append(child)
        for child in children:
            assert child.stdout.readline() == "pronto\n", child.stderr.read()
        for child in children:
            child.stdin.write("já\n")
            child.stdin.flush()
        yield children


def test_any_number_of_first_loads_at_once_gives_the_true_mnist(fake, mirror, places):
    mirror.pause = 0.3
    with loading_together(fake, mirror, [0.0, 0.0, 0.4]) as children:
        answers = [child.communicate(timeout=300) for child in children]
    expected = [load_mnist(split) for split in ("train", "test")]
    told = "".join(f"{one.name} {len(one)} {one.sha256()}\n" for one in expected)
    assert [out for out, _ in answers] == [told] * 3, answers
    # Um só baixou cada arquivo; os outros esperaram por ele, e disseram.
    assert sorted(mirror.requests) == sorted(fake.archives)
    assert any("Esperando outro processo, que está baixando o MNIST" in error for _, error in answers)
    assert not list(places.rglob("*.tmp"))


def test_a_downloader_that_is_killed_does_not_hold_the_others(fake, mirror, places):
    mirror.pause = 1.0
    with loading_together(fake, mirror, [0.0, 0.3]) as (first, second):
        while not mirror.requests:
            time.sleep(0.01)
        time.sleep(0.5)
        first.kill()
        first.communicate()
        mirror.pause = 0.0
        out, error = second.communicate(timeout=300)
    assert out.startswith(f"MNIST (treino) {len(load_mnist('train'))} "), error


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


def test_full_disk_while_unpacking_does_not_stop_who_has_the_archive(fake, network, places):
    path = fake.write(places, ("train",)) / TRAIN_IMAGES
    path.with_name(f"{TRAIN_IMAGES}.gz").write_bytes(fake.archives[f"{TRAIN_IMAGES}.gz"])
    path.unlink()
    with files_limited_to(4096):
        fake.check(load_mnist("train"), "train")
    assert not path.exists()
    assert not list(path.parent.glob("*.tmp"))
    fake.check(load_mnist("train"), "train")


def test_cache_under_a_regular_file(fake, mirror, tmp_path, monkeypatch):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "arquivo" / "cache"))
    with pytest.raises(DataError) as caught:
        load_mnist("train")
    check_disk_error(caught, tmp_path / "arquivo" / "cache")
    fake.write(tmp_path / "meus")
    fake.check(load_mnist("train", root=tmp_path / "meus"), "train")


def test_unwritable_cache_without_network_still_gives_the_embedded_digits(tmp_path, monkeypatch, capsys):
    (tmp_path / "arquivo").write_text("não sou uma pasta")
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "arquivo" / "cache"))
    assert load_mnist("test").name == "dígitos embutidos (teste)"
    assert len(notices(capsys)) == 1


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
