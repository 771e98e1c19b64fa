"""O conjunto de imagens, os dígitos embutidos e os lotes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from course_lib.data import Batch, Batches, ImageDataset, Selection, load_embedded_digits


def numbered(n: int) -> ImageDataset:
    """``n`` imagens lisas, cada uma com o seu número no rótulo e no tom de cinza."""
    labels = torch.arange(n)
    tones = labels.float().view(n, 1, 1, 1) / n
    return ImageDataset(tones.expand(n, 1, 28, 28).clone(), labels, "numeradas")


# --- dígitos embutidos ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "n", "name"), [("train", 1497, "treino"), ("test", 300, "teste")])
def test_embedded_digits(split, n, name):
    digits = load_embedded_digits(split)
    assert digits.images.shape == (n, 1, 28, 28)
    assert digits.images.dtype == torch.float32
    assert digits.labels.shape == (n,)
    assert digits.labels.dtype == torch.int64
    assert digits.labels.unique().tolist() == list(range(10))
    # A faixa inteira, e o fundo em -1 até a borda, como no MNIST.
    assert digits.images.aminmax() == (-1, 1)
    assert (digits.images[..., :4, :] == -1).all()
    assert (digits.images[..., -4:] == -1).all()
    assert digits.name == f"dígitos embutidos ({name})"
    assert not digits.is_mnist
    assert len(digits) == n


def test_embedded_digits_are_the_originals_enlarged_and_upright():
    train, test = load_embedded_digits("train"), load_embedded_digits("test")
    source = load_digits()
    chosen = np.arange(1797) % 6 == 0
    for dataset, keep in ((train, ~chosen), (test, chosen)):
        assert dataset.labels.tolist() == source.target[keep].tolist()
        small = F.interpolate(dataset.images[..., 4:-4, 4:-4], size=(8, 8), mode="area")
        original = torch.from_numpy(source.images[keep]).float()
        pairs = torch.stack([small.flatten(), original.flatten()])
        assert torch.corrcoef(pairs)[0, 1] > 0.97


def test_embedded_digits_never_ask_the_network(network):
    load_embedded_digits("train")
    assert network == []


def test_dataset_says_its_shape_and_the_hash_of_its_pixels():
    dataset = numbered(3)
    assert dataset.shape == (1, 28, 28)
    assert dataset.sha256() == hashlib.sha256(dataset.images.numpy().tobytes()).hexdigest()
    assert dataset.take(2).sha256() != dataset.sha256()


@pytest.mark.parametrize("split", ["treino", "valid", "", None, 0])
def test_unknown_split_of_the_embedded_digits(split):
    with pytest.raises(ValueError, match=r"split: veio .*; as opções são 'train', 'test'"):
        load_embedded_digits(split)


# --- ImageDataset --------------------------------------------------------------------------------------------------

GOOD = torch.zeros(3, 1, 28, 28)
LABELS = torch.zeros(3, dtype=torch.int64)


def with_value(value: float) -> torch.Tensor:
    images = GOOD.clone()
    images[1, 0, 13, 7] = value
    return images


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (with_value(float("nan")), LABELS, ValueError, "images.*NaN.*finitos"),
        (with_value(float("inf")), LABELS, ValueError, "images.*∞.*finitos"),
        (with_value(float("-inf")), LABELS, ValueError, "images.*-∞.*finitos"),
        (with_value(255.0), LABELS, ValueError, r"vão de 0 a 255; .*\[-1, 1\].*127.5"),
        (with_value(-1.01), LABELS, ValueError, "vão de -1.01 a 0"),
        (with_value(1.01), LABELS, ValueError, "vão de 0 a 1.01"),
        (GOOD.double(), LABELS, TypeError, "images: veio torch.float64; esperava um tensor torch.float32"),
        (GOOD.byte(), LABELS, TypeError, "images: veio torch.uint8"),
        (GOOD.numpy(), LABELS, TypeError, "images: veio ndarray"),
        (GOOD[:, 0], LABELS, ValueError, r"images: .*\(3, 28, 28\); esperava \(B, 1, 28, 28\)"),
        (GOOD.flatten(1), LABELS, ValueError, r"images: .*\(3, 784\)"),
        (torch.zeros(3, 3, 28, 28), LABELS, ValueError, r"\(3, 3, 28, 28\)"),
        (GOOD[:0], LABELS[:0], ValueError, "images: não veio nada; esperava pelo menos um item"),
        (GOOD, LABELS[:2], ValueError, r"labels: veio um tensor de forma \(2,\); esperava \(3,\)"),
        (GOOD, LABELS.view(3, 1), ValueError, r"labels: veio um tensor de forma \(3, 1\)"),
        (GOOD, LABELS.bool(), TypeError, "labels: veio torch.bool; esperava um tensor de inteiros"),
        (GOOD, LABELS.float(), TypeError, "labels: veio torch.float32"),
        (GOOD, [0, 1, 2], TypeError, "labels: veio list"),
        (GOOD, LABELS.numpy(), TypeError, "labels: veio ndarray"),
    ],
)
def test_bad_dataset(images, labels, error, message):
    with pytest.raises(error, match=message):
        ImageDataset(images, labels, "meus")


@pytest.mark.parametrize("kind", [torch.int32, torch.int16, torch.uint8])
def test_labels_of_any_integer_type_become_int64(kind):
    labels = torch.tensor([0, 1, 9])
    for dataset in (
        ImageDataset(GOOD, labels.to(kind), "meus"),
        ImageDataset(GOOD, torch.from_numpy(labels.to(kind).numpy()), "meus"),
    ):
        assert dataset.labels.dtype == torch.int64
        assert torch.equal(dataset.labels, labels)


def test_numpy_integers_take_and_batch():
    digits = numbered(60)
    assert len(digits.take(np.int64(4))) == 4
    batches = digits.batches(np.int32(50))
    assert type(batches.batch_size) is int
    assert len(next(iter(batches)).x) == 50


def test_batches_say_which_data_they_come_from():
    dataset = numbered(3)
    assert dataset.batches(2).sha256() == dataset.batches(3, seed=9).sha256()
    assert dataset.batches(2).sha256() != numbered(4).batches(2).sha256()
    relabelled = ImageDataset(dataset.images, dataset.labels.flip(0) + 1, dataset.name)
    assert relabelled.batches(2).sha256() != dataset.batches(2).sha256()


def test_dataset_keeps_what_it_is_given():
    dataset = ImageDataset(with_value(1.0), LABELS, "meus")
    assert dataset.images[1, 0, 13, 7] == 1
    assert not dataset.is_mnist
    assert ImageDataset(GOOD, LABELS, "MNIST (treino)").is_mnist
    moved = dataset.to("cpu")
    assert torch.equal(moved.images, dataset.images)
    assert moved.name == "meus"


def test_take():
    dataset = numbered(50)
    assert dataset.take(5).labels.tolist() == [0, 1, 2, 3, 4]
    drawn = dataset.take(20, seed=1)
    assert len(set(drawn.labels.tolist())) == 20
    assert drawn.labels.tolist() != list(range(20))
    assert torch.equal(drawn.labels, dataset.take(20, seed=1).labels)
    assert not torch.equal(drawn.labels, dataset.take(20, seed=2).labels)
    torch.testing.assert_close(drawn.images[:, 0, 0, 0], drawn.labels / 50)
    assert drawn.name == "numeradas"
    assert len(dataset.take(50)) == len(dataset.take(99)) == 50
    for n in (0, -1, 2.5, "3"):
        with pytest.raises(ValueError, match=f"n: veio {n!r}; esperava"):
            dataset.take(n)


def test_a_set_remembers_how_it_was_selected():
    whole = numbered(50)
    first, drawn = whole.take(20), whole.take(20, seed=1)
    assert (whole.selection, first.selection, drawn.selection) == (Selection.WHOLE, Selection.FIRST, Selection.DRAWN)
    assert (whole.seed, first.seed, drawn.seed) == (None, None, 1)
    assert whole.take(50).selection is Selection.WHOLE
    assert first.take(10, seed=1).selection is Selection.FIRST  # um sorteio, mas só entre as primeiras
    assert drawn.take(10).selection is drawn.to("cpu").selection is Selection.DRAWN
    assert drawn.take(10).seed == 1
    assert whole.description == "numeradas, 50 imagens"
    assert first.description == "numeradas, 20 imagens, as primeiras do arquivo"
    assert drawn.description == "numeradas, 20 imagens sorteadas com a semente 1"


def test_split_draws_two_sets_with_nothing_in_common():
    one, other = numbered(50).split(20, seed=3)
    assert (len(one), len(other)) == (20, 30)
    assert sorted([*one.labels.tolist(), *other.labels.tolist()]) == list(range(50))
    assert one.labels.tolist() != list(range(20))
    assert one.selection is other.selection is Selection.DRAWN
    assert torch.equal(one.labels, numbered(50).take(20, seed=3).labels)
    assert numbered(50).take(40).split(20, seed=3)[1].selection is Selection.FIRST
    for n in (0, 50):
        with pytest.raises(ValueError, match="de 1 a 49"):
            numbered(50).split(n, seed=0)


def test_take_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    numbered(50).take(20, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


# --- lotes ---------------------------------------------------------------------------------------------------------


def order(batches: Batches, epoch: int) -> list[int]:
    batches.set_epoch(epoch)
    return torch.cat([batch.labels for batch in batches]).tolist()


@pytest.mark.parametrize(("n", "size", "expected"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (5, 1, [1] * 5)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_image_comes_exactly_once_with_its_label(n, size, expected, shuffle):
    batches = numbered(n).batches(size, shuffle=shuffle)
    seen = list(batches)
    assert [len(batch.x) for batch in seen] == expected
    assert len(batches) == len(expected)
    assert all(isinstance(batch, Batch) for batch in seen)
    assert all(batch.x.shape[1:] == (1, 28, 28) for batch in seen)
    labels = torch.cat([batch.labels for batch in seen])
    assert sorted(labels.tolist()) == list(range(n))
    tones = torch.cat([batch.x[:, 0, 5, 5] for batch in seen])
    torch.testing.assert_close(tones, labels / n)


def test_order_depends_only_on_seed_and_epoch():
    dataset = numbered(100)
    first = order(dataset.batches(7, seed=3), 4)
    torch.manual_seed(99)
    assert order(dataset.batches(7, seed=3), 4) == first
    assert order(dataset.batches(7, seed=3), 5) != first
    assert order(dataset.batches(7, seed=4), 4) != first
    assert order(dataset.batches(7, seed=4), 3) != first
    assert order(dataset.batches(7, seed=2), 5) != first
    assert first != list(range(100))
    # O tamanho do lote só diz onde se corta a mesma ordem.
    assert order(dataset.batches(50, seed=3), 4) == first


def test_consecutive_iterations_are_consecutive_epochs():
    batches = numbered(40).batches(8, seed=1)
    epochs = [torch.cat([batch.labels for batch in batches]).tolist() for _ in range(3)]
    assert epochs == [order(numbered(40).batches(8, seed=1), epoch) for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]


def test_shuffling_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    list(numbered(10).batches(3))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_shuffling_the_order_is_the_file_order():
    assert order(numbered(10).batches(3, shuffle=False), 5) == list(range(10))


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", None])
def test_bad_batch_size(size):
    with pytest.raises(ValueError, match=f"batch_size: veio {size!r}; esperava"):
        numbered(3).batches(size)
