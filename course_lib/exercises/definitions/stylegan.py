"""Exercício 05_stylegan: AdaIN, a penalidade R1 e o gradiente dela, truncamento por camada e demodulação."""

from __future__ import annotations

from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.answers import Mistake
from course_lib.exercises.question import Exercise, Question, random_images


class Adain(Question):
    """Normalização de instância adaptativa: apaga o estilo de cada mapa e escreve outro."""

    name, function, points = "q1", "adain", 2
    start = "Comece pela média de cada mapa: `h.mean((2, 3), keepdim=True)`, de forma (B, C, 1, 1)."

    def draw(self, seed, source):
        n, channels, height, width = 3 + seed % 2, 5, 6, 7
        # Cada mapa de cada exemplo tem a sua média e o seu desvio: nenhuma outra média coincide com a certa.
        mean, deviation = (torch.rand(n, channels, 1, 1, generator=source) for _ in range(2))
        h = 6 * mean - 3 + (0.5 + 2 * deviation) * torch.randn(n, channels, height, width, generator=source)
        h[0, 1] = 0  # um filtro que não respondeu em lugar nenhum
        scale, shift = torch.randn(2, n, channels, generator=source)
        return {"h": h, "scale": scale, "shift": shift}

    def normalized(self, h, dims=(2, 3), unbiased=False):
        variance = h.var(dims, unbiased=unbiased, keepdim=True)
        return (h - h.mean(dims, keepdim=True)) / (variance + 1e-8).sqrt()

    def answer(self, h, scale, shift, dims=(2, 3), unbiased=False):
        return scale[:, :, None, None] * self.normalized(h, dims, unbiased) + shift[:, :, None, None]

    def mistakes(self, but, h, scale, shift):
        s, b, maps = scale[:, :, None, None], shift[:, :, None, None], self.normalized(h)
        centred = h - h.mean((2, 3), keepdim=True)
        variance = h.var((2, 3), unbiased=False, keepdim=True) + 1e-8
        yield (
            inf,
            "um dos mapas é todo zero (o filtro não respondeu em lugar nenhum), e o desvio dele também. "
            "Some 1e-8 à variância antes da raiz.",
        )
        yield (
            but(dims=(0, 2, 3)),
            "a média e o desvio saíram do lote todo, e isso é a normalização de lote. Aqui são de cada exemplo **e** "
            "de cada mapa: calcule-os sobre as posições, os eixos (2, 3).",
        )
        yield (
            but(dims=(1, 2, 3)),
            "a média e o desvio saíram de todos os mapas do exemplo juntos; cada mapa tem os seus, sobre os eixos "
            "(2, 3).",
        )
        yield (
            but(dims=1),
            "a média e o desvio saíram dos canais, em cada posição; são de cada mapa, sobre as posições: eixos (2, 3).",
        )
        for dim in (3, 2):
            yield but(dims=dim), "cada mapa é uma matriz: a média e o desvio são sobre os dois eixos, (2, 3)."
        yield s * centred / variance + b, "você dividiu pela variância; divida pelo desvio, que é a raiz dela."
        yield (
            but(unbiased=True),
            "o desvio é o que divide por n, a média dos quadrados; `std` e `var` dividem por n - 1 se você não pedir "
            "`unbiased=False`.",
        )
        yield s * (maps + b), "primeiro a escala, depois a soma: do jeito que está, `shift` também foi multiplicado."
        yield but(scale=shift, shift=scale), "`scale` e `shift` estão trocados: `scale` multiplica, `shift` se soma."
        hint = "multiplique por `scale`; o 1 + é da camada que calcula o estilo, e já vem dentro dele."
        yield but(scale=1 + scale), hint
        yield s * h + b, "faltou apagar o estilo que já estava no mapa: subtraia a média e divida pelo desvio."
        yield s * centred + b, "faltou dividir pelo desvio: o contraste antigo continua no mapa."
        yield s * h / variance.sqrt() + b, "faltou subtrair a média: o nível antigo continua no mapa."
        hint = "o estilo foi escrito antes de normalizar, e a normalização o apagou: ele se escreve depois."
        yield self.normalized(s * h + b), hint
        yield s * maps, "faltou somar `shift`: a média que o estilo pede."
        yield maps + b, "faltou multiplicar por `scale`: o desvio que o estilo pede."
        yield maps, "você apagou o estilo antigo; falta escrever o novo, com `scale` e `shift`."
        yield h, "o mapa voltou como entrou."
        yield (
            ...,
            "os números não conferem. Confira na sua resposta: a média de cada mapa deve ser o `shift` dele, e o "
            "desvio, o módulo do `scale`.",
        )


