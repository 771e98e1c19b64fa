"""Exercício 02_variantes: corromper, cobrar a imagem limpa, medir em decibéis, filtrar, contrair e empilhar."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.old import (
    Exercise,
    Question,
    compare,
    generator,
    number_answer,
    random_images,
    tensor_answer,
    tuple_answer,
)

# ---- Entradas sorteadas ----


def _dense(n_in: int, n_out: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pesos (saída, entrada) e vieses de uma camada densa."""
    weight = 1.5 * torch.randn(n_out, n_in, generator=source) * n_in**-0.5
    return weight, 0.5 * torch.randn(n_out, generator=source)


def _corruption_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    x = random_images(3 + seed % 2, source)
    return {
        "x": x,
        "eps": torch.randn(x.shape, generator=source),
        "sigma": (0.4, 0.3, 0.8)[seed % 3],
        "u": torch.rand(x.shape, generator=source),
        "fraction": (0.3, 0.6, 0.25)[seed % 3],
    }


def _loss_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    x = random_images(4 + seed % 3, source)
    hidden = 12 + seed % 5
    return {
        "x": x,
        "noisy": x + torch.randn(x.shape, generator=source),
        "encoder": _dense(784, hidden, source),
        "decoder": _dense(hidden, 784, source),
    }


def _psnr_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    x = random_images(3 + seed % 3, source)
    # Cada imagem com um erro bem diferente: a média das PSNR não é a PSNR do erro médio.
    scale = torch.tensor([0.05, 0.2, 0.6, 0.1, 0.4])[: len(x)].view(-1, 1, 1, 1)
    return {"x_hat": (x + scale * torch.randn(x.shape, generator=source)).clamp(-1, 1), "x": x}


def _wiener_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    k = 20 + seed % 3
    components = torch.linalg.qr(torch.randn(784, k, generator=source)).Q.T.contiguous()
    return {
        "noisy": random_images(3 + seed % 2, source) + torch.randn(3 + seed % 2, 1, 28, 28, generator=source),
        "mean": -0.6 + 0.3 * torch.randn(784, generator=source),
        "components": components,
        "variances": torch.logspace(1.5, -2, k),
        "sigma": (0.3, 0.6, 0.2)[seed % 3],
    }


def _contraction_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    weight, bias = _dense(784, 9 + seed % 4, source)
    return {"x": random_images(5 + seed % 3, source), "weight": weight, "bias": bias}


def _greedy_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    sizes = (784, 14 + seed % 3, 10, 8)[: 3 + seed % 2]
    below = [_dense(n_in, n_out, source) for n_in, n_out in pairwise(sizes)]
    return {
        "x": random_images(5 + seed % 2, source),
        "below": below,
        "encoder": _dense(sizes[-1], 5, source),
        "decoder": _dense(5, sizes[-1], source),
    }


# ---- Juízes ----


def _layer(h: Tensor, layer: tuple[Tensor, Tensor], *, relu: bool = True) -> Tensor:
    value = h @ layer[0].double().T + layer[1].double()
    return value.relu() if relu else value


def _judge_corruption(inputs: Mapping[str, Any], answer: Any) -> None:
    x, eps, u = (inputs[name].double() for name in ("x", "eps", "u"))
    sigma, fraction = inputs["sigma"], inputs["fraction"]
    gaussian_answer, masked_answer = tuple_answer(answer, ("gaussiana", "máscara"))
    shape = tuple(x.shape)
    gaussian = x + 2 * sigma * eps
    value = tensor_answer(gaussian_answer, shape)
    mistakes = [
        (
            x + sigma * eps,
            "gaussiana: faltou o 2. O σ se mede com os pixels em [0, 1], e de -1 a 1 há o dobro do espaço.",
        ),
        (gaussian.clamp(-1, 1), "gaussiana: não corte. Cortado, o ruído deixa de ser gaussiano e de ter média zero."),
        ((x + sigma * eps).clamp(-1, 1), "gaussiana: faltou o 2, e não corte o resultado."),
        (x + 2 * sigma**2 * eps, "gaussiana: σ já é o desvio; não o eleve ao quadrado."),
        (x + 2 * sigma**0.5 * eps, "gaussiana: σ já é o desvio; não tire a raiz."),
        (2 * sigma * eps, "gaussiana: isso é só o ruído; some-o à imagem."),
        (x * (1 + 2 * sigma * eps), "gaussiana: o ruído se soma, sem multiplicar a imagem."),
        (torch.where(u < fraction, -1.0, x), "a ordem da tupla é (gaussiana, máscara)."),
    ]
    compare(value, gaussian, mistakes, "gaussiana: os números não conferem: x + 2σ·ε, com o ε recebido.")
    value = tensor_answer(masked_answer, shape)
    mistakes = [
        (torch.where(u < fraction, 0.0, x), "máscara: apagar é pôr preto, e o preto aqui é -1; 0 é cinza."),
        (
            torch.where(u < fraction, x, -1.0),
            "máscara: está ao contrário: apaga-se onde u < p, uma fração p dos pixels.",
        ),
        (torch.where(u < fraction, x, 0.0), "máscara: está ao contrário, e o preto é -1."),
        (torch.where(u < fraction, 1.0, x), "máscara: isso acende os pixels; apagar é pôr -1."),
        (torch.where(u < fraction, -1.0, gaussian), "máscara: parta da imagem limpa: são duas corrupções separadas."),
        (torch.where(u < fraction / 2, -1.0, x), "máscara: apaga-se com probabilidade p inteira, e não p/2."),
    ]
    compare(
        value,
        torch.where(u < fraction, -1.0, x),
        mistakes,
        "máscara: os números não conferem: -1 onde u < p, x no resto.",
    )


