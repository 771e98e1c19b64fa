"""Exercício 10_comparacao: a distância de Fréchet, o que a ilude e o que se pode concluir dela."""

from __future__ import annotations

from math import ceil, inf

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


class Frechet(Question):
    """A distância de Fréchet entre duas normais."""

    name, function, points = "q1", "frechet", 1
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


class WithoutBias(Question):
    """A distância que sobraria com infinitas imagens, e quantas bastam para um viés."""

    name, function, points = "q2", "without_bias", 2
    start = (
        "Comece pela reta: com u = 1/N no eixo horizontal, a distância é d∞ + c·u, e os mínimos quadrados dão as duas."
    )
    parts = ("limite", "imagens")

    def draw(self, seed, source):
        sizes = torch.tensor([[100, 200, 400, 1_000], [250, 500, 1_000, 2_000, 5_000], [50, 80, 160, 320]][seed % 3])
        limit, slope = 1 + 8 * torch.rand((), generator=source), 200 + 300 * torch.rand((), generator=source)
        u = 1 / sizes.double()
        noise = 0.15 * slope * u * torch.randn(len(sizes), generator=source)
        distances = limit + slope * u + noise
        # O alvo faz o número pedido ficar longe de um inteiro.
        fitted = self.line(u, distances)[1]
        wanted = 1_000 + int(torch.randint(4_000, (), generator=source)) + 0.5
        return {"sizes": sizes, "distances": distances, "bias": float(fitted / wanted)}

    def line(self, x, y):
        slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
        return y.mean() - slope * x.mean(), slope

    def answer(self, sizes, distances, bias):
        limit, slope = self.line(1 / sizes.double(), distances)
        return limit, ceil(slope / bias)

    def mistakes(self, right, sizes, distances, bias):
        n = sizes.double()
        limit, needed = right
        slope = self.line(1 / n, distances)[1]
        yield "limite", (2,), "O limite é um número, o coeficiente linear da reta."
        yield "limite", distances[-1], "essa é a distância com o maior N; o viés ainda está nela."
        yield "limite", distances.mean(), "a média das distâncias mistura os vieses; prolongue a reta até 1/N = 0."
        yield "limite", slope, "esse é o coeficiente angular, c; o limite é o linear, o valor em 1/N = 0."
        yield "limite", self.line(n, distances)[0], "a reta é em 1/N, e não em N."
        yield "limite", self.line(1 / n.sqrt(), distances)[0], "o viés cai com 1/N; com 1/√N cai o desvio."
        yield "limite", self.line(n.log(), distances)[0], "a reta é em 1/N, e não no logaritmo de N."
        u, ends = 1 / n, distances[[0, -1]]
        two = ends[1] - (ends[0] - ends[1]) / (u[0] - u[-1]) * u[-1]
        yield "limite", two, "essa é a reta dos dois extremos; use todos os pontos, por mínimos quadrados."
        origin = (u * distances).sum() / u.square().sum()
        yield "limite", 0.0, "o limite não é zero: o modelo é diferente dos dados, e não só a amostra é pequena."
        yield "limite", origin, "você forçou a reta a passar pela origem; o que se procura é onde ela corta o eixo."
        yield "limite", needed, "A ordem da tupla é (limite, imagens)."
        yield "limite", ..., "o número não confere. Refaça à mão o exemplo do enunciado, que dá 4."
        exact = float(slope / bias)
        yield "imagens", exact, "uma imagem não se parte: arredonde para cima."
        yield "imagens", float(int(exact)), "com uma imagem a menos o viés ainda passa do alvo: arredonde para cima."
        hint = "o viés é só a parte c/N, e não a distância inteira."
        for wrong in (limit / bias, distances[-1] * n[-1] / bias, slope / (limit + bias)):
            yield "imagens", ceil(float(wrong)), hint
        yield "imagens", ceil(exact**2), "isso seria com 1/√N; o viés é c/N."
        yield "imagens", ceil(float(slope)), "falta dividir pelo viés que se aceita."
        yield "imagens", ceil(float(slope * bias)), "c/N ≤ viés: N é c *dividido* pelo viés."
        yield "imagens", limit, "A ordem da tupla é (limite, imagens)."
        yield "imagens", ..., "o número não confere: o menor inteiro N com c/N no máximo igual ao viés."


