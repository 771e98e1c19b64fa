"""Respostas certas e enganos do exercício 05_stylegan."""

from __future__ import annotations

import numpy as np
import torch


def styles_of(h):
    return torch.stack([h.mean((1, 2)), h.std((1, 2), unbiased=False)])


def compare(maps, maps_a, maps_b, styles=styles_of):
    """0, 1 ou 2 por camada, com ``styles`` no lugar da média e do desvio de cada mapa."""
    found = []
    for one, a, b in zip(maps, maps_a, maps_b, strict=True):
        one, a, b = map(styles, (one, a, b))
        if torch.allclose(one, a, rtol=0, atol=1e-3):
            found.append(0)
        elif torch.allclose(one, b, rtol=0, atol=1e-3):
            found.append(1)
        else:
            found.append(2)
    return found


def style_sources(maps, maps_a, maps_b):
    return torch.tensor(compare(maps, maps_a, maps_b))


def truncate_to(w, w_mean, targets):
    psi = (targets / (w - w_mean).square().sum(1).mean().sqrt()).clamp(max=1)
    return torch.lerp(w_mean, w[:, None], psi[:, None])


def r1_gammas(lr, force):
    return lr * force**2, 2 * force, (4 + lr**2 * force**2) / (2 * lr)


def explain(basis, x):
    """O que falta a ``basis`` (n, d) para explicar x (B, n), pela projeção numa base ortonormal."""
    q, _ = torch.linalg.qr(basis)
    return x - x @ q @ q.T


def inversion_errors(layers, constant, x):
    away = x - constant
    wide = layers.permute(1, 0, 2).flatten(1)
    errors = [explain(basis, away).square().sum(1) / away.square().sum(1) for basis in (layers.sum(0), wide)]
    return tuple(errors)


def output_deviation(weight, style, rho):
    scaled = weight * style[:, None, :, None, None]
    variance = (1 - rho) * scaled.square().sum((2, 3, 4)) + rho * scaled.sum(2).square().sum((2, 3))
    return variance.sqrt()


RIGHT = {
    function.__name__: function
    for function in (style_sources, truncate_to, r1_gammas, inversion_errors, output_deviation)
}


def sources_in_numpy(maps, maps_a, maps_b):
    def style(h):
        h = h.numpy().reshape(len(h), -1)
        return np.concatenate([h.mean(1), h.var(1, ddof=1)])

    pairs = [
        [np.abs(style(one) - style(each)).max() < 2e-3 for each in pair]
        for one, *pair in zip(maps, maps_a, maps_b, strict=True)
    ]
    return [0 if a else 1 if b else 2 for a, b in pairs]


def sweep(lr, force):
    """Os três γ pela matriz, sem fórmula: procura onde o maior módulo dos autovalores cruza 1 e onde é menor."""

    def radius(gamma):
        step = np.array([[1, lr * force], [-lr * force, 1 - lr * gamma]])
        return np.abs(np.linalg.eigvals(step)).max()

    def cross(low, high):
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if (radius(middle) > 1) == (radius(low) > 1) else (low, middle)
        return low

    grid = np.linspace(force, 3 * force, 4_001)
    best = grid[np.argmin([radius(gamma) for gamma in grid])]
    return cross(0, force), best, cross(3 * force, 4 / lr)


def by_normal_equations(layers, constant, x):
    away = (x - constant).double()
    errors = []
    for basis in (layers.sum(0), torch.cat(tuple(layers), dim=1)):
        basis = basis.double()
        w = torch.linalg.solve(basis.T @ basis, basis.T @ away.T)
        errors.append((1 - (basis @ w).square().sum(0) / away.square().sum(1)).numpy())
    return errors


def deviation_by_covariance(weight, style, rho):
    n_in = style.shape[1]
    covariance = rho * torch.ones(n_in, n_in) + (1 - rho) * torch.eye(n_in)
    scaled = torch.einsum("oikl,bi->boikl", weight, style)
    return torch.einsum("boikl,ij,bojkl->bo", scaled, covariance, scaled) ** 0.5


ALSO_RIGHT = [
    ("q1", sources_in_numpy),
    ("q1", compare),
    ("q2", lambda w, mean, t: torch.stack([truncate_to(w, mean, t[k : k + 1])[:, 0] for k in range(len(t))], 1)),
    ("q2", lambda w, mean, t: truncate_to(w.double(), mean.double(), t.double())),
    ("q3", lambda lr, force: [np.float32(value) for value in r1_gammas(lr, force)]),
    ("q3", sweep),
    ("q4", by_normal_equations),
    ("q5", deviation_by_covariance),
]


def flipped_codes(*lists):
    return [{0: 1, 1: 0}.get(code, code) for code in compare(*lists)]


