"""An account in which every text that comes from elsewhere would like to be more than text."""

import json
from typing import Any

from stage.events import ABC
from stage.files import event

CUSTOMER = 423789336
WORDS = {
    "group": "</title><script>alert(1)</script>",
    "target": '"><img src=x onerror=alert(1)> \N{RIGHT-TO-LEFT OVERRIDE}gniht on',
    "cycle": "</text></svg><style>*{display:none}</style>",
    "reward": "R' onclick='alert(1)' <a href=javascript:1>",
    "reason": "{{ 7 * 7 }} {% include 'x' %} <!-- &lt;b&gt; \x1b[31m",
    "requester": "]]><svg onload=alert(1)>",
    "source": "/crm/<iframe src=//x>",
    "unit": "</style><link rel=stylesheet href=//x>",
}
_TARGET: dict[str, Any] = {"targetGroupId": 11, "targetId": 21}


def definition(words: dict[str, str]) -> str:
    """A line for `load`: the campaign under these names."""
    cycles: list[Any] = [dict(cycle) for cycle in ABC["cycles"]]  # type: ignore[attr-defined]
    cycles[2]["periodName"] = words["cycle"]
    targets = [{"targetId": 21, "name": words["target"], "kind": "MILESTONE"}]
    data = {**ABC, "name": words["group"], "cycles": cycles, "targets": targets}
    return json.dumps({"type": "TargetGroupDefined", "id": "g11", "data": data})


def facts(words: dict[str, str]) -> list[str]:
    """Lines for `publish`: enrolled, two rewards, and a leave that cancels one."""
    earned: dict[str, Any] = {**_TARGET, "value": {"amount": "1", "unit": words["unit"]}}
    return [
        event("CustomerEnrolled", "in", enrolledAt="2026-01-01T00:00:00Z", **_TARGET),
        *(
            event(
                *("RewardEarned", f"e {allocation}"),
                **{**earned, "rewardId": f"{words['reward']} {allocation}", "periodName": words["cycle"]},
                allocation=allocation,
                achievedAt="2026-03-05T00:00:00Z",
            )
            for allocation in ("IMMEDIATE", "PERIOD_END")
        ),
        _leave(words),
    ]


def _leave(words: dict[str, str]) -> str:
    asked = event(
        *("UnenrollRequested", words["requester"]),
        time="2026-03-15T00:00:00Z",
        reason=words["reason"],
        requestedBy=words["requester"],
        **_TARGET,
    )
    return json.dumps({**json.loads(asked), "source": words["source"]})
