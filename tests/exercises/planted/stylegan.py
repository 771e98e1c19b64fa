"""Respostas certas e enganos do exercício 05_stylegan."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def adain(h, scale, shift):
    return F.instance_norm(h) * scale[:, :, None, None] + shift[:, :, None, None]


def r1_penalty(disc, x):
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(disc(x).sum(), x, create_graph=True)
    return gradient.square().sum() / len(x)


def disc_loss(disc, x, fake):
    return F.softplus(-disc(x)).mean() + F.softplus(disc(fake)).mean()


def gradients(disc, loss):
    return list(torch.autograd.grad(loss, list(disc.parameters())))


def disc_gradients(disc, x, fake, gamma):
    return gradients(disc, disc_loss(disc, x, fake) + gamma / 2 * r1_penalty(disc, x))


def truncate(w, w_mean, psi):
    return torch.lerp(w_mean, w[:, None], psi[:, None])


def output_deviation(weight, style):
    return (style.square() @ weight.square().sum((2, 3)).T).sqrt()


RIGHT = {function.__name__: function for function in (adain, r1_penalty, disc_gradients, truncate, output_deviation)}


def map_by_map(h, scale, shift):
    """A AdaIN com um laço sobre exemplos e canais, e o epsilon somado ao desvio."""
    out = torch.empty_like(h)
    for i, c in torch.cartesian_prod(torch.arange(h.shape[0]), torch.arange(h.shape[1])).tolist():
        one = h[i, c]
        out[i, c] = scale[i, c] * (one - one.mean()) / (one.std(unbiased=False) + 1e-8) + shift[i, c]
    return out


def r1_by_example(disc, x):
    """A R1 com uma derivada por imagem."""
    total = 0.0
    for one in x.split(1):
        one = one.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(disc(one)[0], one, create_graph=True)
        total = total + gradient.square().sum()
    return total / len(x)


def by_backward(disc, x, fake, gamma):
    """O passo do discriminador como num laço de treino: backward e a leitura de ``.grad``."""
    disc.zero_grad()
    disc_loss(disc, x, fake).backward()
    (gamma / 2 * r1_by_example(disc, x)).backward()
    return tuple(p.grad for p in disc.parameters())


def deviation_by_example(weight, style):
    return torch.stack([(weight * s[None, :, None, None]).flatten(1).norm(dim=1) for s in style])


ALSO_RIGHT = [
    ("q1", map_by_map),
    ("q2", r1_by_example),
    ("q3", by_backward),
    ("q4", lambda w, w_mean, psi: psi.view(1, -1, 1) * w.unsqueeze(1) + (1 - psi).view(1, -1, 1) * w_mean),
    ("q4", lambda w, w_mean, psi: torch.stack([w_mean + p * (w - w_mean) for p in psi.tolist()], dim=1)),
    ("q5", deviation_by_example),
]


def normalize(h, *dims, unbiased=False):
    return (h - h.mean(dims, keepdim=True)) / (h.var(dims, unbiased=unbiased, keepdim=True) + 1e-8).sqrt()


def styled(change):
    """AdaIN em que ``change(h, s, b)`` já recebe o estilo pronto para multiplicar mapas."""
    return lambda h, scale, shift: change(h, scale[:, :, None, None], shift[:, :, None, None])


def centre(h):
    return h - h.mean((2, 3), keepdim=True)


def spread(h):
    return h.std((2, 3), unbiased=False, keepdim=True)


def r1_of(change, *, create_graph=True, loss=torch.sum):
    """Uma penalidade errada: ``change`` recebe os gradientes (B, 784)."""

    def wrong(disc, x):
        x = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(disc(x)), x, create_graph=create_graph)
        return change(gradient.flatten(1))

    return wrong


def right_r1(gradient):
    return gradient.square().sum(1).mean()


def norms(gradient):
    return gradient.norm(dim=1)


detached_r1 = r1_of(right_r1, create_graph=False)


def disc_step(*, game=1.0, weight=lambda gamma: gamma / 2, penalty=lambda disc, x, fake: r1_penalty(disc, x)):
    """O gradiente de ``game`` vezes a perda do jogo mais ``weight(γ)`` vezes ``penalty``."""

    def wrong(disc, x, fake, gamma):
        return gradients(disc, game * disc_loss(disc, x, fake) + weight(gamma) * penalty(disc, x, fake))

    return wrong


def other_game(loss):
    return lambda disc, x, fake, gamma: gradients(disc, loss(disc, x, fake) + gamma / 2 * r1_penalty(disc, x))


def per_style(change):
    return lambda w, w_mean, psi: change(w[:, None].expand(-1, len(psi), -1), w_mean, psi[:, None])


def deviation_of(change):
    """Um desvio errado: ``change`` recebe os pesos já escalados (B, n_out, n_in, k, k)."""
    return lambda weight, style: change(weight * style[:, None, :, None, None])


over = (2, 3, 4)

MISTAKES = [
    ("q1", styled(lambda h, s, b: s * normalize(h, 0, 2, 3) + b), "normalização de lote"),
    ("q1", styled(lambda h, s, b: s * normalize(h, 1, 2, 3) + b), "todos os mapas do exemplo juntos"),
    ("q1", styled(lambda h, s, b: s * normalize(h, 1) + b), "saíram dos canais"),
    ("q1", styled(lambda h, s, b: s * normalize(h, 3) + b), "sobre os dois eixos"),
    (
        "q1",
        styled(lambda h, s, b: s * centre(h) / (spread(h).square() + 1e-8) + b),
        "raiz dela",
    ),
    ("q1", styled(lambda h, s, b: s * normalize(h, 2, 3, unbiased=True) + b), "n - 1"),
    ("q1", styled(lambda h, s, b: s * (normalize(h, 2, 3) + b)), "também foi multiplicado"),
    ("q1", styled(lambda h, s, b: b * normalize(h, 2, 3) + s), "estão trocados"),
    ("q1", styled(lambda h, s, b: (1 + s) * normalize(h, 2, 3) + b), "já vem dentro"),
    ("q1", styled(lambda h, s, b: s * h + b), "apagar o estilo"),
    ("q1", styled(lambda h, s, b: s * centre(h) + b), "dividir pelo desvio"),
    (
        "q1",
        styled(lambda h, s, b: s * h / (spread(h) + 1e-8) + b),
        "subtrair a média",
    ),
    ("q1", styled(lambda h, s, b: normalize(s * h + b, 2, 3)), "antes de normalizar"),
    ("q1", styled(lambda h, s, b: s * normalize(h, 2, 3)), "somar `shift`"),
    ("q1", styled(lambda h, s, b: normalize(h, 2, 3) + b), "multiplicar por `scale`"),
    ("q1", styled(lambda h, s, b: normalize(h, 2, 3)), "falta escrever o novo"),
    ("q1", styled(lambda h, s, b: s * centre(h) / spread(h) + b), "Some 1e-8"),
    ("q1", lambda h, scale, shift: h.clone(), "voltou como entrou"),
    ("q1", lambda h, scale, shift: shift[:, :, None, None].expand_as(h), "não conferem"),
    ("q1", lambda h, scale, shift: shift, "a forma é"),
    ("q1", lambda h, scale, shift: h.sub_(h.mean((2, 3), keepdim=True)), "alterou o argumento"),
    ("q2", r1_of(lambda g: g.square().mean()), "média sobre os pixels"),
    ("q2", r1_of(lambda g: g.square().sum()), "você somou as imagens"),
    ("q2", r1_of(lambda g: norms(g).mean()), "média das normas"),
    ("q2", r1_of(lambda g: norms(g).mean() ** 2), "só depois tire a média"),
    ("q2", r1_of(lambda g: g.mean(0).square().sum()), "entrou cedo demais"),
    ("q2", r1_of(right_r1, loss=torch.mean), "derivou a média dos logits"),
    ("q2", r1_of(lambda g: right_r1(g) / len(g)), "uma vez a mais"),
    ("q2", r1_of(lambda g: right_r1(g) / 2), "próxima questão"),
    ("q2", r1_of(lambda g: g.abs().sum(1).mean()), "e não os módulos"),
    ("q2", r1_of(lambda g: (norms(g) - 1).square().mean()), "Wasserstein"),
    ("q2", r1_of(right_r1, loss=lambda a: a.sigmoid().sum()), "sigmoide"),
    ("q2", lambda disc, x: disc(x).square().mean(), "quadrado do logit"),
    ("q2", r1_of(lambda g: -right_r1(g)), "o sinal está trocado"),
    ("q2", r1_of(lambda g: g.square().sum(1)), "Falta a média sobre o lote"),
    ("q2", r1_of(lambda g: g.view(-1, 1, 28, 28)), "Falta elevar ao quadrado"),
    ("q2", lambda disc, x: r1_penalty(disc, x).item(), "sem `.item()`"),
    ("q2", detached_r1, "create_graph=True"),
    ("q2", lambda disc, x: torch.zeros((), requires_grad=True), "o número não confere"),
    # Quem põe a marca num resultado sem caminho passa na q2, que só vê números, e não passa daqui.
    (
        "q3",
        lambda disc, x, fake, gamma: gradients(
            disc, disc_loss(disc, x, fake) + gamma / 2 * detached_r1(disc, x).requires_grad_()
        ),
        "não o refaz",
    ),
    ("q3", disc_step(weight=lambda gamma: 0), "sem a penalidade"),
    ("q3", disc_step(weight=lambda gamma: gamma), "falta o 1/2"),
    ("q3", disc_step(weight=lambda gamma: 0.5), "falta o γ"),
    ("q3", disc_step(weight=lambda gamma: 1), "com peso 1"),
    ("q3", disc_step(penalty=lambda disc, x, fake: r1_penalty(disc, fake)), "cobrada nas falsas"),
    (
        "q3",
        disc_step(penalty=lambda disc, x, fake: r1_penalty(disc, x) + r1_penalty(disc, fake)),
        "só nas reais",
    ),
    ("q3", disc_step(weight=lambda gamma: -gamma / 2), "se soma à perda"),
    ("q3", disc_step(game=-1.0), "a perda do jogo está com o sinal"),
    ("q3", disc_step(game=-1.0, weight=lambda gamma: -gamma / 2), "que se minimiza"),
    ("q3", disc_step(game=0.0), "falta a perda do jogo"),
    ("q3", disc_step(game=0.5), "sem dividir por 2"),
    ("q3", disc_step(penalty=lambda disc, x, fake: r1_penalty(disc, x) / 784), "número de pixels"),
    ("q3", other_game(lambda disc, x, fake: F.softplus(-disc(x)).mean()), "parte das falsas"),
    ("q3", other_game(lambda disc, x, fake: F.softplus(disc(fake)).mean()), "parte das reais"),
    ("q3", other_game(lambda disc, x, fake: F.softplus(-disc(fake)).mean()), "perda do gerador"),
    ("q3", other_game(lambda disc, x, fake: disc_loss(disc, fake, x)), "alvos estão trocados"),
    ("q3", lambda disc, x, fake, gamma: [p.grad for p in disc.parameters()], "nenhum gradiente chegou"),
    ("q3", lambda disc, x, fake, gamma: disc_gradients(disc, x, fake, gamma)[::-1], "a forma é"),
    ("q3", lambda disc, x, fake, gamma: disc_gradients(disc, x, fake, gamma)[0], "esperava a tupla"),
    ("q3", lambda disc, x, fake, gamma: [p.detach().clone() for p in disc.parameters()], "não conferem"),
    ("q4", per_style(lambda w, mean, psi: psi * w), "puxou para zero"),
    ("q4", per_style(lambda w, mean, psi: torch.lerp(w, mean.expand_as(w), psi)), "está ao contrário"),
    ("q4", per_style(lambda w, mean, psi: mean + psi * w), "**diferença**"),
    ("q4", per_style(lambda w, mean, psi: mean - psi * (w - mean)), "outro lado da média"),
    ("q4", per_style(lambda w, mean, psi: psi * (w - mean)), "somar a média de volta"),
    ("q4", per_style(lambda w, mean, psi: w - psi * mean), "encolha a diferença"),
    ("q4", per_style(lambda w, mean, psi: torch.lerp(w.mean(0, keepdim=True).expand_as(w), w, psi)), "média do lote"),
    ("q4", per_style(lambda w, mean, psi: w.clone()), "não mudaram"),
    ("q4", per_style(lambda w, mean, psi: mean.expand_as(w)), "todo ψ fosse zero"),
    ("q4", per_style(lambda w, mean, psi: mean + psi.mean() * (w - mean)), "cada uma tem o seu ψ"),
    ("q4", per_style(lambda w, mean, psi: mean + psi.flip(0) * (w - mean)), "ordem inversa"),
    ("q4", per_style(lambda w, mean, psi: mean + (w - mean) / psi), "dividida, ela cresce"),
    ("q4", lambda w, mean, psi: mean + psi[0] * (w - mean), "um estilo por camada"),
    ("q4", lambda w, mean, psi: truncate(w, mean, psi).transpose(0, 1), "exemplos vêm primeiro"),
    ("q4", lambda w, mean, psi: truncate(w, mean, psi).transpose(1, 2), "segundo eixo"),
    ("q4", per_style(lambda w, mean, psi: torch.zeros_like(w)), "não conferem"),
    ("q5", deviation_of(lambda scaled: scaled.square().sum(over)), "essa é a variância"),
    ("q5", lambda weight, style: 1 / output_deviation(weight, style), "fator da demodulação"),
    ("q5", lambda weight, style: 1 / output_deviation(weight, style) ** 2, "inverso da variância"),
    ("q5", lambda weight, style: output_deviation(weight, torch.ones_like(style)), "ficou de fora"),
    ("q5", lambda weight, style: (style.square() @ weight.sum((2, 3)).square().T).sqrt(), "posição por posição"),
    ("q5", deviation_of(lambda scaled: scaled.sum(over).square().sqrt()), "soma dos quadrados"),
    ("q5", deviation_of(lambda scaled: scaled.sum(over)), "faltou o quadrado"),
    ("q5", deviation_of(lambda scaled: scaled.abs().sum(over)), "e não os módulos"),
    ("q5", lambda weight, style: (style @ weight.square().sum((2, 3)).T).sqrt(), "raiz de um número negativo"),
    (
        "q5",
        lambda weight, style: (style.abs() @ weight.square().sum((2, 3)).T).sqrt(),
        "o estilo também entra ao quadrado",
    ),
    ("q5", deviation_of(lambda scaled: scaled.square().mean(over).sqrt()), "você tirou a média"),
    ("q5", lambda weight, style: (style.square() @ weight.square().mean((2, 3)).T).sqrt(), "a média delas"),
    ("q5", deviation_of(lambda scaled: scaled.flatten(2).std(-1)), "**dos pesos**"),
    ("q5", lambda weight, style: output_deviation(weight, 1 + style), "não some 1"),
    ("q5", lambda weight, style: output_deviation(weight, style).T, "exemplos vêm primeiro"),
    ("q5", lambda weight, style: output_deviation(weight, style)[0], "Cada exemplo tem o seu estilo"),
    ("q5", deviation_of(lambda scaled: scaled.square().sum((1, 3, 4)).sqrt()), "some sobre os que entram"),
    ("q5", deviation_of(lambda scaled: scaled.square().sum(2).sqrt()), "posições do núcleo"),
    ("q5", lambda weight, style: torch.ones(len(style), len(weight)), "não conferem"),
]
