"""This is where parquet files are written."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from hygge.stores.files import ROWS_AT_ONCE, FilesStore

if TYPE_CHECKING:
    import polars as pl


class ParquetStore(FilesStore, kind="parquet"):
    """A folder of parquet files."""

    suffix = ".parquet"
    default_compression = "zstd"

    def write(self, rows: pl.LazyFrame, file: IO[bytes] | pl.PartitionBy) -> None:
        rows.sink_parquet(
            file,
            compression=cast("Any", self.polars_compression),
            compression_level=self.options.get("compression_level"),
            statistics=self.options.get("statistics", True),
            row_group_size=self.options.get("row_group_size", ROWS_AT_ONCE),
            engine="streaming",
        )

    def count(self, path: Path) -> int:
        import pyarrow.parquet as pq

        rows: int = pq.read_metadata(path).num_rows
        return rows
