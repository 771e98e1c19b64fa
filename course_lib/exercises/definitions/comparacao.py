"""Exercício 10_comparacao: as medidas da tabela, da distância de Fréchet aos bits por dimensão."""

from __future__ import annotations

from math import exp, inf, log
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


class Frechet(Question):
    """A distância de Fréchet entre duas normais."""

    name, function, points = "q1", "frechet", 2
    start = "Comece pela parte das médias e pelos dois traços; a raiz do produto vem dos autovalores."
    public_seeds = (0, 1, 2, 3)

    def draw(self, seed, source):
        k = 3 + seed % 3
        mean_a, mean_b = torch.randn(2, k, generator=source, dtype=torch.float64)
        # Com menos pontos do que características há autovalores nulos, que o arredondamento torna negativos.
        a, b = (
            torch.randn(k, k - missing, generator=source, dtype=torch.float64) for missing in (seed % 2, 2 * (seed % 2))
        )
        return {"mean_a": mean_a, "cov_a": a @ a.T, "mean_b": mean_b, "cov_b": b @ b.T}

    def crossed(self, cov_a, cov_b):
        """O traço da raiz do produto."""
        root = _root(cov_a)
        return torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()

    def answer(self, mean_a, cov_a, mean_b, cov_b):
        return (mean_a - mean_b).square().sum() + (cov_a + cov_b).trace() - 2 * self.crossed(cov_a, cov_b)

    def mistakes(self, right, but, mean_a, cov_a, mean_b, cov_b):
        k, difference, cross = len(mean_a), mean_a - mean_b, self.crossed(cov_a, cov_b)
        between, spreads, uncrossed = difference.square().sum(), but(mean_b=mean_a), right + 2 * cross
        yield (k,), "Some sobre as características: a distância é um número."
        yield (k, k), "Falta o traço, que é a soma da diagonal."
        yield (
            inf,
            "um autovalor que devia ser zero saiu um pouco negativo, e a raiz dele não existe. Corte-os em zero antes "
            "da raiz (`clamp(min=0)`), e tire a raiz dos autovalores, e não de cada entrada da matriz.",
        )
        yield difference.norm() + spreads, "a parte das médias é a distância ao *quadrado*."
        yield between / k + spreads, "a parte das médias é a soma dos quadrados, e não a média."
        yield spreads, "falta a parte das médias."
        hint = "falta a parte das covariâncias: duas normais de mesma média e larguras diferentes não são iguais."
        yield between, hint
        yield right + cross, "o termo cruzado entra duas vezes, como no quadrado de uma diferença."
        yield right + 4 * cross, "o termo cruzado se subtrai; do jeito que está, nem de si mesma a distância é 0."
        yield uncrossed, "falta o termo cruzado: assim a distância de uma normal a ela mesma não é zero."
        hint = "faltou a raiz de Σa Σb. O traço dela é a soma das *raízes* dos autovalores do produto."
        yield uncrossed - 2 * (cov_a @ cov_b).trace(), hint
        yield (
            uncrossed - 2 * (_root(cov_a) @ _root(cov_b)).trace(),
            "o produto das raízes não é a raiz do produto, a menos que as matrizes comutem. "
            "Os autovalores certos são os de Σa^½ Σb Σa^½.",
        )
        yield (
            uncrossed - 2 * (cov_a.diagonal() * cov_b.diagonal()).sqrt().sum(),
            "isso só usa as variâncias: esquece como as características variam juntas. Só serve a matrizes diagonais.",
        )
        hint = "a raiz de uma matriz não é a raiz de cada entrada: tire as raízes dos autovalores."
        yield uncrossed - 2 * (cov_a @ cov_b).diagonal().clamp(min=0).sqrt().sum(), hint
        yield right.clamp(min=0).sqrt(), "não tire a raiz no fim: por costume, o que se publica é o quadrado."
        hint = "as covariâncias não se comparam entrada a entrada; veja a fórmula."
        yield between + (cov_a - cov_b).square().sum(), hint
        yield ..., "o número não confere. Teste à mão com K = 1: N(0, 1) e N(3, 4) ficam a 9 + 1 = 10."


