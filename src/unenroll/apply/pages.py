"""The requests of a plan, so many as may be in memory at once."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from unenroll.batch.gather import identity
from unenroll.errors import UnenrollError
from unenroll.plan.file import PlanFile
from unenroll.store.ledger import EventKey
from unenroll.wire.planned import Planned, read_planned
from unenroll.wire.refusals import DeadLetter

MOST_REQUESTS = 500


class Page(NamedTuple):
    """Some requests in the order of the plan, each under what its event is known by, and their size in bytes."""

    requests: dict[EventKey, Planned]
    size: int


def pages(file: PlanFile) -> Iterator[Page]:
    """The pages of the plan. Raises UnenrollError if this program cannot read a request that another one planned."""
    lines = file.lines()
    number = 1
    while page := list(islice(lines, MOST_REQUESTS)):
        requests = {}
        for line in page:
            number += 1
            planned = read_planned(line)
            if isinstance(planned, DeadLetter):
                raise UnenrollError(f"{file.path}:{number}: {planned.reason}: {planned.detail}; plan again")
            requests[identity(planned.request.received)] = planned
        yield Page(requests, sum(map(len, page)))
