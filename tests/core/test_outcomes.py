"""The answers, their order and their codes (rules.md sections 2 and 4)."""

from unenroll.core import sentences
from unenroll.core.outcomes import EnrollmentOutcome, Outcome
from unenroll.core.standings import Rule


def test_outcomes_stand_in_order_of_precedence_with_their_codes() -> None:
    assert [(outcome.value, outcome.code) for outcome in Outcome] == [
        ("INVALID_CUSTOMER", 310011),
        ("GROUP_NOT_FOUND", 310017),
        ("TARGET_NOT_FOUND", 310018),
        ("TARGET_NOT_IN_GROUP", 310079),
        ("EFFECTIVE_IN_FUTURE", 300004),
        ("PLAN_STALE", None),
        ("NOT_ENROLLED", 310149),
        ("ALREADY_UNENROLLED", None),
        ("NOTHING_LEFT", 310019),
        ("UNENROLLED", None),
    ]


def test_enrollments_have_the_codes_of_the_enroll_call() -> None:
    assert {outcome.value: outcome.code for outcome in EnrollmentOutcome} == {
        "ALREADY_ENROLLED": 310119,
        "LEAVING_IS_STICKY": None,
        "NO_CYCLE_LEFT": 310019,
        "OPENED": None,
    }


def test_there_is_a_sentence_for_everything_that_is_decided() -> None:
    assert list(sentences.OUTCOMES) == list(Outcome)
    assert list(sentences.ENROLLMENTS) == list(EnrollmentOutcome)
    assert list(sentences.RULES) == list(Rule)
    texts = [*sentences.OUTCOMES.values(), *sentences.ENROLLMENTS.values(), *sentences.RULES.values()]
    assert len(set(texts)) == len(texts)
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in texts)
