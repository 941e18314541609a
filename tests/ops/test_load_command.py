"""The command `load`: its output, its exit codes, and the files that it refuses."""

import json
from pathlib import Path

import pytest

from support.events import definition, enrollment_line
from support.files import XYZ, command, write_file


def test_the_command_prints_what_it_loaded(database_url: str, tmp_path: Path) -> None:
    environment = {"UNENROLL_DATABASE_URL": database_url}
    first = write_file(tmp_path, [definition(), "", definition(XYZ)], "definitions.ndjson")
    rejects = tmp_path / "rejects.ndjson"
    result = command(
        *("load", str(first.path), "-", "--rejects", str(rejects)),
        environment=environment,
        stdin=f"{enrollment_line(1)}\n\n{enrollment_line(1)}\n{{".encode(),
    )
    assert result.code == 1
    assert result.out == "Loaded 2 definitions and 1 fact; skipped 1 duplicate.\n"
    assert result.err.splitlines() == [
        "-:4: not_json: value: is not JSON at character 1: Expecting property name enclosed in double quotes",
        f"unenroll: skipped 1 bad line, written to {rejects}; processed all other lines",
    ]
    assert rejects.read_bytes() == b"{"
    again = command("load", str(first.path), "--json", environment=environment)
    assert (again.code, again.err) == (0, "")
    assert json.loads(again.out) == {"definitions": 0, "facts": 0, "duplicates": 2, "erased": 0, "bad": 0}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("missing.ndjson", "."), "there is no file missing.ndjson; . is a directory"),
        (("-", "-"), "- is named twice, but standard input can be read only once"),
        (
            ("-", "--rejects", "missing/rejects.ndjson"),
            "cannot write missing/rejects.ndjson: No such file or directory",
        ),
    ],
)
def test_wrong_files_are_said_in_one_line(database_url: str, arguments: tuple[str, ...], why: str) -> None:
    result = command("load", *arguments, environment={"UNENROLL_DATABASE_URL": database_url})
    assert (result.code, result.out, result.err) == (2, "", f"unenroll: {why}\n")


def test_bad_lines_never_overwrite_what_is_to_be_read(database_url: str, tmp_path: Path) -> None:
    path = str(write_file(tmp_path, [definition()]).path)
    result = command("load", path, "--rejects", path, environment={"UNENROLL_DATABASE_URL": database_url})
    assert result.code == 2
    assert result.err == f"unenroll: cannot write bad lines to {path}: the command reads this file\n"
    assert Path(path).read_text(encoding="utf-8") == f"{definition()}\n"


def test_bad_lines_that_cannot_be_kept_end_the_load(database_url: str) -> None:
    environment = {"UNENROLL_DATABASE_URL": database_url}
    result = command("load", "-", "--rejects", "/dev/full", environment=environment, stdin=b"bad\n")
    assert result.code == 1
    assert result.err.splitlines()[-1] == "unenroll: cannot write /dev/full: No space left on device"
