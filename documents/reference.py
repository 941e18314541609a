"""The reference, made of the code: `python -m documents.reference` writes docs/reference/, as `make reference` does."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from documents.commands import commands
from documents.events import events
from documents.outcomes import outcomes
from documents.settings import settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_MADE = "<!-- Made of the code by `make reference`: change it there. -->"
_PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings,
    "commands.md": commands,
    "events.md": events,
    "outcomes.md": outcomes,
}


def pages() -> dict[str, str]:
    """Each page by its name."""
    return {name: "\n".join([_MADE, "", *lines()]) + "\n" for name, lines in _PAGES.items()}


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