def _judge_loss(inputs: Mapping[str, Any], answer: Any) -> None:
    x, noisy = (inputs[name].double().flatten(1) for name in ("x", "noisy"))
    encoder, decoder = inputs["encoder"], inputs["decoder"]

    def rebuilt(value: Tensor, *, relu: bool = True) -> Tensor:
        return _layer(_layer(value, encoder, relu=relu), decoder, relu=False)

    def mse(x_hat: Tensor, target: Tensor) -> Tensor:
        return (x_hat - target).square().mean()

    hints = {(len(x),): "Falta a média sobre o lote.", tuple(inputs["x"].shape): "Falta a média sobre lote e pixels."}
    value = number_answer(answer, hints=hints)
    x_hat = rebuilt(noisy).tanh()
    expected = mse(x_hat, x)
    mistakes = [
        (
            mse(x_hat, noisy),
            "você cobrou a imagem corrompida: a melhor resposta volta a ser copiar. O alvo é a limpa, x.",
        ),
        (mse(rebuilt(x).tanh(), x), "entrou a imagem limpa: assim é o autoencoder comum. O que entra é a corrompida."),
        (mse(rebuilt(x).tanh(), noisy), "os papéis estão trocados: entra a corrompida e cobra-se a limpa."),
        (mse(rebuilt(noisy), x), "faltou a tanh da saída."),
        (mse(rebuilt(noisy, relu=False).tanh(), x), "faltou a ReLU da camada oculta."),
        (mse(rebuilt(noisy.clamp(-1, 1)).tanh(), x), "não corte a entrada: a rede tem de ver o ruído como ele é."),
        (784 * expected, "a perda é a média também sobre os pixels; você os somou."),
        (784 * len(x) * expected, "você somou tudo; a perda é a média sobre lote e pixels."),
        (expected.sqrt(), "isso é a raiz do erro; a perda é o erro quadrático médio."),
        ((x_hat - x).abs().mean(), "você usou o valor absoluto; a perda é quadrática."),
        (expected / 4, "a perda fica na faixa das imagens, [-1, 1]; só os relatórios usam [0, 1]."),
    ]
    compare(
        value,
        expected,
        mistakes,
        "o número não confere: entra `noisy`, ReLU, tanh, e a média do quadrado da diferença a `x`.",
    )


def _judge_psnr(inputs: Mapping[str, Any], answer: Any) -> None:
    difference = (inputs["x_hat"].double() - inputs["x"].double()).flatten(1) / 2
    n = len(difference)
    mse = difference.square().mean(1)
    hints = {
        (): "Queremos uma PSNR por imagem; a média sobre o lote fica para depois.",
        (n, 784): "Falta a média sobre os pixels, antes do logaritmo.",
    }
    value = tensor_answer(answer, (n,), hints=hints)
    expected = -10 * mse.log10()
    mistakes = [
        (-10 * (4 * mse).log10(), "faltou levar os pixels a [0, 1]: em [-1, 1] o erro é 4 vezes maior, e faltam 6 dB."),
        (-10 * (2 * mse).log10(), "em [0, 1] a diferença é a metade, e o quadrado dela, um quarto."),
        (-expected, "o sinal está trocado: quanto menor o erro, maior a PSNR."),
        (-10 * mse.log(), "o logaritmo é na base 10 (`torch.log10`)."),
        (2 * expected, "com o erro quadrático o fator é 10; o 20 é para a raiz dele."),
        (expected / 10, "faltou o fator 10: isso está em bels, e não em decibéis."),
        (-10 * difference.square().sum(1).log10(), "a PSNR usa a média sobre os pixels, e não a soma."),
        (mse, "isso é o erro quadrático; falta passá-lo a decibéis."),
        (-10 * difference.abs().mean(1).log10(), "o erro é quadrático, e não absoluto."),
        ((-10 * mse.mean().log10()).expand(n), "cada imagem tem o seu erro; não tire a média do lote."),
    ]
    compare(
        value, expected, mistakes, "os números não conferem: -10·log10 do erro quadrático médio, com pixels em [0, 1]."
    )


