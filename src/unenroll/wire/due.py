"""Our own word to an account that appended cycles concern."""

from dataclasses import dataclass

from unenroll.core.events import EventId


@dataclass(frozen=True, kw_only=True, slots=True)
class SettlementDue:
    """The account is to be settled again, with at least this version of its group's definition (rules.md section 4)."""

    key: EventId
    customer_id: int
    group_id: int
    target_id: int
    version: int
