"""What became of a plan, as a person reads it: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.apply.applying import Applied
from unenroll.apply.verdicts import Verdict
from unenroll.paper import plain, printed, titled


def apply_summary(applied: Applied, file: TextIO) -> str:
    """What became of it as it is to be shown in this file: as wide as a terminal is, or with no line broken."""
    return printed(_parts(applied), file)


def _parts(applied: Applied) -> Iterator[RenderableType]:
    before = f"{applied.answered_before} were answered before"
    yield Text(f"{applied.requests} requests: {applied.published} published, {before}", "bold")
    if applied.results is None:
        yield Text("Nobody waited for the lanes: apply the plan again to hear what they decided")
        return
    yield from titled("Results", ("result", "requests"), ((name, str(n)) for name, n in applied.results.items()))
    if applied.named:
        heads = ("result", "customer", "target", "request", "why")
        yield from titled("Not as predicted, the first", heads, map(_verdict, applied.named))


def _verdict(one: Verdict) -> tuple[RenderableType, ...]:
    request = plain(f"{one.id} of {one.source}")
    return one.result, str(one.customer_id), str(one.target_id), request, plain("; ".join(one.why))
