"""Answers of the routes that read accounts, in the envelope of all answers."""

from pydantic import BaseModel

from unenroll.explain.story import Story
from unenroll.explain.words import DUE
from unenroll.front.answers import Problem
from unenroll.front.shown import AccountExplained, AccountShown

_OK = 200


class AccountAnswer(BaseModel):
    """An account in its current state."""

    data: AccountShown
    errors: None
    warnings: list[Problem] | None


class ExplainedAnswer(BaseModel):
    """An account with explanations."""

    data: AccountExplained
    errors: None
    warnings: list[Problem] | None


def accounted(story: Story) -> AccountAnswer:
    """The current state of the account."""
    return AccountAnswer(data=AccountShown.model_validate(story), errors=None, warnings=_warnings(story))


def explained(story: Story) -> ExplainedAnswer:
    """The account with explanations."""
    return ExplainedAnswer(data=AccountExplained.model_validate(story), errors=None, warnings=_warnings(story))


def _warnings(story: Story) -> list[Problem] | None:
    return [Problem(code=_OK, message=DUE)] if story.due else None
