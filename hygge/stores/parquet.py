"""This is where parquet files are written."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from hygge.errors import StoreError
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
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows: int = pq.read_metadata(path).num_rows
        except pa.ArrowNotImplementedError as error:
            # polars writes what only polars reads: whole numbers of 128 bits, as it makes them of
            # text that is too long for 64.
            raise StoreError(
                f"other programs could not read what would be written: {error}",
                self.path,
                "cast such columns: transform: {cast: {COLUMN: decimal, float64 or string}}",
            ) from error
        return rows
