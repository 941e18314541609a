"""What a group has committed, asked of the broker in its own words: OffsetFetch, version 7, stable offsets only.

By hand, because confluent-kafka reads metadata beyond its end, and aiokafka is what the worker itself asks with.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from checker.history import Partition

_OFFSET_FETCH, _VERSION, _CORRELATION = 9, 7, 1
_CLIENT = b"checker"
_SECONDS = 3.0


class UnstableError(Exception):
    """There is no telling now: a transaction's offsets are pending, or the coordinator is not ready."""


def committed(coordinator: str, group_id: str) -> dict[Partition, tuple[int, str]]:
    """Offset and metadata of all that the group has committed. Raises UnstableError and OSError."""
    host, _, port = coordinator.partition(":")
    with socket.create_connection((host, int(port)), timeout=_SECONDS) as way:
        asked = _asked(group_id)
        way.sendall(struct.pack(">i", len(asked)) + asked)
        (length,) = struct.unpack(">i", _exactly(way, 4))
        return dict(_told(_Answer(BytesIO(_exactly(way, length)))))


def _asked(group_id: str) -> bytes:
    header = struct.pack(">hhih", _OFFSET_FETCH, _VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT + b"\0"
    name = group_id.encode()
    all_topics, require_stable, no_tags = b"\0", b"\1", b"\0"
    return header + _unsigned(len(name) + 1) + name + all_topics + require_stable + no_tags


def _unsigned(number: int) -> bytes:
    """An unsigned integer of 7 bits a byte."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _unsigned(number >> 7)


def _exactly(way: socket.socket, length: int) -> bytes:
    pieces = b""
    while len(pieces) < length:
        piece = way.recv(length - len(pieces))
        if not piece:
            raise ConnectionResetError("the broker closed the connection")
        pieces += piece
    return pieces


@dataclass(frozen=True)
class _Answer:
    rest: BytesIO

    def number(self, form: str) -> int:
        (found,) = struct.unpack(f">{form}", self.rest.read(struct.calcsize(f">{form}")))
        return int(found)

    def unsigned(self) -> int:
        byte = self.number("B")
        return byte if byte < 0x80 else byte & 0x7F | self.unsigned() << 7

    def text(self) -> str:
        return self.rest.read(max(self.unsigned() - 1, 0)).decode()

    def tags(self) -> None:
        assert self.unsigned() == 0, "nobody sends tagged fields in this version"


def _told(answer: _Answer) -> Iterator[tuple[Partition, tuple[int, str]]]:
    answer.number("i")  # the correlation
    answer.tags()
    answer.number("i")  # for how long we are to be throttled
    for _ in range(answer.unsigned() - 1):
        topic = answer.text()
        for _ in range(answer.unsigned() - 1):
            yield _place(answer, topic)
        answer.tags()
    _check(answer.number("h"))


def _place(answer: _Answer, topic: str) -> tuple[Partition, tuple[int, str]]:
    partition, offset, _ = answer.number("i"), answer.number("q"), answer.number("i")
    metadata = answer.text()
    _check(answer.number("h"))
    answer.tags()
    return (topic, partition), (offset, metadata)


def _check(error: int) -> None:
    if error:
        raise UnstableError(f"Kafka's error {error}")
