"""Exercício 04_gan: a perda do perito, o gradiente de cada jogador, o jogo condicional, Wasserstein numa reta, o giro e
o diagnóstico de partidas."""

from __future__ import annotations

from math import inf, log, pi

import numpy as np
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

    name, function, points = "q1", "disc_loss", 1
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


class GameGradients(Question):
    """O gradiente que o passo de cada jogador deixa nos seus pesos."""

    name, function, points = "q2", "game_gradients", 1
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


def _jsd(p: Tensor, q: Tensor) -> Tensor:
    mixture = (p + q) / 2
    return (_kl(p, mixture) + _kl(q, mixture)) / 2


class ConditionalGame(Question):
    """O melhor discriminador do par (imagem, etiqueta), e o que ele vê que o da imagem sozinha não vê."""

    name, function, points = "q3", "conditional_game", 2
    start = "Comece por D* de cada par: de cada cem vezes que ele aparece, em quantas veio dos dados?"
    parts = ("d_star", "jsd_pair", "jsd_image")

    def draw(self, seed, source):
        p_data, p_g = torch.rand(2, 4 + seed % 2, 3, generator=source) + 0.05
        p_data[0, 0], p_g[1, 1] = 0, 0  # o que um faz e o outro nunca faz: aí 0·log 0 vale 0, e não NaN
        return {"p_data": p_data / p_data.sum(), "p_g": p_g / p_g.sum()}

    def answer(self, p_data, p_g):
        return p_data / (p_data + p_g), _jsd(p_data, p_g), _jsd(p_data.sum(1), p_g.sum(1))

    def mistakes(self, right, p_data, p_g):
        d_star, pair, image = right
        rows, columns = p_data.shape
        yield "d_star", (rows,), "Esse é o perito que só vê a imagem; o da condicional dá um valor a cada par (x, y)."
        yield "d_star", (columns,), "Esse é o perito que só vê a etiqueta; o da condicional olha o par."
        yield "d_star", (), "A ordem é (d_star, jsd_pair, jsd_image), e d_star tem um valor por par."
        yield "d_star", inf, "divida p_dados pela soma das duas, que nunca é zero."
        yield "d_star", 1 - d_star, "está invertido; D é a probabilidade de ser *real*, e cresce com p_dados."
        yield "d_star", 2 * d_star, "passou de 1, e é uma probabilidade: divida pela soma, sem o 1/2."
        yield "d_star", p_data, "isso é p_dados; o que decide é p_dados frente à soma das duas."
        p_x, q_x = p_data.sum(1, keepdim=True), p_g.sum(1, keepdim=True)
        p_y, q_y = p_data.sum(0), p_g.sum(0)
        hint = "esse perito só olhou a imagem, e repetiu a resposta em todas as etiquetas."
        yield "d_star", (p_x / (p_x + q_x)).expand_as(p_data), hint
        hint = "você multiplicou as marginais, como se a etiqueta não dependesse da imagem: use a tabela do par."
        yield "d_star", p_x * p_y / (p_x * p_y + q_x * q_y), hint
        given, faked = p_data / p_x, p_g / q_x
        hint = "isso compara só p(y|x) com q(y|x): o perito do par também repara se a imagem é provável."
        yield "d_star", given / (given + faked), hint
        yield "d_star", ..., "os números não conferem. Em cada par, maximize p·log D + q·log(1 - D)."
        for part, value, p, q in (("jsd_pair", pair, p_data, p_g), ("jsd_image", image, p_x[:, 0], q_x[:, 0])):
            mixture = (p + q) / 2
            yield part, p.shape, "Falta somar sobre os resultados: a JSD é um número."
            hint = (
                "onde a probabilidade é zero, p·log p vale 0, e o computador faz 0·(-inf) = NaN: `torch.xlogy(p, q)`."
            )
            yield part, inf, hint
            yield part, 2 * value, "você somou as duas KL; a JSD é a média delas, e nunca passa de log 2."
            yield part, _kl(p, mixture), "essa é só uma das duas KL, a de p_dados à mistura."
            yield part, _kl(q, mixture), "essa é só uma das duas KL, a de p_g à mistura."
            yield part, value / log(2), "isso está em bits; use o logaritmo natural, para sair em nats."
            yield part, 2 * value - log(4), "esse é o valor do jogo, -log 4 + 2·JSD; tire dele a JSD."
            yield part, value - log(2), "a mistura é (p + q)/2; sem o 1/2 a conta sai menor por log 2."
            yield part, -value, "o sinal está trocado; uma divergência nunca é negativa."
        yield "jsd_pair", image, "a ordem está trocada: a do par vem antes da que só vê a imagem."
        hint = "você multiplicou as marginais antes de comparar; a JSD do par usa a tabela inteira."
        yield "jsd_pair", _jsd(p_x * p_y, q_x * q_y), hint
        yield "jsd_pair", ..., "o número não confere. É a JSD das duas tabelas, somada em todos os pares."
        yield (
            "jsd_image",
            pair,
            "essa é a do par; quem só vê a imagem compara as probabilidades de x, qualquer que seja y.",
        )
        yield (
            "jsd_image",
            _jsd(p_y, q_y),
            "você somou as imagens e deixou as etiquetas: para ficar só com x, some em y.",
        )
        hint = "para ficar só com a imagem, *some* sobre as etiquetas (dimensão 1); a média não dá probabilidades."
        yield "jsd_image", image / columns, hint
        yield "jsd_image", ..., "o número não confere. Some cada tabela sobre as etiquetas e só depois compare."


