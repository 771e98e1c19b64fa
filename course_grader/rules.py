"""As regras do bimestre, num arquivo pequeno: prazo, atraso, prorrogações, que entrega vale e como se pontua.

Tudo é opcional::

    prazo = { ate = 2026-11-29T23:59:00, tolerancia = "15 min", desconto = "10 % por dia", no_maximo = "50 %" }
    vale = "a última"
    pontos = "tudo ou nada"
    casos = "os mesmos"

    [prorrogacoes]
    "Ana Souza" = "3 dias"
    "102" = 2026-12-02T23:59:00
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from course_grader.names import loose
from course_grader.submission import Submission

# A hora escrita sem fuso é a de Brasília, que desde 2019 não muda no verão.
BRASILIA = timezone(timedelta(hours=-3))

_UNITS = {"min": 60.0, "minuto": 60.0, "h": 3600.0, "hora": 3600.0, "dia": 86_400.0, "semana": 604_800.0}
_DURATION = re.compile(r"(\d+)\s*(min|minuto|h|hora|dia|semana)s?")
_DISCOUNT = re.compile(r"(\d+(?:[.,]\d+)?)\s*%(?:\s*por\s+(hora|dia|semana))?")


class RulesError(ValueError):
    """O arquivo de regras não serve; a mensagem diz a chave e o que se esperava."""


@dataclass(frozen=True)
class Rules:
    """As regras.

    Attributes:
        deadline: até quando se entrega; sem ele, nada atrasa.
        grace: segundos de tolerância, sem desconto.
        discount: a fração da nota que cada período de atraso tira.
        period: segundos do período; 0 se o desconto é um só, dure o atraso o que durar.
        worst: a maior fração que o atraso tira.
        extensions: o prazo de cada pessoa, pelo nome ou pelo número do Moodle: outra data, ou segundos a mais.
        best: se vale a melhor entrega de cada pessoa, e não a última.
        by_case: se cada caso oculto vale a sua parte dos pontos.
        by_student: se cada estudante tem os seus casos ocultos.
        discussion: o que se disse da discussão de um exercício do professor.
    """

    deadline: datetime | None = None
    grace: float = 0.0
    discount: float = 0.0
    period: float = 0.0
    worst: float = 1.0
    extensions: Mapping[str, datetime | float] = field(default_factory=dict)
    best: bool = False
    by_case: bool = False
    by_student: bool = False
    discussion: Mapping[str, Any] = field(default_factory=dict)

    def limit(self, submission: Submission) -> float:
        """O prazo desta pessoa, em segundos desde 1970."""
        if self.deadline is None:
            return math.inf
        names = {loose(submission.student), submission.identifier} - {""}
        asked = next((value for name, value in self.extensions.items() if {loose(name), name} & names), 0.0)
        return asked.timestamp() if isinstance(asked, datetime) else self.deadline.timestamp() + asked

    def lost(self, submission: Submission) -> float:
        """A fração da nota que o atraso tira, de 0 a 1."""
        late = submission.when - self.limit(submission)
        if late <= self.grace:
            return 0.0
        periods = math.ceil(late / self.period) if self.period else 1
        return min(self.discount * periods, self.worst)

    def counted(self, submission: Submission) -> Submission:
        """A última entrega que o prazo não zera; se zera todas, a última."""
        attempts = [submission, *reversed(submission.others)]
        return next((attempt for attempt in attempts if self.lost(attempt) < 1), submission)

    def strangers(self, submissions: Sequence[Submission]) -> list[str]:
        """As prorrogações que não são de ninguém da turma: um nome escrito errado não passa calado."""
        known = {loose(item.student) for item in submissions} | {item.identifier for item in submissions}
        return [name for name in self.extensions if not {loose(name), name} & known]


def load_rules(path: Path | None) -> Rules:
    """As regras de um arquivo; sem ele, as de sempre.

    Raises:
        RulesError: o arquivo não serve.
    """
    if path is None:
        return Rules()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RulesError(f"não consegui ler as regras em {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise RulesError(f"{path}: o arquivo não está em UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: não é TOML ({error})") from None
    try:
        return _rules(data)
    except RulesError as error:
        raise RulesError(f"{path}: {error}") from None


def _rules(data: dict[str, Any]) -> Rules:
    _only(data, ("prazo", "vale", "pontos", "casos", "prorrogacoes", "discussao"), "o arquivo")
    deadline = _table(data, "prazo")
    _only(deadline, ("ate", "tolerancia", "desconto", "no_maximo"), "prazo")
    if deadline and "ate" not in deadline:
        raise RulesError("prazo: falta a data, ate = 2026-11-29T23:59:00")
    extensions = {
        name: _seconds(value, f"prorrogacoes, {name}") if isinstance(value, str) else _moment(value, name)
        for name, value in _table(data, "prorrogacoes").items()
    }
    if extensions and not deadline:
        raise RulesError("há prorrogações, e falta o prazo")
    share, period = _discount(deadline.get("desconto", "100 %"), "desconto")
    return Rules(
        deadline=_moment(deadline["ate"], "ate") if deadline else None,
        grace=_seconds(deadline.get("tolerancia", "0 min"), "tolerancia"),
        discount=share,
        period=period,
        worst=_discount(deadline.get("no_maximo", "100 %"), "no_maximo")[0],
        extensions=extensions,
        best=_choice(data, "vale", ("a última", "a melhor")) == "a melhor",
        by_case=_choice(data, "pontos", ("tudo ou nada", "por caso")) == "por caso",
        by_student=_choice(data, "casos", ("os mesmos", "de cada um")) == "de cada um",
        discussion=_table(data, "discussao"),
    )


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise RulesError(f"{key}: veio {value!r}; esperava uma tabela, {key} = {{ … }} ou [{key}]")
    return value


def _only(data: dict[str, Any], keys: Sequence[str], where: str) -> None:
    extra = [key for key in data if key not in keys]
    if extra:
        raise RulesError(f"{where}: não conheço {', '.join(extra)}; as chaves são {', '.join(keys)}")


def _choice(data: dict[str, Any], key: str, options: Sequence[str]) -> str:
    value = data.get(key, options[0])
    chosen = next((option for option in options if isinstance(value, str) and loose(option) == loose(value)), None)
    if chosen is None:
        raise RulesError(f"{key}: veio {value!r}; esperava {' ou '.join(map(repr, options))}")
    return chosen


def _moment(value: Any, key: str) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=BRASILIA)
    if isinstance(value, date):
        return datetime.combine(value, time(23, 59, 59), BRASILIA)
    raise RulesError(f"{key}: veio {value!r}; esperava uma data sem aspas, como 2026-11-29T23:59:00")


def _seconds(value: Any, key: str) -> float:
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise RulesError(f"{key}: veio {value!r}; esperava uma duração, como '15 min', '2 h' ou '3 dias'")
    return int(match[1]) * _UNITS[match[2]]


def _discount(value: Any, key: str) -> tuple[float, float]:
    match = _DISCOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    share = float(match[1].replace(",", ".")) / 100 if match else math.inf
    if match is None or share > 1:
        raise RulesError(f"{key}: veio {value!r}; esperava uma porcentagem até 100, como '10 % por dia' ou '50 %'")
    return share, _UNITS[match[2]] if match[2] else 0.0
