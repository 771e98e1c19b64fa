"""O juiz de amostras: formas fechadas das distâncias, vizinhanças contra a força bruta, e o que ele recusa."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from course_lib import metrics
from course_lib.data import ImageDataset, load_embedded_digits
from course_lib.metrics.samples import (
    frechet_distance,
    frechet_spread,
    kernel_distance,
    nearest_images,
    neighbour_radii,
    precision_recall,
)
from course_lib.models.judge import JudgeNetwork
from course_lib.runtime import isolated_seed


@pytest.fixture(scope="module")
def halves():
    """Quatrocentas imagens reais para a referência, e outras tantas para julgar."""
    reference, rest = load_embedded_digits("train").split(400, seed=0)
    return reference, rest.take(400)


@pytest.fixture(scope="module")
def digits(halves):
    return halves[1].images


@pytest.fixture(scope="module")
def judge(halves):
    torch.manual_seed(0)
    return metrics.Judge(JudgeNetwork(8, 16), "abc" * 20, halves[0])


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


@pytest.mark.filterwarnings("ignore:.*will save all extracted features")
@pytest.mark.parametrize("n", [30, 200])
def test_the_distances_are_those_of_torchmetrics(n):
    torch.manual_seed(3)
    features, reference = torch.randn(n, 8) + 0.2, torch.randn(300, 8) @ torch.randn(8, 8)
    identity = nn.Identity()
    identity.num_features = 8
    options = {"subsets": 5, "subset_size": min(100, n)}
    theirs = {
        "frechet": FrechetInceptionDistance(feature=identity),
        "kid": KernelInceptionDistance(feature=identity, **options),
    }
    for metric in theirs.values():
        metric.update(reference, real=True)
        metric.update(features, real=False)
    assert frechet_distance(features, reference) == pytest.approx(theirs["frechet"].compute().item(), rel=1e-5)
    # Os mesmos sorteios, na mesma ordem.
    with isolated_seed(4):
        wanted = [value.item() for value in theirs["kid"].compute()]
    with isolated_seed(4):
        assert kernel_distance(features, reference, **options) == pytest.approx(wanted, rel=1e-4)


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
    assert distance.tolist() == [0, 0]  # uma cópia está a zero, e não a um arredondamento dele
    white, black = torch.ones(1, 1, 28, 28), -torch.ones(2, 1, 28, 28)
    black[1, 0, :2] = 1  # 56 pixels acesos; faltam 728
    distance, index = nearest_images(white, black)
    assert (distance.item(), index.item()) == (pytest.approx(728**0.5), 1)
    monkeypatch.setattr("course_lib.metrics.samples.IMAGES_AT_ONCE", 7)
    in_pieces = nearest_images(digits[:20], digits[20:])
    brute = torch.cdist(digits[:20].flatten(1), digits[20:].flatten(1)).min(1)
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


def test_report_of_real_images(judge, halves):
    report = judge.compare("reais", halves[1])
    assert (report.n, report.seed, report.network) == (400, 0, "abc" * 4)
    assert report.reference == "dígitos embutidos (treino), 400 imagens sorteadas com a semente 0"
    assert report.precision > 0.8
    assert report.recall > 0.8
    assert sum(report.coverage) == pytest.approx(1)
    features, probabilities = judge.examine(halves[1].images)
    assert report.confidence == pytest.approx(probabilities.max(1).values.mean().item())
    assert report.frechet == frechet_distance(features, judge.reference)
    assert report.frechet_std == frechet_spread(features, judge.reference)
    labels = judge.labels(halves[1].images)
    assert report.coverage[3] == pytest.approx((labels == 3).float().mean().item())


def test_noise_is_farther_than_other_digits(judge, digits):
    noise = judge.compare("ruído", torch.rand(400, 1, 28, 28) * 2 - 1)
    other = judge.compare("outros dígitos", digits)
    assert noise.frechet > 5 * other.frechet
    assert noise.kid > other.kid
    assert noise.precision < other.precision
    assert metrics.differs(noise, other)


def test_table_names_the_sets_the_floor_the_judge_and_the_reference(judge, halves):
    reports = [judge.compare("reais", halves[1]), judge.compare("metade", halves[1].images[:200])]
    floor = judge.floor(load_embedded_digits("test"), 150, draws=2)
    lines = metrics.SampleReport.table(reports, floor=floor).splitlines()
    assert lines[0].startswith("conjunto")
    assert lines[1].startswith("reais")
    assert f"{reports[0].frechet:.2f} ± {reports[0].frechet_std:.2f}".replace(".", ",") in lines[1]
    assert lines[-3] == f"piso: {floor}"
    assert "N = 150, 2 sorteios" in lines[-3]
    assert lines[-2] == "juiz: abcabcabcabc"
    assert lines[-1] == f"referência: {judge.description}"
    assert len({len(line) for line in lines[:-3]}) == 1
    unmeasured = dataclasses.replace(reports[0], frechet_std=None)
    assert "± —" in metrics.SampleReport.table([unmeasured])


def test_examining_in_pieces_changes_nothing(judge, digits, monkeypatch):
    whole = judge.examine(digits)
    monkeypatch.setattr("course_lib.metrics.samples.IMAGES_AT_ONCE", 70)
    for one, other in zip(whole, judge.examine(digits), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


# --- quanto a distância treme -----------------------------------------------------------------------------------------


def test_the_spread_is_that_of_new_draws():
    """O desvio estimado de um conjunto só contra o de duzentos conjuntos sorteados de novo, longe do piso."""
    torch.manual_seed(5)
    reference = torch.randn(4_000, 8)
    draws = [1.3 * torch.randn(500, 8) + 0.5 for _ in range(200)]
    true = torch.tensor([frechet_distance(x, reference) for x in draws]).std().item()
    estimated = sum(frechet_spread(x, reference) for x in draws[:20]) / 20
    assert estimated == pytest.approx(true, rel=0.2)


def test_the_spread_against_leaving_each_group_out_by_hand():
    torch.manual_seed(6)
    x, reference = torch.randn(90, 3, dtype=torch.float64), torch.randn(80, 3, dtype=torch.float64) + 1
    order = torch.randperm(90, generator=torch.Generator().manual_seed(4)).chunk(9)
    d = torch.tensor([
        frechet_distance(x[torch.cat([*order[:g], *order[g + 1 :]])], reference) for g in range(9)
    ])  # fmt: skip
    by_hand = math.sqrt(8 / 9 * (d - d.mean()).square().sum())
    assert frechet_spread(x, reference, groups=9, seed=4) == pytest.approx(by_hand, rel=1e-3)
    with pytest.raises(ValueError, match="groups"):
        frechet_spread(x, reference, groups=1)


def test_the_floor_is_of_real_images_drawn_anew(judge):
    test = load_embedded_digits("test")
    floor = judge.floor(test, 100, draws=3, seed=7)
    assert (floor.n, floor.draws, floor.seed, floor.reference) == (100, 3, 7, judge.description)
    assert len(set(floor.values)) == 3
    order = torch.randperm(300, generator=torch.Generator().manual_seed(7))
    by_hand = [frechet_distance(judge.examine(test.images[i])[0], judge.reference) for i in order.split(100)]
    assert floor.values == pytest.approx(by_hand)  # os três sorteios são o conjunto todo, sem repetição
    assert floor.mean == floor.frechet == pytest.approx(sum(by_hand) / 3)
    assert floor.std == floor.frechet_std == pytest.approx(torch.tensor(by_hand).std().item(), rel=1e-4)
    more = judge.floor(test, 200, draws=4)
    assert len(set(more.values)) == 4
    assert judge.floor(test, 100).mean > judge.floor(load_embedded_digits("test"), 250).mean  # o viés cai com N


def test_a_draw_of_the_floor_never_repeats_an_image():
    numbered = ImageDataset(torch.linspace(-1, 1, 25).view(-1, 1, 1, 1).expand(25, 1, 28, 28), torch.arange(25), "n")
    for piece in metrics.samples._disjoint(numbered, 10, 5, seed=0):
        assert len(piece[:, 0, 0, 0].unique()) == len(piece) == 10


def test_two_distances_differ_by_more_than_they_shake(judge, digits):
    a = judge.compare("a", digits)
    b = dataclasses.replace(a, frechet=a.frechet + 4 * a.frechet_std)
    assert not metrics.differs(a, b)  # a diferença de dois tem √2 desvios: 4/√2 = 2,8
    assert metrics.differs(a, b, sigmas=2)
    assert metrics.differs(b, dataclasses.replace(b, frechet=a.frechet - a.frechet_std))
    for other in ({"n": 500}, {"network": "def"}, {"reference": "o teste inteiro"}):
        with pytest.raises(ValueError, match="não se comparam"):
            metrics.differs(a, dataclasses.replace(a, **other))
    with pytest.raises(ValueError, match="falta o desvio"):
        metrics.differs(a, dataclasses.replace(a, frechet_std=None))


def test_a_report_differs_from_the_floor_when_it_is_not_real(judge, halves):
    floor = judge.floor(load_embedded_digits("test"), 100)
    assert not metrics.differs(judge.compare("reais", halves[1].take(100)), floor)
    assert metrics.differs(judge.compare("ruído", torch.rand(100, 1, 28, 28) * 2 - 1), floor)


# --- o que ele recusa -------------------------------------------------------------------------------------------------


def test_too_few_images(judge, digits, halves):
    with pytest.raises(ValueError, match=r"images: vieram 16 imagens; .* mais de 16"):
        judge.compare("poucas", digits[:16])
    with pytest.raises(ValueError, match="reference: vieram 16 imagens"):
        metrics.Judge(judge.network, "abc", halves[0].take(16))
    with pytest.raises(ValueError, match="n: veio 16; esperava um inteiro de 17 a 400"):
        judge.floor(halves[1], 16)
    with pytest.raises(ValueError, match="n: veio 401"):
        judge.floor(halves[1], 401)
    with pytest.raises(ValueError, match="draws: veio 1"):
        judge.floor(halves[1], 100, draws=1)
    with pytest.raises(ValueError, match="pede pelo menos 4"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match="pelo menos 5"):
        frechet_distance(torch.randn(4, 4), torch.randn(9, 4))
    with pytest.raises(ValueError, match="pelo menos 2"):
        kernel_distance(torch.randn(1, 4), torch.randn(9, 4))


def test_images_in_file_order(judge):
    digits = load_embedded_digits("train")
    with pytest.raises(ValueError, match=r"reference: são as primeiras 400 imagens na ordem do.*take\(n, seed=0"):
        metrics.Judge(judge.network, "abc", digits.take(400))
    with pytest.raises(ValueError, match="images: são as primeiras 300"):
        judge.compare("reais", digits.take(300))
    with pytest.raises(ValueError, match="real: são as primeiras"):
        judge.floor(digits.take(500), 100)
    with pytest.raises(ValueError, match="ordem do arquivo"):
        metrics.Judge(judge.network, "abc", digits.take(400).take(300, seed=0))  # um sorteio só entre as primeiras
    metrics.Judge(judge.network, "abc", digits.take(400, seed=0).take(300))  # as primeiras de um sorteio
    with pytest.raises(TypeError, match="veio Tensor; esperava um ImageDataset"):
        metrics.Judge(judge.network, "abc", digits.images)


def test_a_constant_set(judge, digits, halves):
    same = digits[:1].expand(100, -1, -1, -1)
    with pytest.raises(ValueError, match="as 100 imagens são todas iguais"):
        judge.compare("constante", same)
    with pytest.raises(ValueError, match="reference: as 100 imagens são todas iguais"):
        metrics.Judge(judge.network, "abc", ImageDataset(same, halves[1].labels[:100], "constante"))
    points, other = torch.ones(9, 2), torch.randn(9, 2)
    for measure in (frechet_distance, kernel_distance, precision_recall, frechet_spread):
        with pytest.raises(ValueError, match="features: os 9 pontos são todos iguais"):
            measure(points, other)
        with pytest.raises(ValueError, match="reference: os 9 pontos são todos iguais"):
            measure(other, points)


def test_a_sample_that_is_the_reference(judge, halves, digits):
    reference = halves[0].images
    with pytest.raises(ValueError, match="400 das 400 imagens são cópias exatas de imagens da referência"):
        judge.compare("a referência", reference)
    with pytest.raises(ValueError, match="1 das 400 imagens são cópias"):
        judge.compare("com uma cópia", torch.cat([digits[1:], reference[5:6]]))
    with pytest.raises(ValueError, match="real: há imagens que estão na referência"):
        judge.floor(halves[0], 100)
    judge.compare("quase cópias", (reference + 1e-3).clamp(max=1))


def test_images_prepared_in_another_way(judge, digits):
    unit = (digits + 1) / 2
    with pytest.raises(ValueError, match=r"nenhum pixel é negativo.*parecem estar em \[0, 1\].*use 2 \* images - 1"):
        judge.compare("de 0 a 1", unit)
    with pytest.raises(ValueError, match="parecem estar em"):
        nearest_images(digits[:5], unit)
    with pytest.raises(ValueError, match="esperava números finitos"):
        judge.compare("bytes", digits * 127.5 + 127.5)
    with pytest.raises(ValueError, match="esperava números finitos"):
        judge.compare("com NaN", digits.clone().index_fill_(0, torch.tensor([3]), math.nan))
    with pytest.raises(ValueError, match=r"forma \(400, 1, 14, 14\)"):
        judge.compare("menores", digits[:, :, ::2, ::2])
    with pytest.raises(ValueError, match=r"reference: veio um tensor de forma \(9, 3\); esperava \(N, 2\)"):
        kernel_distance(torch.randn(9, 2), torch.randn(9, 3))
    spoiled = torch.randn(9, 2).index_fill_(0, torch.tensor([3]), math.nan)
    for measure in (frechet_distance, kernel_distance, precision_recall):
        with pytest.raises(ValueError, match="features: há NaN ou infinito"):
            measure(spoiled, torch.randn(9, 2))
