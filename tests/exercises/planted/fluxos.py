"""Respostas certas e enganos do exercício 08_fluxos."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.distributions import Normal


def scale_and_shift(known, weight, bias):
    s, t = torch.nn.functional.linear(known, weight, bias).chunk(2, dim=1)
    return torch.tanh(s), t


def coupling_inverse(y, mask, weight, bias):
    s, t = scale_and_shift(mask * y, weight, bias)
    return torch.where(mask.bool(), y, (y - t) / torch.exp(s)), -s[:, ~mask.bool()].sum(1)


def verdicts_by_hand(exact, log_dets, errors, blind=True):
    found = []
    for log_det, told, error in zip(exact, log_dets, errors, strict=True):
        if error.max() > 0.001:
            found.append(1)
        elif blind and log_det.abs().max() < 0.001:
            found.append(4)
        elif torch.allclose(told, log_det, atol=0.001):
            found.append(0)
        else:
            found.append(2 if torch.allclose(told, -log_det, atol=0.001) else 3)
    return found


def examine_layers(jacobians, log_dets, errors):
    exact = torch.from_numpy(np.log(np.abs(np.linalg.det(jacobians.numpy()))))
    return verdicts_by_hand(exact, log_dets, errors)


def bounds_on_bits(log_density, box, n_dims):
    bits = -(log_density / math.log(2) + n_dims * math.log2(box)) / n_dims
    best = bits.amin(0)
    return bits.mean(0), best - torch.exp2(n_dims * (best - bits)).mean(0).log2() / n_dims


def velocity(x, t, matrix, drift):
    return torch.tanh(torch.einsum("ij,bj->bi", matrix, x) + t * drift)


def backwards(x, n_steps, matrix, drift):
    """O ponto de partida e a integral da divergência, com o jacobiano pelo autograd."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for i in range(n_steps, 0, -1):
        t = i / n_steps

        def one(point, t=t):
            return velocity(point[None], t, matrix, drift)[0]

        jacobians = torch.stack([torch.autograd.functional.jacobian(one, point) for point in x])
        total = total + jacobians.diagonal(dim1=1, dim2=2).sum(1) / n_steps
        x = x - velocity(x, t, matrix, drift) / n_steps
    return x, total


def flow_log_density(x, n_steps, matrix, drift):
    start, total = backwards(x, n_steps, matrix, drift)
    return Normal(0.0, 1.0).log_prob(start).sum(1) - total


def carried_to(x_0, t, mean, std):
    return torch.stack([w * mean + torch.hypot(1 - w, w * std) * x_0 for w in t])


def evaluations_needed(calls, errors, target):
    slope, level = [], []
    for row in errors:
        p, c = np.polyfit(np.log(calls.numpy()), np.log(row.numpy()), 1)
        slope.append(-p)
        level.append(math.ceil(math.exp((c - math.log(target)) / -p)))
    return slope, level


RIGHT = {
    function.__name__: function
    for function in (
        coupling_inverse,
        examine_layers,
        bounds_on_bits,
        flow_log_density,
        carried_to,
        evaluations_needed,
    )
}


def doubled(function):
    return lambda *a: function(*(v.double() if isinstance(v, torch.Tensor) else v for v in a))


def needed_with_tensors(calls, errors, target):
    order = torch.log(errors[:, 0] / errors[:, 1]) / torch.log(calls[1] / calls[0])
    return order, torch.ceil(calls[1] * (errors[:, 1] / target) ** (1 / order)).long()


def masked_inverse(y, mask, weight, bias):
    s, t = ((1 - mask) * part for part in scale_and_shift(mask * y, weight, bias))
    return [(y - t) * (-s).exp(), -s.sum(1)]


