"""What all commands share: printing a result, and stopping on signals."""

import asyncio
import signal
import sys
from collections.abc import Awaitable
from typing import Annotated, Protocol, TypeVar

import typer
from pydantic import TypeAdapter

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]

T_co = TypeVar("T_co", covariant=True)

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = "finishing what is in progress; interrupt again to end at once\n"


class Work(Protocol[T_co]):
    """A long piece of work that can stop early."""

    def __call__(self, *, stopping: asyncio.Event) -> Awaitable[T_co]:
        """Work until done, or until the event is set. Returns the result so far."""


def show(result: object, text: str, *, as_json: bool) -> None:
    """Print the result on standard output, as JSON or as this text."""
    typer.echo(TypeAdapter(type(result)).dump_json(result).decode() if as_json else text)


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set. Further signals change nothing."""
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def until_interrupted(work: Work[T_co], *, waits_for_input: bool = False) -> T_co:
    """Run the work and return its result. The first signal lets it finish what is in progress, the second ends it.

    Work that waits for standard input cannot stop early: the first signal ends it.
    """
    return asyncio.run(_run(work, waits_for_input=waits_for_input))


async def _run(work: Work[T_co], *, waits_for_input: bool) -> T_co:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        sys.stderr.write(_STOPPING)
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    if waits_for_input:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stop)
    return await work(stopping=stopping)
