"""Exercício 03_vae: sorteio reparametrizado, KL, ELBO, verossimilhança por importância e o que o β quer dizer."""

from __future__ import annotations

from math import inf, log, pi

import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question, random_images


def _posterior(seed: int, source: torch.Generator) -> dict[str, Tensor]:
    """mu e logvar de um lote; nem o lote nem o código têm sempre o mesmo tamanho."""
    shape = (4 + seed % 3, 6 + seed % 2)
    mu = 1.5 * torch.randn(shape, generator=source)
    # Longe de zero: aí desvio e variância se confundiriam.
    return {"mu": mu, "logvar": torch.randn(shape, generator=source) - 1}


class Reparameterize(Question):
    """O código sorteado da posterior, a partir do ruído recebido."""

    name, function, points = "q1", "reparameterize", 1
    start = "Comece pelo desvio: se ℓ = log σ², quanto vale σ em função de ℓ?"

    def draw(self, seed, source):
        posterior = _posterior(seed, source)
        return posterior | {"eps": torch.randn(posterior["mu"].shape, generator=source)}

    def answer(self, mu, logvar, eps):
        return mu + (0.5 * logvar).exp() * eps

    def mistakes(self, but, mu, logvar, eps):
        std = (0.5 * logvar).exp()
        hint = "você multiplicou pela variância; o que multiplica o ruído é o desvio, σ = exp(ℓ/2)."
        yield but(logvar=2 * logvar), hint
        yield mu + logvar * eps, "logvar ainda é um logaritmo, e pode ser negativo: passe-o pela exponencial."
        yield mu + 0.5 * logvar.exp() * eps, "o meio fica dentro da exponencial: σ = exp(ℓ/2), e não exp(ℓ)/2."
        yield but(logvar=-logvar), "o sinal do expoente está trocado: você multiplicou por 1/σ."
        yield mu + 0.5 * logvar * eps, "faltou a exponencial: 0,5·logvar é log σ, e não σ."
        yield mu, "isso é só μ: sem o ruído, a nuvem vira um ponto, e o VAE, um autoencoder comum."
        yield mu + eps, "você somou o ruído sem escala: falta multiplicá-lo por σ."
        yield but(eps=-eps), "o ruído entra somado: z = μ + σ·ε."
        yield std * eps, "faltou somar μ: a nuvem está centrada na origem."
        yield std + mu * eps, "os papéis estão trocados: μ é o centro e σ multiplica o ruído."
        yield (
            lambda value: ((value - mu) / std).abs().max() < 6,
            "os números poderiam ser um sorteio de q(z|x), mas não o do `eps` recebido. Use `eps`, sem sortear outro: "
            "é ele que torna a conta reproduzível.",
        )
        yield ..., "os números não conferem: z = μ + σ·ε, com σ = exp(ℓ/2) e o ε que a função recebe."


def _kl_terms(mu: Tensor, logvar: Tensor, distance=torch.square, width=torch.exp) -> Tensor:
    """A parcela de cada coordenada, (B, D)."""
    return 0.5 * (distance(mu) + width(logvar) - 1 - logvar)


class KlDivergence(Question):
    """A KL da posterior de cada imagem à priori."""

    name, function, points = "q2", "kl_divergence", 2
    start = "Comece pela parcela de uma coordenada, e só depois some na dimensão 1."
    draw = staticmethod(_posterior)

    def answer(self, mu, logvar, **functions):
        return _kl_terms(mu, logvar, **functions).sum(1)

    def mistakes(self, right, but, mu, logvar):
        n, dim = mu.shape
        yield (n, dim), "Você tem a parcela de cada coordenada; falta somá-las (dimensão 1)."
        yield (), "Isso é um número para o lote todo; queremos um por imagem, sem a soma nem a média sobre o lote."
        yield (dim,), "Some sobre as coordenadas (dimensão 1), e não sobre as imagens."
        yield (n, 1), "Há um eixo a mais (veja `keepdim`)."
        yield -right, "o sinal está trocado: uma KL nunca é negativa."
        yield right / dim, "você tirou a média das coordenadas; elas são independentes, e as KL se somam."
        yield 2 * right, "faltou o fator 1/2."
        yield right / log(2), "isso está em bits; aqui o logaritmo é natural, e a KL sai em nats."
        yield right + 0.5 * dim, "faltou o -1 de cada coordenada: a KL de N(0, I) a ela mesma precisa dar zero."
        yield right + 0.5 * logvar.sum(1), "faltou o termo -ℓ, que é o que cobra as nuvens estreitas."
        yield right + logvar.sum(1), "o termo ℓ entra com sinal negativo: nuvens estreitas pagam mais."
        hint = "você leu `logvar` como log σ; ele já é o logaritmo da variância, então σ² = exp(ℓ)."
        yield but(logvar=2 * logvar), hint
        yield but(width=lambda logvar: (logvar / 2).exp()), "o termo da largura é a variância, exp(ℓ), e não o desvio."
        yield but(width=torch.square), "o segundo termo é exp(ℓ), e não ℓ²."
        yield but(distance=lambda mu: mu), "o termo da distância é μ², que cobra igual dos dois lados da origem."
        hint = "essa é a KL no sentido contrário, da priori a q; a da ELBO é de q(z|x) a p(z)."
        yield but(mu=mu / (0.5 * logvar).exp(), logvar=-logvar), hint
        yield 0.5 * mu.square().sum(1), "isso só cobra a distância da origem; falta o preço da largura."
        yield lambda value: (value < -1e-6).any(), "há KL negativa, o que não existe: confira os sinais."
        yield ..., "os números não conferem: por coordenada, a metade de μ² + exp(ℓ) - 1 - ℓ; depois, a soma."


