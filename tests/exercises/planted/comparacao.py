"""Respostas certas e enganos do exercício 10_comparacao."""

from __future__ import annotations

import math
import statistics

import numpy as np
import torch


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def frechet(mean_a, cov_a, mean_b, cov_b):
    return parts(mean_a, cov_a, mean_b, cov_b, 1, 1, -2)


def cross(cov_a, cov_b):
    return torch.linalg.eigvalsh(root(cov_a) @ cov_b @ root(cov_a)).clamp(min=0).sqrt().sum()


def parts(mean_a, cov_a, mean_b, cov_b, means, traces, crossed):
    """As três parcelas da distância, com os pesos dados."""
    between = (mean_a - mean_b).square().sum()
    return means * between + traces * (cov_a.trace() + cov_b.trace()) + crossed * cross(cov_a, cov_b)


def with_cross(change):
    """A distância com outro termo cruzado."""
    return lambda m, a, n, b: (m - n).square().sum() + a.trace() + b.trace() - 2 * change(a, b)


def with_means(change):
    """A distância com outra parte das médias."""
    return lambda m, a, n, b: change(m - n) + a.trace() + b.trace() - 2 * cross(a, b)


def kid(x, y, *, degree=3, divide=True, add=1.0, keep=False, square=False, mixed=2.0):
    """A MMD², com os descuidos pedidos."""

    def kernel(a, b):
        return (a @ b.T / (a.shape[1] if divide else 1) + add) ** degree

    def inside(a):
        values, n = kernel(a, a), len(a)
        total = values.sum() if keep else values.sum() - values.trace()
        return total / (n * n if square else n * (n - 1))

    return inside(x) + inside(y) - mixed * kernel(x, y).mean()


def without_bias(sizes, distances, bias):
    slope, limit = np.polyfit(1 / sizes.numpy(), distances.double().numpy(), 1)
    return limit, math.ceil(slope / bias)


def which_differ(first, second):
    gaps, errors, verdicts = [], [], []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        gap = statistics.fmean(a) - statistics.fmean(b)
        error = math.sqrt((statistics.variance(a) + statistics.variance(b)) / len(a))
        gaps.append(gap)
        errors.append(error)
        verdicts.append(abs(gap) > 3 * error)
    return gaps, errors, verdicts


def shuffled(x, y, orders, **slips):
    """A MMD² de cada mistura."""
    both = torch.cat([x, y])
    return torch.stack([kid(both[order[: len(x)]], both[order[len(x) :]], **slips) for order in orders])


def permutation_test(x, y, orders):
    value = kid(x, y)
    return value, (1 + int((shuffled(x, y, orders) >= value).sum())) / (1 + len(orders))


def radii_of(cloud, k):
    return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]


def density_coverage(generated, real, k):
    inside = torch.stack([(generated - c).norm(dim=1) <= r for c, r in zip(real, radii_of(real, k), strict=True)])
    return inside.sum() / (k * len(generated)), inside.any(1).float().mean()


def rebalanced_moments(features, labels, shares):
    means = torch.stack([features[labels == c].mean(0) for c in range(len(shares))])
    mean = (shares[:, None] * means).sum(0)
    parts = [
        p * (torch.cov(features[labels == c].T, correction=0) + torch.outer(means[c] - mean, means[c] - mean))
        for c, p in enumerate(shares)
    ]
    return mean, sum(parts)


RIGHT = {
    function.__name__: function
    for function in (
        frechet,
        without_bias,
        which_differ,
        permutation_test,
        density_coverage,
        rebalanced_moments,
    )
}


def by_complex_eigenvalues(mean_a, cov_a, mean_b, cov_b):
    crossed = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
    return float((mean_a - mean_b) @ (mean_a - mean_b) + torch.trace(cov_a + cov_b) - 2 * crossed)


def fitted(x, y):
    """A reta dos mínimos quadrados: o valor em zero e a inclinação."""
    ones = torch.ones_like(y)
    return torch.linalg.lstsq(torch.stack([ones, x], dim=1).double(), y.double()[:, None]).solution[:, 0]


def with_tensors(first, second):
    gap = first.mean(1) - second.mean(1)
    error = ((first.var(1) + second.var(1)) / first.shape[1]).sqrt()
    return gap, error, gap.abs() > 3 * error


