"""`unenroll top`: looks on an interval, and tells of each as it is asked to."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from unenroll.settings import WorkerSettings
from unenroll.top.looking import Looks
from unenroll.top.screen import on_screen, told_to_leave
from unenroll.top.view import Seen, View, view


@dataclass(frozen=True, kw_only=True, slots=True)
class Watching:
    """How to watch: every so many seconds. `tell` takes each view; None: it is drawn on the terminal."""

    settings: WorkerSettings
    every: float
    tell: Callable[[View], None] | None


async def look_once(settings: WorkerSettings) -> View:
    """One look, whole. Raises OutageError and SetupError."""
    return view(await Looks.at(settings).first())


async def watch(watching: Watching) -> None:
    """Look until somebody ends it. What a server does not answer is told, and asked again. Raises UsageError."""
    stop = asyncio.Event()
    with told_to_leave(stop):
        async with aclosing(_views(watching, stop)) as views:
            if watching.tell is None:
                await on_screen(views, every=watching.every, stop=stop)
            else:
                async for one in views:
                    watching.tell(one)


async def _views(watching: Watching, stop: asyncio.Event) -> AsyncGenerator[View, None]:
    loop, looks = asyncio.get_running_loop(), Looks.at(watching.settings)
    stopped = asyncio.ensure_future(stop.wait())
    look: asyncio.Task[Seen] | None = None
    try:
        while not stop.is_set():
            due = loop.time() + watching.every
            look = look or asyncio.ensure_future(looks.again())
            await asyncio.wait([look, stopped], timeout=watching.every, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                yield view(look.result() if look.done() else looks.meanwhile())
                look = None if look.done() else look
            await asyncio.wait([stopped], timeout=max(0.0, due - loop.time()))
    finally:
        stopped.cancel()
        await looks.end(look)
