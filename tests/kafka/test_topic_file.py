"""The topic file configures the topics; an error in it is reported before anything is created."""

from pathlib import Path

import pytest

from agree.pages import ROOT
from unenroll.errors import UsageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import REQUIRED_SETTINGS, TopicsConfig, create_topics, read_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Topic

PRODUCTION = read_topics(ROOT / "deploy/kafka/topics.toml")
DAY = 86_400_000


def days(topic: Topic) -> int:
    return int(PRODUCTION.settings[topic]["retention.ms"]) // DAY


async def test_topics_are_created_as_the_file_configures_them(servers: ServerAddresses, prefix: str) -> None:
    cluster = KafkaAdmin(KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka))
    settings = {topic: {**own, "min.insync.replicas": "1"} for topic, own in PRODUCTION.settings.items()}
    config = TopicsConfig(partitions=2, replication=1, settings=settings)  # the tests have one broker
    for made in (True, False):
        reports = await create_topics(cluster, prefix, config)
        assert [(report.made, report.differs) for report in reports] == [(made, ())] * len(Topic)
    other = TopicsConfig(partitions=2, replication=3, settings=PRODUCTION.settings)
    found = await create_topics(cluster, prefix, other)
    assert {report.differs for report in found} == {("has 1 replica, not 3", "min.insync.replicas is 1, not 2")}


def test_the_production_file_has_the_required_settings() -> None:
    assert PRODUCTION.settings.keys() == set(Topic)
    for topic, required in REQUIRED_SETTINGS.items():
        assert {name: PRODUCTION.settings[topic][name] for name in required} == required
    compacted = {topic for topic, own in PRODUCTION.settings.items() if own["cleanup.policy"] == "compact"}
    assert compacted == {Topic.DEFINITIONS}


def test_production_tolerates_the_loss_of_a_broker() -> None:
    assert PRODUCTION.replication == 3
    assert {own["min.insync.replicas"] for own in PRODUCTION.settings.values()} == {"2"}
    assert {own["unclean.leader.election.enable"] for own in PRODUCTION.settings.values()} == {"false"}


def test_dead_letters_are_retained_longer_than_the_input_topics() -> None:
    assert days(Topic.DEAD_LETTERS) > max(days(Topic.REQUESTS), days(Topic.FACTS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitions = 4", "replication: Field required"),
        ("partitions = 0\nreplication = 1", "partitions: Input should be greater than or equal to 1"),
        ("partitions = 4\nreplication = 1\nretention = 5", "retention: Extra inputs are not permitted"),
        ("partitions = 4\nreplication = 1\n[topics.requets]", "there is no topic requets"),
        ("partitions: 4", "is not TOML"),
    ],
)
def test_an_error_in_the_file_is_reported(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_topics(file)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_topics(tmp_path / "topics.toml")


def test_a_topics_own_settings_override_those_of_all_topics(tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(
        'partitions = 1\nreplication = 1\nsettings."retention.ms" = 5\ntopics.facts."retention.ms" = 6',
        encoding="utf-8",
    )
    found = read_topics(file).settings
    assert (found[Topic.FACTS]["retention.ms"], found[Topic.REQUESTS]["retention.ms"]) == ("6", "5")
