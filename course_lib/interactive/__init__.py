"""O que se mexe: demonstrações que vivem na página, sem núcleo nem rede, e controles para núcleos vivos."""

from course_lib.interactive.block import Exported
from course_lib.interactive.demo import Demo
from course_lib.interactive.demos import (
    code_bars,
    cycle,
    denoising,
    diffusion,
    interpolation,
    latent_plane,
    ring_flow,
    ring_gan,
    styles,
    who_drew,
)
from course_lib.interactive.export import export
from course_lib.interactive.widgets import choose, latent_walk

__all__ = [
    "Demo",
    "Exported",
    "choose",
    "code_bars",
    "cycle",
    "denoising",
    "diffusion",
    "export",
    "interpolation",
    "latent_plane",
    "latent_walk",
    "ring_flow",
    "ring_gan",
    "styles",
    "who_drew",
]
