"""This is where good rows and those that are set aside go separate ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hygge.checks.table import INDEX, Table, visible
from hygge.checks.wording import Finding
from hygge.partition import FILE, ROW

if TYPE_CHECKING:
    import polars as pl

REASON = "quarantine_reason"
"""Column that tells why a row was set aside."""


@dataclass(frozen=True)
class Verdict:
    """What the checks made of the rows, where none stops them."""

    warnings: tuple[Finding, ...]
    """Checks that do not hold and only tell so."""
    quarantined: tuple[Finding, ...]
    """Checks that do not hold and set rows aside."""
    aside: tuple[tuple[str, pl.Expr], ...] = field(repr=False, compare=False)
    """Why rows are set aside: the reason, and what is true in the rows it holds for."""

    def good(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return those of *rows*, the ones that were examined, that are to be published, in order.

        Hidden columns are gone.
        """
        left = Table.of(rows, ()).without([bad for _, bad in self.aside])
        return left.frame.drop(FILE, ROW, INDEX, strict=False)

    def quarantine(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rest of *rows*, in order, with all reasons of each in a last column `REASON`.

        Hidden columns are gone; a column that had that name before is replaced.
        """
        import polars as pl

        told = [pl.when(bad).then(pl.lit(reason)) for reason, bad in self.aside]
        reasons = pl.concat_str(told or [pl.lit("")], separator="; ", ignore_nulls=True)
        columns = [name for name in visible(rows) if name != REASON]
        numbered = rows.with_row_index(INDEX)
        return numbered.select(*columns, reasons.alias(REASON)).filter(pl.col(REASON) != "")
