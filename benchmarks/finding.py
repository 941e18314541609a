"""What one run of a variant found."""

from dataclasses import dataclass

from benchmarks.processor_time import Used

_MICRO = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """So many requests were done within so many seconds, with so much of the processor.

    `megabytes` is the most that any of the processes had in memory, `ready_seconds` what starting them took.
    """

    variant: str
    requests: int
    seconds: float
    used: Used
    megabytes: float
    ready_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def python_us(self) -> float:
        """Microseconds of a processor for each request, in the variant's own processes."""
        return self.used.python / self.requests * _MICRO

    @property
    def postgres_us(self) -> float:
        """The same in Postgres: its backends and everything beside them."""
        return self.used.postgres / self.requests * _MICRO

    @property
    def broker_us(self) -> float:
        """The same in Kafka."""
        return self.used.broker / self.requests * _MICRO
