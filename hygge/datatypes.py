"""This is where the names of column types, as written in YAML, become polars types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def polars_types(named: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Return polars types for the type names of columns; the schema vouches for the names."""
    import polars as pl

    types: dict[str, pl.DataType] = {
        "string": pl.String(),
        "boolean": pl.Boolean(),
        "int8": pl.Int8(),
        "int16": pl.Int16(),
        "int32": pl.Int32(),
        "int64": pl.Int64(),
        "uint8": pl.UInt8(),
        "uint16": pl.UInt16(),
        "uint32": pl.UInt32(),
        "uint64": pl.UInt64(),
        "float32": pl.Float32(),
        "float64": pl.Float64(),
        "date": pl.Date(),
        "datetime": pl.Datetime("us"),
        "time": pl.Time(),
        "binary": pl.Binary(),
    }
    return {column: types[name] for column, name in named.items()}
