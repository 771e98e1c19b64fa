"""Exercício 08_fluxos: mudança de variáveis, acoplamento, bits por dimensão e flow matching."""

from __future__ import annotations

from functools import partial
from math import inf, log, pi

import torch
from torch import Tensor

from course_lib.exercises.answers import close
from course_lib.exercises.question import Exercise, Question


class LogDensity(Question):
    """A densidade de x = f(z), em cada ponto, pela mudança de variáveis."""

    name, function, points = "q1", "log_density", 1
    start = "Comece por log N(z; 0, 1) = -z²/2 - ½·log 2π."

    def draw(self, seed, source):
        n = 6 + seed % 3
        slope = 0.2 + 3 * torch.rand(n, generator=source)
        slope[::2] *= -1  # uma função pode decrescer: o que conta é quanto ela estica
        return {"z": 1.5 * torch.randn(n, generator=source), "slope": slope}

    def answer(self, z, slope):
        return -z.square() / 2 - log(2 * pi) / 2 + slope.abs().log()

    def mistakes(self, right, z, slope):
        stretch, constant = slope.abs().log(), log(2 * pi) / 2
        normal = right - stretch
        yield (), "Queremos um valor por ponto, sem somar."
        yield inf, "o logaritmo é do *módulo* da derivada: onde a função decresce, ela é negativa."
        yield normal - stretch, "o sinal do log-derivada está trocado: onde f estica, a densidade de x *sobe*."
        yield normal, "faltou o quanto a função estica: essa é a densidade de z, e não a de x."
        yield right + constant, "faltou a constante da normal, ½·log 2π: sem ela a área não é 1."
        yield right - constant, "a constante da normal é ½·log 2π, e você a tirou em dobro."
        yield normal + slope.abs(), "some o *logaritmo* do módulo da derivada."
        yield normal + slope, "some o logaritmo do módulo da derivada, e não a própria."
        yield right.exp(), "isso é a densidade; a função pede o logaritmo dela."
        yield normal * slope.abs(), "no logaritmo, o produto vira soma."
        yield right - z.square() / 2, "o expoente da normal é -z²/2."
        yield stretch, "faltou a densidade do ruído em z."
        yield ..., "os números não conferem: log N(z; 0, 1) mais log |df/dx|."


def _scale_and_shift(known: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, limit=torch.tanh) -> list[Tensor]:
    """O s e o t que a rede tira de ``known``, zerados onde a máscara é 1."""
    s, t = (known @ weight.T + bias).chunk(2, dim=1)
    return [(1 - mask) * part for part in (limit(s), t)]


