"""The crowd, as an argument of the programs that a run starts."""

import argparse
import json
from dataclasses import asdict

from benchmarks.workload import Workload


def workload_text(workload: Workload) -> str:
    """The crowd as one argument."""
    return json.dumps(asdict(workload))


def crowd_of(description: str | None) -> Workload:
    """The crowd that the only argument of this program names."""
    return parsed(argparse.ArgumentParser(description=description))[0]


def parsed(parser: argparse.ArgumentParser) -> tuple[Workload, argparse.Namespace]:
    """The crowd, and what else the parser takes."""
    parser.add_argument("crowd", help="JSON")
    chosen = parser.parse_args()
    return Workload(**json.loads(chosen.workload)), chosen
