"""The core imports nothing but the standard library and itself, and asks for neither clock nor world."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unenroll.core

MODULES = sorted(Path(unenroll.core.__file__).parent.rglob("*.py"))

# Whatever lets a module see or change something outside of its arguments.
WORLDLY = frozenset(
    {"asyncio", "ctypes", "importlib", "io", "logging", "os", "pathlib", "random", "secrets", "select", "shutil"}
    | {"signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"}
)
CLOCKS = frozenset({"now", "utcnow", "today"})


def test_the_core_is_looked_at() -> None:
    assert len(MODULES) > 10


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_of_the_core_imports_only_the_standard_library_and_the_core(module: Path) -> None:
    foreign = {name for name in imported(module.read_text(encoding="utf-8")) if not belongs(name)}
    assert not foreign


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_of_the_core_asks_for_neither_clock_nor_world(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    awaits = [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)]
    clocks = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in CLOCKS]
    world = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in {"open", "__import__"}]
    assert [*awaits, *clocks, *world] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pydantic",
        "from pydantic import BaseModel",
        "from unenroll.wire.topics import Topic",
        "import unenroll.postgres",
        "from unenroll import errors",
        "def f():\n    import aiokafka",
        "from time import time",
        "import os.path",
        "from . import facts",
    ],
)
def test_what_does_not_belong_in_the_core_is_seen(line: str) -> None:
    assert not all(belongs(name) for name in imported(line))


def imported(source: str) -> Iterator[str]:
    """The full names of what is imported, at whatever depth; a relative import begins with its dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "unenroll":
            yield from (f"unenroll.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def belongs(name: str) -> bool:
    """Whether the core may import it."""
    top = name.partition(".")[0]
    if top == "unenroll":
        return name == "unenroll.core" or name.startswith("unenroll.core.")
    return top in sys.stdlib_module_names and top not in WORLDLY
