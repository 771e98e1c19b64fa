"""O estudo do anel: o que se mostra como colapso é colapso, e o que oscila não é."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from benchmarks import ring
from course_lib.metrics import count_modes
from course_lib.metrics.modes import COLLAPSE, COVERAGE, OFF_DATA
from course_lib.models.layers import mlp
from course_lib.studies import load_study


@pytest.fixture(scope="module")
def runs():
    return {run["variant"]: run for run in load_study("ring").runs}


def test_the_study_has_every_game_and_five_seeds(runs):
    header = load_study("ring").header
    assert header["variants"] == {name: asdict(variant) for name, variant in ring.VARIANTS.items()}
    assert list(runs) == list(ring.VARIANTS)
    assert {len(run[key]) for run in runs.values() for key in ("covered", "on_modes", "verdict", "drift")} == {5}


def test_each_verdict_of_the_study_follows_from_the_definition(runs):
    for run in runs.values():
        first = count_modes(torch.tensor(run["points"]), ring.CENTERS, 5 * ring.STD)
        # Os 300 pontos guardados são os primeiros dos 2.000 em que se mediu.
        assert first.on_modes == pytest.approx(run["on_modes"][0], abs=0.1)


def test_what_is_shown_as_collapse_is_collapse(runs):
    run = runs["gerador lento: não saturante"]
    assert run["verdict"] == [COLLAPSE] * 5
    # A minimax esquece os mesmos modos, mas não convence: o nome não lhe cabe.
    assert max(runs["gerador lento: minimax"]["covered"]) <= 4
    assert COLLAPSE not in runs["gerador lento: minimax"]["verdict"]


def test_what_is_shown_as_a_cure_is_not_collapse(runs):
    cures = [run for name, run in runs.items() if name.startswith("cura")]
    assert len(cures) == 4
    assert min(covered for run in cures for covered in run["covered"]) >= 5


def test_what_oscillates_is_off_the_data_and_moves(runs):
    for name in ring.NAMES:
        run = runs[f"{name}, β1 = 0,9"]
        assert run["verdict"] == [OFF_DATA] * 5
    still = runs["gerador lento: não saturante"]["drift"]
    assert min(runs["não saturante, β1 = 0,9"]["drift"]) > max(still)


def test_each_copy_of_the_stack_plays_alone():
    torch.manual_seed(0)
    stack = ring.Stack(3, (2, 5, 4, 1))
    x = torch.randn(3, 7, 2)
    together = stack(x.flatten(0, 1)).view(3, 7)
    for copy in range(3):
        alone = mlp((2, 5, 4, 1))
        linear = [layer for layer in alone if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(linear, stack.weights, stack.biases, strict=True):
                layer.weight.copy_(weight[copy].T)
                layer.bias.copy_(bias[copy, 0])
        torch.testing.assert_close(together[copy], alone(x[copy]).squeeze(1))


def test_a_short_study_is_resumed_and_comes_out_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ring, "VARIANTS", dict(list(ring.VARIANTS.items())[:2]))
    whole = ring.run(ring.QUICK, tmp_path / "a.json")
    state = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    del state["runs"][1]
    (tmp_path / "b.json").write_text(json.dumps(state), encoding="utf-8")
    again = ring.run(ring.QUICK, tmp_path / "b.json")
    assert [run["points"] for run in again.runs] == [run["points"] for run in whole.runs]
    assert "modos" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(ring.LOSSES))
def test_every_loss_plays(name):
    points, drift = ring.play(ring.QUICK, ring.Variant(loss=name, pack=1, r1_r2=0.5))
    assert points.shape == (2, 200, 2)
    assert drift.shape == (2,)
    assert points.isfinite().all()


def test_the_names_of_what_a_cloud_is():
    at = ring.CENTERS[:2].repeat(50, 1)
    far = at + 1.0
    spread = ring.CENTERS.repeat(50, 1)
    radius = 5 * ring.STD
    assert count_modes(at, ring.CENTERS, radius).verdict == COLLAPSE
    assert count_modes(far, ring.CENTERS, radius).verdict == OFF_DATA
    assert count_modes(spread, ring.CENTERS, radius).verdict == COVERAGE
    # Convincentes, mas de cinco modos: já não é colapso.
    assert count_modes(ring.CENTERS[:5].repeat(50, 1), ring.CENTERS, radius).verdict == "parcial"
    # De um modo só, mas metade fora: também não é.
    assert count_modes(torch.cat([at, far]), ring.CENTERS, radius).verdict == "parcial"


def test_a_mode_needs_one_sample_in_a_hundred():
    points = torch.cat([ring.CENTERS[:1].expand(199, 2), ring.CENTERS[1:2]])
    report = count_modes(points, ring.CENTERS, 0.25)
    assert (report.modes, report.covered, report.on_modes) == (8, 1, 1.0)


@pytest.mark.parametrize(
    ("points", "centers", "radius", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(2, 3), 1.0, "mesmo D"),
        (torch.zeros(3), torch.zeros(2, 3), 1.0, r"vieram points \(3,\)"),
        (torch.zeros(0, 2), torch.zeros(2, 2), 1.0, "não há o que contar"),
        (torch.zeros(3, 2), torch.zeros(2, 2), 0.0, "radius deve ser positivo"),
    ],
)
def test_bad_points_are_refused_in_portuguese(points, centers, radius, message):
    with pytest.raises(ValueError, match=message):
        count_modes(points, centers, radius)
