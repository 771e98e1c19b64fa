"""Exercício 03_vae: sorteio reparametrizado, KL, ELBO, verossimilhança por importância e o que o β quer dizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.exercises.old import Exercise, Question, close, compare, generator, tensor_answer

# ---- Entradas sorteadas ----


def _posterior(seed: int) -> tuple[torch.Generator, Tensor, Tensor]:
    """O gerador, mu e logvar de um lote; nem o lote nem o código têm sempre o mesmo tamanho."""
    source = generator(seed)
    shape = (4 + seed % 3, 6 + seed % 2)
    mu = 1.5 * torch.randn(shape, generator=source)
    logvar = torch.randn(shape, generator=source) - 1  # longe de zero: aí desvio e variância se confundiriam
    return source, mu, logvar


def _reparameterize_inputs(seed: int) -> dict[str, Any]:
    source, mu, logvar = _posterior(seed)
    return {"mu": mu, "logvar": logvar, "eps": torch.randn(mu.shape, generator=source)}


def _kl_inputs(seed: int) -> dict[str, Any]:
    _, mu, logvar = _posterior(seed)
    return {"mu": mu, "logvar": logvar}


def _elbo_inputs(seed: int) -> dict[str, Any]:
    source, mu, logvar = _posterior(seed)
    x = 2 * torch.rand(len(mu), 1, 28, 28, generator=source) - 1
    x_hat = (x + 0.3 * torch.randn(x.shape, generator=source)).clamp(-1, 1)
    return {"x": x, "x_hat": x_hat, "mu": mu, "logvar": logvar, "variance": (5.0, 0.5, 0.06)[seed % 3]}


def _importance_inputs(seed: int) -> dict[str, Any]:
    source, mu, logvar = _posterior(seed)
    n_samples = 9 + seed % 4
    # Como numa imagem de verdade: a exponencial de -300 é zero em float32.
    log_px_z = -300 + 2 * torch.randn(n_samples, len(mu), generator=source)
    return {
        "log_px_z": log_px_z,
        "mu": mu,
        "logvar": logvar,
        "eps": torch.randn(n_samples, *mu.shape, generator=source),
    }


def _rates_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    eigenvalues = torch.logspace(2, -1.5, 12) * (0.5 + torch.rand(12, generator=source))
    divisor, weight = ((10.0, 1.0), (1.0, 3.0), (4.0, 0.5))[seed % 3]
    return {"eigenvalues": eigenvalues, "divisor": divisor, "weight": weight}


# ---- Referências ----


def _kl_terms(mu: Tensor, logvar: Tensor) -> Tensor:
    """A parcela de cada coordenada, (B, D)."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def _log_weights(inputs: Mapping[str, Any], *, ratio: float = 1.0, normalizer: bool = True) -> Tensor:
    """log w (S, B), com log p(z) - log q(z|x) multiplicado por ``ratio``; sem o log σ de q se ``normalizer`` falta."""
    log_px_z, mu, logvar, eps = (inputs[name].double() for name in ("log_px_z", "mu", "logvar", "eps"))
    z = mu + (0.5 * logvar).exp() * eps
    log_q = -0.5 * (eps.square() + (logvar if normalizer else 0)).sum(2)
    return log_px_z + ratio * (-0.5 * z.square().sum(2) - log_q)


def _nll(log_w: Tensor) -> Tensor:
    return math.log(len(log_w)) - log_w.logsumexp(0)


# ---- Juízes ----


