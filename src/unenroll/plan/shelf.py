"""Bytes by key, on disk once they are many: what is remembered of a file's lines does not grow in memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

_MADE = "create table shelf (name blob primary key, content blob not null) without rowid"
_PUT = "insert or replace into shelf values (?, ?)"
_TAKE = "select content from shelf where name = ?"


class Shelf:
    """Gives back what was last put under a name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(_MADE)

    def put(self, name: bytes, content: bytes) -> None:
        """Keep the content under this name, in place of what was there."""
        self._connection.execute(_PUT, (name, content))

    def take(self, name: bytes) -> bytes | None:
        """What is kept under this name, or None."""
        found = self._connection.execute(_TAKE, (name,)).fetchone()
        return None if found is None else found[0]


@contextmanager
def shelf() -> Iterator[Shelf]:
    """An empty one, gone when the block ends, or the process."""
    with closing(sqlite3.connect("")) as connection:  # a file that has no name
        yield Shelf(connection)
