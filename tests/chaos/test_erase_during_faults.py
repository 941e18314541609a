"""Customers erased while workers decide about them and are killed: all invariants hold of everybody else."""

from pathlib import Path

import pytest

from chaos.fault_scene import EARLY, LATE, Scene, place_of, scene
from checker.collect import collected
from checker.erased import without
from checker.verdict import violations
from support.killed_commands import killed_erase
from support.workers import command_with_fault, run_command
from unenroll.sandbox.servers import ServerAddresses

ERASED = {account_history.customer_id for account_history in (*EARLY.histories[:6], *LATE.histories[:2])}


def erase(scene: Scene, customer: int, *, dying: str | None = None) -> None:
    if dying is not None:
        with killed_erase(dying, customer, environment=scene.environment) as command:
            command.wait()
    run_command("erase", f"--customer={customer}", environment=scene.environment)


@pytest.mark.thorough
@pytest.mark.parametrize("moment", ["entombed", "rewriting"])
@pytest.mark.parametrize("phase", ["copying", "deciding", "decided", "sent", "commit sent", "committed"])
async def test_all_invariants_hold_of_everybody_else(
    servers: ServerAddresses, database_url: str, tmp_path: Path, phase: str, moment: str
) -> None:
    here = await scene(place_of(servers, database_url, tmp_path))
    here.publish(EARLY)
    with command_with_fault("killed", phase, "run", environment=here.environment) as worker:
        worker.wait()
    with here.worker() as worker:
        for customer in sorted(ERASED):
            erase(here, customer, dying=moment if customer == min(ERASED) else None)
            here.sample()
        here.check_goes_on(worker)
    run_command("offsets", "set", "--to", "earliest", "--why", "a test", environment=here.environment)
    here.samples.clear()  # offsets went back, as they were told to
    here.catch_up()
    history = await collected(here.deployment, sent=here.sent, samples=here.samples)
    assert history.erased
    assert violations(without(history, ERASED)) == {}
    assert {key.customer_id for key in history.accounts}.isdisjoint(ERASED)
    assert {row.customer_id for row in history.ledger}.isdisjoint(ERASED)
