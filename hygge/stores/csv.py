"""This is where text with separators is written."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from hygge.stores.files import TextStore

if TYPE_CHECKING:
    import polars as pl


class CsvStore(TextStore, kind="csv"):
    """A folder of files with one row a line, fields between separators."""

    suffix = ".csv"

    def write(self, rows: pl.LazyFrame, file: IO[bytes] | pl.PartitionBy) -> None:
        rows.sink_csv(
            file,
            separator=self.options.get("separator", ","),
            quote_char=self.options.get("quote", '"'),
            include_header=self.options.get("header", True),
            null_value=self.options.get("null_value", ""),
            engine="streaming",
            **self.compressing(),
        )

    def count(self, path: Path) -> int:
        import polars as pl

        if path.stat().st_size == 0:  # neither a header nor a row
            return 0
        rows = pl.scan_csv(
            path,
            glob=False,
            separator=self.options.get("separator", ","),
            quote_char=self.options.get("quote", '"'),
            has_header=self.options.get("header", True),
            infer_schema=False,
        )
        return int(rows.select(pl.len()).collect(engine="streaming").item())
