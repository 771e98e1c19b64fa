"""Respostas certas e enganos do exercício 07_difusao."""

from __future__ import annotations

import numpy as np
import torch


def before(bar):
    return torch.cat([torch.ones(1), bar[:-1]])


def schedule_for(log_snr):
    bar = torch.sigmoid(log_snr)
    return 1 - bar / before(bar)


def rates(alpha_bar):
    bar = alpha_bar.view(-1, 1, 1, 1)
    return bar.sqrt(), (1 - bar).sqrt()


def targets_of(x_t, x_0, alpha_bar):
    signal, noise = rates(alpha_bar)
    eps = (x_t - signal * x_0) / noise
    return [eps, x_0, signal * eps - noise * x_0, -eps / noise]


def nearest(outputs, targets, limit=0.2):
    codes = []
    for output in outputs:
        errors = [(output - target).square().mean().item() for target in targets]
        codes.append(errors.index(min(errors)) if min(errors) < limit else 4)
    return codes


def which_output(x_t, x_0, alpha_bar, outputs):
    return nearest(outputs, targets_of(x_t, x_0, alpha_bar))


def factors_of(bar):
    return {
        "imagem": torch.ones_like(bar),
        "ruído": bar / (1 - bar),
        "velocidade": 1 / (1 - bar),
        "escore": bar / (1 - bar) ** 2,
    }


def loss_weight(alpha_bar, have, want):
    factors = factors_of(alpha_bar)
    return factors[want] / factors[have]


def clipped(x_t, v, bar_t, limit=1.0):
    x_0 = (bar_t.sqrt() * x_t - (1 - bar_t).sqrt() * v).clamp(-limit, limit)
    return x_0, (x_t - bar_t.sqrt() * x_0) / (1 - bar_t).sqrt()


def guided_jump(x_t, with_y, without_y, scale, bar_t, bar_s):
    x_0, eps = clipped(x_t, without_y + scale * (with_y - without_y), bar_t)
    return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * eps


def guided_gaussian(mean_y, var_y, mean, var, w):
    variance = var_y * var / ((1 + w) * var - w * var_y)
    return ((1 + w) * mean_y * var - w * mean * var_y) / (var * var_y) * variance, variance


def cost(n, heun, guided):
    return sum((2 if heun and i < n - 1 else 1) * (2 if i < guided else 1) for i in range(n))


def most_jumps(budget, heun, guided):
    n = 1
    while cost(n + 1, heun, guided) <= budget:
        n += 1
    return n


RIGHT = {
    function.__name__: function
    for function in (schedule_for, which_output, loss_weight, guided_jump, guided_gaussian, most_jumps)
}


def schedule_by_loop(log_snr):
    last, betas = 1.0, []
    for value in log_snr.exp().tolist():
        bar = value / (1 + value)
        betas.append(1 - bar / last)
        last = bar
    return betas


def weight_by_error(alpha_bar, have, want):
    """Com números: erra-se a imagem em 1, e mede-se quanto cada alvo errou."""
    found = []
    for bar in alpha_bar.double():
        signal, noise = bar.sqrt(), (1 - bar).sqrt()
        d_eps = -signal / noise
        errors = {"imagem": 1.0, "ruído": d_eps, "velocidade": signal * d_eps - noise, "escore": -d_eps / noise}
        found.append(float((errors[want] / errors[have]) ** 2))
    return np.array(found)


def gaussian_on_a_grid(mean_y, var_y, mean, var, w):
    """A média e a variância do produto, numa grade de pontos."""
    grid = torch.linspace(-60, 60, 60_001, dtype=torch.float64)[:, None]
    log_p = -(1 + w) * (grid - mean_y.double()) ** 2 / (2 * var_y.double())
    p = (log_p + w * (grid - mean.double()) ** 2 / (2 * var.double())).softmax(0)
    middle = (p * grid).sum(0)
    return middle.numpy(), (p * (grid - middle) ** 2).sum(0).numpy()


def jumps_in_closed_form(budget, heun, guided):
    each, left = (2, budget + 1) if heun else (1, budget)
    return (left - each * guided) // each


ALSO_RIGHT = [
    ("q1", schedule_by_loop),
    ("q1", lambda log_snr: schedule_for(log_snr.double()).numpy()),
    ("q2", lambda *a: torch.tensor(which_output(*a))),
    ("q3", weight_by_error),
    (
        "q4",
        lambda x_t, c, n, scale, bar_t, bar_s: guided_jump(x_t, scale * c + (1 - scale) * n, x_t, 1.0, bar_t, bar_s),
    ),
    ("q5", gaussian_on_a_grid),
    ("q5", lambda *a: list(guided_gaussian(*a))),
    ("q6", jumps_in_closed_form),
]


def outputs_with(change):
    """Os alvos com um descuido: ``change(alvos certos, x_t, x_0, √ᾱ, √(1 − ᾱ))``."""

    def wrong(x_t, x_0, alpha_bar, outputs):
        return nearest(outputs, change(targets_of(x_t, x_0, alpha_bar), x_t, x_0, *rates(alpha_bar)))

    return wrong


