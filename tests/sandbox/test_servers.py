"""Where the addresses of the servers come from, and the folders of embedded ones."""

from pathlib import Path

import pytest

from unenroll.errors import UsageError
from unenroll.sandbox.environment import cache_folder, sandbox_folders
from unenroll.sandbox.servers import ServerAddresses, configured_servers, provide_servers

NAMED = {"UNENROLL_KAFKA_BOOTSTRAP_SERVERS": "armchair:9092", "UNENROLL_DATABASE_URL": "postgresql://armchair/db"}


async def test_servers_that_the_environment_names_come_first() -> None:
    async with provide_servers(NAMED, say=print) as servers:
        assert servers == ServerAddresses(kafka="armchair:9092", database_url="postgresql://armchair/db")
        assert servers.environment == NAMED


def test_an_environment_that_names_none_is_no_error() -> None:
    assert configured_servers({}) is None


@pytest.mark.parametrize("only", sorted(NAMED))
def test_an_environment_that_names_only_one_server_is_refused(only: str) -> None:
    with pytest.raises(UsageError, match=r"set both .* and .*, or neither"):
        configured_servers({only: NAMED[only]})


def test_downloads_are_kept_where_the_user_wants_them() -> None:
    assert cache_folder({"UNENROLL_CACHE": "/armchair", "XDG_CACHE_HOME": "/sofa"}) == Path("/armchair")
    assert cache_folder({"XDG_CACHE_HOME": "/sofa"}) == Path("/sofa/unenroll")
    assert cache_folder({"XDG_CACHE_HOME": "not/absolute"}) == Path.home() / ".cache" / "unenroll"


def test_a_place_that_was_named_is_kept_and_another_is_not(tmp_path: Path) -> None:
    with (
        sandbox_folders(tmp_path / "data", cache=tmp_path, say=print) as kept,
        sandbox_folders(None, cache=tmp_path, say=print) as temporary,
    ):
        assert temporary.data.is_dir()
    assert kept.data.is_dir()
    assert not temporary.data.exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    occupied = tmp_path / "armchair"
    occupied.touch()
    with (
        pytest.raises(UsageError, match=r"cannot create the folder .*armchair: .*; name another folder"),
        sandbox_folders(occupied, cache=tmp_path, say=print),
    ):
        pytest.fail("it was made")
