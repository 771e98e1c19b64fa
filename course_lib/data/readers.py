"""Processos que leem adiante: enquanto a rede treina com um lote, eles preparam os próximos."""

from __future__ import annotations

import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Generator
from torch.utils.data import DataLoader, Dataset

from course_lib.data.mnist import DataError

# Quantos resultados cada processo prepara adiante: com eles a memória é limitada, quaisquer que sejam os dados.
AHEAD = 2


class _Job(Dataset[Any]):
    """O que cada processo faz com uma chave; um erro dos dados volta como valor, sem o traceback do outro processo."""

    def __init__(self, job: Callable[[Any], Any]) -> None:
        self.job = job

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.job(key)
        except DataError as error:
            return error


def read_ahead(job: Callable[[Any], Any], keys: Sequence[Any], workers: int) -> Iterator[Any]:
    """``job(chave)`` de cada chave, na ordem, calculado em ``workers`` processos; com 0, neste mesmo.

    No máximo ``AHEAD`` resultados por processo esperam a sua vez. Os processos terminam com a iteração: quando ela
    chega ao fim, quando quem a percorre a larga, num Ctrl-C, num erro, ou se este processo morre.

    Args:
        job: uma função, ou um objeto que se chama, que o ``pickle`` saiba levar a outro processo.
        keys: o que ela recebe, de cada vez.
        workers: quantos processos.

    Raises:
        DataError: o que ``job`` levantou.
    """
    with _children_deaf_to_interrupts(), warnings.catch_warnings():
        # Quem pede mais processos que núcleos tem os seus motivos (um disco de rede); o aviso seria em inglês.
        warnings.simplefilter("ignore", UserWarning)
        loader = DataLoader(
            _Job(job),
            sampler=keys,
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            prefetch_factor=AHEAD if workers else None,
            # A semente dos processos sairia do gerador global, e com ela o ruído do treinamento mudaria.
            generator=Generator(),
        )
        try:
            results = iter(loader)
        except BaseException as error:
            # Um leitor pode morrer enquanto os outros nascem: o iterador, que só o traceback conhece, os encerra ao ser
            # recolhido, e quem guarda o traceback o seguraria vivo.
            traceback.clear_frames(error.__traceback__)
            raise
    try:
        for found in results:
            if isinstance(found, DataError):
                raise found
            yield found
    finally:
        # O PyTorch os encerra quando o iterador é recolhido, e quem guarda o traceback de um erro o segura vivo.
        if workers:
            results._shutdown_workers()  # type: ignore[attr-defined]


def is_lost_reader(error: BaseException) -> bool:
    """Se o erro é o do PyTorch por um processo leitor que morreu; ele pode vir no meio de qualquer conta."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")


def _as_it_is(found: Any) -> Any:
    return found


@contextmanager
def _children_deaf_to_interrupts() -> Iterator[None]:
    """Os processos criados no bloco não ouvem o Ctrl-C, que o terminal manda a todos: é este quem os encerra.

    Num processo que ainda está importando o PyTorch, ele seria um traceback.
    """
    before = signal.getsignal(signal.SIGINT)
    # Só a linha principal mexe em sinais; um tratador que não é do Python não se saberia repor.
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
