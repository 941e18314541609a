"""`python -m documents.lock_metadata`: write down what each locked package requires.

`make lock` runs this after it has made the locks. pip reads the packages' own metadata from the index; a test holds
every lock to be closed over it.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("requirements")
# A package for Windows only has no file that pip would take here.
ELSEWHERE = ("--platform", "win_amd64", "--only-binary", ":all:", "--target", "unused")


def main() -> None:
    """Write `requirements/metadata.json`."""
    pins = {
        line.split(" ;")[0].rstrip("\\ ").strip(): "win32" in line
        for lock in FOLDER.glob("*.lock")
        for line in lock.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith((" ", "#"))
    }
    here, windows = [pin for pin in pins if not pins[pin]], [pin for pin in pins if pins[pin]]
    found = {**requirements(here), **requirements(windows, *ELSEWHERE)}
    if missing := pins.keys() - found.keys():
        sys.exit(f"no metadata of {', '.join(sorted(missing))}")
    text = json.dumps(found, indent=1, sort_keys=True)
    (FOLDER / "metadata.json").write_text(f"{text}\n", encoding="utf-8")


def requirements(pins: Iterable[str], *options: str) -> dict[str, list[str]]:
    """The requirements of each pin, as its distribution states them.

    Raises:
        CalledProcessError: the index has no metadata of a pin.
    """
    return {pin: stated for group in _compatible(pins) for pin, stated in _report(group, *options).items()}


def _compatible(pins: Iterable[str]) -> list[list[str]]:
    """Groups in which no package occurs twice: pip takes one version of a package at a time."""
    groups: list[dict[str, str]] = [{}]
    for pin in sorted(pins):
        name = pin.split("==")[0]
        if all(name in group for group in groups):
            groups.append({})
        next(group for group in groups if name not in group)[name] = pin
    return [list(group.values()) for group in groups if group]


def _report(pins: list[str], *options: str) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet"]
    done = subprocess.run(  # noqa: S603 - pip, with the pins of our own locks
        [*command, "--disable-pip-version-check", *options, "--report", "-", *pins], check=True, stdout=subprocess.PIPE
    )
    asked = {pin.split("==")[0]: pin for pin in pins}
    stated = (item["metadata"] for item in json.loads(done.stdout)["install"])
    return {asked[_normal(one["name"])]: sorted(one.get("requires_dist", [])) for one in stated}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
