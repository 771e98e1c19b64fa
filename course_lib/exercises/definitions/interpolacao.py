"""Exercício 09_interpolacao: o caminho entre dois dígitos no código do autoencoder e no do VAE."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib import runtime
from course_lib.exercises.answers import Mistake, close, require_no_gradient
from course_lib.exercises.question import Exercise, Question, random_images
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.vae import VAE


class PickPair(Question):
    """Uma imagem de cada dígito, qualquer que seja ela."""

    name, function, points = "q1", "pick_pair", 1
    start = "Comece por `images[labels == digit_a]`: são todas as imagens desse dígito."

    def draw(self, seed, source):
        labels = torch.randperm(60, generator=source) % 10
        digit_a, digit_b = ((4, 9), (5, 3), (7, 1))[seed % 3]
        return {"images": random_images(60, source), "labels": labels, "digit_a": digit_a, "digit_b": digit_b}

    def answer(self, images, labels, digit_a, digit_b):
        return torch.stack([images[labels == digit][0] for digit in (digit_a, digit_b)])

    def found(self, value, images):
        """A posição de cada imagem em ``images``, ou -1."""
        same = (images == value[:, None]).flatten(2).all(2)  # (2, 60)
        return torch.where(same.any(1), same.int().argmax(1), -1)

    def accepts(self, value, images, labels, digit_a, digit_b):
        found = self.found(value, images)
        return bool((found >= 0).all()) and labels[found].tolist() == [digit_a, digit_b]

    def before(self, answer):
        if isinstance(answer, tuple | list) and len(answer) == 2 and all(isinstance(item, Tensor) for item in answer):
            raise Mistake(
                "você devolveu as duas imagens separadas; junte-as num lote só, de forma (2, 1, 28, 28), com "
                "`torch.stack`."
            )
        if isinstance(answer, Tensor) and answer.shape[1:] == (1, 28, 28) and len(answer) > 2:
            one = "fique com uma só de cada classe (a primeira, `[0]`)."
            raise Mistake(f"vieram {len(answer)} imagens; {one}", f"vieram imagens a mais; {one}")
        return answer

    def mistakes(self, images, labels, digit_a, digit_b):
        yield (2, 28, 28), "Perdeu-se o eixo do canal: as imagens são (1, 28, 28)."
        yield (2, 784), "Não achate a imagem: os modelos do curso recebem (B, 1, 28, 28)."
        yield (2,), "Parecem rótulos ou índices: use-os para indexar `images`."
        yield (1, 28, 28), "Falta uma das duas imagens."
        yield (
            lambda value: -1 in self.found(value, images),
            "alguma das imagens não está em `images`: pegue amostras reais, sem mexer nos pixels.",
        )
        yield (
            lambda value: labels[self.found(value, images)].tolist() == [digit_b, digit_a],
            "a ordem está trocada: primeiro a imagem de `digit_a`, depois a de `digit_b`.",
        )
        hint = "você usou o dígito como posição. `images[4]` é a quinta imagem, não um 4: procure em `labels`."
        yield images[[digit_a, digit_b]], hint
        yield ..., "alguma das imagens é de outra classe. `labels == digit_a` diz quais imagens são desse dígito."


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


def _code(model: Autoencoder | VAE, x: Tensor) -> Tensor:
    return model.encode(x)[0] if isinstance(model, VAE) else model.encode(x)


def _kind(model: Autoencoder | VAE) -> str:
    return "no VAE" if isinstance(model, VAE) else "no autoencoder"


def _line(start: Tensor, end: Tensor, n: int) -> Tensor:
    """Os ``n`` pontos da reta, das pontas inclusive: (n, ...)."""
    return torch.lerp(start, end, torch.linspace(0, 1, n, dtype=start.dtype).view(-1, *[1] * start.ndim))


class LatentCode(Question):
    """O código de cada imagem, que no VAE é a média da posterior."""

    name, function, points = "q2", "latent_code", 2
    start = "Comece pelo autoencoder, em que o código é `model.encode(x)`; no VAE, o método devolve um par."
    public_seeds = (0, 1, 2, 3)

    def draw(self, seed, source):
        return {"model": _model(seed), "x": random_images(3, source)}

    def answer(self, model, x):
        return _code(model, x)

    def judge(self, inputs, answer):
        try:
            super().judge(inputs, answer)
        except Mistake as mistake:
            raise mistake.about(_kind(inputs["model"])) from None

    def before(self, answer, model, x):
        if isinstance(model, VAE):
            if isinstance(answer, tuple | list) and len(answer) == 2:
                raise Mistake("`encode` devolve o par (mu, logvar); o código que queremos é só o primeiro, mu.")
        elif isinstance(answer, Tensor) and close(answer, _code(model, x)[0]):
            raise Mistake(
                "`encode` devolve um tensor, e `[0]` nele pega só a primeira imagem. É no VAE que há um par para "
                "desempacotar; `isinstance(…, tuple)` separa os dois casos."
            )
        return answer

    def mistakes(self, right, model, x):
        n, hidden = len(x), model.encoder(x.flatten(1))
        yield (
            (n, 32),
            "Você parou na camada oculta: `model.encoder` ainda não é o código do VAE. Use `model.encode`.",
        )
        yield x.shape, "Isso tem forma de imagem: a reconstrução. O código vem de `model.encode`."
        yield right.T.shape, "As imagens vão nas linhas: não transponha."
        yield (model.latent_dim,), "Falta o eixo do lote: um código por imagem."
        yield (n, 2 * model.latent_dim), "São mu e logvar colados; fique com mu, a primeira metade."
        if not isinstance(model, VAE):
            yield hidden, "faltou a ReLU do código: `model.encode` a aplica; `model.encoder` não."
            yield ..., "os números não são os de `model.encode(x)`."
            return
        logvar = model.encode(x)[1]
        std = torch.exp(0.5 * logvar)
        yield logvar, "você devolveu logvar, o segundo do par; o código é mu, o primeiro."
        for spread in (std, std**2):
            yield spread, "você devolveu o desvio (ou a variância); o código é mu."
        yield (
            lambda value: ((value - right) / std).abs().max() < 6,
            "isso parece uma amostra z = mu + sigma·eps: muda a cada chamada. Para comparar dois dígitos queremos o "
            "centro da distribuição, mu.",
        )
        yield ..., "os números não são o mu de `model.encode(x)`."

    after = staticmethod(require_no_gradient)


class Interpolate(Question):
    """Os pontos da reta entre dois códigos."""

    name, function, points = "q3", "interpolate", 2
    start = "Comece por `t = torch.linspace(0, 1, n)` e refaça, com os seus números, a conta do exemplo à mão."
    public_seeds = (0, 1, 2, 3)

    def draw(self, seed, source):
        n = 5 if seed == 0 else int(torch.randint(3, 10, (), generator=source))
        z_a, z_b = torch.randn(2, n + 7, generator=source)
        return {"z_a": z_a, "z_b": z_b, "n": n}

    def answer(self, z_a, z_b, n):
        return _line(z_a, z_b, n)

    def mistakes(self, but, z_a, z_b, n):
        dim, even = len(z_a), torch.linspace(0, 1, n, dtype=torch.float64)
        yield (dim, n), "Os eixos estão trocados: um ponto por linha, uma coordenada do código por coluna."
        yield (dim,), "Isso é um ponto só; são `n`, um para cada t."
        yield (n,), "São só os valores de t; cada um precisa virar um ponto do espaço latente."
        yield (5, dim), "O número de pontos é o argumento `n`, nem sempre 5."
        yield (n + 2, dim), "Há pontos demais: as duas pontas já contam entre os `n`."
        yield (n - 2, dim), "Faltam pontos: as duas pontas contam entre os `n`."
        yield (n + 1, dim), "Sobra um ponto: são `n` pontos, logo `n - 1` passos."
        yield (n - 1, dim), "Falta um ponto: são `n` pontos, logo `n - 1` passos."
        yield (n, 1, dim), "Há um eixo a mais no meio; os códigos são vetores."
        hint = "em t = 1 não se chega a `z_b`: some à partida t vezes a diferença, t·(z_b - z_a)."
        yield but(z_b=z_a + z_b), hint
        norms = self.slerp(z_a, z_b, even[:, None]).norm(dim=1)
        yield (
            lambda value: close(value.norm(dim=1), norms),
            "isso parece a interpolação esférica; aqui queremos a linear, a reta de `z_a` a `z_b`.",
        )

        def times(value: Tensor) -> Tensor:
            """O t de cada ponto, pela sua projeção na reta."""
            direction = z_b - z_a
            return (value - z_a) @ direction / direction.square().sum()

        yield (
            lambda value: not close(value, torch.lerp(z_a, z_b, times(value)[:, None])),
            "os pontos não estão na reta que liga `z_a` a `z_b`: cada um é (1 - t)·z_a + t·z_b.",
        )
        hint = "o caminho está ao contrário: comece em `z_a` (t = 0) e termine em `z_b` (t = 1)."
        yield but(z_a=z_b, z_b=z_a), hint
        why = "t vai de 0 a 1 com as pontas incluídas (`torch.linspace`)."
        for start, end, names in ((False, False, "`z_a` nem `z_b`"), (False, True, "`z_a`"), (True, False, "`z_b`")):
            yield (
                lambda value, ends=(start, end): (close(times(value)[0], 0.0), close(times(value)[-1], 1.0)) == ends,
                f"o caminho não passa por {names}: {why}",
            )
        yield ..., "as pontas estão certas, mas os passos não são iguais: t cresce de 0 a 1 sempre pelo mesmo tanto."

    def slerp(self, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
        angle = torch.arccos((z_a @ z_b) / (z_a.norm() * z_b.norm()))
        return (torch.sin((1 - t) * angle) * z_a + torch.sin(t * angle) * z_b) / torch.sin(angle)

    after = staticmethod(require_no_gradient)


class LatentPath(Question):
    """O caminho decodificado."""

    name, function, points = "q4", "latent_path", 1
    start = "Encadeie o que já fez: códigos (`latent_code`), pontos (`interpolate`) e, por fim, `model.decode`."
    public_seeds = (0, 1, 2, 3)

    def draw(self, seed, source):
        n = 5 if seed < 2 else int(torch.randint(3, 10, (), generator=source))
        return {"model": _model(seed), "x": random_images(2, source), "n": n}

    def answer(self, model, x, n):
        return model.decode(_line(*_code(model, x), n))

    def mistakes(self, right, but, model, x, n):
        yield (n, model.latent_dim), "Você parou no espaço latente: falta decodificar cada ponto com `model.decode`."
        hint = "Isso é a saída crua da rede: `model.decode` aplica a tanh e devolve imagens (B, 1, 28, 28)."
        yield (n, 784), hint
        yield (n, 28, 28), "Perdeu-se o eixo do canal."
        yield (5, 1, 28, 28), "O número de quadros é o argumento `n`, nem sempre 5."
        yield (2, 1, 28, 28), "São só as duas pontas; falta interpolar os códigos."
        yield (1, 28, 28), "Isso é uma imagem só; são `n`, uma para cada ponto do caminho."
        codes = _code(model, x)
        ends = model.decode(codes)
        yield but(x=x.flip(0)), "o caminho está ao contrário: comece em `x[0]` e termine em `x[1]`."
        yield _line(*x, n), "você interpolou os pixels; interpole os códigos e só depois decodifique."
        hint = "você interpolou as imagens já decodificadas; interpole os códigos e só depois decodifique."
        yield _line(*ends, n), hint
        yield (right + 1) / 2, "você levou as imagens a [0, 1]; no curso elas ficam em [-1, 1]."
        if isinstance(model, VAE):
            logits = model.decode_logits(_line(*codes, n))
            yield logits, "no VAE, isso são os logits; `model.decode` devolve a imagem."
        cause = "use mu, e não uma amostra nem logvar" if isinstance(model, VAE) else "use `model.encode`"
        yield (
            lambda value: not close(value[[0, -1]], ends),
            f"{_kind(model)}, as pontas do caminho não são as reconstruções de `x[0]` e `x[1]`: {cause} (questão 2).",
        )
        yield ..., "as pontas estão certas, mas o meio não: os códigos vão em linha reta e passos iguais (questão 3)."

    after = staticmethod(require_no_gradient)


class JumpRatio(Question):
    """Quanto o maior salto entre quadros vizinhos passa do médio."""

    name, function, points = "q5", "jump_ratio", 1
    start = "Comece pela diferença entre cada quadro e o seguinte: `frames[1:] - frames[:-1]`."

    def draw(self, source):
        n = int(torch.randint(4, 9, (), generator=source))
        sizes = 0.02 + 0.3 * torch.rand(n, 1, 1, 1, generator=source)
        return {"frames": (random_images(n, source) * sizes).cumsum(0)}

    def answer(self, frames):
        jumps = frames.flatten(1).diff(dim=0).norm(dim=1)
        return jumps.max() / jumps.mean()

    def mistakes(self, right, frames):
        n, flat = len(frames), frames.flatten(1)
        jumps = flat.diff(dim=0).norm(dim=1)
        hint = "Esses são os saltos, um por vizinho; falta reduzi-los a um número: o maior dividido pela média."
        yield (n - 1,), hint
        yield (n,), "Queremos um número por caminho, e não um por quadro."
        yield (1,), "Falta tirar o eixo que sobrou (`.item()` ou `[0]`)."
        yield jumps.max(), "esse é o maior salto; falta dividi-lo pelo salto médio."
        yield jumps.mean(), "esse é o salto médio; falta o maior, que se divide por ele."
        yield 1 / right, "a razão está invertida: o maior dividido pela média dá pelo menos 1."
        yield jumps.max() / jumps.min(), "você dividiu pelo menor salto; divida pela média."
        yield jumps.max() / jumps.sum(), "você dividiu pela soma dos saltos; divida pela média."
        hint = "entre n quadros há n - 1 saltos: a média é a soma dividida por n - 1."
        yield jumps.max() * n / jumps.sum(), hint
        yield jumps.max() / jumps.median(), "você dividiu pela mediana; divida pela média."
        squares = jumps.square()
        yield squares.max() / squares.mean(), "faltou a raiz: o salto é a norma da diferença, não o quadrado dela."
        absolute = flat.diff(dim=0).abs().sum(1)
        yield absolute.max() / absolute.mean(), "você somou valores absolutos; o salto é a norma euclidiana."
        from_start = (flat - flat[0]).norm(dim=1)[1:]
        yield from_start.max() / from_start.mean(), "compare cada quadro com o seguinte, e não com o primeiro."
        hint = "você dividiu pela distância entre as pontas; divida pelo salto médio."
        yield jumps.max() / from_start[-1], hint
        hint = "o resultado é menor que 1, e o maior salto nunca é menor que a média: confira a conta."
        yield lambda value: value < 1, hint
        yield ..., "o número não confere: norma da diferença entre vizinhos, depois o maior dividido pela média."


class DistanceToReal(Question):
    """A distância de cada quadro à imagem real mais parecida."""

    name, function, points = "q6", "distance_to_real", 1
    start = "Comece achatando as imagens (`flatten(1)`) e subtraindo de cada linha a sua média."

    def draw(self, source):
        images = (random_images(30, source) + torch.rand(30, 1, 1, 1, generator=source) - 0.5).clamp(-1, 1)
        chosen = torch.randperm(30, generator=source)[:5]
        # Cada quadro é uma imagem real com ruído e outro brilho: há uma mais parecida, e não a mais próxima em pixels.
        noisy = 0.3 * images[chosen] + 0.3 * random_images(5, source)
        return {"frames": noisy + 0.3 * torch.rand(5, 1, 1, 1, generator=source), "images": images}

    def cosines(self, frames, images, centred=True):
        rows = [item.flatten(1) for item in (frames, images)]
        rows = [item - item.mean(1, keepdim=True) for item in rows] if centred else rows
        frames, images = (nn.functional.normalize(item, dim=1) for item in rows)
        return frames @ images.T

    def answer(self, frames, images, centred=True):
        return 1 - self.cosines(frames, images, centred).max(1).values

    def mistakes(self, right, but, frames, images):
        n, cosines = len(frames), self.cosines(frames, images)
        yield cosines.shape, "Você tem a distância de cada quadro a cada imagem; falta ficar com a menor de cada linha."
        yield (len(images),), "Reduza sobre as imagens reais, e não sobre os quadros: um número por quadro."
        yield (), "Queremos um número por quadro, e não um só."
        yield (n, 1), "Há um eixo a mais (veja `keepdim`)."
        yield 1 - right, "essa é a correlação, que cresce com a semelhança; a distância é 1 menos ela."
        hint = "essa é a imagem menos parecida; queremos a mais parecida (a maior correlação)."
        yield 1 - cosines.min(1).values, hint
        yield 1 - cosines.mean(1), "você tirou a média sobre as imagens; queremos só a mais parecida."
        yield but(centred=False), "faltou subtrair de cada imagem a média dos seus pixels antes de normalizar."
        euclidean = torch.cdist(frames.flatten(1), images.flatten(1))
        hint = "essa é a distância euclidiana; ela muda com o contraste. Use 1 menos a correlação."
        yield euclidean.min(1).values, hint
        hint = "há valores fora de [0, 2]: depois de centrar, divida cada imagem pela sua norma."
        yield lambda value: value.min() < -1e-6 or value.max() > 2, hint
        yield ..., "os números não conferem: centre, normalize, correlacione e tome 1 menos a maior correlação."

    after = staticmethod(require_no_gradient)


EXERCISE = Exercise(
    "09_interpolacao", (PickPair(), LatentCode(), Interpolate(), LatentPath(), JumpRatio(), DistanceToReal())
)
