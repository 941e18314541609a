"""Renders the comparison as tables: in color on a terminal, as plain text in a pipe."""

from collections.abc import Iterable
from itertools import chain

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unenroll.demo.compare import CheckedChapter, CheckedEvent, CheckedExample, Comparison
from unenroll.demo.notation import ExampleResult

_EVENT_WIDTH = 32
_WIDE = 100
_COLORS = {"KEPT": "green", "CANCELLED": "red"}


def tables(result: Comparison, console: Console) -> str:
    """One table for each chapter, then the unexpected results, then the number of examples that are as expected."""
    with console.capture() as captured:
        for chapter in result.chapters:
            console.print(Text(chapter.title, "bold"), _table(chapter, wide=console.width >= _WIDE), sep="\n")
        for line in result.unexpected:
            console.print(Text(f"not expected: {line}", "bold red"))
        console.print(_summary(result))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _summary(result: Comparison) -> Text:
    right = len(result.examples) - len(result.differing)
    wrong = f", not {', '.join(result.differing)}" if result.differing else ""
    return Text(
        f"{right} of {len(result.examples)} examples as expected{wrong}",
        "bold green" if result.as_expected else "bold red",
    )


def _table(chapter: CheckedChapter, *, wide: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("event", max_width=_EVENT_WIDTH)
    table.add_column("result", overflow="fold", no_wrap=wide)
    table.add_column("published", overflow="fold")
    for row in chain.from_iterable(_rows(example) for example in chapter.examples):
        table.add_row(*row)
    return table


def _rows(example: CheckedExample) -> Iterable[tuple[RenderableType, ...]]:
    verdict = Text("as expected", "green") if example.as_expected else Text("NOT as expected", "bold red")
    yield Text(example.name, "bold"), Text(f"customer {example.customer_id}", "bold"), verdict
    for line in example.lines:
        yield _indented(line.event), _result(line.found), _published(line.found)
        if not line.as_expected:
            yield _expected(line)
    yield ("",)


def _expected(line: CheckedEvent) -> tuple[RenderableType, ...]:
    cells = (line.expected.result, "\n".join(line.expected.published))
    return _indented("but expected:", "yellow"), *(Text(cell or "nothing", "yellow") for cell in cells)


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style), (0, 0, 0, 2))


def _result(found: ExampleResult) -> Text:
    return Text(found.result, _COLORS.get(found.result.partition(" ")[0], "cyan"))


def _published(found: ExampleResult) -> Text:
    return Text("\n".join(found.published), "magenta")
