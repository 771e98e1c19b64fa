"""Exercício 05_stylegan: de quem é cada estilo, truncar até um alvo, o γ da R1, inverter em W e em W⁺, e o desvio."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question

FROM_A, FROM_B, FROM_NONE = 0, 1, 2


def _style(h: Tensor) -> Tensor:
    """A média e o desvio de cada mapa (C, H, W): 2C números."""
    return torch.cat([h.mean((1, 2)), h.std((1, 2), unbiased=False)])


class StyleSources(Question):
    """De que fonte cada camada recebeu o estilo, pela média e pelo desvio dos mapas."""

    name, function, points = "q1", "style_sources", 2
    start = (
        "Comece por uma função que dê o estilo de uma camada: a média e o desvio de cada mapa, sobre os eixos (1, 2)."
    )

    def draw(self, seed, source):
        def random(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=source)

        def noise(like: Tensor) -> Tensor:
            return torch.randn(like.shape, generator=source)

        def normal(h: Tensor) -> Tensor:
            h = h - h.mean((1, 2), keepdim=True)
            return h / h.std((1, 2), unbiased=False, keepdim=True)

        def dressed(h: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
            return deviation[:, None, None] * normal(h) + mean[:, None, None]

        # Uma camada de cada caso; as de "só…" são de B, que ali só difere de A no desvio, ou na média.
        kinds = ["a", "b", "só o desvio", "só a média", "nenhuma", "quase a", "ab"[seed % 2]]
        verdicts = {"a": FROM_A, "nenhuma": FROM_NONE, "quase a": FROM_NONE}
        while True:
            order = [kinds[i] for i in torch.randperm(len(kinds), generator=source).tolist()]
            codes = [verdicts.get(kind, FROM_B) for kind in order]
            if codes != codes[::-1]:  # na ordem inversa a resposta precisa ser outra
                break
        maps, maps_a, maps_b = [], [], []
        for k, kind in enumerate(order):
            shape = 4, 4 + k // 2 * 2, 5 + k // 2 * 2
            a, b, other = torch.randn(3, *shape, generator=source)
            mean_a, deviation_a = 3 * random(4) - 1, 0.5 + random(4)
            mean_b = mean_a if kind == "só o desvio" else mean_a + 1 + random(4)
            deviation_b = deviation_a if kind == "só a média" else deviation_a * (1.6 + random(4))
            near = mean_a + torch.tensor([0.0, 0.005, 0.0, 0.0])
            style = {
                "a": (mean_a, deviation_a),
                "nenhuma": (mean_a.roll(1), deviation_a.roll(1)),
                "quase a": (near, deviation_a),
            }
            # O conteúdo é sempre parecido com o da outra fonte: quem compara pixels erra.
            like = b if kind == "a" else a
            maps.append(dressed(0.9 * like + 0.4 * other, *style.get(kind, (mean_b, deviation_b))))
            maps_a.append(dressed(a, mean_a, deviation_a))
            maps_b.append(dressed(b, mean_b, deviation_b))
        return {"maps": maps, "maps_a": maps_a, "maps_b": maps_b}

    def answer(self, maps, maps_a, maps_b, style=_style, nearest=False):
        verdicts = []
        for one, a, b in zip(maps, maps_a, maps_b, strict=True):
            gaps = [(style(one) - style(each)).abs().max().item() for each in (a, b)]
            if nearest:
                verdicts.append(int(gaps[1] < gaps[0]))
            else:
                verdicts.append(FROM_A if gaps[0] < 1e-3 else FROM_B if gaps[1] < 1e-3 else FROM_NONE)
        return np.array(verdicts, dtype=float)

    def mistakes(self, right, but):
        yield (), "É um veredito por camada: um vetor do tamanho de `maps`."
        yield (
            right[::-1].copy(),
            "os vereditos estão na ordem inversa das camadas: o primeiro é o da primeira, a de 4×4.",
        )
        yield np.where(right == 2, 2, 1 - right), "os códigos estão trocados: 0 é A, 1 é B e 2 é nenhuma das duas."
        hint = (
            "você comparou só as médias. Duas fontes podem ter a mesma média num mapa e contrastes diferentes: o "
            "estilo é o par, a média **e** o desvio."
        )
        yield but(style=lambda h: h.mean((1, 2))), hint
        hint = "você comparou só os desvios: o estilo é o par, a média **e** o desvio."
        yield but(style=lambda h: h.std((1, 2), unbiased=False)), hint
        whole = but(style=lambda h: torch.stack([h.mean(), h.std(unbiased=False)]))
        for wrong in (but(nearest=True), whole):
            yield (
                wrong,
                "numa das camadas o estilo não é o de nenhuma fonte, e você deu uma. Ou ficou com a mais próxima, ou "
                "tirou a média e o desvio da camada toda: são de cada **mapa**, e em outro mapa já são outro estilo.",
            )
        for nearest in (False, True):
            hint = (
                "você comparou os pixels. O conteúdo de um mapa é o da imagem misturada, e pode lembrar qualquer das "
                "fontes; o que a AdaIN escreve é a média e o desvio."
            )
            yield but(style=torch.flatten, nearest=nearest), hint
        yield lambda value: not np.isin(value, (0, 1, 2)).all(), "cada veredito é 0 (A), 1 (B) ou 2 (nenhuma)."
        yield (
            ...,
            "os vereditos não conferem. Em cada camada, compare a média e o desvio de cada mapa com os das duas "
            "fontes; são iguais quando nenhum difere mais que 0,001.",
        )


class TruncateTo(Question):
    """O truncamento de cada camada, dado o espalhamento que os estilos devem ter nela."""

    name, function, points = "q2", "truncate_to", 1
    start = "Comece pelo espalhamento de agora: a raiz da média de ‖w − w_mean‖², um número só."

    def draw(self, seed, source):
        n, w_dim, n_styles = 30 + seed % 3, 6, 5
        w_mean = 1 + torch.randn(w_dim, generator=source)
        w = w_mean + (0.4 + torch.rand(n, 1, generator=source)) * torch.randn(n, w_dim, generator=source)
        spread = (w - w_mean).square().sum(1).mean().sqrt()
        targets = spread * (0.15 + 0.25 * torch.rand(n_styles, generator=source))
        targets[seed % 2 :: 2] *= 1.9
        targets[1 + seed % 3] = 1.3 * spread  # truncar não estica
        return {"w": w, "w_mean": w_mean, "targets": targets}

    def answer(self, w, w_mean, targets, spread=None, limit=1.0, power=1, center=None):
        away = w - w_mean
        spread = away.square().sum(1).mean().sqrt() if spread is None else spread
        psi = (targets / spread).pow(power).clamp(max=limit)[:, None]
        return (w_mean if center is None else center) + psi * away[:, None]

    def mistakes(self, but, w, w_mean, targets):
        (n, w_dim), n_styles, away = w.shape, len(targets), w - w_mean
        yield (n, w_dim), "Queremos um estilo por camada: (N, L, d)."
        yield (n_styles, n, w_dim), "Os exemplos vêm primeiro e as camadas depois: (N, L, d)."
        yield (n_styles,), "Esses seriam os ψ; a função devolve os estilos truncados com eles, (N, L, d)."
        squares = away.square().sum(1)
        hint = "um alvo maior que o espalhamento de agora pediria ψ > 1, e isso já não é truncar: limite ψ a 1."
        yield but(limit=float("inf")), hint
        hint = "o espalhamento é uma distância, e ψ a multiplica uma vez; o ψ² é da variância."
        yield but(power=2), hint
        yield but(power=0.5), "o alvo é um espalhamento (uma distância), e não uma variância: ψ é a razão, sem raiz."
        hint = "você usou a média das distâncias; o espalhamento é a raiz da média das distâncias **ao quadrado**."
        yield but(spread=squares.sqrt().mean()), hint
        hint = "faltou a raiz: a média dos quadrados é uma variância, e o alvo é uma distância."
        yield but(spread=squares.mean()), hint
        hint = "a distância **soma** as d coordenadas; você tirou a média delas."
        yield but(spread=away.square().mean().sqrt()), hint
        hint = "a distância é até `w_mean`, medida em muitos sorteios; você usou a média destes N estilos, ou o zero."
        own = w.mean(0)
        yield but(w_mean=own), hint
        yield but(spread=(w - own).square().sum(1).mean().sqrt()), hint
        yield but(w_mean=0 * w_mean), hint
        yield but(spread=w.square().sum(1).mean().sqrt()), hint
        yield but(center=0 * w_mean), "faltou somar a média de volta."
        hint = "cada exemplo saiu à mesma distância da média: ψ é um por camada, o mesmo para todos os exemplos."
        each = (targets / squares.sqrt()[:, None])[:, :, None]
        for psi in (each, each.clamp(max=1)):
            yield w_mean + psi * away[:, None], hint
        yield but(targets=targets.flip(0)), "os alvos estão na ordem inversa das camadas."
        yield but(targets=targets.mean().expand(n_styles)), "cada camada tem o seu alvo."
        yield but(spread=targets), "os estilos não mudaram: falta aproximá-los da média, cada camada até o seu alvo."
        yield but(targets=targets.clone().fill_(0)), "isso é a média em todas as camadas, como se todo alvo fosse zero."
        yield (
            ...,
            "os números não conferem: em cada camada, w_mean + ψ (w − w_mean), com ψ = alvo / espalhamento, até 1.",
        )


class R1Gammas(Question):
    """Os três valores de γ que contam no jogo de dois números: segura, amortece mais depressa, e desanda."""

    name, function, points = "q3", "r1_gammas", 2
    start = "Comece por D < 1, com D = 1 − ηγ + η²c²: que γ dá D = 1?"
    parts = ("o menor", "o melhor", "o maior")

    def draw(self, source):
        # Passos grandes: com os pequenos, η²c² mal se veria no maior γ.
        lr, force = (0.2 + 0.4 * torch.rand(2, generator=source)).tolist()
        return {"lr": round(lr, 3), "force": round(0.3 + force, 3)}

    def answer(self, lr, force):
        return lr * force**2, 2 * force, 2 / lr + lr * force**2 / 2

    def mistakes(self, right, lr, force):
        least, best, _ = right
        yield "o menor", lr * force, "c entra ao quadrado: ele vem do produto das duas forças cruzadas."
        yield "o menor", lr**2 * force**2, "isso é ηγ; divida por η."
        yield "o menor", force**2, "falta o η: com passos menores a espiral se abre menos, e menos γ basta."
        yield "o menor", -least, "o sinal está trocado: a penalidade entra com −ηγ no determinante."
        yield "o menor", least / 2, "D = 1 quando ηγ = η²c²; não há 1/2."
        yield "o menor", 0.0, "sem penalidade D = 1 + η²c², que é maior que 1: a espiral se abre."
        yield "o menor", best, "a ordem está trocada: primeiro o menor γ que segura o jogo, depois o melhor."
        yield "o menor", ..., "o número não confere. Resolva 1 − ηγ + η²c² = 1 em γ."
        yield "o melhor", force, "faltou um 2: de (2 − ηγ)² = 4(1 − ηγ + η²c²) sobra η²γ² = 4η²c²."
        yield "o melhor", 4 * force**2, "sobra γ² = 4c²: falta a raiz."
        yield "o melhor", 4 * force, "sobra γ² = 4c², e a raiz de 4 é 2."
        yield "o melhor", 2 * force * lr, "isso é ηγ; divida por η."
        yield "o melhor", 1 / lr, "aí um dos autovalores seria pequeno, mas o outro, que manda no fim, ainda é grande."
        yield "o melhor", least, "você devolveu o menor outra vez."
        yield "o melhor", ..., "o número não confere. Os autovalores deixam de ser complexos quando T² = 4D."
        hint = "quase: a força dos dois jogadores também conta. Resolva 1 + T + D = 0 sem jogar fora o η²c²."
        yield "o maior", 2 / lr, hint
        yield "o maior", 4 / lr, "γ aparece duas vezes em 1 + T + D, uma em T e outra em D."
        yield "o maior", 4 / lr + lr * force**2, "γ aparece duas vezes em 1 + T + D, uma em T e outra em D."
        yield "o maior", 2 / lr - lr * force**2 / 2, "o sinal de η²c² está trocado."
        yield "o maior", 2 / lr + lr * force**2, "divida por 2η também a parte de η²c²."
        hint = "aí D = −1, mas o autovalor mais negativo passa de −1 antes disso ou depois: use 1 + T + D = 0."
        yield "o maior", 2 / lr + least, hint
        yield "o maior", best, "você devolveu o melhor outra vez."
        yield "o maior", ..., "o número não confere. Um autovalor chega a −1 quando 1 + T + D = 0."


def _left(basis: Tensor, away: Tensor) -> Tensor:
    """A soma dos quadrados do que ``basis`` (n, d) não explica de cada linha de ``away`` (B, n)."""
    found = torch.linalg.lstsq(basis, away.T).solution
    return (away - (basis @ found).T).square().sum(1)


class InversionErrors(Question):
    """O que sobra de uma imagem quando se procura o estilo dela em W e em W⁺, numa síntese linear."""

    name, function, points = "q4", "inversion_errors", 2
    start = "Comece pelo que há para explicar, `x - constant`; em W, a matriz que o explica é a soma das camadas."
    parts = ("W", "W+")

    def draw(self, seed, source):
        n_styles, n, w_dim = 3, 24 + seed % 3, 4
        layers = torch.randn(n_styles, n, w_dim, generator=source)
        constant = torch.randn(n, generator=source)
        x = constant + 2 * torch.randn(5, n, generator=source)
        w = torch.randn(n_styles, w_dim, generator=source)
        x[0] = constant + (layers.sum(0) @ w[0])  # um estilo só
        x[1] = constant + (layers @ w[..., None]).sum((0, 2))  # um por camada
        return {"layers": layers, "constant": constant, "x": x}

    def answer(self, layers, constant, x):
        away = x - constant
        total = away.square().sum(1)
        return (_left(layers.sum(0), away) / total).numpy(), (_left(torch.cat([*layers], 1), away) / total).numpy()

    def mistakes(self, right, layers, constant, x):
        away = x - constant
        total = away.square().sum(1)
        bases = {"W": layers.sum(0), "W+": torch.cat([*layers], 1)}
        for part, basis in bases.items():
            left = _left(basis, away)
            mine, other = right if part == "W" else right[::-1]
            yield part, (), "É um número por imagem: (B,)."
            yield part, x.shape, "Some os quadrados dos pixels: um número por imagem, (B,)."
            yield part, other, "a ordem está trocada: o erro em W vem primeiro, depois o em W⁺."
            yield part, 1 - mine, "isso é a fração explicada; queremos a que **sobra**."
            yield part, np.sqrt(mine), "é a razão dos quadrados, sem a raiz no fim."
            yield part, left, "falta dividir pelo que havia para explicar, a soma dos quadrados de `x - constant`."
            yield part, left / x.shape[1], "divida pela soma dos quadrados de `x - constant`, e não pelos pixels."
            hint = "o que há para explicar é `x - constant`: a constante não depende do estilo."
            for wrong in (_left(basis, x) / x.square().sum(1), _left(basis, x) / total, left / x.square().sum(1)):
                yield part, wrong, hint
            yield part, (left / total).mean().expand(len(x)), "cada imagem tem o seu erro; você tirou a média do lote."
            yield part, left / total.mean(), "divida o erro de cada imagem pelo que havia para explicar **nela**."
        hint = "em W o mesmo w entra em **todas** as camadas: a matriz é a soma delas, e não uma só."
        for layer in layers:
            yield "W", _left(layer, away) / total, hint
        hint = "em W⁺ as camadas explicam a imagem juntas: ponha as matrizes lado a lado e resolva uma vez só."
        alone = torch.stack([_left(layer, away) / total for layer in layers])
        for wrong in (alone.mean(0), alone.amin(0), alone.sum(0), alone.prod(0)):
            yield "W+", wrong, hint
        left = away
        for layer in layers:
            left = left - (layer @ torch.linalg.lstsq(layer, left.T).solution).T
        hint = "você ajustou uma camada de cada vez, e a primeira toma o que seria de outra. Ajuste todas de uma vez."
        yield "W+", left.square().sum(1) / total, hint
        yield (
            "W",
            ...,
            "o número não confere: com A a soma das camadas, ‖a − A w‖² mínimo, sobre ‖a‖², a = x − constant.",
        )
        yield "W+", ..., "o número não confere: as L matrizes lado a lado, (n, L·d), e um mínimo quadrado só."


class OutputDeviation(Question):
    """O desvio que sai de uma convolução modulada quando os canais que entram são correlacionados."""

    name, function, points = "q5", "output_deviation", 1
    start = (
        "Comece pelos pesos já com o estilo, `weight * style[:, None, :, None, None]`, de forma (B, n_out, n_in, k, k)."
    )

    def draw(self, seed, source):
        n, n_in, n_out, size = 4 + seed % 2, 3, 6, 3
        style = 1 + torch.randn(n, n_in, generator=source)
        weight = 0.4 + torch.randn(n_out, n_in, size, size, generator=source)
        return {"weight": weight, "style": style, "rho": (0.3, 0.6, 0.45)[seed % 3]}

    def answer(self, weight, style, rho):
        scaled = weight * style[:, None, :, None, None]
        own, common = scaled.square().sum(2), scaled.sum(2).square()
        return ((1 - rho) * own + rho * common).sum((2, 3)).sqrt()

    def mistakes(self, right, but, weight, style, rho):
        n, (n_out, _, *kernel) = len(style), weight.shape
        scaled = weight * style[:, None, :, None, None]
        own, common = scaled.square().sum((2, 3, 4)), scaled.sum(2).square().sum((2, 3))
        yield (n_out,), "Cada exemplo tem o seu estilo, e portanto o seu desvio: (B, n_out)."
        yield (n_out, n), "Os exemplos vêm primeiro: (B, n_out)."
        yield (n, n_out, *kernel), "Falta somar as variâncias das posições do núcleo."
        yield right**2, "essa é a variância; o desvio é a raiz dela."
        yield 1 / right, "esse é o inverso, o fator da demodulação; aqui se pede o desvio."
        hint = "essa é a conta da StyleGAN2, que supõe os canais independentes: falta a parte que eles têm em comum."
        yield but(rho=0), hint
        yield but(rho=1), "aí os canais seriam todos iguais; a cada um resta uma parte só sua, de peso 1 − ρ."
        hint = "são as **variâncias** que se somam com pesos 1 − ρ e ρ; os desvios, não."
        yield (1 - rho) * own.sqrt() + rho * common.sqrt(), hint
        yield but(rho=1 - rho), "os pesos estão trocados: a parte comum pesa ρ, e a de cada canal, 1 − ρ."
        yield but(rho=rho**2), "ρ já é a fração da variância: não o eleve ao quadrado."
        yield but(rho=rho**0.5), "a raiz de ρ multiplica o número que entra; a variância dele é ρ."
        yield (own + rho * common).sqrt(), "a parte de cada canal pesa 1 − ρ."
        everywhere = scaled.sum((2, 3, 4)).square()
        hint = (
            "a parte comum é a mesma em todos os **canais**, e outra em cada posição do núcleo: some os canais, eleve "
        )
        hint += "ao quadrado, e só depois some as posições."
        yield ((1 - rho) * own + rho * everywhere).sqrt(), hint
        hint = "o estilo ficou de fora da parte comum: ele multiplica o peso antes da soma."
        plain = weight.sum(1).square().sum((1, 2))
        yield ((1 - rho) * own + rho * plain).sqrt(), hint
        yield but(style=torch.ones_like(style)), "o estilo ficou de fora: ele escala os canais que entram."
        yield but(style=1 + style), "o estilo já vem pronto: não some 1 a ele."
        yield (
            ...,
            "os números não conferem: em cada posição, (1 − ρ) vezes a soma dos quadrados mais ρ vezes o quadrado da "
            "soma, sobre os canais de (estilo × peso); some as posições e tire a raiz.",
        )


EXERCISE = Exercise("05_stylegan", (StyleSources(), TruncateTo(), R1Gammas(), InversionErrors(), OutputDeviation()))
