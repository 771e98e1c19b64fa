"""Dois processos contra um: cada família, a retomada, o que só o primeiro grava, e como todos param."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import distributed_program
import pytest
import torch

from course_lib import cli, runtime
from course_lib.recipes import RECIPES, train
from course_lib.training import distributed, sharding
from course_lib.training.distributed import ProcessError
from course_lib.weights.card import Card

PROGRAM = Path(distributed_program.__file__)
ROOT = PROGRAM.parents[2]
FAMILIES = list(RECIPES)

# Em float64. O maior é o do viés que a normalização por lote do juiz apaga: o gradiente dele é só arredondamento, e o
# Adam o divide pelo próprio tamanho.
CLOSE = 1e-9


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def place(rank: int, count: int, port: str) -> dict[str, str]:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1"} | {name: str(value) for name, value in numbers.items()}


def start(*command: str | Path, **environment: str) -> subprocess.Popen[str]:
    # As fotos de ruído são as do estudo, em benchmarks/, que não se instala.
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[tuple[Path, dict[str, subprocess.Popen[str]]]]:
    """Todos os processos, começados juntos: o sozinho, os dois, e o torchrun que perde um dos seus."""
    folder, port = tmp_path_factory.mktemp("processos"), free_port()
    for name in ("um", "0", "1"):
        (folder / name).mkdir()
    together = [PROGRAM, "tudo", folder]
    processes = {
        "um": start(*together),
        "0": start(*together, **place(0, 2, port)),
        "1": start(*together, **place(1, 2, port)),
        "torchrun": start(
            *("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()),
            *(PROGRAM, "morte", folder),
        ),
    }
    yield folder, processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def finished(started) -> tuple[Path, dict[str, tuple[str, str]]]:
    """A pasta de tudo o que o sozinho e os dois fizeram, e o que cada um disse."""
    folder, processes = started
    said = {name: processes[name].communicate(timeout=1_800) for name in ("um", "0", "1")}
    for name, (_, errors) in said.items():
        assert processes[name].returncode == 0, errors
    return folder, said


def largest_difference(found, expected) -> float:
    """A maior diferença entre dois estados de treinamento, de pesos, momentos, médias e históricos."""
    if isinstance(expected, torch.Tensor):
        assert found.shape == expected.shape
        return (found.double() - expected.double()).abs().max().item() if expected.numel() else 0.0
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        # Os segundos são os de cada máquina.
        return max((largest_difference(found[key], expected[key]) for key in expected if key != "seconds"), default=0.0)
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        return max((largest_difference(*pair) for pair in zip(found, expected, strict=True)), default=0.0)
    if isinstance(expected, float):
        return abs(found - expected)
    assert found == expected
    return 0.0


def difference(found: Path, expected: Path) -> float:
    return largest_difference(torch.load(found), torch.load(expected))


@pytest.mark.parametrize("name", FAMILIES)
def test_two_processes_give_the_training_of_one(finished, name):
    """Pesos, momentos dos otimizadores, EMA, reservatórios, médias móveis e histórico: o checkpoint inteiro."""
    folder, _ = finished
    found = difference(folder / "0" / f"{name}.ckpt", folder / "um" / f"{name}.ckpt")
    print(f"{name}: maior diferença {found:.1e}")
    assert found < CLOSE


@pytest.mark.parametrize("mistake", distributed_program.PLANTED)
def test_each_planted_mistake_is_seen(finished, mistake):
    folder, _ = finished
    expected = folder / "um" / f"{distributed_program.PLANTED[mistake]}.ckpt"
    assert difference(folder / "0" / f"{mistake}.ckpt", expected) > 1e6 * CLOSE


@pytest.mark.parametrize("side", ["um", "0"])
def test_a_checkpoint_resumes_with_another_number_of_processes(finished, side):
    """``um``: começado em dois e acabado em um; ``0``: o contrário. No processo 1 não há arquivo a ler."""
    folder, _ = finished
    assert difference(folder / side / "retomado.ckpt", folder / "um" / "inteiro.ckpt") < CLOSE


def test_only_the_first_process_writes_and_speaks(finished):
    folder, said = finished
    assert [path.name for path in (folder / "1").iterdir()] == ["uma-época-pronta"]
    assert said["1"] == ("", "")
    assert "StyleGAN: 100%" in said["0"][1]


def test_ctrl_c_in_one_process_stops_all_at_the_same_step(finished):
    """O processo 1 o recebe no passo 4; o pedido vai com as somas do 5, e os dois param antes do 6."""
    folder, said = finished
    for rank in range(2):
        assert (folder / f"disse-{rank}").read_text().splitlines()[0] == "True 1 {5}"
    assert f"o checkpoint em {folder / '0' / 'ctrl-c.ckpt'} permite retomar" in said["0"][0]
    assert len(torch.load(folder / "0" / "ctrl-c.ckpt")["history"]["epochs"]) == 1


def test_a_process_with_other_data_is_refused_and_the_other_stops(finished):
    folder, _ = finished
    first, second = ((folder / f"disse-{rank}").read_text().splitlines()[1] for rank in range(2))
    assert "processo 1 de 2: semente, passos por época e dados: veio 5, 3 e" in second
    assert "processo 0 de 2: perdi o contato com outro processo" in first


def test_a_killed_process_ends_all_and_the_same_command_resumes(started):
    """O torchrun encerra o que sobrou; quem diz em português é o que perdeu o contato, ou a quem ele mandou parar."""
    folder, processes = started
    _, errors = processes["torchrun"].communicate(timeout=600)
    assert processes["torchrun"].returncode != 0
    assert "erro: processo 0 de 2: " in errors
    assert "o mesmo comando retoma" in errors
    assert errors.count("erro: processo") == 1
    checkpoint = folder / "morte.ckpt"
    assert len(torch.load(checkpoint)["history"]["epochs"]) == 1
    again = start(PROGRAM, "morte", folder)
    _, errors = again.communicate(timeout=600)
    assert again.returncode == 0, errors
    expected = folder / "um" / "inteiro.ckpt"
    if processes["um"].wait() == 0:
        assert difference(checkpoint, expected) < CLOSE


@pytest.mark.parametrize("count", [1, 2])
def test_the_card_says_how_many_processes(monkeypatch, count):
    trained = train("gan", profile="rapido", dataset=distributed_program.images(40), progress=False)
    monkeypatch.setattr(distributed, "process_count", lambda: count)
    card = Card.of(trained, profile="rapido", seed=0, metrics={}, sha256="")
    assert json.loads(card.to_json())["processes"] == count


# --- quem não chega ---------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    """Um processo entre dois, que espera um segundo."""
    monkeypatch.setattr(distributed, "ANSWER", timedelta(seconds=1))

    def among(rank: int) -> str:
        port = free_port()
        for name, value in place(rank, 2, port).items():
            monkeypatch.setenv(name, value)
        return port

    return among


@pytest.mark.parametrize("rank", [0, 1])
def test_who_cannot_meet_the_others_says_so(impatient, rank, capfd):
    port = impatient(rank)
    assert cli.main(["treinar", "gan", "--perfil", "rapido"]) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    if rank:
        assert f"processo 1 de 2: não alcancei o mestre em 127.0.0.1:{port} em 1 s" in said
        assert "--master-addr" in said
    else:
        assert "processo 0 de 2: esperei 1 s e nem todos chegaram" in said
    assert distributed.world() is None


def test_the_wait_is_less_than_a_minute():
    assert timedelta(minutes=1) > distributed.ANSWER


@pytest.mark.parametrize(
    "broken", [{"RANK": "2"}, {"RANK": "x"}, {"MASTER_PORT": ""}, {"MASTER_ADDR": ""}, {"LOCAL_RANK": "-1"}]
)
def test_half_written_variables_are_refused(monkeypatch, broken):
    for name, value in (place(0, 2, "29500") | broken).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="variáveis do torchrun"):
        runtime.process_place()


def test_one_process_is_alone_even_under_torchrun(monkeypatch):
    for name, value in place(0, 1, "29500").items():
        monkeypatch.setenv(name, value)
    assert runtime.process_place() is None
    with distributed.joined(), suppress(ProcessError):
        assert distributed.process_count() == 1


# --- as fatias e os sorteios ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [3, 8, 19])
def test_the_shares_are_the_batch_in_order_without_repetition(total):
    shares = [sharding.share(total, rank, 3) for rank in range(3)]
    assert [i for one in shares for i in range(one.start, one.stop)] == list(range(total))
    assert sum(one.weight for one in shares) == pytest.approx(1)
    assert max(one.length for one in shares) - min(one.length for one in shares) <= 1


def test_a_batch_smaller_than_the_number_of_processes_is_whole_in_all():
    shares = [sharding.share(2, rank, 3) for rank in range(3)]
    assert all(one.is_whole for one in shares)
    assert sum(one.weight for one in shares) == pytest.approx(1)


DRAWS = {
    "randn": lambda x: torch.randn(len(x), 2),
    "rand": lambda x: torch.rand((len(x), 2)),
    "size": lambda x: torch.rand(size=(len(x), 2)),
    "randint": lambda x: torch.randint(10, (len(x),)),
    "randint de dois": lambda x: torch.randint(3, 10, (len(x), 4)),
    "randn_like": torch.randn_like,
    "rand_like": torch.rand_like,
    "normal_": lambda x: torch.empty_like(x).normal_(),
    "uniform_": lambda x: torch.empty_like(x).uniform_(-1, 3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_draw_of_a_share_is_a_share_of_the_draw(name):
    x = torch.zeros(20, 3)
    torch.manual_seed(0)
    expected, state = DRAWS[name](x), torch.get_rng_state()
    torch.manual_seed(0)
    with sharding.Sharing(sharding.Share(5, 12, 20, 0.35)):
        found = DRAWS[name](x[5:12])
    assert torch.equal(found, expected[5:12])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_draw_that_is_not_of_each_example_is_the_same_in_all():
    torch.manual_seed(0)
    expected = torch.rand(()), torch.randn(4, 7)
    torch.manual_seed(0)
    with sharding.Sharing(sharding.Share(5, 12, 20, 0.35)):
        found = torch.rand(()), torch.randn(4, 7)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_an_unknown_draw_is_refused():
    with sharding.Sharing(sharding.Share(5, 12, 20, 0.35)), pytest.raises(ValueError, match="dropout"):
        torch.nn.functional.dropout(torch.zeros(7, 3))
