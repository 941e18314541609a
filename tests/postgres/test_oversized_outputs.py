"""A request whose answer does not fit its topic becomes a dead letter, instead of blocking the producer."""

from pathlib import Path

from support.batch_decisions import decide
from support.events import definition, three_rewards
from support.files import leave_line, tables, write_file

CUSTOMER = 423789336


async def test_a_request_whose_answer_does_not_fit_is_a_dead_letter_and_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    await write_file(tmp_path, [definition(), *three_rewards(CUSTOMER)]).load(database_url)
    request = leave_line(CUSTOMER, reason="r" * 200, requestedBy="me" * 100)
    assert await decide(database_url, request, most_bytes=1_100) == {"answer_too_large": 1}
    rows = await tables(database_url)
    assert (rows["leaves"], len(rows["dead_letters"])) == ([], 1)
    assert await decide(database_url, request, most_bytes=2_000) == {"UNENROLLED": 1}
