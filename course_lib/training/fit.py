"""O laço de treinamento, um só para todas as famílias. Ele não conhece modelo nenhum."""

from __future__ import annotations

import contextlib
import copy
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_lib import runtime
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, stateful_parts
from course_lib.training.history import History

# De quantos em quantos passos o laço olha as perdas: raro o bastante para não sincronizar a GPU a cada passo.
CHECK_EVERY = 50

NON_FINITE_CAUSES = (
    "Causas prováveis: taxa de aprendizado alta demais, log ou divisão por um número perto de zero, NaN nos dados. "
    "Os pesos de agora não servem; volte ao último checkpoint ou recrie o modelo."
)

# Chave que separa o ruído do treinamento da ordem dos lotes, que usam a mesma semente.
NOISE = 1


class NonFiniteLossError(ArithmeticError):
    """Uma perda ou um peso virou NaN ou infinito; a mensagem diz qual, em que época e as causas prováveis."""


class ObjectiveStep:
    """Passo de um otimizador só: avalia o objetivo, retropropaga ``loss`` e atualiza.

    Args:
        model: a rede.
        objective: ``objective(model, batch) -> dict`` com escalares; ``"loss"`` é o que se minimiza.
        optimizer: otimizador dos parâmetros de ``model``.
        scheduler: agenda da taxa de aprendizado, avançada a cada passo.
        autocast: tipo em que fazer os produtos da ida e da volta (``torch.bfloat16``, por exemplo); os pesos e as
            contas delicadas ficam em float32. ``None``: tudo em float32.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Callable[[nn.Module, Any], dict[str, Tensor]],
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        *,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.autocast = autocast

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        """Anda um passo e devolve os termos do objetivo, sem gradiente.

        Raises:
            ValueError: o objetivo não devolveu ``"loss"``.
        """
        if self.autocast is None:
            terms = self.objective(self.model, batch)
        else:
            with torch.autocast(batch.x.device.type, self.autocast):
                terms = self.objective(self.model, batch)
        if "loss" not in terms:
            raise ValueError(f"objective: devolveu {', '.join(terms) or 'nada'}; esperava um dicionário com 'loss'")
        self.optimizer.zero_grad()
        terms["loss"].backward()
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return {name: value.detach() for name, value in terms.items()}


def fit(
    step: Callable[[Any], dict[str, Tensor]],
    batches: Iterable[Any],
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

    Ctrl-C para o laço e devolve o histórico das épocas terminadas (``interrupted=True``); os pesos ficam como estão.

    Args:
        step: ``step(batch) -> {termo: escalar}``. É dono das redes e dos otimizadores, guardados como atributos: é
            assim que o checkpoint os encontra.
        batches: iterável percorrido uma vez por época; se tem ``set_epoch``, ele é chamado antes de cada uma.
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
    """
    runtime.require(isinstance(epochs, int) and epochs >= 1, f"epochs: veio {epochs!r}; esperava um inteiro ≥ 1")
    runtime.require(
        isinstance(seed, int) and 0 <= seed < 2**32, f"seed: veio {seed!r}; esperava um inteiro entre 0 e 2³² - 1"
    )
    path = Path(checkpoint) if checkpoint is not None else None
    parts = _all_parts(step, callbacks)
    steps = len(batches) if hasattr(batches, "__len__") else None
    history = History()
    if path is not None:
        if not stateful_parts(step):
            raise CheckpointError(
                "para gravar checkpoints o passo precisa guardar redes e otimizadores como atributos "
                "(como ObjectiveStep); este não tem nenhum"
            )
        if path.exists():
            history = _restore(path, parts, seed, steps, epochs)

    total = epochs * steps if steps is not None else None
    done = len(history) * steps if steps is not None else 0
    with _progress_bar(total, done, description, progress) as bar:
        try:
            for epoch in range(len(history), epochs):
                with runtime.isolated_seed(runtime.derive_seed(seed, NOISE, epoch)):
                    terms, seconds = _run_epoch(step, batches, epoch, callbacks, bar)
                _check_weights(parts, epoch)
                history.epochs.append(terms)
                history.seconds.append(seconds)
                if path is not None:
                    _save(path, parts, history, seed, steps)
                for callback in callbacks:
                    if hasattr(callback, "on_epoch"):
                        callback.on_epoch(epoch + 1, history)
        except KeyboardInterrupt:
            history.interrupted = True
            bar.close()
            kept = f"; o checkpoint em {path} permite retomar" if path is not None and path.exists() else ""
            print(f"⏹ Interrompido na época {len(history) + 1} de {epochs}. Os pesos ficam como estão{kept}.")
    return history


def _run_epoch(
    step: Callable[[Any], dict[str, Tensor]], batches: Iterable[Any], epoch: int, callbacks: Sequence[Any], bar: tqdm
) -> tuple[dict[str, float], float]:
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)
    on_step = [callback.on_step for callback in callbacks if hasattr(callback, "on_step")]
    start = time.perf_counter()
    sums: Tensor | None = None
    names: list[str] = []
    seen = index = 0
    for index, batch in enumerate(batches, start=1):
        with contextlib.nullcontext() if index == 1 else runtime.trusted_ranges():
            terms = step(batch)
        if sums is None:
            names = _term_names(terms)
            device = next(iter(terms.values())).device
            # As GPUs da Apple não têm float64.
            dtype = torch.float32 if device.type == "mps" else torch.float64
            sums = torch.zeros(len(names), dtype=dtype, device=device)
        n = _batch_length(batch)
        # Os termos continuam tensores: lê-los um a um aqui pararia a GPU a cada passo.
        sums.add_(torch.stack([terms[name] for name in names]).detach(), alpha=n)
        seen += n
        for call in on_step:
            call()
        bar.update()
        if index % CHECK_EVERY == 0:
            _check_finite(names, sums, epoch, index)
            bar.set_postfix_str(_format(names, sums, seen, epoch), refresh=False)
    runtime.require(sums is not None, "batches: não veio nenhum lote; esperava pelo menos um por época")
    _check_finite(names, sums, epoch, index)
    bar.set_postfix_str(_format(names, sums, seen, epoch), refresh=False)
    means = (sums / seen).tolist()
    return dict(zip(names, means, strict=True)), time.perf_counter() - start


