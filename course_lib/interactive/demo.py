"""Uma demonstração: um pedaço de página que funciona sozinho, no livro, no Jupyter e no Colab, sem rede nenhuma."""

from __future__ import annotations

import base64
import copy
import html
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from course_lib import runtime, viz
from course_lib.data import ImageDataset
from course_lib.interactive.block import Exported
from course_lib.models.layers import IMAGE_DIM

PAGE = Path(__file__).parent / "page"
# Dígitos prontos de que se parte.
N_EXAMPLES = 12

Network = TypeVar("Network", bound=nn.Module)

_numbers = itertools.count(1)


class Demo:
    """O que a célula mostra: a figura parada e, quando há JavaScript, a demonstração viva no lugar dela.

    Args:
        name: o arquivo de ``page/demos`` que a faz.
        title: o título.
        lead: o convite: o que tentar, numa frase.
        alt: o que a figura parada mostra.
        still: a figura parada, em PNG.
        programs: as redes, por nome.
        options: o mais que ela precisa, em tipos do JSON.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        lead: str,
        alt: str,
        still: bytes,
        programs: Mapping[str, Exported],
        options: Mapping[str, Any],
    ) -> None:
        self.name, self.title, self.lead, self.alt, self.still = name, title, lead, alt, still
        self.programs, self.options = programs, options

    def __repr__(self) -> str:
        return f"Demonstração: {self.title}. Abra numa página ou num caderno para usá-la."

    def data(self) -> dict[str, Any]:
        """O que a demonstração lê: o seu nome, os blocos das redes e as opções."""
        blocks = {name: program.block() for name, program in self.programs.items()}
        return {"demo": self.name, "blocks": blocks, "options": dict(self.options)}

    def _repr_html_(self) -> str:
        title = html.escape(self.title)
        identity = f"demo-{self.name.replace('_', '-')}-{next(_numbers)}"
        # Dentro de <script>, só "</" encerra.
        data = json.dumps(self.data(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        picture = base64.b64encode(self.still).decode()
        return (
            f"<style data-curso>{(PAGE / 'demo.css').read_text('utf-8')}</style>"
            f'<div class="curso-demo" id="{identity}" role="group" aria-label="Demonstração: {title}">'
            f'<p class="cd-title">{title}</p><p class="cd-lead">{html.escape(self.lead)}</p>'
            f'<img class="cd-still" alt="{html.escape(self.alt)}" src="data:image/png;base64,{picture}">'
            f'<script type="application/json">{data}</script></div>'
            f"<script data-curso>{code(self.name)}</script>"
            f'<script>(window.cursoStart ??= []).push("{identity}")</script>'
        )


def code(name: str) -> str:
    """O programa da página: o que executa as redes, as peças, e a demonstração ``name``."""
    return "".join(path.read_text("utf-8") for path in [*sorted(PAGE.glob("*.js")), PAGE / "demos" / f"{name}.js"])


def still_picture() -> bytes:
    """A última figura, em PNG."""
    buffer = io.BytesIO()
    viz.save(buffer)
    return buffer.getvalue()


def on_cpu(model: Network) -> Network:
    """Uma cópia, em avaliação e na CPU: o que se exporta não depende de onde o modelo está."""
    return copy.deepcopy(model).cpu().eval()


def drawn_set(dataset: ImageDataset, n: int) -> ImageDataset:
    """``n`` imagens sorteadas, sempre as mesmas, na CPU."""
    return dataset.take(n, seed=0).to("cpu")


def examples(dataset: ImageDataset, *first: int) -> Tensor:
    """``N_EXAMPLES`` imagens sorteadas, sempre as mesmas, a começar por uma de cada dígito de ``first``."""
    some = drawn_set(dataset, min(len(dataset), 200))
    chosen = [int((some.labels == digit).int().argmax()) for digit in first]
    return some.images[[*chosen, *(k for k in range(len(some)) if k not in chosen)][:N_EXAMPLES]]


def seeded() -> AbstractContextManager[None]:
    """O que se sorteia para uma demonstração é sempre o mesmo, e não mexe no sorteio de quem a pede."""
    return runtime.isolated_seed(0)


def as_text(images: Tensor) -> str:
    """Imagens (N, 1, 28, 28) em [-1, 1] como bytes de 0 a 255, em base64."""
    levels = ((images.detach().cpu().reshape(-1, IMAGE_DIM) + 1) * 127.5).round().clamp(0, 255)
    return base64.b64encode(levels.to(torch.uint8).numpy().tobytes()).decode()


def rounded(values: Tensor) -> Sequence[float]:
    """Os números com quatro casas: o que uma demonstração precisa de um tensor pequeno."""
    return [round(value, 4) for value in values.detach().cpu().tolist()]
