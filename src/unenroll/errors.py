"""The errors of the program, and whether a retry can help.

UnenrollError
├── UsageError          a setting or an argument is wrong: exit code 2
├── SetupError          a server lacks something or has what it must not have: a person must act, exit code 1
│   └── DataLossError   Kafka and Postgres contradict each other: the worker stops
├── OutageError         a server does not answer or asks for a retry: wait, then retry
│   └── OvertakenError  another transaction wrote the same rows first: retry at once
├── LaneLostError       another worker owns the lane, or the outcome of a commit is unknown: reopen the lane
├── RefusedError        Postgres rejects the records of a batch: retry with fewer, to find the one that causes it
└── BatchTooLargeError  a batch takes too long or its accounts are too large: retry with fewer records
"""

from enum import StrEnum


class Server(StrEnum):
    """The servers that the program depends on."""

    KAFKA = "kafka"
    POSTGRES = "postgres"


class UnenrollError(Exception):
    """The base of all errors of the program. The text is one line: what happened and what to do."""


class UsageError(UnenrollError):
    """A setting or an argument is wrong. A retry cannot help."""


class SetupError(UnenrollError):
    """A table, topic or right is missing, or a server has what it must not have. A retry cannot help."""


class DataLossError(SetupError):
    """Kafka or Postgres has lost data that the other one refers to. A retry cannot help."""


class OutageError(UnenrollError):
    """A server is unavailable, overloaded or asks for a retry. A retry helps. `server` is the one that failed."""

    def __init__(self, text: str, *, server: Server) -> None:
        super().__init__(text)
        self.server = server


class OvertakenError(OutageError):
    """Another transaction wrote the same rows first. A retry reads them, so it needs no delay."""


class LaneLostError(UnenrollError):
    """Another worker owns the lane, or the outcome of a commit is unknown. Reopening the lane helps."""


class RefusedError(UnenrollError):
    """Postgres rejects the records of a batch. Retries with fewer records find the one that causes it."""


class BatchTooLargeError(UnenrollError):
    """A batch takes too long, or its accounts are too large to be read at once. Retries with fewer records help."""
