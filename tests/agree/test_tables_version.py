"""The version that the program checks for is the newest step of the history."""

from unenroll.postgres.migrate import newest_version
from unenroll.postgres.pool import TABLES_VERSION


def test_the_version_checked_for_is_the_newest_step() -> None:
    assert newest_version() == TABLES_VERSION
