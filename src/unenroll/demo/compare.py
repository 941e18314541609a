"""Compares what the reader observes with what the examples expect."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.outcomes import Outcome
from unenroll.core.standings import RewardAction, RewardState, Rule
from unenroll.demo.notation import Chapter, Example, ExampleEvent, ExampleResult
from unenroll.demo.reader import VisibleRecord
from unenroll.postgres.accounts import KnownAccount
from unenroll.wire.topics import event_name

_RULE_ROWS: dict[Rule, str] = {
    rule: f"{row} " for row, rule in enumerate(Rule, start=1) if rule is not Rule.ALREADY_ACHIEVED
}


class Subject(NamedTuple):
    """What a result belongs to: a customer, and the id of a reward or a leave; the topic of a dead letter."""

    customer: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """The results that are stored for rewards and leaves, and the events published for them, in order."""

    results: Mapping[Subject, str]
    published: Mapping[Subject, tuple[str, ...]]

    def result_of(self, subject: Subject) -> ExampleResult:
        """The result of the subject, with empty parts where there is none."""
        return ExampleResult(self.results.get(subject, ""), self.published.get(subject, ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedEvent:
    """An event as text, its expected result and the observed one."""

    event: str
    expected: ExampleResult
    found: ExampleResult
    as_expected: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedExample:
    """An example, one line for each event."""

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
    """The whole comparison. `unexpected` lists the observed results that belong to no example."""

    chapters: tuple[CheckedChapter, ...]
    unexpected: tuple[str, ...]
    as_expected: bool

    @property
    def examples(self) -> Sequence[CheckedExample]:
        """The examples of all chapters."""
        return [example for chapter in self.chapters for example in chapter.examples]

    @property
    def differing(self) -> Sequence[str]:
        """The names of the examples that are not as expected."""
        return [example.name for example in self.examples if not example.as_expected]


def compare(chapters: Sequence[Chapter], observation: Observation) -> Comparison:
    """Compare each example with what was observed of its customer."""
    checked = tuple(
        CheckedChapter(
            title=chapter.campaign.title,
            examples=tuple(_check_example(example, observation) for example in chapter.examples),
        )
        for chapter in chapters
    )
    unexpected = tuple(_unexpected(chapters, observation))
    right = all(example.as_expected for chapter in checked for example in chapter.examples)
    return Comparison(chapters=checked, unexpected=unexpected, as_expected=right and not unexpected)


def _check_example(example: Example, observation: Observation) -> CheckedExample:
    lines = tuple(
        _check_event(event, observation.result_of(Subject(str(example.customer_id), event.name)))
        for event in example.events
    )
    return CheckedExample(
        name=example.name,
        customer_id=example.customer_id,
        lines=lines,
        as_expected=all(line.as_expected for line in lines),
    )


def _check_event(event: ExampleEvent, found: ExampleResult) -> CheckedEvent:
    return CheckedEvent(event=event.text, expected=event.expected, found=found, as_expected=found == event.expected)


def _unexpected(chapters: Iterable[Chapter], observation: Observation) -> Iterator[str]:
    expected = {
        Subject(str(example.customer_id), event.name)
        for chapter in chapters
        for example in chapter.examples
        for event in example.events
    }
    for subject in sorted({*observation.results, *observation.published} - expected):
        result, published = observation.result_of(subject)
        yield f"customer {subject.customer}, {subject.name}: " + "; ".join(filter(None, [result, *published]))


def observe(records: Sequence[VisibleRecord], accounts: Iterable[KnownAccount]) -> Observation:
    """The results in these accounts, and the events and dead letters among these records."""
    events = [(name, from_json(record.value or b"")) for record in records if (name := _event_name(record)) is not None]
    request_ids = {data["unenrollmentId"]: data["requestId"] for name, data in events if name == "UserUnenrolled"}
    published: dict[Subject, tuple[str, ...]] = defaultdict(tuple)
    for name, data in events:
        published[_subject(data)] += (published_text(name, data, request_ids),)
    for record in records:
        if _event_name(record) is None:
            published[_dead_letter_subject(record)] += (
                f"{record.header('dlq_reason')}: {record.header('dlq_detail')}",
            )
    results = {subject: result for account in accounts for subject, result in _results(account)}
    return Observation(results=results, published=dict(published))


def _event_name(record: VisibleRecord) -> str | None:
    """The name of the event, None for a dead letter."""
    return event_name(record.header("ce_type")) if record.header("dlq_reason") == "" else None


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(str(data["customerId"]), data.get("rewardId") or data["requestId"])


def _dead_letter_subject(record: VisibleRecord) -> Subject:
    return Subject((record.key or b"").decode("utf-8", "replace"), record.topic)


def _results(account: KnownAccount) -> Iterator[tuple[Subject, str]]:
    customer, settled = str(account.state.account.customer_id), account.state.settled
    for reward_id, reward in settled.rewards.items():
        yield Subject(customer, reward_id), standing_text(reward.state, reward.rule, reward.action)
    for key, leave in settled.leaves.items():
        yield Subject(customer, key.id), outcome_text(leave.outcome)


def standing_text(state: RewardState, rule: Rule, action: RewardAction | None) -> str:
    """Like `CANCELLED 7 PERIOD_END_LOST, VOID`. The number is the rule's row in the table of rules.md section 3."""
    return f"{state} {_RULE_ROWS.get(rule, '')}{rule}" + (f", {action}" if action else "")


def kept_text(rule: Rule) -> str:
    """The standing of a reward that this rule keeps."""
    return standing_text(RewardState.KEPT, rule, None)


def cancelled_text(rule: Rule, action: RewardAction) -> str:
    """The standing of a reward that this rule cancels."""
    return standing_text(RewardState.CANCELLED, rule, action)


def outcome_text(outcome: Outcome) -> str:
    """The outcome of a leave, with its code if it has one."""
    return _with_code(outcome, outcome.code)


def published_text(name: str, data: Mapping[str, Any], request_ids: Mapping[str, str]) -> str:
    """A published event in short, by its name and data. `request_ids` maps `unenrollmentId` to the request's id."""
    if name == "UserUnenrolled":
        return f"{name}{_cycles(data['droppedPeriods'])}{_superseded(data['supersedes'], request_ids)}"
    if name == "UnenrollRejected":
        return f"{name} {_with_code(data['outcome'], data['code'])}"
    return f"{name} {data['action']}" if name == "RewardCancelled" else name


def _with_code(outcome: str, code: int | None) -> str:
    return outcome if code is None else f"{outcome} {code}"


def _cycles(dropped: Mapping[str, Any] | None) -> str:
    if dropped is None:
        return ", no cycle falls"
    return f" {dropped['first']}" if dropped["count"] == 1 else f" {dropped['first']}-{dropped['last']}"


def _superseded(unenrollment_id: str | None, request_ids: Mapping[str, str]) -> str:
    return "" if unenrollment_id is None else f", supersedes {request_ids.get(unenrollment_id, unenrollment_id)}"
