"""Exercício 06_cyclegan: perdas de mínimos quadrados, ciclo e identidade, reservatório, campo de visão e gradientes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.exercises.old import (
    Exercise,
    Mistake,
    Question,
    compare,
    generator,
    number_answer,
    tensor_answer,
    tuple_answer,
)

# ---- Entradas sorteadas ----


def _logits_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    # Lotes de tamanhos diferentes: a média de cada um não é a média dos dois juntos.
    real = 0.6 + torch.randn(3 + seed % 2, 4, 4, generator=source)
    return {"real_logits": real, "fake_logits": 0.3 + torch.randn(6 + seed % 2, 4, 4, generator=source)}


def _conv(source: torch.Generator, size: int, spread: float, **options: Any) -> nn.Conv2d:
    """Uma convolução de um canal, sem viés, de pesos sorteados."""
    conv = nn.Conv2d(1, 1, size, bias=False, **options)
    with torch.no_grad():
        conv.weight.copy_(spread * torch.randn(1, 1, size, size, generator=source))
    return conv


def _translators(source: torch.Generator) -> dict[str, nn.Conv2d]:
    gens = {name: _conv(source, 3, 0.3, padding=1) for name in ("gen_xy", "gen_yx")}
    with torch.no_grad():
        for gen in gens.values():
            gen.weight[0, 0, 1, 1] += 0.5
    return gens


def _domains(seed: int, source: torch.Generator) -> dict[str, Tensor]:
    """Dois lotes de imagens 8×8: as de X, escuras; as de Y, claras, e em outro número."""
    x = 1.4 * torch.rand(3 + seed % 2, 1, 8, 8, generator=source) - 1
    return {"x": x, "y": 1.4 * torch.rand(5 + seed % 2, 1, 8, 8, generator=source) - 0.4}


def _cycle_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    return _translators(source) | _domains(seed, source)


def _pool_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    # Pela semente: cheio e trocar; enchendo (com u pequeno, que não conta); cheio e não trocar.
    kind = seed % 3
    capacity = 4 + seed % 2
    stored = capacity if kind != 1 else seed // 3 % capacity
    low = 0.5 if kind == 2 else 0.0
    return {
        "pool": torch.randn(stored, 1, 5, 6, generator=source),
        "new": torch.randn(1, 5, 6, generator=source),
        "capacity": capacity,
        "u": low + 0.49 * torch.rand((), generator=source).item(),
        # Nem a primeira nem a última guardada, que são as que outras regras escolheriam.
        "slot": int(torch.randint(1, capacity - 1, (), generator=source)),
    }


def _field_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    # A primeira e a última diferem: numa pilha igual de trás para a frente a ordem não importaria.
    first, last = (4, 2), (3, 1)
    middle = [
        (int(torch.randint(2, 6, (), generator=source)), int(torch.randint(2, 4, (), generator=source)))
        for _ in range(1 + seed % 3)
    ]
    return {"layers": [first, *middle, last]}


def _objective_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    discs = {name: _conv(source, 4, 0.3, stride=2) for name in ("disc_x", "disc_y")}
    weights = {"cycle_weight": (10.0, 4.0, 7.0)[seed % 3], "identity_weight": (5.0, 3.0, 2.0)[seed % 3]}
    return _translators(source) | discs | _domains(seed, source) | weights


# ---- Juízes ----


def _judge_losses(inputs: Mapping[str, Any], answer: Any) -> None:
    real, fake = inputs["real_logits"].double(), inputs["fake_logits"].double()
    disc_answer, gen_answer = tuple_answer(answer, ("discriminador", "gerador"))
    hints = {
        (len(real),): "Falta a média sobre os retalhos e o lote.",
        (len(fake),): "Falta a média sobre os retalhos e o lote.",
        tuple(real.shape): "Falta a média sobre os retalhos e o lote.",
        tuple(fake.shape): "Falta a média sobre os retalhos e o lote.",
    }
    on_real, on_fake, gen = (real - 1).square(), fake.square(), (fake - 1).square()
    disc = (on_real.mean() + on_fake.mean()) / 2
    sigmoid = ((real.sigmoid() - 1).square().mean() + fake.sigmoid().square().mean()) / 2
    together = torch.cat([on_real.flatten(), on_fake.flatten()]).mean()
    value = _named("discriminador", number_answer, disc_answer, hints=hints)
    mistakes = [
        (2 * disc, "discriminador: falta o 1/2, que faz o discriminador andar mais devagar que o gerador."),
        (
            (real.square().mean() + gen.mean()) / 2,
            "discriminador: os alvos estão trocados: 1 nas reais e 0 nas falsas.",
        ),
        (
            (on_real.mean() + gen.mean()) / 2,
            "discriminador: nas falsas o alvo dele é 0; quem quer 1 nas falsas é o gerador.",
        ),
        (gen.mean(), "a ordem está trocada: o discriminador vem primeiro."),
        (on_real.mean() / 2, "discriminador: falta a parte das falsas."),
        (on_fake.mean() / 2, "discriminador: falta a parte das reais."),
        (on_real.mean(), "discriminador: falta a parte das falsas, e o 1/2 da soma."),
        (together, "discriminador: cada parte é a média do seu lote; você juntou os dois e tirou uma média só."),
        (2 * together, "discriminador: cada parte é a média do seu lote; você juntou os dois e tirou uma média só."),
        ((on_real.sum() + on_fake.sum()) / 2, "discriminador: você somou os retalhos; tire a média."),
        (sigmoid, "discriminador: sem sigmoide: em mínimos quadrados o alvo é do próprio número que a rede devolve."),
        (2 * sigmoid, "discriminador: sem sigmoide, e falta o 1/2."),
        (
            F.softplus(-real).mean() + F.softplus(fake).mean(),
            "discriminador: essa é a perda logística, do capítulo 4; aqui se paga o quadrado do erro.",
        ),
        ((on_real.mean() - on_fake.mean()) / 2, "discriminador: as duas partes se somam."),
        (
            ((real - 1).abs().mean() + fake.abs().mean()) / 2,
            "discriminador: pague o quadrado do erro, e não o módulo.",
        ),
    ]
    otherwise = (
        "discriminador: o número não confere: metade de (média de (a - 1)² nas reais mais média de a² nas falsas)."
    )
    if value < 0:
        otherwise = "discriminador: a perda saiu negativa, e uma soma de quadrados nunca é."
    compare(value, disc, mistakes, otherwise)
    value = _named("gerador", number_answer, gen_answer, hints=hints)
    mistakes = [
        (gen.mean() / 2, "gerador: o 1/2 é só da perda do discriminador."),
        (on_fake.mean(), "gerador: o alvo dele é 1, porque quer passar por real; 0 é o do discriminador."),
        (on_fake.mean() / 2, "gerador: o alvo dele é 1, porque quer passar por real; 0 é o do discriminador."),
        (-on_fake.mean(), "gerador: isso é só o oposto da perda do discriminador; ele paga (a - 1)²."),
        (-disc, "gerador: isso é só o oposto da perda do discriminador; ele paga (a - 1)²."),
        (disc, "gerador: você devolveu a perda do discriminador duas vezes."),
        (gen.sum(), "gerador: você somou os retalhos; tire a média."),
        ((fake.mean() - 1) ** 2, "gerador: eleve ao quadrado o erro de cada retalho, e só depois tire a média."),
        ((fake.sigmoid() - 1).square().mean(), "gerador: sem sigmoide: o alvo é do próprio número que a rede devolve."),
        (F.softplus(-fake).mean(), "gerador: essa é a não saturante, do capítulo 4; aqui se paga o quadrado do erro."),
        ((fake - 1).abs().mean(), "gerador: pague o quadrado do erro, e não o módulo."),
    ]
    compare(value, gen.mean(), mistakes, "gerador: o número não confere: a média de (a - 1)² nas falsas.")


def _named(name: str, read: Any, answer: Any, *arguments: Any, **options: Any) -> Any:
    """Lê um item da resposta; a dica de quem o fez mal começa pelo nome dele."""
    try:
        return read(answer, *arguments, **options)
    except Mistake as mistake:
        raise mistake.about(name) from None


def _doubles(inputs: Mapping[str, Any], *names: str) -> list[Any]:
    """As entradas em float64; as redes, em cópias."""
    found = [inputs[name] for name in names]
    return [copy.deepcopy(item).double() if isinstance(item, nn.Module) else item.double() for item in found]


def _judge_cycle(inputs: Mapping[str, Any], answer: Any) -> None:
    cycle_answer, identity_answer = tuple_answer(answer, ("ciclo", "identidade"))
    with torch.no_grad():
        gen_xy, gen_yx, x, y = _doubles(inputs, "gen_xy", "gen_yx", "x", "y")
        around_x, around_y = gen_yx(gen_xy(x)) - x, gen_xy(gen_yx(y)) - y
        same_x, same_y = gen_yx(x) - x, gen_xy(y) - y
        swapped = gen_xy(gen_yx(x)) - x, gen_yx(gen_xy(y)) - y
        half_way = gen_xy(x) - x, gen_yx(y) - y
        in_y = gen_xy(x) - gen_xy(gen_yx(gen_xy(x))), gen_yx(y) - gen_yx(gen_xy(gen_yx(y)))

    def l1(*errors: Tensor) -> Tensor:
        return sum(error.abs().mean() for error in errors)

    def others(name: str, *errors: Tensor) -> list[tuple[Tensor, str]]:
        """Os enganos de conta, que são os mesmos nas duas perdas."""
        joined = torch.cat([error.flatten() for error in errors]).abs()
        return [
            (
                sum(error.square().mean() for error in errors),
                f"{name}: é a norma 1, o módulo do erro; o quadrado aceita borrões.",
            ),
            (
                sum(error.square().mean().sqrt() for error in errors),
                f"{name}: é a norma 1, a média dos módulos, sem quadrado nem raiz.",
            ),
            (joined.sum(), f"{name}: você somou os pixels; tire a média por pixel em cada domínio."),
            (
                sum(error.abs().flatten(1).sum(1).mean() for error in errors),
                f"{name}: a média é também sobre os pixels; você os somou.",
            ),
            (l1(*errors) / 2, f"{name}: **some** os dois domínios; você tirou a média deles."),
            (
                joined.mean(),
                f"{name}: a média de cada domínio, e depois a soma; você juntou os dois lotes numa média só.",
            ),
            (sum(error.mean() for error in errors), f"{name}: falta o módulo: erros de sinais opostos se cancelam."),
            (
                sum(error.mean().abs() for error in errors),
                f"{name}: o módulo é de cada pixel, e vem antes da média.",
            ),
        ]

    hints = {
        tuple(inputs["x"].shape): "Falta a média dos módulos.",
        tuple(inputs["y"].shape): "Falta a média dos módulos.",
    }
    value = _named("ciclo", number_answer, cycle_answer, hints=hints)
    expected = l1(around_x, around_y)
    mistakes = [
        (l1(same_x, same_y), "a ordem está trocada: o ciclo vem primeiro."),
        (l1(around_x), "ciclo: falta a volta que começa em Y: G(F(y)) deve ser y."),
        (l1(around_y), "ciclo: falta a volta que começa em X: F(G(x)) deve ser x."),
        (
            l1(*swapped),
            "ciclo: a ordem dos tradutores está trocada: quem parte de X passa primeiro por `gen_xy`, e volta por "
            "`gen_yx`.",
        ),
        (
            l1(around_x, swapped[1]),
            "ciclo: na volta que começa em Y, o primeiro tradutor é `gen_yx`.",
        ),
        (l1(swapped[0], around_y), "ciclo: na volta que começa em X, o primeiro tradutor é `gen_xy`."),
        (l1(*half_way), "ciclo: isso compara a imagem com a tradução; compare com a que deu a volta inteira."),
        (l1(*in_y), "ciclo: compare a volta com a imagem de partida, e não com a tradução."),
        *others("ciclo", around_x, around_y),
    ]
    compare(
        value, expected, mistakes, "ciclo: o número não confere: média de |F(G(x)) - x| mais média de |G(F(y)) - y|."
    )
    value = _named("identidade", number_answer, identity_answer, hints=hints)
    expected = l1(same_x, same_y)
    mistakes = [
        (
            l1(*half_way),
            "identidade: cada tradutor recebe o que **já é** do domínio a que ele leva: G, que leva a Y, recebe y.",
        ),
        (l1(same_x), "identidade: falta a de G: quem leva a Y não deve mexer em y."),
        (l1(same_y), "identidade: falta a de F: quem leva a X não deve mexer em x."),
        (l1(same_y, half_way[0]), "identidade: F, que leva a X, recebe x; você deu x a G."),
        (l1(same_x, half_way[1]), "identidade: G, que leva a Y, recebe y; você deu y a F."),
        (l1(around_x, around_y), "identidade: você devolveu o ciclo duas vezes."),
        *others("identidade", same_x, same_y),
    ]
    compare(
        value, expected, mistakes, "identidade: o número não confere: média de |G(y) - y| mais média de |F(x) - x|."
    )


def _judge_pool(inputs: Mapping[str, Any], answer: Any) -> None:
    pool, new = inputs["pool"].double(), inputs["new"].double()
    capacity, slot = inputs["capacity"], inputs["slot"]
    shown_answer, pool_answer = tuple_answer(answer, ("mostrada", "reservatorio"))
    filling, swaps = len(pool) < capacity, inputs["u"] < 0.5
    grown = torch.cat([pool, new[None]])
    swapped = pool.clone()
    if not filling:
        swapped[slot] = new
    shape = tuple(new.shape)
    hints = {(1, *shape): "A imagem vem sem o eixo do lote, como `new`."}
    shown = _named("mostrada", tensor_answer, shown_answer, shape, hints=hints)
    expected = new if filling or not swaps else pool[slot]
    if filling:
        mistakes = []
        otherwise = "mostrada: enquanto o reservatório enche, mostra-se sempre a nova, seja qual for `u`."
    elif swaps:
        mistakes = [
            (new, "mostrada: com u < 0,5 e o reservatório cheio, mostra-se a **guardada**, e não a nova."),
            (pool[0], "mostrada: sai a que está no lugar `slot`, e não a mais antiga."),
            (pool[-1], "mostrada: sai a que está no lugar `slot`, e não a última."),
        ]
        otherwise = "mostrada: com u < 0,5 e o reservatório cheio, é a que estava no lugar `slot`."
    else:
        mistakes = [(pool[slot], "mostrada: só se troca quando u < 0,5; com u maior, mostra-se a nova.")]
        otherwise = "mostrada: com u ≥ 0,5 mostra-se a nova."
    compare(shown, expected, mistakes, otherwise)

    full = (
        "reservatorio: ele já está cheio, e não pode crescer: a nova entra **no lugar** da que saiu."
        if swaps
        else "reservatorio: ele já está cheio, e não pode crescer: com u ≥ 0,5 a nova não é guardada."
    )
    wanted = grown if filling else swapped if swaps else pool
    sizes = {
        tuple(pool.shape): "reservatorio: ele ainda não está cheio: a nova deve ser guardada, no fim.",
        tuple(grown.shape): full,
    }
    if isinstance(pool_answer, Tensor) and tuple(pool_answer.shape) in sizes and pool_answer.shape != wanted.shape:
        raise Mistake(sizes[tuple(pool_answer.shape)])
    found = _named("reservatorio", tensor_answer, pool_answer, tuple(wanted.shape))
    if filling:
        mistakes = [
            (torch.cat([new[None], pool]), "reservatorio: a nova entra no fim, depois das que já estavam."),
        ]
        otherwise = "reservatorio: enquanto ele enche, são as que já estavam e, no fim, a nova."
    elif swaps:
        moved = torch.cat([pool[:slot], pool[slot + 1 :], new[None]])
        mistakes = [
            (pool, "reservatorio: a nova precisa ocupar o lugar da que foi mostrada; senão ele nunca se renova."),
            (moved, "reservatorio: a nova entra no lugar `slot`, e as outras não se mexem."),
            (
                torch.cat([pool[1:], new[None]]),
                "reservatorio: sai a que está no lugar `slot`, e não a mais antiga.",
            ),
        ]
        otherwise = "reservatorio: só o lugar `slot` muda, e passa a guardar a nova."
    else:
        replaced = pool.clone()
        replaced[slot] = new
        mistakes = [(replaced, "reservatorio: com u ≥ 0,5 nada se troca, nem se guarda.")]
        otherwise = "reservatorio: com u ≥ 0,5 ele fica como estava."
    compare(found, wanted, mistakes, otherwise)


def _fields(layers: list[tuple[int, int]]) -> tuple[int, int]:
    """Campo de visão e distância entre vizinhos, da última camada para a primeira."""
    side = jump = 1
    for kernel, stride in reversed(layers):
        side = (side - 1) * stride + kernel
        jump *= stride
    return side, jump


def _judge_field(inputs: Mapping[str, Any], answer: Any) -> None:
    layers = inputs["layers"]
    side_answer, jump_answer = tuple_answer(answer, ("lado", "distância"))
    side, jump = _fields(layers)
    backwards, _ = _fields(layers[::-1])
    touching = no_overlap = 1
    for kernel, stride in reversed(layers):
        touching = touching * stride + kernel
        no_overlap *= kernel
    dense = 1 + sum(kernel - 1 for kernel, _ in layers)
    value = _named("lado", number_answer, side_answer)
    mistakes = [
        (jump, "a ordem está trocada: o lado vem primeiro, e depois a distância."),
        (
            backwards,
            "lado: as camadas foram percorridas da imagem para o logit; comece pela **última**, a que dá o logit.",
        ),
        (dense, "lado: faltaram os passos (*strides*): cada passo s afasta em s pixels o que a camada seguinte vê."),
        (touching, "lado: r posições têm r - 1 intervalos entre elas: (r - 1)·s + k."),
        (no_overlap, "lado: os núcleos se sobrepõem; os lados não se multiplicam."),
        (sum(kernel for kernel, _ in layers), "lado: somar os núcleos conta os pixels repetidos e esquece os passos."),
        (side - 1, "lado: falta um: o intervalo entre o primeiro pixel e o último tem um a menos que os pixels."),
        (side**2, "lado: queremos o lado do quadrado, e não a área."),
    ]
    compare(
        value, side, mistakes, "lado: o número não confere. Da última camada para a primeira, r vira (r - 1)·s + k."
    )
    value = _named("distância", number_answer, jump_answer)
    mistakes = [
        (sum(stride for _, stride in layers), "distância: os passos se multiplicam, e não se somam."),
        (layers[0][1], "distância: esse é o passo da primeira camada; cada uma das outras multiplica."),
        (layers[-1][1], "distância: esse é o passo da última camada; cada uma das outras multiplica."),
        (max(stride for _, stride in layers), "distância: os passos de todas as camadas se multiplicam."),
        (side, "distância: você devolveu o lado outra vez."),
        (side - jump, "distância: isso é quanto dois campos vizinhos têm em comum; quer-se a distância entre eles."),
    ]
    compare(
        value, jump, mistakes, "distância: o número não confere: ande um logit, e veja quantos pixels o campo anda."
    )


_TERMS = ("gan_xy", "gan_yx", "cycle_x", "cycle_y", "identity_x", "identity_y")


def _objective_gradients(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """O gradiente de cada termo, e dos termos errados, nos dois geradores: vetores (18,)."""
    gen_xy, gen_yx, disc_x, disc_y, x, y = _doubles(inputs, "gen_xy", "gen_yx", "disc_x", "disc_y", "x", "y")
    fake_y, fake_x = gen_xy(x), gen_yx(y)

    def wants(logits: Tensor, target: float) -> Tensor:
        return (logits - target).square().mean()

    def l1(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs().mean()

    losses = {
        "gan_xy": wants(disc_y(fake_y), 1),
        "gan_yx": wants(disc_x(fake_x), 1),
        "cycle_x": l1(gen_yx(fake_y), x),
        "cycle_y": l1(gen_xy(fake_x), y),
        "identity_x": l1(gen_yx(x), x),
        "identity_y": l1(gen_xy(y), y),
        # Os termos errados.
        "other_disc": wants(disc_x(fake_y), 1) + wants(disc_y(fake_x), 1),
        "for_disc": wants(disc_y(fake_y), 0) + wants(disc_x(fake_x), 0),
        "cut_cycle": l1(gen_yx(fake_y.detach()), x) + l1(gen_xy(fake_x.detach()), y),
        "half_way": l1(fake_y, x) + l1(fake_x, y),
    }
    weights = (gen_xy.weight, gen_yx.weight)
    gradients = {}
    for name, loss in losses.items():
        parts = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        gradients[name] = torch.cat([torch.zeros(9).double() if part is None else part.flatten() for part in parts])
    return gradients


def _judge_objective(inputs: Mapping[str, Any], answer: Any) -> None:
    names = ("gradiente de gen_xy", "gradiente de gen_yx")
    values = []
    for name, found in zip(names, tuple_answer(answer, names), strict=True):
        if found is None:
            raise Mistake(f"{name}: é None, nenhum gradiente chegou a esse peso.")
        values.append(_named(name, tensor_answer, found, (1, 1, 3, 3)).flatten())
    value = torch.cat(values)
    g = _objective_gradients(inputs)
    lam, lam_id = inputs["cycle_weight"], inputs["identity_weight"]
    gan, cycle, identity = (g[a] + g[b] for a, b in zip(_TERMS[::2], _TERMS[1::2], strict=True))
    expected = gan + lam * cycle + lam_id * identity
    weights = dict(zip(_TERMS, (1, 1, lam, lam, lam_id, lam_id), strict=True))
    mistakes = [
        (expected - lam * cycle, "falta o ciclo."),
        (expected - lam_id * identity, "falta a identidade."),
        (expected - gan, "falta a parte adversária: os geradores também querem enganar os discriminadores."),
        (gan + cycle + identity, "faltam os pesos: `cycle_weight` no ciclo e `identity_weight` na identidade."),
        (gan + lam * cycle + identity, "falta o peso da identidade, `identity_weight`."),
        (gan + cycle + lam_id * identity, "falta o peso do ciclo, `cycle_weight`."),
        (gan + lam_id * cycle + lam * identity, "os dois pesos estão trocados."),
        (gan + lam * (cycle + identity), "a identidade tem o seu próprio peso, `identity_weight`."),
        (
            gan + lam * cycle + lam * lam_id * identity,
            "a identidade tem só o seu próprio peso, `identity_weight`, sem o do ciclo.",
        ),
        (
            expected - gan + g["other_disc"],
            "os discriminadores estão trocados: `disc_y` julga o que parece de Y, que é o que sai de `gen_xy`.",
        ),
        (
            expected - gan + g["for_disc"],
            "o alvo dos geradores é 1, passar por real; 0 é o do discriminador.",
        ),
        (expected - gan / 2, "o 1/2 é só da perda do discriminador."),
        (
            expected - lam * (cycle - g["cut_cycle"]),
            "um `detach` cortou o ciclo no meio: os dois tradutores respondem por ele, e o gradiente precisa "
            "atravessar o segundo para chegar ao primeiro.",
        ),
        (
            expected - lam_id * (identity - g["half_way"]),
            "na identidade cada tradutor recebe o que já é do domínio a que leva: `gen_xy` recebe y.",
        ),
        (-expected, "o sinal está trocado: é o gradiente do que se minimiza."),
        (expected.view(2, 9).flip(0).flatten(), "a ordem é (gen_xy, gen_yx)."),
        (
            torch.cat([_own_terms(g, weights, own) for own in range(2)]),
            "cada gerador foi derivado só da sua parte. O ciclo passa pelos dois tradutores: é um objetivo só, a soma "
            "de tudo, e cada gerador responde também pelo ciclo que começa no outro domínio.",
        ),
        *(
            (expected - weights[name] * g[name], f"falta um termo: {told}.")
            for name, told in {
                "gan_xy": "o que `disc_y` diz das traduções de x",
                "gan_yx": "o que `disc_x` diz das traduções de y",
                "cycle_x": "o ciclo que começa em X",
                "cycle_y": "o ciclo que começa em Y",
                "identity_x": "a identidade de `gen_yx`, que recebe x",
                "identity_y": "a identidade de `gen_xy`, que recebe y",
            }.items()
        ),
    ]
    otherwise = (
        "os números não conferem. Some os seis termos, dois adversários, dois ciclos e duas identidades, com os pesos, "
        "e derive a soma nos dois geradores."
    )
    compare(value, expected, mistakes, otherwise)


def _own_terms(g: Mapping[str, Tensor], weights: Mapping[str, float], own: int) -> Tensor:
    """O gradiente, em um gerador, só da sua perda adversária, do ciclo que começa nele e da sua identidade."""
    kept = (("gan_xy", "cycle_x", "identity_y"), ("gan_yx", "cycle_y", "identity_x"))[own]
    return sum(weights[name] * g[name].view(2, 9)[own] for name in kept)


EXERCISE = Exercise(
    name="06_cyclegan",
    questions=(
        Question(
            name="q1",
            function="lsgan_losses",
            points=1,
            start="Comece pela do gerador, que é uma linha: a média de (a - 1)² nas falsas.",
            public_seeds=(0, 1, 2),
            make_inputs=_logits_inputs,
            judge=_judge_losses,
        ),
        Question(
            name="q2",
            function="cycle_and_identity",
            points=2,
            start="Comece pelo ciclo que sai de X: `gen_yx(gen_xy(x))`, comparado com x.",
            public_seeds=(0, 1, 2),
            make_inputs=_cycle_inputs,
            judge=_judge_cycle,
        ),
        Question(
            name="q3",
            function="query_pool",
            points=2,
            start="Comece pelo caso em que ainda há lugar: `len(pool) < capacity`.",
            public_seeds=(0, 1, 2, 4),
            make_inputs=_pool_inputs,
            judge=_judge_pool,
        ),
        Question(
            name="q4",
            function="receptive_field",
            points=1,
            start="Comece por r = 1 no logit e percorra `reversed(layers)`.",
            public_seeds=(0, 1, 2),
            make_inputs=_field_inputs,
            judge=_judge_field,
        ),
        Question(
            name="q5",
            function="gen_gradients",
            points=2,
            start="Comece pelas duas traduções, `gen_xy(x)` e `gen_yx(y)`: quase tudo se calcula a partir delas.",
            public_seeds=(0, 1, 2),
            make_inputs=_objective_inputs,
            judge=_judge_objective,
        ),
    ),
)
