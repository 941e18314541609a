"""The code stays readable: names are unique, modules are named for what they hold, and none grows too long."""

import ast
from collections import defaultdict
from pathlib import Path

from agree.pages import ROOT

PACKAGE = ROOT / "src" / "unenroll"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
MOST_LINES = 300

NO_NAMES = frozenset(
    {
        "arrival",
        "common",
        "concerned",
        "crowd",
        "desk",
        "door",
        "fate",
        "following",
        "foreseeing",
        "gathering",
        "front",
        "given",
        "ground",
        "growing",
        "heads",
        "healing",
        "held",
        "helpers",
        "holding",
        "intake",
        "judging",
        "keeping",
        "knock",
        "knocking",
        "laps",
        "leftover",
        "legible",
        "looking",
        "meanwhile",
        "office",
        "paper",
        "passage",
        "patience",
        "quiet",
        "readings",
        "said",
        "seen",
        "shelf",
        "shown",
        "sift",
        "stillness",
        "stretch",
        "taken",
        "tell",
        "told",
        "turns",
        "unreadable",
        "utils",
        "wanted",
        "watching",
    }
)
"""Names that say how a module feels, or nothing."""

NAMED_ALIKE = frozenset({"core", "wire"})
"""An event of the core and its form on the wire may share the event's name."""


def public_classes() -> dict[str, list[Path]]:
    """The modules that define each public class, by its name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(PACKAGE))
    return found


def test_no_two_classes_have_the_same_name() -> None:
    twice = {
        name: paths
        for name, paths in public_classes().items()
        if len(paths) > 1 and not {path.parts[0] for path in paths} <= NAMED_ALIKE
    }
    assert twice == {}


def test_a_module_is_named_for_what_it_holds() -> None:
    assert [str(path.relative_to(PACKAGE)) for path in MODULES if path.stem in NO_NAMES] == []


def test_no_module_is_too_long_to_read_at_once() -> None:
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
