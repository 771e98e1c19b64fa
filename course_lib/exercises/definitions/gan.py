"""Exercício 04_gan: as perdas dos dois jogadores, o gradiente que chega a cada um e o discriminador ótimo."""

from __future__ import annotations

from math import inf, log

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.exercises.question import Exercise, Question

_OVERFLOW = (
    "com logit ±200 a exponencial ou o log de zero estouram. Simplifique antes de calcular: "
    "-log σ(a) = softplus(-a) e -log(1 - σ(a)) = softplus(a)."
)


def _logits(n: int, source: torch.Generator) -> Tensor:
    """Logits comuns e, no meio deles, os de um discriminador convicto: ±200, onde a conta ao pé da letra estoura."""
    logits = 3 * torch.randn(n, generator=source)
    logits[:2] = torch.tensor([200.0, -200.0])
    return logits[torch.randperm(n, generator=source)]


class DiscLoss(Question):
    """A perda do discriminador, direto dos logits."""

    name, function, points = "q1", "disc_loss", 2
    start = "Comece pelas reais: escreva -log σ(a) como um `softplus`, que não estoura."

    def draw(self, seed, source):
        # Dois lotes de tamanhos diferentes: a média de cada um não é a média dos dois juntos.
        return {"real_logits": _logits(9 + seed % 3, source), "fake_logits": _logits(14 + seed % 4, source)}

    def answer(self, real_logits, fake_logits):
        return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()

    def mistakes(self, right, but, real_logits, fake_logits):
        real, fake = F.softplus(-real_logits), F.softplus(fake_logits)
        yield real.shape, "Falta a média do lote de reais."
        yield fake.shape, "Falta a média de cada lote."
        yield inf, _OVERFLOW
        yield -right, "o sinal está trocado: esse é o valor do jogo, V, que se maximiza; a perda é -V."
        swapped = but(real_logits=-real_logits, fake_logits=-fake_logits)
        yield swapped, "os alvos estão trocados: nas reais o discriminador quer D = 1."
        hint = "a perda é a soma das duas partes, sem dividir por 2: com D = 1/2 em tudo ela vale log 4."
        yield right / 2, hint
        together = torch.cat([real, fake]).mean()
        for wrong in (together, 2 * together):
            yield wrong, "cada parte é a média do seu lote; você juntou os dois e tirou uma média só."
        yield real.sum() + fake.sum(), "some as duas partes, mas cada uma é a média do seu lote."
        yield real.mean(), "falta a parte das falsas."
        yield fake.mean(), "falta a parte das reais."
        hint = "as duas partes se somam: errar numa real e errar numa falsa custam igual."
        yield real.mean() - fake.mean(), hint
        hint = "nas falsas o custo é -log(1 - D): aí quem cresce com o logit é a perda."
        yield but(fake_logits=-fake_logits), hint
        yield (
            real.clamp(max=100).mean() + fake.clamp(max=100).mean(),
            "nos logits ±200 a perda ficou presa em 100: é o corte da `BCELoss`, e ali a derivada é zero. "
            "Calcule direto do logit, sem passar pela sigmoide.",
        )
        hint = "faltou o logaritmo: a perda é -log da probabilidade dada à resposta certa."
        yield fake_logits.sigmoid().mean() - real_logits.sigmoid().mean(), hint
        yield lambda value: value < 0, "a perda saiu negativa, e um -log de probabilidade nunca é."
        yield ..., "o número não confere: média de softplus(-a) nas reais mais média de softplus(a) nas falsas."


class GenLosses(Question):
    """As duas perdas do gerador: a do jogo e a que não satura."""

    name, function, points = "q2", "gen_losses", 1
    start = "Comece pela que você já tem: qual parcela da perda do discriminador depende do gerador?"
    parts = ("minimax", "não saturante")

    def draw(self, seed, source):
        return {"fake_logits": _logits(10 + seed % 4, source)}

    def answer(self, fake_logits):
        return -F.softplus(fake_logits).mean(), F.softplus(-fake_logits).mean()

    def mistakes(self, right, fake_logits):
        minimax, nonsaturating = right
        on_minimax, on_nonsaturating = -F.softplus(fake_logits), F.softplus(-fake_logits)
        yield fake_logits.shape, "Falta a média sobre o lote."
        yield inf, _OVERFLOW
        yield "minimax", nonsaturating, "a ordem está trocada: a minimax, log(1 - D), vem primeiro."
        yield (
            "minimax",
            -minimax,
            "o sinal está trocado. Assim o gerador *diminuiria* D(G(z)), ajudando o discriminador; ele minimiza "
            "log(1 - D).",
        )
        yield "minimax", -nonsaturating, "isso é log D; o gerador minimiza log(1 - D)."
        yield "não saturante", -nonsaturating, "o sinal está trocado; ela é -log D, e diminui quando o logit cresce."
        hint = "isso é -log(1 - D), a parte do discriminador; o gerador quer D grande, -log D."
        yield "não saturante", -minimax, hint
        yield "não saturante", minimax, "você devolveu a minimax duas vezes."
        for part, terms in zip(self.parts, (on_minimax, on_nonsaturating), strict=True):
            yield part, terms.clamp(-100, 100).mean(), "o corte em 100 da `BCELoss` apareceu; calcule do logit."
            yield part, terms.sum(), "você somou o lote; tire a média."
        yield "minimax", ..., "o número não confere; é a média de log(1 - σ(a)) = -softplus(a)."
        yield "não saturante", ..., "o número não confere; é a média de -log σ(a) = softplus(-a)."