def closest(styles):
    def wrong(maps, maps_a, maps_b):
        gaps = [
            [(styles(one) - styles(each)).abs().max() for each in pair]
            for one, *pair in zip(maps, maps_a, maps_b, strict=True)
        ]
        return [int(b < a) for a, b in gaps]

    return wrong


def of_style(styles):
    return lambda *lists: compare(*lists, styles=styles)


def whole_layer(h):
    return torch.stack([h.mean(), h.std(unbiased=False)])


def spread(away):
    return away.square().sum(1).mean().sqrt()


def truncated(psi):
    """Truncar com outro ψ: ``psi(desvios até a média, w, w_mean, alvos)``."""

    def wrong(w, w_mean, targets):
        return w_mean + psi(w - w_mean, w, w_mean, targets).clamp(max=1).reshape(-1, 1) * (w - w_mean)[:, None]

    return wrong


def gammas(change):
    return lambda lr, force: change(lr, force, *r1_gammas(lr, force))


def in_w(change):
    return lambda layers, constant, x: (change(layers, constant, x), inversion_errors(layers, constant, x)[1])


def in_w_plus(change):
    return lambda layers, constant, x: (inversion_errors(layers, constant, x)[0], change(layers, constant, x))


def both(change):
    """O mesmo descuido nos dois: ``change(sobra, desvios, x)``."""

    def wrong(layers, constant, x):
        away = x - constant
        return tuple(change(explain(b, away), away, x) for b in (layers.sum(0), torch.cat(tuple(layers), 1)))

    return wrong


def squared(h):
    return h.square().sum(1)


def alone(layers, constant, x):
    away = x - constant
    return torch.stack([squared(explain(layer, away)) / squared(away) for layer in layers])


def one_by_one(layers, constant, x):
    left = away = x - constant
    for layer in layers:
        left = explain(layer, left)
    return squared(left) / squared(away)


def forgot_constant(layers, constant, x):
    return tuple(squared(explain(basis, x)) / squared(x) for basis in (layers.sum(0), torch.cat(tuple(layers), 1)))


def deviation_with(change):
    """``change(parte de cada canal, parte comum, ρ)`` no lugar da raiz da soma das variâncias."""

    def wrong(weight, style, rho):
        scaled = weight * style[:, None, :, None, None]
        return change(scaled.square().sum((2, 3, 4)), scaled.sum(2).square().sum((2, 3)), rho)

    return wrong


def common_everywhere(weight, style, rho):
    scaled = weight * style[:, None, :, None, None]
    return ((1 - rho) * scaled.square().sum((2, 3, 4)) + rho * scaled.sum((2, 3, 4)).square()).sqrt()


