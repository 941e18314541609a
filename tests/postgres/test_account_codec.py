"""How an account is kept never changes by itself: what was written once is read for ever."""

import pytest

from support.accounts import STATE
from support.events import utc
from unenroll.core.decide import AccountState
from unenroll.core.facts import Account
from unenroll.postgres.account_codec import NOTHING_SEEN, FirstSeen, StoredAccount, dump_account, load_account

SEEN, NOW = utc("2026-04-01T00:00:00Z"), utc("2026-05-01T00:00:00.000001Z")
TEXT = (
    '[1,2,[[["in","/crm"],"2026-01-01T00:00:00Z",2,"0.10",true,"AUTOMATIC"]],'
    '[[["first","/crm"],"2026-03-15T00:00:00Z","😀","agent"],[["second","/crm"],"2026-04-15T00:00:00Z",null,null]],'
    '[["R1",1,"PERIOD_END","2026-01-05T00:00:00Z",null,null],'
    '["R2",3,"IMMEDIATE","2026-03-20T00:00:00Z",4,["12.50","EUR"]]],{"R2":"2026-03-22T00:00:00Z"},'
    '[["UNENROLLED",3],["ALREADY_UNENROLLED",null]],'
    '[["KEPT","CYCLE_FINISHED",null,0,null,null],["CANCELLED","AFTER_UNENROLLMENT","REVERSE",1,1,0]],'
    '[["2026-04-01T00:00:00Z"],["2026-04-01T00:00:00Z","2026-05-01T00:00:00.000001Z"],'
    '["2026-05-01T00:00:00.000001Z","2026-05-01T00:00:00.000001Z"],["2026-05-01T00:00:00.000001Z"]]]'
)


def test_an_account_is_written_as_it_always_was() -> None:
    assert dump_account(STATE, FirstSeen(enrollments=(SEEN,), leaves=(SEEN,)), now=NOW) == TEXT


def test_what_was_written_once_is_read_as_it_was() -> None:
    seen = FirstSeen((SEEN,), (SEEN, NOW), (NOW, NOW), (NOW,))
    assert load_account(TEXT, customer_id=1, target_id=21) == StoredAccount(STATE, seen)


def test_an_account_of_which_nothing_is_known_is_written_and_read_too() -> None:
    state = AccountState(account=Account(customer_id=1, target_id=21))
    text = dump_account(state, NOTHING_SEEN, now=NOW)
    assert load_account(text, customer_id=1, target_id=21) == StoredAccount(state, NOTHING_SEEN)


def test_an_account_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="of version 2, not 1"):
        load_account(TEXT.replace("[1,", "[2,", 1), customer_id=1, target_id=21)