def _judge_reparameterize(inputs: Mapping[str, Any], answer: Any) -> None:
    mu, logvar, eps = (inputs[name].double() for name in ("mu", "logvar", "eps"))
    value = tensor_answer(answer, tuple(mu.shape))
    std = (0.5 * logvar).exp()
    mistakes = [
        (
            mu + logvar.exp() * eps,
            "você multiplicou pela variância; o que multiplica o ruído é o desvio, σ = exp(ℓ/2).",
        ),
        (mu + logvar * eps, "logvar ainda é um logaritmo, e pode ser negativo: passe-o pela exponencial."),
        (mu + 0.5 * logvar.exp() * eps, "o meio fica dentro da exponencial: σ = exp(ℓ/2), e não exp(ℓ)/2."),
        (mu + (-0.5 * logvar).exp() * eps, "o sinal do expoente está trocado: você multiplicou por 1/σ."),
        (mu + 0.5 * logvar * eps, "faltou a exponencial: 0,5·logvar é log σ, e não σ."),
        (mu, "isso é só μ: sem o ruído, a nuvem vira um ponto, e o VAE, um autoencoder comum."),
        (mu + eps, "você somou o ruído sem escala: falta multiplicá-lo por σ."),
        (mu - std * eps, "o ruído entra somado: z = μ + σ·ε."),
        (std * eps, "faltou somar μ: a nuvem está centrada na origem."),
        (std + mu * eps, "os papéis estão trocados: μ é o centro e σ multiplica o ruído."),
    ]
    otherwise = "os números não conferem: z = μ + σ·ε, com σ = exp(ℓ/2) e o ε que a função recebe."
    if not close(value, mu) and ((value - mu) / std).abs().max() < 6:
        otherwise = (
            "os números poderiam ser um sorteio de q(z|x), mas não o do `eps` recebido. Use `eps`, sem sortear outro: "
            "é ele que torna a conta reproduzível."
        )
    compare(value, mu + std * eps, mistakes, otherwise)


def _judge_kl(inputs: Mapping[str, Any], answer: Any) -> None:
    mu, logvar = (inputs[name].double() for name in ("mu", "logvar"))
    n, dim = mu.shape
    terms = _kl_terms(mu, logvar)
    expected = terms.sum(1)
    hints = {
        (n, dim): "Você tem a parcela de cada coordenada; falta somá-las (dimensão 1).",
        (): "Isso é um número para o lote todo; queremos um por imagem, sem a soma nem a média sobre o lote.",
        (dim,): "Some sobre as coordenadas (dimensão 1), e não sobre as imagens.",
        (n, 1): "Há um eixo a mais (veja `keepdim`).",
    }
    value = tensor_answer(answer, (n,), hints=hints)
    mistakes = [
        (-expected, "o sinal está trocado: uma KL nunca é negativa."),
        (terms.mean(1), "você tirou a média das coordenadas; elas são independentes, e as KL se somam."),
        (2 * expected, "faltou o fator 1/2."),
        (expected / math.log(2), "isso está em bits; aqui o logaritmo é natural, e a KL sai em nats."),
        (expected + 0.5 * dim, "faltou o -1 de cada coordenada: a KL de N(0, I) a ela mesma precisa dar zero."),
        (expected + 0.5 * logvar.sum(1), "faltou o termo -ℓ, que é o que cobra as nuvens estreitas."),
        (expected + logvar.sum(1), "o termo ℓ entra com sinal negativo: nuvens estreitas pagam mais."),
        (
            0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).sum(1),
            "você leu `logvar` como log σ; ele já é o logaritmo da variância, então σ² = exp(ℓ).",
        ),
        (
            0.5 * (mu.square() + (0.5 * logvar).exp() - 1 - logvar).sum(1),
            "o termo da largura é a variância, exp(ℓ), e não o desvio.",
        ),
        (0.5 * (mu.square() + logvar.square() - 1 - logvar).sum(1), "o segundo termo é exp(ℓ), e não ℓ²."),
        (
            0.5 * (mu + logvar.exp() - 1 - logvar).sum(1),
            "o termo da distância é μ², que cobra igual dos dois lados da origem.",
        ),
        (
            0.5 * ((mu.square() + 1) / logvar.exp() - 1 + logvar).sum(1),
            "essa é a KL no sentido contrário, da priori a q; a da ELBO é de q(z|x) a p(z).",
        ),
        (0.5 * mu.square().sum(1), "isso só cobra a distância da origem; falta o preço da largura."),
    ]
    otherwise = "os números não conferem: por coordenada, a metade de μ² + exp(ℓ) - 1 - ℓ; depois, a soma."
    if (value < -1e-6).any():
        otherwise = "há KL negativa, o que não existe: confira os sinais."
    compare(value, expected, mistakes, otherwise)


