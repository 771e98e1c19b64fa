"""Exercício 08_fluxos: acoplamento, bits por dimensão e as contas da correnteza."""

from __future__ import annotations

from math import ceil, inf, log, pi

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.answers import close
from course_lib.exercises.question import Exercise, Question


def _scale_and_shift(known: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, limit=torch.tanh) -> list[Tensor]:
    """O s e o t que a rede tira de ``known``, zerados onde a máscara é 1."""
    s, t = (known @ weight.T + bias).chunk(2, dim=1)
    return [(1 - mask) * part for part in (limit(s), t)]


class CouplingInverse(Question):
    """A volta da camada de acoplamento, com o log-determinante dela."""

    name, function, points = "q1", "coupling_inverse", 2
    start = "Comece por recalcular s e t: a parte de que eles dependem passou intacta e está em `mask * y`."
    parts = ("x", "log_det")

    def draw(self, seed, source):
        dim, n = 4 + 2 * (seed % 2), 5 + seed % 3
        # Pesos longe de zero: na identidade, qualquer erro de sinal passaria despercebido.
        return {
            "y": torch.randn(n, dim, generator=source),
            "mask": (torch.arange(dim) % 2 == seed % 2).float(),
            "weight": 0.8 * torch.randn(2 * dim, dim, generator=source),
            "bias": 0.5 * torch.randn(2 * dim, generator=source),
        }

    def answer(self, y, mask, weight, bias, limit=torch.tanh):
        s, t = _scale_and_shift(mask * y, mask, weight, bias, limit)
        return (y - t) * (-s).exp(), -s.sum(1)

    def mistakes(self, right, but, y, mask, weight, bias):
        s, t = _scale_and_shift(mask * y, mask, weight, bias)
        s_all, t_all = _scale_and_shift(mask * y, 0 * mask, weight, bias)
        s_seen, t_seen = _scale_and_shift(y, mask, weight, bias)
        yield "x", (len(y),), "A ordem da tupla é (x, log_det)."
        yield "x", y * s.exp() + t, "você fez a ida outra vez; a volta desfaz, na ordem contrária."
        hint = "a ordem importa: quem entrou por último, t, sai primeiro: (y - t)·e^(-s)."
        yield "x", y * (-s).exp() - t, hint
        yield "x", (y - t) * s.exp(), "faltou inverter a escala: divida por e^s."
        yield "x", y - t, "faltou desfazer a escala."
        yield "x", y * (-s).exp(), "faltou desfazer o deslocamento."
        yield "x", (y + t) * (-s).exp(), "o deslocamento se subtrai."
        hint = "a rede viu y inteiro; mostre-lhe só m·y, a parte que passou intacta, como na ida."
        yield "x", (y - t_seen) * (-s_seen).exp(), hint
        yield "x", but(mask=1 - mask)[0], "a máscara está ao contrário: 1 é o que a rede vê e passa intacto."
        hint = "a parte que a rede vê tem de passar intacta: zere s e t nela (vezes 1 - m)."
        yield "x", (y - t_all) * (-s_all).exp(), hint
        yield "x", but(limit=torch.clone)[0], "faltou a tanh que limita s."
        hint = "perdeu-se a parte que passa intacta: nela, s = t = 0 e a escala é 1."
        yield "x", (1 - mask) * (y - t) * (-s).exp(), hint
        hint = "a parte conhecida passou intacta, mas a outra não confere: (y - t)·e^(-s)."
        yield "x", lambda value: close(value * mask, y * mask), hint
        yield "x", ..., "os números não conferem. Aplique a ida ao seu resultado: tem de dar y."
        yield "log_det", y.shape, "Falta somar sobre as coordenadas."
        yield "log_det", (), "É um por ponto, sem somar nem tirar média do lote."
        yield "log_det", -right[1], "esse é o da ida. A volta encolhe o que a ida esticou: o sinal se troca."
        hint = "você somou s antes de zerá-lo na parte intacta, que não estica nada. A volta não vê este erro."
        yield "log_det", -s_all.sum(1), hint
        yield "log_det", s_all.sum(1), hint
        hint = "o determinante é o *produto* dos e^(-s); o logaritmo dele é a soma dos -s."
        yield "log_det", (-s).exp().sum(1), hint
        yield "log_det", (-s).exp().prod(1), "isso é o determinante; falta o logaritmo."
        yield "log_det", -s.mean(1), "some sobre as coordenadas, sem tirar a média."
        yield "log_det", -s.abs().sum(1), "some os s com os seus sinais: as que encolhem descontam das que esticam."
        yield "log_det", -(s + t).sum(1), "o deslocamento t não muda o volume; só s entra."
        yield "log_det", 0 * right[1], "a camada estica e encolhe; só um deslocamento puro teria zero."
        yield "log_det", ..., "os números não conferem: menos a soma dos s da parte modificada."


