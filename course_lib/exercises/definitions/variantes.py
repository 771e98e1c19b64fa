"""Exercício 02_variantes: estragos iguais, os melhores removedores, a porta dos fundos e laços com defeito."""

from __future__ import annotations

from itertools import pairwise
from math import inf, log

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question


class MatchedCorruptions(Question):
    """As frações com que a máscara e o sal e pimenta estragam, em média, tanto quanto um ruído gaussiano."""

    name, function, points = "q1", "matched_corruptions", 1
    start = "Comece por um pixel de valor u em [0, 1]: quanto ele muda, ao quadrado, se for apagado? E se for aceso?"
    parts = ("máscara", "sal e pimenta")

    def draw(self, seed, source):
        # Como os dígitos, mais escuras que claras, e cada imagem com a sua tinta.
        n = 4 + seed % 3
        u = torch.rand(n, 1, 28, 28, generator=source) ** torch.linspace(1.5, 4, n).view(-1, 1, 1, 1)
        return {"x": 2 * u - 1, "sigma": (0.2, 0.3, 0.15)[seed % 3]}

    def answer(self, x, sigma):
        u = (x + 1) / 2
        dark, bright = u.square().mean(), (1 - u).square().mean()
        return (sigma**2 / dark).item(), (2 * sigma**2 / (dark + bright)).item()

    def mistakes(self, right, x, sigma):
        (mask, salt), u = right, (x + 1) / 2
        dark, bright = u.square().mean(), (1 - u).square().mean()
        yield (len(x),), "Queremos uma fração só, para todas as imagens juntas."
        yield "máscara", salt, "a ordem da tupla é (máscara, sal e pimenta)."
        yield "máscara", 4 * mask, "o σ já está em [0, 1], como u: não o dobre."
        hint = "o σ se mede em [0, 1]: leve também os pixels, u = (x + 1)/2."
        yield "máscara", sigma**2 / x.square().mean(), hint
        yield "máscara", sigma**2 / (x + 1).square().mean(), hint
        yield "máscara", sigma / dark, "o ruído gaussiano muda o pixel, ao quadrado, em σ², e não em σ."
        yield "máscara", sigma / dark.sqrt(), "não tire a raiz: p multiplica o erro quadrático."
        yield "máscara", sigma**2 / u.mean(), "o pixel apagado erra u, e o erro quadrático é u²."
        yield "máscara", sigma**2 / u.mean() ** 2, "a média dos quadrados não é o quadrado da média."
        yield "máscara", sigma**2 / bright, "apagar é pôr preto: o pixel u passa a 0, e erra u, e não 1 - u."
        hint = "com essa fração o estrago não é σ² em cada imagem da lista; a média é sobre todos os pixels de todas."
        yield "máscara", (sigma**2 / u.square().flatten(1).mean(1)).mean(), hint
        yield "máscara", ..., "o número não confere: p vezes a média de u² tem de ser σ²."
        yield "sal e pimenta", 4 * salt, "o σ já está em [0, 1], como u: não o dobre."
        hint = "metade dos trocados fica preta e metade, branca: cada erro se pesa com p/2."
        yield "sal e pimenta", salt / 2, hint
        yield "sal e pimenta", sigma**2 / bright, "essa troca todos por branco; metade fica preta, e erra u²."
        yield "sal e pimenta", 2 * sigma**2 / bright, "faltou a pimenta: a metade que fica preta erra u²."
        yield (
            "sal e pimenta",
            mask,
            "essa é a fração da máscara; o sal e pimenta também acende, e acender o preto erra 1.",
        )
        yield "sal e pimenta", 2 * mask, "faltou o sal: a metade que fica branca erra (1 - u)²."
        yield "sal e pimenta", 2 * sigma / (dark + bright), "o ruído gaussiano muda o pixel, ao quadrado, em σ²."
        yield "sal e pimenta", ..., "o número não confere: p/2 vezes a média de u² + (1 - u)² tem de ser σ²."


