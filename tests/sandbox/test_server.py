"""Processes, ports and users of the embedded servers, with small programs in the servers' place."""

import socket
import stat
import sys
from pathlib import Path
from signal import SIGTERM

import pytest

from unenroll.sandbox.environment import LOOPBACK, on_free_ports
from unenroll.sandbox.postgres import readable_by_all
from unenroll.sandbox.process import (
    SandboxError,
    ServerEndedError,
    ServerProcess,
    ServerProgram,
    launch,
    run_to_end,
    start,
)


def python(folder: Path, code: str, *, temporary: bool = False) -> ServerProgram:
    command = (sys.executable, "-u", "-c", code)
    return ServerProgram(name="Armchair", command=command, folder=folder, stop_signal=SIGTERM, removes_folder=temporary)


async def never() -> bool:
    return False


async def test_a_server_that_ends_before_it_answers_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ServerEndedError, match=r"Armchair ended before it answered, with exit code 3(.|\n)*no cushion"):
        await start(python(tmp_path, "print('no cushion'); raise SystemExit(3)"), answers=never)


async def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = ServerProgram(
        name="Armchair", command=(str(tmp_path / "armchair"),), folder=tmp_path, stop_signal=SIGTERM
    )
    with pytest.raises(ServerEndedError, match="No such file or directory"):
        await run_to_end(missing)


async def test_a_server_ends_by_its_signal_and_takes_its_passing_folder_along(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    program = python(folder, "import signal; print('seated'); signal.pause()", temporary=True)

    async def seated() -> bool:
        return "seated" in program.log.read_text(encoding="utf-8")

    server = await start(program, answers=seated)
    await server.stop()
    assert await server.wait() == 128 + SIGTERM
    assert not folder.exists()


async def test_a_port_that_somebody_took_in_the_meantime_is_given_up_for_another(tmp_path: Path) -> None:
    tried: list[int] = []

    async def start(ports: tuple[int, ...]) -> ServerProcess:
        tried.extend(ports)
        if len(tried) == 1:
            taken.append(socket.create_server((LOOPBACK, ports[0])))
            raise ServerEndedError("the port is taken")
        return await launch(python(tmp_path, "pass"))

    taken: list[socket.socket] = []
    server = await on_free_ports(1, start)
    await server.stop()
    taken[0].close()
    assert len(set(tried)) == 2


async def test_a_failure_that_is_not_the_ports_fault_is_not_repeated() -> None:
    async def start(ports: tuple[int, ...]) -> ServerProcess:
        raise ServerEndedError(f"not the fault of {len(ports)} ports")

    with pytest.raises(ServerEndedError, match="not the fault of 2 ports"):
        await on_free_ports(2, start)


async def test_ports_that_are_always_taken_are_given_up() -> None:
    taken: list[socket.socket] = []

    async def start(ports: tuple[int, ...]) -> ServerProcess:
        taken.append(socket.create_server((LOOPBACK, ports[0])))
        raise ServerEndedError("the port is taken")

    with pytest.raises(SandboxError, match="other programs took the ports each time"):
        await on_free_ports(1, start)
    for holder in taken:
        holder.close()


def test_programs_that_only_their_owner_may_read_are_copied_and_left_as_they_are(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "armchair").mkdir(parents=True)
    private = site / "armchair" / "sit"
    private.touch(mode=0o700)
    site.chmod(0o700)
    copy = readable_by_all(site, ("armchair", "not-there"), copy=tmp_path / "copy")
    assert copy == tmp_path / "copy"
    assert stat.S_IMODE((copy / "armchair" / "sit").stat().st_mode) == 0o705
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