# O que um exame pode dizer de uma camada.
SOUND, NO_RETURN, SIGN, WRONG, BLIND = range(5)
SILENT = -1  # errada como a WRONG: declara zero, e não é


class ExamineLayers(Question):
    """O que há de errado em cada camada, das medidas de um exame."""

    name, function, points = "q2", "examine_layers", 1
    start = "Comece pelo que o log-determinante devia ser: `torch.linalg.slogdet(jacobians)` dá sinal e logaritmo."

    def draw(self, seed, source):
        dim, n_points = 2 + seed % 3, 4 + seed % 2
        faults = [SOUND, NO_RETURN, SIGN, WRONG, BLIND, (SOUND, SIGN, WRONG)[seed % 3], (WRONG, NO_RETURN)[seed % 2]]
        # Duas camadas que só esticam, ou só encolhem, e declaram zero: o erro tem sempre o mesmo sinal.
        faults += [SILENT, SILENT]
        jacobians, told, errors = [], [], []
        for place, fault in enumerate(faults):
            j = torch.randn(n_points, dim, dim, generator=source, dtype=torch.float64).tril(-1)
            s = 0.4 + 0.8 * torch.rand(n_points, dim, generator=source, dtype=torch.float64)
            # A maior parte estica, um ponto encolhe e outro não faz nada: nem a soma sobre o lote nem um só bastam.
            s[0], s[1] = -s[0], 0 * s[1]
            if fault == SILENT:
                s = s.abs() + 0.1 if place % 2 else -s.abs() - 0.1
            if fault == BLIND:
                j, s = 0 * j, 0 * s
            # Uma troca de coordenadas, em metade das camadas (a primeira, que é sã, inclusive), põe um sinal nele.
            order = torch.arange(dim) if len(told) % 2 else torch.tensor([1, 0, *range(2, dim)])
            jacobians.append((j + torch.diag_embed(s.exp()))[:, order])
            log_det = s.sum(1)
            # O outro erro se cancela no total do lote: só ponto a ponto se vê.
            off = s[:, 0] - s[2:, 0].mean()
            off[:2] = 0  # em dois pontos acerta
            told.append({SIGN: -log_det, WRONG: log_det + off, SILENT: 0 * log_det}.get(fault, log_det))
            tiny = 8e-4 * torch.rand(n_points, generator=source, dtype=torch.float64)
            if fault == NO_RETURN:
                # Só alguns pontos não voltam, e numa das camadas por pouco.
                far = torch.rand(n_points - 1, generator=source, dtype=torch.float64)
                tiny[1:] += (0.2, 0.004)[seed % 2] + far * (1, 0.004)[seed % 2]
            errors.append(tiny)
        order = torch.randperm(len(faults), generator=source)
        return {
            "jacobians": torch.stack(jacobians)[order],
            "log_dets": torch.stack(told)[order],
            "errors": torch.stack(errors)[order],
        }

    def answer(self, jacobians, log_dets, errors, exact=None, blind=True, worst=True):
        exact = torch.linalg.slogdet(jacobians).logabsdet if exact is None else exact
        found = []
        for log_det, told, error in zip(exact, log_dets, errors, strict=True):
            if (error.max() if worst else error.min()) > 1e-3:
                found.append(NO_RETURN)
            elif blind and log_det.abs().max() < 1e-3:
                found.append(BLIND)
            elif (told - log_det).abs().max() < 1e-3:
                found.append(SOUND)
            else:
                found.append(SIGN if (told + log_det).abs().max() < 1e-3 else WRONG)
        return np.array(found, dtype=float)

    def mistakes(self, right, but, jacobians, log_dets, errors):
        n_layers, det = len(jacobians), torch.linalg.det(jacobians)
        yield log_dets.shape, "Um veredito por camada: ela só está sã se passa em *todos* os pontos."
        yield (), "Um veredito por camada, e não um do conjunto."
        hint = "um determinante negativo (troca de coordenadas) tem log-determinante: o logaritmo é do *módulo*."
        yield but(exact=det.log()), hint
        hint = "você comparou com o determinante; falta o logaritmo do módulo (`torch.linalg.slogdet`)."
        yield but(exact=det), hint
        yield but(exact=det.abs()), hint
        yield (
            but(blind=False),
            "há uma camada que não estica nada: nela o log-determinante é 0 com qualquer sinal, e o exame não prova "
            "coisa alguma (4).",
        )
        yield but(worst=False), "basta que *um* ponto não volte (o maior erro), e você olhou o melhor."
        swapped = np.array([SOUND, NO_RETURN, WRONG, SIGN, BLIND], dtype=float)
        hint = "2 e 3 estão trocados: 2 é o de sinal trocado (soma zero com o certo); 3, o que erra de outro jeito."
        yield swapped[right.astype(int)], hint
        ignored = but(errors=0 * errors)
        yield ignored, "você não olhou o erro da ida e volta."
        hint = "um log-determinante errado também é defeito, e a ida e volta não o vê."
        yield np.where(right == NO_RETURN, NO_RETURN, SOUND), hint
        yield np.where(right == SIGN, WRONG, right), "separe o sinal trocado (2) dos outros erros (3)."
        hint = "compare ponto a ponto: no total do lote, os erros se cancelam."
        totals = torch.linalg.slogdet(jacobians).logabsdet.sum(1, keepdim=True)
        yield self.answer(jacobians, log_dets.sum(1, keepdim=True), errors, exact=totals), hint
        yield (
            lambda value: not set(value) <= set(range(5)),
            f"cada veredito é um dos números de 0 a 4, e são {n_layers} camadas.",
        )
        yield ..., "algum veredito não confere. A ordem: a volta (1), a cegueira do exame (4), e só então 0, 2 ou 3."


