"""This is where values written in YAML are measured exactly in the units of a column.

Integers, decimals, dates, times and datetimes are compared as the whole numbers that they are
stored as, so that no bound is rounded and none overflows.
"""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

BEYOND = Fraction(1 << 200)
"""Above all numbers that a column can hold."""

_EPOCH = dt.datetime(1970, 1, 1)
_A_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class Unfit(ValueError):
    """A value that has another type than the column; its text says what the column wants."""


def is_text(dtype: pl.DataType) -> bool:
    """Tell whether *dtype* holds texts, however they are stored."""
    import polars as pl

    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def stored(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return the values of *column* in the form in which `measured` ones are compared to them."""
    import polars as pl

    if is_text(dtype):
        return pl.col(column).cast(pl.String)
    return pl.col(column).to_physical()


def limits(dtype: pl.DataType) -> tuple[int, int]:
    """Return the lowest and highest whole number that can be stored in a column of *dtype*."""
    name = str(stored_type(dtype))
    bits = int(name.lstrip("UInt"))
    if name.startswith("U"):
        return 0, (1 << bits) - 1
    return -(1 << bits - 1), (1 << bits - 1) - 1


def stored_type(dtype: pl.DataType) -> pl.DataType:
    """Return the type of `stored` values."""
    import polars as pl

    if is_text(dtype):
        return pl.String()
    return pl.Series([], dtype=dtype).to_physical().dtype


def measured(value: Any, dtype: pl.DataType) -> Fraction | float | str | bool:
    """Return *value* in the units that a column of *dtype* is stored in.

    A number that a whole-numbered column can't hold exactly stays a fraction.

    Raises:
        Unfit: It is of another type.
    """
    import polars as pl

    if is_text(dtype):
        return str(_of(value, "text", str))
    if isinstance(dtype, pl.Boolean):
        return bool(_of(value, "true or false", bool))
    if dtype.is_float():
        return float(_of(value, "a number", int, float))
    if dtype.is_numeric():
        scale = dtype.scale if isinstance(dtype, pl.Decimal) else 0
        return _number(_of(value, "a number", int, float)) * int(10**scale)
    if isinstance(dtype, pl.Date):
        return Fraction((_parsed(value, dt.date) - _EPOCH.date()).days)
    if isinstance(dtype, pl.Time):
        at = _parsed(value, dt.time)
        seconds = (at.hour * 60 + at.minute) * 60 + at.second
        return Fraction(seconds * _A_SECOND["ns"] + at.microsecond * 1_000)
    if isinstance(dtype, pl.Datetime):
        since = _in_zone(_parsed(value, dt.datetime), dtype.time_zone) - _EPOCH
        micros = since // dt.timedelta(microseconds=1)
        return Fraction(micros * _A_SECOND[dtype.time_unit], _A_SECOND["us"])
    raise Unfit("nothing that can be written here")


def _of(value: Any, wanted: str, *types: type) -> Any:
    # bool is an int, but true is no number; text with variables in it is text.
    if type(value) not in types and not (str in types and isinstance(value, str)):
        raise Unfit(wanted)
    return value


def _number(value: int | float) -> Fraction:
    if math.isnan(value):
        return BEYOND + Fraction(1, 2)
    if math.isinf(value):
        return BEYOND if value > 0 else -BEYOND
    # By its text: 0.1 is meant as it was written, not as the nearest float.
    return Fraction(Decimal(str(value)))


def _parsed(value: Any, cls: Any) -> Any:
    wanted = {dt.date: "a date", dt.time: "a time", dt.datetime: "a date with a time"}[cls]
    try:
        parsed = cls.fromisoformat(_of(value, wanted, str))
    except ValueError as error:
        raise Unfit(wanted) from error
    if cls is dt.time and parsed.tzinfo is not None:
        raise Unfit("a time without an offset")
    return parsed


def _in_zone(instant: dt.datetime, zone: str | None) -> dt.datetime:
    """Return *instant* as polars stores it: in UTC if the column has a *zone*, else as it is."""
    if zone is None:
        if instant.tzinfo is not None:
            raise Unfit("a date with a time and without an offset")
        return instant
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    return instant.astimezone(dt.UTC).replace(tzinfo=None)


def instant_text(number: int, dtype: pl.DataType) -> str:
    """Return in ISO form the date, time or datetime that is stored as *number*."""
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        unit = dtype.time_unit
    else:
        unit = "ns"
        number = number if isinstance(dtype, pl.Time) else number * 86_400 * _A_SECOND[unit]
    seconds, rest = divmod(number, _A_SECOND[unit])
    try:
        at = _EPOCH + dt.timedelta(seconds=seconds)
        shown = _local(at, dtype.time_zone) if isinstance(dtype, pl.Datetime) else at
    except OverflowError:
        return f"{number} {unit} since 1970"
    if isinstance(dtype, pl.Date):
        return shown.date().isoformat()
    text = shown.replace(tzinfo=None).isoformat()
    if rest:
        text += "." + f"{rest:0{len(str(_A_SECOND[unit])) - 1}}".rstrip("0")
    if isinstance(dtype, pl.Time):
        return text.partition("T")[2]
    return text + (shown.isoformat()[19:] if shown.tzinfo else "")


def microseconds(number: int, dtype: pl.DataType) -> int:
    """Return the instant that is stored as *number*, in microseconds since 1970, rounded down."""
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return number * _A_SECOND["us"] // _A_SECOND[dtype.time_unit]
    return number * 86_400 * _A_SECOND["us"]


def _local(instant: dt.datetime, zone: str | None) -> dt.datetime:
    if zone is None:
        return instant
    return instant.replace(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo(zone))
