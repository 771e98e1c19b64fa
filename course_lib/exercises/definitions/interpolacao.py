"""Exercício 09_interpolacao: o caminho entre dois dígitos no código do autoencoder e no do VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import runtime
from course_lib.exercises.question import (
    Exercise,
    Mistake,
    Question,
    close,
    compare,
    generator,
    number_answer,
    random_images,
    require_no_gradient,
    tensor_answer,
)
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.vae import VAE

PAIRS = ((4, 9), (5, 3), (7, 1))


# ---- Entradas sorteadas ----


def _model(seed: int) -> Autoencoder | VAE:
    """Rede pequena de pesos sorteados: um autoencoder nas sementes pares, um VAE nas ímpares."""
    with runtime.isolated_seed(seed):
        model = VAE(latent_dim=6, hidden_dims=(32,)) if seed % 2 else Autoencoder(latent_dim=7, hidden_dims=(32,))
    with torch.no_grad():
        # Pesos maiores afastam os códigos uns dos outros: um engano muda a resposta muito além da tolerância.
        for parameter in model.parameters():
            parameter.mul_(2)
        if isinstance(model, VAE):
            model.posterior[-1].bias[model.latent_dim :] -= 4  # desvios pequenos, bem distintos de mu
    return model


def _pick_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    labels = torch.randperm(60, generator=source) % 10
    digit_a, digit_b = PAIRS[seed % len(PAIRS)]
    return {"images": random_images(60, source), "labels": labels, "digit_a": digit_a, "digit_b": digit_b}


def _code_inputs(seed: int) -> dict[str, Any]:
    return {"model": _model(seed), "x": random_images(3, generator(seed))}


def _interpolate_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 5 if seed == 0 else int(torch.randint(3, 10, (), generator=source))
    z_a, z_b = torch.randn(2, n + 7, generator=source)
    return {"z_a": z_a, "z_b": z_b, "n": n}


def _path_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = 5 if seed < 2 else int(torch.randint(3, 10, (), generator=source))
    return {"model": _model(seed), "x": random_images(2, source), "n": n}


def _jump_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    n = int(torch.randint(4, 9, (), generator=source))
    sizes = 0.02 + 0.3 * torch.rand(n, 1, 1, 1, generator=source)
    return {"frames": (random_images(n, source) * sizes).cumsum(0)}


def _distance_inputs(seed: int) -> dict[str, Any]:
    source = generator(seed)
    images = (random_images(30, source) + torch.rand(30, 1, 1, 1, generator=source) - 0.5).clamp(-1, 1)
    chosen = torch.randperm(30, generator=source)[:5]
    # Cada quadro é uma imagem real com ruído e outro brilho: há uma mais parecida, e não é a mais próxima em pixels.
    noisy = 0.3 * images[chosen] + 0.3 * random_images(5, source)
    return {"frames": noisy + 0.3 * torch.rand(5, 1, 1, 1, generator=source), "images": images}


# ---- Referências ----


def _code(model: Autoencoder | VAE, x: Tensor) -> Tensor:
    return model.encode(x)[0] if isinstance(model, VAE) else model.encode(x)


def _line(start: Tensor, end: Tensor, n: int) -> Tensor:
    return torch.lerp(start, end, torch.linspace(0, 1, n).view(-1, *[1] * start.ndim))


def _jumps(frames: Tensor) -> Tensor:
    return frames.double().flatten(1).diff(dim=0).norm(dim=1)


def _cosines(frames: Tensor, images: Tensor, *, centred: bool) -> Tensor:
    rows = [item.double().flatten(1) for item in (frames, images)]
    if centred:
        rows = [item - item.mean(1, keepdim=True) for item in rows]
    frames, images = (nn.functional.normalize(item, dim=1) for item in rows)
    return frames @ images.T


# ---- Juízes ----


def _judge_pick(inputs: Mapping[str, Any], answer: Any) -> None:
    images, labels = inputs["images"], inputs["labels"]
    digits = (inputs["digit_a"], inputs["digit_b"])
    if isinstance(answer, tuple | list) and len(answer) == 2 and all(isinstance(item, Tensor) for item in answer):
        raise Mistake(
            "você devolveu as duas imagens separadas; junte-as num lote só, de forma (2, 1, 28, 28), com `torch.stack`."
        )
    if isinstance(answer, Tensor) and answer.shape[1:] == (1, 28, 28) and len(answer) > 2:
        one = "fique com uma só de cada classe (a primeira, `[0]`)."
        raise Mistake(f"vieram {len(answer)} imagens; {one}", f"vieram imagens a mais; {one}")
    value = tensor_answer(
        answer,
        (2, 1, 28, 28),
        hints={
            (2, 28, 28): "Perdeu-se o eixo do canal: as imagens são (1, 28, 28).",
            (2, 784): "Não achate a imagem: os modelos do curso recebem (B, 1, 28, 28).",
            (2,): "Parecem rótulos ou índices: use-os para indexar `images`.",
            (1, 28, 28): "Falta uma das duas imagens.",
        },
    )
    found = []
    for row in value:
        same = (images.double() == row).flatten(1).all(1).nonzero().flatten()
        if len(same) == 0:
            raise Mistake("alguma das imagens não está em `images`: pegue amostras reais, sem mexer nos pixels.")
        found.append(int(same[0]))
    classes = tuple(labels[found].tolist())
    if classes == digits:
        return
    if classes == digits[::-1]:
        raise Mistake("a ordem está trocada: primeiro a imagem de `digit_a`, depois a de `digit_b`.")
    if tuple(found) == digits:
        raise Mistake("você usou o dígito como posição. `images[4]` é a quinta imagem, não um 4: procure em `labels`.")
    raise Mistake("alguma das imagens é de outra classe. `labels == digit_a` diz quais imagens são desse dígito.")


def _judge_code(inputs: Mapping[str, Any], answer: Any) -> None:
    model, x = inputs["model"], inputs["x"]
    variational = isinstance(model, VAE)
    kind = "no VAE" if variational else "no autoencoder"
    with torch.no_grad():
        expected, hidden = _code(model, x), model.encoder(x.flatten(1))
        logvar = model.encode(x)[1] if variational else None
    if variational and isinstance(answer, tuple | list) and len(answer) == 2:
        raise Mistake("no VAE, `encode` devolve o par (mu, logvar); o código que queremos é só o primeiro, mu.")
    if not variational and isinstance(answer, Tensor) and close(answer.detach(), expected[0]):
        raise Mistake(
            "no autoencoder, `encode` devolve um tensor, e `[0]` nele pega só a primeira imagem. "
            "É no VAE que há um par para desempacotar; `isinstance(…, tuple)` separa os dois casos."
        )
    hints = {
        (len(x), 32): "Você parou na camada oculta: `model.encoder` ainda não é o código do VAE. Use `model.encode`.",
        tuple(x.shape): "Isso tem forma de imagem: a reconstrução. O código vem de `model.encode`.",
        tuple(expected.T.shape): "As imagens vão nas linhas: não transponha.",
        (model.latent_dim,): "Falta o eixo do lote: um código por imagem.",
        (len(x), 2 * model.latent_dim): "São mu e logvar colados; fique com mu, a primeira metade.",
    }
    try:
        value = tensor_answer(answer, tuple(expected.shape), hints=hints)
    except Mistake as mistake:
        raise mistake.about(kind) from None
    if close(value, expected):
        require_no_gradient(answer)
        return
    if not variational:
        if close(value, hidden):
            raise Mistake("no autoencoder, faltou a ReLU do código: `model.encode` a aplica; `model.encoder` não.")
        raise Mistake("no autoencoder, os números não são os de `model.encode(x)`.")
    if close(value, logvar):
        raise Mistake("no VAE, você devolveu logvar, o segundo do par; o código é mu, o primeiro.")
    std = torch.exp(0.5 * logvar)
    if close(value, std) or close(value, logvar.exp()):
        raise Mistake("no VAE, você devolveu o desvio (ou a variância); o código é mu.")
    if ((value - expected) / std).abs().max() < 6:
        raise Mistake(
            "no VAE, isso parece uma amostra z = mu + sigma·eps: muda a cada chamada. Para comparar dois dígitos "
            "queremos o centro da distribuição, mu."
        )
    raise Mistake("no VAE, os números não são o mu de `model.encode(x)`.")


def _judge_interpolate(inputs: Mapping[str, Any], answer: Any) -> None:
    z_a, z_b, n = (inputs[name] for name in ("z_a", "z_b", "n"))
    dim = len(z_a)
    hints = {
        (dim, n): "Os eixos estão trocados: um ponto por linha, uma coordenada do código por coluna.",
        (dim,): "Isso é um ponto só; são `n`, um para cada t.",
        (n,): "São só os valores de t; cada um precisa virar um ponto do espaço latente.",
        (n + 2, dim): "Há pontos demais: as duas pontas já contam entre os `n`.",
        (n - 2, dim): "Faltam pontos: as duas pontas contam entre os `n`.",
        (n + 1, dim): "Sobra um ponto: são `n` pontos, logo `n - 1` passos.",
        (n - 1, dim): "Falta um ponto: são `n` pontos, logo `n - 1` passos.",
        (5, dim): "O número de pontos é o argumento `n`, nem sempre 5.",
        (n, 1, dim): "Há um eixo a mais no meio; os códigos são vetores.",
    }
    value = tensor_answer(answer, (n, dim), hints=hints)
    start, direction = z_a.double(), (z_b - z_a).double()
    t = (value - start) @ direction / direction.square().sum()
    even = torch.linspace(0, 1, n, dtype=torch.float64)
    if close(value, start + even[:, None] * direction):
        require_no_gradient(answer)
        return
    if not close(value, start + t[:, None] * direction):
        if close(value, start + even[:, None] * z_b.double()):
            raise Mistake("em t = 1 não se chega a `z_b`: some à partida t vezes a diferença, t·(z_b - z_a).")
        if close(value.norm(dim=1), _slerp_norms(start, z_b.double(), even)):
            raise Mistake("isso parece a interpolação esférica; aqui queremos a linear, a reta de `z_a` a `z_b`.")
        raise Mistake("os pontos não estão na reta que liga `z_a` a `z_b`: cada um é (1 - t)·z_a + t·z_b.")
    if close(t, even.flip(0)):
        raise Mistake("o caminho está ao contrário: comece em `z_a` (t = 0) e termine em `z_b` (t = 1).")
    missing = [name for name, ends in (("z_a", close(t[0], 0.0)), ("z_b", close(t[-1], 1.0))) if not ends]
    if missing:
        names = " nem ".join(f"`{name}`" for name in missing)
        raise Mistake(f"o caminho não passa por {names}: t vai de 0 a 1 com as pontas incluídas (`torch.linspace`).")
    raise Mistake("as pontas estão certas, mas os passos não são iguais: t cresce de 0 a 1 sempre pelo mesmo tanto.")


def _slerp_norms(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    angle = torch.arccos((start @ end) / (start.norm() * end.norm()))
    weights = torch.stack([torch.sin((1 - t) * angle), torch.sin(t * angle)], 1) / torch.sin(angle)
    return (weights @ torch.stack([start, end])).norm(dim=1)


def _judge_path(inputs: Mapping[str, Any], answer: Any) -> None:
    model, x, n = (inputs[name] for name in ("model", "x", "n"))
    variational = isinstance(model, VAE)
    with torch.no_grad():
        codes = _code(model, x)
        points = _line(codes[0], codes[1], n)
        expected = model.decode(points)
        ends = model.decode(codes)
    hints = {
        (n, model.latent_dim): "Você parou no espaço latente: falta decodificar cada ponto com `model.decode`.",
        (n, 784): "Isso é a saída crua da rede: `model.decode` aplica a tanh e devolve imagens (B, 1, 28, 28).",
        (n, 28, 28): "Perdeu-se o eixo do canal.",
        (2, 1, 28, 28): "São só as duas pontas; falta interpolar os códigos.",
        (1, 28, 28): "Isso é uma imagem só; são `n`, uma para cada ponto do caminho.",
        (5, 1, 28, 28): "O número de quadros é o argumento `n`, nem sempre 5.",
    }
    value = tensor_answer(answer, (n, 1, 28, 28), hints=hints)
    if close(value, expected):
        require_no_gradient(answer)
        return
    if close(value, expected.flip(0)):
        raise Mistake("o caminho está ao contrário: comece em `x[0]` e termine em `x[1]`.")
    if close(value, _line(x[0], x[1], n)):
        raise Mistake("você interpolou os pixels; interpole os códigos e só depois decodifique.")
    if close(value, _line(ends[0], ends[1], n)):
        raise Mistake("você interpolou as imagens já decodificadas; interpole os códigos e só depois decodifique.")
    if close(value, (expected + 1) / 2):
        raise Mistake("você levou as imagens a [0, 1]; no curso elas ficam em [-1, 1].")
    if variational:
        with torch.no_grad():
            logits = model.decode_logits(points)
        if close(value, logits):
            raise Mistake("no VAE, isso são os logits; `model.decode` devolve a imagem.")
    if not (close(value[0], ends[0]) and close(value[-1], ends[1])):
        cause = "use mu, e não uma amostra nem logvar" if variational else "use `model.encode`"
        kind = "no VAE" if variational else "no autoencoder"
        raise Mistake(f"{kind}, as pontas do caminho não são as reconstruções de `x[0]` e `x[1]`: {cause} (questão 2).")
    raise Mistake("as pontas estão certas, mas o meio não: os códigos vão em linha reta e passos iguais (questão 3).")


def _judge_jump(inputs: Mapping[str, Any], answer: Any) -> None:
    frames = inputs["frames"]
    jumps = _jumps(frames)
    n = len(frames)
    hints = {
        (n - 1,): "Esses são os saltos, um por vizinho; falta reduzi-los a um número: o maior dividido pela média.",
        (n,): "Queremos um número por caminho, e não um por quadro.",
        (1,): "Falta tirar o eixo que sobrou (`.item()` ou `[0]`).",
    }
    value = number_answer(answer, hints=hints)
    squares = jumps.square()
    absolute = frames.double().flatten(1).diff(dim=0).abs().sum(1)
    from_start = (frames.double() - frames[0].double()).flatten(1).norm(dim=1)[1:]
    straight = (frames[-1].double() - frames[0].double()).norm()
    mistakes = [
        (
            jumps.max(),
            "esse é o maior salto; falta dividi-lo pelo salto médio.",
        ),
        (jumps.mean(), "esse é o salto médio; falta o maior, que se divide por ele."),
        (jumps.mean() / jumps.max(), "a razão está invertida: o maior dividido pela média dá pelo menos 1."),
        (jumps.max() / jumps.min(), "você dividiu pelo menor salto; divida pela média."),
        (jumps.max() / jumps.sum(), "você dividiu pela soma dos saltos; divida pela média."),
        (jumps.max() * n / jumps.sum(), "entre n quadros há n - 1 saltos: a média é a soma dividida por n - 1."),
        (jumps.max() / jumps.median(), "você dividiu pela mediana; divida pela média."),
        (squares.max() / squares.mean(), "faltou a raiz: o salto é a norma da diferença, não o quadrado dela."),
        (absolute.max() / absolute.mean(), "você somou valores absolutos; o salto é a norma euclidiana."),
        (from_start.max() / from_start.mean(), "compare cada quadro com o seguinte, e não com o primeiro."),
        (jumps.max() / straight, "você dividiu pela distância entre as pontas; divida pelo salto médio."),
    ]
    otherwise = "o número não confere: norma da diferença entre vizinhos, depois o maior dividido pela média."
    if value < 1:
        otherwise = "o resultado é menor que 1, e o maior salto nunca é menor que a média: confira a conta."
    compare(value, jumps.max() / jumps.mean(), mistakes, otherwise)


def _judge_distance(inputs: Mapping[str, Any], answer: Any) -> None:
    frames, images = inputs["frames"], inputs["images"]
    n, n_images = len(frames), len(images)
    cosines = _cosines(frames, images, centred=True)
    hints = {
        (n, n_images): "Você tem a distância de cada quadro a cada imagem; falta ficar com a menor de cada linha.",
        (n_images,): "Reduza sobre as imagens reais, e não sobre os quadros: um número por quadro.",
        (): "Queremos um número por quadro, e não um só.",
        (n, 1): "Há um eixo a mais (veja `keepdim`).",
    }
    value = tensor_answer(answer, (n,), hints=hints)
    plain = _cosines(frames, images, centred=False)
    euclidean = torch.cdist(frames.double().flatten(1), images.double().flatten(1))
    mistakes = [
        (cosines.max(1).values, "essa é a correlação, que cresce com a semelhança; a distância é 1 menos ela."),
        (1 - cosines.min(1).values, "essa é a imagem menos parecida; queremos a mais parecida (a maior correlação)."),
        (1 - cosines.mean(1), "você tirou a média sobre as imagens; queremos só a mais parecida."),
        (1 - plain.max(1).values, "faltou subtrair de cada imagem a média dos seus pixels antes de normalizar."),
        (euclidean.min(1).values, "essa é a distância euclidiana; ela muda com o contraste. Use 1 menos a correlação."),
    ]
    otherwise = "os números não conferem: centre, normalize, correlacione e tome 1 menos a maior correlação."
    if value.min() < -1e-6 or value.max() > 2:
        otherwise = "há valores fora de [0, 2]: depois de centrar, divida cada imagem pela sua norma."
    compare(value, 1 - cosines.max(1).values, mistakes, otherwise)
    require_no_gradient(answer)


EXERCISE = Exercise(
    name="09_interpolacao",
    questions=(
        Question(
            name="q1",
            function="pick_pair",
            points=1,
            start="Comece por `images[labels == digit_a]`: são todas as imagens desse dígito.",
            public_seeds=(0, 1, 2),
            make_inputs=_pick_inputs,
            judge=_judge_pick,
        ),
        Question(
            name="q2",
            function="latent_code",
            points=2,
            start="Comece pelo autoencoder, em que o código é `model.encode(x)`; no VAE, o método devolve um par.",
            public_seeds=(0, 1, 2, 3),
            make_inputs=_code_inputs,
            judge=_judge_code,
        ),
        Question(
            name="q3",
            function="interpolate",
            points=2,
            start="Comece por `t = torch.linspace(0, 1, n)` e refaça, com os seus números, a conta do exemplo à mão.",
            public_seeds=(0, 1, 2, 3),
            make_inputs=_interpolate_inputs,
            judge=_judge_interpolate,
        ),
        Question(
            name="q4",
            function="latent_path",
            points=1,
            start="Encadeie o que já fez: códigos (`latent_code`), pontos (`interpolate`) e, por fim, `model.decode`.",
            public_seeds=(0, 1, 2, 3),
            make_inputs=_path_inputs,
            judge=_judge_path,
        ),
        Question(
            name="q5",
            function="jump_ratio",
            points=1,
            start="Comece pela diferença entre cada quadro e o seguinte: `frames[1:] - frames[:-1]`.",
            public_seeds=(0, 1, 2),
            make_inputs=_jump_inputs,
            judge=_judge_jump,
        ),
        Question(
            name="q6",
            function="distance_to_real",
            points=1,
            start="Comece achatando as imagens (`flatten(1)`) e subtraindo de cada linha a sua média.",
            public_seeds=(0, 1, 2),
            make_inputs=_distance_inputs,
            judge=_judge_distance,
        ),
    ),
)