class BoundsOnBits(Question):
    """As duas cotas dos bits por dimensão, de K sorteios do ruído."""

    name, function, points = "q3", "bounds_on_bits", 1
    start = "Comece pela log-probabilidade que cada sorteio dá: some a `log_density` o log do volume da caixinha."
    parts = ("um sorteio", "K sorteios")

    def draw(self, seed, source):
        n_dims, n_draws, n = (36, 64, 100)[seed % 3], 3 + seed % 4, 4 + seed % 3
        box = (1 / 256, 2 / 255, 1.0)[seed % 3]
        # Perto de 5 bits por dimensão: em float32 a probabilidade, sem o logaritmo, some.
        level = -5 * log(2) * n_dims - n_dims * log(box)
        spread = 3 * torch.randn(n_draws, n, generator=source)
        return {"log_density": level + spread + torch.randn(n, generator=source), "box": box, "n_dims": n_dims}

    def answer(self, log_density, box, n_dims, draws=None):
        log_p = log_density + n_dims * log(box)
        tight = log_p.logsumexp(0) - log(draws or len(log_p))
        return -log_p.mean(0) / (n_dims * log(2)), -tight / (n_dims * log(2))

    def mistakes(self, right, but, log_density, box, n_dims):
        n_draws, n = log_density.shape
        for index, part in enumerate(self.parts):
            yield part, (n_draws, n), "Falta juntar os K sorteios de cada imagem."
            yield part, (n_draws,), "Junte os sorteios (eixo 0), e não as imagens: um número por imagem."
            yield part, (), "Um número por imagem; a média do lote fica para depois."
            yield (
                part,
                inf,
                "em float32, a exponencial de -200 é zero. O log da média de exponenciais se faz com `logsumexp`.",
            )
            yield part, right[1 - index], "a ordem da tupla é (um sorteio, K sorteios): média dos logs, log da média."
            yield part, but(box=1.0)[index], "falta o volume da caixinha, Δ elevado a D: some D·log Δ."
            yield part, but(box=1 / box)[index], "o volume *multiplica* a densidade: o log dele se soma."
            hint = "a caixinha tem lado Δ em *cada uma* das D dimensões."
            yield part, but(box=box ** (1 / n_dims))[index], hint
            yield part, -right[index], "o sinal está trocado: bits são *menos* o logaritmo da probabilidade."
            yield part, right[index] * log(2), "isso está em nats por dimensão; divida por log 2."
            yield part, right[index] * n_dims, "isso são os bits da imagem inteira; divida pelas D dimensões."
        yield "K sorteios", but(draws=1)[1], "isso é o log da *soma*; o da média desconta log K."
        hint = "some as probabilidades de cada imagem (eixo 0), e não as da dimensão toda."
        yield "K sorteios", right[1].mean().expand(n), hint
        log_p = log_density + n_dims * log(box)
        best = -log_p.amax(0) / (n_dims * log(2))
        yield "K sorteios", best, "esse é só o melhor dos sorteios, que não é cota: faça o log da média."
        log_best = -log_p.amin(0) / (n_dims * log(2))
        yield "um sorteio", log_best, "esse é o pior dos sorteios; a primeira cota é a média dos logaritmos."
        yield ..., "os números não conferem: média dos logs, e log da média, de p·Δ^D, em bits por dimensão."