class WhichDiffer(Question):
    """Que pares de receitas diferem por mais do que um treino muda."""

    name, function, points = "q3", "which_differ", 1
    start = "Comece pela média e pelo desvio-padrão amostral de cada receita, sobre os seus treinos."
    parts = ("diferenças", "erros", "vereditos")

    def draw(self, seed, source):
        n_pairs, n_seeds = 5 + seed % 3, 3 + seed % 3
        spread = 0.5 + torch.rand(n_pairs, 2, 1, generator=source, dtype=torch.float64)
        tries = torch.randn(n_pairs, 2, n_seeds, generator=source, dtype=torch.float64)
        # Cada receita com o desvio pedido, exato: a folga até o limite é a que se escolhe.
        tries = (tries - tries.mean(2, keepdim=True)) / tries.std(2, keepdim=True) * spread
        error = (spread[:, :, 0].square().sum(1) / n_seeds).sqrt()
        # De que lado do limite cada par fica: uns bem aquém, uns perto dele dos dois lados, uns bem além.
        sigmas = torch.tensor([0.5, 2.8, 3.2, 6.0, 2.7, 4.2, 1.5])[:n_pairs].double()
        sign = torch.where(torch.arange(n_pairs) % 2 == seed % 2, 1.0, -1.0)
        gap = sign * sigmas * error
        values = 30 + 5 * torch.randn(n_pairs, 1, 1, generator=source, dtype=torch.float64) + tries
        values[:, 0] += gap[:, None]
        order = torch.randperm(n_pairs, generator=source)
        return {"first": values[order, 0], "second": values[order, 1]}

    def answer(self, first, second, unbiased=True, per_mean=True, sigmas=3, signed=False, pool=None):
        gap = first.mean(1) - second.mean(1)
        a, b = first.std(1, correction=int(unbiased)), second.std(1, correction=int(unbiased))
        error = pool(a, b) if pool else (a.square() + b.square()).sqrt()
        error = error / first.shape[1] ** 0.5 if per_mean else error
        verdicts = (gap if signed else gap.abs()) > sigmas * error
        return gap.numpy(), error.numpy(), verdicts.double().numpy()

    def mistakes(self, right, but, first, second):
        gap, errors, verdicts = right
        n_pairs, n_seeds = first.shape
        order = "A ordem da tupla é (diferenças, erros, vereditos)."
        yield "diferenças", (n_seeds,), "Uma diferença por par: a média é sobre os treinos (eixo 1)."
        yield "diferenças", first.shape, "Compare as médias de cada receita, e não treino a treino."
        yield "diferenças", -gap, "o sinal está trocado: a primeira menos a segunda."
        yield "diferenças", np.abs(gap), "guarde o sinal: ele diz qual das duas é melhor."
        best = (first.amin(1) - second.amin(1)).numpy()
        yield "diferenças", best, "você comparou o melhor treino de cada uma; escolher o melhor é escolher a sorte."
        median = (first.median(1).values - second.median(1).values).numpy()
        yield "diferenças", median, "essas são as medianas; use as médias."
        yield "diferenças", verdicts, order
        yield "diferenças", errors, order
        yield "diferenças", ..., "os números não conferem: média da primeira menos média da segunda."
        yield (
            "erros",
            but(per_mean=False)[1],
            "esse é o desvio de *um* treino; a média de S treinos oscila √S vezes menos.",
        )
        yield "erros", errors / n_seeds**0.5, "a variância da média é s²/S, e o erro é a raiz: √S uma vez só."
        yield "erros", but(unbiased=False)[1], "com três treinos, divida por S - 1: o desvio é o da amostra."
        yield "erros", errors**2, "essa é a variância da diferença; falta a raiz."
        yield "erros", but(pool=lambda a, b: a + b)[1], "erros independentes somam-se ao quadrado: √(a² + b²)."
        hint = "os erros das duas receitas se juntam: soma de quadrados, e raiz."
        for pool in (lambda a, _: a, lambda _, b: b, torch.maximum, lambda a, b: (a + b) / 2):
            yield "erros", but(pool=pool)[1], hint
        half = but(pool=lambda a, b: ((a.square() + b.square()) / 2).sqrt())[1]
        yield "erros", half, "a variância da diferença é a soma das duas, e não a média delas."
        pooled = torch.cat([first, second], 1)
        yield (
            "erros",
            (pooled.std(1) / pooled.shape[1] ** 0.5).numpy(),
            "o desvio é o de cada receita, e não o de todas.",
        )
        yield "erros", 3 * errors, "o 3 fica para o veredito; aqui é o erro da diferença."
        yield "erros", verdicts, order
        yield "erros", ..., "os números não conferem: √(s_a²/S + s_b²/S), com desvios amostrais."
        yield "vereditos", (), "Um veredito por par."
        yield "vereditos", first.shape, "Um veredito por par, e não por treino."
        yield "vereditos", but(signed=True)[2], "diferir é diferir para qualquer lado: compare o módulo."
        yield "vereditos", 1 - verdicts, "está invertido: 1 é diferem, 0 é não se sabe."
        yield "vereditos", but(sigmas=2)[2], "o limite é de três erros."
        yield "vereditos", but(sigmas=1)[2], "o limite é de três erros."
        yield "vereditos", but(per_mean=False)[2], "compare com o erro da *diferença das médias*, o do segundo item."
        apart = ((first.amax(1) < second.amin(1)) | (second.amax(1) < first.amin(1))).double().numpy()
        yield "vereditos", apart, "não é se os intervalos se cruzam: é a diferença das médias contra o erro dela."
        yield "vereditos", np.ones(n_pairs), "toda média difere de outra em alguma casa; a pergunta é se passa do erro."
        yield "vereditos", errors, order
        yield "vereditos", ..., "algum veredito não confere. Refaça à mão o exemplo do enunciado."


