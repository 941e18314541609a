"""The pages, block by block: on real servers, what they show is what is printed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from agree.pages import ROOT
from docs.played import PLAYED
from docs.shell import play
from support.deployment import Deployment, deploy, wait_for_result
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import make_topics
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import KafkaSettings

pytestmark = pytest.mark.timeout(600)  # a page is many commands, on a machine that may have much else to do
QUICK = ("docs/integration.md",)
ALONE = ("README.md", "docs/tutorial.md")
SLOW = sorted({*PLAYED} - {*QUICK, *ALONE})
COPY = "copy."


@pytest.fixture
async def scene(servers: ServerAddresses, database_url: str, prefix: str, tmp_path: Path) -> Deployment:
    """Topics and tables of a test's own, with milestone ABC defined, and `.env` as a sandbox writes it."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    deployment = await deploy(
        Deployment(kafka=servers.kafka, database_url=database_url, prefix=prefix, folder=tmp_path)
    )
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in deployment.environment.items()))
    return deployment


@pytest.fixture
async def copied(servers: ServerAddresses) -> AsyncIterator[None]:
    """Topics of which a page says that they are a copy."""
    settings = KafkaSettings(kafka_bootstrap_servers=servers.kafka, topic_prefix=COPY)
    await make_topics(KafkaAdmin(settings), COPY, partitions=4, replication=1)
    yield
    admin = AdminClient({"bootstrap.servers": servers.kafka})
    wait_for_result(
        admin.delete_topics, [name for name in admin.list_topics(timeout=10).topics if name.startswith(COPY)]
    )


def named(scene: Deployment) -> dict[str, str]:
    return {scene.group_id: "unenroll", scene.prefix: "unenroll."}


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUICK)
def test_what_a_page_for_another_team_shows_is_so(scene: Deployment, name: str) -> None:
    played = play(ROOT / name, scene.folder, called=named(scene))
    assert any(command.startswith("python ") for command in played)


@pytest.mark.thorough
@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("name", SLOW)
def test_what_a_page_shows_is_so(scene: Deployment, name: str) -> None:
    page, _, section = name.partition("#")
    with PLAYED[name](scene):
        assert play(ROOT / page, scene.folder, section=section, called=named(scene))
