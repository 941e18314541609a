"""Packed messages are unpacked unchanged, byte for byte."""

import cramjam
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.postgres.outbox import pack, unpack
from unenroll.wire.topics import Message

BYTES = st.none() | st.binary(max_size=50)
MESSAGES = st.lists(
    st.builds(
        Message,
        topic=st.sampled_from(["unenrollments", "rejections", "rewards", "dead-letters"]),
        key=BYTES,
        value=BYTES,
        headers=st.lists(st.tuples(st.text(max_size=10), BYTES), max_size=5).map(tuple),
    ),
    max_size=5,
).map(tuple)


@given(MESSAGES)
def test_packed_messages_are_unpacked_in_order(messages: tuple[Message, ...]) -> None:
    assert unpack(pack(messages)) == messages
    assert pack(messages) == pack(iter(messages))


@given(MESSAGES)
def test_the_output_of_another_messagepack_library_is_unpacked(messages: tuple[Message, ...]) -> None:
    rows = [(message.topic, message.key, message.value, message.headers) for message in messages]
    assert unpack(b"\x01" + bytes(cramjam.zstd.compress(msgpack.packb(rows)))) == messages


def test_similar_messages_compress_well() -> None:
    messages = [Message(topic="rewards", key=b"%d" % customer, value=b"{}" * 200) for customer in range(1000)]
    assert len(pack(messages)) < 20_000


def test_another_format_is_refused() -> None:
    packed = pack([])
    assert packed[0] == 1
    with pytest.raises(ValueError, match="format"):
        unpack(b"\x02" + packed[1:])
    with pytest.raises(ValueError, match="format"):
        unpack(b"")
