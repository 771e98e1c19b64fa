"""Fotos de uma pessoa: o que é convertido, e o que é recusado pelo nome."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from course_lib.data import DataError
from course_lib.data.photos import check_photo, list_photos, read_photo, to_image, to_signed

RED = (200, 30, 10)


def save(path, size=(40, 30), mode="RGB", color=RED, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).convert(mode).save(path, **options)
    return path


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
def test_corrupt_photo_is_named(tmp_path, content, message):
    (tmp_path / "ruim.png").write_bytes(content)
    for read in (check_photo, lambda path: read_photo(path, 16)):
        with pytest.raises(DataError, match=message) as error:
            read(tmp_path / "ruim.png")
        assert "ruim.png" in str(error.value)


def test_photo_that_went_away_is_named(tmp_path):
    with pytest.raises(DataError, match=r"foi\.png: não acho mais este arquivo"):
        read_photo(tmp_path / "foi.png", 16)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_photo_is_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"meia{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    for read in (check_photo, lambda path: read_photo(path, 16)):
        with pytest.raises(DataError, match=rf"meia\{suffix}: o arquivo está estragado ou incompleto"):
            read(path)


def test_deep_photo_is_refused_rather_than_clipped(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: tem mais de 8 bits por canal \(modo I(;16)?\)"):
        read_photo(tmp_path / "a.png", 8)


def test_huge_photo(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", (40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    assert read_photo(path, 8).shape == (3, 8, 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"a\.png: a imagem é grande demais"):
        read_photo(path, 8)


def test_a_checked_photo_is_known_by_its_content(tmp_path):
    photo = save(tmp_path / "a.png")
    assert check_photo(photo) == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_a_large_jpeg_is_reduced_while_it_is_decoded_and_looks_the_same(tmp_path, monkeypatch):
    rows, columns = np.mgrid[0:600, 0:900]
    waves = [
        (127 + 120 * np.sin(rows / a) * np.cos(columns / b)).astype(np.uint8) for a, b in ((31, 47), (53, 23), (80, 80))
    ]
    image = Image.fromarray(np.stack(waves, 2))
    exif = image.getexif()
    exif[0x0112] = 3
    image.save(tmp_path / "a.jpg", quality=95, exif=exif)
    image.save(tmp_path / "a.png", exif=exif)
    decoded = []
    real = ImageOps.exif_transpose
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda file: decoded.append(file.size) or real(file))
    found, expected = (read_photo(tmp_path / name, 64).int() for name in ("a.jpg", "a.png"))
    assert decoded == [(225, 150), (900, 600)]
    assert (found - expected).abs().max() <= 6


def test_empty_and_missing_folders(tmp_path):
    empty = tmp_path / "vazia"
    empty.mkdir()
    (empty / "leia-me.txt").write_text("nada")
    save(empty / "dentro" / "a.png")
    with pytest.raises(DataError, match=r"vazia: a pasta não tem imagens \(procurei .*\.jpg"):
        list_photos(empty)
    with pytest.raises(DataError, match="não achei esta pasta"):
        list_photos(tmp_path / "nenhuma")


def test_hidden_files_are_not_photos_and_the_rest_left_out_is_named(tmp_path, capsys):
    photo = save(tmp_path / "gato.jpg")
    (tmp_path / "pintura.jfif").write_bytes(photo.read_bytes())
    # O que o macOS e o Windows deixam nas pastas e nos .zip.
    for name in ("._gato.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07Mac OS X        ")
    assert [path.name for path in list_photos(tmp_path)] == ["gato.jpg", "pintura.jfif"]
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


def test_order_of_the_files_does_not_depend_on_the_disk(tmp_path):
    for name in ("c", "a", "B", "b"):
        save(tmp_path / f"{name}.png")
    assert [path.stem for path in list_photos(tmp_path)] == ["B", "a", "b", "c"]
