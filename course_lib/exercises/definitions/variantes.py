"""Exercício 02_variantes: corromper, cobrar a imagem limpa, medir em decibéis, filtrar, contrair e empilhar."""

from __future__ import annotations

from functools import partial, reduce
from itertools import pairwise

import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question, random_images


def _dense(n_in: int, n_out: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pesos (saída, entrada) e vieses de uma camada densa."""
    weight = 1.5 * torch.randn(n_out, n_in, generator=source) * n_in**-0.5
    return weight, 0.5 * torch.randn(n_out, generator=source)


def _layer(h: Tensor, layer: tuple[Tensor, Tensor], relu: bool = True) -> Tensor:
    value = h @ layer[0].T + layer[1]
    return value.relu() if relu else value


class Corrupt(Question):
    """As duas corrupções de uma imagem: o ruído gaussiano e os pixels apagados."""

    name, function, points = "q1", "corrupt", 2
    start = "Comece pela gaussiana: que desvio um σ de [0, 1] tem em imagens que vão de -1 a 1?"
    parts = ("gaussiana", "máscara")

    def draw(self, seed, source):
        x = random_images(3 + seed % 2, source)
        return {
            "x": x,
            "eps": torch.randn(x.shape, generator=source),
            "sigma": (0.4, 0.3, 0.8)[seed % 3],
            "u": torch.rand(x.shape, generator=source),
            "fraction": (0.3, 0.6, 0.25)[seed % 3],
        }

    def answer(self, x, eps, sigma, u, fraction):
        return x + 2 * sigma * eps, torch.where(u < fraction, -1.0, x)

    def mistakes(self, right, but, x, eps, sigma, u, fraction):
        (gaussian, masked), erased, half = right, u < fraction, x + sigma * eps
        hint = "faltou o 2. O σ se mede com os pixels em [0, 1], e de -1 a 1 há o dobro do espaço."
        yield "gaussiana", half, hint
        hint = "não corte. Cortado, o ruído deixa de ser gaussiano e de ter média zero."
        yield "gaussiana", gaussian.clamp(-1, 1), hint
        yield "gaussiana", half.clamp(-1, 1), "faltou o 2, e não corte o resultado."
        yield "gaussiana", but(sigma=sigma**2)[0], "σ já é o desvio; não o eleve ao quadrado."
        yield "gaussiana", but(sigma=sigma**0.5)[0], "σ já é o desvio; não tire a raiz."
        yield "gaussiana", gaussian - x, "isso é só o ruído; some-o à imagem."
        yield "gaussiana", x * (1 + 2 * sigma * eps), "o ruído se soma, sem multiplicar a imagem."
        yield "gaussiana", masked, "a ordem da tupla é (gaussiana, máscara)."
        yield "gaussiana", ..., "os números não conferem: x + 2σ·ε, com o ε recebido."
        yield "máscara", torch.where(erased, 0.0, x), "apagar é pôr preto, e o preto aqui é -1; 0 é cinza."
        hint = "está ao contrário: apaga-se onde u < p, uma fração p dos pixels."
        yield "máscara", torch.where(erased, x, -1.0), hint
        yield "máscara", torch.where(erased, x, 0.0), "está ao contrário, e o preto é -1."
        yield "máscara", torch.where(erased, 1.0, x), "isso acende os pixels; apagar é pôr -1."
        yield "máscara", but(x=gaussian)[1], "parta da imagem limpa: são duas corrupções separadas."
        yield "máscara", but(fraction=fraction / 2)[1], "apaga-se com probabilidade p inteira, e não p/2."
        yield "máscara", ..., "os números não conferem: -1 onde u < p, x no resto."


class DenoisingLoss(Question):
    """A perda do autoencoder que limpa: entra a corrompida e cobra-se a limpa."""

    name, function, points = "q2", "denoising_loss", 1
    start = "Comece pela camada oculta: `torch.relu(noisy.flatten(1) @ W.T + b)`."

    def draw(self, seed, source):
        x, hidden = random_images(4 + seed % 3, source), 12 + seed % 5
        return {
            "x": x,
            "noisy": x + torch.randn(x.shape, generator=source),
            "encoder": _dense(784, hidden, source),
            "decoder": _dense(hidden, 784, source),
        }

    def answer(self, x, noisy, encoder, decoder, relu=True, last=torch.tanh, cost=torch.square):
        x_hat = last(_layer(_layer(noisy.flatten(1), encoder, relu), decoder, relu=False))
        return cost(x_hat - x.flatten(1)).mean()

    def mistakes(self, right, but, x, noisy):
        yield (len(x),), "Falta a média sobre o lote."
        yield x.shape, "Falta a média sobre lote e pixels."
        hint = "você cobrou a imagem corrompida: a melhor resposta volta a ser copiar. O alvo é a limpa, x."
        yield but(x=noisy), hint
        yield but(noisy=x), "entrou a imagem limpa: assim é o autoencoder comum. O que entra é a corrompida."
        yield but(x=noisy, noisy=x), "os papéis estão trocados: entra a corrompida e cobra-se a limpa."
        yield but(last=torch.clone), "faltou a tanh da saída."
        yield but(relu=False), "faltou a ReLU da camada oculta."
        yield but(noisy=noisy.clamp(-1, 1)), "não corte a entrada: a rede tem de ver o ruído como ele é."
        yield 784 * right, "a perda é a média também sobre os pixels; você os somou."
        yield 784 * len(x) * right, "você somou tudo; a perda é a média sobre lote e pixels."
        yield right.sqrt(), "isso é a raiz do erro; a perda é o erro quadrático médio."
        yield but(cost=torch.abs), "você usou o valor absoluto; a perda é quadrática."
        yield right / 4, "a perda fica na faixa das imagens, [-1, 1]; só os relatórios usam [0, 1]."
        hint = "o número não confere: entra `noisy`, ReLU, tanh, e a média do quadrado da diferença a `x`."
        yield ..., hint


class Psnr(Question):
    """A razão sinal-ruído de pico de cada imagem, em decibéis."""

    name, function, points = "q3", "psnr", 1
    start = "Comece por levar as duas imagens a [0, 1] e tirar o erro quadrático médio de cada uma."

    def draw(self, seed, source):
        x = random_images(3 + seed % 3, source)
        # Cada imagem com um erro bem diferente: a média das PSNR não é a PSNR do erro médio.
        scale = torch.tensor([0.05, 0.2, 0.6, 0.1, 0.4])[: len(x)].view(-1, 1, 1, 1)
        return {"x_hat": (x + scale * torch.randn(x.shape, generator=source)).clamp(-1, 1), "x": x}

    def answer(self, x_hat, x):
        return -10 * ((x_hat - x) / 2).square().flatten(1).mean(1).log10()

    def mistakes(self, right, x_hat, x):
        n, squares = len(x), ((x_hat - x) / 2).square().flatten(1)
        mse = squares.mean(1)
        yield (), "Queremos uma PSNR por imagem; a média sobre o lote fica para depois."
        yield (n, 784), "Falta a média sobre os pixels, antes do logaritmo."
        hint = "faltou levar os pixels a [0, 1]: em [-1, 1] o erro é 4 vezes maior, e faltam 6 dB."
        yield -10 * (4 * mse).log10(), hint
        yield -10 * (2 * mse).log10(), "em [0, 1] a diferença é a metade, e o quadrado dela, um quarto."
        yield -right, "o sinal está trocado: quanto menor o erro, maior a PSNR."
        yield -10 * mse.log(), "o logaritmo é na base 10 (`torch.log10`)."
        yield 2 * right, "com o erro quadrático o fator é 10; o 20 é para a raiz dele."
        yield right / 10, "faltou o fator 10: isso está em bels, e não em decibéis."
        yield -10 * squares.sum(1).log10(), "a PSNR usa a média sobre os pixels, e não a soma."
        yield mse, "isso é o erro quadrático; falta passá-lo a decibéis."
        yield -10 * squares.sqrt().mean(1).log10(), "o erro é quadrático, e não absoluto."
        yield -10 * mse.mean().log10().expand(n), "cada imagem tem o seu erro; não tire a média do lote."
        yield ..., "os números não conferem: -10·log10 do erro quadrático médio, com pixels em [0, 1]."


class Wiener(Question):
    """O melhor filtro linear: cada coordenada da PCA encolhe conforme o que nela é ruído."""

    name, function, points = "q4", "wiener", 1
    start = "Comece pelo peso de cada componente, λ/(λ + s²): quanto vale s² se σ se mede em [0, 1]?"

    def draw(self, seed, source):
        k, n = 20 + seed % 3, 3 + seed % 2
        components = torch.linalg.qr(torch.randn(784, k, generator=source)).Q.T.contiguous()
        return {
            "noisy": random_images(n, source) + torch.randn(n, 1, 28, 28, generator=source),
            "mean": -0.6 + 0.3 * torch.randn(784, generator=source),
            "components": components,
            "variances": torch.logspace(1.5, -2, k),
            "sigma": (0.3, 0.6, 0.2)[seed % 3],
        }

    def answer(self, noisy, mean, components, variances, sigma, shrink=None):
        shrink = variances / (variances + (2 * sigma) ** 2) if shrink is None else shrink
        z = (noisy.flatten(1) - mean) @ components.T
        return ((shrink * z) @ components + mean).view(noisy.shape)

    def mistakes(self, right, but, noisy, mean, variances, sigma):
        noise = (2 * sigma) ** 2
        shrink = variances / (variances + noise)
        yield (len(noisy), 784), "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`."
        yield (784,), "Falta o eixo do lote."
        yield but(sigma=sigma / 2), "o desvio do ruído nestas imagens é 2σ: o σ se mede em [0, 1]."
        hint = "λ é uma variância; some a ela a *variância* do ruído, (2σ)²."
        yield but(shrink=variances / (variances + 2 * sigma)), hint
        yield but(shrink=variances / (variances + 2 * sigma**2)), "a variância do ruído é (2σ)², isto é, 4σ²."
        hint = "está ao contrário: onde os dados variam muito (λ grande), acredite no que vê."
        yield but(shrink=1 - shrink), hint
        yield but(shrink=shrink.sqrt()), "não tire a raiz: o peso é λ/(λ + s²)."
        hint = "isso corta componentes, como a PCA; o filtro de Wiener as *encolhe*."
        yield but(shrink=(variances > noise).double()), hint
        no_mean = but(mean=0 * mean)
        yield no_mean, "faltou a média nas duas pontas: encolhe-se o que se afasta dela."
        yield no_mean.flatten(1) + mean, "faltou subtrair a média antes de projetar."
        yield right.flatten(1) - mean, "faltou somar a média de volta."
        yield right.clamp(-1, 1), "não corte o resultado: pede-se o filtro linear, sem mais nada."
        yield but(shrink=1), "nada foi encolhido: isso só projeta a imagem nas componentes."
        yield noisy, "essa é a própria imagem ruidosa."
        hint = "os números não conferem: z = (x̃ - m) Uᵀ, cada coordenada vezes λ/(λ + s²), e de volta: z U + m."
        yield ..., hint


class Contraction(Question):
    """A norma ao quadrado do jacobiano do código, que a penalidade contrativa cobra."""

    name, function, points = "q5", "contraction", 1
    start = "Comece por achar quais unidades acendem em cada imagem: `x.flatten(1) @ weight.T + bias > 0`."

    def draw(self, seed, source):
        weight, bias = _dense(784, 9 + seed % 4, source)
        return {"x": random_images(5 + seed % 3, source), "weight": weight, "bias": bias}

    def answer(self, x, weight, bias):
        active = (x.flatten(1) @ weight.T + bias > 0).double()
        return (active @ weight.square().sum(1)).mean()

    def mistakes(self, right, but, x, weight, bias):
        z, norms = _layer(x.flatten(1), (weight, bias)), weight.square().sum(1)
        active = (z > 0).double()
        yield (len(x),), "Falta a média sobre o lote."
        yield norms.sum(), "você somou todas as unidades; a apagada tem derivada zero e não entra."
        yield active.sum(1).mean(), "isso é quantas unidades acendem; cada uma pesa ‖w‖²."
        yield (z @ norms).mean(), "a derivada da ReLU é 1 onde acende; não multiplique pelo valor de z."
        yield (active @ norms.sqrt()).mean(), "a penalidade é a norma ao *quadrado*."
        yield len(x) * right, "você somou o lote; tire a média."
        yield right / len(norms), "some sobre as unidades, sem tirar a média delas."
        yield (active @ norms).sqrt().mean(), "não tire a raiz: é a norma ao quadrado."
        yield but(bias=0 * bias), "faltou o viés: ele decide quem acende."
        yield norms.sum() - right, "você somou as apagadas; quem conta são as acesas."
        yield z.sum(1).mean(), "essa é a penalidade esparsa; a contrativa olha para o jacobiano."
        hint = "a norma é a euclidiana ao quadrado: soma dos quadrados de cada linha de W."
        yield (active @ weight.abs().sum(1)).mean(), hint
        yield ..., "o número não confere: em cada imagem, a soma de ‖w_j‖² das unidades acesas."


class GreedyLayer(Question):
    """O treino de uma camada sobre as de baixo, congeladas: o que ela recebe e a perda dela."""

    name, function, points = "q6", "greedy_layer", 2
    start = "Comece pelos dados da camada: as imagens achatadas, passadas por todas as camadas de baixo."
    parts = ("h", "perda")

    def draw(self, seed, source):
        sizes = (784, 14 + seed % 3, 10, 8)[: 3 + seed % 2]
        below = [_dense(n_in, n_out, source) for n_in, n_out in pairwise(sizes)]
        return {
            "x": random_images(5 + seed % 2, source),
            "below": below,
            "encoder": _dense(sizes[-1], 5, source),
            "decoder": _dense(5, sizes[-1], source),
        }

    def answer(self, x, below, encoder, decoder, relu=True, last=torch.clone):
        h = reduce(_layer, below, x.flatten(1))
        h_hat = last(_layer(_layer(h, encoder, relu), decoder, relu=False))
        return h, (h_hat - h).square().mean()

    def mistakes(self, right, but, x, below):
        (h, loss), flat = right, x.flatten(1)
        hint = "Você passou só pela primeira camada; passe por todas as de baixo, em ordem."
        yield "h", _layer(flat, below[0]).shape, hint
        yield "h", x.shape, "São os códigos que a última camada congelada entrega, e não as imagens."
        yield "h", (len(x), 5), "Esse é o código da camada nova; ela *recebe* o que as de baixo entregam."
        linear = partial(_layer, relu=False)
        yield "h", reduce(linear, below, flat), "faltaram as ReLUs das camadas de baixo."
        last_free = linear(reduce(_layer, below[:-1], flat), below[-1])
        yield "h", last_free, "faltou a ReLU da última camada congelada."
        yield "h", ..., "os números não conferem: cada camada congelada é h Wᵀ + b, seguida de uma ReLU."
        yield "perda", (len(x),), "Falta a média sobre o lote."
        yield "perda", h.shape, "Falta a média de tudo."
        yield "perda", but(relu=False)[1], "faltou a ReLU do código da camada nova."
        hint = "a tanh é só de quem reconstrói a imagem; aqui o alvo são códigos, sem limite em 1."
        yield "perda", but(last=torch.tanh)[1], hint
        hint = "o decodificador da camada é linear; a ReLU na saída espera o desenrolar."
        yield "perda", but(last=torch.relu)[1], hint
        yield "perda", h.shape[1] * loss, "tire a média também sobre as unidades; você as somou."
        yield "perda", h.numel() * loss, "você somou tudo; é a média."
        yield "perda", loss.sqrt(), "isso é a raiz do erro; é o erro quadrático médio."
        yield "perda", h.square().mean(), "essa é a média de h²; falta subtrair a reconstrução."
        yield "perda", ..., "o número não confere: a camada nova reconstrói h, com ReLU no código."


EXERCISE = Exercise("02_variantes", (Corrupt(), DenoisingLoss(), Psnr(), Wiener(), Contraction(), GreedyLayer()))
