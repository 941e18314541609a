"""The worked examples of rules.md section 6 in a database, as they stand after the last leave."""

from stage.deciding import decide
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.notation import Campaign, Example
from unenroll.demo.play import facts, requests
from unenroll.ops.load.load import load
from unenroll.ops.progress import bad_lines

EXAMPLES: dict[str, tuple[Campaign, Example]] = {
    example.name: (chapter.campaign, example) for chapter in CHAPTERS for example in chapter.examples
}


async def played(database_url: str) -> None:
    """Load what is told of the examples' customers, and decide their leaves."""
    with bad_lines(()) as bad:
        await load(facts(CHAPTERS), database_url, bad=bad)
    assert not bad.count
    await decide(database_url, *(line.content.decode() for line in requests(CHAPTERS)))


def path(name: str) -> str:
    """Where the account of the example is read."""
    campaign, example = EXAMPLES[name]
    return f"/customers/{example.customer_id}/targets/{campaign.target['targetId']}"
