"""Exercício 08_fluxos: mudança de variáveis, acoplamento, bits por dimensão e flow matching."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.old import Exercise, Question, close, compare, generator, tensor_answer, tuple_answer

# ---- Entradas sorteadas ----


def _density_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 6 + seed % 3
    slope = 0.2 + 3 * torch.rand(n, generator=source)
    slope[::2] *= -1  # uma função pode decrescer: o que conta é quanto ela estica
    return {"z": 1.5 * torch.randn(n, generator=source), "slope": slope}


def _coupling_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    dim, n = 4 + 2 * (seed % 2), 5 + seed % 3
    mask = (torch.arange(dim) % 2 == seed % 2).float()
    # Pesos longe de zero: na identidade, qualquer erro de sinal passaria despercebido.
    return {
        "x": torch.randn(n, dim, generator=source),
        "mask": mask,
        "weight": 0.8 * torch.randn(2 * dim, dim, generator=source),
        "bias": 0.5 * torch.randn(2 * dim, generator=source),
    }


def _inverse_inputs(seed: int) -> dict[str, Any]:
    inputs = _coupling_inputs(seed + 500)
    y = _coupling(**inputs)[0].float()
    return {"y": y, **{name: inputs[name] for name in ("mask", "weight", "bias")}}


def _bits_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 3 + seed % 3
    mean, std = 0.3 + 0.4 * torch.rand(784, generator=source), 0.008 + 0.01 * torch.rand(784, generator=source)
    # Desvios de poucos tons, para que o ruído da desquantização faça diferença na conta.
    levels = (256 * (mean + std * torch.randn(n, 784, generator=source))).floor().clamp(0, 255)
    eps = torch.rand(n, 1, 28, 28, generator=source)
    return {"x": levels.view(-1, 1, 28, 28) / 127.5 - 1, "eps": eps, "mean": mean, "std": std}


def _pair_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 4 + seed % 3
    return {
        "x_0": torch.randn(n, 1, 28, 28, generator=source),
        "x_1": 2 * torch.rand(n, 1, 28, 28, generator=source) - 1,
        "t": 0.1 + 0.8 * torch.rand(n, generator=source),
    }


def _midpoint_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    dim, n = 2 + seed % 2, 4 + seed % 3
    return {
        "x": torch.randn(n, dim, generator=source),
        "t": (0.0, 0.3, 0.5)[seed % 3],
        "h": (0.5, 0.25, 0.4)[seed % 3],
        "matrix": 2 * torch.randn(dim, dim, generator=source),
        "drift": 3 * torch.randn(dim, generator=source),
    }


# ---- Referências ----


def _scale_and_shift(known: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    s, t = (known @ weight.double().T + bias.double()).chunk(2, dim=1)
    return s.tanh(), t


def _coupling(x: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    x, mask = x.double(), mask.double()
    s, t = _scale_and_shift(mask * x, weight, bias)
    s, t = (1 - mask) * s, (1 - mask) * t
    return x * s.exp() + t, s.sum(1)


# ---- Juízes ----


def _judge_density(inputs: Mapping[str, Any], answer: Any) -> None:
    z, slope = inputs["z"].double(), inputs["slope"].double()
    n = len(z)
    infinite = "o logaritmo é do *módulo* da derivada: onde a função decresce, ela é negativa."
    value = tensor_answer(answer, (n,), hints={(): "Queremos um valor por ponto, sem somar."}, infinite=infinite)
    constant = 0.5 * math.log(2 * math.pi)
    normal, stretch = -0.5 * z.square() - constant, slope.abs().log()
    expected = normal + stretch
    mistakes = [
        (
            normal - stretch,
            "o sinal do log-derivada está trocado: onde f estica, a densidade de x *sobe*.",
        ),
        (normal, "faltou o quanto a função estica: essa é a densidade de z, e não a de x."),
        (expected + constant, "faltou a constante da normal, ½·log 2π: sem ela a área não é 1."),
        (normal - constant + stretch, "a constante da normal é ½·log 2π, e você a tirou em dobro."),
        (normal + slope.abs(), "some o *logaritmo* do módulo da derivada."),
        (normal + slope, "some o logaritmo do módulo da derivada, e não a própria."),
        (normal.exp() * slope.abs(), "isso é a densidade; a função pede o logaritmo dela."),
        (normal * slope.abs(), "no logaritmo, o produto vira soma."),
        (-z.square() - constant + stretch, "o expoente da normal é -z²/2."),
        (stretch, "faltou a densidade do ruído em z."),
    ]
    compare(value, expected, mistakes, "os números não conferem: log N(z; 0, 1) mais log |df/dx|.")


def _judge_forward(inputs: Mapping[str, Any], answer: Any) -> None:
    x, mask, weight, bias = (inputs[name].double() for name in ("x", "mask", "weight", "bias"))
    n, dim = x.shape
    y_answer, log_det_answer = tuple_answer(answer, ("y", "log_det"))
    hidden = 1 - mask

    def coupled(known: Tensor, seen: Tensor, changed: Tensor, *, squash: bool = True) -> Tensor:
        s, t = (known @ weight.T + bias).chunk(2, dim=1)
        s = s.tanh() if squash else s
        return seen * (changed * s).exp() + changed * t

    expected_y, expected_log_det = _coupling(x, mask, weight, bias)
    s, t = _scale_and_shift(mask * x, weight, bias)
    y_mistakes = [
        (
            coupled(x, x, hidden),
            "y: a rede viu x inteiro. Ela só pode ver a parte conhecida, m·x; senão a camada não tem volta.",
        ),
        (coupled(hidden * x, x, mask), "y: a máscara está ao contrário: 1 é o que a rede vê e passa intacto."),
        (
            coupled(mask * x, x, torch.ones_like(mask)),
            "y: a parte que a rede vê tem de passar intacta: zere s e t nela (vezes 1 - m).",
        ),
        (coupled(mask * x, x, hidden, squash=False), "y: faltou a tanh que limita s."),
        (x * (hidden * s) + hidden * t, "y: faltou a exponencial: a escala é e^s, que nunca é zero."),
        (x * hidden * s.exp() + hidden * t, "y: perdeu-se a parte que passa intacta: nela, s = t = 0 e a escala é 1."),
        ((x + hidden * t) * (hidden * s).exp(), "y: primeiro escale, depois desloque: x·e^s + t."),
        (x * (hidden * s).exp(), "y: faltou o deslocamento t."),
        (x * (-hidden * s).exp() + hidden * t, "y: o sinal de s está trocado."),
        (x * (hidden * t).exp() + hidden * s, "y: s e t estão trocados: a primeira metade da saída é s."),
    ]
    otherwise = "y: os números não conferem: x·e^s + t, com s e t zerados onde a máscara é 1."
    value = tensor_answer(y_answer, (n, dim), hints={(n,): "A ordem da tupla é (y, log_det)."})
    if not close(value, expected_y) and close(value * mask, x * mask):
        otherwise = "y: a parte conhecida passou intacta, mas a outra não confere: x·e^s + t."
    compare(value, expected_y, y_mistakes, otherwise)
    hints = {
        (n, dim): "log_det: falta somar sobre as coordenadas.",
        (): "log_det: um por ponto, sem somar nem tirar média do lote.",
    }
    value = tensor_answer(log_det_answer, (n,), hints=hints)
    mistakes = [
        (
            s.sum(1),
            "log_det: você somou s antes de zerá-lo na parte intacta, que não estica nada. A volta não vê este erro.",
        ),
        (-expected_log_det, "log_det: o sinal está trocado: e^s > 1 estica, e o logaritmo do determinante é positivo."),
        ((hidden * s).exp().sum(1), "log_det: o determinante é o *produto* dos e^s; o logaritmo dele é a soma dos s."),
        ((hidden * s).exp().prod(1), "log_det: isso é o determinante; falta o logaritmo."),
        ((hidden * s).mean(1), "log_det: some sobre as coordenadas, sem tirar a média."),
        ((hidden * s).abs().sum(1), "log_det: some os s com os seus sinais; as contrações descontam."),
        ((hidden * (s + t)).sum(1), "log_det: o deslocamento t não muda o volume; só s entra."),
        (torch.zeros(n).double(), "log_det: a camada estica e encolhe; só um deslocamento puro teria zero."),
    ]
    compare(value, expected_log_det, mistakes, "log_det: os números não conferem: a soma dos s da parte modificada.")


def _judge_inverse(inputs: Mapping[str, Any], answer: Any) -> None:
    y, mask, weight, bias = (inputs[name].double() for name in ("y", "mask", "weight", "bias"))
    hidden = 1 - mask
    s, t = _scale_and_shift(mask * y, weight, bias)
    s, t = hidden * s, hidden * t
    s_all, t_all = (hidden * part for part in _scale_and_shift(y, weight, bias))
    value = tensor_answer(answer, tuple(y.shape))
    expected = (y - t) * (-s).exp()
    mistakes = [
        (y * s.exp() + t, "você fez a ida outra vez; a volta desfaz, na ordem contrária."),
        (y * (-s).exp() - t, "a ordem importa: quem entrou por último, t, sai primeiro: (y - t)·e^(-s)."),
        ((y - t) * s.exp(), "faltou inverter a escala: divida por e^s."),
        (y - t, "faltou desfazer a escala."),
        (y * (-s).exp(), "faltou desfazer o deslocamento."),
        ((y + t) * (-s).exp(), "o deslocamento se subtrai."),
        (
            (y - t_all) * (-s_all).exp(),
            "a rede viu y inteiro; mostre-lhe só m·y, a parte que passou intacta, como na ida.",
        ),
        ((y - t) / s, "a escala é e^s, e não s; e onde s = 0 ela vale 1."),
    ]
    compare(
        value, expected, mistakes, "os números não conferem. Aplique a sua volta ao resultado da sua ida: tem de dar x."
    )


def _judge_bits(inputs: Mapping[str, Any], answer: Any) -> None:
    x, eps, mean, std = (inputs[name].double() for name in ("x", "eps", "mean", "std"))
    n = len(x)
    hints = {
        (n, 784): "Falta somar sobre os pixels de cada imagem.",
        (): "Queremos um número por imagem; a média sobre o lote fica para depois.",
    }
    value = tensor_answer(answer, (n,), hints=hints)

    def log_p(u: Tensor) -> Tensor:
        return torch.distributions.Normal(mean, std).log_prob(u.flatten(1)).sum(1)

    def bits(log_prob: Tensor, log_det: float = -784 * math.log(256)) -> Tensor:
        return -(log_prob + log_det) / (784 * math.log(2))

    k = (x + 1) * 127.5
    right = log_p((k + eps) / 256)
    expected = bits(right)
    mistakes = [
        (
            expected - 8,
            "faltou o log 256: dividir por 256 encolhe cada eixo, e isso muda o resultado em exatamente 8 bits.",
        ),
        (expected + 8, "o log 256 entrou em dobro."),
        (expected - 16, "o sinal do log-determinante está trocado: dividir por 256 encolhe, e ele é negativo."),
        (bits(right, -math.log(256)), "o log 256 é de *cada* um dos 784 pixels."),
        (-expected, "o sinal está trocado: bits são *menos* o logaritmo da probabilidade."),
        (expected * math.log(2), "isso está em nats por dimensão; divida por log 2."),
        (expected / math.log(2), "você dividiu por log 2 duas vezes."),
        (expected * 784, "isso são os bits da imagem inteira; falta dividir pelas 784 dimensões."),
        (expected * 784 * math.log(2), "isso está em nats por imagem; divida por 784·log 2."),
        (
            bits(log_p(k / 256)),
            "faltou o ruído: sem ele, é uma densidade avaliada só em inteiros, que não é probabilidade.",
        ),
        (bits(log_p((k + eps) / 255)), "são 256 caixinhas de largura 1: divida por 256, para cair em (0, 1)."),
        (
            bits(log_p((k + eps) / 255), -784 * math.log(255)),
            "são 256 caixinhas de largura 1: divida por 256, e use log 256.",
        ),
        (
            bits(log_p((x + 1) / 2 + eps)),
            "o ruído tem a largura de um tom: some-o ao inteiro, antes de dividir por 256.",
        ),
        (bits(log_p((x + 1) / 2)), "faltou o ruído, somado ao inteiro de 0 a 255 antes de dividir."),
        (bits(log_p(x)), "o modelo espera u em (0, 1): leve os tons a inteiros, some o ruído e divida por 256."),
        (bits(log_p(((x + 1) * 128 + eps) / 256)), "os tons são x = k/127,5 - 1: o inteiro é k = 127,5·(x + 1)."),
    ]
    otherwise = (
        "os números não conferem: k = 127,5·(x + 1), u = (k + ε)/256, log p(u) somado, menos 784·log 256, em bits."
    )
    compare(value, expected, mistakes, otherwise)


def _judge_pair(inputs: Mapping[str, Any], answer: Any) -> None:
    x_0, x_1 = inputs["x_0"].double(), inputs["x_1"].double()
    t = inputs["t"].double().view(-1, 1, 1, 1)
    shape = tuple(x_0.shape)
    x_t_answer, velocity_answer = tuple_answer(answer, ("x_t", "velocidade"))
    wrong_axis = {(len(x_0), *shape): "Cada imagem no *seu* instante: leve `t` à forma (B, 1, 1, 1)."}
    value = tensor_answer(x_t_answer, shape, hints=wrong_axis)
    x_t = (1 - t) * x_0 + t * x_1
    mistakes = [
        (
            t * x_0 + (1 - t) * x_1,
            "x_t: está ao contrário: aqui, como no capítulo 8, t = 0 é ruído (x_0) e t = 1 é dado (x_1).",
        ),
        (
            t.sqrt() * x_1 + (1 - t).sqrt() * x_0,
            "x_t: esses são pesos da difusão; a reta tem pesos 1 - t e t, sem raiz.",
        ),
        (x_0 + t * x_1, "x_t: o ruído também perde peso, 1 - t: em t = 1 só pode restar o dado."),
        (x_1 - x_0, "x_t: a ordem da tupla é (x_t, velocidade)."),
    ]
    compare(value, x_t, mistakes, "x_t: os números não conferem: é o ponto da reta de x_0 a x_1 no instante t.")
    value = tensor_answer(velocity_answer, shape, hints=wrong_axis)
    mistakes = [
        (x_0 - x_1, "velocidade: o sinal está trocado: anda-se do ruído para o dado."),
        (x_1 - x_t, "velocidade: isso é o que *falta* andar; a velocidade na reta é constante."),
        (x_t - x_0, "velocidade: isso é o que já se andou; a velocidade na reta é constante."),
        (x_1, "velocidade: isso é o ponto de chegada; derive x_t em t."),
        (t * (x_1 - x_0), "velocidade: derive x_t em t; o t desaparece."),
        (x_0 - x_t, "velocidade: isso é o que já se andou, ao contrário; a velocidade na reta é constante."),
    ]
    compare(value, x_1 - x_0, mistakes, "velocidade: os números não conferem: derive x_t = (1 - t) x_0 + t x_1 em t.")


def _judge_midpoint(inputs: Mapping[str, Any], answer: Any) -> None:
    x, matrix, drift = (inputs[name].double() for name in ("x", "matrix", "drift"))
    t, h = inputs["t"], inputs["h"]

    def u(point: Tensor, instant: float) -> Tensor:
        return (point @ matrix.T + instant * drift).tanh()

    first = u(x, t)
    middle = x + h / 2 * first
    second = u(middle, t + h / 2)
    value = tensor_answer(answer, tuple(x.shape))
    mistakes = [
        (x + h * first, "isso é um passo de Euler: usa a velocidade do começo. Olhe de novo no meio do passo."),
        (middle, "você parou no meio do passo."),
        (x + h * u(middle, t), "no meio do passo o relógio também andou: a velocidade é a de t + h/2."),
        (x + h * u(x, t + h / 2), "você adiantou só o relógio: a velocidade do meio é a do *ponto* do meio."),
        (
            middle + h / 2 * second,
            "você andou meio passo com cada velocidade; o passo inteiro sai de x, com a do meio: x + h·u.",
        ),
        (middle + h * second, "o passo inteiro sai de x, e não do ponto do meio: assim se anda passo e meio."),
        (x + h * u(x + h * first, t + h), "o ponto de espia fica no meio, a h/2, e não no fim do passo."),
        (
            x + h / 2 * (first + u(x + h * first, t + h)),
            "isso é o método de Heun, a média das pontas; aqui é o ponto médio.",
        ),
        (second, "isso é a velocidade do meio; falta andar com ela: x + h·u."),
        (x + second, "faltou o tamanho do passo: x + h·u."),
    ]
    compare(
        value,
        x + h * second,
        mistakes,
        "os números não conferem: meio passo, nova velocidade ali, e o passo inteiro com ela.",
    )


EXERCISE = Exercise(
    name="08_fluxos",
    questions=(
        Question(
            name="q1",
            function="log_density",
            points=1,
            start="Comece por log N(z; 0, 1) = -z²/2 - ½·log 2π.",
            public_seeds=(0, 1, 2),
            make_inputs=_density_inputs,
            judge=_judge_density,
        ),
        Question(
            name="q2",
            function="coupling_forward",
            points=2,
            start="Comece pelo que a rede vê, `mask * x`, e zere o que ela disser da parte conhecida.",
            public_seeds=(0, 1, 2),
            make_inputs=_coupling_inputs,
            judge=_judge_forward,
        ),
        Question(
            name="q3",
            function="coupling_inverse",
            points=1,
            start="Comece por recalcular s e t: a parte de que eles dependem passou intacta e está em `mask * y`.",
            public_seeds=(0, 1, 2),
            make_inputs=_inverse_inputs,
            judge=_judge_inverse,
        ),
        Question(
            name="q4",
            function="bits_per_dim",
            points=2,
            start="Comece pelos inteiros: `k = ((x + 1) * 127.5).round()`.",
            public_seeds=(0, 1, 2),
            make_inputs=_bits_inputs,
            judge=_judge_bits,
        ),
        Question(
            name="q5",
            function="flow_matching_pair",
            points=1,
            start="Comece por `t.view(-1, 1, 1, 1)`, para que cada imagem use o seu instante.",
            public_seeds=(0, 1, 2),
            make_inputs=_pair_inputs,
            judge=_judge_pair,
        ),
        Question(
            name="q6",
            function="midpoint_step",
            points=1,
            start="Comece por andar só meio passo com a velocidade do começo.",
            public_seeds=(0, 1, 2),
            make_inputs=_midpoint_inputs,
            judge=_judge_midpoint,
        ),
    ),
)
