"""What a replay came to that publishes nothing for what was decided before: its result, and the report of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from unenroll.replay.source import Source
from unenroll.replay.suppress import Suppressing
from unenroll.report.sheet import Sheet, counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppressed:
    """How many records were read, and what became of them.

    `unread` are offsets that were left out, because the lanes are yet to read them. `missing` were sent, or would be
    without `dry_run`; `became` and `dead_lettered` say what the lanes made of those, `undecided` were not waited for.
    `unsendable` cannot be sent as they are: the topic takes less, or their headers cannot be read. `go_on`: the
    arguments that read on where it was `stopped`.
    """

    dry_run: bool
    stopped: bool
    read: int
    unread: int
    unchosen: int
    decided_before: int
    dead_lettered_before: int
    erased: int
    missing: int
    unsendable: int
    bad: int
    definitions: int
    became: Mapping[str, int]
    dead_lettered: Mapping[str, int]
    undecided: int
    go_on: str


def suppressed(done: Suppressing, source: Source, *, bad: int) -> Suppressed:
    """The result of a replay that has ended, or was stopped."""
    found, lead = done.counts, done.lead
    became = lead.became if lead is not None else {}
    return Suppressed(
        dry_run=done.dry_run,
        stopped=done.stopping.is_set(),
        read=found["read"],
        unread=source.unread,
        unchosen=found["unchosen"],
        decided_before=found["decided"],
        dead_lettered_before=found["buried"],
        erased=found["erased"],
        missing=found["missing"],
        unsendable=found["unsendable"],
        bad=bad,
        definitions=found["definitions"],
        became={one.what: count for one, count in sorted(became.items()) if not one.dead},
        dead_lettered={one.what: count for one, count in sorted(became.items()) if one.dead},
        undecided=lead.count if lead is not None else 0 if done.dry_run else found["missing"],
        go_on=source.go_on(),
    )


def sheet(result: Suppressed) -> Sheet:
    """The report."""
    missing = "missing, and would be sent" if result.dry_run else "missing, and sent to the lanes"
    return Sheet(
        title="Replay (dry run)" if result.dry_run else "Replay",
        sentences=tuple(_sentences(result)),
        tables=(
            counts(
                "Records",
                (
                    ("read", result.read),
                    ("left out by the selection", result.unchosen),
                    ("decided before: nothing is published again", result.decided_before),
                    ("dead-lettered before: not again", result.dead_lettered_before),
                    ("of customers who were erased since: never again", result.erased),
                    (missing, result.missing),
                    ("cannot be sent as they are", result.unsendable),
                    ("bad lines", result.bad),
                    ("definitions newer than those in force", result.definitions),
                ),
            ),
            counts("What the lanes decided", result.became.items()),
            counts("What the lanes dead-lettered", result.dead_lettered.items()),
        ),
    )


def _sentences(result: Suppressed) -> list[str]:
    said = [f"{result.read:,} records were held against the ledger."]
    if result.undecided:
        said.append(f"{result.undecided:,} of those that were sent are not known to be decided yet.")
    if result.unread:
        said.append(f"{result.unread:,} offsets were left to the lanes, which are yet to read them.")
    if result.stopped:
        said.append("It was stopped before its end.")
    return said
