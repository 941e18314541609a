"""A story as text for a person: colors on a terminal, plain lines in a pipe."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from unenroll.core.definitions import EnrollmentMode
from unenroll.core.standings import State
from unenroll.explain.cycles import CyclesTold, Fate
from unenroll.explain.facts import FactTold
from unenroll.explain.rewards import RewardTold
from unenroll.explain.story import Story
from unenroll.legible import legible

_COLORS = {State.KEPT: "green", State.CANCELLED: "red"}
_FATES = {Fate.NOT_ENROLLED: "not enrolled", Fate.TOOK_PART: "took part", Fate.TAKES_PART: "takes part"}
_DUE = "Cycles were appended since: the account is to be settled again, and some of this will change."
_UNBROKEN = 100_000

_Row = tuple[Text, ...]


def told(stories: Iterable[Story], file: TextIO) -> str:
    """The stories as they are to be shown in this file: as wide as a terminal is, or with no line broken."""
    console = Console(file=file, width=None if file.isatty() else _UNBROKEN)
    with console.capture() as captured:
        for story in stories:
            console.print(*_parts(story), sep="\n")
    return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())


def moment(instant: datetime) -> str:
    """The instant in UTC, like `15 Mar 2026 00:00Z`, with seconds only where there are some."""
    utc = instant.astimezone(UTC)
    if not utc.second and not utc.microsecond:
        return f"{utc:%d %b %Y %H:%M}Z"
    fraction = f".{utc.microsecond:06}".rstrip("0").rstrip(".")
    return f"{utc:%d %b %Y %H:%M:%S}{fraction}Z"


def _parts(story: Story) -> Iterator[RenderableType]:
    yield Text()
    yield _plain(
        f"Customer {story.customer_id} in target {story.target_id} {story.target_name} ({story.kind}), "
        f"of target group {story.group_id} {story.group_name}",
        "bold",
    )
    if story.enrollment is EnrollmentMode.AUTOMATIC:
        yield Text("Everybody takes part from the first cycle on.")
    if story.due:
        yield Text(_DUE, "yellow")
    yield from _section("Cycles", map(_cycles, story.cycles))
    yield from _section("Facts in order of time", map(_fact, story.facts))
    yield from _section("Rewards", map(_reward, story.rewards))


def _section(title: str, rows: Iterable[_Row]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row("", *row)
    yield table if table.rows else Text("  none")


def _cycles(cycles: CyclesTold) -> _Row:
    names = cycles.first if cycles.count == 1 else f"{cycles.first}\u2013{cycles.last}"
    fate = "" if cycles.left_at is None else f"fell with the leave of {moment(cycles.left_at)}"
    return _plain(f"{names}:"), Text(_FATES.get(cycles.fate, fate))


def _fact(fact: FactTold) -> _Row:
    code = "" if fact.code is None else f" {fact.code}"
    outcome = "" if fact.outcome is None else f"{fact.outcome}{code}: "
    text = Text.assemble((outcome, "bold"), _plain(fact.sentence))
    said = (f'"{fact.reason}"' if fact.reason else "", f"by {fact.requested_by}" if fact.requested_by else "")
    by = "" if fact.source is None else f"event {fact.id} of {fact.source}"
    if remarks := ", ".join(remark for remark in (*said, by) if remark):
        text.append("\n").append_text(_plain(remarks, "dim"))
    return Text(moment(fact.at), "cyan"), Text(fact.kind.lower()), text


def _reward(reward: RewardTold) -> _Row:
    what = (
        reward.period_name,
        "" if reward.level is None else f"level {reward.level}",
        reward.allocation,
        f"achieved {moment(reward.achieved_at)}",
        "not known to be issued" if reward.issued_at is None else f"issued {moment(reward.issued_at)}",
        "" if reward.amount is None else f"{reward.amount} {reward.unit}",
    )
    left = "" if reward.left_at is None else f", the leave of {moment(reward.left_at)}"
    return (
        _plain(reward.reward_id, "bold"),
        Text(reward.state if reward.action is None else f"{reward.state} {reward.action}", _COLORS[reward.state]),
        Text.assemble(
            _plain(", ".join(part for part in what if part)),
            (f"\n{reward.rule}: ", "bold"),
            reward.sentence,
            (f"\nrevision {reward.revision}{left}", "dim"),
        ),
    )


def _plain(text: str, style: str = "") -> Text:
    return Text(legible(text), style)
