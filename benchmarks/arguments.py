"""The workload, as an argument of the programs that a run starts."""

import argparse
import json
from dataclasses import asdict

from benchmarks.workload import Workload


def workload_text(workload: Workload) -> str:
    """The workload as one argument."""
    return json.dumps(asdict(workload))


def workload_of(description: str | None) -> Workload:
    """The workload that the only argument of this program names."""
    return parsed(argparse.ArgumentParser(description=description))[0]


def parsed(parser: argparse.ArgumentParser) -> tuple[Workload, argparse.Namespace]:
    """The workload, and what else the parser takes."""
    parser.add_argument("workload", help="JSON")
    chosen = parser.parse_args()
    return Workload(**json.loads(chosen.workload)), chosen
