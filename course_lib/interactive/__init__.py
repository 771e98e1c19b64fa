"""O que se mexe: demonstrações que vivem na página, sem núcleo nem rede, e controles para núcleos vivos."""

from course_lib.interactive.block import Exported
from course_lib.interactive.demo import Demo
from course_lib.interactive.export import export
from course_lib.interactive.image_demos import (
    code_bars,
    cycle,
    denoising,
    diffusion,
    gallery,
    interpolation,
    styles,
    who_drew,
)
from course_lib.interactive.plane_demos import latent_plane, ring_flow, ring_gan, rubber_sheet
from course_lib.interactive.widgets import latent_walk

__all__ = [
    "Demo",
    "Exported",
    "code_bars",
    "cycle",
    "denoising",
    "diffusion",
    "export",
    "gallery",
    "interpolation",
    "latent_plane",
    "latent_walk",
    "ring_flow",
    "ring_gan",
    "rubber_sheet",
    "styles",
    "who_drew",
]