ALSO_RIGHT = [
    ("q1", masked_inverse),
    ("q1", doubled(coupling_inverse)),
    ("q2", lambda *a: torch.tensor(examine_layers(*a))),
    ("q2", lambda *a: np.array(examine_layers(*a), dtype=np.int32)),
    ("q3", doubled(bounds_on_bits)),
    ("q3", lambda d, box, n: [-((p := d + n * math.log(box)).mean(0)) / (n * math.log(2)), tight_of(p, n)]),
    ("q4", doubled(flow_log_density)),
    ("q5", doubled(carried_to)),
    ("q5", lambda x, t, m, s: torch.einsum("tk,bk->tbk", torch.hypot(1 - t[:, None], t[:, None] * s), x)
        + (t[:, None] * m)[:, None]),
    ("q6", needed_with_tensors),
    ("q6", lambda *a: [np.array(item) for item in evaluations_needed(*a)]),
]  # fmt: skip


def tight_of(log_p, n_dims):
    return -(log_p.logsumexp(0) - math.log(len(log_p))) / (n_dims * math.log(2))


def back_with(change):
    """Uma volta em que só x está errado: ``change(y, máscara, s, t, pesos)``, com s e t ainda por zerar."""

    def answer(y, mask, weight, bias):
        s, t = scale_and_shift(mask * y, weight, bias)
        return change(y, mask, s, t, (weight, bias)), coupling_inverse(y, mask, weight, bias)[1]

    return answer


def log_det_with(change):
    def answer(y, mask, weight, bias):
        s, t = scale_and_shift(mask * y, weight, bias)
        return coupling_inverse(y, mask, weight, bias)[0], change(s, (1 - mask) * s, (1 - mask) * t)

    return answer


def on_the_rest(change):
    """O engano só na parte que a rede não vê."""
    return back_with(lambda y, m, s, t, net: torch.where(m.bool(), y, change(y, s, t)))


def sees_everything(y, mask, s, t, network):
    s, t = scale_and_shift(y, *network)
    return torch.where(mask.bool(), y, (y - t) * (-s).exp())


def unlimited(y, mask, s, t, network):
    return torch.where(mask.bool(), y, (y - t) * (-s.atanh()).exp())


def examined(change):
    """Vereditos mudados: ``change(certos, jacobianos, log-determinantes, erros)``."""
    return lambda j, d, e: change(np.array(examine_layers(j, d, e)), j, d, e)


def bits_with(first=None, second=None):
    """As duas cotas, com uma trocada: ``função(log P (K, B), D)``."""

    def answer(log_density, box, n_dims):
        right, log_p = bounds_on_bits(log_density, box, n_dims), log_density + n_dims * math.log(box)
        return first(log_p, n_dims) if first else right[0], second(log_p, n_dims) if second else right[1]

    return answer


def density_with(change):
    """``change(normal na partida, divergência somada, x)``."""

    def answer(x, n_steps, matrix, drift):
        start, total = backwards(x, n_steps, matrix, drift)
        return change(Normal(0.0, 1.0).log_prob(start).sum(1), total, x)

    return answer


def stepped(instants, way=-1, divergence=None):
    """A conta com outro relógio, outro sentido ou outra divergência."""

    def answer(x, n_steps, matrix, drift):
        total = torch.zeros(len(x))
        for t in instants(n_steps):
            u = velocity(x, t, matrix, drift)
            exact = ((1 - u**2) * matrix.diagonal()).sum(1)
            total = total + (divergence(u, matrix) if divergence else exact) / n_steps
            x = x + way * u / n_steps
        return Normal(0.0, 1.0).log_prob(x).sum(1) - total

    return answer


def down(n):
    return [1 - i / n for i in range(n)]


def up(n):
    return [i / n for i in range(n)]


def late_divergence(x, n_steps, matrix, drift):
    total, h = 0.0, 1 / n_steps
    for t in down(n_steps):
        x = x - h * velocity(x, t, matrix, drift)
        u = velocity(x, t - h, matrix, drift)
        total = total + h * ((1 - u**2) * matrix.diagonal()).sum(1)
    return Normal(0.0, 1.0).log_prob(x).sum(1) - total


def spread_with(change):
    """``change(t, s)`` no lugar de τ, com t (T, 1, 1)."""
    return lambda x, t, m, s: (w := t.view(-1, 1, 1)) * m + change(w, s) * x


def tau(t, s):
    return torch.hypot(1 - t, t * s)


