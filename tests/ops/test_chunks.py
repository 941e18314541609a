"""Lines are loaded in chunks: limited in lines and bytes, and in order."""

from collections.abc import Iterable

from support.events import definition, enrollment_line
from unenroll.ops.files import MAX_LINE_BYTES, Line
from unenroll.ops.load.load import MAX_CHUNK_BYTES, MAX_CHUNK_LINES, chunks, parse_chunk, runs


def numbered(contents: Iterable[str]) -> list[Line]:
    return [Line("facts.ndjson", number, content.encode()) for number, content in enumerate(contents, start=1)]


def test_a_chunk_has_so_many_lines_at_most() -> None:
    found = list(chunks(numbered(enrollment_line(customer) for customer in range(1, 2 * MAX_CHUNK_LINES + 2))))
    assert [len(chunk) for chunk in found] == [MAX_CHUNK_LINES, MAX_CHUNK_LINES, 1]
    assert [line.number for chunk in found for line in chunk] == list(range(1, 2 * MAX_CHUNK_LINES + 2))


def test_a_chunk_has_so_many_bytes_at_most() -> None:
    found = chunks(numbered(["x" * (MAX_LINE_BYTES - 1)] * 9))
    assert [len(chunk) for chunk in found] == [MAX_CHUNK_BYTES // MAX_LINE_BYTES, MAX_CHUNK_BYTES // MAX_LINE_BYTES, 1]


def test_no_lines_are_no_chunks() -> None:
    assert list(chunks([])) == []


async def test_a_definition_is_a_run_of_its_own() -> None:
    entries = await parse_chunk(numbered([enrollment_line(1), "bad", definition(), definition(), enrollment_line(2)]))
    assert [[entry.line.number for entry in run] for run in runs(entries)] == [[1, 2], [3], [4], [5]]
