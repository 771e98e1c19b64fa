"""Exercício 03_vae: a KL, a melhor priori gaussiana, a variância dos pixels, a cota de K sorteios, o peso de uma taxa e
o diagnóstico de cada coordenada."""

from __future__ import annotations

from math import inf, log

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question


def _posterior(seed: int, source: torch.Generator) -> dict[str, Tensor]:
    """mu e logvar de um lote; nem o lote nem o código têm sempre o mesmo tamanho."""
    shape = (4 + seed % 3, 6 + seed % 2)
    mu = 1.5 * torch.randn(shape, generator=source)
    # Longe de zero: aí desvio e variância se confundiriam.
    return {"mu": mu, "logvar": torch.randn(shape, generator=source) - 1}


def _kl_terms(mu: Tensor, logvar: Tensor, distance=torch.square, width=torch.exp) -> Tensor:
    """A parcela de cada coordenada, da forma de ``mu``."""
    return 0.5 * (distance(mu) + width(logvar) - 1 - logvar)


class KlDivergence(Question):
    """A KL da posterior de cada imagem à priori."""

    name, function, points = "q1", "kl_divergence", 1
    start = "Comece pela parcela de uma coordenada, e só depois some na dimensão 1."
    draw = staticmethod(_posterior)

    def answer(self, mu, logvar, **functions):
        return _kl_terms(mu, logvar, **functions).sum(1)

    def mistakes(self, right, but, mu, logvar):
        n, dim = mu.shape
        yield (n, dim), "Você tem a parcela de cada coordenada; falta somá-las (dimensão 1)."
        yield (), "Isso é um número para o lote todo; queremos um por imagem, sem a soma nem a média sobre o lote."
        yield (dim,), "Some sobre as coordenadas (dimensão 1), e não sobre as imagens."
        yield (n, 1), "Há um eixo a mais (veja `keepdim`)."
        yield -right, "o sinal está trocado: uma KL nunca é negativa."
        yield right / dim, "você tirou a média das coordenadas; elas são independentes, e as KL se somam."
        yield 2 * right, "faltou o fator 1/2."
        yield right / log(2), "isso está em bits; aqui o logaritmo é natural, e a KL sai em nats."
        yield right + 0.5 * dim, "faltou o -1 de cada coordenada: a KL de N(0, I) a ela mesma precisa dar zero."
        yield right + 0.5 * logvar.sum(1), "faltou o termo -ℓ, que é o que cobra as nuvens estreitas."
        yield right + logvar.sum(1), "o termo ℓ entra com sinal negativo: nuvens estreitas pagam mais."
        hint = "você leu `logvar` como log σ; ele já é o logaritmo da variância, então σ² = exp(ℓ)."
        yield but(logvar=2 * logvar), hint
        yield but(width=lambda logvar: (logvar / 2).exp()), "o termo da largura é a variância, exp(ℓ), e não o desvio."
        yield but(width=torch.square), "o segundo termo é exp(ℓ), e não ℓ²."
        yield but(distance=lambda mu: mu), "o termo da distância é μ², que cobra igual dos dois lados da origem."
        hint = "essa é a KL no sentido contrário, da priori a q; a da ELBO é de q(z|x) a p(z)."
        yield but(mu=mu / (0.5 * logvar).exp(), logvar=-logvar), hint
        yield 0.5 * mu.square().sum(1), "isso só cobra a distância da origem; falta o preço da largura."
        yield lambda value: (value < -1e-6).any(), "há KL negativa, o que não existe: confira os sinais."
        yield ..., "os números não conferem: por coordenada, a metade de μ² + exp(ℓ) - 1 - ℓ; depois, a soma."


