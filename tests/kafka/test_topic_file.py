"""A file says how topics are made; what is wrong with one is said before anything is done."""

from pathlib import Path

import pytest

from agree.pages import ROOT
from unenroll.errors import UsageError
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import NEEDED, WantedTopics, make_wanted, read_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings
from unenroll.wire.topics import Topic

PRODUCTION = read_topics(ROOT / "deploy/kafka/topics.toml")
DAY = 86_400_000


def days(word: Topic) -> int:
    return int(PRODUCTION.settings[word]["retention.ms"]) // DAY


async def test_topics_are_made_as_the_file_wants_them(servers: ServerAddresses, prefix: str) -> None:
    cluster = KafkaAdmin(KafkaSettings.model_construct(kafka_bootstrap_servers=servers.kafka))
    settings = {word: {**said, "min.insync.replicas": "1"} for word, said in PRODUCTION.settings.items()}
    wanted = WantedTopics(partitions=2, replication=1, settings=settings)  # the tests have one broker
    for made in (True, False):
        reports = await make_wanted(cluster, prefix, wanted)
        assert [(report.made, report.differs) for report in reports] == [(made, ())] * len(Topic)
    otherwise = WantedTopics(partitions=2, replication=3, settings=PRODUCTION.settings)
    found = await make_wanted(cluster, prefix, otherwise)
    assert {report.differs for report in found} == {("has 1 copies, not 3", "min.insync.replicas is 1, not 2")}


def test_the_file_of_production_gives_each_topic_what_it_needs() -> None:
    assert PRODUCTION.settings.keys() == set(Topic)
    for word, needed in NEEDED.items():
        assert {name: PRODUCTION.settings[word][name] for name in needed} == needed
    compacted = {word for word, said in PRODUCTION.settings.items() if said["cleanup.policy"] == "compact"}
    assert compacted == {Topic.DEFINITIONS}


def test_a_broker_may_be_lost_without_a_stop_and_without_a_loss() -> None:
    assert PRODUCTION.replication == 3
    assert {said["min.insync.replicas"] for said in PRODUCTION.settings.values()} == {"2"}
    assert {said["unclean.leader.election.enable"] for said in PRODUCTION.settings.values()} == {"false"}


def test_dead_letters_outlive_what_they_came_from() -> None:
    assert days(Topic.DEAD_LETTERS) > max(days(Topic.REQUESTS), days(Topic.FACTS))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("partitions = 4", "replication: Field required"),
        ("partitions = 0\nreplication = 1", "partitions: Input should be greater than or equal to 1"),
        ("partitions = 4\nreplication = 1\nretention = 5", "retention: Extra inputs are not permitted"),
        ("partitions = 4\nreplication = 1\n[topics.requets]", "there is no topic requets"),
        ("partitions: 4", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_told_of(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint):
        read_topics(file)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_topics(tmp_path / "topics.toml")


def test_what_the_file_says_of_a_topic_goes_before_what_it_says_of_all(tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(
        'partitions = 1\nreplication = 1\nsettings."retention.ms" = 5\ntopics.facts."retention.ms" = 6',
        encoding="utf-8",
    )
    found = read_topics(file).settings
    assert (found[Topic.FACTS]["retention.ms"], found[Topic.REQUESTS]["retention.ms"]) == ("6", "5")
