"""O que se mexe: controles para núcleos vivos (Jupyter, Colab). No livro, uma figura estática fica no lugar."""

from course_lib.interactive.widgets import choose, interpolation, latent_walk

__all__ = ["choose", "interpolation", "latent_walk"]
