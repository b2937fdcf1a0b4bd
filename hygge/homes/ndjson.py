"""This is where files with one JSON object a line are read."""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING

from hygge.datatypes import polars_types
from hygge.homes.files import FilesHome

if TYPE_CHECKING:
    import polars as pl


class NdjsonHome(FilesHome, kind="ndjson"):
    """Files with one JSON object a line."""

    suffixes = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".ndjson.zst", ".jsonl.zst")

    def scan_file(self, path: str) -> pl.LazyFrame:
        import polars as pl

        types = polars_types(self.options.get("types", {}))
        # All rows are looked at for the schema: a key that first stands in a later row would
        # be dropped without a word. glob.escape: scan_ndjson has no way to say "no glob".
        return pl.scan_ndjson(
            glob.escape(path), infer_schema_length=None, schema_overrides=types or None
        )
