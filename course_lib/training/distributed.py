"""Vários processos no mesmo treinamento: como se encontram, o que combinam e como param todos juntos.

Quem os abre é o ``torchrun``; sozinho, um processo não nota nada disto. Como um lote se reparte entre eles está em
:mod:`course_lib.training.sharding`.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from course_lib import console, runtime
from course_lib.runtime import Place

# Quanto se espera por um processo que devia responder: na chegada e em cada soma. Menos de um minuto, ao todo.
ANSWER = timedelta(seconds=45)
# E por um que pode estar baixando ou lendo os dados.
PREPARATION = timedelta(hours=1)

SAME_COMMAND = "Rode o mesmo comando em todas as máquinas, cada uma com o seu --node-rank"
RESUME = "O último checkpoint está inteiro: o mesmo comando retoma dele, com quantos processos for."


class ProcessError(RuntimeError):
    """Um dos processos de um treinamento faltou, sumiu ou é diferente dos outros; a mensagem diz o que fazer."""


@dataclass
class World:
    """Os processos que treinam juntos, vistos de um deles.

    Attributes:
        place: o lugar deste.
        store: o quadro de recados, que fica no processo 0 (ou no ``torchrun``).
        meetings: quantas vezes já se combinou alguma coisa.
        failed: se este já disse que vai parar.
        interrupt: se alguém pediu para parar, com Ctrl-C.
    """

    place: Place
    store: Any
    meetings: int = 0
    failed: bool = False
    interrupt: bool = False

    def fail(self, why: str, cause: Exception | None = None) -> NoReturn:
        """Levanta o :class:`ProcessError` deste processo."""
        self.failed = True
        raise ProcessError(f"processo {self.place.rank} de {self.place.count}: {why}") from cause


_world: World | None = None


def world() -> World | None:
    """Os processos deste treinamento; ``None`` num processo sozinho."""
    return _world


def process_count() -> int:
    """Quantos processos treinam juntos."""
    return _world.place.count if _world is not None else 1


def is_first() -> bool:
    """Se é este o processo que grava e fala: o 0, ou o único."""
    return _world is None or _world.place.rank == 0


# --- o encontro -------------------------------------------------------------------------------------------------------


@contextmanager
def joined() -> Iterator[None]:
    """Em volta de um treinamento: se o ``torchrun`` abriu este processo, junta-o aos outros. Só o 0 escreve.

    Com CUDA eles se falam por NCCL, e a GPU de cada um é a do seu número na máquina; sem ela, por Gloo.

    Raises:
        ProcessError: o mestre não responde, um processo não chegou, ou faltam GPUs.
    """
    global _world
    place = runtime.process_place()
    if place is None:
        yield
        return
    console.keep_bars_local()
    backend = _backend(place)
    _world = World(place, _meet(place))
    quiet = contextlib.nullcontext() if is_first() else contextlib.redirect_stdout(io.StringIO())
    try:
        with _watching(_world), quiet, _translated():
            dist.init_process_group(
                backend, store=_world.store, rank=place.rank, world_size=place.count, timeout=ANSWER
            )
            yield
            leave()
    finally:
        _world = None


def leave() -> None:
    """Termina a conversa entre os processos, num ponto em que todos passam; depois disto o 0 segue sozinho.

    Depois de um erro não se chama: com os outros ainda à espera de uma soma, ela esperaria também.
    """
    if _world is not None and dist.is_initialized():
        dist.destroy_process_group()


def _backend(place: Place) -> str:
    if not dist.is_available():
        raise ProcessError("este PyTorch foi compilado sem torch.distributed: treine num processo só")
    device = runtime.device()
    if device.type == "cuda":
        if place.local_rank >= torch.cuda.device_count():
            raise ProcessError(
                f"processo {place.rank} de {place.count}: esta máquina tem {torch.cuda.device_count()} GPU(s) e o "
                f"torchrun abriu mais processos nela; peça --nproc-per-node {torch.cuda.device_count()}"
            )
        torch.cuda.set_device(place.local_rank)
        return "nccl"
    if device.type != "cpu":
        raise ProcessError(f"vários processos treinam na CPU ou em CUDA, não em {device}: use CURSO_DISPOSITIVO=cpu")
    return "gloo"


def _meet(place: Place) -> Any:
    """O quadro de recados, quando todos chegaram a ele."""
    who = f"processo {place.rank} de {place.count}"
    try:
        store, _, _ = next(rendezvous("env://", place.rank, place.count, timeout=ANSWER))
    except dist.DistStoreError as error:
        raise ProcessError(f"{who}: esperei {ANSWER.seconds} s e nem todos chegaram. {SAME_COMMAND}") from error
    except (RuntimeError, ValueError) as error:
        if place.rank == 0:
            raise ProcessError(
                f"{who}: não consegui abrir {place.master}; escolha outra porta (--master-port)"
            ) from error
        raise ProcessError(
            f"{who}: não alcancei o mestre em {place.master} em {ANSWER.seconds} s. Confira o endereço e a porta "
            "(--master-addr, --master-port), se há firewall entre as máquinas, e se o processo 0 está rodando"
        ) from error
    store = PrefixStore("curso", store)
    store.set(f"presente/{place.rank}", "")
    names = {rank: f"presente/{rank}" for rank in range(place.count)}
    try:
        store.wait(list(names.values()), ANSWER)
    except RuntimeError as error:
        missing = ", ".join(str(rank) for rank, name in names.items() if not store.check([name]))
        raise ProcessError(
            f"{who}: esperei {ANSWER.seconds} s e faltou o processo {missing}. {SAME_COMMAND}"
        ) from error
    return store


@contextmanager
def _translated() -> Iterator[None]:
    """O que o PyTorch diz, em inglês, quando um processo some no meio de uma conta."""
    try:
        yield
    except (dist.DistError, dist.DistBackendError) as error:
        lost(error)


def lost(cause: Exception) -> NoReturn:
    """Levanta o :class:`ProcessError` de quem ficou sem resposta dos outros."""
    assert _world is not None
    _world.fail(f"perdi o contato com outro processo, que caiu ou ficou sem rede, e parei. {RESUME}", cause)


# --- o que se combina -------------------------------------------------------------------------------------------------


def agree(what: str, tell: Callable[[], str]) -> None:
    """Espera os outros chegarem a este ponto, e confere que ``tell()`` é o mesmo em todos; sozinho, nada.

    Args:
        what: o que se compara, para a mensagem.
        tell: diz o deste processo.

    Raises:
        ProcessError: o deste processo não é o do processo 0.
    """
    if _world is None:
        return
    mine = tell()
    _world.meetings += 1
    prefix = f"combinado/{_world.meetings}"
    try:
        _world.store.set(f"{prefix}/{_world.place.rank}", mine)
        _world.store.wait([f"{prefix}/{rank}" for rank in range(_world.place.count)], PREPARATION)
        first = _world.store.get(f"{prefix}/0").decode()
    except RuntimeError as error:
        lost(error)
    if first != mine:
        _world.fail(
            f"{what}: veio {mine}, e o processo 0 tem {first}. Todos precisam dos mesmos dados e do mesmo curso"
        )


def from_first(read: Callable[[], bytes | None]) -> bytes | None:
    """O que ``read()`` devolve no processo 0, em todos: as outras máquinas podem não ter o arquivo.

    Raises:
        ProcessError: ``read`` falhou no processo 0 (nele, o erro é o de ``read``).
    """
    if _world is None:
        return read()
    content, failure = b"", None
    try:
        found = read() if is_first() else None
        content, length = found or b"", -1 if found is None else len(found)
    except (OSError, RuntimeError) as error:
        length, failure = -2, error
    size = torch.tensor(length, device=_wire())
    _broadcast(size)
    if failure is not None:
        raise failure
    if size.item() < 0:
        if size.item() == -2:
            _world.fail("o processo 0 não conseguiu ler o checkpoint e parou; o erro está no que ele escreveu")
        return None
    payload = torch.frombuffer(bytearray(content), dtype=torch.uint8) if is_first() else None
    payload = torch.empty(int(size), dtype=torch.uint8) if payload is None else payload
    payload = payload.to(_wire())
    _broadcast(payload)
    return payload.cpu().numpy().tobytes()


@torch.no_grad()
def same_start(network: torch.nn.Module) -> None:
    """Põe em todos os processos os pesos que a rede tem no processo 0."""
    for tensor in network.state_dict().values():
        shared = tensor.contiguous()
        _broadcast(shared)
        tensor.copy_(shared)


def add_up(values: Tensor) -> Tensor:
    """Soma ``values``, no lugar, entre os processos. Devolve-o.

    Raises:
        ProcessError: outro processo não respondeu.
    """
    try:
        dist.all_reduce(values)
    except RuntimeError as error:
        lost(error)
    return values


def _broadcast(values: Tensor) -> None:
    try:
        dist.broadcast(values, 0)
    except RuntimeError as error:
        lost(error)


def _wire() -> torch.device:
    """Onde precisa estar um tensor que vai de um processo a outro."""
    return runtime.device() if dist.get_backend() == "nccl" else torch.device("cpu")


# --- parar ------------------------------------------------------------------------------------------------------------


@contextmanager
def stopping_together() -> Iterator[None]:
    """Dentro do bloco, o primeiro Ctrl-C só anota o pedido, e todos param no mesmo passo; o segundo para já."""
    if _world is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = _world

    def note(_number: int, _frame: Any) -> None:
        if asked.interrupt:
            raise KeyboardInterrupt
        asked.interrupt = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _watching(watched: World) -> Iterator[None]:
    """Diz, em português, por que este processo para, se o ``torchrun`` o manda parar.

    É o que ele faz quando outro cai. Quem espera uma soma está fora do Python, e um tratador comum só rodaria depois
    dela: quem fala é outra linha de execução, acordada pelo sinal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def speak() -> None:
        while received := reader.recv(1):
            if received[0] == signal.SIGTERM and not watched.failed:
                who = f"processo {watched.place.rank} de {watched.place.count}"
                why = "o torchrun mandou parar, porque outro processo caiu ou porque alguém o encerrou"
                print(f"erro: {who}: {why}. {RESUME}", file=sys.stderr, flush=True)
                os._exit(1)

    handler = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=speak, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        writer.close()