def _judge_elbo(inputs: Mapping[str, Any], answer: Any) -> None:
    x, x_hat, mu, logvar = (inputs[name].double() for name in ("x", "x_hat", "mu", "logvar"))
    variance = inputs["variance"]
    n = len(x)
    squares = (x - x_hat).square().flatten(1)
    constant = 392 * math.log(2 * math.pi * variance)
    kl = _kl_terms(mu, logvar).sum(1)
    log_px = -squares.sum(1) / (2 * variance) - constant
    expected = log_px - kl
    hints = {
        (): "Queremos uma ELBO por imagem; a média sobre o lote fica para depois.",
        (n, 784): "Falta somar sobre os 784 pixels.",
        tuple(x.shape): "Falta somar sobre os pixels de cada imagem (`flatten(1).sum(1)`).",
    }
    value = tensor_answer(answer, (n,), hints=hints)
    mistakes = [
        (-expected, "essa é a ELBO negativa, a que se minimiza; a função pede a própria ELBO, uma cota de log p(x)."),
        (log_px + kl, "a KL entra subtraindo: é o preço do código."),
        (log_px, "isso é só o termo de reconstrução; falta subtrair a KL."),
        (expected + constant, "falta a constante, 784/2 vezes log(2πσ²): sem ela o número não é uma cota de log p(x)."),
        (
            -squares.sum(1) / (2 * variance) + constant - kl,
            "a constante entra subtraindo: quanto mais larga a gaussiana, menor a densidade no centro dela.",
        ),
        (
            -squares.sum(1) / (2 * variance) - 2 * constant - kl,
            "a constante está em dobro: são 784/2 vezes log(2πσ²), a metade.",
        ),
        (
            -squares.sum(1) / (2 * variance) - constant / 784 - kl,
            "a constante de um pixel só não basta: cada um dos 784 pixels tem a sua.",
        ),
        (
            -squares.mean(1) / (2 * variance) - constant - kl,
            "você tirou a média dos pixels; a densidade da imagem é o produto das dos pixels, e os logs se somam.",
        ),
        (
            -squares.sum(1) / variance - constant - kl,
            "o expoente da gaussiana é dividido por 2σ²; faltou o 2.",
        ),
        (
            -squares.sum(1) / (2 * variance**2) - 392 * math.log(2 * math.pi * variance**2) - kl,
            "`variance` já é σ²: não a eleve ao quadrado.",
        ),
        (
            -squares.sum(1) / (2 * variance) - 784 * math.log(2 * math.pi * variance**0.5) - kl,
            "dentro do logaritmo, o 2π também fica sob a raiz: (784/2)·log(2πσ²).",
        ),
        (
            log_px - kl.mean(),
            "a KL é a de cada imagem, e não a média do lote.",
        ),
        (
            log_px.mean() - kl,
            "o termo de reconstrução é o de cada imagem, e não a média do lote.",
        ),
        (
            log_px - _kl_terms(mu, logvar).mean(1),
            "a KL é a soma das coordenadas, e não a média: use a `kl_divergence` da questão 2.",
        ),
    ]
    compare(value, expected, mistakes, "os números não conferem: log N(x; x̂, σ²I), somado nos pixels, menos a KL.")


def _judge_importance(inputs: Mapping[str, Any], answer: Any) -> None:
    log_w = _log_weights(inputs)
    n_samples, n = log_w.shape
    expected = _nll(log_w)
    hints = {
        (n_samples, n): "Você tem um valor por sorteio; falta a média dos pesos, na dimensão 0.",
        (n_samples,): "A média é sobre os sorteios (dimensão 0), e sobra um número por imagem.",
        (): "Queremos um número por imagem; a média sobre o lote fica para depois.",
    }
    infinite = (
        "exp(-300) é zero em float32, e log 0 é menos infinito. Some os pesos sem sair do logaritmo: `torch.logsumexp`."
    )
    value = tensor_answer(answer, (n,), hints=hints, infinite=infinite)
    log_px_z = inputs["log_px_z"].double()
    inverted, no_normalizer = _log_weights(inputs, ratio=-1), _log_weights(inputs, normalizer=False)
    mistakes = [
        (-expected, "o sinal está trocado: a resposta é *menos* log p(x), e aqui ela é positiva."),
        (
            -log_w.mean(0),
            "você tirou a média dos logaritmos, e isso é a ELBO; queremos o logaritmo da média dos pesos.",
        ),
        (-log_w.logsumexp(0), "faltou dividir por S: a média, no logaritmo, é `logsumexp` menos log S."),
        (
            -log_w.logsumexp(0) - math.log(n_samples),
            "log S entra com o sinal contrário: divide-se por S a soma dos pesos.",
        ),
        (
            _nll(log_px_z),
            "você pesou só por p(x|z); como z foi sorteado de q, cada peso leva também p(z)/q(z|x).",
        ),
        (_nll(inverted), "a razão está invertida: some log p(z) e subtraia log q(z|x)."),
        (
            _nll(no_normalizer),
            "em log q(z|x) faltou o log σ de cada coordenada: as constantes de p e q se cancelam, mas esse termo não.",
        ),
        (-log_w.max(0).values, "você ficou só com o maior peso; a média conta todos."),
    ]
    otherwise = "os números não conferem: log w = log p(x|z) + log p(z) - log q(z|x), e depois `logsumexp` menos log S."
    compare(value, expected, mistakes, otherwise)


