"""All invariants of a history, by name."""

from collections.abc import Callable, Iterator

from checker import answered, ended, moved, visible
from checker.evidence import Evidence
from checker.history import History

Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: tuple[Invariant, ...] = (
    answered.every_send_arrived,
    answered.every_input_has_one_answer,
    answered.every_decision_has_its_input,
    visible.every_publication_says_what_was_decided,
    visible.every_output_is_visible_once,
    visible.nothing_else_is_visible,
    visible.outputs_are_in_the_order_of_decisions,
    visible.attempts_that_failed_said_the_same,
    visible.every_request_has_one_answer,
    moved.committed_offsets_never_go_back,
    moved.offsets_and_outputs_moved_together,
    moved.offsets_stand_behind_their_number,
    ended.accounts_equal_a_fresh_fold,
    ended.nothing_is_left_to_do,
    ended.no_transaction_is_open,
)


def violations(history: History) -> dict[str, list[str]]:
    """What is wrong, in sentences, by the name of the invariant that says so; empty if all is well."""
    evidence = Evidence(history)
    found = {invariant.__name__: list(invariant(evidence)) for invariant in INVARIANTS}
    return {name: sentences for name, sentences in found.items() if sentences}
