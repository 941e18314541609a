"""Load the SQL statements from the files in `sql`. There is no other SQL outside the migrations."""

import re
from importlib.resources import files

_HEADING = re.compile(r"^-- (?P<name>\w+): (?P<description>.+)$", re.MULTILINE)


def _parse(text: str) -> dict[str, str]:
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {heading["name"]: text[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=True)}


_FILES = [file for file in files("unenroll.postgres").joinpath("sql").iterdir() if file.name.endswith(".sql")]
QUERIES = {name: sql for file in _FILES for name, sql in _parse(file.read_text(encoding="utf-8")).items()}
"""The statements by name."""
