"""Exercício 07_difusao: o plano de ruído, a ida num passo, a estimativa da imagem, a posterior e um salto com guia."""

from __future__ import annotations

from functools import partial
from math import inf

import torch
from torch import Tensor

from course_lib.exercises.answers import tensor_answer, tuple_answer
from course_lib.exercises.question import Exercise, Question, generator, random_images


class AlphaBars(Question):
    """O que sobra do sinal até cada passo."""

    name, function, points = "q1", "alpha_bars", 1
    start = "Comece por quanto do sinal sobra num passo só: 1 - β. E em dois passos?"

    def draw(self, seed, source):
        # Variâncias grandes e poucos passos: com as pequenas, produto e exponencial da soma quase coincidem.
        return {"beta": 0.05 + 0.5 * torch.rand(6 + seed % 4, generator=source)}

    def answer(self, beta):
        return (1 - beta).cumprod(0)

    def mistakes(self, right, beta):
        yield (), "Queremos o produto acumulado até cada passo, e não só o final."
        hint = "Há um valor a mais: a resposta começa em ᾱ do primeiro passo, 1 - β₁, e não em ᾱ₀ = 1."
        yield (len(beta) + 1,), hint
        yield 1 - beta, "isso é α de cada passo; ᾱ é o produto deles, do primeiro até t."
        yield beta.cumprod(0), "você multiplicou os β; o que sobra do sinal em cada passo é 1 - β."
        yield 1 - beta.cumprod(0), "primeiro 1 - β, depois o produto; você fez 1 menos o produto dos β."
        yield 1 - beta.cumsum(0), "somar os β só vale quando são minúsculos: os encolhimentos se multiplicam."
        yield (1 - beta).cumsum(0), "os encolhimentos se multiplicam, e não se somam (`torch.cumprod`)."
        yield (-beta.cumsum(0)).exp(), "isso é a aproximação para β minúsculos; use o produto dos 1 - β."
        yield right.sqrt(), "isso é √ᾱ, o peso do sinal; queremos ᾱ, sem a raiz."
        yield 1 - right, "isso é 1 - ᾱ, a variância do ruído acumulado."
        yield right / (1 - beta), "está deslocado de um passo: o primeiro valor é 1 - β₁."
        yield right / (1 - right), "isso é a razão sinal-ruído; queremos ᾱ."
        yield ..., "os números não conferem: ᾱ_t é o produto de 1 - β_i, do primeiro passo até t."


def _noise(n: int, source: torch.Generator) -> Tensor:
    return torch.randn(n, 1, 28, 28, generator=source)


class QSample(Question):
    """A ida de uma vez só, da imagem limpa ao instante de cada uma."""

    name, function, points = "q2", "q_sample", 1
    start = "Comece por `alpha_bar.view(-1, 1, 1, 1)`, para que cada imagem use o seu instante."

    def draw(self, seed, source):
        n = 4 + seed % 3
        alpha_bar = 0.1 + 0.8 * torch.rand(n, generator=source)  # um instante por imagem
        return {"x_0": random_images(n, source), "alpha_bar": alpha_bar, "eps": _noise(n, source)}

    def answer(self, x_0, alpha_bar, eps):
        bar = alpha_bar.view(-1, 1, 1, 1)
        return bar.sqrt() * x_0 + (1 - bar).sqrt() * eps

    def mistakes(self, but, x_0, alpha_bar, eps):
        n, bar = len(x_0), alpha_bar.view(-1, 1, 1, 1)
        signal, noise = bar.sqrt(), (1 - bar).sqrt()
        yield (n, n, 28, 28), "Cada imagem com o *seu* instante: leve `alpha_bar` à forma (B, 1, 1, 1)."
        hint = "faltaram as raízes: ᾱ e 1 - ᾱ são variâncias, e o que multiplica é o desvio."
        yield bar * x_0 + (1 - bar) * eps, hint
        yield bar * x_0 + noise * eps, "o peso do sinal é √ᾱ, e não ᾱ."
        hint = "o peso do ruído é √(1 - ᾱ): 1 - ᾱ é a variância dele, e não o desvio."
        yield signal * x_0 + (1 - bar) * eps, hint
        hint = "a raiz fica por fora: o peso do ruído é √(1 - ᾱ), e não 1 - √ᾱ."
        yield signal * x_0 + (1 - signal) * eps, hint
        yield but(alpha_bar=1 - alpha_bar), "os pesos estão trocados: com ᾱ perto de 1, quase tudo é imagem."
        yield signal * x_0 + eps, "o ruído também tem peso, √(1 - ᾱ): assim a variância total fica em 1."
        yield x_0 + noise * eps, "a imagem também encolhe, por √ᾱ: assim a variância total fica em 1."
        yield signal * x_0, "faltou somar o ruído."
        yield signal * eps - noise * x_0, "isso é a velocidade v; queremos x_t."
        yield ..., "os números não conferem: √ᾱ vezes x₀ mais √(1 - ᾱ) vezes ε."


