"""What the requests of a plan do to accounts, for those that come later in the same file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec.msgpack

from unenroll.core.events import EventId
from unenroll.plan.shelf import Shelf
from unenroll.store.accounts import AccountKey, KnownAccount
from unenroll.store.ledger import Content, EventKey
from unenroll.wire.account import dump_account, load_account


class Foreseen(NamedTuple):
    """An account as a request of the plan will leave it: `last` is the latest one that leaves a fact."""

    account: KnownAccount
    last: EventId


class _Kept(NamedTuple):
    decisions: int
    facts: str
    last: EventId


_PACK = msgspec.msgpack.Encoder().encode
_KEPT = msgspec.msgpack.Decoder(_Kept)
_CONTENT = msgspec.msgpack.Decoder(Content)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Kept on a shelf: the accounts that are not as the database has them, and the requests of the plan."""

    shelf: Shelf

    def learn(self, foreseen: Foreseen, *, now: datetime) -> None:
        """Keep the account."""
        account, last = foreseen
        kept = _Kept(account.decisions, dump_account(account.state, account.seen, now=now), last)
        self.shelf.put(_PACK(account.key), _PACK(kept))

    def learn_of(self, key: EventKey, content: Content) -> None:
        """Keep that this is one of the requests."""
        self.shelf.put(_PACK(key), _PACK(content))

    def accounts(self, keys: Iterable[AccountKey]) -> dict[AccountKey, Foreseen]:
        """Those of the accounts that are kept."""
        found = ((key, self.shelf.take(_PACK(key))) for key in set(keys))
        return {key: _foreseen(key, kept) for key, kept in found if kept is not None}

    def known(self, keys: Iterable[EventKey]) -> dict[EventKey, Content]:
        """Those of the requests that are kept."""
        found = ((key, self.shelf.take(_PACK(key))) for key in set(keys))
        return {key: _CONTENT.decode(content) for key, content in found if content is not None}


def _foreseen(key: AccountKey, packed: bytes) -> Foreseen:
    decisions, facts, last = _KEPT.decode(packed)
    state, seen = load_account(facts, customer_id=key.customer_id, target_id=key.target_id)
    return Foreseen(KnownAccount(state=state, decisions=decisions, seen=seen), last)
