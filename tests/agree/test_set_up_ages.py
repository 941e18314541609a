"""Set-up in a world where time has passed: of every locked package there is a later version, and it is empty."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from agree.pages import ROOT, tracked

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]
LATER = "9999"
OLDEST_PIP = "pip==22.3"  # what Python 3.11.0 brings along
NEWEST_PIP = "pip"


@pytest.mark.parametrize("pip", [OLDEST_PIP, NEWEST_PIP])
def test_set_up_does_not_notice_later_versions(pip: str, tmp_path: Path) -> None:
    checkout, links = copied(tmp_path / "checkout"), later_versions(tmp_path / "links")
    python = virtual_environment(checkout, pip)
    given = f"{os.environ.get('PIP_FIND_LINKS', '')} {links}".strip()
    done = subprocess.run(
        ["make", "setup"],  # noqa: S607 - the make of whoever runs it
        cwd=checkout,
        env={**os.environ, "PIP_FIND_LINKS": given},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((done.stdout + done.stderr).splitlines()) <= 4, "set-up says a line a step"
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"], check=True, capture_output=True, text=True
    )
    assert "unenroll==" in listed.stdout
    assert f"=={LATER}" not in listed.stdout


def copied(folder: Path) -> Path:
    """This checkout again, without what was installed or made in it."""
    for path in tracked():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    return folder


def later_versions(folder: Path) -> Path:
    """A folder with an empty wheel of a later version of each locked package."""
    folder.mkdir()
    locks = [lock.read_text(encoding="utf-8") for lock in (ROOT / "requirements").glob("*.lock")]
    for name in {name for lock in locks for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}:
        stem = f"{re.sub('[-_.]+', '_', name)}-{LATER}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {LATER}\n"
        with ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return folder


def virtual_environment(checkout: Path, pip: str) -> Path:
    """The Python of the checkout's virtual environment, with this pip."""
    python = checkout / ".venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", checkout / ".venv"], check=True)
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([python, "-m", "pip", "install", *quiet, "--no-deps", "--upgrade", pip], check=True)
    return python
