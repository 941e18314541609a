"""What a lane takes with it, what stays, and what cannot be moved."""

import json
import signal
from collections.abc import Iterable

import pytest

from checker.collect import collected, watched
from checker.sampling import told_at_last
from checker.verdict import violations
from stage.cells import move, moved_until, mover, other, working
from stage.events import leaves, three_rewards
from stage.place import Place, answers
from stage.producing import Stream
from stage.topics import Put
from stage.workers import doomed, run, wait_until
from unenroll.cells.places import lane_of
from unenroll.errors import LaneLostError
from unenroll.store.connect import connected
from unenroll.store.lanes import LaneKey, take_lane

CUSTOMERS = range(701, 741)
MOVING = [customer for customer in CUSTOMERS if lane_of(customer, 4) in {1, 3}]

ROWS = {
    "accounts": "select customer_id, target_id, decisions, waits, facts from accounts",
    "ledger": "select customer_id, event_key, partition, sequence, outcome::text, decided_at from ledger",
    "publications": "select partition, last_sequence, outputs from publications join lanes using (lane_id)",
    "dead_letters": "select topic, digest, partition, detail, decided_at from dead_letters",
    "handled_letters": "select topic, digest, handled_by, why from handled_letters",
    "front_door_requests": "select request_id, customer_id, data from front_door_requests",
    "settlements_due": "select customer_id, target_id, group_id, version from settlements_due",
}
CALL = """
insert into front_door_requests
    (request_id, caller, event_type, fingerprint, customer_id, target_id, event_key, event_time, data, created_at)
select gen_random_uuid(), 'crm', 'x', '', number, 21, gen_random_uuid(), '2026-01-01', '{}', '2026-01-01'
from generate_series(701, 740) as number
"""


@pytest.fixture
def there(place: Place, second_database: str) -> Place:
    """Where lanes are to arrive."""
    return other(place, second_database)


async def everything(*places: Place) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, query in ROWS.items():
        rows = [row for place in places for row in await place.rows(query)]
        found[table] = sorted(str(list(row.values())) for row in rows)
    return found


def wrong_partition(records: Iterable[Put], number: int) -> list[Put]:
    return [Put(**{**vars(record), "partition": number}) for record in records]


def everybody_leaves(place: Place) -> None:
    place.load(line for customer in CUSTOMERS for line in three_rewards(customer))
    place.request(
        [*(leaves(customer) for customer in CUSTOMERS), *(Put(key=b"%d" % number, value=b"?") for number in range(9))]
    )
    place.catch_up()


async def homes(place: Place) -> list[str]:
    return [row["home"] for row in await place.rows("select home from lanes order by partition")]


@pytest.mark.thorough
async def test_a_lane_takes_with_it_all_that_is_known_of_its_customers(place: Place, there: Place) -> None:
    everybody_leaves(place)
    run("dlq", "park", "--topic", "requests", "--why", "no use", environment=place.environment)
    await place.execute(CALL)
    await place.execute("update accounts set waits = true where customer_id % 3 = 0")
    await place.execute("insert into settlements_due select customer_id, 21, 11, 1, now() from accounts where waits")
    before = await everything(place)
    assert all(len(rows) > 3 for rows in before.values()), {table: len(rows) for table, rows in before.items()}
    move(place, there)
    assert await everything(place, there) == before
    assert [row["customer_id"] for row in await there.rows("select customer_id from accounts order by 1")] == MOVING
    assert await homes(place) == ["here", "gone", "here", "gone"]
    assert await homes(there) == ["here", "here"]


@pytest.mark.thorough
async def test_a_lane_that_is_not_here_is_taken_by_nobody(place: Place, there: Place) -> None:
    everybody_leaves(place)
    assert moved_until("held", place, there) == -signal.SIGKILL
    key = LaneKey(topic_prefix=place.prefix, group_id=place.group_id, partition=1)
    for one in (place, there):
        async with connected(one.database_url) as pool:
            with pytest.raises(LaneLostError, match="not decided in this database"):
                await take_lane(pool, key)
            with pytest.raises(LaneLostError, match="not decided in this database"):
                await take_lane(pool, LaneKey(topic_prefix=place.prefix, group_id=place.group_id, partition=7))


