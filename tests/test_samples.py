"""O juiz de amostras: formas fechadas das distâncias, vizinhanças contra a força bruta, e o que ele recusa."""

import pytest
import torch

from course_lib import metrics
from course_lib.data import load_embedded_digits
from course_lib.metrics.samples import (
    frechet_distance,
    kernel_distance,
    nearest_images,
    neighbour_radii,
    precision_recall,
)
from course_lib.models.judge import JudgeNetwork


@pytest.fixture(scope="module")
def digits():
    return load_embedded_digits("train").images[:300]


@pytest.fixture(scope="module")
def judge(digits):
    torch.manual_seed(0)
    return metrics.Judge(JudgeNetwork(8, 16), "abc" * 20, digits)


def test_frechet_of_a_shift_is_its_squared_length():
    torch.manual_seed(0)
    features = torch.randn(500, 6)
    shift = torch.tensor([1.0, 0.0, -2.0, 0.0, 0.0, 2.0])
    assert frechet_distance(features + shift, features) == pytest.approx(9.0, rel=1e-3)
    assert frechet_distance(features, features) == pytest.approx(0.0, abs=1e-3)


def test_frechet_of_a_scaling_is_known_too():
    """tr(Σ + 9Σ - 2·3Σ) = 4 tr Σ; só a parte das covariâncias, porque a média foi tirada."""
    torch.manual_seed(1)
    features = torch.randn(400, 5) * torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])
    features -= features.mean(0)
    expected = 4 * torch.cov(features.T).trace().item()
    assert frechet_distance(3 * features, features) == pytest.approx(expected, rel=1e-3)


def test_kernel_distance_against_the_double_sum():
    torch.manual_seed(2)
    x, y = torch.randn(40, 3), torch.randn(40, 3) + 0.5

    def mean_kernel(a, b, same):
        k = (a.double() @ b.double().T / 3 + 1) ** 3
        return (k.sum() - k.diagonal().sum()) / (40 * 39) if same else k.mean()

    expected = mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)
    found, std = kernel_distance(x, y, subsets=3, subset_size=40)  # cada sorteio é o conjunto inteiro
    assert found == pytest.approx(expected.item(), rel=1e-3)
    assert std == pytest.approx(0, abs=1e-4)


def brute_force(points, cloud, k):
    inside = 0
    for p in points:
        inside += any((p - c).norm() <= sorted((other - c).norm().item() for other in cloud)[k] for c in cloud)
    return inside / len(points)


def test_precision_and_recall_against_brute_force(monkeypatch):
    torch.manual_seed(3)
    generated, real = torch.randn(30, 2, dtype=torch.float64), 0.7 * torch.randn(25, 2, dtype=torch.float64) + 0.5
    precision, recall = precision_recall(generated, real, k=2)
    assert precision == pytest.approx(brute_force(generated, real, 2))
    assert recall == pytest.approx(brute_force(real, generated, 2))
    monkeypatch.setattr("course_lib.metrics.samples.ROWS_AT_ONCE", 7)  # em pedaços dá o mesmo
    assert precision_recall(generated, real, k=2) == (precision, recall)


def test_radii_skip_the_point_itself_and_reach_the_kth_neighbour():
    cloud = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert neighbour_radii(cloud, k=1).tolist() == [1, 1, 2, 4]
    assert neighbour_radii(cloud, k=2).tolist() == [3, 2, 3, 6]
    with pytest.raises(ValueError, match="pede pelo menos 5"):
        neighbour_radii(cloud, k=4)


def test_nearest_images_finds_the_copy_and_the_distance_in_unit_pixels(digits, monkeypatch):
    distance, index = nearest_images(digits[[7, 3]], digits)
    assert index.tolist() == [7, 3]
    torch.testing.assert_close(distance, torch.zeros(2), rtol=0, atol=1e-3)
    white, black = torch.ones(1, 1, 28, 28), -torch.ones(2, 1, 28, 28)
    black[1, 0, :2] = 1  # 56 pixels acesos; faltam 728
    distance, index = nearest_images(white, black)
    assert (distance.item(), index.item()) == (pytest.approx(728**0.5), 1)
    monkeypatch.setattr("course_lib.metrics.samples.IMAGES_AT_ONCE", 7)
    in_pieces = nearest_images(digits[:20], digits[20:])
    brute = torch.cdist(digits[:20].flatten(1), digits[20:].flatten(1)).min(1)
    # Com lotes de outro tamanho o produto de matrizes soma noutra ordem, e a distância é a raiz de uma diferença.
    torch.testing.assert_close(in_pieces[0], brute.values / 2, rtol=0, atol=1e-3)
    assert torch.equal(in_pieces[1], brute.indices)


def test_a_generator_with_one_mode_of_two_has_precision_without_recall():
    torch.manual_seed(4)
    real = torch.cat([torch.randn(200, 2), torch.randn(200, 2) + 50])
    precision, recall = precision_recall(torch.randn(400, 2), real)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)
    recall_of_noise = precision_recall(100 + torch.randn(50, 2), real)[1]
    assert recall_of_noise == 0


def test_report_of_the_reference_itself(judge, digits):
    report = judge.compare("os mesmos", digits)
    assert report.n == 300
    assert report.network == "abc" * 4
    assert report.frechet == pytest.approx(0, abs=1e-2)
    assert (report.precision, report.recall) == (1.0, 1.0)
    assert sum(report.coverage) == pytest.approx(1)
    _, probabilities = judge.examine(digits)
    assert report.confidence == pytest.approx(probabilities.max(1).values.mean().item())
    labels = judge.labels(digits)
    assert report.coverage[3] == pytest.approx((labels == 3).float().mean().item())


def test_noise_is_farther_than_other_digits(judge, digits):
    noise = judge.compare("ruído", torch.rand(300, 1, 28, 28) * 2 - 1)
    other = judge.compare("outros dígitos", load_embedded_digits("train").images[300:600])
    assert noise.frechet > 5 * other.frechet
    assert noise.kid > other.kid
    assert noise.precision < other.precision


def test_table_names_the_sets_and_the_judge(judge, digits):
    table = metrics.SampleReport.table([judge.compare("reais", digits), judge.compare("metade", digits[:150])])
    lines = table.splitlines()
    assert lines[0].startswith("conjunto")
    assert lines[1].startswith("reais")
    assert lines[-1] == "juiz: abcabcabcabc"
    assert len({len(line) for line in lines[:-1]}) == 1


def test_examining_in_pieces_changes_nothing(judge, digits, monkeypatch):
    whole = judge.examine(digits)
    monkeypatch.setattr("course_lib.metrics.samples.IMAGES_AT_ONCE", 70)
    for one, other in zip(whole, judge.examine(digits), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_what_the_judge_refuses(judge, digits):
    with pytest.raises(ValueError, match="mais de 16"):
        judge.compare("poucas", digits[:16])
    with pytest.raises(ValueError, match="esperava números finitos"):
        judge.compare("bytes", digits * 127.5 + 127.5)
    with pytest.raises(ValueError, match="pede pelo menos 4"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))
