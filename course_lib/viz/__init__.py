"""Toda figura estática do curso. Só este pacote importa o matplotlib.

Cada função desenha numa figura nova do pyplot e a devolve. Num caderno ela aparece sob a célula, uma vez, guardada num
nome ou não; num script, ``viz.save("figura.png")`` a grava.
"""

from course_lib.viz.curves import bars, curves, histogram, histories, paths
from course_lib.viz.diagrams import flow_diagram
from course_lib.viz.fields import arrow_panels, density_panels, lattice_panels
from course_lib.viz.images import image_grid, latent_traversal, strips
from course_lib.viz.points import ball_panels, embedding, labelled_points, scatter, scatter_panels
from course_lib.viz.style import save

__all__ = [
    "arrow_panels",
    "ball_panels",
    "bars",
    "curves",
    "density_panels",
    "embedding",
    "flow_diagram",
    "histogram",
    "histories",
    "image_grid",
    "labelled_points",
    "latent_traversal",
    "lattice_panels",
    "paths",
    "save",
    "scatter",
    "scatter_panels",
    "strips",
]
