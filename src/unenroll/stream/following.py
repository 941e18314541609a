"""Definitions kept as they come, and the lanes told of the accounts that they concern."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from unenroll.errors import LaneLostError, OutageError
from unenroll.stream.cluster import Partition
from unenroll.stream.definitions import Definitions
from unenroll.stream.patience import DEFINITIONS, Waiting
from unenroll.stream.settling_again import SettlingAgain

_AGAIN_SECONDS = 1.0
_LEFT_BEHIND_SECONDS = 5.0  # how long accounts may wait that a worker did not get to tell of


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """One worker's."""

    definitions: Definitions
    again: SettlingAgain

    async def catch_up(self, ends: Mapping[Partition, int]) -> None:
        """Keep all that is there before the first lane opens. Raises OutageError and SetupError."""
        while not self.definitions.kept_up_to(ends):
            await self.definitions.follow()
        await self.again.tell()

    async def go_on(self, waiting: Waiting) -> None:
        """Follow for ever, waiting where a server is away. Raises SetupError."""
        told = monotonic()
        while True:
            try:
                if await self.definitions.follow() or monotonic() - told > _LEFT_BEHIND_SECONDS:
                    await self.again.tell()
                    told = monotonic()
            except (OutageError, LaneLostError) as trouble:
                waiting.begin(DEFINITIONS, trouble)
                self.definitions.read_again()
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                waiting.end(DEFINITIONS)
