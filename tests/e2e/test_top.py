"""`unenroll top` as it is used: on a terminal, in a pipe, beside workers, and while a server is away."""

import asyncio
import json
import os
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import asyncpg
import pexpect
import pytest
from pydantic import SecretStr

from stage.events import leaves, three_rewards
from stage.files import Said, command
from stage.place import Place
from stage.ports import nobody_listens
from stage.topics import Put
from stage.workers import running, wait_until
from unenroll.sandbox.embedded import Pair
from unenroll.sandbox.server import launched
from unenroll.settings import WorkerSettings
from unenroll.top.looking import Looks
from waiting import until

SECONDS = 60
NOTHING = "\N{EN DASH}"
NARROW = (24, 60)
WIDE = (40, 120)


def once(place: Place, *options: str) -> Said:
    return command("top", "--once", *options, environment=place.environment)


def found(place: Place) -> dict[str, Any]:
    said = once(place, "--json")
    assert (said.code, said.err) == (0, "")
    view: dict[str, Any] = json.loads(said.out)
    return view


@contextmanager
def terminal(place: Place, *, every: str = "0.3", **settings: str) -> Iterator[pexpect.spawn]:
    """The command on a terminal of this size, in which nothing is echoed but what it draws."""
    started = pexpect.spawn(
        sys.executable,
        ["-m", "unenroll", "top", "--interval", every],
        env={**os.environ, "TERM": "xterm", **place.environment, **settings},
        timeout=SECONDS,
        dimensions=WIDE,
        encoding="utf-8",
    )
    try:
        yield started
    finally:
        started.close(force=True)


def modes(screen: pexpect.spawn) -> list[Any]:
    return termios.tcgetattr(screen.child_fd)[:4]


def ended_well(screen: pexpect.spawn, before: list[Any]) -> None:
    """The command has left the terminal as it found it: the cursor is there, and what was shown before it."""
    screen.expect_exact(pexpect.EOF)
    assert modes(screen) == before
    screen.close()
    assert (screen.exitstatus, screen.signalstatus) == (0, None)
    assert str(screen.before).endswith("\x1b[?25h\x1b[?1049l")


def test_one_look_tells_lanes_lag_counts_and_dead_letters(place: Place) -> None:
    place.load(three_rewards(1))
    place.request([leaves(1), leaves(2), Put(key=b"1", value=b"{")])
    place.catch_up()
    place.request([Put(**{**vars(leaves(3)), "partition": 2})])
    view = found(place)
    assert (view["group_state"], view["members"], view["trouble"]) == ("Empty", 0, [])
    assert [(lane["lane"], lane["lag"]) for lane in view["lanes"]] == [(0, 0), (1, 0), (2, 1), (3, 0)]
    assert 0 <= view["lanes"][2]["age_seconds"] < SECONDS
    assert sum(lane["decided"] for lane in view["lanes"]) == sum(lane["published"] for lane in view["lanes"]) == 3
    assert [(one["what"], one["count"], one["per_second"]) for one in view["requests"]] == [
        ("NOT_ENROLLED", 1, None),
        ("UNENROLLED", 1, None),
    ]
    assert [(one["what"], one["count"]) for one in view["dead_letters"]] == [("not_json", 1)]
    assert [one["reason"] for one in view["latest_dead_letters"]] == ["not_json"]
    assert view["definitions"]["name"] == "Spring campaign"


@pytest.mark.thorough
def test_in_a_pipe_it_is_plain_text_as_wide_as_it_needs(place: Place) -> None:
    said = once(place)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    lines = said.out.splitlines()
    assert lines[0].startswith(f"Group {place.group_id} of {place.prefix}*  not there yet, 0 workers  ")
    assert lines[1] == f"4 lanes, 0 with a worker  lag 0  oldest {NOTHING}  {NOTHING} records/s  {NOTHING} decisions/s"
    assert lines[2].split() == [
        *("lane", "worker", "lag", "oldest", "records/s", "decisions/s", "decided", "published", "opened")
    ]
    assert lines[-2].startswith("definitions: 1 group; the last was 11 version 1, Spring campaign, ")


@pytest.mark.thorough
def test_two_looks_tell_how_fast_it_goes(place: Place) -> None:
    place.load(three_rewards(1))
    with (
        running("run", environment=place.environment) as worker,
        running("top", "--json", "--interval", "0.2", environment=place.environment) as top,
    ):

        def views() -> list[dict[str, Any]]:
            return [json.loads(line) for line in top.output().splitlines() if line.endswith("}")]

        wait_until(lambda: any(_owners(view) == 4 for view in views()), "the worker's lanes", show=worker.output)
        place.request([leaves(1), leaves(2)])
        wait_until(lambda: any(_rates(view, "requests") for view in views()), "a rate", show=top.output)
        fast = [view for view in views() if any(lane["decisions_per_second"] for lane in view["lanes"])]
        assert fast
        assert sum(lane["decided"] for lane in fast[-1]["lanes"]) == 2
        counted = next(view for view in views() if _rates(view, "requests"))
        assert {one["what"] for one in counted["requests"] if one["per_second"]} <= {"UNENROLLED", "NOT_ENROLLED"}
        top.tell(signal.SIGINT)
        assert top.wait() == 0
        worker.tell(signal.SIGTERM)
        worker.wait()