def _disc(source: torch.Generator) -> nn.Sequential:
    """Um discriminador de duas camadas, sem viés, de imagens (B, 1, 28, 28) a logits (B,)."""
    hidden = 5
    layers = nn.Linear(784, hidden, bias=False), nn.Linear(hidden, 1, bias=False)
    with torch.no_grad():
        layers[0].weight.copy_(0.08 * torch.randn(hidden, 784, generator=source))
        layers[1].weight.copy_(torch.randn(1, hidden, generator=source))
    return nn.Sequential(nn.Flatten(), layers[0], nn.Tanh(), layers[1], nn.Flatten(0))


def _slopes(disc: nn.Module, x: Tensor, of=torch.sum) -> Tensor:
    """∇ₓ de ``of(disc(x))``, achatado: (B, 784)."""
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(of(disc(x)), x, create_graph=True)
    return gradient.flatten(1)


def _r1(disc: nn.Module, x: Tensor, of=torch.sum) -> Tensor:
    return _slopes(disc, x, of).square().sum(1).mean()


class R1Penalty(Question):
    """A média, nas reais, da norma ao quadrado do gradiente do logit."""

    name, function, points = "q2", "r1_penalty", 1
    start = "Comece por uma cópia de x que aceite derivada, `x.detach().clone().requires_grad_()`."

    def draw(self, seed, source):
        return {"disc": _disc(source), "x": random_images(4 + seed % 3, source)}

    def answer(self, disc, x):
        return _r1(disc, x)

    def mistakes(self, right, disc, x):
        n, gradient = len(x), _slopes(disc, x)
        squared = gradient.square().sum(1)
        norms = squared.sqrt()
        yield (n,), "Falta a média sobre o lote."
        yield x.shape, "Falta elevar ao quadrado, somar os pixels de cada imagem e tirar a média do lote."
        yield (
            gradient.square().mean(),
            "você tirou a média sobre os pixels; a norma ao quadrado **soma** os pixels de cada imagem. A média é só "
            "do lote.",
        )
        yield squared.sum(), "você somou as imagens; tire a média do lote."
        yield norms.mean(), "essa é a média das normas; a penalidade é a média das normas **ao quadrado**."
        yield norms.mean() ** 2, "eleve ao quadrado a norma de cada imagem, e só depois tire a média."
        hint = "a média do lote entrou cedo demais: é a média dos quadrados das normas."
        yield gradient.mean(0).square().sum(), hint
        yield (
            right / n**2,
            "você derivou a média dos logits, e cada gradiente saiu dividido pelo tamanho do lote. Derive a **soma**.",
        )
        hint = "está dividido pelo tamanho do lote uma vez a mais. Derive a **soma** dos logits; a média vem no fim."
        yield right / n, hint
        yield right / 2, "o 1/2 é do peso, γ/2, que entra na próxima questão; aqui só a penalidade."
        yield gradient.abs().sum(1).mean(), "some os quadrados, e não os módulos."
        hint = "essa é a penalidade do crítico de Wasserstein, que pede norma 1; a R1 pede zero."
        yield (norms - 1).square().mean(), hint
        hint = "derive o logit, que é o que `disc` devolve; não passe pela sigmoide."
        yield _r1(disc, x, of=lambda a: a.sigmoid().sum()), hint
        yield disc(x).square().mean(), "isso é o quadrado do logit; quer-se o do **gradiente** dele nos pixels."
        yield -right, "o sinal está trocado: é uma soma de quadrados."
        yield ..., "o número não confere: some os quadrados do gradiente de cada imagem e tire a média do lote."

    def after(self, answer):
        if not isinstance(answer, Tensor):
            raise Mistake(
                "o número está certo, mas já não se pode derivá-lo nos pesos: devolva o tensor, sem `.item()`."
            )
        if not answer.requires_grad:
            raise Mistake(
                "o número está certo, mas é uma constante: o treino não teria como derivá-la nos pesos. O caminho se "
                "guarda com `torch.autograd.grad(..., create_graph=True)`."
            )