MISTAKES = [
    ("q1", lambda *lists: style_sources(*lists).flip(0), "ordem inversa"),
    ("q1", flipped_codes, "os códigos estão trocados"),
    ("q1", of_style(lambda h: h.mean((1, 2))), "só as médias"),
    ("q1", of_style(lambda h: h.std((1, 2))), "só os desvios"),
    ("q1", of_style(whole_layer), "da camada toda"),
    ("q1", of_style(lambda h: h), "você comparou os pixels"),
    ("q1", closest(lambda h: h), "você comparou os pixels"),
    ("q1", closest(styles_of), "com a mais próxima"),
    ("q1", lambda maps, maps_a, maps_b: [3.0] * len(maps), "cada veredito é 0"),
    ("q1", lambda *lists: [2 - code for code in compare(*lists)], "os vereditos não conferem"),
    ("q1", lambda maps, maps_a, maps_b: 1, "um veredito por camada"),
    ("q2", lambda w, mean, t: mean + (t / spread(w - mean))[:, None] * (w - mean)[:, None], "limite ψ a 1"),
    ("q2", truncated(lambda a, w, m, t: (t / spread(a)) ** 2), "o ψ² é da variância"),
    ("q2", truncated(lambda a, w, m, t: (t / spread(a)) ** 0.5), "sem raiz"),
    ("q2", truncated(lambda a, w, m, t: t / a.norm(dim=1).mean()), "média das distâncias"),
    ("q2", truncated(lambda a, w, m, t: t / a.square().sum(1).mean()), "faltou a raiz"),
    ("q2", truncated(lambda a, w, m, t: t / a.square().mean().sqrt()), "**soma** as d coordenadas"),
    ("q2", truncated(lambda a, w, m, t: t / spread(w - w.mean(0))), "destes N estilos"),
    ("q2", lambda w, mean, t: truncate_to(w, w.mean(0), t), "destes N estilos"),
    ("q2", lambda w, mean, t: truncate_to(w, torch.zeros_like(mean), t), "ou o zero"),
    ("q2", lambda w, mean, t: truncate_to(w, mean, t) - mean, "somar a média de volta"),
    (
        "q2",
        lambda w, mean, t: mean + (t / (w - mean).norm(dim=1)[:, None])[..., None] * (w - mean)[:, None],
        "o mesmo para todos os exemplos",
    ),
    ("q2", lambda w, mean, t: truncate_to(w, mean, t.flip(0)), "ordem inversa"),
    ("q2", lambda w, mean, t: w[:, None].repeat(1, len(t), 1), "não mudaram"),
    ("q2", lambda w, mean, t: truncate_to(w, mean, t).transpose(0, 1), "exemplos vêm primeiro"),
    ("q2", lambda w, mean, t: (t / spread(w - mean)).clamp(max=1), "Esses seriam os ψ"),
    ("q2", lambda w, mean, t: torch.zeros(len(w), len(t), len(mean)), "não conferem"),
    ("q3", gammas(lambda lr, c, least, best, most: (lr * c, best, most)), "c entra ao quadrado"),
    ("q3", gammas(lambda lr, c, least, best, most: (lr * least, best, most)), "isso é ηγ; divida por η"),
    ("q3", gammas(lambda lr, c, least, best, most: (c**2, best, most)), "falta o η"),
    ("q3", gammas(lambda lr, c, least, best, most: (0.0, best, most)), "a espiral se abre"),
    ("q3", gammas(lambda lr, c, least, best, most: (best, least, most)), "a ordem está trocada"),
    ("q3", gammas(lambda lr, c, least, best, most: (-1.0, best, most)), "o menor: o número"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, c, most)), "faltou um 2"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, best**2, most)), "falta a raiz"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, 1 / lr, most)), "que manda no fim"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, 9.0, most)), "o melhor: o número"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, best, 2 / lr)), "também conta"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, best, 4 / lr)), "duas vezes"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, best, 2 / lr - least / 2)), "sinal de η²c²"),
    ("q3", gammas(lambda lr, c, least, best, most: (least, best, -3.0)), "o maior: o número"),
    ("q3", lambda lr, force: 2 * force, "esperava a tupla"),
    ("q4", lambda *a: inversion_errors(*a)[::-1], "a ordem está trocada"),
    ("q4", lambda *a: tuple(1 - error for error in inversion_errors(*a)), "a que **sobra**"),
    ("q4", lambda *a: tuple(error.clamp_min(0).sqrt() for error in inversion_errors(*a)), "sem a raiz"),
    ("q4", both(lambda left, away, x: squared(left)), "falta dividir"),
    ("q4", both(lambda left, away, x: squared(left) / squared(x)), "a constante não depende"),
    ("q4", forgot_constant, "a constante não depende"),
    ("q4", both(lambda left, away, x: squared(left) / squared(away).mean()), "**nela**"),
    ("q4", both(lambda left, away, x: left), "Some os quadrados dos pixels"),
    ("q4", in_w(lambda layers, constant, x: alone(layers, constant, x)[0]), "a soma delas"),
    ("q4", in_w_plus(lambda *a: alone(*a).amin(0)), "explicam a imagem juntas"),
    ("q4", in_w_plus(lambda *a: alone(*a).mean(0)), "explicam a imagem juntas"),
    ("q4", in_w_plus(one_by_one), "uma camada de cada vez"),
    ("q4", in_w(lambda layers, constant, x: torch.full((len(x),), 7.0)), "W: o número não confere"),
    ("q4", in_w_plus(lambda layers, constant, x: torch.full((len(x),), 7.0)), "W+: o número não confere"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, 0), "canais independentes"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, 1), "uma parte só sua"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, 1 - rho), "os pesos estão trocados"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, rho**2), "não o eleve"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, rho) ** 2, "essa é a variância"),
    ("q5", lambda weight, style, rho: 1 / output_deviation(weight, style, rho), "fator da demodulação"),
    ("q5", deviation_with(lambda own, common, rho: (1 - rho) * own**0.5 + rho * common**0.5), "**variâncias**"),
    ("q5", deviation_with(lambda own, common, rho: (own + rho * common).sqrt()), "pesa 1 − ρ"),
    ("q5", common_everywhere, "outra em cada posição"),
    ("q5", lambda weight, style, rho: output_deviation(weight, torch.ones_like(style), rho), "ficou de fora"),
    ("q5", lambda weight, style, rho: output_deviation(weight, 1 + style, rho), "não some 1"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, rho).T, "exemplos vêm primeiro"),
    ("q5", lambda weight, style, rho: output_deviation(weight, style, rho) + 9, "não conferem"),
]
