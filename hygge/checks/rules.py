"""This is where checks meet the columns they are about and become expressions of polars."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hygge.checks import exact
from hygge.checks.exact import Unfit
from hygge.checks.wording import list_of, shown
from hygge.checks.written import Entry
from hygge.datatypes import type_name
from hygge.errors import CheckFailed, did_you_mean
from hygge.transform.faults import plain

if TYPE_CHECKING:
    import polars as pl

    Schema = Mapping[str, pl.DataType]

RELAX = "correct the source, or relax the check"
ASIDE = "; 'on_fail: quarantine' sets offending rows aside"


@dataclass(frozen=True)
class Rule:
    """What one check asks of one column, or of several together, or of all rows."""

    entry: Entry
    """The check."""
    check: str
    """The check in short: ``between: delay [-120, 2000]``."""
    words: str
    """What is wrong where it does not hold, without saying where: ``'origin' is null``."""
    columns: tuple[str, ...] = ()
    """The columns that tell what is wrong with a row."""
    bad: pl.Expr | None = None
    """True in the rows that offend; None if no row does so by itself."""
    keys: tuple[str | int, ...] = ()
    """Where it stands behind the check's kind."""

    @property
    def about(self) -> str | None:
        """The one column that it is about; None if there is none, or several."""
        if self.entry.kind == "not_null":  # the value says nothing there
            return self.check.removeprefix("not_null: ")
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def where(self) -> str:
        """The place in YAML."""
        return self.entry.where(*self.keys)

    @property
    def hint(self) -> str:
        """What to do where it does not hold."""
        whole = self.entry.kind in ("rows", "freshness")
        return RELAX if whole or self.entry.quarantines else RELAX + ASIDE


def rules_of(entry: Entry, schema: Schema) -> Iterator[Rule]:
    """Yield what *entry* asks of rows with the columns of *schema*, in the order it was written.

    Raises:
        CheckFailed: A column is missing, or of a type that can't be checked like this.
    """
    yield from _MAKERS[entry.kind](entry, schema)


def _type_of(entry: Entry, column: str, schema: Schema, *keys: str | int) -> pl.DataType:
    if column not in schema:
        what = f"no column '{column}' to check"
        raise entry.broken(what, did_you_mean(column, schema), *keys)
    return schema[column]


