"""How answers are worded, expected ones and found ones alike."""

from collections.abc import Mapping
from typing import Any

from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Action, Rule, State

_ROWS: dict[Rule, str] = {
    rule: f"{row} " for row, rule in enumerate(Rule, start=1) if rule is not Rule.ALREADY_ACHIEVED
}


def standing(state: State, rule: Rule, action: Action | None) -> str:
    """Like `CANCELLED 7 PERIOD_END_LOST, VOID`: the rule with its row in the table of rules.md section 3."""
    return f"{state} {_ROWS.get(rule, '')}{rule}" + (f", {action}" if action else "")


def kept(rule: Rule) -> str:
    """The standing of a reward that this rule keeps."""
    return standing(State.KEPT, rule, None)


def cancelled(rule: Rule, action: Action) -> str:
    """The standing of a reward that this rule cancels."""
    return standing(State.CANCELLED, rule, action)


def outcome(of_a_leave: Outcome) -> str:
    """The outcome and its code, if it has one."""
    return _coded(of_a_leave, of_a_leave.code)


def published(event: str, data: Mapping[str, Any], leaves: Mapping[str, str]) -> str:
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
