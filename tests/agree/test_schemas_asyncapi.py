"""The AsyncAPI document tells of every topic, every event and every header, and of nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from agree.schema_files import BY_NAME, SCHEMAS
from unenroll.core.reasons import Reason
from unenroll.ops.replay.selection import ReplaySelection
from unenroll.ops.replay.slices import ReplayMarking, ReplayTopics
from unenroll.wire.dead_letters import dead_letter
from unenroll.wire.encode import encode
from unenroll.wire.reasons import DETAIL_CHARACTERS
from unenroll.wire.topics import CARRIES, TOPIC_OF, Headers, Topic, full_type
from wire.samples import SAMPLES, headers
from wire.test_dead_letters import RECORD, REFUSAL
from wire.test_encode import CHANGES, CONTEXT

DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))
CHANNELS = {channel["address"].removeprefix("unenroll."): channel for channel in DOCUMENT["channels"].values()}
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]
OUTPUTS = {Topic.UNENROLLMENTS, Topic.REJECTIONS, Topic.REWARDS, Topic.DEAD_LETTERS}


def references(node: object) -> Iterator[str]:
    """Every `$ref` in the document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def at(reference: str) -> object:
    """What a reference into the document refers to."""
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            assert at(reference)
        else:
            assert (SCHEMAS / reference).is_file()


def test_every_topic_has_a_channel() -> None:
    assert list(CHANNELS) == [topic.value for topic in Topic]
    assert all(channel["address"].startswith("unenroll.") for channel in DOCUMENT["channels"].values())


@pytest.mark.parametrize("topic", Topic)
def test_a_channel_carries_what_its_topic_carries(topic: Topic) -> None:
    expected = CARRIES[topic] if topic is not Topic.DEAD_LETTERS else {"DeadLetter"}
    assert CHANNELS[topic]["messages"].keys() == expected
    for name, message in CHANNELS[topic]["messages"].items():
        assert message == {"$ref": f"#/components/messages/{name}"}


def test_inputs_are_received_and_outputs_are_sent() -> None:
    actions = {
        operation["channel"]["$ref"].removeprefix("#/channels/"): operation["action"]
        for operation in DOCUMENT["operations"].values()
    }
    assert actions == {
        name: "send" if channel["address"].removeprefix("unenroll.") in OUTPUTS else "receive"
        for name, channel in DOCUMENT["channels"].items()
    }
    assert len(DOCUMENT["operations"]) == len(DOCUMENT["channels"])


def test_every_event_has_a_message_with_its_schema() -> None:
    assert MESSAGES.keys() == TOPIC_OF.keys() | {"DeadLetter"} == BY_NAME.keys() | {"DeadLetter"}
    for name in TOPIC_OF:
        assert MESSAGES[name]["name"] == full_type(name)
        assert MESSAGES[name]["headers"]["properties"]["ce_type"]["const"] == full_type(name)
        assert MESSAGES[name]["payload"]["schema"] == {"$ref": f"./{name}.v1.json"}


def as_told(name: str, head: Headers) -> None:
    """Hold headers against what the document says of the message's."""
    schema = MESSAGES[name]["headers"] | {"components": DOCUMENT["components"], "additionalProperties": False}
    checker = Draft202012Validator.FORMAT_CHECKER
    headers_found = {header: (value or b"").decode() for header, value in head}
    Draft202012Validator(schema, format_checker=checker).validate(headers_found)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_headers_that_are_read_are_told(name: str) -> None:
    if name != "SettlementDue":
        as_told(name, headers(name))


@pytest.mark.parametrize("name", CHANGES)
def test_the_headers_that_are_published_are_told(name: str) -> None:
    as_told(name, encode(CHANGES[name], CONTEXT).headers)


@pytest.mark.parametrize("name", CHANGES)
def test_the_headers_of_what_is_published_again_are_told(name: str) -> None:
    marking = ReplayMarking(replay_id="june-2026", selection=ReplaySelection(), topics=frozenset(ReplayTopics))
    (again,) = marking.marked([encode(CHANGES[name], CONTEXT)], CONTEXT.decided_at)
    assert again.headers[-1] == ("ce_replayid", b"june-2026")
    as_told(name, again.headers)


def test_the_headers_of_dead_letters_are_told() -> None:
    bare = replace(RECORD, headers=())
    as_told("DeadLetter", dead_letter(bare, REFUSAL, max_bytes=2**20).headers)
    whole = dead_letter(replace(bare, value=b"x" * 2000), REFUSAL, max_bytes=1200).headers
    as_told("DeadLetter", whole)
    headers_found = MESSAGES["DeadLetter"]["headers"]["properties"]
    assert list(headers_found) == [name for name, _ in whole]
    assert headers_found["dlq_reason"]["enum"] == [reason.value for reason in Reason]
    assert headers_found["dlq_detail"]["maxLength"] == DETAIL_CHARACTERS