class TwoPoints(Question):
    """O melhor removedor de ruído de um mundo de dois pontos, e o escore que ele dá."""

    name, function, points = "q2", "two_points", 1
    start = "Comece pela chance de o ponto limpo ser `a`, dado o ruidoso: é uma sigmoide. De quê?"
    parts = ("r", "escore")

    def draw(self, seed, source):
        dim, spread = 5 + seed % 2, (0.8, 1.5, 0.6)[seed % 3]
        a, apart = torch.randn(2, dim, generator=source)
        b = a + 2.5 * spread * apart / apart.norm()  # perto o bastante para a dúvida existir
        clean = torch.stack([a, b, (a + b) / 2, 0.3 * a + 0.7 * b, a, b])
        noisy = clean + spread * torch.randn(clean.shape, generator=source)
        noisy[4:] += 60 * torch.randn(2, dim, generator=source)  # longe: as duas gaussianas dão zero na conta ingênua
        return {"noisy": noisy, "a": a, "b": b, "prior": (0.3, 0.8, 0.15)[seed % 3], "spread": spread}

    def answer(self, noisy, a, b, prior, spread, scale=None):
        closer = (noisy - b).square().sum(1) - (noisy - a).square().sum(1)
        weight = (closer / (scale or 2 * spread**2) + log(prior / (1 - prior))).sigmoid()[:, None]
        r = weight * a + (1 - weight) * b
        return r, (r - noisy) / spread**2

    def mistakes(self, right, but, noisy, a, b, prior, spread):
        r, score = right
        yield (
            inf,
            "longe dos dois pontos, as duas gaussianas valem zero na conta ingênua, e a divisão é 0/0. Use a sigmoide.",
        )
        yield (len(noisy),), "Queremos o ponto estimado, e não a chance de cada um."
        yield (len(noisy), 1), "Queremos o ponto estimado, e não a chance de cada um."
        yield "r", score, "a ordem da tupla é (r, escore)."
        hint = "faltou a chance que cada ponto tem antes de se ver o ruidoso: some log(p/(1 - p))."
        yield "r", but(prior=0.5)[0], hint
        yield "r", but(prior=1 - prior)[0], "`prior` é a chance de `a`, e você a deu a `b`."
        yield (
            "r",
            a + b - r,
            "os pesos estão trocados: quanto mais perto de `a`, mais peso para `a`.",
        )
        yield "r", but(scale=spread**2)[0], "faltou o 2: na gaussiana o expoente é a distância ao quadrado sobre 2s²."
        yield "r", but(scale=2 * spread)[0], "divida por 2s², e não por 2s."
        nearest = (noisy - a).square().sum(1) < (noisy - b).square().sum(1)
        hint = "escolher um dos dois dá erro maior: a melhor resposta é a média deles, pesada pela chance de cada um."
        yield "r", torch.where(nearest[:, None], a, b), hint
        hard = (r - a).square().sum(1) < (r - b).square().sum(1)
        yield "r", torch.where(hard[:, None], a, b), hint
        yield "r", (prior * a + (1 - prior) * b).expand_as(r), "essa é a média de quem não olha o ruidoso."
        yield "r", noisy, "esse é o próprio ponto ruidoso."
        yield "r", ..., "os números não conferem: w a + (1 - w) b, com w a chance de `a` dado o ruidoso."
        yield "escore", -score, "o sinal está trocado: o escore aponta do ruidoso *para* a estimativa."
        yield "escore", score * spread**2, "falta dividir pela variância do ruído: o escore é (r - x̃)/s²."
        yield "escore", score * spread, "divida por s², e não por s."
        yield "escore", r, "essa é a estimativa outra vez; o escore é (r - x̃)/s²."
        yield "escore", (r - noisy) / (2 * spread**2), "o 2 da gaussiana some ao derivar o quadrado: (r - x̃)/s²."
        yield "escore", ..., "a estimativa está certa, mas o escore não: (r - x̃)/s²."


