"""The command `unenroll replay`, in its modes suppress, re-emit and compare."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import typer

from unenroll.cli.inspect import verify_and_show
from unenroll.cli.options import (
    Ahead,
    Customers,
    Differences,
    Files,
    FromTopics,
    Mode,
    Offsets,
    OutputTopics,
    Patience,
    Rate,
    ReplayDryRun,
    ReplayId,
    ReplayMode,
    Report,
    Since,
    SourcePrefix,
    Targets,
    Until,
    Wait,
    check_replay_options,
    optional_instant,
)
from unenroll.cli.runtime import Json, show, until_interrupted
from unenroll.errors import OutageError, UnenrollError, UsageError
from unenroll.ops.files import STANDARD_INPUT, check_contents, check_files
from unenroll.ops.replay.decisions import ReemitResult, reemit, reemit_sheet
from unenroll.ops.replay.in_flight import RateLimit
from unenroll.ops.replay.records import ReplayOptions, ReplayResult, replay_records, replay_sheet
from unenroll.ops.replay.selection import ReplaySelection, parse_offsets
from unenroll.ops.replay.slices import ReplayMarking, ReplayTopics
from unenroll.ops.report import ReportFile, ReportSheet, sheet_text
from unenroll.postgres.audit import AuditScope
from unenroll.settings import KafkaSettings, WorkerSettings, read_settings
from unenroll.text import plural

_REPLAY_ID = re.compile(r"[a-zA-Z0-9._-]{1,64}")


def replay(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    files: Files = None,
    *,
    from_topics: FromTopics = False,
    mode: Mode = ReplayMode.SUPPRESS,
    source_prefix: SourcePrefix = None,
    offsets: Offsets = None,
    since: Since = None,
    until: Until = None,
    customer: Customers = None,
    target: Targets = None,
    topic: OutputTopics = None,
    replay_id: ReplayId = None,
    rate: Rate = None,
    ahead: Ahead = 200,
    patience: Patience = 60.0,
    wait: Wait = True,
    dry_run: ReplayDryRun = False,
    differences: Differences = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Replay records or decisions. Safe to stop and repeat at any moment, and to run beside workers."""
    check_replay_options(context, mode)
    selection = ReplaySelection(
        offsets=parse_offsets(offsets or []),
        since=optional_instant(since, "--since"),
        until=optional_instant(until, "--until"),
        customers=frozenset(customer or ()),
        targets=frozenset(target or ()),
    )
    if mode is ReplayMode.COMPARE:
        scope = AuditScope(customers=selection.customers, targets=selection.targets)
        verify_and_show(scope, differences=differences, report=report, as_json=as_json)
    elif mode is ReplayMode.RE_EMIT:
        marking = ReplayMarking(
            replay_id=_replay_id(replay_id),
            selection=selection,
            topics=frozenset(topic or ReplayTopics),
        )
        _reemit(marking, rate, dry_run=dry_run, report=report, as_json=as_json)
    else:
        options = ReplayOptions(
            selection=selection,
            prefix=_prefix(source_prefix) if from_topics else None,
            files=_files(files or [], from_topics=from_topics),
            rate=rate,
            ahead=ahead,
            patience=patience if wait else None,
            dry_run=dry_run,
        )
        _suppress(options, report=report, as_json=as_json)


def _suppress(options: ReplayOptions, *, report: Path | None, as_json: bool) -> None:
    settings = read_settings(WorkerSettings)
    check_contents(options.files)
    file = None if report is None else ReportFile(report)
    work = partial(replay_records, settings, options)
    try:
        result = until_interrupted(work, waits_for_input=STANDARD_INPUT in options.files)
    except OutageError as outage:
        raise OutageError(
            f"{outage}; run the same command again: each record is decided once", server=outage.server
        ) from outage
    _report(result, replay_sheet(result), file=file, as_json=as_json)
    if result.stopped:
        arguments = f" with {result.go_on}" if result.go_on else ""
        raise UnenrollError(f"stopped; to continue, run the same command again{arguments}")
    skipped = [plural(result.bad, "bad line")] if result.bad else []
    if result.unsendable:
        skipped.append(f"{plural(result.unsendable, 'record')} too large or with unreadable headers")
    if skipped:
        raise UnenrollError(f"did not send {' and '.join(skipped)}; replayed the others")


def _reemit(marking: ReplayMarking, rate: float | None, *, dry_run: bool, report: Path | None, as_json: bool) -> None:
    settings = read_settings(WorkerSettings)
    file = None if report is None else ReportFile(report)
    again = f"run the same command again with --replay-id {marking.replay_id}"
    if not dry_run:
        sys.stderr.write(f"replay {marking.replay_id}; if it stops early, {again}\n")
    result = until_interrupted(partial(reemit, settings, marking, rate_limit=RateLimit(rate), dry_run=dry_run))
    _report(result, reemit_sheet(result), file=file, as_json=as_json)
    if not result.finished:
        raise UnenrollError(f"stopped; to continue, {again}")


def _report(result: ReplayResult | ReemitResult, sheet: ReportSheet, *, file: ReportFile | None, as_json: bool) -> None:
    if file is not None:
        file.write(result, sheet)
    show(result, sheet_text(sheet, sys.stdout), as_json=as_json)


def _files(files: Sequence[Path], *, from_topics: bool) -> tuple[Path, ...]:
    if bool(files) is from_topics:
        raise UsageError("give either --from-topics or files to replay")
    check_files(files)
    return tuple(files)


def _prefix(source_prefix: str | None) -> str:
    return read_settings(KafkaSettings).topic_prefix if source_prefix is None else source_prefix


def _replay_id(text: str | None) -> str:
    if text is None:
        return uuid4().hex
    if not _REPLAY_ID.fullmatch(text):
        raise UsageError(f"--replay-id {text}: must be 1 to 64 letters, digits, dots, dashes or underscores")
    return text