class Wasserstein1d(Question):
    """A distância de Wasserstein numa reta, pelas acumuladas, e a inclinação do crítico ótimo."""

    name, function, points = "q4", "wasserstein_1d", 2
    start = "Comece por juntar as posições e ordená-las: `torch.cat([fake, real]).sort()` dá também a ordem."
    parts = ("distance", "slopes")

    def draw(self, seed, source):
        n, m = 4 + seed % 3, 6 + seed % 2
        inputs = {}
        for name, size, centre in (("fake", n, 0.0), ("real", m, 1.0)):
            mass = 0.2 + torch.rand(size, generator=source)
            inputs |= {name: centre + 2 * torch.randn(size, generator=source), f"{name}_mass": mass / mass.sum()}
        # Uma real de cada lado de tudo: há terra a levar para a esquerda e para a direita.
        every = torch.cat([inputs["fake"], inputs["real"]])
        inputs["real"][1], inputs["real"][4] = every.min() - 0.5, every.max() + 0.5
        return inputs

    def steps(self, fake, fake_mass, real, real_mass):
        """Os comprimentos dos trechos, e em cada um a acumulada das falsas menos a das reais."""
        points, order = torch.cat([fake, real]).sort()
        excess = torch.cat([fake_mass, -real_mass])[order].cumsum(0)
        return points.diff(), excess[:-1]

    def answer(self, fake, fake_mass, real, real_mass):
        lengths, excess = self.steps(fake, fake_mass, real, real_mass)
        return (lengths * excess.abs()).sum(), excess.sign()

    def mistakes(self, right, but, fake, fake_mass, real, real_mass):
        (distance, slopes), size = right, len(fake) + len(real)
        lengths, excess = self.steps(fake, fake_mass, real, real_mass)
        hint = "essa é a diferença das médias: terra que vai para a esquerda não desconta a que vai para a direita."
        means = (real * real_mass).sum() - (fake * fake_mass).sum()
        yield "distance", means, hint
        yield "distance", -means, hint
        yield "distance", -distance, "o sinal está trocado: uma distância nunca é negativa."
        yield "distance", excess.abs().sum(), "faltou o comprimento de cada trecho: trabalho é massa vezes distância."
        yield (
            "distance",
            excess.abs().max(),
            "essa é a maior diferença das acumuladas; o trabalho soma todos os trechos.",
        )
        yield "distance", (lengths * excess.square()).sum(), "a terra entra com |F_q - F_p|, sem o quadrado."
        uniform = [torch.full_like(mass, 1 / len(mass)) for mass in (fake_mass, real_mass)]
        yield (
            "distance",
            but(fake_mass=uniform[0], real_mass=uniform[1])[0],
            "cada ponto tem a sua massa; você deu a mesma a todos.",
        )
        points = torch.cat([fake, real]).sort().values
        loose = torch.cat([fake_mass, -real_mass]).cumsum(0)[:-1]
        yield (
            "distance",
            (points.diff() * loose.abs()).sum(),
            "você ordenou as posições e deixou as massas na ordem antiga: cada massa acompanha o seu ponto.",
        )
        pairs = ((fake[:, None] - real).abs() * fake_mass[:, None] * real_mass).sum()
        yield "distance", pairs, "esse é o custo de espalhar cada falsa por todas as reais, e não o do melhor plano."
        yield "distance", ..., "o número não confere: some, trecho a trecho, comprimento vezes |F_q - F_p|."
        yield "slopes", (size,), "Há um valor a mais: entre n pontos ordenados há n - 1 trechos."
        yield "slopes", (), "A ordem é (distance, slopes), e slopes tem um valor por trecho."
        yield (
            "slopes",
            -slopes,
            "o sinal está trocado: o crítico sobe para onde a terra das falsas viaja.",
        )
        yield (
            "slopes",
            excess,
            "isso é quanta terra passa; o crítico sobe ou desce com inclinação 1, passe quanta passar.",
        )
        yield "slopes", -excess, "isso é quanta terra passa, com o sinal trocado; a inclinação é +1 ou -1."
        yield (
            "slopes",
            slopes.abs(),
            (
                "o crítico também desce: onde a terra viaja para a esquerda, a inclinação é -1. (Ao ordenar as "
                "posições, leve junto as massas.)"
            ),
        )
        yield (
            "slopes",
            lambda value: not set(value.flatten().tolist()) <= {-1.0, 0.0, 1.0},
            "o crítico ótimo tem inclinação exatamente +1 ou -1 onde passa terra.",
        )
        yield "slopes", ..., "os números não conferem: o sinal é o de F_q - F_p em cada trecho."


