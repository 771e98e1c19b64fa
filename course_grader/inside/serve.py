"""O processo de uma entrega: recebe células e chamadas, uma de cada vez, e devolve dados.

O código do estudante roda aqui, e portanto pode escrever no canal o que quiser. Não faz mal: cada resposta traz o
número do pedido, que só se conhece depois de pedido, e o que ela traz é julgado do outro lado como qualquer resposta.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from course_lib.exercises.calls import Stumble, StumbleKind, altered, call

from .notebook import Late, Notebook, interruptible
from .objects import InputDecoder
from .wire import MAX_LINE, Caps, Encoder, NoAnswer, WireError


def serve(channel: socket.socket) -> None:
    """Atende pedidos até o canal se fechar."""
    # Um filho que o estudante crie e que suba até aqui com um erro responderia no lugar do pai.
    os.register_at_fork(after_in_child=partial(os.close, channel.fileno()))
    file = channel.makefile("rwb")
    notebook = Notebook()
    while line := file.readline():
        request = json.loads(line)
        encoder = Encoder(Caps())
        try:
            reply = _attend(request, notebook, file, encoder)
        except WireError as error:
            reply, encoder = {"error": {"kind": NoAnswer.UNFIT, "text": str(error)}}, Encoder()
        except Late:
            reply = {"error": {"kind": NoAnswer.LATE}}
        except Stumble as stumble:
            reply = {"error": _clipped(vars(stumble))}
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            reply = {"error": _clipped({"kind": StumbleKind.ERROR, "type": type(error).__name__, "text": _said(error)})}
        line = json.dumps({"id": request["id"]} | reply).encode()
        if len(line) >= MAX_LINE:
            reply, encoder = {"error": {"kind": NoAnswer.UNFIT, "text": "a resposta é grande demais"}}, Encoder()
            line = json.dumps({"id": request["id"]} | reply).encode()
        file.write(line + b"\n")
        for blob in encoder.blobs:
            file.write(blob)
        file.flush()


def _attend(request: dict[str, Any], notebook: Notebook, file: Any, encoder: Encoder) -> dict[str, Any]:
    if request["op"] == "cell":
        with interruptible():
            return {"skipped": notebook.run(request["source"])}
    # Duas cópias independentes dos mesmos bytes: uma para o estudante, outra para ver se ele a alterou.
    size = request["bytes"]
    raw = file.read(size)
    inputs, given = (_inputs(request, raw) for _ in range(2))
    function = notebook.find(request["function"])
    if function is None:
        raise Stumble(StumbleKind.MISSING, _similar(request, notebook))
    if not callable(function):
        raise Stumble(StumbleKind.NOT_CALLABLE)
    torch.manual_seed(request["seed"])
    with interruptible():
        answer = call(function, request["function"], given)
    return {"answer": encoder.encode(answer), "altered": altered(inputs, given)}


def _inputs(request: dict[str, Any], raw: bytes) -> dict[str, Any]:
    start = iter(_slices(raw))
    next(start)
    decoder = InputDecoder(start.send)
    return dict(zip(request["names"], [decoder.decode(node) for node in request["inputs"]], strict=True))


def _slices(raw: bytes) -> Iterator[bytearray]:
    """Um gerador que, a cada ``send(n)``, dá os próximos ``n`` bytes numa cópia própria."""
    position, piece = 0, bytearray()
    while True:
        size = yield piece
        piece = bytearray(raw[position : position + size])
        position += size


def _similar(request: dict[str, Any], notebook: Notebook) -> str:
    """O nome parecido com o pedido que o estudante definiu, para a dica."""
    import difflib

    near = difflib.get_close_matches(request["function"], notebook.functions(), n=1, cutoff=0.7)
    return next(iter(near), "")


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _clipped(error: dict[str, Any]) -> dict[str, Any]:
    return {key: value[:500] if isinstance(value, str) else value for key, value in error.items()}


def main(channel: socket.socket) -> None:
    """Atende e sai sem rodar nada do que o estudante tenha deixado para o fim do processo."""
    try:
        serve(channel)
    finally:
        os._exit(0)
