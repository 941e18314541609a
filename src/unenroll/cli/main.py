"""The program `unenroll`: its commands and its exit codes."""

import sys
from typing import NoReturn

import typer

from unenroll.cli.api import api, api_secret, resend_calls
from unenroll.cli.demo import demo, sandbox
from unenroll.cli.dlq import app as dlq
from unenroll.cli.inspect import explain, status, verify
from unenroll.cli.load import load, publish
from unenroll.cli.maintenance import erase, prune
from unenroll.cli.offsets import app as offsets
from unenroll.cli.plan import apply, plan
from unenroll.cli.replay import replay
from unenroll.cli.worker import migrate, run, settings_help, topics
from unenroll.errors import UnenrollError, UsageError
from unenroll.logs import configure_logging
from unenroll.settings import ApiSettings, LogSettings, WorkerSettings, read_settings

app = typer.Typer(
    name="unenroll",
    help="Decide what leaving a milestone or a streak does to a customer's cycles and rewards, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (demo, sandbox, migrate, topics, load, publish, plan, apply):
    app.command()(command)
app.command(epilog=settings_help(WorkerSettings))(run)
app.command(epilog=settings_help(ApiSettings))(api)
app.command()(status)
app.command()(explain)
app.command()(replay)
app.command()(verify)
app.command()(prune)
app.command()(erase)
app.command()(api_secret)
app.command()(resend_calls)
app.add_typer(dlq, name="dlq")
app.add_typer(offsets, name="offsets")


@app.callback()
def _configure_logging() -> None:
    settings = read_settings(LogSettings)
    configure_logging(settings.log_format, level=settings.log_level)


def main() -> NoReturn:
    """Run the command that the arguments name. Exit code 0: done, 1: failed, 2: wrong usage or settings."""
    try:
        app()
    except UsageError as error:
        _exit(error, code=2)
    except UnenrollError as error:
        _exit(error, code=1)
    sys.exit(0)


def _exit(error: UnenrollError, *, code: int) -> NoReturn:
    sys.stderr.write(f"unenroll: {error}\n")
    sys.exit(code)
