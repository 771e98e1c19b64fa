"""Exercício 01_autoencoder: a ida e a volta à mão, a unidade do erro, a PCA e o que a perda não determina."""

from __future__ import annotations

from itertools import pairwise

import torch

from course_lib.exercises.answers import close
from course_lib.exercises.question import Exercise, Question, random_images


class ForwardByHand(Question):
    """A ida e a volta pela rede, camada por camada."""

    name, function, points = "q1", "forward_by_hand", 2
    start = "Comece por `x.flatten(1)`; depois, para cada par (W, b), a camada é `h @ W.T + b`."
    parts = ("z", "x_hat")

    def draw(self, seed, source):
        sizes = (784, 16 + seed % 3, 5 + seed % 2, 16 + seed % 3, 784)
        layers = [
            (torch.randn(after, before, generator=source) * before**-0.5, 0.5 * torch.randn(after, generator=source))
            for before, after in pairwise(sizes)
        ]
        return {"x": random_images(3 + seed % 2, source), "layers": layers}

    def answer(self, x, layers, activations="rrrt", bias=True):
        """``activations`` tem uma letra por camada: r (ReLU), t (tanh), s (sigmoide), - (nada)."""
        functions = {"r": torch.relu, "t": torch.tanh, "s": torch.sigmoid, "-": lambda value: value}
        outputs = [x.flatten(1)]
        for (weight, offset), letter in zip(layers, activations, strict=True):
            outputs.append(functions[letter](outputs[-1] @ weight.T + bias * offset))
        return outputs[2], outputs[4].view(x.shape)

    def mistakes(self, right, but, x, layers):
        n, (width, _), code = len(x), layers[0][0].shape, right[0].shape[1]
        yield "z", (n, width), "Essa é a camada oculta; o código é a saída da segunda camada."
        yield "z", (code, n), "Os eixos estão trocados: uma imagem por linha."
        yield "z", x.shape, "A ordem da tupla é (z, x_hat): primeiro o código."
        yield "z", but(activations="r-rt")[0], "faltou a ReLU do código; na rede do curso ele nunca é negativo."
        hint = "faltou a ReLU da camada oculta: sem ela, as duas camadas são uma só, linear."
        yield "z", but(activations="-rrt")[0], hint
        yield "z", but(activations="--rt")[0], "faltaram as ReLUs: sem elas, as duas camadas são uma só, linear."
        yield "z", but(bias=False)[0], "faltaram os vieses: cada camada é x Wᵀ + b."
        yield "z", but(activations="rtrt")[0], "no código a ativação é a ReLU; a tanh é só da última camada."
        yield "z", ..., "os números não conferem: cada camada é x Wᵀ + b, seguida de uma ReLU."
        yield "x_hat", (n, 784), "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`."
        yield "x_hat", (n, 28, 28), "Perdeu-se o eixo do canal."
        yield "x_hat", but(activations="rrr-")[1], "faltou a tanh da saída, que põe os pixels em (-1, 1)."
        yield "x_hat", but(activations="rrrs")[1], "a saída passa por tanh; a sigmoide daria pixels em (0, 1)."
        yield (
            "x_hat",
            but(activations="rrrr")[1],
            "a ReLU na saída apaga todo pixel escuro; a última ativação é a tanh.",
        )
        yield "x_hat", but(activations="rr-t")[1], "faltou a ReLU da camada oculta do decodificador."
        yield "x_hat", x, "você devolveu a própria entrada; a reconstrução sai do código."
        yield "x_hat", ..., "o código está certo, mas x_hat não: do código, ReLU e depois tanh."


