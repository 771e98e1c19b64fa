"""O que o cartão de cada modelo diz dele, medido no conjunto de teste."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib import metrics, runtime
from course_lib.data import ImageDataset, restyle
from course_lib.models.denoising import gaussian_noise
from course_lib.models.image_flows import bits_per_dim
from course_lib.training.recipes import get_recipe
from course_lib.weights.shipped import load_judge

# Amostras julgadas para o cartão: bastam para notar que um modelo mudou. As tabelas do curso usam 10.000.
JUDGED = 500
SAMPLES_AT_ONCE = 500

# A verossimilhança que se refaz em segundos: as primeiras imagens de teste, e menos amostras que as 1.000 de costume.
NLL_IMAGES = 500
NLL_SAMPLES = 200

# Bits por dimensão que se refazem em segundos; no fim do treino, o teste inteiro, com um sorteio do ruído e com K = 8.
BITS_IMAGES = 2_000
BITS_SAMPLES = 8

# O nível de ruído em que se mede quem tira ruído: desvio de meio pixel, com os pixels em [0, 1].
PSNR_SIGMA = 0.5


def draw(sampler: Any, n: int, *, seed: int, progress: bool = False) -> Tensor:
    """``n`` amostras (n, 1, 28, 28) na CPU, em levas de tamanho fixo: a mesma semente dá as mesmas imagens."""
    images = []
    with runtime.isolated_seed(seed), tqdm(total=n, desc="amostrando", unit="imagem", disable=not progress) as bar:
        for start in range(0, n, SAMPLES_AT_ONCE):
            images.append(sampler.sample(min(SAMPLES_AT_ONCE, n - start)).cpu())
            bar.update(len(images[-1]))
    return torch.cat(images)


def _reconstruction(step: Any, test: ImageDataset) -> dict[str, float]:
    return {"erro quadrático por imagem de teste": metrics.reconstruction_error(step.model, test.images)}


@torch.no_grad()
def _psnr_gain(step: Any, test: ImageDataset) -> dict[str, float]:
    x = test.images.to(runtime.device())
    noisy = gaussian_noise(x.cpu(), PSNR_SIGMA, generator=torch.Generator().manual_seed(0)).to(x.device)
    x_hat = torch.cat([step.model(chunk) for chunk in noisy.split(500)])
    before, cut, after = (metrics.psnr(y, x).mean().item() for y in (noisy, noisy.clamp(-1, 1), x_hat))
    return {
        f"PSNR da entrada ruidosa, σ = {PSNR_SIGMA}, sem corte (dB)": before,
        f"PSNR da entrada ruidosa, σ = {PSNR_SIGMA}, cortada em [-1, 1] (dB)": cut,
        f"PSNR da saída, σ = {PSNR_SIGMA} (dB)": after,
    }


def _elbo(step: Any, test: ImageDataset) -> dict[str, float]:
    terms = metrics.elbo_terms(step.model, test.images, seed=0)
    return {"KL no teste (nats)": terms["kl"], "ELBO gaussiana no teste (nats)": terms["elbo"]}


def _binary_nll(step: Any, test: ImageDataset) -> dict[str, float]:
    x = metrics.binarize(test.images, seed=0)
    terms = metrics.elbo_terms(step.model, x, likelihood="bernoulli", seed=0)
    nll = metrics.vae_nll(step.model, x[:NLL_IMAGES], n_samples=NLL_SAMPLES, progress=False)
    return {
        "KL no teste (nats)": terms["kl"],
        "ELBO negativa no teste, binarização dinâmica (nats)": -terms["elbo"],
        f"NLL de {NLL_IMAGES} imagens de teste, S = {NLL_SAMPLES} (nats)": nll,
    }


def _full_binary_nll(step: Any, test: ImageDataset) -> dict[str, float]:
    nll = metrics.vae_nll(step.model, metrics.binarize(test.images, seed=0), n_samples=1_000)
    return {"NLL no teste inteiro, binarização dinâmica, S = 1000 (nats)": nll}


def _bits_per_dim(step: Any, test: ImageDataset, *, images: int = BITS_IMAGES, n_samples: int = 1) -> dict[str, float]:
    x = test.images[:images].to(runtime.device())
    bits = bits_per_dim(step.model, x, n_samples=n_samples, seed=0)
    return {f"bits por dimensão de {len(x)} imagens de teste, K = {n_samples}": bits.mean().item()}


def _full_bits_per_dim(step: Any, test: ImageDataset) -> dict[str, float]:
    full = {}
    for n_samples in (1, BITS_SAMPLES):
        full |= _bits_per_dim(step, test, images=len(test), n_samples=n_samples)
    return full


@torch.no_grad()
def _accuracy(step: Any, test: ImageDataset) -> dict[str, float]:
    right = sum((step.model(x).argmax(1) == y).sum().item() for x, y in test.batches(500, shuffle=False))
    return {"acerto no teste": right / len(test)}


@torch.no_grad()
def _translation(step: Any, test: ImageDataset) -> dict[str, float]:
    """Os pares que o treino nunca viu dizem quão certa é a tradução; o juiz, se o dígito sobreviveu a ela."""
    x, y = test.images.to(runtime.device()), restyle(test).images.to(runtime.device())
    fake_y, fake_x = _in_chunks(step.gen_xy, x), _in_chunks(step.gen_yx, y)
    cycled_x = _in_chunks(step.gen_yx, fake_y)
    found = {
        "SSIM de X→Y com o par de teste": metrics.ssim(fake_y, y).mean().item(),
        "SSIM de Y→X com o par de teste": metrics.ssim(fake_x, x).mean().item(),
        "SSIM da volta X→Y→X": metrics.ssim(cycled_x, x).mean().item(),
    }
    if test.is_mnist:
        judge = load_judge(test)
        labels = test.labels.to(runtime.device())
        kept = judge.labels(cycled_x) == judge.labels(x)
        found["mesmo dígito depois de X→Y→X, pelo juiz"] = kept.float().mean().item()
        found["dígito certo depois de Y→X, pelo juiz"] = (judge.labels(fake_x) == labels).float().mean().item()
    return found


def _in_chunks(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([network(chunk) for chunk in images.split(SAMPLES_AT_ONCE)])


MEASURES: dict[str, Callable[[Any, ImageDataset], dict[str, float]]] = {
    "autoencoder": _reconstruction,
    "denoising": _psnr_gain,
    "stacked": _reconstruction,
    "vae": _elbo,
    "cyclegan": _translation,
    "vae_binary": _binary_nll,
    "flows": _bits_per_dim,
    "judge": _accuracy,
}

# Medidas de minutos, feitas uma vez, ao fim do treino.
SLOW_MEASURES: dict[str, Callable[[Any, ImageDataset], dict[str, float]]] = {
    "vae_binary": _full_binary_nll,
    "flows": _full_bits_per_dim,
}


def measure(name: str, step: Any, test: ImageDataset, *, slow: bool = False) -> dict[str, float]:
    """Métricas do modelo ``name`` no teste; de um modelo que gera imagens, também o que o juiz diz delas.

    Args:
        name: nome da receita.
        step: o passo treinado.
        test: imagens de teste.
        slow: se inclui as medidas que levam minutos.

    Raises:
        WeightsError: o juiz do curso falta.
    """
    recipe = get_recipe(name)
    found = MEASURES[name](step, test) if name in MEASURES else {}
    if slow and test.is_mnist and name in SLOW_MEASURES:
        found |= SLOW_MEASURES[name](step, test)
    if recipe.sampler is not None and test.is_mnist:
        report = load_judge(test).compare(recipe.title, draw(recipe.sampler(step), JUDGED, seed=0))
        found[f"Fréchet de {report.n} amostras (juiz {report.network})"] = report.frechet
    return found
