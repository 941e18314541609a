"""The result as tables: colors on a terminal, plain text in a pipe."""

from collections.abc import Iterable
from itertools import chain

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from unenroll.demo.compare import CheckedChapter, CheckedEvent, CheckedExample, Comparison
from unenroll.demo.notation import ExpectedAnswer

_TOLD_WIDTH = 32
_ROOMY = 100
_COLORS = {"KEPT": "green", "CANCELLED": "red"}


def tables(result: Comparison, console: Console) -> str:
    """A table for each chapter, then what no example tells of, then how many are as expected."""
    with console.capture() as captured:
        for chapter in result.chapters:
            console.print(Text(chapter.title, "bold"), _table(chapter, roomy=console.width >= _ROOMY), sep="\n")
        for stray in result.strays:
            console.print(Text(f"not expected: {stray}", "bold red"))
        console.print(_summary(result))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _summary(result: Comparison) -> Text:
    right = len(result.examples) - len(result.differing)
    wrong = f", not {', '.join(result.differing)}" if result.differing else ""
    return Text(
        f"{right} of {len(result.examples)} examples as expected{wrong}",
        "bold green" if result.as_expected else "bold red",
    )


def _table(chapter: CheckedChapter, *, roomy: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("told", max_width=_TOLD_WIDTH)
    table.add_column("stands", overflow="fold", no_wrap=roomy)
    table.add_column("published", overflow="fold")
    for row in chain.from_iterable(_rows(example) for example in chapter.examples):
        table.add_row(*row)
    return table


def _rows(example: CheckedExample) -> Iterable[tuple[RenderableType, ...]]:
    verdict = Text("as expected", "green") if example.as_expected else Text("NOT as expected", "bold red")
    yield Text(example.name, "bold"), Text(f"customer {example.customer_id}", "bold"), verdict
    for line in example.lines:
        yield _indented(line.told), _stands(line.found), _published(line.found)
        if not line.as_expected:
            yield _expected(line)
    yield ("",)


def _expected(line: CheckedEvent) -> tuple[RenderableType, ...]:
    cells = (line.expected.stands, "\n".join(line.expected.published))
    return _indented("but expected:", "yellow"), *(Text(cell or "nothing", "yellow") for cell in cells)


def _indented(words: str, style: str = "") -> Padding:
    return Padding(Text(words, style), (0, 0, 0, 2))


def _stands(answer: ExpectedAnswer) -> Text:
    return Text(answer.stands, _COLORS.get(answer.stands.partition(" ")[0], "cyan"))


def _published(answer: ExpectedAnswer) -> Text:
    return Text("\n".join(answer.published), "magenta")
