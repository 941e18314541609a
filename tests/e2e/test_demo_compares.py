"""What the demo observes after the whole flow, and how it reports an unexpected result."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from unenroll.cli.demo import print_comparison
from unenroll.demo.compare import Observation, Subject, compare, observe
from unenroll.demo.examples import CHAPTERS
from unenroll.demo.notation import Chapter, ExampleResult
from unenroll.demo.play import play
from unenroll.demo.reader import VisibleRecord, read_all
from unenroll.errors import OutageError, UnenrollError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import OUTPUTS, make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings, WorkerSettings

LEAVE_OF_A1 = Subject("101", "leave 15 Jan")


@pytest.fixture
async def real(servers: ServerAddresses, database_url: str, prefix: str) -> Observation:
    """What is found after the whole flow."""
    settings = WorkerSettings(
        kafka_bootstrap_servers=servers.kafka,
        database_url=SecretStr(database_url),
        topic_prefix=prefix,
        group_id=f"{prefix}group",
    )
    return await play(CHAPTERS, settings, say=print)


def expecting(name: str, event: str, expected: ExampleResult) -> list[Chapter]:
    """The chapters with another expected result of one event of one example."""
    return [
        replace(
            chapter,
            examples=tuple(
                replace(
                    example,
                    events=tuple(
                        replace(one, expected=expected) if (example.name, one.name) == (name, event) else one
                        for one in example.events
                    ),
                )
                for example in chapter.examples
            ),
        )
        for chapter in CHAPTERS
    ]


def with_published(real: Observation, subject: Subject, published: Sequence[str]) -> Observation:
    return replace(real, published={**real.published, subject: tuple(published)})


def test_a_wrong_expectation_is_reported_and_fails(real: Observation, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(CHAPTERS, real).as_expected
    wrong = compare(expecting("A3", "R3", ExampleResult("KEPT 3 CYCLE_FINISHED", ())), real)
    assert wrong.differing == ["A3"]
    with pytest.raises(UnenrollError, match="the worker's answers differ from the rules"):
        print_comparison(wrong, as_json=False)
    printed = capsys.readouterr().out
    assert re.search(r"A3 +customer 103 +NOT as expected\n", printed)
    assert re.search(
        r"R3 c3 PERIOD_END 5 Mar +CANCELLED 7 PERIOD_END_LOST, VOID +RewardCancelled VOID\n"
        r"  but expected: +KEPT 3 CYCLE_FINISHED +nothing\n",
        printed,
    )
    assert "17 of 18 examples as expected, not A3" in printed


@pytest.mark.thorough
def test_a_right_event_for_another_rule_fails(real: Observation) -> None:
    another_rule = ExampleResult("CANCELLED 4 AFTER_UNENROLLMENT, VOID", ("RewardCancelled VOID",))
    assert compare(expecting("A3", "R3", another_rule), real).differing == ["A3"]


@pytest.mark.thorough
def test_an_event_too_few_or_too_many_fails(real: Observation) -> None:
    once = real.published[LEAVE_OF_A1]
    for published in ((), once * 2, ("UserUnenrolled c2-c5",)):
        wrong = compare(CHAPTERS, with_published(real, LEAVE_OF_A1, published))
        assert wrong.differing == ["A1"]
        assert not wrong.as_expected


def test_an_event_that_belongs_to_no_example_fails(real: Observation, capsys: pytest.CaptureFixture[str]) -> None:
    extra = compare(CHAPTERS, with_published(real, Subject("999", "R9"), ["RewardCancelled VOID"]))
    assert not extra.differing
    with pytest.raises(UnenrollError, match="the worker's answers differ from the rules"):
        print_comparison(extra, as_json=False)
    assert "not expected: customer 999, R9: RewardCancelled VOID" in capsys.readouterr().out


def test_a_dead_letter_belongs_to_no_example() -> None:
    letter = VisibleRecord(
        topic="unenroll.dead-letters",
        key=b"103",
        value=b"{",
        headers={"dlq_reason": b"not_json", "dlq_detail": b"is cut off", "ce_type": b"unenroll.UserUnenrolled.v1"},
    )
    unexpected = compare(CHAPTERS, observe([letter], [])).unexpected
    assert unexpected == ("customer 103, unenroll.dead-letters: not_json: is cut off",)


async def test_the_reader_waits_for_open_transactions_and_then_sees_all(servers: ServerAddresses, prefix: str) -> None:
    settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka, topic_prefix=prefix)
    await make_topics(KafkaAdmin(settings), prefix, partitions=4, replication=1)
    topics = [prefix + word for word in OUTPUTS]
    producer = Producer({"bootstrap.servers": servers.kafka, "transactional.id": prefix})
    producer.init_transactions(30)
    for number in range(10):
        producer.begin_transaction()
        for topic in topics:
            producer.produce(topic, key=b"%d" % number, value=b"{}")
        producer.flush(30)
        if number == 0:
            with pytest.raises(OutageError, match="did not end its transactions within 1 s"):
                read_all(servers.kafka, topics, seconds=1)
        producer.commit_transaction(30)
        assert len(read_all(servers.kafka, topics)) == len(topics) * (number + 1)
