"""Names and secrets, right and wrong."""

import asyncio
import base64
from pathlib import Path

import pytest

from api.auth.clock import Clock
from support.secret_files import RIGHT, basic, line, write
from unenroll.api import auth
from unenroll.api.auth.authentication import CallerAuthentication
from unenroll.api.auth.basic import BasicAuthentication
from unenroll.api.auth.clients import Caller, ClientsFile, matches
from unenroll.api.auth.scopes import ApiScope
from unenroll.api.errors import HttpRefusal, Unauthorized
from unenroll.errors import SetupError

CRM = Caller(name="crm", scopes=frozenset({ApiScope.WRITE, ApiScope.READ}))
NEW = "velvet lamp post of 1993"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "clients", line("crm"), line("app", NEW, "unenroll:read"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(path: Path, clock: Clock) -> BasicAuthentication:
    return BasicAuthentication(ClientsFile(path), clock=clock)


@pytest.fixture
def authentication(known: BasicAuthentication, clock: Clock) -> CallerAuthentication:
    return CallerAuthentication(basic=known, tokens=None, clock=clock)


def opened(path: Path) -> None:
    path.chmod(0o666)


def closed(path: Path) -> None:
    path.chmod(0o600)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("scheme", ["Basic ", "basic ", "BASIC   ", "  Basic "])
async def test_the_right_secret_opens(scheme: str, authentication: CallerAuthentication) -> None:
    assert await authentication.caller(scheme + basic("crm")) == CRM


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + basic("crm")[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "Basic " + basic("crm", RIGHT.upper()),
        "Basic " + basic("crm", RIGHT + " "),
        "Basic " + basic("crm", RIGHT[:-1]),
        "Basic " + basic("crm", NEW),
        "Basic " + basic("app", RIGHT),
        "Basic " + basic("CRM"),
        "Basic " + basic("nobody"),
        "Basic " + basic("nobody", NEW),
        "Basic " + basic("", RIGHT),
        "Basic " + basic("crm", ""),
        "Basic " + encoded(b"crm"),
        "Basic " + encoded(b"\xff\xfe:\xff"),
        "Basic " + encoded(b"crm\x00:" + RIGHT.encode()),
        "Basic " + encoded(b"crm:" + RIGHT.encode() + b"\x00"),
        "Basic " + encoded(b"crm:" + b"a" * 100_000),
        "Basic " + basic("crm") + " " + basic("crm"),
        "Bearer " + basic("crm"),
        "Digest " + basic("crm"),
        basic("crm"),
    ],
)
async def test_everything_else_is_challenged(authorization: str | None, authentication: CallerAuthentication) -> None:
    with pytest.raises(Unauthorized) as refused:
        await authentication.caller(authorization)
    assert refused.value.challenge == 'Basic realm="unenroll", charset="UTF-8"'
    assert RIGHT not in str(refused.value)


async def test_what_was_right_is_remembered_until_it_is_unused_for_a_minute(
    known: BasicAuthentication, clock: Clock
) -> None:
    assert known.remembered(basic("crm")) is None
    await known.caller(basic("crm"))
    for _ in range(3):
        clock.now += 59
        assert known.remembered(basic("crm")) == CRM
    clock.now += 61
    assert known.remembered(basic("crm")) is None
    assert known.remembered(basic("crm")) is None


async def test_what_was_wrong_is_not_remembered(known: BasicAuthentication) -> None:
    await known.caller(basic("crm", NEW))
    assert known.remembered(basic("crm", NEW)) is None


async def test_the_memory_holds_no_secret(known: BasicAuthentication) -> None:
    await known.caller(basic("crm"))
    held = repr(vars(known))
    assert RIGHT not in held
    assert basic("crm") not in held


async def test_a_secret_is_changed_without_a_stop(path: Path, known: BasicAuthentication) -> None:
    await known.caller(basic("crm"))
    write(path, line("crm"), line("crm", NEW))
    assert [await known.caller(basic("crm", secret)) for secret in (RIGHT, NEW)] == [CRM, CRM]
    write(path, line("crm", NEW))
    assert known.remembered(basic("crm")) is None
    assert [await known.caller(basic("crm", secret)) for secret in (RIGHT, NEW)] == [None, CRM]


async def test_a_secret_that_was_taken_back_while_it_was_checked_does_not_open(
    path: Path, known: BasicAuthentication
) -> None:
    asking = asyncio.create_task(known.caller(basic("crm")))
    await asyncio.sleep(0)
    write(path, line("app", NEW))
    assert await asking is None
    assert known.remembered(basic("crm")) is None