class ErrorPerImage(Question):
    """O erro quadrático de uma imagem, com os pixels em [0, 1]."""

    name, function, points = "q2", "error_per_image", 1
    start = "Comece por levar as duas imagens a [0, 1]: `(x + 1) / 2`."

    def draw(self, seed, source):
        x = random_images(3 + seed % 3, source)
        return {"x_hat": (x + 0.2 * torch.randn(x.shape, generator=source)).clamp(-1, 1), "x": x}

    def answer(self, x_hat, x):
        return ((x_hat - x) / 2).square().flatten(1).sum(1).mean()

    def mistakes(self, right, x_hat, x):
        difference = ((x_hat - x) / 2).flatten(1)
        squares = difference.square()
        yield (len(x),), "Você tem o erro de cada imagem; falta a média sobre o lote."
        yield x.shape, "Falta somar sobre os pixels e tirar a média sobre o lote."
        yield (1,), "Falta tirar o eixo que sobrou."
        yield (
            4 * right,
            "os pixels estão em [-1, 1]: em [0, 1] cada diferença é a metade, e o quadrado dela, um quarto.",
        )
        yield 2 * right, "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto."
        hint = "essa é a média por pixel (o MSE); queremos a soma dos 784 pixels, com eles em [0, 1]."
        yield 4 * squares.mean(), hint
        yield squares.mean(), "você tirou a média sobre os pixels; queremos a soma dos 784 de cada imagem."
        hint = "você somou o lote inteiro: o erro cresceria com o tamanho do lote. Tire a média sobre as imagens."
        yield squares.sum(), hint
        hint = "você somou o lote inteiro; tire a média sobre as imagens, e leve os pixels a [0, 1]."
        yield 4 * squares.sum(), hint
        yield squares.sum(1).sqrt().mean(), "essa é a norma; o erro é o quadrado dela, sem a raiz."
        yield difference.abs().sum(1).mean(), "você somou valores absolutos; o erro é quadrático."
        yield difference.sum(1).mean(), "faltou elevar ao quadrado: erros de sinais contrários se cancelam."
        yield ..., "o número não confere: em [0, 1], soma sobre os pixels, média sobre o lote."


class PcaReconstruction(Question):
    """A reconstrução pela PCA, com a média e as componentes do treino."""

    name, function, points = "q3", "pca_reconstruction", 2
    start = "Comece pelo código: a imagem achatada, menos a média, vezes cada componente."

    def draw(self, seed, source):
        return {
            "x": random_images(3 + seed % 2, source),
            # Uma média longe de zero, como a dos dígitos, quase toda preta.
            "mean": -0.6 + 0.3 * torch.randn(784, generator=source),
            "components": torch.linalg.qr(torch.randn(784, 4 + seed % 3, generator=source)).Q.T.contiguous(),
        }

    def answer(self, x, mean, components):
        z = (x.flatten(1) - mean) @ components.T
        return (z @ components + mean).view(x.shape)

    def mistakes(self, right, but, x, mean, components):
        n, flat, rebuilt = len(x), x.flatten(1), right.flatten(1)
        yield (n, len(components)), "Isso é o código; falta voltar dele para os pixels."
        yield (n, 784), "Falta devolver a forma de imagem: `.view(-1, 1, 28, 28)`."
        yield (n, 28, 28), "Perdeu-se o eixo do canal."
        hint = "faltou a média, nas duas pontas: o subespaço da PCA passa pela imagem média, e não pela origem."
        yield but(mean=0 * mean), hint
        yield but(mean=0 * mean).flatten(1) + mean, "faltou subtrair a média antes de projetar."
        yield rebuilt - mean, "faltou somar a média de volta depois de decodificar."
        hint = "a média é a que veio, a do treino, e não a deste lote: uma imagem não pode depender das vizinhas."
        yield but(mean=flat.mean(0)), hint
        yield rebuilt - 2 * mean, "a média entra com o sinal trocado na volta."
        yield x, "você devolveu a própria imagem: com poucas componentes, a reconstrução tem erro."
        hint = "isso é o que sobra fora do subespaço; a reconstrução é o que fica dentro dele."
        yield flat - rebuilt + mean, hint
        yield ..., "os números não conferem: z = (x - média) Uᵀ, com as componentes nas linhas de U, e x̂ = z U + média."


