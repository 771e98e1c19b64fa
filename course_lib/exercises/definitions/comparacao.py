"""Exercício 10_comparacao: as medidas da tabela, da distância de Fréchet aos bits por dimensão."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.old import (
    Exercise,
    Mistake,
    Question,
    compare,
    generator,
    number_answer,
    tensor_answer,
    tuple_answer,
)

# ---- Entradas sorteadas ----


def _gaussian_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    k = 3 + seed % 3
    mean_a, mean_b = torch.randn(2, k, generator=source, dtype=torch.float64)
    # Covariância de menos pontos do que características: há autovalores nulos, que o arredondamento torna negativos.
    a, b = (
        torch.randn(k, k - seed % 2, generator=source, dtype=torch.float64),
        torch.randn(k, k - 2 * (seed % 2), generator=source, dtype=torch.float64),
    )
    return {"mean_a": mean_a, "cov_a": a @ a.T, "mean_b": mean_b, "cov_b": b @ b.T}


def _cloud_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    k = 2 + seed % 3
    x = torch.randn(6 + seed % 3, k, generator=source, dtype=torch.float64)
    y = 0.8 * torch.randn(10 + seed % 4, k, generator=source, dtype=torch.float64) + 0.5
    return {"x": x, "y": y}


def _ball_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    real = torch.randn(40 + seed % 5, 2, generator=source)
    generated = 0.7 * torch.randn(25 + seed % 4, 2, generator=source) + torch.tensor([1.0, -0.5])
    return {"generated": generated, "real": real, "k": 2 + seed % 3}


def _label_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n_classes = 6 + seed % 4
    # A última classe, e outra no meio, nunca aparecem.
    present = torch.cat([torch.arange(2), torch.arange(3, n_classes - 1)])
    weights = torch.rand(len(present), generator=source) + 0.05
    labels = present[torch.multinomial(weights, 60 + seed % 7, replacement=True, generator=source)]
    return {"labels": labels, "n_classes": n_classes}


def _density_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n_dims = (12, 28, 49)[seed % 3]
    log_density = n_dims * (1 + 0.3 * torch.randn(7 + seed % 3, generator=source))
    return {"log_density": log_density, "step": (1 / 256, 1 / 127.5, 1 / 16)[seed % 3], "n_dims": n_dims}


# ---- Juízes ----


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def _judge_frechet(inputs: Mapping[str, Any], answer: Any) -> None:
    mean_a, cov_a, mean_b, cov_b = (inputs[name].double() for name in ("mean_a", "cov_a", "mean_b", "cov_b"))
    k = len(mean_a)
    hints = {
        (k,): "Some sobre as características: a distância é um número.",
        (k, k): "Falta o traço, que é a soma da diagonal.",
    }
    infinite = (
        "um autovalor que devia ser zero saiu um pouco negativo, e a raiz dele não existe. Corte-os em zero antes da "
        "raiz (`clamp(min=0)`), e tire a raiz dos autovalores, e não de cada entrada da matriz."
    )
    value = number_answer(answer, hints=hints, infinite=infinite)
    root = _root(cov_a)
    crossed = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0)
    difference = mean_a - mean_b
    between, spread, cross = difference.square().sum(), cov_a.trace() + cov_b.trace(), crossed.sqrt().sum()
    expected = between + spread - 2 * cross
    roots = (root @ _root(cov_b)).trace()
    diagonal = (cov_a.diagonal() * cov_b.diagonal()).sqrt().sum()
    entrywise = (cov_a @ cov_b).diagonal().clamp(min=0).sqrt().sum()
    mistakes = [
        (difference.norm() + spread - 2 * cross, "a parte das médias é a distância ao *quadrado*."),
        (difference.square().mean() + spread - 2 * cross, "a parte das médias é a soma dos quadrados, e não a média."),
        (spread - 2 * cross, "falta a parte das médias."),
        (between, "falta a parte das covariâncias: duas normais de mesma média e larguras diferentes não são iguais."),
        (between + spread - cross, "o termo cruzado entra duas vezes, como no quadrado de uma diferença."),
        (
            between + spread + 2 * cross,
            "o termo cruzado se subtrai; do jeito que está, nem de si mesma a distância é 0.",
        ),
        (between + spread, "falta o termo cruzado: assim a distância de uma normal a ela mesma não é zero."),
        (
            between + spread - 2 * (cov_a @ cov_b).trace(),
            "faltou a raiz de Σa Σb. O traço dela é a soma das *raízes* dos autovalores do produto.",
        ),
        (
            between + spread - 2 * roots,
            "o produto das raízes não é a raiz do produto, a menos que as matrizes comutem. "
            "Os autovalores certos são os de Σa^½ Σb Σa^½.",
        ),
        (
            between + spread - 2 * diagonal,
            "isso só usa as variâncias: esquece como as características variam juntas. Só serve a matrizes diagonais.",
        ),
        (
            between + spread - 2 * entrywise,
            "a raiz de uma matriz não é a raiz de cada entrada: tire as raízes dos autovalores.",
        ),
        (expected.clamp(min=0).sqrt(), "não tire a raiz no fim: por costume, o que se publica é o quadrado."),
        (
            between + (cov_a - cov_b).square().sum(),
            "as covariâncias não se comparam entrada a entrada; veja a fórmula.",
        ),
    ]
    otherwise = "o número não confere. Teste à mão com K = 1: N(0, 1) e N(3, 4) ficam a 9 + 1 = 10."
    compare(value, expected, mistakes, otherwise)


def _mean_pairs(x: Tensor, *, degree: int = 3, divide: bool = True, add: float = 1.0) -> tuple[Tensor, Tensor]:
    """A soma dos pares distintos de x e a da diagonal, com o núcleo (ou um dos seus descuidos)."""
    values = _kernel(x, x, degree=degree, divide=divide, add=add)
    diagonal = values.diagonal().sum()
    return values.sum() - diagonal, diagonal


def _kernel(x: Tensor, y: Tensor, *, degree: int = 3, divide: bool = True, add: float = 1.0) -> Tensor:
    return (x @ y.T / (x.shape[1] if divide else 1) + add) ** degree


def _mmd2(x: Tensor, y: Tensor, **kernel: Any) -> Tensor:
    n, m = len(x), len(y)
    on_x, on_y = _mean_pairs(x, **kernel)[0] / (n * (n - 1)), _mean_pairs(y, **kernel)[0] / (m * (m - 1))
    return on_x + on_y - 2 * _kernel(x, y, **kernel).mean()


def _judge_mmd2(inputs: Mapping[str, Any], answer: Any) -> None:
    x, y = inputs["x"].double(), inputs["y"].double()
    n, m = len(x), len(y)
    infinite = "a MMD² sem viés pode sair negativa: não tire a raiz dela."
    value = number_answer(answer, hints={(n, m): "Falta a média dos pares."}, infinite=infinite)
    expected, mixed = _mmd2(x, y), _kernel(x, y).mean()
    (pairs_x, diagonal_x), (pairs_y, diagonal_y) = _mean_pairs(x), _mean_pairs(y)
    mistakes = [
        (
            (pairs_x + diagonal_x) / n**2 + (pairs_y + diagonal_y) / m**2 - 2 * mixed,
            "a diagonal entrou: cada ponto é parecidíssimo consigo mesmo, e isso infla os termos de dentro. "
            "Some só os pares com i ≠ j.",
        ),
        (
            pairs_x / n**2 + pairs_y / m**2 - 2 * mixed,
            "a diagonal saiu da soma, mas não da conta: os pares com i ≠ j são n(n - 1), e não n².",
        ),
        (
            (pairs_x + diagonal_x) / (n * (n - 1)) + (pairs_y + diagonal_y) / (m * (m - 1)) - 2 * mixed,
            "você divide por n(n - 1), mas a diagonal ainda está na soma.",
        ),
        (expected + mixed, "os pares mistos entram duas vezes: (x, y) e (y, x)."),
        (expected + 4 * mixed, "os pares mistos se subtraem."),
        (-expected, "o sinal está trocado: de dentro menos mistos."),
        (_mmd2(x, y, divide=False), "no núcleo, o produto interno é dividido por K, o número de características."),
        (_mmd2(x, y, add=0.0), "no núcleo falta somar 1 antes do cubo: sem ele, só as potências ímpares contam."),
        (_mmd2(x, y, degree=2), "o núcleo é o cubo; o quadrado só vê até as covariâncias."),
        (_mmd2(x, y, degree=1), "faltou elevar o núcleo ao cubo; sem isso a conta só compara as médias."),
        (expected.clamp(min=0).sqrt(), "não tire a raiz: pedimos a MMD ao quadrado, que pode até ser negativa."),
        (pairs_x + pairs_y - 2 * _kernel(x, y).sum(), "cada termo é uma *média* de pares; você somou."),
    ]
    compare(value, expected, mistakes, "o número não confere. Refaça à mão o exemplo do enunciado, que dá 9,5.")


def _inside(points: Tensor, cloud: Tensor, radii: Tensor) -> Tensor:
    return (torch.cdist(points, cloud) <= radii).any(1).double()


def _radii(cloud: Tensor, k: int) -> Tensor:
    return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]


def _mask(answer: Any, n: int, hints: Mapping[tuple[int, ...], str]) -> Tensor:
    """A resposta como (n,) zeros e uns, venha ela em bool, em inteiros ou em números com vírgula."""
    if isinstance(answer, Tensor) and not answer.is_complex():
        answer = answer.float()
    return tensor_answer(answer, (n,), hints=hints)


def _judge_balls(inputs: Mapping[str, Any], answer: Any) -> None:
    generated, real, k = inputs["generated"].double(), inputs["real"].double(), inputs["k"]
    answers = tuple_answer(answer, ("geradas", "reais"))
    sets = (("geradas", generated, real), ("reais", real, generated))
    for (name, points, cloud), found in zip(sets, answers, strict=True):
        hints = {
            (): "Queremos um valor por ponto; a fração é a média deles, e fica para depois.",
            (len(cloud),): "A ordem é (geradas, reais), e cada uma diz onde caem os *seus* pontos.",
            (len(points), len(cloud)): "Falta dizer se o ponto cai em *alguma* bola (`any`).",
        }
        try:
            value = _mask(found, len(points), hints)
            distances = torch.cdist(points, cloud)
            radii = _radii(cloud, k)
            mistakes = [
                (
                    _inside(points, cloud, _radii(cloud, k - 1)),
                    "as bolas ficaram pequenas: na matriz de distâncias da nuvem, o vizinho a zero de distância é o "
                    "próprio ponto, e não conta.",
                ),
                (_inside(points, cloud, _radii(cloud, k + 1)), "as bolas ficaram grandes: pule só o próprio ponto."),
                (
                    (distances <= _radii(points, k)[:, None]).any(1).double(),
                    "as bolas são as da *outra* nuvem, em volta dos pontos dela; você usou as do próprio ponto.",
                ),
                ((distances <= radii).all(1).double(), "basta cair em *alguma* bola (`any`), e não em todas."),
                (
                    1 - _inside(points, cloud, radii),
                    "está invertido: 1 é dentro de alguma bola, 0 é fora de todas.",
                ),
                (
                    (distances.min(1).values <= radii[distances.argmin(1)]).double(),
                    "a bola que contém o ponto pode não ser a do centro mais próximo: olhe todas.",
                ),
                (
                    (distances.min(1).values <= radii.mean()).double(),
                    "cada bola tem o seu raio; você usou um só para todas.",
                ),
                (
                    (distances.min(1).values <= radii.max()).double(),
                    "cada bola tem o seu raio; você usou um só para todas.",
                ),
            ]
            otherwise = "não confere. Faça à mão o exemplo do enunciado, com três pontos numa reta."
            compare(value, _inside(points, cloud, radii), mistakes, otherwise)
        except Mistake as mistake:
            raise mistake.about(name) from None


def _judge_shares(inputs: Mapping[str, Any], answer: Any) -> None:
    labels, n_classes = inputs["labels"], inputs["n_classes"]
    shares_answer, entropy_answer = tuple_answer(answer, ("fatias", "entropia"))
    seen = int(labels.max()) + 1
    hints = {
        (seen,): "A última classe não apareceu nesta amostra, e ainda assim tem uma fatia: zero (`minlength`).",
        (len(labels.unique()),): "Classe que não aparece também tem fatia: zero.",
        (): "A ordem é (fatias, entropia).",
    }
    if isinstance(shares_answer, Tensor) and not shares_answer.is_floating_point() and not shares_answer.is_complex():
        shares_answer = shares_answer.double()  # contagens: a dica fala delas, e não do tipo
    shares = tensor_answer(shares_answer, (n_classes,), hints=hints)
    counts = torch.bincount(labels, minlength=n_classes).double()
    expected = counts / len(labels)
    shares_mistakes = [
        (counts, "fatias: essas são as contagens; divida pelo número de amostras."),
        (100 * expected, "fatias: queremos frações, que somam 1, e não porcentagens."),
        (counts / n_classes, "fatias: você dividiu pelo número de classes; é pelo de amostras."),
    ]
    compare(shares, expected, shares_mistakes, "fatias: os números não conferem; elas devem somar 1.")
    infinite = (
        "numa classe que não aparece, 0 · log 0 vale 0 (é o limite), mas o computador faz 0 · (-inf) = NaN. "
        "`torch.xlogy(p, p)` sabe disso."
    )
    value = number_answer(entropy_answer, hints={(n_classes,): "Falta somar sobre as classes."}, infinite=infinite)
    entropy = -torch.xlogy(expected, expected).sum()
    mistakes = [
        (-entropy, "entropia: o sinal está trocado; ela nunca é negativa."),
        (entropy / math.log(2), "entropia: isso está em bits; use o logaritmo natural."),
        (entropy / n_classes, "entropia: some sobre as classes, sem tirar a média."),
        (entropy.exp(), "entropia: esse já é o número efetivo de classes, exp(H); pedimos H."),
        (entropy / math.log(n_classes), "entropia: não divida pela máxima; pedimos H, em nats."),
        (math.log(n_classes) - entropy, "entropia: isso é o que falta para a máxima, e não a própria entropia."),
    ]
    compare(value, entropy, mistakes, "entropia: o número não confere. Com duas classes iguais ela vale log 2 = 0,693.")


def _judge_bits(inputs: Mapping[str, Any], answer: Any) -> None:
    log_density, step, n_dims = inputs["log_density"].double(), inputs["step"], inputs["n_dims"]
    hints = {(): "Queremos os bits de cada imagem, e não a média delas."}
    value = tensor_answer(answer, (len(log_density),), hints=hints)
    log_2, log_step = math.log(2), math.log(step)
    expected = -(log_density + n_dims * log_step) / (n_dims * log_2)
    mistakes = [
        (
            -log_density / (n_dims * log_2),
            "isso é a densidade em outra unidade, e muda com a escala dos pixels. Falta o volume da caixinha de cada "
            "tom, que a transforma em probabilidade.",
        ),
        (
            -(log_density - n_dims * log_step) / (n_dims * log_2),
            "o volume da caixinha *multiplica* a densidade: o log dele se soma à log-densidade.",
        ),
        (
            -(log_density + log_step) / (n_dims * log_2),
            "a caixinha tem lado Δ em *cada uma* das D dimensões: o volume é Δ elevado a D.",
        ),
        (-expected, "o sinal está trocado: bits são menos o log da probabilidade, e não saem negativos."),
        (expected * n_dims, "falta dividir pelo número de dimensões."),
        (expected * log_2, "isso está em nats por dimensão; para bits, divida por log 2."),
        (expected * log_2**2, "um nat é 1/log 2 = 1,44 bit: divida por log 2, em vez de multiplicar."),
        (
            -(log_density + n_dims * step) / (n_dims * log_2),
            "falta o logaritmo da caixinha.",
        ),
    ]
    compare(value, expected, mistakes, "os números não conferem: log da probabilidade é log p(x) + D log Δ.")


EXERCISE = Exercise(
    name="10_comparacao",
    questions=(
        Question(
            name="q1",
            function="frechet",
            points=2,
            start="Comece pela parte das médias e pelos dois traços; a raiz do produto vem dos autovalores.",
            public_seeds=(0, 1, 2, 3),
            make_inputs=_gaussian_inputs,
            judge=_judge_frechet,
        ),
        Question(
            name="q2",
            function="mmd2",
            points=2,
            start="Comece pelo núcleo: de x (n, K) e y (m, K) sai uma matriz (n, m) de semelhanças.",
            public_seeds=(0, 1, 2),
            make_inputs=_cloud_inputs,
            judge=_judge_mmd2,
        ),
        Question(
            name="q3",
            function="inside_each_other",
            points=2,
            start="Comece pelos raios das reais: as distâncias entre elas, em ordem, linha a linha.",
            public_seeds=(0, 1, 2),
            make_inputs=_ball_inputs,
            judge=_judge_balls,
        ),
        Question(
            name="q4",
            function="digit_shares",
            points=1,
            start="Comece por contar: `torch.bincount`, com tantas posições quantas as classes.",
            public_seeds=(0, 1, 2),
            make_inputs=_label_inputs,
            judge=_judge_shares,
        ),
        Question(
            name="q5",
            function="bits_per_dim",
            points=1,
            start="Comece pela probabilidade de uma imagem: a densidade vezes o volume da caixinha.",
            public_seeds=(0, 1, 2),
            make_inputs=_density_inputs,
            judge=_judge_bits,
        ),
    ),
)
