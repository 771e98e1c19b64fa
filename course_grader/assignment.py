"""Um exercício aplicado a uma turma: as questões, e os casos ocultos que a semente da turma sorteia."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from course_grader.identity import question_digest
from course_grader.inside.objects import InputEncoder
from course_grader.inside.wire import Encoder, WireError
from course_lib import checks, runtime
from course_lib.exercises import definitions
from course_lib.exercises.answers import Mistake
from course_lib.exercises.question import Exercise, Question, load_exercise

# Sementes seguidas: um exercício que alterna casos pela paridade da semente, ou pelo resto por 3, mostra-os todos.
HIDDEN_CASES = 6

# Quantos vereditos se guardam: os de uma turma de 300, com folga, em poucos megabytes.
MANY_VERDICTS = 50_000

# Separa as sementes dos casos ocultos de qualquer outro uso da semente da turma.
_HIDDEN, _CALL = 71, 72


@dataclass(frozen=True)
class Case:
    """Os argumentos de uma chamada, já codificados para viajar.

    Attributes:
        seed: de onde :meth:`~course_lib.exercises.question.Question.make_inputs` os refaz; nunca sai do corretor.
        message: o pedido de chamada, sem os bytes.
        blobs: os bytes dos arrays.
    """

    seed: int
    message: Mapping[str, Any]
    blobs: tuple[bytes, ...]

    @cached_property
    def name(self) -> str:
        """A identidade da chamada: a função, as entradas e a semente do gerador."""
        digest = hashlib.sha256(json.dumps(self.message, sort_keys=True).encode())
        for blob in self.blobs:
            digest.update(blob)
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Verdict:
    """O que o juiz diz de uma resposta.

    Attributes:
        hint: a dica, ou ``None`` se ela está certa.
        secret: a dica que nada cita da entrada.
        failure: o nome do erro com que o juiz parou, se parou.
    """

    hint: str | None = None
    secret: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Assignment:
    """O exercício de uma turma.

    Attributes:
        exercise: as questões.
        source: o texto da definição; entra na identidade das questões, e vai a outras máquinas.
        class_seed: a semente da turma.
        own: se a definição é do professor, e não do curso.
        by_case: se cada caso oculto vale a sua parte dos pontos da questão.
        by_student: se cada estudante tem os seus casos ocultos, em vez de os mesmos para todos.
        student: de quem são os casos ocultos; vazio se são os da turma.
    """

    exercise: Exercise
    source: str = field(repr=False)
    class_seed: int
    own: bool = False
    by_case: bool = False
    by_student: bool = False
    student: str = ""

    def of(self, student: str) -> Assignment:
        """O exercício com os casos deste estudante; ele mesmo, se são os mesmos para todos."""
        if not self.by_student or student == self.student:
            return self
        own = replace(self, student=student)
        # O que não depende de quem é não se refaz.
        vars(own).update({name: getattr(self, name) for name in ("digests", "public")})
        return own

    @cached_property
    def digest(self) -> str:
        """Identidade da turma: muda com o exercício, a semente, de quem são os casos e o modo de pontuar, e não com uma
        questão que muda."""
        text = f"{self.exercise.name}\0{self.class_seed}\0{self.by_case}\0{self.student}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

    @cached_property
    def digests(self) -> dict[str, str]:
        """Identidade de cada questão: a sua parte da definição, e o lugar, de que os sorteios dependem."""
        return {
            question.name: f"{n}-{question_digest(self.source, question)}"
            for n, question in enumerate(self.exercise.questions)
        }

    @cached_property
    def hidden(self) -> dict[str, list[Case]]:
        """Os casos ocultos de cada questão.

        Raises:
            ValueError: uma entrada do exercício não sabe viajar até o processo do estudante.
        """
        # A semente que o processo do estudante vê não diz a do caso, nem a força bruta: vem da turma por outra chave.
        return {
            question.name: [
                _case(question, seed, self._secret(_CALL, n, k)) for k, seed in enumerate(self.hidden_seeds(n))
            ]
            for n, question in enumerate(self.exercise.questions)
        }

    @cached_property
    def public(self) -> dict[str, list[Case]]:
        """Os casos da conferência no caderno: só servem às dicas, e nunca à nota."""
        return {
            question.name: [_case(question, seed, runtime.derive_seed(seed, _CALL)) for seed in question.public_seeds]
            for question in self.exercise.questions
        }

    def cases(self) -> list[Case]:
        """Todas as chamadas que se fazem a uma entrega."""
        return [case for cases in (*self.public.values(), *self.hidden.values()) for case in cases]

    def draw(self) -> None:
        """Sorteia já todos os casos, para que um engano na definição apareça antes da primeira entrega.

        Raises:
            ValueError: um sorteio não serve; a mensagem diz de que questão, e por quê.
        """
        for question in self.exercise.questions:
            first = self.hidden[question.name][0]
            again = _case(question, first.seed, first.message["seed"])
            checks.require(
                (again.message, again.blobs) == (first.message, first.blobs),
                f"{question.name}: draw deu entradas diferentes com a mesma semente; sorteie só a partir dela",
            )
            _try_judge(question, first.seed)
        _ = self.public

    def judge(self, question: Question, case: Case, answer: Any) -> Verdict:
        """O veredito do juiz, que de duas respostas iguais, bit a bit, só olha a primeira.

        Metade do tempo de uma turma é a de refazer, para cada estudante, a mesma conta com as mesmas entradas.
        """
        encoder = Encoder()
        node = json.dumps(encoder.encode(answer))
        seal = hashlib.sha256(b"\0".join([f"{question.name}/{case.seed}/{node}".encode(), *encoder.blobs])).digest()
        if seal not in self._verdicts:
            if len(self._verdicts) >= MANY_VERDICTS:
                self._verdicts.clear()
            self._verdicts[seal] = _ask(question, case, answer)
        return self._verdicts[seal]

    @cached_property
    def _verdicts(self) -> dict[bytes, Verdict]:
        return {}

    def hidden_seeds(self, n: int) -> list[int]:
        """As sementes dos casos ocultos da questão de lugar ``n``."""
        # Mais de 2^20 e menos de 2^31: longe das públicas, que são pequenas, e aceitas por qualquer gerador. Uma não
        # diz as outras, mas os restos por 6 são todos diferentes: um exercício que alterna pela paridade mostra tudo.
        drawn = (self._secret(_HIDDEN, n, k) % 2**30 for k in range(HIDDEN_CASES))
        seeds = [2**20 + seed - (2**20 + seed) % HIDDEN_CASES + k for k, seed in enumerate(drawn)]
        public = self.exercise.questions[n].public_seeds
        return [seed if seed not in public else seed + 2**30 for seed in seeds]

    def _secret(self, use: int, n: int, k: int) -> int:
        """Uma semente que não diz a da turma: o processo do estudante vê a das chamadas, e tem tempo para contas."""
        text = f"{use}/{n}/{k}" + (f"/{self.student}" if self.student else "")
        drawn = hmac.new(str(self.class_seed).encode(), text.encode("utf-8", "replace"), hashlib.sha256).digest()
        return int.from_bytes(drawn[:8], "big") >> 1


def load_assignment(name: str, class_seed: int) -> Assignment:
    """O exercício ``name`` (do curso) ou o do arquivo ``name`` (``.py`` com ``EXERCISE``, do professor).

    Raises:
        ValueError: não há tal exercício, ou o arquivo não define um; a mensagem diz o que houve.
    """
    if not name.endswith(".py"):
        exercise = load_exercise(name)
        module = sys.modules[f"{definitions.__name__}.{name.partition('_')[2]}"]
        return Assignment(exercise, inspect.getsource(module), class_seed)
    path = Path(name)
    try:
        source = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"não consegui ler a definição do exercício em {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: o arquivo não está em UTF-8") from None
    return define(source, str(path), class_seed)


def define(source: str, name: str, class_seed: int) -> Assignment:
    """O exercício que o texto ``source`` define em ``EXERCISE``; ``name`` aparece nas mensagens.

    Raises:
        ValueError: o texto não define um exercício.
    """
    # Um módulo de verdade: uma dataclass da definição, por exemplo, procura o seu módulo pelo nome.
    spec = importlib.util.spec_from_loader(f"exercicio_{hashlib.sha256(source.encode()).hexdigest()[:12]}", None)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        exec(compile(source, name, "exec"), vars(module))
    except Exception as error:
        where = getattr(error, "lineno", None)
        if where is None and error.__traceback__ and error.__traceback__.tb_next:
            where = error.__traceback__.tb_next.tb_lineno
        place = f", linha {where}" if where else ""
        raise ValueError(f"{name}{place}: a definição parou com {type(error).__name__}: {error}") from None
    exercise = getattr(module, "EXERCISE", None)
    checks.require(isinstance(exercise, Exercise), f"{name}: esperava uma definição com EXERCISE = Exercise(…)")
    checks.require(bool(exercise.questions), f"{name}: o exercício não tem questões")
    return Assignment(exercise, source, class_seed, own=True)


def _try_judge(question: Question, seed: int) -> None:
    """Um juiz que aceita o nada, ou que não roda, tem um engano: melhor sabê-lo antes de corrigir a turma."""
    try:
        question.judge(question.make_inputs(seed), None)
    except Mistake:
        return
    except Exception as error:
        # Quem não trata None (`None - 1`, `None.shape`) ainda julga as respostas do tipo certo.
        if "NoneType" in str(error):
            return
        raise ValueError(f"{question.name}: o juiz parou com {type(error).__name__}: {error}") from None
    raise ValueError(f"{question.name}: o juiz aceitou None como resposta certa")


def _ask(question: Question, case: Case, answer: Any) -> Verdict:
    try:
        question.judge(question.make_inputs(case.seed), answer)
    except Mistake as mistake:
        return Verdict(str(mistake), mistake.secret)
    except Exception as failure:
        hint = "a resposta tem um formato que não soube julgar."
        return Verdict(hint, hint, type(failure).__name__)
    return Verdict()


def _case(question: Question, seed: int, call_seed: int) -> Case:
    try:
        inputs = question.make_inputs(seed)
    except Exception as error:
        raise ValueError(f"{question.name}: draw parou com {type(error).__name__}: {error}") from None
    checks.require(
        isinstance(inputs, dict),
        f"{question.name}: draw devolveu {type(inputs).__name__}; esperava um dicionário com os argumentos da "
        "função, na ordem",
    )
    encoder = InputEncoder()
    try:
        nodes = [encoder.encode(value) for value in inputs.values()]
    except WireError as error:
        raise ValueError(f"{question.name}: uma das entradas não serve: {error}") from None
    message = {
        "op": "call",
        "function": question.function,
        "names": list(inputs),
        "inputs": nodes,
        "bytes": sum(map(len, encoder.blobs)),
        "seed": call_seed,
    }
    return Case(seed, message, tuple(encoder.blobs))
