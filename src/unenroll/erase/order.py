"""Who is to be erased, and what was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureOptions:
    """Who is to be erased. `patience`: for how many seconds lanes and batches in hand are waited for."""

    customer_id: int
    dry_run: bool = False
    patience: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """What went, or of a dry run would: rows by table, and `messages` out of the bytes of batches.

    `unpublished` batches hold messages of the customer that are not visible yet: they go once they are. What happened
    up to `until` is not taken from any topic or file any more; of a dry run that is when the customer was erased
    before, if ever.
    """

    customer_id: int
    dry_run: bool
    until: datetime | None
    rows: Mapping[str, int]
    messages: int
    unpublished: int
