"""Exercício 01_autoencoder: a unidade do erro, a pilha sem ativações, o menor código e o que há dentro dele."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from math import inf, log

import numpy as np
import torch
from torch import Tensor

from course_lib.exercises.question import Exercise, Question, random_images


class ErrorPerImage(Question):
    """O erro quadrático de uma imagem, com os pixels em [0, 1]."""

    name, function, points = "q1", "error_per_image", 1
    start = "Comece por levar as duas imagens a [0, 1]: `(x + 1) / 2`."

    def draw(self, seed, source):
        x = random_images(3 + seed % 3, source)
        return {"x_hat": (x + 0.2 * torch.randn(x.shape, generator=source)).clamp(-1, 1), "x": x}

    def answer(self, x_hat, x):
        return ((x_hat - x) / 2).square().flatten(1).sum(1).mean()

    def mistakes(self, right, x_hat, x):
        difference = ((x_hat - x) / 2).flatten(1)
        squares = difference.square()
        yield (len(x),), "Você tem o erro de cada imagem; falta a média sobre o lote."
        yield x.shape, "Falta somar sobre os pixels e tirar a média sobre o lote."
        yield (1,), "Falta tirar o eixo que sobrou."
        yield (
            4 * right,
            "os pixels estão em [-1, 1]: em [0, 1] cada diferença é a metade, e o quadrado dela, um quarto.",
        )
        yield 2 * right, "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto."
        hint = "essa é a média por pixel (o MSE); queremos a soma dos 784 pixels, com eles em [0, 1]."
        yield 4 * squares.mean(), hint
        yield squares.mean(), "você tirou a média sobre os pixels; queremos a soma dos 784 de cada imagem."
        hint = "você somou o lote inteiro: o erro cresceria com o tamanho do lote. Tire a média sobre as imagens."
        yield squares.sum(), hint
        hint = "você somou o lote inteiro; tire a média sobre as imagens, e leve os pixels a [0, 1]."
        yield 4 * squares.sum(), hint
        yield squares.sum(1).sqrt().mean(), "essa é a norma; o erro é o quadrado dela, sem a raiz."
        yield difference.abs().sum(1).mean(), "você somou valores absolutos; o erro é quadrático."
        yield difference.sum(1).mean(), "faltou elevar ao quadrado: erros de sinais contrários se cancelam."
        yield ..., "o número não confere: em [0, 1], soma sobre os pixels, média sobre o lote."


class Collapse(Question):
    """As camadas sem ativações são uma só, de posto menor ou igual ao da mais estreita."""

    name, function, points = "q2", "collapse", 2
    start = "Comece com duas camadas no papel: o que é W₂(W₁x + b₁) + b₂, separando o que multiplica x?"
    parts = ("W", "b", "posto")
    widths = ((10, 6, 8, 7, 9, 3, 5, 10), (11, 8, 6, 7, 9, 4, 10, 11), (9, 7, 10, 3, 5, 8, 9))
    """A mais estreita não é a primeira, nem a segunda, nem a do meio, nem a última: é preciso olhar todas."""

    def draw(self, seed, source):
        layers = [
            (torch.randn(after, before, generator=source) * before**-0.5, 0.5 * torch.randn(after, generator=source))
            for before, after in pairwise(self.widths[seed % 3])
        ]
        return {"layers": layers}

    def answer(self, layers, carry=True, bias=True, last=True):
        weight, offset = layers[0]
        offset = bias * offset
        for following, constant in layers[1:]:
            weight = following @ weight
            offset = (following @ offset if carry else 0) + bias * constant
        if not last:
            offset = offset - layers[-1][1]
        return weight, offset, float(min(min(matrix.shape) for matrix, _ in layers))

    def mistakes(self, right, but, layers):
        weight, offset, rank = right
        size, sizes = len(offset), [len(bias) for _, bias in layers]
        yield "W", layers[0][0].shape, "Essa é só a primeira camada; faltam as seguintes."
        yield "W", weight.T, "está transposta: as camadas vêm como (saída, entrada), e a que as resume também."
        hint = "falta uma camada: o produto passa por todas, da primeira à última."
        yield "W", (layers[-2][0].shape[0], size), hint
        yield "W", ..., "os números não conferem: a camada de cima multiplica à esquerda, W₂W₁, e assim por diante."
        yield "b", (size, 1), "Um vetor só, sem o eixo a mais."
        hint = "o viés de cada camada também passa pelas de cima: W₂(W₁x + b₁) + b₂ tem W₂b₁ além de b₂."
        yield "b", but(carry=False)[1], hint
        yield "b", but(bias=False)[1], "os vieses não somem: leve-os pelas camadas de cima, e some o de cada uma."
        yield "b", but(last=False)[1], "faltou o viés da última camada."
        hint = "multiplicar o primeiro viés por todas as camadas não basta: cada uma soma o seu pelo caminho."
        yield "b", reduce(lambda h, layer: layer[0] @ h, layers[1:], layers[0][1]), hint
        yield "b", ..., "os números não conferem: a cada camada, b passa a ser W b + o viés dela."
        hint = "esse é o número de pixels. As reconstruções passam por lugares mais estreitos, e nenhuma camada alarga."
        yield "posto", float(size), hint
        yield "posto", float(len(layers)), "esse é o número de camadas."
        yield "posto", float(sizes[0]), "olhe todas as camadas, e não só a primeira: a mais estreita decide."
        hint = "na rede do curso a camada mais estreita é a segunda; aqui ela pode ser qualquer uma."
        yield "posto", float(sizes[1]), hint
        yield "posto", float(sizes[len(layers) // 2]), "a camada do meio não é, aqui, a mais estreita."
        yield "posto", float(sizes[-2]), "olhe todas as camadas, e não só as últimas: a mais estreita decide."
        yield "posto", rank + 1, "o viés desloca o plano, mas não lhe dá mais uma dimensão."
        hint = "o posto de um produto não passa do menor dos postos: procure a camada mais estreita."
        yield "posto", ..., hint


class SmallestCode(Question):
    """O menor número de componentes que cumpre um erro pedido."""

    name, function, points = "q3", "smallest_code", 1
    start = "Comece pelo erro de cada k, de 0 a n: a soma dos autovalores que sobram, na unidade da questão 1."
    parts = ("k", "erro")

    def draw(self, seed, source):
        variances = (
            (torch.logspace(1.5, -1, 20) * (0.5 + torch.rand(20, generator=source))).sort(descending=True).values
        )
        errors = self.errors(variances)
        k = (6, 11, 0, 8)[seed % 4]
        # Entre o erro de k e o de k - 1, longe dos dois: o arredondamento não decide.
        target = 1.2 * errors[0] if k == 0 else errors[k - 1 : k + 1].log().mean().exp()
        return {"variances": variances, "target": round(float(target), 6)}

    @staticmethod
    def errors(variances: Tensor) -> Tensor:
        """Os erros de 0 a n componentes."""
        return torch.cat([variances.flip(0).cumsum(0).flip(0), torch.zeros(1, dtype=variances.dtype)]) / 4

    def answer(self, variances, target):
        errors = self.errors(variances)
        k = int((errors > target).sum())
        return float(k), float(errors[k])

    def mistakes(self, right, but, variances, target):
        k, error = right
        errors, total = self.errors(variances), float(variances.sum())
        yield "k", (len(variances),), "Queremos um número: o menor k que serve."
        hint = "o alvo é em [0, 1], e os autovalores, em [-1, 1]: o erro é a soma dos que sobram, dividida por 4."
        yield "k", but(target=target / 4)[0], hint
        yield (
            "k",
            but(target=target / 2)[0],
            "dividir por 2 não basta: a metade da diferença, ao quadrado, é um quarto.",
        )
        yield "k", k - 1, "com esse k o erro ainda passa do alvo: falta uma componente. Com k = 0 sobram todos."
        yield "k", k + 1, "com uma componente a menos o alvo já se cumpre."
        kept = float((variances.cumsum(0) / 4 < target).sum()) + 1
        yield "k", kept, "essa conta é com a variância que se guarda; o erro é o que fica de fora."
        hint = "o alvo é um erro, e não uma fração da variância."
        yield "k", float((4 * errors / total > target).sum()), hint
        yield "k", lambda value: value != int(value), "k é um número inteiro de componentes."
        yield (
            "k",
            lambda value: value > k,
            "há um k menor que cumpre o alvo: percorra de 0 para cima, e pare no primeiro.",
        )
        yield "k", ..., "com esse k o erro ainda passa do alvo."
        yield "erro", 4 * error, "está na unidade de [-1, 1]; em [0, 1] o erro quadrático é um quarto disso."
        yield "erro", target, "esse é o alvo; o erro que se obtém com k componentes é um pouco menor."
        yield "erro", total / 4 - error, "essa é a variância que a PCA guarda; o erro é o que ela deixa de fora."
        yield (
            "erro",
            float(errors[max(int(k) - 1, 0)]),
            "esse é o erro de uma componente a menos, que não cumpre o alvo.",
        )
        yield "erro", float(errors[int(k) + 1]), "esse é o erro de uma componente a mais."
        yield "erro", ..., "o número não confere: a soma dos autovalores de k em diante, dividida por 4."


class Detector(Question):
    """O limiar que cumpre uma taxa de alarmes falsos, e a fração das estranhas que ele apanha."""

    name, function, points = "q4", "detector", 2
    start = "Comece por um detector só: ponha os erros normais em ordem. Quantos podem ficar acima do limiar?"
    parts = ("limiares", "apanhadas")

    def draw(self, seed, source):
        n, budget = ((42, 0.125), (50, 0.0625), (38, 0.25))[seed % 3]
        shape = (n + seed // 3 % 3, 4)
        scale = torch.tensor([1.0, 2.0, 0.6, 3.0])
        normal = scale * (2 + torch.randn(shape, generator=source)).abs()
        # Em frações que nenhum arredondamento muda; nas colunas de oitavos há empates, também no limiar.
        grid = torch.tensor([64.0, 8.0, 64.0, 8.0])
        normal = (grid * normal).round() / grid
        limits = self.limits(normal, budget)
        strange = normal[torch.randint(len(normal), (30, 4), generator=source), torch.arange(4)]
        strange = strange + torch.tensor([0.5, 2.0, 0.125, 4.0])
        strange[:4] = limits  # estas têm exatamente o erro do limiar, e não passam dele
        strange = strange[torch.randperm(len(strange), generator=source)]
        return {"normal": normal, "strange": strange, "budget": budget}

    @staticmethod
    def limits(normal: Tensor, budget: float, extra: int = 0) -> Tensor:
        """De cada detector, o menor erro normal acima do qual sobram no máximo ``budget`` das normais."""
        allowed = int(budget * len(normal)) + extra
        return normal.sort(0).values[len(normal) - 1 - allowed]

    def answer(self, normal, strange, budget):
        limits = self.limits(normal, budget)
        return limits, (strange > limits).double().mean(0)

    def mistakes(self, right, normal, strange, budget):
        (limits, caught), n = right, normal.shape[1]
        yield (), "Um por detector: cada coluna é um, com o seu limiar."
        yield normal.shape, "Um por detector: falta resumir as imagens."
        yield (len(normal),), "Um por detector, isto é, por coluna."
        yield "limiares", caught, "a ordem da tupla é (limiares, apanhadas)."
        hint = "`quantile` interpola entre dois erros; o limiar que se pede é um dos erros normais, o menor que serve."
        yield "limiares", normal.quantile(1 - budget, dim=0), hint
        hint = "está ao contrário: assim quase todas as imagens normais dão alarme."
        yield "limiares", normal.quantile(budget, dim=0), hint
        yield "limiares", normal.sort(0).values[int(budget * len(normal))], hint
        hint = "o limiar se escolhe só com as normais: na hora de usá-lo, ninguém sabe como são as estranhas."
        yield "limiares", strange.sort(0).values[len(strange) - 1 - int(budget * len(strange))], hint
        both = torch.cat([normal, strange])
        yield "limiares", both.sort(0).values[len(both) - 1 - int(budget * len(both))], hint
        hint = "há um limiar menor que ainda cumpre o pedido: o alarme é de quem passa dele, e o próprio não conta."
        yield "limiares", self.limits(normal, budget, extra=-1), hint
        yield "limiares", self.limits(normal, budget, extra=1), "com esse limiar há alarmes falsos demais."
        hint = "esse não deixa passar nenhuma normal; o pedido aceita alguns alarmes falsos, e com eles apanha mais."
        yield "limiares", normal.amax(0), hint
        everything = normal.flatten().sort().values
        shared = everything[len(everything) - 1 - int(budget * len(everything))].expand(n)
        yield "limiares", shared, "cada detector tem a sua escala de erro, e o seu limiar; não os junte."
        yield "limiares", ..., "os números não conferem: com m alarmes permitidos, é o (m + 1)-ésimo maior erro normal."
        hint = "alarme é de quem erra *mais* que o limiar: as que empatam com ele não passam."
        yield "apanhadas", (strange >= limits).double().mean(0), hint
        yield "apanhadas", 1 - caught, "essas são as que escapam; queremos as apanhadas."
        yield "apanhadas", caught * len(strange), "essa é a contagem; queremos a fração das estranhas."
        yield "apanhadas", (normal > limits).double().mean(0), "esses são os alarmes falsos; a fração é das estranhas."
        yield "apanhadas", 100 * caught, "a fração vai de 0 a 1; você a deu em porcentagem."
        yield "apanhadas", caught * len(strange) / len(normal), "a fração é das estranhas: divida pelo número delas."
        yield "apanhadas", ..., "os números não conferem: em cada coluna, a fração das estranhas acima do limiar."


class DiagnoseCode(Question):
    """O que há de errado com cada unidade de um código: nada, morta, constante ou repetida."""

    name, function, points = "q5", "diagnose_code", 1
    start = (
        "Comece pelas que não variam: o maior valor de cada coluna é igual ao menor? As mortas são as que ficam em 0."
    )

    def draw(self, seed, source):
        n = 50 + seed % 5
        healthy = torch.randn(n, 4, generator=source) + torch.tensor([1.0, 2.0, -0.5, 1.5])
        rare = torch.zeros(n, 1)
        rare[seed % n] = 2.0  # acesa por uma imagem só, mas viva
        negative = -1 - torch.rand(n, 1, generator=source)  # um código livre pode ser sempre negativo
        close_to_first = healthy[:, :1] + 0.3 * torch.randn(n, 1, generator=source)
        sound = torch.cat([healthy, rare, negative, close_to_first], 1)
        broken = torch.cat(
            [
                torch.zeros(n, 2),
                torch.full((n, 1), 1.5 + seed % 3),
                2.5 * healthy[:, 1:2],
                3 - 0.5 * healthy[:, 3:4],
                healthy[:, 2:3] + 1,
                healthy[:, :1],
            ],
            1,
        )
        z = torch.cat([sound, broken], 1)
        # As repetidas vão para depois das originais ou para antes delas: quem vem primeiro é a original.
        return {"z": z[:, torch.randperm(z.shape[1], generator=source)]}

    def answer(self, z, **options):
        return np.array(self.verdicts(z, **options), dtype=float)

    @staticmethod
    def verdicts(z, dead=None, constant=2.0, same=None, first=True):
        """Um veredito por coluna; ``dead`` e ``same`` são os critérios, e ``first`` diz se a primeira do par é sã."""
        dead = dead or (lambda column: bool((column == 0).all()))
        same = same or (lambda a, b: abs(correlation(a, b)) > 0.9999)
        found, columns = [], list(z.T)
        flat = [bool(column.max() - column.min() < 1e-6) for column in columns]
        for j, column in enumerate(columns):
            others = range(j) if first else (i for i in range(len(columns)) if i != j)
            if dead(column):
                found.append(1.0)
            elif flat[j]:
                found.append(constant)
            else:
                found.append(3.0 if any(not flat[i] and same(columns[i], column) for i in others) else 0.0)
        return found

    def mistakes(self, right, but, z):
        yield (), "Um veredito por unidade, e não a conta delas."
        yield (len(z),), "Um veredito por unidade: as unidades são as colunas, e as imagens, as linhas."
        yield z.shape, "Um veredito por unidade: falta olhar todas as imagens de uma vez."
        hint = "morta é a que fica em 0 em todas as imagens. A que é sempre negativa varia, e carrega informação."
        yield but(dead=lambda column: bool((column <= 0).all())), hint
        hint = "acender em poucas imagens não é estar morta: basta uma."
        yield but(dead=lambda column: bool((column == 0).double().mean() > 0.9)), hint
        hint = "a constante que não é zero é outra coisa: não está morta, mas não conta nada sobre a imagem. É a 2."
        yield but(constant=1.0), hint
        yield but(constant=0.0), "há uma unidade que não varia nunca; ela não é sadia, ainda que não seja zero."
        hint = "a constante não repete ninguém: a correlação dela é 0/0. Separe-a antes."
        yield but(constant=3.0), hint
        yield but(first=False), "a primeira de cada par é a original, sadia; repetida é a que vem depois dela."
        hint = "uma unidade que desce exatamente quando a outra sobe diz o mesmo: olhe |ρ|, o módulo da correlação."
        yield but(same=lambda a, b: correlation(a, b) > 0.9999), hint
        yield but(same=lambda a, b: abs(correlation(a, b)) > 0.8), "parecida não é repetida: o |ρ| tem de ser 1."
        hint = "repetida não é só a igual: o dobro da outra, ou a outra mais 1, não traz informação nova."
        yield but(same=lambda a, b: torch.allclose(a, b, atol=1e-5)), hint
        hint = "a correlação se mede dos desvios em relação à média de cada unidade; sem isso, a + 1 parece outra."
        yield but(same=lambda a, b: abs(a @ b) / (a.norm() * b.norm()) > 0.9999), hint
        yield but(same=lambda *_: False), "faltou procurar as repetidas: há unidades que dizem o que outra já disse."
        hint = "você marcou repetida em vez de morta: todas as mortas são iguais, mas o defeito delas é não acender."
        yield np.where(right == 1, 3.0, right), hint
        yield (right > 0).astype(float), "isso separa as sadias das outras; diga de cada uma o defeito: 1, 2 ou 3."
        yield (right == 0).astype(float), "isso marca as sadias; diga de cada unidade o veredito: 0, 1, 2 ou 3."
        yield ..., "algum veredito não confere: 1 só se é toda zero, 2 se não varia, 3 se |ρ| = 1 com uma anterior."


def correlation(a: Tensor, b: Tensor) -> float:
    """A correlação de duas unidades; 0 se uma não varia."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(a.norm() * b.norm())
    return float(a @ b) / scale if scale else 0.0


