"""Pastas de fotos: o que é convertido, o que é recusado pelo nome, e os recortes que treinam."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import DataError, PhotoDomains
from course_lib.data.photos import list_photos, load_photos, read_photo, to_image, to_signed

RED, BLUE = (200, 30, 10), (10, 40, 220)


def save(path, size=(40, 30), mode="RGB", color=RED, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path, **options)
    return path


@pytest.fixture
def folders(tmp_path):
    """Duas pastas: três fotos vermelhas e uma azul, cada uma de um tamanho."""
    for index, size in enumerate([(40, 30), (30, 64), (25, 25)]):
        save(tmp_path / "x" / f"{index}.png", size)
    save(tmp_path / "y" / "a.png", (50, 90), color=BLUE)
    return tmp_path / "x", tmp_path / "y"


# --- ler uma foto ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        ("a.png", "RGB", 0),
        ("a.jpg", "RGB", 4),
        ("a.JPEG", "RGB", 4),
        ("a.bmp", "RGB", 0),
        ("a.tif", "CMYK", 6),
        ("a.jpg", "CMYK", 8),
        ("a.png", "RGBA", 0),
        ("a.png", "P", 30),
        ("a.webp", "RGB", 8),
        ("a.jfif", "RGB", 4),
        ("a.JPE", "RGB", 4),
    ],
)
def test_every_kind_of_photo_becomes_rgb(tmp_path, name, mode, tolerance):
    pixels = read_photo(save(tmp_path / name, mode=mode), 16)
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == torch.uint8
    for channel, value in zip(pixels, RED, strict=True):
        assert (channel.int() - value).abs().max() <= tolerance


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_photo_becomes_three_equal_channels(tmp_path, mode):
    pixels = read_photo(save(tmp_path / "a.png", mode=mode), 8)
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[0], pixels[2])


def test_one_channel_on_request(tmp_path):
    pixels = read_photo(save(tmp_path / "a.png", color=(90, 90, 90)), 28, channels=1)
    assert pixels.shape == (1, 28, 28)
    assert (pixels == 90).all()


def test_transparent_becomes_white(tmp_path):
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_photo(tmp_path / "a.png", 8) == 255).all()


def test_photo_is_cut_at_the_centre_and_not_stretched(tmp_path):
    # Um quadrado preto de 20×20 no centro de uma foto larga continua quadrado, e as beiradas vermelhas somem.
    pixels = np.full((20, 100, 3), (255, 0, 0), dtype=np.uint8)
    pixels[:, 40:60] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_photo(tmp_path / "a.png", 20) == 0).all()


def test_camera_rotation_is_undone(tmp_path):
    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    pixels[:10] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 3  # de cabeça para baixo
    image.save(tmp_path / "a.png", exif=exif)
    read = read_photo(tmp_path / "a.png", 20)
    assert (read[:, 11:] == 255).all()
    assert (read[:, :9] == 0).all()


def test_bytes_and_images_are_inverses():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    x = to_signed(pixels)
    assert x.aminmax() == (-1, 1)
    assert np.array_equal(np.asarray(to_image(x)), pixels[0].numpy())
    color = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    assert np.array_equal(np.asarray(to_image(to_signed(color))), color.permute(1, 2, 0).numpy())


# --- o que é recusado, pelo nome -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "não é uma imagem que eu saiba ler"),
        (b"isto nao e uma imagem", "não é uma imagem que eu saiba ler"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "ruim.png: (o arquivo está estragado|não é uma imagem)"),
    ],
)
def test_corrupt_photo_is_named(folders, content, message):
    (folders[0] / "ruim.png").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load_photos(folders[0], 16, progress=False)
    assert "ruim.png" in str(error.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_photo_is_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"meia{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(DataError, match=rf"meia\{suffix}: o arquivo está estragado ou incompleto"):
        read_photo(path, 16)


def test_deep_photo_is_refused_rather_than_clipped(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: tem mais de 8 bits por canal \(modo I;16\)"):
        read_photo(tmp_path / "a.png", 8)


def test_huge_photo(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", (40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    assert read_photo(path, 8).shape == (3, 8, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"a\.png: a imagem é grande demais"):
        read_photo(path, 8)


def test_empty_and_missing_folders(tmp_path, folders):
    empty = tmp_path / "vazia"
    empty.mkdir()
    (empty / "leia-me.txt").write_text("nada")
    save(empty / "dentro" / "a.png")
    with pytest.raises(DataError, match=r"vazia: a pasta não tem imagens \(procurei .*\.jpg"):
        list_photos(empty)
    with pytest.raises(DataError, match="não achei esta pasta"):
        list_photos(tmp_path / "nenhuma")
    with pytest.raises(DataError, match="vazia"):
        PhotoDomains.from_folders(folders[0], empty, 16, progress=False)


def test_hidden_files_are_not_photos_and_the_rest_left_out_is_named(tmp_path, capsys):
    photo = save(tmp_path / "gato.jpg")
    (tmp_path / "pintura.jfif").write_bytes(photo.read_bytes())
    # O que o macOS e o Windows deixam nas pastas e nos .zip.
    for name in ("._gato.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07Mac OS X        ")
    assert [path.name for path in list_photos(tmp_path)] == ["gato.jpg", "pintura.jfif"]
    assert load_photos(tmp_path, 8, progress=False).shape == (2, 3, 8, 8)
    assert capsys.readouterr().out == ""
    for name in ("IMG_0.HEIC", "IMG_1.heic", "video.MOV", "leia-me"):
        (tmp_path / name).write_bytes(b"ftyp")
    save(tmp_path / "mais" / "outra.jpg")
    assert [path.name for path in list_photos(tmp_path)] == ["gato.jpg", "pintura.jfif"]
    told = capsys.readouterr().out
    assert f"{tmp_path}: ficou de fora" in told
    if ".heic" not in Image.registered_extensions():
        assert "2 .heic, 1 .mov, 1 sem extensão, 1 subpasta(s)" in told


def test_a_folder_of_nothing_but_heic_says_so(tmp_path):
    (tmp_path / "IMG_0.MOV").write_bytes(b"ftyp")
    with pytest.raises(DataError, match=r"não tem imagens \(procurei .*\.jfif.*\); tem 1 \.mov"):
        list_photos(tmp_path)


@pytest.mark.parametrize("size", [0, -8, 20, 3.5, None])
def test_bad_size(folders, size):
    with pytest.raises(ValueError, match=r"size: veio .*; esperava um múltiplo de 8"):
        PhotoDomains.from_folders(*folders, size, progress=False)


# --- os domínios -----------------------------------------------------------------------------------------------------


def test_domains_of_different_sizes(folders):
    domains = PhotoDomains.from_folders(*folders, 16, progress=False)
    assert len(domains) == 4
    assert domains.shape == (3, 16, 16)
    assert domains.name == "fotos (X: x, 3; Y: y, 1)"
    (batch,) = domains.batches(3)
    assert batch.x.shape == batch.y.shape == (3, 3, 16, 16)
    for images, color in ((batch.x, RED), (batch.y, BLUE)):
        for channel, value in enumerate(color):
            torch.testing.assert_close(images[:, channel], torch.full((3, 16, 16), value / 127.5 - 1))


def test_order_of_the_files_does_not_depend_on_the_disk(tmp_path):
    for name in ("c", "a", "B", "b"):
        save(tmp_path / f"{name}.png")
    assert [path.stem for path in list_photos(tmp_path)] == ["B", "a", "b", "c"]


def test_crops_move_flip_and_repeat_under_the_seed():
    side, size = 18, 16
    # Cada pixel diz onde está: linha no primeiro canal, coluna no segundo.
    ramp = torch.arange(side, dtype=torch.uint8)
    photo = torch.stack(
        [ramp[:, None].expand(side, side), ramp.expand(side, side), torch.zeros_like(ramp).expand(18, 18)]
    )
    domains = PhotoDomains(photo.expand(64, 3, side, side), photo.expand(64, 3, side, side), size, "rampas")
    ((x, y),) = domains.batches(64)
    ((x_again, y_again),) = domains.batches(64)
    assert torch.equal(x, x_again)
    assert torch.equal(y, y_again)
    assert not torch.equal(x, y)
    ((other, _),) = domains.batches(64, seed=1)
    assert not torch.equal(x, other)
    pixels = ((x + 1) * 127.5).round().int()
    tops, lefts = pixels[:, 0, 0, 0], pixels[:, 1, 0].amin(1)
    flipped = pixels[:, 1, 0, 0] > pixels[:, 1, 0, -1]
    assert set(tops.tolist()) == set(lefts.tolist()) == {0, 1, 2}
    assert 16 <= flipped.sum() <= 48
    for one, top, left, flip in zip(pixels, tops, lefts, flipped, strict=True):
        expected = photo[:, top : top + size, left : left + size].int()
        assert torch.equal(one, expected.flip(2) if flip else expected)


def test_batches_say_which_photos_they_come_from_and_of_what_size(folders):
    x = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    made = [
        PhotoDomains(x, x, 16, "a"),
        PhotoDomains(x, x, 18, "a"),
        PhotoDomains(x, x + 1, 16, "a"),
        PhotoDomains(x + 1, x, 16, "a"),
    ]
    assert len({domains.batches(1).sha256() for domains in made}) == len(made)
    assert made[0].batches(1).sha256() == PhotoDomains(x.clone(), x, 16, "b").batches(2, seed=3).sha256()


def test_hash_tells_the_domains_apart(folders):
    domains = PhotoDomains.from_folders(*folders, 16, progress=False)
    swapped = PhotoDomains.from_folders(*folders[::-1], 16, progress=False)
    assert domains.sha256() == PhotoDomains.from_folders(*folders, 16, progress=False).sha256()
    assert domains.sha256() != swapped.sha256()
