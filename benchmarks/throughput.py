"""How fast the real worker is: 20,000 requests for 20,000 accounts with three rewards each, on 4 partitions.

Prints records per second and the worker's memory, and checks that every request has one visible answer.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from unenroll.sandbox.servers import Servers, provided

PARTITIONS = 4
REWARDS = (
    ("R1", "c1", "PERIOD_END", "2026-01-10T00:00:00Z"),
    ("R2", "c2", "IMMEDIATE", "2026-02-10T00:00:00Z"),
    ("R3", "c3", "PERIOD_END", "2026-03-05T00:00:00Z"),
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One run of the worker."""

    seconds: float
    megabytes: float
    answers: int
    cancelled: int


def facts(accounts: int) -> Iterator[dict[str, object]]:
    """The group, and each customer's enrollment and rewards."""
    cycles = [
        {"periodName": f"c{month}", "start": f"2026-0{month}-01T00:00:00Z", "end": f"2026-0{month + 1}-01T00:00:00Z"}
        for month in range(1, 6)
    ]
    target = {"targetId": 21, "name": "ABC", "kind": "MILESTONE"}
    group = {"targetGroupId": 11, "name": "Bench", "version": 1, "active": True, "timeZone": "UTC"}
    yield {"type": "TargetGroupDefined", "id": "g11", "data": {**group, "cycles": cycles, "targets": [target]}}
    for customer in range(1, accounts + 1):
        account = {"customerId": customer, "targetGroupId": 11, "targetId": 21}
        enrolled = {**account, "enrolledAt": "2026-01-01T00:00:00Z"}
        yield {"type": "CustomerEnrolled", "id": f"in-{customer}", "data": enrolled}
        for name, cycle, allocation, at in REWARDS:
            reward_id = f"{name}-{customer}"
            data = {"rewardId": reward_id, "periodName": cycle, "allocation": allocation, "achievedAt": at}
            yield {"type": "RewardEarned", "id": reward_id, "data": {**account, **data}}


def requests(accounts: int) -> Iterator[dict[str, object]]:
    """Each customer leaves in March."""
    for customer in range(1, accounts + 1):
        data = {"customerId": customer, "targetGroupId": 11, "targetId": 21, "reason": "bench"}
        known = {"type": "UnenrollRequested", "source": "/bench", "id": f"leave-{customer}"}
        yield {**known, "time": "2026-03-15T00:00:00Z", "data": data}


async def measure(servers: Servers, accounts: int, folder: Path) -> Finding:
    """One run in a database and topics of its own."""
    name = f"bench_{secrets.token_hex(4)}"
    await _execute(servers.database_url, f"create database {name}")
    try:
        environment = {
            "UNENROLL_KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
            "UNENROLL_DATABASE_URL": urlsplit(servers.database_url)._replace(path=f"/{name}").geturl(),
            "UNENROLL_TOPIC_PREFIX": f"{name}.",
            "UNENROLL_GROUP_ID": name,
            "UNENROLL_LOG_FORMAT": "json",
        }
        _fill(environment, accounts, folder)
        seconds, megabytes = _timed(environment, "run", "--until-caught-up")
        return Finding(
            seconds=seconds,
            megabytes=megabytes,
            answers=_visible(servers.kafka, f"{name}.unenrollments"),
            cancelled=_visible(servers.kafka, f"{name}.rewards"),
        )
    finally:
        await _execute(servers.database_url, f"drop database {name} with (force)")


def _fill(environment: Mapping[str, str], accounts: int, folder: Path) -> None:
    for name, lines in (("facts", facts(accounts)), ("requests", requests(accounts))):
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    _timed(environment, "migrate")
    _timed(environment, "topics", "--partitions", str(PARTITIONS))
    _timed(environment, "load", str(folder / "facts"))
    _timed(environment, "publish", str(folder / "requests"))


def _timed(environment: Mapping[str, str], *arguments: str) -> tuple[float, float]:
    """Seconds from start to end, and the most megabytes that the process had in memory."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            began = time.monotonic()
            command = [sys.executable, "-m", "unenroll", *arguments]
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)  # noqa: S603
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"unenroll {' '.join(arguments)} failed:\n{log.read_text()[-3000:]}")
    return seconds, usage.ru_maxrss / 1024


def _visible(kafka: str, topic: str) -> int:
    settings = {"bootstrap.servers": kafka, "group.id": str(uuid4()), "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    ended, count = 0, 0
    while ended < PARTITIONS:
        message = consumer.poll(10)
        if message is None:
            raise SystemExit(f"{topic} could not be read")
        ended += message.error() is not None
        count += message.error() is None
    consumer.close()
    return count


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()


async def main(accounts: int, repeat: int) -> None:
    """Print each run, and the median."""
    findings = []
    async with provided({}, say=print) as servers:
        for run in range(1, repeat + 1):
            with TemporaryDirectory() as folder:
                finding = await measure(servers, accounts, Path(folder))
            if finding.answers != accounts or finding.cancelled != accounts:
                raise SystemExit(f"{accounts} requests, but {finding}")
            findings.append(finding)
            rate = accounts / finding.seconds
            print(f"run {run}: {rate:,.0f} requests/s, start to end; worker at most {finding.megabytes:.0f} MB")
    median = sorted(findings, key=lambda finding: finding.seconds)[len(findings) // 2]
    print(f"median: {accounts / median.seconds:,.0f} requests/s; every request answered once")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.accounts, chosen.repeat))
