"""Uma amostra das trapaças disfarçadas na caixa de verdade, e a prova de que quem as conta vê um furo.

A medida inteira é ``python -m benchmarks.attacks``.
"""

from __future__ import annotations

import random

import pytest
from corpus.disguises import EVERY
from corpus.variants import Variant, aim, attacks, draw_variants
from corpus.world import World

from benchmarks.attacks import attack, functions
from course_grader.assignment import load_assignment
from course_grader.sandbox import Confinement

EXERCISE = "04_gan"
# Quantas, e a semente do sorteio.
SAMPLE, SEED = 10, 5

# Correm num processo que não é o que responde: o que definem não chega a ele.
ELSEWHERE = {"filho", "neto"}


@pytest.fixture
def world(needs_sandbox, tmp_path):
    with World(tmp_path / "mundo") as world:
        yield world


def test_a_sample_of_the_variants(world, tmp_path):
    drawn = draw_variants(functions([EXERCISE]), SAMPLE, SEED, str(world.folder), world.port)
    outcome = attack(load_assignment(EXERCISE, 20_251), drawn, world, tmp_path, workers=1, neighbour=False)
    assert outcome.clean, outcome


def test_a_forged_mark_would_be_seen(world, tmp_path, monkeypatch):
    """Um juiz que aceita tudo: quem responde qualquer coisa é notado."""
    assignment = load_assignment(EXERCISE, 20_251)
    for question in assignment.exercise.questions:
        monkeypatch.setattr(type(question), "judge", lambda *_: None)
    (name,) = functions([EXERCISE])[EXERCISE][:1]
    forger = Variant("forjador", "-", "nenhum", EXERCISE, (f"{name} = lambda *a: 1.0",))
    outcome = attack(assignment, [forger], world, tmp_path, workers=1, neighbour=False)
    assert outcome.forged == ["forjador (nenhum)"]
    assert not outcome.clean


def test_an_effect_outside_would_be_seen(world, tmp_path):
    """Sem a caixa: quem escreve fora, lê o vizinho e liga para fora é notado."""
    escape = (
        f"open('{world.folder}/canario', 'w').write('tomado')\nimport socket\n"
        f"socket.create_connection(('127.0.0.1', {world.port})).send(b'oi')\n"
        f"raise OSError(open('{world.folder}/vizinho.ipynb').read())"
    )
    variant = Variant("fujao", "-", "nenhum", EXERCISE, (escape,))
    outcome = attack(
        load_assignment(EXERCISE, 20_251), [variant], world, tmp_path, workers=1, neighbour=False,
        confinement=Confinement(isolated=False),
    )  # fmt: skip
    assert outcome.effects == ["o canário mudou", "alguém ligou", "fujao: leu o caderno do vizinho"]


def test_a_disguise_does_what_it_hides(sandbox):
    """Cada peça de disfarce ainda define o que a célula define: uma trapaça vazia não provaria nada."""
    channel = sandbox.open()
    missing = []
    for number, (name, disguise) in enumerate(EVERY.items()):
        answer = f"import math\nfor n in range(3): pass\nresposta{number} = math.sqrt(n)"
        code = disguise(answer, random.Random(number))
        for cell in (code, "import time\nfor _ in range(100): time.sleep(1e-4); sum(range(20_000))"):
            channel.request({"op": "cell", "source": cell}, (), 30)
        reply = channel.request({"op": "cell", "source": f"assert resposta{number} > 1"}, (), 30)
        if "error" in reply:
            missing.append(name)
    assert set(missing) == ELSEWHERE


def test_every_attack_goes_to_every_exercise():
    exercises = {"um": ["f", "g"], "dois": ["h"], "três": ["i"]}
    drawn = draw_variants(exercises, 3 * len(attacks()), 0)
    assert len(attacks()) >= 90
    assert len({(variant.attack, variant.exercise) for variant in drawn}) == len(drawn)
    assert drawn == draw_variants(exercises, 3 * len(attacks()), 0)
    assert len({variant.cells for variant in drawn}) == len(drawn)


def test_aiming_changes_the_functions_and_nothing_else():
    cells = attacks()["trapaca-igual-a-tudo"]
    assert aim(cells[-1], ["f", "g"], "g") == "f = lambda *a: Tudo()\ng = lambda *a: Tudo()"
    assert aim("def even_times(frames):\n    return 1", ["f", "g"], "g") == "def g(*frames):\n    return 1"
