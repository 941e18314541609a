"""Creates or upgrades the tables; safe to repeat, and from several places at once."""

from dataclasses import dataclass

from unenroll.store.outage import postgres_errors, understood


@dataclass(frozen=True, kw_only=True, slots=True)
class Migrated:
    """The version of the tables before (None: there were none) and after."""

    before: str | None
    after: str


async def migrate(database_url: str, *, even_if_held: bool = False) -> Migrated:
    """Bring the tables up to date. Raises OutageError, SetupError and UsageError.

    `even_if_held`: even if older workers hold lanes that do not work with what the tables become.
    """
    from unenroll.store.upgrade import Upgrade, upgrade  # noqa: PLC0415 - Alembic takes a third of a second to import

    with postgres_errors(), understood():
        before, after = await upgrade(database_url, Upgrade(even_if_held=even_if_held))
    return Migrated(before=before, after=after)
