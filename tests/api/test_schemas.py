"""What a call carries, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.api.errors import HttpRefusal
from unenroll.api.schemas import EnrollRecord, UnenrollRecord, fingerprint, idempotency_key, read_body

JSON = "application/json"


@pytest.mark.parametrize(
    "media", [None, JSON, "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_json_is_read_however_it_is_called(media: str | None) -> None:
    record, document = read_body(UnenrollRecord, b'[{"customerId": 7}]', content_type=media)
    assert (record.customer_id, document) == (7, [{"customerId": 7}])


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"])
def test_what_a_page_of_another_site_could_send_is_not_read(media: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        read_body(UnenrollRecord, b'[{"customerId": 7}]', content_type=media)
    assert refused.value.status == 415


@given(st.binary(max_size=200))
def test_no_body_is_anything_but_read_or_refused(body: bytes) -> None:
    for model in (UnenrollRecord, EnrollRecord):
        assert status(model, body) in {200, 400}


def status(model: type[UnenrollRecord] | type[EnrollRecord], body: bytes) -> int:
    """With what a body is refused, or 200."""
    try:
        read_body(model, body, content_type=JSON)
    except HttpRefusal as refused:
        return refused.status
    return 200


def test_a_balance_keeps_every_digit() -> None:
    body = b'[{"customerId": 7, "initialBalance": 0.12345678901234567890123456789}]'
    record, _ = read_body(EnrollRecord, body, content_type=JSON)
    assert str(record.initial_balance) == "0.12345678901234567890123456789"


def test_a_call_is_the_same_however_it_is_spaced_and_ordered_and_no_other() -> None:
    def mark(body: bytes) -> bytes:
        return fingerprint("UnenrollRequested", 11, 21, read_body(UnenrollRecord, body, content_type=JSON)[1])

    first = mark(b'[{"customerId": 7, "reason": "moved"}]')
    assert first == mark(b'[ { "reason" : "moved", "customerId" : 7.0 } ]')
    others = [
        b'[{"customerId": 7}]',
        b'[{"customerId": 8, "reason": "moved"}]',
        b'[{"customerId":7,"reason":"moved","x":1}]',
    ]
    assert len({first, *map(mark, others)}) == 4


@pytest.mark.parametrize(
    ("values", "key"),
    [([], None), (["k"], "k"), (['"k"'], "k"), ([' "a\\"b" '], 'a"b'), (["x" * 255], "x" * 255), (['""'], '""')],
)
def test_a_key_is_read_with_or_without_quotes(values: list[str], key: str | None) -> None:
    assert idempotency_key(values) == key


@pytest.mark.parametrize("values", [[""], ["a b"], ['"a b"'], ["x" * 256], ["\xe9"], ["k", "k"], ["a\tb"]])
def test_a_key_that_is_none_is_refused(values: list[str]) -> None:
    with pytest.raises(HttpRefusal) as refused:
        idempotency_key(values)
    assert refused.value.status == 400
