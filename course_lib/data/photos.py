"""Pastas de fotos de uma pessoa: de qualquer tamanho e formato para tensores, e os dois domínios de uma CycleGAN."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from course_lib import checks, files, runtime
from course_lib.data.mnist import DataError
from course_lib.data.unpaired import UnpairedBatches

EXTENSIONS = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# O que um sistema põe na pasta sem que ninguém peça; o que começa por ponto (as ._fotos do macOS) também não é foto.
SYSTEM_FILES = ("desktop.ini", "thumbs.db")

# Quanto a foto guardada é maior que o recorte que treina: 286 para 256, como no artigo.
MARGIN = 286 / 256

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
    try:
        with warnings.catch_warnings():
            # Uma foto enorme é lida; só uma absurda (que o Pillow recusa com erro) não é.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                # A câmera guarda a foto deitada e anota como girá-la.
                image = ImageOps.exif_transpose(file)
                image.load()
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: não é uma imagem que eu saiba ler, ou está estragada") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: a imagem é grande demais; reduza-a") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # O Pillow levanta SyntaxError por um PNG de cabeçalho torto.
        raise DataError(f"{path}: o arquivo está estragado ou incompleto ({error})") from error
    if image.mode.split(";")[0] in DEEP_MODES:
        raise DataError(f"{path}: tem mais de 8 bits por canal (modo {image.mode}); converta-a para 8 bits")
    if image.mode in ("P", "LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = ImageOps.fit(image.convert(MODES[channels]), (side, side), Image.Resampling.BICUBIC)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(side, side, channels).permute(2, 0, 1).contiguous()


def to_signed(pixels: Tensor) -> Tensor:
    """Imagens float32 em [-1, 1] de bytes (uint8), de qualquer forma."""
    return pixels.float() / 127.5 - 1


def to_image(x: Tensor) -> Image.Image:
    """Imagem do Pillow, cinza ou RGB, de x (C, H, W) em [-1, 1]."""
    pixels = ((x.detach().cpu().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return Image.fromarray(pixels.squeeze(2).numpy() if len(x) == 1 else pixels.numpy())


def load_photos(folder: str | Path, side: int, *, progress: bool = True) -> Tensor:
    """Todas as fotos de uma pasta, (N, 3, side, side) uint8: um byte por canal, um quarto da memória do float32.

    Args:
        folder: a pasta.
        side: lado do quadrado a que cada uma é reduzida.
        progress: se há barra de progresso.

    Raises:
        DataError: a pasta não existe ou não tem fotos, ou uma delas não pôde ser lida; a mensagem diz qual.
    """
    paths = list_photos(folder)
    bar = tqdm(paths, desc=f"lendo {Path(folder).name}", unit="foto", disable=not progress)
    return torch.stack([read_photo(path, side) for path in bar])


@dataclass(frozen=True)
class PhotoDomains:
    """Dois domínios de fotos, inteiros na memória; os tamanhos podem diferir.

    Attributes:
        x: (N, 3, L, L) uint8, um pouco maiores que os recortes.
        y: (M, 3, L, L) uint8.
        size: lado dos recortes que treinam.
        name: de onde elas vieram.
    """

    x: Tensor
    y: Tensor
    size: int
    name: str

    @classmethod
    def from_folders(
        cls, folder_x: str | Path, folder_y: str | Path, size: int = 256, *, progress: bool = True
    ) -> PhotoDomains:
        """Lê as duas pastas.

        Args:
            folder_x: fotos do domínio X.
            folder_y: fotos do domínio Y.
            size: lado dos recortes, múltiplo de 8.
            progress: se há barras de progresso.

        Raises:
            ValueError: ``size`` não é um múltiplo de 8 maior que zero.
            DataError: veja :func:`load_photos`.
        """
        size = checks.integer(size, "size", low=8, multiple=8)
        side = round(size * MARGIN)
        x, y = (load_photos(folder, side, progress=progress) for folder in (folder_x, folder_y))
        return cls(x, y, size, f"fotos (X: {Path(folder_x).name}, {len(x)}; Y: {Path(folder_y).name}, {len(y)})")

    def __len__(self) -> int:
        return len(self.x) + len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Forma de cada imagem que treina."""
        return (3, self.size, self.size)

    def sha256(self) -> str:
        """SHA-256 dos pixels dos dois domínios."""
        digest = hashlib.sha256()
        for images in (self.x, self.y):
            digest.update(images.cpu().numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> PhotoDomains:
        """Os mesmos domínios no dispositivo pedido."""
        return PhotoDomains(self.x.to(device), self.y.to(device), self.size, self.name)

    def batches(self, batch_size: int, *, seed: int = 0) -> UnpairedBatches:
        """Lotes de recortes (B, 3, size, size) em [-1, 1], sorteados e espelhados ao acaso a cada época."""
        return UnpairedBatches(self.x, self.y, batch_size, seed=seed, transform=self._crop, size=self.size)

    def _crop(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        slack = photos.shape[-1] - self.size
        crops = []
        for photo in photos:
            top, left = torch.randint(slack + 1, (2,), generator=generator).tolist()
            crop = photo[:, top : top + self.size, left : left + self.size]
            crops.append(crop.flip(2) if torch.rand((), generator=generator) < 0.5 else crop)
        return to_signed(torch.stack(crops))
