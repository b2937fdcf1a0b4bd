"""This is where parquet files are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hygge.homes.files import FilesHome
from hygge.partition import Partition

if TYPE_CHECKING:
    import polars as pl

LARGE_ROW_GROUP = 32 * 1024 * 1024
"""Bytes, uncompressed, of a row group that polars would hold several of at once."""

BATCH_ROWS = 65_536


class ParquetHome(FilesHome, kind="parquet"):
    """Parquet files."""

    suffixes = (".parquet", ".pq")

    def scan_file(self, path: str) -> pl.LazyFrame:
        import polars as pl

        if _largest_row_group(path) > LARGE_ROW_GROUP:
            return _in_batches(path)
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def count(self, partition: Partition) -> int | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        (path,) = self.readable(partition)
        try:
            rows: int = pq.read_metadata(path).num_rows
        except pa.ArrowException as error:
            raise self.unreadable(partition.sources[0].path, str(error)) from error
        return rows


def _largest_row_group(path: str) -> int:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    groups = range(metadata.num_row_groups)
    return max((metadata.row_group(i).total_byte_size for i in groups), default=0)


def _in_batches(path: str) -> pl.LazyFrame:
    """Return the rows of a file with large row groups, a few at a time.

    polars 2.1 decodes whole row groups, several at once: 1.1 GB for a file of 2.2 GB with row
    groups of a million rows. pyarrow reads them page by page: 0.4 GB, in the same time.
    """
    import polars as pl
    import pyarrow.parquet as pq
    from polars.io.plugins import register_io_source

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=size or BATCH_ROWS, columns=columns):
                frame = pl.DataFrame(batch)
                if rows is not None:
                    frame = frame.head(rows)
                    rows -= frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if rows == 0:
                    return

    schema = pl.DataFrame(pq.read_schema(path).empty_table()).schema
    return register_io_source(batches, schema=schema)
