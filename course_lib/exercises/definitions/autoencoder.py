"""Exercício 01_autoencoder: a ida e a volta à mão, a unidade do erro, a PCA e o que a perda não determina."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.question import (
    Exercise,
    Question,
    close,
    compare,
    generator,
    number_answer,
    random_images,
    tensor_answer,
    tuple_answer,
)

# ---- Entradas sorteadas ----


def _orthonormal_rows(n: int, dim: int, source: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(dim, n, generator=source)).Q.T.contiguous()


def _forward_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    sizes = (784, 16 + seed % 3, 5 + seed % 2, 16 + seed % 3, 784)
    layers = [
        (torch.randn(after, before, generator=source) * before**-0.5, 0.5 * torch.randn(after, generator=source))
        for before, after in pairwise(sizes)
    ]
    return {"x": random_images(3 + seed % 2, source), "layers": layers}


def _error_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    x = random_images(3 + seed % 3, source)
    return {"x_hat": (x + 0.2 * torch.randn(x.shape, generator=source)).clamp(-1, 1), "x": x}


def _pca_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    return {
        "x": random_images(3 + seed % 2, source),
        # Uma média longe de zero, como a dos dígitos, quase toda preta.
        "mean": -0.6 + 0.3 * torch.randn(784, generator=source),
        "components": _orthonormal_rows(4 + seed % 3, 784, source),
    }


def _leftover_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    variances = (torch.logspace(1.5, -1, 20) * (0.5 + torch.rand(20, generator=source))).sort(descending=True).values
    return {"variances": variances, "k": (3, 8, 1)[seed % 3]}


def _mix_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    k, dim = 3 + seed % 2, 12
    # Longe de ortogonal (a transposta não serve de inversa) e bem longe de singular.
    mix = torch.eye(k) * 2 + 0.5 * torch.randn(k, k, generator=source).triu()
    return {
        "encoder": torch.randn(k, dim, generator=source),
        "decoder": torch.randn(dim, k, generator=source),
        "mix": mix,
    }


# ---- Juízes ----


def _forward(x: Tensor, layers: list[tuple[Tensor, Tensor]], activations: str, *, bias: bool = True) -> list[Tensor]:
    """A saída de cada camada; ``activations`` tem uma letra por camada: r (ReLU), t (tanh), s (sigmoide), - (nada)."""
    functions = {"r": torch.relu, "t": torch.tanh, "s": torch.sigmoid, "-": lambda value: value}
    outputs, value = [], x.double().flatten(1)
    for (weight, offset), letter in zip(layers, activations, strict=True):
        value = functions[letter](value @ weight.double().T + (offset.double() if bias else 0))
        outputs.append(value)
    return outputs


def _judge_forward(inputs: Mapping[str, Any], answer: Any) -> None:
    x, layers = inputs["x"], inputs["layers"]
    n, width, code = len(x), layers[0][0].shape[0], layers[1][0].shape[0]
    z_answer, x_hat_answer = tuple_answer(answer, ("z", "x_hat"))
    z_hints = {
        (n, width): "Essa é a camada oculta; o código é a saída da segunda camada.",
        (code, n): "Os eixos estão trocados: uma imagem por linha.",
        (n, 1, 28, 28): "A ordem da tupla é (z, x_hat): primeiro o código.",
    }
    x_hat_hints = {
        (n, 784): "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`.",
        (n, 28, 28): "Perdeu-se o eixo do canal.",
    }
    z = tensor_answer(z_answer, (n, code), hints=z_hints)
    _, expected_z, _, _ = _forward(x, layers, "rrrt")
    z_mistakes = [
        (_forward(x, layers, "r-rt")[1], "z: faltou a ReLU do código; na rede do curso ele nunca é negativo."),
        (
            _forward(x, layers, "-rrt")[1],
            "z: faltou a ReLU da camada oculta: sem ela, as duas camadas são uma só, linear.",
        ),
        (_forward(x, layers, "--rt")[1], "z: faltaram as ReLUs: sem elas, as duas camadas são uma só, linear."),
        (_forward(x, layers, "rrrt", bias=False)[1], "z: faltaram os vieses: cada camada é x Wᵀ + b."),
        (_forward(x, layers, "rtrt")[1], "z: no código a ativação é a ReLU; a tanh é só da última camada."),
    ]
    compare(z, expected_z, z_mistakes, "z: os números não conferem: cada camada é x Wᵀ + b, seguida de uma ReLU.")
    x_hat = tensor_answer(x_hat_answer, (n, 1, 28, 28), hints=x_hat_hints)
    expected = _forward(x, layers, "rrrt")[3].view(-1, 1, 28, 28)
    x_hat_mistakes = [
        (_forward(x, layers, "rrr-")[3], "x_hat: faltou a tanh da saída, que põe os pixels em (-1, 1)."),
        (_forward(x, layers, "rrrs")[3], "x_hat: a saída passa por tanh; a sigmoide daria pixels em (0, 1)."),
        (_forward(x, layers, "rrrr")[3], "x_hat: a ReLU na saída apaga todo pixel escuro; a última ativação é a tanh."),
        (_forward(x, layers, "rr-t")[3], "x_hat: faltou a ReLU da camada oculta do decodificador."),
        (x.double(), "x_hat: você devolveu a própria entrada; a reconstrução sai do código."),
    ]
    x_hat_mistakes = [(wrong.view(-1, 1, 28, 28), hint) for wrong, hint in x_hat_mistakes]
    compare(x_hat, expected, x_hat_mistakes, "o código está certo, mas x_hat não: do código, ReLU e depois tanh.")


def _judge_error(inputs: Mapping[str, Any], answer: Any) -> None:
    difference = (inputs["x_hat"].double() - inputs["x"].double()).flatten(1)
    n = len(difference)
    squares = difference.square() / 4
    hints = {
        (n,): "Você tem o erro de cada imagem; falta a média sobre o lote.",
        tuple(inputs["x"].shape): "Falta somar sobre os pixels e tirar a média sobre o lote.",
        (1,): "Falta tirar o eixo que sobrou.",
    }
    value = number_answer(answer, hints=hints)
    expected = squares.sum(1).mean()
    mistakes = [
        (
            4 * expected,
            "os pixels estão em [-1, 1]: em [0, 1] cada diferença é a metade, e o quadrado dela, um quarto.",
        ),
        (2 * expected, "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto."),
        (4 * squares.mean(), "essa é a média por pixel (o MSE); queremos a soma dos 784 pixels, com eles em [0, 1]."),
        (squares.mean(), "você tirou a média sobre os pixels; queremos a soma dos 784 de cada imagem."),
        (
            squares.sum(),
            "você somou o lote inteiro: o erro cresceria com o tamanho do lote. Tire a média sobre as imagens.",
        ),
        (4 * squares.sum(), "você somou o lote inteiro; tire a média sobre as imagens, e leve os pixels a [0, 1]."),
        (squares.sum(1).sqrt().mean(), "essa é a norma; o erro é o quadrado dela, sem a raiz."),
        (difference.abs().sum(1).mean() / 2, "você somou valores absolutos; o erro é quadrático."),
        (difference.sum(1).mean() / 2, "faltou elevar ao quadrado: erros de sinais contrários se cancelam."),
    ]
    compare(value, expected, mistakes, "o número não confere: em [0, 1], soma sobre os pixels, média sobre o lote.")


def _judge_pca(inputs: Mapping[str, Any], answer: Any) -> None:
    x, mean, components = (inputs[name].double() for name in ("x", "mean", "components"))
    n, k = len(x), len(components)
    flat = x.flatten(1)
    hints = {
        (n, k): "Isso é o código; falta voltar dele para os pixels.",
        (n, 784): "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`.",
        (n, 28, 28): "Perdeu-se o eixo do canal.",
    }
    value = tensor_answer(answer, (n, 1, 28, 28), hints=hints).flatten(1)
    projection = components.T @ components  # (784, 784)
    expected = (flat - mean) @ projection + mean
    mistakes = [
        (
            flat @ projection,
            "faltou a média, nas duas pontas: o subespaço da PCA passa pela imagem média, e não pela origem.",
        ),
        (flat @ projection + mean, "faltou subtrair a média antes de projetar."),
        ((flat - mean) @ projection, "faltou somar a média de volta depois de decodificar."),
        (
            (flat - flat.mean(0)) @ projection + flat.mean(0),
            "a média é a que veio, a do treino, e não a deste lote: uma imagem não pode depender das vizinhas.",
        ),
        ((flat - mean) @ projection - mean, "a média entra com o sinal trocado na volta."),
        (flat, "você devolveu a própria imagem: com poucas componentes, a reconstrução tem erro."),
        (
            (flat - mean) - (flat - mean) @ projection + mean,
            "isso é o que sobra fora do subespaço; a reconstrução é o que fica dentro dele.",
        ),
    ]
    otherwise = "os números não conferem: z = (x - média) Uᵀ, com as componentes nas linhas de U, e x̂ = z U + média."
    compare(value, expected, mistakes, otherwise)


def _judge_leftover(inputs: Mapping[str, Any], answer: Any) -> None:
    variances, k = inputs["variances"].double(), inputs["k"]
    n = len(variances)
    hints = {
        (n - k,): "Esses são os autovalores que sobram; falta somá-los.",
        (n,): "Queremos um número: o erro com as k primeiras componentes.",
        (k,): "Esses são os que ficam dentro; o erro vem dos que ficam fora, e somados.",
    }
    value = number_answer(answer, hints=hints)
    total, kept = variances.sum(), variances[:k].sum()
    expected = variances[k:].sum() / 4
    mistakes = [
        (4 * expected, "está na unidade de [-1, 1]; em [0, 1] o erro quadrático é um quarto disso."),
        (kept / 4, "essa é a variância que a PCA guarda; o erro é o que ela deixa de fora."),
        (kept, "essa é a variância que a PCA guarda (e em [-1, 1]); o erro é o que fica de fora."),
        (variances[k - 1 :].sum() / 4, "uma componente a mais ficou de fora: as k primeiras são `variances[:k]`."),
        (variances[k + 1 :].sum() / 4, "uma componente a mais ficou dentro: as k primeiras são `variances[:k]`."),
        (variances[k:].mean() / 4, "some os autovalores que sobram, sem tirar a média deles."),
        (variances[k:].mean(), "some os autovalores que sobram, sem tirar a média deles; e leve a [0, 1]."),
        (variances[k] / 4, "esse é só o primeiro autovalor que sobra; todos os seguintes também se perdem."),
        ((total - kept) / total, "essa é a fração da variância que se perde; queremos o erro, na unidade das imagens."),
        (kept / total, "essa é a fração da variância explicada; queremos o erro, na unidade das imagens."),
        (variances[k:].square().sum() / 4, "os autovalores já são variâncias: não os eleve ao quadrado."),
        (2 * expected, "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto."),
    ]
    compare(value, expected, mistakes, "o número não confere: a soma dos autovalores de k em diante, dividida por 4.")


def _judge_mix(inputs: Mapping[str, Any], answer: Any) -> None:
    encoder, decoder, mix = (inputs[name].double() for name in ("encoder", "decoder", "mix"))
    w_answer, v_answer = tuple_answer(answer, ("encoder", "decoder"))
    swapped = {tuple(decoder.shape): "A ordem da tupla é (codificador, decodificador)."}
    w = tensor_answer(w_answer, tuple(encoder.shape), hints=swapped)
    inverse = torch.linalg.inv(mix)
    w_mistakes = [
        (encoder, "o codificador é o mesmo de antes: o código novo tem de ser A z, e não z."),
        (
            inverse @ encoder,
            "o codificador ficou com a inversa, e o código novo seria A⁻¹ z: quem leva a inversa é a volta.",
        ),
        (mix.T @ encoder, "o código novo é A z: multiplique por A, sem transpor."),
    ]
    compare(w, mix @ encoder, w_mistakes, "o codificador novo não leva x a A z: z é W x, então A z é (A W) x.")
    v = tensor_answer(v_answer, tuple(decoder.shape), hints={tuple(encoder.shape): "Não transponha o decodificador."})
    v_mistakes = [
        (decoder, "o decodificador é o mesmo de antes, mas o código mudou: ele precisa desfazer a mistura."),
        (decoder @ mix, "o decodificador misturou outra vez em vez de desfazer a mistura: falta inverter A."),
        (decoder @ mix.T, "a transposta só é a inversa se A é ortogonal, e esta não é."),
        (decoder @ inverse.T, "você inverteu e transpôs; use só a inversa, à direita de V."),
        (
            torch.linalg.pinv(mix @ encoder),
            "isso desfaz o codificador novo, mas a reconstrução já não é a de antes, V W x.",
        ),
    ]
    if not close(v @ w, decoder @ encoder):
        compare(
            v, decoder @ inverse, v_mistakes, "a reconstrução mudou: o produto novo, V' W', tem de ser igual a V W."
        )


EXERCISE = Exercise(
    name="01_autoencoder",
    questions=(
        Question(
            name="q1",
            function="forward_by_hand",
            points=2,
            start="Comece por `x.flatten(1)`; depois, para cada par (W, b), a camada é `h @ W.T + b`.",
            public_seeds=(0, 1, 2),
            make_inputs=_forward_inputs,
            judge=_judge_forward,
        ),
        Question(
            name="q2",
            function="error_per_image",
            points=1,
            start="Comece por levar as duas imagens a [0, 1]: `(x + 1) / 2`.",
            public_seeds=(0, 1, 2),
            make_inputs=_error_inputs,
            judge=_judge_error,
        ),
        Question(
            name="q3",
            function="pca_reconstruction",
            points=2,
            start="Comece pelo código: a imagem achatada, menos a média, vezes cada componente.",
            public_seeds=(0, 1, 2),
            make_inputs=_pca_inputs,
            judge=_judge_pca,
        ),
        Question(
            name="q4",
            function="pca_error",
            points=1,
            start="Comece por separar os autovalores que a PCA guarda dos que deixa de fora.",
            public_seeds=(0, 1, 2),
            make_inputs=_leftover_inputs,
            judge=_judge_leftover,
        ),
        Question(
            name="q5",
            function="mix_code",
            points=2,
            start="Comece pelo codificador: se z = W x, que matriz leva x direto a A z?",
            public_seeds=(0, 1, 2),
            make_inputs=_mix_inputs,
            judge=_judge_mix,
        ),
    ),
)