class GameFactors(Question):
    """Por quanto um passo do jogo u·v, com penalidade no discriminador, multiplica a distância ao equilíbrio."""

    name, function, points = "q5", "game_factors", 1
    start = "Comece por escrever o passo simultâneo como uma matriz 2×2 que multiplica (u, v)."
    parts = ("simultâneos", "alternados")

    def draw(self, seed, source):
        lr = 0.1 + 0.3 * torch.rand((), generator=source).item()
        penalty = (0.3, 1.0, 4.0)[seed % 3] * (1 + 0.2 * torch.rand((), generator=source).item())
        return {"lr": lr, "penalty": penalty}

    def matrices(self, lr, penalty):
        keep = 1 - lr * penalty
        return torch.tensor([[1, -lr], [lr, keep]]), torch.tensor([[1, -lr], [lr, keep - lr**2]])

    def answer(self, lr, penalty):
        return tuple(torch.linalg.eigvals(matrix.double()).abs().max() for matrix in self.matrices(lr, penalty))

    def mistakes(self, right, but, lr, penalty):
        names = dict(zip(self.parts, range(2), strict=True))
        yield inf, "há NaN ou infinito: a raiz de um número negativo? Os autovalores podem ser complexos."
        for part, index in names.items():
            value, matrix = right[index], self.matrices(lr, penalty)[index]
            determinant = torch.linalg.det(matrix.double())
            yield part, right[1 - index], "esse é o fator da outra ordem de jogar."
            yield part, but(penalty=0)[index], "faltou a penalidade: ela puxa v de volta a zero, em -ηγv."
            yield part, but(penalty=-penalty)[index], "o sinal da penalidade está trocado: ela puxa v *para* zero."
            hint = "a derivada de (γ/2)·v² é γv: nem a metade, nem o dobro."
            yield part, but(penalty=penalty / 2)[index], hint
            yield part, but(penalty=2 * penalty)[index], hint
            yield part, but(penalty=penalty / lr)[index], "o puxão da penalidade também é um passo: leva a taxa η."
            yield part, value**2, "esse é o fator do *quadrado* da distância; falta a raiz."
            yield part, determinant, "o determinante é o produto dos autovalores; queremos o maior módulo."
            hint = "a raiz do determinante só serve se os autovalores são complexos; com γ grande eles são reais."
            yield part, determinant.abs().sqrt(), hint
            hint = "você ficou com a norma da matriz, o pior passo possível; a longo prazo manda o maior autovalor."
            yield part, torch.linalg.matrix_norm(matrix.double(), ord=2), hint
            hint = "você ficou com o menor módulo; a longo prazo sobra a direção que encolhe menos."
            yield part, torch.linalg.eigvals(matrix.double()).abs().min(), hint
            both = matrix.double() - torch.tensor([[lr * penalty, 0], [0, 0]])
            yield part, torch.linalg.eigvals(both).abs().max(), "só o discriminador paga a penalidade; u não."
        hint = "o número não confere: a matriz tem as linhas (1, -η) e (η, 1 - ηγ); tome o maior |autovalor|."
        yield "simultâneos", ..., hint
        hint = "o número não confere: no passo de v entra o u *novo*, u - ηv. Abra a conta antes de montar a matriz."
        yield "alternados", ..., hint


