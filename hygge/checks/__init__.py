"""This is where the rows of a partition are held against the checks of its flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hygge.errors import CheckFailed
from hygge.flow import Section

if TYPE_CHECKING:
    import polars as pl

    from hygge.checks.verdict import Verdict
    from hygge.checks.wording import Finding
    from hygge.checks.written import Entry


@dataclass(frozen=True)
class Checks:
    """What must hold before the rows of a partition become visible."""

    entries: tuple[Entry, ...]
    """In the order they were written."""

    @classmethod
    def create(cls, sections: Sequence[Section]) -> Checks:
        """Read the checks that *sections* are, one each.

        Raises:
            ConfigError: One of them could never be applied, whatever the data. What depends on
                the data's columns is found by `examine`, and so is a mistake in SQL.
        """
        if not sections:
            return cls(())
        # Imported here: most flows have none.
        from hygge.checks.written import entry_of

        return cls(tuple(entry_of(section) for section in sections))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is checked."""
        return not self.entries

    def fingerprint(self) -> list[dict[str, Any]]:
        """Return what of the checks can change what is moved, for the config hash."""
        return [entry.fingerprint() for entry in self.entries]

    def examine(self, rows: pl.LazyFrame, sources: Sequence[str], now: datetime) -> Verdict:
        """Hold *rows*, which are read several times, against the checks.

        First offending rows are set aside (``on_fail: quarantine``): every such check judges all
        rows, but ``unique``, which comes last, those that the others left. All checks that set
        nothing aside judge what is left then, for that is what would be published.

        The rows are streamed: one pass counts, one more for each check that does not hold finds
        its first rows. Only ``unique`` needs memory: for the distinct values of its columns, and
        for the numbers of the rows that repeat one.

        Args:
            sources: The files that the hidden column `FILE` counts, if *rows* have it.
            now: What freshness is measured at; it has an offset. Values without one are in UTC.

        Raises:
            CheckFailed: Checks that stop the partition do not hold: all of them, in one error.
                Or one can't be applied to these columns, whatever its severity.
        """
        from hygge.checks.examination import Examination
        from hygge.checks.verdict import Verdict

        found = Examination.of(self.entries, rows, sources, now)
        failed = found.found_by(stops=True, quarantines=False)
        if failed:
            raise _failure(failed)
        return Verdict(
            found.found_by(stops=False, quarantines=False),
            found.found_by(stops=False, quarantines=True),
            tuple(found.aside),
        )


def _failure(failed: Sequence[Finding]) -> CheckFailed:
    first, *others = failed
    what = first.message
    if others:
        told = [f"{each.check} ({each.count:,})" if each.count else each.check for each in others]
        number = "1 more check fails" if len(others) == 1 else f"{len(others)} more checks fail"
        what += f"; and {number}: {', '.join(told)}"
    error = CheckFailed(what, first.where, first.hint)
    error.row, error.column = first.row, first.column
    return error
