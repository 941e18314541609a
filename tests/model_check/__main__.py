"""`PYTHONPATH=tests python -m model_check --depth 40`: search deeper than a test may, and tell every counterexample."""

import argparse
import sys
import time

from model_check.guards import Rules, Touch
from model_check.scenarios import REMOVALS, explore, without


def main() -> str:
    """What went wrong; empty if every scenario keeps the promises and every removal breaks one."""
    given = _arguments()
    sizes = tuple(int(size) for size in given.sizes.split(","))
    wrong = []
    for touch in Touch:
        began = time.monotonic()
        found = explore(Rules(records=given.records, sizes=sizes, workers=given.workers, touch=touch), given.depth)
        _say(f"{touch.value} happens to the committed offset: {found} ({time.monotonic() - began:.0f} s)")
        wrong += [touch.value] if found.wrong else []
    for removal in REMOVALS:
        text = "; ".join(guard.value for guard in removal.guards)
        found = explore(without(removal))
        _say(f"\nA lane that {text}:\n{found}")
        wrong += [] if found.wrong else [text]
    return ", ".join(wrong)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=1000, help="steps from the beginning")
    parser.add_argument("--records", default="aba", help="the input log; a letter that comes again is a duplicate")
    parser.add_argument("--sizes", default="1,2", help="how many records a batch may take")
    parser.add_argument("--workers", type=int, default=2, help="how many there are, 4 at most")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for a person who waits


if __name__ == "__main__":
    sys.exit(main() or 0)
