"""O juiz de amostras: distâncias entre um conjunto gerado e um real, nas características de um classificador."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import checks, runtime
from course_lib.models.judge import JudgeNetwork
from course_lib.text import number, table

# Imagens classificadas de uma vez, e linhas da matriz de distâncias calculadas de uma vez (2.000 × 10.000 × 4 bytes).
IMAGES_AT_ONCE = 500
ROWS_AT_ONCE = 2_000
NEIGHBOURS = 3


@dataclass(frozen=True)
class SampleReport:
    """O que o juiz diz de um conjunto de imagens diante do conjunto de referência.

    Attributes:
        name: nome do conjunto julgado.
        n: número de imagens julgadas (a referência tem as dela).
        network: começo do SHA-256 dos pesos do juiz; números de juízes diferentes não se comparam.
        frechet: distância de Fréchet; 0 quando as duas gaussianas coincidem.
        kid: distância de núcleo (KID), média de sorteios; em torno de 0 quando os conjuntos vêm da mesma fonte.
        kid_std: desvio-padrão entre os sorteios.
        precision: fração das imagens julgadas que caem onde há imagens reais, em [0, 1].
        recall: fração das reais que caem onde há imagens julgadas, em [0, 1].
        coverage: (10,), fração das imagens julgadas que o juiz lê como cada dígito.
        confidence: média da probabilidade do dígito escolhido, em [0, 1].
    """

    name: str
    n: int
    network: str
    frechet: float
    kid: float
    kid_std: float
    precision: float
    recall: float
    coverage: tuple[float, ...]
    confidence: float

    @staticmethod
    def table(reports: Iterable[SampleReport]) -> str:
        """Os relatórios numa tabela de texto, uma linha cada um."""
        header = ["conjunto", "N", "Fréchet", "KID × 1000", "precisão", "revocação"]
        header += ["menor e maior dígito", "confiança"]
        rows = []
        networks = set()
        for report in reports:
            networks.add(report.network)
            kid = f"{number(1000 * report.kid, '.1f')} ± {number(1000 * report.kid_std, '.1f')}"
            digits = f"{number(min(report.coverage), '.1%')} a {number(max(report.coverage), '.1%')}"
            frechet = number(report.frechet, ".2f")
            rows.append(
                (report.name, report.n, frechet, kid, report.precision, report.recall, digits, report.confidence)
            )
        return f"{table(rows, header, spec='.3f')}\njuiz: {', '.join(sorted(networks))}"


class Judge:
    """Julga conjuntos de imagens diante de um conjunto real, cujas características calcula uma vez só.

    Args:
        network: o classificador, em modo de avaliação.
        network_hash: SHA-256 dos seus pesos.
        reference: (N, 1, 28, 28), imagens reais; em geral, o teste inteiro.

    Raises:
        TypeError, ValueError: ``reference`` não é um lote de imagens.

    Referência:
        Heusel et al. (2017), *GANs trained by a two time-scale update rule* (a distância de Fréchet); Bińkowski et al.
        (2018), *Demystifying MMD GANs* (KID); Kynkäänniemi et al. (2019), *Improved precision and recall metric*.
    """

    def __init__(self, network: JudgeNetwork, network_hash: str, reference: Tensor) -> None:
        self.network = network.eval()
        self.network_hash = network_hash[:12]
        self.reference, _ = self.examine(reference)

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

    def compare(self, name: str, images: Tensor, *, seed: int = 0) -> SampleReport:
        """Julga ``images`` (N, 1, 28, 28), em [-1, 1], diante da referência.

        Args:
            name: como chamar o conjunto na tabela.
            images: o conjunto; para comparar com números publicados aqui, tantas imagens quantas lá.
            seed: semente dos sorteios da KID.

        Raises:
            ValueError: menos imagens do que características: a covariância não seria estimável.
        """
        checks.require(
            len(images) > self.network.n_features,
            f"images: vieram {len(images)} imagens; a distância de Fréchet precisa de mais de "
            f"{self.network.n_features}, o número de características",
        )
        features, probabilities = self.examine(images)
        confidence, labels = probabilities.max(1)
        with runtime.isolated_seed(seed):
            kid, kid_std = kernel_distance(features, self.reference)
        precision, recall = precision_recall(features, self.reference)
        return SampleReport(
            name=name,
            n=len(images),
            network=self.network_hash,
            frechet=frechet_distance(features, self.reference),
            kid=kid,
            kid_std=kid_std,
            precision=precision,
            recall=recall,
            coverage=tuple((torch.bincount(labels, minlength=10) / len(labels)).tolist()),
            confidence=confidence.mean().item(),
        )


def frechet_distance(features: Tensor, reference: Tensor) -> float:
    r"""Distância de Fréchet entre as gaussianas ajustadas aos dois conjuntos.

    .. math:: \lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}\left(\Sigma_a + \Sigma_b - 2(\Sigma_a \Sigma_b)^{1/2}\right)

    Args:
        features: (N, K).
        reference: (M, K).

    Returns:
        Número ≥ 0, em unidades de característica ao quadrado.

    Referência:
        Dowson e Landau (1982); Heusel et al. (2017), equação 6.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    return _torchmetrics_distance(FrechetInceptionDistance, features, reference).item()


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

    Referência:
        Bińkowski et al. (2018), seção 4.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(subset_size, len(features), len(reference))
    mean, std = _torchmetrics_distance(KernelInceptionDistance, features, reference, subsets=subsets, subset_size=size)
    return mean.item(), std.item()