class CouplingForward(Question):
    """A ida da camada de acoplamento e o logaritmo do seu determinante."""

    name, function, points = "q2", "coupling_forward", 2
    start = "Comece pelo que a rede vê, `mask * x`, e zere o que ela disser da parte conhecida."
    parts = ("y", "log_det")

    def draw(self, seed, source):
        dim, n = 4 + 2 * (seed % 2), 5 + seed % 3
        # Pesos longe de zero: na identidade, qualquer erro de sinal passaria despercebido.
        return {
            "x": torch.randn(n, dim, generator=source),
            "mask": (torch.arange(dim) % 2 == seed % 2).float(),
            "weight": 0.8 * torch.randn(2 * dim, dim, generator=source),
            "bias": 0.5 * torch.randn(2 * dim, generator=source),
        }

    def answer(self, x, mask, weight, bias, limit=torch.tanh):
        s, t = _scale_and_shift(mask * x, mask, weight, bias, limit)
        return x * s.exp() + t, s.sum(1)

    def mistakes(self, right, but, x, mask, weight, bias):
        s, t = _scale_and_shift(mask * x, mask, weight, bias)
        s_all, t_all = _scale_and_shift(mask * x, 0 * mask, weight, bias)
        s_seen, t_seen = _scale_and_shift(x, mask, weight, bias)
        yield "y", (len(x),), "A ordem da tupla é (y, log_det)."
        hint = "a rede viu x inteiro. Ela só pode ver a parte conhecida, m·x; senão a camada não tem volta."
        yield "y", x * s_seen.exp() + t_seen, hint
        yield "y", but(mask=1 - mask)[0], "a máscara está ao contrário: 1 é o que a rede vê e passa intacto."
        hint = "a parte que a rede vê tem de passar intacta: zere s e t nela (vezes 1 - m)."
        yield "y", x * s_all.exp() + t_all, hint
        yield "y", but(limit=torch.clone)[0], "faltou a tanh que limita s."
        yield "y", x * s + t, "faltou a exponencial: a escala é e^s, que nunca é zero."
        hint = "perdeu-se a parte que passa intacta: nela, s = t = 0 e a escala é 1."
        yield "y", x * (1 - mask) * s.exp() + t, hint
        yield "y", (x + t) * s.exp(), "primeiro escale, depois desloque: x·e^s + t."
        yield "y", x * s.exp(), "faltou o deslocamento t."
        yield "y", x * (-s).exp() + t, "o sinal de s está trocado."
        yield "y", x * t.exp() + s, "s e t estão trocados: a primeira metade da saída é s."
        hint = "a parte conhecida passou intacta, mas a outra não confere: x·e^s + t."
        yield "y", lambda value: close(value * mask, x * mask), hint
        yield "y", ..., "os números não conferem: x·e^s + t, com s e t zerados onde a máscara é 1."
        yield "log_det", x.shape, "Falta somar sobre as coordenadas."
        yield "log_det", (), "É um por ponto, sem somar nem tirar média do lote."
        hint = "você somou s antes de zerá-lo na parte intacta, que não estica nada. A volta não vê este erro."
        yield "log_det", s_all.sum(1), hint
        hint = "o sinal está trocado: e^s > 1 estica, e o logaritmo do determinante é positivo."
        yield "log_det", -right[1], hint
        yield "log_det", s.exp().sum(1), "o determinante é o *produto* dos e^s; o logaritmo dele é a soma dos s."
        yield "log_det", s.exp().prod(1), "isso é o determinante; falta o logaritmo."
        yield "log_det", s.mean(1), "some sobre as coordenadas, sem tirar a média."
        yield "log_det", s.abs().sum(1), "some os s com os seus sinais; as contrações descontam."
        yield "log_det", (s + t).sum(1), "o deslocamento t não muda o volume; só s entra."
        yield "log_det", 0 * right[1], "a camada estica e encolhe; só um deslocamento puro teria zero."
        yield "log_det", ..., "os números não conferem: a soma dos s da parte modificada."


class CouplingInverse(Question):
    """A volta da camada de acoplamento."""

    name, function, points = "q3", "coupling_inverse", 1
    start = "Comece por recalcular s e t: a parte de que eles dependem passou intacta e está em `mask * y`."

    def draw(self, seed):
        forward = CouplingForward()
        inputs = forward.make_inputs(seed + 500)
        y, _ = forward.answer(**{name: value.double() for name, value in inputs.items()})
        del inputs["x"]
        return {"y": y.float()} | inputs

    def answer(self, y, mask, weight, bias):
        s, t = _scale_and_shift(mask * y, mask, weight, bias)
        return (y - t) * (-s).exp()

    def mistakes(self, y, mask, weight, bias):
        s, t = _scale_and_shift(mask * y, mask, weight, bias)
        yield y * s.exp() + t, "você fez a ida outra vez; a volta desfaz, na ordem contrária."
        hint = "a ordem importa: quem entrou por último, t, sai primeiro: (y - t)·e^(-s)."
        yield y * (-s).exp() - t, hint
        yield (y - t) * s.exp(), "faltou inverter a escala: divida por e^s."
        yield y - t, "faltou desfazer a escala."
        yield y * (-s).exp(), "faltou desfazer o deslocamento."
        yield (y + t) * (-s).exp(), "o deslocamento se subtrai."
        s_seen, t_seen = _scale_and_shift(y, mask, weight, bias)
        hint = "a rede viu y inteiro; mostre-lhe só m·y, a parte que passou intacta, como na ida."
        yield (y - t_seen) * (-s_seen).exp(), hint
        yield (y - t) / s, "a escala é e^s, e não s; e onde s = 0 ela vale 1."
        yield ..., "os números não conferem. Aplique a sua volta ao resultado da sua ida: tem de dar x."


