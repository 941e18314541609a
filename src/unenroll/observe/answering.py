"""Whether the servers answer: each asked now and then, in bounded time, and only where nothing else has shown it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from unenroll.errors import OutageError, UnenrollError
from unenroll.observe.board import Board, Waited

_SECONDS_BETWEEN = 5.0
_ANSWER_SECONDS = 5.0

Question = Callable[[], Awaitable[None]]
"""Raises UnenrollError if the server does not answer as it should."""


async def keep_asking(board: Board, questions: Mapping[str, Question]) -> None:
    """Ask each server for ever, and note on the board what is known of it."""
    while True:
        for server, question in questions.items():
            board.servers[server] = await _asked(question, board.servers.get(server))
        await asyncio.sleep(_SECONDS_BETWEEN)


async def _asked(question: Question, before: Waited | None) -> Waited | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await question()
    except (UnenrollError, TimeoutError) as error:
        since = datetime.now(UTC) if before is None else before.since
        return Waited(_why(error), since)
    return None


def _why(error: UnenrollError | TimeoutError) -> str:
    if isinstance(error, OutageError):
        return str(error)
    return f"no answer within {_ANSWER_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)
