"""Respostas certas e enganos do exercício 07_difusao."""

from __future__ import annotations

import torch


def alpha_bars(beta):
    kept, values = 1.0, []
    for one in beta:
        kept = kept * (1 - one)
        values.append(kept)
    return torch.stack(values)


def q_sample(x_0, alpha_bar, eps):
    return torch.stack([bar**0.5 * x + (1 - bar) ** 0.5 * e for x, bar, e in zip(x_0, alpha_bar, eps, strict=True)])


def raw_x_0(x_t, eps_hat, bar_t):
    return (x_t - (1 - bar_t).sqrt() * eps_hat) / bar_t.sqrt()


def predict_x_0(x_t, eps_hat, bar_t):
    x_0 = torch.clamp(raw_x_0(x_t, eps_hat, bar_t), -1, 1)
    return x_0, (x_t - torch.sqrt(bar_t) * x_0) / torch.sqrt(1 - bar_t)


def posterior(x_0, x_t, bar_t, bar_s):
    a = bar_t / bar_s
    mean = bar_s.sqrt() * (1 - a) / (1 - bar_t) * x_0 + a.sqrt() * (1 - bar_s) / (1 - bar_t) * x_t
    return mean, (1 - bar_s) * (1 - a) / (1 - bar_t)


def guided_ddim_step(x_t, with_y, without_y, w, bar_t, bar_s):
    x_0, eps = predict_x_0(x_t, with_y + w * (with_y - without_y), bar_t)
    return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * eps


RIGHT = {function.__name__: function for function in (alpha_bars, q_sample, predict_x_0, posterior, guided_ddim_step)}


def posterior_by_bayes(x_0, x_t, bar_t, bar_s):
    """A média escrita pela ida: o que sobra de x_t depois de tirar o que x_0 explica."""
    a = bar_t / bar_s
    gain = a.sqrt() * (1 - bar_s) / (1 - bar_t)
    return bar_s.sqrt() * x_0 + gain * (x_t - bar_t.sqrt() * x_0), ((1 - bar_s) - gain**2 * (1 - bar_t)).item()


ALSO_RIGHT = [
    ("q1", lambda beta: (1 - beta).log().cumsum(0).exp()),
    ("q1", lambda beta: torch.cumprod(1 - beta.double(), 0)),
    ("q2", lambda x, bar, e: bar.sqrt()[:, None, None, None] * x + (1 - bar).sqrt()[:, None, None, None] * e),
    ("q3", lambda x_t, e, bar: list(predict_x_0(x_t.double(), e.double(), bar.double()))),
    ("q4", posterior_by_bayes),
    ("q4", lambda *a: (posterior(*a)[0], posterior(*a)[1].view(1, 1, 1, 1))),
    ("q5", lambda x_t, c, n, w, bar_t, bar_s: guided_ddim_step(x_t, (1 + w) * c - w * n, c, 0.0, bar_t, bar_s)),
]


def rates(bar):
    bar = bar.view(-1, 1, 1, 1)
    return bar, bar.sqrt(), (1 - bar).sqrt()


def mixed(weights):
    """x_t com outros pesos, calculados de (ᾱ, √ᾱ, √(1 - ᾱ))."""

    def answer(x_0, alpha_bar, eps):
        on_image, on_noise = weights(*rates(alpha_bar))
        return on_image * x_0 + on_noise * eps

    return answer


def x_0_with(change):
    return lambda x_t, e, bar: (change(x_t, e, bar), predict_x_0(x_t, e, bar)[1])


def eps_with(change):
    return lambda x_t, e, bar: (predict_x_0(x_t, e, bar)[0], change(x_t, predict_x_0(x_t, e, bar)[0], e, bar))


def mean_with(weights):
    """A posterior com outros pesos (de x_0, de x_t), calculados de ᾱ_t, ᾱ_s e a."""

    def answer(x_0, x_t, bar_t, bar_s):
        on_start, on_now = weights(bar_t, bar_s, bar_t / bar_s)
        return on_start * x_0 + on_now * x_t, posterior(x_0, x_t, bar_t, bar_s)[1]

    return answer


def variance_with(change):
    return lambda x_0, x_t, t, s: (posterior(x_0, x_t, t, s)[0], change(t, s, t / s))


def guided(eps_of, weights=lambda bar_t, bar_s: (bar_s.sqrt(), (1 - bar_s).sqrt())):
    def answer(x_t, with_y, without_y, w, bar_t, bar_s):
        x_0, eps = predict_x_0(x_t, eps_of(with_y, without_y, w), bar_t)
        on_image, on_noise = weights(bar_t, bar_s)
        return on_image * x_0 + on_noise * eps

    return answer


