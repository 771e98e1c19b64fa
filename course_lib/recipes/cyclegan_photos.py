"""CycleGAN de fotos: as redes e as taxas do artigo, nas duas pastas de quem a treina.

De fotos não há pares de teste: o que se mede de uma tradução delas é o que se vê.
"""

from __future__ import annotations

from course_lib.data import PhotoDomains
from course_lib.models.cyclegan import least_side
from course_lib.recipes.cyclegan import both_ways, make
from course_lib.recipes.engine import Config, Recipe, Scale

GENERATOR = {"image_channels": 3, "width": 64, "fold": 1, "n_downs": 2, "n_blocks": 9}
DISCRIMINATOR = {"image_channels": 3, "width": 64, "n_downs": 3}

CONFIG = Config(
    networks={"gen_xy": GENERATOR, "gen_yx": GENERATOR, "disc_x": DISCRIMINATOR, "disc_y": DISCRIMINATOR},
    training={
        "gen_lr": 2e-4,
        "disc_lr": 2e-4,
        "betas": (0.5, 0.999),
        "cycle_weight": 10.0,
        "identity_weight": 5.0,
        "pool_size": 50,
    },
)


def smallest_photo(config: Config) -> int:
    """O menor lado que os dois discriminadores julgam."""
    return max(least_side(config.networks[name]["n_downs"]) for name in ("disc_x", "disc_y"))


RECIPE = Recipe(
    name="cyclegan_photos",
    title="CycleGAN de fotos",
    chapter=6,
    config=CONFIG,
    make=make,
    batch_size=1,
    scales={"rapido": Scale(1), "padrao": Scale(20), "completo": Scale(200)},
    data=PhotoDomains,
    least_side=smallest_photo,
    translators=both_ways,
)
