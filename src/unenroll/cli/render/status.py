"""Tables that show the status of the workers and the database."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rich.console import RenderableType
from rich.text import Text

from unenroll.ops.status import LaneStatus, PartitionStatus, Status
from unenroll.postgres.stats import DefinitionSummary, RefusalSummary
from unenroll.text import clock_time, duration, grid, plain, plural, titled_table

_NOTHING = "\N{EN DASH}"
_DUPLICATES = "Duplicates are not counted here: they leave no row. The workers' logs report them."
_LANE_HEADS = ("lane", "epoch", "decisions", "published", "worker")
_PARTITION_HEADS = ("topic", "partition", "committed", "decided", "end", "lag", "withheld", "oldest unprocessed")
_DEFINITION_HEADS = ("group", "version", "name", "active", "cycles", "targets")
_REFUSAL_HEADS = ("refused", "group", "version", "reason", "partition", "offset", "why")

_Cells = tuple[Text | str, ...]


def progress_tables(status: Status) -> Iterator[RenderableType]:
    """The lanes and partitions as titles and tables."""
    yield Text(f"Group {status.group_id}, topics {status.topic_prefix}*, {clock_time(status.at)}", "bold")
    yield from titled_table("Lanes", _LANE_HEADS, map(_lane, status.lanes))
    partitions = (_partition(one, status.topic_prefix) for one in status.partitions)
    yield from titled_table("Input topics", _PARTITION_HEADS, partitions)


def database_tables(status: Status) -> Iterator[RenderableType]:
    """The counts and definitions as titles and tables."""
    yield from _counts("Requests by outcome, each event once", status.requests)
    yield from _counts("Facts by type, each event once", status.facts)
    yield Text(f"\n{_DUPLICATES}", "dim")
    yield from _counts("Dead letters by reason", status.dead_letters)
    for name, rows in status.estimates.items():
        estimate = "no estimate: Postgres has not analyzed it" if rows is None else f"about {rows:,} rows (estimate)"
        yield Text(f"\nTable {name}, which takes too long to count: {estimate}", "yellow")
    if status.resettlements:
        groups = ", ".join(map(str, status.resettlements))
        yield Text(f"\nGroups whose accounts are being settled again because of appended cycles: {groups}", "yellow")
    if status.erased:
        yield Text(f"\nErased customers, whose decisions are included in the counts: {status.erased}")
    yield from titled_table("Definitions", _DEFINITION_HEADS, map(_definition, status.definitions))
    if status.refusals:
        yield from titled_table(
            "Refused definitions (at most the latest 20)", _REFUSAL_HEADS, map(_refusal, status.refusals)
        )


def _counts(title: str, counts: Mapping[str, int] | None) -> Iterator[RenderableType]:
    yield Text(f"\n{title}", "bold")
    if counts is None:
        yield Text("  not counted, see the estimate below", "yellow")
        return
    rows = grid((plain(name), str(count)) for name, count in counts.items())
    yield rows if rows.row_count else Text("  none")


def _lane(lane: LaneStatus) -> _Cells:
    owner = Text(_NOTHING, "yellow") if lane.owner is None else plain(lane.owner)
    return str(lane.lane), str(lane.epoch), str(lane.sequence), str(lane.published), owner


def _partition(one: PartitionStatus, prefix: str) -> _Cells:
    return (
        one.topic.removeprefix(prefix),
        str(one.partition),
        _number(one.committed),
        _number(one.decided),
        str(one.end),
        Text(str(one.lag), "yellow" if one.lag else "green"),
        Text(str(one.withheld_records), "red") if one.withheld_records else Text(_NOTHING, "dim"),
        _oldest(one),
    )


def _oldest(one: PartitionStatus) -> Text:
    if one.gone:
        return Text(f"{plural(one.gone, 'offset')} deleted from the topic before a worker processed them", "red")
    if one.age_seconds is None:
        return Text("only transaction markers" if one.lag else _NOTHING, "dim")
    return Text(f"{duration(timedelta(seconds=one.age_seconds))} old")


def _definition(group: DefinitionSummary) -> _Cells:
    active = Text("yes", "green") if group.active else Text("no", "yellow")
    return str(group.group_id), str(group.version), plain(group.name), active, str(group.cycles), str(group.targets)


def _refusal(refusal: RefusalSummary) -> _Cells:
    return (
        clock_time(refusal.refused_at),
        _number(refusal.group_id),
        _number(refusal.version),
        plain(refusal.reason),
        str(refusal.partition),
        str(refusal.offset),
        plain(refusal.detail),
    )


def _number(number: int | None) -> str:
    return _NOTHING if number is None else str(number)