class GaussianElbo(Question):
    """A ELBO de cada imagem, com p(x|z) gaussiana e a constante."""

    name, function, points = "q3", "gaussian_elbo", 2
    start = "Comece pelo erro quadrático de cada imagem, `(x - x_hat).square().flatten(1).sum(1)`."

    def draw(self, seed, source):
        posterior = _posterior(seed, source)
        x = random_images(len(posterior["mu"]), source)
        x_hat = (x + 0.3 * torch.randn(x.shape, generator=source)).clamp(-1, 1)
        return {"x": x, "x_hat": x_hat, **posterior, "variance": (5.0, 0.5, 0.06)[seed % 3]}

    def answer(self, x, x_hat, mu, logvar, variance, exponent=1.0, constant=1.0, kl=1.0):
        """``exponent``, ``constant`` e ``kl`` são quantas vezes entra cada parcela."""
        squares = (x - x_hat).square().flatten(1).sum(1)
        log_px = -exponent * squares / (2 * variance) - constant * 392 * log(2 * pi * variance)
        return log_px - kl * _kl_terms(mu, logvar).sum(1)

    def mistakes(self, right, but, x, mu, logvar, variance):
        terms, log_px = _kl_terms(mu, logvar), but(kl=0)
        yield (), "Queremos uma ELBO por imagem; a média sobre o lote fica para depois."
        yield (len(x), 784), "Falta somar sobre os 784 pixels."
        yield x.shape, "Falta somar sobre os pixels de cada imagem (`flatten(1).sum(1)`)."
        yield -right, "essa é a ELBO negativa, a que se minimiza; a função pede a própria ELBO, uma cota de log p(x)."
        yield but(kl=-1), "a KL entra subtraindo: é o preço do código."
        yield log_px, "isso é só o termo de reconstrução; falta subtrair a KL."
        yield but(constant=0), "falta a constante, 784/2 vezes log(2πσ²): sem ela o número não é uma cota de log p(x)."
        hint = "a constante entra subtraindo: quanto mais larga a gaussiana, menor a densidade no centro dela."
        yield but(constant=-1), hint
        yield but(constant=2), "a constante está em dobro: são 784/2 vezes log(2πσ²), a metade."
        yield but(constant=1 / 784), "a constante de um pixel só não basta: cada um dos 784 pixels tem a sua."
        hint = "você tirou a média dos pixels; a densidade da imagem é o produto das dos pixels, e os logs se somam."
        yield but(exponent=1 / 784), hint
        yield but(exponent=2), "o expoente da gaussiana é dividido por 2σ²; faltou o 2."
        yield but(variance=variance**2), "`variance` já é σ²: não a eleve ao quadrado."
        yield right - 392 * log(2 * pi), "dentro do logaritmo, o 2π também fica sob a raiz: (784/2)·log(2πσ²)."
        yield log_px - terms.sum(1).mean(), "a KL é a de cada imagem, e não a média do lote."
        yield log_px.mean() - terms.sum(1), "o termo de reconstrução é o de cada imagem, e não a média do lote."
        hint = "a KL é a soma das coordenadas, e não a média: use a `kl_divergence` da questão 2."
        yield log_px - terms.mean(1), hint
        yield ..., "os números não conferem: log N(x; x̂, σ²I), somado nos pixels, menos a KL."


