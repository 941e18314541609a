"""A story as text for a person."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from unenroll.core.definitions import EnrollmentMode
from unenroll.explain.rows import Row, cycles_row, fact_row, published_row, reward_row, stay_row
from unenroll.explain.story import Story
from unenroll.explain.words import DUE, EVERYBODY, owner_text
from unenroll.paper import plain, printed


def told(stories: Iterable[Story], file: TextIO) -> str:
    """The stories as they are to be shown in this file: as wide as a terminal is, or with no line broken."""
    return printed((part for story in stories for part in _parts(story)), file)


def _parts(story: Story) -> Iterator[RenderableType]:
    yield Text()
    yield plain(owner_text(story), "bold")
    if story.enrollment is EnrollmentMode.AUTOMATIC:
        yield Text(EVERYBODY)
    if story.due:
        yield Text(DUE, "yellow")
    yield from _section("Cycles", map(cycles_row, story.cycles))
    yield from _section("Stays", map(stay_row, story.stays))
    yield from _section("Facts in order of time", map(fact_row, story.facts))
    yield from _section("Rewards", map(reward_row, story.rewards))
    yield from _section("Published, by when it was decided", map(published_row, story.published))


def _section(title: str, rows: Iterable[Row]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row("", *row)
    yield table if table.rows else Text("  none")
