"""What is said about two databases and about a restored one, in sentences and as findings."""

from backends.sqlite.reading import Difference
from bot.model import Finding, Value, Verdict, When


def told(difference: Difference) -> str:
    """Says what a number of added rows does not."""
    if not difference.paired:
        return f"{difference.table}: its rows cannot be told apart by their key"
    columns = f", column {' and '.join(difference.columns)} was not compared" if difference.columns else ""
    return (
        f"{difference.table}: {difference.changed} changed rows get their earlier values, "
        f"{difference.deleted} deleted rows come back, {difference.added} added rows go{columns}"
    )


def rows_of(difference: Difference) -> Finding:
    """Judges a table: rows that traffic has added are no doubt, rows unlike those of the backup are one."""
    name = f"rows of {difference.table}"
    if not difference.paired:
        return finding(name, Verdict.INCONCLUSIVE, None, "They cannot be told apart by their key.")
    if other := difference.changed + difference.deleted:
        words = f"{other} rows are not as in the backup: changed by traffic since, or not restored."
        return finding(name, Verdict.INCONCLUSIVE, other, words)
    since = f"; {difference.added} were added since" if difference.added else ""
    return finding(name, Verdict.PASSED, 0, f"Every row of the backup is there{since}.")


def finding(name: str, verdict: Verdict, value: Value, words: str) -> Finding:
    return Finding(name, When.OFFLINE, verdict, value, words=words)
