"""Checkpoints: gravados por inteiro ou não gravados, e conferidos na volta."""

from __future__ import annotations

import copy
import io
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from course_lib import runtime
from course_lib.contracts import Stateful, Step
from course_lib.files import write_atomically
from course_lib.training import distributed
from course_lib.training.history import History


class CheckpointError(RuntimeError):
    """O checkpoint está estragado ou é de outro treinamento; a mensagem diz qual arquivo e por quê."""


def stateful_parts(owner: Any) -> dict[str, Stateful]:
    """Atributos de ``owner`` que sabem guardar e retomar o seu estado (redes, otimizadores, agendas)."""
    return {name: part for name, part in getattr(owner, "__dict__", {}).items() if _is_stateful(part)}


def training_parts(step: Step, callbacks: Sequence[Any]) -> dict[str, Stateful]:
    """Tudo o que um treinamento tem a guardar, pelo nome: as partes do passo e os ganchos que têm estado."""
    parts = {f"step.{name}": part for name, part in stateful_parts(step).items()}
    hooks = {f"callback.{index}": hook for index, hook in enumerate(callbacks) if _is_stateful(hook)}
    return parts | hooks


def _is_stateful(part: Any) -> bool:
    return hasattr(part, "state_dict") and hasattr(part, "load_state_dict")