class Mmd2(Question):
    """A MMD² sem viés, com o núcleo cúbico."""

    name, function, points = "q2", "mmd2", 2
    start = "Comece pelo núcleo: de x (n, K) e y (m, K) sai uma matriz (n, m) de semelhanças."

    def draw(self, seed, source):
        k = 2 + seed % 3
        x = torch.randn(6 + seed % 3, k, generator=source, dtype=torch.float64)
        y = 0.8 * torch.randn(10 + seed % 4, k, generator=source, dtype=torch.float64) + 0.5
        return {"x": x, "y": y}

    def kernel(self, x, y, degree=3, divide=True, add=1.0):
        return (x @ y.T / (x.shape[1] if divide else 1) + add) ** degree

    def answer(self, x, y, diagonal=0, pairs=lambda n: n * (n - 1), **kernel):
        """``diagonal`` é quantas vezes ela entra na soma de dentro, que se divide por ``pairs(n)``."""
        total = -2 * self.kernel(x, y, **kernel).mean()
        for cloud in (x, y):
            values = self.kernel(cloud, cloud, **kernel)
            total = total + (values.sum() + (diagonal - 1) * values.trace()) / pairs(len(cloud))
        return total

    def mistakes(self, right, but, x, y):
        n, m, mixed = len(x), len(y), self.kernel(x, y).mean()
        yield (n, m), "Falta a média dos pares."
        yield inf, "a MMD² sem viés pode sair negativa: não tire a raiz dela."
        yield (
            but(diagonal=1, pairs=lambda n: n**2),
            "a diagonal entrou: cada ponto é parecidíssimo consigo mesmo, e isso infla os termos de dentro. "
            "Some só os pares com i ≠ j.",
        )
        hint = "a diagonal saiu da soma, mas não da conta: os pares com i ≠ j são n(n - 1), e não n²."
        yield but(pairs=lambda n: n**2), hint
        yield but(diagonal=1), "você divide por n(n - 1), mas a diagonal ainda está na soma."
        yield right + mixed, "os pares mistos entram duas vezes: (x, y) e (y, x)."
        yield right + 4 * mixed, "os pares mistos se subtraem."
        yield -right, "o sinal está trocado: de dentro menos mistos."
        yield but(divide=False), "no núcleo, o produto interno é dividido por K, o número de características."
        yield but(add=0), "no núcleo falta somar 1 antes do cubo: sem ele, só as potências ímpares contam."
        yield but(degree=2), "o núcleo é o cubo; o quadrado só vê até as covariâncias."
        yield but(degree=1), "faltou elevar o núcleo ao cubo; sem isso a conta só compara as médias."
        yield right.clamp(min=0).sqrt(), "não tire a raiz: pedimos a MMD ao quadrado, que pode até ser negativa."
        yield but(pairs=lambda _: 1) + 2 * mixed * (1 - n * m), "cada termo é uma *média* de pares; você somou."
        yield ..., "o número não confere. Refaça à mão o exemplo do enunciado, que dá 9,5."


def _floating(item: Any) -> Any:
    """Máscaras e contagens são números: viram tensores com vírgula."""
    counts = isinstance(item, Tensor) and not item.is_floating_point() and not item.is_complex()
    return item.double() if counts else item


class InsideEachOther(Question):
    """Que pontos de cada nuvem caem nas bolas da outra."""

    name, function, points = "q3", "inside_each_other", 2
    start = "Comece pelos raios das reais: as distâncias entre elas, em ordem, linha a linha."
    parts = ("geradas", "reais")

    def draw(self, seed, source):
        real = torch.randn(40 + seed % 5, 2, generator=source)
        generated = 0.7 * torch.randn(25 + seed % 4, 2, generator=source) + torch.tensor([1.0, -0.5])
        return {"generated": generated, "real": real, "k": 2 + seed % 3}

    def radii(self, cloud, k):
        return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]

    def answer(self, generated, real, k):
        return tuple(
            (torch.cdist(points, cloud) <= self.radii(cloud, k)).any(1).double()
            for points, cloud in ((generated, real), (real, generated))
        )

    def before(self, answer):
        return [*map(_floating, answer)] if isinstance(answer, list | tuple) else answer

    def mistakes(self, right, but, generated, real, k):
        for own, (points, cloud) in enumerate(((generated, real), (real, generated))):
            part, distances, radii = self.parts[own], torch.cdist(points, cloud), self.radii(cloud, k)
            nearest = distances.min(1)
            yield part, (), "Queremos um valor por ponto; a fração é a média deles, e fica para depois."
            yield part, (len(cloud),), "A ordem é (geradas, reais), e cada uma diz onde caem os *seus* pontos."
            yield part, distances.shape, "Falta dizer se o ponto cai em *alguma* bola (`any`)."
            yield (
                part,
                but(k=k - 1)[own],
                "as bolas ficaram pequenas: na matriz de distâncias da nuvem, o vizinho a zero de distância é o "
                "próprio ponto, e não conta.",
            )
            yield part, but(k=k + 1)[own], "as bolas ficaram grandes: pule só o próprio ponto."
            hint = "as bolas são as da *outra* nuvem, em volta dos pontos dela; você usou as do próprio ponto."
            yield part, (distances <= self.radii(points, k)[:, None]).any(1), hint
            yield part, (distances <= radii).all(1), "basta cair em *alguma* bola (`any`), e não em todas."
            yield part, 1 - right[own], "está invertido: 1 é dentro de alguma bola, 0 é fora de todas."
            hint = "a bola que contém o ponto pode não ser a do centro mais próximo: olhe todas."
            yield part, nearest.values <= radii[nearest.indices], hint
            for radius in (radii.mean(), radii.max()):
                yield part, nearest.values <= radius, "cada bola tem o seu raio; você usou um só para todas."
        yield ..., "não confere. Faça à mão o exemplo do enunciado, com três pontos numa reta."


