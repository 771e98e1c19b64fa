"""Respostas certas e enganos do exercício 06_cyclegan."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

l1 = F.l1_loss


def six_terms(gen_xy, gen_yx, disc_x, disc_y, x, y):
    fake_y, fake_x = gen_xy(x), gen_yx(y)
    on_y, on_x = disc_y(fake_y), disc_x(fake_x)
    adversarial = F.mse_loss(on_y, torch.ones_like(on_y)), F.mse_loss(on_x, torch.ones_like(on_x))
    return *adversarial, l1(gen_yx(fake_y), x), l1(gen_xy(fake_x), y), l1(gen_xy(y), y), l1(gen_yx(x), x)


def slopes_of(gen_xy, gen_yx, disc_x, disc_y, x, y):
    columns = []
    for term in six_terms(gen_xy, gen_yx, disc_x, disc_y, x, y):
        gen_xy.weight.grad = gen_yx.weight.grad = None
        term.backward(retain_graph=True)
        grads = [gen.weight.grad for gen in (gen_xy, gen_yx)]
        columns.append(torch.cat([torch.zeros(9) if grad is None else grad.flatten() for grad in grads]))
    return torch.stack(columns, dim=1)


def measured_of(grad_xy, grad_yx):
    return torch.cat([grad_xy.flatten(), grad_yx.flatten()])


def term_weights(*inputs):
    return torch.linalg.lstsq(slopes_of(*inputs[:6]), measured_of(*inputs[6:])[:, None]).solution.flatten()


def field_of(down, flat):
    return 3 * 2**down * (flat + 1) - 2


def patch_layers(field, spacing):
    stacks = []
    for down in range(int(math.log2(spacing)) + 1):
        flat = max(1, math.ceil((field + 2) / (3 * 2**down)) - 1)
        stacks.append((down + flat, field_of(down, flat), (down, flat)))
    return min(stacks)[2]


def size(error):
    return error.flatten(1).square().mean(1).sqrt()


def gain_of(gen_yx, middle, noise):
    with torch.no_grad():
        return size(gen_yx(middle + noise) - gen_yx(middle)) / size(noise)


def tones_of(gain, tolerance):
    return torch.ceil(1 + 2 * gain / (12**0.5 * tolerance))


def hidden_message(gen_yx, middle, noise, tolerance):
    gain = gain_of(gen_yx, middle, noise)
    return gain, tones_of(gain, tolerance)


def small(a, b):
    return (a - b).abs().mean() < 0.05


def diagnose(x, translated, returned, pair):
    codes = []
    for y, back in zip(translated, returned, strict=True):
        if not small(back, x):
            codes.append(1)
        elif small(y, pair):
            codes.append(0)
        elif small(y, pair.roll(1, 3)) or small(y, pair.roll(-1, 3)):
            codes.append(2)
        elif small(y, y.mean(0, keepdim=True)):
            codes.append(3)
        else:
            codes.append(4)
    return codes


RIGHT = {function.__name__: function for function in (six_terms, term_weights, patch_layers, hidden_message, diagnose)}


def by_normal_equations(*inputs):
    slopes, measured = slopes_of(*inputs[:6]).double(), measured_of(*inputs[6:]).double()
    return torch.linalg.solve(slopes.T @ slopes, slopes.T @ measured).tolist()


def by_search(field, spacing):
    """Todas as pilhas, da menor à maior, com o campo medido camada a camada."""
    for total in range(1, 99):
        fits = []
        for down in range(total):
            side, flat = 1, total - down
            for stride in [1] * flat + [2] * down:
                side = side * stride - stride + 4
            if side >= field and 2**down <= spacing:
                fits.append((side, down, flat))
        if fits:
            return np.array(min(fits)[1:])
    raise AssertionError


def message_by_search(gen_yx, middle, noise, tolerance):
    gain = gain_of(gen_yx, middle, noise).tolist()
    tones = []
    for one in gain:
        q = 2
        while one * 2 / (q - 1) / math.sqrt(12) > tolerance:
            q += 1
        tones.append(q)
    return gain, tones


ALSO_RIGHT = [
    ("q1", lambda *a: torch.stack(six_terms(*a))),
    ("q1", lambda *a: [term.item() for term in six_terms(*a)]),
    ("q2", by_normal_equations),
    ("q2", lambda *a: torch.linalg.pinv(slopes_of(*a[:6])) @ measured_of(*a[6:])),
    ("q3", lambda *a: tuple(int(part) for part in by_search(*a))),
    ("q3", lambda *a: [float(part) for part in patch_layers(*a)]),
    ("q4", message_by_search),
    ("q4", lambda *a: tuple(part.numpy() for part in hidden_message(*a))),
    ("q5", lambda *a: torch.tensor(diagnose(*a))),
]


def term(index, change):
    """Os seis termos, com outro no lugar de um deles."""

    def wrong(*inputs):
        terms = list(six_terms(*inputs))
        terms[index] = change(*inputs)
        return terms

    return wrong


def weights_with(change):
    return lambda *inputs: change(slopes_of(*inputs[:6]), measured_of(*inputs[6:]))


def half_only(half):
    def wrong(*inputs):
        slopes, measured = slopes_of(*inputs[:6])[half], measured_of(*inputs[6:])[half]
        return torch.linalg.pinv(slopes.double(), rtol=1e-9) @ measured.double()

    return wrong


def stacks_with(key, *, field=field_of, apart=lambda down: 2**down):
    def wrong(wanted, spacing):
        fits = [
            (down, flat)
            for down in range(9)
            for flat in range(1, 60)
            if field(down, flat) >= wanted and apart(down) <= spacing
        ]
        return min(fits, key=lambda pair: key(*pair))

    return wrong


def shortest(down, flat):
    return down + flat, field_of(down, flat)


def flat_first(down, flat):
    """O campo com as camadas de passo 1 junto da imagem."""
    side = 1
    for stride in [2] * down + [1] * flat:
        side = (side - 1) * stride + 4
    return side


def gain_with(change):
    def wrong(gen_yx, middle, noise, tolerance):
        with torch.no_grad():
            gain = change(gen_yx, middle, noise)
        return gain, hidden_message(gen_yx, middle, noise, tolerance)[1]

    return wrong


def tones_with(change):
    def wrong(gen_yx, middle, noise, tolerance):
        gain = gain_of(gen_yx, middle, noise)
        return gain, change(gain, tolerance)

    return wrong


def verdicts(*, cycle=True, cycle_first=True, shifts=(1, -1), dim=3, pixels=False, target=None):
    def wrong(x, translated, returned, pair):
        pair = x if target == "x" else pair
        codes = []
        for y, back in zip(translated, returned, strict=True):
            closes = small(back, x) or not cycle
            spread = (y - y.mean()).abs().mean() if pixels else (y - y.mean(0)).abs().mean()
            if not closes and (cycle_first or not small(y, pair)):
                codes.append(1)
            elif small(y, pair):
                codes.append(0)
            elif any(small(y, pair.roll(shift, dim)) for shift in shifts):
                codes.append(2)
            else:
                codes.append(3 if spread < 0.05 else 4)
        return codes

    return wrong


MISTAKES = [
    ("q1", lambda *a: sum(six_terms(*a)), "esperava a tupla"),
    ("q1", lambda *a: [six_terms(*a)[i] for i in (1, 0, 2, 3, 4, 5)], "os dois tradutores estão trocados"),
    ("q1", lambda *a: [six_terms(*a)[i] for i in (0, 1, 3, 2, 4, 5)], "os dois ciclos estão trocados"),
    ("q1", lambda *a: [six_terms(*a)[i] for i in (0, 1, 2, 3, 5, 4)], "as duas identidades estão trocadas"),
    ("q1", term(0, lambda g, f, dx, dy, x, y: dy(g(x)).square().mean()), "0 é o do discriminador"),
    ("q1", term(1, lambda g, f, dx, dy, x, y: (dx(f(y)) - 1).square().mean() / 2), "o 1/2 é só"),
    ("q1", term(0, lambda g, f, dx, dy, x, y: (dx(g(x)) - 1).square().mean()), "domínio de chegada"),
    ("q1", term(0, lambda g, f, dx, dy, x, y: (dy(g(x)) - 1).abs().mean()), "quadrado do erro da nota"),
    ("q1", term(1, lambda g, f, dx, dy, x, y: (dx(f(y)).sigmoid() - 1).square().mean()), "sem sigmoide"),
    ("q1", term(2, lambda g, f, dx, dy, x, y: l1(g(f(x)), x)), "a ordem dos tradutores"),
    ("q1", term(3, lambda g, f, dx, dy, x, y: l1(f(y), y)), "a volta inteira"),
    ("q1", term(2, lambda g, f, dx, dy, x, y: F.mse_loss(f(g(x)), x)), "aceita borrões"),
    ("q1", term(3, lambda g, f, dx, dy, x, y: (g(f(y)) - y).abs().sum()), "você somou os pixels"),
    ("q1", term(2, lambda g, f, dx, dy, x, y: (f(g(x)) - x).mean().abs()), "vem antes da média"),
    ("q1", term(4, lambda g, f, dx, dy, x, y: l1(g(x), x)), "**já é** do domínio"),
    ("q1", term(5, lambda g, f, dx, dy, x, y: l1(g(x), x)), "**já é** do domínio"),
    ("q1", term(5, lambda g, f, dx, dy, x, y: 77.0), "confira quem entra em quem"),
    ("q2", weights_with(lambda slopes, measured: slopes.T @ measured / slopes.square().sum(0)), "ajustados **juntos**"),
    ("q2", weights_with(lambda slopes, measured: slopes.T @ measured), "ajustados **juntos**"),
    ("q2", half_only(slice(9)), "só usou o gradiente de `gen_xy`"),
    ("q2", half_only(slice(9, 18)), "só usou o gradiente de `gen_yx`"),
    ("q2", lambda *a: term_weights(*a)[[1, 0, 3, 2, 5, 4]], "os pares estão trocados"),
    ("q2", lambda *a: term_weights(*a)[[2, 3, 4, 5, 0, 1]], "a ordem é a da questão 1"),
    ("q2", lambda *a: term_weights(*a).abs(), "pode ser negativo"),
    ("q2", lambda *a: -term_weights(*a), "o sinal está trocado"),
    ("q2", lambda *a: term_weights(*a)[:, None], "Tire o eixo a mais"),
    ("q2", weights_with(lambda slopes, measured: slopes), "queremos o peso de cada um"),
    ("q2", lambda *a: [1.0, 1.0, 10.0, 10.0, 5.0, 5.0], "os números não conferem"),
    ("q3", lambda *a: patch_layers(*a)[::-1], "a ordem está trocada"),
    ("q3", stacks_with(lambda down, flat: (down + flat, -field_of(down, flat))), "fica a que vê menos"),
    ("q3", stacks_with(lambda down, flat: (-down, flat)), "o menor **total**"),
    ("q3", stacks_with(shortest, apart=lambda down: 0), "longe demais"),
    ("q3", stacks_with(shortest, apart=lambda down: 2 * down), "o **produto** dos passos"),
    ("q3", stacks_with(shortest, field=flat_first), "junto da imagem"),
    ("q3", lambda field, spacing: (0, 99), "não confere"),
    ("q3", lambda field, spacing: field, "esperava a tupla"),
    ("q4", lambda *a: hidden_message(*a)[::-1], "a ordem está trocada"),
    ("q4", gain_with(lambda f, m, n: gain_of(f, m, n) ** 2), "essa é a das variâncias"),
    ("q4", gain_with(lambda f, m, n: 1 / gain_of(f, m, n)), "ao contrário"),
    ("q4", gain_with(lambda f, m, n: size(f(m + n) - f(m))), "falta dividir pelo tamanho do ruído"),
    ("q4", gain_with(lambda f, m, n: size(f(n)) / size(n)), "a volta não é linear"),
    ("q4", gain_with(lambda f, m, n: size(f(m + n)) / size(n)), "subtraia a volta sem ele"),
    ("q4", gain_with(lambda f, m, n: size(f(m + n) - m) / size(n)), "compare duas voltas"),
    (
        "q4",
        gain_with(lambda f, m, n: (f(m + n) - f(m)).abs().mean((1, 2, 3)) / n.abs().mean((1, 2, 3))),
        "média dos módulos",
    ),
    (
        "q4",
        gain_with(lambda f, m, n: ((f(m + n) - f(m)).norm() / n.norm()).expand(len(m))),
        "você misturou o lote",
    ),
    ("q4", gain_with(lambda f, m, n: torch.full((len(m),), 99.0)), "ganho: os números"),
    ("q4", tones_with(lambda gain, tol: torch.floor(1 + 2 * gain / (12**0.5 * tol))), "para **cima**"),
    ("q4", tones_with(lambda gain, tol: 1 + 2 * gain / (12**0.5 * tol)), "é inteiro"),
    ("q4", tones_with(lambda gain, tol: torch.ceil(2 * gain / (12**0.5 * tol))), "para **cima**"),
    ("q4", tones_with(lambda gain, tol: torch.ceil(1 + gain / (12**0.5 * tol))), "largura 2"),
    ("q4", tones_with(lambda gain, tol: torch.ceil(1 + 2 * gain / tol)), "e não Δ"),
    ("q4", tones_with(lambda gain, tol: torch.ceil(1 + gain / tol)), "o maior erro"),
    ("q4", tones_with(lambda gain, tol: torch.ceil(1 + 2 * gain / (12 * tol))), "é a variância"),
    ("q4", tones_with(lambda gain, tol: tones_of(torch.ones_like(gain), tol)), "multiplique-o pelo ganho"),
    ("q4", tones_with(lambda gain, tol: gain + 500), "tons: os números"),
    ("q5", lambda *a: diagnose(*a)[::-1], "ordem inversa"),
    ("q5", verdicts(cycle_first=False), "se olha primeiro"),
    ("q5", verdicts(cycle=False), "faltou olhar a volta"),
    ("q5", verdicts(shifts=(1,)), "qualquer dos dois lados"),
    ("q5", verdicts(shifts=(-1,)), "qualquer dos dois lados"),
    ("q5", verdicts(shifts=()), "par deslocado"),
    ("q5", verdicts(dim=2), "o das **colunas**"),
    ("q5", verdicts(pixels=True), "uma folha riscada varia"),
    ("q5", verdicts(target="x"), "quem nada traduz"),
    ("q5", lambda x, translated, returned, pair: [9.0] * len(translated), "de 0 a 4"),
    ("q5", lambda x, translated, returned, pair: [0] * len(translated), "os vereditos não conferem"),
    ("q5", lambda x, translated, returned, pair: 0, "um veredito por tradutor"),
]
