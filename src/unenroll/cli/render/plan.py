"""Tables that show a plan, and the result of applying one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.core.outcomes import Outcome
from unenroll.ops.plan.apply import ApplyResult
from unenroll.ops.plan.file import Plan
from unenroll.ops.plan.totals import DroppedCycles, RequestSample, RewardTotals
from unenroll.ops.plan.verdicts import MAX_LISTED, RequestVerdict
from unenroll.text import plain, plural, render_text, titled_table

_REINSTATED = "REINSTATED"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSummary:
    """A plan, with its first granted and refused requests.

    `path` and `sha256` identify the plan's file; they are None if no file was written. `known_already` counts the
    requests that are left out because they were decided before.
    """

    path: str | None
    sha256: str | None
    plan: Plan
    granted: tuple[RequestSample, ...]
    refused: tuple[RequestSample, ...]
    known_already: int
    bad: int


def render_plan(summary: PlanSummary, file: TextIO) -> str:
    """The plan as text for this file: as wide as the terminal, or with unbroken lines in a pipe."""
    return render_text(_plan_parts(summary), file)


def _plan_parts(summary: PlanSummary) -> Iterator[RenderableType]:
    totals = summary.plan.totals
    yield Text(
        f"Planned {plural(totals.requests, 'request')}; left out {summary.known_already:,} that were decided before.",
        "bold",
    )
    outcomes = ((name, str(Outcome(name).code or ""), str(count)) for name, count in totals.outcomes.items())
    yield from titled_table("Outcomes", ("outcome", "code", "requests"), outcomes)
    yield from titled_table("Cycles that fall", ("group", "from", "leaves"), map(_dropped_cycles, totals.falls))
    heads = ("group", "cycle", "rule", "action", "rewards", "value")
    yield from titled_table("Rewards that change", heads, map(_reward_totals, totals.rewards))
    value = ", ".join(f"{amount:f} {unit}" for unit, amount in totals.values.items())
    yield plain(f"  cancelled in total: {totals.cancelled}" + (f", value {value}" if value else ""))
    granted = totals.outcomes.get(Outcome.UNENROLLED, 0)
    yield from _samples("Leaves", summary.granted, granted)
    yield from _samples("Refusals", summary.refused, totals.requests - granted)
    if summary.path is not None:
        yield plain(f"\nWrote {summary.path}. To apply it: unenroll apply {summary.path}")


def _dropped_cycles(dropped: DroppedCycles) -> tuple[RenderableType, ...]:
    return str(dropped.group_id), plain(dropped.period_name), str(dropped.leaves)


def _reward_totals(one: RewardTotals) -> tuple[RenderableType, ...]:
    value = "" if one.amount is None else f"{one.amount:f} {one.unit}"
    return (
        str(one.group_id),
        plain(one.period_name),
        one.rule,
        one.action or _REINSTATED,
        str(one.rewards),
        plain(value),
    )


def _samples(title: str, samples: Sequence[RequestSample], total: int) -> Iterator[RenderableType]:
    limited = f" (the first {len(samples)} of {total:,})" if len(samples) < total else ""
    return titled_table(title + limited, ("customer", "target", "request", "prediction"), map(_sample, samples))


def _sample(one: RequestSample) -> tuple[RenderableType, ...]:
    prediction = [one.outcome if one.detail is None else f"{one.outcome}: {one.detail}"]
    prediction += [f"{one.falls} fall"] if one.falls else []
    prediction += [f"{one.stays} kept"] if one.stays else []
    prediction += one.rewards
    prediction += [f"kept: {', '.join(one.kept)}"] if one.kept else []
    return str(one.customer_id), str(one.target_id), plain(f"{one.id} of {one.source}"), plain("; ".join(prediction))


def render_apply(result: ApplyResult, file: TextIO) -> str:
    """The result of `apply` as text for this file: as wide as the terminal, or with unbroken lines in a pipe."""
    return render_text(_apply_parts(result), file)


def _apply_parts(result: ApplyResult) -> Iterator[RenderableType]:
    published, before = f"published {result.published:,}", f"{result.answered_before:,} were decided before"
    yield Text(f"{plural(result.requests, 'request')}: {published}; {before}.", "bold")
    if result.results is None:
        yield Text("The lanes may still have to decide them: apply the plan again to see the results.")
        return
    results = ((name, str(count)) for name, count in result.results.items())
    yield from titled_table("Results", ("result", "requests"), results)
    if result.named:
        title = f"Not as predicted (at most the first {MAX_LISTED})"
        yield from titled_table(title, ("result", "customer", "target", "request", "why"), map(_verdict, result.named))


def _verdict(one: RequestVerdict) -> tuple[RenderableType, ...]:
    request = plain(f"{one.id} of {one.source}")
    return one.result, str(one.customer_id), str(one.target_id), request, plain("; ".join(one.why))
