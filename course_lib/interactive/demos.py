"""As demonstrações dos capítulos: de um modelo em PyTorch à página que se mexe, no livro, no Jupyter e no Colab."""

from __future__ import annotations

import base64
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from course_lib import checks, runtime, viz
from course_lib.checks import IMAGE_SHAPE
from course_lib.data import ImageDataset
from course_lib.data.toy import RING_RADIUS, RING_STD
from course_lib.interactive.block import Exported
from course_lib.interactive.demo import Demo, still_picture
from course_lib.interactive.export import export
from course_lib.models.layers import IMAGE_DIM, interpolate

# Um capítulo só importa as famílias que usa: quem pede a demonstração já tem o modelo.
if TYPE_CHECKING:
    from course_lib.models.autoencoder import Autoencoder
    from course_lib.models.denoising import ConvDenoiser
    from course_lib.models.diffusion import Diffusion
    from course_lib.models.gan import ConvGenerator
    from course_lib.models.stylegan import StyleGenerator
    from course_lib.models.vae import VAE

# Dígitos prontos de que se parte, e pontos da nuvem no plano latente.
N_EXAMPLES = 12
N_CLOUD = 800

# O anel da galeria de falhas do capítulo 04 (``python -m benchmarks.ring``), de nuvens mais estreitas que as do Toy: é
# entre elas que um gerador se perde. Um ponto é de uma nuvem até tantos desvios do centro.
NARROW_STD, NARROW_REACH = 0.05, 5
RING_REACH = 3

Coder = Callable[[Tensor], Tensor]
Network = TypeVar("Network", bound=nn.Module)


def code_bars(model: Autoencoder, dataset: ImageDataset) -> Demo:
    """Desenhe um dígito: o código em barras, a volta dele, e o que dá um código que não veio de imagem nenhuma.

    Args:
        model: o autoencoder.
        dataset: de onde vêm os exemplos e a média e o desvio de cada número do código.
    """
    model = _on_cpu(model)
    images = _drawn(dataset, N_CLOUD).images
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
            "enc": export(model.encode, {"x": images[:1]}, outputs=("z",), modules=[model], weights="int8"),
            "dec": export(model.decode, {"z": codes[:1]}, modules=[model], weights="int8"),
        },
        options={
            "examples": _as_text(images[:N_EXAMPLES]),
            "mean": _rounded(codes.mean(0)),
            "std": _rounded(codes.std(0)),
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

    model = _on_cpu(model)
    images = _drawn(dataset, N_EXAMPLES).images
    with torch.no_grad(), _seeded():
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
            "examples": _as_text(images),
            "sigmaMin": model.sigma_min,
            "sigmaMax": model.sigma_max,
            "steps": STEPS,
        },
    )


def latent_plane(model: VAE, dataset: ImageDataset) -> Demo:
    """O plano latente de um VAE de duas dimensões: arraste o código, desenhe um dígito e veja onde ele cai.

    Args:
        model: um VAE com ``latent_dim=2``.
        dataset: as imagens da nuvem, com os seus rótulos.

    Raises:
        ValueError: o espaço latente não é um plano.
    """
    checks.require(model.latent_dim == 2, f"model: esperava latent_dim = 2; recebi {model.latent_dim}")
    model = _on_cpu(model)
    points = _drawn(dataset, N_CLOUD)
    with torch.no_grad():
        mu, _ = model.encode(points.images)
        viz.embedding(mu, points.labels, title="μ(x) no plano latente", xlabel="$z_0$", ylabel="$z_1$")
    return Demo(
        "latent_plane",
        title="Passeie pelo plano latente",
        lead="Arraste o ponto: que dígito há entre dois? Desenhe um: a elipse é a nuvem q(z|x) dele.",
        alt="Dispersão das médias das imagens no plano latente, uma cor por dígito, em torno da origem.",
        still=still_picture(),
        programs={
            "enc": export(
                model.encode, {"x": points.images[:1]}, outputs=("mu", "logvar"), modules=[model], weights="int8"
            ),
            "dec": export(model.decode, {"z": mu[:1]}, modules=[model], weights="int8"),
        },
        options={
            "examples": _as_text(points.images[:N_EXAMPLES]),
            "cloud": {"points": (100 * mu).round().int().flatten().tolist(), "labels": points.labels.tolist()},
        },
    )