class FlowLogDensity(Question):
    """A log-densidade que uma correnteza dá a cada ponto, pela divergência."""

    name, function, points = "q4", "flow_log_density", 2
    start = "Comece pela divergência: a derivada de tanh é 1 - tanh², e só a diagonal de A entra."

    def draw(self, seed, source):
        dim, n = 2 + seed % 2, 4 + seed % 3
        return {
            "x": torch.randn(n, dim, generator=source),
            "n_steps": (4, 5, 8)[seed % 3],
            "matrix": 1.5 * torch.randn(dim, dim, generator=source),
            "drift": 2 * torch.randn(dim, generator=source),
        }

    def answer(self, x, n_steps, matrix, drift, **options):
        source, total = self.travel(x, n_steps, matrix, drift, **options)
        return -source.square().sum(1) / 2 - x.shape[1] * log(2 * pi) / 2 - total

    def travel(self, x, n_steps, matrix, drift, divergence=None, clock=None, way=-1, late=False):
        """O ponto de partida e a divergência somada; cada opção muda uma coisa da conta."""
        h, total = 1 / n_steps, 0.0
        instants = [1 - i * h for i in range(n_steps)] if clock is None else clock
        for t in instants:
            u = (x @ matrix.T + t * drift).tanh()
            moved = x + way * h * u
            if late:
                u = (moved @ matrix.T + (t - h) * drift).tanh()
            total = total + h * (divergence or self.divergence)(u, matrix)
            x = moved
        return x, total

    def divergence(self, u, matrix):
        return ((1 - u.square()) * matrix.diagonal()).sum(1)

    def mistakes(self, right, but, x, n_steps, matrix, drift):
        h, n_dims = 1 / n_steps, x.shape[1]
        normal, (start, total) = log(2 * pi) * n_dims / 2, self.travel(x, n_steps, matrix, drift)
        at_start, at_end = (-p.square().sum(1) / 2 - normal for p in (start, x))
        yield (), "Um número por ponto, sem somar nem tirar média do lote."
        yield x.shape, "Some sobre as coordenadas: um número por ponto."
        hint = "o sinal da divergência está trocado: onde a correnteza espalha, a densidade *cai* pelo caminho."
        yield at_start + total, hint
        yield at_start, "faltou a divergência: a correnteza estica e encolhe pelo caminho, e isso muda a densidade."
        yield at_end - total, "a normal se avalia no ponto de *partida*, em t = 0, e não no que você recebeu."
        yield right + normal, "faltou a constante da normal, D/2·log 2π."
        yield right + normal - log(2 * pi) / 2, "a constante da normal é ½·log 2π por *dimensão*."
        forward = [i * h for i in range(n_steps)]
        hint = "você foi para a frente. Vem-se do dado ao ruído: t de 1 a 0, e x - h·u."
        yield but(clock=forward, way=1), hint
        yield but(way=1), "para voltar no tempo, anda-se contra a velocidade: x - h·u."
        yield but(clock=forward), "o relógio está ao contrário: o primeiro passo parte de t = 1."
        hint = "a velocidade do primeiro passo é a de t = 1; a do último, a de t = h."
        yield but(clock=[1 - (i + 1) * h for i in range(n_steps)]), hint
        yield (
            but(divergence=lambda u, matrix: matrix.trace().expand(len(u))),
            "faltou derivar a tanh: a linha i do jacobiano é (1 - uᵢ²) vezes a linha i de A.",
        )
        hint = "o traço é a soma da *diagonal*; você somou o jacobiano inteiro."
        yield but(divergence=lambda u, matrix: ((1 - u.square()) @ matrix).sum(1)), hint
        hint = "você usou o log-determinante do jacobiano de u; aqui basta o traço."
        yield (
            but(divergence=lambda u, matrix: torch.linalg.slogdet((1 - u.square())[:, :, None] * matrix).logabsdet),
            hint,
        )
        yield but(divergence=lambda u, _: (1 - u.square()).sum(1)), "faltou a diagonal de A na derivada."
        yield but(divergence=lambda u, matrix: (u * matrix.diagonal()).sum(1)), "a derivada de tanh é 1 - tanh²."
        hint = "faltou o tamanho do passo: a integral soma h·div u."
        yield at_start - total / h, hint
        yield but(late=True), "a divergência é a do começo do passo, no mesmo ponto e instante da velocidade."
        yield right.exp(), "isso é a densidade; pedimos o logaritmo."
        yield ..., "os números não conferem. Refaça à mão o exemplo do enunciado, que dá -1,919."


