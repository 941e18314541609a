"""The format of the clients file, and who may read it."""

import os
from pathlib import Path

import pytest
from argon2 import PasswordHasher, Type

from support.secret_files import RIGHT, hashed, line, write
from unenroll.api.auth.clients import Clients, ClientsFile, read_clients
from unenroll.api.auth.scopes import ApiScope
from unenroll.errors import SetupError

GOOD = line("crm")


def clients(path: Path) -> Clients:
    return read_clients(path)[0]


def test_each_line_names_a_caller_with_scopes(tmp_path: Path) -> None:
    path = write(tmp_path / "clients", "# who", "", "  " + GOOD, line("app.v2", scopes="unenroll:backdate"))
    found = {name: [one.caller.scopes for one in lines] for name, lines in clients(path).by_name.items()}
    assert found == {"crm": [{ApiScope.WRITE, ApiScope.READ}], "app.v2": [{ApiScope.BACKDATE}]}


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o666, 0o660, 0o777])
def test_a_file_that_others_may_open_is_refused_with_the_way_out(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path / "clients", GOOD, mode=mode)
    with pytest.raises(SetupError, match=f"accessible to others .mode {mode:04o}.: chmod 600 {path}"):
        clients(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_the_owner_and_a_group_that_reads_are_no_others(mode: int, tmp_path: Path) -> None:
    assert set(clients(write(tmp_path / "clients", GOOD, mode=mode)).by_name) == {"crm"}


def weak(**changed: object) -> str:
    usual: dict[str, object] = {"memory_cost": 19 * 1024, "time_cost": 2, "parallelism": 1, "type": Type.ID}
    return PasswordHasher(**{**usual, **changed}).hash(RIGHT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "has no line"),
        (["# crm"], "has no line"),
        (["crm hunter2hunter2"], "line 1: expected a name, scopes and a hash; found 2 words"),
        ([GOOD, f"app {RIGHT}"], "line 2: expected a name, scopes and a hash; found 5 words"),
        ([GOOD + " # hunter2hunter2"], "line 1: expected a name, scopes and a hash; found 5 words"),
        (["c/rm unenroll:read hunter2hunter2"], "line 1: a name must be"),
        (["client:crm unenroll:read hunter2hunter2"], "line 1: a name must be"),
        ([GOOD.replace("unenroll:read", "unenroll:reed")], "line 1: scopes must be among unenroll:write, "),
        (["crm unenroll:read hunter2hunter2"], "the hash is not an argon2 hash"),
        (["crm unenroll:read $2b$12$abcdefghijklmnopqrstuv"], "the hash is not an argon2 hash"),
        ([f"crm unenroll:read {weak(type=Type.I)}"], "not argon2id"),
        ([f"crm unenroll:read {weak(time_cost=1)}"], "too weak"),
        ([f"crm unenroll:read {weak(memory_cost=1024, time_cost=40)}"], "too weak"),
        (["crm unenroll:read " + hashed(RIGHT).replace("m=19456", "m=4194304")], "too expensive"),
        (["crm unenroll:read " + hashed(RIGHT).replace("t=2", "t=2000")], "too expensive"),
        (["crm unenroll:read " + hashed(RIGHT).replace("p=1", "p=64")], "more than 8 lanes"),
        ([GOOD, GOOD, line("crm", "another one of 1988")], "line 3: more than 2 lines with this name"),
    ],
)
def test_a_line_that_is_wrong_is_named_without_a_word_of_it(lines: list[str], why: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=why) as refused:
        clients(write(tmp_path / "clients", *lines))
    assert "hunter2" not in str(refused.value)
    assert "$" not in str(refused.value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, why in ((tmp_path, "is not a regular file|Is a directory"), (tmp_path / "pipe", "is not a regular file")):
        with pytest.raises(SetupError, match=why):
            clients(path)
    with pytest.raises(SetupError, match="cannot be read: No such file"):
        clients(tmp_path / "nothing")


def test_bytes_that_are_no_text_and_files_without_an_end_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clients", GOOD)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SetupError, match="not UTF-8"):
        clients(path)
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(SetupError, match="larger than 1 MiB"):
        clients(path)


def test_nothing_that_shows_a_client_shows_its_hash(tmp_path: Path) -> None:
    assert "$argon2" not in repr(clients(write(tmp_path / "clients", GOOD)))


def test_an_unknown_name_gets_the_lines_of_another_one_and_always_the_same(tmp_path: Path) -> None:
    found = clients(write(tmp_path / "clients", *(line(f"app{number}") for number in range(20))))
    salt = bytes(32)
    drawn = {name: found.lines_of(name, salt) for name in ("nobody", "no-one", "ghost", "someone", "else")}
    assert all(lines in found.by_name.values() for lines in drawn.values())
    assert all(found.lines_of(name, salt) is lines for name, lines in drawn.items())
    assert len({lines[0].caller.name for lines in drawn.values()}) > 1


def test_a_file_that_did_not_change_is_the_same_object(tmp_path: Path) -> None:
    file = ClientsFile(write(tmp_path / "clients", GOOD))
    assert file.now() is file.now()


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    file = ClientsFile(write(tmp_path / "clients", GOOD))
    write(tmp_path / "clients", line("app"))
    assert set(file.now().by_name) == {"app"}


def test_a_change_that_keeps_the_size_and_the_time_of_the_file_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "clients", GOOD)
    file, state = ClientsFile(path), path.stat()
    with path.open("r+b") as same:
        same.write(b"CRM")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert set(file.now().by_name) == {"CRM"}


def test_a_file_that_breaks_lets_nobody_in_until_it_is_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "clients", GOOD)
    file = ClientsFile(path)
    path.chmod(0o644)
    for _ in range(2):
        with pytest.raises(SetupError, match="accessible to others"):
            file.now()
    path.unlink()
    with pytest.raises(SetupError, match="No such file"):
        file.now()
    write(path, GOOD)
    assert set(file.now().by_name) == {"crm"}
