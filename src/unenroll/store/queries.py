"""The statements of queries.sql, by name. The only SQL outside the migrations."""

import re
from importlib.resources import files

_HEADING = re.compile(r"^-- (?P<name>\w+): (?P<says>.+)$", re.MULTILINE)


def _read(text: str) -> dict[str, str]:
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {heading["name"]: text[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=True)}


QUERIES = _read(files("unenroll.store").joinpath("queries.sql").read_text(encoding="utf-8"))
