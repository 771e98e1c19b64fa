"""Controles de ipywidgets sobre as figuras de ``viz``, para quem tem um núcleo vivo."""

from __future__ import annotations

import io
from collections.abc import Callable

import ipywidgets as widgets
import torch
from IPython.display import display
from torch import Tensor

from course_lib import runtime, viz
from course_lib.text import number


def latent_walk(decode: Callable[[Tensor], Tensor], latent_dim: int, *, span: float = 3.0) -> None:
    """Ande por uma coordenada do espaço latente, a partir de um ponto sorteado.

    A figura anda pelas primeiras coordenadas; os controles, que só vivem com um núcleo, por qualquer uma.

    Args:
        decode: leva (B, latent_dim) em imagens (B, 1, 28, 28).
        latent_dim: dimensões de z.
        span: até onde a coordenada vai.
    """
    start = torch.randn(latent_dim, generator=torch.Generator().manual_seed(0))
    steps = torch.linspace(-span, span, 9)
    rows = {}
    for dim in range(min(4, latent_dim)):
        z = start.repeat(len(steps), 1)
        z[:, dim] = steps
        with torch.no_grad():
            rows[f"coordenada {dim}"] = decode(z.to(runtime.device()))
    viz.strips(rows, title=f"Uma coordenada de cada vez, de {number(-span)} a {number(span)}")

    def draw(dim: int, value: float, seed: int) -> None:
        z = torch.randn(latent_dim, generator=torch.Generator().manual_seed(seed))
        moved = z.clone()
        moved[dim] = value
        with torch.no_grad():
            images = decode(torch.stack([z, moved]).to(runtime.device()))
        path = f"de {number(z[dim], '.2f')} para {number(value, '.2f')}"
        viz.image_grid(images, title=f"coordenada {dim}: {path}", captions=["partida", "agora"])

    coordinate = widgets.IntSlider(value=0, min=0, max=latent_dim - 1, description="Coordenada")
    value = widgets.FloatSlider(value=0.0, min=-span, max=span, step=0.25, description="Valor")
    seed = widgets.IntSlider(value=0, min=0, max=50, description="Semente")
    _show(draw, dim=coordinate, value=value, seed=seed)


def _show(draw: Callable[..., object], **controls: widgets.Widget) -> None:
    # Uma imagem que se troca, e não um widgets.Output: este depende de o cliente capturar saídas aninhadas, e o que
    # executa os cadernos na construção do livro já travou nele.
    picture = widgets.Image(format="png")

    def refresh(_: object = None) -> None:
        draw(**{name: control.value for name, control in controls.items()})
        buffer = io.BytesIO()
        viz.save(buffer)
        picture.value = buffer.getvalue()

    for control in controls.values():
        control.observe(refresh, names="value")
    refresh()
    display(widgets.VBox([*controls.values(), picture]))