def _bar(low: float, high: float, source: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand((), generator=source)


def _predict(x_t: Tensor, eps_hat: Tensor, bar: Tensor, limit: float = 1) -> tuple[Tensor, Tensor]:
    """A estimativa da imagem, cortada, e o ruído que com ela explica x_t."""
    x_0 = ((x_t - (1 - bar).sqrt() * eps_hat) / bar.sqrt()).clamp(-limit, limit)
    return x_0, (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt()


class PredictX0(Question):
    """A imagem que o ruído previsto deixa estimar, e o ruído de acordo com ela."""

    name, function, points = "q3", "predict_x_0", 2
    start = "Comece por isolar x₀ na fórmula da questão 2; só depois corte."
    parts = ("x_0", "eps")

    def draw(self, seed, source):
        n, bar_t = 3 + seed % 2, _bar(0.2, 0.7, source)
        x_0, eps = random_images(n, source), _noise(n, source)
        # O ruído previsto erra um pouco: parte das estimativas sai de [-1, 1] e precisa do corte.
        eps_hat = eps + 0.5 * _noise(n, source)
        return {"x_t": bar_t.sqrt() * x_0 + (1 - bar_t).sqrt() * eps, "eps_hat": eps_hat, "bar_t": bar_t}

    def answer(self, x_t, eps_hat, bar_t):
        return _predict(x_t, eps_hat, bar_t)

    def mistakes(self, right, x_t, eps_hat, bar_t):
        (x_0, eps), (raw, _) = right, _predict(x_t, eps_hat, bar_t, limit=inf)
        signal, variance = bar_t.sqrt(), 1 - bar_t
        noise = variance.sqrt()
        hint = "faltou o corte em [-1, 1]; o que sai da faixa das imagens entra no salto seguinte."
        yield "x_0", raw, hint
        yield "x_0", (raw + 1).clamp(0, 2) / 2, "as imagens do curso ficam em [-1, 1], e não em [0, 1]."
        yield "x_0", raw.clamp(0, 1), "o corte é em [-1, 1], a faixa das imagens do curso."
        hint = "use o corte (`clamp`), e não a tanh, que mudaria também o que já estava na faixa."
        yield "x_0", raw.tanh(), hint
        for limit in (inf, 1):  # sem o corte, e com ele
            cut = partial(torch.clamp, min=-limit, max=limit)
            hint = "divida por √ᾱ, o peso do sinal em x_t, e não por ᾱ."
            yield "x_0", cut((x_t - noise * eps_hat) / bar_t), hint
            hint = "o peso do ruído em x_t é √(1 - ᾱ), com a raiz."
            yield "x_0", cut((x_t - variance * eps_hat) / signal), hint
            hint = "faltaram as raízes: os pesos em x_t são √ᾱ e √(1 - ᾱ)."
            yield "x_0", cut((x_t - variance * eps_hat) / bar_t), hint
            yield "x_0", cut(x_t - noise * eps_hat), "faltou dividir por √ᾱ: a imagem foi encolhida na ida."
            yield "x_0", cut((x_t + noise * eps_hat) / signal), "o ruído se subtrai."
            hint = "essa fórmula é a de uma rede que prevê a velocidade; aqui ela prevê o ruído."
            yield "x_0", cut(signal * x_t - noise * eps_hat), hint
        yield "x_0", ..., "os números não conferem. Isole x₀ em x_t = √ᾱ x₀ + √(1 - ᾱ) ε, e corte em [-1, 1]."
        hint = "esse é o ruído de antes do corte, e com a estimativa cortada ele já não explica x_t. Recalcule-o."
        yield "eps", eps_hat, hint
        yield "eps", -eps, "o sinal está trocado: é o que *falta* a √ᾱ x̂₀ para chegar a x_t."
        yield "eps", noise * eps, "faltou dividir por √(1 - ᾱ)."
        yield "eps", eps / noise, "divida por √(1 - ᾱ), com a raiz."
        yield "eps", (x_t - x_0) / noise, "antes de subtrair, encolha a estimativa por √ᾱ."
        yield "eps", x_0, "você devolveu a estimativa da imagem outra vez."
        yield "eps", ..., "os números não conferem. Isole ε em x_t = √ᾱ x̂₀ + √(1 - ᾱ) ε, com x̂₀ já cortada."


class Posterior(Question):
    """A média e a variância de x_s, conhecidas a imagem limpa e x_t."""

    name, function, points = "q4", "posterior", 2
    start = "Comece por a = ᾱ_t / ᾱ_s, o encolhimento da ida de s a t."
    parts = ("média", "variância")

    def draw(self, seed, source):
        n, bar_s = 3 + seed % 2, _bar(0.6, 0.9, source)
        bar_t = bar_s * _bar(0.3, 0.7, source)
        if seed % 3 == 2:
            bar_s = torch.ones(())  # a chegada à imagem limpa
        return {"x_0": random_images(n, source), "x_t": _noise(n, source), "bar_t": bar_t, "bar_s": bar_s}

    def answer(self, x_0, x_t, bar_t, bar_s):
        a = bar_t / bar_s
        mean = (bar_s.sqrt() * (1 - a) * x_0 + a.sqrt() * (1 - bar_s) * x_t) / (1 - bar_t)
        return mean, (1 - bar_s) * (1 - a) / (1 - bar_t)

    def before(self, answer):
        mean, variance = tuple_answer(answer, self.parts)
        if isinstance(variance, Tensor) and variance.numel() == 1:
            variance = variance.reshape(())  # (1, 1, 1, 1) também serve
        return mean, variance

    def after(self, answer):
        if not isinstance(answer[1], Tensor | int | float):
            tensor_answer(answer[1], ())  # um array do NumPy, que se lê como número, não serve

    def mistakes(self, right, x_0, x_t, bar_t, bar_s):
        def mean(from_x_0: Tensor, from_x_t: Tensor) -> Tensor:
            return (from_x_0 * x_0 + from_x_t * x_t) / (1 - bar_t)

        a, ahead, behind = bar_t / bar_s, 1 - bar_t / bar_s, 1 - bar_s
        yield inf, "com s na imagem limpa, ᾱ_s = 1; nenhuma divisão deve ser por 1 - ᾱ_s."
        yield "média", mean(bar_s * ahead, a * behind), "faltaram as raízes de ᾱ_s e de a."
        yield "média", mean(bar_s.sqrt() * ahead, a * behind), "no peso de x_t, a entra com raiz."
        yield "média", mean(bar_s * ahead, a.sqrt() * behind), "no peso de x₀, ᾱ_s entra com raiz."
        hint = "os pesos estão trocados: perto do fim da volta quem manda é x₀."
        yield "média", mean(a.sqrt() * behind, bar_s.sqrt() * ahead), hint
        hint = "de s a t a ida encolhe por a = ᾱ_t / ᾱ_s, e não por ᾱ_t."
        yield "média", mean(bar_s.sqrt() * (1 - bar_t), bar_t.sqrt() * behind), hint
        yield "média", right[0] * (1 - bar_t), "faltou dividir por 1 - ᾱ_t."
        yield "média", right[0] * (1 - bar_t) / behind, "o denominador é 1 - ᾱ_t, e não 1 - ᾱ_s."
        yield "média", bar_s.sqrt() * x_0, "essa é a de q(x_s|x₀); a posterior também olha para x_t."
        yield "média", x_t / a.sqrt(), "isso só desfaz o encolhimento; a posterior também olha para x₀."
        yield "média", ..., "os números não conferem. Confira os dois pesos no exemplo à mão do enunciado."
        variance = right[1]
        yield "variância", x_t.shape, "A variância é a mesma em todos os pixels: um número só."
        yield "variância", variance.sqrt(), "esse é o desvio; a função pede a variância, sem a raiz."
        yield "variância", ahead, "essa é a da ida, de s a t; na volta ela é menor, porque x₀ é conhecido."
        yield "variância", behind, "essa é a de q(x_s|x₀); conhecer também x_t a diminui."
        yield "variância", 1 - bar_t, "essa é a de q(x_t|x₀)."
        yield "variância", 1 / variance, "isso é a precisão; a variância é o inverso."
        yield "variância", behind * ahead, "faltou dividir por 1 - ᾱ_t."
        yield "variância", ..., "o número não confere: (1 - ᾱ_s)(1 - a)/(1 - ᾱ_t)."


class GuidedDdimStep(Question):
    """Um salto do DDIM com a previsão guiada pelo dígito."""

    name, function, points = "q5", "guided_ddim_step", 2
    start = "Comece pela previsão guiada, (1 + w)·com − w·sem, e passe-a à sua `predict_x_0`."

    def draw(self, seed):
        inputs, source = PredictX0().make_inputs(seed), generator(seed + 1_000)
        with_y = inputs["eps_hat"]
        return {
            "x_t": inputs["x_t"],
            "with_y": with_y,
            "without_y": with_y + 0.3 * _noise(len(with_y), source),
            "w": (2.0, 0.5, 1.0)[seed % 3],
            "bar_t": inputs["bar_t"],
            "bar_s": _bar(0.75, 0.95, source),
        }

    def answer(self, x_t, with_y, without_y, w, bar_t, bar_s, limit=1):
        x_0, eps = _predict(x_t, (1 + w) * with_y - w * without_y, bar_t, limit)
        return bar_s.sqrt() * x_0 + (1 - bar_s).sqrt() * eps

    def mistakes(self, right, but, x_t, with_y, without_y, w, bar_t, bar_s):
        guided, signal, noise = (1 + w) * with_y - w * without_y, bar_s.sqrt(), (1 - bar_s).sqrt()
        x_0, eps = _predict(x_t, guided, bar_t)
        yield but(w=0), "faltou a guia: essa é a resposta de w = 0, só com o dígito."
        yield but(w=-1), "você usou só a previsão sem o dígito."
        yield but(w=w - 1), "nesta convenção w = 0 é sem guia: (1 + w)·com − w·sem."
        hint = "a guia está ao contrário: afaste-se da previsão *sem* o dígito."
        yield but(w=-1 - w), hint
        yield but(without_y=-without_y), "os pesos precisam somar 1: (1 + w)·com *menos* w·sem."
        yield but(w=-w), "a guia está ao contrário: assim ela se aproxima da previsão sem o dígito."
        hint = "faltou o corte de x̂₀ em [-1, 1]: a guia exagera, e o excesso entra no salto seguinte."
        yield but(limit=inf), hint
        hint = "depois do corte, use o ruído recalculado (o segundo da questão 3), e não o que entrou."
        yield signal * x_0 + noise * guided, hint
        yield x_t, "você remontou x_t: para dar o salto, os pesos são os de s, √ᾱ_s e √(1 - ᾱ_s)."
        yield bar_s * x_0 + noise**2 * eps, "faltaram as raízes nos pesos de s."
        yield signal * x_0 + noise**2 * eps, "o peso do ruído é √(1 - ᾱ_s), com a raiz."
        yield signal * x_0, "faltou devolver o ruído, na dose de s: x_s ainda não é a imagem limpa."
        yield x_0, "essa é x̂₀; o salto vai só até s."
        hint = "a imagem saiu muito mais espalhada que x_t: confira os sinais da guia e as raízes dos pesos."
        yield lambda value: value.std() > 3 * right.std(), hint
        hint = "os números não conferem: guie a previsão, estime (x̂₀, ε̂) pela questão 3 e remonte com os pesos de s."
        yield ..., hint


EXERCISE = Exercise("07_difusao", (AlphaBars(), QSample(), PredictX0(), Posterior(), GuidedDdimStep()))
