"""This is where the rows of one partition are counted, and where those that offend are named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hygge.checks import exact
from hygge.checks.rules import Rule, unusable
from hygge.checks.wording import MOST_ROWS, Offender, shown
from hygge.partition import FILE, ROW

if TYPE_CHECKING:
    import polars as pl

INDEX = "__hygge_index"
"""Column with the number of a row in the frame, 0 for the first."""

_BAD = "__hygge_bad"
_FIRST = "__hygge_first"
_TIMES = "__hygge_times"


def visible(rows: pl.LazyFrame) -> dict[str, pl.DataType]:
    """Return the columns of *rows* that people know of, with their types."""
    schema = rows.collect_schema().items()
    return {name: dtype for name, dtype in schema if name not in (FILE, ROW, INDEX)}


@dataclass(frozen=True)
class Table:
    """Rows whose place of origin can be told."""

    frame: pl.LazyFrame
    """The rows, numbered by `INDEX`."""
    types: Mapping[str, pl.DataType]
    """The columns that people know of."""
    sources: Sequence[str]
    """The files that `FILE` counts; empty if rows can't be traced."""

    @classmethod
    def of(cls, rows: pl.LazyFrame, sources: Sequence[str]) -> Table:
        """Number *rows*; they come from *sources* if they have `FILE` and `ROW`."""
        traced = {FILE, ROW} <= set(rows.collect_schema().names())
        return cls(rows.with_row_index(INDEX), visible(rows), sources if traced else ())

    def without(self, bad: Sequence[pl.Expr]) -> Table:
        """Return the table without the rows for which one of *bad* is true."""
        import polars as pl

        if not bad:
            return self
        marks = [each.fill_null(False).alias(f"{_BAD}{i}") for i, each in enumerate(bad)]
        names = [f"{_BAD}{i}" for i in range(len(bad))]
        kept = self.frame.with_columns(marks).filter(~pl.any_horizontal(names)).drop(names)
        return dataclasses.replace(self, frame=kept)

    def counts(self, rules: Sequence[Rule], newest: Sequence[str]) -> tuple[list[int], list[Any]]:
        """Count the rows that offend against each of *rules*, and after them all rows.

        Also return the newest value of the columns *newest*, as it is stored. One pass for all.

        Raises:
            CheckFailed: An SQL expression fails on a value.
        """
        import polars as pl

        marks = [_mark(rule, f"{_BAD}{i}") for i, rule in enumerate(rules)]
        sums = [pl.col(f"{_BAD}{i}").sum() for i in range(len(rules))]
        ages = [pl.col(c).max().to_physical().alias(f"{_FIRST}{i}") for i, c in enumerate(newest)]
        query = self.frame.with_columns(marks).select(*sums, pl.len().alias(_TIMES), *ages)
        try:
            row = query.collect(engine="streaming").row(0)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            self._blame(rules)
            raise
        return [int(each) for each in row[: len(rules) + 1]], list(row[len(rules) + 1 :])

    def _blame(self, rules: Sequence[Rule]) -> None:
        """Find the expression that fails."""
        import polars as pl

        for rule in rules:
            if rule.entry.kind != "expression":
                continue
            query = self.frame.select(_mark(rule, _BAD)).select(pl.col(_BAD).sum())
            try:
                query.collect(engine="streaming")
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise unusable(rule.entry, error) from error

    def offenders(self, rule: Rule) -> list[Offender]:
        """Return the first rows that offend against *rule*."""
        import polars as pl

        bad = self.frame.with_columns(_mark(rule, _BAD)).filter(pl.col(_BAD))
        return self._named(bad.head(MOST_ROWS), rule)

    def repeats(self, rule: Rule) -> Repeats | None:
        """Find the rows whose values in the columns of *rule* an earlier row has; None if none.

        Rows with a null among them are not compared, as in SQL.
        """
        import polars as pl

        keys = list(rule.columns)
        keyed = self.frame.filter(pl.all_horizontal(pl.col(keys).is_not_null()))
        groups = (
            keyed.group_by(keys)
            .agg(pl.col(INDEX).min().alias(_FIRST), pl.len().alias(_TIMES))
            .filter(pl.col(_TIMES) > 1)
            .collect(engine="streaming")
        )
        if groups.is_empty():
            return None
        count = int(groups[_TIMES].sum()) - groups.height
        firsts = groups.lazy().drop(_TIMES)
        rows = keyed.join(firsts, on=keys).filter(pl.col(INDEX) > pl.col(_FIRST)).drop(_FIRST)
        return Repeats(rows, count)

    def first_of(self, repeats: Repeats, rule: Rule) -> list[Offender]:
        """Return the first of the rows that repeat an earlier one."""
        return self._named(repeats.rows.sort(INDEX).head(MOST_ROWS), rule)

    def _named(self, rows: pl.LazyFrame, rule: Rule) -> list[Offender]:
        import polars as pl

        place = [FILE, ROW] if self.sources else [INDEX]
        values = [self._plain(column).alias(f"{_BAD}{i}") for i, column in enumerate(rule.columns)]
        found = rows.select(*map(pl.col, place), *values).collect(engine="streaming").rows()
        return [self._offender(row, rule) for row in found]

    def _plain(self, column: str) -> pl.Expr:
        import polars as pl

        # Not every date that polars stores is one in Python.
        is_instant = self.types[column] in (pl.Date, pl.Datetime, pl.Time)
        return pl.col(column).to_physical() if is_instant else pl.col(column)

    def _offender(self, row: tuple[Any, ...], rule: Rule) -> Offender:
        if self.sources:
            return Offender(self.sources[row[0]], row[1], self._values(row[2:], rule))
        return Offender("", row[0] + 1, self._values(row[1:], rule))

    def _values(self, values: Sequence[Any], rule: Rule) -> str:
        told = [self._told(*pair) for pair in zip(rule.columns, values, strict=True)]
        if rule.entry.kind == "expression":
            return ", ".join(f"{c}={v}" for c, v in zip(rule.columns, told, strict=True))
        return f"({', '.join(told)})" if len(told) > 1 else "".join(told)

    def _told(self, column: str, value: Any) -> str:
        import polars as pl

        dtype = self.types[column]
        if value is not None and dtype in (pl.Date, pl.Datetime, pl.Time):
            return exact.instant_text(value, dtype)
        return shown(value)


@dataclass(frozen=True)
class Repeats:
    """Rows that repeat an earlier one."""

    rows: pl.LazyFrame
    """With all columns, in no order."""
    count: int

    def indexes(self) -> pl.Expr:
        """Return what is true in these rows of the numbered frame; holds their numbers."""
        import polars as pl

        numbers = self.rows.select(INDEX).collect(engine="streaming").to_series()
        return pl.col(INDEX).is_in(pl.lit(numbers).implode())


def _mark(rule: Rule, name: str) -> pl.Expr:
    if rule.bad is None:
        raise TypeError(f"no row offends against '{rule.check}' by itself")
    return rule.bad.fill_null(False).alias(name)