def _judge_wiener(inputs: Mapping[str, Any], answer: Any) -> None:
    noisy, mean, components, variances = (
        inputs[name].double() for name in ("noisy", "mean", "components", "variances")
    )
    sigma = inputs["sigma"]
    flat = noisy.flatten(1)
    n = len(flat)
    z = (flat - mean) @ components.T

    def filtered(shrink: Tensor) -> Tensor:
        return (shrink * z) @ components + mean

    hints = {
        (n, 784): "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`.",
        (784,): "Falta o eixo do lote.",
    }
    value = tensor_answer(answer, (n, 1, 28, 28), hints=hints).flatten(1)
    noise = (2 * sigma) ** 2
    shrink = variances / (variances + noise)
    mistakes = [
        (filtered(variances / (variances + sigma**2)), "o desvio do ruído nestas imagens é 2σ: o σ se mede em [0, 1]."),
        (filtered(variances / (variances + 2 * sigma)), "λ é uma variância; some a ela a *variância* do ruído, (2σ)²."),
        (filtered(variances / (variances + 2 * sigma**2)), "a variância do ruído é (2σ)², isto é, 4σ²."),
        (filtered(1 - shrink), "está ao contrário: onde os dados variam muito (λ grande), acredite no que vê."),
        (filtered(shrink.sqrt()), "não tire a raiz: o peso é λ/(λ + s²)."),
        (
            filtered((variances > noise).double()),
            "isso corta componentes, como a PCA; o filtro de Wiener as *encolhe*.",
        ),
        (
            shrink.mul(flat @ components.T) @ components,
            "faltou a média nas duas pontas: encolhe-se o que se afasta dela.",
        ),
        (shrink.mul(flat @ components.T) @ components + mean, "faltou subtrair a média antes de projetar."),
        (filtered(shrink) - mean, "faltou somar a média de volta."),
        (filtered(shrink).clamp(-1, 1), "não corte o resultado: pede-se o filtro linear, sem mais nada."),
        (filtered(torch.ones_like(shrink)), "nada foi encolhido: isso só projeta a imagem nas componentes."),
        (flat, "essa é a própria imagem ruidosa."),
    ]
    otherwise = "os números não conferem: z = (x̃ - m) Uᵀ, cada coordenada vezes λ/(λ + s²), e de volta: z U + m."
    compare(value, filtered(shrink), mistakes, otherwise)


def _judge_contraction(inputs: Mapping[str, Any], answer: Any) -> None:
    x, weight, bias = (inputs[name].double() for name in ("x", "weight", "bias"))
    x = x.flatten(1)
    n = len(x)
    z = (x @ weight.T + bias).relu()
    norms = weight.square().sum(1)
    active = (z > 0).double()
    expected = (active @ norms).mean()
    value = number_answer(answer, hints={(n,): "Falta a média sobre o lote."})
    mistakes = [
        (norms.sum(), "você somou todas as unidades; a apagada tem derivada zero e não entra."),
        (active.sum(1).mean(), "isso é quantas unidades acendem; cada uma pesa ‖w‖²."),
        ((z @ norms).mean(), "a derivada da ReLU é 1 onde acende; não multiplique pelo valor de z."),
        ((active @ norms.sqrt()).mean(), "a penalidade é a norma ao *quadrado*."),
        ((active @ norms).sum(), "você somou o lote; tire a média."),
        ((active @ norms).mean() / len(norms), "some sobre as unidades, sem tirar a média delas."),
        ((active @ norms).sqrt().mean(), "não tire a raiz: é a norma ao quadrado."),
        (((x @ weight.T > 0).double() @ norms).mean(), "faltou o viés: ele decide quem acende."),
        (((z == 0).double() @ norms).mean(), "você somou as apagadas; quem conta são as acesas."),
        (z.abs().sum(1).mean(), "essa é a penalidade esparsa; a contrativa olha para o jacobiano."),
        (
            (active @ weight.abs().sum(1)).mean(),
            "a norma é a euclidiana ao quadrado: soma dos quadrados de cada linha de W.",
        ),
    ]
    compare(value, expected, mistakes, "o número não confere: em cada imagem, a soma de ‖w_j‖² das unidades acesas.")


