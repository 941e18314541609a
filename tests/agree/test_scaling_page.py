"""The tables of sizes in docs/operations.md and benchmarks/README.md are those that the calculation prints."""

import subprocess
import sys

from agree.pages import ROOT, section

PAGES = (ROOT / "benchmarks" / "README.md", ROOT / "docs" / "operations.md")


def test_the_tables_of_sizes_are_what_is_calculated_from_what_was_measured() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "benchmarks.sizing"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shown = [line for page in PAGES for line in section(page, "Sizes").splitlines() if line.startswith("|")]
    assert shown == [line for line in printed.stdout.splitlines() if line]
