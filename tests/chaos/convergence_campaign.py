"""`PYTHONPATH=tests python tests/chaos/convergence_campaign.py --minutes 30`: crowds in many orders of arrival.

It plays one workload after the other, each as in `tests/e2e/test_convergence.py`, until time is up or one goes wrong.
"""

import argparse
import asyncio
import os
import secrets
import sys
import time

from providers import server_providers
from support.convergence import ConvergenceServers, report
from support.databases import migrated_database
from support.workload import workload


async def campaign(*, seconds: float, accounts: int, orders: int, first_seed: int) -> str:
    """Play crowds until time is up. Returns what is wrong with the first bad one, empty if there is none."""
    end = time.monotonic() + seconds
    seed = first_seed
    tried = 0
    async with server_providers(os.environ, say=_say) as servers, migrated_database(servers) as template:
        while time.monotonic() < end:
            many = workload(seed, accounts)
            stage = ConvergenceServers(servers=servers, template=template, prefix=f"campaign-{secrets.token_hex(4)}.")
            wrong = report(many, await stage.play(many, range(orders)))
            if wrong:
                return wrong
            seed += 1
            tried += orders
            _say(f"seed {many.seed}: well. Tried: {tried} orders of {(seed - first_seed) * accounts} accounts")
    return ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for a person who waits


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="begin no workload after this")
    parser.add_argument("--accounts", type=int, default=200, help="in each workload")
    parser.add_argument("--orders", type=int, default=20, help="of arrival, of each workload")
    parser.add_argument("--seed", type=int, default=None, help="of the first workload; else by chance")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    found = asyncio.run(
        campaign(
            seconds=arguments.minutes * 60,
            accounts=arguments.accounts,
            orders=arguments.orders,
            first_seed=secrets.randbelow(2**32) if arguments.seed is None else arguments.seed,
        )
    )
    sys.exit(found or 0)