def without_roots(targets, x_t, x_0, signal, noise):
    eps = (x_t - signal**2 * x_0) / noise**2
    return [eps, x_0, signal**2 * eps - noise**2 * x_0, -eps / noise]


def one_instant(x_t, x_0, alpha_bar, outputs):
    return nearest(outputs, targets_of(x_t, x_0, alpha_bar.mean().expand(len(x_t))))


def plain_difference(targets, x_t, x_0, signal, noise):
    eps = x_t - x_0
    return [eps, x_0, signal * eps - noise * x_0, -eps / noise]


def weights_with(**change):
    def wrong(alpha_bar, have, want):
        factors = factors_of(alpha_bar) | {name: rule(alpha_bar) for name, rule in change.items()}
        return factors[want] / factors[have]

    return wrong


def jump_with(
    v_of=lambda c, n, scale: n + scale * (c - n), end=lambda x_0, eps, signal, noise: signal * x_0 + noise * eps
):
    def wrong(x_t, with_y, without_y, scale, bar_t, bar_s):
        return end(*clipped(x_t, v_of(with_y, without_y, scale), bar_t), bar_s.sqrt(), (1 - bar_s).sqrt())

    return wrong


def unclipped(x_t, with_y, without_y, scale, bar_t, bar_s):
    x_0, eps = clipped(x_t, without_y + scale * (with_y - without_y), bar_t, float("inf"))
    return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * eps


def stale(x_t, with_y, without_y, scale, bar_t, bar_s):
    v = without_y + scale * (with_y - without_y)
    eps = clipped(x_t, v, bar_t, float("inf"))[1]
    return bar_s.sqrt() * clipped(x_t, v, bar_t)[0] + (1 - bar_s).sqrt() * eps


def as_noise(x_t, with_y, without_y, scale, bar_t, bar_s):
    eps = without_y + scale * (with_y - without_y)
    x_0 = ((x_t - (1 - bar_t).sqrt() * eps) / bar_t.sqrt()).clamp(-1, 1)
    return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * (x_t - bar_t.sqrt() * x_0) / (1 - bar_t).sqrt()


def mean_with(change):
    return lambda *a: (change(*a), guided_gaussian(*a)[1])


def variance_with(change):
    return lambda *a: (guided_gaussian(*a)[0], change(*a))


def jumps_with(price):
    def wrong(budget, heun, guided):
        n = 1
        while price(n + 1, heun, guided) <= budget:
            n += 1
        return n

    return wrong


