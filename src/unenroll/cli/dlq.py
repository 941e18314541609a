"""The commands `unenroll dlq list`, `show`, `redrive` and `park`."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from unenroll.cli.options import By, input_topics, operator_name, optional_instant, record_edit
from unenroll.cli.render.dlq import render_letter, render_list, render_park, render_redrive
from unenroll.cli.runtime import Json, show
from unenroll.core.reasons import Reason
from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.dlq.list import list_letters, show_letter
from unenroll.ops.dlq.read import LetterFilter, parse_position
from unenroll.ops.dlq.redrive import RedriveOptions, park_letters
from unenroll.ops.dlq.redrive import redrive as redrive_letters
from unenroll.postgres.redrives import LetterState
from unenroll.settings import WorkerSettings, read_settings
from unenroll.wire.fields import LARGEST_INT64

app = typer.Typer(help="List dead letters, put them back on their topics, or park them.", no_args_is_help=True)

Letters = Annotated[
    list[str] | None,
    typer.Argument(metavar="[LETTER]", help="letters by their own position or their record's: TOPIC-PARTITION@OFFSET"),
]
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="only with this reason; repeatable")]
Topics = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TOPIC", help="only records of this topic: requests or facts; repeatable"),
]
DeadLetteredSince = Annotated[
    str | None, typer.Option("--since", metavar="INSTANT", help="only letters written at this instant or later")
]
DeadLetteredUntil = Annotated[
    str | None, typer.Option("--until", metavar="INSTANT", help="only letters written before this instant")
]
Customer = Annotated[
    int | None, typer.Option(metavar="ID", min=-LARGEST_INT64, max=LARGEST_INT64, help="only of this customer")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="change nothing; report what would happen")]


@app.command("list")
def list_(  # noqa: PLR0913 - each is an option
    *,
    reason: Reasons = None,
    topic: Topics = None,
    since: DeadLetteredSince = None,
    until: DeadLetteredUntil = None,
    customer: Customer = None,
    state: Annotated[
        list[LetterState] | None, typer.Option(help="only in this state; repeatable; default: open and unsettled")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="maximum number of letters to list")] = 50,
    as_json: Json = False,
) -> None:
    """Count the dead letters by reason and state, and list the latest of them."""
    settings = read_settings(WorkerSettings)
    options = _FilterOptions(reason=reason, topic=topic, since=since, until=until, customer=customer)
    states = frozenset(state or (LetterState.OPEN, LetterState.UNSETTLED))
    letters = asyncio.run(
        list_letters(settings, options.letter_filter(settings.topic_prefix), states=states, limit=limit)
    )
    show(letters, render_list(letters, sys.stdout), as_json=as_json)


@app.command("show")
def show_(
    letter: Annotated[str, typer.Argument(help="the letter's own position or its record's: TOPIC-PARTITION@OFFSET")],
    *,
    as_json: Json = False,
) -> None:
    """Show one dead letter: its reason and state, and the key, headers and value of its record."""
    settings = read_settings(WorkerSettings)
    details = asyncio.run(show_letter(settings, parse_position(letter, prefix=settings.topic_prefix)))
    show(details, render_letter(details, sys.stdout), as_json=as_json)


@app.command()
def redrive(  # noqa: PLR0913 - each is an option
    letters: Letters = None,
    *,
    reason: Reasons = None,
    topic: Topics = None,
    since: DeadLetteredSince = None,
    until: DeadLetteredUntil = None,
    customer: Customer = None,
    max_redrives: Annotated[
        int, typer.Option(metavar="N", min=1, help="park letters that were put back N times already")
    ] = 3,
    parked: Annotated[bool, typer.Option("--parked", help="put back parked letters too")] = False,
    value: Annotated[
        Path | None, typer.Option(metavar="FILE", help="replace the value of one letter's record with this file")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="replace a header of one letter's record; repeatable"),
    ] = None,
    by: By = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put dead letters back on their topics, each exactly once.

    Without letters and --reason, put back those that a retry can help. For the others retrying will not help: edit or
    park them, or name them or their reason to put them back nevertheless.
    """
    settings = read_settings(WorkerSettings)
    filter_options = _FilterOptions(
        letters=letters, reason=reason, topic=topic, since=since, until=until, customer=customer
    )
    options = RedriveOptions(
        letter_filter=filter_options.letter_filter(settings.topic_prefix),
        by=operator_name(by),
        max_redrives=max_redrives,
        include_parked=parked,
        dry_run=dry_run,
        edit=record_edit(letters, value, header),
    )
    result = asyncio.run(redrive_letters(settings, options))
    show(result, render_redrive(result, sys.stdout), as_json=as_json)
    if letters and result.skipped:
        raise UnenrollError("some of the named letters were not put back; the result says why")


@app.command()
def park(  # noqa: PLR0913 - each is an option
    letters: Letters = None,
    *,
    why: Annotated[str, typer.Option(help="why nobody shall put them back; kept with the letters")],
    reason: Reasons = None,
    topic: Topics = None,
    since: DeadLetteredSince = None,
    until: DeadLetteredUntil = None,
    customer: Customer = None,
    by: By = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Park dead letters: `redrive` leaves them alone from then on, unless it has --parked."""
    settings = read_settings(WorkerSettings)
    options = _FilterOptions(letters=letters, reason=reason, topic=topic, since=since, until=until, customer=customer)
    letter_filter = options.letter_filter(settings.topic_prefix)
    if letter_filter.selects_all:
        raise UsageError("name the letters to park, or select them by --reason, --topic, --since, --until, --customer")
    result = asyncio.run(park_letters(settings, letter_filter, by=operator_name(by), why=why, dry_run=dry_run))
    show(result, render_park(result), as_json=as_json)


@dataclass(frozen=True, kw_only=True, slots=True)
class _FilterOptions:
    """The options that select letters, as they stand on the command line."""

    letters: list[str] | None = None
    reason: list[Reason] | None
    topic: list[str] | None
    since: str | None
    until: str | None
    customer: int | None

    def letter_filter(self, prefix: str) -> LetterFilter:
        """Return the filter that the options describe. Raises UsageError."""
        return LetterFilter(
            prefix=prefix,
            positions=frozenset(parse_position(text, prefix=prefix) for text in self.letters or ()),
            reasons=frozenset(reason.value for reason in self.reason or ()),
            topics=input_topics(self.topic, prefix),
            since=optional_instant(self.since, "--since"),
            until=optional_instant(self.until, "--until"),
            customer_id=self.customer,
        )
