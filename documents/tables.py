"""Tables in Markdown."""

from collections.abc import Iterable, Iterator, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table and the empty line behind it, or nothing where it has no rows."""
    lines = [_row(row) for row in rows]
    if lines:
        yield _row(heads)
        yield "|" + "---|" * len(heads)
        yield from lines
        yield ""


def code(text: object) -> str:
    """The text as code, within a cell."""
    return f"`{text}`"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