async def test_what_was_decided_and_not_published_is_published_before_the_lane_is_gone(
    place: Place, there: Place
) -> None:
    stream = Stream(kafka=place.kafka, prefix=place.prefix)
    stream.put("requests", [leaves(customer) for customer in CUSTOMERS])
    with doomed("decided", "run", environment={**place.environment, "UNENROLL_LANES": "0-3"}) as first:
        assert first.wait() == -signal.SIGKILL
    move(place, there, "0-3")
    with working(there) as workers:
        wait_until(lambda: len(answers_of(place)) == len(CUSTOMERS), "all answers", show=workers[0].output)
        workers[0].tell(signal.SIGTERM)
        assert workers[0].wait() == 0
    history = await collected(place, sent=stream.sent, samples=[told_at_last(watched(place).sample)], cells=[there])
    assert violations(history) == {}


def answers_of(place: Place) -> list[str]:
    return list(answers(place.seen()))


@pytest.mark.thorough
async def test_a_move_that_was_broken_off_can_be_given_up(place: Place, there: Place) -> None:
    everybody_leaves(place)
    before = await everything(place)
    assert moved_until("written", place, there) == -signal.SIGKILL
    assert await homes(place) == ["here", "leaving", "here", "here"]
    run("cells", "stay", "--lanes", "1,3", environment=mover(place, there))
    assert await homes(place) == ["here"] * 4
    assert (await everything(place), sum(map(len, (await everything(there)).values()))) == (before, 0)
    assert moved_until("gone", place, there) == -signal.SIGKILL
    assert "can only be moved back" in run("cells", "stay", "--lanes", "1,3", environment=mover(place, there), code=1)
    move(place, there)
    assert await everything(place, there) == before


@pytest.mark.thorough
async def test_who_was_erased_stays_so_where_the_lane_arrives_and_nobody_is_erased_meanwhile(
    place: Place, there: Place
) -> None:
    everybody_leaves(place)
    erased, other_one = MOVING[:2]
    run("erase", "--customer", str(erased), environment=place.environment)
    assert moved_until("written", place, there) == -signal.SIGKILL
    for database in (place, there):
        said = run("erase", "--customer", str(other_one), environment=database.environment, code=1)
        assert "on their way to or from another database" in said
    move(place, there)
    assert [row["customer_id"] for row in await there.rows("select customer_id from erased_customers")] == [erased]
    run("erase", "--customer", str(other_one), environment=there.environment)
    known = {row["customer_id"] for row in await there.rows("select customer_id from ledger")}
    assert known.isdisjoint({erased, other_one})


@pytest.mark.thorough
async def test_a_move_that_was_given_up_holds_up_no_erasure(place: Place, there: Place) -> None:
    everybody_leaves(place)
    assert moved_until("written", place, there) == -signal.SIGKILL
    run("cells", "stay", "--lanes", "1,3", environment=mover(place, there))
    run("erase", "--customer", str(MOVING[0]), environment=place.environment)


@pytest.mark.thorough
async def test_a_worker_that_knows_of_no_cells_keeps_a_database_from_becoming_one(place: Place, there: Place) -> None:
    everybody_leaves(place)
    await place.execute("update lanes set owner_version = '0009', owner_epoch = epoch where partition = 2")
    said = run("cells", "move", "--lanes", "1", "--why", "x", environment=mover(place, there), code=1)
    assert "lane 2" in said
    assert "knows of no cells" in said


@pytest.mark.thorough
async def test_lanes_whose_customers_are_elsewhere_as_well_cannot_be_parted(place: Place, there: Place) -> None:
    place.request([leaves(customer) for customer in CUSTOMERS])
    place.request(wrong_partition([leaves(customer) for customer in (901, 902, 903, 904, 905)], 1))
    place.catch_up()
    said = run("cells", "move", "--lanes", "1,3", "--why", "test", environment=mover(place, there), code=1)
    assert "was not read in lane" in said
    assert await homes(place) == ["here"] * 4


@pytest.mark.thorough
async def test_cells_that_cannot_be_are_told_of(place: Place, there: Place) -> None:
    everybody_leaves(place)
    said = run("cells", "move", "--lanes", "1", "--why", "x", environment=mover(place, place), code=1)
    assert "is the database that the lanes are to leave" in said
    run("cells", "claim", "--lanes", "1", environment=there.environment)
    said = run("cells", "move", "--lanes", "1", "--why", "x", environment=mover(place, there), code=1)
    assert "has lane 1 already" in said
    found = json.loads(run("cells", "where", "--customer", str(MOVING[0]), "--json", environment=place.environment))
    assert found == {"customer": MOVING[0], "lane": lane_of(MOVING[0], 4), "home": "here"}
