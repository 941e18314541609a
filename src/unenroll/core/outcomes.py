"""The outcomes of requests and enrollments, with their codes (rules.md sections 2 and 4)."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a request, in order of precedence: the first one that applies wins (rules.md section 4)."""

    INVALID_CUSTOMER = "INVALID_CUSTOMER"
    GROUP_NOT_FOUND = "GROUP_NOT_FOUND"
    TARGET_NOT_FOUND = "TARGET_NOT_FOUND"
    TARGET_NOT_IN_GROUP = "TARGET_NOT_IN_GROUP"
    EFFECTIVE_IN_FUTURE = "EFFECTIVE_IN_FUTURE"
    PLAN_STALE = "PLAN_STALE"
    NOT_ENROLLED = "NOT_ENROLLED"
    ALREADY_UNENROLLED = "ALREADY_UNENROLLED"
    NOTHING_LEFT = "NOTHING_LEFT"
    UNENROLLED = "UNENROLLED"

    @property
    def code(self) -> int | None:
        """The code that the un-enroll call returns for this outcome, or None if it has no code."""
        return _CODES[self]


class EnrollmentOutcome(StrEnum):
    """What an enrollment does to the customer's spells (rules.md section 2). It is not published."""

    ALREADY_ENROLLED = "ALREADY_ENROLLED"
    LEAVING_IS_STICKY = "LEAVING_IS_STICKY"
    NO_CYCLE_LEFT = "NO_CYCLE_LEFT"
    OPENED = "OPENED"

    @property
    def code(self) -> int | None:
        """The code that the enroll call returns for this outcome, or None if it has no code."""
        return _ENROLLMENT_CODES[self]


_CODES: dict[Outcome, int | None] = {
    Outcome.INVALID_CUSTOMER: 310011,
    Outcome.GROUP_NOT_FOUND: 310017,
    Outcome.TARGET_NOT_FOUND: 310018,
    Outcome.TARGET_NOT_IN_GROUP: 310079,
    Outcome.EFFECTIVE_IN_FUTURE: 300004,
    Outcome.PLAN_STALE: None,
    Outcome.NOT_ENROLLED: 310149,
    Outcome.ALREADY_UNENROLLED: None,
    Outcome.NOTHING_LEFT: 310019,
    Outcome.UNENROLLED: None,
}

_ENROLLMENT_CODES: dict[EnrollmentOutcome, int | None] = {
    EnrollmentOutcome.ALREADY_ENROLLED: 310119,
    EnrollmentOutcome.LEAVING_IS_STICKY: None,
    EnrollmentOutcome.NO_CYCLE_LEFT: 310019,
    EnrollmentOutcome.OPENED: None,
}