def _not_null(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    for i, column in enumerate(entry.wanted):
        _type_of(entry, column, schema, i)
        bad = pl.col(column).is_null()
        yield Rule(entry, f"not_null: {column}", f"'{column}' is null", (), bad, (i,))


def _unique(entry: Entry, schema: Schema) -> Iterator[Rule]:
    for i, column in enumerate(entry.wanted):
        dtype = _type_of(entry, column, schema, i)
        if dtype.is_nested():
            what = f"'{column}' is {_named(dtype)}: such values can't be told to be unique"
            raise entry.broken(what, "name columns with single values", i)
    names = ", ".join(f"'{column}'" for column in entry.wanted)
    words = (
        f"{names} is not unique" if len(entry.wanted) == 1 else f"{names} together are not unique"
    )
    yield Rule(entry, "unique: " + ", ".join(entry.wanted), words, tuple(entry.wanted))


def _between(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    for column, (low, high) in entry.wanted.items():
        dtype = _type_of(entry, column, schema, column)
        if isinstance(dtype, pl.Null):
            continue
        if not _is_ordered(dtype):
            what = f"'{column}' is {_named(dtype)}: it has no lowest and highest value"
            raise entry.broken(what, "check it with 'in' or 'expression'", column)
        ends = [_fit(entry, "bound", each, column, dtype) for each in (low, high)]
        if low is None or high is None:
            end = f"at most {shown(high)}" if low is None else f"at least {shown(low)}"
        else:
            end = f"between {shown(low)} and {shown(high)}"
        check = f"between: {column} [{shown(low)}, {shown(high)}]"
        bad = _outside(column, dtype, *ends)
        yield Rule(entry, check, f"'{column}' is not {end}", (column,), bad, (column,))


def _is_ordered(dtype: pl.DataType) -> bool:
    import polars as pl

    times = isinstance(dtype, pl.Date | pl.Datetime | pl.Time)
    return times or dtype.is_numeric() or exact.is_text(dtype)


def _fit(entry: Entry, role: str, value: Any, column: str, dtype: pl.DataType, *keys: int) -> Any:
    """Return *value* in the units of the column; None stays None."""
    if value is None:
        return None
    try:
        return exact.measured(value, dtype)
    except Unfit as error:
        what = f"the {role} {shown(value)} is not {error}, but '{column}' is {_named(dtype)}"
        hint = f"write {error}"
        if str(error) == "text":
            hint = "quote it"
        elif isinstance(value, str) and dtype.is_numeric():
            hint = "write it without quotes, or cast the column under 'transform'"
        raise entry.broken(what, hint, column, *keys) from error


def _outside(column: str, dtype: pl.DataType, low: Any, high: Any) -> pl.Expr:
    import polars as pl

    values = exact.stored(column, dtype)
    bad = pl.lit(False)
    if dtype.is_float():
        bad = pl.col(column).is_nan()
    elif not exact.is_text(dtype):
        low, high = _whole(low, math.ceil, dtype), _whole(high, math.floor, dtype)
    stored = exact.stored_type(dtype)
    if low is not None:
        bad = bad | (values.is_not_null() if low is _NONE_FITS else values < pl.lit(low, stored))
    if high is not None:
        bad = bad | (values.is_not_null() if high is _NONE_FITS else values > pl.lit(high, stored))
    return bad


_NONE_FITS = object()
"""A bound that all values of a column's type lie beyond."""


def _whole(bound: Any, towards: Callable[[Fraction], int], dtype: pl.DataType) -> Any:
    """Return *bound* as a whole number that the column can hold; None if all values meet it."""
    if bound is None:
        return None
    lowest, highest = exact.limits(dtype)
    number = towards(bound)
    if lowest <= number <= highest:
        return number
    is_low = towards is math.ceil
    return None if is_low == (number < lowest) else _NONE_FITS


def _in(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    for column, allowed in entry.wanted.items():
        dtype = _type_of(entry, column, schema, column)
        if isinstance(dtype, pl.Null):
            continue
        if not (_is_ordered(dtype) or isinstance(dtype, pl.Boolean)):
            what = f"'{column}' is {_named(dtype)}: its values can't be listed"
            raise entry.broken(what, "check it with 'expression'", column)
        fitting = [_fit(entry, "value", each, column, dtype, i) for i, each in enumerate(allowed)]
        known = [each for each in fitting if each is not None]
        if isinstance(known[0] if known else None, Fraction):
            lowest, highest = exact.limits(dtype)
            known = [int(n) for n in known if n.denominator == 1 and lowest <= n <= highest]
        among = pl.lit(pl.Series(known, dtype=exact.stored_type(dtype))).implode()
        bad = ~exact.stored(column, dtype).is_in(among)
        named = [each for each in allowed if each is not None]
        check = f"in: {column} [{list_of(named)}]"
        words = f"'{column}' is not one of {list_of(named)}"
        yield Rule(entry, check, words, (column,), bad, (column,))


def _matches(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    for column, pattern in entry.wanted.items():
        dtype = _type_of(entry, column, schema, column)
        whole = rf"\A(?:{pattern})\z"
        for each in (pattern, whole):
            problem = _refusal(each)
            if problem:
                what = f"the pattern of '{column}' can't be used: {problem}"
                raise entry.broken(what, _pattern_hint(problem), column)
        if isinstance(dtype, pl.Null):
            continue
        if not exact.is_text(dtype):
            what = f"'{column}' is {_named(dtype)}: only text matches a pattern"
            raise entry.broken(what, "check it with 'between', 'in' or 'expression'", column)
        bad = ~exact.stored(column, dtype).str.contains(whole)
        check = f"matches: {column} {shown(pattern)}"
        words = f"'{column}' does not match {shown(pattern)}"
        yield Rule(entry, check, words, (column,), bad, (column,))


def _refusal(pattern: str) -> str:
    """Return what the engine has against *pattern*; empty if it takes it."""
    import polars as pl

    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError as error:
        lines = str(error).split("\n")
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return told[0] if told else lines[0]
    return ""


def _pattern_hint(problem: str) -> str:
    if "look-around" in problem or "backreference" in problem:
        return "write it without; or as an 'expression'"
    return "mend the pattern"


def _expression(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    text = entry.wanted
    try:
        held = pl.sql_expr(text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        what = f"{shown(text)} is no SQL expression: {plain(error)}"
        raise entry.broken(what) from error
    columns = tuple(dict.fromkeys(held.meta.root_names()))
    for column in columns:
        _type_of(entry, column, schema)
    try:
        result = pl.LazyFrame(schema=dict(schema)).select(held.alias("")).collect_schema()[""]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise unusable(entry, error) from error
    if not isinstance(result, pl.Boolean | pl.Null):
        what = f"{shown(text)} is {_named(result)}, not true or false"
        raise entry.broken(what, "compare it with something")
    words = f"{shown(text)} is not true"
    yield Rule(entry, f"expression: {text}", words, columns, ~held.cast(pl.Boolean))


def unusable(entry: Entry, error: BaseException) -> CheckFailed:
    """Build the error for an expression that polars refuses, or that fails on a value."""
    what = f"{shown(entry.wanted)} can't be evaluated: {plain(error)}"
    return entry.broken(what, "mend the expression")


def _rows(entry: Entry, schema: Schema) -> Iterator[Rule]:
    ends = ", ".join(
        f"{end} {entry.wanted[end]:,}" for end in ("min", "max") if end in entry.wanted
    )
    yield Rule(entry, f"rows: {ends}", "")


def _freshness(entry: Entry, schema: Schema) -> Iterator[Rule]:
    import polars as pl

    column, age = entry.wanted["column"], entry.wanted["max_age"]
    dtype = _type_of(entry, column, schema, "column")
    if not isinstance(dtype, pl.Date | pl.Datetime | pl.Null):
        what = f"'{column}' is {_named(dtype)}: only dates and datetimes have an age"
        raise entry.broken(what, "name another column, or cast it under 'transform'", "column")
    yield Rule(entry, f"freshness: {column} {age}", "", (column,))


_MAKERS: Mapping[str, Callable[[Entry, Any], Iterator[Rule]]] = {
    "not_null": _not_null,
    "unique": _unique,
    "between": _between,
    "in": _in,
    "matches": _matches,
    "rows": _rows,
    "expression": _expression,
    "freshness": _freshness,
}


def _named(dtype: pl.DataType) -> str:
    return f"of type {type_name(dtype)}"
