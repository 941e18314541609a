"""The crowd, as an argument of the programs that a run starts."""

import argparse
import json
from dataclasses import asdict

from benchmarks.crowd import Crowd


def crowd_text(crowd: Crowd) -> str:
    """The crowd as one argument."""
    return json.dumps(asdict(crowd))


def crowd_of(description: str | None) -> Crowd:
    """The crowd that the only argument of this program names."""
    return parsed(argparse.ArgumentParser(description=description))[0]


def parsed(parser: argparse.ArgumentParser) -> tuple[Crowd, argparse.Namespace]:
    """The crowd, and what else the parser takes."""
    parser.add_argument("crowd", help="JSON")
    chosen = parser.parse_args()
    return Crowd(**json.loads(chosen.crowd)), chosen
