"""A batch's messages as one value to keep until they are published."""

from collections.abc import Iterable

import cramjam
import msgspec.msgpack

from unenroll.wire.topics import Message

_FORMAT = 1
_LEVEL = 1  # a third faster than Zstandard's usual 3, and no larger: messages of a batch are much alike
_PACKED = msgspec.msgpack.Encoder()
_UNPACKED = msgspec.msgpack.Decoder(tuple[Message, ...])


def pack(messages: Iterable[Message]) -> bytes:
    """The messages in order: a byte that names the format, then a MessagePack array, compressed with Zstandard."""
    return bytes((_FORMAT,)) + bytes(cramjam.zstd.compress(_PACKED.encode(list(messages)), _LEVEL))


def unpack(packed: bytes) -> tuple[Message, ...]:
    """The messages that were packed, the same to the byte. Raises ValueError for a format that is not ours."""
    if packed[:1] != bytes((_FORMAT,)):
        raise ValueError(f"packed messages begin with {packed[:1]!r}, not with format {_FORMAT}")
    return _UNPACKED.decode(bytes(cramjam.zstd.decompress(packed[1:])))
