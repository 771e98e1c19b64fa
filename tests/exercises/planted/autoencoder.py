"""Respostas certas e enganos do exercício 01_autoencoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def run(x, layers, activations=(F.relu, F.relu, F.relu, torch.tanh)):
    outputs = []
    h = x.flatten(1)
    for (weight, bias), activation in zip(layers, activations, strict=True):
        h = activation(F.linear(h, weight, bias))
        outputs.append(h)
    return outputs


def forward_by_hand(x, layers):
    outputs = run(x, layers)
    return outputs[1], outputs[3].view_as(x)


def error_per_image(x_hat, x):
    return F.mse_loss(x_hat, x, reduction="sum") / (4 * len(x))


def pca_reconstruction(x, mean, components):
    z = torch.einsum("bd,kd->bk", x.flatten(1) - mean, components)
    return (torch.einsum("bk,kd->bd", z, components) + mean).view_as(x)


def pca_error(variances, k):
    return (variances.sum() - variances[:k].sum()) / 4


def mix_code(encoder, decoder, mix):
    return mix @ encoder, torch.linalg.solve(mix.T, decoder.T).T


RIGHT = {
    function.__name__: function
    for function in (forward_by_hand, error_per_image, pca_reconstruction, pca_error, mix_code)
}

ALSO_RIGHT = [
    ("q1", lambda x, layers: list(forward_by_hand(x, layers))),
    ("q1", lambda x, layers: forward_by_hand(x.double(), [(w.double(), b.double()) for w, b in layers])),
    ("q2", lambda x_hat, x: ((x_hat - x) / 2).square().flatten(1).sum(1).mean().item()),
    ("q3", lambda x, mean, u: ((x.flatten(1) - mean) @ (u.T @ u) + mean).view(-1, 1, 28, 28)),
    ("q4", lambda variances, k: sum(variances[k:].tolist()) / 4),
    ("q5", lambda w, v, a: (a @ w, v @ a.inverse())),
]

relu, tanh, none = F.relu, torch.tanh, torch.nn.Identity()


def wrong_code(*activations):
    """Erra as ativações do codificador e do decodificador."""

    def answer(x, layers):
        outputs = run(x, layers, activations)
        return outputs[1], outputs[3].view_as(x)

    return answer


def no_bias(x, layers):
    return forward_by_hand(x, [(weight, torch.zeros_like(bias)) for weight, bias in layers])


def projected(x, mean, u, *, before, after):
    return ((x.flatten(1) - before * mean) @ u.T @ u + after * mean).view_as(x)


def batch_mean(x, mean, u):
    return pca_reconstruction(x, x.flatten(1).mean(0), u)


MISTAKES = [
    ("q1", wrong_code(relu, none, relu, tanh), "ReLU do código"),
    ("q1", wrong_code(none, relu, relu, tanh), "faltou a ReLU da camada oculta:"),
    ("q1", wrong_code(none, none, none, tanh), "faltaram as ReLUs"),
    ("q1", wrong_code(relu, tanh, relu, tanh), "no código a ativação é a ReLU"),
    ("q1", wrong_code(relu, relu, relu, none), "faltou a tanh"),
    ("q1", wrong_code(relu, relu, relu, torch.sigmoid), "sigmoide"),
    ("q1", wrong_code(relu, relu, relu, relu), "apaga todo pixel escuro"),
    ("q1", wrong_code(relu, relu, none, tanh), "camada oculta do decodificador"),
    ("q1", no_bias, "vieses"),
    ("q1", lambda x, layers: forward_by_hand(x, layers)[::-1], "A ordem da tupla"),
    ("q1", lambda x, layers: forward_by_hand(x, layers)[1], "esperava a tupla (z, x_hat)"),
    ("q1", lambda x, layers: (run(x, layers)[0], run(x, layers)[3].view_as(x)), "camada oculta; o código é"),
    ("q1", lambda x, layers: (run(x, layers)[1], run(x, layers)[3]), "forma de imagem"),
    ("q1", lambda x, layers: (run(x, layers)[1], x), "própria entrada"),
    ("q1", lambda x, layers: (run(x, layers)[1] + 1, x), "z: os números não conferem"),
    ("q1", lambda x, layers: (run(x, layers)[1], x + 1), "mas x_hat não"),
    ("q2", lambda x_hat, x: 4 * error_per_image(x_hat, x), "um quarto"),
    ("q2", lambda x_hat, x: 2 * error_per_image(x_hat, x), "não basta"),
    ("q2", lambda x_hat, x: F.mse_loss(x_hat, x), "o MSE"),
    ("q2", lambda x_hat, x: F.mse_loss(x_hat, x) / 4, "a média sobre os pixels"),
    ("q2", lambda x_hat, x: len(x) * error_per_image(x_hat, x), "lote inteiro: o erro"),
    ("q2", lambda x_hat, x: 4 * len(x) * error_per_image(x_hat, x), "e leve os pixels"),
    ("q2", lambda x_hat, x: ((x_hat - x) / 2).flatten(1).norm(dim=1).mean(), "sem a raiz"),
    ("q2", lambda x_hat, x: ((x_hat - x) / 2).abs().flatten(1).sum(1).mean(), "absolutos"),
    ("q2", lambda x_hat, x: ((x_hat - x) / 2).flatten(1).sum(1).mean(), "faltou elevar"),
    ("q2", lambda x_hat, x: ((x_hat - x) / 2).square().flatten(1).sum(1), "falta a média sobre o lote"),
    ("q2", lambda x_hat, x: 1234.5, "não confere"),
    ("q3", lambda x, m, u: projected(x, m, u, before=0, after=0), "nas duas pontas"),
    ("q3", lambda x, m, u: projected(x, m, u, before=0, after=1), "faltou subtrair a média"),
    ("q3", lambda x, m, u: projected(x, m, u, before=1, after=0), "faltou somar a média"),
    ("q3", lambda x, m, u: projected(x, m, u, before=1, after=-1), "sinal trocado"),
    ("q3", batch_mean, "não a deste lote"),
    ("q3", lambda x, m, u: (x.flatten(1) - m) @ u.T, "Isso é o código"),
    ("q3", lambda x, m, u: pca_reconstruction(x, m, u).flatten(1), "forma de imagem"),
    ("q3", lambda x, m, u: x, "a própria imagem"),
    ("q3", lambda x, m, u: x - pca_reconstruction(x, m, u) + m.view(1, 28, 28), "fora do subespaço"),
    ("q3", lambda x, m, u: pca_reconstruction(x, m, u) + 1, "não conferem"),
    ("q4", lambda v, k: v[k:].sum(), "em [0, 1] o erro"),
    ("q4", lambda v, k: v[:k].sum() / 4, "a PCA guarda; o erro"),
    ("q4", lambda v, k: v[:k].sum(), "e em [-1, 1]"),
    ("q4", lambda v, k: v[k - 1 :].sum() / 4, "a mais ficou de fora"),
    ("q4", lambda v, k: v[k + 1 :].sum() / 4, "a mais ficou dentro"),
    ("q4", lambda v, k: v[k:].mean() / 4, "sem tirar a média"),
    ("q4", lambda v, k: v[k:].mean(), "e leve a [0, 1]"),
    ("q4", lambda v, k: v[k] / 4, "só o primeiro"),
    ("q4", lambda v, k: v[k:].sum() / v.sum(), "fração da variância que se perde"),
    ("q4", lambda v, k: v[:k].sum() / v.sum(), "variância explicada"),
    ("q4", lambda v, k: v[k:] / 4, "falta somá-los"),
    ("q4", lambda v, k: v[k:].square().sum() / 4, "já são variâncias"),
    ("q4", lambda v, k: v[k:].sum() / 2, "não basta"),
    ("q4", lambda v, k: -1.0, "não confere"),
    ("q5", lambda w, v, a: (w, v), "o mesmo de antes: o código novo"),
    ("q5", lambda w, v, a: (a.inverse() @ w, v @ a), "quem leva a inversa é a volta"),
    ("q5", lambda w, v, a: (a.T @ w, v @ a.T.inverse()), "sem transpor"),
    ("q5", lambda w, v, a: (a @ w, v), "precisa desfazer a mistura"),
    ("q5", lambda w, v, a: (a @ w, v @ a), "falta inverter"),
    ("q5", lambda w, v, a: (a @ w, v @ a.T), "só é a inversa se A é ortogonal"),
    ("q5", lambda w, v, a: (a @ w, v @ a.inverse().T), "inverteu e transpôs"),
    ("q5", lambda w, v, a: (a @ w, torch.linalg.pinv(a @ w)), "já não é a de antes"),
    ("q5", lambda w, v, a: (v @ a.inverse(), a @ w), "(codificador, decodificador)"),
    ("q5", lambda w, v, a: a @ w, "esperava a tupla"),
    ("q5", lambda w, v, a: (a @ w + 1, v), "não leva x a A z"),
    ("q5", lambda w, v, a: (a @ w, v + 1), "a reconstrução mudou"),
]
