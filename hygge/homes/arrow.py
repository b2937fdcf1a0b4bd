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

    def examine(self, partition: Partition) -> None:
        import pyarrow as pa

        for source, path in zip(partition.sources, self.readable(partition), strict=True):
            try:
                with pa.ipc.open_file(path) as file:
                    for i in range(file.num_record_batches):
                        file.get_batch(i)
            except (pa.ArrowException, OSError) as error:
                raise self.unreadable(source.path, str(error)) from error
        # What pyarrow takes, polars need not: a file that another was appended to.
        super().examine(partition)

    def count(self, partition: Partition) -> int | None:
        import polars as pl

        (path,) = self.readable(partition)
        try:
            return int(self.scan_file(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            self.examine(partition)
            raise self.unreadable(partition.sources[0].path, str(error)) from error
