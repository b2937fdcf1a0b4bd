"""This is where files with one JSON object a line are written."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from hygge.stores.files import TextStore

if TYPE_CHECKING:
    import polars as pl


class NdjsonStore(TextStore, kind="ndjson"):
    """A folder of files with one JSON object a line."""

    suffix = ".ndjson"

    def write(self, rows: pl.LazyFrame, file: IO[bytes] | pl.PartitionBy) -> None:
        rows.sink_ndjson(file, engine="streaming", **self.compressing())

    def count(self, path: Path) -> int:
        import pyarrow as pa

        # A line break inside a value is written as \n, so that each row is one line.
        rows = 0
        compression = {"none": None, "gzip": "gzip", "zstd": "zstd"}[self.compression]
        with pa.input_stream(str(path), compression=compression) as file:
            while chunk := file.read(1 << 20):
                rows += chunk.count(b"\n")
        return rows
