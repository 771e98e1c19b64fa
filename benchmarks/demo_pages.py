"""As demonstrações do curso, com os pesos que vêm com ele, e páginas com uma delas sozinha."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import matplotlib.pyplot as plt
import torch

from course_lib import interactive, runtime
from course_lib.data import ImageDataset, load_embedded_digits
from course_lib.data.toy import Toy
from course_lib.interactive import Demo, Exported, export
from course_lib.models.vae import VAE
from course_lib.weights import load_judge, load_shipped

HTML = (
    '<!doctype html><html lang="pt-BR" data-theme="{theme}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>Demonstração</title>'
    '<style>html[data-theme="dark"] body {{ background: #14181e; color: #ced6dd }}</style>'
    "<body><main><h1>Demonstração</h1>{demo}</main></body></html>"
)


@cache
def digits() -> ImageDataset:
    """Dígitos que todo computador tem."""
    return load_embedded_digits("test")


@cache
def planar() -> VAE:
    """Um VAE de duas dimensões sem treino: à página não importa o que ele aprendeu."""
    with runtime.isolated_seed(0):
        return VAE(2).eval()


def shipped(name: str, part: str = "model") -> torch.nn.Module:
    """Uma rede que vem com o curso."""
    return getattr(load_shipped(name)[0], part).cpu().eval()


def interpolation() -> Demo:
    """Entre dois dígitos, no autoencoder e no VAE."""
    ae, vae = shipped("autoencoder"), shipped("vae")
    models = {"autoencoder": (ae.encode, ae.decode), "VAE": (lambda x: vae.encode(x)[0], vae.decode)}
    return interactive.interpolation(models, digits())


def who_drew() -> Demo:
    """Quem desenhou cada dígito."""
    live = {"o VAE": shipped("vae"), "a DCGAN": shipped("dcgan", "gen"), "a StyleGAN": shipped("stylegan", "gen")}
    people = digits()
    ready = {"uma pessoa": people.images[:80], "a difusão": people.images[80:160].flip(3)}
    clues = {
        "uma pessoa": "É gente.",
        "o VAE": "É borrado.",
        "a DCGAN": "Solta pontas.",
        "a StyleGAN": "É nítida.",
        "a difusão": "Está no espelho.",
    }
    return interactive.who_drew(live, ready, clues, load_judge(people))


def gallery() -> Demo:
    """Três grades, uma por valor."""
    images = digits().images
    grids = {str(beta): images[start : start + 10] for beta, start in ((1, 0), (2, 10), (20, 20))}
    return interactive.gallery(grids, name="β", title="Amostras")


def rubber_sheet() -> Demo:
    """A folha de um fluxo de pesos quaisquer."""
    return interactive.rubber_sheet(coupling(), Toy("luas").sample(300, seed=0).x)


DEMOS: dict[str, Callable[[], Demo]] = {
    "code_bars": lambda: interactive.code_bars(shipped("autoencoder"), digits()),
    "cycle": lambda: interactive.cycle(shipped("cyclegan", "gen_xy"), shipped("cyclegan", "gen_yx"), digits()),
    "denoising": lambda: interactive.denoising(shipped("denoising"), digits()),
    "gallery": gallery,
    "diffusion": lambda: interactive.diffusion(shipped("diffusion"), digits()),
    "interpolation": interpolation,
    "latent_plane": lambda: interactive.latent_plane(planar(), digits()),
    "ring_flow": interactive.ring_flow,
    "ring_gan": interactive.ring_gan,
    "rubber_sheet": rubber_sheet,
    "styles": lambda: interactive.styles(shipped("stylegan", "gen")),
    "who_drew": who_drew,
}


@cache
def demo(name: str) -> Demo:
    """A demonstração ``name``, feita uma vez."""
    made = DEMOS[name]()
    plt.close("all")
    return made


def page(name: str, theme: str = "light") -> str:
    """Uma página só com ela."""
    return HTML.format(theme=theme, demo=demo(name)._repr_html_())


@cache
def programs(weights: str = "int8") -> dict[str, tuple[Exported, list[torch.Tensor]]]:
    """Uma rede de cada arquitetura do curso, exportada, e entradas para ela."""
    with runtime.isolated_seed(1):
        x, z = digits().images[3:4], torch.randn(1, 64)
        noise = shipped("stylegan", "gen").synthesis.draw_noise(1)
        styles = torch.randn(1, 8, 64)
        step = torch.randn(1, 1, 28, 28)
    synthesis = shipped("stylegan", "gen").synthesis
    ae, vae, flow = shipped("autoencoder"), shipped("vae"), coupling()
    made = {
        "codificador": (ae.encode, {"x": x}),
        "decodificador, nove de uma vez": (ae.decode, {"z": torch.rand(9, 64)}),
        "codificador do VAE": (vae.encode, {"x": x}),
        "convoluções e transpostas": (shipped("denoising"), {"x": x}),
        "GAN densa": (shipped("gan", "gen"), {"z": z[:, :20]}),
        "DCGAN": (shipped("dcgan", "gen"), {"z": z}),
        "mapeamento": (shipped("stylegan", "gen").mapping, {"z": z}),
        "síntese": (
            lambda w, *maps: synthesis(w, maps),
            {"w": styles, **{f"n{k}": one for k, one in enumerate(noise)}},
        ),
        "CycleGAN": (shipped("cyclegan", "gen_xy"), {"x": x}),
        "U-Net": (shipped("diffusion").network, {"x": step, "t": torch.tensor([0.5]), "y": torch.tensor([3])}),
        "juiz": (load_judge().network.eval(), {"x": x}),
        "acoplamento, ida": (lambda x: flow(x)[0], {"x": torch.randn(5, 2)}),
        "acoplamento, volta": (flow.inverse, {"x": torch.randn(5, 2)}),
    }
    names = {"codificador do VAE": ("mu", "logvar")}
    return {
        name: (export(function, inputs, outputs=names.get(name, ("out",)), weights=weights), list(inputs.values()))
        for name, (function, inputs) in made.items()
    }


@cache
def coupling() -> torch.nn.Module:
    """Um fluxo do plano, de pesos quaisquer."""
    from course_lib.models.flows import RealNVP

    with runtime.isolated_seed(2):
        flow = RealNVP().eval()
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return flow