class GenSlopes(GenLosses):
    """A derivada de cada perda do gerador no logit de cada imagem."""

    name, function, points = "q3", "gen_slopes", 1
    start = "Comece por derivar log(1 - σ(a)) no papel, com σ' = σ(1 - σ); a fração se simplifica."

    def answer(self, fake_logits):
        d = fake_logits.sigmoid()
        return -d, d - 1

    def mistakes(self, right, fake_logits):
        yield (), "Queremos a derivada de cada imagem do lote, e não um número só."
        yield inf, "a sigmoide nunca estoura: use `torch.sigmoid` e simplifique a fração antes de calcular."
        for part, slope, other in zip(self.parts, right, right[::-1], strict=True):
            yield (
                part,
                other,
                "essa é a derivada da outra perda. Teste numa falsa bem reconhecida, a = -10: só uma delas tem força.",
            )
            yield part, -slope, "o sinal está trocado: as duas perdas diminuem quando o logit cresce."
            yield part, -other, "essa é a derivada da outra perda, e com o sinal trocado."
            yield part, slope / len(slope), "não divida pelo tamanho do lote: é a derivada do termo de cada imagem."
        sigmoid = fake_logits.sigmoid() * (1 - fake_logits.sigmoid())
        yield -sigmoid, "essa é a derivada da sigmoide; falta dividi-la pelo que está dentro do logaritmo."
        yield sigmoid, "essa é a derivada da sigmoide; falta a do logaritmo, e o sinal."
        for loss in (F.softplus(-fake_logits), -F.softplus(fake_logits)):
            yield loss, "isso é a perda de cada imagem; queremos a derivada dela no logit."
        yield ..., "os números não conferem: derive o logaritmo e use σ' = σ(1 - σ)."


class GameGradients(Question):
    """O gradiente que o passo de cada jogador deixa nos seus pesos."""

    name, function, points = "q4", "game_gradients", 2
    start = "Comece pelo passo do discriminador, com as falsas desligadas do gerador: `fake.detach()`."
    parts = ("disc_grad", "gen_grad")

    def draw(self, seed, source):
        n, dim, latent_dim = 6 + seed % 3, 5 + seed % 2, 3
        return {
            "x": torch.randn(n, dim, generator=source).tanh(),
            "z": torch.randn(n, latent_dim, generator=source),
            "gen_weight": torch.randn(dim, latent_dim, generator=source),
            "disc_weight": 2 * torch.randn(dim, generator=source),
        }

    def gradients(self, x, z, gen_weight, disc_weight):
        """De cada perda, a do discriminador e a do gerador, o gradiente nos pesos do discriminador e nos do gerador."""
        weights = disc, gen = [weight.clone().requires_grad_() for weight in (disc_weight, gen_weight)]
        fake_logits = (z @ gen.T).tanh() @ disc
        disc_loss = F.softplus(-(x @ disc)).mean() + F.softplus(fake_logits).mean()
        losses = disc_loss, F.softplus(-fake_logits).mean()
        return [torch.autograd.grad(loss, weights, retain_graph=True) for loss in losses]

    def answer(self, x, z, gen_weight, disc_weight):
        (disc, _), (_, gen) = self.gradients(x, z, gen_weight, disc_weight)
        return disc, gen

    def mistakes(self, x, z, gen_weight, disc_weight):
        (disc, leaked), (into_disc, gen) = self.gradients(x, z, gen_weight, disc_weight)
        yield None, "é None: nenhum gradiente chegou até esses pesos. O `detach` só vale no passo do discriminador."
        yield "disc_grad", gen.shape, "A ordem é (disc_grad, gen_grad)."
        yield (
            "disc_grad",
            disc + into_disc,
            "o backward do gerador também passa pelo discriminador, e somou ali o gradiente dele. Guarde o do "
            "discriminador antes, ou zere entre os dois passos.",
        )
        hint = "esse é o gradiente da perda do *gerador*; aqui quer-se o da perda do discriminador."
        yield "disc_grad", into_disc, hint
        yield "disc_grad", -disc, "o sinal está trocado; é o gradiente da perda que se minimiza, -V."
        hint = "os números não conferem. É o gradiente da perda da questão 1 nos pesos do discriminador."
        yield "disc_grad", ..., hint
        yield (
            "gen_grad",
            gen + leaked,
            "vazou gradiente da perda do discriminador para o gerador, e o que vaza o empurra para ser pego. Corte o "
            "caminho com `fake.detach()` no passo do discriminador.",
        )
        hint = "esse é o gradiente da perda do *discriminador*, o oposto do que o gerador deve seguir."
        yield "gen_grad", leaked, hint
        yield "gen_grad", -leaked, "esse é o da perda minimax; o jogo pede a não saturante."
        hint = "veio zero. No passo do gerador o caminho fica inteiro: o `detach` é só no do discriminador."
        yield "gen_grad", 0 * gen, hint
        yield "gen_grad", -gen, "o sinal está trocado; é o gradiente da perda não saturante, -log D."
        hint = "somaram-se dois gradientes do gerador, o da minimax e o da não saturante; é só o segundo."
        yield "gen_grad", gen - leaked, hint
        hint = "os números não conferem. É o gradiente da perda não saturante nos pesos do gerador, e só dela."
        yield "gen_grad", ..., hint


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