class DiscGradients(Question):
    """O gradiente, nos pesos, da perda do discriminador com a penalidade."""

    name, function, points = "q3", "disc_gradients", 2
    start = "Comece pela perda do jogo, com `softplus`; depois some γ/2 vezes a sua `r1_penalty`."
    parts, together = ("gradiente de disc[1].weight", "gradiente de disc[3].weight"), True

    def draw(self, seed, source):
        disc = _disc(source)
        x, fake = random_images(4 + seed % 3, source), 0.5 * random_images(6 + seed % 2, source)
        # Nem 1 nem 2: com eles γ/2, γ e 1 se confundiriam.
        return {"disc": disc, "x": x, "fake": fake, "gamma": (3.0, 0.4, 10.0)[seed % 3]}

    def answer(self, disc, x, fake, gamma):
        loss = F.softplus(-disc(x)).mean() + F.softplus(disc(fake)).mean() + gamma / 2 * _r1(disc, x)
        return torch.autograd.grad(loss, list(disc.parameters()))

    def mistakes(self, disc, x, fake, gamma):
        def slope(loss: Tensor) -> Tensor:
            return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(disc.parameters()))])

        on_real, on_fake = slope(F.softplus(-disc(x)).mean()), slope(F.softplus(disc(fake)).mean())
        # O gradiente de cada parte: do jogo e da penalidade, já com o seu peso.
        game, r1, r1_fake = on_real + on_fake, gamma / 2 * slope(_r1(disc, x)), gamma / 2 * slope(_r1(disc, fake))
        yield None, "é None, nenhum gradiente chegou a esse peso. Chame `.backward()` na perda antes de ler `.grad`."
        yield (
            game,
            "esse é o gradiente da perda sem a penalidade. Ou ela não foi somada, ou é uma constante: sem "
            "`create_graph=True` o caminho até os pesos se perde (e `requires_grad_()` no resultado não o refaz).",
        )
        yield game + 2 * r1, "falta o 1/2: a penalidade entra com peso γ/2."
        yield game + r1 / gamma, "falta o γ: a penalidade entra com peso γ/2."
        yield game + 2 * r1 / gamma, "a penalidade entrou com peso 1; o peso é γ/2."
        yield game + r1_fake, "a penalidade foi cobrada nas falsas; a R1 é sobre os dados **reais**."
        hint = "a penalidade é só nas reais: nas falsas o discriminador pode ser inclinado."
        yield game + r1 + r1_fake, hint
        yield game - r1, "a penalidade se soma à perda: o discriminador a minimiza."
        yield -game + r1, "a perda do jogo está com o sinal trocado: o discriminador minimiza -V."
        yield -game - r1, "o sinal está trocado: é o gradiente da perda que se minimiza."
        yield r1, "esse é o gradiente da penalidade, só dela; falta a perda do jogo."
        yield on_real + r1, "falta a parte das falsas."
        yield on_fake + r1, "falta a parte das reais."
        yield game / 2 + r1, "a perda do jogo é a soma das duas partes, sem dividir por 2."
        yield slope(F.softplus(-disc(fake)).mean()) + r1, "essa é a perda do gerador; o passo é do discriminador."
        swapped = slope(F.softplus(disc(x)).mean() + F.softplus(-disc(fake)).mean())
        yield swapped + r1, "os alvos estão trocados: nas reais o discriminador quer logit grande."
        hint = "a penalidade está dividida pelo número de pixels: a norma ao quadrado **soma** os pixels."
        yield game + r1 / x[0].numel(), hint
        yield (
            ...,
            "os números não conferem. A perda é a média de softplus(-a) nas reais, mais a de softplus(a) nas falsas, "
            "mais γ/2 vezes a penalidade nas reais.",
        )