class Checkpoint:
    """O arquivo em que um treinamento se guarda ao fim de cada época, e de onde se retoma.

    Args:
        path: o arquivo.
        parts: nome → parte (veja :func:`training_parts`).
        seed: semente do treinamento.
        steps: passos por época, se se sabe.
        data: o que identifica os dados (o SHA-256 deles), se se sabe.

    Raises:
        CheckpointError: o passo não tem parte nenhuma.
    """

    def __init__(
        self,
        path: str | Path,
        parts: Mapping[str, Stateful],
        *,
        seed: int,
        steps: int | None,
        data: str | None = None,
    ) -> None:
        if not any(name.startswith("step.") for name in parts):
            raise CheckpointError(
                "para gravar checkpoints o passo precisa guardar redes e otimizadores como atributos "
                "(como ObjectiveStep); este não tem nenhum"
            )
        self.path = Path(path)
        self.parts = dict(parts)
        # Um inteiro do NumPy não passaria na leitura, que não executa nada.
        self.seed = int(seed)
        self.steps = steps
        self.data = data

    def save(self, history: History) -> None:
        """Grava o estado das partes e o histórico; se não consegue, avisa e segue. Entre vários processos, só o 0."""
        if not distributed.is_first():
            return
        state = {
            "seed": self.seed,
            "steps": self.steps,
            "data": self.data,
            "history": history.to_dict(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        try:
            save_checkpoint(self.path, state)
        except OSError as error:
            # Disco cheio não pode custar o treinamento: o checkpoint anterior continua inteiro e o laço segue.
            runtime.notice(
                f"não consegui gravar o checkpoint em {self.path} ({error.strerror or error}); o treinamento continua "
                "e o checkpoint anterior, se havia, está intacto"
            )

    def resume(self, epochs: int) -> History:
        """Põe as partes no estado gravado e devolve o histórico até ali; sem arquivo, um histórico vazio.

        Raises:
            CheckpointError: o arquivo está estragado ou é de outro treinamento; as partes ficam como estavam.
        """
        # As outras máquinas podem não ter a pasta em que o processo 0 grava: o que ele lê é de todos.
        content = distributed.from_first(lambda: read_checkpoint(self.path))
        if content is None:
            return History()
        state = load_checkpoint(self.path, content)
        history = History.from_dict(state["history"])
        self._check_training(state, len(history), epochs)
        before = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        self._check_schedules(state["parts"], before)
        for name, part in self.parts.items():
            try:
                part.load_state_dict(state["parts"][name])
            except (RuntimeError, ValueError, KeyError) as error:
                # load_state_dict pode falhar no meio: o que estava na memória volta inteiro.
                for other, state_before in before.items():
                    self.parts[other].load_state_dict(state_before)
                self._refuse(f"{name} é de outra arquitetura; apague o checkpoint para recomeçar", error)
        return history

    def _check_training(self, state: Mapping[str, Any], done: int, epochs: int) -> None:
        if state["seed"] != self.seed:
            self._refuse(f"foi gravado com semente {state['seed']}; este treinamento usa {self.seed}")
        if state["steps"] != self.steps:
            self._refuse(
                f"foi gravado com {state['steps']} passos por época; este treinamento tem {self.steps} "
                "(outros dados, ou outro tamanho de lote). Apague-o para recomeçar"
            )
        if state.get("data") != self.data:
            self._refuse(
                "foi gravado com outros dados (outras imagens, ou em outro tamanho), e o que a rede já aprendeu é "
                "deles. Apague-o para recomeçar, ou grave este treinamento noutro lugar"
            )
        if done > epochs:
            self._refuse(f"já tem {done} épocas; este treinamento pede {epochs}")
        if set(state["parts"]) != set(self.parts):
            self._refuse(
                f"guarda {', '.join(sorted(state['parts']))}; este treinamento tem {', '.join(sorted(self.parts))}"
            )

    def _check_schedules(self, saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        for name in self.parts:
            # Uma agenda que conhece o seu fim não se estica: passar dele estouraria no meio da retomada.
            planned, wanted = planned_steps(saved[name]), planned_steps(current[name])
            if planned != wanted:
                self._refuse(
                    f"{name} foi gravado para {planned} passos ao todo; este treinamento tem {wanted}. Com outro "
                    "número de épocas a taxa de aprendizado segue outra curva: apague o checkpoint para recomeçar"
                )

    def _refuse(self, why: str, cause: Exception | None = None) -> NoReturn:
        raise CheckpointError(f"{self.path}: {why}") from cause


def planned_steps(state: Mapping[str, Any]) -> int | None:
    """Quantos passos a agenda de estado ``state`` planejou ao todo; ``None`` se ela não tem fim, ou não é agenda.

    A OneCycleLR guarda ``total_steps`` em si; a LambdaLR, os atributos do objeto que calcula o fator.
    """
    owners = [state, *(factor for factor in state.get("lr_lambdas", ()) if factor)]
    return next((owner["total_steps"] for owner in owners if "total_steps" in owner), None)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Grava ``state`` (tensores, números, textos, listas e dicionários) em ``path``, atomicamente.

    Raises:
        OSError: sem espaço ou sem permissão.
    """
    # Na memória primeiro: com o disco cheio, torch.save direto no arquivo levanta um RuntimeError que não diz a causa.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def read_checkpoint(path: Path) -> bytes | None:
    """O conteúdo do arquivo de um checkpoint; ``None`` se ele não existe.

    Raises:
        CheckpointError: o arquivo não pôde ser lido.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: não consegui ler o checkpoint ({error.strerror or error})") from error


def load_checkpoint(path: Path, content: bytes) -> dict[str, Any]:
    """O checkpoint que estava em ``path``, sem executar nada do que está nele.

    Args:
        path: de onde veio, para a mensagem.
        content: o conteúdo do arquivo.

    Raises:
        CheckpointError: o arquivo está truncado, alterado, ilegível, ou não é um checkpoint do curso.
    """
    try:
        # torch.load não confere o CRC do que lê: um byte trocado no disco viraria um peso errado, em silêncio.
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            altered = archive.testzip()
        if altered is not None:
            raise zipfile.BadZipFile(f"CRC de {altered} não confere")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: o checkpoint está truncado ou alterado, ou não é deste curso. Apague-o para recomeçar do zero."
        ) from error
    if not isinstance(state, dict) or not {"seed", "steps", "history", "parts"} <= state.keys():
        raise CheckpointError(f"{path}: não é um checkpoint do curso. Apague-o ou escolha outro nome.")
    return state