def cfg(with_y, without_y, w):
    return (1 + w) * with_y - w * without_y


def unclipped(x_t, with_y, without_y, w, bar_t, bar_s):
    eps = cfg(with_y, without_y, w)
    return bar_s.sqrt() * raw_x_0(x_t, eps, bar_t) + (1 - bar_s).sqrt() * eps


def stale(x_t, with_y, without_y, w, bar_t, bar_s):
    eps = cfg(with_y, without_y, w)
    return bar_s.sqrt() * predict_x_0(x_t, eps, bar_t)[0] + (1 - bar_s).sqrt() * eps


MISTAKES = [
    ("q1", lambda beta: 1 - beta, "α de cada passo"),
    ("q1", lambda beta: beta.cumprod(0), "multiplicou os β"),
    ("q1", lambda beta: 1 - beta.cumprod(0), "1 menos o produto"),
    ("q1", lambda beta: 1 - beta.cumsum(0), "somar os β"),
    ("q1", lambda beta: (1 - beta).cumsum(0), "e não se somam"),
    ("q1", lambda beta: (-beta.cumsum(0)).exp(), "aproximação"),
    ("q1", lambda beta: alpha_bars(beta).sqrt(), "sem a raiz"),
    ("q1", lambda beta: 1 - alpha_bars(beta), "variância do ruído"),
    ("q1", lambda beta: torch.cat([torch.ones(1), alpha_bars(beta)[:-1]]), "deslocado"),
    ("q1", lambda beta: torch.cat([torch.ones(1), alpha_bars(beta)]), "um valor a mais"),
    ("q1", lambda beta: (1 - beta).prod(), "produto acumulado"),
    ("q1", lambda beta: alpha_bars(beta) / (1 - alpha_bars(beta)), "sinal-ruído"),
    ("q1", lambda beta: alpha_bars(beta) + 1, "não conferem"),
    ("q2", mixed(lambda bar, s, n: (bar, 1 - bar)), "faltaram as raízes"),
    ("q2", mixed(lambda bar, s, n: (bar, n)), "o peso do sinal é √ᾱ"),
    ("q2", mixed(lambda bar, s, n: (s, 1 - bar)), "e não o desvio"),
    ("q2", mixed(lambda bar, s, n: (s, 1 - s)), "a raiz fica por fora"),
    ("q2", mixed(lambda bar, s, n: (n, s)), "trocados"),
    ("q2", mixed(lambda bar, s, n: (s, 1)), "o ruído também tem peso"),
    ("q2", mixed(lambda bar, s, n: (1, n)), "a imagem também encolhe"),
    ("q2", mixed(lambda bar, s, n: (s, 0)), "faltou somar"),
    ("q2", mixed(lambda bar, s, n: (-n, s)), "velocidade"),
    ("q2", mixed(lambda bar, s, n: (s, -n)), "não conferem"),
    ("q3", lambda x_t, e, bar: (raw_x_0(x_t, e, bar), e), "faltou o corte"),
    ("q3", lambda x_t, e, bar: (predict_x_0(x_t, e, bar)[0], e), "antes do corte"),
    ("q3", x_0_with(lambda x_t, e, bar: raw_x_0(x_t, e, bar).clamp(0, 1)), "o corte é em [-1, 1]"),
    ("q3", x_0_with(lambda x_t, e, bar: raw_x_0(x_t, e, bar).tanh()), "e não a tanh"),
    ("q3", x_0_with(lambda x_t, e, bar: (x_t - (1 - bar).sqrt() * e).clamp(-1, 1)), "encolhida na ida"),
    ("q3", x_0_with(lambda x_t, e, bar: (x_t - (1 - bar).sqrt() * e) / bar), "e não por ᾱ"),
    ("q3", x_0_with(lambda x_t, e, bar: ((x_t - (1 - bar) * e) / bar.sqrt()).clamp(-1, 1)), "é √(1 - ᾱ), com a raiz"),
    ("q3", x_0_with(lambda x_t, e, bar: (x_t - (1 - bar) * e) / bar), "faltaram as raízes"),
    ("q3", x_0_with(lambda x_t, e, bar: raw_x_0(x_t, -e, bar).clamp(-1, 1)), "se subtrai"),
    ("q3", x_0_with(lambda x_t, e, bar: (bar.sqrt() * x_t - (1 - bar).sqrt() * e).clamp(-1, 1)), "velocidade"),
    ("q3", x_0_with(lambda x_t, e, bar: x_t), "x_0: os números"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: (bar.sqrt() * x_0 - x_t) / (1 - bar).sqrt()), "eps: o sinal"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: x_t - bar.sqrt() * x_0), "eps: faltou dividir"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: (x_t - bar.sqrt() * x_0) / (1 - bar)), "eps: divida por"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: (x_t - x_0) / (1 - bar).sqrt()), "encolha a estimativa"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: x_0), "outra vez"),
    ("q3", eps_with(lambda x_t, x_0, e, bar: e + 9), "eps: os números"),
    ("q3", lambda x_t, e, bar: predict_x_0(x_t, e, bar)[0], "esperava a tupla"),
    ("q4", mean_with(lambda t, s, a: (s * (1 - a) / (1 - t), a * (1 - s) / (1 - t))), "as raízes"),
    ("q4", mean_with(lambda t, s, a: (s.sqrt() * (1 - a) / (1 - t), a * (1 - s) / (1 - t))), "a entra com raiz"),
    ("q4", mean_with(lambda t, s, a: (s * (1 - a) / (1 - t), a.sqrt() * (1 - s) / (1 - t))), "ᾱ_s entra com raiz"),
    ("q4", mean_with(lambda t, s, a: (a.sqrt() * (1 - s) / (1 - t), s.sqrt() * (1 - a) / (1 - t))), "trocados"),
    ("q4", mean_with(lambda t, s, a: (s.sqrt(), t.sqrt() * (1 - s) / (1 - t))), "e não por ᾱ_t"),
    ("q4", mean_with(lambda t, s, a: (s.sqrt() * (1 - a), a.sqrt() * (1 - s))), "faltou dividir por 1 - ᾱ_t"),
    ("q4", mean_with(lambda t, s, a: (s.sqrt(), 0)), "também olha para x_t"),
    ("q4", mean_with(lambda t, s, a: (0, a**-0.5)), "também olha para x₀"),
    ("q4", mean_with(lambda t, s, a: (5, 5)), "média: os números"),
    ("q4", variance_with(lambda t, s, a: ((1 - s) * (1 - a) / (1 - t)).sqrt()), "esse é o desvio"),
    ("q4", variance_with(lambda t, s, a: 1 - a), "a da ida"),
    ("q4", variance_with(lambda t, s, a: 1 - s), "a de q(x_s|x₀)"),
    ("q4", variance_with(lambda t, s, a: 1 - t), "a de q(x_t|x₀)"),
    ("q4", variance_with(lambda t, s, a: (1 - t) / ((1 - s) * (1 - a)) if s < 1 else 1 - t), "precisão"),
    ("q4", variance_with(lambda t, s, a: (1 - s) * (1 - a)), "faltou dividir por 1 - ᾱ_t"),
    ("q4", variance_with(lambda t, s, a: 7.0), "variância: o número"),
    ("q5", guided(lambda c, n, w: c), "faltou a guia"),
    ("q5", guided(lambda c, n, w: n), "só a previsão sem"),
    ("q5", guided(lambda c, n, w: w * c + (1 - w) * n), "nesta convenção"),
    ("q5", guided(lambda c, n, w: cfg(n, c, w)), "afaste-se"),
    ("q5", guided(lambda c, n, w: (1 + w) * c + w * n), "somar 1"),
    ("q5", guided(lambda c, n, w: (1 - w) * c + w * n), "ela se aproxima"),
    ("q5", unclipped, "faltou o corte"),
    ("q5", stale, "ruído recalculado"),
    ("q5", guided(cfg, lambda t, s: (t.sqrt(), (1 - t).sqrt())), "remontou x_t"),
    ("q5", guided(cfg, lambda t, s: (s, 1 - s)), "faltaram as raízes"),
    ("q5", guided(cfg, lambda t, s: (s.sqrt(), 1 - s)), "com a raiz"),
    ("q5", guided(cfg, lambda t, s: (s.sqrt(), 0 * s)), "faltou devolver o ruído"),
    ("q5", guided(cfg, lambda t, s: (1, 0)), "essa é x̂₀"),
    ("q5", lambda *a: guided_ddim_step(*a) + 9, "não conferem"),
    ("q5", lambda *a: 20 * guided_ddim_step(*a), "mais espalhada"),
]
