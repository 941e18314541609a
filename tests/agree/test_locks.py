"""A lock names all that it needs, so that installing it resolves nothing and stays the same for years."""

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agree.pages import ROOT, tracked

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
METADATA: dict[str, list[str]] = json.loads((ROOT / "requirements/metadata.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PYTHONS = ("3.11.0", "3.11.14", "3.12.0", "3.13.0", "3.14.0")
PLATFORMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
# What may install without a lock: the program itself, from its own folder or its own wheel.
ITSELF = (" --editable .", " wheels/unenroll-*.whl")


def environments() -> Iterator[dict[str, str]]:
    here = {name: str(value) for name, value in default_environment().items()}
    for python in PYTHONS:
        for platform, system, machine in PLATFORMS:
            version = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
            place = {"sys_platform": platform, "platform_system": system, "platform_machine": machine}
            yield {**here, **version, **place, "implementation_version": python}


def pins(lock: Path) -> list[Requirement]:
    """What a lock pins, without its hashes."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.rstrip("\\ ")) for line in lines if line and not line.startswith((" ", "#"))]


def applies(requirement: Requirement, environment: dict[str, str], extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in {"", *extras})


def wanted(lock: Path) -> list[str]:
    """The requirements of the project that a lock is made from, by its line in the Makefile."""
    (recipe,) = re.findall(rf"\$\(COMPILE\)(.*)--output-file requirements/{lock.name}", makefile())
    extras = EXTRAS if "--all-extras" in recipe else re.findall(r"--extra (\S+)", recipe)
    chosen = [EXTRAS[extra] for extra in extras]
    groups = [PROJECT["dependency-groups"][group] for group in re.findall(r"--group (\S+)", recipe)]
    ours = [PROJECT["project"]["dependencies"]] if " pyproject.toml " in recipe else []
    return [line for part in (*ours, *chosen, *groups) for line in part]


def makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def unmet(roots: list[str], locked: list[Requirement], environment: dict[str, str]) -> set[str]:
    """The requirements, of the roots and of all that they need, that no pin of the lock meets."""
    here = {canonicalize_name(pin.name): pin for pin in locked if applies(pin, environment, set())}
    missing: set[str] = set()
    done: set[tuple[str, frozenset[str]]] = set()
    todo = [("the project", Requirement(line)) for line in roots] + [("the lock", pin) for pin in here.values()]
    while todo:
        needs, requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        pin = here.get(name)
        if pin is None or not requirement.specifier.contains(version(pin), prereleases=True):
            missing.add(f"{needs} needs {requirement}, and there is {pin}")
            continue
        if (name, frozenset(requirement.extras)) not in done:
            done.add((name, frozenset(requirement.extras)))
            needed = stated(f"{pin.name}=={version(pin)}")
            todo += [(pin.name, one) for one in needed if applies(one, environment, requirement.extras)]
    return missing


@cache
def stated(pin: str) -> tuple[Requirement, ...]:
    """What a package requires, by its own metadata."""
    return tuple(Requirement(line) for line in METADATA[pin])


def version(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_meets_every_requirement_of_what_it_names_in_each_python(lock: Path) -> None:
    locked = pins(lock)
    assert {str(pin.specifier)[:2] for pin in locked} == {"=="}
    assert {problem for environment in environments() for problem in unmet(wanted(lock), locked, environment)} == set()


@pytest.mark.parametrize("left_out", ["greenlet", "coverage", "packaging"])
def test_a_lock_that_leaves_one_out_is_not_closed(left_out: str) -> None:
    lock = ROOT / "requirements/all.lock"
    locked = [pin for pin in pins(lock) if pin.name != left_out]
    assert any(left_out in problem for here in environments() for problem in unmet(wanted(lock), locked, here))


def test_every_line_of_a_lock_has_hashes() -> None:
    texts = [lock.read_text(encoding="utf-8") for lock in LOCKS]
    blocks = [block for text in texts for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if "==" in block]
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_what_two_locks_name_is_the_same_version_in_both() -> None:
    """But for tools with a virtual environment of their own."""
    apart = {"audit", "schemas", "lock"}
    shared = {lock.stem: {str(pin) for pin in pins(lock)} for lock in LOCKS if lock.stem not in apart}
    names = {name: {Requirement(pin).name for pin in found} for name, found in shared.items()}
    both = {name: {pin for pin in shared["all"] if Requirement(pin).name in names[name]} for name in names}
    assert {name: both[name] - shared[name] for name in names} == {name: set() for name in names}
    assert shared["run"] | shared["build"] <= shared["demo"] <= shared["all"]


def test_what_is_written_down_of_the_packages_is_what_they_say_themselves() -> None:
    installed = {pin: stated for pin, stated in METADATA.items() if here(pin)}
    assert len(installed) > 100
    assert installed == {pin: sorted(distribution(pin.split("==")[0]).requires or []) for pin in installed}


def here(pin: str) -> bool:
    name, _, number = pin.partition("==")
    try:
        return distribution(name).version == number
    except PackageNotFoundError:
        return False


def test_every_install_takes_a_lock_and_resolves_nothing() -> None:
    kinds = ("Makefile", "Dockerfile", ".sh", "/run", ".yaml", ".yml")
    files = [path for path in tracked() if path.as_posix().endswith(kinds)]
    installs = [line for path in files for line in commands(ROOT / path) if re.search(r"\bpip\b[^|]* install ", line)]
    assert len(installs) >= 4
    loose = [line for line in installs if "--no-deps" not in line]
    unlocked = [line for line in installs if "--require-hashes" not in line and not line.endswith(ITSELF)]
    assert (loose, unlocked) == ([], [])


def commands(path: Path) -> list[str]:
    """The commands of a file, each in one line."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(part.split()) for line in text.splitlines() for part in line.split("&&")]