class Truncate(Question):
    """O truncamento: cada camada se aproxima do estilo médio na sua dose."""

    name, function, points = "q4", "truncate", 1
    start = "Comece pela diferença até a média, `w - w_mean`; é ela que encolhe."

    def draw(self, seed, source):
        n, n_styles, w_dim = 3 + seed % 2, 8, 6
        w_mean = 1 + torch.randn(w_dim, generator=source)
        # Longe de 0, de 1/2 e de 1, onde os enganos coincidem com o certo; e uma camada em que nada muda.
        psi = 0.2 + 0.2 * torch.rand(n_styles, generator=source)
        psi[seed % 2 :: 2] += 0.45
        psi[-1] = 1
        return {"w": w_mean + torch.randn(n, w_dim, generator=source), "w_mean": w_mean, "psi": psi}

    def answer(self, w, w_mean, psi):
        return w_mean + psi[:, None] * (w[:, None] - w_mean)

    def mistakes(self, but, w, w_mean, psi):
        n, n_styles, w_dim = len(w), len(psi), len(w_mean)
        yield (n, w_dim), "Queremos um estilo por camada: comece por `w[:, None]`, de forma (B, 1, d)."
        yield (n_styles, n, w_dim), "Os exemplos vêm primeiro e as camadas depois: (B, L, d)."
        yield (n, w_dim, n_styles), "As camadas são o segundo eixo, e as dimensões de w o último: (B, L, d)."
        w, p, ones = w[:, None], psi[:, None], torch.ones_like(psi)
        yield p * w, "você puxou para zero; o centro dos estilos é a média deles, `w_mean`."
        yield but(psi=1 - psi), "ψ está ao contrário: com ψ = 1 nada muda, e com ψ = 0 sobra só a média."
        yield w_mean + p * w, "o que encolhe é a **diferença** w - w_mean, e não o w inteiro."
        hint = "o sinal da diferença está trocado: assim o estilo passa para o outro lado da média."
        yield but(psi=-psi), hint
        yield p * (w - w_mean), "faltou somar a média de volta."
        yield w - p * w_mean, "encolha a diferença w - w_mean, e some a média de volta."
        hint = "essa é a média do lote, que muda a cada lote; use `w_mean`, medida em muitos sorteios."
        yield but(w_mean=w.mean(0)), hint
        yield but(psi=ones), "os estilos não mudaram: falta aproximá-los de `w_mean`, cada camada com o seu ψ."
        yield but(psi=0 * ones), "isso é a média em todas as camadas, como se todo ψ fosse zero."
        yield but(psi=psi.mean() * ones), "as camadas ficaram todas iguais: cada uma tem o seu ψ."
        yield but(psi=psi[0] * ones), "as camadas ficaram todas iguais: cada uma tem o seu ψ."
        yield but(psi=psi.flip(0)), "os ψ estão na ordem inversa das camadas."
        yield but(psi=1 / psi), "multiplique a diferença por ψ; dividida, ela cresce."
        yield ..., "os números não conferem: em cada camada, w_mean + ψ (w - w_mean)."


