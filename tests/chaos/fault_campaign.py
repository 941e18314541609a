"""`PYTHONPATH=tests python tests/chaos/fault_campaign.py --minutes 30`: faults by chance, and what they leave behind.

It plays one round after the other on servers of its own, until time is up or a round goes wrong. `--seed` draws the
same workload and the same faults again.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp

from chaos.fault_kinds import plan
from chaos.killable_servers import KillablePair, killable_pair
from chaos.round import MarkersSkippedError, Outcome, play
from support.databases import migrated_database
from unenroll.sandbox.environment import cache_folder
from unenroll.sandbox.servers import ServerAddresses, embedded_servers

_MOST_SENTENCES = 20


@dataclass(kw_only=True)
class Tally:
    """The totals over all rounds."""

    rounds: int = 0
    not_judged: int = 0
    batches: int = 0
    records: int = 0
    visible: int = 0
    aborted: int = 0
    samples: int = 0
    false_starts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    alone: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    amid_others: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        self.rounds += 1
        self.batches += outcome.log_events["batch_published"]
        self.records += len(outcome.history.inputs)
        self.visible += len(outcome.history.visible)
        self.aborted += len(outcome.history.present) - len(outcome.history.visible)
        self.samples += len(outcome.history.samples)
        self.false_starts += outcome.false_starts
        self.faults.update(fault.kind for fault in outcome.struck)
        recoveries = self.alone if len(outcome.struck) == 1 else self.amid_others
        for kind, seconds in outcome.recoveries.items():
            recoveries[kind] += seconds

    def lines(self) -> Iterator[str]:
        yield (
            f"{self.rounds} rounds, {self.not_judged} more not judged, {self.records} records, {self.batches} batches, "
            f"{self.visible} messages visible, "
            f"{self.aborted} aborted, {self.samples} samples, {self.false_starts} workers that could not start"
        )
        yield "seconds until every lane answered again:"
        for kind, count in sorted(self.faults.items()):
            amid = f"amid others {_worst(self.amid_others[kind])}"
            yield f"  {kind:20} {count:4} times; alone {_worst(self.alone[kind])}; {amid}"


def _worst(seconds: list[float]) -> str:
    return f"median {median(seconds):.1f}, worst {max(seconds):.1f} of {len(seconds)}" if seconds else "never"


async def campaign(data: Path, *, seconds: float, first_seed: int) -> bool:
    """Play rounds until time is up, at least one. Returns whether all went well."""
    end = time.monotonic() + seconds
    tally = Tally()
    well = True
    async with embedded_servers(cache=cache_folder({}), say=_say, data=data) as pair, killable_pair(pair) as servers:
        names = ServerAddresses(kafka=servers.kafka.address, database_url=servers.postgres.address)
        async with migrated_database(names) as template:
            while well and (tally.rounds == 0 or time.monotonic() < end):
                seed = first_seed + tally.rounds + tally.not_judged
                well = await _round(seed, servers, tally, template=template, data=data)
    _say("\n".join(tally.lines()))
    return well


async def _round(number: int, servers: KillablePair, tally: Tally, *, template: str, data: Path) -> bool:
    """Play the round of this seed. Returns whether it went well."""
    folder = data / f"round-{number}"
    folder.mkdir()
    try:
        outcome = await play(plan(number), servers, template=template, folder=folder)
    except MarkersSkippedError:
        tally.not_judged += 1
        _say(f"seed {number}: not judged, Kafka says that it skipped markers (docs/guarantees.md)")
        return True
    except BaseException:
        _say(f"seed {number}: the round failed; totals before it: " + "\n".join(tally.lines()))
        raise
    tally.add(outcome)
    return _report(outcome, folder)


def _report(outcome: Outcome, folder: Path) -> bool:
    """Print the result of the round. Returns whether it went well."""
    story = ", ".join(f"{fault.kind} {fault.at - outcome.began:.1f}" for fault in outcome.struck)
    _say(f"seed {outcome.plan.seed}: {'WRONG' if outcome.wrong else 'well'} after {story}")
    for sentence in outcome.wrong[:_MOST_SENTENCES]:
        _say(f"  {sentence}")
    if outcome.wrong:
        _say(f"{len(outcome.wrong)} complaints. Replay with SEED={outcome.plan.seed}; logs of the workers: {folder}")
    return not outcome.wrong


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for a person who waits


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="begin no round after this")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; else by chance")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    folder = Path(mkdtemp(prefix="unenroll-campaign-"))
    folder.chmod(0o755)  # the user that Postgres runs as must be able to enter
    well = asyncio.run(campaign(folder, seconds=arguments.minutes * 60, first_seed=seed))
    if well:
        rmtree(folder, ignore_errors=True)
    sys.exit(0 if well else 1)
