"""The tables of docs/scaling.md are those that the calculation prints."""

import subprocess
import sys

from agree.pages import ROOT, section

PAGE = ROOT / "docs" / "scaling.md"


def test_the_tables_of_sizes_are_what_is_calculated_from_what_was_measured() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.sizing"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shown = [line for line in section(PAGE, "Sizes").splitlines() if line.startswith("|")]
    assert shown == [line for line in told.stdout.splitlines() if line]
