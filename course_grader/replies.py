"""As respostas de uma entrega, guardadas como viajaram: consertada uma questão, julgam-se sem executar nada.

Só o juiz muda quase sempre: as entradas são as mesmas, e o que a função respondeu a elas também. Quando as entradas
mudam, a chamada é outra, e a resposta guardada não serve.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from course_grader.assignment import Case
from course_grader.inside.wire import Caps, Decoder, Encoder, WireError

# Bytes guardados por entrega, já comprimidos: quem responde mais que isto se executa de novo.
MAX_KEPT = 2**19


class Replies:
    """O que se respondeu a cada chamada.

    Args:
        stored: o que se guardou, por chamada, em texto.
        cases: as chamadas que ainda se fazem; das outras não se guarda nada.
    """

    def __init__(self, stored: Mapping[str, str], cases: Iterable[Case]) -> None:
        names = {case.name for case in cases}
        self.stored = {name: text for name, text in stored.items() if name in names}
        self._room = MAX_KEPT - sum(map(len, self.stored.values()))

    def find(self, case: Case) -> dict[str, Any] | None:
        """A resposta à chamada, ou ``None`` se ela não está guardada inteira."""
        text = self.stored.get(case.name)
        if text is None:
            return None
        try:
            line, _, rest = zlib.decompress(base64.b85decode(text)).partition(b"\n")
            reply, rest = json.loads(line), bytearray(rest)
            if "answer" in reply:
                reply["answer"] = Decoder(lambda n: _take(rest, n), Caps()).decode(reply["answer"])
        except (ValueError, TypeError, zlib.error):
            return None
        return reply

    def keep(self, case: Case, reply: Mapping[str, Any]) -> None:
        """Guarda a resposta, se ainda cabe."""
        encoder, plain = Encoder(), {key: value for key, value in reply.items() if key != "id"}
        if "answer" in plain:
            plain["answer"] = encoder.encode(plain["answer"])
        packed = zlib.compress(b"".join([json.dumps(plain).encode(), b"\n", *encoder.blobs]), 1)
        text = base64.b85encode(packed).decode()
        if len(text) <= self._room:
            self._room -= len(text)
            self.stored[case.name] = text


def _take(rest: bytearray, n: int) -> bytearray:
    if len(rest) < n:
        raise WireError("faltam bytes")
    piece = rest[:n]
    del rest[:n]
    return piece