class BitsPerDim(Question):
    """Os bits por dimensão de cada imagem de 256 tons, por um modelo de densidade."""

    name, function, points = "q4", "bits_per_dim", 2
    start = "Comece pelos inteiros: `k = ((x + 1) * 127.5).round()`."

    def draw(self, seed, source):
        n = 3 + seed % 3
        mean, std = 0.3 + 0.4 * torch.rand(784, generator=source), 0.008 + 0.01 * torch.rand(784, generator=source)
        # Desvios de poucos tons, para que o ruído da desquantização faça diferença na conta.
        levels = (256 * (mean + std * torch.randn(n, 784, generator=source))).floor().clamp(0, 255)
        eps = torch.rand(n, 1, 28, 28, generator=source)
        return {"x": levels.view(-1, 1, 28, 28) / 127.5 - 1, "eps": eps, "mean": mean, "std": std}

    def bits(self, u, mean, std, levels=256):
        log_prob = torch.distributions.Normal(mean, std).log_prob(u.flatten(1)).sum(1)
        return -(log_prob / 784 - log(levels)) / log(2)

    def answer(self, x, eps, mean, std):
        return self.bits(((x + 1) * 127.5 + eps) / 256, mean, std)

    def mistakes(self, right, but, x, eps, mean, std):
        bits, u = partial(self.bits, mean=mean, std=std), ((x + 1) * 127.5 + eps) / 255
        yield (len(x), 784), "Falta somar sobre os pixels de cada imagem."
        yield (), "Queremos um número por imagem; a média sobre o lote fica para depois."
        hint = "faltou o log 256: dividir por 256 encolhe cada eixo, e isso muda o resultado em exatamente 8 bits."
        yield right - 8, hint
        yield right + 8, "o log 256 entrou em dobro."
        yield right - 16, "o sinal do log-determinante está trocado: dividir por 256 encolhe, e ele é negativo."
        yield right - 8 + 8 / 784, "o log 256 é de *cada* um dos 784 pixels."
        yield -right, "o sinal está trocado: bits são *menos* o logaritmo da probabilidade."
        yield right * log(2), "isso está em nats por dimensão; divida por log 2."
        yield right / log(2), "você dividiu por log 2 duas vezes."
        yield right * 784, "isso são os bits da imagem inteira; falta dividir pelas 784 dimensões."
        yield right * 784 * log(2), "isso está em nats por imagem; divida por 784·log 2."
        hint = "faltou o ruído: sem ele, é uma densidade avaliada só em inteiros, que não é probabilidade."
        yield but(eps=0 * eps), hint
        yield bits(u), "são 256 caixinhas de largura 1: divida por 256, para cair em (0, 1)."
        yield bits(u, levels=255), "são 256 caixinhas de largura 1: divida por 256, e use log 256."
        hint = "o ruído tem a largura de um tom: some-o ao inteiro, antes de dividir por 256."
        yield bits((x + 1) / 2 + eps), hint
        yield bits((x + 1) / 2), "faltou o ruído, somado ao inteiro de 0 a 255 antes de dividir."
        yield bits(x), "o modelo espera u em (0, 1): leve os tons a inteiros, some o ruído e divida por 256."
        yield bits(((x + 1) * 128 + eps) / 256), "os tons são x = k/127,5 - 1: o inteiro é k = 127,5·(x + 1)."
        yield (
            ...,
            "os números não conferem: k = 127,5·(x + 1), u = (k + ε)/256, log p(u) somado, menos 784·log 256, em bits.",
        )


