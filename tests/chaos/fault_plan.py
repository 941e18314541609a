"""What happens in a round, by its seed."""

from dataclasses import dataclass
from random import Random

from chaos.fault_kinds import KINDS
from chaos.round_scene import Fault

_FAULTS = (1, 1, 3, 4, 5, 6, 7)  # alone as well: only then does a recovery time say what it seems to say
_PAUSES = (0.2, 1.0, 3.0, 7.0)
_ORDERS = 8
_BATCHES = (7, 20, 60, 200)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`faults`: each with the seconds to wait before it, and its own chance. `order`: of arrival."""

    seed: int
    faults: tuple[tuple[float, Fault, Random], ...]
    order: int
    batch_records: int


def plan(seed: int) -> Plan:
    """The same plan of the same seed. Whom exactly a fault meets at what is up to the machine."""
    chance = Random(f"plan {seed}")  # noqa: S311 - no secret
    return Plan(
        seed=seed,
        order=chance.randrange(_ORDERS),
        batch_records=chance.choice(_BATCHES),
        faults=tuple(
            (chance.choice(_PAUSES) * chance.random(), chance.choice(KINDS), Random(chance.random()))  # noqa: S311
            for _ in range(chance.choice(_FAULTS))
        ),
    )