class BestPrior(Question):
    """A priori gaussiana que mais barateia o lote, e quanto cada coordenada economiza com ela."""

    name, function, points = "q2", "best_prior", 2
    start = "Comece pela média: que m torna menor a média de (μ - m)² sobre as imagens?"
    parts = ("mean", "logvar", "saved")
    draw = staticmethod(_posterior)

    def moments(self, mu, logvar):
        return mu.mean(0), logvar.exp().mean(0) + mu.var(0, correction=0)

    def answer(self, mu, logvar):
        mean, variance = self.moments(mu, logvar)
        return mean, variance.log(), _kl_terms(mean, variance.log())

    def mistakes(self, right, mu, logvar):
        (mean, log_variance, saved), variance = right, self.moments(mu, logvar)[1]
        within, between = logvar.exp().mean(0), mu.var(0, correction=0)
        yield (len(mu),), "A priori é uma só para todas as imagens: tire a média sobre elas (dimensão 0)."
        yield mu.shape, "A priori é uma só para todas as imagens: falta a média sobre elas (dimensão 0)."
        yield "mean", (), "Cada coordenada tem a sua média; não junte todas num número."
        yield (
            "mean",
            0 * mean,
            "essa é a priori de sempre, centrada em zero; a melhor fica no meio dos centros das nuvens.",
        )
        yield "mean", mean.square(), "o centro da melhor priori é a média dos μ, sem o quadrado."
        yield (
            "mean",
            mu.median(0).values,
            "a mediana torna menor a soma dos |μ - m|; aqui a distância entra ao quadrado.",
        )
        yield "mean", ..., "os números não conferem: o centro da melhor priori é a média dos μ sobre as imagens."
        yield "logvar", (), "Cada coordenada tem a sua variância; não junte todas num número."
        yield "logvar", variance, "isso é a variância da melhor priori; a função pede o logaritmo dela."
        yield "logvar", log_variance / 2, "isso é log σ; a função pede log σ², como na saída do codificador."
        hint = "você só contou a largura das nuvens; a priori também precisa cobrir os centros, que se espalham."
        yield "logvar", within.log(), hint
        hint = "você só contou o espalhamento dos centros; cada nuvem tem ainda a sua largura, exp(ℓ)."
        yield "logvar", between.log(), hint
        yield "logvar", logvar.mean(0), "a média dos logaritmos não é o logaritmo da média: tire antes a exponencial."
        hint = "a média dos ℓ não é o log da média das variâncias: use a média de exp(ℓ), mais a variância dos centros."
        yield "logvar", (logvar.mean(0).exp() + between).log(), hint
        hint = "dividiu-se por B - 1. Aqui se quer a média sobre as B imagens: `mu.var(0, correction=0)`."
        yield "logvar", (within + mu.var(0)).log(), hint
        hint = "você somou a média de μ²; meça o espalhamento em torno de m, e não da origem."
        yield "logvar", (within + mu.square().mean(0)).log(), hint
        hint = "some as variâncias, e não os desvios: a largura é exp(ℓ), e o espalhamento, a variância dos μ."
        yield "logvar", ((0.5 * logvar).exp().mean(0) + between.sqrt()).square().log(), hint
        hint = "os números não conferem: a variância da mistura é a média de exp(ℓ) mais a variância dos centros μ."
        yield "logvar", ..., hint
        before, after = _kl_terms(mu, logvar).mean(0), 0.5 * (log_variance - logvar.mean(0))
        yield "saved", (), "Queremos a economia de cada coordenada; a soma fica para depois."
        yield "saved", -saved, "o sinal está trocado: a economia é o preço de antes menos o de depois."
        yield "saved", before, "esse é o preço com a priori N(0, 1); subtraia dele o preço com a melhor."
        yield "saved", after, "esse é o preço que sobra com a melhor priori; a economia é o de antes menos esse."
        yield "saved", len(mu) * saved, "você somou as imagens; a economia é por imagem, em média."
        yield "saved", 2 * saved, "faltou o fator 1/2 da KL."
        yield "saved", saved / log(2), "isso está em bits; aqui o logaritmo é natural, e tudo sai em nats."
        yield (
            "saved",
            lambda value: (value < -1e-6).any(),
            "há economia negativa, e a melhor priori nunca sai mais cara.",
        )
        hint = "os números não conferem: é a média da KL a N(0, 1), menos a média da KL à priori que você achou."
        yield "saved", ..., hint