class ClassWiener(Question):
    """O removedor de uma mistura de gaussianas: um filtro de Wiener por classe, pesados pela chance de cada uma."""

    name, function, points = "q3", "class_wiener", 2
    start = "Comece por uma classe só: o filtro dela é m + C (C + s² I)⁻¹ (x̃ - m), e a ruidosa é N(m, C + s² I)."
    parts = ("r", "chances")

    def draw(self, seed, source):
        dim, n_classes = 5 + seed % 2, 3 + seed % 2
        factors = torch.randn(n_classes, dim, dim, generator=source) * dim**-0.5
        # Umas classes largas e outras estreitas: o determinante decide tanto quanto a distância.
        factors = factors * torch.linspace(0.5, 2.0, n_classes).view(-1, 1, 1)
        means = 0.8 * torch.randn(n_classes, dim, generator=source)
        which = torch.arange(6) % n_classes
        clean = means[which] + (factors[which] @ torch.randn(6, dim, 1, generator=source))[..., 0]
        sigma = (0.3, 0.4, 0.25)[seed % 3]
        priors = torch.tensor([0.6, 0.1, 0.2, 0.4])[:n_classes]
        return {
            "noisy": clean + 2 * sigma * torch.randn(clean.shape, generator=source),
            "means": means,
            "covs": factors @ factors.mT,
            "priors": priors / priors.sum(),
            "sigma": sigma,
        }

    def answer(self, noisy, means, covs, priors, sigma, logdet=-0.5, spread=2.0, hard=False, even=False, noise=True):
        identity = torch.eye(noisy.shape[1], dtype=noisy.dtype)
        total = covs + (spread * sigma) ** 2 * identity
        apart = noisy[:, None] - means  # (B, C, D)
        whitened = torch.linalg.solve(total, apart.permute(1, 2, 0)).permute(2, 0, 1)
        estimates = means + torch.einsum("cde,bce->bcd", covs, whitened)
        seen = total if noise else covs + 1e-3 * identity
        distance = torch.linalg.solve(seen, apart.permute(1, 2, 0)).permute(2, 0, 1)
        logits = priors.log() - (apart * distance).sum(2) / 2 + logdet * torch.logdet(seen)
        chances = logits.softmax(1)
        weights = torch.nn.functional.one_hot(chances.argmax(1), len(means)).to(noisy.dtype) if hard else chances
        weights = torch.full_like(weights, 1 / len(means)) if even else weights
        return (weights[:, :, None] * estimates).sum(1), chances

    def mistakes(self, right, but, noisy, means, covs, priors):
        chances, n = right[1], len(noisy)
        yield inf, "há um logaritmo ou uma divisão de zero: trabalhe com os logaritmos, e termine com `softmax`."
        yield "r", (n, *means.shape), "São os filtros de todas as classes; falta a média deles, pesada pelas chances."
        yield "r", chances.shape, "A ordem da tupla é (r, chances)."
        yield "r", but(even=True)[0], "a média dos filtros não é simples: cada um pesa a chance da sua classe."
        hint = "você ficou só com a classe mais provável; a melhor resposta é a média de todas, pesada pelas chances."
        yield "r", but(hard=True)[0], hint
        hint = "o desvio do ruído nestas imagens é 2σ: o σ se mede em [0, 1]."
        yield "r", but(spread=1.0)[0], hint
        yield "r", (chances[:, :, None] * means).sum(1), "isso mistura só as médias; falta o filtro de cada classe."
        wrong = {
            "faltou o determinante: uma classe larga espalha a sua chance, e paga por isso -½ log det(C + s² I).": but(
                logdet=0.0
            ),
            "o sinal do log det está trocado: quanto mais larga a classe, menor a densidade.": but(logdet=0.5),
            "o log det também leva o ½ da gaussiana.": but(logdet=-1.0),
            "faltou a chance que cada classe tem antes de se ver a imagem: some log(priors).": but(
                priors=torch.ones_like(priors)
            ),
            "a imagem ruidosa da classe é N(m, C + s² I): as chances também levam o ruído.": but(noise=False),
        }
        for hint, (wrong_r, _) in wrong.items():
            yield "r", wrong_r, f"as chances das classes não estão certas: {hint}"
        mean = priors @ means
        spread_out = torch.einsum("c,cd,ce->de", priors, means - mean, means - mean)
        pooled = torch.einsum("c,cde->de", priors, covs) + spread_out
        single = but(means=mean[None], covs=pooled[None], priors=torch.ones(1, dtype=priors.dtype))[0]
        yield "r", single, "esse é o filtro único, com a covariância de todas juntas; faça um por classe."
        yield "r", noisy, "essa é a própria imagem ruidosa."
        yield "r", ..., "os números não conferem: a soma, nas classes, de chance × [m + C (C + s² I)⁻¹ (x̃ - m)]."
        yield "chances", (means.shape[0], n), "Os eixos estão trocados: uma imagem por linha."
        for hint, (_, wrong_chances) in wrong.items():
            yield "chances", wrong_chances, hint
        yield "chances", chances.log(), "isso são os logaritmos; as chances de cada imagem somam 1."
        yield "chances", ..., "os números não conferem: Bayes, com log N(x̃; m, C + s² I) + log(priors) e um `softmax`."