def _term_names(terms: Any) -> list[str]:
    """Nomes dos termos, depois de conferir o primeiro dicionário que o passo devolveu."""
    if not isinstance(terms, dict) or not terms:
        raise ValueError(f"step: devolveu {type(terms).__name__}; esperava um dicionário {{termo: escalar}}")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            came = f"um tensor de forma {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"step: o termo {name!r} é {came}; esperava um tensor escalar, de forma ()")
    return list(terms)


def _batch_length(batch: Any) -> int:
    if isinstance(batch, Tensor):
        return len(batch)
    return len(batch[0])


def _format(names: list[str], sums: Tensor, seen: int, epoch: int) -> str:
    means = (sums / seen).tolist()
    return f"época {epoch + 1}, " + ", ".join(f"{name}={value:.4g}" for name, value in zip(names, means, strict=True))


def _check_finite(names: list[str], sums: Tensor, epoch: int, index: int) -> None:
    for name, value in zip(names, sums.tolist(), strict=True):
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"o termo {name!r} deixou de ser finito na época {epoch + 1}, até o passo {index}. {NON_FINITE_CAUSES}"
            )


def _check_weights(parts: dict[str, Any], epoch: int) -> None:
    """O último passo da época pode estragar os pesos depois de uma perda ainda finita: sem isto, iriam ao disco."""
    for part_name, part in parts.items():
        if not isinstance(part, nn.Module):
            continue
        for name, weights in part.named_parameters():
            if not weights.isfinite().all():
                raise NonFiniteLossError(
                    f"os pesos {name} de {part_name} deixaram de ser finitos na época {epoch + 1}. {NON_FINITE_CAUSES}"
                )


def _all_parts(step: Any, callbacks: Sequence[Any]) -> dict[str, Any]:
    parts = {f"step.{name}": part for name, part in (stateful_parts(step) if hasattr(step, "__dict__") else {}).items()}
    for index, callback in enumerate(callbacks):
        if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict"):
            parts[f"callback.{index}"] = callback
    return parts


def _save(path: Path, parts: dict[str, Any], history: History, seed: int, steps: int | None) -> None:
    state = {
        "seed": seed,
        "steps": steps,
        "history": history.to_dict(),
        "parts": {name: part.state_dict() for name, part in parts.items()},
    }
    try:
        save_checkpoint(path, state)
    except OSError as error:
        # Disco cheio não pode custar o treinamento: o checkpoint anterior continua inteiro e o laço segue.
        runtime.notice(
            f"não consegui gravar o checkpoint em {path} ({error.strerror or error}); o treinamento continua e o "
            "checkpoint anterior, se havia, está intacto"
        )


def _restore(path: Path, parts: dict[str, Any], seed: int, steps: int | None, epochs: int) -> History:
    state = load_checkpoint(path)
    history = History.from_dict(state["history"])
    if state["seed"] != seed:
        raise CheckpointError(f"{path}: foi gravado com semente {state['seed']}; este treinamento usa {seed}")
    if state["steps"] != steps:
        raise CheckpointError(
            f"{path}: foi gravado com {state['steps']} passos por época; este treinamento tem {steps} "
            "(outros dados, ou outro tamanho de lote). Apague-o para recomeçar"
        )
    if len(history) > epochs:
        raise CheckpointError(f"{path}: já tem {len(history)} épocas; este treinamento pede {epochs}")
    if set(state["parts"]) != set(parts):
        raise CheckpointError(
            f"{path}: guarda {', '.join(sorted(state['parts']))}; este treinamento tem {', '.join(sorted(parts))}"
        )
    before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    for name in parts:
        # Uma agenda que conhece o seu fim (OneCycle) não se estica: passar dele estouraria no meio da retomada.
        saved, current = (source[name].get("total_steps") for source in (state["parts"], before))
        if saved != current:
            raise CheckpointError(
                f"{path}: {name} foi gravado para {saved} passos ao todo; este treinamento tem {current}. Com outro "
                "número de épocas a taxa de aprendizado segue outra curva: apague o checkpoint para recomeçar"
            )
    for name, part in parts.items():
        try:
            part.load_state_dict(state["parts"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            # load_state_dict pode falhar no meio: o que estava na memória volta inteiro.
            for other, state_before in before.items():
                parts[other].load_state_dict(state_before)
            raise CheckpointError(
                f"{path}: {name} é de outra arquitetura; apague o checkpoint para recomeçar"
            ) from error
    return history


def _progress_bar(total: int | None, done: int, description: str, enabled: bool) -> tqdm:
    interactive = runtime.in_notebook() or sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=description,
        disable=not enabled,
        unit="passo",
        dynamic_ncols=sys.stderr.isatty(),
        # Num log, uma linha a cada dez segundos; na tela, dez vezes por segundo.
        mininterval=0.1 if interactive else 10.0,
        ascii=not interactive,
    )