class PermutationTest(Question):
    """A MMD² sem viés, e em quantas misturas ao acaso ela seria tão grande."""

    name, function, points = "q4", "permutation_test", 2
    start = "Comece pelo núcleo de todos contra todos: as duas nuvens emendadas, (n + m, K), dão uma matriz só."
    parts = ("MMD²", "p")

    def draw(self, seed, source):
        n, m, k = 9 + seed % 3, 13 + seed % 4, 2 + seed % 3
        x = torch.randn(n, k, generator=source, dtype=torch.float64)
        y = torch.randn(m, k, generator=source, dtype=torch.float64) + 0.5
        # Um p no meio do caminho: se fosse 0 ou 1, contar errado não se veria.
        for _ in range(50):
            orders = torch.stack([torch.randperm(n + m, generator=source) for _ in range(24 + seed % 5)])
            found = float(self.answer(x, y, orders)[1])
            if 0.1 < found < 0.45:
                break
            y = y + (0.08 if found > 0.45 else -0.08)
        return {"x": x, "y": y, "orders": orders}

    def kernel(self, x, y, degree=3, divide=True, add=1.0):
        return (x @ y.T / (x.shape[1] if divide else 1) + add) ** degree

    def mmd2(self, values, n, diagonal=0, pairs=lambda n: n * (n - 1)):
        """Da matriz de todos contra todos, com os ``n`` primeiros de um lado."""
        total = -2 * values[:n, n:].mean()
        for block in (values[:n, :n], values[n:, n:]):
            total = total + (block.sum() + (diagonal - 1) * block.trace()) / pairs(len(block))
        return total

    def counted(self, x, y, orders):
        values = self.kernel(*2 * [torch.cat([x, y])])
        found = torch.stack([self.mmd2(values[order][:, order], len(x)) for order in orders])
        return self.mmd2(values, len(x)), found

    def answer(self, x, y, orders):
        value, found = self.counted(x, y, orders)
        return value, (1 + (found >= value).double().sum()) / (1 + len(orders))

    def mistakes(self, right, x, y, orders):
        n, m = len(x), len(y)
        both = torch.cat([x, y])
        values, mixed = self.kernel(both, both), self.kernel(x, y).mean()
        value, p = right
        yield "MMD²", (n, m), "Falta a média dos pares."
        yield (
            "MMD²",
            self.mmd2(values, n, diagonal=1, pairs=lambda n: n**2),
            "a diagonal entrou: cada ponto é parecidíssimo consigo mesmo, e isso infla os termos de dentro. "
            "Some só os pares com i ≠ j.",
        )
        hint = "a diagonal saiu da soma, mas não da conta: os pares com i ≠ j são n(n - 1), e não n²."
        yield "MMD²", self.mmd2(values, n, pairs=lambda n: n**2), hint
        yield "MMD²", self.mmd2(values, n, diagonal=1), "você divide por n(n - 1), mas a diagonal ainda está na soma."
        yield "MMD²", value + mixed, "os pares mistos entram duas vezes: (x, y) e (y, x)."
        yield "MMD²", value + 4 * mixed, "os pares mistos se subtraem."
        yield "MMD²", -value, "o sinal está trocado: de dentro menos mistos."
        for options, hint in (
            ({"divide": False}, "no núcleo, o produto interno é dividido por K, o número de características."),
            ({"add": 0}, "no núcleo falta somar 1 antes do cubo: sem ele, só as potências ímpares contam."),
            ({"degree": 2}, "o núcleo é o cubo; o quadrado só vê até as covariâncias."),
            ({"degree": 1}, "faltou elevar o núcleo ao cubo; sem isso a conta só compara as médias."),
        ):
            yield "MMD²", self.mmd2(self.kernel(both, both, **options), n), hint
        yield (
            "MMD²",
            value.clamp(min=0).sqrt(),
            "não tire a raiz: pedimos a MMD ao quadrado, que pode até ser negativa.",
        )
        yield "MMD²", p, "A ordem da tupla é (MMD², p)."
        yield "MMD²", ..., "o número não confere. Refaça à mão o exemplo do enunciado, que dá 9,5."
        found = self.counted(x, y, orders)[1]
        total = len(orders)
        yield "p", (total,), "Falta contar: em quantas misturas a MMD² chega à observada."
        share = (found >= value).double().mean()
        yield "p", share, "a ordem que se observou também conta: some 1 em cima e embaixo, e p nunca é zero."
        yield "p", share * total / (1 + total), "some 1 também em cima: a ordem observada é uma das que chegam lá."
        yield "p", share + 1 / total, "some 1 também embaixo: com a observada, são P + 1 ordens."
        below = (1 + (found <= value).double().sum()) / (1 + total)
        yield "p", below, "conte as misturas em que a MMD² é *tão grande quanto* a observada, e não menor."
        yield "p", 1 - share, "conte as misturas em que a MMD² é *tão grande quanto* a observada, e não menor."
        yield "p", 1 + share * total, "isso é a contagem; divida por P + 1."
        size = (1 + (found.abs() >= value.abs()).double().sum()) / (1 + total)
        yield "p", size, "não use o módulo: uma MMD² muito negativa não é sinal de diferença."
        swapped = [self.mmd2(values[order][:, order], m) for order in orders]
        hint = "nas misturas, os n primeiros da ordem fazem o papel de x, e os m restantes, o de y."
        yield "p", (1 + (torch.stack(swapped) >= value).double().sum()) / (1 + total), hint
        yield "p", value, "A ordem da tupla é (MMD², p)."
        yield "p", ..., "o número não confere: 1 mais as misturas que chegam à observada, sobre 1 mais P."