class VarianceGains(Question):
    """Quantos nats de ELBO se ganham trocando a variância declarada pela melhor, uma só ou uma por pixel."""

    name, function, points = "q3", "variance_gains", 1
    start = "Comece pelo erro médio de cada pixel, `squared.mean(0)`, e pela melhor variância única."
    parts = ("uma só", "uma por pixel")

    def draw(self, seed, source):
        n, dim = 5 + seed % 3, 8 + seed % 4
        scale = torch.logspace(-3.5, 0, dim)[torch.randperm(dim, generator=source)]
        squared = scale * (0.2 + torch.rand(n, dim, generator=source))
        squared[:, seed % dim] = 0  # um canto que nunca muda, como no MNIST
        return {"squared": squared, "variance": (5.0, 1.5, 0.5)[seed % 3], "floor": 0.01}

    def gain(self, error, declared, variance):
        return 0.5 * ((variance / declared).log() + error / variance - error / declared).sum()

    def answer(self, squared, variance, floor):
        error = squared.mean(0)
        one = error.mean().clamp_min(floor).expand_as(error)
        return tuple(self.gain(error, s, variance) for s in (one, error.clamp_min(floor)))

    def mistakes(self, right, squared, variance, floor):
        n, dim = squared.shape
        error, declared = squared.mean(0), squared.mean(0).clamp_min(floor)
        both, ratio = dict(zip(self.parts, right, strict=True)), declared / variance
        yield (n,), "Queremos o ganho médio por imagem: um número só."
        yield (dim,), "Some os ganhos dos pixels: a imagem tem todos eles."
        hint = "um pixel que nunca erra pediria variância zero e ganharia infinitos nats: aplique o piso antes do log."
        yield inf, hint
        for part, value in both.items():
            yield part, -value, "o sinal está trocado: trocar para a melhor variância só pode fazer a ELBO subir."
            yield part, value / dim, "você tirou a média dos pixels; na ELBO da imagem eles se somam."
            yield part, n * value, "você somou as imagens; o ganho é por imagem, em média."
            yield part, 2 * value, "faltou o 1/2 que multiplica tudo: é ½·log σ², e o erro é dividido por 2σ²."
            yield part, value / log(2), "isso está em bits; use o logaritmo natural, para sair em nats."
        yield "uma só", right[1], "a ordem está trocada: a variância única vem primeiro."
        yield "uma por pixel", right[0], "você devolveu o ganho da variância única duas vezes, ou na ordem trocada."
        single = error.mean() / variance
        yield "uma só", -0.5 * dim * single.log(), "você só mexeu na constante; o termo do erro também muda."
        yield (
            "uma só",
            0.5 * dim * (single - 1),
            "você só mexeu no termo do erro; a constante, o ½·log σ², também muda.",
        )
        each = squared.mean(1) / variance
        hint = "a variância é do modelo, e não da imagem: tire a média do erro sobre todas antes do logaritmo."
        yield "uma só", 0.5 * dim * (each - 1 - each.log()).mean(), hint
        yield "uma só", self.gain(error, error.mean().sqrt(), variance), "declare a variância, e não o desvio."
        yield "uma só", ..., "o número não confere: com a melhor variância, o termo do erro vale ½ por pixel. E antes?"
        hint = "no pixel preso no piso, o erro dividido pela variância não vale 1: use o erro dele, que é menor."
        yield "uma por pixel", 0.5 * (error / variance - 1 - ratio.log()).sum(), hint
        hint = "o piso vale para a variância declarada; o erro do pixel continua o que é."
        yield "uma por pixel", 0.5 * (ratio - 1 - ratio.log()).sum(), hint
        hint = "o piso não se soma: só troca as variâncias que ficariam abaixo dele (`clamp_min`)."
        yield "uma por pixel", self.gain(error, error + floor, variance), hint
        yield "uma por pixel", -0.5 * ratio.log().sum(), "você só mexeu na constante; o termo do erro também muda."
        hint = "os pixels abaixo do piso também contam: neles se declara o piso."
        kept = error > floor
        yield "uma por pixel", self.gain(error[kept], error[kept], variance), hint
        hint = "o número não confere: faça a conta da variância única em cada pixel, com o erro e a variância dele."
        yield "uma por pixel", ..., hint