def _judge_rates(inputs: Mapping[str, Any], answer: Any) -> None:
    eigenvalues, divisor, weight = inputs["eigenvalues"].double(), inputs["divisor"], inputs["weight"]
    n = len(eigenvalues)
    hints = {
        (): "Queremos a taxa de cada direção; a soma fica para depois.",
        (int((eigenvalues > divisor * weight / 2).sum()),): "Devolva uma taxa por autovalor: as desligadas valem zero.",
    }
    infinite = "um autovalor positivo nunca dá isso: o logaritmo é de λ/θ, e só depois se corta em zero."
    value = tensor_answer(answer, (n,), hints=hints, infinite=infinite)

    def rates(theta: float) -> Tensor:
        return 0.5 * (eigenvalues / theta).log().clamp_min(0)

    theta = divisor * weight / 2
    expected = rates(theta)
    mistakes = [
        (
            0.5 * (eigenvalues / theta).log(),
            "há taxas negativas: a direção que não paga o próprio código gasta zero nats.",
        ),
        (2 * expected, "faltou o 1/2 da frente: R* é a metade do logaritmo."),
        (expected / math.log(2), "isso está em bits; use o logaritmo natural, para a taxa sair em nats."),
        (rates(2 * theta), "você usou θ = c·b; como o erro é dividido por c = 2σ², a variância declarada é c/2."),
        (rates(divisor / (2 * weight)), "o peso b multiplica a KL, como o β: θ = σ²β é o produto, e não o quociente."),
        (rates(divisor / 2), "você esqueceu o peso da KL, b, que faz o papel do β."),
        (rates(weight), "você esqueceu o divisor do erro: ele é 2σ², e θ = σ²β."),
        (rates(divisor), "o divisor é 2σ², e não θ: metade dele, vezes o peso da KL."),
        (
            (eigenvalues > theta).double(),
            "isso diz quais direções ficam ligadas; queremos quantos nats cada uma gasta.",
        ),
        (
            0.5 * (1 + eigenvalues / theta).log(),
            "essa fórmula é de outro problema (somar 1 dentro do logaritmo): aqui a direção fraca é desligada de vez.",
        ),
    ]
    otherwise = (
        "os números não conferem: ache θ = σ²β a partir de c e b, e depois R* = ½·log(λ/θ), nunca menor que zero."
    )
    compare(value, expected, mistakes, otherwise)


EXERCISE = Exercise(
    name="03_vae",
    questions=(
        Question(
            name="q1",
            function="reparameterize",
            points=1,
            start="Comece pelo desvio: se ℓ = log σ², quanto vale σ em função de ℓ?",
            public_seeds=(0, 1, 2),
            make_inputs=_reparameterize_inputs,
            judge=_judge_reparameterize,
        ),
        Question(
            name="q2",
            function="kl_divergence",
            points=2,
            start="Comece pela parcela de uma coordenada, e só depois some na dimensão 1.",
            public_seeds=(0, 1, 2),
            make_inputs=_kl_inputs,
            judge=_judge_kl,
        ),
        Question(
            name="q3",
            function="gaussian_elbo",
            points=2,
            start="Comece pelo erro quadrático de cada imagem, `(x - x_hat).square().flatten(1).sum(1)`.",
            public_seeds=(0, 1, 2),
            make_inputs=_elbo_inputs,
            judge=_judge_elbo,
        ),
        Question(
            name="q4",
            function="importance_nll",
            points=2,
            start="Comece por z = μ + σ·ε, de forma (S, B, D), e escreva log p(z) e log q(z|x) de cada sorteio.",
            public_seeds=(0, 1, 2),
            make_inputs=_importance_inputs,
            judge=_judge_importance,
        ),
        Question(
            name="q5",
            function="predicted_rates",
            points=1,
            start="Comece por igualar os dois jeitos de escrever a perda: quem é 2σ², e quem é β?",
            public_seeds=(0, 1, 2),
            make_inputs=_rates_inputs,
            judge=_judge_rates,
        ),
    ),
)