class DensityCoverage(Question):
    """A densidade e a cobertura: em quantas bolas cada gerada cai, e que bolas têm alguma."""

    name, function, points = "q5", "density_coverage", 1
    start = "Comece pelos raios das reais: as distâncias entre elas, em ordem, linha a linha."
    parts = ("densidade", "cobertura")

    def draw(self, seed, source):
        k = 2 + seed % 3
        while True:
            real = torch.randn(40 + seed % 5, 2, generator=source)
            generated = 0.7 * torch.randn(25 + seed % 4, 2, generator=source) + torch.tensor([1.0, -0.5])
            # Numa reta, em oitavos, toda conta é exata, e há pontos bem na borda; fora dali nenhum: o arredondamento
            # decidiria.
            exact = seed % 6 == 4
            if exact:
                real, generated = ((24 * cloud).round() / 8 * torch.tensor([1.0, 0.0]) for cloud in (real, generated))
            beyond = torch.cdist(generated.double(), real.double()) - self.radii(real.double(), k)
            if (beyond == 0).any() if exact else beyond.abs().min() > 1e-4:
                return {"generated": generated, "real": real, "k": k}

    def radii(self, cloud, k):
        return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]

    def answer(self, generated, real, k, neighbours=None):
        inside = torch.cdist(generated, real) <= self.radii(real, neighbours or k)
        return inside.double().sum(1).mean() / k, inside.any(0).double().mean()

    def mistakes(self, right, but, generated, real, k):
        n, m = len(generated), len(real)
        inside = torch.cdist(generated, real) <= self.radii(real, k)
        own = torch.cdist(generated, real) <= self.radii(generated, k)[:, None]
        precision, recall = inside.any(1).double().mean(), own.any(0).double().mean()
        density, coverage = right
        for part in self.parts:
            yield part, (n,), "Queremos um número: a média sobre os pontos."
            yield part, (m,), "Queremos um número: a média sobre os pontos."
        small = "as bolas ficaram pequenas: o vizinho a zero de distância é o próprio ponto, e não conta."
        yield "densidade", but(neighbours=k - 1)[0], small
        yield "densidade", but(neighbours=k + 1)[0], "as bolas ficaram grandes: pule só o próprio ponto."
        yield "densidade", k * density, "falta dividir por k."
        yield "densidade", density * k / m, "divida por k, e não pelo número de reais."
        yield "densidade", density * n, "isso é a soma sobre as geradas; falta a média."
        yield "densidade", precision, "essa é a precisão: a densidade conta *em quantas* bolas cada gerada cai."
        hint = "as bolas são as das reais, em volta delas; você usou as das geradas."
        yield "densidade", own.double().sum(1).mean() / k, hint
        yield "densidade", own.double().sum(0).mean() / k, hint
        yield "densidade", coverage, "A ordem da tupla é (densidade, cobertura)."
        yield "densidade", inside.double().sum(0).mean() / k, "a média é sobre as geradas, e não sobre as reais."
        yield "densidade", density.clamp(max=1), "a densidade pode passar de 1: não a corte."
        yield "densidade", ..., "o número não confere. No exemplo do enunciado é 0,5."
        yield "cobertura", but(neighbours=k - 1)[1], small
        yield "cobertura", but(neighbours=k + 1)[1], "as bolas ficaram grandes: pule só o próprio ponto."
        yield "cobertura", recall, "essa é a revocação, que usa as bolas das geradas; na cobertura, são as das reais."
        yield "cobertura", precision, "essa é a precisão, a fração das *geradas*; a cobertura é a fração das reais."
        yield "cobertura", coverage * m, "isso é a contagem; divida pelo número de reais."
        yield "cobertura", coverage * m / n, "divida pelo número de reais, e não pelo de geradas."
        yield "cobertura", 1 - coverage, "está invertido: conte as bolas que têm alguma gerada."
        yield "cobertura", inside.all(0).double().mean(), "basta *alguma* gerada na bola (`any`), e não todas."
        yield "cobertura", density, "A ordem da tupla é (densidade, cobertura)."
        yield "cobertura", ..., "o número não confere. No exemplo do enunciado é 1/3."


