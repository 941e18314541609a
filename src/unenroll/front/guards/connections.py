"""Connections, before there is a call: as many as there is room for, and none that dawdles.

Who has said nothing whole yet, or was answered and is quiet, waits. When all places are taken, the one who has waited
longest makes room: so whoever connects and calls at once is heard, however many only hold the line.
"""

import asyncio
from collections import OrderedDict
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from unenroll.front.guards.limits import Limits
from unenroll.front.guards.refusals import envelope

_MAY_BE_ANSWERED = {h11.IDLE, h11.SEND_RESPONSE}


class Room:
    """The places for connections. Those in `waiting` may be asked to leave, the first one first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting: OrderedDict[Connection, None] = OrderedDict()


class Connection(H11Protocol):
    """A connection that has to make sense in time. `room` is set by `connections`."""

    room: Room

    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a place, somebody else's if need be."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.room.limits.connections:
            longest, _ = self.room.waiting.popitem(last=False)
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self._work()
        self._read_again()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts as waiting until the head of a call is whole."""
        super().data_received(data)
        if self._is_called():
            self._work()

    def on_response_complete(self) -> None:
        """Counts as waiting again, unless the next call is there already."""
        self._wait()
        super().on_response_complete()
        if self._is_called():
            self._work()

    def pause_writing(self) -> None:
        """Gives a caller who does not read a while, then no more."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self.room.limits.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """All is well again."""
        super().resume_writing()
        self._read_again()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn gives its own words
        """Says in our envelope that this is no HTTP."""
        if self.conn.our_state not in _MAY_BE_ANSWERED:
            self.transport.abort()
            return
        body = envelope(HTTPStatus.BAD_REQUEST, "this is no HTTP that could be read")
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        events = (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=body))
        for event in (*events, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_called(self) -> bool:
        # Before the first call there is no cycle, whatever its annotation says.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait(self) -> None:
        self._work()
        self.room.waiting[self] = None
        # An answer that is written may not be read yet: who is slow to read it is not late with the next call.
        limits = self.room.limits
        seconds = limits.unread_seconds if self.transport.get_write_buffer_size() else limits.head_seconds
        self._head_timer = self.loop.call_later(seconds, self.transport.abort)

    def _work(self) -> None:
        self.room.waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _read_again(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def connections(limits: Limits) -> type[Connection]:
    """The protocol of one server."""
    members: dict[str, Any] = {"room": Room(limits)}
    return type("Connection", (Connection,), members)
