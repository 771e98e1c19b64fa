"""Respostas certas e enganos do exercício 06_cyclegan."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

mse, l1 = F.mse_loss, F.l1_loss


def lsgan_losses(real_logits, fake_logits):
    one, zero = torch.ones_like(fake_logits), torch.zeros_like(fake_logits)
    return (mse(real_logits, torch.ones_like(real_logits)) + mse(fake_logits, zero)) / 2, mse(fake_logits, one)


def cycle_and_identity(gen_xy, gen_yx, x, y):
    cycle = l1(gen_yx(gen_xy(x)), x) + l1(gen_xy(gen_yx(y)), y)
    return cycle, l1(gen_xy(y), y) + l1(gen_yx(x), x)


def query_pool(pool, new, capacity, u, slot):
    if len(pool) < capacity:
        return new, torch.cat([pool, new[None]])
    if u >= 0.5:
        return new, pool
    renewed = pool.clone()
    renewed[slot] = new
    return pool[slot], renewed


def receptive_field(layers):
    side = 1
    for kernel, stride in layers[::-1]:
        side = (side - 1) * stride + kernel
    return side, math.prod(stride for _, stride in layers)


def objective(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
    adversarial = lsgan_losses(x, disc_y(gen_xy(x)))[1] + lsgan_losses(y, disc_x(gen_yx(y)))[1]
    cycle, identity = cycle_and_identity(gen_xy, gen_yx, x, y)
    return adversarial + cycle_weight * cycle + identity_weight * identity


def gradients(gen_xy, gen_yx, loss):
    return torch.autograd.grad(loss, (gen_xy.weight, gen_yx.weight))


def gen_gradients(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
    loss = objective(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight)
    return gradients(gen_xy, gen_yx, loss)


RIGHT = {
    function.__name__: function
    for function in (lsgan_losses, cycle_and_identity, query_pool, receptive_field, gen_gradients)
}


def field_from_the_image(layers):
    """O campo de visão acumulado da imagem para o logit, com a distância já percorrida."""
    side, jump = 1, 1
    for kernel, stride in layers:
        side += (kernel - 1) * jump
        jump *= stride
    return torch.tensor(float(side)), torch.tensor(float(jump))


def by_backward(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
    """Os gradientes como num laço de treino, sem que os discriminadores entrem na conta."""
    for network in (gen_xy, gen_yx):
        network.zero_grad()
    for network in (disc_x, disc_y):
        network.requires_grad_(False)
    fake_y, fake_x = gen_xy(x), gen_yx(y)
    ((disc_y(fake_y) - 1) ** 2).mean().backward(retain_graph=True)
    ((disc_x(fake_x) - 1) ** 2).mean().backward(retain_graph=True)
    (cycle_weight * ((gen_yx(fake_y) - x).abs().mean() + (gen_xy(fake_x) - y).abs().mean())).backward()
    (identity_weight * ((gen_xy(y) - y).abs().mean() + (gen_yx(x) - x).abs().mean())).backward()
    return [gen_xy.weight.grad, gen_yx.weight.grad]


def pool_of_a_list(pool, new, capacity, u, slot):
    """O reservatório como lista de imagens, montado de volta no fim."""
    images = list(pool)
    shown = new
    if len(images) < capacity:
        images.append(new)
    elif u < 0.5:
        shown, images[slot] = images[slot], new
    return shown, torch.stack(images)


ALSO_RIGHT = [
    ("q1", lambda real, fake: (0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean(), ((fake - 1) ** 2).mean())),
    ("q1", lambda real, fake: [loss.item() for loss in lsgan_losses(real, fake)]),
    ("q2", lambda *a: [loss.item() for loss in cycle_and_identity(*a)]),
    ("q3", pool_of_a_list),
    ("q4", field_from_the_image),
    ("q5", by_backward),
]


def disc_of(change):
    """``change`` no lugar da perda do discriminador; a do gerador, certa."""
    return lambda real, fake: (change(real, fake), lsgan_losses(real, fake)[1])


def gen_of(change):
    return lambda real, fake: (lsgan_losses(real, fake)[0], change(fake))


def cycle_of(change):
    """``change`` no lugar do ciclo; a identidade, certa. Recebe os dois tradutores e os dois lotes."""
    return lambda *a: (change(*a), cycle_and_identity(*a)[1])


def identity_of(change):
    return lambda *a: (cycle_and_identity(*a)[0], change(*a))


def around(*, of):
    """Uma redução errada dos erros do ciclo."""
    return cycle_of(lambda g, f, x, y: of(f(g(x)) - x) + of(g(f(y)) - y))


def joined(g, f, x, y):
    return torch.cat([(f(g(x)) - x).flatten(), (g(f(y)) - y).flatten()]).abs()


def pool_of(change):
    """``change(mostrada certa, reservatório certo, *entradas)``."""
    return lambda *a: change(*query_pool(*a), *a)


def always_swap(pool, new, capacity, u, slot):
    return query_pool(pool, new, capacity, 0.0, slot)


def ignore_capacity(pool, new, capacity, u, slot):
    """Troca, se ``u`` manda, mesmo com o reservatório ainda enchendo."""
    return query_pool(pool, new, len(pool) or capacity, u, min(slot, max(len(pool) - 1, 0)))


def oldest_out(pool, new, capacity, u, slot):
    if len(pool) < capacity or u >= 0.5:
        return query_pool(pool, new, capacity, u, slot)
    return pool[0], torch.cat([pool[1:], new[None]])


def stored_before_read(pool, new, capacity, u, slot):
    """Guarda a nova no lugar da antiga antes de copiar a antiga: o que se mostra já é a nova."""
    if len(pool) < capacity or u >= 0.5:
        return query_pool(pool, new, capacity, u, slot)
    renewed = pool.clone()
    shown = renewed[slot]
    renewed[slot] = new
    return shown, renewed


def moved(pool, new, capacity, u, slot):
    if len(pool) < capacity or u >= 0.5:
        return query_pool(pool, new, capacity, u, slot)
    return pool[slot], torch.cat([pool[:slot], pool[slot + 1 :], new[None]])


def side_of(change):
    return lambda layers: (change(layers), receptive_field(layers)[1])


def jump_of(change):
    return lambda layers: (receptive_field(layers)[0], change(layers))


def walk(layers, step):
    side = 1
    for kernel, stride in reversed(layers):
        side = step(side, kernel, stride)
    return side


def step_with(
    *,
    cycle=lambda weight, other: weight,
    identity=lambda weight, other: weight,
    adversarial=1.0,
    swap_discs=False,
    target=1.0,
    cut=False,
    same_input=False,
):
    """O objetivo dos geradores com os descuidos pedidos."""

    def wrong(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
        if swap_discs:
            disc_x, disc_y = disc_y, disc_x
        fake_y, fake_x = gen_xy(x), gen_yx(y)
        gan = (disc_y(fake_y) - target).square().mean() + (disc_x(fake_x) - target).square().mean()
        middle = (fake_y.detach(), fake_x.detach()) if cut else (fake_y, fake_x)
        around = l1(gen_yx(middle[0]), x) + l1(gen_xy(middle[1]), y)
        same = l1(fake_y, x) + l1(fake_x, y) if same_input else l1(gen_xy(y), y) + l1(gen_yx(x), x)
        total = adversarial * gan + cycle(cycle_weight, identity_weight) * around
        return gradients(gen_xy, gen_yx, total + identity(identity_weight, cycle_weight) * same)

    return wrong


def without(term):
    """O objetivo sem um dos seis termos."""

    def wrong(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
        terms = {
            "gan_xy": (disc_y(gen_xy(x)) - 1).square().mean(),
            "gan_yx": (disc_x(gen_yx(y)) - 1).square().mean(),
            "cycle_x": cycle_weight * l1(gen_yx(gen_xy(x)), x),
            "cycle_y": cycle_weight * l1(gen_xy(gen_yx(y)), y),
            "identity_x": identity_weight * l1(gen_yx(x), x),
            "identity_y": identity_weight * l1(gen_xy(y), y),
        }
        return gradients(gen_xy, gen_yx, sum(loss for name, loss in terms.items() if name != term))

    return wrong


def each_alone(gen_xy, gen_yx, disc_x, disc_y, x, y, cycle_weight, identity_weight):
    """Cada gerador derivado só do objetivo que leva o seu nome."""
    first = (disc_y(gen_xy(x)) - 1).square().mean() + cycle_weight * l1(gen_yx(gen_xy(x)), x)
    second = (disc_x(gen_yx(y)) - 1).square().mean() + cycle_weight * l1(gen_xy(gen_yx(y)), y)
    first, second = first + identity_weight * l1(gen_xy(y), y), second + identity_weight * l1(gen_yx(x), x)
    return gradients(gen_xy, gen_yx, first)[0], gradients(gen_xy, gen_yx, second)[1]


MISTAKES = [
    ("q1", lambda real, fake: lsgan_losses(real, fake)[0], "esperava a tupla"),
    ("q1", lambda real, fake: lsgan_losses(real, fake)[::-1], "o discriminador vem primeiro"),
    ("q1", disc_of(lambda real, fake: (real - 1).square().mean() + fake.square().mean()), "falta o 1/2"),
    ("q1", disc_of(lambda real, fake: lsgan_losses(1 - real, 1 - fake)[0]), "1 nas reais e 0 nas falsas"),
    ("q1", disc_of(lambda real, fake: lsgan_losses(real, 1 - fake)[0]), "quem quer 1 nas falsas"),
    ("q1", disc_of(lambda real, fake: (real - 1).square().mean() / 2), "parte das falsas"),
    ("q1", disc_of(lambda real, fake: fake.square().mean() / 2), "parte das reais"),
    ("q1", disc_of(lambda real, fake: torch.cat([real - 1, fake]).square().mean()), "juntou os dois"),
    ("q1", disc_of(lambda real, fake: ((real - 1).square().sum() + fake.square().sum()) / 2), "somou os retalhos"),
    ("q1", disc_of(lambda real, fake: lsgan_losses(real.sigmoid(), fake.sigmoid())[0]), "sem sigmoide"),
    ("q1", disc_of(lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean()), "perda logística"),
    ("q1", disc_of(lambda real, fake: ((real - 1).square().mean() - fake.square().mean()) / 2), "se somam"),
    ("q1", disc_of(lambda real, fake: ((real - 1).abs().mean() + fake.abs().mean()) / 2), "e não o módulo"),
    ("q1", disc_of(lambda real, fake: (real - 1).square()), "Falta a média sobre os retalhos"),
    ("q1", disc_of(lambda real, fake: 321.0), "discriminador: o número não confere"),
    ("q1", disc_of(lambda real, fake: -321.0), "nunca é"),
    ("q1", gen_of(lambda fake: (fake - 1).square().mean() / 2), "gerador: o 1/2"),
    ("q1", gen_of(lambda fake: fake.square().mean()), "o alvo dele é 1"),
    ("q1", gen_of(lambda fake: -fake.square().mean()), "só o oposto"),
    ("q1", lambda real, fake: (lsgan_losses(real, fake)[0],) * 2, "duas vezes"),
    ("q1", gen_of(lambda fake: (fake - 1).square().sum()), "gerador: você somou"),
    ("q1", gen_of(lambda fake: (fake.mean() - 1).square()), "só depois tire a média"),
    ("q1", gen_of(lambda fake: (fake.sigmoid() - 1).square().mean()), "gerador: sem sigmoide"),
    ("q1", gen_of(lambda fake: F.softplus(-fake).mean()), "não saturante"),
    ("q1", gen_of(lambda fake: (fake - 1).abs().mean()), "gerador: pague o quadrado"),
    ("q1", gen_of(lambda fake: 321.0), "gerador: o número não confere"),
    ("q2", lambda *a: sum(cycle_and_identity(*a)), "esperava a tupla"),
    ("q2", lambda *a: cycle_and_identity(*a)[::-1], "o ciclo vem primeiro"),
    ("q2", cycle_of(lambda g, f, x, y: l1(f(g(x)), x)), "a volta que começa em Y"),
    ("q2", cycle_of(lambda g, f, x, y: l1(g(f(y)), y)), "a volta que começa em X"),
    ("q2", cycle_of(lambda g, f, x, y: l1(g(f(x)), x) + l1(f(g(y)), y)), "passa primeiro por `gen_xy`"),
    ("q2", cycle_of(lambda g, f, x, y: l1(f(g(x)), x) + l1(f(g(y)), y)), "o primeiro tradutor é `gen_yx`"),
    ("q2", cycle_of(lambda g, f, x, y: l1(g(f(x)), x) + l1(g(f(y)), y)), "o primeiro tradutor é `gen_xy`"),
    ("q2", cycle_of(lambda g, f, x, y: l1(g(x), x) + l1(f(y), y)), "deu a volta inteira"),
    ("q2", cycle_of(lambda g, f, x, y: l1(g(f(g(x))), g(x)) + l1(f(g(f(y))), f(y))), "e não com a tradução"),
    ("q2", around(of=lambda e: e.square().mean()), "aceita borrões"),
    ("q2", around(of=lambda e: e.square().mean().sqrt()), "sem quadrado nem raiz"),
    ("q2", around(of=lambda e: e.abs().sum()), "você somou os pixels"),
    ("q2", around(of=lambda e: e.abs().flatten(1).sum(1).mean()), "você os somou"),
    ("q2", around(of=lambda e: e.abs().mean() / 2), "**some** os dois domínios"),
    ("q2", cycle_of(lambda *a: joined(*a).mean()), "numa média só"),
    ("q2", around(of=lambda e: e.mean()), "se cancelam"),
    ("q2", around(of=lambda e: e.mean().abs()), "vem antes da média"),
    ("q2", cycle_of(lambda g, f, x, y: (f(g(x)) - x).abs()), "Falta a média dos módulos"),
    ("q2", cycle_of(lambda *a: 0.0), "ciclo: o número não confere"),
    ("q2", identity_of(lambda g, f, x, y: l1(g(x), x) + l1(f(y), y)), "**já é** do domínio"),
    ("q2", identity_of(lambda g, f, x, y: l1(g(y), y)), "falta a de F"),
    ("q2", identity_of(lambda g, f, x, y: l1(f(x), x)), "falta a de G"),
    ("q2", identity_of(lambda g, f, x, y: l1(g(y), y) + l1(g(x), x)), "você deu x a G"),
    ("q2", identity_of(lambda g, f, x, y: l1(f(x), x) + l1(f(y), y)), "você deu y a F"),
    ("q2", lambda *a: (cycle_and_identity(*a)[0],) * 2, "o ciclo duas vezes"),
    ("q2", identity_of(lambda g, f, x, y: mse(g(y), y) + mse(f(x), x)), "identidade: é a norma 1"),
    ("q2", identity_of(lambda g, f, x, y: (l1(g(y), y) + l1(f(x), x)) / 2), "identidade: **some**"),
    ("q2", identity_of(lambda *a: 0.0), "identidade: o número não confere"),
    ("q3", lambda *a: query_pool(*a)[0], "esperava a tupla"),
    ("q3", pool_of(lambda shown, kept, pool, new, *rest: (new, kept)), "mostra-se a **guardada**"),
    ("q3", always_swap, "só se troca quando u < 0,5"),
    (
        "q3",
        lambda pool, new, capacity, u, slot: query_pool(pool, new, capacity, 1 - u, slot),
        "mostra-se a **guardada**",
    ),
    ("q3", ignore_capacity, "seja qual for `u`"),
    ("q3", oldest_out, "e não a mais antiga"),
    (
        "q3",
        lambda pool, new, capacity, *rest: (
            (new, pool) if len(pool) < capacity else query_pool(pool, new, capacity, *rest)
        ),
        "ainda não está cheio",
    ),
    ("q3", stored_before_read, "mostra-se a **guardada**"),
    ("q3", moved, "as outras não se mexem"),
    ("q3", lambda pool, new, *rest: (new, pool.clone()), "mostra-se a **guardada**"),
    ("q3", pool_of(lambda shown, kept, pool, *rest: (shown, pool.clone())), "nunca se renova"),
    ("q3", pool_of(lambda shown, kept, pool, new, *rest: (shown, torch.cat([pool, new[None]]))), "não pode crescer"),
    ("q3", pool_of(lambda shown, kept, *rest: (shown[None], kept)), "sem o eixo do lote"),
    (
        "q3",
        pool_of(
            lambda shown, kept, pool, new, capacity, *rest: (
                shown,
                torch.cat([new[None], pool]) if len(pool) < capacity else kept,
            )
        ),
        "a nova entra no fim",
    ),
    (
        "q3",
        lambda pool, new, capacity, u, slot: (
            query_pool(pool, new, capacity, u, slot)[0],
            always_swap(pool, new, capacity, u, slot)[1],
        ),
        "nada se troca",
    ),
    ("q4", side_of(lambda layers: receptive_field(layers[::-1])[0]), "comece pela **última**"),
    ("q4", side_of(lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers)), "faltaram os passos"),
    ("q4", side_of(lambda layers: walk(layers, lambda r, k, s: r * s + k)), "r - 1 intervalos"),
    ("q4", side_of(lambda layers: walk(layers, lambda r, k, s: r * k)), "não se multiplicam"),
    ("q4", side_of(lambda layers: sum(kernel for kernel, _ in layers)), "somar os núcleos"),
    ("q4", side_of(lambda layers: receptive_field(layers)[0] - 1), "falta um"),
    ("q4", side_of(lambda layers: receptive_field(layers)[0] ** 2), "e não a área"),
    ("q4", side_of(lambda layers: 70), "lado: o número não confere"),
    ("q4", lambda layers: receptive_field(layers)[0], "esperava a tupla"),
    ("q4", lambda layers: receptive_field(layers)[::-1], "o lado vem primeiro"),
    ("q4", jump_of(lambda layers: sum(stride for _, stride in layers)), "e não se somam"),
    ("q4", jump_of(lambda layers: layers[0][1]), "passo da primeira camada"),
    ("q4", jump_of(lambda layers: layers[-1][1]), "passo da última camada"),
    ("q4", jump_of(lambda layers: receptive_field(layers)[0]), "o lado outra vez"),
    ("q4", jump_of(lambda layers: receptive_field(layers)[0] - receptive_field(layers)[1]), "têm em comum"),
    ("q4", jump_of(lambda layers: -3), "distância: o número não confere"),
    ("q5", step_with(cycle=lambda weight, other: 0), "falta o ciclo"),
    ("q5", step_with(identity=lambda weight, other: 0), "falta a identidade"),
    ("q5", step_with(adversarial=0.0), "falta a parte adversária"),
    ("q5", step_with(cycle=lambda *w: 1, identity=lambda *w: 1), "faltam os pesos"),
    ("q5", step_with(identity=lambda *w: 1), "peso da identidade"),
    ("q5", step_with(cycle=lambda *w: 1), "peso do ciclo"),
    ("q5", step_with(cycle=lambda w, other: other, identity=lambda w, other: other), "os dois pesos estão trocados"),
    ("q5", step_with(identity=lambda w, other: other), "tem o seu próprio peso"),
    ("q5", step_with(identity=lambda w, other: w * other), "sem o do ciclo"),
    ("q5", step_with(swap_discs=True), "os discriminadores estão trocados"),
    ("q5", step_with(target=0.0), "0 é o do discriminador"),
    ("q5", step_with(adversarial=0.5), "o 1/2 é só"),
    ("q5", step_with(cut=True), "cortou o ciclo no meio"),
    ("q5", step_with(same_input=True), "`gen_xy` recebe y"),
    ("q5", lambda *a: tuple(-gradient for gradient in gen_gradients(*a)), "o sinal está trocado"),
    ("q5", lambda *a: gen_gradients(*a)[::-1], "a ordem é"),
    ("q5", without("gan_xy"), "o que `disc_y` diz"),
    ("q5", without("gan_yx"), "o que `disc_x` diz"),
    ("q5", without("cycle_x"), "o ciclo que começa em X"),
    ("q5", without("cycle_y"), "o ciclo que começa em Y"),
    ("q5", without("identity_x"), "a identidade de `gen_yx`"),
    ("q5", without("identity_y"), "a identidade de `gen_xy`"),
    ("q5", each_alone, "derivado só da sua parte"),
    ("q5", lambda gen_xy, gen_yx, *rest: (gen_xy.weight.grad, gen_yx.weight.grad), "nenhum gradiente chegou"),
    ("q5", lambda gen_xy, gen_yx, *rest: (gen_xy.weight.detach(), gen_yx.weight.detach()), "os números não conferem"),
    ("q5", objective, "esperava a tupla"),
]