class CarriedTo(Question):
    """Onde a correnteza entre duas normais põe cada partícula, em cada instante."""

    name, function, points = "q5", "carried_to", 1
    start = "Comece pelo desvio da multidão no instante t: τ² = (1 - t)² + t²s², em cada coordenada."

    def draw(self, seed, source):
        n, dim = 3 + seed % 2, 2 + seed % 3
        return {
            "x_0": 1.5 * torch.randn(n, dim, generator=source),
            "t": 0.15 + 0.7 * torch.rand(4 + seed % 2, generator=source),
            "mean": 2 * torch.randn(dim, generator=source),
            "std": 0.4 + 2 * torch.rand(dim, generator=source),
        }

    def answer(self, x_0, t, mean, std, spread=None):
        t = t[:, None, None]
        spread = ((1 - t) ** 2 + t**2 * std**2).sqrt() if spread is None else spread
        return t * mean + spread * x_0

    def mistakes(self, right, but, x_0, t, mean, std):
        n, dim = x_0.shape
        at = t[:, None, None]
        tau = ((1 - at) ** 2 + at**2 * std**2).sqrt()
        yield (n, len(t), dim), "Os eixos: primeiro os instantes, depois as partículas, depois as coordenadas."
        yield (n, dim), "Um ponto para cada instante de `t`: `t[:, None, None]` abre os eixos."
        yield (len(t), dim), "Um ponto para cada partícula, em cada instante."
        yield (
            but(spread=1 - at + at * std),
            "essa é a reta até o ponto que tem a mesma posição na chegada. O desvio da soma de duas parcelas "
            "independentes não é a soma dos desvios: somam-se as variâncias.",
        )
        yield but(spread=tau**2), "τ² é a variância; a posição usa o desvio, τ."
        yield but(spread=(1 - at + at * std**2).sqrt()), "uma parcela multiplicada por t tem a variância vezes t²."
        hint = "uma parcela multiplicada por t tem a variância vezes t²."
        yield but(spread=((1 - at) + at * std**2)), hint
        yield but(std=std.sqrt()), "`std` já é o desvio; a variância é o quadrado dele."
        yield tau * x_0, "faltou a média: a multidão inteira anda t·m."
        yield mean + tau * x_0, "a média também é do instante: t·m, que sai de 0."
        yield at * mean + (1 - at) * x_0, "isso é a reta até a média, que é só onde um salto único chegaria."
        yield but(t=1 - t), "o relógio está ao contrário: em t = 0 a partícula está em x_0."
        yield right - x_0, "isso é o quanto andou; pedimos onde está."
        velocity = mean + (at * std**2 - (1 - at)) / tau * x_0
        yield velocity, "isso é a velocidade; pedimos a posição."
        yield ..., "os números não conferem. Com m = 0, s = 1, x₀ = 2 e t = 0,5, dá 1,414."


