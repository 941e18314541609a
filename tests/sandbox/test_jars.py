"""The lock and the cache of jars."""

from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from unenroll.sandbox.jars import ROOTS, Jar, cached_jars, locked_jars, write_lock
from unenroll.sandbox.process import ChecksumError

ARMCHAIR = Jar(coordinate="crunchy:armchair:1.0", sha256=sha256(b"upholstery").hexdigest())


def put(cache: Path, content: bytes) -> Path:
    path = cache / "jars" / "armchair-1.0.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


async def test_a_jar_in_the_cache_with_the_locked_sum_is_used(tmp_path: Path) -> None:
    path = put(tmp_path, b"upholstery")
    assert await cached_jars((ARMCHAIR,), tmp_path, say=print) == [path]


async def test_a_jar_with_another_sum_is_refused_and_the_message_says_which_and_what_to_do(tmp_path: Path) -> None:
    path = put(tmp_path, b"splinters")
    with pytest.raises(ChecksumError) as refusal:
        await cached_jars((ARMCHAIR,), tmp_path, say=print)
    text = str(refusal.value)
    assert "armchair-1.0.jar is not crunchy:armchair:1.0 as locked" in text
    assert sha256(b"splinters").hexdigest() in text
    assert ARMCHAIR.sha256 in text
    assert f"delete {path}" in text


def test_the_lock_names_what_it_was_made_from_and_no_address() -> None:
    text = files("unenroll.sandbox").joinpath("kafka.lock").read_text(encoding="utf-8")
    assert set(ROOTS) <= {jar.coordinate for jar in locked_jars()}
    assert "//" not in text
    assert write_lock(locked_jars()) == text
