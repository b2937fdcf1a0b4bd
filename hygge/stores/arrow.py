"""This is where Arrow IPC files are written."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from hygge.stores.files import ROWS_AT_ONCE, FilesStore

if TYPE_CHECKING:
    import polars as pl


class ArrowStore(FilesStore, kind="arrow"):
    """A folder of Arrow IPC files."""

    suffix = ".arrow"
    default_compression = "none"

    def write(self, rows: pl.LazyFrame, file: IO[bytes] | pl.PartitionBy) -> None:
        rows.sink_ipc(
            file,
            compression=cast("Any", self.polars_compression),
            record_batch_size=ROWS_AT_ONCE,
            engine="streaming",
        )

    def count(self, path: Path) -> int:
        import polars as pl

        return int(pl.scan_ipc(path, glob=False).select(pl.len()).collect().item())
