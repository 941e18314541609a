"""One real worker in a process of its own, whose log stays where it can be read afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class Worker:
    """`unenroll run`, started."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "unenroll", "run"],
                env={**_bare(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
            )

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Until it has ended, or is killed because it does not."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("UNENROLL_")}
