"""O cartão de um arquivo de pesos: de onde eles vieram, com que configuração, e o que se mediu deles."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import torch

from course_lib import __version__, runtime
from course_lib.recipes import Config, Recipe, Trained, networks
from course_lib.training import History, distributed

# Sobe quando o mesmo arquivo passa a querer dizer outra coisa.
FORMAT = 2


class WeightsError(RuntimeError):
    """Um arquivo de pesos falta, está estragado, ou é de outra configuração ou arquitetura."""


@dataclass(frozen=True)
class DatasetCard:
    """Os dados de um treinamento.

    Attributes:
        name: de onde vieram.
        images: quantas imagens.
        shape: forma de cada uma.
        sha256: dos pixels.
    """

    name: str
    images: int
    shape: list[int]
    sha256: str


@dataclass(frozen=True)
class Card:
    """O cartão; as chaves do ``.json`` são os nomes destes campos.

    Attributes:
        format: versão do formato.
        model: nome da receita.
        profile: perfil do treinamento.
        seed: semente do treinamento.
        config: os argumentos das redes e as escolhas do treinamento.
        dataset: os dados.
        parameters: parâmetros de cada rede.
        metrics: o que se mediu do modelo, com a unidade no nome.
        history: o histórico do treino.
        pretraining: os do que se treinou antes: as camadas de uma pilha.
        seconds: quanto levaram, juntos.
        device: dispositivo do treinamento.
        machine: processador.
        versions: da biblioteca, do PyTorch e do Python.
        sha256: do arquivo de pesos.
        processes: quantos processos dividiram cada lote.
    """

    format: int
    model: str
    profile: str
    seed: int
    config: Config
    dataset: DatasetCard
    parameters: dict[str, int]
    metrics: dict[str, float]
    history: History
    pretraining: list[History]
    seconds: float
    device: str
    machine: str
    versions: dict[str, str]
    sha256: str
    processes: int = 1

    @classmethod
    def of(cls, trained: Trained, *, profile: str, seed: int, metrics: Mapping[str, float], sha256: str) -> Card:
        """O cartão de um treinamento, feito aqui e agora."""
        dataset, histories = trained.dataset, [*trained.pretraining, trained.history]
        return cls(
            format=FORMAT,
            model=trained.recipe.name,
            profile=profile,
            seed=int(seed),
            config=full_config(trained.recipe, profile),
            dataset=DatasetCard(dataset.name, len(dataset), list(dataset.shape), dataset.sha256()),
            parameters={
                part: sum(p.numel() for p in network.parameters()) for part, network in networks(trained.step).items()
            },
            metrics=dict(metrics),
            history=trained.history,
            pretraining=trained.pretraining,
            seconds=round(sum(sum(history.seconds) for history in histories), 3),
            device=str(runtime.device()),
            machine=platform.processor() or platform.machine(),
            versions={"course_lib": __version__, "torch": torch.__version__, "python": platform.python_version()},
            sha256=sha256,
            processes=distributed.process_count(),
        )

    @property
    def labelled(self) -> bool:
        """Se o modelo aprende com o rótulo de cada imagem e, ao amostrar, recebe um: alguma rede sua tem classes."""
        return any(arguments.get("n_classes") is not None for arguments in self.config.networks.values())

    @property
    def images_seen(self) -> int:
        """Imagens de treino que passaram pelo modelo, contadas a cada vez: épocas × imagens, com o pré-treino."""
        return self.dataset.images * sum(len(history) for history in (*self.pretraining, self.history))

    @classmethod
    def read(cls, path: Path) -> Card:
        """O cartão que está em ``path``.

        Raises:
            WeightsError: está estragado, incompleto, ou é de outro formato.
        """
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise WeightsError(f"{path}: o cartão está estragado; treine de novo para refazê-lo") from error
        version = state.get("format", state.get("formato")) if isinstance(state, dict) else None
        if version is not None and version != FORMAT:
            raise WeightsError(
                f"{path}: o formato é {version!r} e esta versão do curso lê o {FORMAT}; treine de novo, ou use a "
                "versão do curso que o gravou"
            )
        try:
            card: Card = _decode(cls, state, path.name)
        except _DamagedError as error:
            raise WeightsError(f"{path}: o cartão está estragado: {error}; treine de novo para refazê-lo") from error
        return card

    def to_json(self) -> str:
        """O texto do ``.json``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    def require_config_of(self, recipe: Recipe, path: Path) -> None:
        """Confere que as redes foram construídas com os argumentos que a receita usa.

        Raises:
            WeightsError: um argumento é outro, falta ou sobra; a mensagem diz qual.
        """
        # Como o JSON as devolve: tuplas viram listas.
        wanted = _flat(json.loads(json.dumps(asdict(recipe.config)))["networks"])
        found = _flat(self.config.networks)
        for key in wanted | found:
            came, expected = (repr(side[key]) if key in side else "nada" for side in (found, wanted))
            if came != expected:
                raise WeightsError(
                    f"{path}: os pesos são de outra configuração. {key}: veio {came}, esperava {expected}. "
                    "Treine de novo, ou use a receita que os gravou"
                )


def full_config(recipe: Recipe, profile: str) -> Config:
    """A configuração da receita, com o que ela diz do treinamento fora dela: lotes, épocas e média dos pesos."""
    own = {"batch_size": recipe.batch_size, "epochs": recipe.scales[profile].epochs, "average": recipe.average}
    return Config(recipe.config.networks, {**own, **recipe.config.training})


def _flat(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{part}.{name}": value for part, arguments in parts.items() for name, value in arguments.items()}


class _DamagedError(ValueError):
    """Um campo do cartão falta ou é de outro tipo."""


def _decode(kind: Any, value: Any, name: str) -> Any:
    """``value``, lido de um JSON, como ``kind``: uma dataclass, uma lista delas, ou um tipo simples."""
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(origin):
        if not isinstance(value, dict):
            raise _DamagedError(f"{name} é {type(value).__name__}")
        hints = get_type_hints(origin)
        # O que tem valor padrão é mais novo que os cartões que não o trazem.
        missing = [one.name for one in fields(origin) if one.name not in value and one.default is MISSING]
        if missing:
            raise _DamagedError(f"falta {', '.join(missing)} em {name}")
        return origin(**{field: _decode(hint, value[field], field) for field, hint in hints.items() if field in value})  # type: ignore[operator]
    expected = (int, float) if origin is float else origin
    if origin is not Any and not isinstance(value, expected):
        raise _DamagedError(f"{name} é {type(value).__name__}")
    if origin is list:
        return [_decode(arguments[0], item, f"{name}[{index}]") for index, item in enumerate(value)]
    if arguments:
        return {key: _decode(arguments[1], item, f"{name}[{key!r}]") for key, item in value.items()}
    return value
