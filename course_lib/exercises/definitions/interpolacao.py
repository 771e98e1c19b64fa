"""Exercício 09_interpolacao: o caminho entre dois dígitos no código do autoencoder e no do VAE."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from course_lib import runtime
from course_lib.exercises.answers import Mistake, close, require_no_gradient
from course_lib.exercises.question import Exercise, Question, random_images
from course_lib.models.autoencoder import Autoencoder
from course_lib.models.vae import VAE


class PickPair(Question):
    """A imagem mais típica de cada dígito: a mais próxima da média da classe."""

    name, function, points = "q1", "pick_pair", 1
    start = "Comece por `images[labels == digit_a]`: são todas as imagens desse dígito. A média delas é `.mean(0)`."

    def draw(self, seed, source):
        labels = torch.randperm(60, generator=source) % 10
        digit_a, digit_b = ((4, 9), (5, 3), (7, 1))[seed % 3]
        # Cada classe tem a sua média. A primeira imagem de cada uma, de mais contraste, não é por sorte a típica; e a
        # última é a mais distante.
        images = 0.5 * random_images(60, source) + 0.5 * random_images(10, source)[labels]
        for digit in (digit_a, digit_b):
            images[(labels == digit).nonzero()[[0, -1], 0]] *= torch.tensor([1.1, 1.4]).view(2, 1, 1, 1)
        return {"images": images.clamp(-1, 1), "labels": labels, "digit_a": digit_a, "digit_b": digit_b}

    def answer(self, images, labels, digit_a, digit_b, farthest=False, centre=None):
        chosen = []
        for digit in (digit_a, digit_b):
            candidates = images[labels == digit]
            distance = (candidates - (candidates.mean(0) if centre is None else centre)).flatten(1).norm(dim=1)
            chosen.append(candidates[distance.argmax() if farthest else distance.argmin()])
        return torch.stack(chosen)

    def found(self, value, images):
        """A posição de cada imagem em ``images``, ou -1."""
        same = (images == value[:, None]).flatten(2).all(2)  # (2, 60)
        return torch.where(same.any(1), same.int().argmax(1), -1)

    def before(self, answer):
        if isinstance(answer, tuple | list) and len(answer) == 2 and all(isinstance(item, Tensor) for item in answer):
            raise Mistake(
                "você devolveu as duas imagens separadas; junte-as num lote só, de forma (2, 1, 28, 28), com "
                "`torch.stack`."
            )
        if isinstance(answer, Tensor) and answer.shape[1:] == (1, 28, 28) and len(answer) > 2:
            one = "fique com uma só de cada classe, a mais próxima da média dela."
            raise Mistake(f"vieram {len(answer)} imagens; {one}", f"vieram imagens a mais; {one}")
        return answer

    def mistakes(self, but, images, labels, digit_a, digit_b):
        yield (2, 28, 28), "Perdeu-se o eixo do canal: as imagens são (1, 28, 28)."
        yield (2, 784), "Não achate a imagem: os modelos do curso recebem (B, 1, 28, 28)."
        yield (2,), "Parecem rótulos ou índices: use-os para indexar `images`."
        yield (1, 28, 28), "Falta uma das duas imagens."
        means = torch.stack([images[labels == digit].mean(0) for digit in (digit_a, digit_b)])
        yield means, "essa é a média da classe, que ninguém escreveu; queremos a imagem real mais próxima dela."
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
        yield (
            lambda value: labels[self.found(value, images)].tolist() != [digit_a, digit_b],
            "alguma das imagens é de outra classe. `labels == digit_a` diz quais imagens são desse dígito.",
        )
        yield but(centre=images.mean(0)), "a média é a da classe, e não a de todas as imagens."
        first = torch.stack([images[labels == digit][0] for digit in (digit_a, digit_b)])
        yield first, "essa é a primeira imagem da classe; queremos a mais típica, a mais próxima da média dela."
        yield but(farthest=True), "essas são as menos típicas: fique com a *menor* distância à média (`argmin`)."
        yield (
            ...,
            "as classes estão certas, mas há imagem mais próxima da média da classe (a distância é a euclidiana).",
        )


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

    name, function, points = "q2", "latent_code", 1
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

    name, function, points = "q3", "interpolate", 1
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


class EvenTimes(Question):
    """Os instantes em que o caminho, andado a velocidade constante, mostra os seus quadros."""

    name, function, points = "q5", "even_times", 2
    start = "Comece pelo caminho já andado em cada quadro: os saltos, somados do começo até ali."

    def draw(self, source):
        n = int(torch.randint(6, 12, (), generator=source))
        # Saltos bem diferentes: com saltos parecidos, os instantes pedidos seriam os de partida.
        sizes = 0.01 + 0.4 * torch.rand(n, 1, 1, 1, generator=source) ** 2
        # Uns mexem em muitos pixels, outros em poucos: a norma não é proporcional à soma dos módulos.
        touched = torch.rand(n, 1, 28, 28, generator=source) < 0.05 + 0.95 * torch.rand(n, 1, 1, 1, generator=source)
        return {"frames": (random_images(n, source) * sizes * touched).cumsum(0)}

    def jumps(self, frames, power=2):
        return frames.flatten(1).diff(dim=0).norm(dim=1, p=power)

    def answer(self, frames, jumps=None):
        jumps = self.jumps(frames) if jumps is None else jumps
        travelled = np.concatenate([[0], jumps.cumsum(0).numpy()])
        even = np.linspace(0, 1, len(frames))
        return np.interp(even * travelled[-1], travelled, even)

    def mistakes(self, right, but, frames):
        n, jumps = len(frames), self.jumps(frames)
        even = np.linspace(0, 1, n)
        travelled = np.concatenate([[0], jumps.cumsum(0).numpy()])
        yield (n - 1,), "Entre n quadros há n - 1 saltos, mas os instantes são n: o primeiro é 0."
        yield (n - 2,), "As duas pontas, 0 e 1, contam entre os n instantes."
        yield (), "Queremos n instantes, um por quadro."
        yield frames.shape, "Queremos os instantes, e não os quadros."
        yield even, "esses são os instantes de partida; nos pedidos, os quadros ficam a distâncias iguais."
        yield (
            travelled / travelled[-1],
            "essa é a fração do caminho andada em cada instante; queremos o contrário, o instante em que cada fração "
            "é alcançada.",
        )
        yield travelled, "esse é o caminho andado em cada quadro; dele se acham os instantes."
        yield right * (n - 1), "os instantes vão de 0 a 1; você os contou em quadros."
        yield 1 - right, "o caminho está ao contrário: em t = 0 está o primeiro quadro."
        yield right[::-1].copy(), "o caminho está ao contrário: em t = 0 está o primeiro quadro."
        squares = but(jumps=jumps.square())
        yield squares, "faltou a raiz: o salto é a norma da diferença, não o quadrado dela."
        yield but(jumps=self.jumps(frames, 1)), "você somou valores absolutos; o salto é a norma euclidiana."
        from_start = (frames - frames[0]).flatten(1).norm(dim=1).numpy()
        hint = "o caminho andado é a soma dos saltos entre vizinhos, e não a distância ao primeiro quadro."
        yield np.interp(even * from_start[-1], from_start, even), hint
        yield even[np.searchsorted(travelled, even * travelled[-1] * (1 - 1e-12))], self.stepped
        nearest = np.abs(travelled[:, None] - even * travelled[-1]).argmin(0)
        yield even[nearest], self.stepped
        slow = np.concatenate([[0], (1 / jumps).cumsum(0).numpy()])
        yield slow / slow[-1], "onde o salto é grande o tempo anda devagar, mas a conta é a da inversa da função."
        yield lambda value: value[0] != 0 or value[-1] != 1, "o primeiro instante é 0 e o último, 1."
        yield lambda value: (np.diff(value) < 0).any(), "os instantes crescem: o caminho nunca volta."
        yield ..., "os números não conferem. Refaça à mão o exemplo do enunciado, que dá 0; 0,444; 0,778; 1."

    stepped = "entre dois quadros o instante se acha em linha reta (`np.interp`), e não pelo quadro mais próximo."


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


class OwnKindShare(Question):
    """Que fração dos vizinhos é da mesma nuvem, e quanto seria se as duas fossem uma só."""

    name, function, points = "q7", "own_kind_share", 1
    start = "Comece por juntar as duas nuvens numa só (`torch.cat`), e guarde de qual cada ponto veio."
    parts = ("fatia", "esperada")

    def draw(self, seed, source):
        dim, n, m, k = 2 + seed % 3, 34 + seed % 5, 21 + seed % 4, 3 + seed % 2
        while True:
            codes = 0.5 * torch.randn(n, dim, generator=source)
            codes[:, 0] += 0.8
            prior = torch.randn(m, dim, generator=source)
            both = torch.cat([codes, prior]).double()
            near = torch.cdist(both, both).sort(dim=1).values
            # Nenhum empate que o arredondamento de float32 desfaça.
            if (near[:, k + 1] - near[:, k]).min() > 1e-4:
                return {"codes": codes, "prior": prior, "k": k}

    def same(self, codes, prior, k, itself=False, farthest=False):
        """Se cada um dos k vizinhos de cada ponto é da nuvem dele: (N + M, k)."""
        both, kinds = torch.cat([codes, prior]), torch.arange(len(codes) + len(prior)) < len(codes)
        order = torch.cdist(both, both).argsort(dim=1, descending=farthest)
        neighbours = order[:, :k] if itself or farthest else order[:, 1 : k + 1]
        return (kinds[neighbours] == kinds[:, None]).double()

    def answer(self, codes, prior, k):
        n, m = len(codes), len(prior)
        return self.same(codes, prior, k).mean(), (n * (n - 1) + m * (m - 1)) / ((n + m) * (n + m - 1))

    def mistakes(self, right, codes, prior, k):
        n, m = len(codes), len(prior)
        same, (share, expected) = self.same(codes, prior, k), right
        yield "fatia", same.shape, "Falta a média, sobre os pontos e sobre os vizinhos."
        yield "fatia", (n + m,), "Essa é a fatia de cada ponto; queremos a média de todos."
        yield "fatia", (2,), "Uma fatia só, a média de todos os pontos, os das duas nuvens."
        with_itself = self.same(codes, prior, k, itself=True).mean()
        hint = "o vizinho a zero de distância é o próprio ponto, e ele não conta."
        yield "fatia", with_itself, hint
        yield "fatia", self.same(codes, prior, k + 1, itself=True).mean(), hint
        yield "fatia", 1.0, "procure os vizinhos nas duas nuvens juntas; dentro da própria nuvem, todos são dela."
        yield "fatia", 1 - share, "essa é a fatia da *outra* nuvem."
        yield "fatia", k * share, "divida pelo número de vizinhos: queremos uma fração."
        by_kind = same[:n].mean(), same[n:].mean()
        yield "fatia", by_kind[0], "contam os pontos das duas nuvens, e não só os códigos."
        yield "fatia", by_kind[1], "contam os pontos das duas nuvens, e não só os da priori."
        hint = "é a média de todos os pontos; você deu às duas nuvens o mesmo peso, e elas têm tamanhos diferentes."
        yield "fatia", sum(by_kind) / 2, hint
        yield "fatia", (same.mean(1) > 0.5).double().mean(), "conte a fração dos vizinhos, sem votação."
        yield (
            "fatia",
            self.same(codes, prior, k, farthest=True).mean(),
            "esses são os mais distantes: ordene ao contrário.",
        )
        yield "fatia", self.same(codes, prior, 1).mean(), "use os k vizinhos, e não só o primeiro."
        yield "fatia", expected, "A ordem da tupla é (fatia, esperada)."
        yield "fatia", ..., "o número não confere: k vizinhos de cada ponto na união, sem ele mesmo, e a média."
        yield "esperada", 0.5, "só é 1/2 se as nuvens têm o mesmo tamanho, e são enormes."
        hint = "o próprio ponto não é vizinho de si: dos outros N + M - 1, são da nuvem dele N - 1 (ou M - 1)."
        yield "esperada", (n**2 + m**2) / (n + m) ** 2, hint
        yield "esperada", (n * n + m * m) / ((n + m) * (n + m - 1)), hint
        hint = "essa é a chance de um ponto dos códigos; faça a média com os da priori."
        yield "esperada", (n - 1) / (n + m - 1), hint
        yield (
            "esperada",
            ((n - 1) + (m - 1)) / (2 * (n + m - 1)),
            "há N pontos de uma e M da outra: pese pelos tamanhos.",
        )
        yield "esperada", share, "A ordem da tupla é (fatia, esperada)."
        yield "esperada", ..., "o número não confere. Com N = M = 2, é 1/3."


EXERCISE = Exercise(
    "09_interpolacao",
    (PickPair(), LatentCode(), Interpolate(), LatentPath(), EvenTimes(), DistanceToReal(), OwnKindShare()),
)