class OutputDeviation(Question):
    """O desvio de cada canal da convolução modulada, por onde a demodulação divide."""

    name, function, points = "q5", "output_deviation", 2
    start = "Comece pela variância de uma parcela só: s·w·h, com h de variância 1."

    def draw(self, seed, source):
        n, n_in, n_out, size = 4 + seed % 2, 3, 6, 3
        style = 1 + torch.randn(n, n_in, generator=source)
        style[0] = -style[0].abs()  # um estilo pode ser negativo, e a raiz só existe se ele entrou ao quadrado
        return {"weight": torch.randn(n_out, n_in, size, size, generator=source), "style": style}

    def answer(self, weight, style):
        return (weight * style[:, None, :, None, None]).square().sum((2, 3, 4)).sqrt()

    def mistakes(self, right, but, weight, style):
        (n, n_in), (n_out, _, *kernel) = style.shape, weight.shape
        scaled = weight * style[:, None, :, None, None]  # (B, n_out, n_in, k, k)
        squares = weight.square()
        yield (n_out,), "Cada exemplo tem o seu estilo, e portanto o seu desvio: (B, n_out)."
        yield (n_out, n), "Os exemplos vêm primeiro: (B, n_out)."
        yield (n, n_in), "O desvio é de cada canal que **sai** da convolução; some sobre os que entram."
        yield (n, n_out, *kernel), "Falta somar também sobre as posições do núcleo."
        yield (n, n_out, n_in), "Falta somar sobre os canais que entram."
        yield inf, "procure a raiz de um número negativo: numa variância o estilo e o peso entram ao quadrado."
        yield right**2, "essa é a variância; o desvio é a raiz dela."
        yield 1 / right, "esse é o inverso, o fator da demodulação; aqui se pede o desvio."
        yield 1 / right**2, "esse é o inverso da variância; aqui se pede o desvio."
        hint = "o estilo ficou de fora: ele escala os canais que entram, e muda o desvio da saída."
        yield but(style=torch.ones_like(style)), hint
        hint = "as variâncias se somam posição por posição: eleve cada peso ao quadrado, e só depois some."
        yield (style.square() @ weight.sum((2, 3)).square().T).sqrt(), hint
        yield scaled.sum((2, 3, 4)).abs(), "você somou e depois elevou ao quadrado; é a soma dos quadrados."
        hint = "faltou o quadrado: variâncias de parcelas independentes se somam, pesos não."
        yield scaled.sum((2, 3, 4)), hint
        yield scaled.abs().sum((2, 3, 4)), "some os quadrados, e não os módulos."
        hint = "o estilo também entra ao quadrado: multiplicar um número por s multiplica a variância dele por s²."
        yield but(style=style.abs().sqrt()), hint
        yield scaled.square().mean((2, 3, 4)).sqrt(), "some as parcelas; você tirou a média."
        hint = "some também sobre as posições do núcleo; você tirou a média delas."
        yield (style.square() @ squares.mean((2, 3)).T).sqrt(), hint
        hint = "aqui os pesos já vêm como entram na convolução: não divida pela raiz do número de entradas."
        yield right / weight[0].numel() ** 0.5, hint
        for unbiased in (True, False):
            hint = "isso é o desvio **dos pesos**; quer-se o do que sai da convolução."
            yield scaled.flatten(2).std(-1, unbiased=unbiased), hint
        hint = "essa é uma variância, e o estilo já vem pronto: sem somar 1, e com a raiz no fim."
        yield but(style=1 + style) ** 2, hint
        yield but(style=1 + style), "o estilo já vem pronto: não some 1 a ele."
        yield (
            ...,
            "os números não conferem: σ² é a soma, sobre os canais que entram e as posições do núcleo, de "
            "(estilo × peso)².",
        )


EXERCISE = Exercise("05_stylegan", (Adain(), R1Penalty(), DiscGradients(), Truncate(), OutputDeviation()))
