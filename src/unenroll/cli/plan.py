"""The commands `plan` and `apply`: predict what many requests do, then publish exactly those requests."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from unenroll.cli.load import Files, fail_on_bad_lines, open_lines
from unenroll.cli.render.plan import PlanSummary, render_apply, render_plan
from unenroll.cli.runtime import Json, show
from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.files import STANDARD_INPUT
from unenroll.ops.plan.apply import ApplyResult, apply_plan
from unenroll.ops.plan.file import plan_draft, read_plan
from unenroll.ops.plan.plan import make_plan
from unenroll.ops.plan.totals import read_limits
from unenroll.ops.plan.verdicts import RequestResult, apply_report
from unenroll.settings import DatabaseSettings, WorkerSettings, read_settings

Out = Annotated[Path | None, typer.Option(metavar="PLAN", help="write the plan to this file; default: FILE.plan")]
MaxRewards = Annotated[int | None, typer.Option(metavar="N", min=0, help="refuse to cancel more rewards than this")]
MaxValue = Annotated[
    list[str] | None,
    typer.Option(metavar="UNIT=AMOUNT", help="refuse to cancel more value than this, in this unit; repeatable"),
]


def plan(
    files: Files,
    *,
    out: Out = None,
    max_rewards: MaxRewards = None,
    max_value: MaxValue = None,
    as_json: Json = False,
) -> None:
    """Predict what requests would do, and write a plan for `unenroll apply`. Changes nothing in Postgres or Kafka."""
    settings = read_settings(DatabaseSettings)
    limits = read_limits(max_rewards, max_value or [])
    path = out or _default_path(files[0])
    with open_lines("plan", files) as (input_lines, bad), plan_draft(path) as draft:
        made = asyncio.run(make_plan(input_lines, settings, bad=bad, draft=draft))
        problems = list(limits.exceeded(made.plan.totals)) if made.plan.requests else ["no request is new"]
        sha256 = None if problems else draft.save(made.plan)
    summary = PlanSummary(
        path=None if problems else str(path),
        sha256=sha256,
        plan=made.plan,
        granted=made.granted,
        refused=made.refused,
        known_already=made.known_already,
        bad=bad.count,
    )
    show(summary, render_plan(summary, sys.stdout), as_json=as_json)
    if problems:
        raise UnenrollError(f"no plan was written: {'; '.join(problems)}")
    fail_on_bad_lines(bad)


def apply(  # noqa: PLR0913 - each is an option of the command
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="a file that `unenroll plan` wrote")],
    *,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait for the lanes to decide")] = False,
    patience: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="stop waiting when no request was decided for this long")
    ] = 60,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the result of each request to this file as JSON lines")
    ] = None,
    stale: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write stale requests to this file, to plan them again")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a plan's requests, and compare what the lanes decide with the plan. Safe to repeat."""
    settings = read_settings(WorkerSettings)
    if no_wait and (report or stale):
        raise UsageError("--report and --stale need the lanes' decisions, so they exclude --no-wait")
    file = read_plan(plan_file)
    with apply_report(report, stale, plan=file) as outcome:
        result = asyncio.run(apply_plan(file, settings, report=outcome, patience=None if no_wait else patience))
    show(result, render_apply(result, sys.stdout), as_json=as_json)
    _fail_unless_as_predicted(result)


def _default_path(file: Path) -> Path:
    if file == STANDARD_INPUT:
        raise UsageError("a plan of standard input needs --out PLAN")
    return file.with_name(f"{file.name}.plan")


def _fail_unless_as_predicted(applied: ApplyResult) -> None:
    others = {
        result: count
        for result, count in (applied.results or {}).items()
        if count and result is not RequestResult.AS_PREDICTED
    }
    if others:
        counts = ", ".join(f"{count} {result}" for result, count in others.items())
        raise UnenrollError(f"not all requests were decided as predicted: {counts}")
