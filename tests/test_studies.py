"""Os estudos que os capítulos mostram: inteiros, dos pesos que vêm com o curso, e com o comando que os refaz."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest

from benchmarks.study import run_variants
from course_lib.metrics import SampleReport, network_evaluations
from course_lib.models.layers import class_count
from course_lib.recipes import RECIPES
from course_lib.studies import (
    FLOOR,
    Study,
    StudyError,
    load_sample_floor,
    load_sample_rows,
    load_study,
    save_study,
    study_path,
)
from course_lib.weights import SHIPPED, load_shipped

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
STUDIES = sorted(path.stem for path in study_path("x").parent.glob("*.json"))


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_says_the_command_that_makes_it(name):
    assert load_study(name).command == f"python -m benchmarks.{name}"
    assert (BENCHMARKS / f"{name}.py").is_file()


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_comes_back_as_it_was_saved(name, tmp_path):
    save_study(load_study(name), tmp_path / "copia.json")
    assert (tmp_path / "copia.json").read_bytes() == study_path(name).read_bytes()


def test_a_missing_study_says_how_to_make_it(tmp_path):
    with pytest.raises(StudyError, match=r"não achei .*nada\.json; faça o estudo com: python -m benchmarks\.stylegan"):
        load_study("stylegan", tmp_path / "nada.json")
    with pytest.raises(StudyError, match=r"benchmarks\.samples"):
        load_sample_rows(tmp_path / "samples.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"command": "x", "runs": [3]}', '{"comando": "x"}'])
def test_a_damaged_study_says_how_to_remake_it(tmp_path, text):
    path = tmp_path / "cyclegan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"cyclegan\.json: o estudo está estragado; .*benchmarks\.cyclegan"):
        load_study("cyclegan", path)


def test_the_pretraining_study_has_every_run():
    study = load_study("pretraining")
    assert study.header["data"] == {"train": "MNIST (treino)", "images": 60_000, "test": "MNIST (teste)"}
    runs = [(run["seed"], run["labels"], run["pretrained"]) for run in study.runs]
    assert sorted(runs) == sorted(itertools.product((0, 1, 2), (0, 1_000), (True, False)))


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        (
            "variants",
            {
                "sem treino", "comum", "tira ruído: gaussiana", "tira ruído: máscara", "tira ruído: sal e pimenta",
                "esparsa", "contrativa", "comum, pesos amarrados", "esparsa, pesos amarrados",
                "contrativa, pesos amarrados", "sem treino, larga", "comum, larga", "sem treino, 3 × imagens",
                "comum, 3 × imagens", "tira ruído: gaussiana, 3 × imagens", "esparsa, 3 × imagens",
                "contrativa, 3 × imagens",
            },
        ),
        ("stacked", {"receita", "sem pré-treino", "sem decaimento"}),
        ("relu_code", {"com ReLU", "livre"}),
        ("cyclegan", {"receita", "sem ciclo", "sem identidade", "sem reservatório", "só a adversária"}),
        ("position", {"sem identidade"}),
        ("stylegan", {"receita (AdaIN)", "demodulação", "sem R1"}),
    ],
)  # fmt: skip
def test_each_variant_was_run_with_three_seeds(name, variants):
    study = load_study(name)
    assert (study.header["data"]["train"], study.header["data"]["test"]) == ("MNIST (treino)", "MNIST (teste)")
    runs = [(run["seed"], run["variant"]) for run in study.runs]
    assert sorted(runs) == sorted(itertools.product((0, 1, 2), variants))


def test_the_clouds_study_has_every_run():
    study = load_study("clouds")
    assert study.header["data"] == {"train": "MNIST (treino)", "test": "MNIST (teste)"}
    assert load_shipped("judge")[1].sha256.startswith(study.header["judge"])
    variants = (
        "sem treino", "reais de treino", "θ = 5", "θ = 0,5", "θ = 0,05", "θ = 1", "θ = 2", "θ = 0,2", "σ² aprendida",
        "autoencoder", "condicional, d = 2, θ = 1", "condicional, d = 20, θ = 0,5", "condicional, d = 20, θ = 1",
        "condicional, d = 20, θ = 5",
        "plano", "plano, sem treino", "recozida, θ = 100",
    )  # fmt: skip
    runs = [(run["seed"], run["variant"]) for run in study.runs]
    assert sorted(runs) == sorted(itertools.product((0, 1, 2), variants))


def test_the_studies_were_read_by_the_networks_that_ship():
    """Trocado o leitor, ou o juiz, o estudo se refaz."""
    # Quem leu o que está escrito em Y foi o gerador que vem com o curso.
    assert load_study("cyclegan").header["reader"] == load_shipped("cyclegan")[1].sha256
    assert load_shipped("judge")[1].sha256.startswith(load_study("stylegan").header["judge"])


def test_the_position_study_measured_every_shift_that_chapter_06_draws():
    study = load_study("position")
    for run, way, shift in itertools.product(study.runs, ("X→Y", "Y→X"), study.header["shifts"]):
        assert 0 < run["measures"][f"SSIM {way}, par em {shift:+d}"] < 1


def test_the_example_study_has_every_run():
    study = load_study("example_seeds")
    assert study.header["data"] == {"train": "MNIST (treino)", "images": 60_000, "test": "MNIST (teste)"}
    assert len(study.header["config"]["seeds"]) >= 3
    found = {(run["variant"], run["seed"]) for run in study.runs}
    assert found == set(itertools.product(("VAE", "VAE, um ciclo"), study.header["config"]["seeds"]))


def test_the_diffusion_study_has_every_setting():
    study = load_study("diffusion")
    assert study.header["n"] == 2_000
    assert study.header["data"] == {"train": "MNIST (treino)", "reference": "MNIST (teste)", "images": 10_000}
    assert load_shipped("judge")[1].sha256.startswith(study.header["judge"])
    assert study.header["weights"] == {
        name: load_shipped(name)[1].sha256 for name in ("diffusion", "flow_matching", "flows")
    }
    assert len(study.header["floor"]["frechet"]) == 8
    settings = [tuple(run["setting"].values()) for run in study.runs]
    assert sorted(settings) == sorted(
        [
            *itertools.product(("diffusion",), ("DDIM", "DDPM"), (2, 4, 8, 16), (True,), (0.0,)),
            *itertools.product(("diffusion",), ("DDIM",), (8,), (True,), (1.0, 3.0, 8.0)),
            ("diffusion", "DDIM", 16, False, 0.0),
            *itertools.product(("flow_matching",), ("ponto médio",), (12,), (True, False), (0.0,)),
            *itertools.product(("flows",), ("T = 1", "T = 0,7"), (1,), (False,), (0.0,)),
        ]
    )


def test_the_sampling_study_is_of_what_ships_and_faster():
    """Quem amostra com menos avaliações amostra mais depressa."""
    study = load_study("sampling")
    assert load_shipped("judge")[1].sha256.startswith(study.header["judge"])
    rows = {(run["family"], run["way"]): run for run in study.runs}
    for (family, way), row in rows.items():
        step, card = load_shipped(family)
        assert row["weights"] == card.sha256
        if way == "depois":
            assert row["evaluations"] == network_evaluations(RECIPES[family].sampler(step)), family
        before, after = rows.get((family, "antes"), row), rows.get((family, "depois"), row)
        assert after["evaluations"] <= before["evaluations"]
        if after["evaluations"] < before["evaluations"]:
            assert after["images_per_second"] > 3 * before["images_per_second"], family


# Fica 4 % mais longe, como dizem ``flow_matching.STEPS`` e o registro de mudanças: falta dar-lhe mais avaliações.
PAYS = pytest.mark.xfail(strict=True, reason="sem rótulos, dez avaliações não chegam à distância de trinta")


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=PAYS if family == "flow_matching_unconditional" else ())
        for family in sorted({run["family"] for run in load_study("sampling").runs})
    ],
)
def test_nothing_is_paid_in_distance(family):
    """Quem amostra com menos avaliações não se afasta das imagens reais."""
    before, after = (
        next(run for run in load_study("sampling").runs if (run["family"], run["way"]) == (family, way))
        for way in ("antes", "depois")
    )
    spread = math.hypot(before["frechet_std"], after["frechet_std"])
    assert after["frechet"] - before["frechet"] < 3 * spread


def test_the_flow_parts_study_has_every_run_and_compares_networks_of_the_same_size():
    study = load_study("flow_parts")
    assert study.header["data"] == {"train": "MNIST (treino)", "images": 60_000, "test": "MNIST (teste)"}
    runs = [(run["seed"], run["variant"]) for run in study.runs]
    parts = ("afim, ruído uniforme", "afim, ruído quase normal", "mistura, ruído quase normal")
    assert sorted(runs) == sorted(itertools.product((0, 1, 2), parts))
    sizes = study.header["parameters"].values()
    assert max(sizes) < 1.05 * min(sizes)


# --- as amostras -----------------------------------------------------------------------------------------------------

ROW = {
    "report": {
        "name": "gan", "n": 500, "seed": 0, "network": "abc", "reference": "o teste", "frechet": 30.0,
        "frechet_std": 0.9, "kid": 0.5, "kid_std": 0.1, "precision": 0.4, "recall": 0.2, "coverage": [0.1] * 10,
        "confidence": 0.9,
    },
    "weights": "f00", "seed": 0, "labelled": False, "parameters": 7, "images_seen": 600, "evaluations": 1,
    "seconds": 2.5, "machine": "aqui",
}  # fmt: skip
FLOOR_OF = {"n": 500, "seed": 0, "network": "abc", "reference": "o teste", "values": [1.0, 1.2]}


def test_the_samples_come_back_sorted_by_distance(tmp_path):
    floor = {**ROW, "report": {**ROW["report"], "name": FLOOR, "frechet": 0.2}}
    save_study(Study("python -m benchmarks.samples", runs=[ROW, floor]), tmp_path / "samples.json")
    floor, gan = load_sample_rows(tmp_path / "samples.json")
    assert (floor.report.name, gan.report.name) == (FLOOR, "gan")
    assert gan.report.coverage == (0.1,) * 10
    assert (gan.weights, gan.seed, gan.seconds, gan.machine) == ("f00", 0, 2.5, "aqui")
    assert "gan" in SampleReport.table([gan.report])


@pytest.mark.parametrize(
    "run",
    [
        {"report": {"name": "gan"}},
        {**ROW, "pesos": 1},
        {**ROW, "report": 3},
        {"weights": "a"},
        {key: value for key, value in ROW.items() if key != "labelled"},
    ],
)
def test_a_damaged_row_says_how_to_remake_it(tmp_path, run):
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"command": "x", "header": {}, "runs": [run]}), encoding="utf-8")
    with pytest.raises(StudyError, match=r"estragado; apague-o e rode python -m benchmarks\.samples"):
        load_sample_rows(path)


def test_the_floor_comes_back_and_says_when_it_is_missing(tmp_path):
    path = tmp_path / "samples.json"
    save_study(Study("x", {"floor": FLOOR_OF}, [ROW]), path)
    floor = load_sample_floor(path)
    assert (floor.mean, floor.draws, floor.n) == (pytest.approx(1.1), 2, 500)
    for header in ({}, {"floor": 3}, {"floor": {"n": 500}}):
        save_study(Study("x", header, [ROW]), path)
        with pytest.raises(StudyError, match=r"estragado; apague-o e rode python -m benchmarks\.samples"):
            load_sample_floor(path)


def test_the_samples_are_of_the_weights_that_ship():
    rows = load_sample_rows()
    (judge,) = {row.report.network for row in rows}
    assert load_shipped("judge")[1].sha256.startswith(judge)
    assert len({row.report.n for row in rows}) == 1
    measured = {row.report.name: row.weights for row in rows if row.weights}
    shipped = [name for name, recipe in RECIPES.items() if recipe.sampler and (SHIPPED / f"{name}.json").is_file()]
    assert measured == {name: load_shipped(name)[1].sha256 for name in shipped}
    assert {FLOOR, "gan_document"} <= {row.report.name for row in rows}


def test_the_floor_of_the_samples_is_of_their_n_judge_and_reference():
    rows, floor = load_sample_rows(), load_sample_floor()
    assert {(row.report.n, row.report.network, row.report.reference) for row in rows} == {
        (floor.n, floor.network, floor.reference)
    }
    assert floor.draws >= 6
    (drawn,) = (row.report.frechet for row in rows if row.report.name == FLOOR)
    assert abs(drawn - floor.mean) < 4 * floor.std  # a linha do piso é mais um sorteio como os outros


def test_each_row_says_what_its_card_and_its_model_say():
    """Rótulo, parâmetros, imagens vistas e avaliações não são digitados: saem do cartão e de uma amostra contada."""
    for row in load_sample_rows():
        if row.weights:
            step, card = load_shipped(row.report.name)
            sampler = RECIPES[row.report.name].sampler(step)
            assert row.labelled == (class_count(getattr(sampler, "network", sampler)) is not None), row.report.name
            assert row.parameters == sum(card.parameters.values())
            assert row.images_seen == card.images_seen
            if row.evaluations < 30:  # os que gastam segundos são contados no capítulo
                assert row.evaluations == network_evaluations(sampler)
    assert {row.report.name for row in load_sample_rows() if row.labelled} == {"diffusion", "flow_matching"}


def test_the_diffusion_without_labels_is_of_the_weights_that_ship():
    study = load_study("samples").header["without_label"]["diffusion"]
    card = load_shipped("diffusion")[1]
    assert study["weights"] == card.sha256
    (with_label,) = (value for label, value in card.metrics.items() if label.startswith("Fréchet de 500"))
    assert study["report"]["n"] == 500
    assert study["report"]["frechet"] > 2 * with_label


def test_a_study_takes_more_seeds_and_refuses_another_configuration(tmp_path):
    path = tmp_path / "estudo.json"
    trained = []

    def train(variant: str, seed: int) -> tuple[dict[str, float], float]:
        trained.append((seed, variant))
        return {"erro": 1.0}, 0.1

    def run(images: int, seeds: tuple[int, ...]):
        header = {"config": {"images": images, "seeds": seeds}}
        return run_variants("estudo", path, header, seeds, ("a", "b"), train)

    run(10, (0,))
    study = run(10, (0, 1))
    # Só o que faltava.
    assert trained == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert load_study("estudo", path).header == study.header == {"config": {"images": 10, "seeds": [0, 1]}}
    with pytest.raises(ValueError, match="outra configuração"):
        run(20, (0, 1))
