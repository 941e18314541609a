"""Pack the messages of a batch into one value of the outbox, table `publications`, and unpack them."""

from collections.abc import Iterable

import cramjam
import msgspec.msgpack

from unenroll.wire.topics import Message

_FORMAT = 1
_COMPRESSION_LEVEL = 1  # a third faster than the default 3, and no larger, since messages of a batch are similar
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[Message, ...])


def pack(messages: Iterable[Message]) -> bytes:
    """Return the messages as one byte for the format, followed by a MessagePack array compressed with Zstandard."""
    return bytes((_FORMAT,)) + bytes(cramjam.zstd.compress(_ENCODER.encode(list(messages)), _COMPRESSION_LEVEL))


def unpack(packed: bytes) -> tuple[Message, ...]:
    """Return the packed messages, equal byte for byte. Raises ValueError for an unknown format."""
    if packed[:1] != bytes((_FORMAT,)):
        raise ValueError(f"the packed messages have format {packed[:1]!r}; this program reads format {_FORMAT}")
    return _DECODER.decode(bytes(cramjam.zstd.decompress(packed[1:])))
