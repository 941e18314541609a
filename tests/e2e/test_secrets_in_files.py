"""A secret may stand in a file, and no secret is ever told."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from support.deployment import Deployment
from support.events import enrollment_line, leave_record
from support.files import command
from support.workers import run_command
from unenroll.settings import DatabaseSettings

FILE = "UNENROLL_DATABASE_URL_FILE"


def in_file(folder: Path, content: bytes, **more: str) -> dict[str, str]:
    path = folder / "url"
    path.write_bytes(content)
    return {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", **more, FILE: str(path)}


def said(environment: Mapping[str, str], *, code: int) -> str:
    found = command("run", "--until-caught-up", environment=environment)
    assert found.code == code, found
    return found.err


def test_the_worker_runs_with_its_database_url_in_a_file(deployment: Deployment) -> None:
    deployment.load([enrollment_line(1)])
    deployment.request([leave_record(1)])
    more = {name: value for name, value in deployment.environment.items() if name != "UNENROLL_DATABASE_URL"}
    url = deployment.database_url.encode() + b"\r\n"
    run_command("run", "--until-caught-up", environment=in_file(deployment.folder, url, **more))
    assert [record.data["requestId"] for record in deployment.consume("unenrollments")] == ["leave-1"]


def test_given_twice_is_wrong(tmp_path: Path) -> None:
    both = {
        **in_file(tmp_path, b"postgresql://me:hunter2@host/name"),
        "UNENROLL_DATABASE_URL": "postgresql://host/name",
    }
    assert "UNENROLL_DATABASE_URL and UNENROLL_DATABASE_URL_FILE are both set" in said(both, code=2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"postgresql://me:hunter2@host/\xff", "the file is not UTF-8"),
        (b"hunter2" * 10_000, "the file is larger than 64 KiB"),
        (b"mysql://me:hunter2@host/name", "must begin with postgresql://"),
    ],
)
def test_a_file_that_holds_no_secret_of_ours(tmp_path: Path, content: bytes, says: str) -> None:
    output = said(in_file(tmp_path, content), code=2)
    assert output.startswith("unenroll: UNENROLL_DATABASE_URL: ")
    assert says in output
    assert "hunter2" not in output


@pytest.mark.parametrize(
    ("path", "says"), [("nowhere", "No such file"), ("/", "Is a directory"), ("/dev/zero", "not a regular file")]
)
def test_a_file_that_is_none(tmp_path: Path, path: str, says: str) -> None:
    assert says in said({**in_file(tmp_path, b"x"), FILE: path}, code=2)


def test_a_line_of_the_dotenv_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNENROLL_DATABASE_URL", raising=False)
    Path("url").write_text("postgresql://host/one\n")
    Path(".env").write_text(f"{FILE}=url\n")
    settings = DatabaseSettings()
    assert settings.database_url.get_secret_value() == "postgresql://host/one"
    Path("url").write_text("postgresql://host/two\n")
    assert settings.database_url.get_secret_value() == "postgresql://host/two"
    assert "host" not in repr(settings)
