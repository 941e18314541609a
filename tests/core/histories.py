"""Hypothesis strategies for accounts."""

from collections.abc import Sequence

from hypothesis import strategies as st

from support.account_histories import MOVE, PERIOD, REWARD, TARGETS, AccountHistory, calendar_of, history_of


def _drawn(bases: Sequence[int]) -> st.SearchStrategy[bytes]:
    """One draw for a whole fact, because each draw takes time."""
    return st.binary(min_size=len(bases), max_size=len(bases))


@st.composite
def histories(draw: st.DrawFn) -> AccountHistory:
    """Any target and calendar, with enrollments, leaves, rewards and issuances in any order of arrival."""
    return history_of(
        draw(st.sampled_from(TARGETS)),
        calendar_of(draw(st.lists(_drawn(PERIOD), min_size=1, max_size=5))),
        moves=draw(st.lists(_drawn(MOVE), max_size=12)),
        rewards=draw(st.lists(_drawn(REWARD), max_size=8)),
    )
