"""Respostas certas e enganos do exercício 04_gan."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

bce = F.binary_cross_entropy_with_logits


def disc_loss(real_logits, fake_logits):
    return bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))


def gen_losses(fake_logits):
    return F.logsigmoid(-fake_logits).mean(), -F.logsigmoid(fake_logits).mean()


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


def jsd(p, q):
    """A JSD tirada do valor do jogo no discriminador ótimo."""
    d = p / (p + q)
    return ((torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum() + math.log(4)) / 2


def conditional_game(p_data, p_g):
    return p_data / (p_data + p_g), jsd(p_data, p_g), jsd(p_data.sum(1), p_g.sum(1))


def wasserstein_1d(fake, fake_mass, real, real_mass):
    """Trecho a trecho, contando à mão a massa que já passou."""
    points = sorted(fake.tolist() + real.tolist())
    distance, slopes = 0.0, []
    for left, right in pairwise(points):
        excess = fake_mass[fake <= left].sum() - real_mass[real <= left].sum()
        distance += (right - left) * abs(float(excess))
        slopes.append(math.copysign(1, float(excess)))
    return distance, torch.tensor(slopes)


def game_factors(lr, penalty):
    keep = 1 - lr * penalty
    pairs = [[[1, -lr], [lr, keep]], [[1, -lr], [lr, keep - lr * lr]]]
    return tuple(np.abs(np.linalg.eigvals(np.array(pair))).max() for pair in pairs)


def measures(run, centers, radius):
    """De uma partida: fração nos modos, cobertos em cada instante, cobertos alguma vez e os passos do centro."""
    inside = torch.stack([torch.cdist(points, centers) < radius for points in run])
    covered = inside.float().mean(1) >= 0.05
    move = (run.mean(1)[1:] - run.mean(1)[:-1]).norm(dim=1)
    return inside.any(2).float().mean(), covered, covered.any(0).sum(), move


def verdict(run, centers, radius):
    on_modes, covered, ever, move = measures(run, centers, radius)
    if on_modes < 0.2:
        return 3 if move.mean() > radius else 4
    if covered.sum(1).float().mean() > len(centers) / 2:
        return 0
    return 2 if ever > len(centers) / 2 else 1


def diagnose_runs(runs, centers, radius):
    return [verdict(run, centers, radius) for run in runs]


RIGHT = {
    function.__name__: function
    for function in (disc_loss, game_gradients, conditional_game, wasserstein_1d, game_factors, diagnose_runs)
}


def half_kl(p, q):
    return 0.5 * torch.where(p > 0, p * (p / q).log(), torch.zeros_like(p)).sum()


def by_definition(p_data, p_g):
    """A JSD pela definição, e as marginais por einsum."""
    values = []
    for p, q in ((p_data, p_g), (torch.einsum("xy->x", p_data), torch.einsum("xy->x", p_g))):
        m = (p + q) / 2
        values.append((half_kl(p, m) + half_kl(q, m)).item())
    return 1 / (1 + p_g / p_data.clamp_min(1e-30)), *values


def by_cumulative(fake, fake_mass, real, real_mass):
    points, order = torch.cat([fake, real]).sort()
    excess = torch.cat([fake_mass, -real_mass])[order].cumsum(0)[:-1]
    return (points.diff() * excess.abs()).sum(), excess.sign()


def in_numpy(fake, fake_mass, real, real_mass):
    from scipy.stats import wasserstein_distance

    inputs = [value.double().numpy() for value in (fake, real, fake_mass, real_mass)]
    return wasserstein_distance(*inputs), by_cumulative(fake, fake_mass, real, real_mass)[1]


def by_formula(lr, penalty):
    """As raízes do polinômio característico."""
    factors = []
    for trace, determinant in (
        (2 - lr * penalty, 1 - lr * penalty + lr**2),
        (2 - lr * penalty - lr**2, 1 - lr * penalty),
    ):
        root = complex(trace**2 - 4 * determinant) ** 0.5
        factors.append(max(abs(trace + root), abs(trace - root)) / 2)
    return factors


def in_batch(runs, centers, radius):
    inside = (runs[:, :, :, None] - centers).norm(dim=-1) < radius  # (R, T, N, M)
    covered = inside.float().mean(2) >= 0.05
    half, on_modes = len(centers) / 2, inside.any(3).float().mean((1, 2))
    move = runs.mean(2).diff(dim=1).norm(dim=2).mean(1)
    off = torch.where(move > radius, 3, 4)
    few = torch.where(covered.any(1).sum(1) > half, 2, 1)
    on = torch.where(covered.sum(2).float().mean(1) > half, 0, few)
    return torch.where(on_modes < 0.2, off, on)


ALSO_RIGHT = [
    ("q1", lambda real, fake: (F.softplus(-real).mean() + F.softplus(fake).mean()).item()),
    ("q1", lambda real, fake: -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()),
    ("q2", lambda *a: play(*a, detach=False)),  # sem detach, mas zerando a conta do gerador: certo, e mais caro
    ("q3", by_definition),
    ("q3", lambda p, q: [item.double() for item in conditional_game(p.double(), q.double())]),
    ("q4", by_cumulative),
    ("q4", in_numpy),
    ("q5", by_formula),
    ("q5", lambda lr, penalty: tuple(torch.tensor(factor).float() for factor in game_factors(lr, penalty))),
    ("q6", in_batch),
    ("q6", lambda runs, centers, radius: np.array(diagnose_runs(runs.double(), centers.double(), radius))),
]


def naive_disc(real, fake):
    return -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()


def clipped(logits, target):
    return F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


def soft(real, fake, a, b):
    return a * F.softplus(-real).mean() + b * F.softplus(fake).mean()


def with_item(function, index, change):
    """A resposta certa com só um item trocado."""

    def answer(*inputs):
        items = list(function(*inputs))
        items[index] = change(items[index], *inputs)
        return tuple(items)

    return answer


def game_with(index, change):
    return with_item(conditional_game, index, change)


def line_with(index, change):
    return with_item(wasserstein_1d, index, change)


def factor_with(index, change):
    return with_item(game_factors, index, change)


def naive_jsd(p, q):
    m = (p + q) / 2
    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2


def jsd_of_means(p, q):
    """A JSD com a média sobre as etiquetas no lugar da soma."""
    p, q = p.mean(1), q.mean(1)
    return half_kl(p, (p + q) / 2) + half_kl(q, (p + q) / 2)


def excess_of(fake, fake_mass, real, real_mass, order=None):
    points, own = torch.cat([fake, real]).sort()
    masses = torch.cat([fake_mass, -real_mass])
    return points.diff(), (masses[own] if order is None else masses).cumsum(0)[:-1]


def equal(mass):
    return torch.full_like(mass, 1 / len(mass))


def swap(answer):
    return lambda *inputs: answer(*inputs)[::-1]


def recode(change):
    return lambda *inputs: [change.get(code, code) for code in diagnose_runs(*inputs)]


def last_only(runs, centers, radius):
    return diagnose_runs(runs[:, -1:], centers, radius)


def pooled(runs, centers, radius):
    """Todos os instantes num monte só, menos o movimento."""
    codes = diagnose_runs(runs, centers, radius)
    everything = diagnose_runs(runs.flatten(1, 2)[:, None], centers, radius)
    return [code if code in (3, 4) else other for code, other in zip(codes, everything, strict=True)]


def moving_first(runs, centers, radius):
    codes = diagnose_runs(runs, centers, radius)
    return [3 if measures(run, centers, radius)[3].mean() > radius else c for run, c in zip(runs, codes, strict=True)]


def no_radius(runs, centers, radius):
    nearest = torch.stack([torch.cdist(run.flatten(0, 1), centers).argmin(1).view(run.shape[:2]) for run in runs])
    return diagnose_runs(centers[nearest], centers, radius)


def ends_only(runs, centers, radius):
    codes = diagnose_runs(runs, centers, radius)
    ends = (runs[:, -1].mean(1) - runs[:, 0].mean(1)).norm(dim=1) > radius
    return [(3 if end else 4) if code in (3, 4) else code for code, end in zip(codes, ends.tolist(), strict=True)]


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
    ("q2", lambda *a: play(*a, detach=False, zero=False), "vazou"),
    ("q2", lambda *a: play(*a, read_first=False), "também passa pelo discriminador"),
    ("q2", lambda *a: play(*a, minimax=True), "minimax"),
    ("q2", lambda *a: (play(*a)[0], torch.zeros_like(a[2])), "veio zero"),
    ("q2", lambda *a: (play(*a)[0], None), "nenhum gradiente chegou"),
    ("q2", lambda *a: (play(*a)[0], -play(*a)[1]), "gen_grad: o sinal"),
    ("q2", lambda *a: (-play(*a)[0], play(*a)[1]), "disc_grad: o sinal"),
    ("q2", lambda *a: (play(*a)[0], -play(*a, minimax=True)[1]), "perda do *discriminador*"),
    ("q2", lambda *a: (play(*a)[0], play(*a)[1] + play(*a, minimax=True)[1]), "somaram-se dois"),
    ("q2", lambda *a: swap(play)(*a), "A ordem é (disc_grad, gen_grad)"),
    ("q2", lambda *a: (play(*a)[0] + 1, play(*a)[1]), "disc_grad: os números"),
    ("q2", lambda *a: (play(*a)[0], play(*a)[1] + 1), "gen_grad: os números"),
    ("q3", game_with(0, lambda d, p, q: 1 - d), "está invertido"),
    ("q3", game_with(0, lambda d, p, q: 2 * d), "passou de 1"),
    ("q3", game_with(0, lambda d, p, q: p), "isso é p_dados"),
    ("q3", game_with(0, lambda d, p, q: p.sum(1) / (p.sum(1) + q.sum(1))), "só vê a imagem"),
    ("q3", game_with(0, lambda d, p, q: p.sum(0) / (p.sum(0) + q.sum(0))), "só vê a etiqueta"),
    (
        "q3",
        game_with(0, lambda d, p, q: (p.sum(1) / (p.sum(1) + q.sum(1)))[:, None].expand_as(d)),
        "repetiu a resposta em todas as etiquetas",
    ),
    (
        "q3",
        game_with(0, lambda d, p, q: 1 / (1 + q.sum(1)[:, None] * q.sum(0) / (p.sum(1)[:, None] * p.sum(0)))),
        "como se a etiqueta não dependesse",
    ),
    (
        "q3",
        game_with(
            0,
            lambda d, p, q: (p / p.sum(1, keepdim=True)) / (p / p.sum(1, keepdim=True) + q / q.sum(1, keepdim=True)),
        ),
        "só p(y|x)",
    ),
    ("q3", game_with(0, lambda d, p, q: d + 5), "d_star: os números"),
    ("q3", game_with(1, lambda j, p, q: naive_jsd(p, q)), "xlogy"),
    ("q3", game_with(1, lambda j, p, q: 2 * j), "jsd_pair: você somou as duas KL"),
    ("q3", game_with(1, lambda j, p, q: 2 * half_kl(p, (p + q) / 2)), "a de p_dados"),
    ("q3", game_with(1, lambda j, p, q: 2 * half_kl(q, (p + q) / 2)), "uma das duas KL"),
    ("q3", game_with(1, lambda j, p, q: j / math.log(2)), "bits"),
    ("q3", game_with(1, lambda j, p, q: 2 * j - math.log(4)), "valor do jogo"),
    ("q3", game_with(1, lambda j, p, q: half_kl(p, p + q) + half_kl(q, p + q)), "sem o 1/2"),
    ("q3", lambda p, q: (lambda d, j, i: (d, i, j))(*conditional_game(p, q)), "a ordem está trocada"),
    (
        "q3",
        game_with(1, lambda j, p, q: jsd(p.sum(1)[:, None] * p.sum(0), q.sum(1)[:, None] * q.sum(0))),
        "multiplicou as marginais antes",
    ),
    ("q3", game_with(1, lambda j, p, q: j + 9), "jsd_pair: o número"),
    ("q3", game_with(2, lambda j, p, q: jsd(p, q)), "essa é a do par"),
    ("q3", game_with(2, lambda j, p, q: jsd(p.sum(0), q.sum(0))), "some em y"),
    ("q3", game_with(2, lambda j, p, q: jsd_of_means(p, q)), "*some* sobre"),
    ("q3", game_with(2, lambda j, p, q: 2 * j), "jsd_image: você somou as duas KL"),
    ("q3", game_with(2, lambda j, p, q: j + 9), "jsd_image: o número"),
    ("q3", swap(conditional_game), "A ordem é (d_star"),
    ("q4", line_with(0, lambda w, f, q, r, p: (r * p).sum() - (f * q).sum()), "diferença das médias"),
    ("q4", line_with(0, lambda w, f, q, r, p: (f * q).sum() - (r * p).sum()), "diferença das médias"),
    ("q4", line_with(0, lambda w, *a: excess_of(*a)[1].abs().sum()), "comprimento de cada trecho"),
    ("q4", line_with(0, lambda w, *a: excess_of(*a)[1].abs().max()), "maior diferença"),
    ("q4", line_with(0, lambda w, *a: (excess_of(*a)[0] * excess_of(*a)[1] ** 2).sum()), "sem o quadrado"),
    (
        "q4",
        line_with(0, lambda w, f, q, r, p: wasserstein_1d(f, equal(q), r, equal(p))[0]),
        "deu a mesma a todos",
    ),
    (
        "q4",
        line_with(0, lambda w, *a: (excess_of(*a)[0] * excess_of(*a, order=0)[1].abs()).sum()),
        "cada massa acompanha",
    ),
    (
        "q4",
        line_with(0, lambda w, f, q, r, p: ((f[:, None] - r).abs() * q[:, None] * p).sum()),
        "espalhar cada falsa",
    ),
    ("q4", line_with(0, lambda w, *a: w + 3), "distance: o número"),
    ("q4", line_with(1, lambda s, *a: -s), "sobe para onde a terra"),
    ("q4", line_with(1, lambda s, *a: excess_of(*a)[1]), "quanta terra passa; o crítico"),
    ("q4", line_with(1, lambda s, *a: s.abs()), "o crítico também desce"),
    ("q4", line_with(1, lambda s, *a: excess_of(*a, order=0)[1].sign()), "o crítico também desce"),
    ("q4", line_with(1, lambda s, *a: torch.cat([s, s[:1]])), "Há um valor a mais"),
    ("q4", line_with(1, lambda s, *a: 2 * s), "exatamente +1 ou -1"),
    ("q4", swap(wasserstein_1d), "distance"),
    ("q5", swap(game_factors), "outra ordem de jogar"),
    ("q5", lambda lr, penalty: game_factors(lr, 0.0), "faltou a penalidade"),
    ("q5", lambda lr, penalty: game_factors(lr, -penalty), "*para* zero"),
    ("q5", lambda lr, penalty: game_factors(lr, penalty / 2), "nem a metade"),
    ("q5", lambda lr, penalty: game_factors(lr, penalty / lr), "leva a taxa η"),
    ("q5", lambda lr, penalty: tuple(f**2 for f in game_factors(lr, penalty)), "*quadrado* da distância"),
    ("q5", factor_with(0, lambda f, lr, penalty: 1 - lr * penalty + lr**2), "*quadrado* da distância"),
    (
        "q5",
        factor_with(1, lambda f, lr, penalty: np.linalg.norm([[1, -lr], [lr, 1 - lr * penalty - lr**2]], ord=2)),
        "norma da matriz",
    ),
    ("q5", factor_with(0, lambda f, lr, penalty: f + 1), "simultâneos: o número"),
    ("q5", factor_with(1, lambda f, lr, penalty: f + 1), "alternados: o número"),
    ("q6", last_only, "só olhou o último instante"),
    ("q6", pooled, "de todos os instantes"),
    ("q6", recode({2: 1}), "o rodízio do colapso"),
    ("q6", recode({3: 4}), "a oscilação da nuvem parada"),
    ("q6", moving_first, "também anda num rodízio"),
    ("q6", no_radius, "sem o raio"),
    ("q6", ends_only, "acaba no começo"),
    ("q6", recode({1: 2, 2: 1}), "1 é colapso"),
    ("q6", recode({0: 1, 1: 0}), "0 é saudável"),
    ("q6", recode({3: 4, 4: 3}), "3 é oscilação"),
    ("q6", lambda runs, centers, radius: [9] * len(runs), "inteiro de 0 a 4"),
    ("q6", lambda runs, centers, radius: [0] * len(runs), "nem todos"),
    ("q6", lambda runs, centers, radius: torch.zeros(runs.shape[:2]), "partida inteira"),
]
