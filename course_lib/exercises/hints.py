"""O que se diz ao estudante quando a sua função nem chegou a responder."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from course_lib.exercises.calls import Stumble, StumbleKind
from course_lib.exercises.question import Question


def explain(stumble: Stumble, question: Question, arguments: Iterable[str], *, secret: bool = False) -> str:
    """A dica para um tropeço.

    Args:
        stumble: o que houve.
        question: a questão.
        arguments: os nomes dos argumentos, na ordem.
        secret: se a chamada foi com entradas ocultas. O texto de um erro pode citá-las (``raise ValueError(x)``), e até
            o nome de uma função; então só se diz o tipo do erro e a linha.
    """
    match stumble.kind:
        case StumbleKind.MISSING:
            told = stumble.text and not secret
            seen = f" Achei `{stumble.text}`: o nome precisa ser exatamente o do enunciado." if told else ""
            return f"não encontrei essa função. Rode antes a célula que a define.{seen}"
        case StumbleKind.NOT_CALLABLE:
            return f"`{question.function}` existe, mas não é uma função. Rode de novo a célula que a define."
        case StumbleKind.SIGNATURE:
            return f"a função precisa receber ({', '.join(arguments)}), nesta ordem."
        case StumbleKind.BLANK:
            return f"ainda em branco (ou a linha do `raise` ficou no lugar). {question.start}"
        case StumbleKind.HELPER:
            name = "outra função" if secret else f"`{stumble.text}`"
            return f"ela chama {name}, que ainda está em branco. Resolva-a antes."
        case StumbleKind.ERROR:
            return _explain_error(stumble, secret=secret)


def _explain_error(stumble: Stumble, *, secret: bool) -> str:
    known = isinstance(getattr(builtins, stumble.type, None), type)
    message = f"a função parou com {stumble.type if known or not secret else 'um erro'}"
    if stumble.text and not secret:
        message += f": {stumble.text}"
    if stumble.line:
        source = f": `{stumble.source}`" if stumble.source and not secret else ""
        message += f"\n  na linha {stumble.line} da célula{source}"
    return message


def explain_altered(name: str) -> str:
    """A dica de quem alterou o argumento ``name``."""
    return (
        f"a função alterou o argumento `{name}`, que é de quem a chamou. Crie um tensor novo em vez de "
        "usar `+=`, `x[...] = ` ou métodos terminados em `_`."
    )
