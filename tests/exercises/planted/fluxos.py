"""Respostas certas e enganos do exercício 08_fluxos."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal


def log_density(z, slope):
    return Normal(0.0, 1.0).log_prob(z) + torch.log(torch.abs(slope))


def scale_and_shift(known, weight, bias):
    s, t = torch.nn.functional.linear(known, weight, bias).chunk(2, dim=1)
    return torch.tanh(s), t


def coupling_forward(x, mask, weight, bias):
    s, t = scale_and_shift(mask * x, weight, bias)
    changed = x * torch.exp(s) + t
    return torch.where(mask.bool(), x, changed), s[:, ~mask.bool()].sum(1)


def coupling_inverse(y, mask, weight, bias):
    s, t = scale_and_shift(mask * y, weight, bias)
    return torch.where(mask.bool(), y, (y - t) / torch.exp(s))


def dequantized(x, eps, bins=256):
    return (((x + 1) * 127.5).round() + eps) / bins


def bits_per_dim(x, eps, mean, std):
    log_p = Normal(mean, std).log_prob(dequantized(x, eps).flatten(1)).sum(1)
    return 8 - log_p / (784 * math.log(2))


def flow_matching_pair(x_0, x_1, t):
    return torch.stack([torch.lerp(a, b, w) for a, b, w in zip(x_0, x_1, t, strict=True)]), x_1 - x_0


def velocity(x, t, matrix, drift):
    return torch.tanh(torch.einsum("ij,bj->bi", matrix, x) + t * drift)


def midpoint_step(x, t, h, matrix, drift):
    middle = x + 0.5 * h * velocity(x, t, matrix, drift)
    return x + h * velocity(middle, t + 0.5 * h, matrix, drift)


RIGHT = {
    function.__name__: function
    for function in (log_density, coupling_forward, coupling_inverse, bits_per_dim, flow_matching_pair, midpoint_step)
}


def masked_forward(x, mask, weight, bias):
    s, t = ((1 - mask) * part for part in scale_and_shift(mask * x, weight, bias))
    return [x * s.exp() + t, s.sum(1)]


ALSO_RIGHT = [
    ("q1", lambda z, slope: (Normal(0.0, 1.0).log_prob(z).exp() * slope.abs()).log()),
    ("q2", masked_forward),
    ("q2", lambda *a: coupling_forward(*(value.double() for value in a))),
    ("q3", lambda y, mask, w, b: y * mask + (1 - mask) * coupling_inverse(y, mask, w, b)),
    ("q4", lambda *a: bits_per_dim(*(value.double() for value in a))),
    ("q5", lambda a, b, t: (a + t[:, None, None, None] * (b - a), b - a)),
    ("q6", lambda x, t, h, m, d: midpoint_step(x.double(), t, h, m.double(), d.double())),
]


def y_with(change):
    """Uma ida em que só y está errado: ``change(x, máscara, s, t, pesos)``, com s e t ainda por zerar."""

    def answer(x, mask, weight, bias):
        s, t = scale_and_shift(mask * x, weight, bias)
        return change(x, mask, s, t, (weight, bias)), coupling_forward(x, mask, weight, bias)[1]

    return answer


def log_det_with(change):
    def answer(x, mask, weight, bias):
        s, t = scale_and_shift(mask * x, weight, bias)
        return coupling_forward(x, mask, weight, bias)[0], change(s, (1 - mask) * s, (1 - mask) * t)

    return answer


def sees_everything(x, mask, s, t, network):
    s, t = scale_and_shift(x, *network)
    return torch.where(mask.bool(), x, x * s.exp() + t)


def unlimited(x, mask, s, t, network):
    return torch.where(mask.bool(), x, x * s.atanh().exp() + t)


def back_with(change):
    def answer(y, mask, weight, bias):
        s, t = ((1 - mask) * part for part in scale_and_shift(mask * y, weight, bias))
        return change(y, s, t)

    return answer


def back_seeing_everything(y, mask, weight, bias):
    s, t = scale_and_shift(y, weight, bias)
    return torch.where(mask.bool(), y, (y - t) * (-s).exp())


def bits_of(points):
    """Bits de outro ``u``, calculado de x e eps."""

    def answer(x, eps, mean, std):
        log_p = Normal(mean, std).log_prob(points(x, eps).flatten(1)).sum(1)
        return 8 - log_p / (784 * math.log(2))

    return answer


def x_t_with(change):
    return lambda a, b, t: (change(a, b, t.view(-1, 1, 1, 1)), b - a)


def velocity_with(change):
    return lambda a, b, t: (flow_matching_pair(a, b, t)[0], change(a, b, t.view(-1, 1, 1, 1)))


def stepped(change):
    """Um passo feito de ``change(x, h, u, t)``, em que ``u(ponto, instante)`` é a velocidade."""
    return lambda x, t, h, m, d: change(x, h, lambda point, instant: velocity(point, instant, m, d), t)


LOG2 = math.log(2)

MISTAKES = [
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z) - k.abs().log(), "o sinal do log-derivada"),
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z), "a densidade de z"),
    ("q1", lambda z, k: -0.5 * z**2 + k.abs().log(), "faltou a constante"),
    ("q1", lambda z, k: -0.5 * z**2 - math.log(2 * math.pi) + k.abs().log(), "em dobro"),
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z) + k.log(), "*módulo*"),
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z) + k.abs(), "*logaritmo*"),
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z) + k, "e não a própria"),
    ("q1", lambda z, k: log_density(z, k).exp(), "pede o logaritmo"),
    ("q1", lambda z, k: Normal(0.0, 1.0).log_prob(z) * k.abs(), "vira soma"),
    ("q1", lambda z, k: log_density(z, k) - 0.5 * z**2, "-z²/2"),
    ("q1", lambda z, k: k.abs().log(), "densidade do ruído"),
    ("q1", lambda z, k: log_density(z, k).sum(), "sem somar"),
    ("q1", lambda z, k: log_density(z, k) + 3, "não conferem"),
    ("q2", y_with(sees_everything), "a rede viu x inteiro"),
    ("q2", lambda x, m, w, b: coupling_forward(x, 1 - m, w, b), "ao contrário"),
    ("q2", y_with(lambda x, m, s, t, net: x * s.exp() + t), "tem de passar intacta"),
    ("q2", y_with(unlimited), "faltou a tanh"),
    ("q2", y_with(lambda x, m, s, t, net: x * ((1 - m) * s) + (1 - m) * t), "faltou a exponencial"),
    ("q2", y_with(lambda x, m, s, t, net: (1 - m) * (x * s.exp() + t)), "perdeu-se a parte"),
    ("q2", y_with(lambda x, m, s, t, net: torch.where(m.bool(), x, (x + t) * s.exp())), "primeiro escale"),
    ("q2", y_with(lambda x, m, s, t, net: torch.where(m.bool(), x, x * s.exp())), "faltou o deslocamento"),
    ("q2", y_with(lambda x, m, s, t, net: torch.where(m.bool(), x, x * (-s).exp() + t)), "o sinal de s"),
    ("q2", y_with(lambda x, m, s, t, net: torch.where(m.bool(), x, x * t.exp() + s)), "s e t estão trocados"),
    ("q2", y_with(lambda x, m, s, t, net: torch.where(m.bool(), x, x + 7)), "a outra não confere"),
    ("q2", y_with(lambda x, m, s, t, net: x + 7), "y: os números"),
    ("q2", log_det_with(lambda raw, s, t: raw.sum(1)), "antes de zerá-lo"),
    ("q2", log_det_with(lambda raw, s, t: -s.sum(1)), "log_det: o sinal"),
    ("q2", log_det_with(lambda raw, s, t: s.exp().sum(1)), "*produto*"),
    ("q2", log_det_with(lambda raw, s, t: s.exp().prod(1)), "falta o logaritmo"),
    ("q2", log_det_with(lambda raw, s, t: s.mean(1)), "sem tirar a média"),
    ("q2", log_det_with(lambda raw, s, t: s.abs().sum(1)), "contrações descontam"),
    ("q2", log_det_with(lambda raw, s, t: (s + t).sum(1)), "não muda o volume"),
    ("q2", log_det_with(lambda raw, s, t: torch.zeros(len(s))), "deslocamento puro"),
    ("q2", log_det_with(lambda raw, s, t: s), "somar sobre as coordenadas"),
    ("q2", log_det_with(lambda raw, s, t: s.sum()), "um por ponto"),
    ("q2", log_det_with(lambda raw, s, t: s.sum(1) + 1), "log_det: os números"),
    ("q2", lambda *a: coupling_forward(*a)[::-1], "(y, log_det)"),
    ("q3", back_with(lambda y, s, t: y * s.exp() + t), "a ida outra vez"),
    ("q3", back_with(lambda y, s, t: y * (-s).exp() - t), "sai primeiro"),
    ("q3", back_with(lambda y, s, t: (y - t) * s.exp()), "inverter a escala"),
    ("q3", back_with(lambda y, s, t: y - t), "desfazer a escala"),
    ("q3", back_with(lambda y, s, t: y * (-s).exp()), "desfazer o deslocamento"),
    ("q3", back_with(lambda y, s, t: (y + t) * (-s).exp()), "se subtrai"),
    ("q3", back_seeing_everything, "viu y inteiro"),
    ("q3", back_with(lambda y, s, t: (y - t) / s), "divisão por zero"),
    ("q3", back_with(lambda y, s, t: y + 9), "tem de dar x"),
    ("q4", lambda *a: bits_per_dim(*a) - 8, "faltou o log 256"),
    ("q4", lambda *a: bits_per_dim(*a) + 8, "em dobro"),
    ("q4", lambda *a: bits_per_dim(*a) - 16, "sinal do log-determinante"),
    ("q4", lambda *a: bits_per_dim(*a) - 8 + 8 / 784, "de *cada* um"),
    ("q4", lambda *a: -bits_per_dim(*a), "*menos* o logaritmo"),
    ("q4", lambda *a: bits_per_dim(*a) * LOG2, "nats por dimensão"),
    ("q4", lambda *a: bits_per_dim(*a) / LOG2, "duas vezes"),
    ("q4", lambda *a: bits_per_dim(*a) * 784, "imagem inteira"),
    ("q4", lambda *a: bits_per_dim(*a) * 784 * LOG2, "nats por imagem"),
    ("q4", bits_of(lambda x, eps: dequantized(x, 0)), "faltou o ruído: sem ele"),
    ("q4", bits_of(lambda x, eps: dequantized(x, eps, 255)), "256 caixinhas"),
    ("q4", bits_of(lambda x, eps: (x + 1) / 2 + eps), "largura de um tom"),
    ("q4", bits_of(lambda x, eps: (x + 1) / 2), "somado ao inteiro"),
    ("q4", bits_of(lambda x, eps: x), "o modelo espera u"),
    ("q4", lambda *a: bits_per_dim(*a).mean(), "um número por imagem"),
    ("q4", lambda *a: bits_per_dim(*a) + 100, "não conferem"),
    ("q5", lambda a, b, t: flow_matching_pair(b, a, t), "está ao contrário"),
    ("q5", x_t_with(lambda a, b, t: t.sqrt() * b + (1 - t).sqrt() * a), "pesos da difusão"),
    ("q5", x_t_with(lambda a, b, t: a + t * b), "também perde peso"),
    ("q5", lambda a, b, t: flow_matching_pair(a, b, t)[::-1], "(x_t, velocidade)"),
    ("q5", velocity_with(lambda a, b, t: a - b), "velocidade: o sinal"),
    ("q5", velocity_with(lambda a, b, t: (1 - t) * (b - a)), "o que *falta*"),
    ("q5", velocity_with(lambda a, b, t: t * (b - a)), "já se andou"),
    ("q5", velocity_with(lambda a, b, t: b), "ponto de chegada"),
    ("q5", velocity_with(lambda a, b, t: t * (a - b)), "ao contrário; a velocidade"),
    ("q5", velocity_with(lambda a, b, t: b + 9), "velocidade: os números"),
    ("q5", x_t_with(lambda a, b, t: b + 9), "x_t: os números"),
    ("q6", stepped(lambda x, h, u, t: x + h * u(x, t)), "Euler"),
    ("q6", stepped(lambda x, h, u, t: x + h / 2 * u(x, t)), "parou no meio"),
    ("q6", stepped(lambda x, h, u, t: x + h * u(x + h / 2 * u(x, t), t)), "o relógio também andou"),
    ("q6", stepped(lambda x, h, u, t: x + h * u(x, t + h / 2)), "só o relógio"),
    (
        "q6",
        stepped(lambda x, h, u, t: (m := x + h / 2 * u(x, t)) + h / 2 * u(m, t + h / 2)),
        "meio passo com cada velocidade",
    ),
    ("q6", stepped(lambda x, h, u, t: (m := x + h / 2 * u(x, t)) + h * u(m, t + h / 2)), "passo e meio"),
    ("q6", stepped(lambda x, h, u, t: x + h * u(x + h * u(x, t), t + h)), "no fim do passo"),
    ("q6", stepped(lambda x, h, u, t: x + h / 2 * (u(x, t) + u(x + h * u(x, t), t + h))), "Heun"),
    ("q6", stepped(lambda x, h, u, t: u(x + h / 2 * u(x, t), t + h / 2)), "falta andar"),
    ("q6", stepped(lambda x, h, u, t: x + u(x + h / 2 * u(x, t), t + h / 2)), "tamanho do passo"),
    ("q6", lambda *a: midpoint_step(*a) + 5, "não conferem"),
]