def from_one_matrix(x, y, orders):
    both, n = torch.cat([x, y]), len(x)
    values = (both @ both.T / both.shape[1] + 1) ** 3
    values.fill_diagonal_(0)

    def mmd2(order):
        k, m = values[order][:, order], len(both) - n
        return (
            k[:n, :n].sum() / (n * (n - 1))
            + k[n:, n:].sum() / (m * (m - 1))
            - 2 * clean[order][:, order][:n, n:].mean()
        )

    clean = (both @ both.T / both.shape[1] + 1) ** 3
    value = mmd2(torch.arange(len(both)))
    return [value, (1 + sum(mmd2(order) >= value for order in orders)) / (1 + len(orders))]


def weighted_cov(features, labels, shares):
    weights = torch.zeros(len(labels), dtype=features.dtype)
    for c, p in enumerate(shares):
        weights[labels == c] = p / (labels == c).sum()
    return weights @ features, torch.cov(features.T, correction=0, aweights=weights)


ALSO_RIGHT = [
    ("q1", by_complex_eigenvalues),
    ("q1", lambda m, a, n, b: parts(n, b, m, a, 1, 1, -2)),  # a distância é simétrica
    ("q2", lambda n, d, bias: ((f := fitted(1 / n, d))[0], torch.ceil(f[1] / bias).long())),
    ("q3", with_tensors),
    ("q3", lambda a, b: [np.array(item) for item in which_differ(a, b)]),
    ("q4", from_one_matrix),
    ("q5", lambda g, r, k: density_coverage(g.double(), r.double(), k)),
    ("q5", lambda g, r, k: [item.item() for item in density_coverage(g, r, k)]),
    ("q6", weighted_cov),
    ("q6", lambda f, y, p: [item.float() for item in rebalanced_moments(f, y, p)]),
]


def limit_with(change):
    return lambda n, d, bias: (change(n.double(), d.double()), without_bias(n, d, bias)[1])


def images_with(change):
    """``change(limite, c, viés)`` no lugar do número de imagens."""
    return lambda n, d, bias: (without_bias(n, d, bias)[0], change(*fitted(1 / n, d).tolist(), bias))


def gaps_with(change):
    return lambda a, b: (change(a, b), *which_differ(a, b)[1:])


def errors_with(error):
    """Outro erro: ``error(desvio da primeira, da segunda, √S)``."""

    def answer(a, b):
        right = which_differ(a, b)
        return right[0], error(a.std(1), b.std(1), a.shape[1] ** 0.5), right[2]

    return answer


def verdicts_with(change):
    """``change(diferenças, erros, primeira, segunda)`` no lugar dos vereditos."""

    def answer(a, b):
        gap, error, _ = (torch.tensor(item) for item in which_differ(a, b))
        return gap, error, change(gap, error, a, b)

    return answer


def p_with(count):
    """``count(misturas, observada, P)`` no lugar de p."""
    return lambda x, y, orders: (kid(x, y), count(shuffled(x, y, orders), kid(x, y), len(orders)))


def value_with(**slips):
    return lambda x, y, orders: (kid(x, y, **slips), permutation_test(x, y, orders)[1])


def sides_swapped(x, y, orders):
    both, m = torch.cat([x, y]), len(y)
    found = torch.stack([kid(both[order[:m]], both[order[m:]]) for order in orders])
    return kid(x, y), (1 + (found >= kid(x, y)).sum()) / (1 + len(orders))


def inside_of(generated, real, k):
    return torch.cdist(generated, real) <= radii_of(real, k)


def inside_own(generated, real, k):
    return torch.cdist(generated, real) <= radii_of(generated, k)[:, None]


def density_with(change):
    return lambda g, r, k: (change(g, r, k), density_coverage(g, r, k)[1])


def coverage_with(change):
    return lambda g, r, k: (density_coverage(g, r, k)[0], change(g, r, k))


def moments_with_weights(weights):
    def answer(features, labels, shares):
        w = weights(labels, shares)
        away = features - w @ features
        return w @ features, away.T @ (w[:, None] * away)

    return answer


def right_weights(labels, shares):
    return (shares / torch.bincount(labels))[labels]


def covariance_with(change):
    """``change(x, pesos, média nova, rótulos)`` no lugar da covariância."""

    def answer(features, labels, shares):
        mean = rebalanced_moments(features, labels, shares)[0]
        return mean, change(features, right_weights(labels, shares), mean, labels)

    return answer