class FlowMatchingPair(Question):
    """O ponto da reta do ruído ao dado no instante de cada imagem, e a velocidade ali."""

    name, function, points = "q5", "flow_matching_pair", 1
    start = "Comece por `t.view(-1, 1, 1, 1)`, para que cada imagem use o seu instante."
    parts = ("x_t", "velocidade")

    def draw(self, seed, source):
        n = 4 + seed % 3
        return {
            "x_0": torch.randn(n, 1, 28, 28, generator=source),
            "x_1": 2 * torch.rand(n, 1, 28, 28, generator=source) - 1,
            "t": 0.1 + 0.8 * torch.rand(n, generator=source),
        }

    def answer(self, x_0, x_1, t):
        t = t.view(-1, 1, 1, 1)
        return (1 - t) * x_0 + t * x_1, x_1 - x_0

    def mistakes(self, right, but, x_0, x_1, t):
        yield (len(x_0), *x_0.shape), "Cada imagem no *seu* instante: leve `t` à forma (B, 1, 1, 1)."
        hint = "está ao contrário: aqui, como no capítulo 8, t = 0 é ruído (x_0) e t = 1 é dado (x_1)."
        yield "x_t", but(t=1 - t)[0], hint
        (x_t, velocity), t = right, t.view(-1, 1, 1, 1)
        hint = "esses são pesos da difusão; a reta tem pesos 1 - t e t, sem raiz."
        yield "x_t", t.sqrt() * x_1 + (1 - t).sqrt() * x_0, hint
        yield "x_t", x_0 + t * x_1, "o ruído também perde peso, 1 - t: em t = 1 só pode restar o dado."
        yield "x_t", velocity, "a ordem da tupla é (x_t, velocidade)."
        yield "x_t", ..., "os números não conferem: é o ponto da reta de x_0 a x_1 no instante t."
        yield "velocidade", -velocity, "o sinal está trocado: anda-se do ruído para o dado."
        yield "velocidade", x_1 - x_t, "isso é o que *falta* andar; a velocidade na reta é constante."
        yield "velocidade", x_t - x_0, "isso é o que já se andou; a velocidade na reta é constante."
        yield "velocidade", x_1, "isso é o ponto de chegada; derive x_t em t."
        yield "velocidade", t * velocity, "derive x_t em t; o t desaparece."
        yield "velocidade", x_0 - x_t, "isso é o que já se andou, ao contrário; a velocidade na reta é constante."
        yield "velocidade", ..., "os números não conferem: derive x_t = (1 - t) x_0 + t x_1 em t."


class MidpointStep(Question):
    """Um passo do método do ponto médio."""

    name, function, points = "q6", "midpoint_step", 1
    start = "Comece por andar só meio passo com a velocidade do começo."

    def draw(self, seed, source):
        dim, n = 2 + seed % 2, 4 + seed % 3
        return {
            "x": torch.randn(n, dim, generator=source),
            "t": (0.0, 0.3, 0.5)[seed % 3],
            "h": (0.5, 0.25, 0.4)[seed % 3],
            "matrix": 2 * torch.randn(dim, dim, generator=source),
            "drift": 3 * torch.randn(dim, generator=source),
        }

    def velocity(self, x, t, matrix, drift):
        return (x @ matrix.T + t * drift).tanh()

    def answer(self, x, t, h, matrix, drift):
        middle = x + h / 2 * self.velocity(x, t, matrix, drift)
        return x + h * self.velocity(middle, t + h / 2, matrix, drift)

    def mistakes(self, x, t, h, matrix, drift):
        u = partial(self.velocity, matrix=matrix, drift=drift)
        first = u(x, t)
        middle, end = x + h / 2 * first, x + h * first
        second = u(middle, t + h / 2)
        yield end, "isso é um passo de Euler: usa a velocidade do começo. Olhe de novo no meio do passo."
        yield middle, "você parou no meio do passo."
        yield x + h * u(middle, t), "no meio do passo o relógio também andou: a velocidade é a de t + h/2."
        hint = "você adiantou só o relógio: a velocidade do meio é a do *ponto* do meio."
        yield x + h * u(x, t + h / 2), hint
        hint = "você andou meio passo com cada velocidade; o passo inteiro sai de x, com a do meio: x + h·u."
        yield middle + h / 2 * second, hint
        yield middle + h * second, "o passo inteiro sai de x, e não do ponto do meio: assim se anda passo e meio."
        yield x + h * u(end, t + h), "o ponto de espia fica no meio, a h/2, e não no fim do passo."
        hint = "isso é o método de Heun, a média das pontas; aqui é o ponto médio."
        yield x + h / 2 * (first + u(end, t + h)), hint
        yield second, "isso é a velocidade do meio; falta andar com ela: x + h·u."
        yield x + second, "faltou o tamanho do passo: x + h·u."
        yield ..., "os números não conferem: meio passo, nova velocidade ali, e o passo inteiro com ela."


EXERCISE = Exercise(
    "08_fluxos",
    (LogDensity(), CouplingForward(), CouplingInverse(), BitsPerDim(), FlowMatchingPair(), MidpointStep()),
)