HEALTHY, COLLAPSE, ROTATION, OSCILLATION, STUCK = range(5)


class DiagnoseRuns(Question):
    """De cada partida, pelos instantâneos, se é saudável, colapso, rodízio, oscilação ou nuvem parada."""

    name, function, points = "q6", "diagnose_runs", 1
    start = "Comece por uma partida: `torch.cdist(run, centers)`, de forma (T, N, M), dá todas as distâncias."

    def draw(self, seed, source):
        modes, steps, points = 6 + seed % 3, 12, 64
        angles = 2 * pi * torch.arange(modes) / modes
        centers = 2 * torch.stack([angles.cos(), angles.sin()], 1)

        def around(places: Tensor) -> Tensor:
            return places + 0.05 * torch.randn(steps, points, 2, generator=source)

        def on(chosen: Tensor) -> Tensor:
            """Pontos repartidos por igual pelos modos de cada instante (T, n); um em dez cai no meio do anel."""
            index = chosen[:, torch.arange(points) % chosen.shape[1]]
            return around(torch.where((torch.arange(points) % 10 == 9)[:, None], 0.0, centers[index]))

        def shared(each: int, rest: Tensor) -> Tensor:
            """``each`` pontos em cada modo, sempre os mesmos, e o resto dos pontos em ``rest``."""
            places = rest.expand(points, 2).clone()
            places[: each * modes] = centers.repeat_interleave(each, 0)
            return around(places)

        first = int(torch.randint(modes, (), generator=source))
        instants = torch.arange(steps)[:, None]
        # Duas que voltam ao começo: uma se arrasta para lá e para cá, e a outra dá uma volta inteira.
        turn = torch.arange(steps)[:, None] * torch.tensor([0.18, 2 * pi / (steps - 1)]) + first
        turn[steps // 2 :, 0] = turn[: steps - steps // 2, 0].flip(0)
        walk = torch.tensor([1.1, 0.9])[:, None] * torch.stack([turn.cos(), turn.sin()], 2)
        walk = walk[:, :, None]  # (T, 2, 1, 2)
        turns = 2.4 * torch.arange(steps) + first
        cloud = 1.1 * torch.stack([turns.cos(), turns.sin()], 1)
        cloud[[0, -1]] = centers[first]  # nas pontas a nuvem passa por um modo, e de relance parece um colapso
        runs = {
            HEALTHY: on(torch.arange(modes).expand(steps, modes)),
            COLLAPSE: on((first + torch.arange(1 + seed % 2)).expand(steps, -1) % modes),
            ROTATION: on((first + instants) % modes),
            OSCILLATION: around(cloud[:, None]),
            STUCK: around(walk[:, 0]),
        }
        # Os limites do enunciado, de um lado e do outro: 5 % são 3,2 pontos.
        limits = [
            shared(4, torch.zeros(2)),  # saudável, com menos da metade dos pontos em modos
            shared(3, centers[first]),  # colapso, embora os outros modos não fiquem vazios
            on((first + torch.arange(modes // 2)).expand(steps, -1) % modes),  # colapso: a metade não passa da metade
            around(walk[:, 1]),  # oscilação de passos curtos
        ]
        every = torch.stack([*runs.values(), *limits])
        return {"runs": every[torch.randperm(len(every), generator=source)], "centers": centers, "radius": 0.3}

    def measures(self, runs, centers, radius):
        """Por partida: fração nos modos, cobertos em média, cobertos em algum instante e passo médio do centro."""
        inside = torch.cdist(runs, centers[None].expand(len(runs), *centers.shape)[:, None]) < radius
        covered = inside.double().mean(2) >= 0.05
        on_modes = inside.any(3).double().mean((1, 2))
        move = runs.mean(2).diff(dim=1).norm(dim=2).mean(1)
        return on_modes, covered.sum(2).double().mean(1), covered.any(1).sum(1), move

    def verdicts(self, runs, centers, radius, measured=None):
        on_modes, covered, ever, move = measured or self.measures(runs, centers, radius)
        half = len(centers) / 2
        off = torch.where(move > radius, OSCILLATION, STUCK)
        few = torch.where(ever > half, ROTATION, COLLAPSE)
        return torch.where(on_modes < 0.2, off, torch.where(covered > half, HEALTHY, few)).numpy().astype(float)

    def answer(self, runs, centers, radius):
        return self.verdicts(runs, centers, radius)

    def mistakes(self, right, runs, centers, radius):
        measured = self.measures(runs, centers, radius)
        on_modes, covered, ever, move = measured
        yield (), "Queremos um veredito por partida."
        yield runs.shape[:2], "O veredito é da partida inteira: junte os instantes."
        last = self.measures(runs[:, -1:], centers, radius)
        hint = (
            "você só olhou o último instante: de relance, um rodízio e uma nuvem de passagem por um modo parecem "
            "colapsos. Use todos."
        )
        for still in (0 * move, move):
            yield self.verdicts(runs, centers, radius, (*last[:3], still)), hint
        hint = "você juntou os pontos de todos os instantes. Um rodízio passa por todos os modos, mas um de cada vez."
        yield self.verdicts(runs, centers, radius, (on_modes, ever.double(), ever, move)), hint
        hint = "você não separou o rodízio do colapso: no rodízio, os poucos modos de cada instante não são os mesmos."
        yield self.verdicts(runs, centers, radius, (on_modes, covered, 0 * ever, move)), hint
        hint = (
            "você não separou a oscilação da nuvem parada: meça o quanto o centro da nuvem anda de um instante ao "
            "seguinte. (Do primeiro ao último não serve: quem dá voltas acaba no começo.)"
        )
        yield self.verdicts(runs, centers, radius, (on_modes, covered, ever, 0 * move)), hint
        hint = "o centro também anda num rodízio; oscilação é só de quem está *fora* dos modos."
        moving = np.where(move.numpy() > radius, OSCILLATION, right)
        yield moving, hint
        hint = "sem o raio, todo ponto tem um modo mais próximo: só conta quem está a menos de `radius` dele."
        nearest = torch.cdist(runs, centers[None].expand(len(runs), *centers.shape)[:, None]).argmin(3)
        share = torch.nn.functional.one_hot(nearest, len(centers)).double().mean(2) >= 0.05
        loose = (on_modes + 1, share.sum(2).double().mean(1), share.any(1).sum(1), move)
        yield self.verdicts(runs, centers, radius, loose), hint
        for one, other, names in (
            (COLLAPSE, ROTATION, "1 é colapso, e 2, rodízio"),
            (OSCILLATION, STUCK, "3 é oscilação, e 4, nuvem parada"),
            (HEALTHY, COLLAPSE, "0 é saudável, e 1, colapso"),
        ):
            swapped = np.where(right == one, other, np.where(right == other, one, right))
            yield swapped, f"dois códigos estão trocados: {names}."
        yield lambda value: not np.isin(value, range(5)).all(), "algum veredito não é um inteiro de 0 a 4."
        hint = "nem todos os vereditos conferem: onde caem os pontos, depois quantos modos por instante, e então quais."
        yield ..., hint


EXERCISE = Exercise(
    "04_gan",
    (DiscLoss(), GameGradients(), ConditionalGame(), Wasserstein1d(), GameFactors(), DiagnoseRuns()),
)
