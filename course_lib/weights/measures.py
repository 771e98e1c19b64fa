"""O que o cartão de cada modelo diz dele, medido no conjunto de teste."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from course_lib import checks, runtime
from course_lib.contracts import Sampler
from course_lib.data import ImageDataset
from course_lib.recipes import Exam, get_recipe
from course_lib.weights.shipped import load_judge

# Amostras julgadas para o cartão: bastam para notar que um modelo mudou. As tabelas do curso usam 10.000.
JUDGED = 500
SAMPLES_AT_ONCE = 500


def draw(sampler: Sampler, n: int, *, seed: int, progress: bool = False) -> Tensor:
    """``n`` amostras (n, 1, 28, 28) na CPU, em levas de tamanho fixo: a mesma semente dá as mesmas imagens.

    Raises:
        ValueError: ``n`` não é um inteiro maior que zero.
    """
    n = checks.integer(n, "n")
    images = []
    with runtime.isolated_seed(seed), tqdm(total=n, desc="amostrando", unit="imagem", disable=not progress) as bar:
        for start in range(0, n, SAMPLES_AT_ONCE):
            images.append(sampler.sample(min(SAMPLES_AT_ONCE, n - start)).cpu())
            bar.update(len(images[-1]))
    return torch.cat(images)


def measure(name: str, step: Any, test: ImageDataset, *, slow: bool = False) -> dict[str, float]:
    """Métricas do modelo ``name`` no teste; de um modelo que gera imagens, também o que o juiz diz delas.

    Args:
        name: nome da receita.
        step: o passo treinado.
        test: imagens de teste.
        slow: se inclui as medidas que levam minutos.

    Raises:
        ValueError: modelo desconhecido.
        WeightsError: o juiz do curso falta.
    """
    recipe = get_recipe(name)
    makes_images = recipe.sampler is not None or recipe.translators is not None
    judge = load_judge(test) if makes_images and test.is_mnist else None
    exam = Exam(step, test, judge)
    found = recipe.measure(exam) if recipe.measure is not None else {}
    if slow and test.is_mnist and recipe.slow_measure is not None:
        found |= recipe.slow_measure(exam)
    if recipe.sampler is not None and judge is not None:
        report = judge.compare(recipe.title, draw(recipe.sampler(step), JUDGED, seed=0))
        found[f"Fréchet de {report.n} amostras (juiz {report.network})"] = report.frechet
    return found
