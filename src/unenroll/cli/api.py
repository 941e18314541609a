"""The command that answers calls over HTTP."""

import asyncio
import gc

from unenroll.cli.interrupts import told_to_stop
from unenroll.errors import SetupError
from unenroll.settings import FrontSettings, read


def api() -> None:
    """Answer the un-enroll call over HTTP. SIGTERM and SIGINT stop it; calls in flight are answered first."""
    asyncio.run(_run(read(FrontSettings)))


async def _run(settings: FrontSettings) -> None:
    try:
        from unenroll.front.serving import serve  # noqa: PLC0415 - an extra, which the worker does not carry
    except ModuleNotFoundError as missing:
        raise SetupError(f"the HTTP API needs the package {missing.name}: pip install 'unenroll[api]'") from missing
    gc.freeze()  # what was imported is never garbage
    await serve(settings, stop=told_to_stop())