MISTAKES = [
    ("q1", lambda log_snr: log_snr.sigmoid(), "isso é ᾱ; queremos os β"),
    ("q1", lambda log_snr: (-log_snr).sigmoid(), "o ruído acumulado"),
    ("q1", lambda log_snr: 1 - schedule_for(log_snr), "isso é 1 − β"),
    ("q1", lambda log_snr: schedule_for(log_snr).sqrt(), "devolveu o desvio"),
    ("q1", lambda log_snr: 1 - (1 - schedule_for(log_snr)).sqrt(), "sem raiz"),
    ("q1", lambda log_snr: torch.cat([torch.zeros(1), schedule_for(log_snr)[1:]]), "também soma ruído"),
    ("q1", lambda log_snr: schedule_for(log_snr)[1:], "Falta o β do primeiro passo"),
    ("q1", lambda log_snr: schedule_for(-log_snr), "o sinal de log SNR"),
    ("q1", lambda log_snr: schedule_for(2 * log_snr), "não dobre"),
    ("q1", lambda log_snr: schedule_for(log_snr / 2), "sem o 1/2"),
    ("q1", lambda log_snr: 1 - log_snr.exp() / before(log_snr.exp()), "a SNR por ᾱ"),
    ("q1", lambda log_snr: schedule_for(log_snr) + 1, "os números não conferem"),
    ("q2", lambda *a: which_output(*a)[::-1], "ordem inversa"),
    ("q2", lambda *a: nearest(a[3], targets_of(*a[:3]), float("inf")), "nem toda rede presta"),
    ("q2", outputs_with(lambda t, *a: [t[0], t[1], -t[2], t[3]]), "o sinal da velocidade"),
    ("q2", outputs_with(lambda t, *a: [t[0], t[1], t[2], -t[3]]), "**contra** o ruído"),
    ("q2", outputs_with(lambda t, *a: [t[0], t[1], t[2], -t[0]]), "a divisão também conta"),
    ("q2", outputs_with(without_roots), "faltaram as raízes"),
    ("q2", one_instant, "no **seu** instante"),
    ("q2", outputs_with(plain_difference), "não dá o ruído"),
    ("q2", lambda *a: [{0: 1, 1: 0}.get(code, code) for code in which_output(*a)], "0 é o ruído e 1 é a imagem"),
    ("q2", lambda x_t, x_0, alpha_bar, outputs: [7.0] * len(outputs), "os códigos vão de 0 a 4"),
    ("q2", lambda x_t, x_0, alpha_bar, outputs: [4] * len(outputs), "os vereditos não conferem"),
    ("q2", lambda *a: 0, "um veredito por rede"),
    ("q3", lambda *a: 1 / loss_weight(*a), "ao contrário"),
    ("q3", lambda *a: loss_weight(*a).sqrt(), "sem a raiz"),
    ("q3", lambda *a: loss_weight(*a) ** 2, "duas vezes"),
    ("q3", weights_with(ruído=lambda bar: (1 - bar) / bar), "o quadrado é a SNR"),
    ("q3", weights_with(velocidade=lambda bar: 1 - bar), "os dois **somam**"),
    ("q3", weights_with(velocidade=lambda bar: bar**2 / (1 - bar) + 1 - bar), "não some os quadrados"),
    ("q3", weights_with(escore=lambda bar: bar / (1 - bar)), "o do ruído sobre 1 − ᾱ"),
    ("q3", lambda alpha_bar, have, want: torch.ones_like(alpha_bar), "não são iguais"),
    ("q3", lambda alpha_bar, have, want: loss_weight(alpha_bar, have, want) + 9, "os números não conferem"),
    ("q3", lambda alpha_bar, have, want: 2.0, "muda com o instante"),
    ("q4", jump_with(lambda c, n, scale: (1 + scale) * c - scale * n), "**já é** 1 + w"),
    ("q4", jump_with(lambda c, n, scale: c), "faltou a orientação"),
    ("q4", jump_with(lambda c, n, scale: n), "só a previsão sem"),
    ("q4", jump_with(lambda c, n, scale: c + scale * (n - c)), "ao contrário"),
    ("q4", unclipped, "faltou o corte"),
    ("q4", stale, "de antes do corte"),
    ("q4", as_noise, "prevê o ruído"),
    ("q4", jump_with(lambda c, n, scale: -n - scale * (c - n)), "o sinal da velocidade"),
    ("q4", lambda x_t, *rest: x_t.clone(), "remontou x_t"),
    ("q4", jump_with(end=lambda x_0, eps, a, b: a**2 * x_0 + b**2 * eps), "faltaram as raízes"),
    ("q4", jump_with(end=lambda x_0, eps, a, b: a * x_0 + b**2 * eps), "com a raiz"),
    ("q4", jump_with(end=lambda x_0, eps, a, b: a * x_0), "devolver o ruído"),
    ("q4", jump_with(end=lambda x_0, eps, a, b: x_0), "essa é x̂₀"),
    ("q4", lambda *a: guided_jump(*a) + 9, "os números não conferem"),
    ("q5", lambda *a: guided_gaussian(*a)[::-1], "a ordem está trocada"),
    ("q5", lambda *a: guided_gaussian(*a[:4], a[4] - 1), "w = 0 é sem orientação"),
    ("q5", lambda my, vy, m, v, w: (my, vy), "sem orientação"),
    ("q5", lambda my, vy, m, v, w: guided_gaussian(m, v, my, vy, w), "estão trocadas"),
    ("q5", lambda my, vy, m, v, w: guided_gaussian(my, vy.sqrt(), m, v.sqrt(), w), "entraram como desvios"),
    ("q5", mean_with(lambda my, vy, m, v, w: (1 + w) * my - w * m), "duas variâncias são iguais"),
    ("q5", mean_with(lambda my, vy, m, v, w: (1 + w) * my / vy - w * m / v), "falta dividir"),
    ("q5", mean_with(lambda *a: guided_gaussian(*a)[0] + 50), "média: os números"),
    ("q5", variance_with(lambda *a: 1 / guided_gaussian(*a)[1]), "isso é o inverso"),
    ("q5", variance_with(lambda *a: guided_gaussian(*a)[1].sqrt()), "esse é o desvio"),
    ("q5", variance_with(lambda my, vy, m, v, w: (1 + w) * vy - w * v), "**inversos** das variâncias"),
    ("q5", variance_with(lambda my, vy, m, v, w: vy / (1 + w)), "faltou p(x)"),
    ("q5", variance_with(lambda my, vy, m, v, w: 1 / ((1 + w) / vy + w / v)), "se **subtrai**"),
    ("q5", variance_with(lambda *a: guided_gaussian(*a)[1] + 50), "variância: os números"),
    ("q6", lambda budget, heun, guided: most_jumps(budget, heun, budget), "só os `guided` primeiros"),
    ("q6", lambda budget, heun, guided: most_jumps(budget, heun, 0), "faltou a orientação"),
    ("q6", lambda budget, heun, guided: most_jumps(budget, heun, guided) + 1, "já passa do orçamento"),
    ("q6", lambda budget, heun, guided: most_jumps(budget, False, guided), "no ponto de partida e no de chegada"),
    ("q6", jumps_with(lambda n, heun, guided: (2 if heun else 1) * (n + min(n, guided))), "custa uma avaliação só"),
    ("q6", lambda *a: cost(most_jumps(*a), *a[1:]), "avaliações gastas"),
    ("q6", lambda *a: 999, "Conte salto por salto"),
]
