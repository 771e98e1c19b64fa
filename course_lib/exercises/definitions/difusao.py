"""Exercício 07_difusao: o plano de ruído, a ida num passo, a estimativa da imagem, a posterior e um salto com guia."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.old import (
    Exercise,
    Question,
    close,
    compare,
    generator,
    random_images,
    tensor_answer,
    tuple_answer,
)

# ---- Entradas sorteadas ----


def _noise(n: int, source: torch.Generator) -> Tensor:
    return torch.randn(n, 1, 28, 28, generator=source)


def _plan_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 6 + seed % 4
    # Variâncias grandes e poucos passos: com as pequenas, produto e exponencial da soma quase coincidem.
    return {"beta": 0.05 + 0.5 * torch.rand(n, generator=source)}


def _q_sample_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 4 + seed % 3
    alpha_bar = 0.1 + 0.8 * torch.rand(n, generator=source)  # um instante por imagem
    return {"x_0": random_images(n, source), "alpha_bar": alpha_bar, "eps": _noise(n, source)}


def _bar(low: float, high: float, source: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand((), generator=source)


def _predict_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 3 + seed % 2
    bar_t = _bar(0.2, 0.7, source)
    x_0, eps = random_images(n, source), _noise(n, source)
    # O ruído previsto erra um pouco: parte das estimativas sai de [-1, 1] e precisa do corte.
    eps_hat = eps + 0.5 * _noise(n, source)
    return {"x_t": bar_t.sqrt() * x_0 + (1 - bar_t).sqrt() * eps, "eps_hat": eps_hat, "bar_t": bar_t}


def _posterior_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 3 + seed % 2
    bar_s = _bar(0.6, 0.9, source)
    bar_t = bar_s * _bar(0.3, 0.7, source)
    if seed % 3 == 2:
        bar_s = torch.ones(())  # a chegada à imagem limpa
    return {"x_0": random_images(n, source), "x_t": _noise(n, source), "bar_t": bar_t, "bar_s": bar_s}


def _guided_inputs(seed: int) -> dict[str, Any]:
    inputs = _predict_inputs(seed)
    source = generator(seed + 1_000)
    with_y = inputs.pop("eps_hat")
    return {
        "x_t": inputs["x_t"],
        "with_y": with_y,
        "without_y": with_y + 0.3 * _noise(len(with_y), source),
        "w": (2.0, 0.5, 1.0)[seed % 3],
        "bar_t": inputs["bar_t"],
        "bar_s": _bar(0.75, 0.95, source),
    }


# ---- Juízes ----


def _judge_plan(inputs: Mapping[str, Any], answer: Any) -> None:
    beta = inputs["beta"].double()
    n = len(beta)
    hints = {
        (): "Queremos o produto acumulado até cada passo, e não só o final.",
        (n + 1,): "Há um valor a mais: a resposta começa em ᾱ do primeiro passo, 1 - β₁, e não em ᾱ₀ = 1.",
    }
    value = tensor_answer(answer, (n,), hints=hints)
    expected = torch.cumprod(1 - beta, 0)
    mistakes = [
        (1 - beta, "isso é α de cada passo; ᾱ é o produto deles, do primeiro até t."),
        (torch.cumprod(beta, 0), "você multiplicou os β; o que sobra do sinal em cada passo é 1 - β."),
        (1 - torch.cumprod(beta, 0), "primeiro 1 - β, depois o produto; você fez 1 menos o produto dos β."),
        (1 - beta.cumsum(0), "somar os β só vale quando são minúsculos: os encolhimentos se multiplicam."),
        (torch.cumsum(1 - beta, 0), "os encolhimentos se multiplicam, e não se somam (`torch.cumprod`)."),
        ((-beta.cumsum(0)).exp(), "isso é a aproximação para β minúsculos; use o produto dos 1 - β."),
        (expected.sqrt(), "isso é √ᾱ, o peso do sinal; queremos ᾱ, sem a raiz."),
        (1 - expected, "isso é 1 - ᾱ, a variância do ruído acumulado."),
        (torch.cat([torch.ones(1).double(), expected[:-1]]), "está deslocado de um passo: o primeiro valor é 1 - β₁."),
        (expected / (1 - expected), "isso é a razão sinal-ruído; queremos ᾱ."),
    ]
    compare(value, expected, mistakes, "os números não conferem: ᾱ_t é o produto de 1 - β_i, do primeiro passo até t.")


def _judge_q_sample(inputs: Mapping[str, Any], answer: Any) -> None:
    x_0, eps = inputs["x_0"].double(), inputs["eps"].double()
    bar = inputs["alpha_bar"].double().view(-1, 1, 1, 1)
    n = len(x_0)
    value = tensor_answer(
        answer,
        (n, 1, 28, 28),
        hints={(n, n, 28, 28): "Cada imagem com o *seu* instante: leve `alpha_bar` à forma (B, 1, 1, 1)."},
    )
    signal, noise = bar.sqrt(), (1 - bar).sqrt()
    mistakes = [
        (bar * x_0 + (1 - bar) * eps, "faltaram as raízes: ᾱ e 1 - ᾱ são variâncias, e o que multiplica é o desvio."),
        (bar * x_0 + noise * eps, "o peso do sinal é √ᾱ, e não ᾱ."),
        (signal * x_0 + (1 - bar) * eps, "o peso do ruído é √(1 - ᾱ): 1 - ᾱ é a variância dele, e não o desvio."),
        (signal * x_0 + (1 - signal) * eps, "a raiz fica por fora: o peso do ruído é √(1 - ᾱ), e não 1 - √ᾱ."),
        (noise * x_0 + signal * eps, "os pesos estão trocados: com ᾱ perto de 1, quase tudo é imagem."),
        (signal * x_0 + eps, "o ruído também tem peso, √(1 - ᾱ): assim a variância total fica em 1."),
        (x_0 + noise * eps, "a imagem também encolhe, por √ᾱ: assim a variância total fica em 1."),
        (signal * x_0, "faltou somar o ruído."),
        (signal * eps - noise * x_0, "isso é a velocidade v; queremos x_t."),
    ]
    compare(value, signal * x_0 + noise * eps, mistakes, "os números não conferem: √ᾱ vezes x₀ mais √(1 - ᾱ) vezes ε.")


def _pair(x_t: Tensor, raw: Tensor, bar: Tensor) -> tuple[Tensor, Tensor]:
    """A estimativa cortada e o ruído que com ela explica x_t."""
    x_0 = raw.clamp(-1, 1)
    return x_0, (x_t - bar.sqrt() * x_0) / (1 - bar).sqrt()


def _judge_predict(inputs: Mapping[str, Any], answer: Any) -> None:
    x_t, eps_hat, bar = (inputs[name].double() for name in ("x_t", "eps_hat", "bar_t"))
    shape = tuple(x_t.shape)
    x_0_answer, eps_answer = tuple_answer(answer, ("x_0", "eps"))
    signal, noise = bar.sqrt(), (1 - bar).sqrt()
    raw = (x_t - noise * eps_hat) / signal
    x_0, eps = _pair(x_t, raw, bar)
    mistakes = [
        (
            raw,
            "x_0: faltou o corte em [-1, 1]; o que sai da faixa das imagens entra no salto seguinte.",
        ),
        ((raw + 1).clamp(0, 2) / 2, "x_0: as imagens do curso ficam em [-1, 1], e não em [0, 1]."),
        (raw.clamp(0, 1), "x_0: o corte é em [-1, 1], a faixa das imagens do curso."),
        (raw.tanh(), "x_0: use o corte (`clamp`), e não a tanh, que mudaria também o que já estava na faixa."),
    ]
    for cut in (lambda image: image, lambda image: image.clamp(-1, 1)):
        mistakes += [
            (cut((x_t - noise * eps_hat) / bar), "x_0: divida por √ᾱ, o peso do sinal em x_t, e não por ᾱ."),
            (cut((x_t - (1 - bar) * eps_hat) / signal), "x_0: o peso do ruído em x_t é √(1 - ᾱ), com a raiz."),
            (cut((x_t - (1 - bar) * eps_hat) / bar), "x_0: faltaram as raízes: os pesos em x_t são √ᾱ e √(1 - ᾱ)."),
            (cut(x_t - noise * eps_hat), "x_0: faltou dividir por √ᾱ: a imagem foi encolhida na ida."),
            (cut((x_t + noise * eps_hat) / signal), "x_0: o ruído se subtrai."),
            (
                cut(signal * x_t - noise * eps_hat),
                "x_0: essa fórmula é a de uma rede que prevê a velocidade; aqui ela prevê o ruído.",
            ),
        ]
    value = tensor_answer(x_0_answer, shape)
    compare(
        value, x_0, mistakes, "x_0: os números não conferem. Isole x₀ em x_t = √ᾱ x₀ + √(1 - ᾱ) ε, e corte em [-1, 1]."
    )
    value = tensor_answer(eps_answer, shape)
    mistakes = [
        (
            eps_hat,
            "eps: esse é o ruído de antes do corte, e com a estimativa cortada ele já não explica x_t. Recalcule-o.",
        ),
        (-eps, "eps: o sinal está trocado: é o que *falta* a √ᾱ x̂₀ para chegar a x_t."),
        (noise * eps, "eps: faltou dividir por √(1 - ᾱ)."),
        ((x_t - signal * x_0) / (1 - bar), "eps: divida por √(1 - ᾱ), com a raiz."),
        ((x_t - x_0) / noise, "eps: antes de subtrair, encolha a estimativa por √ᾱ."),
        (x_0, "eps: você devolveu a estimativa da imagem outra vez."),
    ]
    compare(
        value, eps, mistakes, "eps: os números não conferem. Isole ε em x_t = √ᾱ x̂₀ + √(1 - ᾱ) ε, com x̂₀ já cortada."
    )


def _judge_posterior(inputs: Mapping[str, Any], answer: Any) -> None:
    x_0, x_t, bar_t, bar_s = (inputs[name].double() for name in ("x_0", "x_t", "bar_t", "bar_s"))
    mean_answer, variance_answer = tuple_answer(answer, ("média", "variância"))
    a = bar_t / bar_s

    def mean(from_x_0: Tensor, from_x_t: Tensor) -> Tensor:
        return (from_x_0 * x_0 + from_x_t * x_t) / (1 - bar_t)

    expected = mean(bar_s.sqrt() * (1 - a), a.sqrt() * (1 - bar_s))
    mistakes = [
        (mean(bar_s * (1 - a), a * (1 - bar_s)), "média: faltaram as raízes de ᾱ_s e de a."),
        (mean(bar_s.sqrt() * (1 - a), a * (1 - bar_s)), "média: no peso de x_t, a entra com raiz."),
        (mean(bar_s * (1 - a), a.sqrt() * (1 - bar_s)), "média: no peso de x₀, ᾱ_s entra com raiz."),
        (
            mean(a.sqrt() * (1 - bar_s), bar_s.sqrt() * (1 - a)),
            "média: os pesos estão trocados: perto do fim da volta quem manda é x₀.",
        ),
        (
            mean(bar_s.sqrt() * (1 - bar_t), bar_t.sqrt() * (1 - bar_s)),
            "média: de s a t a ida encolhe por a = ᾱ_t / ᾱ_s, e não por ᾱ_t.",
        ),
        (expected * (1 - bar_t), "média: faltou dividir por 1 - ᾱ_t."),
        (expected * (1 - bar_t) / (1 - bar_s), "média: o denominador é 1 - ᾱ_t, e não 1 - ᾱ_s."),
        (bar_s.sqrt() * x_0, "média: essa é a de q(x_s|x₀); a posterior também olha para x_t."),
        (x_t / a.sqrt(), "média: isso só desfaz o encolhimento; a posterior também olha para x₀."),
    ]
    shape = tuple(x_t.shape)
    infinite = "com s na imagem limpa, ᾱ_s = 1; nenhuma divisão deve ser por 1 - ᾱ_s."
    value = tensor_answer(mean_answer, shape, infinite=infinite)
    otherwise = "média: os números não conferem. Confira os dois pesos no exemplo à mão do enunciado."
    compare(value, expected, mistakes, otherwise)
    variance = (1 - bar_s) * (1 - a) / (1 - bar_t)
    hints = {shape: "A variância é a mesma em todos os pixels: um número só."}
    if isinstance(variance_answer, Tensor) and variance_answer.numel() == 1:
        variance_answer = variance_answer.reshape(())
    if isinstance(variance_answer, int | float):
        variance_answer = torch.tensor(float(variance_answer))
    value = tensor_answer(variance_answer, (), hints=hints, infinite=infinite)
    mistakes = [
        (variance.sqrt(), "variância: esse é o desvio; a função pede a variância, sem a raiz."),
        (1 - a, "variância: essa é a da ida, de s a t; na volta ela é menor, porque x₀ é conhecido."),
        (1 - bar_s, "variância: essa é a de q(x_s|x₀); conhecer também x_t a diminui."),
        (1 - bar_t, "variância: essa é a de q(x_t|x₀)."),
        (1 / variance, "variância: isso é a precisão; a variância é o inverso."),
        ((1 - bar_s) * (1 - a), "variância: faltou dividir por 1 - ᾱ_t."),
        ((1 - bar_s) * (1 - bar_t) / (1 - bar_t), "variância: o segundo fator é 1 - a, com a = ᾱ_t / ᾱ_s."),
    ]
    compare(value, variance, mistakes, "variância: o número não confere: (1 - ᾱ_s)(1 - a)/(1 - ᾱ_t).")


def _judge_guided(inputs: Mapping[str, Any], answer: Any) -> None:
    x_t, with_y, without_y, bar_t, bar_s = (
        inputs[name].double() for name in ("x_t", "with_y", "without_y", "bar_t", "bar_s")
    )
    w = inputs["w"]

    def jump(eps_hat: Tensor, *, clip: bool = True, stale: bool = False, signal=None, noise=None) -> Tensor:
        raw = (x_t - (1 - bar_t).sqrt() * eps_hat) / bar_t.sqrt()
        x_0, eps = _pair(x_t, raw, bar_t) if clip else (raw, eps_hat)
        signal = bar_s.sqrt() if signal is None else signal
        noise = (1 - bar_s).sqrt() if noise is None else noise
        return signal * x_0 + noise * (eps_hat if stale else eps)

    value = tensor_answer(answer, tuple(x_t.shape))
    guided = (1 + w) * with_y - w * without_y
    mistakes = [
        (jump(with_y), "faltou a guia: essa é a resposta de w = 0, só com o dígito."),
        (jump(without_y), "você usou só a previsão sem o dígito."),
        (jump(w * with_y + (1 - w) * without_y), "nesta convenção w = 0 é sem guia: (1 + w)·com − w·sem."),
        (jump((1 + w) * without_y - w * with_y), "a guia está ao contrário: afaste-se da previsão *sem* o dígito."),
        (jump((1 + w) * with_y + w * without_y), "os pesos precisam somar 1: (1 + w)·com *menos* w·sem."),
        (
            jump((1 - w) * with_y + w * without_y),
            "a guia está ao contrário: assim ela se aproxima da previsão sem o dígito.",
        ),
        (
            jump(guided, clip=False),
            "faltou o corte de x̂₀ em [-1, 1]: a guia exagera, e o excesso entra no salto seguinte.",
        ),
        (
            jump(guided, stale=True),
            "depois do corte, use o ruído recalculado (o segundo da questão 3), e não o que entrou.",
        ),
        (
            jump(guided, signal=bar_t.sqrt(), noise=(1 - bar_t).sqrt()),
            "você remontou x_t: para dar o salto, os pesos são os de s, √ᾱ_s e √(1 - ᾱ_s).",
        ),
        (jump(guided, signal=bar_s, noise=1 - bar_s), "faltaram as raízes nos pesos de s."),
        (jump(guided, noise=1 - bar_s), "o peso do ruído é √(1 - ᾱ_s), com a raiz."),
        (
            jump(guided, noise=torch.zeros(()).double()),
            "faltou devolver o ruído, na dose de s: x_s ainda não é a imagem limpa.",
        ),
        (_pair(x_t, (x_t - (1 - bar_t).sqrt() * guided) / bar_t.sqrt(), bar_t)[0], "essa é x̂₀; o salto vai só até s."),
    ]
    expected = jump(guided)
    otherwise = "os números não conferem: guie a previsão, estime (x̂₀, ε̂) pela questão 3 e remonte com os pesos de s."
    if not close(value, expected) and value.std() > 3 * expected.std():
        otherwise = "a imagem saiu muito mais espalhada que x_t: confira os sinais da guia e as raízes dos pesos."
    compare(value, expected, mistakes, otherwise)


EXERCISE = Exercise(
    name="07_difusao",
    questions=(
        Question(
            name="q1",
            function="alpha_bars",
            points=1,
            start="Comece por quanto do sinal sobra num passo só: 1 - β. E em dois passos?",
            public_seeds=(0, 1, 2),
            make_inputs=_plan_inputs,
            judge=_judge_plan,
        ),
        Question(
            name="q2",
            function="q_sample",
            points=1,
            start="Comece por `alpha_bar.view(-1, 1, 1, 1)`, para que cada imagem use o seu instante.",
            public_seeds=(0, 1, 2),
            make_inputs=_q_sample_inputs,
            judge=_judge_q_sample,
        ),
        Question(
            name="q3",
            function="predict_x_0",
            points=2,
            start="Comece por isolar x₀ na fórmula da questão 2; só depois corte.",
            public_seeds=(0, 1, 2),
            make_inputs=_predict_inputs,
            judge=_judge_predict,
        ),
        Question(
            name="q4",
            function="posterior",
            points=2,
            start="Comece por a = ᾱ_t / ᾱ_s, o encolhimento da ida de s a t.",
            public_seeds=(0, 1, 2),
            make_inputs=_posterior_inputs,
            judge=_judge_posterior,
        ),
        Question(
            name="q5",
            function="guided_ddim_step",
            points=2,
            start="Comece pela previsão guiada, (1 + w)·com − w·sem, e passe-a à sua `predict_x_0`.",
            public_seeds=(0, 1, 2),
            make_inputs=_guided_inputs,
            judge=_judge_guided,
        ),
    ),
)
