"""What the read side answers, in the envelope of all answers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from unenroll.explain.story import Story
from unenroll.explain.words import DUE
from unenroll.front.shown import AccountExplained, AccountShown

_OK = 200


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Envelope):
    """Something to know of an answer. Where the rules have no number for it, `code` is the status of the answer."""

    code: Annotated[int, Field(examples=[404])]
    message: Annotated[str, Field(examples=["nothing is known of customer 7 in target 21"])]


class AccountAnswer(_Envelope):
    """An account as it stands."""

    data: AccountShown
    errors: None
    warnings: list[Problem] | None


class ExplainedAnswer(_Envelope):
    """An account, and why it is as it is."""

    data: AccountExplained
    errors: None
    warnings: list[Problem] | None


class Refused(_Envelope):
    """No answer, and why."""

    data: None
    errors: list[Problem]
    warnings: None


def accounted(story: Story) -> AccountAnswer:
    """The account as it stands."""
    return AccountAnswer(data=AccountShown.model_validate(story), errors=None, warnings=_warnings(story))


def explained(story: Story) -> ExplainedAnswer:
    """The account, and why it is as it is."""
    return ExplainedAnswer(data=AccountExplained.model_validate(story), errors=None, warnings=_warnings(story))


def refused(code: int, message: str) -> Refused:
    """The refusal with this code, or with the HTTP status for one."""
    return Refused(data=None, errors=[Problem(code=code, message=message)], warnings=None)


def _warnings(story: Story) -> list[Problem] | None:
    return [Problem(code=_OK, message=DUE)] if story.due else None
