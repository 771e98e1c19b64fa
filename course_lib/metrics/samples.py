"""O juiz de amostras: distâncias entre um conjunto gerado e um real, nas características de um classificador."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from course_lib import checks, runtime
from course_lib.data import ImageDataset, Selection
from course_lib.models.judge import JudgeNetwork
from course_lib.text import number, table

# Imagens classificadas de uma vez: as que cabem no cache do processador (com 500 cada uma custa o dobro). E linhas da
# matriz de distâncias calculadas de uma vez (500 × 10.000 × 4 bytes).
IMAGES_AT_ONCE = 100
ROWS_AT_ONCE = 500
NEIGHBOURS = 3

# Grupos do jackknife: com 20, o próprio desvio estimado erra perto de 1/√(2·19) = 16 %.
GROUPS = 20

# Acima disto, em desvios, duas distâncias diferem: numa normal, 3 desvios por acaso são 3 vezes em mil.
SIGMAS = 3.0


class Distance(Protocol):
    """Uma distância de Fréchet com o que é preciso para compará-la com outra: um relato do juiz, ou o piso."""

    @property
    def frechet(self) -> float:
        """A distância."""
        ...

    @property
    def frechet_std(self) -> float | None:
        """O seu desvio-padrão entre conjuntos do mesmo tamanho; ``None`` se não foi medido."""
        ...

    @property
    def n(self) -> int:
        """Quantas imagens."""
        ...

    @property
    def network(self) -> str:
        """O juiz."""
        ...

    @property
    def reference(self) -> str:
        """As imagens reais com que ele comparou."""
        ...


@dataclass(frozen=True)
class SampleReport:
    """O que o juiz diz de um conjunto de imagens diante do conjunto de referência.

    Attributes:
        name: nome do conjunto julgado.
        n: número de imagens julgadas.
        seed: semente com que elas foram geradas ou sorteadas.
        network: começo do SHA-256 dos pesos do juiz; números de juízes diferentes não se comparam.
        reference: as imagens reais, quantas e como foram escolhidas; de referências diferentes, também não.
        frechet: distância de Fréchet; 0 quando as duas gaussianas coincidem.
        frechet_std: desvio-padrão dela entre conjuntos de ``n`` imagens da mesma fonte (:func:`frechet_spread`);
            ``None`` se não foi medido.
        kid: distância de núcleo (KID), média de sorteios; em torno de 0 quando os conjuntos vêm da mesma fonte.
        kid_std: desvio-padrão entre os sorteios.
        precision: fração das imagens julgadas que caem onde há imagens reais, em [0, 1].
        recall: fração das reais que caem onde há imagens julgadas, em [0, 1].
        coverage: (10,), fração das imagens julgadas que o juiz lê como cada dígito.
        confidence: média da probabilidade do dígito escolhido, em [0, 1].
    """

    name: str
    n: int
    seed: int
    network: str
    reference: str
    frechet: float
    frechet_std: float | None
    kid: float
    kid_std: float
    precision: float
    recall: float
    coverage: tuple[float, ...]
    confidence: float

    @staticmethod
    def table(reports: Iterable[SampleReport], *, floor: Floor | None = None) -> str:
        """Os relatórios numa tabela de texto, uma linha cada um, com o piso, o juiz e a referência embaixo."""
        header = ["conjunto", "N", "Fréchet", "KID × 1000", "precisão", "revocação"]
        header += ["menor e maior dígito", "confiança"]
        reports = list(reports)
        rows = []
        for report in reports:
            kid = f"{number(1000 * report.kid, '.1f')} ± {number(1000 * report.kid_std, '.1f')}"
            digits = f"{number(min(report.coverage), '.1%')} a {number(max(report.coverage), '.1%')}"
            frechet = spread(report.frechet, report.frechet_std)
            rows.append(
                (report.name, report.n, frechet, kid, report.precision, report.recall, digits, report.confidence)
            )
        lines = [table(rows, header, spec=".3f")]
        if floor is not None:
            lines.append(f"piso: {floor}")
        lines.append(f"juiz: {', '.join(sorted({report.network for report in reports}))}")
        lines.append(f"referência: {'; '.join(sorted({report.reference for report in reports}))}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Floor:
    """A distância de imagens reais à referência: o que um gerador perfeito teria com as mesmas N imagens.

    Attributes:
        n: imagens em cada sorteio.
        seed: semente dos sorteios.
        network: começo do SHA-256 dos pesos do juiz.
        reference: as imagens reais de referência.
        values: a distância de cada sorteio.
    """

    n: int
    seed: int
    network: str
    reference: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        return f"{spread(self.mean, self.std)} (N = {number(self.n, ',')}, {self.draws} sorteios)"

    @property
    def draws(self) -> int:
        """Quantos sorteios."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """A média dos sorteios."""
        return statistics.mean(self.values)

    @property
    def std(self) -> float:
        """O desvio-padrão entre os sorteios."""
        return statistics.stdev(self.values)

    @property
    def frechet(self) -> float:
        """A média, com o nome que ela tem num :class:`SampleReport`."""
        return self.mean

    @property
    def frechet_std(self) -> float:
        """O desvio, com o nome que ele tem num :class:`SampleReport`."""
        return self.std


def spread(value: float, std: float | None) -> str:
    """``1,05 ± 0,25``: a distância e o seu desvio, com duas casas; sem o desvio, ``1,05 ± —``."""
    return f"{number(value, '.2f')} ± {number(std, '.2f') if std is not None else '—'}"


def differs(a: Distance, b: Distance, *, sigmas: float = SIGMAS) -> bool:
    r"""Se duas distâncias de Fréchet diferem por mais do que tremem.

    .. math:: |d_a - d_b| > k \sqrt{s_a^2 + s_b^2}

    O desvio é o de sortear outras imagens da mesma fonte. Não inclui o de treinar o modelo de novo, que costuma ser bem
    maior e só se mede com várias sementes.

    Args:
        a: um relato, ou o piso.
        b: outro.
        sigmas: k, em desvios.

    Raises:
        ValueError: as distâncias não se comparam (outro N, outro juiz, outra referência), ou a uma falta o desvio.
    """
    for what, one, other in (("N", a.n, b.n), ("juiz", a.network, b.network), ("referência", a.reference, b.reference)):
        checks.require(one == other, f"a e b: {what} {one} num e {other} no outro; estas distâncias não se comparam")
    checks.number(sigmas, "sigmas", "[0, inf)")
    if a.frechet_std is None or b.frechet_std is None:
        raise ValueError("a e b: a uma das distâncias falta o desvio; sem ele não se sabe se diferem")
    return abs(a.frechet - b.frechet) > sigmas * math.hypot(a.frechet_std, b.frechet_std)


class Judge:
    """Julga conjuntos de imagens diante de um conjunto real, cujas características calcula uma vez só.

    Args:
        network: o classificador, em modo de avaliação.
        network_hash: SHA-256 dos seus pesos.
        reference: imagens reais, mais do que as características; em geral, o teste inteiro. Um conjunto sorteado
            serve; as primeiras de um arquivo, não.

    Raises:
        TypeError: ``reference`` não é um :class:`~course_lib.data.ImageDataset`.
        ValueError: ``reference`` são as primeiras imagens de um arquivo, ou poucas, ou todas iguais.

    Referência:
        Heusel et al. (2017), *GANs trained by a two time-scale update rule* (a distância de Fréchet); Bińkowski et al.
        (2018), *Demystifying MMD GANs* (KID); Kynkäänniemi et al. (2019), *Improved precision and recall metric*.
    """

    def __init__(self, network: JudgeNetwork, network_hash: str, reference: ImageDataset) -> None:
        _check_drawn(reference, "reference")
        self.network = network.eval()
        self.network_hash = network_hash[:12]
        self.description = reference.description
        self._check_set(reference.images, "reference")
        self._images = reference.images

    @cached_property
    def reference(self) -> Tensor:
        """As características (M, n_features) da referência; quem só quer :meth:`labels` não espera por elas."""
        return self.examine(self._images)[0]

    @cached_property
    def _radii(self) -> Tensor:
        return neighbour_radii(self.reference)

    @cached_property
    def _fingerprints(self) -> set[bytes]:
        return set(_fingerprints(self._images))

    @torch.no_grad()
    def examine(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Características (N, n_features) e probabilidades (N, 10) de images (N, 1, 28, 28).

        Raises:
            TypeError, ValueError: ``images`` não é um lote de imagens.
        """
        checks.images(images, "images")
        device = next(self.network.parameters()).device
        features = torch.cat([self.network.features(x.to(device)) for x in images.split(IMAGES_AT_ONCE)])
        return features, self.network.head(features.relu()).softmax(1)

    def labels(self, images: Tensor) -> Tensor:
        """O dígito (N,) que o juiz lê em cada imagem."""
        return self.examine(images)[1].argmax(1)

    def compare(self, name: str, images: Tensor | ImageDataset, *, seed: int = 0) -> SampleReport:
        """Julga ``images`` (N, 1, 28, 28), em [-1, 1], diante da referência.

        Args:
            name: como chamar o conjunto na tabela.
            images: as amostras, ou um conjunto de imagens reais; para comparar com números publicados aqui, tantas
                imagens quantas lá.
            seed: semente com que as amostras foram geradas; serve também aos sorteios da KID e do desvio.

        Raises:
            TypeError: ``images`` não é um lote de imagens.
            ValueError: as imagens são menos do que as características (a covariância não seria estimável), todas
                iguais, de outra forma ou faixa, as primeiras de um arquivo, ou há entre elas cópias da referência.
        """
        if isinstance(images, ImageDataset):
            _check_drawn(images, "images")
            seed = images.seed if images.seed is not None else seed
            images = images.images
        self._check_set(images, "images")
        copies = sum(found in self._fingerprints for found in _fingerprints(images))
        checks.require(
            copies == 0,
            f"images: {number(copies, ',')} das {number(len(images), ',')} imagens são cópias exatas de imagens da "
            f"referência ({self.description}); a distância seria pequena por isso. Julgue imagens que não estejam nela",
        )
        features, probabilities = self.examine(images)
        confidence, labels = probabilities.max(1)
        with runtime.isolated_seed(seed):
            kid, kid_std = kernel_distance(features, self.reference)
        precision, recall = _overlap(features, self.reference, self._radii, NEIGHBOURS)
        return SampleReport(
            name=name,
            n=len(images),
            seed=seed,
            network=self.network_hash,
            reference=self.description,
            frechet=frechet_distance(features, self.reference),
            frechet_std=frechet_spread(features, self.reference, seed=seed),
            kid=kid,
            kid_std=kid_std,
            precision=precision,
            recall=recall,
            coverage=tuple((torch.bincount(labels, minlength=10) / len(labels)).tolist()),
            confidence=confidence.mean().item(),
        )

    def floor(self, real: ImageDataset, n: int, *, draws: int = 8, seed: int = 0) -> Floor:
        """O piso: a distância à referência de ``draws`` sorteios de ``n`` imagens reais que não estão nela.

        Os sorteios não têm imagens em comum enquanto ``real`` dá para isso; se não dá, cada um é um embaralhamento
        novo, e o desvio sai um pouco menor que o verdadeiro.

        Args:
            real: imagens reais; em geral, as de treino.
            n: imagens em cada sorteio: tantas quantas as amostras do modelo.
            draws: sorteios, pelo menos dois.
            seed: semente deles.

        Raises:
            TypeError: ``real`` não é um :class:`~course_lib.data.ImageDataset`.
            ValueError: ``real`` são as primeiras imagens de um arquivo ou a própria referência, ou não tem ``n``
                imagens; ``n`` não passa do número de características; ``draws`` menor que dois.
        """
        _check_drawn(real, "real")
        checks.integer(draws, "draws", low=2)
        checks.integer(n, "n", low=self.network.n_features + 1, high=len(real))
        pieces = _disjoint(real, n, draws, seed)
        values = [self._distance_of_real(piece) for piece in pieces]
        return Floor(n, seed, self.network_hash, self.description, tuple(values))

    def _distance_of_real(self, images: Tensor) -> float:
        copies = any(found in self._fingerprints for found in _fingerprints(images))
        checks.require(not copies, f"real: há imagens que estão na referência ({self.description}); use as de treino")
        return frechet_distance(self.examine(images)[0], self.reference)

    def _check_set(self, images: Tensor, name: str) -> None:
        """As imagens são bastantes, não são todas iguais, e estão na faixa [-1, 1] e não em [0, 1]."""
        checks.images(images, name)
        n_features = self.network.n_features
        checks.require(
            len(images) > n_features,
            f"{name}: vieram {len(images)} imagens; a distância de Fréchet precisa de mais de {n_features}, o número "
            "de características",
        )
        checks.require(
            bool((images != images[:1]).any()),
            f"{name}: as {number(len(images), ',')} imagens são todas iguais; um conjunto constante não tem "
            "covariância nem vizinhos",
        )
        _check_not_unit_range(images, name)