class OptimalDiscriminator(Question):
    """O melhor discriminador entre duas distribuições, e a divergência de Jensen-Shannon que ele mede."""

    name, function, points = "q5", "optimal_discriminator", 2
    start = "Comece por D*: de cada cem vezes que o resultado aparece, em quantas ele veio dos dados?"
    parts = ("d_star", "jsd")

    def draw(self, seed, source):
        p_data, p_g = torch.rand(2, 5 + seed % 3, generator=source) + 0.05
        p_data[0], p_g[1] = 0, 0  # o que um faz e o outro nunca faz: aí 0·log 0 vale 0, e não NaN
        return {"p_data": p_data / p_data.sum(), "p_g": p_g / p_g.sum()}

    def answer(self, p_data, p_g):
        mixture = (p_data + p_g) / 2
        return p_data / (p_data + p_g), (_kl(p_data, mixture) + _kl(p_g, mixture)) / 2

    def mistakes(self, right, p_data, p_g):
        d_star, jsd = right
        yield "d_star", (), "A ordem é (d_star, jsd), e d_star tem um valor por resultado."
        yield "d_star", 1 - d_star, "está invertido; D é a probabilidade de ser *real*, e cresce com p_dados."
        yield "d_star", 2 * d_star, "passou de 1, e é uma probabilidade: divida pela soma, sem o 1/2."
        hint = "o logit ótimo é a diferença dos *logaritmos* das probabilidades."
        yield "d_star", (p_data - p_g).sigmoid(), hint
        yield "d_star", p_data, "isso é p_dados; o que decide é p_dados frente à soma das duas."
        yield "d_star", ..., "os números não conferem. Em cada resultado, maximize a·log y + b·log(1 - y)."
        yield "jsd", p_data.shape, "Falta somar sobre os resultados."
        yield (
            "jsd",
            inf,
            "onde uma probabilidade é zero, p·log p vale 0 (é o limite), mas o computador faz 0 · (-inf) = NaN. "
            "`torch.xlogy(p, q)` calcula p·log q e dá 0 quando p = 0.",
        )
        mixture = (p_data + p_g) / 2
        yield "jsd", 2 * jsd, "você somou as duas KL; a JSD é a média delas, e nunca passa de log 2."
        yield "jsd", _kl(p_data, mixture), "essa é só uma das duas KL, a de p_dados à mistura."
        yield "jsd", _kl(p_g, mixture), "essa é só uma das duas KL, a de p_g à mistura."
        yield "jsd", jsd / log(2), "isso está em bits; use o logaritmo natural, para sair em nats."
        yield "jsd", 2 * jsd - log(4), "esse é o valor do jogo, V(D*, G) = -log 4 + 2·JSD; tire dele a JSD."
        yield "jsd", log(4) - 2 * jsd, "essa é a perda do discriminador ótimo, log 4 - 2·JSD; tire dela a JSD."
        yield "jsd", jsd - log(2), "a mistura é (p + q)/2; sem o 1/2 a conta sai menor por log 2, e negativa."
        hint = "essa é a distância de variação total, que não tem logaritmo."
        yield "jsd", (p_data - p_g).abs().sum() / 2, hint
        yield "jsd", -jsd, "o sinal está trocado; uma divergência nunca é negativa."
        yield "jsd", ..., "o número não confere. É a média das KL de cada distribuição à mistura delas."


EXERCISE = Exercise("04_gan", (DiscLoss(), GenLosses(), GenSlopes(), GameGradients(), OptimalDiscriminator()))
