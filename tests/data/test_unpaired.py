"""O estilo do domínio Y, os domínios que não têm pares e os seus lotes."""

from __future__ import annotations

import pytest
import torch

from course_lib.data import (
    ImageDataset,
    UnpairedBatches,
    hollow,
    load_embedded_digits,
    restyle,
    split_domains,
)


def numbered(n: int) -> ImageDataset:
    """``n`` imagens lisas, cada uma com o seu número no rótulo e no tom de cinza."""
    labels = torch.arange(n)
    tones = labels.float().view(n, 1, 1, 1) / n
    return ImageDataset(tones.expand(n, 1, 28, 28).clone(), labels, "numeradas")


def numbers(images: torch.Tensor, n: int) -> list[int]:
    return (images[:, 0, 0, 0] * n).round().int().tolist()


# --- o estilo --------------------------------------------------------------------------------------------------------


def hollow_by_hand(x: torch.Tensor) -> torch.Tensor:
    """O estilo de uma imagem (28, 28), pixel a pixel."""
    ink = (x + 1) / 2
    y = torch.empty(28, 28)
    for i in range(28):
        for j in range(28):
            thick = ink[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].max()
            paper = 0.75 if (i + j) % 4 < 2 else 0.4
            y[i, j] = 2 * (ink[i, j] + (1 - thick) * paper) - 1
    return y


def test_style_against_its_formula_pixel_by_pixel():
    x = torch.cat([load_embedded_digits("test").images[:3], torch.rand(1, 1, 28, 28) * 2 - 1])
    expected = torch.stack([hollow_by_hand(one[0]) for one in x]).unsqueeze(1)
    torch.testing.assert_close(hollow(x), expected)


def test_style_stays_in_range_and_leaves_its_input_alone():
    x = torch.rand(20, 1, 28, 28) * 2 - 1
    before = x.clone()
    y = hollow(x)
    assert torch.equal(x, before)
    assert y.dtype == torch.float32
    assert y.min() >= -1
    assert y.max() <= 1
    assert hollow(x.double()).dtype == torch.float64


def test_style_keeps_the_stroke_and_draws_its_outline():
    x = torch.full((1, 1, 28, 28), -1.0)
    x[0, 0, 5:20, 10:13] = 1.0
    y = hollow(x)[0, 0]
    assert (y[5:20, 10:13] == 1).all()
    assert (y[4:21, 9] == -1).all()
    assert (y[4:21, 13] == -1).all()
    assert (y[:, 20:] > -0.5).all()


def test_the_stroke_can_be_recovered():
    """A volta existe: num traço sem tons intermediários, é traço o que em y é branco, e nada mais."""
    x = torch.where(load_embedded_digits("test").images > 0, 1.0, -1.0)
    assert torch.equal(hollow(x) == 1, x == 1)


@pytest.mark.parametrize(
    ("x", "error"), [(torch.zeros(2, 3, 28, 28), ValueError), (torch.zeros(2, 1, 28, 28).byte(), TypeError)]
)
def test_style_refuses_what_is_not_a_batch(x, error):
    with pytest.raises(error, match="x: veio"):
        hollow(x)


def test_pairs_are_the_same_images_in_the_same_order():
    test = load_embedded_digits("test")
    pairs = restyle(test)
    assert torch.equal(pairs.images, hollow(test.images))
    assert torch.equal(pairs.labels, test.labels)
    assert pairs.name == "dígitos embutidos (teste), no estilo de Y"


# --- os domínios -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 7, 100])
def test_no_source_image_is_in_both_domains(n):
    # O estilo que nada muda deixa ver de que imagem veio cada uma.
    domains = split_domains(numbered(n), style=lambda x: x)
    x, y = domains.x.labels.tolist(), domains.y.labels.tolist()
    assert not set(x) & set(y)
    assert sorted(x + y) == list(range(n))
    assert len(x) == n // 2
    assert numbers(domains.x.images, n) == x
    assert numbers(domains.y.images, n) == y


def test_only_y_changes_style():
    digits = load_embedded_digits("train").take(40)
    plain, styled = split_domains(digits, style=lambda x: x), split_domains(digits)
    assert torch.equal(styled.x.images, plain.x.images)
    assert torch.equal(styled.y.images, hollow(plain.y.images))
    assert styled.name == "X: dígitos embutidos (treino); Y: dígitos embutidos (treino), no estilo de Y"


def test_domains_are_always_the_same_whatever_the_global_generator():
    torch.manual_seed(1)
    first = split_domains(numbered(30))
    torch.manual_seed(2)
    assert split_domains(numbered(30)).x.labels.tolist() == first.x.labels.tolist()
    assert first.x.labels.tolist() != sorted(first.x.labels.tolist())


def test_one_image_is_not_enough():
    with pytest.raises(ValueError, match="veio 1 imagem; dois domínios pedem pelo menos duas"):
        split_domains(numbered(1))


# --- os lotes --------------------------------------------------------------------------------------------------------


def epoch(batches: UnpairedBatches, n: int) -> tuple[list[list[int]], list[list[int]]]:
    pairs = list(batches)
    return [numbers(pair.x, n) for pair in pairs], [numbers(pair.y, n) for pair in pairs]


def flat(chunks: list[list[int]]) -> list[int]:
    return [value for chunk in chunks for value in chunk]


def test_an_epoch_shows_the_longer_domain_once_and_repeats_the_shorter():
    source = numbered(20)
    batches = UnpairedBatches(source.images, source.images[:6], 8)
    x, y = epoch(batches, 20)
    assert len(batches) == 3
    assert [len(chunk) for chunk in x] == [len(chunk) for chunk in y] == [8, 8, 4]
    assert sorted(flat(x)) == list(range(20))
    y = flat(y)
    for start in (0, 6, 12):
        assert sorted(y[start : start + 6]) == list(range(6))
    assert y[:6] != y[6:12]


def test_domains_are_shuffled_independently():
    source = numbered(50)
    x, y = epoch(UnpairedBatches(source.images, source.images, 10), 50)
    x, y = flat(x), flat(y)
    assert x != y
    # Duas permutações independentes coincidem, em média, numa posição.
    assert sum(a == b for a, b in zip(x, y, strict=True)) < 8


def test_order_depends_only_on_seed_and_epoch():
    source = numbered(30)

    def orders(seed: int, epochs: list[int]) -> list:
        batches = UnpairedBatches(source.images, source.images, 7, seed=seed)
        found = []
        for number in epochs:
            batches.set_epoch(number)
            found.append(epoch(batches, 30))
        return found

    torch.manual_seed(5)
    first = orders(0, [0, 1])
    torch.manual_seed(6)
    assert orders(0, [1, 0]) == first[::-1]
    assert first[0] != first[1]
    assert orders(1, [0]) != first[:1]
    batches = UnpairedBatches(source.images, source.images, 7)
    assert [epoch(batches, 30), epoch(batches, 30)] == first


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", None])
def test_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match=r"batch_size: veio .*; esperava um inteiro ≥ 1"):
        UnpairedBatches(numbered(3).images, numbered(3).images, batch_size)
