"""`unenroll demo --api`: the real command with the real curl, on servers of its own."""

import json
import subprocess
import sys
from shutil import which

import pytest

DEMO = ("-m", "unenroll", "demo", "--api")
SECONDS = 150
OTHERWISE = """
import sys
from dataclasses import replace
from unenroll.demo import curl_session
curl_session.STEPS = (curl_session.STEPS[0], replace(curl_session.STEPS[1], status=500))
sys.argv = ["unenroll", "demo", "--api"]
from unenroll.cli import main
main()
"""

curl = pytest.mark.skipif(which("curl") is None, reason="there is no curl here")


def ran(*arguments: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False, env=env
    )


@curl
@pytest.mark.thorough
def test_a_customer_leaves_and_comes_back_by_curl() -> None:
    done = ran(*DEMO, "--json")
    assert done.returncode == 0, done.stderr
    exchanges = json.loads(done.stdout)
    assert [(one["status"], one["code"]) for one in exchanges] == [
        (200, None),
        (200, None),
        (200, 200),
        (200, 310018),
        (401, 401),
        (200, None),
        (200, None),
    ]
    assert exchanges[0]["answer"] == exchanges[1]["answer"] == '{"data":103,"errors":null,"warnings":null}'
    standings = {one["rewardId"]: one["state"] for one in json.loads(exchanges[5]["answer"])["data"]["standings"]}
    assert standings == {"R1": "KEPT", "R2": "KEPT", "R3": "CANCELLED", "R4": "KEPT"}


@curl
@pytest.mark.thorough
def test_an_answer_that_is_not_as_expected_is_reported() -> None:
    done = ran("-c", OTHERWISE)
    assert done.returncode == 1
    assert done.stdout.count("NOT as expected") == 1
    assert "the HTTP API did not answer as the rules say" in done.stderr


def test_without_curl_nothing_is_started() -> None:
    done = ran(*DEMO, env={"PATH": "/nonexistent"})
    assert done.returncode == 1
    assert "install it, or run the demo without --api" in done.stderr
    assert "starting" not in done.stderr
