"""Build the story of an account from loaded facts and decided events."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.batch_decisions import decide
from support.files import event_line, write_file
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.notation import Campaign, Example
from unenroll.demo.play import facts, requests
from unenroll.explain.rewards import ExplainedReward
from unenroll.explain.story import AccountStory, ExplainQuery, explain
from unenroll.ops.load.load import load
from unenroll.ops.progress import bad_lines

CUSTOMER = 423789336


async def decided_story(database_url: str, folder: Path, loaded: Sequence[str], *decided: str) -> AccountStory:
    """Load facts, decide events, and return the story of the first account of the customer."""
    assert (await write_file(folder, loaded).load(database_url)).bad == 0
    for line in decided:
        await decide(database_url, line)
    return await story(database_url)


async def story(database_url: str, **query: Any) -> AccountStory:  # noqa: ANN401 - fields of a query
    return (await explain(ExplainQuery(customer_id=CUSTOMER, **query), database_url)).accounts[0]


def reward_of(account: AccountStory, reward_id: str) -> ExplainedReward:
    return next(found for found in account.rewards if found.reward_id == reward_id)


def leave_event(at: str, event_id: str = "out") -> str:
    return event_line("UnenrollRequested", event_id, time=at, targetGroupId=11, targetId=21)


def enrollment_event(at: str, event_id: str, **more: Any) -> str:  # noqa: ANN401 - fields of the event
    return event_line("CustomerEnrolled", event_id, targetGroupId=11, targetId=21, enrolledAt=at, **more)


def streak_event(name: str, event_id: str, **more: Any) -> str:  # noqa: ANN401 - fields of the event
    return event_line(name, event_id, targetGroupId=12, targetId=22, **more)


EXAMPLES: dict[str, tuple[Campaign, Example]] = {
    example.name: (chapter.campaign, example) for chapter in CHAPTERS for example in chapter.examples
}


async def decide_examples(database_url: str) -> None:
    """Load the facts of the examples, and decide their leaves."""
    with bad_lines(()) as bad:
        await load(facts(CHAPTERS), database_url, bad=bad)
    assert not bad.count
    await decide(database_url, *(line.content.decode() for line in requests(CHAPTERS)))


def path(name: str) -> str:
    """The path of the example's account."""
    campaign, example = EXAMPLES[name]
    return f"/customers/{example.customer_id}/targets/{campaign.target['targetId']}"
