"""Each way to show who we are to Kafka lets the real worker in, and whatever is wrong with it is said in one line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

import pytest

from security.fortified import asks, left
from support.certificates import Authority
from support.files import command
from support.secure_servers import SecureServers
from support.workers import run_command

How = Callable[[SecureServers], dict[str, str]]

WRONG = "hunter2-in-no-log"
WAYS: dict[str, How] = {
    "plain": lambda hold: hold.by_plain("worker"),
    "scram 256": lambda hold: hold.by_scram("worker", "SCRAM-SHA-256"),
    "scram 512": lambda hold: hold.by_scram("worker"),
    "token": lambda hold: hold.by_token("worker"),
    "certificate": lambda hold: hold.by_certificate(hold.authority.signs("worker")),
    "certificate with a locked key": lambda hold: locked(hold, WRONG),
    "password in a file": lambda hold: in_file(hold.by_scram("worker"), "UNENROLL_KAFKA_SASL_PASSWORD", hold.folder),
}


def locked(hold: SecureServers, password: str) -> dict[str, str]:
    how = hold.by_certificate(hold.authority.signs("worker", password=WRONG))
    return {**how, "UNENROLL_KAFKA_SSL_KEY_PASSWORD": password}


def in_file(how: Mapping[str, str], variable: str, folder: Path) -> dict[str, str]:
    path = folder / variable
    path.write_text(f"{how[variable]}\n")
    return {name: value for name, value in how.items() if name != variable} | {f"{variable}_FILE": str(path)}


def other_authority(hold: SecureServers) -> Authority:
    return Authority(hold.folder, "stranger")


REFUSALS: dict[str, tuple[How, str]] = {
    "wrong password, plain": (
        lambda hold: hold.by_plain("worker") | {"UNENROLL_KAFKA_SASL_PASSWORD": WRONG},
        "refuses our user, password or token",
    ),
    "wrong password, scram": (
        lambda hold: hold.by_scram("worker") | {"UNENROLL_KAFKA_SASL_PASSWORD": WRONG},
        "refuses our user, password or token",
    ),
    "wrong client secret": (
        lambda hold: hold.by_token("worker") | {"UNENROLL_KAFKA_SASL_OAUTH_CLIENT_SECRET": WRONG},
        "refuses our client id or secret: 401 (invalid_client)",
    ),
    "nobody gives tokens": (
        lambda hold: hold.by_token("worker") | {"UNENROLL_KAFKA_SASL_OAUTH_TOKEN_URL": "https://127.0.0.1:1/token"},
        "the token URL (127.0.0.1:1) does not answer",
    ),
    "who gives tokens is not to be trusted": (
        lambda hold: hold.by_token("worker") | {"UNENROLL_KAFKA_SASL_OAUTH_CAFILE": str(other_authority(hold).file)},
        "certificate verify failed",
    ),
    "wrong authority": (
        lambda hold: hold.by_scram("worker") | {"UNENROLL_KAFKA_SSL_CAFILE": str(other_authority(hold).file)},
        "is not trusted",
    ),
    "wrong host name": (
        lambda hold: hold.by_scram("worker") | {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": hold.kafka.wrong},
        "IP address mismatch",
    ),
    "expired certificate of Kafka's": (
        lambda hold: hold.by_scram("worker") | {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": hold.kafka.old},
        "certificate has expired",
    ),
    "expired certificate of ours": (
        lambda hold: hold.by_certificate(hold.authority.signs("late", expired=True)),
        "closed the connection",
    ),
    "certificate of a stranger": (
        lambda hold: hold.by_certificate(other_authority(hold).signs("worker")),
        "closed the connection",
    ),
    "no certificate": (
        lambda hold: {
            name: value
            for name, value in hold.by_certificate(hold.authority.signs("worker")).items()
            if not name.endswith(("CERTFILE", "KEYFILE"))
        },
        "closed the connection",
    ),
    "wrong password of the key": (lambda hold: locked(hold, f"{WRONG}!"), "a certificate or key cannot be used"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("way", WAYS)
def test_the_worker_gets_in(stronghold: SecureServers, way: str) -> None:
    how = WAYS[way](stronghold)
    asks(stronghold, 1)
    result = run_command("run", "--until-caught-up", environment=stronghold.environment("worker", "worker", how=how))
    assert [record.data["customerId"] for record in left(stronghold)] == [1]
    assert nothing_told(result, stronghold)


@pytest.mark.thorough
@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_wrong_is_said_at_once_and_tells_no_secret(stronghold: SecureServers, what: str) -> None:
    how, says = REFUSALS[what]
    environment = stronghold.environment("worker", "worker", how=how(stronghold))
    for arguments in (("run",), ("topics",), ("status",), ("run", "--help")):
        began = monotonic()
        found = command(*arguments, environment=environment)
        assert nothing_told(found.out + found.err, stronghold)
        if "--help" not in arguments:
            assert found.code in {1, 2}
            (line,) = [line for line in found.err.splitlines() if not line.startswith("{")]
            assert says in line
            assert monotonic() - began < 15


def nothing_told(result: str, stronghold: SecureServers) -> bool:
    """Whether no password or secret of anybody's stands there."""
    return WRONG not in result and not any(password in result for password in stronghold.passwords.values())