class PcaError(Question):
    """O erro de guardar k componentes, só pelos autovalores."""

    name, function, points = "q4", "pca_error", 1
    start = "Comece por separar os autovalores que a PCA guarda dos que deixa de fora."

    def draw(self, seed, source):
        variances = torch.logspace(1.5, -1, 20) * (0.5 + torch.rand(20, generator=source))
        return {"variances": variances.sort(descending=True).values, "k": (3, 8, 1)[seed % 3]}

    def answer(self, variances, k):
        return variances[k:].sum() / 4

    def mistakes(self, right, variances, k):
        n, total, kept = len(variances), variances.sum(), variances[:k].sum()
        yield (n - k,), "Esses são os autovalores que sobram; falta somá-los."
        yield (n,), "Queremos um número: o erro com as k primeiras componentes."
        yield (k,), "Esses são os que ficam dentro; o erro vem dos que ficam fora, e somados."
        yield 4 * right, "está na unidade de [-1, 1]; em [0, 1] o erro quadrático é um quarto disso."
        yield kept / 4, "essa é a variância que a PCA guarda; o erro é o que ela deixa de fora."
        yield kept, "essa é a variância que a PCA guarda (e em [-1, 1]); o erro é o que fica de fora."
        hint = "uma componente a mais ficou de fora: as k primeiras são `variances[:k]`."
        yield variances[k - 1 :].sum() / 4, hint
        yield variances[k + 1 :].sum() / 4, "uma componente a mais ficou dentro: as k primeiras são `variances[:k]`."
        yield variances[k:].mean() / 4, "some os autovalores que sobram, sem tirar a média deles."
        yield variances[k:].mean(), "some os autovalores que sobram, sem tirar a média deles; e leve a [0, 1]."
        yield variances[k] / 4, "esse é só o primeiro autovalor que sobra; todos os seguintes também se perdem."
        hint = "essa é a fração da variância que se perde; queremos o erro, na unidade das imagens."
        yield (total - kept) / total, hint
        yield kept / total, "essa é a fração da variância explicada; queremos o erro, na unidade das imagens."
        yield variances[k:].square().sum() / 4, "os autovalores já são variâncias: não os eleve ao quadrado."
        yield 2 * right, "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto."
        yield ..., "o número não confere: a soma dos autovalores de k em diante, dividida por 4."


class MixCode(Question):
    """Outro código, mesma reconstrução: o codificador mistura, e o decodificador desfaz."""

    name, function, points = "q5", "mix_code", 2
    start = "Comece pelo codificador: se z = W x, que matriz leva x direto a A z?"
    parts = ("encoder", "decoder")

    def draw(self, seed, source):
        k, dim = 3 + seed % 2, 12
        # Longe de ortogonal (a transposta não serve de inversa) e bem longe de singular.
        mix = torch.eye(k) * 2 + 0.5 * torch.randn(k, k, generator=source).triu()
        return {
            "encoder": torch.randn(k, dim, generator=source),
            "decoder": torch.randn(dim, k, generator=source),
            "mix": mix,
        }

    def answer(self, encoder, decoder, mix):
        return mix @ encoder, decoder @ torch.linalg.inv(mix)

    def accepts(self, value, expected, part, encoder, decoder, mix):
        rebuilds = part == "decoder" and close(value @ mix @ encoder, decoder @ encoder)
        return rebuilds or close(value, expected)

    def mistakes(self, encoder, decoder, mix):
        inverse = torch.linalg.inv(mix)
        yield "encoder", decoder.shape, "A ordem da tupla é (codificador, decodificador)."
        yield "encoder", encoder, "o codificador é o mesmo de antes: o código novo tem de ser A z, e não z."
        hint = "o codificador ficou com a inversa, e o código novo seria A⁻¹ z: quem leva a inversa é a volta."
        yield "encoder", inverse @ encoder, hint
        yield "encoder", mix.T @ encoder, "o código novo é A z: multiplique por A, sem transpor."
        yield "encoder", ..., "o codificador novo não leva x a A z: z é W x, então A z é (A W) x."
        yield "decoder", encoder.shape, "Não transponha o decodificador."
        hint = "o decodificador é o mesmo de antes, mas o código mudou: ele precisa desfazer a mistura."
        yield "decoder", decoder, hint
        hint = "o decodificador misturou outra vez em vez de desfazer a mistura: falta inverter A."
        yield "decoder", decoder @ mix, hint
        yield "decoder", decoder @ mix.T, "a transposta só é a inversa se A é ortogonal, e esta não é."
        yield "decoder", decoder @ inverse.T, "você inverteu e transpôs; use só a inversa, à direita de V."
        hint = "isso desfaz o codificador novo, mas a reconstrução já não é a de antes, V W x."
        yield "decoder", torch.linalg.pinv(mix @ encoder), hint
        yield "decoder", ..., "a reconstrução mudou: o produto novo, V' W', tem de ser igual a V W."


EXERCISE = Exercise("01_autoencoder", (ForwardByHand(), ErrorPerImage(), PcaReconstruction(), PcaError(), MixCode()))
