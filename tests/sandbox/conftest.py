from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, which pytest's own are not: as root, Postgres runs as somebody else."""
    with TemporaryDirectory(prefix="unenroll-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    """A folder that only we may enter."""
    tmp_path.chmod(0o700)
    return tmp_path
