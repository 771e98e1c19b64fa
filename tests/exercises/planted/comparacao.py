"""Respostas certas e enganos do exercício 10_comparacao."""

from __future__ import annotations

import math

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


def mmd2(x, y):
    return kid(x, y)


def kid(x, y, *, degree=3, divide=True, add=1.0, keep=False, square=False, mixed=2.0):
    """A MMD², com os descuidos pedidos."""

    def kernel(a, b):
        return (a @ b.T / (a.shape[1] if divide else 1) + add) ** degree

    def inside(a):
        values, n = kernel(a, a), len(a)
        total = values.sum() if keep else values.sum() - values.trace()
        return total / (n * n if square else n * (n - 1))

    return inside(x) + inside(y) - mixed * kernel(x, y).mean()


def pair_by_pair(x, y):
    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def inside(a):
        values = [k(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j]
        return sum(values) / len(values)

    return inside(x) + inside(y) - 2 * sum(k(a, b) for a in x for b in y) / (len(x) * len(y))


def balls(points, cloud, k):
    radii = torch.cdist(cloud, cloud).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, cloud) <= radii).any(1)


def inside_each_other(generated, real, k):
    return balls(generated, real, k), balls(real, generated, k)


def both(change):
    """As duas máscaras, cada uma feita por ``change(pontos, nuvem, k)``."""
    return lambda generated, real, k: (change(generated, real, k), change(real, generated, k))


def radii_of(cloud, k):
    return torch.cdist(cloud, cloud).sort(dim=1).values[:, k]


def of_the_nearest(points, cloud, k):
    distance, index = torch.cdist(points, cloud).min(1)
    return distance <= radii_of(cloud, k)[index]


def digit_shares(labels, n_classes):
    shares = torch.bincount(labels, minlength=n_classes) / len(labels)
    return shares, entropy(shares)


def entropy(shares):
    return -torch.xlogy(shares, shares).sum()


def with_entropy(change):
    def answer(labels, n_classes):
        shares, h = digit_shares(labels, n_classes)
        return shares, change(h, n_classes)

    return answer


def with_shares(change):
    return lambda labels, n_classes: (change(labels, n_classes), digit_shares(labels, n_classes)[1])


def bits_per_dim(log_density, step, n_dims):
    return -(log_density / n_dims + math.log(step)) / math.log(2)


RIGHT = {function.__name__: function for function in (frechet, mmd2, inside_each_other, digit_shares, bits_per_dim)}


def by_complex_eigenvalues(mean_a, cov_a, mean_b, cov_b):
    crossed = torch.linalg.eigvals(cov_a @ cov_b).sqrt().real.sum()
    return float((mean_a - mean_b) @ (mean_a - mean_b) + torch.trace(cov_a + cov_b) - 2 * crossed)


def present_only(labels, n_classes):
    shares = torch.stack([(labels == c).float().mean() for c in range(n_classes)])
    seen = shares[shares > 0]
    return shares, -(seen * seen.log()).sum().item()


