"""Partition numbers as people write them: `0-7,12`."""

import re
from collections.abc import Collection
from itertools import groupby

_PART = re.compile(r"(?P<first>\d{1,6})(?:-(?P<last>\d{1,6}))?")


def read_numbers(text: str) -> tuple[int, ...]:
    """The numbers in their order, each once. Raises ValueError where the text is not like `0-7,12`."""
    found: set[int] = set()
    for part in text.split(","):
        told = _PART.fullmatch(part.strip())
        if told is None or (told["last"] and int(told["last"]) < int(told["first"])):
            raise ValueError(f"must be partition numbers like 0-7,12, and {part.strip() or 'nothing'} is none")
        found.update(range(int(told["first"]), int(told["last"] or told["first"]) + 1))
    return tuple(sorted(found))


def numbers_text(numbers: Collection[int]) -> str:
    """The numbers as `read_numbers` reads them."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(sorted(numbers)), lambda placed: placed[1] - placed[0])
    ]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
