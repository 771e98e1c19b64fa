"""Respostas certas e enganos do exercício 02_variantes."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F


def matched_corruptions(x, sigma):
    u = (x.double() + 1) / 2
    erased, lit = u.square().mean(), (1 - u).square().mean()
    return sigma**2 / erased, sigma**2 / ((erased + lit) / 2)


def two_points(noisy, a, b, prior, spread):
    centre, half = (a + b) / 2, (a - b) / 2
    along = (noisy - centre) @ half / spread**2 + math.log(prior / (1 - prior)) / 2
    r = centre + torch.tanh(along)[:, None] * half
    return r, (r - noisy) / spread**2


def class_wiener(noisy, means, covs, priors, sigma):
    estimates, logs = [], []
    for mean, cov, prior in zip(means, covs, priors, strict=True):
        total = cov + (2 * sigma) ** 2 * torch.eye(len(mean))
        estimates.append(mean + (noisy - mean) @ torch.linalg.inv(total) @ cov)
        logs.append(torch.distributions.MultivariateNormal(mean, total).log_prob(noisy) + prior.log())
    chances = torch.stack(logs, 1).softmax(1)
    return torch.einsum("bc,cbd->bd", chances, torch.stack(estimates)), chances


def escape(x, weight, bias, decoder, target):
    def penalty(w, b):
        return ((F.linear(x, w, b) > 0).to(w.dtype) @ w.square().sum(1)).mean()

    norms = decoder.norm(dim=0)
    return (target / penalty(weight, bias)) ** 0.5, penalty(norms[:, None] * weight, norms * bias)


TABLE = {(0.0, 1.0): 1, (2.0, 1.0): 2, (0.0, 0.0): 4, (0.25, 0.0): 5}
"""(copista, adivinho), em s² → defeito; o certo e o 3 se distinguem por variarem de época."""


def diagnose_loops(losses, spread):
    verdicts = []
    for loop in losses.double().numpy():
        pair = loop.mean(0) / spread**2
        fits = [verdict for found, verdict in TABLE.items() if np.abs(pair - found).max() < 0.2]
        verdicts.append(fits[0] if fits else 3 * int(np.ptp(loop[:, 0]) == 0))
    return verdicts


def greedy_faults(snapshots):
    verdicts = []
    for k in range(len(snapshots) - 1):
        layers = zip(snapshots[k], snapshots[k + 1], strict=True)
        changed = [
            j for j, (old, new) in enumerate(layers) if any((p != q).any() for p, q in zip(old, new, strict=True))
        ]
        if any(j < k for j in changed):
            verdicts.append(1)
        elif any(j > k for j in changed):
            verdicts.append(3)
        else:
            verdicts.append(0 if changed == [k] else 2)
    return verdicts


RIGHT = {
    function.__name__: function
    for function in (matched_corruptions, two_points, class_wiener, escape, diagnose_loops, greedy_faults)
}


def by_the_sigmoid(noisy, a, b, prior, spread):
    logit = ((noisy - b).square().sum(1) - (noisy - a).square().sum(1)) / (2 * spread**2)
    weight = torch.sigmoid(logit + math.log(prior) - math.log(1 - prior))[:, None]
    r = weight * a + (1 - weight) * b
    return [r.double(), ((r - noisy) / spread**2).double()]


def by_solve(noisy, means, covs, priors, sigma):
    logs, estimates = [], []
    for mean, cov, prior in zip(means, covs, priors, strict=True):
        total = cov + 4 * sigma**2 * torch.eye(len(mean))
        pulled = torch.linalg.solve(total, (noisy - mean).T)
        estimates.append(mean + (cov @ pulled).T)
        logs.append(prior.log() - ((noisy - mean) * pulled.T).sum(1) / 2 - torch.logdet(total) / 2)
    chances = torch.softmax(torch.stack(logs, 1), 1)
    return (chances[..., None] * torch.stack(estimates, 1)).sum(1), chances


ALSO_RIGHT = [
    ("q1", lambda x, s: (s**2 / ((x + 1) / 2).square().mean(), 4 * s**2 / (x.square().mean() + 1))),
    ("q1", lambda x, s: [value.item() for value in matched_corruptions(x, s)]),
    ("q2", by_the_sigmoid),
    ("q2", lambda x, a, b, p, s: two_points(x.double(), a.double(), b.double(), p, s)),
    ("q3", by_solve),
    ("q3", lambda *given: class_wiener(*(value.double() for value in given[:4]), given[4])),
    ("q5", lambda x, w, b, v, t: [value.item() for value in escape(x, w, b, v, t)]),
    ("q5", lambda x, w, b, v, t: escape(x.double(), w.double(), b.double(), v.double(), t)),
    ("q4", lambda losses, s: torch.tensor(diagnose_loops(losses, s))),
    ("q4", lambda losses, s: np.array(diagnose_loops(losses, s), dtype=float)),
    ("q6", lambda snapshots: torch.tensor(greedy_faults(snapshots))),
]


def light(x):
    return (x + 1) / 2


def with_mask(change):
    return lambda x, s: (change(x, s), matched_corruptions(x, s)[1])


def with_salt(change):
    return lambda x, s: (matched_corruptions(x, s)[0], change(x, s))


def with_score(change):
    def answer(noisy, a, b, prior, spread):
        r, score = two_points(noisy, a, b, prior, spread)
        return r, change(r, score, noisy, spread)

    return answer


def scored(r):
    """A estimativa errada de ``r``, e o escore que ela daria."""

    def answer(noisy, a, b, prior, spread):
        found = r(noisy, a, b, prior, spread)
        return found, (found - noisy) / spread**2

    return answer


def naive(noisy, a, b, prior, spread):
    near_a = prior * (-(noisy - a).square().sum(1) / (2 * spread**2)).exp()
    near_b = (1 - prior) * (-(noisy - b).square().sum(1) / (2 * spread**2)).exp()
    weight = (near_a / (near_a + near_b))[:, None]
    return weight * a + (1 - weight) * b


def nearest(noisy, a, b, *_):
    closer = (noisy - a).norm(dim=1) < (noisy - b).norm(dim=1)
    return torch.where(closer[:, None], a, b)


def most_likely(*given):
    r, a, b = two_points(*given)[0], given[1], given[2]
    return nearest(r, a, b)


def tempered(scale):
    """A sigmoide com outro divisor."""

    def r(noisy, a, b, prior, spread):
        logit = ((noisy - b).square().sum(1) - (noisy - a).square().sum(1)) / scale(spread)
        weight = (logit + math.log(prior / (1 - prior))).sigmoid()[:, None]
        return weight * a + (1 - weight) * b

    return r


def mixed(*, logdet=-0.5, prior=1.0, spread=2.0, weigh=lambda chances: chances, filtered=True, noise=True):
    """O removedor da mistura, com uma coisa mudada."""

    def answer(noisy, means, covs, priors, sigma):
        logs, estimates = [], []
        identity = torch.eye(noisy.shape[1])
        for mean, cov, chance in zip(means, covs, priors, strict=True):
            total = cov + (spread * sigma) ** 2 * identity
            estimates.append(
                mean + (noisy - mean) @ torch.linalg.solve(total, cov) if filtered else mean.expand_as(noisy)
            )
            seen = total if noise else cov + 1e-3 * identity
            distance = ((noisy - mean) * torch.linalg.solve(seen, (noisy - mean).T).T).sum(1)
            logs.append(prior * chance.log() - distance / 2 + logdet * torch.logdet(seen))
        chances = torch.stack(logs, 1).softmax(1)
        return torch.einsum("bc,cbd->bd", weigh(chances), torch.stack(estimates)), chances

    return answer


def pooled(noisy, means, covs, priors, sigma):
    mean = priors @ means
    centred = means - mean
    cov = torch.einsum("c,cde->de", priors, covs) + torch.einsum("c,cd,ce->de", priors, centred, centred)
    return class_wiener(noisy, mean[None], cov[None], torch.ones(1), sigma)[0], mixed()(
        noisy, means, covs, priors, sigma
    )[1]


def only_chances(**options):
    """A estimativa certa, e outras chances."""
    return lambda *given: (class_wiener(*given)[0], mixed(**options)(*given)[1])


def with_factor(change):
    return lambda *given: (change(*given), escape(*given)[1])


def with_honest(change):
    return lambda *given: (escape(*given)[0], change(*given))


def lit(x, weight, bias):
    return (F.linear(x, weight, bias) > 0).to(x.dtype)


def squares(weight):
    return weight.square().sum(1)


def column(decoder):
    return decoder.square().sum(0)


def relabelled(function, **changes):
    """As respostas certas com uns vereditos trocados por outros: ``_1=4`` troca o 1 pelo 4."""
    table = {int(old[1:]): new for old, new in changes.items()}
    return lambda *given: [table.get(verdict, verdict) for verdict in function(*given)]


def coarse(losses, spread):
    """Compara com s em lugar de s², pelos limiares do juiz."""
    from course_lib.exercises.definitions.variantes import DiagnoseLoops

    return DiagnoseLoops().answer(losses.double(), spread, variance=spread)


def stages(**options):
    from course_lib.exercises.definitions.variantes import GreedyFaults

    return lambda snapshots: GreedyFaults().answer(snapshots, **options)


MISTAKES = [
    ("q1", lambda x, s: matched_corruptions(x, s)[::-1], "a ordem da tupla"),
    ("q1", lambda x, s: matched_corruptions(x, 2 * s), "não o dobre"),
    ("q1", with_mask(lambda x, s: s**2 / x.square().mean()), "leve também os pixels"),
    ("q1", with_mask(lambda x, s: s**2 / (x + 1).square().mean()), "leve também os pixels"),
    ("q1", with_mask(lambda x, s: s / light(x).square().mean()), "em σ², e não em σ"),
    ("q1", with_mask(lambda x, s: s / light(x).square().mean().sqrt()), "não tire a raiz"),
    ("q1", with_mask(lambda x, s: s**2 / light(x).mean()), "o erro quadrático é u²"),
    ("q1", with_mask(lambda x, s: s**2 / light(x).mean() ** 2), "não é o quadrado da média"),
    ("q1", with_mask(lambda x, s: s**2 / (1 - light(x)).square().mean()), "apagar é pôr preto"),
    ("q1", with_mask(lambda x, s: (s**2 / light(x).square().flatten(1).mean(1)).mean()), "todos os pixels de todas"),
    ("q1", with_mask(lambda x, s: s**2 / light(x).square().flatten(1).mean(1)), "para todas as imagens juntas"),
    ("q1", with_mask(lambda x, s: -1.0), "p vezes a média de u²"),
    ("q1", with_salt(lambda x, s: 4 * matched_corruptions(x, s)[1]), "não o dobre"),
    ("q1", with_salt(lambda x, s: matched_corruptions(x, s)[1] / 2), "cada erro se pesa com p/2"),
    ("q1", with_salt(lambda x, s: s**2 / (1 - light(x)).square().mean()), "metade fica preta"),
    ("q1", with_salt(lambda x, s: 2 * s**2 / (1 - light(x)).square().mean()), "faltou a pimenta"),
    ("q1", with_salt(lambda x, s: matched_corruptions(x, s)[0]), "essa é a fração da máscara"),
    ("q1", with_salt(lambda x, s: 2 * matched_corruptions(x, s)[0]), "faltou o sal"),
    ("q1", with_salt(lambda x, s: matched_corruptions(x, s)[1] / s), "ao quadrado, em σ²"),
    ("q1", with_salt(lambda x, s: -1.0), "p/2 vezes a média"),
    ("q1", lambda x, s: matched_corruptions(x, s)[0], "esperava a tupla"),
    ("q2", scored(naive), "na conta ingênua"),
    ("q2", lambda *given: two_points(*given)[::-1], "a ordem da tupla"),
    ("q2", lambda x, a, b, p, s: two_points(x, a, b, 0.5, s), "some log(p/(1 - p))"),
    ("q2", lambda x, a, b, p, s: two_points(x, a, b, 1 - p, s), "e você a deu a `b`"),
    ("q2", scored(lambda x, a, b, p, s: a + b - two_points(x, a, b, p, s)[0]), "os pesos estão trocados"),
    ("q2", scored(tempered(lambda s: s**2)), "faltou o 2"),
    ("q2", scored(tempered(lambda s: 2 * s)), "por 2s², e não por 2s"),
    ("q2", scored(nearest), "escolher um dos dois"),
    ("q2", lambda *given: (most_likely(*given), given[0]), "escolher um dos dois"),
    ("q2", scored(lambda x, a, b, p, s: (p * a + (1 - p) * b).expand_as(x)), "de quem não olha"),
    ("q2", scored(lambda x, *_: x), "próprio ponto ruidoso"),
    ("q2", scored(lambda x, *_: x + 1), "com w a chance de `a`"),
    ("q2", lambda x, a, b, p, s: (two_points(x, a, b, p, s)[0][:, 0], x), "e não a chance de cada um"),
    ("q2", with_score(lambda r, score, x, s: -score), "o escore aponta do ruidoso"),
    ("q2", with_score(lambda r, score, x, s: r - x), "falta dividir pela variância"),
    ("q2", with_score(lambda r, score, x, s: (r - x) / s), "divida por s², e não por s."),
    ("q2", with_score(lambda r, score, x, s: r), "a estimativa outra vez"),
    ("q2", with_score(lambda r, score, x, s: score / 2), "some ao derivar"),
    ("q2", with_score(lambda r, score, x, s: score + 1), "mas o escore não"),
    ("q2", lambda *given: two_points(*given)[0], "esperava a tupla (r, escore)"),
    ("q3", mixed(weigh=lambda chances: torch.full_like(chances, 1 / chances.shape[1])), "não é simples"),
    ("q3", mixed(weigh=lambda c: F.one_hot(c.argmax(1), c.shape[1]).float()), "com a classe mais provável"),
    ("q3", mixed(spread=1.0), "o desvio do ruído nestas imagens é 2σ"),
    ("q3", mixed(filtered=False), "falta o filtro de cada classe"),
    ("q3", mixed(logdet=0.0), "faltou o determinante"),
    ("q3", mixed(logdet=0.5), "o sinal do log det"),
    ("q3", mixed(logdet=-1.0), "também leva o ½"),
    ("q3", mixed(prior=0.0), "some log(priors)"),
    ("q3", mixed(noise=False), "as chances também levam o ruído"),
    ("q3", pooled, "esse é o filtro único"),
    ("q3", lambda noisy, *rest: (noisy, class_wiener(noisy, *rest)[1]), "própria imagem ruidosa"),
    ("q3", lambda noisy, *rest: (noisy + 1, class_wiener(noisy, *rest)[1]), "a soma, nas classes"),
    ("q3", lambda *given: class_wiener(*given)[::-1], "A ordem da tupla"),
    ("q3", only_chances(logdet=0.0), "chances: faltou o determinante"),
    ("q3", only_chances(prior=0.0), "chances: faltou a chance que cada classe"),
    ("q3", lambda *given: (class_wiener(*given)[0], class_wiener(*given)[1].log()), "isso são os logaritmos"),
    ("q3", lambda *given: (class_wiener(*given)[0], class_wiener(*given)[1].T), "Os eixos estão trocados"),
    ("q3", lambda *given: (class_wiener(*given)[0], 0 * class_wiener(*given)[1]), "Bayes, com log N"),
    ("q3", lambda *given: class_wiener(*given)[0], "esperava a tupla (r, chances)"),
    ("q5", with_factor(lambda *given: escape(*given)[0] ** 2), "ela é multiplicada por a²"),
    ("q5", with_factor(lambda *given: 1 / escape(*given)[0]), "o fator do decodificador"),
    ("q5", with_factor(lambda *given: escape(*given)[0] ** -2), "está ao contrário, e"),
    ("q5", with_factor(lambda x, w, b, v, t: (t / squares(w).sum()).sqrt()), "quem conta são as acesas"),
    ("q5", with_factor(lambda x, w, b, v, t: (t / (lit(x, w, b) @ squares(w)).sum()).sqrt()), "você somou o lote"),
    ("q5", lambda x, w, b, v, t: escape(x, w, 0 * b, v, t), "faltou o viés"),
    ("q5", with_factor(lambda x, w, b, v, t: (lit(x, w, b) @ squares(w)).mean()), "a penalidade como está"),
    ("q5", with_factor(lambda x, w, b, v, t: (t / (lit(x, w, b) @ w.norm(dim=1)).mean()).sqrt()), "não tire a raiz"),
    ("q5", with_factor(lambda *given: torch.ones(given[1].shape[0])), "para o codificador inteiro"),
    ("q5", with_factor(lambda *given: -1.0), "tem de ser o alvo"),
    ("q5", lambda *given: escape(*given)[::-1], "a ordem da tupla"),
    ("q5", with_honest(lambda x, w, b, v, t: (lit(x, w, b) @ squares(w)).mean()), "antes da troca"),
    ("q5", with_honest(lambda *given: given[-1]), "essa é a enganada"),
    (
        "q5",
        with_honest(lambda x, w, b, v, t: (lit(x, w, b) @ (squares(w) * v.norm(dim=0))).mean()),
        "leva o quadrado disso",
    ),
    ("q5", with_honest(lambda x, w, b, v, t: (lit(x, w, b) @ (squares(w) / column(v))).mean()), "para compensar w_j"),
    ("q5", with_honest(lambda *given: escape(*given)[0] ** 2 * escape(*given)[1]), "esqueceu-se de desfazer"),
    (
        "q5",
        with_honest(lambda x, w, b, v, t: (lit(x, w, b) @ squares(w)).mean() * v.square().sum()),
        "e não da matriz inteira",
    ),
    ("q5", with_honest(lambda x, w, b, v, t: squares(w) @ column(v)), "você contou todas as unidades"),
    ("q5", with_honest(lambda *given: len(given[0]) * escape(*given)[1]), "você somou o lote"),
    ("q5", with_honest(lambda *given: -1.0), "a média, no lote, da soma"),
    ("q5", lambda *given: escape(*given)[0], "esperava a tupla (fator, penalidade honesta)"),
    ("q4", relabelled(diagnose_loops, _2=0), "com outro sorteio"),
    ("q4", relabelled(diagnose_loops, _3=0), "sorteado uma vez só"),
    ("q4", relabelled(diagnose_loops, _5=0), "com metade do desvio"),
    ("q4", coarse, "compare as perdas com s², e não com s"),
    ("q4", relabelled(diagnose_loops, _4=1), "só se olha o copista"),
    ("q4", relabelled(diagnose_loops, _1=4), "só se olha o copista"),
    ("q4", relabelled(diagnose_loops, _1=2, _2=1), "1 e 2 estão trocados"),
    ("q4", relabelled(diagnose_loops, _0=1, _1=0), "0 e 1 estão trocados"),
    ("q4", relabelled(diagnose_loops, _4=3), "só denuncia o 3 quando há ruído"),
    ("q4", relabelled(diagnose_loops, _1=3, _4=3), "só denuncia o 3 quando há ruído"),
    ("q4", lambda *given: [min(verdict, 1) for verdict in diagnose_loops(*given)], "separa os laços certos"),
    ("q4", lambda *given: [verdict + 1 for verdict in diagnose_loops(*given)], "a contagem começa em 0"),
    ("q4", lambda *given: [0] * len(given[0]), "algum veredito não confere"),
    ("q4", lambda *given: sum(diagnose_loops(*given)), "Um veredito por laço"),
    ("q6", stages(same=torch.allclose), "bit a bit"),
    ("q6", stages(parts=1), "olhe também os vieses"),
    ("q6", stages(since=0), "e não com a do começo"),
    ("q6", relabelled(greedy_faults, _1=3, _3=1), "1 e 3 estão trocados"),
    ("q6", relabelled(greedy_faults, _2=0), "em que nada mudou"),
    ("q6", relabelled(greedy_faults, _3=0), "a vez dela não chegou"),
    ("q6", relabelled(greedy_faults, _1=0), "devia estar congelada"),
    ("q6", lambda snapshots: [min(verdict, 1) for verdict in greedy_faults(snapshots)], "separa as etapas certas"),
    ("q6", lambda snapshots: [*greedy_faults(snapshots), 0], "L etapas e L + 1"),
    ("q6", lambda snapshots: sum(greedy_faults(snapshots)), "e não a conta delas"),
    ("q6", lambda snapshots: [2] * (len(snapshots) - 1), "só a camada k pode mudar"),
]
