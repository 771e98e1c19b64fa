"""Respostas certas e enganos do exercício 03_vae."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as kl_of

PRIOR = Normal(0.0, 1.0)


def posterior(mu, logvar):
    return Normal(mu, (0.5 * logvar).exp())


def reparameterize(mu, logvar, eps):
    return mu + logvar.exp().sqrt() * eps


def kl_divergence(mu, logvar):
    return kl_of(posterior(mu, logvar), PRIOR).sum(1)


def gaussian_elbo(x, x_hat, mu, logvar, variance):
    log_px = Normal(x_hat, math.sqrt(variance)).log_prob(x).flatten(1).sum(1)
    return log_px - kl_divergence(mu, logvar)


def log_weights(log_px_z, mu, logvar, eps):
    q = posterior(mu, logvar)
    z = q.mean + q.stddev * eps
    return log_px_z + (PRIOR.log_prob(z) - q.log_prob(z)).sum(2)


def importance_nll(log_px_z, mu, logvar, eps):
    return math.log(len(eps)) - log_weights(log_px_z, mu, logvar, eps).logsumexp(0)


def predicted_rates(eigenvalues, divisor, weight):
    theta = 0.5 * divisor * weight
    return torch.where(eigenvalues > theta, 0.5 * torch.log(eigenvalues / theta), torch.zeros_like(eigenvalues))


RIGHT = {
    function.__name__: function
    for function in (reparameterize, kl_divergence, gaussian_elbo, importance_nll, predicted_rates)
}


def stable_by_hand(log_px_z, mu, logvar, eps):
    log_w = log_weights(log_px_z, mu, logvar, eps)
    highest = log_w.max(0).values
    return -(highest + (log_w - highest).exp().mean(0).log())


ALSO_RIGHT = [
    ("q1", lambda mu, logvar, eps: torch.addcmul(mu, eps, (logvar / 2).exp()).double()),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)),
    ("q2", lambda mu, logvar: kl_divergence(mu.double(), logvar.double())),
    ("q3", lambda x, x_hat, mu, logvar, v: gaussian_elbo(x.double(), x_hat.double(), mu, logvar, v)),
    ("q4", stable_by_hand),
    # Em float64 a exponencial de -300 existe: sem logsumexp, mas certo.
    ("q4", lambda *a: -log_weights(*(value.double() for value in a)).exp().mean(0).log()),
]


def no_ratio(log_px_z, mu, logvar, eps):
    return math.log(len(eps)) - log_px_z.logsumexp(0)


def squares(x, x_hat):
    return (x - x_hat).square().flatten(1)


def constant(variance):
    return 392 * math.log(2 * math.pi * variance)


MISTAKES = [
    ("q1", lambda mu, logvar, eps: mu + logvar.exp() * eps, "pela variância"),
    ("q1", lambda mu, logvar, eps: mu + logvar * eps, "ainda é um logaritmo"),
    ("q1", lambda mu, logvar, eps: mu + 0.5 * logvar * eps, "faltou a exponencial"),
    ("q1", lambda mu, logvar, eps: mu + logvar.exp() / 2 * eps, "dentro da exponencial"),
    ("q1", lambda mu, logvar, eps: mu + (-0.5 * logvar).exp() * eps, "1/σ"),
    ("q1", lambda mu, logvar, eps: mu, "só μ"),
    ("q1", lambda mu, logvar, eps: mu + eps, "sem escala"),
    ("q1", lambda mu, logvar, eps: mu - (0.5 * logvar).exp() * eps, "entra somado"),
    ("q1", lambda mu, logvar, eps: (0.5 * logvar).exp() * eps, "faltou somar μ"),
    ("q1", lambda mu, logvar, eps: (0.5 * logvar).exp() + mu * eps, "trocados"),
    ("q1", lambda mu, logvar, eps: reparameterize(mu, logvar, torch.randn_like(mu)), "sem sortear outro"),
    ("q1", lambda mu, logvar, eps: mu + 100, "não conferem"),
    ("q1", lambda mu, logvar, eps: reparameterize(mu, logvar, eps)[0], "esperava"),
    ("q2", lambda mu, logvar: -kl_divergence(mu, logvar), "sinal está trocado"),
    ("q2", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR).mean(1), "média das coordenadas"),
    ("q2", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR), "falta somá-las"),
    ("q2", lambda mu, logvar: kl_divergence(mu, logvar).mean(), "um por imagem"),
    ("q2", lambda mu, logvar: kl_of(posterior(mu, logvar), PRIOR).sum(0), "e não sobre as imagens"),
    ("q2", lambda mu, logvar: kl_divergence(mu, logvar)[:, None], "keepdim"),
    ("q2", lambda mu, logvar: 2 * kl_divergence(mu, logvar), "1/2"),
    ("q2", lambda mu, logvar: kl_divergence(mu, logvar) / math.log(2), "bits"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1), "faltou o -1"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1).sum(1), "faltou o termo -ℓ"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1), "sinal negativo"),
    ("q2", lambda mu, logvar: kl_divergence(mu, 2 * logvar), "log σ; ele já é"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + (logvar / 2).exp() - 1 - logvar).sum(1), "e não o desvio"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - logvar).sum(1), "e não ℓ²"),
    ("q2", lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1), "μ²"),
    ("q2", lambda mu, logvar: kl_of(PRIOR, posterior(mu, logvar)).sum(1), "sentido contrário"),
    ("q2", lambda mu, logvar: 0.5 * (mu**2).sum(1), "preço da largura"),
    ("q2", lambda mu, logvar: kl_divergence(mu, logvar) + 1, "não conferem"),
    ("q2", lambda mu, logvar: kl_divergence(mu, logvar) - 100, "KL negativa"),
    ("q3", lambda *a: -gaussian_elbo(*a), "ELBO negativa"),
    ("q3", lambda *a: gaussian_elbo(*a) + 2 * kl_divergence(*a[2:4]), "entra subtraindo: é o preço"),
    ("q3", lambda *a: gaussian_elbo(*a) + kl_divergence(*a[2:4]), "falta subtrair a KL"),
    ("q3", lambda *a: gaussian_elbo(*a) + constant(a[4]), "falta a constante"),
    ("q3", lambda *a: gaussian_elbo(*a) + 2 * constant(a[4]), "mais larga a gaussiana"),
    ("q3", lambda *a: gaussian_elbo(*a) - constant(a[4]), "em dobro"),
    ("q3", lambda *a: gaussian_elbo(*a) + constant(a[4]) * 783 / 784, "um pixel só"),
    ("q3", lambda *a: gaussian_elbo(*a) + squares(*a[:2]).sum(1) / (2 * a[4]) * (783 / 784), "média dos pixels"),
    ("q3", lambda *a: gaussian_elbo(*a) - squares(*a[:2]).sum(1) / (2 * a[4]), "faltou o 2"),
    ("q3", lambda *a: gaussian_elbo(*a[:4], a[4] ** 2), "não a eleve"),
    ("q3", lambda *a: gaussian_elbo(*a).mean(), "uma ELBO por imagem"),
    ("q3", lambda *a: gaussian_elbo(*a) + kl_divergence(*a[2:4]) - kl_divergence(*a[2:4]).mean(), "média do lote"),
    ("q3", lambda *a: gaussian_elbo(*a) + kl_divergence(*a[2:4]) * (1 - 1 / a[2].shape[1]), "questão 2"),
    ("q3", lambda *a: gaussian_elbo(*a) + 7, "não conferem"),
    ("q4", lambda *a: -importance_nll(*a), "sinal está trocado"),
    ("q4", lambda *a: -log_weights(*a).mean(0), "média dos logaritmos"),
    ("q4", lambda *a: -log_weights(*a).exp().mean(0).log(), "logsumexp"),
    ("q4", lambda *a: -log_weights(*a).logsumexp(0), "faltou dividir por S"),
    ("q4", lambda *a: importance_nll(*a) - 2 * math.log(len(a[3])), "sinal contrário"),
    ("q4", lambda *a: importance_nll(*a).mean(), "um número por imagem"),
    ("q4", lambda *a: -log_weights(*a), "na dimensão 0"),
    ("q4", lambda *a: -log_weights(*a).logsumexp(1), "sobra um número por imagem"),
    ("q4", no_ratio, "pesou só por p(x|z)"),
    ("q4", lambda log_px_z, *a: no_ratio(2 * log_px_z - log_weights(log_px_z, *a), *a), "invertida"),
    ("q4", lambda log_px_z, mu, logvar, eps: importance_nll(log_px_z, mu, logvar, eps) + 0.5 * logvar.sum(1), "log σ"),
    ("q4", lambda *a: -log_weights(*a).max(0).values, "maior peso"),
    ("q4", lambda *a: importance_nll(*a) + 1.5, "não conferem"),
    ("q5", lambda e, c, b: 0.5 * (2 * e / (c * b)).log(), "taxas negativas"),
    ("q5", lambda e, c, b: 2 * predicted_rates(e, c, b), "1/2 da frente"),
    ("q5", lambda e, c, b: predicted_rates(e, c, b) / math.log(2), "bits"),
    ("q5", lambda e, c, b: predicted_rates(e, 2 * c, b), "variância declarada é c/2"),
    ("q5", lambda e, c, b: predicted_rates(e, c, 1 / b), "e não o quociente"),
    ("q5", lambda e, c, b: predicted_rates(e, c, b).sum(), "a soma fica para depois"),
    ("q5", lambda e, c, b: predicted_rates(e, c, b)[e > c * b / 2], "uma taxa por autovalor"),
    ("q5", lambda e, c, b: (e > c * b / 2).float(), "quais direções"),
    ("q5", lambda e, c, b: 0.5 * (1 + 2 * e / (c * b)).log(), "outro problema"),
    ("q5", lambda e, c, b: predicted_rates(e, c, b) + 1, "não conferem"),
]
