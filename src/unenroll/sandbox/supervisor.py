"""Runs one server and ends it when its owner wants so, or is gone.

A script of its own that imports nothing of ours. Its standard input is a pipe to which nobody writes: the owner closes
it to end the server, and the kernel closes it when the owner dies, by whatever signal. Standard output and error are
the server's log. Exits with the server's exit code, or 128 and the signal's number if a signal ended it.
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1


def main() -> int:
    """The exit code of the server."""
    asked = _asked()
    server = subprocess.Popen(  # noqa: S603 - the owner's own command
        asked.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_tether(asked.signal),  # noqa: PLW1509 - no other thread runs yet
        user=asked.user,
        group=asked.group,
        extra_groups=None if asked.user is None else [],
    )
    unwanted = threading.Event()
    threading.Thread(target=_end_when_unwanted, args=(server, asked, unwanted), daemon=True).start()
    code: int = server.wait()
    if unwanted.is_set() and asked.remove:
        _remove(asked.remove)
    return code if code >= 0 else 128 - code


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="runs one server until standard input closes")
    parser.add_argument("--signal", type=int, required=True, help="the signal that asks the server to end")
    parser.add_argument("--grace", type=float, required=True, help="seconds until it is killed")
    parser.add_argument("--user", type=int, help="user id to run it as")
    parser.add_argument("--group", type=int, help="group id to run it as")
    parser.add_argument("--remove", type=Path, help="folder to remove at the end")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _end_when_unwanted(server: "subprocess.Popen[bytes]", asked: argparse.Namespace, unwanted: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)
    unwanted.set()
    server.send_signal(asked.signal)
    try:
        server.wait(asked.grace)
    except subprocess.TimeoutExpired:
        server.kill()


def _die_with_tether(by: int) -> Callable[[], None] | None:
    """What makes the kernel end the server should this process be killed. Only Linux can."""
    if sys.platform != "linux":
        return None
    control, tether = ctypes.CDLL(None).prctl, os.getpid()

    def tie() -> None:
        control(PR_SET_PDEATHSIG, by)
        if os.getppid() != tether:
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # it held the servers' folders, and the last one to leave finds it empty


if __name__ == "__main__":
    sys.exit(main())