class Escape(Question):
    """O fator que engana a penalidade contrativa, e a penalidade que já não se engana."""

    name, function, points = "q5", "escape", 2
    start = (
        "Comece pela penalidade como ela está: em cada imagem, a soma de ‖w_j‖² das unidades acesas; depois, a média."
    )
    parts = ("fator", "penalidade honesta")

    def draw(self, seed, source):
        dim, hidden = 9 + seed % 2, 6 + seed % 3
        scale = torch.logspace(-0.3, 0.4, hidden)[torch.randperm(hidden, generator=source)]
        x = torch.randn(7 + seed % 3, dim, generator=source)
        weight = scale[:, None] * torch.randn(hidden, dim, generator=source)
        bias = 3 * scale * torch.randn(hidden, generator=source)
        x[0] = bias[seed % hidden] = 0  # nessa imagem a unidade fica em zero, e não acende
        return {
            "x": x,
            "weight": weight,
            "bias": bias,
            "decoder": torch.randn(dim, hidden, generator=source) * torch.logspace(0.4, -0.4, hidden),
            "target": (0.5, 2.0, 0.05)[seed % 3],
        }

    def answer(self, x, weight, bias, decoder, target):
        active = (x @ weight.T + bias > 0).to(x.dtype)
        squares = weight.square().sum(1)
        penalty = (active @ squares).mean()
        honest = (active @ (squares * decoder.square().sum(0))).mean()
        return (target / penalty).sqrt().item(), honest.item()

    def mistakes(self, right, but, x, weight, bias, decoder, target):
        factor, honest = right
        active, squares = (x @ weight.T + bias > 0).to(x.dtype), weight.square().sum(1)
        norms, penalty = decoder.square().sum(0).sqrt(), (active @ squares).mean()
        yield "fator", (len(squares),), "Um fator só, para o codificador inteiro."
        hint = "a penalidade é quadrática: com o codificador vezes a, ela é multiplicada por a²."
        yield "fator", factor**2, hint
        yield "fator", 1 / factor, "esse é o fator do decodificador; pede-se o do codificador."
        yield "fator", 1 / factor**2, "está ao contrário, e a penalidade é quadrática: ela é multiplicada por a²."
        yield "fator", (target / squares.sum()).sqrt(), "você contou todas as unidades; quem conta são as acesas."
        yield "fator", (target / (active @ squares).sum()).sqrt(), "você somou o lote; a penalidade é a média dele."
        yield "fator", but(bias=0 * bias)[0], "faltou o viés: ele decide quem acende."
        yield "fator", penalty, "essa é a penalidade como está; falta o fator que a leva ao alvo."
        yield "fator", honest, "a ordem da tupla é (fator, penalidade honesta)."
        hint = "não tire a raiz das normas: a penalidade soma ‖w_j‖²."
        yield "fator", (target / (active @ squares.sqrt()).mean()).sqrt(), hint
        yield "fator", ..., "o número não confere: a² vezes a penalidade tem de ser o alvo."
        hint = "essa é a penalidade antes da troca: normalizar o decodificador muda o codificador."
        yield "penalidade honesta", penalty, hint
        yield (
            "penalidade honesta",
            target,
            "essa é a enganada; normalizado o decodificador, o fator não muda mais nada.",
        )
        hint = "cada linha w_j se multiplica por ‖v_j‖, e a penalidade leva o quadrado disso: ‖w_j‖²‖v_j‖²."
        yield "penalidade honesta", (active @ (squares * norms)).mean(), hint
        hint = "está ao contrário: dividiu-se v_j por ‖v_j‖, e para compensar w_j se *multiplica* por ele."
        yield "penalidade honesta", (active @ (squares / norms.square())).mean(), hint
        yield "penalidade honesta", (active @ (squares / norms)).mean(), hint
        hint = "esqueceu-se de desfazer o fator: codificador vezes a vem com decodificador dividido por a."
        yield "penalidade honesta", factor**2 * honest, hint
        hint = "a norma é de cada coluna do decodificador, e não da matriz inteira: cada unidade tem a sua escala."
        yield "penalidade honesta", penalty * norms.square().sum(), hint
        yield "penalidade honesta", penalty * norms.square().mean(), hint
        hint = "você contou todas as unidades; quem conta são as acesas."
        yield "penalidade honesta", (squares * norms.square()).sum(), hint
        yield "penalidade honesta", len(x) * honest, "você somou o lote; a penalidade é a média dele."
        hint = "o número não confere: a média, no lote, da soma de ‖w_j‖²‖v_j‖² das unidades acesas."
        yield "penalidade honesta", ..., hint


