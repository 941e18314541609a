"""What can go wrong, and whether trying again can help.

UnenrollError
├── UsageError        wrong settings or arguments: exit 2
├── SetupError        something is missing on a server, or must not be touched: a person has to act, exit 1
│   └── DataLossError what was promised to be there is gone: the worker stops rather than guess
├── OutageError       a server does not answer, or asks to try again: wait, then try again
│   └── OvertakenError another transaction was faster with the same rows: try again at once
├── LaneLostError     another worker owns the lane, or it is unknown whether a commit happened: open the lane again
├── RefusedError      the database refuses these records: one of them is to blame
└── TooMuchError      the database gave these records too little time: fewer at a time may do
"""

from enum import StrEnum


class Server(StrEnum):
    """The servers that this program depends on."""

    KAFKA = "kafka"
    POSTGRES = "postgres"


class UnenrollError(Exception):
    """Anything this program says of itself. Its text is one line for a person: what happened and what to do."""


class UsageError(UnenrollError):
    """Wrong settings or arguments. A retry cannot help."""


class SetupError(UnenrollError):
    """A table, topic or right is missing, or a server holds what it should not. A retry cannot help."""


class DataLossError(SetupError):
    """Kafka or Postgres no longer holds what the other one says was there. A retry cannot help."""


class OutageError(UnenrollError):
    """A server is away, overloaded or asks to try again. A retry helps. `server` is the one that failed."""

    def __init__(self, text: str, *, server: Server) -> None:
        super().__init__(text)
        self.server = server


class OvertakenError(OutageError):
    """Another transaction made the same rows first. A retry at once finds them."""


class LaneLostError(UnenrollError):
    """The lane moved on without us, or nobody knows whether our commit happened. Opening the lane again helps."""


class RefusedError(UnenrollError):
    """The database refuses the records of a batch. Trying fewer at a time finds the one to blame."""


class TooMuchError(UnenrollError):
    """The database cut the transaction of a batch for the time that it took. Fewer records at a time may do."""
