"""What may befall a worker in the middle of a batch, done by itself to itself: it knows best when."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
from aiokafka.errors import KafkaConnectionError

from support.batch_phases import Strike, apply_at, replace
from unenroll.cli import main
from unenroll.kafka import transactional_producer as producer
from unenroll.worker import lanes as group

_SOON_SECONDS = 0.3
_SLOW_SECONDS = 2.0
_LONG_SECONDS = 90.0
_TIMED_OUT_MS = 500


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`strike` is what happens, `prepare` what has to be so from the start for it to happen."""

    strike: Strike
    prepare: Callable[[], None] = lambda: None


async def _kill() -> None:
    """Like a machine that loses power."""
    os.kill(os.getpid(), signal.SIGKILL)


async def _stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def _stop_and_hang() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


async def _hang() -> None:
    await asyncio.Event().wait()


async def _freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def _block() -> None:
    """Hold up the event loop until told to go on, by SIGCONT."""
    signals: list[int] = []
    signal.signal(signal.SIGCONT, lambda number, _: signals.append(number))
    while not signals:
        time.sleep(0.02)  # noqa: ASYNC251 - nothing else may run: that is the fault


async def _wait() -> None:
    """Do nothing until told to go on, by SIGCONT."""
    signals = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, signals.set)
    await signals.wait()


_taken_back = asyncio.Event()


async def _wait_for_a_rebalance() -> None:
    """Be in the middle of a batch when the group takes the lanes back."""
    await _taken_back.wait()


async def _note_that_lanes_are_taken_back() -> None:
    _taken_back.set()


async def _break_the_socket() -> None:
    raise OSError("the socket broke")


async def _lose_the_answer() -> None:
    raise KafkaConnectionError("the answer was lost")


async def _terminate_backends() -> None:
    connection = await asyncpg.connect(os.environ["UNENROLL_DATABASE_URL"])
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    await connection.close()


def _drain_quickly() -> None:
    group.DRAIN_SECONDS = _SOON_SECONDS


def _notice_rebalances() -> None:
    replace(group.Lanes, "close", first=_note_that_lanes_are_taken_back, last=None, when=_has_lanes)


def _has_lanes(lanes: group.Lanes) -> bool:
    return bool(lanes._events)  # noqa: SLF001 - before it ever joins, it is told to give back nothing


def _give_up_soon() -> None:
    producer._TRANSACTION_SECONDS = _SLOW_SECONDS  # noqa: SLF001 - so long nobody wants to wait


def _let_the_coordinator_give_up_first() -> None:
    producer._TRANSACTION_SECONDS = _LONG_SECONDS  # noqa: SLF001 - the same
    producer._TRANSACTION_TIMEOUT_MS = _TIMED_OUT_MS  # noqa: SLF001 - the same


FAULTS: dict[str, Fault] = {
    "killed": Fault(strike=_kill),
    "asked to stop": Fault(strike=_stop),
    "cut off": Fault(strike=_stop_and_hang, prepare=_drain_quickly),
    "frozen": Fault(strike=_freeze),
    "blocked": Fault(strike=_block),
    "held up": Fault(strike=_wait),
    "joined by another": Fault(strike=_wait_for_a_rebalance, prepare=_notice_rebalances),
    "socket broken": Fault(strike=_break_the_socket),
    "answer lost": Fault(strike=_lose_the_answer),
    "backends terminated": Fault(strike=_terminate_backends),
    "too slow": Fault(strike=_hang, prepare=_give_up_soon),
    "transaction timed out": Fault(strike=_wait, prepare=_let_the_coordinator_give_up_first),
}


def live_until(fault: str, phase: str) -> None:
    """Be the command until the fault befalls it at the phase. To be called in a process of its own."""
    chosen = FAULTS[fault]
    chosen.prepare()
    apply_at(phase, chosen.strike)
    main()
