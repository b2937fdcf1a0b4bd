"""This is where Arrow IPC files are read."""

from __future__ import annotations

from collections.abc import Iterator
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

    def readable(self, partition: Partition) -> Iterator[str]:
        """Yield the absolute path of each source, once all of it could be read.

        polars ends the whole process where a damaged file says that it holds more than there is
        memory for; pyarrow, which reads it first, says so.

        Raises:
            HomeError: One is no file, can't be opened, is empty or is damaged.
        """
        for source, path in zip(partition.sources, super().readable(partition), strict=True):
            self._check_batches(source.path, path)
            yield path

    def _check_batches(self, shown: str, path: str) -> None:
        import pyarrow as pa

        try:
            with pa.OSFile(path) as opened, pa.ipc.open_file(opened) as file:
                for i in range(file.num_record_batches):
                    file.get_batch(i)
        # UnicodeDecodeError: of damaged bytes, pyarrow can't even read its own message.
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self.unreadable(shown, str(error)) from error

    def count(self, partition: Partition) -> int | None:
        import polars as pl

        (path,) = self.readable(partition)
        try:
            return int(self.scan_file(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            self.examine(partition)
            raise self.unreadable(partition.sources[0].path, str(error)) from error
