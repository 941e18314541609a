"""One round of a campaign: workers, a workload and faults by seed. Then all recovers, and the history is checked."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient

from chaos.fault_kinds import POSTS, AppliedFault, Plan, Scene
from chaos.killable_servers import KillablePair
from chaos.recovery_time import Listener
from chaos.traffic import Traffic
from chaos.workers import WorkerCrew
from checker.collect import collected, watched
from checker.history import History
from checker.sampling import Sampler
from checker.verdict import violations
from support.arrivals import arrival
from support.consumer import receive
from support.databases import cloned_database
from support.deployment import Deployment, deploy
from support.final_state import differences, rows
from support.postgres_proxy import cutting_proxy
from support.producer import Stream
from support.workers import in_background, running_command
from support.workload import workload
from unenroll.sandbox.servers import ServerAddresses
from unenroll.wire.topics import Topic
from waiting import until

_ACCOUNTS = 120
_SECONDS = 25.0
_ANSWER_SECONDS = 120.0
_DRAIN_SECONDS = 180.0
_MOST_CHARACTERS = 3_000  # of a log


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a round. `wrong` has one sentence for each violation."""

    plan: Plan
    began: float
    struck: tuple[AppliedFault, ...]
    wrong: tuple[str, ...]
    false_starts: int
    log_events: Counter[str]
    recoveries: Mapping[str, list[float]]
    history: History


class MarkersSkippedError(Exception):
    """Kafka ended a transaction of the round without its markers, so there is nothing to judge."""


async def play(plan: Plan, servers: KillablePair, *, template: str, folder: Path) -> Outcome:
    """Play a round on servers that answer; they answer again when it ends. Raises MarkersSkippedError."""
    began = time.time()
    pair = ServerAddresses(kafka=servers.kafka.address, database_url=servers.postgres.address)
    async with cloned_database(pair, template) as url:
        deployment = Deployment(
            kafka=pair.kafka, database_url=url, prefix=f"round-{plan.seed}-{began:.0f}.", folder=folder
        )
        traffic = await _traffic(deployment, plan)
        sampler, listener = (
            Sampler(watched=watched(deployment)),
            Listener(kafka=deployment.kafka, prefix=deployment.prefix),
        )
        with in_background(sampler.run), in_background(listener.run):
            async with _scene(deployment, servers, plan) as scene:
                wrong = await _storm(scene, plan, traffic, listener=listener)
            wrong += await asyncio.to_thread(_drained, deployment)
        if servers.kafka.skipped_markers(deployment.prefix):
            raise MarkersSkippedError
        history = await collected(deployment, sent=traffic.stream.sent, samples=sampler.samples)
        wrong += await _judged(deployment, history, traffic)
        await asyncio.to_thread(_forgotten, deployment)
        return Outcome(
            plan=plan,
            began=began,
            struck=tuple(scene.struck),
            wrong=(*scene.crew.unexpected_ends, *wrong),
            false_starts=scene.crew.false_starts,
            log_events=scene.crew.log_events,
            recoveries=listener.recoveries(scene.struck),
            history=history,
        )


async def _traffic(deployment: Deployment, plan: Plan) -> Traffic:
    many = workload(plan.seed, _ACCOUNTS)
    await deploy(deployment, *many.groups)
    stream = Stream(kafka=deployment.kafka, prefix=deployment.prefix)
    return Traffic(workload=many, coming=arrival(many, plan.order), stream=stream, seconds=_SECONDS)


@asynccontextmanager
async def _scene(deployment: Deployment, servers: KillablePair, plan: Plan) -> AsyncIterator[Scene]:
    """Start the workers, which reach Postgres through the proxy. The end of the block kills them."""
    async with cutting_proxy(deployment.database_url, commits=0) as cutter:
        environment = {
            **deployment.environment,
            "UNENROLL_DATABASE_URL": cutter.database_url,
            "UNENROLL_BATCH_RECORDS": str(plan.batch_records),
        }
        crew = WorkerCrew(environment=environment, folder=deployment.folder)
        try:
            for post in POSTS:
                crew.start(post)
            yield Scene(
                crew=crew,
                servers=servers,
                cutter=cutter,
                database=urlsplit(deployment.database_url).path.removeprefix("/"),
                prefix=deployment.prefix,
            )
        finally:
            crew.end()


async def _storm(scene: Scene, plan: Plan, traffic: Traffic, *, listener: Listener) -> list[str]:
    """Apply all faults and let each recover. Then every lane must answer again, and all workers stop."""
    async with _supervised(scene, traffic):
        begun = await _answering(listener, since=time.time())
        async with asyncio.TaskGroup() as faults:
            for seconds, fault, rng in plan.faults:
                await asyncio.sleep(seconds)
                faults.create_task(fault(scene, rng))
        scene.cutter.left = scene.cutter.lost = 0
        back = await _answering(listener, since=time.time())
    await scene.crew.leave()
    wrong = [] if begun else ["the workers did not begin to answer"]
    return wrong if back else [*wrong, f"not every lane answered again within {_ANSWER_SECONDS} s"]


@asynccontextmanager
async def _supervised(scene: Scene, traffic: Traffic) -> AsyncIterator[None]:
    """Restart workers that end and publish records. At the end of the block publish all that are left."""
    supervising = asyncio.create_task(scene.crew.supervise())
    flowing = asyncio.create_task(asyncio.to_thread(traffic.run))
    try:
        yield
    finally:
        traffic.stop()
        await flowing
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising


async def _answering(listener: Listener, *, since: float) -> bool:
    """Whether every lane publishes something that was decided since then, within the deadline."""

    async def all_lanes() -> bool:
        return listener.all_lanes_since(since)

    try:
        await until(all_lanes, seconds=_ANSWER_SECONDS)
    except TimeoutError:
        return False
    return True


def _drained(deployment: Deployment) -> list[str]:
    """Run a worker that processes all that is left. Returns what is wrong with it."""
    with running_command("run", "--until-caught-up", environment=deployment.environment) as worker:
        try:
            code = worker.wait(_DRAIN_SECONDS)
        except AssertionError:
            code = None
        return [] if code == 0 else [f"the last worker ended with {code}:\n{worker.output()[-_MOST_CHARACTERS:]}"]


def _forgotten(deployment: Deployment) -> None:
    """Let the topics go: a broker that holds those of many rounds takes long to start."""
    admin = AdminClient({"bootstrap.servers": deployment.kafka, "log_level": 0})
    for future in admin.delete_topics([deployment.prefix + word for word in Topic]).values():
        future.result()


async def _judged(deployment: Deployment, history: History, traffic: Traffic) -> list[str]:
    """By the invariants of any history, and by what is known of this workload."""
    wrong = [f"{name}: {one}" for name, sentences in violations(history).items() for one in sentences]
    received = replace(receive(history.visible), dead=[])
    keyed = traffic.coming.way.keyed
    return [*wrong, *differences(traffic.with_probes(), await rows(deployment.database_url), received, keyed=keyed)]
