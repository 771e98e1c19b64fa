"""Exercício 06_cyclegan: perdas de mínimos quadrados, ciclo e identidade, reservatório, campo de visão e gradientes."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.question import Exercise, Question


class LsganLosses(Question):
    """As perdas de mínimos quadrados do discriminador e do gerador."""

    name, function, points = "q1", "lsgan_losses", 1
    start = "Comece pela do gerador, que é uma linha: a média de (a - 1)² nas falsas."
    parts = ("discriminador", "gerador")

    def draw(self, seed, source):
        # Lotes de tamanhos diferentes: a média de cada um não é a média dos dois juntos.
        real = 0.6 + torch.randn(3 + seed % 2, 4, 4, generator=source)
        return {"real_logits": real, "fake_logits": 0.3 + torch.randn(6 + seed % 2, 4, 4, generator=source)}

    def answer(self, real_logits, fake_logits, distance=torch.square):
        on_real, on_fake = distance(real_logits - 1).mean(), distance(fake_logits).mean()
        return (on_real + on_fake) / 2, distance(fake_logits - 1).mean()

    def mistakes(self, right, but, real_logits, fake_logits):
        real, fake = real_logits, fake_logits
        for shape in ((len(real),), (len(fake),), real.shape, fake.shape):
            yield shape, "Falta a média sobre os retalhos e o lote."
        squashed = but(real_logits=real.sigmoid(), fake_logits=fake.sigmoid())
        yield from self.of_disc(right, but, real, fake, squashed[0])
        yield from self.of_gen(right, but, fake, squashed[1])

    def of_disc(self, right, but, real, fake, squashed):
        part, (disc, gen), on_real, on_fake = "discriminador", right, (real - 1).square(), fake.square()
        yield part, 2 * disc, "falta o 1/2, que faz o discriminador andar mais devagar que o gerador."
        swapped = but(real_logits=1 - real, fake_logits=1 - fake)[0]
        yield part, swapped, "os alvos estão trocados: 1 nas reais e 0 nas falsas."
        yield part, but(fake_logits=1 - fake)[0], "nas falsas o alvo dele é 0; quem quer 1 nas falsas é o gerador."
        yield part, gen, "a ordem está trocada: o discriminador vem primeiro."
        yield part, on_real.mean() / 2, "falta a parte das falsas."
        yield part, on_fake.mean() / 2, "falta a parte das reais."
        yield part, on_real.mean(), "falta a parte das falsas, e o 1/2 da soma."
        joined = torch.cat([on_real, on_fake]).mean()
        for wrong in (joined, 2 * joined):
            yield part, wrong, "cada parte é a média do seu lote; você juntou os dois e tirou uma média só."
        yield part, (on_real.sum() + on_fake.sum()) / 2, "você somou os retalhos; tire a média."
        yield part, squashed, "sem sigmoide: em mínimos quadrados o alvo é do próprio número que a rede devolve."
        yield part, 2 * squashed, "sem sigmoide, e falta o 1/2."
        hint = "essa é a perda logística, do capítulo 4; aqui se paga o quadrado do erro."
        yield part, F.softplus(-real).mean() + F.softplus(fake).mean(), hint
        yield part, (on_real.mean() - on_fake.mean()) / 2, "as duas partes se somam."
        yield part, but(distance=torch.abs)[0], "pague o quadrado do erro, e não o módulo."
        yield part, lambda value: value < 0, "a perda saiu negativa, e uma soma de quadrados nunca é."
        yield part, ..., "o número não confere: metade de (média de (a - 1)² nas reais mais média de a² nas falsas)."

    def of_gen(self, right, but, fake, squashed):
        part, (disc, gen), for_disc = "gerador", right, fake.square().mean()
        yield part, gen / 2, "o 1/2 é só da perda do discriminador."
        for wrong in (for_disc, for_disc / 2):
            yield part, wrong, "o alvo dele é 1, porque quer passar por real; 0 é o do discriminador."
        for wrong in (-for_disc, -disc):
            yield part, wrong, "isso é só o oposto da perda do discriminador; ele paga (a - 1)²."
        yield part, disc, "você devolveu a perda do discriminador duas vezes."
        yield part, gen * fake.numel(), "você somou os retalhos; tire a média."
        yield part, (fake.mean() - 1) ** 2, "eleve ao quadrado o erro de cada retalho, e só depois tire a média."
        yield part, squashed, "sem sigmoide: o alvo é do próprio número que a rede devolve."
        yield part, F.softplus(-fake).mean(), "essa é a não saturante, do capítulo 4; aqui se paga o quadrado do erro."
        yield part, but(distance=torch.abs)[1], "pague o quadrado do erro, e não o módulo."
        yield part, ..., "o número não confere: a média de (a - 1)² nas falsas."


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


class CycleAndIdentity(Question):
    """A perda de ciclo e a de identidade, cada uma a soma dos dois domínios."""

    name, function, points = "q2", "cycle_and_identity", 2
    start = "Comece pelo ciclo que sai de X: `gen_yx(gen_xy(x))`, comparado com x."
    parts = ("ciclo", "identidade")
    draw = staticmethod(_translation)

    def errors(self, gen_xy, gen_yx, x, y):
        return (gen_yx(gen_xy(x)) - x, gen_xy(gen_yx(y)) - y), (gen_yx(x) - x, gen_xy(y) - y)

    def answer(self, gen_xy, gen_yx, x, y):
        cycle, identity = self.errors(gen_xy, gen_yx, x, y)
        return _l1(*cycle), _l1(*identity)

    def others(self, part, errors):
        """Os enganos de conta, que são os mesmos nas duas perdas."""
        joined, squares = torch.cat(errors).abs(), [error.square().mean() for error in errors]
        yield part, sum(squares), "é a norma 1, o módulo do erro; o quadrado aceita borrões."
        yield part, sum(map(torch.sqrt, squares)), "é a norma 1, a média dos módulos, sem quadrado nem raiz."
        yield part, joined.sum(), "você somou os pixels; tire a média por pixel em cada domínio."
        yield part, _l1(*errors) * joined[0].numel(), "a média é também sobre os pixels; você os somou."
        yield part, _l1(*errors) / 2, "**some** os dois domínios; você tirou a média deles."
        yield part, joined.mean(), "a média de cada domínio, e depois a soma; você juntou os dois lotes numa média só."
        yield part, sum(error.mean() for error in errors), "falta o módulo: erros de sinais opostos se cancelam."
        yield part, sum(error.mean().abs() for error in errors), "o módulo é de cada pixel, e vem antes da média."

    def mistakes(self, right, but, gen_xy, gen_yx, x, y):
        cycle, identity = self.errors(gen_xy, gen_yx, x, y)
        swapped, half_way = self.errors(gen_yx, gen_xy, x, y)
        for shape in (x.shape, y.shape):
            yield shape, "Falta a média dos módulos."
        yield "ciclo", right[1], "a ordem está trocada: o ciclo vem primeiro."
        yield "ciclo", _l1(cycle[0]), "falta a volta que começa em Y: G(F(y)) deve ser y."
        yield "ciclo", _l1(cycle[1]), "falta a volta que começa em X: F(G(x)) deve ser x."
        yield (
            "ciclo",
            _l1(*swapped),
            "a ordem dos tradutores está trocada: quem parte de X passa primeiro por `gen_xy`, e volta por `gen_yx`.",
        )
        yield "ciclo", _l1(cycle[0], swapped[1]), "na volta que começa em Y, o primeiro tradutor é `gen_yx`."
        yield "ciclo", _l1(swapped[0], cycle[1]), "na volta que começa em X, o primeiro tradutor é `gen_xy`."
        yield "ciclo", _l1(*half_way), "isso compara a imagem com a tradução; compare com a que deu a volta inteira."
        hint = "compare a volta com a imagem de partida, e não com a tradução."
        yield "ciclo", but(x=gen_yx(y), y=gen_xy(x))[0], hint
        yield from self.others("ciclo", cycle)
        yield "ciclo", ..., "o número não confere: média de |F(G(x)) - x| mais média de |G(F(y)) - y|."
        hint = "cada tradutor recebe o que **já é** do domínio a que ele leva: G, que leva a Y, recebe y."
        yield "identidade", _l1(*half_way), hint
        yield "identidade", _l1(identity[0]), "falta a de G: quem leva a Y não deve mexer em y."
        yield "identidade", _l1(identity[1]), "falta a de F: quem leva a X não deve mexer em x."
        yield "identidade", _l1(identity[1], half_way[0]), "F, que leva a X, recebe x; você deu x a G."
        yield "identidade", _l1(identity[0], half_way[1]), "G, que leva a Y, recebe y; você deu y a F."
        yield "identidade", right[0], "você devolveu o ciclo duas vezes."
        yield from self.others("identidade", identity)
        yield "identidade", ..., "o número não confere: média de |G(y) - y| mais média de |F(x) - x|."


class QueryPool(Question):
    """Uma consulta ao reservatório de imagens falsas."""

    name, function, points = "q3", "query_pool", 2
    start = "Comece pelo caso em que ainda há lugar: `len(pool) < capacity`."
    public_seeds = (0, 1, 2, 4)
    parts = ("mostrada", "reservatorio")

    def draw(self, seed, source):
        # Pela semente: cheio e trocar; enchendo (com u pequeno, que não conta); cheio e não trocar.
        kind, capacity = seed % 3, 4 + seed % 2
        return {
            "pool": torch.randn(capacity if kind != 1 else seed // 3 % capacity, 1, 5, 6, generator=source),
            "new": torch.randn(1, 5, 6, generator=source),
            "capacity": capacity,
            "u": (0.5 if kind == 2 else 0.0) + 0.49 * torch.rand((), generator=source).item(),
            # Nem a primeira nem a última guardada, que são as que outras regras escolheriam.
            "slot": int(torch.randint(1, capacity - 1, (), generator=source)),
        }

    def answer(self, pool, new, capacity, u, slot):
        if len(pool) < capacity:
            return new, torch.cat([pool, new[None]])
        if u >= 0.5:
            return new, pool
        return pool[slot], torch.cat([pool[:slot], new[None], pool[slot + 1 :]])

    def mistakes(self, but, pool, new, capacity, u, slot):
        last, grown = new[None], (len(pool) + 1, *new.shape)
        yield "mostrada", last.shape, "A imagem vem sem o eixo do lote, como `new`."
        if len(pool) < capacity:
            yield "mostrada", ..., "enquanto o reservatório enche, mostra-se sempre a nova, seja qual for `u`."
            yield "reservatorio", pool.shape, "Ele ainda não está cheio: a nova deve ser guardada, no fim."
            yield "reservatorio", torch.cat([last, pool]), "a nova entra no fim, depois das que já estavam."
            yield "reservatorio", ..., "enquanto ele enche, são as que já estavam e, no fim, a nova."
        elif u < 0.5:
            yield "mostrada", new, "com u < 0,5 e o reservatório cheio, mostra-se a **guardada**, e não a nova."
            yield "mostrada", pool[0], "sai a que está no lugar `slot`, e não a mais antiga."
            yield "mostrada", pool[-1], "sai a que está no lugar `slot`, e não a última."
            yield "mostrada", ..., "com u < 0,5 e o reservatório cheio, é a que estava no lugar `slot`."
            yield "reservatorio", grown, "Ele já está cheio, e não pode crescer: a nova entra **no lugar** da que saiu."
            yield "reservatorio", pool, "a nova precisa ocupar o lugar da que foi mostrada; senão ele nunca se renova."
            moved = torch.cat([pool[:slot], pool[slot + 1 :], last])
            yield "reservatorio", moved, "a nova entra no lugar `slot`, e as outras não se mexem."
            yield "reservatorio", torch.cat([pool[1:], last]), "sai a que está no lugar `slot`, e não a mais antiga."
            yield "reservatorio", ..., "só o lugar `slot` muda, e passa a guardar a nova."
        else:
            yield "mostrada", pool[slot], "só se troca quando u < 0,5; com u maior, mostra-se a nova."
            yield "mostrada", ..., "com u ≥ 0,5 mostra-se a nova."
            yield "reservatorio", grown, "Ele já está cheio, e não pode crescer: com u ≥ 0,5 a nova não é guardada."
            yield "reservatorio", but(u=0)[1], "com u ≥ 0,5 nada se troca, nem se guarda."
            yield "reservatorio", ..., "com u ≥ 0,5 ele fica como estava."


class ReceptiveField(Question):
    """O lado do campo de visão de um logit e a distância entre os campos de dois vizinhos."""

    name, function, points = "q4", "receptive_field", 1
    start = "Comece por r = 1 no logit e percorra `reversed(layers)`."
    parts = ("lado", "distância")

    def draw(self, seed, source):
        # A primeira e a última diferem: numa pilha igual de trás para a frente a ordem não importaria.
        first, last = (4, 2), (3, 1)
        middle = [
            (int(torch.randint(2, 6, (), generator=source)), int(torch.randint(2, 4, (), generator=source)))
            for _ in range(1 + seed % 3)
        ]
        return {"layers": [first, *middle, last]}

    def answer(self, layers, before=lambda side, kernel, stride: (side - 1) * stride + kernel):
        """``before`` é o lado que uma camada dá aos campos da seguinte, da última para a primeira."""
        side = 1
        for kernel, stride in reversed(layers):
            side = before(side, kernel, stride)
        return side, math.prod(stride for _, stride in layers)

    def mistakes(self, right, but, layers):
        (side, jump), (kernels, strides) = right, zip(*layers, strict=True)
        yield "lado", jump, "a ordem está trocada: o lado vem primeiro, e depois a distância."
        hint = "as camadas foram percorridas da imagem para o logit; comece pela **última**, a que dá o logit."
        yield "lado", but(layers=layers[::-1])[0], hint
        hint = "faltaram os passos (*strides*): cada passo s afasta em s pixels o que a camada seguinte vê."
        yield "lado", sum(kernels) - len(kernels) + 1, hint
        touching = but(before=lambda side, kernel, stride: side * stride + kernel)[0]
        yield "lado", touching, "r posições têm r - 1 intervalos entre elas: (r - 1)·s + k."
        yield "lado", math.prod(kernels), "os núcleos se sobrepõem; os lados não se multiplicam."
        yield "lado", sum(kernels), "somar os núcleos conta os pixels repetidos e esquece os passos."
        yield "lado", side - 1, "falta um: o intervalo entre o primeiro pixel e o último tem um a menos que os pixels."
        yield "lado", side**2, "queremos o lado do quadrado, e não a área."
        yield "lado", ..., "o número não confere. Da última camada para a primeira, r vira (r - 1)·s + k."
        yield "distância", sum(strides), "os passos se multiplicam, e não se somam."
        yield "distância", strides[0], "esse é o passo da primeira camada; cada uma das outras multiplica."
        yield "distância", strides[-1], "esse é o passo da última camada; cada uma das outras multiplica."
        yield "distância", max(strides), "os passos de todas as camadas se multiplicam."
        yield "distância", side, "você devolveu o lado outra vez."
        hint = "isso é quanto dois campos vizinhos têm em comum; quer-se a distância entre eles."
        yield "distância", side - jump, hint
        yield "distância", ..., "o número não confere: ande um logit, e veja quantos pixels o campo anda."


class GenGradients(Question):
    """O gradiente, nos dois geradores, do objetivo que eles partilham."""

    name, function, points = "q5", "gen_gradients", 2
    start = "Comece pelas duas traduções, `gen_xy(x)` e `gen_yx(y)`: quase tudo se calcula a partir delas."
    parts, together = ("gradiente de gen_xy", "gradiente de gen_yx"), True

    def draw(self, seed, source):
        discs = {name: _conv(source, 4, 0.3, stride=2) for name in ("disc_x", "disc_y")}
        weights = {"cycle_weight": (10.0, 4.0, 7.0)[seed % 3], "identity_weight": (5.0, 3.0, 2.0)[seed % 3]}
        return _translation(seed, source, **discs) | weights

    def answer(
        self, gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight,
        factors=(1,) * 6, target=1, cut=False, half_way=False,
    ):  # fmt: skip
        """``factors``, quantas vezes entra cada termo: adversários (x, y), ciclos (x, y) e identidades (x, y)."""
        fake_y, fake_x = gen_xy(x), gen_yx(y)
        middle_y, middle_x = (fake_y.detach(), fake_x.detach()) if cut else (fake_y, fake_x)
        same_x, same_y = (fake_y, fake_x) if half_way else (gen_yx(x), gen_xy(y))
        terms = (
            (disc_y(fake_y) - target).square().mean(),
            (disc_x(fake_x) - target).square().mean(),
            cycle_weight * _l1(gen_yx(middle_y) - x),
            cycle_weight * _l1(gen_xy(middle_x) - y),
            identity_weight * _l1(same_x - x),
            identity_weight * _l1(same_y - y),
        )
        loss = sum(factor * term for factor, term in zip(factors, terms, strict=True))
        return torch.autograd.grad(loss, (gen_xy.weight, gen_yx.weight))

    def mistakes(self, right, but, disc_x, disc_y, cycle_weight, identity_weight):
        def slope(*factors: float, **changes: Any) -> Tensor:
            return torch.cat([part.flatten() for part in but(factors=factors or (1,) * 6, **changes)])

        yield None, "é None, nenhum gradiente chegou a esse peso."
        yield slope(cycle_weight=0), "falta o ciclo."
        yield slope(identity_weight=0), "falta a identidade."
        hint = "falta a parte adversária: os geradores também querem enganar os discriminadores."
        yield slope(0, 0, 1, 1, 1, 1), hint
        hint = "faltam os pesos: `cycle_weight` no ciclo e `identity_weight` na identidade."
        yield slope(cycle_weight=1, identity_weight=1), hint
        yield slope(identity_weight=1), "falta o peso da identidade, `identity_weight`."
        yield slope(cycle_weight=1), "falta o peso do ciclo, `cycle_weight`."
        yield slope(cycle_weight=identity_weight, identity_weight=cycle_weight), "os dois pesos estão trocados."
        yield slope(identity_weight=cycle_weight), "a identidade tem o seu próprio peso, `identity_weight`."
        hint = "a identidade tem só o seu próprio peso, `identity_weight`, sem o do ciclo."
        yield slope(identity_weight=cycle_weight * identity_weight), hint
        hint = "os discriminadores estão trocados: `disc_y` julga o que parece de Y, que é o que sai de `gen_xy`."
        yield slope(disc_x=disc_y, disc_y=disc_x), hint
        yield slope(target=0), "o alvo dos geradores é 1, passar por real; 0 é o do discriminador."
        yield slope(0.5, 0.5, 1, 1, 1, 1), "o 1/2 é só da perda do discriminador."
        yield (
            slope(cut=True),
            "um `detach` cortou o ciclo no meio: os dois tradutores respondem por ele, e o gradiente precisa "
            "atravessar o segundo para chegar ao primeiro.",
        )
        hint = "na identidade cada tradutor recebe o que já é do domínio a que leva: `gen_xy` recebe y."
        yield slope(half_way=True), hint
        yield -right, "o sinal está trocado: é o gradiente do que se minimiza."
        yield right.view(2, 9).flip(0), "a ordem é (gen_xy, gen_yx)."
        yield from self.some_terms(slope)
        yield (
            ...,
            "os números não conferem. Some os seis termos, dois adversários, dois ciclos e duas identidades, com os "
            "pesos, e derive a soma nos dois geradores.",
        )

    def some_terms(self, slope):
        """Os enganos de quem deriva só alguns dos termos."""
        yield (
            torch.cat([slope(1, 0, 1, 0, 0, 1)[:9], slope(0, 1, 0, 1, 1, 0)[9:]]),
            "cada gerador foi derivado só da sua parte. O ciclo passa pelos dois tradutores: é um objetivo só, a soma "
            "de tudo, e cada gerador responde também pelo ciclo que começa no outro domínio.",
        )
        yield slope(0, 1, 1, 1, 1, 1), "falta um termo: o que `disc_y` diz das traduções de x."
        yield slope(1, 0, 1, 1, 1, 1), "falta um termo: o que `disc_x` diz das traduções de y."
        yield slope(1, 1, 0, 1, 1, 1), "falta um termo: o ciclo que começa em X."
        yield slope(1, 1, 1, 0, 1, 1), "falta um termo: o ciclo que começa em Y."
        yield slope(1, 1, 1, 1, 0, 1), "falta um termo: a identidade de `gen_yx`, que recebe x."
        yield slope(1, 1, 1, 1, 1, 0), "falta um termo: a identidade de `gen_xy`, que recebe y."


EXERCISE = Exercise("06_cyclegan", (LsganLosses(), CycleAndIdentity(), QueryPool(), ReceptiveField(), GenGradients()))