def within(features, weights, mean, labels):
    means = torch.stack([features[labels == c].mean(0) for c in range(int(labels.max()) + 1)])
    away = features - means[labels]
    return away.T @ (weights[:, None] * away)


def between(features, weights, mean, labels):
    return covariance_of(features, weights, mean) - within(features, weights, mean, labels)


def covariance_of(features, weights, mean):
    return (features - mean).T @ (weights[:, None] * (features - mean))


MISTAKES = [
    ("q1", with_means(lambda d: d.norm()), "ao *quadrado*"),
    ("q1", with_means(lambda d: d.square().mean()), "a soma dos quadrados"),
    ("q1", lambda *a: parts(*a, 0, 1, -2), "falta a parte das médias"),
    ("q1", lambda *a: parts(*a, 1, 0, 0), "falta a parte das covariâncias"),
    ("q1", lambda *a: parts(*a, 1, 1, -1), "duas vezes"),
    ("q1", lambda *a: parts(*a, 1, 1, 2), "se subtrai"),
    ("q1", lambda *a: parts(*a, 1, 1, 0), "falta o termo cruzado"),
    ("q1", with_cross(lambda a, b: (a @ b).trace()), "faltou a raiz"),
    ("q1", with_cross(lambda a, b: (root(a) @ root(b)).trace()), "produto das raízes"),
    ("q1", with_cross(lambda a, b: (a.diagonal() * b.diagonal()).sqrt().sum()), "só usa as variâncias"),
    ("q1", with_cross(lambda a, b: (a @ b).diagonal().clamp(min=0).sqrt().sum()), "não é a raiz de cada entrada"),
    ("q1", with_cross(lambda a, b: torch.linalg.eigvalsh(root(a) @ b @ root(a)).sqrt().sum()), "clamp(min=0)"),
    ("q1", lambda *a: frechet(*a).sqrt(), "não tire a raiz no fim"),
    ("q1", lambda m, a, n, b: (m - n).square().sum() + (a - b).square().sum(), "entrada a entrada"),
    ("q1", lambda m, a, n, b: (m - n).square(), "a distância é um número"),
    ("q1", lambda m, a, n, b: a + b - 2 * root(a @ b), "Falta o traço"),
    ("q1", lambda *a: 1234.5, "9 + 1 = 10"),
    ("q2", limit_with(lambda n, d: d[-1]), "com o maior N"),
    ("q2", limit_with(lambda n, d: d.mean()), "mistura os vieses"),
    ("q2", limit_with(lambda n, d: fitted(1 / n, d)[1]), "o coeficiente angular"),
    ("q2", limit_with(lambda n, d: fitted(n, d)[0]), "e não em N"),
    ("q2", limit_with(lambda n, d: fitted(n**-0.5, d)[0]), "com 1/√N cai o desvio"),
    ("q2", limit_with(lambda n, d: fitted(n.log(), d)[0]), "no logaritmo"),
    (
        "q2",
        limit_with(lambda n, d: (d[-1] * n[-1] - d[0] * n[0]) / (n[-1] - n[0])),
        "os dois extremos",
    ),
    ("q2", limit_with(lambda n, d: (d / n).sum() / (n**-2).sum()), "passar pela origem"),
    ("q2", limit_with(lambda n, d: 0.0), "o limite não é zero"),
    ("q2", limit_with(lambda n, d: fitted(1 / n, d)), "o coeficiente linear"),
    ("q2", lambda *a: without_bias(*a)[::-1], "(limite, imagens)"),
    ("q2", limit_with(lambda n, d: 77.0), "que dá 4"),
    ("q2", images_with(lambda limit, c, bias: c / bias), "não se parte"),
    ("q2", images_with(lambda limit, c, bias: math.floor(c / bias)), "uma imagem a menos"),
    ("q2", images_with(lambda limit, c, bias: math.ceil(limit / bias)), "só a parte c/N"),
    ("q2", images_with(lambda limit, c, bias: math.ceil((c / bias) ** 2)), "seria com 1/√N"),
    ("q2", images_with(lambda limit, c, bias: math.ceil(c)), "falta dividir"),
    ("q2", images_with(lambda limit, c, bias: math.ceil(c * bias)), "*dividido*"),
    ("q2", images_with(lambda limit, c, bias: 7), "o menor inteiro"),
    ("q3", gaps_with(lambda a, b: b.mean(1) - a.mean(1)), "o sinal está trocado"),
    ("q3", gaps_with(lambda a, b: (a.mean(1) - b.mean(1)).abs()), "guarde o sinal"),
    ("q3", gaps_with(lambda a, b: a.amin(1) - b.amin(1)), "escolher a sorte"),
    ("q3", gaps_with(lambda a, b: a.median(1).values - b.median(1).values), "as medianas"),
    ("q3", gaps_with(lambda a, b: a - b), "treino a treino"),
    ("q3", gaps_with(lambda a, b: a.mean(1)), "média da primeira menos"),
    ("q3", lambda *a: which_differ(*a)[::-1], "(diferenças, erros, vereditos)"),
    ("q3", errors_with(lambda a, b, s: torch.hypot(a, b)), "√S vezes menos"),
    ("q3", errors_with(lambda a, b, s: torch.hypot(a, b) / s**2), "√S uma vez só"),
    ("q3", errors_with(lambda a, b, s: torch.hypot(a, b) * (s**2 - 1) ** 0.5 / s**2), "divida por S - 1"),
    ("q3", errors_with(lambda a, b, s: (a**2 + b**2) / s**2), "falta a raiz"),
    ("q3", errors_with(lambda a, b, s: (a + b) / s), "somam-se ao quadrado"),
    ("q3", errors_with(lambda a, b, s: a / s), "soma de quadrados, e raiz"),
    ("q3", errors_with(lambda a, b, s: (a + b) / 2 / s), "soma de quadrados, e raiz"),
    ("q3", errors_with(lambda a, b, s: torch.hypot(a, b) / s / 2**0.5), "e não a média delas"),
    ("q3", errors_with(lambda a, b, s: 3 * torch.hypot(a, b) / s), "fica para o veredito"),
    ("q3", errors_with(lambda a, b, s: a + 9), "desvios amostrais"),
    (
        "q3",
        lambda a, b: (
            (r := which_differ(a, b))[0],
            torch.cat([a, b], 1).std(1) / (2 * a.shape[1]) ** 0.5,
            r[2],
        ),
        "e não o de todas",
    ),
    ("q3", verdicts_with(lambda gap, error, a, b: gap > 3 * error), "compare o módulo"),
    ("q3", verdicts_with(lambda gap, error, a, b: gap.abs() <= 3 * error), "está invertido"),
    ("q3", verdicts_with(lambda gap, error, a, b: gap.abs() > 2 * error), "três erros"),
    (
        "q3",
        verdicts_with(lambda gap, error, a, b: (a.amax(1) < b.amin(1)) | (b.amax(1) < a.amin(1))),
        "vereditos: ",
    ),
    ("q3", verdicts_with(lambda gap, error, a, b: [True] * len(a)), "em alguma casa"),
    ("q3", verdicts_with(lambda gap, error, a, b: (gap < 0).float()), "algum veredito"),
    ("q4", value_with(keep=True, square=True), "a diagonal entrou"),
    ("q4", value_with(square=True), "n(n - 1), e não n²"),
    ("q4", value_with(keep=True), "a diagonal ainda está"),
    ("q4", value_with(mixed=1), "duas vezes"),
    ("q4", value_with(mixed=-2), "se subtraem"),
    ("q4", lambda *a: (-permutation_test(*a)[0], permutation_test(*a)[1]), "o sinal está trocado"),
    ("q4", value_with(divide=False), "dividido por K"),
    ("q4", value_with(add=0.0), "somar 1"),
    ("q4", value_with(degree=2), "o núcleo é o cubo"),
    ("q4", value_with(degree=1), "só compara as médias"),
    ("q4", lambda x, y, o: (permutation_test(x, y, o)[0] + 1234.5, 0.5), "que dá 9,5"),
    ("q4", lambda *a: permutation_test(*a)[::-1], "(MMD², p)"),
    ("q4", p_with(lambda found, value, n: (found >= value).double().mean()), "em cima e embaixo"),
    ("q4", p_with(lambda found, value, n: (found >= value).sum() / (1 + n)), "também em cima"),
    ("q4", p_with(lambda found, value, n: (1 + (found >= value).sum()) / n), "também embaixo"),
    ("q4", p_with(lambda found, value, n: (1 + (found <= value).sum()) / (1 + n)), "*tão grande quanto*"),
    ("q4", p_with(lambda found, value, n: (found < value).double().mean()), "*tão grande quanto*"),
    ("q4", p_with(lambda found, value, n: 1 + (found >= value).double().sum()), "é a contagem"),
    ("q4", p_with(lambda found, value, n: (1 + (found.abs() >= value.abs()).sum()) / (1 + n)), "o módulo"),
    ("q4", sides_swapped, "o papel de x"),
    ("q4", p_with(lambda found, value, n: found), "Falta contar"),
    ("q4", p_with(lambda found, value, n: 0.987654), "sobre 1 mais P"),
    (
        "q5",
        lambda g, r, k: (inside_of(g, r, k - 1).sum() / k / len(g), density_coverage(g, r, k)[1]),
        "ficaram pequenas",
    ),
    (
        "q5",
        lambda g, r, k: (inside_of(g, r, k + 1).sum() / k / len(g), density_coverage(g, r, k)[1]),
        "ficaram grandes",
    ),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).sum() / len(g)), "falta dividir por k"),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).sum() / len(g) / len(r)), "pelo número de reais"),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).sum() / k), "falta a média"),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).any(1).float().mean()), "essa é a precisão"),
    ("q5", density_with(lambda g, r, k: inside_own(g, r, k).sum() / k / len(g)), "as das reais"),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).sum() / k / len(r)), "sobre as geradas"),
    ("q5", density_with(lambda g, r, k: inside_of(g, r, k).sum(1) / k), "a média sobre os pontos"),
    ("q5", density_with(lambda g, r, k: 9.0), "é 0,5"),
    ("q5", coverage_with(lambda g, r, k: inside_of(g, r, k - 1).any(0).float().mean()), "ficaram pequenas"),
    ("q5", coverage_with(lambda g, r, k: inside_of(g, r, k + 1).any(0).float().mean()), "ficaram grandes"),
    ("q5", coverage_with(lambda g, r, k: inside_own(g, r, k).any(0).float().mean()), "essa é a revocação"),
    ("q5", coverage_with(lambda g, r, k: inside_of(g, r, k).any(1).float().mean()), "essa é a precisão"),
    ("q5", coverage_with(lambda g, r, k: inside_of(g, r, k).any(0).sum().float()), "é a contagem"),
    ("q5", coverage_with(lambda g, r, k: inside_of(g, r, k).any(0).sum() / len(g)), "e não pelo de geradas"),
    ("q5", coverage_with(lambda g, r, k: 1 - inside_of(g, r, k).any(0).float().mean()), "está invertido"),
    ("q5", coverage_with(lambda g, r, k: 9.0), "é 1/3"),
    ("q5", lambda *a: density_coverage(*a)[::-1], "(densidade, cobertura)"),
    ("q6", moments_with_weights(lambda y, p: torch.full((len(y),), 1 / len(y), dtype=p.dtype)), "como veio"),
    ("q6", moments_with_weights(lambda y, p: right_weights(y, 0 * p + 1 / len(p))), "o mesmo peso"),
    ("q6", moments_with_weights(lambda y, p: p[y] / p[y].sum()), "se reparte"),
    ("q6", moments_with_weights(lambda y, p: p[y]), "se reparte"),
    ("q6", lambda f, y, p: rebalanced_moments(f, y, p)[::-1], "(média, covariância)"),
    ("q6", lambda f, y, p: (rebalanced_moments(f, y, p)[0] + 5, rebalanced_moments(f, y, p)[1]), "média: os números"),
    ("q6", covariance_with(within), "de dentro das classes"),
    ("q6", covariance_with(between), "entre as classes"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w, x.mean(0))), "à média *nova*, a pesada"),
    ("q6", covariance_with(lambda x, w, mean, y: x.T @ (w[:, None] * x)), "falta tirar a média"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w, mean) * len(x) / (len(x) - 1)), "por mais nada"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w, mean) / len(x)), "não divida de novo"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w**2, mean)), "e não ao quadrado"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w, mean).diagonal()), "é uma matriz"),
    ("q6", covariance_with(lambda x, w, mean, y: covariance_of(x, w, mean) + 5), "covariância: os números"),
]
