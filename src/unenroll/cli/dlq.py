"""Commands for dead letters: `unenroll dlq …`."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from unenroll.cli.options import By, edit_of, instant_if_any, topics_named, who
from unenroll.cli.render.dlq import render_letter, render_list, render_park, render_redrive
from unenroll.cli.runtime import Json, show
from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.dlq.list import list_letters, show_letter
from unenroll.ops.dlq.read import LetterFilter, position_of
from unenroll.ops.dlq.redrive import RedriveOptions, park_letters
from unenroll.ops.dlq.redrive import redrive as put_back
from unenroll.postgres.redrives import LetterState
from unenroll.settings import WorkerSettings, read_settings
from unenroll.wire.fields import LARGEST_INT64
from unenroll.wire.reasons import Reason

app = typer.Typer(help="Look at dead letters, put them back on their topics, or park them.", no_args_is_help=True)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[LETTER]…", help="letters by their place, or by their record's: TOPIC-PARTITION@OFFSET"),
]
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="only these reasons")]
Topics = Annotated[list[str] | None, typer.Option("--topic", metavar="WORD", help="only from requests, or facts")]
Since = Annotated[str | None, typer.Option(metavar="INSTANT", help="only what was put aside at or after it")]
Until = Annotated[str | None, typer.Option(metavar="INSTANT", help="only what was put aside before it")]
Customer = Annotated[
    int | None, typer.Option(metavar="ID", min=-LARGEST_INT64, max=LARGEST_INT64, help="only of this customer")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only tell what would be done")]


@app.command("list")
def list_(  # noqa: PLR0913 - each is an option
    *,
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    customer: Customer = None,
    state: Annotated[
        list[LetterState] | None, typer.Option(help="only these; unset: what is open or unsettled")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="tell so many of the latest one by one")] = 50,
    as_json: Json = False,
) -> None:
    """Count the dead letters on their topic, and tell the latest of them one by one."""
    settings = read_settings(WorkerSettings)
    asked = _Asked(reason=reason, topic=topic, since=since, until=until, customer=customer)
    states = frozenset(state or (LetterState.OPEN, LetterState.UNSETTLED))
    found = asyncio.run(list_letters(settings, asked.wanted(settings.topic_prefix), states=states, most=limit))
    show(found, render_list(found, sys.stdout), as_json=as_json)


@app.command("show")
def show_(
    letter: Annotated[str, typer.Argument(help="its place: TOPIC-PARTITION@OFFSET")], *, as_json: Json = False
) -> None:
    """Tell one dead letter whole. It is named by its own place, or by that of its record."""
    settings = read_settings(WorkerSettings)
    found = asyncio.run(show_letter(settings, position_of(letter, prefix=settings.topic_prefix)))
    show(found, render_letter(found, sys.stdout), as_json=as_json)


@app.command()
def redrive(  # noqa: PLR0913 - each is an option
    letters: Ids = None,
    *,
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    customer: Customer = None,
    max_redrives: Annotated[int, typer.Option(metavar="N", min=1, help="park what was put back so often already")] = 3,
    parked: Annotated[bool, typer.Option("--parked", help="also what somebody parked")] = False,
    value: Annotated[Path | None, typer.Option(metavar="FILE", help="one letter: its value, edited")] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="one letter: a header, edited")] = None,
    by: By = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put dead letters back on their topics, each exactly once.

    Without names and reasons: all that can heal. What never heals as it is has to be named, or its reason.
    """
    settings = read_settings(WorkerSettings)
    asked = _Asked(letters=letters, reason=reason, topic=topic, since=since, until=until, customer=customer)
    order = RedriveOptions(
        wanted=asked.wanted(settings.topic_prefix),
        by=who(by),
        most_redrives=max_redrives,
        even_parked=parked,
        dry_run=dry_run,
        edit=edit_of(letters, value, header),
    )
    done = asyncio.run(put_back(settings, order))
    show(done, render_redrive(done, sys.stdout), as_json=as_json)
    if letters and done.left_alone:
        raise UnenrollError("not all letters that were named were put back")


@app.command()
def park(  # noqa: PLR0913 - each is an option
    letters: Ids = None,
    *,
    why: Annotated[str, typer.Option(help="why they are not to be put back")],
    reason: Reasons = None,
    topic: Topics = None,
    since: Since = None,
    until: Until = None,
    customer: Customer = None,
    by: By = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Mark dead letters as not to be put back."""
    settings = read_settings(WorkerSettings)
    asked = _Asked(letters=letters, reason=reason, topic=topic, since=since, until=until, customer=customer)
    wanted = asked.wanted(settings.topic_prefix)
    if wanted.everything:
        raise UsageError("name the letters to park, or what they have in common")
    done = asyncio.run(park_letters(settings, wanted, by=who(by), why=why, dry_run=dry_run))
    show(done, render_park(done), as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """Which letters are meant, as a person put it."""

    letters: list[str] | None = None
    reason: list[Reason] | None
    topic: list[str] | None
    since: str | None
    until: str | None
    customer: int | None

    def wanted(self, prefix: str) -> LetterFilter:
        """The same, understood. Raises UsageError."""
        return LetterFilter(
            prefix=prefix,
            places=frozenset(position_of(text, prefix=prefix) for text in self.letters or ()),
            reasons=frozenset(reason.value for reason in self.reason or ()),
            topics=topics_named(self.topic, prefix),
            since=instant_if_any(self.since, "--since"),
            until=instant_if_any(self.until, "--until"),
            customer_id=self.customer,
        )