async def test_another_change_while_a_secret_is_checked_does_not_matter(path: Path, known: BasicAuthentication) -> None:
    asking = asyncio.create_task(known.caller(basic("crm")))
    await asyncio.sleep(0)
    write(path, line("crm"))
    assert await asking == CRM


async def test_an_unusable_file_is_an_outage_also_for_who_is_remembered(
    path: Path, authentication: CallerAuthentication
) -> None:
    await authentication.caller("Basic " + basic("crm"))
    opened(path)
    with pytest.raises(HttpRefusal) as refused:
        await authentication.caller("Basic " + basic("crm"))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "5"})
    closed(path)
    assert await authentication.caller("Basic " + basic("crm")) == CRM


async def test_an_unknown_name_costs_as_much_as_a_wrong_secret(
    known: BasicAuthentication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash of the same parameters, which is all that takes time."""
    computed: list[str] = []

    def noted(hashed: str, secret: str) -> bool:
        computed.append(hashed.rsplit("$", 2)[0])
        return matches(hashed, secret)

    monkeypatch.setattr(auth.basic, "matches", noted)
    assert await known.caller(basic("crm", "wrong secret here")) is None
    assert await known.caller(basic("nobody", "wrong secret here")) is None
    wrong, unknown = computed
    assert wrong == unknown
    assert wrong.startswith("$argon2id$")


async def test_the_same_credentials_at_once_are_checked_once(known: BasicAuthentication) -> None:
    asking = [asyncio.create_task(known.caller(basic("crm"))) for _ in range(500)]
    assert await asyncio.gather(*asking) == [CRM] * 500


async def test_a_caller_who_goes_away_takes_nobody_along(known: BasicAuthentication) -> None:
    first, second = (asyncio.create_task(known.caller(basic("crm"))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == CRM


@pytest.mark.thorough
async def test_a_flood_of_guesses_is_turned_away_before_it_waits_for_long(known: BasicAuthentication) -> None:
    asking = [asyncio.create_task(known.caller(basic("crm", f"guess number {number}"))) for number in range(500)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert answers.count(None) == 64
    turned_away = [answer for answer in answers if isinstance(answer, HttpRefusal)]
    assert {(one.status, one.headers["Retry-After"]) for one in turned_away} == {(503, "2")}
    assert len(turned_away) == 436
    assert await known.caller(basic("crm")) == CRM


async def test_who_fails_too_often_from_one_address_waits_and_others_do_not(
    authentication: CallerAuthentication, clock: Clock
) -> None:
    await authentication.caller("Basic " + basic("app", NEW), address="192.0.2.1")
    wrong = [
        authentication.caller("Basic " + basic("crm", f"guess number {n}"), address="192.0.2.1") for n in range(40)
    ]
    answers = await asyncio.gather(*wrong, return_exceptions=True)
    assert [isinstance(one, Unauthorized) for one in answers] == [True] * 20 + [False] * 20
    assert {one.status for one in answers[20:] if isinstance(one, HttpRefusal)} == {429}

    # The right secret opens elsewhere, and also here if it did a moment ago.
    assert await authentication.caller("Basic " + basic("crm"), address="192.0.2.2") == CRM
    assert (await authentication.caller("Basic " + basic("app", NEW), address="192.0.2.1")).name == "app"
    clock.now += 61
    with pytest.raises(Unauthorized):
        await authentication.caller("Basic " + basic("crm", NEW), address="192.0.2.1")


@pytest.mark.thorough
async def test_a_network_of_version_six_counts_as_one_address(authentication: CallerAuthentication) -> None:
    tried = [
        authentication.caller("Basic " + basic("crm", f"guess {n}"), address=f"2001:db8::{n:x}") for n in range(21)
    ]
    answers = await asyncio.gather(*tried, return_exceptions=True)
    assert [one.status == 429 for one in answers if isinstance(one, HttpRefusal)].count(True) == 1


@pytest.mark.thorough
async def test_right_secrets_cost_nothing_of_what_failures_may(
    authentication: CallerAuthentication, clock: Clock
) -> None:
    for _ in range(30):
        assert await authentication.caller("Basic " + basic("crm"), address="192.0.2.1") == CRM
        clock.now += 60.5


async def test_a_caller_may_begin_with_many_calls_at_once(authentication: CallerAuthentication) -> None:
    calls = [authentication.caller("Basic " + basic("crm"), address="192.0.2.1") for _ in range(64)]
    assert await asyncio.gather(*calls) == [CRM] * 64


def test_a_file_that_is_unusable_at_the_start_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        BasicAuthentication(ClientsFile(tmp_path / "nothing"))
