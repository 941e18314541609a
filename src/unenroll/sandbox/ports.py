"""Free ports on the loopback address."""

import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from unenroll.sandbox.errors import SandboxError, ServerEndedError
from unenroll.sandbox.server import Server

LOOPBACK = "127.0.0.1"
ATTEMPTS = 5


async def on_free_ports(count: int, start: Callable[[tuple[int, ...]], Awaitable[Server]]) -> Server:
    """What `start` starts on so many free ports; others are tried when somebody else took one in the meantime.

    Raises what `start` raises if its ports were not to blame, SandboxError if they were too often.
    """
    for _ in range(ATTEMPTS):
        ports = free_ports(count)
        try:
            return await start(ports)
        except ServerEndedError:
            if not any(_taken(port) for port in ports):
                raise
    raise SandboxError(f"no {count} free ports were to be had on {LOOPBACK} in {ATTEMPTS} attempts")


def free_ports(count: int) -> tuple[int, ...]:
    """So many ports that are free now, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return tuple(held_one.getsockname()[1] for held_one in sockets)


def _taken(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return True
    return False
