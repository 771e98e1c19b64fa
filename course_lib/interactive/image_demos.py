"""As demonstrações de imagens: de um modelo em PyTorch à página que se mexe, no livro, no Jupyter e no Colab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from course_lib import checks, runtime, viz
from course_lib.checks import IMAGE_SHAPE
from course_lib.data import ImageDataset
from course_lib.interactive.block import Exported
from course_lib.interactive.demo import (
    N_EXAMPLES,
    Demo,
    as_text,
    drawn_set,
    examples,
    on_cpu,
    rounded,
    seeded,
    still_picture,
)
from course_lib.interactive.export import export
from course_lib.models.layers import interpolate

# Um capítulo só importa as famílias que usa: quem pede a demonstração já tem o modelo.
if TYPE_CHECKING:
    from course_lib.metrics import Judge
    from course_lib.models.autoencoder import Autoencoder
    from course_lib.models.denoising import ConvDenoiser
    from course_lib.models.diffusion import Diffusion
    from course_lib.models.gan import ConvGenerator
    from course_lib.models.stylegan import StyleGenerator
    from course_lib.models.vae import VAE

# Imagens de que se tiram as estatísticas dos códigos, e imagens de quem não desenha na página.
N_CODES = 800
N_READY = 60

Coder = Callable[[Tensor], Tensor]


def code_bars(model: Autoencoder, dataset: ImageDataset) -> Demo:
    """Desenhe um dígito: o código em barras, a volta dele, e o que dá um código que não veio de imagem nenhuma.

    Args:
        model: o autoencoder.
        dataset: de onde vêm os exemplos e a média e o desvio de cada número do código.
    """
    model = on_cpu(model)
    images = drawn_set(dataset, N_CODES).images
    with torch.no_grad():
        codes = model.encode(images)
        viz.strips({"imagem": images[:8], "volta": model.decode(codes[:8])}, title="Ida e volta pelo código")
    return Demo(
        "code_bars",
        title="O seu dígito em poucos números",
        lead="Desenhe e veja o código e a volta. Depois misture o código com um sorteado: onde deixa de ser dígito?",
        alt="Oito dígitos e, embaixo de cada um, a reconstrução do autoencoder, um pouco mais lisa.",
        still=still_picture(),
        programs={
            "enc": export(model.encode, {"x": images[:1]}, outputs=("z",), modules=[model], weights="int6"),
            "dec": export(model.decode, {"z": codes[:1]}, modules=[model], weights="int6"),
        },
        options={
            "examples": as_text(images[:N_EXAMPLES]),
            "mean": rounded(codes.mean(0)),
            "std": rounded(codes.std(0)),
            "floor": 0 if model.relu_code else -1e9,
        },
    )


def denoising(model: ConvDenoiser, dataset: ImageDataset) -> Demo:
    """Desenhe, some ruído e tire-o aos poucos; o empurrão do escore em cada pixel.

    Args:
        model: a rede que tira ruído.
        dataset: de onde vêm os exemplos.
    """
    from course_lib.models.denoising import STEPS

    model = on_cpu(model)
    images = drawn_set(dataset, N_EXAMPLES).images
    with torch.no_grad(), seeded():
        noisy = images[:8] + torch.randn_like(images[:8])
        viz.strips({"com ruído": noisy.clamp(-1, 1), "estimativa": model(noisy)}, title="A rede imagina a imagem limpa")
    return Demo(
        "denoising",
        title="Sujar e limpar",
        lead="Desenhe, aumente o ruído até não reconhecer o dígito, e limpe aos poucos. E se só houver ruído?",
        alt="Oito dígitos com ruído forte e, embaixo, a imagem limpa que a rede imagina para cada um.",
        still=still_picture(),
        programs={"net": export(model, {"x": images[:1]}, weights="int8")},
        options={
            "examples": as_text(images),
            "sigmaMin": model.sigma_min,
            "sigmaMax": model.sigma_max,
            "steps": STEPS,
        },
    )


def styles(gen: StyleGenerator) -> Demo:
    """Misture estilos por faixa de resolução, com truncamento e ruído.

    Args:
        gen: o gerador da StyleGAN.
    """
    gen = on_cpu(gen)
    with torch.no_grad(), seeded():
        noise = gen.synthesis.draw_noise(1)
        viz.image_grid(gen.sample(10), title="Dez estilos sorteados")
        w = torch.randn(1, gen.n_styles, gen.synthesis.w_dim)

    def synthesis(w: Tensor, *noise: Tensor) -> Tensor:
        image: Tensor = gen.synthesis(w, noise)
        return image

    named = {f"n{k}": one for k, one in enumerate(noise)}
    return Demo(
        "styles",
        title="Misture três estilos",
        lead="Troque o estilo de uma faixa por vez: qual delas muda o dígito, e qual só o traço?",
        alt="Dez dígitos gerados pela StyleGAN, cada um de um estilo.",
        still=still_picture(),
        programs={
            "mapping": export(gen.mapping, {"z": torch.randn(1, gen.latent_dim)}, weights="int8"),
            "synthesis": export(synthesis, {"w": w, **named}, modules=[gen.synthesis], weights="int8"),
        },
        options={
            "zDim": gen.latent_dim,
            "wMean": rounded(gen.w_mean),
            "noise": [one.numel() for one in noise],
        },
    )


def cycle(gen_xy: nn.Module, gen_yx: nn.Module, dataset: ImageDataset) -> Demo:
    """Desenhe em X, veja em Y e de volta: o erro do ciclo.

    Args:
        gen_xy: de X a Y.
        gen_yx: de Y a X.
        dataset: exemplos de X.
    """
    gen_xy, gen_yx = on_cpu(gen_xy), on_cpu(gen_yx)
    images = drawn_set(dataset, N_EXAMPLES).images
    with torch.no_grad():
        there = gen_xy(images[:8])
        viz.strips({"x": images[:8], "x → y": there, "e volta": gen_yx(there)}, title="Ida e volta entre os domínios")
    return Demo(
        "cycle",
        title="Ida e volta entre dois domínios",
        lead="Desenhe um dígito, depois um quadrado, e por fim cubra a área de tinta. Até onde o ciclo se fecha?",
        alt="Três fileiras: dígitos do domínio X, a tradução deles para Y e a volta a X, quase igual à primeira.",
        still=still_picture(),
        programs={
            "toY": export(gen_xy, {"x": images[:1]}, weights="int8"),
            "toX": export(gen_yx, {"x": images[:1]}, weights="int8"),
        },
        options={"examples": as_text(images)},
    )


def diffusion(model: Diffusion, dataset: ImageDataset, *, digit: int = 3) -> Demo:
    """A volta da difusão, salto a salto, ao vivo: o dígito, a orientação, os saltos, a semente; e completar metade.

    Args:
        model: difusão que prevê a velocidade, com uma rede que olha a classe.
        dataset: exemplos para completar.
        digit: com que dígito se começa.

    Raises:
        ValueError: o modelo prevê outra coisa, ou a rede não olha a classe.
    """
    from course_lib.models.unet import no_class

    n_classes = getattr(model.network, "n_classes", None)
    fits = model.prediction == "v" and n_classes is not None
    checks.require(fits, 'model: esperava prediction="v" e uma rede que olha a classe')
    model = on_cpu(model)
    images = examples(dataset, digit)
    with torch.no_grad(), seeded():
        viz.image_grid(model.sample(10, y=torch.arange(10)), title="Uma amostra de cada dígito, em dez saltos")
        inputs = {"x": torch.randn(1, *IMAGE_SHAPE), "t": torch.tensor([0.5]), "y": torch.tensor([digit])}
    return Demo(
        "diffusion",
        title="Do ruído ao dígito, salto a salto",
        lead="Escolha o dígito e arraste o salto: quando ele se decide? Desenhe vários com w = 0, e vários com w = 4: "
        "o que se ganha, e o que se perde?",
        alt="Dez dígitos, de 0 a 9, desenhados pela difusão em dez saltos.",
        still=still_picture(),
        programs={"net": export(model.network, inputs, weights="int7")},
        options={
            "examples": as_text(images),
            "alphaBar": [round(value, 9) for value in model.alpha_bar.tolist()],
            "noClass": no_class(n_classes or 0),
            "digit": digit,
        },
    )


def interpolation(models: Mapping[str, tuple[Coder, Coder]], dataset: ImageDataset) -> Demo:
    """O exercício do documento: de um dígito a outro, desenhados por quem lê, pelo espaço latente de cada modelo.

    Args:
        models: rótulo → (codificar, decodificar), em que codificar leva (B, 1, 28, 28) em (B, latent_dim).
        dataset: de onde saem os exemplos.
    """
    images = examples(dataset, 2, 7)
    programs: dict[str, Exported] = {}
    rows = {}
    with torch.no_grad():
        for k, (label, (encode, decode)) in enumerate(models.items()):
            z = encode(images[:2].to(runtime.device()))
            rows[label] = decode(interpolate(z[0], z[1], 7))
            programs[f"enc{k}"] = export(encode, {"x": images[:1].to(z.device)}, outputs=("z",), weights="int6")
            programs[f"dec{k}"] = export(decode, {"z": z[:1]}, weights="int6")
        viz.strips(rows, title="De um dígito a outro pelo espaço latente")
    return Demo(
        "interpolation",
        title="Entre dois dígitos seus",
        lead="Desenhe dois dígitos e ande de um ao outro. Em qual dos modelos o meio do caminho ainda é um dígito?",
        alt="Uma fileira de sete imagens por modelo, do primeiro dígito ao segundo.",
        still=still_picture(),
        programs=programs,
        options={"examples": as_text(images), "models": list(models)},
    )


def gallery(grids: Mapping[str, Tensor], *, name: str, title: str) -> Demo:
    """Alterne entre grades de imagens já calculadas, uma por valor de um parâmetro (beta, por exemplo).

    Args:
        grids: valor → (N, 1, 28, 28), o mesmo N em todas.
        name: nome do parâmetro.
        title: o que as imagens são.
    """
    viz.strips({f"{name} = {value}": images for value, images in grids.items()}, title=title)
    return Demo(
        "gallery",
        title=title,
        lead=f"Cada valor de {name} é outra rede, treinada do zero; os z sorteados são os mesmos. O que some?",
        alt=f"Uma fileira de imagens para cada valor de {name}: {', '.join(grids)}.",
        still=still_picture(),
        programs={},
        options={"name": name, "values": list(grids), "pictures": [as_text(images) for images in grids.values()]},
    )


def who_drew(
    live: Mapping[str, VAE | ConvGenerator | StyleGenerator],
    ready: Mapping[str, Tensor],
    clues: Mapping[str, str],
    judge: Judge,
) -> Demo:
    """Adivinhe quem desenhou cada dígito, e compare o seu acerto com o do juiz.

    O juiz responde por uma regressão linear nas características dele, ajustada numa metade das imagens de cada autor e
    posta à prova na outra.

    Args:
        live: autor → o gerador, que desenha na página.
        ready: autor → imagens (N, 1, 28, 28) feitas antes, de quem não cabe numa página; as de gente entre elas.
        clues: autor → o que reparar nos desenhos dele; dá também a ordem dos botões.
        judge: o juiz.

    Raises:
        ValueError: falta a pista de um autor, ou ``ready`` está vazio.
    """
    checks.not_empty(ready, "ready")
    checks.same(set(clues), {*live, *ready}, "autores de clues")
    networks = {name: on_cpu(network) for name, network in live.items()}
    n = min(map(len, ready.values()))
    with torch.no_grad(), seeded():
        drawn = {name: network.sample(n) for name, network in networks.items()}
        images = {name: (drawn | dict(ready))[name][:n].cpu() for name in clues}
        z = {name: torch.randn(1, network.latent_dim) for name, network in networks.items()}
        noise = {
            name: network.synthesis.draw_noise(1) for name, network in networks.items() if hasattr(network, "synthesis")
        }
    viz.strips({name: some[:8] for name, some in images.items()}, title="Oito de cada")
    programs, families = {}, []
    for name, clue in clues.items():
        family: dict[str, Any] = {"name": name, "clue": clue}
        if name in networks:
            maps = noise.get(name, [])
            inputs = {"z": z[name], **{f"n{k}": one for k, one in enumerate(maps)}}
            family |= {"program": f"p{len(programs)}", "latent": z[name].shape[1], "noise": [m.numel() for m in maps]}
            programs[family["program"]] = export(
                _drawing(networks[name]), inputs, modules=[networks[name]], weights="int6"
            )
        else:
            family |= {"images": as_text(images[name][:N_READY])}
        families.append(family)
    return Demo(
        "who_drew",
        title="Quem desenhou?",
        lead="Um dígito por vez, de uma família de modelos ou de uma pessoa. Você distingue? E melhor que o juiz?",
        alt=f"Fileiras de oito dígitos, uma por autor: {', '.join(clues)}.",
        still=still_picture(),
        programs=programs,
        options={"families": families, "judge": round(_authorship(judge, list(images.values())), 3)},
    )


def _drawing(network: VAE | ConvGenerator | StyleGenerator) -> Callable[..., Tensor]:
    """A conta que vai de z, e dos mapas de ruído de quem os tem, à imagem."""
    decode: Callable[..., Tensor] = getattr(network, "decode", network)
    return (lambda z, *noise: network(z, noise=noise)) if hasattr(network, "synthesis") else decode


def _authorship(judge: Judge, images: Sequence[Tensor]) -> float:
    """A fração das imagens, tantas de cada autor, cujo autor uma regressão linear nas características acerta."""
    half = len(images[0]) // 2
    features = torch.stack([judge.examine(some)[0].cpu() for some in images])  # (autores, N, 64)
    features = torch.cat([features, torch.ones_like(features[..., :1])], dim=2)
    author = torch.eye(len(images)).repeat_interleave(half, dim=0)
    fitted = torch.linalg.lstsq(features[:, :half].flatten(0, 1), author, driver="gelsd").solution
    guesses = (features[:, half : 2 * half].flatten(0, 1) @ fitted).argmax(1)
    return (guesses == author.argmax(1)).float().mean().item()
