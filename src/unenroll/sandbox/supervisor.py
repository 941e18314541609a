"""A script that runs one server and stops it when its owner wants so, or dies.

It imports nothing of this package. Its standard input is a pipe to which nobody writes: the owner closes the pipe to
stop the server, and the kernel closes it when the owner dies, by any signal. Standard output and error are the server's
log. The exit code is that of the server, or 128 plus the signal's number if a signal ended it.
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
    """Run the server to its end and return the exit code."""
    options = _options()
    server = subprocess.Popen(  # noqa: S603 - the owner's own command
        options.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_supervisor(options.signal),  # noqa: PLW1509 - no other thread runs yet
        user=options.user,
        group=options.group,
        extra_groups=None if options.user is None else [],
    )
    stopping = threading.Event()
    threading.Thread(target=_stop_on_close, args=(server, options, stopping), daemon=True).start()
    code: int = server.wait()
    if stopping.is_set() and options.remove:
        _remove(options.remove)
    return code if code >= 0 else 128 - code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="run one server until standard input closes")
    parser.add_argument("--signal", type=int, required=True, help="the signal that stops the server")
    parser.add_argument(
        "--grace", type=float, required=True, help="seconds after that signal until the server is killed"
    )
    parser.add_argument("--user", type=int, help="user id to run the server as")
    parser.add_argument("--group", type=int, help="group id to run the server as")
    parser.add_argument("--remove", type=Path, help="folder to delete at the end")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _stop_on_close(server: "subprocess.Popen[bytes]", options: argparse.Namespace, stopping: threading.Event) -> None:
    """Wait until standard input closes, then stop the server."""
    os.read(sys.stdin.fileno(), 1)
    stopping.set()
    server.send_signal(options.signal)
    try:
        server.wait(options.grace)
    except subprocess.TimeoutExpired:
        server.kill()


def _die_with_supervisor(number: int) -> Callable[[], None] | None:
    """A function for the child that asks the kernel to signal it when the supervisor dies. Only Linux can do that."""
    if sys.platform != "linux":
        return None
    prctl, supervisor = ctypes.CDLL(None).prctl, os.getpid()

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != supervisor:  # it died before the call
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # it holds the folders of both servers: only the second rmdir finds it empty


if __name__ == "__main__":
    sys.exit(main())
