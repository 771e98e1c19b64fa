"""Respostas certas e enganos do exercício 02_variantes."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def corrupt(x, eps, sigma, u, fraction):
    return torch.add(x, eps, alpha=2 * sigma), x.masked_fill(u < fraction, -1.0)


def rebuild(x, encoder, decoder, *, relu=F.relu, squash=torch.tanh):
    return squash(F.linear(relu(F.linear(x.flatten(1), *encoder)), *decoder)).view_as(x)


def denoising_loss(x, noisy, encoder, decoder):
    return F.mse_loss(rebuild(noisy, encoder, decoder), x)


def psnr(x_hat, x):
    return torch.stack([-10 * F.mse_loss((a + 1) / 2, (b + 1) / 2).log10() for a, b in zip(x_hat, x, strict=True)])


def wiener(noisy, mean, components, variances, sigma):
    shrink = 1 / (1 + 4 * sigma**2 / variances)
    matrix = components.T @ torch.diag(shrink) @ components
    return (mean + (noisy.flatten(1) - mean) @ matrix).view_as(noisy)


def contraction(x, weight, bias):
    def encode(row):
        return F.relu(F.linear(row, weight, bias))

    squares = [torch.autograd.functional.jacobian(encode, row).square().sum() for row in x.flatten(1)]
    return torch.stack(squares).mean()


def through(x, below, relu=F.relu):
    h = x.flatten(1)
    for weight, bias in below:
        h = relu(F.linear(h, weight, bias))
    return h


def greedy_layer(x, below, encoder, decoder):
    h = through(x, below)
    return h, F.mse_loss(F.linear(F.relu(F.linear(h, *encoder)), *decoder), h)


RIGHT = {function.__name__: function for function in (corrupt, denoising_loss, psnr, wiener, contraction, greedy_layer)}


def masked_sum(x, weight, bias):
    active = (x.flatten(1) @ weight.T + bias > 0).float()
    return (active @ weight.square().sum(1)).mean().item()


def coordinates(noisy, mean, components, variances, sigma):
    z = (noisy.flatten(1) - mean) @ components.T
    return ((z * variances / (variances + (2 * sigma) ** 2)) @ components + mean).view(-1, 1, 28, 28)


ALSO_RIGHT = [
    ("q1", lambda x, eps, sigma, u, p: [x + 2 * sigma * eps, torch.where(u < p, -1.0, x)]),
    ("q2", lambda *a: denoising_loss(*a).item()),
    ("q3", lambda a, b: 20 * torch.log10(2 / (a - b).flatten(1).square().mean(1).sqrt())),
    ("q4", coordinates),
    ("q5", masked_sum),
    ("q6", lambda *a: (greedy_layer(*a)[0].double(), greedy_layer(*a)[1].item())),
]

same = torch.nn.Identity()


def gaussian_with(change):
    return lambda x, eps, sigma, u, p: (change(x, eps, sigma), corrupt(x, eps, sigma, u, p)[1])


def masked_with(change):
    return lambda x, eps, sigma, u, p: (corrupt(x, eps, sigma, u, p)[0], change(x, u, p))


def db(change):
    """Outra conta com a diferença, já em [0, 1] e achatada."""
    return lambda a, b: change(((a - b) / 2).flatten(1))


def shrunk(weights, *, before=1, after=1):
    def answer(noisy, mean, components, variances, sigma):
        z = (noisy.flatten(1) - before * mean) @ components.T
        return (z * weights(variances, sigma) @ components + after * mean).view_as(noisy)

    return answer


def right_weights(variances, sigma):
    return variances / (variances + 4 * sigma**2)


def contracted(change):
    """Outra conta com (z, máscara das acesas, ‖w‖² de cada unidade)."""

    def answer(x, weight, bias):
        z = F.relu(F.linear(x.flatten(1), weight, bias))
        return change(z, (z > 0).float(), weight.square().sum(1))

    return answer


def greedy_with(change):
    """A perda errada com o h certo: ``change(h, codificador, decodificador)``."""
    return lambda x, below, e, d: (through(x, below), change(through(x, below), e, d))


def layer_loss(h, encoder, decoder, relu=F.relu, squash=same):
    return F.mse_loss(squash(F.linear(relu(F.linear(h, *encoder)), *decoder)), h)


def last_without_relu(x, below):
    return F.linear(through(x, below[:-1]), *below[-1])


MISTAKES = [
    ("q1", gaussian_with(lambda x, e, s: x + s * e), "faltou o 2. O σ"),
    ("q1", gaussian_with(lambda x, e, s: (x + 2 * s * e).clamp(-1, 1)), "não corte. Cortado"),
    ("q1", gaussian_with(lambda x, e, s: (x + s * e).clamp(-1, 1)), "faltou o 2, e não corte"),
    ("q1", gaussian_with(lambda x, e, s: x + 2 * s**2 * e), "não o eleve"),
    ("q1", gaussian_with(lambda x, e, s: x + 2 * s**0.5 * e), "não tire a raiz"),
    ("q1", gaussian_with(lambda x, e, s: 2 * s * e), "só o ruído"),
    ("q1", gaussian_with(lambda x, e, s: x * (1 + 2 * s * e)), "sem multiplicar"),
    ("q1", gaussian_with(lambda x, e, s: x + 2 * s * torch.randn_like(x)), "com o ε recebido"),
    ("q1", lambda *a: corrupt(*a)[::-1], "a ordem da tupla"),
    ("q1", masked_with(lambda x, u, p: torch.where(u < p, 0.0, x)), "0 é cinza"),
    ("q1", masked_with(lambda x, u, p: torch.where(u < p, x, -1.0)), "ao contrário: apaga-se"),
    ("q1", masked_with(lambda x, u, p: torch.where(u < p, x, 0.0)), "ao contrário, e o preto"),
    ("q1", masked_with(lambda x, u, p: torch.where(u < p, 1.0, x)), "acende os pixels"),
    ("q1", masked_with(lambda x, u, p: torch.where(u < p / 2, -1.0, x)), "e não p/2"),
    ("q1", lambda x, e, s, u, p: (x + 2 * s * e, torch.where(u < p, -1.0, x + 2 * s * e)), "corrupções separadas"),
    ("q1", masked_with(lambda x, u, p: x + 9), "máscara: os números"),
    ("q2", lambda x, n, e, d: denoising_loss(n, n, e, d), "cobrou a imagem corrompida"),
    ("q2", lambda x, n, e, d: denoising_loss(x, x, e, d), "entrou a imagem limpa"),
    ("q2", lambda x, n, e, d: denoising_loss(n, x, e, d), "papéis estão trocados"),
    ("q2", lambda x, n, e, d: F.mse_loss(rebuild(n, e, d, squash=same), x), "tanh"),
    ("q2", lambda x, n, e, d: F.mse_loss(rebuild(n, e, d, relu=same), x), "ReLU da camada oculta"),
    ("q2", lambda x, n, e, d: denoising_loss(x, n.clamp(-1, 1), e, d), "não corte a entrada"),
    ("q2", lambda *a: 784 * denoising_loss(*a), "você os somou"),
    ("q2", lambda *a: 784 * len(a[0]) * denoising_loss(*a), "você somou tudo"),
    ("q2", lambda *a: denoising_loss(*a).sqrt(), "a raiz do erro"),
    ("q2", lambda x, n, e, d: (rebuild(n, e, d) - x).abs().mean(), "valor absoluto"),
    ("q2", lambda *a: denoising_loss(*a) / 4, "só os relatórios"),
    ("q2", lambda *a: 99.0, "não confere"),
    ("q3", db(lambda e: -10 * (4 * e.square().mean(1)).log10()), "faltam 6 dB"),
    ("q3", db(lambda e: -10 * (2 * e.square().mean(1)).log10()), "um quarto"),
    ("q3", db(lambda e: 10 * e.square().mean(1).log10()), "o sinal"),
    ("q3", db(lambda e: -10 * e.square().mean(1).log()), "base 10"),
    ("q3", db(lambda e: -20 * e.square().mean(1).log10()), "o fator é 10"),
    ("q3", db(lambda e: -e.square().mean(1).log10()), "bels"),
    ("q3", db(lambda e: -10 * e.square().sum(1).log10()), "e não a soma"),
    ("q3", db(lambda e: e.square().mean(1)), "falta passá-lo"),
    ("q3", db(lambda e: -10 * e.abs().mean(1).log10()), "e não absoluto"),
    ("q3", db(lambda e: (-10 * e.square().mean().log10()).expand(len(e))), "o seu erro"),
    ("q3", db(lambda e: -10 * e.square().mean().log10()), "uma PSNR por imagem"),
    ("q3", db(lambda e: e.square().mean(1) + 7), "não conferem"),
    ("q4", shrunk(lambda v, s: v / (v + s**2)), "nestas imagens é 2σ"),
    ("q4", shrunk(lambda v, s: v / (v + 2 * s)), "a *variância* do ruído"),
    ("q4", shrunk(lambda v, s: v / (v + 2 * s**2)), "isto é, 4σ²"),
    ("q4", shrunk(lambda v, s: 1 - right_weights(v, s)), "ao contrário"),
    ("q4", shrunk(lambda v, s: right_weights(v, s).sqrt()), "não tire a raiz"),
    ("q4", shrunk(lambda v, s: (v > 4 * s**2).float()), "*encolhe*"),
    ("q4", shrunk(right_weights, before=0, after=0), "nas duas pontas"),
    ("q4", shrunk(right_weights, before=0), "antes de projetar"),
    ("q4", shrunk(right_weights, after=0), "de volta"),
    ("q4", lambda *a: wiener(*a).clamp(-1, 1), "não corte"),
    ("q4", lambda *a: a[0], "própria imagem ruidosa"),
    ("q4", shrunk(lambda v, s: torch.ones_like(v)), "nada foi encolhido"),
    ("q4", lambda *a: wiener(*a).flatten(1), "forma de imagem"),
    ("q4", lambda *a: wiener(*a) + 5, "não conferem"),
    ("q5", contracted(lambda z, on, w: w.sum()), "todas as unidades"),
    ("q5", contracted(lambda z, on, w: on.sum(1).mean()), "quantas unidades"),
    ("q5", contracted(lambda z, on, w: (z @ w).mean()), "não multiplique pelo valor"),
    ("q5", contracted(lambda z, on, w: (on @ w.sqrt()).mean()), "ao *quadrado*"),
    ("q5", contracted(lambda z, on, w: (on @ w).sum()), "somou o lote"),
    ("q5", contracted(lambda z, on, w: (on @ w).mean() / len(w)), "sem tirar a média"),
    ("q5", contracted(lambda z, on, w: (on @ w).sqrt().mean()), "não tire a raiz"),
    ("q5", lambda x, w, b: contraction(x, w, torch.zeros_like(b)), "faltou o viés"),
    ("q5", contracted(lambda z, on, w: ((1 - on) @ w).mean()), "as apagadas"),
    ("q5", contracted(lambda z, on, w: z.sum(1).mean()), "penalidade esparsa"),
    ("q5", contracted(lambda z, on, w: on @ w), "média sobre o lote"),
    ("q5", contracted(lambda z, on, w: -1.0), "não confere"),
    ("q6", lambda x, below, e, d: (through(x, below, same), 1.0), "faltaram as ReLUs"),
    ("q6", lambda x, below, e, d: (last_without_relu(x, below), 1.0), "última camada congelada"),
    ("q6", lambda x, below, e, d: (x, 1.0), "e não as imagens"),
    ("q6", lambda x, below, e, d: (through(x, below[:1]), 1.0), "só pela primeira"),
    ("q6", lambda x, below, e, d: (through(x, [*below, e]), 1.0), "código da camada nova"),
    ("q6", lambda x, below, e, d: (through(x, below) + 1, 1.0), "h: os números"),
    ("q6", greedy_with(lambda h, e, d: layer_loss(h, e, d, relu=same)), "ReLU do código"),
    ("q6", greedy_with(lambda h, e, d: layer_loss(h, e, d, squash=torch.tanh)), "só de quem reconstrói"),
    ("q6", greedy_with(lambda h, e, d: layer_loss(h, e, d, squash=F.relu)), "espera o desenrolar"),
    ("q6", greedy_with(lambda h, e, d: h.shape[1] * layer_loss(h, e, d)), "sobre as unidades"),
    ("q6", greedy_with(lambda h, e, d: h.numel() * layer_loss(h, e, d)), "você somou tudo"),
    ("q6", greedy_with(lambda h, e, d: layer_loss(h, e, d).sqrt()), "a raiz do erro"),
    ("q6", greedy_with(lambda h, e, d: h.square().mean()), "falta subtrair"),
    ("q6", greedy_with(lambda h, e, d: 99.0), "perda: o número"),
    ("q6", lambda *a: greedy_layer(*a)[1], "esperava a tupla"),
]
