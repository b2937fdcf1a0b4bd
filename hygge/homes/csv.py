"""This is where text with separators is read."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TextIO, cast

from hygge.datatypes import polars_types
from hygge.errors import HomeError
from hygge.fingerprint import CHUNK
from hygge.homes.files import FilesHome
from hygge.partition import Partition
from hygge.paths import located

if TYPE_CHECKING:
    import polars as pl

_UNPARSED = re.compile(
    r"could not parse `(?P<value>.*)` as dtype `(?P<type>.*?)` at column '(?P<column>.*?)'",
    re.DOTALL,
)

INFER_ROWS = 10_000
"""Rows that decide the types of the columns, unless the options say otherwise."""


class CsvHome(FilesHome, kind="csv"):
    """Files with one row a line, fields between separators."""

    suffixes = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")

    def scan_file(self, path: str) -> pl.LazyFrame:
        import polars as pl

        self._check_rows(path)
        options = self.options
        infer_rows = options.get("infer_rows", INFER_ROWS)
        return pl.scan_csv(
            path,
            glob=False,
            separator=self._separator(path),
            quote_char=options.get("quote", '"'),
            has_header=options.get("header", True),
            skip_lines=options.get("skip_rows", 0),
            null_values=options.get("null_values"),
            comment_prefix=options.get("comment"),
            encoding=options.get("encoding", "utf8"),
            decimal_comma=options.get("decimal_comma", False),
            try_parse_dates=options.get("dates", False),
            infer_schema_length=None if infer_rows == "all" else infer_rows,
            schema_overrides=polars_types(options.get("types", {})) or None,
        )

    def unreadable(self, shown: str, problem: str) -> HomeError:
        match = _UNPARSED.search(problem)
        if match is None:
            return super().unreadable(shown, problem)
        value, column = match["value"], match["column"]
        if value.startswith(self.options.get("quote") or '"'):
            first = value.split("\n")[0]
            return HomeError(
                f"a quote in the column '{column}' of '{shown}' is never closed: {first}",
                shown,
                "close it, or say that there are no quotes: options: {quote: null}",
            )
        return HomeError(
            f"'{value}' in the column '{column}' of '{shown}' is no {match['type']}",
            shown,
            f"if it means null: options: {{null_values: ['{value}']}}; "
            f"if it is a value: options: {{types: {{{column}: string}}}}",
        )

    def copyable(self, partition: Partition) -> str | None:
        tabs = partition.sources[0].path.lower().endswith(".tsv")
        return None if tabs else super().copyable(partition)

    def _separator(self, path: str) -> str:
        tabs = os.path.basename(path).lower().partition(".tsv")[1]
        return str(self.options.get("separator", "\t" if tabs else ","))

    def _check_rows(self, path: str) -> None:
        """Refuse a file in which a row has more or fewer fields than the first one.

        polars fills a short row with nulls and takes an empty line for a row of them, both
        without a word, so pyarrow's strict reader looks first. It costs about a third of the
        time of reading the file and no memory to speak of.
        """
        self._check_header(path)
        if "comment" in self.options:  # pyarrow knows none
            self._find_odd_row(path)
            return
        # At the same time: pyarrow passes over empty lines, and polars makes rows of them.
        with ThreadPoolExecutor(1) as beside:
            has_empty_line = beside.submit(_has_empty_line, path)
            self._check_fields(path)
        if has_empty_line.result():
            self._find_odd_row(path)

    def _check_fields(self, path: str) -> None:
        """Refuse a file in which a row that is not empty has more or fewer fields than the first.

        Raises:
            HomeError: So it is; or the file can't be read.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        parsing = arrow_csv.ParseOptions(
            delimiter=self._separator(path),
            quote_char=self.options.get("quote", '"') or False,
            newlines_in_values=True,
        )
        reading = arrow_csv.ReadOptions(
            skip_rows=self.options.get("skip_rows", 0), autogenerate_column_names=True
        )
        only_first = arrow_csv.ConvertOptions(
            include_columns=["f0"], column_types={"f0": pa.binary()}
        )
        try:
            with (
                pa.input_stream(path) as file,
                arrow_csv.open_csv(file, reading, parsing, only_first) as batches,
            ):
                for _ in batches:
                    pass
        except pa.ArrowInvalid:
            # Also raised for a field of several MB and for a header without a line break, which
            # are well: if no row is odd, polars has the last word.
            self._find_odd_row(path)
        except OSError as error:
            raise self.unreadable(located(path, self.root), str(error)) from error

    def _check_header(self, path: str) -> None:
        """Refuse a header that is no UTF-8: polars would put other characters in its place."""
        if self.options.get("encoding", "utf8") != "utf8":
            return
        try:
            with _bytes(path) as file:
                for _ in range(self.options.get("skip_rows", 0)):
                    file.readline()
                file.readline().decode("utf-8")
        except UnicodeDecodeError as error:
            problem = "its header is no UTF-8"
            raise self.unreadable(located(path, self.root), problem) from error
        except OSError as error:
            raise self.unreadable(located(path, self.root), str(error)) from error

    def _find_odd_row(self, path: str) -> None:
        """Raise an error that names the first row with another number of fields, if one has."""
        quote = self.options.get("quote", '"')
        quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        wanted = 0
        csv.field_size_limit(sys.maxsize)
        with _text(path) as file:
            lines = _Lines(file, self.options.get("skip_rows", 0), self.options.get("comment"))
            for row in csv.reader(lines, delimiter=self._separator(path), **cast("Any", quoting)):
                fields = max(len(row), 1)
                wanted = wanted or fields
                if fields != wanted:
                    raise _odd_row(located(path, self.root), lines.number, fields, wanted)


class _Lines:
    """Lines of a file, with the *number* of the last one that was handed out."""

    def __init__(self, file: TextIO, skipped: int, comment: str | None) -> None:
        self._lines = itertools.islice(enumerate(file, start=1), skipped, None)
        self._comment = comment
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in self._lines:
            self.number = number
            if not (self._comment and line.startswith(self._comment)):
                yield line


def _bytes(path: str) -> io.BufferedReader:
    """Open a plain or compressed file."""
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(path))


def _text(path: str) -> TextIO:
    """Open a plain or compressed file as text; what is no UTF-8 does not matter here."""
    return io.TextIOWrapper(_bytes(path), encoding="utf-8", errors="replace", newline="")


def _has_empty_line(path: str) -> bool:
    """Tell whether two line breaks stand side by side, be it between quotes."""
    with contextlib.suppress(OSError), _bytes(path) as file:
        end = b"\n"
        while chunk := file.read(CHUNK):
            both = end + chunk
            # From the end: CPython is twice as fast there, where most bytes begin no match.
            if both.rfind(b"\n\n") >= 0 or (b"\r" in both and b"\n\r\n" in both):
                return True
            end = both[-2:]
    return False


def _odd_row(shown: str, line: int, fields: int, wanted: int) -> HomeError:
    have = f"{fields} field" + ("" if fields == 1 else "s")
    return HomeError(
        f"line {line} of '{shown}' has {have}, the first row has {wanted}",
        f"{shown}:{line}",
        "correct the line, or quote the field that holds a separator or a line break",
    )