def _judge_greedy(inputs: Mapping[str, Any], answer: Any) -> None:
    x, below = inputs["x"].double().flatten(1), inputs["below"]
    encoder, decoder = inputs["encoder"], inputs["decoder"]
    h_answer, loss_answer = tuple_answer(answer, ("h", "perda"))
    h, no_relu, first_only = x, x, _layer(x, below[0])
    for layer in below:
        h, no_relu = _layer(h, layer), _layer(no_relu, layer, relu=False)
    hints = {
        tuple(first_only.shape): "h: você passou só pela primeira camada; passe por todas as de baixo, em ordem.",
        tuple(inputs["x"].shape): "h: são os códigos que a última camada congelada entrega, e não as imagens.",
        (len(x), 5): "h: esse é o código da camada nova; ela *recebe* o que as de baixo entregam.",
    }
    value = tensor_answer(h_answer, tuple(h.shape), hints=hints)
    last_free = x
    for layer in below[:-1]:
        last_free = _layer(last_free, layer)
    mistakes = [
        (no_relu, "h: faltaram as ReLUs das camadas de baixo."),
        (_layer(last_free, below[-1], relu=False), "h: faltou a ReLU da última camada congelada."),
    ]
    compare(value, h, mistakes, "h: os números não conferem: cada camada congelada é h Wᵀ + b, seguida de uma ReLU.")

    def loss(code: Tensor, *, squash: bool = False, relu: bool = False) -> Tensor:
        h_hat = _layer(code, decoder, relu=relu)
        return ((h_hat.tanh() if squash else h_hat) - h).square().mean()

    code = _layer(h, encoder)
    expected = loss(code)
    hints = {(len(x),): "perda: falta a média sobre o lote.", tuple(h.shape): "perda: falta a média de tudo."}
    value = number_answer(loss_answer, hints=hints)
    mistakes = [
        (loss(_layer(h, encoder, relu=False)), "perda: faltou a ReLU do código da camada nova."),
        (
            loss(code, squash=True),
            "perda: a tanh é só de quem reconstrói a imagem; aqui o alvo são códigos, sem limite em 1.",
        ),
        (loss(code, relu=True), "perda: o decodificador da camada é linear; a ReLU na saída espera o desenrolar."),
        (h.shape[1] * expected, "perda: tire a média também sobre as unidades; você as somou."),
        (h.numel() * expected, "perda: você somou tudo; é a média."),
        (expected.sqrt(), "perda: isso é a raiz do erro; é o erro quadrático médio."),
        (h.square().mean(), "perda: essa é a média de h²; falta subtrair a reconstrução."),
    ]
    compare(value, expected, mistakes, "perda: o número não confere: a camada nova reconstrói h, com ReLU no código.")


EXERCISE = Exercise(
    name="02_variantes",
    questions=(
        Question(
            name="q1",
            function="corrupt",
            points=2,
            start="Comece pela gaussiana: que desvio um σ de [0, 1] tem em imagens que vão de -1 a 1?",
            public_seeds=(0, 1, 2),
            make_inputs=_corruption_inputs,
            judge=_judge_corruption,
        ),
        Question(
            name="q2",
            function="denoising_loss",
            points=1,
            start="Comece pela camada oculta: `torch.relu(noisy.flatten(1) @ W.T + b)`.",
            public_seeds=(0, 1, 2),
            make_inputs=_loss_inputs,
            judge=_judge_loss,
        ),
        Question(
            name="q3",
            function="psnr",
            points=1,
            start="Comece por levar as duas imagens a [0, 1] e tirar o erro quadrático médio de cada uma.",
            public_seeds=(0, 1, 2),
            make_inputs=_psnr_inputs,
            judge=_judge_psnr,
        ),
        Question(
            name="q4",
            function="wiener",
            points=1,
            start="Comece pelo peso de cada componente, λ/(λ + s²): quanto vale s² se σ se mede em [0, 1]?",
            public_seeds=(0, 1, 2),
            make_inputs=_wiener_inputs,
            judge=_judge_wiener,
        ),
        Question(
            name="q5",
            function="contraction",
            points=1,
            start="Comece por achar quais unidades acendem em cada imagem: `x.flatten(1) @ weight.T + bias > 0`.",
            public_seeds=(0, 1, 2),
            make_inputs=_contraction_inputs,
            judge=_judge_contraction,
        ),
        Question(
            name="q6",
            function="greedy_layer",
            points=2,
            start="Comece pelos dados da camada: as imagens achatadas, passadas por todas as camadas de baixo.",
            public_seeds=(0, 1, 2),
            make_inputs=_greedy_inputs,
            judge=_judge_greedy,
        ),
    ),
)
