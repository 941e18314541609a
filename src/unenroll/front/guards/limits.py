"""How much, how many and how long, in one place."""

from dataclasses import dataclass

LARGEST_HEAD = 16 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `head_seconds`: from a connection, or the last answer on it, until the head of a call is whole. `body_seconds`: for
    a body from then on. `unread_seconds`: how long a caller may leave an answer unread.
    """

    connections: int = 1000
    in_flight: int = 500
    body_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0
    unread_seconds: float = 20.0
