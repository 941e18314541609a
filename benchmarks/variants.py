"""The variants: what each is called, which programs it consists of, and what it needs around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.arguments import workload_text
from benchmarks.processes import python
from benchmarks.workload import Workload

Commands = Callable[[Workload], Sequence[Sequence[str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """`commands` are those of its processes. `members`: of the consumer group; 0: there is no Kafka.

    `ours` and `peer` say whose tables it works on; neither: it makes its own.
    """

    name: str
    title: str
    commands: Commands
    members: int = 0
    ours: bool = False
    peer: bool = False


def workers(count: int) -> Variant:
    """So many processes of this worker."""
    title = "this worker, 1 process" if count == 1 else f"this worker, {count} processes"
    commands = [python("unenroll", "run")] * count
    return Variant(name=f"worker_{count}", title=title, commands=lambda _: commands, members=count, ours=True)


def _peer(module: str, *, count: int = 1) -> Commands:
    return lambda workload: [python(f"benchmarks.{module}", workload_text(workload))] * count


def _steps(*shares: str) -> Commands:
    return lambda workload: [
        python("benchmarks.step_alone", workload_text(workload), "--lanes", *share.split()) for share in shares
    ]


VARIANTS = (
    workers(2),
    workers(1),
    Variant(name="step_2", title="its Postgres step alone, 2 processes", commands=_steps("0 2", "1 3"), ours=True),
    Variant(name="step_1", title="its Postgres step alone, 1 process", commands=_steps("0 1 2 3"), ours=True),
    Variant(name="floor", title="the least SQL, 2 connections", commands=_peer("floor")),
    Variant(
        name="aiokafka", title="aiokafka + asyncpg per message", commands=_peer("peer_aiokafka"), members=1, peer=True
    ),
    Variant(
        name="faststream",
        title="FastStream + asyncpg per message",
        commands=_peer("peer_faststream"),
        members=4,
        peer=True,
    ),
)
