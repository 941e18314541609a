"""Programs of other versions, as far as tables go: this one, which holds itself for written for older or newer ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import copytree, ignore_patterns

from stage.workers import Running
from unenroll.cli import main
from unenroll.postgres import migrations
from unenroll.postgres import pool as connect
from unenroll.postgres.migrate import Upgrade

NEWER = "9001"
"""The version that a newer program brings."""

_STEP = '''
"""A step of a newer program."""

from alembic import op

from unenroll.postgres.pool import TABLES_VERSION

revision = "{newer}"
down_revision = TABLES_VERSION
oldest_program = "{oldest}"


def upgrade() -> None:
    op.execute("{sql}")
'''
EXPANDS = "alter table ledger add column more text"
CONTRACTS = "alter table lanes drop column updated_at"


def newer(folder: Path, sql: str, *, oldest: str) -> Upgrade:
    """The history of a newer program, whose step does this and works with programs from `oldest` on."""
    steps = folder / "versions"
    copytree(Path(migrations.__path__[0], "versions"), steps, ignore=ignore_patterns("__pycache__"))
    (steps / "v9001.py").write_text(_STEP.format(newer=NEWER, oldest=oldest, sql=sql))
    return Upgrade(steps=steps)


def _be(version: str) -> None:
    connect.TABLES_VERSION = version
    main()


@contextmanager
def of_version(version: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """The command, as a program of this version."""
    command = Running(partial(_be, version), arguments, environment)
    try:
        yield command
    finally:
        command.end()
