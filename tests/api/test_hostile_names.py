"""What comes from elsewhere is text on a page, and nothing else."""

from collections import Counter
from pathlib import Path

import pytest

from support import accounts as hostile
from support.api_process import PAGE, read_client
from support.batch_decisions import decide
from support.databases import cloned_database
from support.files import write_file
from support.served_pages import ParsedPage
from unenroll.api import page
from unenroll.sandbox.servers import ServerAddresses
from unenroll.text import escape_control

WHERE = f"/customers/{hostile.CUSTOMER}/targets/21/explain"


async def page_of(database_url: str, folder: Path, words: dict[str, str]) -> ParsedPage:
    assert (await write_file(folder, [hostile.definition(words)]).load(database_url)).bad == 0
    await decide(database_url, *hostile.facts(words))
    async with read_client(database_url) as client:
        return ParsedPage((await client.get(WHERE, headers=PAGE)).text)


async def test_hostile_names_are_shown_as_they_are_and_add_nothing_to_the_page(
    servers: ServerAddresses, template: str, tmp_path: Path
) -> None:
    async with cloned_database(servers, template) as url:
        found = await page_of(url, tmp_path, hostile.WORDS)
    async with cloned_database(servers, template) as url:
        harmless = await page_of(url, tmp_path, {name: name[:2] for name in hostile.WORDS})
    for words in hostile.WORDS.values():
        assert " ".join(escape_control(words).split()) in found.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in found.text
    assert found.attributes == harmless.attributes
    assert Counter(found.tags) == Counter(harmless.tags)


@pytest.mark.parametrize("words", hostile.WORDS.values())
def test_a_refusal_escapes_what_it_is_given(words: str) -> None:
    refusal = ParsedPage(page.not_found_page(words).html)
    assert " ".join(escape_control(words).split()) in refusal.text
    assert refusal.tags == ParsedPage(page.not_found_page("").html).tags
