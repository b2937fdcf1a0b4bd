"""This is where Arrow IPC files are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hygge.homes.files import FilesHome
from hygge.partition import Partition

if TYPE_CHECKING:
    import polars as pl


class ArrowHome(FilesHome, kind="arrow"):
    """Arrow IPC files, also known as Feather version 2."""

    suffixes = (".arrow", ".feather", ".ipc")

    def scan_file(self, path: str) -> pl.LazyFrame:
        import polars as pl

        return pl.scan_ipc(path, glob=False, hive_partitioning=False)

    def count(self, partition: Partition) -> int | None:
        import polars as pl

        (path,) = self.readable(partition)
        try:
            return int(self.scan_file(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self.unreadable(partition.sources[0].path, str(error)) from error
