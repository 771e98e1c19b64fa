"""Respostas certas e enganos do exercício 03_vae."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as kl_of

PRIOR = Normal(0.0, 1.0)


def posterior(mu, logvar):
    return Normal(mu, (0.5 * logvar).exp())


def kl_divergence(mu, logvar):
    return kl_of(posterior(mu, logvar), PRIOR).sum(1)


def best_prior(mu, logvar):
    mean = mu.mean(0)
    variance = (logvar.exp() + (mu - mean).square()).mean(0)
    before, after = (kl_of(posterior(mu, logvar), prior).mean(0) for prior in (PRIOR, Normal(mean, variance.sqrt())))
    return mean, variance.log(), before - after


def gain(error, declared, variance):
    """O ganho de trocar a variância declarada, pela log-densidade de cada pixel."""
    return (normal_log(error, declared) - normal_log(error, variance)).sum()


def normal_log(error, variance):
    return -0.5 * (2 * math.pi * torch.as_tensor(variance)).log() - error / (2 * variance)


def variance_gains(squared, variance, floor):
    error = squared.mean(0)
    return gain(error, error.mean().clamp(min=floor), variance), gain(error, error.clamp(min=floor), variance)


def bound_and_ess(log_w, k):
    bounds = [group.logsumexp(0) - math.log(k) for group in log_w.split(k)]
    weights = log_w.softmax(0)
    return torch.stack(bounds).mean(0), 1 / weights.square().sum(0)


def weight_for_rate(eigenvalues, divisor, rate):
    """Por bisseção em log θ: a taxa cai quando θ cresce."""
    values = eigenvalues.double()
    low, high = -40.0, values.max().log().item()
    for _ in range(200):
        middle = (low + high) / 2
        if (0.5 * (values.log() - middle)).clamp_min(0).sum() > rate:
            low = middle
        else:
            high = middle
    return 2 * math.exp(middle) / divisor


def diagnose_units(mu, logvar):
    price, saved = kl_of(posterior(mu, logvar), PRIOR).mean(0), best_prior(mu, logvar)[2]
    return [0 if p < 0.01 else 2 if s > p / 2 else 1 for p, s in zip(price.tolist(), saved.tolist(), strict=True)]


RIGHT = {
    function.__name__: function
    for function in (kl_divergence, best_prior, variance_gains, bound_and_ess, weight_for_rate, diagnose_units)
}


def closed_saving(mu, logvar):
    """A economia pela forma curta: a KL da melhor priori a N(0, 1)."""
    mean, variance = mu.mean(0), logvar.exp().mean(0) + mu.var(0, correction=0)
    return mean, variance.log(), kl_of(Normal(mean, variance.sqrt()), PRIOR)


def numpy_gains(squared, variance, floor):
    error = squared.numpy().astype(float).mean(0)
    answers = []
    for declared in (np.maximum(np.full(error.shape, error.mean()), floor), np.maximum(error, floor)):
        answers.append(0.5 * np.sum(np.log(variance / declared) + error / variance - error / declared))
    return tuple(answers)


def loop_bound(log_w, k):
    highest = log_w.max(0).values
    w = (log_w - highest).exp()
    groups = [w[start : start + k].mean(0).log() for start in range(0, len(w), k)]
    return highest + sum(groups) / len(groups), w.sum(0) ** 2 / (w**2).sum(0)


def water_filling(eigenvalues, divisor, rate):
    chosen = eigenvalues.sort(descending=True).values
    while True:
        theta = torch.exp((chosen.log().sum() - 2 * rate) / len(chosen))
        if chosen[-1] > theta:
            return 2 * theta / divisor
        chosen = chosen[:-1]


ALSO_RIGHT = [
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)),
    ("q1", lambda mu, logvar: kl_divergence(mu.double(), logvar.double())),
    ("q2", closed_saving),
    ("q2", lambda mu, logvar: list(best_prior(mu.double(), logvar.double()))),
    ("q3", numpy_gains),
    ("q3", lambda squared, v, floor: tuple(g.item() for g in variance_gains(squared.double(), v, floor))),
    ("q4", loop_bound),
    ("q4", lambda log_w, k: bound_and_ess(log_w.double(), k)),
    ("q5", water_filling),
    ("q5", lambda e, c, r: torch.tensor([weight_for_rate(e, c, r)]).squeeze()),
    ("q6", lambda mu, logvar: torch.tensor(diagnose_units(mu, logvar))),
    ("q6", lambda mu, logvar: np.array(diagnose_units(mu.double(), logvar.double()), dtype=np.int64)),
]


def at(index, change):
    """A resposta certa com só o item ``index`` trocado; ``change`` recebe o certo e as entradas."""

    def wrap(function):
        def answer(*inputs):
            items = list(function(*inputs))
            items[index] = change(items[index], *inputs)
            return tuple(items)

        return answer

    return wrap


def prior_with(index, change):
    return at(index, change)(best_prior)


def gains_with(index, change):
    return at(index, change)(variance_gains)


def bound_with(index, change):
    return at(index, change)(bound_and_ess)


def within(logvar):
    return logvar.exp().mean(0)


def between(mu, correction=0):
    return mu.var(0, correction=correction)


def errors(squared):
    return squared.mean(0)


def groups(log_w, k):
    return torch.stack(log_w.split(k))


def theta_of(eigenvalues, n, rate):
    return ((eigenvalues.sort(descending=True).values[:n].log().sum() - 2 * rate) / n).exp()


def unsorted(eigenvalues, divisor, rate):
    n = 4
    return 2 * ((eigenvalues[:n].log().sum() - 2 * rate) / n).exp() / divisor


def price(mu, logvar):
    return kl_of(posterior(mu, logvar), PRIOR).mean(0)


def codes(on, informs):
    return torch.where(on, torch.where(informs, 1, 2), 0)


def informs(mu, logvar):
    return 2 * best_prior(mu, logvar)[2] < price(mu, logvar)


MISTAKES = [
    ("q1", lambda mu, logvar: -kl_divergence(mu, logvar), "sinal está trocado"),
    ("q1", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR).mean(1), "média das coordenadas"),
    ("q1", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR), "falta somá-las"),
    ("q1", lambda mu, logvar: kl_divergence(mu, logvar).mean(), "um por imagem"),
    ("q1", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR).sum(0), "e não sobre as imagens"),
    ("q1", lambda mu, logvar: kl_divergence(mu, logvar)[:, None], "keepdim"),
    ("q1", lambda mu, logvar: 2 * kl_divergence(mu, logvar), "1/2"),
    ("q1", lambda mu, logvar: kl_divergence(mu, logvar) / math.log(2), "bits"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1), "faltou o -1"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1).sum(1), "faltou o termo -ℓ"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1), "sinal negativo"),
    ("q1", lambda mu, logvar: kl_divergence(mu, 2 * logvar), "log σ; ele já é"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + (logvar / 2).exp() - 1 - logvar).sum(1), "e não o desvio"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - logvar).sum(1), "e não ℓ²"),
    ("q1", lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1), "μ²"),
    ("q1", lambda mu, logvar: kl_of(PRIOR, posterior(mu, logvar)).sum(1), "sentido contrário"),
    ("q1", lambda mu, logvar: 0.5 * (mu**2).sum(1), "preço da largura"),
    ("q1", lambda mu, logvar: kl_divergence(mu, logvar) + 1, "não conferem"),
    ("q1", lambda mu, logvar: kl_divergence(mu, logvar) - 100, "KL negativa"),
    ("q2", prior_with(0, lambda mean, mu, logvar: mu.mean(1)), "mean: a forma"),
    ("q2", prior_with(0, lambda mean, mu, logvar: 0 * mean), "centrada em zero"),
    ("q2", prior_with(0, lambda mean, mu, logvar: mu.mean()), "Cada coordenada tem a sua média"),
    ("q2", prior_with(0, lambda mean, mu, logvar: mean + 1), "mean: os números"),
    ("q2", prior_with(1, lambda lv, mu, logvar: lv.exp()), "a função pede o logaritmo"),
    ("q2", prior_with(1, lambda lv, mu, logvar: lv / 2), "isso é log σ"),
    ("q2", prior_with(1, lambda lv, mu, logvar: within(logvar).log()), "só contou a largura"),
    ("q2", prior_with(1, lambda lv, mu, logvar: between(mu).log()), "só contou o espalhamento"),
    ("q2", prior_with(1, lambda lv, mu, logvar: logvar.mean(0)), "não é o logaritmo da média"),
    ("q2", prior_with(1, lambda lv, mu, logvar: (logvar.mean(0).exp() + between(mu)).log()), "média de exp(ℓ)"),
    ("q2", prior_with(1, lambda lv, mu, logvar: (within(logvar) + between(mu, 1)).log()), "B - 1"),
    ("q2", prior_with(1, lambda lv, mu, logvar: (within(logvar) + (mu**2).mean(0)).log()), "em torno de m"),
    ("q2", prior_with(1, lambda lv, mu, logvar: lv + 1), "logvar: os números"),
    ("q2", prior_with(2, lambda saved, mu, logvar: -saved), "saved: o sinal"),
    ("q2", prior_with(2, lambda saved, mu, logvar: price(mu, logvar)), "preço com a priori N(0, 1)"),
    ("q2", prior_with(2, lambda saved, mu, logvar: price(mu, logvar) - saved), "que sobra"),
    ("q2", prior_with(2, lambda saved, mu, logvar: len(mu) * saved), "somou as imagens"),
    ("q2", prior_with(2, lambda saved, mu, logvar: saved.sum()), "a soma fica para depois"),
    ("q2", prior_with(2, lambda saved, mu, logvar: 2 * saved), "1/2"),
    ("q2", prior_with(2, lambda saved, mu, logvar: saved / math.log(2)), "bits"),
    ("q2", prior_with(2, lambda saved, mu, logvar: saved - 9), "economia negativa"),
    ("q2", prior_with(2, lambda saved, mu, logvar: saved + 1), "saved: os números"),
    ("q3", lambda *a: tuple(-g for g in variance_gains(*a)), "sinal está trocado"),
    ("q3", lambda *a: tuple(2 * g for g in variance_gains(*a)), "faltou o 1/2"),
    ("q3", lambda *a: tuple(g / a[0].shape[1] for g in variance_gains(*a)), "média dos pixels"),
    ("q3", lambda *a: tuple(g * len(a[0]) for g in variance_gains(*a)), "somou as imagens"),
    ("q3", lambda *a: tuple(g / math.log(2) for g in variance_gains(*a)), "bits"),
    ("q3", lambda *a: variance_gains(*a)[::-1], "ordem está trocada"),
    (
        "q3",
        gains_with(0, lambda g, s, v, f: 0.5 * s.shape[1] * math.log(v / errors(s).mean())),
        "uma só: você só mexeu na constante",
    ),
    ("q3", gains_with(0, lambda g, s, v, f: gain(errors(s), errors(s).mean().sqrt(), v)), "e não o desvio"),
    (
        "q3",
        gains_with(0, lambda g, s, v, f: torch.stack([gain(row, row.mean(), v) for row in s]).mean()),
        "é do modelo, e não da imagem",
    ),
    ("q3", gains_with(0, lambda g, s, v, f: g + 1), "uma só: o número"),
    ("q3", gains_with(1, lambda g, s, v, f: gain(errors(s), errors(s), v)), "aplique o piso"),
    ("q3", gains_with(1, lambda g, s, v, f: gain(errors(s), errors(s) + f, v)), "o piso não se soma"),
    (
        "q3",
        gains_with(1, lambda g, s, v, f: gain(errors(s).clamp(min=f), errors(s).clamp(min=f), v)),
        "o erro do pixel continua",
    ),
    (
        "q3",
        gains_with(1, lambda g, s, v, f: 0.5 * (errors(s) / v - 1 - (errors(s).clamp(min=f) / v).log()).sum()),
        "preso no piso",
    ),
    (
        "q3",
        gains_with(1, lambda g, s, v, f: 0.5 * (v / errors(s).clamp(min=f)).log().sum()),
        "uma por pixel: você só mexeu na constante",
    ),
    (
        "q3",
        gains_with(1, lambda g, s, v, f: gain(errors(s)[errors(s) > f], errors(s)[errors(s) > f], v)),
        "abaixo do piso também contam",
    ),
    ("q3", gains_with(1, lambda g, s, v, f: g + 1), "uma por pixel: o número"),
    ("q4", bound_with(0, lambda b, w, k: -b), "sinal está trocado"),
    ("q4", bound_with(0, lambda b, w, k: w.mean(0)), "isso é a ELBO"),
    ("q4", bound_with(0, lambda b, w, k: w.logsumexp(0) - math.log(len(w))), "num grupo só"),
    ("q4", bound_with(0, lambda b, w, k: b + math.log(k)), "faltou dividir por K"),
    ("q4", bound_with(0, lambda b, w, k: b + math.log(k) - math.log(len(w))), "e não por S"),
    ("q4", bound_with(0, lambda b, w, k: w[:k].logsumexp(0) - math.log(k)), "só usou o primeiro grupo"),
    ("q4", bound_with(0, lambda b, w, k: groups(w, k).amax(1).mean(0)), "só com o maior peso"),
    (
        "q4",
        bound_with(0, lambda b, w, k: w.reshape(k, -1, w.shape[1]).logsumexp(0).mean(0) - math.log(k)),
        "sorteios seguidos",
    ),
    ("q4", bound_with(0, lambda b, w, k: groups(w, k).logsumexp(1) - math.log(k)), "falta a média sobre os grupos"),
    ("q4", bound_with(0, lambda b, w, k: b.mean()), "um número por imagem"),
    ("q4", bound_with(0, lambda b, w, k: groups(w, k).exp().mean(1).log().mean(0)), "não saia do logaritmo"),
    ("q4", bound_with(0, lambda b, w, k: b + 1.5), "bound: os números"),
    ("q4", bound_with(1, lambda e, w, k: e / len(w)), "fração que conta"),
    ("q4", bound_with(1, lambda e, w, k: 1 / e), "invertido"),
    ("q4", bound_with(1, lambda e, w, k: e.log()), "falta a exponencial"),
    ("q4", bound_with(1, lambda e, w, k: 1 / w.softmax(0).amax(0)), "maior peso sozinho"),
    ("q4", bound_with(1, lambda e, w, k: (-(w.softmax(0) * w.log_softmax(0)).sum(0)).exp()), "entropia"),
    (
        "q4",
        bound_with(1, lambda e, w, k: torch.stack([bound_and_ess(g, k)[1] for g in w.split(k)]).mean(0)),
        "os S sorteios juntos",
    ),
    ("q4", bound_with(1, lambda e, w, k: w.exp().sum(0) ** 2 / (w.exp() ** 2).sum(0)), "não saia do logaritmo"),
    ("q4", bound_with(1, lambda e, w, k: e + 1), "ess: os números"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r) * c / 2, "isso é θ"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r) / 2, "a variância declarada é c/2"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r) * c * c / 4, "em vez de dividir"),
    ("q5", lambda e, c, r: 1 / weight_for_rate(e, c, r), "invertido"),
    ("q5", lambda e, c, r: 2 * theta_of(e, len(e), r) / c, "ligou todas"),
    ("q5", lambda e, c, r: 2 * theta_of(e, 1, r) / c, "só ligou a maior"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r / 2), "*metade* do logaritmo"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, 2 * r), "um 1/2 a mais"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r * math.log(2)), "em nats"),
    ("q5", lambda e, c, r: 2 * e.max() / c, "tudo se apaga"),
    ("q5", unsorted, "não vêm em ordem"),
    ("q5", lambda e, c, r: -1.0, "é positivo"),
    ("q5", lambda e, c, r: e, "um número só"),
    ("q5", lambda e, c, r: weight_for_rate(e, c, r) + 7, "o número não confere"),
    ("q6", lambda mu, logvar: codes(price(mu, logvar) >= 0.01, mu.mean(0) < 99), "só olhou o preço"),
    ("q6", lambda mu, logvar: codes(mu.var(0) > 0.01, mu.mean(0) < 99), "você decidiu pelo espalhamento"),
    ("q6", lambda mu, logvar: codes(price(mu, logvar) >= 0.01, mu.var(0) > 0.01), "decidiu o que informa"),
    ("q6", lambda mu, logvar: codes(mu.var(0) > 0.01, informs(mu, logvar)), "centro fixo mas estreita"),
    ("q6", lambda mu, logvar: codes(price(mu, logvar) >= 0.01, ~informs(mu, logvar)), "estão trocados"),
    ("q6", lambda mu, logvar: codes(mu.mean(0) < 99, informs(mu, logvar)), "estão desligadas"),
    (
        "q6",
        lambda mu, logvar: codes(price(mu, logvar) >= 0.01, best_prior(mu, logvar)[2] < 0.01),
        "*metade* do preço",
    ),
    ("q6", lambda mu, logvar: [5] * mu.shape[1], "não é 0, 1 nem 2"),
    ("q6", lambda mu, logvar: [0] * mu.shape[1], "nem todos"),
    ("q6", lambda mu, logvar: [1] * len(mu), "e não de cada imagem"),
]