def order_with(change):
    return lambda n, e, target: (change(e[:, 0] / e[:, 1], n[1] / n[0]), evaluations_needed(n, e, target)[1])


def calls_with(change):
    """``change(n, e, alvo, p)`` no lugar das avaliações."""

    def answer(calls, errors, target):
        order = needed_with_tensors(calls, errors, target)[0]
        return order, change(calls, errors, target, order)

    return answer


LOG2 = math.log(2)

MISTAKES = [
    ("q1", back_with(lambda y, m, s, t, net: torch.where(m.bool(), y, y * s.exp() + t)), "a ida outra vez"),
    ("q1", on_the_rest(lambda y, s, t: y * (-s).exp() - t), "sai primeiro"),
    ("q1", on_the_rest(lambda y, s, t: (y - t) * s.exp()), "inverter a escala"),
    ("q1", on_the_rest(lambda y, s, t: y - t), "desfazer a escala"),
    ("q1", on_the_rest(lambda y, s, t: y * (-s).exp()), "desfazer o deslocamento"),
    ("q1", on_the_rest(lambda y, s, t: (y + t) * (-s).exp()), "se subtrai"),
    ("q1", back_with(sees_everything), "viu y inteiro"),
    ("q1", lambda y, m, w, b: coupling_inverse(y, 1 - m, w, b), "ao contrário"),
    ("q1", back_with(lambda y, m, s, t, net: (y - t) * (-s).exp()), "tem de passar intacta"),
    ("q1", back_with(unlimited), "faltou a tanh"),
    ("q1", back_with(lambda y, m, s, t, net: (1 - m) * (y - t) * (-s).exp()), "perdeu-se a parte"),
    ("q1", on_the_rest(lambda y, s, t: y + 7), "a outra não confere"),
    ("q1", back_with(lambda y, m, s, t, net: y + 9), "tem de dar y"),
    ("q1", log_det_with(lambda raw, s, t: s.sum(1)), "o da ida"),
    ("q1", log_det_with(lambda raw, s, t: -raw.sum(1)), "antes de zerá-lo"),
    ("q1", log_det_with(lambda raw, s, t: (-s).exp().sum(1)), "*produto*"),
    ("q1", log_det_with(lambda raw, s, t: (-s).exp().prod(1)), "falta o logaritmo"),
    ("q1", log_det_with(lambda raw, s, t: -s.mean(1)), "sem tirar a média"),
    ("q1", log_det_with(lambda raw, s, t: -s.abs().sum(1)), "com os seus sinais"),
    ("q1", log_det_with(lambda raw, s, t: -(s + t).sum(1)), "não muda o volume"),
    ("q1", log_det_with(lambda raw, s, t: torch.zeros(len(s))), "deslocamento puro"),
    ("q1", log_det_with(lambda raw, s, t: -s), "somar sobre as coordenadas"),
    ("q1", log_det_with(lambda raw, s, t: -s.sum()), "um por ponto"),
    ("q1", log_det_with(lambda raw, s, t: s.sum(1) + 1), "log_det: os números"),
    ("q1", lambda *a: coupling_inverse(*a)[::-1], "(x, log_det)"),
    ("q2", lambda j, d, e: verdicts_by_hand(j.det().log(), d, e), "do *módulo*"),
    ("q2", lambda j, d, e: verdicts_by_hand(j.det(), d, e), "falta o logaritmo"),
    ("q2", lambda j, d, e: verdicts_by_hand(j.det().abs(), d, e), "falta o logaritmo"),
    ("q2", lambda j, d, e: verdicts_by_hand(j.slogdet()[1], d, e, blind=False), "não prova coisa alguma"),
    ("q2", lambda j, d, e: examine_layers(j, d, e.amin(1, keepdim=True)), "*um* ponto não volte"),
    ("q2", lambda j, d, e: examine_layers(j, d, 0 * e), "*um* ponto não volte"),
    ("q2", examined(lambda v, j, d, e: np.array([0, 1, 3, 2, 4])[v]), "estão trocados"),
    ("q2", examined(lambda v, j, d, e: np.where(v == 1, 1, 0)), "também é defeito"),
    ("q2", examined(lambda v, j, d, e: np.where(v == 2, 3, v)), "separe o sinal"),
    ("q2", lambda j, d, e: verdicts_by_hand(j.slogdet()[1].sum(1), d.sum(1), e), "ponto a ponto"),
    ("q2", lambda j, d, e: torch.zeros_like(d), "Um veredito por camada"),
    ("q2", examined(lambda v, j, d, e: v + 1), "de 0 a 4"),
    ("q2", examined(lambda v, j, d, e: (v + 1) % 5), "algum veredito não confere"),
    ("q3", lambda *a: bounds_on_bits(*a)[::-1], "média dos logs, log da média"),
    ("q3", lambda d, box, n: bounds_on_bits(d, 1.0, n) if box != 1 else bounds_on_bits(d, 2.0, n), "da caixinha"),
    ("q3", lambda d, box, n: bounds_on_bits(d, 1 / box, n) if box != 1 else bounds_on_bits(d, 2.0, n), "*multiplica*"),
    ("q3", lambda d, box, n: bounds_on_bits(d, box ** (1 / n) if box != 1 else 2.0, n), "*cada uma*"),
    ("q3", bits_with(first=lambda p, n: p.mean(0) / (n * LOG2)), "*menos* o logaritmo"),
    ("q3", bits_with(first=lambda p, n: -p.mean(0) / n), "nats por dimensão"),
    ("q3", bits_with(second=lambda p, n: n * tight_of(p, n)), "imagem inteira"),
    ("q3", bits_with(second=lambda p, n: -p.exp().mean(0).log() / (n * LOG2)), "`logsumexp`"),
    ("q3", bits_with(second=lambda p, n: -p.logsumexp(0) / (n * LOG2)), "desconta log K"),
    ("q3", bits_with(second=lambda p, n: -p.amax(0) / (n * LOG2)), "não é cota"),
    ("q3", bits_with(first=lambda p, n: -p.amin(0) / (n * LOG2)), "o pior dos sorteios"),
    ("q3", bits_with(first=lambda p, n: -p / (n * LOG2)), "os K sorteios"),
    ("q3", bits_with(second=lambda p, n: tight_of(p, n).mean()), "por imagem"),
    ("q3", bits_with(second=lambda p, n: tight_of(p, n).mean().expand(p.shape[1])), "de cada imagem"),
    ("q3", bits_with(second=lambda p, n: tight_of(p, n) + 1), "não conferem"),
    ("q4", density_with(lambda normal, total, x: normal + total), "o sinal da divergência"),
    ("q4", density_with(lambda normal, total, x: normal), "faltou a divergência"),
    ("q4", density_with(lambda normal, total, x: Normal(0.0, 1.0).log_prob(x).sum(1) - total), "*partida*"),
    ("q4", lambda x, *a: flow_log_density(x, *a) + x.shape[1] * math.log(2 * math.pi) / 2, "faltou a constante"),
    ("q4", lambda x, *a: flow_log_density(x, *a) + (x.shape[1] - 1) * math.log(2 * math.pi) / 2, "por *dimensão*"),
    ("q4", stepped(up, way=1), "para a frente"),
    ("q4", stepped(down, way=1), "contra a velocidade"),
    ("q4", stepped(up), "o relógio está ao contrário"),
    ("q4", stepped(lambda n: [1 - (i + 1) / n for i in range(n)]), "a do último"),
    ("q4", stepped(down, divergence=lambda u, a: a.trace()), "faltou derivar a tanh"),
    ("q4", stepped(down, divergence=lambda u, a: ((1 - u**2)[:, :, None] * a).sum((1, 2))), "jacobiano inteiro"),
    ("q4", stepped(down, divergence=lambda u, a: ((1 - u**2)[:, :, None] * a).slogdet()[1]), "basta o traço"),
    ("q4", stepped(down, divergence=lambda u, a: (1 - u**2).sum(1)), "a diagonal de A"),
    ("q4", stepped(down, divergence=lambda u, a: (u * a.diagonal()).sum(1)), "1 - tanh²"),
    ("q4", lambda x, n, a, c: (s := backwards(x, n, a, c)) and Normal(0.0, 1.0).log_prob(s[0]).sum(1) - n * s[1],
        "tamanho do passo"),
    ("q4", late_divergence, "do começo do passo"),
    ("q4", lambda *a: flow_log_density(*a).exp(), "pedimos o logaritmo"),
    ("q4", lambda *a: flow_log_density(*a).mean(), "por ponto"),
    ("q4", lambda *a: flow_log_density(*a) + 2, "-1,919"),
    ("q5", lambda *a: carried_to(*a).transpose(0, 1), "Os eixos"),
    ("q5", lambda *a: carried_to(*a)[0], "para cada instante"),
    ("q5", spread_with(lambda t, s: 1 - t + t * s), "a soma dos desvios"),
    ("q5", spread_with(lambda t, s: tau(t, s) ** 2), "usa o desvio"),
    ("q5", spread_with(lambda t, s: (1 - t + t * s**2).sqrt()), "vezes t²"),
    ("q5", spread_with(lambda t, s: tau(t, s.sqrt())), "já é o desvio"),
    ("q5", lambda x, t, m, s: carried_to(x, t, 0 * m, s), "faltou a média"),
    ("q5", lambda x, t, m, s: m + carried_to(x, t, 0 * m, s), "também é do instante"),
    ("q5", spread_with(lambda t, s: 1 - t), "a reta até a média"),
    ("q5", lambda x, t, m, s: carried_to(x, 1 - t, m, s), "ao contrário"),
    ("q5", lambda x, t, m, s: carried_to(x, t, m, s) - x, "onde está"),
    ("q5", lambda x, t, m, s: m + ((w := t.view(-1, 1, 1)) * s**2 - 1 + w) / tau(w, s) * x, "a posição"),
    ("q5", lambda *a: carried_to(*a) + 5, "dá 1,414"),
    ("q6", order_with(lambda r, n: r), "por quanto o erro caiu"),
    ("q6", order_with(lambda r, n: r.log()), "falta dividir"),
    ("q6", order_with(lambda r, n: r.log2()), "não dobraram"),
    ("q6", order_with(lambda r, n: r / n), "*logaritmos*"),
    ("q6", order_with(lambda r, n: -r.log() / n.log()), "é positiva"),
    ("q6", order_with(lambda r, n: (r.log() / n.log()).round()), "não arredonde"),
    ("q6", order_with(lambda r, n: n.log() / r.log()), "invertida"),
    ("q6", lambda *a: evaluations_needed(*a)[::-1], "(ordem, avaliações)"),
    ("q6", order_with(lambda r, n: r.log() + 7), "ordem: os números"),
    ("q6", calls_with(lambda n, e, target, p: n[1] * (e[:, 1] / target) ** (1 / p)), "não se parte"),
    ("q6", calls_with(lambda n, e, target, p: (n[1] * (e[:, 1] / target) ** (1 / p)).floor()), "para baixo"),
    ("q6", calls_with(lambda n, e, target, p: (n[0] * (e[:, 0] / target) ** (-1 / p)).ceil()), "tem de *crescer*"),
    ("q6", calls_with(lambda n, e, target, p: (n[1] * e[:, 1] / target).ceil()), "ordem 1 para todos"),
    ("q6", calls_with(lambda n, e, target, p: (n[1] * (e[:, 1] / target) ** p).ceil()), "é 1/p"),
    ("q6", calls_with(lambda n, e, target, p: ((e[:, 1] / target) ** (1 / p)).ceil()), "já se gastaram"),
    ("q6", calls_with(lambda n, e, target, p: (n[1] * (e[:, 1] / target) ** (1 / p.round())).ceil()), "um inteiro"),
    ("q6", calls_with(lambda n, e, target, p: (n[0] * (e[:, 1] / target) ** (1 / p)).ceil()), "as colunas"),
    ("q6", calls_with(lambda n, e, target, p: 3 * n[1].expand(len(e))), "avaliações: os números"),
]  # fmt: skip
