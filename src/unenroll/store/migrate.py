"""Creates or upgrades the tables; safe to repeat, and from several places at once."""

from dataclasses import dataclass

from unenroll.store.outage import translated, understood


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """The version of the tables before (None: there were none) and after."""

    before: str | None
    after: str


async def migrate(database_url: str) -> Migrated:
    """Bring the tables up to date. Raises OutageError, SetupError and UsageError."""
    from unenroll.store.upgrade import upgrade  # noqa: PLC0415 - Alembic takes a third of a second to import

    with translated(), understood():
        before, after = await upgrade(database_url)
    return Migrated(before=before, after=after)