class EvaluationsNeeded(Question):
    """A ordem de cada integrador e as avaliações de que ele precisa."""

    name, function, points = "q6", "evaluations_needed", 1
    start = "Comece pela ordem: num gráfico de dois logaritmos, a inclinação da reta é -p."
    parts = ("ordem", "avaliações")

    def draw(self, seed, source):
        n_methods = 3 + seed % 3
        order = torch.tensor([1.0, 2.0, 3.0, 4.0, 1.5])[torch.randperm(5, generator=source)[:n_methods]].double()
        order = order + 0.1 * torch.rand(n_methods, generator=source)
        calls = torch.tensor([8.0 + 4 * (seed % 3), 20.0 + 16 * (seed % 2)])
        scale = (1 + 4 * torch.rand(n_methods, generator=source)) * 4**order
        errors = scale[:, None] * calls.double() ** -order[:, None]
        # O alvo que o primeiro alcança longe de um inteiro; dos outros só se sorteia de novo a escala.
        wanted = (
            40 + torch.randint(30, (n_methods,), generator=source) + 0.3 + 0.4 * torch.rand(n_methods, generator=source)
        )
        target = 0.001 * float(1 + torch.rand((), generator=source))
        errors = errors * (target / (scale * wanted.double() ** -order))[:, None]
        return {"calls": calls.double(), "errors": errors, "target": target}

    def answer(self, calls, errors, target, order=None, rounded=ceil):
        if order is None:
            order = (errors[:, 0] / errors[:, 1]).log() / (calls[1] / calls[0]).log()
        needed = calls[1] * (errors[:, 1] / target) ** (1 / order)
        return order.numpy(), np.array([rounded(value) for value in needed.tolist()], dtype=float)

    def mistakes(self, right, but, calls, errors, target):
        ratio, times = errors[:, 0] / errors[:, 1], calls[1] / calls[0]
        order, needed = right
        yield "ordem", errors.shape, "Uma ordem por integrador: os dois erros de uma linha dão uma."
        yield "ordem", ratio, "isso é por quanto o erro caiu; a ordem é o log disso sobre o log de quanto n cresceu."
        yield "ordem", ratio.log(), "falta dividir pelo log de quanto as avaliações cresceram."
        yield "ordem", ratio.log2(), "as avaliações não dobraram: divida pelo log de n₂/n₁, qualquer que seja."
        yield "ordem", ratio / times, "a ordem é um expoente: divida os *logaritmos*."
        yield "ordem", -order, "o sinal está trocado: o erro cai quando n cresce, e a ordem é positiva."
        yield "ordem", order.round(), "não arredonde: a ordem medida não é exatamente um inteiro."
        yield "ordem", 1 / order, "a razão dos logaritmos está invertida."
        yield "ordem", needed, "A ordem da tupla é (ordem, avaliações)."
        yield "ordem", ..., "os números não conferem: p = log(e₁/e₂)/log(n₂/n₁)."
        exact = but(rounded=float)[1]
        yield "avaliações", exact, "uma avaliação não se parte: arredonde para cima."
        yield "avaliações", np.floor(exact), "arredondado para baixo, o erro ainda passa do alvo: arredonde para cima."
        first = np.ceil((calls[0] * (errors[:, 0] / target) ** -torch.from_numpy(1 / order)).numpy())
        yield "avaliações", first, "o expoente é +1/p: se falta precisão, n tem de *crescer*."
        line = np.ceil((calls[1] * errors[:, 1] / target).numpy())
        yield "avaliações", line, "você supôs ordem 1 para todos: eleve a razão dos erros a 1/p."
        power = np.ceil((calls[1] * (errors[:, 1] / target) ** torch.from_numpy(order)).numpy())
        yield "avaliações", power, "o expoente é 1/p, e não p: quem tem ordem maior precisa de menos avaliações."
        factor = np.ceil(((errors[:, 1] / target) ** torch.from_numpy(1 / order)).numpy())
        yield "avaliações", factor, "isso é por quanto multiplicar; falta multiplicar as avaliações que já se gastaram."
        hint = "meça a ordem com os dados: ela não é exatamente um inteiro, e o arredondamento muda a conta."
        yield "avaliações", but(order=torch.from_numpy(order).round())[1], hint
        mixed = np.ceil((calls[0] * (errors[:, 1] / target) ** torch.from_numpy(1 / order)).numpy())
        yield "avaliações", mixed, "você misturou as colunas: e₂ é o erro com n₂ avaliações."
        yield "avaliações", ..., "os números não conferem: n₂·(e₂/alvo)^(1/p), arredondado para cima."


EXERCISE = Exercise(
    "08_fluxos",
    (CouplingInverse(), ExamineLayers(), BoundsOnBits(), FlowLogDensity(), CarriedTo(), EvaluationsNeeded()),
)
