"""The limits of the HTTP API, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `connections`: open connections, idle ones included; uvicorn answers calls beyond them with 503.
    `head_bytes`: what uvicorn buffers of a head that is not complete yet. `body_bytes`, `body_seconds`: size of a body
    and time until it is complete. `idle_seconds`: how long uvicorn keeps a connection open after an answer.
    """

    connections: int = 1000
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    body_seconds: float = 10.0
    idle_seconds: int = 5