def ring_gan() -> Demo:
    """Uma GAN no plano, treinada na página: o colapso do gerador lento, e o que o cura."""
    viz.scatter({"dados": _ring(NARROW_STD)}, title="O anel de oito nuvens que o gerador deve cobrir")
    slow = {"genRate": 3e-4, "discRate": 3e-3}
    return Demo(
        "ring_gan",
        title="Faça uma GAN colapsar, e cure-a",
        lead="Treine com o gerador lento e veja aonde vão os pontos. Que regra os espalha pelas oito nuvens?",
        alt="Oito nuvens de pontos dispostas num anel.",
        still=still_picture(),
        programs={},
        options={
            "data": _ring_options(NARROW_STD, NARROW_REACH),
            "limit": 4_001,
            "games": {
                "gerador lento": slow,
                "taxas iguais": {"genRate": 1e-3, "discRate": 1e-3},
                "gerador lento, quatro julgadas por vez": {**slow, "pack": 4},
            },
        },
    )


def styles(gen: StyleGenerator) -> Demo:
    """Misture estilos por faixa de resolução, com truncamento e ruído.

    Args:
        gen: o gerador da StyleGAN.
    """
    gen = _on_cpu(gen)
    with torch.no_grad(), _seeded():
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
            "wMean": _rounded(gen.w_mean),
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
    gen_xy, gen_yx = _on_cpu(gen_xy), _on_cpu(gen_yx)
    images = _drawn(dataset, N_EXAMPLES).images
    with torch.no_grad():
        there = gen_xy(images[:8])
        viz.strips({"x": images[:8], "x → y": there, "e volta": gen_yx(there)}, title="Ida e volta entre os domínios")
    return Demo(
        "cycle",
        title="Ida e volta entre dois domínios",
        lead="Desenhe um dígito, e depois algo que não é dígito. O ciclo ainda se fecha?",
        alt="Três fileiras: dígitos do domínio X, a tradução deles para Y e a volta a X, quase igual à primeira.",
        still=still_picture(),
        programs={
            "toY": export(gen_xy, {"x": images[:1]}, weights="int8"),
            "toX": export(gen_yx, {"x": images[:1]}, weights="int8"),
        },
        options={"examples": _as_text(images)},
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
    model = _on_cpu(model)
    images = _drawn(dataset, N_EXAMPLES).images
    with torch.no_grad(), _seeded():
        viz.image_grid(model.sample(10, y=torch.arange(10)), title="Uma amostra de cada dígito, em dez saltos")
        inputs = {"x": torch.randn(1, *IMAGE_SHAPE), "t": torch.tensor([0.5]), "y": torch.tensor([digit])}
    return Demo(
        "diffusion",
        title="Do ruído ao dígito, salto a salto",
        lead="Escolha o dígito e arraste o salto: quando ele se decide? Com orientação forte, o que se ganha?",
        alt="Dez dígitos, de 0 a 9, desenhados pela difusão em dez saltos.",
        still=still_picture(),
        programs={"net": export(model.network, inputs, weights="int8")},
        options={
            "examples": _as_text(images),
            "alphaBar": [round(value, 9) for value in model.alpha_bar.tolist()],
            "noClass": no_class(n_classes or 0),
            "digit": digit,
        },
    )


def ring_flow() -> Demo:
    """*Flow matching* no plano, treinado na página: a correnteza que leva o ruído ao anel."""
    viz.scatter({"dados": _ring(RING_STD)}, title="Os dados a que a correnteza deve levar")
    return Demo(
        "ring_flow",
        title="Treine uma correnteza",
        lead="Treine, solte o ruído e pare no meio do caminho. Com quantos passos elas ainda acertam as nuvens?",
        alt="Oito nuvens de pontos dispostas num anel.",
        still=still_picture(),
        programs={},
        options={"data": _ring_options(RING_STD, RING_REACH), "limit": 1_200},
    )


def interpolation(models: Mapping[str, tuple[Coder, Coder]], dataset: ImageDataset) -> Demo:
    """O exercício do documento: de um dígito a outro, desenhados por quem lê, pelo espaço latente de cada modelo.

    Args:
        models: rótulo → (codificar, decodificar), em que codificar leva (B, 1, 28, 28) em (B, latent_dim).
        dataset: de onde saem os exemplos.
    """
    images = _drawn(dataset, N_EXAMPLES).images
    programs: dict[str, Exported] = {}
    rows = {}
    with torch.no_grad():
        for k, (label, (encode, decode)) in enumerate(models.items()):
            z = encode(images[:2].to(runtime.device()))
            rows[label] = decode(interpolate(z[0], z[1], 7))
            programs[f"enc{k}"] = export(encode, {"x": images[:1].to(z.device)}, outputs=("z",), weights="int8")
            programs[f"dec{k}"] = export(decode, {"z": z[:1]}, weights="int8")
        viz.strips(rows, title="De um dígito a outro pelo espaço latente")
    return Demo(
        "interpolation",
        title="Entre dois dígitos seus",
        lead="Desenhe dois dígitos e ande de um ao outro. Em qual dos modelos o meio do caminho ainda é um dígito?",
        alt="Uma fileira de sete imagens por modelo, do primeiro dígito ao segundo.",
        still=still_picture(),
        programs=programs,
        options={"examples": _as_text(images), "models": list(models)},
    )


def who_drew(
    vae: VAE, dcgan: ConvGenerator, stylegan: StyleGenerator, dataset: ImageDataset, clues: Mapping[str, str]
) -> Demo:
    """Adivinhe quem desenhou cada dígito: uma pessoa ou uma das três famílias, que desenham na hora.

    Args:
        vae: o VAE.
        dcgan: o gerador convolucional.
        stylegan: o gerador da StyleGAN.
        dataset: os dígitos de gente.
        clues: o que reparar nos desenhos de cada um; as chaves dão os nomes, na ordem gente, VAE, DCGAN, StyleGAN.
    """
    vae, dcgan, stylegan = _on_cpu(vae), _on_cpu(dcgan), _on_cpu(stylegan)
    images = _drawn(dataset, 60).images
    with torch.no_grad(), _seeded():
        samples = [images[:8], vae.sample(8), dcgan.sample(8), stylegan.sample(8)]
        noise = stylegan.synthesis.draw_noise(1)
        z = {name: torch.randn(1, net.latent_dim) for name, net in (("v", vae), ("d", dcgan), ("s", stylegan))}
    viz.strips(dict(zip(clues, samples, strict=True)), title="Oito de cada")

    def draw_styled(z: Tensor, *noise: Tensor) -> Tensor:
        image: Tensor = stylegan(z, noise=noise)
        return image

    named = {f"n{k}": one for k, one in enumerate(noise)}
    how: list[dict[str, Any]] = [
        {"images": _as_text(images)},
        {"program": "vae", "latent": vae.latent_dim},
        {"program": "dcgan", "latent": dcgan.latent_dim},
        {"program": "stylegan", "latent": stylegan.latent_dim, "noise": [one.numel() for one in noise]},
    ]
    return Demo(
        "who_drew",
        title="Quem desenhou?",
        lead="Um dígito por vez, desenhado agora por uma família ou, há muito tempo, por uma pessoa. Você distingue?",
        alt="Quatro fileiras de oito dígitos: de pessoas, do VAE, da DCGAN e da StyleGAN.",
        still=still_picture(),
        programs={
            "vae": export(vae.decode, {"z": z["v"]}, weights="int8"),
            "dcgan": export(dcgan, {"z": z["d"]}, weights="int8"),
            "stylegan": export(draw_styled, {"z": z["s"], **named}, modules=[stylegan], weights="int8"),
        },
        options={
            "families": [
                {"name": name, "clue": clue, **one} for (name, clue), one in zip(clues.items(), how, strict=True)
            ]
        },
    )


def _on_cpu(model: Network) -> Network:
    """Uma cópia, em avaliação e na CPU: o que se exporta não depende de onde o modelo está."""
    return copy.deepcopy(model).cpu().eval()


def _drawn(dataset: ImageDataset, n: int) -> ImageDataset:
    return dataset.take(n, seed=0).to("cpu")


def _seeded() -> Any:
    return runtime.isolated_seed(0)


def _ring(std: float) -> Tensor:
    """400 pontos de oito nuvens, deste desvio, no anel."""
    with _seeded():
        angle = 2 * math.pi * torch.randint(8, (400,)) / 8
        return RING_RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1) + std * torch.randn(400, 2)


def _ring_options(std: float, reach: float) -> dict[str, float]:
    return {"radius": RING_RADIUS, "std": std, "near": reach * std}


def _as_text(images: Tensor) -> str:
    """Imagens (N, 1, 28, 28) em [-1, 1] como bytes de 0 a 255, em base64."""
    levels = ((images.detach().cpu().reshape(-1, IMAGE_DIM) + 1) * 127.5).round().clamp(0, 255)
    return base64.b64encode(levels.to(torch.uint8).numpy().tobytes()).decode()


def _rounded(values: Tensor) -> Sequence[float]:
    return [round(value, 4) for value in values.detach().cpu().tolist()]
