"""One request passes few modules between poll and commit. `pytest -s` on this file prints them in their order."""

import asyncio
import sys
from collections.abc import Mapping
from types import FrameType

from aiokafka import AIOKafkaProducer

from support.deployment import Deployment
from support.events import leave_record, three_rewards
from support.workers import RunningCommand
from unenroll.cli import main

MOST_MODULES = 42
"""What it is: ten of them are the rules, nine the formats. The aim is 20."""
_FIRST = "wire/decode.py"
_MARK = "module on the way: "


class Way:
    """The modules that the task of one lane calls, from the first record that it decodes on."""

    def __init__(self) -> None:
        self.modules: dict[str, None] = {}
        self.task: asyncio.Task[object] | None = None

    def called(self, frame: FrameType, event: str, _: object) -> None:
        """Note the module of a call, as `sys.setprofile` reports it."""
        _, package, module = frame.f_code.co_filename.rpartition("/unenroll/")
        if event != "call" or not package:
            return
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return
        if self.task is None and module == _FIRST:
            self.task = task
        if self.task is not None and task is self.task:
            self.modules.setdefault(module)


def follow() -> None:
    """Run the command, and print the modules of the first batch once Kafka has committed it."""
    way = Way()
    commit = AIOKafkaProducer.commit_transaction

    async def commit_and_print(producer: AIOKafkaProducer) -> None:
        await commit(producer)
        if way.task is not None and asyncio.current_task() is way.task and sys.getprofile():
            sys.setprofile(None)
            for module in way.modules:
                print(f"{_MARK}{module}", file=sys.stderr, flush=True)  # noqa: T201 - what the test reads

    AIOKafkaProducer.commit_transaction = commit_and_print
    sys.setprofile(way.called)
    main()


def modules_of(environment: Mapping[str, str]) -> list[str]:
    """The modules on the way of the first batch that a worker decides."""
    command = RunningCommand(follow, ("run", "--until-caught-up"), environment)
    try:
        assert command.wait() == 0, command.output()
        return [line.removeprefix(_MARK) for line in command.output().splitlines() if line.startswith(_MARK)]
    finally:
        command.end()


def test_a_request_passes_few_modules(deployment: Deployment) -> None:
    deployment.load(three_rewards(601))
    deployment.request([leave_record(601)])
    modules = modules_of(deployment.environment)
    print(len(modules), "modules from poll to commit:", *modules, sep="\n  ")  # noqa: T201 - the figure
    assert {"worker/batch.py", "core/decide.py", "postgres/ledger.py", "kafka/transactional_producer.py"} <= {*modules}
    assert len(modules) <= MOST_MODULES
