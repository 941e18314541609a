"""One dead letter, whole."""

from base64 import b64encode
from dataclasses import dataclass

from unenroll.dlq.places import Place, place_text
from unenroll.dlq.reading import reading
from unenroll.dlq.told import LetterTold, key_of, told
from unenroll.dlq.wanted import Found, Wanted
from unenroll.errors import UnenrollError
from unenroll.settings import WorkerSettings
from unenroll.store.connect import check_tables, connected
from unenroll.store.letters import handled
from unenroll.stream.cluster import Cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A header of the record. Of `text` and `base64` the one that can hold it, or neither: the header has no value."""

    name: str
    text: str | None
    base64: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """The letter, and its record as it came. Of `text` and `base64` the one that can hold its value, or neither.

    `size` and `sha256` are those of a value that is left out.
    """

    told: LetterTold
    headers: tuple[Header, ...]
    text: str | None
    base64: str | None
    size: int | None
    sha256: str | None


async def shown(settings: WorkerSettings, place: Place) -> Shown:
    """The letter that lies there, or whose record was read there. Raises UnenrollError if there is not one."""
    wanted = Wanted(prefix=settings.topic_prefix, places=frozenset({place}))
    async with connected(settings.database_url, connections=1) as pool:
        await check_tables(pool)
        letters = await reading(settings, Cluster(settings))
        found = _only([one async for some in letters.letters(wanted) for one in some], place, wanted.prefix)
        key = key_of(found.letter)
        known = await handled(pool, {key}, topic_prefix=wanted.prefix)
    record = found.letter.record
    text, base64 = _legible(record.value)
    return Shown(
        told=told(found, known.get(key), prefix=wanted.prefix),
        headers=tuple(
            Header(name=name, text=_legible(value)[0], base64=_legible(value)[1]) for name, value in record.headers
        ),
        text=text,
        base64=base64,
        size=found.letter.size,
        sha256=found.letter.sha256,
    )


def _only(found: list[Found], place: Place, prefix: str) -> Found:
    name = place_text(place, prefix=prefix)
    if not found:
        raise UnenrollError(f"there is no dead letter {name}: see `unenroll dlq list`")
    if len(found) > 1:
        others = ", ".join(f"dead-letters-{one.letter.partition}@{one.letter.offset}" for one in found[:10])
        raise UnenrollError(f"{name} names {len(found)} dead letters: {others}")
    return found[0]


def _legible(value: bytes | None) -> tuple[str | None, str | None]:
    """The value as text, or else in Base64."""
    if value is None:
        return None, None
    try:
        return value.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, b64encode(value).decode()
