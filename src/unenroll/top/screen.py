"""The view on a terminal: fitted into its size whenever it is drawn, and left when somebody says so."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.text import Text

from unenroll.top.told import parts
from unenroll.top.view import View

_LEAVE = frozenset(b"qQ\x03")
_LEAST_LANES = 3
_WAYS_OUT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A view that takes the room that there is: lanes are left out before anything else."""

    view: View
    every: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """All of it, and how to leave."""
        width, height = options.max_width, options.height or console.height
        most = len(self.view.lanes)
        while True:
            whole = Group(*parts(self.view, width=width, lanes=most))
            excess = len(console.render_lines(whole, options.update(height=None), pad=False)) + 1 - height
            if excess <= 0 or most <= _LEAST_LANES:
                break
            most = max(_LEAST_LANES, most - excess - (most == len(self.view.lanes)))
        yield whole
        yield Text(f"every {self.every:g} s; q leaves", "dim")


async def on_screen(views: AsyncIterator[View], *, every: float, stop: asyncio.Event) -> None:
    """Draw each view as it comes, and anew when the terminal gets another size, until `stop`, which `q` sets."""
    console = Console()
    with (
        _keys(_LEAVE, stop.set),
        Live(Text("looking …", "dim"), console=console, screen=True, auto_refresh=False, transient=True) as live,
        _resized(live.refresh),
    ):
        async for view in views:
            live.update(Fitted(view=view, every=every), refresh=True)


@contextmanager
def told_to_leave(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C, the end of the session and SIGTERM set `stop`."""
    loop = asyncio.get_running_loop()
    for number in _WAYS_OUT:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in _WAYS_OUT:
            loop.remove_signal_handler(number)


@contextmanager
def _keys(keys: frozenset[int], pressed: Callable[[], None]) -> Iterator[None]:
    """Says when one of the keys is pressed; none is shown. The terminal is afterwards as it was before."""
    if not sys.stdin.isatty():
        yield
        return
    fd, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)

    def read() -> None:
        if keys.intersection(os.read(fd, 64)):
            pressed()

    loop.add_reader(fd, read)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)


@contextmanager
def _resized(draw: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, draw)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
