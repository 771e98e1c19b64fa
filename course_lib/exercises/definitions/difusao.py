"""Exercício 07_difusao: o plano sob medida, que rede é esta, os pesos da perda, o salto, a orientação e o orçamento."""

from __future__ import annotations

from math import inf

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question, random_images


class ScheduleFor(Question):
    """As variâncias de um plano, dado o logaritmo da razão sinal-ruído que ele deve ter em cada instante."""

    name, function, points = "q1", "schedule_for", 1
    start = "Comece por ᾱ: se SNR = ᾱ/(1 − ᾱ), que ᾱ tem um dado log SNR?"

    def draw(self, seed, source):
        steps = 6 + seed % 3
        falls = 0.3 + torch.rand(steps, generator=source)
        return {"log_snr": 2.5 + torch.rand((), generator=source) - falls.cumsum(0)}

    def answer(self, log_snr):
        return self.betas(log_snr.sigmoid()).numpy()

    def betas(self, bar: Tensor, before: Tensor | None = None) -> Tensor:
        before = torch.cat([torch.ones(1), bar[:-1]]) if before is None else before
        return 1 - bar / before

    def mistakes(self, right, log_snr):
        bar, snr = log_snr.sigmoid(), log_snr.exp()
        steps = len(log_snr)
        yield (steps - 1,), "Falta o β do primeiro passo: antes dele está a imagem limpa, de ᾱ = 1."
        yield (steps + 1,), "Há um valor a mais: um β por passo, e a imagem limpa não é um passo."
        yield bar, "isso é ᾱ; queremos os β que o produzem."
        yield 1 - bar, "isso é 1 − ᾱ, o ruído acumulado até cada instante; β é o que **um** passo soma."
        yield 1 - np.asarray(right), "isso é 1 − β, o que sobra do sinal em cada passo."
        yield self.betas(bar).sqrt(), "β é a variância; você devolveu o desvio."
        yield 1 - (bar / torch.cat([torch.ones(1), bar[:-1]])).sqrt(), "a razão dos ᾱ é 1 − β, sem raiz."
        yield self.betas(bar, torch.cat([bar[:1], bar[:-1]])), "o primeiro passo também soma ruído: antes dele, ᾱ = 1."
        yield self.betas((-log_snr).sigmoid()), "o sinal de log SNR está trocado: quando ele cai, ᾱ também cai."
        yield self.betas((2 * log_snr).sigmoid()), "a SNR já é de variâncias, ᾱ/(1 − ᾱ): não dobre o logaritmo."
        yield self.betas((log_snr / 2).sigmoid()), "a SNR é de variâncias, ᾱ/(1 − ᾱ), e não de desvios: sem o 1/2."
        yield self.betas(log_snr.sigmoid().sqrt()), "isso usou √ᾱ, o peso do sinal; os β saem de ᾱ."
        yield self.betas((log_snr * np.log(10)).sigmoid()), "o logaritmo é natural, e não na base 10."
        yield self.betas(snr), "isso tomou a SNR por ᾱ: resolva SNR = ᾱ/(1 − ᾱ) em ᾱ."
        hint = "os números não conferem: ᾱ = SNR/(1 + SNR), e β_t = 1 − ᾱ_t/ᾱ_{t−1}, com ᾱ_0 = 1."
        yield ..., hint


EPS, IMAGE, VELOCITY, SCORE, NONE = range(5)


