"""A history without the customers who were erased: what is left of it must be as if they had never been."""

from collections.abc import Collection
from dataclasses import replace

from checker.history import History
from support.topics import ConsumedRecord, NewRecord


def without(history: History, customers: Collection[int]) -> History:
    """Nothing that names the customers in any topic or file: the tables must have nothing of them by themselves."""
    keys = {b"%d" % customer for customer in customers}

    def of_others(record: NewRecord | ConsumedRecord) -> bool:
        named = any(b'"customerId":' + gap + key in (record.value or b"") for key in keys for gap in (b"", b" "))
        return record.key not in keys and not named

    return replace(
        history,
        inputs=tuple(filter(of_others, history.inputs)),
        sent=tuple(sent for sent in history.sent if of_others(sent.record)),
        visible=tuple(filter(of_others, history.visible)),
        present=tuple(filter(of_others, history.present)),
        loaded=tuple(fact for fact in history.loaded if fact.event.customer_id not in customers),
    )
