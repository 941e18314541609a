"""Limit what producers may send to a Kafka without authentication. No client that is installed can ask for that."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_ALTER_CLIENT_QUOTAS, _VERSION = 49, 0
_PATIENCE_SECONDS = 30.0


@contextmanager
def limited_producers(kafka: str, rate: int) -> Iterator[None]:
    """Let all producers together send this many bytes a second until the end of the block.

    Raises SystemExit if Kafka refuses, OSError if it is away.
    """
    _limit(kafka, rate)
    try:
        yield
    finally:
        _limit(kafka, None)


def _limit(kafka: str, rate: int | None) -> None:
    """Give the user of all clients this quota; None: take it away."""
    host, _, port = kafka.rpartition(":")
    user = _list([_text("user") + _text("ANONYMOUS")])
    change = _list([_text("producer_byte_rate") + struct.pack(">d?", rate or 0, rate is None)])
    request = struct.pack(">hhi", _ALTER_CLIENT_QUOTAS, _VERSION, 1) + _text("quota")
    request += _list([user + change]) + struct.pack(">?", False)
    with socket.create_connection((host, int(port)), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            (size,) = struct.unpack(">i", answers.read(4))
            _, _, _, code = struct.unpack(">iiih", answers.read(size)[:14])
    if code:
        raise SystemExit(f"Kafka refused the quota with error {code}")


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _list(items: list[bytes]) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)
