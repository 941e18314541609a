"""How results are printed: for a person, or as JSON for a program."""

import asyncio
import signal
import sys
from collections.abc import Awaitable
from typing import Annotated, Protocol, TypeVar

import typer
from pydantic import TypeAdapter

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


def show(result: object, text: str, *, as_json: bool) -> None:
    """Print the result on standard output, as JSON or as this text."""
    typer.echo(TypeAdapter(type(result)).dump_json(result).decode() if as_json else text)


T_co = TypeVar("T_co", covariant=True)

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = "stopping behind what is under way; once more ends at once\n"


class Work(Protocol[T_co]):
    """Something that takes long, and is told when it is to stop."""

    def __call__(self, *, stopping: asyncio.Event) -> Awaitable[T_co]:
        """What it comes to, also if it is stopped."""


def stop_on_signal() -> asyncio.Event:
    """An event that is set by either signal, however often: for what runs until it is stopped."""
    stop = asyncio.Event()
    for number in _NUMBERS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def until_interrupted(work: Work[T_co], *, waits_for_input: bool = False) -> T_co:
    """What the work comes to. Interrupted once, it finishes what is under way; twice, it ends at once.

    Work that waits for somebody to write to standard input cannot be told: it is ended.
    """
    return asyncio.run(_run(work, waits_for_input=waits_for_input))


async def _run(work: Work[T_co], *, waits_for_input: bool) -> T_co:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        sys.stderr.write(_STOPPING)
        for number in _NUMBERS:
            loop.remove_signal_handler(number)

    if waits_for_input:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        for number in _NUMBERS:
            loop.add_signal_handler(number, stop)
    return await work(stopping=stopping)
