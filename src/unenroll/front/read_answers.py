"""What the read side answers, in the envelope of all answers."""

from pydantic import BaseModel

from unenroll.explain.story import Story
from unenroll.explain.words import DUE
from unenroll.front.answers import Problem
from unenroll.front.shown import AccountExplained, AccountShown

_OK = 200


class AccountAnswer(BaseModel):
    """An account as it stands."""

    data: AccountShown
    errors: None
    warnings: list[Problem] | None


class ExplainedAnswer(BaseModel):
    """An account, and why it is as it is."""

    data: AccountExplained
    errors: None
    warnings: list[Problem] | None


def accounted(story: Story) -> AccountAnswer:
    """The account as it stands."""
    return AccountAnswer(data=AccountShown.model_validate(story), errors=None, warnings=_warnings(story))


def explained(story: Story) -> ExplainedAnswer:
    """The account, and why it is as it is."""
    return ExplainedAnswer(data=AccountExplained.model_validate(story), errors=None, warnings=_warnings(story))


def _warnings(story: Story) -> list[Problem] | None:
    return [Problem(code=_OK, message=DUE)] if story.due else None
