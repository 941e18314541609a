"""The command that replays: records to their topics, decisions to their readers, or decisions against their facts."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import typer

from unenroll.cli.inspect import scope_option
from unenroll.cli.options import (
    Ahead,
    Customers,
    Differences,
    DryRun,
    Files,
    FromTopics,
    Patience,
    Rate,
    ReplayId,
    ReplayMode,
    Report,
    Since,
    SourcePrefix,
    Targets,
    TheMode,
    TheOffsets,
    TheTopics,
    Until,
    Wait,
    check_options,
    instant_if_any,
)
from unenroll.cli.runtime import Json, show, until_interrupted
from unenroll.errors import OutageError, UnenrollError, UsageError
from unenroll.ops.files import STANDARD_INPUT, check_files, check_whole
from unenroll.ops.replay.decisions import ReemitResult, reemit
from unenroll.ops.replay.decisions import sheet as reemitted_sheet
from unenroll.ops.replay.in_flight import RateLimit
from unenroll.ops.replay.records import ReplayOptions, ReplayResult, replay_records
from unenroll.ops.replay.records import sheet as suppressed_sheet
from unenroll.ops.replay.selection import ReplaySelection, read_offsets
from unenroll.ops.replay.slices import ReplayMarking, ReplayTopics
from unenroll.ops.report import ReportFile, ReportSheet, sheet_text
from unenroll.postgres.audit import AuditScope
from unenroll.settings import KafkaSettings, WorkerSettings, read_settings

_REPLAY_ID = re.compile(r"[a-zA-Z0-9._-]{1,64}")


def replay(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    files: Files = None,
    *,
    from_topics: FromTopics = False,
    mode: TheMode = ReplayMode.SUPPRESS,
    source_prefix: SourcePrefix = None,
    offsets: TheOffsets = None,
    since: Since = None,
    until: Until = None,
    customer: Customers = None,
    target: Targets = None,
    topic: TheTopics = None,
    replay_id: ReplayId = None,
    rate: Rate = None,
    ahead: Ahead = 200,
    patience: Patience = 60.0,
    wait: Wait = True,
    dry_run: DryRun = False,
    differences: Differences = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Replay records, or decisions. Safe to end at any moment and to run again, and beside workers."""
    check_options(context, mode)
    selection = ReplaySelection(
        offsets=read_offsets(offsets or []),
        since=instant_if_any(since, "--since"),
        until=instant_if_any(until, "--until"),
        customers=frozenset(customer or ()),
        targets=frozenset(target or ()),
    )
    if mode is ReplayMode.COMPARE:
        scope = AuditScope(customers=selection.customers, targets=selection.targets)
        scope_option(scope, differences=differences, report=report, as_json=as_json)
    elif mode is ReplayMode.RE_EMIT:
        marking = ReplayMarking(
            replay_id=_replay_id(replay_id),
            selection=selection,
            topics=frozenset(topic or ReplayTopics),
        )
        _re_emit(marking, rate, dry_run=dry_run, report=report, as_json=as_json)
    else:
        order = ReplayOptions(
            selection=selection,
            prefix=_prefix(source_prefix) if from_topics else None,
            files=_files(files or [], from_topics=from_topics),
            rate=rate,
            most=ahead,
            patience=patience if wait else None,
            dry_run=dry_run,
        )
        _suppress(order, report=report, as_json=as_json)


def _suppress(order: ReplayOptions, *, report: Path | None, as_json: bool) -> None:
    settings = read_settings(WorkerSettings)
    check_whole(order.files)
    file = None if report is None else ReportFile(report)
    work = partial(replay_records, settings, order)
    try:
        found = until_interrupted(work, waits_for_input=STANDARD_INPUT in order.files)
    except OutageError as outage:
        raise OutageError(
            f"{outage}; run the same command again: what was sent is decided once", server=outage.server
        ) from outage
    _tell(found, suppressed_sheet(found), file=file, as_json=as_json)
    if found.stopped:
        raise UnenrollError(f"stopped; to go on, run the same command again{_with(found.go_on)}")
    if found.bad or found.unsendable:
        raise UnenrollError(f"bad lines: {found.bad}, not to be sent: {found.unsendable}; the others were replayed")


def _re_emit(marking: ReplayMarking, rate: float | None, *, dry_run: bool, report: Path | None, as_json: bool) -> None:
    settings = read_settings(WorkerSettings)
    file = None if report is None else ReportFile(report)
    again = f"run the same command again with --replay-id {marking.replay_id}"
    if not dry_run:
        sys.stderr.write(f"replay {marking.replay_id}; if it ends early, {again}\n")
    found = until_interrupted(partial(reemit, settings, marking, pace=RateLimit(rate), dry_run=dry_run))
    _tell(found, reemitted_sheet(found), file=file, as_json=as_json)
    if not found.finished:
        raise UnenrollError(f"stopped; to go on, {again}")


def _tell(found: ReplayResult | ReemitResult, sheet: ReportSheet, *, file: ReportFile | None, as_json: bool) -> None:
    if file is not None:
        file.write(found, sheet)
    show(found, sheet_text(sheet, sys.stdout), as_json=as_json)


def _files(files: Sequence[Path], *, from_topics: bool) -> tuple[Path, ...]:
    if bool(files) is from_topics:
        raise UsageError("say what to replay: --from-topics, or files")
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


def _with(arguments: str) -> str:
    return f" with {arguments}" if arguments else ""
