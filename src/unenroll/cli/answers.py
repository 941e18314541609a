"""How results are printed: for a person, or as JSON for a program."""

from typing import Annotated

import typer
from pydantic import TypeAdapter

Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


def show(result: object, text: str, *, as_json: bool) -> None:
    """Print the result on standard output, as JSON or as this text."""
    typer.echo(TypeAdapter(type(result)).dump_json(result).decode() if as_json else text)
