"""Exercício 04_gan: as perdas dos dois jogadores, o gradiente que chega a cada um e o discriminador ótimo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

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


def _logits(n: int, source: torch.Generator) -> Tensor:
    """Logits comuns e, no meio deles, os de um discriminador convicto: ±200, onde a conta ao pé da letra estoura."""
    logits = 3 * torch.randn(n, generator=source)
    logits[:2] = torch.tensor([200.0, -200.0])
    return logits[torch.randperm(n, generator=source)]


def _disc_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    # Dois lotes de tamanhos diferentes: a média de cada um não é a média dos dois juntos.
    return {"real_logits": _logits(9 + seed % 3, source), "fake_logits": _logits(14 + seed % 4, source)}


def _fake_inputs(seed: int) -> dict[str, Any]:
    return {"fake_logits": _logits(10 + seed % 4, generator(seed))}


def _game_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n, dim, latent_dim = 6 + seed % 3, 5 + seed % 2, 3
    return {
        "x": torch.randn(n, dim, generator=source).tanh(),
        "z": torch.randn(n, latent_dim, generator=source),
        "gen_weight": torch.randn(dim, latent_dim, generator=source),
        "disc_weight": 2 * torch.randn(dim, generator=source),
    }


def _distributions_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    k = 5 + seed % 3
    p_data, p_g = torch.rand(2, k, generator=source) + 0.05
    p_data[0], p_g[1] = 0, 0  # o que um faz e o outro nunca faz: aí 0·log 0 vale 0, e não NaN
    return {"p_data": p_data / p_data.sum(), "p_g": p_g / p_g.sum()}


# ---- Juízes ----

_OVERFLOW = (
    "com logit ±200 a exponencial ou o log de zero estouram. Simplifique antes de calcular: "
    "-log σ(a) = softplus(-a) e -log(1 - σ(a)) = softplus(a)."
)


def _judge_disc(inputs: Mapping[str, Any], answer: Any) -> None:
    real, fake = inputs["real_logits"].double(), inputs["fake_logits"].double()
    hints = {
        (len(real),): "Falta a média do lote de reais.",
        (len(fake),): "Falta a média de cada lote.",
    }
    value = number_answer(answer, hints=hints, infinite=_OVERFLOW)
    on_real, on_fake = F.softplus(-real), F.softplus(fake)
    expected = on_real.mean() + on_fake.mean()
    together = torch.cat([on_real, on_fake]).mean()
    clipped = sum(term.clamp(max=100).mean() for term in (on_real, on_fake))
    mistakes = [
        (-expected, "o sinal está trocado: esse é o valor do jogo, V, que se maximiza; a perda é -V."),
        (
            F.softplus(real).mean() + F.softplus(-fake).mean(),
            "os alvos estão trocados: nas reais o discriminador quer D = 1.",
        ),
        (expected / 2, "a perda é a soma das duas partes, sem dividir por 2: com D = 1/2 em tudo ela vale log 4."),
        (together, "cada parte é a média do seu lote; você juntou os dois e tirou uma média só."),
        (2 * together, "cada parte é a média do seu lote; você juntou os dois e tirou uma média só."),
        (on_real.sum() + on_fake.sum(), "some as duas partes, mas cada uma é a média do seu lote."),
        (on_real.mean(), "falta a parte das falsas."),
        (on_fake.mean(), "falta a parte das reais."),
        (on_real.mean() - on_fake.mean(), "as duas partes se somam: errar numa real e errar numa falsa custam igual."),
        (
            on_real.mean() + F.softplus(-fake).mean(),
            "nas falsas o custo é -log(1 - D): aí quem cresce com o logit é a perda.",
        ),
        (
            clipped,
            "nos logits ±200 a perda ficou presa em 100: é o corte da `BCELoss`, e ali a derivada é zero. "
            "Calcule direto do logit, sem passar pela sigmoide.",
        ),
        (
            -(real.sigmoid().mean() - fake.sigmoid().mean()),
            "faltou o logaritmo: a perda é -log da probabilidade dada à resposta certa.",
        ),
    ]
    otherwise = "o número não confere: média de softplus(-a) nas reais mais média de softplus(a) nas falsas."
    if value < 0:
        otherwise = "a perda saiu negativa, e um -log de probabilidade nunca é."
    compare(value, expected, mistakes, otherwise)


def _judge_generator(inputs: Mapping[str, Any], answer: Any) -> None:
    logits = inputs["fake_logits"].double()
    minimax_answer, nonsaturating_answer = tuple_answer(answer, ("minimax", "não saturante"))
    hints = {(len(logits),): "Falta a média sobre o lote."}
    minimax, nonsaturating = -F.softplus(logits).mean(), F.softplus(-logits).mean()
    value = number_answer(minimax_answer, hints=hints, infinite=_OVERFLOW)
    mistakes = [
        (nonsaturating, "a ordem está trocada: a minimax, log(1 - D), vem primeiro."),
        (
            -minimax,
            "minimax: o sinal está trocado. Assim o gerador *diminuiria* D(G(z)), ajudando o discriminador; "
            "ele minimiza log(1 - D).",
        ),
        (-nonsaturating, "minimax: isso é log D; o gerador minimiza log(1 - D)."),
        (-F.softplus(logits).clamp(max=100).mean(), "minimax: o corte em 100 da `BCELoss` apareceu; calcule do logit."),
        (-F.softplus(logits).sum(), "minimax: você somou o lote; tire a média."),
    ]
    compare(value, minimax, mistakes, "minimax: o número não confere; é a média de log(1 - σ(a)) = -softplus(a).")
    value = number_answer(nonsaturating_answer, hints=hints, infinite=_OVERFLOW)
    mistakes = [
        (-nonsaturating, "não saturante: o sinal está trocado; ela é -log D, e diminui quando o logit cresce."),
        (-minimax, "não saturante: isso é -log(1 - D), a parte do discriminador; o gerador quer D grande, -log D."),
        (minimax, "não saturante: você devolveu a minimax duas vezes."),
        (
            F.softplus(-logits).clamp(max=100).mean(),
            "não saturante: o corte em 100 da `BCELoss` apareceu; calcule do logit.",
        ),
        (F.softplus(-logits).sum(), "não saturante: você somou o lote; tire a média."),
    ]
    otherwise = "não saturante: o número não confere; é a média de -log σ(a) = softplus(-a)."
    compare(value, nonsaturating, mistakes, otherwise)


def _judge_slopes(inputs: Mapping[str, Any], answer: Any) -> None:
    logits = inputs["fake_logits"].double()
    n = len(logits)
    hints = {(): "Queremos a derivada de cada imagem do lote, e não um número só."}
    first, second = tuple_answer(answer, ("minimax", "não saturante"))
    d = logits.sigmoid()
    for name, found, expected, other in (("minimax", first, -d, d - 1), ("não saturante", second, d - 1, -d)):
        infinite = "a sigmoide nunca estoura: use `torch.sigmoid` e simplifique a fração antes de calcular."
        try:
            value = tensor_answer(found, (n,), hints=hints, infinite=infinite)
        except Mistake as mistake:
            raise mistake.about(name) from None
        mistakes = [
            (
                other,
                "essa é a derivada da outra perda. Teste numa falsa bem reconhecida, a = -10: só uma delas tem força.",
            ),
            (-expected, "o sinal está trocado: as duas perdas diminuem quando o logit cresce."),
            (-other, "essa é a derivada da outra perda, e com o sinal trocado."),
            (expected / n, "não divida pelo tamanho do lote: é a derivada do termo de cada imagem."),
            (-d * (1 - d), "essa é a derivada da sigmoide; falta dividi-la pelo que está dentro do logaritmo."),
            (d * (1 - d), "essa é a derivada da sigmoide; falta a do logaritmo, e o sinal."),
            (F.softplus(-logits), "isso é a perda de cada imagem; queremos a derivada dela no logit."),
            (-F.softplus(logits), "isso é a perda de cada imagem; queremos a derivada dela no logit."),
        ]
        otherwise = "os números não conferem: derive o logaritmo e use σ' = σ(1 - σ)."
        try:
            compare(value, expected, mistakes, otherwise)
        except Mistake as mistake:
            raise mistake.about(name) from None


def _game_gradients(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """Os gradientes certos e os que cada descuido deixaria no lugar deles."""
    x, z, gen_weight, disc_weight = (inputs[name].double() for name in ("x", "z", "gen_weight", "disc_weight"))
    gen_weight, disc_weight = gen_weight.clone().requires_grad_(), disc_weight.clone().requires_grad_()
    fake_logits = (z @ gen_weight.T).tanh() @ disc_weight
    disc_loss = F.softplus(-(x @ disc_weight)).mean() + F.softplus(fake_logits).mean()
    gen_loss = F.softplus(-fake_logits).mean()
    both = (gen_weight, disc_weight)
    leaked, disc = torch.autograd.grad(disc_loss, both, retain_graph=True)
    gen, into_disc = torch.autograd.grad(gen_loss, both)
    return {"disc": disc, "gen": gen, "leaked": leaked, "into_disc": into_disc}


def _judge_game(inputs: Mapping[str, Any], answer: Any) -> None:
    gradients = _game_gradients(inputs)
    disc_answer, gen_answer = tuple_answer(answer, ("disc_grad", "gen_grad"))
    disc_shape, gen_shape = tuple(inputs["disc_weight"].shape), tuple(inputs["gen_weight"].shape)
    none = "é None: nenhum gradiente chegou até esses pesos. O `detach` só vale no passo do discriminador."
    for name, found in (("disc_grad", disc_answer), ("gen_grad", gen_answer)):
        if found is None:
            raise Mistake(f"{name} {none}")
    disc = tensor_answer(disc_answer, disc_shape, hints={gen_shape: "A ordem é (disc_grad, gen_grad)."})
    disc_mistakes = [
        (
            gradients["disc"] + gradients["into_disc"],
            "disc_grad: o backward do gerador também passa pelo discriminador, e somou ali o gradiente dele. "
            "Guarde o do discriminador antes, ou zere entre os dois passos.",
        ),
        (
            gradients["into_disc"],
            "disc_grad: esse é o gradiente da perda do *gerador*; aqui quer-se o da perda do discriminador.",
        ),
        (-gradients["disc"], "disc_grad: o sinal está trocado; é o gradiente da perda que se minimiza, -V."),
    ]
    otherwise = "disc_grad: os números não conferem. É o gradiente da perda da questão 1 nos pesos do discriminador."
    compare(disc, gradients["disc"], disc_mistakes, otherwise)
    gen = tensor_answer(gen_answer, gen_shape)
    leaked = gradients["leaked"]
    gen_mistakes = [
        (
            gradients["gen"] + leaked,
            "gen_grad: vazou gradiente da perda do discriminador para o gerador, e o que vaza o empurra para ser pego. "
            "Corte o caminho com `fake.detach()` no passo do discriminador.",
        ),
        (leaked, "gen_grad: esse é o gradiente da perda do *discriminador*, o oposto do que o gerador deve seguir."),
        (-leaked, "gen_grad: esse é o da perda minimax; o jogo pede a não saturante."),
        (
            torch.zeros_like(leaked),
            "gen_grad: veio zero. No passo do gerador o caminho fica inteiro: o `detach` é só no do discriminador.",
        ),
        (-gradients["gen"], "gen_grad: o sinal está trocado; é o gradiente da perda não saturante, -log D."),
        (
            gradients["gen"] - gradients["leaked"],
            "gen_grad: somaram-se dois gradientes do gerador, o da minimax e o da não saturante; é só o segundo.",
        ),
    ]
    otherwise = (
        "gen_grad: os números não conferem. É o gradiente da perda não saturante nos pesos do gerador, e só dela."
    )
    compare(gen, gradients["gen"], gen_mistakes, otherwise)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def _judge_optimal(inputs: Mapping[str, Any], answer: Any) -> None:
    p_data, p_g = inputs["p_data"].double(), inputs["p_g"].double()
    k = len(p_data)
    d_answer, jsd_answer = tuple_answer(answer, ("d_star", "jsd"))
    d = tensor_answer(d_answer, (k,), hints={(): "A ordem é (d_star, jsd), e d_star tem um valor por resultado."})
    d_star = p_data / (p_data + p_g)
    d_mistakes = [
        (1 - d_star, "d_star: está invertido; D é a probabilidade de ser *real*, e cresce com p_dados."),
        (p_data / (p_data + p_g) * 2, "d_star: passou de 1, e é uma probabilidade: divida pela soma, sem o 1/2."),
        ((p_data - p_g).sigmoid(), "d_star: o logit ótimo é a diferença dos *logaritmos* das probabilidades."),
        (p_data, "d_star: isso é p_dados; o que decide é p_dados frente à soma das duas."),
    ]
    compare(
        d, d_star, d_mistakes, "d_star: os números não conferem. Em cada resultado, maximize a·log y + b·log(1 - y)."
    )
    infinite = (
        "onde uma probabilidade é zero, p·log p vale 0 (é o limite), mas o computador faz 0 · (-inf) = NaN. "
        "`torch.xlogy(p, q)` calcula p·log q e dá 0 quando p = 0."
    )
    value = number_answer(jsd_answer, hints={(k,): "Falta somar sobre os resultados."}, infinite=f"jsd: {infinite}")
    mixture = (p_data + p_g) / 2
    on_data, on_g = _kl(p_data, mixture), _kl(p_g, mixture)
    jsd = (on_data + on_g) / 2
    mistakes = [
        (2 * jsd, "jsd: você somou as duas KL; a JSD é a média delas, e nunca passa de log 2."),
        (on_data, "jsd: essa é só uma das duas KL, a de p_dados à mistura."),
        (on_g, "jsd: essa é só uma das duas KL, a de p_g à mistura."),
        (jsd / math.log(2), "jsd: isso está em bits; use o logaritmo natural, para sair em nats."),
        (2 * jsd - math.log(4), "jsd: esse é o valor do jogo, V(D*, G) = -log 4 + 2·JSD; tire dele a JSD."),
        (math.log(4) - 2 * jsd, "jsd: essa é a perda do discriminador ótimo, log 4 - 2·JSD; tire dela a JSD."),
        (jsd - math.log(2), "jsd: a mistura é (p + q)/2; sem o 1/2 a conta sai menor por log 2, e negativa."),
        ((p_data - p_g).abs().sum() / 2, "jsd: essa é a distância de variação total, que não tem logaritmo."),
        (-jsd, "jsd: o sinal está trocado; uma divergência nunca é negativa."),
    ]
    compare(value, jsd, mistakes, "jsd: o número não confere. É a média das KL de cada distribuição à mistura delas.")


EXERCISE = Exercise(
    name="04_gan",
    questions=(
        Question(
            name="q1",
            function="disc_loss",
            points=2,
            start="Comece pelas reais: escreva -log σ(a) como um `softplus`, que não estoura.",
            public_seeds=(0, 1, 2),
            make_inputs=_disc_inputs,
            judge=_judge_disc,
        ),
        Question(
            name="q2",
            function="gen_losses",
            points=1,
            start="Comece pela que você já tem: qual parcela da perda do discriminador depende do gerador?",
            public_seeds=(0, 1, 2),
            make_inputs=_fake_inputs,
            judge=_judge_generator,
        ),
        Question(
            name="q3",
            function="gen_slopes",
            points=1,
            start="Comece por derivar log(1 - σ(a)) no papel, com σ' = σ(1 - σ); a fração se simplifica.",
            public_seeds=(0, 1, 2),
            make_inputs=_fake_inputs,
            judge=_judge_slopes,
        ),
        Question(
            name="q4",
            function="game_gradients",
            points=2,
            start="Comece pelo passo do discriminador, com as falsas desligadas do gerador: `fake.detach()`.",
            public_seeds=(0, 1, 2),
            make_inputs=_game_inputs,
            judge=_judge_game,
        ),
        Question(
            name="q5",
            function="optimal_discriminator",
            points=2,
            start="Comece por D*: de cada cem vezes que o resultado aparece, em quantas ele veio dos dados?",
            public_seeds=(0, 1, 2),
            make_inputs=_distributions_inputs,
            judge=_judge_optimal,
        ),
    ),
)
