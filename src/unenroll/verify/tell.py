"""What was verified, as a report."""

from unenroll.report.sheet import Cells, Sheet, Table, counts
from unenroll.verify.difference import Difference
from unenroll.verify.verifying import Verified

_HEADS = ("customer", "target", "held against", "of", "is kept", "should be")


def sheet(verified: Verified) -> Sheet:
    """The report."""
    return Sheet(title="Decisions verified", sentences=tuple(_sentences(verified)), tables=_tables(verified))


def _sentences(verified: Verified) -> list[str]:
    against = "their facts, the ledger and what was published" if verified.published else "their facts and the ledger"
    said = [f"{verified.accounts:,} accounts were held against {against}."]
    if verified.due:
        said.append(f"{verified.due:,} of them wait to be settled again, after cycles were appended.")
    if not verified.drifted:
        return [*said, "All is as it follows from the facts."]
    said.append(f"{verified.drifted:,} of them are not as it follows from the facts.")
    total = sum(verified.differences.values())
    return [*said, f"The first {len(verified.told):,} of {total:,} differences are listed."]


def _tables(verified: Verified) -> tuple[Table, ...]:
    found = counts("Differences", ((what.value, count) for what, count in verified.differences.items()))
    return found, Table(title="What differs", heads=_HEADS, rows=tuple(map(_row, verified.told)))


def _row(one: Difference) -> Cells:
    return str(one.customer_id), str(one.target_id), one.against.value, one.about, one.kept, one.decided
