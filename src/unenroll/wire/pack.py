"""A batch's messages as one value to keep until they are published."""

from collections.abc import Iterable

import cramjam
import msgpack

from unenroll.wire.record import Message

_FORMAT = 1


def pack(messages: Iterable[Message]) -> bytes:
    """The messages in order: a byte that names the format, then a MessagePack array, compressed with Zstandard."""
    rows = [(message.topic, message.key, message.value, message.headers) for message in messages]
    return bytes((_FORMAT,)) + bytes(cramjam.zstd.compress(msgpack.packb(rows)))


def unpack(packed: bytes) -> tuple[Message, ...]:
    """The messages that were packed, the same to the byte. Raises ValueError for a format that is not ours."""
    if packed[:1] != bytes((_FORMAT,)):
        raise ValueError(f"packed messages begin with {packed[:1]!r}, not with format {_FORMAT}")
    rows = msgpack.unpackb(bytes(cramjam.zstd.decompress(packed[1:])), use_list=False)
    return tuple(Message(topic=topic, key=key, value=value, headers=headers) for topic, key, value, headers in rows)
