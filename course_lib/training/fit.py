"""O laço de treinamento, um só para todas as famílias. Ele não conhece modelo nenhum."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from course_lib import checks, runtime
from course_lib.contracts import BatchSource, Step
from course_lib.text import number
from course_lib.training import distributed
from course_lib.training.checkpoint import Checkpoint, training_parts
from course_lib.training.finite import check_terms, check_weights
from course_lib.training.history import History
from course_lib.training.means import TermMeans
from course_lib.training.sharding import shared

# De quantos em quantos passos o laço olha as perdas: raro o bastante para não sincronizar a GPU a cada passo.
CHECK_EVERY = 50

# Chave que separa o ruído do treinamento da ordem dos lotes, que usam a mesma semente.
NOISE = 1


def fit(
    step: Step,
    batches: BatchSource | Iterable[Any],
    *,
    epochs: int,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    callbacks: Sequence[Any] = (),
    description: str = "treinando",
    progress: bool = True,
) -> History:
    """Percorre ``batches`` por ``epochs`` épocas, chamando ``step`` em cada lote.

    O acaso de cada época depende só de ``(seed, época)``: a mesma semente dá o mesmo histórico, e um treinamento
    retomado chega aos mesmos pesos, bit a bit. O gerador global volta, no fim, ao estado em que estava.

    Se o ``torchrun`` abriu vários processos, cada um faz a sua fatia de cada lote, e o resultado é o de um só (veja
    :mod:`course_lib.training.sharding`); só o primeiro grava e mostra a barra.

    Ctrl-C para o laço e devolve o histórico das épocas terminadas (``interrupted=True``); os pesos ficam como estão.

    Args:
        step: ``step(batch) -> {termo: escalar}``. É dono das redes e dos otimizadores, guardados como atributos: é
            assim que o checkpoint os encontra.
        batches: iterável percorrido uma vez por época; se tem ``set_epoch``, ele é chamado antes de cada uma; se tem
            ``sha256``, o checkpoint guarda de que dados é, e só se retoma com os mesmos.
        epochs: total de épocas, contadas as que o checkpoint já tem.
        seed: semente do treinamento.
        checkpoint: arquivo gravado ao fim de cada época e retomado se existe.
        callbacks: cada um pode ter ``on_step()``, chamado depois de cada passo, e ``on_epoch(epoch, history)``,
            chamado com o número da época que terminou (a partir de 1).
        description: texto da barra de progresso.
        progress: se há barra.

    Returns:
        Média de cada termo por época, pesada pelo tamanho dos lotes.

    Raises:
        ValueError: ``epochs`` ou ``seed`` fora da faixa, ``batches`` vazio, ou ``step`` não devolve escalares.
        NonFiniteLossError: um termo ou um peso deixou de ser finito; o último checkpoint bom fica no disco.
        CheckpointError: o checkpoint está estragado ou é de outro treinamento.
        ProcessError: entre vários processos, um sumiu, ou tem outros dados.
    """
    epochs = checks.integer(epochs, "epochs")
    seed = checks.integer(seed, "seed", low=0, high=2**32 - 1)
    parts = training_parts(step, callbacks)
    steps = len(batches) if isinstance(batches, Sized) else None
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(checkpoint, parts, seed=seed, steps=steps, data=_fingerprint(batches))
    distributed.agree("semente, passos por época e dados", lambda: f"{seed}, {steps} e {_fingerprint(batches)}")
    history = saved.resume(epochs) if saved else History()
    progress = progress and distributed.is_first()
    with shared(step, parts) as step, _progress_bar(steps, epochs, len(history), description, progress) as bar:
        try:
            for epoch in range(len(history), epochs):
                with runtime.isolated_seed(runtime.derive_seed(seed, NOISE, epoch)):
                    terms, seconds = _run_epoch(step, parts, batches, epoch, callbacks, bar)
                check_weights(parts, epoch)
                history.epochs.append(terms)
                history.seconds.append(seconds)
                if saved:
                    saved.save(history)
                for callback in callbacks:
                    if hasattr(callback, "on_epoch"):
                        callback.on_epoch(epoch + 1, history)
        except KeyboardInterrupt:
            history.interrupted = True
            bar.close()
            kept = f"; o checkpoint em {saved.path} permite retomar" if saved and saved.path.exists() else ""
            print(f"⏹ Interrompido na época {len(history) + 1} de {epochs}. Os pesos ficam como estão{kept}.")
    return history


def _fingerprint(batches: Any) -> str | None:
    """O SHA-256 dos dados de onde saem os lotes, se eles sabem dizê-lo."""
    return batches.sha256() if hasattr(batches, "sha256") else None


def _run_epoch(
    step: Step,
    parts: Mapping[str, Any],
    batches: BatchSource | Iterable[Any],
    epoch: int,
    callbacks: Sequence[Any],
    bar: tqdm[Any],
) -> tuple[dict[str, float], float]:
    """Uma época: a média de cada termo, e os segundos que levou."""
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)
    on_step = [callback.on_step for callback in callbacks if hasattr(callback, "on_step")]
    start = time.perf_counter()
    means, index = TermMeans(), 0
    for index, batch in enumerate(batches, start=1):
        try:
            terms = step(batch)
        except ValueError:
            # Uma rede recusou o que outra fez: se os pesos deixaram de ser finitos, é isso o que se tem a dizer.
            check_weights(parts, epoch)
            raise
        means.add(terms, _batch_length(batch))
        for call in on_step:
            call()
        bar.update()
        if index % CHECK_EVERY == 0:
            _look(means, epoch, index, bar)
    checks.require(index > 0, "batches: não veio nenhum lote; esperava pelo menos um por época")
    return _look(means, epoch, index, bar), time.perf_counter() - start


def _look(means: TermMeans, epoch: int, index: int, bar: tqdm[Any]) -> dict[str, float]:
    """As médias até aqui, conferidas e escritas na barra."""
    values = means.values()
    check_terms(values, epoch, index)
    written = ", ".join(f"{name}={number(value, '.4g')}" for name, value in values.items())
    bar.set_postfix_str(f"época {epoch + 1}, {written}", refresh=False)
    return values


def _batch_length(batch: Any) -> int:
    return len(batch) if isinstance(batch, Tensor) else len(batch[0])


def _progress_bar(steps: int | None, epochs: int, done: int, description: str, enabled: bool) -> tqdm[Any]:
    interactive = runtime.in_notebook() or sys.stderr.isatty()
    # Num log, uma linha a cada dez segundos. Na tela, o padrão do tqdm, que é também o que TQDM_MININTERVAL muda: a
    # construção do livro, que joga fora as barras, não paga milhares de mensagens delas.
    pace: dict[str, Any] = {} if interactive else {"mininterval": 10.0}
    return tqdm(
        total=None if steps is None else epochs * steps,
        initial=0 if steps is None else done * steps,
        desc=description,
        disable=not enabled,
        unit="passo",
        dynamic_ncols=sys.stderr.isatty(),
        ascii=not interactive,
        **pace,
    )
