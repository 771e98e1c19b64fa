"""Respostas certas e enganos do exercício 04_gan."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

bce = F.binary_cross_entropy_with_logits


def disc_loss(real_logits, fake_logits):
    return bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))


def gen_losses(fake_logits):
    return F.logsigmoid(-fake_logits).mean(), -F.logsigmoid(fake_logits).mean()


def gen_slopes(fake_logits):
    a = fake_logits.clone().requires_grad_()
    (minimax,) = torch.autograd.grad(-F.softplus(a).sum(), a)
    (nonsaturating,) = torch.autograd.grad(F.softplus(-a).sum(), a)
    return minimax, nonsaturating


def play(x, z, gen_weight, disc_weight, *, detach=True, zero=True, read_first=True, minimax=False, cut_gen=False):
    """Os dois passos do jogo com ``backward``, como num laço de treinamento, e com os descuidos pedidos."""
    gen_weight, disc_weight = gen_weight.clone().requires_grad_(), disc_weight.clone().requires_grad_()
    fake = torch.tanh(z @ gen_weight.T)
    disc_loss(x @ disc_weight, (fake.detach() if detach else fake) @ disc_weight).backward(retain_graph=True)
    disc_grad = disc_weight.grad.clone() if read_first else None
    if zero:
        gen_weight.grad = None
    logits = (fake.detach() if cut_gen else fake) @ disc_weight
    gen_losses(logits)[0 if minimax else 1].backward()
    return disc_weight.grad if disc_grad is None else disc_grad, gen_weight.grad


def game_gradients(x, z, gen_weight, disc_weight):
    return play(x, z, gen_weight, disc_weight)


def half_kl(p, q):
    return 0.5 * torch.where(p > 0, p * (p / q).log(), torch.zeros_like(p)).sum()


def optimal_discriminator(p_data, p_g):
    mixture = (p_data + p_g) / 2
    return p_data / (p_data + p_g), half_kl(p_data, mixture) + half_kl(p_g, mixture)


RIGHT = {
    function.__name__: function
    for function in (disc_loss, gen_losses, gen_slopes, game_gradients, optimal_discriminator)
}


def from_value(p_data, p_g):
    """A JSD tirada do valor do jogo no discriminador ótimo."""
    d = p_data / (p_data + p_g)
    value = (torch.xlogy(p_data, d) + torch.xlogy(p_g, 1 - d)).sum()
    return d, ((value + math.log(4)) / 2).item()


ALSO_RIGHT = [
    ("q1", lambda real, fake: (F.softplus(-real).mean() + F.softplus(fake).mean()).item()),
    ("q1", lambda real, fake: -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()),
    ("q2", lambda a: [(-F.softplus(a)).mean(), F.softplus(-a).mean()]),
    ("q3", lambda a: (-a.sigmoid(), -(-a).sigmoid())),
    ("q3", lambda a: (-a.double().sigmoid(), a.double().sigmoid() - 1)),
    ("q4", lambda *a: play(*a, detach=False)),  # sem detach, mas zerando a conta do gerador: certo, e mais caro
    ("q5", from_value),
]


def naive_disc(real, fake):
    return -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()


def clipped(logits, target):
    return F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


def soft(real, fake, a, b):
    return a * F.softplus(-real).mean() + b * F.softplus(fake).mean()


def jsd_of(p, q):
    return optimal_discriminator(p, q)[1]


def with_jsd(change):
    return lambda p, q: (optimal_discriminator(p, q)[0], change(p, q))


def with_d(change):
    return lambda p, q: (change(p, q), jsd_of(p, q))


def naive_jsd(p, q):
    m = (p + q) / 2
    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2


def swap(answer):
    return lambda *inputs: answer(*inputs)[::-1]


MISTAKES = [
    ("q1", naive_disc, "softplus(-a)"),
    ("q1", lambda real, fake: clipped(real, 1.0) + clipped(fake, 0.0), "corte da `BCELoss`"),
    ("q1", lambda real, fake: -disc_loss(real, fake), "o valor do jogo"),
    ("q1", lambda real, fake: disc_loss(-real, -fake), "alvos estão trocados"),
    ("q1", lambda real, fake: disc_loss(real, fake) / 2, "sem dividir por 2"),
    ("q1", lambda real, fake: torch.cat([F.softplus(-real), F.softplus(fake)]).mean(), "juntou os dois"),
    ("q1", lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(), "a média do seu lote"),
    ("q1", lambda real, fake: soft(real, fake, 1, 0), "parte das falsas"),
    ("q1", lambda real, fake: soft(real, fake, 0, 1), "parte das reais"),
    ("q1", lambda real, fake: soft(real, fake, 1, -1), "se somam"),
    ("q1", lambda real, fake: disc_loss(real, -fake), "-log(1 - D)"),
    ("q1", lambda real, fake: fake.sigmoid().mean() - real.sigmoid().mean(), "faltou o logaritmo"),
    ("q1", lambda real, fake: F.softplus(-real), "Falta a média"),
    ("q1", lambda real, fake: 1234.5, "não confere"),
    ("q1", lambda real, fake: -1234.5, "nunca é"),
    ("q2", lambda a: gen_losses(a)[1], "esperava a tupla"),
    ("q2", swap(gen_losses), "a ordem está trocada"),
    ("q2", lambda a: (-gen_losses(a)[0], gen_losses(a)[1]), "ajudando o discriminador"),
    ("q2", lambda a: (-gen_losses(a)[1], gen_losses(a)[1]), "isso é log D"),
    ("q2", lambda a: ((1 - a.sigmoid()).log().mean(), -a.sigmoid().log().mean()), "softplus"),
    ("q2", lambda a: (-clipped(a, 0.0), clipped(a, 1.0)), "corte em 100"),
    ("q2", lambda a: (gen_losses(a)[0], clipped(a, 1.0)), "não saturante: o corte"),
    ("q2", lambda a: (gen_losses(a)[0], -gen_losses(a)[1]), "não saturante: o sinal"),
    ("q2", lambda a: (gen_losses(a)[0], -gen_losses(a)[0]), "a parte do discriminador"),
    ("q2", lambda a: (gen_losses(a)[0], gen_losses(a)[0]), "duas vezes"),
    ("q2", lambda a: (len(a) * gen_losses(a)[0], gen_losses(a)[1]), "você somou o lote"),
    ("q2", lambda a: (gen_losses(a)[0], F.softplus(-a)), "Falta a média"),
    ("q2", lambda a: (7.0, 7.0), "minimax: o número não confere"),
    ("q3", swap(gen_slopes), "derivada da outra perda. Teste"),
    ("q3", lambda a: (a.sigmoid(), a.sigmoid() - 1), "o sinal está trocado"),
    ("q3", lambda a: (-a.sigmoid(), 1 - a.sigmoid()), "não saturante: o sinal"),
    ("q3", lambda a: tuple(slope / len(a) for slope in gen_slopes(a)), "tamanho do lote"),
    ("q3", lambda a: (-a.sigmoid() * (1 - a.sigmoid()),) * 2, "derivada da sigmoide"),
    ("q3", lambda a: (-F.softplus(a), F.softplus(-a)), "a perda de cada imagem"),
    ("q3", lambda a: (-(a.exp() / (1 + a.exp())), a.sigmoid() - 1), "nunca estoura"),
    ("q3", lambda a: (-a.sigmoid().mean(), a.sigmoid() - 1), "de cada imagem"),
    ("q3", lambda a: (a, a), "os números não conferem"),
    ("q4", lambda *a: play(*a, detach=False, zero=False), "vazou"),
    ("q4", lambda *a: play(*a, read_first=False), "também passa pelo discriminador"),
    ("q4", lambda *a: play(*a, minimax=True), "minimax"),
    ("q4", lambda *a: (play(*a)[0], torch.zeros_like(a[2])), "veio zero"),
    ("q4", lambda *a: (play(*a)[0], None), "nenhum gradiente chegou"),
    ("q4", lambda *a: (play(*a)[0], -play(*a)[1]), "gen_grad: o sinal"),
    ("q4", lambda *a: (-play(*a)[0], play(*a)[1]), "disc_grad: o sinal"),
    ("q4", lambda *a: (play(*a)[0], -play(*a, minimax=True)[1]), "perda do *discriminador*"),
    ("q4", lambda *a: (play(*a)[0], play(*a)[1] + play(*a, minimax=True)[1]), "somaram-se dois"),
    ("q4", lambda *a: swap(play)(*a), "A ordem é (disc_grad, gen_grad)"),
    ("q4", lambda *a: (play(*a)[0] + 1, play(*a)[1]), "disc_grad: os números"),
    ("q4", lambda *a: (play(*a)[0], play(*a)[1] + 1), "gen_grad: os números"),
    ("q5", with_d(lambda p, q: q / (p + q)), "está invertido"),
    ("q5", with_d(lambda p, q: 2 * p / (p + q)), "passou de 1"),
    ("q5", with_d(lambda p, q: (p - q).sigmoid()), "dos *logaritmos*"),
    ("q5", with_d(lambda p, q: p), "isso é p_dados"),
    ("q5", with_d(lambda p, q: p + 5), "d_star: os números"),
    ("q5", with_jsd(naive_jsd), "xlogy"),
    ("q5", with_jsd(lambda p, q: 2 * jsd_of(p, q)), "a média delas"),
    ("q5", with_jsd(lambda p, q: 2 * half_kl(p, (p + q) / 2)), "só uma das duas KL, a de p_dados"),
    ("q5", with_jsd(lambda p, q: 2 * half_kl(q, (p + q) / 2)), "só uma das duas KL, a de p_g"),
    ("q5", with_jsd(lambda p, q: jsd_of(p, q) / math.log(2)), "bits"),
    ("q5", with_jsd(lambda p, q: 2 * jsd_of(p, q) - math.log(4)), "valor do jogo"),
    ("q5", with_jsd(lambda p, q: math.log(4) - 2 * jsd_of(p, q)), "perda do discriminador ótimo"),
    ("q5", with_jsd(lambda p, q: half_kl(p, p + q) + half_kl(q, p + q)), "a mistura é"),
    ("q5", with_jsd(lambda p, q: (p - q).abs().sum() / 2), "variação total"),
    ("q5", with_jsd(lambda p, q: 9.0), "jsd: o número"),
    ("q5", swap(optimal_discriminator), "A ordem é (d_star, jsd)"),
]
