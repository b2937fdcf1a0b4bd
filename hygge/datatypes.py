"""This is where the names of column types, as written in YAML, become polars types and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataTypeClass

_PLAIN = (
    *("string", "boolean", "binary", "date", "time", "categorical", "null"),
    *("int8", "int16", "int32", "int64", "int128"),
    *("uint8", "uint16", "uint32", "uint64", "uint128"),
    *("float16", "float32", "float64"),
)
"""Canonical names of the types without parameters: those of polars in small letters."""

_ALIASES = {
    **dict.fromkeys(("utf8", "str", "varchar", "char", "character", "text"), "string"),
    **dict.fromkeys(("character varying", "char varying", "nvarchar", "clob"), "string"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("blob", "bytea", "bytes", "varbinary"), "binary"),
    **dict.fromkeys(("tinyint",), "int8"),
    **dict.fromkeys(("smallint", "int2"), "int16"),
    **dict.fromkeys(("integer", "int", "int4"), "int32"),
    **dict.fromkeys(("bigint", "long"), "int64"),
    **dict.fromkeys(("hugeint",), "int128"),
    **dict.fromkeys(("utinyint", "tinyint unsigned"), "uint8"),
    **dict.fromkeys(("usmallint", "smallint unsigned"), "uint16"),
    **dict.fromkeys(("uinteger", "uint", "integer unsigned", "int unsigned"), "uint32"),
    **dict.fromkeys(("ubigint", "bigint unsigned"), "uint64"),
    **dict.fromkeys(("uhugeint",), "uint128"),
    **dict.fromkeys(("real", "float4"), "float32"),
    **dict.fromkeys(("double", "double precision", "float", "float8"), "float64"),
    **dict.fromkeys(("datetime", "timestamp", "timestamp without time zone"), "datetime[us]"),
    **dict.fromkeys(("timestamptz", "timestamp with time zone"), "datetime[us, UTC]"),
    **dict.fromkeys(("time without time zone",), "time"),
    **dict.fromkeys(("duration", "interval"), "duration[us]"),
    **dict.fromkeys(("decimal", "numeric", "dec"), "decimal(38,0)"),
}
"""Canonical names by SQL's names, and by others that are in use."""

_UNITS = ("ms", "us", "ns")

_WITH_PARAMETERS = re.compile(
    r"(?P<head>[a-z0-9 ]+?)\s*(?:\((?P<round>.*)\)|\[(?P<square>.*)\])", re.IGNORECASE | re.DOTALL
)

_EXAMPLES = ("datetime[us]", "datetime[us, UTC]", "duration[us]", "decimal(10,2)", "list[int64]")
"""Examples of types with parameters, for who looks for a name."""


def known_names() -> list[str]:
    """Return the names that are understood, those of polars first; parameters are examples."""
    return [*_PLAIN, *_EXAMPLES, *_ALIASES]


def canonical_name(name: str) -> str | None:
    """Return what `type_name` calls the type with this *name*, or None if there is none.

    Needs no polars.
    """
    words = " ".join(name.lower().split())
    if words in _PLAIN:
        return words
    if words in _ALIASES:
        return _ALIASES[words]
    match = _WITH_PARAMETERS.fullmatch(name.strip())
    if match is None:
        return None
    written = match["square"] if match["round"] is None else match["round"]
    return _with_parameters(match["head"].lower(), written)


def _with_parameters(head: str, written: str) -> str | None:
    """Return the canonical name of *head* with the parameters that are *written* in brackets."""
    if head == "list":
        inner = canonical_name(written)
        return inner and f"list[{inner}]"
    if head == "enum":
        return _enum(written)
    parameters = [_bare(each) for each in written.split(",")]
    if head in ("datetime", "timestamp", "timestamptz"):
        return _datetime(head, parameters)
    if head == "duration" and parameters[0] in _UNITS and len(parameters) == 1:
        return f"duration[{parameters[0]}]"
    if not all(each.isdecimal() for each in parameters):
        return None
    numbers = [int(each) for each in parameters]
    if head in ("decimal", "numeric", "dec"):
        return _decimal(numbers)
    if len(numbers) == 1 and _ALIASES.get(head) in ("string", "binary"):
        return _ALIASES[head]  # a length is a matter of databases: varchar(20)
    if len(numbers) == 1 and head == "float":
        return "float32" if numbers[0] <= 24 else "float64"
    return None


