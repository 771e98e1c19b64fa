"""Desenha as figuras da abertura do livro e do README: ``python tools/draw_opening.py`` ou ``make abertura``.

Cada família do curso faz uma fileira de dígitos com os pesos que vêm com ele, sem que se escolham os melhores: são as
primeiras amostras da semente. As fileiras são tinta sobre papel transparente, para servirem nos dois modos de cor, e
cada uma guarda de que pesos saiu: ``tests/test_site.py`` acusa a que os pesos de hoje já não fariam.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from course_lib import console
from course_lib.data import load_mnist
from course_lib.models.diffusion import chain
from course_lib.recipes import get_recipe
from course_lib.runtime import isolated_seed
from course_lib.weights import draw, load_shipped

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "static" / "abertura"

# Nome na figura do README → pesos, na ordem dos capítulos.
FAMILIES = {
    "autoencoder": "autoencoder",
    "removedor": "denoising",
    "VAE": "vae",
    "GAN": "dcgan",
    "StyleGAN": "stylegan",
    "CycleGAN": "cyclegan",
    "difusão": "diffusion_unconditional",
    "fluxo": "flows",
}
REAL = "reais"
COLUMNS, SEED, SCALE, TONES = 14, 0, 2, 16
# O dígito que nasce do ruído, no lugar da demonstração.
CLEANED, JUMPS = "difusao", 8
# O tamanho que as redes sociais recortam.
CARD_SIZE, CARD_CELL = (1200, 630), 52
INK, MUTED, PAPER = "#16324f", "#52606d", "#ffffff"
TITLE = "Aprendizagem Não Supervisionada\nem Redes Neurais"
SUBTITLE = "Um curso que se lê e se executa. Cada linha, um modelo."


def sample_family(name: str) -> tuple[Tensor, str]:
    """As primeiras ``COLUMNS`` imagens de uma família, (n, 1, 28, 28), e o SHA-256 dos pesos."""
    step, card = load_shipped(name)
    recipe = get_recipe(name)
    if recipe.sampler is not None:
        return draw(recipe.sampler(step), COLUMNS, seed=SEED), card.sha256
    # A CycleGAN não amostra: traduz.
    with torch.no_grad():
        return step.gen_xy(real_digits()).cpu(), card.sha256


def real_digits() -> Tensor:
    """Os primeiros dígitos do teste."""
    return load_mnist("test").images[:COLUMNS]


def clean_step_by_step() -> tuple[Tensor, str]:
    """Um dígito da difusão, do ruído ao fim: (JUMPS + 1, 1, 28, 28); e o SHA-256 dos pesos."""
    step, card = load_shipped("diffusion")
    with isolated_seed(SEED), torch.no_grad():
        x = torch.randn(1, 1, 28, 28)
        y = torch.tensor([3])
        images = [x, *(x_s for _, x_s, _ in chain(step.model, x, steps=JUMPS, order=2, y=y))]
    return torch.cat(images).clamp(-1, 1), card.sha256


def to_ink(images: Tensor) -> Image.Image:
    """Imagens lado a lado, como tinta preta: o tom de cada pixel é a sua opacidade."""
    opacity = ((images.clamp(-1, 1) + 1) / 2 * (TONES - 1)).round().div(TONES - 1)
    pixels = torch.cat(list(opacity[:, 0]), dim=1).mul(255).byte().numpy()
    ink = Image.fromarray(pixels)
    ink = ink.resize((ink.width * SCALE, ink.height * SCALE), Image.Resampling.BICUBIC)
    # Poucos tons: o arquivo cai à metade, e não se vê.
    ink = ink.point([round(value / 255 * (TONES - 1)) * 255 // (TONES - 1) for value in range(256)])
    result = Image.new("LA", ink.size)
    result.putalpha(ink)
    return result


def save_strip(path: Path, images: Tensor, weights: str) -> None:
    """Grava uma fileira e, dentro dela, de que pesos saiu."""
    note = PngInfo()
    note.add_text("pesos", weights)
    to_ink(images).save(path, optimize=True, pnginfo=note)


def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A letra que vem com o matplotlib: a mesma em qualquer máquina."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def draw_card(rows: dict[str, Tensor]) -> Image.Image:
    """O cartão das redes sociais, que é também a figura do README: o título e as fileiras com os seus nomes."""
    card = Image.new("RGB", CARD_SIZE, PAPER)
    pen = ImageDraw.Draw(card)
    pen.multiline_text((48, 30), TITLE, INK, font(34, bold=True), spacing=6)
    pen.text((48, 124), SUBTITLE, MUTED, font(21))
    height = (CARD_SIZE[1] - 176) // len(rows)
    for index, (name, images) in enumerate(rows.items()):
        top = 168 + index * height
        ink = to_ink(images)
        ink = ink.resize((CARD_CELL * len(images), CARD_CELL), Image.Resampling.LANCZOS)
        pen.text((48, top + CARD_CELL // 2), name, INK, font(22), anchor="lm")
        card.paste(ink.convert("RGB"), (CARD_SIZE[0] - 48 - ink.width, top), ink.getchannel("A"))
    return card


def draw_all(folder: Path) -> None:
    """Desenha e grava tudo em ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for title, name in FAMILIES.items():
        rows[title], weights = sample_family(name)
        save_strip(folder / f"{name}.png", rows[title], weights)
    rows[REAL] = real_digits()
    save_strip(folder / f"{REAL}.png", rows[REAL], "")
    save_strip(folder / f"{CLEANED}.png", *clean_step_by_step())
    draw_card(rows).quantize(64).save(folder / "cartao.png", optimize=True)
    print(f"✔ {len(rows) + 2} figuras em {folder}")


def main(arguments: list[str] | None = None) -> int:
    """O comando; devolve o código de saída."""
    parser = console.Parser(prog="python tools/draw_opening.py", description="Desenha as figuras da abertura do livro.")
    parser.add_argument("--pasta", type=Path, default=FOLDER, help="onde gravar")
    options = parser.parse_args(arguments)
    return console.run(lambda: draw_all(options.pasta) or 0)


if __name__ == "__main__":
    sys.exit(main())
