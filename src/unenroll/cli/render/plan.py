"""A plan as tables: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.core.outcomes import Outcome
from unenroll.ops.plan.apply import ApplyResult
from unenroll.ops.plan.file import Plan
from unenroll.ops.plan.totals import DroppedCycles, RequestSample, RewardTotals
from unenroll.ops.plan.verdicts import RequestVerdict
from unenroll.text import plain, print_table, titled

_REINSTATED = "REINSTATED"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanSummary:
    """What was planned, with the first requests that are granted and refused.

    `path` and `sha256` are of the plan's file, None if none was written.
    """

    path: str | None
    sha256: str | None
    plan: Plan
    granted: tuple[RequestSample, ...]
    refused: tuple[RequestSample, ...]
    known_already: int
    bad: int


def render_plan(planned: PlanSummary, file: TextIO) -> str:
    """The plan as it is to be shown in this file: as wide as a terminal is, or with no line broken."""
    return print_table(_parts(planned), file)


def _parts(planned: PlanSummary) -> Iterator[RenderableType]:
    totals = planned.plan.totals
    yield Text(f"{totals.requests} requests planned; {planned.known_already} were answered before", "bold")
    outcomes = ((name, str(Outcome(name).code or ""), str(count)) for name, count in totals.outcomes.items())
    yield from titled("Outcomes", ("outcome", "code", "requests"), outcomes)
    yield from titled("Cycles that fall", ("group", "from", "leaves"), map(_fall, totals.falls))
    heads = ("group", "cycle", "rule", "action", "rewards", "worth")
    yield from titled("Rewards that change", heads, map(_rewards, totals.rewards))
    worth = ", ".join(f"{amount:f} {unit}" for unit, amount in totals.values.items())
    yield plain(f"  cancelled in all: {totals.cancelled}" + (f", worth {worth}" if worth else ""))
    granted = totals.outcomes.get(Outcome.UNENROLLED, 0)
    yield from _samples("Leaves", planned.granted, granted)
    yield from _samples("Refusals", planned.refused, totals.requests - granted)
    if planned.path is not None:
        yield plain(f"\n{planned.path}: unenroll apply {planned.path}")


def _fall(one: DroppedCycles) -> tuple[RenderableType, ...]:
    return str(one.group_id), plain(one.period_name), str(one.leaves)


def _rewards(one: RewardTotals) -> tuple[RenderableType, ...]:
    worth = "" if one.amount is None else f"{one.amount:f} {one.unit}"
    return (
        str(one.group_id),
        plain(one.period_name),
        one.rule,
        one.action or _REINSTATED,
        str(one.rewards),
        plain(worth),
    )


def _samples(title: str, samples: Sequence[RequestSample], total: int) -> Iterator[RenderableType]:
    more = f", the first {len(samples)} of {total}; the plan has them all" if len(samples) < total else ""
    return titled(title + more, ("customer", "target", "request", "gets"), map(_sample, samples))


def _sample(one: RequestSample) -> tuple[RenderableType, ...]:
    says = [one.outcome if one.detail is None else f"{one.outcome}: {one.detail}"]
    says += [f"{one.falls} fall"] if one.falls else []
    says += [f"{one.stays} kept"] if one.stays else []
    says += one.rewards
    says += [f"kept: {', '.join(one.kept)}"] if one.kept else []
    return str(one.customer_id), str(one.target_id), plain(f"{one.id} of {one.source}"), plain("; ".join(says))


def render_apply(applied: ApplyResult, file: TextIO) -> str:
    """What became of it as it is to be shown in this file: as wide as a terminal is, or with no line broken."""
    return print_table(_tell_parts(applied), file)


def _tell_parts(applied: ApplyResult) -> Iterator[RenderableType]:
    before = f"{applied.answered_before} were answered before"
    yield Text(f"{applied.requests} requests: {applied.published} published, {before}", "bold")
    if applied.results is None:
        yield Text("Nobody waited for the lanes: apply the plan again to hear what they decided")
        return
    yield from titled("Results", ("result", "requests"), ((name, str(n)) for name, n in applied.results.items()))
    if applied.named:
        heads = ("result", "customer", "target", "request", "why")
        yield from titled("Not as predicted, the first", heads, map(_verdict, applied.named))


def _verdict(one: RequestVerdict) -> tuple[RenderableType, ...]:
    request = plain(f"{one.id} of {one.source}")
    return one.result, str(one.customer_id), str(one.target_id), request, plain("; ".join(one.why))
