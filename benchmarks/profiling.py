"""Where the time of a worker that drains a backlog goes, by function: `make profile`.

Samples of the Python stack, taken from outside by py-spy, only while the worker is at work.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks.fleet import fleet, site
from benchmarks.processes import Running, python
from benchmarks.processor_time import descendants
from benchmarks.shared_servers import Ground, shared_ground
from benchmarks.variants import Variant, workers
from benchmarks.workload import Workload
from unenroll.sandbox.servers import provide_servers

_SAMPLES_A_SECOND = 200
_LINES = 40
_LOOP = "BaseEventLoop._run_once"
_IMPORT = "<frozen importlib"

Stack = tuple[str, ...]


async def main(workload: Workload) -> None:
    """Print the functions that took most, alone and with what they call."""
    with TemporaryDirectory() as folder:
        samples = Path(folder, "samples")
        async with (
            provide_servers({}, say=print) as servers,
            shared_ground(servers, workload, peer_requests=0) as place,
        ):
            await _sample(place, samples)
        _tell(_stacks(samples))


async def _sample(place: Ground, samples: Path) -> None:
    """Write the stacks of a worker that drains the workload's requests, and how often each was seen."""
    async with site(place, _spied(samples), place.workload) as where:
        async with fleet(where) as sampled:
            sampled.backlog.put(place.workload.measured(place.partitions))
            visible, began = sampled.visible(), monotonic()
            sampled.backlog.show()
            await sampled.drained(visible)
            print(f"{place.workload.requests / (visible.changed_at - began):,.0f} requests a second while sampled")
            for spy in sampled.workers:
                _end(spy)
        await where.check()


def _end(spy: Running) -> None:
    """End the worker; its observer then writes what it saw."""
    for pid in descendants(spy.pid):
        os.kill(pid, SIGTERM)
    spy.process.wait()


def _spied(samples: Path) -> Variant:
    spy = Path(sys.executable).with_name("py-spy")
    watching = (str(spy), "record", "--format", "raw", "--function", "--rate", str(_SAMPLES_A_SECOND))
    command = (*watching, "--output", str(samples), "--", *python("unenroll", "run"))
    return replace(workers(1), commands=lambda _: [command])


def _stacks(samples: Path) -> Counter[Stack]:
    """How often each stack was seen, from the event loop on. What is not called by it is starting up."""
    found: Counter[Stack] = Counter()
    for line in samples.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        frames = tuple(stack.split(";"))
        loop = next((depth for depth, frame in enumerate(frames) if frame.startswith(_LOOP)), None)
        if loop is not None and not any(_IMPORT in frame for frame in frames):
            found[frames[loop + 1 :] or frames[loop:]] += int(count)
    return found


def _tell(stacks: Counter[Stack]) -> None:
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for stack, count in stacks.items():
        alone[stack[-1]] += count
        within.update(dict.fromkeys(set(stack), count))
    samples = stacks.total()
    print(f"{samples} samples, without those of starting up")
    _table("in the function itself", alone, samples)
    _table("in the function and what it calls", within, samples)


def _table(title: str, counts: Counter[str], samples: int) -> None:
    print(f"\n{title}")
    for function, count in counts.most_common(_LINES):
        print(f"  {count / samples:6.1%}  {function}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40_000)
    requests = parser.parse_args().requests
    asyncio.run(main(Workload(requests=requests, accounts=requests)))
