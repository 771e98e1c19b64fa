"""Respostas certas e enganos do exercício 09_interpolacao."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch


def pick_pair(images, labels, digit_a, digit_b):
    def typical(digit):
        candidates = images[labels == digit]
        return min(candidates, key=lambda image: torch.dist(image, candidates.mean(0)).item())

    return torch.stack([typical(digit_a), typical(digit_b)])


def latent_code(model, x):
    with torch.no_grad():
        code = model.encode(x)
    return code[0] if isinstance(code, tuple) else code


def interpolate(z_a, z_b, n):
    return torch.stack([z_a + t * (z_b - z_a) for t in torch.linspace(0, 1, n)])


def latent_path(model, x, n):
    z_a, z_b = latent_code(model, x)
    return model.decode(interpolate(z_a, z_b, n)).detach()


def even_times(frames):
    jumps = [0.0, *((b - a).norm().item() for a, b in pairwise(frames))]
    travelled, n = torch.tensor(jumps, dtype=torch.float64).cumsum(0), len(frames)
    times = []
    for wanted in torch.linspace(0, 1, n, dtype=torch.float64) * travelled[-1]:
        i = min(int((travelled < wanted - 1e-12).sum()), n - 1)
        before = 0.0 if i == 0 else float((wanted - travelled[i - 1]) / (travelled[i] - travelled[i - 1]))
        times.append(0.0 if i == 0 else (i - 1 + before) / (n - 1))
    return times


def centred(x):
    x = x.flatten(1)
    return x - x.mean(1, keepdim=True)


def correlations(frames, images):
    return torch.nn.functional.normalize(centred(frames)) @ torch.nn.functional.normalize(centred(images)).T


def distance_to_real(frames, images):
    return 1 - correlations(frames, images).amax(1)


def own_kind_share(codes, prior, k):
    both, n, m = torch.cat([codes, prior]), len(codes), len(prior)
    distance = torch.cdist(both, both)
    distance.fill_diagonal_(torch.inf)
    kind = torch.tensor([0] * n + [1] * m)
    same = kind[distance.topk(k, largest=False).indices] == kind[:, None]
    return same.float().mean(), (n / (n + m)) * (n - 1) / (n + m - 1) + (m / (n + m)) * (m - 1) / (n + m - 1)


RIGHT = {
    function.__name__: function
    for function in (
        pick_pair,
        latent_code,
        interpolate,
        latent_path,
        even_times,
        distance_to_real,
        own_kind_share,
    )
}


def even_with_numpy(frames):
    flat = frames.numpy().reshape(len(frames), -1)
    travelled = np.concatenate([[0], np.sqrt((np.diff(flat, axis=0) ** 2).sum(1)).cumsum()])
    even = np.linspace(0, 1, len(frames))
    return np.interp(even, travelled / travelled[-1], even)


ALSO_RIGHT = [
    ("q3", lambda a, b, n: interpolate(a, b, n).numpy()),
    ("q5", lambda frames: torch.tensor(even_times(frames), dtype=torch.float32)),
    ("q5", even_with_numpy),
    ("q7", lambda *a: [float(item) for item in own_kind_share(*a)]),
    ("q7", lambda c, p, k: own_kind_share(c.double(), p.double(), k)),
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


def travelled(frames):
    return torch.cat([torch.zeros(1), jumps_of(frames).cumsum(0)])


def inverted(frames, jumps):
    """Os instantes, com outros saltos."""
    walked = np.concatenate([[0], np.cumsum(jumps.double().numpy())])
    even = np.linspace(0, 1, len(frames))
    return np.interp(even * walked[-1], walked, even)


def nearest_frame(frames):
    even, walked = torch.linspace(0, 1, len(frames)), travelled(frames)
    return even[(walked[:, None] - even * walked[-1]).abs().argmin(0)]


def ranked(images, labels, digit):
    """As imagens da classe, da mais próxima da média à mais distante."""
    candidates = images[labels == digit]
    return candidates[(candidates - candidates.mean(0)).flatten(1).norm(dim=1).argsort()]


def nearest_to(images, labels, digits, centre):
    found = []
    for digit in digits:
        candidates = images[labels == digit]
        found.append(candidates[(candidates - centre(digit)).flatten(1).norm(dim=1).argmin()])
    return torch.stack(found)


def same_kind(codes, prior, k):
    both = torch.cat([codes, prior])
    kinds = torch.arange(len(both)) < len(codes)
    distance = torch.cdist(both, both) + torch.diag(torch.full((len(both),), torch.inf))
    return (kinds[distance.argsort(dim=1)[:, :k]] == kinds[:, None]).float()


def with_itself(codes, prior, k):
    both = torch.cat([codes, prior])
    kinds = torch.arange(len(both)) < len(codes)
    return (kinds[torch.cdist(both, both).argsort(dim=1)[:, :k]] == kinds[:, None]).float().mean()


def share_with(change):
    return lambda c, p, k: (change(same_kind(c, p, k), k), own_kind_share(c, p, k)[1])


def expected_with(change):
    return lambda c, p, k: (own_kind_share(c, p, k)[0], change(len(c), len(p)))


MISTAKES = [
    ("q1", lambda i, y, a, b: (first(i, y, a), first(i, y, b)), "torch.stack"),
    ("q1", lambda i, y, a, b: torch.stack([i[a], i[b]]), "como posição"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, b, a), "ordem está trocada"),
    ("q1", lambda i, y, a, b: pick_pair(i, y, a, a), "outra classe"),
    ("q1", lambda i, y, a, b: torch.stack([first(i, y, a), first(i, y, b)]), "a primeira imagem da classe"),
    ("q1", lambda i, y, a, b: torch.stack([i[y == d].mean(0) for d in (a, b)]), "que ninguém escreveu"),
    ("q1", lambda i, y, a, b: nearest_to(i, y, (a, b), lambda d: i.mean(0)), "e não a de todas"),
    ("q1", lambda i, y, a, b: torch.stack([ranked(i, y, d)[-1] for d in (a, b)]), "menos típicas"),
    ("q1", lambda i, y, a, b: torch.stack([ranked(i, y, d)[1] for d in (a, b)]), "mais próxima da média"),
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
    ("q3", lambda a, b, n: interpolate(a, b, n).int(), "não estão na reta"),
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
    ("q5", jumps_of, "há n - 1 saltos"),
    ("q5", lambda f: even_times(f)[1:-1], "contam entre os n"),
    ("q5", lambda f: torch.linspace(0, 1, len(f)), "os instantes de partida"),
    ("q5", lambda f: travelled(f) / travelled(f)[-1], "queremos o contrário"),
    ("q5", travelled, "o caminho andado em cada quadro"),
    ("q5", lambda f: [(len(f) - 1) * t for t in even_times(f)], "você os contou em quadros"),
    ("q5", lambda f: [1 - t for t in even_times(f)], "ao contrário"),
    ("q5", lambda f: even_times(f)[::-1], "ao contrário"),
    ("q5", lambda f: inverted(f, jumps_of(f).square()), "faltou a raiz"),
    ("q5", lambda f: inverted(f, (f[1:] - f[:-1]).abs().sum((1, 2, 3))), "valores absolutos"),
    ("q5", lambda f: inverted(f, (f - f[0]).flatten(1).norm(dim=1).diff()), "ao primeiro quadro"),
    ("q5", lambda f: nearest_frame(f), "pelo quadro mais próximo"),
    ("q5", lambda f: (s := (1 / jumps_of(f)).cumsum(0)) is not None and [0.0, *(s / s[-1])], "da inversa da função"),
    ("q5", lambda f: [0.1, *even_times(f)[1:]], "o primeiro instante é 0"),
    ("q5", lambda f: [0.0, 0.9, 0.1, *even_times(f)[3:]], "os instantes crescem"),
    ("q5", lambda f: [t**1.1 for t in even_times(f)], "0,444"),
    ("q5", lambda f: "1,2", "esperava"),
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
    ("q7", share_with(lambda s, k: s.mean() * 0 + 1), "nas duas nuvens juntas"),
    ("q7", share_with(lambda s, k: 1 - s.mean()), "da *outra* nuvem"),
    ("q7", share_with(lambda s, k: k * s.mean()), "pelo número de vizinhos"),
    ("q7", share_with(lambda s, k: (s.mean(1) > 0.5).float().mean()), "sem votação"),
    ("q7", share_with(lambda s, k: s.mean(1)), "a média de todos"),
    ("q7", share_with(lambda s, k: s), "sobre os vizinhos"),
    ("q7", lambda c, p, k: (same_kind(c, p, k)[: len(c)].mean(), own_kind_share(c, p, k)[1]), "e não só os códigos"),
    ("q7", lambda c, p, k: (same_kind(c, p, k)[len(c) :].mean(), own_kind_share(c, p, k)[1]), "e não só os da priori"),
    (
        "q7",
        lambda c, p, k: (
            (same_kind(c, p, k)[: len(c)].mean() + same_kind(c, p, k)[len(c) :].mean()) / 2,
            own_kind_share(c, p, k)[1],
        ),
        "o mesmo peso",
    ),
    ("q7", lambda c, p, k: (with_itself(c, p, k), own_kind_share(c, p, k)[1]), "é o próprio ponto"),
    ("q7", lambda c, p, k: (with_itself(c, p, k + 1), own_kind_share(c, p, k)[1]), "é o próprio ponto"),
    ("q7", lambda c, p, k: (same_kind(c, p, 1).mean(), own_kind_share(c, p, k)[1]), "e não só o primeiro"),
    ("q7", lambda *a: own_kind_share(*a)[::-1], "(fatia, esperada)"),
    ("q7", share_with(lambda s, k: 0.123), "sem ele mesmo"),
    ("q7", expected_with(lambda n, m: 0.5), "só é 1/2"),
    ("q7", expected_with(lambda n, m: (n**2 + m**2) / (n + m) ** 2), "não é vizinho de si"),
    ("q7", expected_with(lambda n, m: (n - 1) / (n + m - 1)), "faça a média"),
    ("q7", expected_with(lambda n, m: (n + m - 2) / (2 * (n + m - 1))), "pese pelos tamanhos"),
    ("q7", expected_with(lambda n, m: 7.0), "é 1/3"),
]
