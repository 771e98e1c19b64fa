"""O canal visto de fora: tudo o que não é a resposta pedida, no prazo, encerra a conversa."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest
import torch

from course_grader.channel import Channel, ChildDied, ChildLate, MemoryAbuse, Violation
from course_grader.inside.wire import Caps

TENSOR = {"k": "tensor", "dtype": "float32", "shape": [2], "grad": False}


@pytest.fixture
def talk():
    """``talk(resposta)``: pede algo a quem responde com ``resposta(pedido, soquete)``."""
    opened = []

    def talk(answer, seconds=3.0, watch=lambda: None, blobs=(), rounds=1):
        ours, theirs = socket.socketpair()
        opened.extend((ours, theirs))

        def child():
            file = theirs.makefile("rb")
            for _ in range(rounds):
                request = json.loads(file.readline())
                answer(request, theirs)

        thread = threading.Thread(target=child, daemon=True)
        thread.start()
        channel = Channel(ours, Caps(), watch)
        replies = [channel.request({"op": "x"}, blobs, seconds) for _ in range(rounds)]
        thread.join()
        return replies[-1]

    yield talk
    for end in opened:
        end.close()


def reply(request, **fields):
    return json.dumps({"id": request["id"]} | fields).encode() + b"\n"


def test_an_answer_arrives_in_pieces(talk):
    def answer(request, end):
        data = reply(request, answer=TENSOR) + torch.tensor([1.0, 2.0]).numpy().tobytes()
        for index in range(len(data)):
            end.send(data[index : index + 1])

    assert torch.equal(talk(answer, rounds=3)["answer"], torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 300_000, b"[" * 100_000 + b"\n", b"\n", b"[]\n", b"\xff\xfe\n", b'{"id": 1}\n', b'{"id": NaN}\n',
        b'{"id": "0000000000000000"}\n', b'{"answer": {"k": "none"}}\n',
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_not_the_reply_is_a_violation(talk, data):
    with pytest.raises(Violation):
        talk(lambda request, end: end.sendall(data))


@pytest.mark.parametrize("answer", [1.5, float("nan"), {"k": "module"}, TENSOR | {"shape": [-2]}])
def test_a_malformed_answer_is_a_violation(talk, answer):
    with pytest.raises(Violation):
        talk(lambda request, end: end.sendall(reply(request, answer=answer)))


def test_bytes_after_the_reply_are_a_violation(talk):
    with pytest.raises(Violation):
        talk(lambda request, end: end.sendall(reply(request) + b"sobra"))


def test_bytes_before_the_request_are_a_violation():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b'{"id": "adivinhado", "answer": {"k": "none"}}\n')
        with pytest.raises(Violation, match="antes do pedido"):
            Channel(ours, Caps(), lambda: None).request({}, (), 1)


def test_a_reply_to_an_earlier_request_is_a_violation(talk):
    kept = []

    def answer(request, end):
        kept.append(request)
        end.sendall(reply(kept[0]))

    with pytest.raises(Violation, match="outro pedido"):
        talk(answer, rounds=2)


def test_one_deadline_for_the_whole_reply(talk):
    def drip(request, end):
        for _ in range(100):
            try:
                end.sendall(b" ")
            except OSError:
                return
            time.sleep(0.05)

    start = time.monotonic()
    with pytest.raises(ChildLate):
        talk(drip, seconds=0.5)
    assert time.monotonic() - start < 2


def test_announced_bytes_that_do_not_come_cost_only_the_deadline(talk):
    with pytest.raises(ChildLate):
        talk(lambda request, end: end.sendall(reply(request, answer=TENSOR | {"shape": [10**6]})), seconds=0.5)


def test_a_child_that_does_not_read_does_not_hang_the_sender():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ChildLate):
        Channel(ours, Caps(), lambda: None).request({}, [b"x" * 10**7], 0.5)


def test_a_closed_channel_is_a_dead_child(talk):
    with pytest.raises(ChildDied):
        talk(lambda request, end: end.shutdown(socket.SHUT_RDWR))


def test_the_watch_can_end_the_wait(talk):
    def watch():
        raise MemoryAbuse("demais")

    with pytest.raises(MemoryAbuse):
        talk(lambda request, end: time.sleep(0.5), watch=watch)


def test_dripping_bytes_does_not_hide_from_the_watch(talk):
    def drip(request, end):
        with contextlib.suppress(OSError):  # a conversa acaba antes
            for _ in range(50):
                end.send(b" ")
                time.sleep(0.02)

    looks = []
    with pytest.raises((ChildLate, Violation, ChildDied)):
        talk(drip, seconds=0.8, watch=lambda: looks.append(1))
    assert len(looks) >= 4
