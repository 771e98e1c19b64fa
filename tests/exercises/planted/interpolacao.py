"""Respostas certas e enganos do exercício 09_interpolacao."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch


def pick_pair(images, labels, digit_a, digit_b):
    # Outra resposta certa que não a da solução: a última imagem de cada classe.
    return torch.stack([images[labels == digit][-1] for digit in (digit_a, digit_b)])


def latent_code(model, x):
    with torch.no_grad():
        code = model.encode(x)
    return code[0] if isinstance(code, tuple) else code


def interpolate(z_a, z_b, n):
    return torch.stack([z_a + t * (z_b - z_a) for t in torch.linspace(0, 1, n)])


def latent_path(model, x, n):
    z_a, z_b = latent_code(model, x)
    return model.decode(interpolate(z_a, z_b, n)).detach()


def jump_ratio(frames):
    jumps = [(b - a).norm().item() for a, b in pairwise(frames)]
    return max(jumps) / (sum(jumps) / len(jumps))


def centred(x):
    x = x.flatten(1)
    return x - x.mean(1, keepdim=True)


def correlations(frames, images):
    return torch.nn.functional.normalize(centred(frames)) @ torch.nn.functional.normalize(centred(images)).T


def distance_to_real(frames, images):
    return 1 - correlations(frames, images).amax(1)


RIGHT = {
    function.__name__: function
    for function in (pick_pair, latent_code, interpolate, latent_path, jump_ratio, distance_to_real)
}


ALSO_RIGHT = [
    ("q5", lambda frames: torch.tensor(jump_ratio(frames))),
    ("q5", lambda frames: np.float64(jump_ratio(frames))),
]


def first(images, labels, digit):
    return images[labels == digit][0]


def sampled(model, x):
    code = model.encode(x)
    if isinstance(code, tuple):
        return (code[0] + torch.exp(0.5 * code[1]) * torch.randn_like(code[0])).detach()
    return code.detach()


def vae_part(select):
    def answer(model, x):
        with torch.no_grad():
            code = model.encode(x)
            return select(model, x, code) if isinstance(code, tuple) else code

    return answer


def autoencoder_part(select):
    def answer(model, x):
        with torch.no_grad():
            code = model.encode(x)
            return code[0] if isinstance(code, tuple) else select(model, x, code)

    return answer


def line(z_a, z_b, t):
    return z_a + t[:, None] * (z_b - z_a)


def path_of_sample(model, x, n):
    with torch.no_grad():
        return model.decode(interpolate(*sampled(model, x), n))


def slerp(z_a, z_b, n):
    t = torch.linspace(0, 1, n)[:, None]
    omega = torch.arccos(torch.cosine_similarity(z_a, z_b, dim=0))
    return (torch.sin((1 - t) * omega) * z_a + torch.sin(t * omega) * z_b) / torch.sin(omega)


def crossfade(model, x, n):
    with torch.no_grad():
        ends = model.decode(latent_code(model, x))
    return torch.lerp(ends[:1], ends[1:], torch.linspace(0, 1, n).view(-1, 1, 1, 1))


def logits_path(model, x, n):
    points = interpolate(*latent_code(model, x), n)
    with torch.no_grad():
        return model.decode_logits(points) if hasattr(model, "decode_logits") else model.decode(points)


def crooked_path(model, x, n):
    z_a, z_b = latent_code(model, x)
    with torch.no_grad():
        return model.decode(line(z_a, z_b, torch.linspace(0, 1, n) ** 2))


def jumps_of(frames):
    return (frames[1:] - frames[:-1]).flatten(1).norm(dim=1)


MISTAKES = [
    ("q1", lambda i, y, a, b: (first(i, y, a), first(i, y, b)), "torch.stack"),
    ("q1", lambda i, y, a, b: torch.stack([i[a], i[b]]), "como posição"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, b, a), "ordem está trocada"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, a, a), "outra classe"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, a, b).squeeze(1), "eixo do canal"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, a, b).flatten(1), "Não achate"),
    ("q1", lambda i, y, a, b: i[(y == a) | (y == b)], "fique com uma só"),
    ("q1", lambda i, y, a, b: torch.tensor([a, b]), "rótulos ou índices"),
    ("q1", lambda i, y, a, b: first(i, y, a), "esperava (2, 1, 28, 28)"),
    ("q1", lambda i, y, a, b: first(i, y, a)[None], "esperava (2, 1, 28, 28)"),
    ("q1", lambda i, y, a, b: (pick_pair(i, y, a, b) + 1) / 2, "sem mexer nos pixels"),
    ("q2", vae_part(lambda model, x, code: code), "par (mu, logvar)"),
    ("q2", lambda model, x: model.encode(x)[0].detach(), "só a primeira imagem"),
    ("q2", lambda model, x: RIGHT["latent_code"](model, x).requires_grad_(), "grafo da derivada"),
    ("q2", lambda model, x: model.encode(x)[0] if isinstance(model.encode(x), tuple) else model.encode(x), "no_grad"),
    ("q2", sampled, "amostra"),
    ("q2", vae_part(lambda model, x, code: code[1]), "devolveu logvar"),
    ("q2", vae_part(lambda model, x, code: torch.exp(0.5 * code[1])), "devolveu o desvio"),
    ("q2", vae_part(lambda model, x, code: code[1].exp()), "devolveu o desvio"),
    ("q2", vae_part(lambda model, x, code: model.encoder(x.flatten(1))), "camada oculta"),
    ("q2", vae_part(lambda model, x, code: torch.cat(code, 1)), "colados"),
    ("q2", vae_part(lambda model, x, code: model.decode(code[0])), "a reconstrução"),
    ("q2", vae_part(lambda model, x, code: code[0] + 100), "não são o mu"),
    ("q2", autoencoder_part(lambda model, x, code: model.encoder(x.flatten(1))), "faltou a ReLU"),
    ("q2", autoencoder_part(lambda model, x, code: model(x)), "a reconstrução"),
    ("q2", autoencoder_part(lambda model, x, code: code + 1), "não são os de `model.encode(x)`"),
    ("q3", lambda a, b, n: interpolate(a, b, n).T, "eixos estão trocados"),
    ("q3", lambda a, b, n: interpolate(a, b, n + 2), "pontos demais"),
    ("q3", lambda a, b, n: interpolate(a, b, n + 2)[1:-1], "não passa por `z_a` nem `z_b`"),
    ("q3", lambda a, b, n: line(a, b, torch.arange(n) / n), "não passa por `z_b`"),
    ("q3", lambda a, b, n: interpolate(b, a, n), "ao contrário"),
    ("q3", lambda a, b, n: interpolate(a, b, 5), "nem sempre 5"),
    ("q3", lambda a, b, n: [a + t * (b - a) for t in torch.linspace(0, 1, n)], "torch.stack"),
    ("q3", lambda a, b, n: a + torch.linspace(0, 1, n)[:, None] * b, "não se chega a `z_b`"),
    ("q3", lambda a, b, n: slerp(a, b, n), "esférica"),
    ("q3", lambda a, b, n: line(a, b, torch.linspace(0, 1, n) ** 2), "passos não são iguais"),
    ("q3", lambda a, b, n: (a + b) / 2, "um ponto só"),
    ("q3", lambda a, b, n: torch.linspace(0, 1, n), "valores de t"),
    ("q3", lambda a, b, n: interpolate(a, b, n + 1)[:-1].round(), "não estão na reta"),
    ("q3", lambda a, b, n: interpolate(a, b, n) * float("nan"), "NaN"),
    ("q3", lambda a, b, n: interpolate(a, b, n).int(), "números com vírgula"),
    ("q3", lambda a, b, n: interpolate(a, b, n).numpy(), "NumPy"),
    ("q4", lambda model, x, n: interpolate(*latent_code(model, x), n), "falta decodificar"),
    ("q4", lambda model, x, n: interpolate(x[0].flatten(), x[1].flatten(), n).view(n, 1, 28, 28), "os pixels"),
    ("q4", lambda model, x, n: latent_path(model, x.flip(0), n), "ao contrário"),
    ("q4", lambda model, x, n: crossfade(model, x, n), "já decodificadas"),
    ("q4", lambda model, x, n: (latent_path(model, x, n) + 1) / 2, "[0, 1]"),
    ("q4", lambda model, x, n: latent_path(model, x, 5), "nem sempre 5"),
    ("q4", lambda model, x, n: latent_path(model, x, n)[:, 0], "eixo do canal"),
    ("q4", lambda model, x, n: latent_path(model, x, n).flatten(1), "saída crua"),
    ("q4", lambda model, x, n: latent_path(model, x, 2), "falta interpolar"),
    ("q4", lambda model, x, n: model.decode(interpolate(*latent_code(model, x), n)), "grafo da derivada"),
    ("q4", logits_path, "logits"),
    ("q4", path_of_sample, "não são as reconstruções"),
    ("q4", crooked_path, "passos iguais"),
    ("q5", jumps_of, "falta reduzi-los"),
    ("q5", lambda f: jumps_of(f).max(), "maior salto"),
    ("q5", lambda f: jumps_of(f).mean(), "salto médio"),
    ("q5", lambda f: jumps_of(f).mean() / jumps_of(f).max(), "invertida"),
    ("q5", lambda f: jumps_of(f).max() / jumps_of(f).min(), "menor salto"),
    ("q5", lambda f: jumps_of(f).max() / jumps_of(f).sum(), "pela soma"),
    ("q5", lambda f: jumps_of(f).max() / (jumps_of(f).sum() / len(f)), "n - 1"),
    ("q5", lambda f: jumps_of(f).square().max() / jumps_of(f).square().mean(), "faltou a raiz"),
    ("q5", lambda f: (d := (f[1:] - f[:-1]).abs().sum((1, 2, 3))).max() / d.mean(), "valores absolutos"),
    ("q5", lambda f: (d := (f[1:] - f[0]).flatten(1).norm(dim=1)).max() / d.mean(), "com o primeiro"),
    ("q5", lambda f: jumps_of(f).max() / (f[-1] - f[0]).norm(), "entre as pontas"),
    ("q5", lambda f: 0.5, "menor que 1"),
    ("q5", lambda f: 9.75, "não confere"),
    ("q5", lambda f: "1,2", "esperava um número"),
    ("q5", lambda f: True, "esperava um número"),
    ("q6", lambda f, i: correlations(f, i).amax(1), "cresce com a semelhança"),
    ("q6", lambda f, i: 1 - correlations(f, i), "a menor de cada linha"),
    ("q6", lambda f, i: 1 - correlations(f, i).amax(0), "sobre as imagens reais"),
    ("q6", lambda f, i: 1 - correlations(f, i).max(), "por quadro, e não um só"),
    ("q6", lambda f, i: 1 - correlations(f, i).amin(1), "menos parecida"),
    ("q6", lambda f, i: 1 - correlations(f, i).mean(1), "tirou a média"),
    ("q6", lambda f, i: 1 - torch.cosine_similarity(f.flatten(1)[:, None], i.flatten(1), dim=2).amax(1), "a média dos"),
    ("q6", lambda f, i: torch.cdist(f.flatten(1), i.flatten(1)).amin(1), "euclidiana"),
    ("q6", lambda f, i: 1 - (centred(f) @ centred(i).T).amax(1), "divida cada imagem"),
    ("q6", lambda f, i: 1 - correlations(f, i).amax(1, keepdim=True), "keepdim"),
    ("q6", lambda f, i: distance_to_real(f, i) + 0.1, "não conferem"),
]
