"""Exercício 06_cyclegan: os seis termos, os pesos de um passo alheio, retalhos sob medida, o recado e os vereditos."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.exercises.question import Exercise, Question


def _conv(source: torch.Generator, size: int, spread: float, **options: Any) -> nn.Conv2d:
    """Uma convolução de um canal, sem viés, de pesos sorteados."""
    conv = nn.Conv2d(1, 1, size, bias=False, **options)
    with torch.no_grad():
        conv.weight.copy_(spread * torch.randn(1, 1, size, size, generator=source))
    return conv


def _translation(seed: int, source: torch.Generator, **discs: nn.Conv2d) -> dict[str, Any]:
    """Dois tradutores, os discriminadores que houver e dois lotes de imagens 8×8."""
    gens = {name: _conv(source, 3, 0.3, padding=1) for name in ("gen_xy", "gen_yx")}
    with torch.no_grad():
        for gen in gens.values():
            gen.weight[0, 0, 1, 1] += 0.5
    # As imagens de X, escuras; as de Y, claras, e em outro número.
    x = 1.4 * torch.rand(3 + seed % 2, 1, 8, 8, generator=source) - 1
    return {**gens, **discs, "x": x, "y": 1.4 * torch.rand(5 + seed % 2, 1, 8, 8, generator=source) - 0.4}


def _l1(*errors: Tensor) -> Tensor:
    return sum(error.abs().mean() for error in errors)


TERMS = ("adversária de G", "adversária de F", "ciclo de x", "ciclo de y", "identidade de G", "identidade de F")


def _terms(gen_xy, gen_yx, disc_x, disc_y, x, y):
    fake_y, fake_x = gen_xy(x), gen_yx(y)
    return (
        (disc_y(fake_y) - 1).square().mean(),
        (disc_x(fake_x) - 1).square().mean(),
        _l1(gen_yx(fake_y) - x),
        _l1(gen_xy(fake_x) - y),
        _l1(gen_xy(y) - y),
        _l1(gen_yx(x) - x),
    )


def _networks(seed: int, source: torch.Generator) -> dict[str, Any]:
    discs = {name: _conv(source, 4, 0.3, stride=2) for name in ("disc_x", "disc_y")}
    drawn = _translation(seed, source, **discs)
    return {name: drawn[name] for name in ("gen_xy", "gen_yx", "disc_x", "disc_y", "x", "y")}


class SixTerms(Question):
    """Os seis termos do objetivo dos dois tradutores, sem pesos."""

    name, function, points = "q1", "six_terms", 1
    start = "Comece pelas duas traduções, `gen_xy(x)` e `gen_yx(y)`: quatro dos seis termos saem delas."
    parts = TERMS

    def draw(self, seed, source):
        return _networks(seed, source)

    def answer(self, gen_xy, gen_yx, disc_x, disc_y, x, y):
        return _terms(gen_xy, gen_yx, disc_x, disc_y, x, y)

    def mistakes(self, right, gen_xy, gen_yx, disc_x, disc_y, x, y):
        fake_y, fake_x = gen_xy(x), gen_yx(y)
        for part, fake, disc, other in zip(
            TERMS[:2], (fake_y, fake_x), (disc_y, disc_x), (disc_x, disc_y), strict=True
        ):
            notes = disc(fake)
            yield part, notes.shape, "Falta a média sobre os retalhos e o lote."
            yield (
                part,
                notes.square().mean(),
                "o alvo do gerador é 1, porque quer passar por real; 0 é o do discriminador.",
            )
            yield part, (notes - 1).square().mean() / 2, "o 1/2 é só da perda do discriminador."
            yield part, (notes - 1).abs().mean(), "pague o quadrado do erro da nota, e não o módulo."
            yield (
                part,
                (notes.sigmoid() - 1).square().mean(),
                "sem sigmoide: o alvo é do próprio número que a rede devolve.",
            )
            yield (
                part,
                (other(fake) - 1).square().mean(),
                "quem julga uma tradução é o discriminador do domínio de chegada.",
            )
        for part, wrong in zip(TERMS[:2], right[1::-1], strict=True):
            yield part, wrong, "os dois tradutores estão trocados: G é `gen_xy`, e quem o julga é `disc_y`."
        errors = {
            "ciclo de x": (gen_yx(fake_y) - x, gen_xy(gen_yx(x)) - x, fake_y - x),
            "ciclo de y": (gen_xy(fake_x) - y, gen_yx(gen_xy(y)) - y, fake_x - y),
            "identidade de G": (gen_xy(y) - y, gen_yx(y) - y, fake_y - x),
            "identidade de F": (gen_yx(x) - x, gen_xy(x) - x, fake_x - y),
        }
        swapped = dict(zip(errors, (right[3], right[2], right[5], right[4]), strict=True))
        for part, (error, reverse, same) in errors.items():
            yield part, error.shape, "Falta a média dos módulos, sobre os pixels e o lote."
            yield part, error.square().mean(), "é a norma 1, o módulo do erro; o quadrado aceita borrões."
            yield part, error.abs().sum(), "você somou os pixels; tire a média."
            yield part, error.mean().abs(), "o módulo é de cada pixel, e vem antes da média."
            yield part, error.mean(), "falta o módulo: erros de sinais opostos se cancelam."
            if part.startswith("ciclo"):
                yield (
                    part,
                    _l1(reverse),
                    "a ordem dos tradutores está trocada: a ida é de quem sai do domínio da imagem.",
                )
                hint = "isso compara a imagem com a tradução; compare com a que deu a volta inteira."
                yield part, _l1(same), hint
                hint = "os dois ciclos estão trocados: o primeiro parte de x, e o segundo, de y."
            else:
                hint = (
                    "na identidade cada tradutor recebe o que **já é** do domínio a que leva: G recebe y, F recebe x."
                )
                for wrong in (_l1(reverse), _l1(same)):
                    yield part, wrong, hint
                hint = "as duas identidades estão trocadas: a de G é com y, e a de F, com x."
            yield part, swapped[part], hint
        for part in TERMS:
            yield part, ..., "o número não confere; confira quem entra em quem na tabela do enunciado."


class TermWeights(Question):
    """Com que peso cada um dos seis termos entrou num gradiente que se mediu."""

    name, function, points = "q2", "term_weights", 2
    start = "Comece pelo gradiente de um só dos seis termos nos dois pesos, emendado num vetor de 18 números."

    def draw(self, seed, source):
        networks = _networks(seed, source)
        gens = networks["gen_xy"], networks["gen_yx"]
        cycle, identity = (10.0, 4.0, 7.0)[seed % 3], (5.0, 3.0, 2.0)[seed % 3]
        weights = torch.tensor([1.0, 1.0, cycle, cycle, identity, identity])
        # O programa alheio esqueceu um termo, pôs outro pela metade, dobrou um e trocou o sinal de outro.
        factors = torch.tensor([0.0, 0.5, 2.0, -1.0, 1.0, 1.0])[torch.randperm(6, generator=source)]
        exact = {name: item.double() for name, item in networks.items()}
        loss = sum(w * term for w, term in zip((weights * factors).tolist(), _terms(**exact), strict=True))
        grads = torch.autograd.grad(loss, [gen.weight for gen in gens])
        for network in networks.values():
            network.float()  # `double` muda a própria rede
        return networks | {"grad_xy": grads[0].float(), "grad_yx": grads[1].float()}

    def slopes(self, gen_xy, gen_yx, disc_x, disc_y, x, y):
        """O gradiente de cada termo nos dois pesos, uma coluna por termo: (18, 6)."""
        columns = []
        for term in _terms(gen_xy, gen_yx, disc_x, disc_y, x, y):
            grads = torch.autograd.grad(term, (gen_xy.weight, gen_yx.weight), retain_graph=True, allow_unused=True)
            columns.append(torch.cat([torch.zeros(9) if grad is None else grad.flatten() for grad in grads]))
        return torch.stack(columns, dim=1)

    def answer(self, gen_xy, gen_yx, disc_x, disc_y, x, y, grad_xy, grad_yx):
        measured = torch.cat([grad_xy.flatten(), grad_yx.flatten()])
        slopes = self.slopes(gen_xy, gen_yx, disc_x, disc_y, x, y)
        return torch.linalg.lstsq(slopes, measured[:, None]).solution[:, 0].numpy()

    def accepts(self, value, expected):
        # Um mínimo quadrado em float32 perde algarismos; os pesos são múltiplos de meio.
        return value.shape == expected.shape and bool((np.abs(value - expected) < 0.004 * (1 + np.abs(expected))).all())

    def mistakes(self, right, gen_xy, gen_yx, disc_x, disc_y, x, y, grad_xy, grad_yx):
        measured = torch.cat([grad_xy.flatten(), grad_yx.flatten()])
        slopes = self.slopes(gen_xy, gen_yx, disc_x, disc_y, x, y)
        yield (18, 6), "Esses são os gradientes dos termos; queremos o peso de cada um, seis números."
        yield (6, 1), "Tire o eixo a mais no fim: são seis números, (6,)."
        yield (), "São seis pesos, um por termo."
        hint = (
            "você comparou o gradiente com o de cada termo, um de cada vez. Os seis não são perpendiculares: precisam "
            "ser ajustados **juntos**, num mínimo quadrado só."
        )
        yield slopes.T @ measured / slopes.square().sum(0), hint
        yield slopes.T @ measured, hint
        yield slopes.T @ measured / slopes.norm(dim=0) / measured.norm(), hint
        yield measured.norm() / slopes.norm(dim=0), hint
        for half, name in ((slice(9), "gen_xy"), (slice(9, 18), "gen_yx")):
            found = torch.linalg.lstsq(slopes[half], measured[half][:, None], driver="gelsd").solution[:, 0]
            hint = (
                f"você só usou o gradiente de `{name}`, e a identidade e a parte adversária do outro não chegam a ele."
            )
            yield found, hint
        yield (
            right[[1, 0, 3, 2, 5, 4]],
            "os pares estão trocados: em cada um, o primeiro é o de G (ou o que parte de x).",
        )
        yield right[[2, 3, 4, 5, 0, 1]], "a ordem é a da questão 1: adversárias, ciclos, identidades."
        yield right[[2, 3, 0, 1, 4, 5]], "a ordem é a da questão 1: adversárias, ciclos, identidades."
        yield np.abs(right), "um peso pode ser negativo: é assim que se acha um sinal trocado."
        yield -right, "o sinal está trocado: o gradiente é a soma dos pesos vezes os gradientes dos termos."
        yield (
            ...,
            "os números não conferem. Ponha os seis gradientes lado a lado, (18, 6), e ache os pesos cuja combinação "
            "dá o gradiente medido.",
        )


def _field(n_down: int, n_flat: int) -> int:
    """O lado que uma nota vê: ``n_down`` camadas (4, 2) e depois ``n_flat`` camadas (4, 1)."""
    return 3 * 2**n_down * (n_flat + 1) - 2


def _stack(field, spacing, *, key=None, seen=_field, apart=lambda down: 2**down) -> tuple[int, int]:
    """Entre as pilhas que servem, a de menos camadas e, entre essas, a que vê menos (ou a de menor ``key``)."""
    fits = [
        (down, flat)
        for down in range(8)
        for flat in range(1, 50)
        if seen(down, flat) >= field and apart(down) <= spacing
    ]
    key = key or (lambda down, flat: (down + flat, _field(down, flat)))
    return min(fits, key=lambda pair: key(*pair))


def _widest(down: int, flat: int) -> tuple[int, int]:
    return down + flat, -_field(down, flat)


def _greedy(down: int, flat: int) -> tuple[int, int]:
    return -down, flat


_DISTINCT = ("empate", "ordem", "gulosa", "produto", "espaço", "avesso")


@cache
def _wrong_stacks(field: int, spacing: int) -> dict[str, tuple[int, int]]:
    """A pilha que cada engano dá. O sorteio recusa muitos pares, e guardá-las é o que o faz imediato."""
    return {
        "empate": _stack(field, spacing, key=_widest),
        "ordem": _stack(field, spacing)[::-1],
        "gulosa": _stack(field, spacing, key=_greedy),
        "produto": _stack(field, spacing, apart=lambda down: 2 * down),
        "espaço": _stack(field, 512),
        "avesso": _stack(field, spacing, seen=lambda down, flat: 3 * 2**down - 2 + 3 * flat),
        "campo": _stack(field + 1, spacing),
        "estrito": _stack(field, spacing, apart=lambda down: 2**down + 1),
        "quadrado": _stack(field, spacing, apart=lambda down: down**2),
    }


class PatchLayers(Question):
    """A menor pilha de convoluções de um discriminador de retalhos que vê um campo pedido."""

    name, function, points = "q3", "patch_layers", 1
    start = "Comece por uma função que dê o campo de uma pilha com a camadas de passo 2 e b de passo 1."
    parts, together = ("de passo 2", "de passo 1"), True

    def draw(self, seed, source):
        # Pela semente: o espaçamento aperta, a pilha gulosa sobra, há um empate, ou um limite se cumpre na igualdade.
        shown = ("produto", "gulosa", "empate", "campo", "estrito", "quadrado")[seed % 6]
        while True:
            field = int(torch.randint(8, 130, (), generator=source))
            spacing = int(torch.randint(2, 12, (), generator=source))
            right, wrong = _stack(field, spacing), _wrong_stacks(field, spacing)
            different = [pair for name, pair in wrong.items() if pair != right and name in _DISTINCT]
            # Num empate os enganos coincidem; nos dois primeiros, cada um dá a sua pilha.
            clear = seed % 6 > 1 or len(set(different)) == len(different)
            if clear and wrong[shown] != right:
                return {"field": field, "spacing": spacing}

    def answer(self, field, spacing):
        return _stack(field, spacing)

    def mistakes(self, field, spacing):
        hints = {
            "empate": "entre duas pilhas do mesmo tamanho, fica a que vê menos, mais perto do que se pediu.",
            "ordem": "a ordem está trocada: primeiro as de passo 2, depois as de passo 1.",
            "gulosa": "encher de passos 2 nem sempre é o mais curto: quer-se o menor **total** de camadas.",
            "produto": "a distância entre vizinhas é o **produto** dos passos, 2^a, e não a soma.",
            "espaço": "duas notas vizinhas ficaram longe demais: a distância, 2^a, não pode passar de `spacing`.",
            "avesso": "as de passo 2 vêm primeiro, junto da imagem; o campo se calcula da última para a primeira.",
            "campo": "o campo pedido já serve se for atingido: maior **ou igual**.",
            "estrito": "a distância entre notas vizinhas pode ser igual a `spacing`: menor **ou igual**.",
            "quadrado": "a distância entre vizinhas é 2^a, o **produto** dos passos, e não a².",
        }
        wrong = _wrong_stacks(field, spacing)
        for name, hint in hints.items():
            yield torch.tensor(wrong[name]), hint
        closest = _stack(field, spacing, key=lambda down, flat: (_field(down, flat), down + flat))
        yield torch.tensor(closest), "primeiro o menor número de camadas; o campo só desempata."
        yield ..., "os números não conferem: procure, entre todas as pilhas que servem, a de menos camadas."


def _rms(error: Tensor) -> Tensor:
    """A raiz da média dos quadrados de cada imagem: (B,)."""
    return error.flatten(1).square().mean(1).sqrt()


class HiddenMessage(Question):
    """Quanto a volta amplia um ruído na imagem do meio, e em quantos tons ela ainda se pode escrever."""

    name, function, points = "q4", "hidden_message", 2
    start = "Comece pela diferença entre as duas voltas, `gen_yx(middle + noise) - gen_yx(middle)`."
    parts = ("ganho", "tons")

    def draw(self, seed, source):
        conv = _conv(source, 3, 0.3, padding=1)
        with torch.no_grad():
            conv.weight[0, 0, 1, 1] += 2.0 + 3 * (seed % 3)
        middle = 1.6 * torch.rand(5, 1, 8, 8, generator=source) - 0.8
        noise = 0.01 * (0.3 + torch.rand(5, 1, 1, 1, generator=source)) * torch.randn(5, 1, 8, 8, generator=source)
        return {
            "gen_yx": nn.Sequential(conv, nn.Tanh()),
            "middle": middle,
            "noise": noise,
            "tolerance": (0.03, 0.02, 0.045)[seed % 3],
        }

    def answer(self, gen_yx, middle, noise, tolerance):
        with torch.no_grad():
            gain = _rms(gen_yx(middle + noise) - gen_yx(middle)) / _rms(noise)
        return gain.numpy(), self.tones(gain.numpy(), tolerance)

    def tones(self, gain, tolerance, width=2.0, root=12**0.5, end=np.ceil):
        return end(1 + width * gain / (root * tolerance))

    def mistakes(self, right, gen_yx, middle, noise, tolerance):
        with torch.no_grad():
            change = gen_yx(middle + noise) - gen_yx(middle)
            through = {
                "o que importa é quanto a volta **muda** com o ruído: subtraia a volta sem ele.": gen_yx(
                    middle + noise
                ),
                "a volta não é linear: some o ruído à imagem do meio, e compare as duas voltas.": gen_yx(noise),
                "compare duas voltas, a com ruído e a sem, e não a volta com a imagem do meio.": gen_yx(middle + noise)
                - middle,
            }
        gain, tones = right
        yield "ganho", (), "É um ganho por imagem: (B,)."
        yield "ganho", middle.shape, "É um ganho por imagem, a razão de dois tamanhos: (B,)."
        yield "ganho", gain**2, "o ganho é a razão dos tamanhos, com a raiz; essa é a das variâncias."
        yield "ganho", 1 / gain, "a razão está ao contrário: o que sai da volta, sobre o que entrou."
        yield "ganho", _rms(change), "falta dividir pelo tamanho do ruído."
        small = noise.abs().flatten(1).mean(1)
        hint = "o tamanho é a raiz da média dos quadrados, e não a média dos módulos."
        yield "ganho", change.abs().flatten(1).mean(1) / small, hint
        for hint, wrong in through.items():
            yield "ganho", _rms(wrong) / _rms(noise), hint
        whole = (change.square().mean() / noise.square().mean()).sqrt()
        yield "ganho", whole.expand(len(middle)), "cada imagem tem o seu ganho; você misturou o lote."
        yield (
            "ganho",
            change.flatten(1).std(1) / noise.flatten(1).std(1),
            "não subtraia a média: é o tamanho, e não o desvio.",
        )
        yield "ganho", tones, "a ordem está trocada: primeiro o ganho."
        yield "ganho", ..., "os números não conferem: tamanho da mudança na volta, sobre o tamanho do ruído."
        few = self.tones
        yield "tons", (), "É um número de tons por imagem: (B,)."
        yield "tons", gain, "você devolveu o ganho duas vezes."
        hint = "falta um tom: entre q tons há q − 1 intervalos, e o número se arredonda para **cima**."
        yield "tons", few(gain, tolerance, end=np.floor), hint
        yield "tons", few(gain, tolerance, end=np.round), hint
        yield "tons", few(gain, tolerance, end=lambda value: value), "o número de tons é inteiro: arredonde para cima."
        yield "tons", few(gain, tolerance, width=1.0), "os pixels vão de −1 a 1: a faixa tem largura 2."
        hint = "o erro de arredondar a um degrau Δ tem tamanho Δ/√12, e não Δ."
        yield "tons", few(gain, tolerance, root=1.0), hint
        hint = "o maior erro de arredondar é Δ/2; o **tamanho** (a raiz da média dos quadrados) é Δ/√12."
        yield "tons", few(gain, tolerance, root=2.0), hint
        yield "tons", few(gain, tolerance, root=12.0), "Δ²/12 é a variância; o tamanho é a raiz dela, Δ/√12."
        yield "tons", few(np.ones_like(gain), tolerance), "a volta amplia o erro: multiplique-o pelo ganho."
        yield "tons", few(1 / gain, tolerance), "a volta **multiplica** o erro pelo ganho."
        yield "tons", ..., "os números não conferem: o menor q com ganho · Δ/√12 ≤ tolerância, e Δ = 2/(q − 1)."


HONEST, LOSES, SHIFTS, HIDES, TRADES = range(5)


class Diagnose(Question):
    """O que há com cada tradutor, pelo que ele traduz, pela volta e pelo par."""

    name, function, points = "q5", "diagnose", 2
    start = "Comece por uma função do erro, a média dos módulos, e pela volta: é ela que se olha primeiro."

    def draw(self, seed, source):
        def noisy(images: Tensor, spread: float = 0.02) -> Tensor:
            return images + spread * torch.randn(images.shape, generator=source)

        x = 2 * torch.rand(6, 1, 10, 10, generator=source) - 1
        pair = 0.2 - 0.7 * x.flip(2)  # um aspecto qualquer
        stripes = torch.where(torch.arange(10) % 4 < 2, 0.6, -0.3).expand_as(x)
        blank = stripes + 0.03 * x
        cases = [
            (HONEST, pair, x),
            (LOSES, pair, x.roll(1, 0)),  # a tradução está certa, e a volta traz outra imagem
            (LOSES, blank, x.mean(0, keepdim=True).expand_as(x)),
            (SHIFTS, pair.roll(1, 3), x),
            (SHIFTS, pair.roll(-1, 3), x),
            (HIDES, blank, x),
            (TRADES, -pair if seed % 2 else pair.roll(1, 0), x),
            (TRADES, x, x),  # não traduz nada
            (HONEST, noisy(pair, 0.042), noisy(x, 0.042)),  # com erro perto do limite, aquém dele
            (LOSES, pair, noisy(x, 0.08)),  # e além
        ]
        while True:
            order = torch.randperm(len(cases), generator=source).tolist()
            codes = [cases[i][0] for i in order]
            if codes != codes[::-1]:
                break
        translated, returned = (torch.stack([noisy(cases[i][k]) for i in order]) for k in (1, 2))
        return {"x": x, "translated": translated, "returned": returned, "pair": pair}

    def answer(
        self, x, translated, returned, pair,
        shifts=(1, -1), flat=lambda y: (y - y.mean(0)).abs().mean(), cycle_first=True, target=None, cycle=True,
    ):  # fmt: skip
        target, codes = pair if target is None else target, []
        for y, back in zip(translated, returned, strict=True):
            closes = _l1(back - x) < 0.05 if cycle else True
            right = _l1(y - target) < 0.05
            if (cycle_first and not closes) or (not cycle_first and not closes and not right):
                codes.append(LOSES)
            elif right:
                codes.append(HONEST)
            elif any(_l1(y - target.roll(shift, -1)) < 0.05 for shift in shifts):
                codes.append(SHIFTS)
            else:
                codes.append(HIDES if flat(y) < 0.05 else TRADES)
        return np.array(codes, dtype=float)

    def mistakes(self, right, but, x):
        yield (), "É um veredito por tradutor: (K,)."
        yield right[::-1].copy(), "os vereditos estão na ordem inversa dos tradutores."
        hint = "quem tem a tradução certa e a volta errada também perde: a **volta** se olha primeiro."
        yield but(cycle_first=False), hint
        yield but(cycle=False), "faltou olhar a volta: quem não a fecha perde a imagem, seja qual for a tradução."
        hint = "um deslocamento pode ser para qualquer dos dois lados."
        yield but(shifts=(1,)), hint
        yield but(shifts=(-1,)), hint
        yield (
            but(shifts=()),
            "faltou comparar com o par deslocado de um pixel para os lados: o eixo é o das **colunas**, o último.",
        )
        hint = "o certo é o par, que o teste guardou; com x, quem nada traduz pareceria perfeito."
        yield but(target=x), hint
        hint = (
            "uma folha riscada varia de pixel a pixel. O que denuncia quem esconde é que a tradução quase não muda de "
            "uma **imagem** para outra: compare com a média do lote, pixel por pixel."
        )
        yield but(flat=lambda y: (y - y.mean()).abs().mean()), hint
        yield (
            but(flat=lambda _: 1),
            "ninguém foi acusado de esconder: há uma tradução quase igual para todo x.",
        )
        yield (
            but(flat=lambda _: 0),
            "nem toda tradução errada de volta perfeita esconde: ela pode ser outra imagem.",
        )
        yield lambda value: not np.isin(value, range(5)).all(), "os códigos vão de 0 a 4, como na tabela."
        yield ..., "os vereditos não conferem. Siga as perguntas da tabela na ordem em que estão."


EXERCISE = Exercise("06_cyclegan", (SixTerms(), TermWeights(), PatchLayers(), HiddenMessage(), Diagnose()))
