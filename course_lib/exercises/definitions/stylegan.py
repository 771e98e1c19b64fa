"""Exercício 05_stylegan: AdaIN, a penalidade R1 e o gradiente dela, truncamento por camada e demodulação."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.question import (
    Exercise,
    Mistake,
    Question,
    compare,
    generator,
    number_answer,
    random_images,
    tensor_answer,
    tuple_answer,
)

EPSILON = 1e-8

# ---- Entradas sorteadas ----


def _adain_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n, channels, height, width = 3 + seed % 2, 5, 6, 7
    # Cada mapa de cada exemplo tem a sua média e o seu desvio: nenhuma outra média coincide com a certa.
    mean, deviation = (torch.rand(n, channels, 1, 1, generator=source) for _ in range(2))
    h = 6 * mean - 3 + (0.5 + 2 * deviation) * torch.randn(n, channels, height, width, generator=source)
    h[0, 1] = 0  # um filtro que não respondeu em lugar nenhum
    scale, shift = torch.randn(2, n, channels, generator=source)
    return {"h": h, "scale": scale, "shift": shift}


def _disc(source: torch.Generator) -> nn.Sequential:
    """Um discriminador de duas camadas, sem viés, de imagens (B, 1, 28, 28) a logits (B,)."""
    hidden = 5
    layers = nn.Linear(784, hidden, bias=False), nn.Linear(hidden, 1, bias=False)
    with torch.no_grad():
        layers[0].weight.copy_(0.08 * torch.randn(hidden, 784, generator=source))
        layers[1].weight.copy_(torch.randn(1, hidden, generator=source))
    return nn.Sequential(nn.Flatten(), layers[0], nn.Tanh(), layers[1], nn.Flatten(0))


def _r1_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    return {"disc": _disc(source), "x": random_images(4 + seed % 3, source)}


def _disc_step_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    disc = _disc(source)
    x, fake = random_images(4 + seed % 3, source), 0.5 * random_images(6 + seed % 2, source)
    # Nem 1 nem 2: com eles γ/2, γ e 1 se confundiriam.
    return {"disc": disc, "x": x, "fake": fake, "gamma": (3.0, 0.4, 10.0)[seed % 3]}


def _truncate_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n, n_styles, w_dim = 3 + seed % 2, 8, 6
    w_mean = 1 + torch.randn(w_dim, generator=source)
    # Longe de 0, de 1/2 e de 1, onde os enganos coincidem com o certo; e uma camada em que nada muda.
    psi = 0.2 + 0.2 * torch.rand(n_styles, generator=source)
    psi[seed % 2 :: 2] += 0.45
    psi[-1] = 1
    return {"w": w_mean + torch.randn(n, w_dim, generator=source), "w_mean": w_mean, "psi": psi}


def _deviation_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n, n_in, n_out, size = 4 + seed % 2, 3, 6, 3
    style = 1 + torch.randn(n, n_in, generator=source)
    style[0] = -style[0].abs()  # um estilo pode ser negativo, e a raiz só existe se ele entrou ao quadrado
    return {"weight": torch.randn(n_out, n_in, size, size, generator=source), "style": style}


# ---- Juízes ----


def _judge_adain(inputs: Mapping[str, Any], answer: Any) -> None:
    h, scale, shift = (inputs[name].double() for name in ("h", "scale", "shift"))
    infinite = (
        "um dos mapas é todo zero (o filtro não respondeu em lugar nenhum), e o desvio dele também. "
        "Some 1e-8 à variância antes da raiz."
    )
    value = tensor_answer(answer, tuple(h.shape), infinite=infinite)
    s, b = scale[:, :, None, None], shift[:, :, None, None]

    def normalized(*dims: int, unbiased: bool = False) -> Tensor:
        variance = h.var(dims, unbiased=unbiased, keepdim=True)
        return (h - h.mean(dims, keepdim=True)) / (variance + EPSILON).sqrt()

    maps = normalized(2, 3)
    centred = h - h.mean((2, 3), keepdim=True)
    variance = h.var((2, 3), unbiased=False, keepdim=True) + EPSILON
    mistakes = [
        (
            s * normalized(0, 2, 3) + b,
            "a média e o desvio saíram do lote todo, e isso é a normalização de lote. Aqui são de cada exemplo **e** "
            "de cada mapa: calcule-os sobre as posições, os eixos (2, 3).",
        ),
        (
            s * normalized(1, 2, 3) + b,
            "a média e o desvio saíram de todos os mapas do exemplo juntos; cada mapa tem os seus, sobre os eixos "
            "(2, 3).",
        ),
        (
            s * normalized(1) + b,
            "a média e o desvio saíram dos canais, em cada posição; são de cada mapa, sobre as posições: eixos (2, 3).",
        ),
        (s * normalized(3) + b, "cada mapa é uma matriz: a média e o desvio são sobre os dois eixos, (2, 3)."),
        (s * normalized(2) + b, "cada mapa é uma matriz: a média e o desvio são sobre os dois eixos, (2, 3)."),
        (s * centred / variance + b, "você dividiu pela variância; divida pelo desvio, que é a raiz dela."),
        (
            s * normalized(2, 3, unbiased=True) + b,
            "o desvio é o que divide por n, a média dos quadrados; `std` e `var` dividem por n - 1 se você não pedir "
            "`unbiased=False`.",
        ),
        (s * (maps + b), "primeiro a escala, depois a soma: do jeito que está, `shift` também foi multiplicado."),
        (maps * b + s, "`scale` e `shift` estão trocados: `scale` multiplica, `shift` se soma."),
        ((1 + s) * maps + b, "multiplique por `scale`; o 1 + é da camada que calcula o estilo, e já vem dentro dele."),
        (s * h + b, "faltou apagar o estilo que já estava no mapa: subtraia a média e divida pelo desvio."),
        (s * centred + b, "faltou dividir pelo desvio: o contraste antigo continua no mapa."),
        (s * h / variance.sqrt() + b, "faltou subtrair a média: o nível antigo continua no mapa."),
        (
            (s * h + b - (s * h + b).mean((2, 3), keepdim=True))
            / ((s * h + b).var((2, 3), unbiased=False, keepdim=True) + EPSILON).sqrt(),
            "o estilo foi escrito antes de normalizar, e a normalização o apagou: ele se escreve depois.",
        ),
        (s * maps, "faltou somar `shift`: a média que o estilo pede."),
        (maps + b, "faltou multiplicar por `scale`: o desvio que o estilo pede."),
        (maps, "você apagou o estilo antigo; falta escrever o novo, com `scale` e `shift`."),
        (h, "o mapa voltou como entrou."),
    ]
    otherwise = (
        "os números não conferem. Confira na sua resposta: a média de cada mapa deve ser o `shift` dele, e o desvio, "
        "o módulo do `scale`."
    )
    compare(value, s * maps + b, mistakes, otherwise)


def _gradients(disc: nn.Module, x: Tensor, of: Callable[[Tensor], Tensor] = torch.sum) -> Tensor:
    """∇ₓ de ``of(disc(x))``, achatado: (B, 784)."""
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(of(disc(x)), x, create_graph=True)
    return gradient.flatten(1)


def _judge_r1(inputs: Mapping[str, Any], answer: Any) -> None:
    disc, x = copy.deepcopy(inputs["disc"]).double(), inputs["x"].double()
    n = len(x)
    hints = {
        (n,): "Falta a média sobre o lote.",
        tuple(x.shape): "Falta elevar ao quadrado, somar os pixels de cada imagem e tirar a média do lote.",
    }
    value = number_answer(answer, hints=hints)
    gradient = _gradients(disc, x).detach()
    squared = gradient.square().sum(1)
    r1, norms = squared.mean(), squared.sqrt()
    mistakes = [
        (
            gradient.square().mean(),
            "você tirou a média sobre os pixels; a norma ao quadrado **soma** os pixels de cada imagem. A média é só "
            "do lote.",
        ),
        (squared.sum(), "você somou as imagens; tire a média do lote."),
        (norms.mean(), "essa é a média das normas; a penalidade é a média das normas **ao quadrado**."),
        (norms.mean() ** 2, "eleve ao quadrado a norma de cada imagem, e só depois tire a média."),
        (gradient.mean(0).square().sum(), "a média do lote entrou cedo demais: é a média dos quadrados das normas."),
        (
            r1 / n**2,
            "você derivou a média dos logits, e cada gradiente saiu dividido pelo tamanho do lote. Derive a **soma**.",
        ),
        (
            r1 / n,
            "está dividido pelo tamanho do lote uma vez a mais. Derive a **soma** dos logits; a média vem no fim.",
        ),
        (r1 / 2, "o 1/2 é do peso, γ/2, que entra na próxima questão; aqui só a penalidade."),
        (gradient.abs().sum(1).mean(), "some os quadrados, e não os módulos."),
        (
            (norms - 1).square().mean(),
            "essa é a penalidade do crítico de Wasserstein, que pede norma 1; a R1 pede zero.",
        ),
        (
            _gradients(disc, x, of=lambda a: a.sigmoid().sum()).detach().square().sum(1).mean(),
            "derive o logit, que é o que `disc` devolve; não passe pela sigmoide.",
        ),
        (disc(x).detach().square().mean(), "isso é o quadrado do logit; quer-se o do **gradiente** dele nos pixels."),
        (-r1, "o sinal está trocado: é uma soma de quadrados."),
    ]
    otherwise = "o número não confere: some os quadrados do gradiente de cada imagem e tire a média do lote."
    compare(value, r1, mistakes, otherwise)
    if not isinstance(answer, Tensor):
        raise Mistake("o número está certo, mas já não se pode derivá-lo nos pesos: devolva o tensor, sem `.item()`.")
    if not answer.requires_grad:
        raise Mistake(
            "o número está certo, mas é uma constante: o treino não teria como derivá-la nos pesos. O caminho se "
            "guarda com `torch.autograd.grad(..., create_graph=True)`."
        )


def _judge_disc_step(inputs: Mapping[str, Any], answer: Any) -> None:
    disc = copy.deepcopy(inputs["disc"]).double()
    x, fake, gamma = inputs["x"].double(), inputs["fake"].double(), inputs["gamma"]
    names = ("gradiente de disc[1].weight", "gradiente de disc[3].weight")
    found = tuple_answer(answer, names)
    weights = list(disc.parameters())
    values = []
    for name, item, weight in zip(names, found, weights, strict=True):
        if item is None:
            raise Mistake(
                f"{name}: é None, nenhum gradiente chegou a esse peso. Chame `.backward()` na perda antes de ler "
                "`.grad`."
            )
        try:
            values.append(tensor_answer(item, tuple(weight.shape)))
        except Mistake as mistake:
            raise mistake.about(name) from None

    def gradient_of(loss: Tensor) -> Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])

    on_real, on_fake = gradient_of(F.softplus(-disc(x)).mean()), gradient_of(F.softplus(disc(fake)).mean())
    game = on_real + on_fake
    r1 = gradient_of(_gradients(disc, x).square().sum(1).mean())
    r1_fake = gradient_of(_gradients(disc, fake).square().sum(1).mean())
    gen = gradient_of(F.softplus(-disc(fake)).mean())
    half = gamma / 2
    mistakes = [
        (
            game,
            "esse é o gradiente da perda sem a penalidade. Ou ela não foi somada, ou é uma constante: sem "
            "`create_graph=True` o caminho até os pesos se perde (e `requires_grad_()` no resultado não o refaz).",
        ),
        (game + gamma * r1, "falta o 1/2: a penalidade entra com peso γ/2."),
        (game + r1 / 2, "falta o γ: a penalidade entra com peso γ/2."),
        (game + r1, "a penalidade entrou com peso 1; o peso é γ/2."),
        (game + half * r1_fake, "a penalidade foi cobrada nas falsas; a R1 é sobre os dados **reais**."),
        (game + half * (r1 + r1_fake), "a penalidade é só nas reais: nas falsas o discriminador pode ser inclinado."),
        (game - half * r1, "a penalidade se soma à perda: o discriminador a minimiza."),
        (-game + half * r1, "a perda do jogo está com o sinal trocado: o discriminador minimiza -V."),
        (-game - half * r1, "o sinal está trocado: é o gradiente da perda que se minimiza."),
        (half * r1, "esse é o gradiente da penalidade, só dela; falta a perda do jogo."),
        (on_real + half * r1, "falta a parte das falsas."),
        (on_fake + half * r1, "falta a parte das reais."),
        (game / 2 + half * r1, "a perda do jogo é a soma das duas partes, sem dividir por 2."),
        (gen + half * r1, "essa é a perda do gerador; o passo é do discriminador."),
        (
            gradient_of(F.softplus(disc(x)).mean() + F.softplus(-disc(fake)).mean()) + half * r1,
            "os alvos estão trocados: nas reais o discriminador quer logit grande.",
        ),
        (
            game + half * r1 / x[0].numel(),
            "a penalidade está dividida pelo número de pixels: a norma ao quadrado **soma** os pixels.",
        ),
    ]
    otherwise = (
        "os números não conferem. A perda é a média de softplus(-a) nas reais, mais a de softplus(a) nas falsas, mais "
        "γ/2 vezes a penalidade nas reais."
    )
    compare(torch.cat([value.flatten() for value in values]), game + half * r1, mistakes, otherwise)


def _judge_truncate(inputs: Mapping[str, Any], answer: Any) -> None:
    w, w_mean, psi = (inputs[name].double() for name in ("w", "w_mean", "psi"))
    n, n_styles, w_dim = len(w), len(psi), len(w_mean)
    hints = {
        (n, w_dim): "Queremos um estilo por camada: comece por `w[:, None]`, de forma (B, 1, d).",
        (n_styles, n, w_dim): "Os exemplos vêm primeiro e as camadas depois: (B, L, d).",
        (n, w_dim, n_styles): "As camadas são o segundo eixo, e as dimensões de w o último: (B, L, d).",
    }
    value = tensor_answer(answer, (n, n_styles, w_dim), hints=hints)
    w, p = w[:, None], psi[:, None]
    spread = torch.ones_like(p)
    mistakes = [
        (p * w, "você puxou para zero; o centro dos estilos é a média deles, `w_mean`."),
        (
            w + p * (w_mean - w),
            "ψ está ao contrário: com ψ = 1 nada muda, e com ψ = 0 sobra só a média.",
        ),
        (w_mean + p * w, "o que encolhe é a **diferença** w - w_mean, e não o w inteiro."),
        (
            w_mean - p * (w - w_mean),
            "o sinal da diferença está trocado: assim o estilo passa para o outro lado da média.",
        ),
        (p * (w - w_mean), "faltou somar a média de volta."),
        (w - p * w_mean, "encolha a diferença w - w_mean, e some a média de volta."),
        (
            w.mean(0) + p * (w - w.mean(0)),
            "essa é a média do lote, que muda a cada lote; use `w_mean`, medida em muitos sorteios.",
        ),
        (spread * w, "os estilos não mudaram: falta aproximá-los de `w_mean`, cada camada com o seu ψ."),
        (w_mean.expand(n, n_styles, -1), "isso é a média em todas as camadas, como se todo ψ fosse zero."),
        (
            w_mean + psi.mean() * spread * (w - w_mean),
            "as camadas ficaram todas iguais: cada uma tem o seu ψ.",
        ),
        (w_mean + psi[0] * spread * (w - w_mean), "as camadas ficaram todas iguais: cada uma tem o seu ψ."),
        (w_mean + p.flip(0) * (w - w_mean), "os ψ estão na ordem inversa das camadas."),
        (w_mean + (w - w_mean) / p, "multiplique a diferença por ψ; dividida, ela cresce."),
    ]
    compare(
        value, w_mean + p * (w - w_mean), mistakes, "os números não conferem: em cada camada, w_mean + ψ (w - w_mean)."
    )


def _judge_deviation(inputs: Mapping[str, Any], answer: Any) -> None:
    weight, style = inputs["weight"].double(), inputs["style"].double()
    n, n_out = len(style), len(weight)
    hints = {
        (n_out,): "Cada exemplo tem o seu estilo, e portanto o seu desvio: (B, n_out).",
        (n_out, n): "Os exemplos vêm primeiro: (B, n_out).",
        (n, style.shape[1]): "O desvio é de cada canal que **sai** da convolução; some sobre os que entram.",
        (n, n_out, *weight.shape[2:]): "Falta somar também sobre as posições do núcleo.",
        (n, n_out, style.shape[1]): "Falta somar sobre os canais que entram.",
    }
    infinite = "procure a raiz de um número negativo: numa variância o estilo e o peso entram ao quadrado."
    value = tensor_answer(answer, (n, n_out), hints=hints, infinite=infinite)
    scaled = weight * style[:, None, :, None, None]  # (B, n_out, n_in, k, k)
    power = scaled.square().sum((2, 3, 4))
    deviation = power.sqrt()
    plain = weight.square().sum((1, 2, 3)).sqrt()
    mistakes = [
        (power, "essa é a variância; o desvio é a raiz dela."),
        (1 / deviation, "esse é o inverso, o fator da demodulação; aqui se pede o desvio."),
        (1 / power, "esse é o inverso da variância; aqui se pede o desvio."),
        (plain.expand(n, -1), "o estilo ficou de fora: ele escala os canais que entram, e muda o desvio da saída."),
        (
            (style.square() @ weight.sum((2, 3)).square().T).sqrt(),
            "as variâncias se somam posição por posição: eleve cada peso ao quadrado, e só depois some.",
        ),
        (scaled.sum((2, 3, 4)).abs(), "você somou e depois elevou ao quadrado; é a soma dos quadrados."),
        (scaled.sum((2, 3, 4)), "faltou o quadrado: variâncias de parcelas independentes se somam, pesos não."),
        (scaled.abs().sum((2, 3, 4)), "some os quadrados, e não os módulos."),
        (
            (style.abs() @ weight.square().sum((2, 3)).T).sqrt(),
            "o estilo também entra ao quadrado: multiplicar um número por s multiplica a variância dele por s².",
        ),
        (scaled.square().mean((2, 3, 4)).sqrt(), "some as parcelas; você tirou a média."),
        (
            (style.square() @ weight.square().mean((2, 3)).T).sqrt(),
            "some também sobre as posições do núcleo; você tirou a média delas.",
        ),
        (
            deviation / weight[0].numel() ** 0.5,
            "aqui os pesos já vêm como entram na convolução: não divida pela raiz do número de entradas.",
        ),
        (scaled.flatten(2).std(-1), "isso é o desvio **dos pesos**; quer-se o do que sai da convolução."),
        (
            scaled.flatten(2).std(-1, unbiased=False),
            "isso é o desvio **dos pesos**; quer-se o do que sai da convolução.",
        ),
        (
            (1 + style).square() @ weight.square().sum((2, 3)).T,
            "essa é uma variância, e o estilo já vem pronto: sem somar 1, e com a raiz no fim.",
        ),
        (
            ((1 + style).square() @ weight.square().sum((2, 3)).T).sqrt(),
            "o estilo já vem pronto: não some 1 a ele.",
        ),
    ]
    otherwise = (
        "os números não conferem: σ² é a soma, sobre os canais que entram e as posições do núcleo, de (estilo × peso)²."
    )
    compare(value, deviation, mistakes, otherwise)


EXERCISE = Exercise(
    name="05_stylegan",
    questions=(
        Question(
            name="q1",
            function="adain",
            points=2,
            start="Comece pela média de cada mapa: `h.mean((2, 3), keepdim=True)`, de forma (B, C, 1, 1).",
            public_seeds=(0, 1, 2),
            make_inputs=_adain_inputs,
            judge=_judge_adain,
        ),
        Question(
            name="q2",
            function="r1_penalty",
            points=1,
            start="Comece por uma cópia de x que aceite derivada, `x.detach().clone().requires_grad_()`.",
            public_seeds=(0, 1, 2),
            make_inputs=_r1_inputs,
            judge=_judge_r1,
        ),
        Question(
            name="q3",
            function="disc_gradients",
            points=2,
            start="Comece pela perda do jogo, com `softplus`; depois some γ/2 vezes a sua `r1_penalty`.",
            public_seeds=(0, 1, 2),
            make_inputs=_disc_step_inputs,
            judge=_judge_disc_step,
        ),
        Question(
            name="q4",
            function="truncate",
            points=1,
            start="Comece pela diferença até a média, `w - w_mean`; é ela que encolhe.",
            public_seeds=(0, 1, 2),
            make_inputs=_truncate_inputs,
            judge=_judge_truncate,
        ),
        Question(
            name="q5",
            function="output_deviation",
            points=2,
            start="Comece pela variância de uma parcela só: s·w·h, com h de variância 1.",
            public_seeds=(0, 1, 2),
            make_inputs=_deviation_inputs,
            judge=_judge_deviation,
        ),
    ),
)
