"""The command that prints a line of the clients file."""

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from unenroll.api.auth.clients import matches, read_clients
from unenroll.api.auth.scopes import ApiScope

COMMAND = [sys.executable, "-m", "unenroll", "api-secret"]
SECRET = "velvet lamp post of 1993"  # noqa: S105 - a made-up one


def made(*arguments: str, said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], input=said, capture_output=True, text=True, check=False)


def test_a_line_is_made_from_what_is_piped_and_the_file_takes_it(tmp_path: Path) -> None:
    done = made("crm", "--scope", "unenroll:backdate", "--scope", "unenroll:read", said=SECRET + "\n")
    path = tmp_path / "clients"
    path.write_text(done.stdout, encoding="utf-8")
    path.chmod(0o600)
    (client,) = read_clients(path)[0].by_name["crm"]
    assert client.caller.scopes == {ApiScope.BACKDATE, ApiScope.READ}
    assert matches(client.hashed, SECRET)
    assert not matches(client.hashed, SECRET + "\n")
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "said", "why"),
    [
        pytest.param("crm", "short\n", "a secret must be 12 to 256 printable characters", marks=pytest.mark.thorough),
        pytest.param("crm", "", "a secret must be 12 to 256 printable characters", marks=pytest.mark.thorough),
        pytest.param("crm", "x" * 257, "a secret must be 12 to 256 printable characters", marks=pytest.mark.thorough),
        ("crm", "hunter2\thunter2\thunter2", "a secret must be 12 to 256 printable characters"),
        pytest.param("c/rm", SECRET, "a name must be 1 to 64 letters", marks=pytest.mark.thorough),
        ("c:rm", SECRET, "a name must be 1 to 64 letters"),
    ],
)
def test_what_would_make_no_good_line_is_refused(name: str, said: str, why: str) -> None:
    done = made(name, said=said)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("again", "ends"), [(SECRET, "crm unenroll:write,unenroll:read [$]argon2id"), ("another", "two secrets differ")]
)
def test_at_a_terminal_the_secret_is_not_shown_and_asked_for_twice(again: str, ends: str) -> None:
    with pexpect.spawn(COMMAND[0], [*COMMAND[1:], "crm"], encoding="utf-8", timeout=30) as terminal:
        terminal.expect("secret: ")
        terminal.sendline(SECRET)
        terminal.expect("the same again: ")
        terminal.sendline(again)
        terminal.expect(ends)
        assert SECRET not in str(terminal.before)