class DigitShares(Question):
    """A fatia de cada classe e a entropia delas."""

    name, function, points = "q4", "digit_shares", 1
    start = "Comece por contar: `torch.bincount`, com tantas posições quantas as classes."
    parts = ("fatias", "entropia")

    def draw(self, seed, source):
        n_classes = 6 + seed % 4
        # A última classe, e outra no meio, nunca aparecem.
        present = torch.cat([torch.arange(2), torch.arange(3, n_classes - 1)])
        weights = torch.rand(len(present), generator=source) + 0.05
        labels = present[torch.multinomial(weights, 60 + seed % 7, replacement=True, generator=source)]
        return {"labels": labels, "n_classes": n_classes}

    def answer(self, labels, n_classes):
        shares = torch.bincount(labels, minlength=n_classes).double() / len(labels)
        return shares, -torch.xlogy(shares, shares).sum()

    def before(self, answer):
        # De contagens a dica fala do que são, e não do tipo.
        return [*map(_floating, answer[:1]), *answer[1:]] if isinstance(answer, list | tuple) else answer

    def mistakes(self, right, labels, n_classes):
        shares, entropy = right
        hint = "A última classe não apareceu nesta amostra, e ainda assim tem uma fatia: zero (`minlength`)."
        yield "fatias", (int(labels.max()) + 1,), hint
        yield "fatias", (len(labels.unique()),), "Classe que não aparece também tem fatia: zero."
        yield "fatias", (), "A ordem é (fatias, entropia)."
        yield "fatias", len(labels) * shares, "essas são as contagens; divida pelo número de amostras."
        yield "fatias", 100 * shares, "queremos frações, que somam 1, e não porcentagens."
        yield "fatias", len(labels) * shares / n_classes, "você dividiu pelo número de classes; é pelo de amostras."
        yield "fatias", ..., "os números não conferem; elas devem somar 1."
        yield "entropia", (n_classes,), "Falta somar sobre as classes."
        yield (
            "entropia",
            inf,
            "numa classe que não aparece, 0 · log 0 vale 0 (é o limite), mas o computador faz 0 · (-inf) = NaN. "
            "`torch.xlogy(p, p)` sabe disso.",
        )
        yield "entropia", -entropy, "o sinal está trocado; ela nunca é negativa."
        yield "entropia", entropy / log(2), "isso está em bits; use o logaritmo natural."
        yield "entropia", entropy / n_classes, "some sobre as classes, sem tirar a média."
        yield "entropia", entropy.exp(), "esse já é o número efetivo de classes, exp(H); pedimos H."
        yield "entropia", entropy / log(n_classes), "não divida pela máxima; pedimos H, em nats."
        yield "entropia", log(n_classes) - entropy, "isso é o que falta para a máxima, e não a própria entropia."
        yield "entropia", ..., "o número não confere. Com duas classes iguais ela vale log 2 = 0,693."


class BitsPerDim(Question):
    """Os bits por dimensão de cada imagem, da log-densidade."""

    name, function, points = "q5", "bits_per_dim", 1
    start = "Comece pela probabilidade de uma imagem: a densidade vezes o volume da caixinha."

    def draw(self, seed, source):
        n_dims = (12, 28, 49)[seed % 3]
        log_density = n_dims * (1 + 0.3 * torch.randn(7 + seed % 3, generator=source))
        return {"log_density": log_density, "step": (1 / 256, 1 / 127.5, 1 / 16)[seed % 3], "n_dims": n_dims}

    def answer(self, log_density, step, n_dims):
        return -(log_density / n_dims + log(step)) / log(2)

    def mistakes(self, right, but, step, n_dims):
        yield (), "Queremos os bits de cada imagem, e não a média delas."
        yield (
            but(step=1),
            "isso é a densidade em outra unidade, e muda com a escala dos pixels. Falta o volume da caixinha de cada "
            "tom, que a transforma em probabilidade.",
        )
        yield but(step=1 / step), "o volume da caixinha *multiplica* a densidade: o log dele se soma à log-densidade."
        hint = "a caixinha tem lado Δ em *cada uma* das D dimensões: o volume é Δ elevado a D."
        yield but(step=step ** (1 / n_dims)), hint
        yield -right, "o sinal está trocado: bits são menos o log da probabilidade, e não saem negativos."
        yield right * n_dims, "falta dividir pelo número de dimensões."
        yield right * log(2), "isso está em nats por dimensão; para bits, divida por log 2."
        yield right * log(2) ** 2, "um nat é 1/log 2 = 1,44 bit: divida por log 2, em vez de multiplicar."
        yield but(step=exp(step)), "falta o logaritmo da caixinha."
        yield ..., "os números não conferem: log da probabilidade é log p(x) + D log Δ."


EXERCISE = Exercise("10_comparacao", (Frechet(), Mmd2(), InsideEachOther(), DigitShares(), BitsPerDim()))
