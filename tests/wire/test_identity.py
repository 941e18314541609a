"""Published ids follow from the decision."""

import json
import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from unenroll.core.events import EventId
from unenroll.wire.encode import NAMESPACE, DecisionContext, encode, event_uuid, named_uuid
from wire.test_encode import CALENDAR, CANCELLED, CONTEXT, LEAVE, REINSTATED, UNENROLLED, header


def test_ids_are_named_as_the_contract_says() -> None:
    def name(*parts: object) -> str:
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        return str(uuid.uuid5(uuid.UUID("7b82f18b-e029-51f1-8bd8-f4abf01d14b6"), text))

    whole = (9223372036854775807, 21, "/engine", "f-1")
    assert str(NAMESPACE) == "7b82f18b-e029-51f1-8bd8-f4abf01d14b6"
    assert header(encode(CANCELLED, CONTEXT), "ce_id") == name(*whole, "unenroll.RewardCancelled.v1", "R3")
    assert header(encode(UNENROLLED, CONTEXT), "ce_id") == name(
        *whole, "unenroll.UserUnenrolled.v1", "/crm/app", "7f1c"
    )
    assert event_uuid(LEAVE.key) == name("/crm/app", "7f1c")


@given(st.lists(st.text() | st.integers(-(2**63), 2**63 - 1), max_size=7))
def test_an_id_is_the_uuid5_of_the_compact_json_array(parts: list[str | int]) -> None:
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    assert named_uuid(*parts) == str(uuid.uuid5(NAMESPACE, text))


def test_every_part_of_a_decision_is_in_its_ids() -> None:
    def of(**changed: object) -> str:
        usual = {
            "customer_id": 1,
            "group_id": 11,
            "target_id": 21,
            "cause": EventId("a", "b"),
            "decided_at": CONTEXT.decided_at,
            "calendar": CALENDAR,
        }
        return header(encode(CANCELLED, DecisionContext(**(usual | changed))), "ce_id")  # type: ignore[arg-type]

    ids = {of(), of(customer_id=2), of(target_id=22), of(cause=EventId("b", "a")), of(cause=EventId("a", "c"))}
    assert len(ids) == 5
    assert of(decided_at=datetime(2027, 1, 1, tzinfo=UTC)) == of()
    assert header(encode(CANCELLED, CONTEXT), "ce_id") != header(encode(REINSTATED, CONTEXT), "ce_id")