class DiagnoseLoops(Question):
    """O defeito de cada laço de treino, pelas perdas que ele dá a duas respostas que se conhecem."""

    name, function, points = "q4", "diagnose_loops", 1
    start = "Comece por preencher à mão, para cada defeito, a perda esperada do copista e a do adivinho."

    def draw(self, seed, source):
        spread = (0.3, 0.25, 0.2)[seed % 3]
        verdicts = torch.cat([torch.arange(6), torch.randint(6, (3,), generator=source)])
        verdicts = verdicts[torch.randperm(len(verdicts), generator=source)]
        losses = [self.probe(int(verdict), spread, source) for verdict in verdicts]
        return {"losses": torch.stack(losses), "spread": spread}

    @staticmethod
    def probe(verdict: int, spread: float, source: torch.Generator) -> Tensor:
        """As perdas (4 épocas, 2 respostas) que o laço com este defeito dá ao copista e ao adivinho."""

        def noise() -> Tensor:
            return spread * torch.randn(4_000, generator=source)

        x, fixed, rows = torch.rand(4_000, generator=source), noise(), []
        for _ in range(4):
            drawn = fixed if verdict == 3 else noise()
            entered = {4: x, 5: x + drawn / 2}.get(verdict, x + drawn)
            target = {1: entered, 2: x + noise()}.get(verdict, x)
            rows.append(torch.stack([(answer - target).square().mean() for answer in (entered, x)]))
        return torch.stack(rows)

    def answer(self, losses, spread, second=True, frozen=True, half=True, variance=None):
        variance = variance or spread**2
        copy, guess = losses.mean(1).T / variance
        verdict = torch.zeros(len(losses))
        verdict[(copy < 0.1) & (guess > 0.5)] = 1
        verdict[(copy > 1.5) & (guess > 0.5)] = 2 if second else 0
        still = (losses[:, :, 0].amax(1) == losses[:, :, 0].amin(1)) & (verdict == 0)
        verdict[still] = 3 if frozen else 0
        verdict[(copy < 0.1) & (guess < 0.1)] = 4
        verdict[(copy > 0.1) & (copy < 0.5) & (guess < 0.1)] = 5 if half else 0
        return verdict.numpy().astype(float)

    def mistakes(self, right, but, losses, spread):
        yield (), "Um veredito por laço."
        yield losses.shape[:2], "Um veredito por laço, olhando todas as épocas."
        hint = "há laços em que até o adivinho paga s²: o alvo dele também foi estragado, com outro sorteio. É o 2."
        yield but(second=False), hint
        hint = (
            "há um laço em que as perdas se repetem, algarismo por algarismo: o ruído foi sorteado uma vez só. É o 3."
        )
        yield but(frozen=False), hint
        hint = "há laços em que o copista paga só um quarto de s²: o ruído entrou com metade do desvio. É o 5."
        yield but(half=False), hint
        hint = "o desvio do ruído é s, e o copista paga a variância dele, s²: compare as perdas com s², e não com s."
        yield but(variance=spread), hint
        hint = "1 e 4 se confundem se só se olha o copista, que acerta nos dois: olhe o adivinho, que no 1 paga s²."
        yield np.where(right == 4, 1.0, right), hint
        yield np.where(right == 1, 4.0, right), hint
        swapped = np.select([right == 1, right == 2], [2.0, 1.0], right)
        hint = "1 e 2 estão trocados: se o alvo é a própria entrada, o copista não erra nada."
        yield swapped, hint
        swapped = np.select([right == 0, right == 1], [1.0, 0.0], right)
        hint = "0 e 1 estão trocados: no laço certo o adivinho, que dá a limpa, não erra nada."
        yield swapped, hint
        hint = "a parada no tempo só denuncia o 3 quando há ruído: no 4 e no 1 o copista tem perda zero em toda época."
        yield np.where((right == 4) | (right == 1), 3.0, right), hint
        yield np.where(right == 4, 3.0, right), hint
        yield (right > 0).astype(float), "isso separa os laços certos dos outros; diga de cada um o defeito, de 1 a 5."
        yield right + 1, "a contagem começa em 0: o laço certo é 0."
        yield (
            ...,
            "algum veredito não confere: compare as duas perdas com 0, s²/4, s² e 2s², e veja se variam de época.",
        )