class ImportanceNll(Question):
    """-log p(x) estimado por amostragem por importância."""

    name, function, points = "q4", "importance_nll", 2
    start = "Comece por z = μ + σ·ε, de forma (S, B, D), e escreva log p(z) e log q(z|x) de cada sorteio."

    def draw(self, seed, source):
        posterior = _posterior(seed, source)
        n_samples, n = 9 + seed % 4, len(posterior["mu"])
        # Como numa imagem de verdade: a exponencial de -300 é zero em float32.
        log_px_z = -300 + 2 * torch.randn(n_samples, n, generator=source)
        eps = torch.randn(n_samples, *posterior["mu"].shape, generator=source)
        return {"log_px_z": log_px_z, **posterior, "eps": eps}

    def log_weights(self, log_px_z, mu, logvar, eps, ratio=1.0, normalizer=1.0):
        """log w (S, B), com log p(z) - log q(z|x) multiplicado por ``ratio``, e o log σ de q por ``normalizer``."""
        z = mu + (0.5 * logvar).exp() * eps
        log_q = -0.5 * (eps.square() + normalizer * logvar).sum(2)
        return log_px_z + ratio * (-0.5 * z.square().sum(2) - log_q)

    def answer(self, log_px_z, mu, logvar, eps, **weights):
        return log(len(eps)) - self.log_weights(log_px_z, mu, logvar, eps, **weights).logsumexp(0)

    def mistakes(self, right, but, log_px_z, mu, logvar, eps):
        log_w = self.log_weights(log_px_z, mu, logvar, eps)
        log_s = log(len(eps))
        yield log_w.shape, "Você tem um valor por sorteio; falta a média dos pesos, na dimensão 0."
        yield (len(eps),), "A média é sobre os sorteios (dimensão 0), e sobra um número por imagem."
        yield (), "Queremos um número por imagem; a média sobre o lote fica para depois."
        yield (
            inf,
            "exp(-300) é zero em float32, e log 0 é menos infinito. Some os pesos sem sair do logaritmo: "
            "`torch.logsumexp`.",
        )
        yield -right, "o sinal está trocado: a resposta é *menos* log p(x), e aqui ela é positiva."
        hint = "você tirou a média dos logaritmos, e isso é a ELBO; queremos o logaritmo da média dos pesos."
        yield -log_w.mean(0), hint
        yield right - log_s, "faltou dividir por S: a média, no logaritmo, é `logsumexp` menos log S."
        yield right - 2 * log_s, "log S entra com o sinal contrário: divide-se por S a soma dos pesos."
        yield but(ratio=0), "você pesou só por p(x|z); como z foi sorteado de q, cada peso leva também p(z)/q(z|x)."
        yield but(ratio=-1), "a razão está invertida: some log p(z) e subtraia log q(z|x)."
        yield (
            but(normalizer=0),
            "em log q(z|x) faltou o log σ de cada coordenada: as constantes de p e q se cancelam, mas esse termo não.",
        )
        yield -log_w.max(0).values, "você ficou só com o maior peso; a média conta todos."
        yield (
            ...,
            "os números não conferem: log w = log p(x|z) + log p(z) - log q(z|x), e depois `logsumexp` menos log S.",
        )


class PredictedRates(Question):
    """Quantos nats cada direção da PCA gasta, pelo que o peso da KL declara."""

    name, function, points = "q5", "predicted_rates", 1
    start = "Comece por igualar os dois jeitos de escrever a perda: quem é 2σ², e quem é β?"

    def draw(self, seed, source):
        eigenvalues = torch.logspace(2, -1.5, 12) * (0.5 + torch.rand(12, generator=source))
        divisor, weight = ((10.0, 1.0), (1.0, 3.0), (4.0, 0.5))[seed % 3]
        return {"eigenvalues": eigenvalues, "divisor": divisor, "weight": weight}

    def answer(self, eigenvalues, divisor, weight, floor=0.0):
        return 0.5 * (eigenvalues / (divisor * weight / 2)).log().clamp_min(floor)

    def mistakes(self, right, but, eigenvalues, divisor, weight):
        theta = divisor * weight / 2
        on = eigenvalues > theta
        yield (), "Queremos a taxa de cada direção; a soma fica para depois."
        yield (int(on.sum()),), "Devolva uma taxa por autovalor: as desligadas valem zero."
        yield inf, "um autovalor positivo nunca dá isso: o logaritmo é de λ/θ, e só depois se corta em zero."
        yield but(floor=-inf), "há taxas negativas: a direção que não paga o próprio código gasta zero nats."
        yield 2 * right, "faltou o 1/2 da frente: R* é a metade do logaritmo."
        yield right / log(2), "isso está em bits; use o logaritmo natural, para a taxa sair em nats."
        hint = "você usou θ = c·b; como o erro é dividido por c = 2σ², a variância declarada é c/2."
        yield but(divisor=2 * divisor), hint
        yield but(weight=1 / weight), "o peso b multiplica a KL, como o β: θ = σ²β é o produto, e não o quociente."
        yield but(weight=1), "você esqueceu o peso da KL, b, que faz o papel do β."
        yield but(divisor=2), "você esqueceu o divisor do erro: ele é 2σ², e θ = σ²β."
        yield but(weight=2), "o divisor é 2σ², e não θ: metade dele, vezes o peso da KL."
        yield on.double(), "isso diz quais direções ficam ligadas; queremos quantos nats cada uma gasta."
        yield (
            0.5 * (1 + eigenvalues / theta).log(),
            "essa fórmula é de outro problema (somar 1 dentro do logaritmo): aqui a direção fraca é desligada de vez.",
        )
        yield (
            ...,
            "os números não conferem: ache θ = σ²β a partir de c e b, e depois R* = ½·log(λ/θ), nunca menor que zero.",
        )


EXERCISE = Exercise("03_vae", (Reparameterize(), KlDivergence(), GaussianElbo(), ImportanceNll(), PredictedRates()))