class Rebalanced(Question):
    """A média e a covariância de um conjunto, com as classes nas fatias pedidas."""

    name, function, points = "q6", "rebalanced_moments", 1
    start = "Comece pelo peso de cada amostra: a fatia pedida da sua classe, dividida por quantas amostras ela tem."
    parts = ("média", "covariância")

    def draw(self, seed, source):
        n_classes, dim = 3 + seed % 2, 2 + seed % 3
        counts = torch.tensor([18, 7, 4, 11])[:n_classes]
        labels = torch.arange(n_classes).repeat_interleave(counts)[torch.randperm(int(counts.sum()), generator=source)]
        centers = 2 * torch.randn(n_classes, dim, generator=source, dtype=torch.float64)
        noise = torch.randn(len(labels), dim, generator=source, dtype=torch.float64)
        shares = 0.1 + torch.rand(n_classes, generator=source, dtype=torch.float64)
        return {"features": centers[labels] + noise, "labels": labels, "shares": shares / shares.sum()}

    def answer(self, features, labels, shares, weights=None):
        if weights is None:
            weights = (shares / torch.bincount(labels, minlength=len(shares)))[labels]
        mean = weights @ features
        away = features - mean
        return mean, away.T @ (weights[:, None] * away)

    def mistakes(self, right, but, features, labels, shares):
        n, dim = features.shape
        counts = torch.bincount(labels, minlength=len(shares))
        means = torch.stack([features[labels == c].mean(0) for c in range(len(shares))])
        inside = torch.stack([torch.cov(features[labels == c].T, correction=0) for c in range(len(shares))])
        mean, covariance = right
        plain = but(weights=torch.full((n,), 1 / n, dtype=features.dtype))
        even = but(shares=torch.full_like(shares, 1 / len(shares)))
        raw = shares[labels] / shares[labels].sum()
        inverse = (1 / counts.double())[labels] / len(shares)
        for index, part in enumerate(self.parts):
            yield part, plain[index], "esse é o conjunto como veio; falta pesar cada classe pela fatia pedida."
            yield part, even[index], "você deu a todas as classes o mesmo peso; as fatias pedidas estão em `shares`."
            hint = "o peso de uma classe se reparte entre as suas amostras: divida a fatia por quantas ela tem."
            yield part, but(weights=raw)[index], hint
            yield part, but(weights=shares[labels])[index], hint
            yield part, but(weights=inverse)[index], "falta multiplicar pela fatia pedida."
        yield "média", means.mean(0), "a média das médias pesa as classes igualmente; pese pelas fatias pedidas."
        yield "média", (dim, dim), "A ordem da tupla é (média, covariância)."
        yield "média", ..., "os números não conferem: a soma, sobre as classes, da fatia vezes a média da classe."
        yield "covariância", (dim,), "A covariância é uma matriz (K, K), e não só as variâncias."
        within = (shares[:, None, None] * inside).sum(0)
        hint = (
            "essa é só a parte de dentro das classes: a distância entre as médias delas também espalha. Meça o "
            "desvio à média *nova*, e não à da classe."
        )
        yield "covariância", within, hint
        apart = means - mean
        yield (
            "covariância",
            apart.T @ (shares[:, None] * apart),
            "essa é só a parte entre as classes; falta a de dentro.",
        )
        weights = (shares / counts)[labels]
        old = features - features.mean(0)
        yield "covariância", old.T @ (weights[:, None] * old), "os desvios são à média *nova*, a pesada."
        second = features.T @ (weights[:, None] * features)
        yield "covariância", second, "falta tirar a média (a nova) antes de multiplicar."
        yield "covariância", covariance * n / (n - 1), "com pesos que somam 1 não se divide por mais nada."
        yield "covariância", covariance / n, "os pesos já somam 1: não divida de novo por N."
        yield "covariância", covariance * n, "os pesos devem somar 1."
        squared = features - mean
        yield (
            "covariância",
            squared.T @ (weights[:, None] ** 2 * squared),
            "o peso entra uma vez só, e não ao quadrado.",
        )
        yield "covariância", ..., "os números não conferem: soma dos pesos vezes o produto dos desvios à média nova."


EXERCISE = Exercise(
    "10_comparacao",
    (Frechet(), WithoutBias(), WhichDiffer(), PermutationTest(), DensityCoverage(), Rebalanced()),
)
