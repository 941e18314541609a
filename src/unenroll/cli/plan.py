"""Commands for many requests at once: first a plan, then that plan and no other."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from unenroll.cli.load import Files, fail_if, loaded_text
from unenroll.cli.render.plan import PlanSummary, render_plan
from unenroll.cli.render.plan import render_apply as applied_told
from unenroll.cli.runtime import Json, show
from unenroll.errors import UnenrollError, UsageError
from unenroll.ops.files import STANDARD_INPUT
from unenroll.ops.plan.apply import ApplyResult, apply_plan
from unenroll.ops.plan.file import draft, read_plan
from unenroll.ops.plan.plan import make_plan
from unenroll.ops.plan.totals import read_limits
from unenroll.ops.plan.verdicts import RequestResult
from unenroll.ops.plan.verdicts import apply_report as reported
from unenroll.settings import DatabaseSettings, WorkerSettings, read_settings

Out = Annotated[Path | None, typer.Option(metavar="PLAN", help="where the plan goes; unset: FILE.plan")]
MostRewards = Annotated[int | None, typer.Option(metavar="N", min=0, help="refuse to cancel more rewards than this")]
MostValue = Annotated[
    list[str] | None, typer.Option(metavar="UNIT=AMOUNT", help="refuse to cancel more of this unit; repeatable")
]


def plan(
    files: Files,
    *,
    out: Out = None,
    max_rewards: MostRewards = None,
    max_value: MostValue = None,
    as_json: Json = False,
) -> None:
    """Say what requests would do, and write it down as a plan to be applied. Changes nothing."""
    settings = read_settings(DatabaseSettings)
    limits = read_limits(max_rewards, max_value or [])
    path = out or _beside(files[0])
    with loaded_text("plan", files) as (taken, bad), draft(path) as sketch:
        made = asyncio.run(make_plan(taken, settings.database_url.get_secret_value(), bad=bad, draft=sketch))
        flaws = list(limits.exceeded(made.plan.totals)) if made.plan.requests else ["it holds no request"]
        sha256 = None if flaws else sketch.keep(made.plan)
    planned = PlanSummary(
        path=None if flaws else str(path),
        sha256=sha256,
        plan=made.plan,
        granted=made.granted,
        refused=made.refused,
        known_already=made.known_already,
        bad=bad.count,
    )
    show(planned, render_plan(planned, sys.stdout), as_json=as_json)
    if flaws:
        raise UnenrollError(f"no plan was written: {'; '.join(flaws)}")
    fail_if(bad)


def apply(  # noqa: PLR0913 - each is an option of the command
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="what `unenroll plan` has written")],
    *,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait until the lanes have decided")] = False,
    patience: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="give up once nothing was decided for so long")
    ] = 60,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write what became of each request to this file, one a line")
    ] = None,
    stale: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write stale requests to this file, to be planned again")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a plan's requests, and hold what the lanes decide against the plan. Safe to repeat."""
    settings = read_settings(WorkerSettings)
    if no_wait and (report or stale):
        raise UsageError("--report and --stale tell what the lanes decide, so they do not go with --no-wait")
    file = read_plan(plan_file)
    with reported(report, stale, plan=file) as outcome:
        applied = asyncio.run(apply_plan(file, settings, report=outcome, patience=None if no_wait else patience))
    show(applied, applied_told(applied, sys.stdout), as_json=as_json)
    _fail_unless_as_predicted(applied)


def _beside(file: Path) -> Path:
    if file == STANDARD_INPUT:
        raise UsageError("say with --out where the plan of standard input goes")
    return file.with_name(f"{file.name}.plan")


def _fail_unless_as_predicted(applied: ApplyResult) -> None:
    unlike = {name: n for name, n in (applied.results or {}).items() if n and name is not RequestResult.AS_PREDICTED}
    if unlike:
        counts = ", ".join(f"{n} {name}" for name, n in unlike.items())
        raise UnenrollError(f"not all requests came out as predicted: {counts}")