ALSO_RIGHT = [
    ("q1", by_complex_eigenvalues),
    ("q1", lambda m, a, n, b: parts(n, b, m, a, 1, 1, -2)),  # a distância é simétrica
    ("q2", pair_by_pair),
    ("q3", lambda g, r, k: [mask.float() for mask in inside_each_other(g, r, k)]),
    ("q3", lambda g, r, k: tuple(mask.long() for mask in inside_each_other(g.double(), r.double(), k))),
    ("q4", present_only),
    ("q5", lambda d, step, n: -(d - n * math.log(1 / step)) / n / math.log(2)),
    ("q5", lambda d, step, n: -torch.log2(torch.tensor(step)) - d * math.log2(math.e) / n),
]

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
    ("q2", lambda x, y: kid(x, y, keep=True, square=True), "a diagonal entrou"),
    ("q2", lambda x, y: kid(x, y, square=True), "n(n - 1), e não n²"),
    ("q2", lambda x, y: kid(x, y, keep=True), "a diagonal ainda está"),
    ("q2", lambda x, y: kid(x, y, mixed=1), "duas vezes"),
    ("q2", lambda x, y: kid(x, y, mixed=-2), "se subtraem"),
    ("q2", lambda x, y: -kid(x, y), "o sinal está trocado"),
    ("q2", lambda x, y: kid(x, y, divide=False), "dividido por K"),
    ("q2", lambda x, y: kid(x, y, add=0.0), "somar 1"),
    ("q2", lambda x, y: kid(x, y, degree=2), "o núcleo é o cubo"),
    ("q2", lambda x, y: kid(x, y, degree=1), "só compara as médias"),
    ("q2", lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3, "Falta a média"),
    ("q2", lambda x, y: torch.full((), math.nan), "não tire a raiz"),
    ("q2", lambda x, y: 1234.5, "que dá 9,5"),
    ("q3", both(lambda points, cloud, k: balls(points, cloud, k - 1)), "as bolas ficaram pequenas"),
    ("q3", both(lambda points, cloud, k: balls(points, cloud, k + 1)), "as bolas ficaram grandes"),
    ("q3", lambda g, r, k: inside_each_other(g, r, k)[::-1], "A ordem é (geradas, reais)"),
    ("q3", lambda g, r, k: balls(g, r, k), "esperava a tupla"),
    ("q3", both(lambda p, c, k: balls(p, c, k).float().mean()), "um valor por ponto"),
    ("q3", both(lambda p, c, k: torch.cdist(p, c) <= radii_of(c, k)), "em *alguma* bola"),
    ("q3", both(lambda p, c, k: (torch.cdist(p, c) <= radii_of(c, k)).all(1)), "e não em todas"),
    ("q3", both(lambda p, c, k: (torch.cdist(p, c) <= radii_of(p, k)[:, None]).any(1)), "da *outra* nuvem"),
    ("q3", both(lambda p, c, k: ~balls(p, c, k)), "está invertido"),
    ("q3", both(of_the_nearest), "do centro mais próximo"),
    ("q3", both(lambda p, c, k: torch.cdist(p, c).min(1).values <= radii_of(c, k).mean()), "cada bola tem o seu raio"),
    ("q3", lambda g, r, k: (balls(g, r, k), torch.arange(len(r)) % 2), "reais: não confere"),
    ("q4", with_shares(lambda y, n: torch.bincount(y, minlength=n)), "essas são as contagens"),
    ("q4", with_shares(lambda y, n: torch.bincount(y) / len(y)), "minlength"),
    ("q4", with_shares(lambda y, n: y.unique(return_counts=True)[1] / len(y)), "também tem fatia"),
    ("q4", with_shares(lambda y, n: 100 * digit_shares(y, n)[0]), "e não porcentagens"),
    ("q4", with_shares(lambda y, n: torch.bincount(y, minlength=n) / n), "pelo de amostras"),
    ("q4", lambda y, n: digit_shares(y, n)[0], "esperava a tupla"),
    ("q4", lambda y, n: digit_shares(y, n)[::-1], "A ordem é"),
    ("q4", lambda y, n: ((p := digit_shares(y, n)[0]), -(p * p.log()).sum()), "torch.xlogy"),
    ("q4", with_entropy(lambda h, n: -h), "nunca é negativa"),
    ("q4", with_entropy(lambda h, n: h / math.log(2)), "em bits"),
    ("q4", with_entropy(lambda h, n: h / n), "sem tirar a média"),
    ("q4", with_entropy(lambda h, n: h.exp()), "número efetivo"),
    ("q4", with_entropy(lambda h, n: h / math.log(n)), "não divida pela máxima"),
    ("q4", with_entropy(lambda h, n: math.log(n) - h), "o que falta"),
    ("q4", with_entropy(lambda h, n: 7.0), "log 2 = 0,693"),
    ("q5", lambda d, step, n: -d / (n * math.log(2)), "volume da caixinha"),
    ("q5", lambda d, step, n: -(d - n * math.log(step)) / (n * math.log(2)), "*multiplica* a densidade"),
    ("q5", lambda d, step, n: -(d + math.log(step)) / (n * math.log(2)), "Δ elevado a D"),
    ("q5", lambda *a: -bits_per_dim(*a), "o sinal está trocado"),
    ("q5", lambda d, step, n: n * bits_per_dim(d, step, n), "pelo número de dimensões"),
    ("q5", lambda *a: math.log(2) * bits_per_dim(*a), "nats por dimensão"),
    ("q5", lambda *a: math.log(2) ** 2 * bits_per_dim(*a), "em vez de multiplicar"),
    ("q5", lambda d, step, n: -(d + n * step) / (n * math.log(2)), "falta o logaritmo"),
    ("q5", lambda *a: bits_per_dim(*a).mean(), "de cada imagem"),
    ("q5", lambda d, step, n: d, "não conferem"),
]
