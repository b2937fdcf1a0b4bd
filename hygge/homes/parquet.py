"""This is where parquet files are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hygge.homes.files import FilesHome
from hygge.partition import Partition
from hygge.paths import located

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.parquet as pq

LARGE_ROW_GROUP = 32 * 1024 * 1024
"""Bytes, uncompressed, of a row group that polars would hold several of at once."""

BATCH_ROWS = 65_536


class ParquetHome(FilesHome, kind="parquet"):
    """Parquet files."""

    suffixes = (".parquet", ".pq")

    def scan_file(self, path: str) -> pl.LazyFrame:
        import polars as pl

        metadata = self._metadata(path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        if any(group.total_byte_size > LARGE_ROW_GROUP for group in groups):
            return _in_batches(path)
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def count(self, partition: Partition) -> int | None:
        (path,) = self.readable(partition)
        return int(self._metadata(path).num_rows)

    def _metadata(self, path: str) -> pq.FileMetaData:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pa.OSFile(path) as file:
                return pq.read_metadata(file)
        # UnicodeDecodeError: of damaged bytes, pyarrow can't even read its own message.
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self.unreadable(located(path, self.root), str(error)) from error


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
