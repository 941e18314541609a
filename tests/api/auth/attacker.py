"""An attacker, in a process of its own: `flooding.py PORT HOW_MANY` guesses secrets from as many addresses.

It runs until it is ended, and prints a line once every address has guessed.
"""

import asyncio
import sys
from itertools import count

from api.auth.guarded_server import call
from support.secret_files import basic

BACK_SECONDS = 5.0
AT_ONCE = 250


async def main(port: int, how_many: int) -> None:
    """Attacks."""
    starting = asyncio.Semaphore(AT_ONCE)
    been_there = count(1)

    async def attacker(number: int) -> None:
        source = f"127.1.{number // 250}.{number % 250 + 1}"
        first = True
        while True:
            try:
                async with starting:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
                    writer.write(guess(number))
                    if first and next(been_there) == how_many:
                        sys.stdout.write("all\n")
                        sys.stdout.flush()
                    first = False
                await reader.read()
                writer.transport.abort()
            except OSError:
                pass
            await asyncio.sleep(BACK_SECONDS)  # not a way to wait for something: how often one comes back

    await asyncio.gather(*(attacker(number) for number in range(how_many)))


def guess(number: int) -> bytes:
    """A call with a wrong secret."""
    wrong = basic("crm", f"guess number {number}")
    return call("GET", "/customers/7", f"Authorization: Basic {wrong}", "Connection: close")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
