"""The command for whoever has to answer a customer."""

import asyncio
import sys
from typing import Annotated

import typer

from unenroll.cli.answers import Json, show
from unenroll.explain.question import Question, answer
from unenroll.explain.tell import told
from unenroll.settings import DatabaseSettings, read
from unenroll.wire.fields import LARGEST_INT64, SMALLEST_INT64


def explain(
    *,
    customer: Annotated[int, typer.Option(metavar="ID", min=1, max=LARGEST_INT64, help="the customer's number")],
    target: Annotated[
        int | None, typer.Option(metavar="ID", min=SMALLEST_INT64, max=LARGEST_INT64, help="only this target")
    ] = None,
    reward: Annotated[str | None, typer.Option(metavar="ID", help="only this reward")] = None,
    as_json: Json = False,
) -> None:
    """Say why: the cycles, the facts in order, each leave's outcome, each reward's standing and its rule."""
    settings = read(DatabaseSettings)
    question = Question(customer_id=customer, target_id=target, reward_id=reward)
    found = asyncio.run(answer(question, settings.database_url.get_secret_value()))
    show(found, told(found.accounts, sys.stdout), as_json=as_json)