def _targets(x_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> list[Tensor]:
    """O ruído, a imagem, a velocidade e o escore."""
    bar = alpha_bar.view(-1, 1, 1, 1)
    return [eps, x_0, bar.sqrt() * eps - (1 - bar).sqrt() * x_0, -eps / (1 - bar).sqrt()]


class WhichOutput(Question):
    """O que cada rede prevê, pelas saídas dela em imagens conhecidas."""

    name, function, points = "q2", "which_output", 2
    start = "Comece pelo ruído que foi somado: isole ε em x_t = √ᾱ x₀ + √(1 − ᾱ) ε."

    def draw(self, seed, source):
        n = 5 + seed % 2
        alpha_bar = 0.1 + 0.8 * (torch.arange(n) + torch.rand(n, generator=source)) / n
        alpha_bar = alpha_bar[torch.randperm(n, generator=source)]
        x_0 = 2 * torch.rand(n, 1, 6, 6, generator=source).round() - 1
        x_0 = x_0 * (0.6 + 0.4 * torch.rand(x_0.shape, generator=source))
        eps = torch.randn(n, 1, 6, 6, generator=source)
        bar = alpha_bar.view(-1, 1, 1, 1)
        x_t = bar.sqrt() * x_0 + (1 - bar).sqrt() * eps
        targets = _targets(x_0, eps, alpha_bar)
        # Quanto cada rede erra o seu alvo: as três últimas, perto de 0,2, duas aquém e uma além.
        again = (EPS, VELOCITY)[seed % 2]
        kinds = [*targets, -targets[VELOCITY], -targets[SCORE], targets[again], targets[VELOCITY], targets[IMAGE]]
        truth = [EPS, IMAGE, VELOCITY, SCORE, NONE, NONE, again, VELOCITY, NONE]
        spreads = [*6 * [0.15], 0.37, 0.39, 0.53]
        while True:
            order = torch.randperm(len(kinds), generator=source).tolist()
            if [truth[i] for i in order] != [truth[i] for i in order[::-1]]:
                break
        outputs = torch.stack([kinds[i] + spreads[i] * torch.randn(x_0.shape, generator=source) for i in order])
        return {"x_t": x_t, "x_0": x_0, "alpha_bar": alpha_bar, "outputs": outputs}

    def answer(self, x_t, x_0, alpha_bar, outputs, targets=None, limit=0.2):
        bar = alpha_bar.view(-1, 1, 1, 1)
        if targets is None:
            targets = _targets(x_0, (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt(), alpha_bar)
        errors = torch.stack([(outputs - one).square().flatten(1).mean(1) for one in targets], dim=1)  # (K, 4)
        least, found = errors.min(1)
        return torch.where(least < limit, found, NONE).double().numpy()

    def mistakes(self, right, but, x_t, x_0, alpha_bar, outputs):
        bar = alpha_bar.view(-1, 1, 1, 1)
        signal, noise = bar.sqrt(), (1 - bar).sqrt()
        eps = (x_t - signal * x_0) / noise
        targets = _targets(x_0, eps, alpha_bar)
        yield (), "É um veredito por rede: (K,)."
        yield (len(outputs), len(x_t)), "Um veredito por rede, e não por imagem: o erro é a média no lote todo."
        yield right[::-1].copy(), "os vereditos estão na ordem inversa das redes."
        hint = "nem toda rede presta: quando nem o alvo mais próximo tem erro menor que 0,2, o veredito é 4."
        yield but(limit=inf), hint
        opposite = [eps, x_0, -targets[VELOCITY], targets[SCORE]]
        yield but(targets=opposite), "o sinal da velocidade está trocado: v = √ᾱ ε − √(1 − ᾱ) x₀."
        up = [eps, x_0, targets[VELOCITY], -targets[SCORE]]
        yield but(targets=up), "o escore aponta **contra** o ruído: é −ε/√(1 − ᾱ)."
        for score in (-eps, eps):
            hint = "o escore é o ruído dividido por √(1 − ᾱ), com o sinal trocado: a divisão também conta."
            yield but(targets=[*targets[:3], score]), hint
        yield but(targets=[*targets[:3], -eps / (1 - bar)]), "no escore divide-se por √(1 − ᾱ), com a raiz."
        plain = (x_t - bar * x_0) / (1 - bar)
        hint = "faltaram as raízes: os pesos em x_t são √ᾱ e √(1 − ᾱ)."
        for velocity in (bar * plain - (1 - bar) * x_0, signal * plain - noise * x_0):
            yield but(targets=[plain, x_0, velocity, -plain / noise]), hint
        yield but(targets=[eps, x_0, bar * eps - (1 - bar) * x_0, targets[SCORE]]), hint
        mean = alpha_bar.mean().expand(len(x_t))
        hint = "cada imagem está no **seu** instante: leve `alpha_bar` à forma (B, 1, 1, 1)."
        yield but(targets=_targets(x_0, (x_t - mean[0].sqrt() * x_0) / (1 - mean[0]).sqrt(), mean)), hint
        hint = "subtrair x₀ de x_t não dá o ruído: a imagem foi encolhida por √ᾱ, e o ruído, por √(1 − ᾱ)."
        yield but(targets=_targets(x_0, x_t - x_0, alpha_bar)), hint
        swapped = np.array([1, 0, 2, 3, 4])[np.clip(right, 0, 4).astype(int)]
        yield swapped, "os códigos estão trocados: 0 é o ruído e 1 é a imagem."
        yield lambda value: not np.isin(value, range(5)).all(), "os códigos vão de 0 a 4."
        yield (
            ...,
            "os vereditos não conferem. De cada rede, calcule o erro quadrático médio com os quatro alvos e fique com "
            "o menor, se for menor que 0,2.",
        )


KINDS = ("imagem", "ruído", "velocidade", "escore")


def _factors(bar: Tensor) -> dict[str, Tensor]:
    """Quantas vezes o erro quadrático de cada alvo é o da imagem."""
    snr = bar / (1 - bar)
    return {"imagem": torch.ones_like(bar), "ruído": snr, "velocidade": 1 + snr, "escore": snr / (1 - bar)}


class LossWeight(Question):
    """O peso que transforma a perda de um alvo na de outro."""

    name, function, points = "q3", "loss_weight", 1
    start = "Comece pelo erro de cada alvo, com x_t fixo: o do ruído é −√ᾱ/√(1 − ᾱ) vezes o da imagem."
    public_seeds = (0, 1, 2, 3)

    def draw(self, seed, source):
        have, want = (
            ("velocidade", "ruído"),
            ("escore", "imagem"),
            ("imagem", "velocidade"),
            ("ruído", "escore"),
            ("velocidade", "escore"),
            ("ruído", "velocidade"),
        )[seed % 6]
        low, high = (0.05, 0.4) if seed % 2 else (0.55, 0.95)
        return {"alpha_bar": low + (high - low) * torch.rand(7, generator=source), "have": have, "want": want}

    def answer(self, alpha_bar, have, want, factors=_factors):
        found = factors(alpha_bar)
        return (found[want] / found[have]).numpy()

    def mistakes(self, right, but, alpha_bar):
        yield (), "O peso muda com o instante: um por ᾱ, (T,)."
        yield 1 / right, "a razão está ao contrário: é o que multiplica a perda que se **tem** para dar a que se quer."
        yield np.sqrt(right), "são erros ao quadrado: o peso também é, sem a raiz."
        yield right**2, "o peso é a razão dos quadrados dos fatores; você elevou ao quadrado duas vezes."
        noise, bar = 1 - alpha_bar, alpha_bar
        changes = {
            "o erro do ruído: de x_t fixo sai que √(1 − ᾱ) Δε = −√ᾱ Δx₀; o quadrado é a SNR.": {"ruído": noise / bar},
            "o erro da velocidade: Δv = √ᾱ Δε − √(1 − ᾱ) Δx₀, e os dois **somam**: 1/(1 − ᾱ).": {"velocidade": noise},
            "Δv tem as duas parcelas com o mesmo sinal, e o quadrado é o da soma: não some os quadrados.": {
                "velocidade": bar**2 / noise + noise
            },
            "o escore é −ε/√(1 − ᾱ): o quadrado do erro é o do ruído sobre 1 − ᾱ.": {"escore": bar / noise},
            "o escore divide por √(1 − ᾱ), uma vez: no quadrado, por 1 − ᾱ.": {"escore": bar / noise**3},
        }
        for hint, change in changes.items():
            yield but(factors=lambda bar, change=change: _factors(bar) | change), hint
        yield np.ones_like(right), "as perdas não são iguais: o mesmo erro na imagem vale outro tanto em cada alvo."
        yield (
            ...,
            "os números não conferem. Com x_t fixo, escreva o erro de cada alvo como um número vezes o da imagem, "
            "eleve ao quadrado e divida.",
        )


def _bar(low: float, high: float, source: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand((), generator=source)


class GuidedJump(Question):
    """Um salto do DDIM com uma rede que prevê a velocidade e a escala de orientação das bibliotecas."""

    name, function, points = "q4", "guided_jump", 1
    start = "Comece pela velocidade orientada, sem + escala · (com − sem); dela sai x̂₀ = √ᾱ x_t − √(1 − ᾱ) v."

    def draw(self, seed, source):
        n, bar_t = 3 + seed % 2, _bar(0.2, 0.6, source)
        x_0, eps = random_images(n, source), torch.randn(n, 1, 28, 28, generator=source)
        v = bar_t.sqrt() * eps - (1 - bar_t).sqrt() * x_0
        drift = torch.randn(2, n, 1, 28, 28, generator=source)
        return {
            "x_t": bar_t.sqrt() * x_0 + (1 - bar_t).sqrt() * eps,
            "with_y": v + 0.3 * drift[0],
            "without_y": v + 0.3 * drift[1],
            "scale": (3.0, 1.5, 2.5)[seed % 3],
            "bar_t": bar_t,
            "bar_s": _bar(0.75, 0.95, source),
        }

    def answer(self, x_t, with_y, without_y, scale, bar_t, bar_s, limit=1.0, stale=False):
        v = without_y + scale * (with_y - without_y)
        raw = bar_t.sqrt() * x_t - (1 - bar_t).sqrt() * v
        x_0 = raw.clamp(-limit, limit)
        eps = (x_t - bar_t.sqrt() * (raw if stale else x_0)) / (1 - bar_t).sqrt()
        return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * eps

    def mistakes(self, but, x_t, with_y, without_y, scale, bar_t, bar_s):
        v = without_y + scale * (with_y - without_y)
        yield but(scale=scale + 1), "na convenção das bibliotecas a escala **já é** 1 + w: com 1, não há orientação."
        yield but(scale=1.0), "faltou a orientação: essa é a resposta de escala 1, só com o dígito."
        yield but(scale=0.0), "você usou só a previsão sem o dígito."
        yield but(scale=1 - scale), "a orientação está ao contrário: afaste-se da previsão **sem** o dígito."
        hint = "faltou o corte de x̂₀ em [-1, 1]: a orientação exagera, e o excesso entra no salto seguinte."
        yield but(limit=inf), hint
        hint = "o ruído de antes do corte já não explica x_t com a estimativa cortada: recalcule-o de x_t e de x̂₀."
        yield but(stale=True), hint
        as_noise = ((x_t - (1 - bar_t).sqrt() * v) / bar_t.sqrt()).clamp(-1, 1)
        eps = (x_t - bar_t.sqrt() * as_noise) / (1 - bar_t).sqrt()
        hint = "essa fórmula é a de uma rede que prevê o ruído; esta prevê a velocidade, e nada se divide por √ᾱ."
        yield bar_s.sqrt() * as_noise + (1 - bar_s).sqrt() * eps, hint
        hint = "o sinal da velocidade está trocado: x̂₀ = √ᾱ x_t **−** √(1 − ᾱ) v."
        yield but(with_y=-with_y, without_y=-without_y), hint
        x_0 = (bar_t.sqrt() * x_t - (1 - bar_t).sqrt() * v).clamp(-1, 1)
        eps = (x_t - bar_t.sqrt() * x_0) / (1 - bar_t).sqrt()
        yield x_t, "você remontou x_t: para dar o salto, os pesos são os de s, √ᾱ_s e √(1 − ᾱ_s)."
        yield bar_s * x_0 + (1 - bar_s) * eps, "faltaram as raízes nos pesos de s."
        yield bar_s.sqrt() * x_0 + (1 - bar_s) * eps, "o peso do ruído é √(1 − ᾱ_s), com a raiz."
        yield bar_s.sqrt() * x_0, "faltou devolver o ruído, na dose de s: x_s ainda não é a imagem limpa."
        yield x_0, "essa é x̂₀; o salto vai só até s."
        hint = "os números não conferem: oriente a velocidade, estime e corte x̂₀, recalcule o ruído e remonte em s."
        yield ..., hint


class GuidedGaussian(Question):
    """O que a orientação faz de duas gaussianas: a média e a variância do produto que ela persegue."""

    name, function, points = "q5", "guided_gaussian", 2
    start = "Comece pelo escore de uma gaussiana, (média − x)/variância, e faça a combinação (1 + w) e −w dos dois."
    parts = ("média", "variância")

    def draw(self, seed, source):
        dims = 4 + seed % 3
        mean, mean_y = 2 * torch.randn(2, dims, generator=source)
        var = 1 + 2 * torch.rand(dims, generator=source)
        return {
            "mean_y": mean_y,
            "var_y": var * (0.2 + 0.4 * torch.rand(dims, generator=source)),
            "mean": mean,
            "var": var,
            "w": (2.0, 0.5, 3.0)[seed % 3],
        }

    def answer(self, mean_y, var_y, mean, var, w):
        inverse = (1 + w) / var_y - w / var
        return (((1 + w) * mean_y / var_y - w * mean / var) / inverse).numpy(), (1 / inverse).numpy()

    def mistakes(self, right, but, mean_y, var_y, mean, var, w):
        inverse = (1 + w) / var_y - w / var
        pull = (1 + w) * mean_y / var_y - w * mean / var
        for part, other in zip(self.parts, right[::-1], strict=True):
            yield part, other, "a ordem está trocada: primeiro a média, depois a variância."
            i = self.parts.index(part)
            yield part, but(w=w - 1)[i], "aqui w = 0 é sem orientação: os pesos são 1 + w e −w."
            yield part, but(w=0)[i], "essa é a de p(x|y), sem orientação."
            yield part, but(mean_y=mean, var_y=var, mean=mean_y, var=var_y)[i], "as duas gaussianas estão trocadas."
            yield part, but(w=-w)[i], "o sinal de w está trocado: afaste-se de p(x)."
            hint = "as variâncias entraram como desvios: o escore de uma gaussiana é (média − x)/variância."
            yield part, but(var_y=var_y**2, var=var**2)[i], hint
            yield part, but(var_y=var_y.sqrt(), var=var.sqrt())[i], hint
        hint = "isso só vale se as duas variâncias são iguais: as médias se combinam com pesos 1/variância."
        yield "média", (1 + w) * mean_y - w * mean, hint
        yield "média", pull, "falta dividir pelo inverso da variância, que é o coeficiente de −x no escore."
        yield "média", pull / ((1 + w) / var_y + w / var), "o inverso da variância é (1 + w)/var_y **−** w/var."
        yield "média", ((1 + w) * mean_y / var_y + w * mean / var) / inverse, "a média de p(x) entra com −w."
        yield "média", ..., "os números não conferem: a média é onde o escore combinado se anula."
        yield "variância", inverse, "isso é o inverso da variância."
        yield "variância", (1 / inverse).sqrt(), "esse é o desvio; a função pede a variância."
        yield "variância", (1 + w) * var_y - w * var, "quem se combina são os **inversos** das variâncias."
        yield "variância", var_y / (1 + w), "faltou p(x): o inverso da variância é (1 + w)/var_y − w/var."
        yield "variância", 1 / ((1 + w) / var_y + w / var), "o inverso da variância de p(x) se **subtrai**."
        yield (
            "variância",
            ...,
            "os números não conferem: o inverso da variância é o coeficiente de −x no escore combinado.",
        )


def _cost(n: int, heun: bool, guided: int, *, last: int = 1, double: int = 2) -> int:
    """Avaliações da rede em n saltos, os ``guided`` primeiros com orientação."""
    each = [2 if heun else 1] * n
    if heun:
        each[-1] = last
    return sum(cost * (double if i < guided else 1) for i, cost in enumerate(each))


class MostJumps(Question):
    """Quantos saltos cabem num orçamento de avaliações da rede."""

    name, function, points = "q6", "most_jumps", 1
    start = "Comece por uma função que conte as avaliações de n saltos; depois, o maior n que cabe."

    def draw(self, seed, source):
        heun = seed % 2 == 0
        while True:
            budget = int(torch.randint(25, 70, (), generator=source))
            guided = int(torch.randint(2, 9, (), generator=source))
            # Sem orientação cabem tantos saltos quantas avaliações; com Heun, num orçamento par sobra uma avaliação.
            if seed % 6 == 5:
                return {"budget": budget, "heun": heun, "guided": 0}
            if seed % 6 == 4:
                return {"budget": budget - budget % 2, "heun": heun, "guided": guided}
            found = [self.answer(budget, heun, guided), *self.wrong(budget, heun, guided).values()]
            if len(set(found)) == len(found):
                return {"budget": budget, "heun": heun, "guided": guided}

    def answer(self, budget, heun, guided, cost=_cost):
        return max(n for n in range(1, budget + 1) if cost(n, heun, guided) <= budget)

    def wrong(self, budget, heun, guided):
        """O que cada engano dá, pela dica dele."""
        found = {
            "os saltos sem orientação continuam a custar o mesmo: só os `guided` primeiros dobram.": self.answer(
                budget, heun, budget
            ),
            "faltou a orientação: nos `guided` primeiros saltos cada avaliação se faz duas vezes.": self.answer(
                budget, heun, 0
            ),
            "esse já passa do orçamento: quer-se o maior número de saltos que **cabe**.": self.answer(
                budget, heun, guided
            )
            + 1,
        }
        if heun:
            hint = "no método de Heun o último salto custa uma avaliação só: na imagem limpa não há rede que avaliar."
            found[hint] = self.answer(budget, heun, guided, lambda *a: _cost(*a, last=2))
            hint = "com Heun cada salto avalia a rede duas vezes, no ponto de partida e no de chegada."
            found[hint] = self.answer(budget, False, guided)
        return found

    def mistakes(self, budget, heun, guided):
        for hint, value in self.wrong(budget, heun, guided).items():
            yield value, hint
        spent = _cost(self.answer(budget, heun, guided), heun, guided)
        yield spent, "essas são as avaliações gastas; queremos o número de saltos."
        yield (
            ...,
            "o número não confere. Conte salto por salto: Heun dobra (menos o último), a orientação dobra de novo.",
        )


EXERCISE = Exercise(
    "07_difusao", (ScheduleFor(), WhichOutput(), LossWeight(), GuidedJump(), GuidedGaussian(), MostJumps())
)