def _check_drawn(dataset: ImageDataset, name: str) -> None:
    if not isinstance(dataset, ImageDataset):
        raise TypeError(
            f"{name}: veio {type(dataset).__name__}; esperava um ImageDataset, que lembra como as imagens foram "
            "escolhidas (o teste inteiro, ou test_set.take(n, seed=0))"
        )
    checks.require(
        dataset.selection is not Selection.FIRST,
        f"{name}: são as primeiras {number(len(dataset), ',')} imagens na ordem do arquivo, que não representam as "
        "outras: no MNIST, metades do mesmo arquivo distam dez vezes o piso. Sorteie com take(n, seed=0), ou use o "
        "conjunto inteiro",
    )


def _check_not_unit_range(images: Tensor, name: str) -> None:
    """Imagens de [0, 1] também cabem em [-1, 1]: denuncia-as o fundo, que nunca desce do cinza médio."""
    lowest = images.min().item()
    checks.require(
        not 0 <= lowest < 0.5,
        f"{name}: nenhum pixel é negativo, e as imagens reais têm o fundo em -1; parecem estar em [0, 1], e não em "
        f"[-1, 1] (use 2 * {name} - 1)",
    )


def _fingerprints(images: Tensor) -> list[bytes]:
    """Um resumo dos pixels de cada imagem: iguais só se as imagens são iguais."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images.float().cpu().numpy()]


def _disjoint(real: ImageDataset, n: int, draws: int, seed: int) -> list[Tensor]:
    """``draws`` sorteios de ``n`` imagens, sem imagens em comum se há bastantes."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(real), generator=generator)
    while len(order) < n * draws:
        # Cada embaralhamento dá pedaços inteiros: um sorteio nunca repete uma imagem.
        order = torch.cat([order[: len(order) // n * n], torch.randperm(len(real), generator=generator)])
    device = real.images.device
    return [real.images[index.to(device)] for index in order[: n * draws].split(n)]


def frechet_distance(features: Tensor, reference: Tensor) -> float:
    r"""Distância de Fréchet entre as gaussianas ajustadas aos dois conjuntos.

    .. math:: \lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}\left(\Sigma_a + \Sigma_b - 2(\Sigma_a \Sigma_b)^{1/2}\right)

    Args:
        features: (N, K).
        reference: (M, K).

    Returns:
        Número ≥ 0, em unidades de característica ao quadrado.

    Raises:
        ValueError: N ou M não passa de K, as larguras diferem, há NaN ou infinito, ou um conjunto é constante.

    Referência:
        Dowson e Landau (1982); Heusel et al. (2017), equação 6.
    """
    _check_features(features, reference, least=features.shape[-1] + 1)
    x, y = features.double().cpu(), reference.double().cpu()
    return _gaussian_distance(x.mean(0), torch.cov(x.T), y.mean(0), _square_root(torch.cov(y.T))).clamp(min=0).item()


def frechet_spread(features: Tensor, reference: Tensor, *, groups: int = GROUPS, seed: int = 0) -> float:
    r"""Desvio-padrão da distância de Fréchet entre conjuntos de N imagens da mesma fonte, pelo jackknife de grupos.

    .. math:: s^2 = \frac{G - 1}{G} \sum_{g=1}^{G} (d_{-g} - \bar d)^2

    :math:`d_{-g}` é a distância sem o g-ésimo dos G grupos em que as imagens foram repartidas ao acaso.

    Foi escolhido contra sorteios de verdade. Na GAN do curso, com 200 conjuntos de 500 amostras o desvio é 1,00 e o
    jackknife de um só dá 0,97; com 50 de 2.000, 0,52 e 0,52. O método delta dá um décimo a menos (0,92 e 0,47), e o
    bootstrap custa o mesmo e treme mais. Junto do piso ele exagera: em 120 sorteios de 500 imagens reais o desvio é
    0,30 e ele dá 0,40; em 30 de 2.000, 0,11 e 0,11.

    Args:
        features: (N, K), do conjunto julgado.
        reference: (M, K), fixa: é a mesma para todos os que se comparam.
        groups: G.
        seed: semente da repartição.

    Raises:
        ValueError: os conjuntos não servem à distância, ou ``groups`` é menor que 2 ou maior que N.

    Referência:
        Efron e Tibshirani (1993), *An introduction to the bootstrap*, capítulo 11.
    """
    _check_features(features, reference, least=features.shape[-1] + 1)
    checks.integer(groups, "groups", low=2, high=len(features))
    x, y = features.double().cpu(), reference.double().cpu()
    root = _square_root(torch.cov(y.T))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).chunk(groups)
    # Sem o grupo, as somas são as do todo menos as dele: não se percorrem as imagens de novo.
    total, square = x.sum(0), x.T @ x
    found = []
    for index in order:
        out = x[index]
        n = len(x) - len(out)
        mean = (total - out.sum(0)) / n
        cov = (square - out.T @ out - n * mean.outer(mean)) / (n - 1)
        found.append(_gaussian_distance(mean, cov, y.mean(0), root))
    d = torch.stack(found)
    return math.sqrt((len(d) - 1) / len(d) * (d - d.mean()).square().sum().item())


def _gaussian_distance(mean: Tensor, cov: Tensor, other_mean: Tensor, other_root: Tensor) -> Tensor:
    """A distância entre duas gaussianas; da segunda, a raiz da covariância, que serve a muitas primeiras."""
    # (Σ_a Σ_b)^½ e a raiz da simétrica Σ_b^½ Σ_a Σ_b^½ têm o mesmo traço.
    crossed = torch.linalg.eigvalsh(other_root @ cov @ other_root).clamp(min=0).sqrt().sum()
    return (mean - other_mean).square().sum() + cov.trace() + other_root.square().sum() - 2 * crossed


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def _check_features(features: Tensor, reference: Tensor, *, least: int) -> None:
    """Dois conjuntos de pontos de mesma largura, finitos, não constantes, com ``least`` pontos ou mais."""
    for x, name in ((features, "features"), (reference, "reference")):
        checks.floating(x, name)
        checks.shape(x, name, "N", features.shape[-1])
        checks.require(len(x) >= least, f"{name}: vieram {len(x)} pontos; esta medida precisa de pelo menos {least}")
        checks.require(bool(x.isfinite().all()), f"{name}: há NaN ou infinito entre as características")
        checks.require(
            len(x) == 1 or bool((x != x[:1]).any()), f"{name}: os {len(x)} pontos são todos iguais; nada há a medir"
        )


@torch.no_grad()
def kernel_distance(
    features: Tensor, reference: Tensor, *, subsets: int = 50, subset_size: int = 1_000
) -> tuple[float, float]:
    r"""KID: a discrepância média máxima (MMD²), sem viés, com núcleo :math:`(x^\top y / K + 1)^3`.

    Args:
        features: (N, K).
        reference: (M, K).
        subsets: sorteios.
        subset_size: tamanho de cada um; no máximo o menor dos dois conjuntos.

    Returns:
        Média e desvio-padrão entre os sorteios.

    Raises:
        ValueError: um conjunto tem menos de 2 pontos ou é constante, as larguras diferem, ou há NaN ou infinito.

    Referência:
        Bińkowski et al. (2018), seção 4.
    """
    _check_features(features, reference, least=2)
    size = min(subset_size, len(features), len(reference))
    total = _CubicSums(size, reference)
    found = []
    for _ in range(subsets):
        y = reference[torch.randperm(len(reference))[:size]]
        x = features[torch.randperm(len(features))[:size]]
        within = total(x, x) - total.own(x) + total(y, y) - total.own(y)
        found.append(within / (size * (size - 1)) - 2 * total(x, y) / size**2)
    mmd = torch.stack(found)
    return mmd.mean().item(), mmd.std(unbiased=False).item()


class _CubicSums:
    """Somas do núcleo entre todos os pares de dois sorteios, sempre na mesma memória.

    São milhões de números por sorteio: reservar espaço para eles de novo custa mais que a conta.
    """

    def __init__(self, size: int, like: Tensor) -> None:
        self.one = torch.ones(1, 1, dtype=like.dtype, device=like.device)
        self.kernel, self.cube = (torch.empty(size, size, dtype=like.dtype, device=like.device) for _ in range(2))

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        torch.addmm(self.one, x, y.T, alpha=1 / x.shape[1], out=self.kernel)
        torch.mul(self.kernel, self.kernel, out=self.cube)
        return self.cube.mul_(self.kernel).sum(1).sum()

    def own(self, x: Tensor) -> Tensor:
        """A soma dos pares de cada ponto consigo mesmo, que não entram na conta sem viés."""
        return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()


def precision_recall(features: Tensor, reference: Tensor, *, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Precisão e revocação: que fração de cada conjunto cai dentro das bolas do outro.

    A bola de cada ponto vai até o seu k-ésimo vizinho no próprio conjunto; a união delas aproxima a região que o
    conjunto ocupa. Precisão baixa: imagens geradas onde não há reais. Revocação baixa: reais que nunca são geradas.

    Args:
        features: (N, K), do conjunto gerado.
        reference: (M, K), do conjunto real.
        k: vizinhos.

    Returns:
        ``(precisão, revocação)``, em [0, 1].

    Raises:
        ValueError: algum conjunto tem menos de k + 1 pontos ou é constante, as larguras diferem, ou há NaN ou infinito.

    Referência:
        Kynkäänniemi et al. (2019), equações 1 e 2.
    """
    smallest = min(len(features), len(reference))
    checks.require(smallest > k, f"features: o menor conjunto tem {smallest} pontos; k = {k} pede pelo menos {k + 1}")
    _check_features(features, reference, least=k + 1)
    return _overlap(features, reference, neighbour_radii(reference, k=k), k)


def _overlap(features: Tensor, reference: Tensor, radii: Tensor, k: int) -> tuple[float, float]:
    """A precisão e a revocação, com os raios (M,) da referência já calculados."""
    return _inside(features, reference, radii), _inside(reference, features, neighbour_radii(features, k=k))


def neighbour_radii(cloud: Tensor, *, k: int = NEIGHBOURS) -> Tensor:
    """O raio (M,) da bola de cada ponto de cloud (M, K): a distância ao seu k-ésimo vizinho no próprio conjunto.

    Raises:
        ValueError: há menos de k + 1 pontos.
    """
    checks.require(len(cloud) > k, f"cloud: vieram {len(cloud)} pontos; k = {k} pede pelo menos {k + 1}")
    # O vizinho de distância zero é o próprio ponto: por isso k + 1. E topk, três vezes mais rápida aqui que kthvalue.
    nearest = [torch.cdist(rows, cloud).topk(k + 1, dim=1, largest=False).values for rows in cloud.split(ROWS_AT_ONCE)]
    return torch.cat(nearest)[:, -1]


def _inside(points: Tensor, cloud: Tensor, radii: Tensor) -> float:
    """A fração dos pontos que caem em alguma bola da nuvem, de raios ``radii``."""
    inside = [(torch.cdist(rows, cloud) <= radii).any(1) for rows in points.split(ROWS_AT_ONCE)]
    return torch.cat(inside).float().mean().item()


def nearest_images(images: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """A imagem de ``reference`` mais próxima de cada uma, pixel a pixel: a conferência de que nada foi decorado.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        reference: (M, 1, 28, 28) em [-1, 1]; em geral, as de treino.

    Returns:
        ``(distância, índice)``, (N,) cada: distância euclidiana, com os pixels em [0, 1]; 0 exato numa cópia.

    Raises:
        TypeError, ValueError: ``images`` ou ``reference`` não é um lote de imagens em [-1, 1].
    """
    for x, name in ((images, "images"), (reference, "reference")):
        checks.images(x, name)
        checks.not_empty(x, name)
        _check_not_unit_range(x, name)
    flat = reference.flatten(1)
    # ‖y‖² − 2x·y tem o mínimo no mesmo y que a distância, e só pede um produto de matrizes. Mas a distância tirada dele
    # seria a raiz de uma diferença de números grandes (a de uma cópia, 0,01): a do vizinho achado vem da definição.
    squares = flat.norm(dim=1).square()
    parts = images.flatten(1).split(IMAGES_AT_ONCE)
    index = torch.cat([torch.addmm(squares, rows, flat.T, alpha=-2).argmin(1) for rows in parts])
    return (images - reference[index]).flatten(1).norm(dim=1) / 2, index
