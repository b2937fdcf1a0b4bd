"""Every kind of store keeps the contract with every compression; what is particular is here too."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from contracts.store_contract import RUN, StoreContract, partition
from hygge.errors import ConfigError
from hygge.homes.base import Home
from hygge.stores.base import Store
from hygge.stores.staging import StagedFile


class ParquetStoreContract(StoreContract):
    kind = "parquet"
    ending = ".parquet"

    def read(self, path: Path) -> pl.DataFrame:
        return pl.read_parquet(path, glob=False)

    def read_compression(self, path: Path) -> str:
        name = str(pq.read_metadata(path).row_group(0).column(0).compression).lower()
        return {"uncompressed": "none"}.get(name, name)


class TestParquetZstd(ParquetStoreContract):
    compression = "zstd"


class TestParquetSnappy(ParquetStoreContract):
    compression = "snappy"


class TestParquetGzip(ParquetStoreContract):
    compression = "gzip"


class TestParquetLz4(ParquetStoreContract):
    compression = "lz4"


class TestParquetBrotli(ParquetStoreContract):
    compression = "brotli"


class TestParquetNone(ParquetStoreContract):
    compression = "none"


class ArrowStoreContract(StoreContract):
    kind = "arrow"
    ending = ".arrow"

    def read(self, path: Path) -> pl.DataFrame:
        return pl.read_ipc(path.read_bytes())

    def read_compression(self, path: Path) -> str:
        # The frame's mark stands before each buffer, after its length.
        marks = {"lz4": b"\x04\x22\x4d\x18", "zstd": b"\x28\xb5\x2f\xfd"}
        data = path.read_bytes()
        return next((name for name, mark in marks.items() if mark in data), "none")


class TestArrowNone(ArrowStoreContract):
    compression = "none"


class TestArrowLz4(ArrowStoreContract):
    compression = "lz4"


class TestArrowZstd(ArrowStoreContract):
    compression = "zstd"


def decompressed(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a text file and how they were compressed."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data), "gzip"
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.input_stream(pa.BufferReader(data), compression="zstd") as stream:
            return bytes(stream.read()), "zstd"
    return data, "none"


class CsvStoreContract(StoreContract):
    kind = "csv"

    def read(self, path: Path) -> pl.DataFrame:
        return pl.read_csv(decompressed(path)[0], try_parse_dates=True, infer_schema_length=None)

    def read_compression(self, path: Path) -> str:
        return decompressed(path)[1]


class TestCsvNone(CsvStoreContract):
    compression = "none"
    ending = ".csv"


class TestCsvGzip(CsvStoreContract):
    compression = "gzip"
    ending = ".csv.gz"


class TestCsvZstd(CsvStoreContract):
    compression = "zstd"
    ending = ".csv.zst"


class NdjsonStoreContract(StoreContract):
    kind = "ndjson"

    def read(self, path: Path) -> pl.DataFrame:
        return pl.read_ndjson(decompressed(path)[0], infer_schema_length=None)

    def read_compression(self, path: Path) -> str:
        return decompressed(path)[1]

    def held(self, frame: pl.DataFrame) -> pl.DataFrame:
        # JSON knows no times: they become text, in full.
        return frame.with_columns(
            pl.Series(name, [None if each is None else str(each) for each in frame[name]])
            for name in ("day", "at")
        )

    def unread(self, path: Path) -> None:
        # Columns stand in the rows: no rows are no bytes.
        assert decompressed(path)[0] == b""


class TestNdjsonNone(NdjsonStoreContract):
    compression = "none"
    ending = ".ndjson"


class TestNdjsonGzip(NdjsonStoreContract):
    compression = "gzip"
    ending = ".ndjson.gz"


class TestNdjsonZstd(NdjsonStoreContract):
    compression = "zstd"
    ending = ".ndjson.zst"


# Forms and options


def stage(root: Path, rows: pl.DataFrame, **config: Any) -> StagedFile:
    """Write *rows* to a store below *root*."""
    store = Store.create({"path": "store", **config}, root)
    (staged,) = store.stage(partition("a"), rows.lazy(), RUN)
    return staged


def test_string_means_a_folder_of_parquet(tmp_path: Path) -> None:
    short = Store.create("store", tmp_path)
    long = Store.create({"type": "parquet", "path": "store"}, tmp_path)

    assert type(short) is type(long)
    assert short.writing() == long.writing()
    assert short.outputs(partition("a")) == long.outputs(partition("a")) == ("store/a.parquet",)
    assert short.folder() == tmp_path / "store"


@pytest.mark.parametrize(
    ("config", "what", "hint"),
    [
        (
            {"type": "csv", "options": {"compression_level": 3}},
            "compression 'none' has no levels",
            "remove 'compression_level'",
        ),
        (
            {"compression": "gzip", "options": {"compression_level": 10}},
            "compression level 10 is too high: 'gzip' ends at 9",
            "compression_level: 9",
        ),
        (
            {"options": {"compression_level": 23}},
            "'store.options.compression_level' can't be 23: at most 22",
            "How hard to compress: higher is smaller and slower. "
            "The range depends on the compression.",
        ),
        (
            {"options": {"row_group_size": "many"}},
            "'store.options.row_group_size' must be a whole number, not 'many'",
            "write a whole number. Rows in a row group.",
        ),
    ],
)
def test_wrong_option_is_refused(
    tmp_path: Path, config: dict[str, Any], what: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as error:
        Store.create({"path": "store", **config}, tmp_path)

    assert (error.value.what, error.value.hint) == (what, hint)


@pytest.mark.parametrize(("kind", "compression"), [("parquet", "zstd"), ("csv", "gzip")])
def test_higher_level_gives_a_smaller_file(tmp_path: Path, kind: str, compression: str) -> None:
    rows = pl.DataFrame({"id": [f"{i % 97} {i % 89}" for i in range(20_000)]})
    config = {"type": kind, "compression": compression}

    sizes = [
        stage(tmp_path, rows, **config, options={"compression_level": level})
        .temporary.stat()
        .st_size
        for level in (1, 9)
    ]

    assert sizes[0] > sizes[1]


def test_row_group_size_of_parquet_is_obeyed(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": range(1000)})

    staged = stage(tmp_path, rows, options={"row_group_size": 100})

    assert pq.read_metadata(staged.temporary).num_row_groups == 10


@pytest.mark.parametrize("wanted", [True, False])
def test_statistics_of_parquet_are_written_where_they_are_wanted(
    tmp_path: Path, wanted: bool
) -> None:
    staged = stage(tmp_path, pl.DataFrame({"id": [1]}), options={"statistics": wanted})

    column = pq.read_metadata(staged.temporary).row_group(0).column(0)
    assert (column.statistics is not None and column.statistics.has_min_max) is wanted


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, 'id,name\n1,"a,b"\n2,\n'),
        ({"separator": ";"}, "id;name\n1;a,b\n2;\n"),
        ({"quote": "'"}, "id,name\n1,'a,b'\n2,\n"),
        ({"header": False}, '1,"a,b"\n2,\n'),
        ({"null_value": "NA"}, 'id,name\n1,"a,b"\n2,NA\n'),
    ],
    ids=["none", "separator", "quote", "header", "null_value"],
)
def test_csv_option_is_obeyed(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    rows = pl.DataFrame({"id": [1, 2], "name": ["a,b", None]})

    staged = stage(tmp_path, rows, type="csv", options=options)

    assert staged.temporary.read_text() == text
    assert staged.rows == 2


def test_csv_without_a_header_may_have_no_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame(schema={"id": pl.Int64})

    staged = stage(tmp_path, rows, type="csv", options={"header": False})

    assert (staged.temporary.read_bytes(), staged.rows) == (b"", 0)


@pytest.mark.parametrize("option", ["separator", "quote"])
def test_character_that_the_writer_can_not_take_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"'store.options.{option}' can't be '§'"):
        stage(tmp_path, pl.DataFrame({"id": [1]}), type="csv", options={option: "§"})


def test_number_that_json_does_not_know_becomes_null(tmp_path: Path) -> None:
    # docs/stores.md says so: JSON has neither NaN nor infinity.
    rows = pl.DataFrame({"share": [float("nan"), float("inf")]})
    staged = stage(tmp_path, rows, type="ndjson")

    assert staged.temporary.read_bytes() == b'{"share":null}\n{"share":null}\n'


# A store is another flow's home

CELLS = st.none() | st.text(st.characters(codec="utf-8")) | st.text("\",;\n\r\t x'\\#")


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8),
    kind=st.sampled_from(["parquet", "arrow", "csv", "ndjson"]),
)
def test_any_text_comes_back_through_the_home_of_the_same_kind(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]], kind: str
) -> None:
    root = tmp_path_factory.mktemp("text")
    frame = pl.DataFrame(rows, schema={"one": pl.String, "two": pl.String}, orient="row")
    stage(root, frame, type=kind).publish()
    types = {"options": {"types": dict.fromkeys(frame.columns, "string")}}
    home = Home.create({"path": "store", **(types if kind in ("csv", "ndjson") else {})}, root)

    (found,) = home.partitions()

    assert_frame_equal(home.scan(found).collect(), frame)
