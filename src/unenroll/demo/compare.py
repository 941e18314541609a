"""What was found, held against what is expected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unenroll.demo.campaigns import Chapter
from unenroll.demo.found import Found, Subject
from unenroll.demo.told import Answer, Example


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """Something told, in words, and what was expected and found of it."""

    told: str
    expected: Answer
    found: Answer
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedExample:
    """An example, line by line."""

    name: str
    customer_id: int
    lines: tuple[Checked, ...]
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedChapter:
    """The examples of a campaign."""

    title: str
    examples: tuple[CheckedExample, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Everything, and whether it is as expected. `strays` is what was found that no example tells of."""

    chapters: tuple[CheckedChapter, ...]
    strays: tuple[str, ...]
    as_expected: bool

    @property
    def examples(self) -> Sequence[CheckedExample]:
        """The examples of all chapters."""
        return [example for chapter in self.chapters for example in chapter.examples]

    @property
    def differing(self) -> Sequence[str]:
        """The names of the examples that are not as expected."""
        return [example.name for example in self.examples if not example.as_expected]


def compare(chapters: Iterable[Chapter], found: Found) -> Result:
    """The examples of the chapters, each held against what was found of its customer."""
    listed = list(chapters)
    checked = tuple(
        CheckedChapter(
            title=chapter.campaign.title, examples=tuple(_example(example, found) for example in chapter.examples)
        )
        for chapter in listed
    )
    strays = tuple(_strays(listed, found))
    right = all(example.as_expected for chapter in checked for example in chapter.examples)
    return Result(chapters=checked, strays=strays, as_expected=right and not strays)


def _example(example: Example, found: Found) -> CheckedExample:
    answers = [(told, found.answer(Subject(str(example.customer_id), told.name))) for told in example.told]
    lines = tuple(
        Checked(told=told.words, expected=told.expected, found=answer, as_expected=answer == told.expected)
        for told, answer in answers
    )
    return CheckedExample(
        name=example.name,
        customer_id=example.customer_id,
        lines=lines,
        as_expected=all(line.as_expected for line in lines),
    )


def _strays(chapters: Iterable[Chapter], found: Found) -> Iterable[str]:
    expected = {
        Subject(str(example.customer_id), told.name)
        for chapter in chapters
        for example in chapter.examples
        for told in example.told
    }
    for subject in sorted({*found.stands, *found.published} - expected):
        stands, published = found.answer(subject)
        yield f"customer {subject.customer}, {subject.name}: " + "; ".join(filter(None, [stands, *published]))
