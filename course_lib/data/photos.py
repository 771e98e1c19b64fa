"""Fotos de uma pessoa: as de uma pasta, e cada uma, de qualquer tamanho e formato, como um tensor."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from course_lib import files, runtime
from course_lib.data.mnist import DataError

EXTENSIONS = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# O que um sistema põe na pasta sem que ninguém peça; o que começa por ponto (as ._fotos do macOS) também não é foto.
SYSTEM_FILES = ("desktop.ini", "thumbs.db")

# Um JPEG se decodifica já reduzido, e bem mais depressa, até este múltiplo do lado; daí até o lado, com filtro.
DRAFT = 2

# Modos do Pillow com mais de 8 bits por canal: convertê-los cortaria os tons claros em silêncio.
DEEP_MODES = ("I", "F")
MODES = {1: "L", 3: "RGB"}


def list_photos(folder: str | Path) -> list[Path]:
    """As imagens de uma pasta, em ordem alfabética; um aviso diz o que ficou de fora (subpastas, HEIC, vídeos…).

    Os arquivos ocultos não contam: o macOS deixa ao lado de cada foto um ``._foto.jpg`` que não é imagem.

    Raises:
        DataError: a pasta não existe, ou não tem imagem nenhuma.
    """
    folder = files.expand(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: não achei esta pasta")
    readable = _readable_extensions()
    found, others = [], Counter[str]()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in SYSTEM_FILES:
            continue
        if path.is_dir():
            others["subpasta(s)"] += 1
        elif path.suffix.lower() in readable:
            found.append(path)
        else:
            others[path.suffix.lower() or "sem extensão"] += 1
    left_out = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
    if not found:
        has = f"; tem {left_out}" if left_out else ""
        raise DataError(f"{folder}: a pasta não tem imagens (procurei {', '.join(readable)}){has}")
    if left_out:
        runtime.notice(f"{folder}: ficou de fora o que não sei ler: {left_out} (fotos em HEIC, converta para JPEG)")
    return found


def _readable_extensions() -> tuple[str, ...]:
    """As de EXTENSIONS, e o HEIC e o AVIF se o Pillow desta máquina os lê."""
    opens = {extension for extension, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    wanted = {*EXTENSIONS, ".heic", ".heif"}
    return tuple(sorted(wanted & opens))


def read_photo(path: str | Path, side: int, *, channels: int = 3) -> Tensor:
    """Lê uma imagem como (channels, side, side) uint8: endireitada, reduzida pelo lado menor e cortada no centro.

    Fotos em tons de cinza, CMYK, com paleta ou com transparência são convertidas (o transparente fica branco).

    Args:
        path: o arquivo.
        side: lado do quadrado.
        channels: 3 (RGB) ou 1 (cinza).

    Raises:
        DataError: o arquivo está estragado, não é uma imagem, ou tem mais de 8 bits por canal.
    """
    image = _decode(Path(path), side)
    if image.mode in ("P", "LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = ImageOps.fit(image.convert(MODES[channels]), (side, side), Image.Resampling.BICUBIC)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(side, side, channels).permute(2, 0, 1).contiguous()


def check_photo(path: Path) -> str:
    """O SHA-256 do arquivo, depois de o decodificar até o fim: um que foi cortado só se descobre assim.

    Raises:
        DataError: veja :func:`read_photo`.
    """
    _decode(path, 1)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _decode(path: Path, side: int) -> Image.Image:
    """A imagem, endireitada e talvez já reduzida, com lado menor de pelo menos ``DRAFT · side``, se ela o tinha."""
    try:
        with warnings.catch_warnings():
            # Uma foto enorme é lida; só uma absurda (que o Pillow recusa com erro) não é.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                file.draft(None, (DRAFT * side, DRAFT * side))
                # A câmera guarda a foto deitada e anota como girá-la.
                image = ImageOps.exif_transpose(file)
                image.load()
    except FileNotFoundError as error:
        raise DataError(f"{path}: não acho mais este arquivo; ele foi apagado, ou mudou de lugar") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: não é uma imagem que eu saiba ler, ou está estragada") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: a imagem é grande demais; reduza-a") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # O Pillow levanta SyntaxError por um PNG de cabeçalho torto.
        raise DataError(f"{path}: o arquivo está estragado ou incompleto ({error})") from error
    if image.mode.split(";")[0] in DEEP_MODES:
        raise DataError(f"{path}: tem mais de 8 bits por canal (modo {image.mode}); converta-a para 8 bits")
    return image


def to_signed(pixels: Tensor) -> Tensor:
    """Imagens float32 em [-1, 1] de bytes (uint8), de qualquer forma."""
    return pixels.float() / 127.5 - 1


def to_image(x: Tensor) -> Image.Image:
    """Imagem do Pillow, cinza ou RGB, de x (C, H, W) em [-1, 1]."""
    pixels = ((x.detach().cpu().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return Image.fromarray(pixels.squeeze(2).numpy() if len(x) == 1 else pixels.numpy())
