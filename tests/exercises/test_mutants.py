"""Os enganos automáticos: uma amostra deles perde a questão em toda turma, e uma questão fraca se denuncia."""

from __future__ import annotations

import random

import pytest
import torch

from benchmarks import mutants
from benchmarks.excused import EXCUSED
from benchmarks.mutants import candidates, examine, render
from benchmarks.mutations import mutants_of
from benchmarks.rewrites import right_answers
from benchmarks.sameness import Sameness
from benchmarks.subjects import Late, Subject, cpu_limit, load_subjects
from course_lib.exercises.question import Question, exercise_names
from course_lib.studies import load_study

SOURCE = "def f(x, scale):\n    return (scale * x).abs().sum(1)\n"
SAMPLE = 6


class Sound(Question):
    name, function, points, start = "q1", "f", 1, "Comece."

    def draw(self, seed, source):
        return {"x": torch.randn(4 + seed % 2, 3, generator=source), "scale": 2.0 + seed % 3}

    def answer(self, x, scale):
        return (scale * x).abs().sum(1)


class Weak(Sound):
    """Só sorteia positivos: quem esquece o módulo passa."""

    def draw(self, seed, source):
        return {"x": torch.rand(4 + seed % 2, 3, generator=source), "scale": 2.0 + seed % 3}


class Fussy(Sound):
    """Recusa quem responde em float32."""

    def accepts(self, value, expected):
        return bool((value == expected).all())


def subject_of(question: Question) -> Subject:
    namespace = {"torch": torch}
    exec(SOURCE, namespace)
    subject = Subject("00_teste", question, 0, SOURCE, namespace)
    subject.hidden = lambda class_seed: list(range(100 + 10 * class_seed, 106 + 10 * class_seed))
    return subject


def test_a_sound_question_leaves_no_survivor_and_refuses_no_right_answer():
    row = examine(subject_of(Sound()))
    assert row.killed > 30
    assert row.survivors == []
    assert row.refused == []
    assert row.rights > 10


def test_a_weak_question_is_denounced():
    row = examine(subject_of(Weak()))
    assert any(".abs()" in name for name in row.survivors)


def test_a_fussy_question_is_denounced():
    assert examine(subject_of(Fussy())).refused != []


def test_an_answer_that_never_ends_is_stopped():
    def endless():
        while True:
            pass

    with cpu_limit(0.05), pytest.raises(Late):
        endless()


def test_each_mutant_differs_from_the_answer_in_one_place():
    found = mutants_of(SOURCE)
    assert len({mutant.source for mutant in found}) == len(found)
    kinds = {mutant.kind for mutant in found}
    assert {"operador", "redução", "eixo", "um a mais", "sem a função", "parcela ou fator"} <= kinds


@pytest.mark.parametrize("name", exercise_names())
def test_a_sample_of_mutants_loses_and_of_right_answers_wins(name):
    """Uma questão de cada exercício, sempre as mesmas; a tabela inteira é a de ``python -m benchmarks.mutants``."""
    source = random.Random(name)
    subject = source.choice(load_subjects(name))
    excused = EXCUSED.get(subject.key, {})
    for told, function in source.sample(list(candidates(subject)), SAMPLE):
        with cpu_limit(mutants.CPU_SECONDS):
            passes = subject.passes(function, subject.hidden(0))
        assert not passes or told in excused or all(Sameness(subject).compare(function)), told
    for told, function in source.sample(list(right_answers(subject)), SAMPLE):
        assert subject.passes(function, subject.hidden(0)), told


def test_the_study_reaches_what_was_asked():
    runs = load_study(mutants.NAME).runs
    asked = {subject.key for name in exercise_names() for subject in load_subjects(name)}
    assert {(run["exercise"], run["question"]) for run in runs} == asked
    killed = sum(run["killed"] for run in runs)
    survivors = sum(len(run["survivors"]) for run in runs)
    assert killed / (killed + survivors) >= mutants.GOAL_KILLED
    assert 1 - sum(len(run["vague"]) for run in runs) / killed >= mutants.GOAL_HINTS
    assert [run["refused"] for run in runs if run["refused"]] == []


def test_the_page_is_the_one_of_the_study():
    study = load_study(mutants.NAME)
    assert render(study).splitlines()[-1].startswith("todas")
    assert mutants.PAGE.read_text(encoding="utf-8") == mutants.page(study), "rode python -m benchmarks.mutants"
