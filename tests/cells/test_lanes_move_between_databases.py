"""Lanes move from one Postgres to another while they are decided: nothing is lost, doubled or contradicted."""

import signal
from pathlib import Path

import pytest

from cells.judged import judged
from stage.cells import STEPS, move, move_under_load, moved_until, other
from stage.place import Place
from unenroll.sandbox.servers import Servers


@pytest.fixture
def empty_place(servers: Servers, database_url: str, prefix: str, tmp_path: Path) -> Place:
    """Nothing is defined yet, and no topic made."""
    return Place(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=tmp_path)


@pytest.mark.thorough
async def test_lanes_move_to_another_database_under_load(empty_place: Place, second_database: str) -> None:
    there = other(empty_place, second_database)
    assert await judged(empty_place, there, lambda: move_under_load(empty_place, there), accounts=40, seed=3) == []
    assert [row["home"] for row in await empty_place.rows("select home from lanes order by partition")] == [
        *("here", "gone", "here", "gone")
    ]


@pytest.mark.thorough
async def test_lanes_move_to_another_server_and_back_under_load(empty_place: Place, second_server: str) -> None:
    there = other(empty_place, second_server)

    def there_and_back() -> None:
        move_under_load(empty_place, there)
        move(there, empty_place)
        move(empty_place, there, "0-1,3")

    assert await judged(empty_place, there, there_and_back, accounts=120, seed=4) == []


@pytest.mark.thorough
@pytest.mark.parametrize("step", STEPS)
async def test_a_mover_that_is_killed_goes_on_when_it_is_done_again(
    empty_place: Place, second_server: str, step: str
) -> None:
    there = other(empty_place, second_server)

    def killed_and_done_again() -> None:
        assert moved_until(step, empty_place, there) == -signal.SIGKILL
        move(empty_place, there)

    assert await judged(empty_place, there, killed_and_done_again, accounts=60, seed=5) == []
