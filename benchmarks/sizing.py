"""How many partitions, workers and Postgres servers it takes, how much disk, how long a full replay: a calculation.

`python -m benchmarks.sizing --customers 100000000 --rate 10000` prints the tables of benchmarks/README.md and
docs/operations.md, from what `--measure` has measured with the real commands and kept in sizing.json.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, log2

from benchmarks.sizing_measured import Measured, keep, kept, measure

_GB, _TB, _DAY = 1e9, 1e12, 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be carried, and on what. Rates are a second; `average` is what fills the disk, `rate` the peak.

    `facts` come with each request. `busy`: how much of a processor's time is to be planned with.
    """

    customers: int
    rate: float
    average: float
    facts: float
    keep_days: float
    node_processors: int
    node_terabytes: float
    busy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What that takes."""

    wish: Wish
    measured: Measured

    @property
    def worker_processors(self) -> float:
        """At the peak."""
        found, wish = self.measured, self.wish
        return wish.rate * (found.request_python_us + wish.facts * found.fact_python_us) / 1e6 / wish.busy

    @property
    def postgres_processors(self) -> float:
        """At the peak."""
        found, wish = self.measured, self.wish
        return wish.rate * (found.request_postgres_us + wish.facts * found.fact_postgres_us) / 1e6 / wish.busy

    @property
    def workers(self) -> int:
        """Processes: each has the use of one processor."""
        return ceil(self.worker_processors)

    @property
    def partitions(self) -> int:
        """Four lanes a worker, so that they can be shared out evenly, and as many again to grow; a power of two."""
        return int(2 ** ceil(log2(max(8, self.workers * 8))))

    @property
    def accounts_bytes(self) -> float:
        """Of all customers, before any request: their accounts, and the ledger rows of their facts."""
        found = self.measured
        return self.wish.customers * (found.account_bytes + (found.ledger_rows - 1) * found.ledger_bytes)

    @property
    def day_bytes(self) -> float:
        """What a day adds to ledger and publications."""
        found, wish = self.measured, self.wish
        return wish.average * _DAY * ((1 + wish.facts) * found.ledger_bytes + found.publication_bytes)

    @property
    def steady_bytes(self) -> float:
        """What there is once as much is pruned as comes: the accounts, and the days that are kept."""
        return self.wish.customers * self.measured.account_bytes + self.wish.keep_days * self.day_bytes

    @property
    def nodes(self) -> int:
        """Postgres servers: for the processors, and for the disk."""
        by_disk = max(self.accounts_bytes, self.steady_bytes) / (self.wish.node_terabytes * _TB * 0.7)
        return ceil(max(self.postgres_processors / self.wish.node_processors, by_disk, 1))

    @property
    def days_to_fill(self) -> float:
        """If nothing is pruned."""
        return max(0.0, (self.nodes * self.wish.node_terabytes * _TB * 0.7 - self.accounts_bytes) / self.day_bytes)

    @property
    def replay_seconds(self) -> float:
        """All that is kept is read again, by all workers, and is known already."""
        found, wish = self.measured, self.wish
        records = wish.customers * (found.ledger_rows - 1) + wish.keep_days * _DAY * wish.average * (1 + wish.facts)
        by_workers = records * found.again_python_us / 1e6 / (self.workers * wish.busy)
        by_postgres = records * found.again_postgres_us / 1e6 / (self.nodes * wish.node_processors * wish.busy)
        return max(by_workers, by_postgres)


def measured_table(found: Measured) -> Iterator[str]:
    """What was measured, as a table."""
    yield from _table(
        ("measured", ""),
        [
            ("an account with its facts and what they were settled to", f"1 row, {found.account_bytes:,.0f} bytes"),
            ("ledger rows of it, with its request", f"{found.ledger_rows:.0f} rows of {found.ledger_bytes:,.0f} bytes"),
            ("publications of a request", f"{found.publication_bytes:,.0f} bytes"),
            ("Postgres's log of a request", f"{found.wal_bytes:,.0f} bytes"),
            ("a fact", _cost(found.fact_python_us, found.fact_postgres_us)),
            ("a request", _cost(found.request_python_us, found.request_postgres_us)),
            ("a record that is known already", _cost(found.again_python_us, found.again_postgres_us)),
            ("requests a second and processor, worker's and Postgres's", _rates(found)),
        ],
    )


def plan_table(plans: Iterable[Plan]) -> Iterator[str]:
    """What each wish takes, as a table."""
    yield from _table(
        (
            *("customers", "requests a second, peak", "partitions", "workers", "Postgres servers"),
            *("disk at first", "a day adds", "days to fill", "disk, pruned", "full replay"),
        ),
        [
            (
                f"{plan.wish.customers:,}",
                f"{plan.wish.rate:,.0f}",
                str(plan.partitions),
                str(plan.workers),
                str(plan.nodes),
                f"{plan.accounts_bytes / _GB:,.0f} GB",
                f"{plan.day_bytes / _GB:,.0f} GB",
                f"{plan.days_to_fill:,.0f}",
                f"{plan.steady_bytes / _GB:,.0f} GB",
                f"{plan.replay_seconds / 3600:,.1f} h",
            )
            for plan in plans
        ],
    )


def _cost(python: float, postgres: float) -> str:
    return f"{python:,.0f} µs of the worker's processor, {postgres:,.0f} µs of Postgres's"


def _rates(found: Measured) -> str:
    return f"{1e6 / found.request_python_us:,.0f} and {1e6 / found.request_postgres_us:,.0f}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def wishes(customers: Iterable[int], rates: Iterable[float], rest: argparse.Namespace) -> Iterator[Wish]:
    """One of each pair."""
    for many, rate in zip(customers, rates, strict=True):
        yield Wish(
            customers=many,
            rate=rate,
            average=rate * rest.average,
            facts=rest.facts,
            keep_days=rest.keep_days,
            node_processors=rest.node_processors,
            node_terabytes=rest.node_terabytes,
            busy=rest.busy,
        )


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The arguments, or their defaults, which are those of docs/operations.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--rate", type=float, nargs="+", default=[100, 1_000, 10_000], help="requests a second, peak")
    parser.add_argument("--average", type=float, default=0.05, help="share of the peak that comes all day")
    parser.add_argument("--facts", type=float, default=4, help="facts that come with each request")
    parser.add_argument(
        "--keep-days", type=float, default=90, help="days that the ledger is kept, `prune --older-than`"
    )
    parser.add_argument("--node-processors", type=int, default=16, help="of a Postgres server")
    parser.add_argument("--node-terabytes", type=float, default=4, help="of its disk, of which 70 %% are used")
    parser.add_argument("--busy", type=float, default=0.6, help="share of a processor's time to plan with")
    parser.add_argument("--measure", type=int, metavar="CUSTOMERS", help="measure first, with so many")
    return parser.parse_args(arguments)


def told(rest: argparse.Namespace) -> Iterator[str]:
    """Both tables, line by line."""
    found = kept()
    yield from measured_table(found)
    yield ""
    yield from plan_table(Plan(wish=wish, measured=found) for wish in wishes(rest.customers, rest.rate, rest))


if __name__ == "__main__":
    asked = parsed()
    if asked.measure:
        keep(asyncio.run(measure(asked.measure)))
    print("\n".join(told(asked)))