def _torchmetrics_distance(metric: Callable[..., Any], features: Tensor, reference: Tensor, **options: Any) -> Any:
    """As medidas do torchmetrics sobre características já extraídas: a "rede" que elas pedem é a identidade."""
    identity: Any = nn.Identity()
    identity.num_features = features.shape[1]
    with warnings.catch_warnings():
        # A KID avisa que guardará as características: são as nossas, que já estão na memória.
        warnings.filterwarnings("ignore", message=".*will save all extracted features", category=UserWarning)
        distance = metric(feature=identity, **options).to(features.device)
    distance.update(reference, real=True)
    distance.update(features, real=False)
    return distance.compute()


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
        ValueError: algum conjunto tem menos de k + 1 pontos.

    Referência:
        Kynkäänniemi et al. (2019), equações 1 e 2.
    """
    smallest = min(len(features), len(reference))
    checks.require(smallest > k, f"features: o menor conjunto tem {smallest} pontos; k = {k} pede pelo menos {k + 1}")
    return _inside(features, reference, k), _inside(reference, features, k)


def neighbour_radii(cloud: Tensor, *, k: int = NEIGHBOURS) -> Tensor:
    """O raio (M,) da bola de cada ponto de cloud (M, K): a distância ao seu k-ésimo vizinho no próprio conjunto.

    Raises:
        ValueError: há menos de k + 1 pontos.
    """
    checks.require(len(cloud) > k, f"cloud: vieram {len(cloud)} pontos; k = {k} pede pelo menos {k + 1}")
    # O vizinho de distância zero é o próprio ponto: por isso k + 1.
    return torch.cat([torch.cdist(rows, cloud).kthvalue(k + 1, dim=1).values for rows in cloud.split(ROWS_AT_ONCE)])


def _inside(points: Tensor, cloud: Tensor, k: int) -> float:
    radii = neighbour_radii(cloud, k=k)
    inside = [(torch.cdist(rows, cloud) <= radii).any(1) for rows in points.split(ROWS_AT_ONCE)]
    return torch.cat(inside).float().mean().item()


def nearest_images(images: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """A imagem de ``reference`` mais próxima de cada uma, pixel a pixel: a conferência de que nada foi decorado.

    Args:
        images: (N, 1, 28, 28) em [-1, 1].
        reference: (M, 1, 28, 28) em [-1, 1]; em geral, as de treino.

    Returns:
        ``(distância, índice)``, (N,) cada: distância euclidiana, com os pixels em [0, 1].

    Raises:
        TypeError, ValueError: ``images`` ou ``reference`` não é um lote de imagens.
    """
    checks.images(images, "images")
    checks.images(reference, "reference")
    flat = reference.flatten(1)
    found = [torch.cdist(rows, flat).min(1) for rows in images.flatten(1).split(IMAGES_AT_ONCE)]
    return torch.cat([each.values for each in found]) / 2, torch.cat([each.indices for each in found])
