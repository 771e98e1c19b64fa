"""Respostas certas e enganos do exercício 01_autoencoder."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F


def error_per_image(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="sum") / (4 * len(x))


def collapse(layers):
    # Uma camada é o que faz com a origem e com cada eixo.
    def run(x):
        for weight, bias in layers:
            x = F.linear(x, weight, bias)
        return x

    n_in = layers[0][0].shape[1]
    bias = run(torch.zeros(n_in))
    weight = (run(torch.eye(n_in)) - bias).T
    return weight, bias, torch.linalg.matrix_rank(weight, rtol=1e-4)


def smallest_code(variances, target):
    leftover = variances.sum() - torch.cat([torch.zeros(1), variances.cumsum(0)])
    k = (leftover / 4 <= target).int().argmax()
    return k, leftover[k] / 4


def detector(normal, strange, budget):
    limits, caught = [], []
    for ours, theirs in zip(normal.T, strange.T, strict=True):
        fits = [value for value in ours if (ours > value).sum() <= budget * len(ours)]
        limits.append(min(fits))
        caught.append((theirs > min(fits)).float().mean())
    return torch.stack(limits), torch.stack(caught)


def diagnose_code(z):
    z = z.numpy().astype(float)
    verdict = np.zeros(z.shape[1])
    flat = np.ptp(z, axis=0) == 0
    verdict[flat] = np.where(z[0, flat] == 0, 1, 2)
    alive = np.flatnonzero(~flat)
    rho = np.triu(np.abs(np.corrcoef(z[:, alive].T)), 1)
    verdict[alive[(rho > 0.9999).any(0)]] = 3
    return verdict


def legal_chance(mean, std):
    normal = torch.distributions.Normal(0.0, 1.0)
    return sum(normal.cdf(m / s).log10() for m, s in zip(mean, std, strict=True) if s > 0)


RIGHT = {
    function.__name__: function
    for function in (error_per_image, collapse, smallest_code, detector, diagnose_code, legal_chance)
}


def product(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, w @ bias + b
    return weight, bias


def narrowest(layers):
    return min(len(bias) for _, bias in layers)


def loop_over_k(variances, target):
    for k in range(len(variances) + 1):
        error = sum(variances[k:].tolist()) / 4
        if error <= target:
            return k, error
    return None


def first_bigger(normal, strange, budget):
    """O limiar por contagem, com um ``topk`` dos alarmes permitidos e mais um."""
    limits = normal.double().topk(math.floor(budget * len(normal)) + 1, dim=0).values[-1]
    return [limits, (strange.double() > limits).double().mean(0)]


def by_erf(mean, std):
    logs = [
        math.log10((1 + math.erf(m / s / math.sqrt(2))) / 2)
        for m, s in zip(mean.tolist(), std.tolist(), strict=True)
        if s
    ]
    return sum(logs)


ALSO_RIGHT = [
    ("q1", lambda x_hat, x: ((x_hat - x) / 2).square().flatten(1).sum(1).mean().item()),
    ("q1", lambda x_hat, x: torch.einsum("bchw,bchw->", x_hat - x, x_hat - x) / len(x) / 4),
    ("q2", lambda layers: [*product(layers), narrowest(layers)]),
    ("q2", lambda layers: (*product([(w.double(), b.double()) for w, b in layers]), float(narrowest(layers)))),
    ("q3", loop_over_k),
    ("q3", lambda v, target: loop_over_k(v.double(), target)),
    ("q4", first_bigger),
    ("q5", lambda z: torch.from_numpy(diagnose_code(z)).int()),
    ("q5", lambda z: diagnose_code(z).tolist()),
    ("q6", by_erf),
    ("q6", lambda m, s: torch.special.log_ndtr((m / s)[s > 0]).sum().item() / math.log(10)),
]


def forgetful(layers):
    """Só o viés da última camada."""
    return product(layers)[0], layers[-1][1], narrowest(layers)


def first_bias_only(layers):
    bias = layers[0][1]
    for weight, _ in layers[1:]:
        bias = weight @ bias
    return product(layers)[0], bias, narrowest(layers)


def ranked(rank):
    return lambda layers: (*product(layers), rank(layers))


def shifted_code(shift):
    def answer(variances, target):
        k = max(loop_over_k(variances, target)[0] + shift, 0)
        return k, variances[k:].sum() / 4

    return answer


def with_error(change):
    """O k certo, e outro erro."""

    def answer(variances, target):
        k, error = loop_over_k(variances, target)
        return k, change(variances, target, k, error)

    return answer


def kept_code(variances, target):
    k = int((variances.cumsum(0) / 4 < target).sum()) + 1
    return k, variances[k:].sum() / 4


def fraction_code(variances, target):
    fractions = torch.cat([variances.sum()[None], variances.sum() - variances.cumsum(0)]) / variances.sum()
    k = int((fractions > target).sum())
    return k, variances[k:].sum() / 4


def limited(choose):
    """O limiar de ``choose``, e o que ele apanha."""

    def answer(normal, strange, budget):
        limits = choose(normal, strange, budget)
        return limits, (strange > limits).float().mean(0)

    return answer


def sorted_at(normal, allowed):
    return normal.sort(0).values[len(normal) - 1 - allowed]


def caught_by(count):
    def answer(normal, strange, budget):
        limits = first_bigger(normal, strange, budget)[0]
        return limits, count(normal, strange, limits)

    return answer


def verdicts(**options):
    from course_lib.exercises.definitions.autoencoder import DiagnoseCode

    return lambda z: DiagnoseCode.verdicts(z.double(), **options)


def rho(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def cosine(a, b):
    return abs(float(F.cosine_similarity(a, b, dim=0)))


MISTAKES = [
    ("q1", lambda x_hat, x: 4 * error_per_image(x_hat, x), "um quarto"),
    ("q1", lambda x_hat, x: 2 * error_per_image(x_hat, x), "não basta"),
    ("q1", lambda x_hat, x: F.mse_loss(x_hat, x), "o MSE"),
    ("q1", lambda x_hat, x: F.mse_loss(x_hat, x) / 4, "a média sobre os pixels"),
    ("q1", lambda x_hat, x: len(x) * error_per_image(x_hat, x), "lote inteiro: o erro"),
    ("q1", lambda x_hat, x: 4 * len(x) * error_per_image(x_hat, x), "e leve os pixels"),
    ("q1", lambda x_hat, x: ((x_hat - x) / 2).flatten(1).norm(dim=1).mean(), "sem a raiz"),
    ("q1", lambda x_hat, x: ((x_hat - x) / 2).abs().flatten(1).sum(1).mean(), "absolutos"),
    ("q1", lambda x_hat, x: ((x_hat - x) / 2).flatten(1).sum(1).mean(), "faltou elevar"),
    ("q1", lambda x_hat, x: ((x_hat - x) / 2).square().flatten(1).sum(1), "falta a média sobre o lote"),
    ("q1", lambda x_hat, x: 1234.5, "não confere"),
    ("q2", lambda layers: (*layers[0], 1), "só a primeira camada"),
    ("q2", lambda layers: (product(layers)[0].T, *product(layers)[1:], narrowest(layers)), "está transposta"),
    ("q2", lambda layers: (*product(layers[:-1]), narrowest(layers)), "falta uma camada"),
    ("q2", lambda layers: (product(layers)[0] + 1, product(layers)[1], narrowest(layers)), "multiplica à esquerda"),
    ("q2", forgetful, "também passa pelas de cima"),
    ("q2", first_bias_only, "cada uma soma o seu pelo caminho"),
    ("q2", lambda layers: (product(layers)[0], 0 * layers[-1][1], narrowest(layers)), "os vieses não somem"),
    ("q2", lambda layers: (product(layers)[0], product(layers)[1] - layers[-1][1], 1), "faltou o viés da última"),
    ("q2", lambda layers: (product(layers)[0], product(layers)[1][:, None], 1), "sem o eixo a mais"),
    ("q2", lambda layers: (product(layers)[0], product(layers)[1] + 1, 1), "b passa a ser W b"),
    ("q2", ranked(lambda layers: len(layers[-1][1])), "nenhuma camada alarga"),
    ("q2", ranked(len), "o número de camadas"),
    ("q2", ranked(lambda layers: len(layers[0][1])), "não só a primeira"),
    ("q2", ranked(lambda layers: len(layers[1][1])), "pode ser qualquer uma"),
    ("q2", ranked(lambda layers: len(layers[len(layers) // 2][1])), "a camada do meio não é"),
    ("q2", ranked(lambda layers: len(layers[-2][1])), "não só as últimas"),
    ("q2", ranked(lambda layers: narrowest(layers) + 1), "o viés desloca o plano"),
    ("q2", ranked(lambda layers: 1), "procure a camada mais estreita"),
    ("q2", product, "esperava a tupla (W, b, posto)"),
    ("q3", lambda v, target: loop_over_k(4 * v, target), "o alvo é em [0, 1], e os autovalores"),
    ("q3", lambda v, target: loop_over_k(2 * v, target), "não basta"),
    ("q3", shifted_code(1), "com uma componente a menos"),
    ("q3", shifted_code(3), "há um k menor"),
    ("q3", shifted_code(-1), "falta uma componente"),
    ("q3", kept_code, "com a variância que se guarda"),
    ("q3", fraction_code, "e não uma fração"),
    ("q3", lambda v, target: (loop_over_k(v, target)[0] + 0.5, target), "número inteiro"),
    ("q3", lambda v, target: (-5, target), "ainda passa do alvo."),
    ("q3", lambda v, target: (v, target), "o menor k que serve"),
    ("q3", with_error(lambda v, target, k, error: 4 * error), "um quarto disso"),
    ("q3", with_error(lambda v, target, k, error: target), "esse é o alvo"),
    ("q3", with_error(lambda v, target, k, error: v[: int(k)].sum() / 4), "a PCA guarda"),
    ("q3", with_error(lambda v, target, k, error: v[k + 1 :].sum() / 4), "de uma componente a mais"),
    (
        "q3",
        with_error(lambda v, target, k, error: v[max(k - 1, 0) :].sum() / 4 if k else -1.0),
        "de uma componente a menos",
    ),
    ("q3", with_error(lambda v, target, k, error: -1.0), "de k em diante"),
    ("q3", lambda v, target: loop_over_k(v, target)[0], "esperava a tupla"),
    ("q4", limited(lambda normal, _, budget: normal.quantile(1 - budget, dim=0)), "interpola"),
    ("q4", limited(lambda normal, _, budget: normal.quantile(budget, dim=0)), "está ao contrário"),
    ("q4", limited(lambda normal, _, budget: normal.sort(0).values[int(budget * len(normal))]), "está ao contrário"),
    ("q4", limited(lambda _, strange, budget: sorted_at(strange, int(budget * len(strange)))), "só com as normais"),
    (
        "q4",
        limited(lambda a, b, budget: sorted_at(torch.cat([a, b]), int(budget * (len(a) + len(b))))),
        "só com as normais",
    ),
    ("q4", limited(lambda normal, _, budget: sorted_at(normal, int(budget * len(normal)) - 1)), "um limiar menor"),
    (
        "q4",
        limited(lambda normal, _, budget: sorted_at(normal, int(budget * len(normal)) + 1)),
        "alarmes falsos demais",
    ),
    ("q4", limited(lambda normal, _s, _b: normal.amax(0)), "aceita alguns"),
    (
        "q4",
        limited(lambda normal, _, budget: sorted_at(normal.flatten(), int(budget * normal.numel())).expand(4)),
        "cada detector tem a sua escala",
    ),
    ("q4", limited(lambda normal, _s, _b: 0 * normal[0]), "(m + 1)-ésimo"),
    ("q4", limited(lambda normal, _, budget: first_bigger(normal, normal, budget)[0].max()), "Um por detector"),
    ("q4", lambda *given: first_bigger(*given)[::-1], "a ordem da tupla"),
    ("q4", lambda *given: first_bigger(*given)[0], "esperava a tupla (limiares, apanhadas)"),
    ("q4", caught_by(lambda normal, strange, limits: (strange >= limits).float().mean(0)), "empatam com ele"),
    ("q4", caught_by(lambda normal, strange, limits: (strange <= limits).float().mean(0)), "as que escapam"),
    ("q4", caught_by(lambda normal, strange, limits: (strange > limits).float().sum(0)), "essa é a contagem"),
    ("q4", caught_by(lambda normal, strange, limits: (normal > limits).float().mean(0)), "esses são os alarmes"),
    ("q4", caught_by(lambda normal, strange, limits: 100 * (strange > limits).float().mean(0)), "porcentagem"),
    ("q4", caught_by(lambda normal, strange, limits: (strange > limits).sum(0) / len(normal)), "divida pelo número"),
    ("q4", caught_by(lambda normal, strange, limits: 0 * limits - 1), "acima do limiar"),
    ("q5", verdicts(dead=lambda column: bool((column <= 0).all())), "sempre negativa"),
    ("q5", verdicts(dead=lambda column: bool((column == 0).double().mean() > 0.9)), "basta uma"),
    ("q5", verdicts(constant=1.0), "É a 2"),
    ("q5", verdicts(constant=0.0), "não varia nunca"),
    ("q5", verdicts(constant=3.0), "não repete ninguém"),
    ("q5", verdicts(first=False), "é a original"),
    ("q5", verdicts(same=lambda a, b: rho(a, b) > 0.9999), "o módulo da correlação"),
    ("q5", verdicts(same=lambda a, b: abs(rho(a, b)) > 0.8), "parecida não é repetida"),
    ("q5", verdicts(same=torch.equal), "não é só a igual"),
    ("q5", verdicts(same=lambda *_: False), "faltou procurar as repetidas"),
    ("q5", verdicts(same=lambda a, b: cosine(a, b) > 0.9999), "se mede dos desvios"),
    (
        "q5",
        lambda z: torch.where(torch.tensor(diagnose_code(z)) == 1, 3.0, torch.tensor(diagnose_code(z))),
        "em vez de morta",
    ),
    ("q5", lambda z: diagnose_code(z) > 0, "diga de cada uma o defeito"),
    ("q5", lambda z: diagnose_code(z) == 0, "diga de cada unidade o veredito"),
    ("q5", lambda z: int((diagnose_code(z) == 0).sum()), "e não a conta delas"),
    ("q5", lambda z: (z == 0).all(1), "as unidades são as colunas"),
    ("q5", lambda z: diagnose_code(z)[::-1].copy(), "algum veredito não confere"),
    ("q6", lambda m, s: legal_chance(m, s) * math.log(10), "na base 10"),
    ("q6", lambda m, s: 10 ** legal_chance(m, s), "essa é a chance;"),
    ("q6", lambda m, s: -legal_chance(m, s), "o sinal está trocado: uma chance"),
    ("q6", lambda m, s: legal_chance(m, s) - 2 * math.log10(2), "o fator dela é 1"),
    ("q6", lambda m, s: legal_chance(-m, s), "serem *negativas*"),
    ("q6", lambda m, s: legal_chance(m, s**2), "pelo desvio, e não pela variância"),
    ("q6", lambda m, s: legal_chance(m, (s > 0).float()), "faltou dividir a média"),
    ("q6", lambda m, s: legal_chance(m, s) / (s > 0).sum(), "sem tirar a média"),
    ("q6", lambda m, s: len(m) * math.log10(0.5), "essa é a conta de N(0, I)"),
    ("q6", lambda m, s: int((s > 0).sum()) * math.log10(0.5), "essa é a conta de N(0, I)"),
    ("q6", lambda m, s: math.log10(1 - 10 ** legal_chance(m, s)), "de *alguma* ser negativa"),
    ("q6", lambda m, s: legal_chance(m.sum()[None], s.norm()[None]), "a chance de a *soma*"),
    ("q6", lambda m, s: torch.special.log_ndtr(m / s).sum() / math.log(10), "uma unidade que não varia"),
    ("q6", lambda m, s: torch.special.ndtr(m / s).log10(), "de *nenhuma* ser negativa"),
    ("q6", lambda m, s: -1e6, "nas unidades que variam"),
    ("q6", lambda m, s: 1e6, "no máximo 0"),
]
