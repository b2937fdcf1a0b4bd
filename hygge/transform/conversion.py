"""This is where columns get another type, and where the value that can't have it is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hygge.datatypes import canonical_name, known_names, polars_type, type_name
from hygge.errors import ConfigError, TransformError, nearest
from hygge.flow import Section
from hygge.partition import FILE, ROW, TRACE, Partition
from hygge.transform.faults import fault, key_fault, no_column

if TYPE_CHECKING:
    import polars as pl

DATE = "%Y-%m-%d"
TIMES = ("%H:%M:%S%.f", "%H:%M")
INSTANTS = (*(f"{DATE} {each}" for each in TIMES), DATE)
"""How dates and times are read from text: ISO 8601, with a blank in place of the T."""


_OFFSET = re.compile(r":.*(Z|[+-]\d\d:?\d\d)$")

LONGEST = 80
"""Characters of a value that are shown."""

_COMMON = "string, boolean, int64, float64, date, datetime[us]"


def check_types(section: Section) -> None:
    """Refuse a type of ``cast`` that has no such name. Needs no polars.

    Raises:
        ConfigError: There is one.
    """
    for column, name in section.values.get("cast", {}).items():
        if canonical_name(name) is None:
            near = nearest(name.lower(), known_names())
            hint = f"did you mean '{near}'?" if near else f"a name of polars or SQL: {_COMMON}"
            place = section.place("cast", column)
            raise ConfigError(f"no type '{name}'", str(place or ""), hint)


def cast(section: Section, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return *rows* with the types that ``cast`` asks for.

    Raises:
        TransformError: A column is missing.
    """
    schema = rows.collect_schema()
    wanted = _wanted(section, schema)
    return rows.with_columns(_strictly(name, schema[name], dtype) for name, dtype in wanted.items())


def examine(section: Section, rows: pl.LazyFrame, partition: Partition) -> None:
    """Find the first value in *rows*, which are traced, that can't be converted.

    Raises:
        TransformError: This is the value. Returns if there is none.
    """
    import polars as pl

    schema = rows.collect_schema()
    for column, dtype in _wanted(section, schema).items():
        lost = _converted(column, schema[column], dtype).is_null() & pl.col(column).is_not_null()
        offending = rows.filter(lost).select(pl.col(column).alias("value"), *TRACE)
        try:
            count = offending.select(pl.len()).collect(engine="streaming").item()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            have, want = type_name(schema[column]), type_name(dtype)
            what = f"the column '{column}' is {have}, which can't become {want}"
            hint = "convert it in 'select' or 'sql'"
            raise fault(section, ("cast", column), what, hint) from error
        if count:
            first = offending.sort(TRACE).head(1).collect(engine="streaming")
            raise _impossible(section, column, dtype, partition, first, count)


def _impossible(
    section: Section,
    column: str,
    dtype: pl.DataType,
    partition: Partition,
    first: pl.DataFrame,
    count: int,
) -> TransformError:
    """Build the error for *count* values that can't be converted, of which *first* has one."""
    import polars as pl

    found: dict[str, Any] = first.row(0, named=True)
    value = found["value"]
    shown = f"'{value}'" if isinstance(value, str) else str(value)
    if len(shown) > LONGEST:
        shown = shown[:LONGEST] + "..."
    source = partition.sources[found[FILE]].path
    more = "" if count == 1 else f", and {count - 1:,} more like it"
    where = f"row {found[ROW]:,} of '{source}'{more}"
    what = f"{shown} in the column '{column}' is no {type_name(dtype)}: {where}"
    hint = "correct the value, or choose a type that can hold it"
    if isinstance(value, str) and _OFFSET.search(value) and dtype == pl.Datetime("us"):
        hint = "it says how far it is from UTC: cast it to 'timestamptz'"
    return fault(section, ("cast", column), what, hint)


def _wanted(section: Section, schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the types that ``cast`` asks for, without those that are there already."""
    wanted = {}
    for column, name in section.values["cast"].items():
        if column not in schema:
            known = [each for each in schema if each not in TRACE]
            raise key_fault(section, ("cast", column), *no_column(column, known))
        dtype = polars_type(name)
        if dtype is not None and dtype != schema[column]:
            wanted[column] = dtype
    return wanted


def _strictly(column: str, have: pl.DataType, want: pl.DataType) -> pl.Expr:
    """Return the conversion that fails for a value that can't be converted."""
    import polars as pl

    if not _is_ours(have, want):
        return pl.col(column).cast(want)
    parsed = _converted(column, have, want)
    # polars has no way to fail but a conversion that does.
    lost = pl.when(parsed.is_null()).then(pl.format("{} is no value", column))
    return pl.coalesce(parsed, lost.cast(pl.Int32).cast(pl.Int64).cast(want)).alias(column)


def _converted(column: str, have: pl.DataType, want: pl.DataType) -> pl.Expr:
    """Return the conversion that makes null of a value that can't be converted."""
    import polars as pl

    text = pl.col(column)
    if not _is_ours(have, want):
        return text.cast(want, strict=False)
    if _loses(have, want):
        return pl.when(text == text.floor()).then(text).cast(want, strict=False)
    if isinstance(want, pl.Boolean):
        small = text.str.to_lowercase()
        return pl.when(small == "true").then(True).when(small == "false").then(False).alias(column)
    if isinstance(want, pl.Date):
        return text.str.to_date(DATE, strict=False)
    if isinstance(want, pl.Time):
        return pl.coalesce(text.str.to_time(each, strict=False) for each in TIMES)
    return _instant(text, want)


def _instant(text: pl.Expr, want: pl.DataType) -> pl.Expr:
    """Return *text* as a Datetime; without an offset it is taken for what its zone's clocks say."""
    import polars as pl

    assert isinstance(want, pl.Datetime)
    unit, zone = want.time_unit, want.time_zone
    blank = text.str.replace("T", " ", literal=True)
    local = [blank.str.to_datetime(each, time_unit=unit, strict=False) for each in INSTANTS]
    if zone is None:
        return pl.coalesce(local)
    offset = blank.str.replace(r"Z$", "+00:00")
    instants = [
        offset.str.to_datetime(f"{each}%:z", time_unit=unit, time_zone="UTC", strict=False)
        for each in INSTANTS
    ]
    there = [
        each.dt.replace_time_zone(zone, ambiguous="null", non_existent="null") for each in local
    ]
    return pl.coalesce([*(each.dt.convert_time_zone(zone) for each in instants), *there])


def _is_ours(have: pl.DataType, want: pl.DataType) -> bool:
    """Tell whether polars' cast does not do it: read such text, or mind what is lost."""
    import polars as pl

    times = (pl.Boolean, pl.Date, pl.Time, pl.Datetime)
    return (isinstance(have, pl.String) and isinstance(want, times)) or _loses(have, want)


def _loses(have: pl.DataType, want: pl.DataType) -> bool:
    """Tell whether a conversion could cut a fraction off, which polars does without a word."""
    import polars as pl

    return (have.is_float() or isinstance(have, pl.Decimal)) and want.is_integer()