def _owners(view: dict[str, Any]) -> int:
    return sum(lane["owner"] is not None for lane in view["lanes"])


def _rates(view: dict[str, Any], what: str) -> bool:
    return any(one["per_second"] for one in view[what])


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["q", "\x03"])
def test_a_key_leaves_and_the_terminal_is_as_it_was(place: Place, way: str) -> None:
    with terminal(place) as screen:
        before = modes(screen)
        screen.expect_exact("4 lanes, 0 with a worker")
        screen.expect_exact("q leaves")
        assert modes(screen) != before
        screen.send(way)
        ended_well(screen, before)


@pytest.mark.thorough  # on a machine that is overloaded many times over the first look may take too long
def test_it_is_drawn_anew_for_another_size(place: Place) -> None:
    with terminal(place, every="50") as screen:
        before = modes(screen)
        screen.expect_exact("published")  # the first look may find a server slow: then it is the second one
        screen.expect_exact("q leaves")
        screen.setwinsize(*NARROW)
        screen.expect(r"\x1b\[H(?:(?!published).)*q leaves")
        screen.send("q")
        ended_well(screen, before)


@pytest.mark.thorough
def test_an_outage_is_shown_and_left_at_once(place: Place) -> None:
    with nobody_listens() as port, terminal(place, UNENROLL_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}") as screen:
        before = modes(screen)
        screen.expect("! (Kafka|no answer)")
        screen.send("q")
        ended_well(screen, before)


@pytest.mark.thorough
async def test_an_outage_is_survived(pair: Pair, own_place: Place) -> None:
    """What was seen before is shown meanwhile, with its age."""
    with running("top", "--json", "--interval", "0.2", environment=own_place.environment) as top:

        def last() -> dict[str, Any]:
            lines = [line for line in top.output().splitlines() if line.endswith("}")]
            return json.loads(lines[-1]) if lines else {"lanes": [], "trouble": []}

        wait_until(lambda: len(last()["lanes"]) == 4, "the lanes", show=top.output)
        await pair.postgres.end()
        wait_until(lambda: bool(last()["trouble"]), "the trouble", show=top.output)
        assert (len(last()["lanes"]), last()["found_at"] < last()["at"]) == (4, True)
        back = await launched(pair.postgres.program)
        wait_until(lambda: not last()["trouble"], "the trouble to end", show=top.output)
        await pair.kafka.end()
        wait_until(lambda: bool(last()["trouble"]), "the other trouble", show=top.output)
        other = await launched(pair.kafka.program)
        wait_until(lambda: not last()["trouble"], "the other trouble to end", show=top.output)
        top.tell(signal.SIGTERM)
        assert top.wait() == 0
    await back.end()
    await other.end()


async def _somebody_waits(place: Place) -> bool:
    waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(await place.rows(waiting))


@pytest.mark.thorough
async def test_counting_rests_for_longer_than_it_took(place: Place) -> None:
    looks = Looks.at(
        WorkerSettings(
            kafka_bootstrap_servers=place.kafka,
            database_url=SecretStr(place.database_url),
            topic_prefix=place.prefix,
            group_id=place.group_id,
        )
    )
    somebody = await asyncpg.connect(place.database_url)
    async with somebody.transaction():
        await somebody.execute("lock table ledger in access exclusive mode")
        first = asyncio.ensure_future(looks.first())
        await until(lambda: _somebody_waits(place))
        await somebody.execute("select pg_sleep(0.5)")  # so long does counting take, at least
    await somebody.close()
    counted = (await first).counted
    began, looked = monotonic(), 0
    while monotonic() - began < 1 or looked < 3:
        assert (await looks.again()).counted is counted
        looked += 1
    await looks.end(None)


@pytest.mark.thorough
async def test_counting_that_takes_long_holds_up_nothing_else(place: Place) -> None:
    with running("top", "--json", "--interval", "0.2", environment=place.environment) as top:

        def last() -> dict[str, Any]:
            lines = [line for line in top.output().splitlines() if line.endswith("}")]
            return json.loads(lines[-1]) if lines else {"found_at": None, "counted_at": None}

        wait_until(lambda: last()["counted_at"] is not None, "counts", show=top.output)
        somebody = await asyncpg.connect(place.database_url)
        async with somebody.transaction():
            await somebody.execute("lock table ledger in access exclusive mode")
            await until(lambda: _somebody_waits(place))
            counted, seen = last()["counted_at"], set[str]()

            def looked_often() -> bool:
                seen.add(last()["found_at"])
                return len(seen) > 5

            wait_until(looked_often, "looks at the lanes", show=top.output)
            assert (last()["counted_at"], last()["trouble"]) == (counted, [])
        await somebody.close()
        top.tell(signal.SIGINT)
        assert top.wait() == 0


@pytest.mark.thorough
def test_what_is_missing_is_said_once_and_ends_a_single_look(place: Place) -> None:
    said = command("top", "--once", environment={**place.environment, "UNENROLL_TOPIC_PREFIX": f"{place.prefix}no."})
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"unenroll: Kafka has no topic {place.prefix}no.facts")