class BoundAndEss(Question):
    """A cota com K sorteios, tirada de S, e quantos sorteios de fato contam."""

    name, function, points = "q4", "bound_and_ess", 1
    start = "Comece por separar os grupos: `log_w.reshape(-1, k, log_w.shape[1])`."
    parts = ("bound", "ess")

    def draw(self, seed, source):
        # Como numa imagem de verdade: a exponencial de -300 é zero em float32.
        log_w = -300 + 2 * torch.randn(12, 4 + seed % 3, generator=source)
        return {"log_w": log_w, "k": (3, 4, 2)[seed % 3]}

    def answer(self, log_w, k):
        groups = log_w.reshape(-1, k, log_w.shape[1])
        ess = (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()
        return groups.logsumexp(1).mean(0) - log(k), ess

    def mistakes(self, right, log_w, k):
        (bound, ess), (size, n) = right, log_w.shape
        groups = log_w.reshape(-1, k, n)
        yield (size // k, n), "Você tem um valor por grupo; falta a média sobre os grupos."
        yield (k, n), "A média dos pesos é dentro de cada grupo de K, e a dos logaritmos, entre os grupos."
        yield (size, n), "Sobra um número por imagem: junte os sorteios (dimensão 0)."
        yield (), "Queremos um número por imagem; a média sobre o lote fica para depois."
        hint = "exp(-300) é zero em float32: não saia do logaritmo (`torch.logsumexp`), ou tire antes o maior log w."
        yield inf, hint
        yield "bound", -bound, "o sinal está trocado: a cota é de log p(x), e aqui ela é negativa."
        yield "bound", log_w.mean(0), "isso é a ELBO, a cota de K = 1: dentro do grupo, a média é dos pesos."
        hint = "você juntou todos os sorteios num grupo só: essa é a cota de K = S."
        yield "bound", log_w.logsumexp(0) - log(size), hint
        yield "bound", bound + log(k), "faltou dividir por K a soma do grupo: no logaritmo, é `logsumexp` menos log K."
        yield "bound", bound + log(k) - log(size), "a média do grupo divide por K, o tamanho dele, e não por S."
        yield "bound", groups[0].logsumexp(0) - log(k), "você só usou o primeiro grupo; os outros são de graça."
        hint = "tire o logaritmo de cada grupo e só depois a média entre os grupos; o log da média de tudo é K = S."
        yield "bound", groups.logsumexp(1).logsumexp(0) - log(k), hint
        hint = "os grupos são de sorteios seguidos: os K primeiros, os K seguintes… (`reshape(-1, k, B)`)."
        yield "bound", log_w.reshape(k, -1, n).logsumexp(0).mean(0) - log(k), hint
        yield "bound", groups.amax(1).mean(0) - log(k), "você ficou só com o maior peso de cada grupo."
        yield "bound", groups.amax(1).mean(0), "você ficou só com o maior peso de cada grupo."
        yield "bound", ..., "os números não conferem: log da média dos pesos em cada grupo, e a média entre os grupos."
        share = log_w.softmax(0)
        yield "ess", ess / size, "isso é a fração que conta; queremos o número de sorteios, entre 1 e S."
        yield "ess", 1 / ess, "está invertido: a soma dos quadrados é que vai embaixo."
        yield "ess", ess.log(), "isso é o logaritmo; falta a exponencial no fim."
        yield "ess", 1 / share.amax(0), "o maior peso sozinho não basta: entram os quadrados de todos."
        hint = "essa é outra medida, a exponencial da entropia dos pesos; aqui são os quadrados deles."
        yield "ess", (-(share * share.log()).sum(0)).exp(), hint
        local = (2 * groups.logsumexp(1) - (2 * groups).logsumexp(1)).exp()
        yield "ess", local.mean(0), "use os S sorteios juntos; os grupos são só para a cota."
        yield "ess", (log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp(), "faltou o quadrado da soma, em cima."
        yield "ess", ..., "os números não conferem: o quadrado da soma dos pesos sobre a soma dos quadrados deles."


class WeightForRate(Question):
    """O peso da KL que faz a perda comprar a taxa pedida."""

    name, function, points = "q5", "weight_for_rate", 2
    start = "Comece supondo que as n maiores direções estão ligadas: que θ faz as taxas delas somarem R?"

    def draw(self, seed, source):
        size = 10 + seed % 3
        eigenvalues = torch.logspace(1.7, -0.7, size) * (0.6 + 0.8 * torch.rand(size, generator=source))
        # Fora de ordem, e com o maior no fim: uma soma acumulada sem ordenar nunca serve.
        order = torch.randperm(size, generator=source)
        order = torch.cat([order[order != eigenvalues.argmax()], eigenvalues.argmax()[None]])
        divisor, rate = ((10.0, 2.0), (6.0, 5.0), (4.0, 3.5))[seed % 3]
        return {"eigenvalues": eigenvalues[order], "divisor": divisor, "rate": rate}

    def levels(self, eigenvalues, rate):
        """θ se as n maiores estão ligadas, para cada n, e quantas estão de fato."""
        ordered = eigenvalues.sort(descending=True).values
        n = torch.arange(1, len(ordered) + 1)
        theta = ((ordered.log().cumsum(0) - 2 * rate) / n).exp()
        return theta, int((ordered > theta).sum())

    def answer(self, eigenvalues, divisor, rate):
        theta, active = self.levels(eigenvalues, rate)
        return 2 * theta[active - 1] / divisor

    def mistakes(self, right, but, eigenvalues, divisor, rate):
        (theta, active), largest = self.levels(eigenvalues, rate), eigenvalues.max()
        yield eigenvalues.shape, "Queremos um número só: o peso b, o mesmo para todas as direções."
        yield inf, "há um logaritmo de zero ou de número negativo: corte a taxa em zero *depois* do logaritmo."
        yield right * divisor / 2, "isso é θ; falta tirar dele o peso b, sabendo que θ = σ²β e c = 2σ²."
        yield right / 2, "como o erro é dividido por c = 2σ², a variância declarada é c/2: b = θ / (c/2)."
        yield right * divisor**2 / 4, "você multiplicou por σ² em vez de dividir: θ = σ²β, e β é o peso procurado."
        yield 1 / right, "está invertido: quanto maior o peso da KL, menor a taxa."
        hint = "você ligou todas as direções; as de λ abaixo de θ ficam em zero, e só as maiores compram."
        yield 2 * theta[-1] / divisor, hint
        yield (
            2 * largest * torch.tensor(-2 * rate).exp() / divisor,
            "você só ligou a maior direção; as outras também compram.",
        )
        yield but(rate=rate / 2), "faltou o 1/2: a taxa de uma direção é a *metade* do logaritmo de λ/θ."
        yield but(rate=2 * rate), "há um 1/2 a mais: a taxa de uma direção é metade do logaritmo, uma vez só."
        yield but(rate=rate * log(2)), "a taxa pedida está em nats: o logaritmo é o natural."
        yield 2 * largest / divisor, "esse é o peso em que tudo se apaga, e a taxa é zero."
        cumulative = ((eigenvalues.log().cumsum(0) - 2 * rate) / torch.arange(1, len(eigenvalues) + 1)).exp()
        hint = "os autovalores não vêm em ordem: ordene-os do maior ao menor antes de escolher quem liga."
        yield (lambda value: any(abs(value - 2 * t / divisor) < 1e-4 * value for t in cumulative)), hint
        for n, hint in (
            (active + 1, "há uma direção ligada a mais: a última, com esse θ, teria taxa negativa."),
            (active - 1, "há uma direção ligada a menos: com esse θ, a seguinte ainda pagaria o próprio código."),
        ):
            if 0 < n <= len(theta):
                yield 2 * theta[n - 1] / divisor, hint
        yield lambda value: value <= 0, "o peso da KL é positivo: θ é uma variância."
        hint = "o número não confere: passe-o às taxas R* = ½·log(λ/θ), cortadas em zero, e veja se somam a pedida."
        yield ..., hint


OFF, INFORMS, EMPTY = 0, 1, 2  # desligada, informa, paga vazio
_NEAR = ((0.0, 0.05, 0.15), (0.0, 0.1732, 0.0), (0.0, 1.3, 0.0), (0.7, 1.3, 0.0))


class DiagnoseUnits(Question):
    """De cada coordenada, se está desligada, se informa ou se só paga pelo vazio."""

    name, function, points = "q6", "diagnose_units", 1
    start = "Comece pelo preço médio de cada coordenada, e compare-o com a economia da sua `best_prior`."

    def draw(self, seed, source):
        n = 40

        def noise(scale: float) -> Tensor:
            return scale * torch.randn(n, generator=source)

        half = torch.where(torch.randperm(n, generator=source) < n // 2, -4.0, 0.0)
        sides = torch.where(torch.randperm(n, generator=source) < n // 2, -1.0, 1.0)
        units = [
            (noise(0.03), noise(0.03)),  # desligada
            (noise(1.0), noise(0.2) - 2.5),  # o caso comum
            (noise(0.45), noise(0.02) - 0.2),  # informa pouco, mas informa
            (noise(0.02), half + noise(0.1)),  # o centro não muda; a largura é que conta
            (3 + noise(0.3), noise(0.1)),  # deslocada: paga caro, e é quase a mesma nuvem para todas
            (noise(0.02), noise(0.02) - 3),  # estreita, e sempre igual
            (noise(5.0), noise(0.2) - 0.5),  # nuvens separadas, muito além da priori
            # Perto dos limites: 0,007 e 0,015 nat de preço; 41 % e 55 % dele economizados.
            *((centre + away * sides, torch.full((n,), level)) for centre, away, level in _NEAR),
        ]
        # A cada sorteio falta uma das que podem faltar, e a ordem é outra: contar quantas há de cada tipo não adianta.
        missing = (2, 5, 6)[seed % 3]
        order = [index for index in torch.randperm(len(units), generator=source).tolist() if index != missing]
        mu, logvar = (torch.stack([units[index][which] for index in order], 1) for which in (0, 1))
        return {"mu": mu, "logvar": logvar}

    def answer(self, mu, logvar):
        price, saved = self.price_and_saving(mu, logvar)
        return self.verdicts(price >= 0.01, 2 * saved < price)

    def price_and_saving(self, mu, logvar):
        return _kl_terms(mu, logvar).mean(0), BestPrior().answer(mu, logvar)[2]

    def verdicts(self, on: Tensor, informs: Tensor) -> np.ndarray:
        return torch.where(on, torch.where(informs, INFORMS, EMPTY), OFF).numpy().astype(float)

    def mistakes(self, mu, logvar):
        price, saved = self.price_and_saving(mu, logvar)
        on, informs = price >= 0.01, 2 * saved < price
        every = torch.ones_like(on)
        spread = mu.var(0) > 0.01
        yield (), "Queremos um veredito por coordenada."
        yield (len(mu),), "O veredito é de cada coordenada, e não de cada imagem: as médias são na dimensão 0."
        yield mu.shape, "O veredito é de cada coordenada: tire antes a média sobre as imagens (dimensão 0)."
        hint = "você só olhou o preço. Uma nuvem deslocada, a mesma para toda imagem, paga caro e não informa nada."
        yield self.verdicts(on, every), hint
        hint = (
            "você decidiu pelo espalhamento dos centros μ. Ele não vê a informação que está na largura, nem quanto do "
            "preço é informação: compare o preço com a economia da melhor priori."
        )
        yield self.verdicts(spread, every), hint
        hint = (
            "você decidiu o que informa pelo espalhamento dos centros; compare a economia da melhor priori com o preço."
        )
        yield self.verdicts(on, spread), hint
        hint = "desligada é a de preço menor que 0,01 nat: uma nuvem de centro fixo mas estreita, ou deslocada, paga."
        yield self.verdicts(spread, informs), hint
        yield self.verdicts(on, ~informs), "os códigos 1 e 2 estão trocados: 1 informa, 2 paga vazio."
        yield self.verdicts(every, informs), "as de preço menor que 0,01 nat estão desligadas, código 0."
        hint = "qualquer coordenada economiza alguma coisa; só é vazio se a economia passa da *metade* do preço."
        yield self.verdicts(on, saved < 0.01), hint
        yield self.verdicts(on, saved < price), "a economia nunca passa do preço: compare-a com a metade dele."
        hint = "algum veredito não é 0, 1 nem 2."
        yield lambda value: not np.isin(value, (OFF, INFORMS, EMPTY)).all(), hint
        yield (
            ...,
            "nem todos os vereditos conferem. Separe primeiro as desligadas; das outras, quanto do preço se economiza?",
        )


EXERCISE = Exercise(
    "03_vae",
    (KlDivergence(), BestPrior(), VarianceGains(), BoundAndEss(), WeightForRate(), DiagnoseUnits()),
)
