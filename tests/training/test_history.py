"""O registro de um treinamento."""

from __future__ import annotations

import json

import pytest

from course_lib.training import History


@pytest.fixture
def history() -> History:
    return History([{"loss": 2.0, "kl": 0.5}, {"loss": 1.0, "kl": 0.75}], [0.25, 0.5])


def test_reading(history):
    assert len(history) == 2
    assert history.terms == ["loss", "kl"]
    assert history["loss"] == [2.0, 1.0]
    assert history["kl"] == [0.5, 0.75]
    assert history.last == {"loss": 1.0, "kl": 0.75}


def test_unknown_term(history):
    with pytest.raises(KeyError, match="termo 'erro' não está no histórico; os termos são loss, kl"):
        history["erro"]
    with pytest.raises(KeyError, match="os termos são nenhum"):
        History()["loss"]


def test_nothing_finished():
    assert len(History()) == 0
    assert History().terms == []
    assert str(History()) == "nenhuma época terminada"
    with pytest.raises(IndexError, match="nenhuma época terminou"):
        _ = History().last


def test_round_trip_through_json(history):
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again == history


def test_a_copy_does_not_share_its_lists(history):
    again = History.from_dict(history.to_dict())
    again.epochs[0]["loss"] = 9.0
    again.epochs.append({})
    again.seconds.append(1.0)
    assert history == History([{"loss": 2.0, "kl": 0.5}, {"loss": 1.0, "kl": 0.75}], [0.25, 0.5])


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 25, 40, 100])
def test_table_is_short_and_keeps_both_ends(n):
    table = str(History([{"loss": float(index)} for index in range(1, n + 1)], [0.5] * n)).splitlines()
    assert table[0].split() == ["época", "loss"]
    assert table[-1] == f"tempo: {n / 2:.1f} s (0,50 s por época)".replace(".", ",")
    epochs = [int(line.split()[0]) for line in table[1:-1]]
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 1
    assert epochs[-1] == n
    assert len(epochs) <= 12
    assert all(line.split()[1] == f"{line.split()[0]},0000" for line in table[1:-1])
