"""What was found, held against what is expected."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.demo.notation import Chapter, Example, ExpectedAnswer
from unenroll.demo.reader import VisibleRecord
from unenroll.postgres.accounts import KnownAccount
from unenroll.wire.topics import event_name

_ROWS: dict[Rule, str] = {
    rule: f"{row} " for row, rule in enumerate(Rule, start=1) if rule is not Rule.ALREADY_ACHIEVED
}


def standing_words(state: RewardState, rule: Rule, action: RewardAction | None) -> str:
    """Like `CANCELLED 7 PERIOD_END_LOST, VOID`: the rule with its row in the table of rules.md section 3."""
    return f"{state} {_ROWS.get(rule, '')}{rule}" + (f", {action}" if action else "")


def kept_words(rule: Rule) -> str:
    """The standing of a reward that this rule keeps."""
    return standing_words(RewardState.KEPT, rule, None)


def cancelled_words(rule: Rule, action: RewardAction) -> str:
    """The standing of a reward that this rule cancels."""
    return standing_words(RewardState.CANCELLED, rule, action)


def outcome_words(of_a_leave: Outcome) -> str:
    """The outcome and its code, if it has one."""
    return _coded(of_a_leave, of_a_leave.code)


def published_words(event: str, data: Mapping[str, Any], leaves: Mapping[str, str]) -> str:
    """What the event of this name says, in short. `leaves` has the ids of requests by `unenrollmentId`."""
    if event == "UserUnenrolled":
        return f"{event}{_cycles(data['droppedPeriods'])}{_superseded(data['supersedes'], leaves)}"
    if event == "UnenrollRejected":
        return f"{event} {_coded(data['outcome'], data['code'])}"
    return f"{event} {data['action']}" if event == "RewardCancelled" else event


def _coded(name: str, code: int | None) -> str:
    return name if code is None else f"{name} {code}"


def _cycles(span: Mapping[str, Any] | None) -> str:
    if span is None:
        return ", no cycle falls"
    return f" {span['first']}" if span["count"] == 1 else f" {span['first']}-{span['last']}"


def _superseded(unenrollment: str | None, leaves: Mapping[str, str]) -> str:
    return "" if unenrollment is None else f", supersedes {leaves.get(unenrollment, unenrollment)}"


class Subject(NamedTuple):
    """What an answer is about: a reward or a leave of a customer, or a record that is no event."""

    customer: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """How rewards and leaves stand, and the events published of them, each topic's in order."""

    stands: Mapping[Subject, str]
    published: Mapping[Subject, tuple[str, ...]]

    def answer(self, subject: Subject) -> ExpectedAnswer:
        """What was found of this, which may be nothing."""
        return ExpectedAnswer(self.stands.get(subject, ""), self.published.get(subject, ()))


def observed(seen: Iterable[VisibleRecord], accounts: Iterable[KnownAccount]) -> Observation:
    """What these records and these accounts say."""
    records = list(seen)
    events = [(name, from_json(record.value or b"")) for record in records if (name := _name(record)) is not None]
    leaves = {data["unenrollmentId"]: data["requestId"] for name, data in events if name == "UserUnenrolled"}
    told: dict[Subject, tuple[str, ...]] = defaultdict(tuple)
    for name, data in events:
        told[_subject(data)] += (published_words(name, data, leaves),)
    for record in records:
        if _name(record) is None:
            told[_place(record)] += (f"{record.header('dlq_reason')}: {record.header('dlq_detail')}",)
    stands = {subject: stands for account in accounts for subject, stands in _stands(account)}
    return Observation(stands=stands, published=dict(told))


def _name(record: VisibleRecord) -> str | None:
    return event_name(record.header("ce_type")) if record.header("dlq_reason") == "" else None


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(str(data["customerId"]), data.get("rewardId") or data["requestId"])


def _place(record: VisibleRecord) -> Subject:
    return Subject((record.key or b"").decode("utf-8", "replace"), record.topic)


def _stands(known: KnownAccount) -> Iterator[tuple[Subject, str]]:
    customer, settled = str(known.state.account.customer_id), known.state.settled
    for reward_id, reward in settled.rewards.items():
        yield Subject(customer, reward_id), standing_words(reward.state, reward.rule, reward.action)
    for key, leave in settled.leaves.items():
        yield Subject(customer, key.id), outcome_words(leave.outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedEvent:
    """Something told, in words, and what was expected and found of it."""

    told: str
    expected: ExpectedAnswer
    found: ExpectedAnswer
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedExample:
    """An example, line by line."""

    name: str
    customer_id: int
    lines: tuple[CheckedEvent, ...]
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedChapter:
    """The examples of a campaign."""

    title: str
    examples: tuple[CheckedExample, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
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


def compare(chapters: Iterable[Chapter], found: Observation) -> Comparison:
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
    return Comparison(chapters=checked, strays=strays, as_expected=right and not strays)


def _example(example: Example, found: Observation) -> CheckedExample:
    answers = [(told, found.answer(Subject(str(example.customer_id), told.name))) for told in example.told]
    lines = tuple(
        CheckedEvent(told=told.words, expected=told.expected, found=answer, as_expected=answer == told.expected)
        for told, answer in answers
    )
    return CheckedExample(
        name=example.name,
        customer_id=example.customer_id,
        lines=lines,
        as_expected=all(line.as_expected for line in lines),
    )


def _strays(chapters: Iterable[Chapter], found: Observation) -> Iterable[str]:
    expected = {
        Subject(str(example.customer_id), told.name)
        for chapter in chapters
        for example in chapter.examples
        for told in example.told
    }
    for subject in sorted({*found.stands, *found.published} - expected):
        stands, published = found.answer(subject)
        yield f"customer {subject.customer}, {subject.name}: " + "; ".join(filter(None, [stands, *published]))
