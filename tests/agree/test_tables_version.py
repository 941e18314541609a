"""The version that the program checks for is the newest step of the history."""

from unenroll.store.connect import TABLES_VERSION
from unenroll.store.upgrade import newest


def test_the_version_checked_for_is_the_newest_step() -> None:
    assert newest() == TABLES_VERSION
