"""How far a lane's life has come, for those who wait for it."""

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LaneLife:
    """`opened` is set once the lane was open; `stopping` asks it to end."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
