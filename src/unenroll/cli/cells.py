"""Commands for several databases that share the lanes: `unenroll cells …`."""

import asyncio
import sys
from typing import Annotated

import typer

from unenroll.cells.moving import LanesMoved, MoveOrder, move, stay
from unenroll.cells.showing import cell, cell_told, where
from unenroll.cli.answers import Json, show
from unenroll.cli.who import By, who
from unenroll.errors import UsageError
from unenroll.lane_numbers import numbers_text, read_numbers
from unenroll.settings import MoveSettings, WorkerSettings, read
from unenroll.store.cells import check_one_group, make_cell
from unenroll.store.connect import check_tables, connected

app = typer.Typer(help="Let several databases share the lanes of a group.", no_args_is_help=True)

Lanes = Annotated[str, typer.Option("--lanes", metavar="NUMBERS", help="as 0-7,12")]


@app.command("claim")
def claim(
    *, lanes: Annotated[str | None, typer.Option(metavar="NUMBERS", help="as 0-7,12; unset: none yet")] = None
) -> None:
    """Make this database a cell, which decides these lanes and no others. No other database may have them."""
    asyncio.run(_claim(read(WorkerSettings), () if lanes is None else _numbers(lanes)))


@app.command("move")
def move_(
    *,
    lanes: Lanes,
    why: Annotated[str, typer.Option(help="why, for whoever asks later")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Move lanes from UNENROLL_DATABASE_URL to UNENROLL_TO_DATABASE_URL, while workers work. Goes on if done again."""
    order = MoveOrder(numbers=_numbers(lanes), by=who(by), why=why)
    done = asyncio.run(move(read(MoveSettings), order))
    show(done, f"lanes {numbers_text(done.lanes)} moved from {done.came_from} to {done.goes_to}", as_json=as_json)


@app.command("stay")
def stay_(*, lanes: Lanes, as_json: Json = False) -> None:
    """Give up a move that was broken off, of lanes that are not gone yet: they stay in UNENROLL_DATABASE_URL."""
    done: LanesMoved = asyncio.run(stay(read(MoveSettings), _numbers(lanes)))
    show(done, f"lanes {numbers_text(done.lanes)} stay in {done.goes_to}", as_json=as_json)


@app.command("show")
def show_(*, as_json: Json = False) -> None:
    """Tell which lanes this database has, and what moved."""
    found = asyncio.run(cell(read(WorkerSettings)))
    show(found, cell_told(found, sys.stdout), as_json=as_json)


@app.command("where")
def where_(*, customer: Annotated[int, typer.Option(help="the customer's number")], as_json: Json = False) -> None:
    """Tell which lane a customer belongs to, and whether this database has it."""
    found = asyncio.run(where(read(WorkerSettings), customer))
    show(found, f"lane {found.lane}: {found.home or 'unknown to this database'}", as_json=as_json)


async def _claim(settings: WorkerSettings, numbers: tuple[int, ...]) -> None:
    group = (settings.topic_prefix, settings.group_id)
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        await check_one_group(pool, group)
        await make_cell(pool, group, numbers)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return read_numbers(text)
    except ValueError as error:
        raise UsageError(f"--lanes: {error}") from None
