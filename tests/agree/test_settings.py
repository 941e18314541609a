"""Settings are in the reference, in `unenroll run --help` and in the code: three times the same."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from agree.pages import PAGES, ROOT, rows, variables
from unenroll.cli.worker import defaults
from unenroll.core.facts import MAX_FACTS
from unenroll.sandbox import environment as place
from unenroll.secret_files import SUFFIX, secrets_of
from unenroll.settings import PREFIX, ApiSettings, LogSettings, WorkerSettings

PAGE = ROOT / "docs" / "reference" / "settings.md"
KINDS = (ApiSettings, LogSettings)
DEFAULTS = {name: default for kind in KINDS for name, default in defaults(kind).items()}
MEANINGS = {
    PREFIX + name.upper(): str(field.description) for kind in KINDS for name, field in kind.model_fields.items()
}
FILES = {PREFIX + name.upper() + SUFFIX for kind in KINDS for name in secrets_of(kind)}


def test_the_defaults_told_are_those_that_apply() -> None:
    made = ApiSettings(kafka_bootstrap_servers="kafka:9092", database_url="postgresql://host/name")
    documented = {name.removeprefix(PREFIX).lower(): default for name, default in DEFAULTS.items()}
    assert documented.pop("kafka_bootstrap_servers") == documented.pop("database_url") == "required"
    assert (documented.pop("log_format"), documented.pop("log_level")) == ("unset", LogSettings().log_level)
    applied = made.model_dump(mode="json", include=set(documented))
    assert documented == {name: "unset" if value is None else str(value) for name, value in applied.items()}


def described() -> list[list[str]]:
    """The rows of all tables of the reference."""
    return [cells for cells in rows(PAGE.read_text(encoding="utf-8")) if cells[0].startswith(PREFIX)]


def test_the_reference_has_each_setting_once_with_its_default() -> None:
    assert sorted(cells[:2] for cells in described()) == sorted(map(list, DEFAULTS.items()))


def test_the_reference_says_what_the_code_says_of_each_setting() -> None:
    assert {cells[0]: cells[-1] for cells in described()} == MEANINGS


@pytest.mark.parametrize(("command", "kind"), [("run", WorkerSettings), ("api", ApiSettings)])
def test_help_lists_each_setting_with_its_default_and_meaning(command: str, kind: type[BaseSettings]) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "unenroll", command, "--help"], capture_output=True, text=True, check=True
    )
    help_text = " ".join(shown.stdout.split())
    names = [*defaults(kind), *defaults(LogSettings)]
    assert all(PREFIX + name.upper() + SUFFIX in help_text for name in secrets_of(kind))
    assert [name for name in names if f"{name} ({DEFAULTS[name]}): {MEANINGS[name]}" not in help_text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    known = {*DEFAULTS, *FILES, *variables(Path(place.__file__).read_text(encoding="utf-8"))}
    assert variables(page.read_text(encoding="utf-8")) - known == set()


def test_the_default_bound_of_an_account_is_that_of_the_core() -> None:
    assert WorkerSettings.model_fields["max_account_facts"].default == MAX_FACTS
