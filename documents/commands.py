"""The page of commands: what each does, and its options."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from documents.tables import code, table
from unenroll.cli.main import app

_LEAD = """# Commands

`unenroll COMMAND --help` tells the same. Exit code 0: done, 1: failed, 2: wrong usage or settings. Results go to
standard output, logs and progress to standard error. [contract.md](../contract.md) tells what is promised of each.
"""
_HIDDEN = {"--help"}


def commands() -> Iterator[str]:
    """The lines of the page, in the order of `unenroll --help`."""
    yield _LEAD
    yield from _sections(typer.main.get_command(app), "unenroll")


def _sections(group: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - typer's commands have no public type
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _sections(command, f"{name} {word}")
        else:
            yield from _section(command, f"{name} {word}")


def _section(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - the same
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not _HIDDEN & set(one.opts)]
    usage = " ".join([name, *(_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    yield f"## {name.removeprefix('unenroll ')}\n"
    yield f"`{usage}`\n"
    yield f"{' '.join((command.help or '').split())}\n"
    yield from table(
        ["argument", "meaning"], [[code(one.metavar or one.name.upper()), one.help or ""] for one in arguments]
    )
    yield from table(
        ["option", "default", "meaning"], [[_option(one), _default(one), one.help or ""] for one in options]
    )


def _argument(argument: Any) -> str:  # noqa: ANN401 - the same
    name = (argument.metavar or argument.name.upper()).strip("[]")
    several = f"{name}…" if argument.nargs == -1 else name
    return several if argument.required else f"[{several}]"


def _option(option: Any) -> str:  # noqa: ANN401 - the same
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} {option.metavar or 'VALUE'}"


def _default(option: Any) -> str:  # noqa: ANN401 - the same
    if option.required:
        return "required"
    if option.default is None or option.default is False or option.default == []:
        return ""
    if option.is_flag:
        return code(option.opts[0])
    values = option.default if isinstance(option.default, list) else [option.default]
    return ", ".join(code(value.value if isinstance(value, Enum) else value) for value in values)