def _bare(parameter: str) -> str:
    """Return *parameter* as ``us``, whether it is written so or as ``time_unit='us'``."""
    return parameter.strip().rpartition("=")[2].strip().strip("'\"")


def _decimal(numbers: list[int]) -> str | None:
    precision, scale = (*numbers, 0)[:2]
    valid = len(numbers) <= 2 and 1 <= precision <= 38 and scale <= precision
    return f"decimal({precision},{scale})" if valid else None


def _datetime(head: str, parameters: list[str]) -> str | None:
    unit, zone = (*parameters, "None")[:2]
    if unit.isdecimal():  # digits of the second, as SQL has them
        unit = {0: "ms", 3: "ms", 6: "us", 9: "ns"}.get(int(unit), "")
        zone = "UTC" if head == "timestamptz" else "None"
    if unit.lower() not in _UNITS or len(parameters) > 2:
        return None
    if zone in ("None", ""):
        return f"datetime[{unit.lower()}]"
    return f"datetime[{unit.lower()}, {zone}]" if _is_zone(zone) else None


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _enum(written: str) -> str | None:
    try:
        categories = json.loads(f"[{written}]")
    except ValueError:
        return None
    if not all(isinstance(each, str) for each in categories):
        return None
    return f"enum{json.dumps(categories, ensure_ascii=False)}"


def polars_type(name: str) -> pl.DataType | None:
    """Return the polars type with this *name*, in polars' or SQL's words; None if there is none."""
    canonical = canonical_name(name)
    return None if canonical is None else _built(canonical)


def _built(canonical: str) -> pl.DataType:
    import polars as pl

    if canonical in _PLAIN:
        return _plain_types()[canonical]
    head, written = re.split(r"[\[(]", canonical[:-1], maxsplit=1)
    if head == "list":
        return pl.List(_built(written))
    if head == "enum":
        return pl.Enum(json.loads(f"[{written}]"))
    parameters = [each.strip() for each in written.split(",")]
    if head == "decimal":
        return pl.Decimal(int(parameters[0]), int(parameters[1]))
    unit = cast("Any", parameters[0])
    return pl.Duration(unit) if head == "duration" else pl.Datetime(unit, *parameters[1:])


def _plain_types() -> dict[str, pl.DataType]:
    import polars as pl

    every = [
        *(pl.String, pl.Boolean, pl.Binary, pl.Date, pl.Time, pl.Categorical, pl.Null),
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128),
        *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128),
        *(pl.Float16, pl.Float32, pl.Float64),
    ]
    return {name: each() for name, each in zip(_PLAIN, every, strict=True)}


def type_name(dtype: pl.DataType | DataTypeClass) -> str:
    """Return the one name that messages and remembered schemas have for *dtype*.

    `polars_type` understands it unless the type is nested in a struct or an array.
    """
    import polars as pl

    if isinstance(dtype, type):  # a class stands for its plain type: pl.Int64
        dtype = dtype()
    if isinstance(dtype, pl.Datetime):
        zone = f", {dtype.time_zone}" if dtype.time_zone else ""
        return f"datetime[{dtype.time_unit}{zone}]"
    if isinstance(dtype, pl.Duration):
        return f"duration[{dtype.time_unit}]"
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    if isinstance(dtype, pl.Enum):
        return f"enum{json.dumps(dtype.categories.to_list(), ensure_ascii=False)}"
    if isinstance(dtype, pl.List):
        return f"list[{type_name(dtype.inner)}]"
    if isinstance(dtype, pl.Array):
        return f"array[{type_name(dtype.inner)}, {dtype.size}]"
    if isinstance(dtype, pl.Struct):
        fields = (f"{each.name}: {type_name(each.dtype)}" for each in dtype.fields)
        return f"struct[{', '.join(fields)}]"
    return type(dtype).__name__.lower()


def polars_types(named: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Return polars types for the type names of columns; the schema vouches for the names."""
    types = {column: polars_type(name) for column, name in named.items()}
    return {column: dtype for column, dtype in types.items() if dtype is not None}
