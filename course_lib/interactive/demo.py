"""Uma demonstração: um pedaço de página que funciona sozinho, no livro, no Jupyter e no Colab, sem rede nenhuma."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib import viz
from course_lib.interactive.block import Exported

PAGE = Path(__file__).parent / "page"

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