class LegalChance(Question):
    """A chance de um código sorteado não ter coordenada negativa, em log10."""

    name, function, points = "q6", "legal_chance", 1
    start = "Comece por uma coordenada: z < 0 quando ε < -m/s. Qual é a chance de isso *não* acontecer?"

    def draw(self, seed, source):
        k = 9 + seed % 3
        std = 0.5 + 2 * torch.rand(k, generator=source)
        mean = std * (0.2 + 1.6 * torch.rand(k, generator=source))
        order = torch.randperm(k, generator=source)
        mean[order[:2]] = std[order[:3]] = 0.0  # duas mortas e, com a terceira, uma constante
        return {"mean": mean, "std": std}

    def answer(self, mean, std):
        alive = std > 0
        return (torch.special.log_ndtr(mean[alive] / std[alive]).sum() / log(10)).item()

    def mistakes(self, right, but, mean, std):
        k, alive = len(mean), std > 0
        ratio = mean[alive] / std[alive]
        each = torch.special.log_ndtr(ratio) / log(10)
        dead = int((~alive & (mean == 0)).sum())
        yield (
            (k,),
            "Queremos a chance de *nenhuma* ser negativa: as coordenadas são independentes, e as chances, um produto.",
        )
        yield inf, "uma unidade que não varia dá m/0 (ou 0/0). Pense nela: pode ser negativa alguma vez?"
        yield right * log(10), "o logaritmo pedido é na base 10."
        yield 10**right, "essa é a chance; pede-se o log10 dela, que não se perde quando são muitas coordenadas."
        yield -right, "o sinal está trocado: uma chance é menor que 1, e o log10 dela, negativo."
        hint = "uma unidade morta sorteia sempre 0, que não é negativo: o fator dela é 1, e não 1/2."
        yield right - dead * log(2) / log(10), hint
        hint = "essa é a chance de todas as que variam serem *negativas*: o sinal de m/s está trocado."
        yield but(mean=-mean), hint
        yield but(std=std**2), "divida a média pelo desvio, e não pela variância."
        yield (torch.special.log_ndtr(mean[alive]) / log(10)).sum(), "faltou dividir a média pelo desvio."
        yield each.mean(), "as chances se multiplicam: some os logaritmos, sem tirar a média."
        hint = "essa é a conta de N(0, I), em que cada coordenada tem meia chance; aqui a média de cada uma ajuda."
        yield -k * log(2) / log(10), hint
        yield -int(alive.sum()) * log(2) / log(10), hint
        yield torch.log10(1 - (10**each).prod()), "essa é a chance de *alguma* ser negativa; queremos a de nenhuma."
        total = mean.sum() / std.square().sum().sqrt()
        yield torch.special.log_ndtr(total) / log(10), "isso é a chance de a *soma* não ser negativa; é cada uma."
        yield lambda value: value > 0, "uma chance é no máximo 1, e o log10 dela, no máximo 0."
        yield ..., "o número não confere: a soma, nas unidades que variam, de log10 Φ(m/s)."


EXERCISE = Exercise(
    "01_autoencoder",
    (ErrorPerImage(), Collapse(), SmallestCode(), Detector(), DiagnoseCode(), LegalChance()),
)
