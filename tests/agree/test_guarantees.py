"""docs/guarantees.md names tests that are there, and the faults that are enumerated."""

import re

from agree.pages import ROOT, rows, section
from chaos.cases import CASES, tried
from chaos.poison_records import ORDERS
from chaos.revoked_rights import RIGHTS
from chaos.server_faults import FALLS
from chaos.server_refusals import STATES
from chaos.worker_faults import STORIES
from support.batch_phases import PHASES

PAGE = ROOT / "docs" / "guarantees.md"
TEXT = PAGE.read_text(encoding="utf-8")
FAULTS = section(PAGE, "Every single fault")


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", TEXT))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_promise_names_a_test_that_would_fail_without_it() -> None:
    promises = rows(TEXT.split("\n## ")[0])
    assert len(promises) > 10
    assert [promise for promise, _, tests in promises if "tests/" not in tests] == []


def test_every_fault_and_every_phase_is_told_of() -> None:
    known = [*STORIES, *STATES, *FALLS, *ORDERS, *RIGHTS, *PHASES]
    assert [name for name in known if name not in FAULTS] == []


def test_the_number_of_cases_is_told() -> None:
    ((all_of_them, always),) = re.findall(r"(\d+) cases, (\d+) of them in `make test`", FAULTS)
    some = [*CASES, *RIGHTS]
    assert int(all_of_them) == len(some) + (1 + len(FALLS)) * len(PHASES)
    assert int(always) == sum(isinstance(one, str) for one in tried(some))
