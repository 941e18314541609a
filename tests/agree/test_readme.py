"""What the pages say of the program is so."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from agree.pages import PAGES, README, ROOT, blocks, commands, links, rows, section, tracked
from unenroll.cli.main import app
from unenroll.core.outcomes import Outcome
from unenroll.demo.compare import Observation, Subject, compare
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.tables import tables

NONE = "\N{EN DASH}"
MODULE = re.compile(r"`(\w+/[\w./]+\.(?:py|sql))`")
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
MAKE = re.compile(r"(?:`|\$ )make ([a-z-]+)")


def test_the_outcome_table_is_the_enum_in_order_with_its_codes() -> None:
    table = [cells[:2] for cells in rows(section(README, "Outcomes"))]
    assert table == [[outcome.value, str(outcome.code or NONE)] for outcome in Outcome]


def test_the_outcome_table_names_the_event_of_each_answer() -> None:
    answers = {cells[0]: cells[3] for cells in rows(section(README, "Outcomes"))}
    left = answers.pop(Outcome.UNENROLLED)
    assert (left, set(answers.values())) == ("UserUnenrolled", {"UnenrollRejected"})


def test_the_reference_has_a_section_for_each_command_in_order() -> None:
    titles = re.findall(r"^## (.+)$", COMMANDS.read_text(encoding="utf-8"), re.MULTILINE)
    assert titles == list(commands_of(typer.main.get_command(app)))


def commands_of(group: Any, before: str = "") -> Iterator[str]:  # noqa: ANN401 - typer's commands have no public type
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        yield from commands_of(command, f"{before}{name} ") if inner else [f"{before}{name}"]


def test_the_readme_has_at_most_900_words() -> None:
    prose = re.sub(r"^```.*?^```$", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) <= 900


def test_something_to_run_stands_within_the_first_twenty_lines() -> None:
    first = "\n".join(README.read_text(encoding="utf-8").splitlines()[:20])
    assert [" ".join(command.words) for command in commands(first)] == ["make demo", "make test"]


def test_the_readme_shows_what_the_demo_prints_where_all_is_as_expected() -> None:
    expected = {
        Subject(str(example.customer_id), one.name): one.expected
        for chapter in CHAPTERS
        for example in chapter.examples
        for one in example.events
    }
    found = Observation(
        results={subject: one.result for subject, one in expected.items()},
        published={subject: one.published for subject, one in expected.items()},
    )
    printed = iter(tables(compare(CHAPTERS, found), Console(force_terminal=False, width=120)).splitlines())
    (shown,) = [
        block for kind, block in blocks(README.read_text(encoding="utf-8")) if kind == "text" and "event" in block
    ]
    assert [line for line in shown.splitlines() if line != "..." and line not in printed] == []


def test_each_command_of_the_readme_is_run_by_a_test() -> None:
    assert {kind for kind, _ in blocks(README.read_text(encoding="utf-8"))} == {"console", "text"}
    # The walk is run as a whole, what the targets of make run is run by the tests of each: nothing else may be shown.
    everything = [command.words for command in commands(README.read_text(encoding="utf-8"))]
    walk = [command.words for command in commands(section(README, "Walk through"))]
    assert [words for words in everything if words not in walk] == [("make", "demo"), ("make", "test")]
    assert {words[0] for words in walk} == {"unenroll"}


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("demo", ".venv/bin/unenroll demo"),
        ("test", ".venv/bin/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --ignore=tests/core"),
    ],
)
def test_a_target_of_the_readme_runs_what_it_is_said_to(target: str, runs: str) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.installed-all", target],  # noqa: S607 - make is on the path, or no test runs
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert runs in shown.stdout.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_target_of_make_that_a_page_names_is_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(MAKE.findall(page.read_text(encoding="utf-8")))
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_that_a_page_links_to_is_there(page: Path) -> None:
    assert [target for target in links(page) if not target.exists()] == []


def test_contributing_names_each_folder_of_code_once() -> None:
    table = rows(section(ROOT / "CONTRIBUTING.md", "Where things are"))
    named = Counter(name.strip(" /") for cells in table for name in cells[0].split(","))
    code = [path for path in tracked() if path.suffix == ".py" and path.parts[0] in {"src", "tests"}]
    folders = {path.parts[:3] if path.parts[0] == "src" else path.parts[:2] for path in code}
    wanted = {"/".join(parts) for parts in folders if not parts[-1].endswith(".py")}
    assert {name: named[name] for name in wanted} == dict.fromkeys(wanted, 1)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_module_that_a_page_names_is_there(page: Path) -> None:
    named = set(MODULE.findall(page.read_text(encoding="utf-8")))
    assert [one for one in named if not any((folder / one).exists() for folder in (ROOT, ROOT / "src/unenroll"))] == []
