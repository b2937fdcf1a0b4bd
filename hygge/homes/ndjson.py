"""This is where files with one JSON object a line are read."""

from __future__ import annotations

import glob
import io
import json
from typing import TYPE_CHECKING

from hygge.datatypes import polars_types
from hygge.errors import HomeError
from hygge.homes.files import FilesHome
from hygge.partition import Partition

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

    def examine(self, partition: Partition) -> None:
        import pyarrow as pa

        for source, path in zip(partition.sources, self.readable(partition), strict=True):
            try:
                with pa.input_stream(path) as file:
                    for number, line in enumerate(io.BufferedReader(file), start=1):
                        self._check_line(source.path, number, line)
            except OSError as error:
                raise self.unreadable(source.path, str(error)) from error
        super().examine(partition)

    def _check_line(self, shown: str, number: int, line: bytes) -> None:
        try:
            value = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            raise self._wrong_line(shown, number, "is no JSON") from error
        if not isinstance(value, dict):
            raise self._wrong_line(shown, number, "is no JSON object")

    def _wrong_line(self, shown: str, number: int, problem: str) -> HomeError:
        hint = "correct the line: one whole object, '{' to '}', on each line"
        return HomeError(f"line {number} of '{shown}' {problem}", f"{shown}:{number}", hint)