class GreedyFaults(Question):
    """O que cada etapa do pré-treino guloso mudou que não devia, ou não mudou que devia."""

    name, function, points = "q6", "greedy_faults", 1
    start = "Comece por uma etapa: compare, camada por camada, `snapshots[k]`, de antes dela, com `snapshots[k + 1]`."

    def draw(self, source):
        middle = torch.tensor([0, 1, 2, 3, 1, 3])[torch.randperm(6, generator=source)]
        # A primeira não tem camada abaixo, nem a última acima.
        first = int((0, 2, 3)[int(torch.randint(3, (1,), generator=source))])
        last = int(torch.randint(3, (1,), generator=source))
        layers = [
            (torch.randn(3, 4, generator=source), torch.randn(3, generator=source)) for _ in range(len(middle) + 2)
        ]
        # Das duas vezes em que cada defeito aparece no meio, uma é às claras, e a outra, quase nada ou só num viés.
        kinds = {1: ["peso", "quase nada"], 3: ["peso", "viés"]}
        if int(torch.randint(2, (1,), generator=source)):
            kinds = {1: kinds[3], 3: kinds[1]}
        snapshots = [layers]
        for k, verdict in enumerate((first, *middle.tolist(), last)):
            layers = list(layers)
            if verdict != 2:
                layers[k] = (layers[k][0] + 0.1 * torch.randn(3, 4, generator=source), layers[k][1])
            if verdict in (1, 3):
                low, high = (0, k) if verdict == 1 else (k + 1, len(layers))
                other = int(torch.randint(low, high, (1,), generator=source))
                layers[other] = self.disturbed(layers[other], kinds[verdict].pop() if kinds[verdict] else "peso")
            snapshots.append(layers)
        return {"snapshots": snapshots}

    @staticmethod
    def disturbed(layer: tuple[Tensor, Tensor], kind: str) -> tuple[Tensor, Tensor]:
        """A camada em que se mexeu sem dever; ``quase nada`` fica bem abaixo da tolerância do ``allclose``."""
        weight, bias = (part.clone() for part in layer)
        match kind:
            case "peso":
                weight[0, 1] += 0.1
            case "viés":
                bias[1] += 0.1
            case "quase nada":
                weight[1, 2] *= 1 + 4e-6
        return weight, bias

    def answer(self, snapshots, same=None, parts=2, since=None):
        same = same or torch.equal
        verdicts = []
        for k, (before, after) in enumerate(pairwise(snapshots)):
            changed = [
                not all(same(old, new) for old, new in zip(a[:parts], b[:parts], strict=True))
                for a, b in zip(before if since is None else snapshots[since], after, strict=True)
            ]
            verdicts.append(1 if any(changed[:k]) else 3 if any(changed[k + 1 :]) else 0 if changed[k] else 2)
        return np.array(verdicts, dtype=float)

    def mistakes(self, right, but, snapshots):
        yield (), "Um veredito por etapa, e não a conta delas."
        yield (len(snapshots),), "São L etapas e L + 1 fotografias: a etapa k vai da fotografia k à k + 1."
        yield (len(right), len(right)), "Um veredito por etapa: resuma o que mudou em cada uma."
        hint = "congelada é congelada, bit a bit: uma mudança que o `allclose` perdoa também é mudança."
        yield but(same=torch.allclose), hint
        yield but(parts=1), "olhe também os vieses: uma camada é o par (W, b)."
        hint = "compare com a fotografia de antes desta etapa, e não com a do começo: as de baixo já treinaram."
        yield but(since=0), hint
        swapped = np.select([right == 1, right == 3], [3.0, 1.0], right)
        yield swapped, "1 e 3 estão trocados: as de baixo, já congeladas, têm índice menor que k."
        hint = "uma etapa em que nada mudou também está errada: a camada dela não treinou. É o 2."
        yield np.where(right == 2, 0.0, right), hint
        hint = "uma camada acima da etapa não devia mudar ainda: a vez dela não chegou. É o 3."
        yield np.where(right == 3, 0.0, right), hint
        yield np.where(right == 1, 0.0, right), "uma camada de baixo mudou, e devia estar congelada. É o 1."
        yield (
            (right > 0).astype(float),
            "isso separa as etapas certas das outras; diga de cada uma o defeito: 1, 2 ou 3.",
        )
        yield ..., "algum veredito não confere: na etapa k só a camada k pode mudar, e tem de mudar."


EXERCISE = Exercise(
    "02_variantes",
    (MatchedCorruptions(), TwoPoints(), ClassWiener(), DiagnoseLoops(), Escape(), GreedyFaults()),
)
