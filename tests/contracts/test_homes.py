"""Every kind of home keeps the contract; what is particular to one kind is here too."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from contracts.home_contract import HomeContract
from hygge import schema
from hygge.errors import ConfigError, HomeError
from hygge.homes.base import Home
from hygge.homes.parquet import LARGE_ROW_GROUP

NO_FOOTER = (
    "Parquet magic bytes not found in footer. "
    "Either the file is corrupted or this is not a parquet file."
)


def compress(data: bytes, codec: str) -> bytes:
    """Return *data* compressed with ``gzip`` or ``zstd``."""
    if codec == "gzip":
        return gzip.compress(data)
    return bytes(pa.compress(data, codec=codec, asbytes=True))


def put(root: Path, path: str, data: bytes) -> None:
    """Write *data* to a file below *root*."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def read(root: Path, path: str, **more: Any) -> pl.DataFrame:
    """Return the rows of the one partition at *path*."""
    home = Home.create({"path": path, **more}, root)
    (partition,) = home.partitions()
    return home.scan(partition).collect()


def examined(root: Path, path: str, **more: Any) -> str:
    """Return what is wrong with the one partition at *path*."""
    home = Home.create({"path": path, **more}, root)
    (partition,) = home.partitions()
    with pytest.raises(HomeError) as error:
        home.examine(partition)
    return str(error.value)


def no_json(path: str, line: int, problem: str = "is no JSON") -> str:
    """Return what is said of a *line* that is no JSON object."""
    return (
        f"line {line} of '{path}' {problem}\n"
        f"  at {path}:{line}\n"
        "  try: correct the line: one whole object, '{' to '}', on each line"
    )


class TestParquet(HomeContract):
    kind = "parquet"
    suffix = ".parquet"
    other_suffix = ".pq"
    garbage = b"\x00\xff\xfegarbage\n\x01\x02"
    garbage_problem = NO_FOOTER
    half_problem = NO_FOOTER
    counted = True

    def write_rows(self, path: Path, frame: pl.DataFrame) -> None:
        frame.write_parquet(path, row_group_size=10_000)

    def test_file_with_a_broken_footer_is_refused_however_it_is_read(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        file = tmp_path / "home" / "a.parquet"
        data = bytearray(file.read_bytes())
        length = int.from_bytes(data[-8:-4], "little")
        data[-8 - length : -8] = b"\xff" * length
        file.write_bytes(data)
        home, partition = self.only(tmp_path)

        messages = []
        for look in (home.count, home.examine):
            with pytest.raises(HomeError) as error:
                look(partition)
            messages.append(str(error.value).split(":")[0])

        assert messages == ["'home/a.parquet' can't be read as parquet"] * 2

    def test_large_row_group_is_read_like_any_other(self, tmp_path: Path) -> None:
        count = LARGE_ROW_GROUP // 8 + 100_000
        frame = pl.select(
            id=pl.int_range(count),
            name=(pl.int_range(count) % 11).cast(pl.String),
            kind=pl.lit("x").cast(pl.Categorical),
            day=pl.lit("2013-01-01").str.to_date(),
        ).with_columns(maybe=pl.when(pl.col("id") % 7 > 0).then(pl.col("id") * 0.5))
        (tmp_path / "home").mkdir()
        frame.write_parquet(tmp_path / "home" / "a.parquet", row_group_size=count)
        group = pq.read_metadata(tmp_path / "home" / "a.parquet").row_group(0)
        assert group.total_byte_size > LARGE_ROW_GROUP
        home, partition = self.only(tmp_path)

        rows = home.scan(partition)

        assert_frame_equal(rows.collect(engine="streaming"), frame)
        assert rows.select(pl.len()).collect().item() == count
        assert rows.filter(pl.col("id") >= count - 2).select("maybe").collect().height == 2
        assert rows.select("id").head(3).collect()["id"].to_list() == [0, 1, 2]


class TestArrow(HomeContract):
    kind = "arrow"
    suffix = ".arrow"
    other_suffix = ".feather"
    garbage = b"\x00\xff\xfegarbage\n\x01\x02"
    garbage_problem = "File is too small: 13"
    half_problem = "Not an Arrow file"
    counted = True

    def write_rows(self, path: Path, frame: pl.DataFrame) -> None:
        frame.write_ipc(path, compression="zstd")


class TestCsv(HomeContract):
    kind = "csv"
    suffix = ".csv"
    other_suffix = ".tsv"
    codec: ClassVar[str] = ""
    garbage = b"id,name\n1,\xff\xfe\n"
    garbage_problem = "invalid utf-8 sequence"
    counted = False

    def write_rows(self, path: Path, frame: pl.DataFrame) -> None:
        data = frame.write_csv().encode()
        path.write_bytes(compress(data, self.codec) if self.codec else data)

    def write_empty(self, path: Path) -> pl.Schema:
        # A header says nothing of types.
        self.write_rows(path, pl.DataFrame(schema={"id": pl.Int64, "name": pl.String}))
        return pl.Schema({"id": pl.String, "name": pl.String})

    def test_half_a_file_is_refused(self, tmp_path: Path) -> None:
        # Text that ends with a row can't be told from a whole file.
        put(tmp_path, "home/a.csv", b"id,name\n1,a\n2")

        assert examined(tmp_path, "home") == (
            "line 3 of 'home/a.csv' has 1 field, the first row has 2\n"
            "  at home/a.csv:3\n"
            "  try: correct the line, or quote the field that holds a separator or a line break"
        )


class TestCsvGz(TestCsv):
    suffix = ".csv.gz"
    other_suffix = ".csv"
    codec = "gzip"
    copied = False
    garbage = b"id,name\n1,a\n"
    garbage_problem = "zlib inflate failed: incorrect header check"
    half_problem = "Truncated compressed stream"

    def test_half_a_file_is_refused(self, tmp_path: Path) -> None:
        HomeContract.test_half_a_file_is_refused(self, tmp_path)


class TestCsvZst(TestCsvGz):
    suffix = ".csv.zst"
    codec = "zstd"
    garbage_problem = "ZSTD decompress failed: Unknown frame descriptor"


class TestNdjson(HomeContract):
    kind = "ndjson"
    suffix = ".ndjson"
    other_suffix = ".jsonl"
    codec: ClassVar[str] = ""
    garbage = b"\x00\xff\xfegarbage\n\x01\x02"
    counted = False
    nothing = b"\n"
    nothing_problem = "could not infer data-type"

    def write_rows(self, path: Path, frame: pl.DataFrame) -> None:
        data = frame.write_ndjson().encode()
        path.write_bytes(compress(data, self.codec) if self.codec else data)

    def garbage_message(self) -> str:
        return no_json("home/a.ndjson", 1)

    def half_message(self) -> str:
        return no_json("home/a.ndjson", 1047)

    def test_file_without_rows_keeps_its_columns(self, tmp_path: Path) -> None:
        # Columns stand in the rows: no rows are no columns. See also what is said of no bytes.
        put(tmp_path, f"home/a{self.suffix}", self.nothing)

        assert examined(tmp_path, "home") == self.unreadable(self.nothing_problem)


class TestNdjsonGz(TestNdjson):
    suffix = ".ndjson.gz"
    other_suffix = ".ndjson"
    codec = "gzip"
    copied = False
    garbage_problem = "zlib inflate failed: incorrect header check"
    half_problem = "Truncated compressed stream"
    nothing = compress(b"", "gzip")
    nothing_problem = (
        "Cannot infer NDJSON types on empty reader because empty string is not a valid JSON value"
    )

    def garbage_message(self) -> str:
        return self.unreadable(self.garbage_problem)

    def half_message(self) -> str:
        return self.unreadable(self.half_problem)


class TestNdjsonZst(TestNdjsonGz):
    suffix = ".ndjson.zst"
    codec = "zstd"
    garbage_problem = "ZSTD decompress failed: Unknown frame descriptor"
    nothing = compress(b"", "zstd")


# Which kind it is


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.pq", "parquet"), ("a.tsv.zst", "csv"), ("a.jsonl", "ndjson"), ("a.feather", "arrow")],
)
def test_type_comes_from_the_suffix(tmp_path: Path, name: str, kind: str) -> None:
    put(tmp_path, f"home/{name}", b"")

    assert Home.create("home", tmp_path).kind == kind
    assert Home.create(f"home/{name}", tmp_path).kind == kind


def test_files_of_several_types_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id\n1\n")
    put(tmp_path, "home/b.jsonl", b'{"id":1}\n')

    with pytest.raises(ConfigError) as error:
        Home.create("home", tmp_path)

    assert str(error.value) == (
        "files of several types in 'home': csv, ndjson\n"
        "  at home\n"
        "  try: home: {type: csv, path: home}"
    )


def test_folder_without_files_does_not_tell_its_type(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()

    with pytest.raises(ConfigError) as error:
        Home.create("home", tmp_path)

    assert str(error.value) == (
        "no file in 'home' tells its type\n"
        "  at home\n"
        "  try: put a file there that ends in one of .arrow, .feather, .ipc, .csv, .tsv, .csv.gz, "
        ".tsv.gz, .csv.zst, .tsv.zst, .ndjson, .jsonl, .ndjson.gz, .jsonl.gz, .ndjson.zst, "
        ".jsonl.zst, .parquet, .pq, or write 'type:'"
    )


def test_home_without_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        Home.create({}, tmp_path)

    assert str(error.value) == "the home lacks a path\n  try: home: data/home/NAME"


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"path": 2013}, "'home.path' must be text, not 2013"),
        ({"path": ""}, "'home.path' can't be '': it is empty"),
        ({"path": "home", "include": 5}, "'home.include' must be a list, not 5"),
    ],
)
def test_wrong_value_is_refused_before_the_type_is_looked_for(
    tmp_path: Path, config: dict[str, Any], what: str
) -> None:
    put(tmp_path, "home/a.csv", b"id\n1\n")

    with pytest.raises(ConfigError) as error:
        Home.create(config, tmp_path)

    assert error.value.what == what


# Where the files are


def test_glob_finds_files_in_a_project_whose_folder_has_brackets(tmp_path: Path) -> None:
    put(tmp_path, "project [1]/home/a.csv", b"id\n1\n")

    home = Home.create({"type": "csv", "path": "home/*.csv"}, tmp_path / "project [1]")

    assert [partition.key for partition in home.partitions()] == ["a"]


def test_near_miss_of_a_missing_path_exists(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id\n1\n")

    with pytest.raises(HomeError) as error:
        Home.create("hme/b.csv", tmp_path)

    meant = re.search(r"did you mean '(.*)'", error.value.hint)
    assert meant is None or (tmp_path / meant[1]).exists(), error.value.hint


# csv


def test_tabs_separate_the_fields_of_a_tsv(tmp_path: Path) -> None:
    put(tmp_path, "home/a.tsv", b"id\tname\n1\ta,b\n")

    assert read(tmp_path, "home").rows() == [(1, "a,b")]


def test_tsv_is_not_what_a_csv_store_would_write(tmp_path: Path) -> None:
    put(tmp_path, "home/a.tsv", b"id\tname\n1\ta\n")
    home = Home.create("home", tmp_path)

    assert home.copyable(home.partitions()[0]) is None


def test_csv_with_reading_options_may_not_be_copied_as_it_is(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id;name\n1;a\n")
    home = Home.create({"path": "home", "options": {"separator": ";"}}, tmp_path)

    assert home.copyable(home.partitions()[0]) is None


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"id,name\n1\n", "line 2 of 'home/a.csv' has 1 field, the first row has 2"),
        (b"id,name\n1,a,x\n", "line 2 of 'home/a.csv' has 3 fields, the first row has 2"),
        (b"id\n1,a\n", "line 2 of 'home/a.csv' has 2 fields, the first row has 1"),
        (b'id,name\n"1\n2",a\n3\n', "line 4 of 'home/a.csv' has 1 field, the first row has 2"),
        (b"id,name\r\n1,a\r\n2\r\n", "line 3 of 'home/a.csv' has 1 field, the first row has 2"),
        (b"id,name\n1,a\n\n2,b\n", "line 3 of 'home/a.csv' has 1 field, the first row has 2"),
    ],
    ids=["short", "long", "long alone", "after a break", "carriage return", "empty line"],
)
@pytest.mark.parametrize("options", [{}, {"comment": "#"}], ids=["fast", "with comments"])
def test_row_with_another_number_of_fields_is_refused(
    tmp_path: Path, data: bytes, line: str, options: dict[str, str]
) -> None:
    put(tmp_path, "home/a.csv", data)

    assert examined(tmp_path, "home", options=options) == (
        f"{line}\n"
        f"  at home/a.csv:{line[5]}\n"
        "  try: correct the line, or quote the field that holds a separator or a line break"
    )


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"id,name\n", []),
        (b"id,name", []),
        (b"id,name\n1,a", [(1, "a")]),
        (b"id,name\r\n1,a\r\n", [(1, "a")]),
        (b"\xef\xbb\xbfid,name\n1,a\n", [(1, "a")]),
        (b'id,name\n1,"a ""b"", c\nd"\n', [(1, 'a "b", c\nd')]),
        (b'id,name\n1,""\n2,\n', [(1, ""), (2, None)]),
        (b"id,name\n1,#a\n", [(1, "#a")]),
    ],
    ids=["header", "header unended", "unended", "crlf", "mark", "quotes", "empty text", "hash"],
)
def test_well_formed_csv_is_read(tmp_path: Path, data: bytes, rows: list[Any]) -> None:
    put(tmp_path, "home/a.csv", data)

    found = read(tmp_path, "home")

    assert (found.columns, found.rows()) == (["id", "name"], rows)


def test_single_column_may_have_empty_lines(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id\n1\n\n3\n")

    assert read(tmp_path, "home").rows() == [(1,), (None,), (3,)]


@pytest.mark.parametrize("size", [200_000, 5_000_000])
@pytest.mark.parametrize("options", [{}, {"comment": "#"}], ids=["fast", "with comments"])
def test_field_may_be_large(tmp_path: Path, size: int, options: dict[str, str]) -> None:
    put(tmp_path, "home/a.csv", b"id,name\n1," + b"x" * size + b"\n2,y\n")

    rows = read(tmp_path, "home", options=options)

    assert [len(name) for name in rows["name"]] == [size, 1]


def test_header_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"caf\xe9,name\n1,a\n")

    assert examined(tmp_path, "home") == (
        "'home/a.csv' can't be read as csv: its header is no UTF-8\n"
        "  at home/a.csv\n"
        "  try: write it again, remove it, or exclude it"
    )


def test_bytes_that_are_no_utf8_are_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id,name\n1,caf\xe9\n")

    assert read(tmp_path, "home", options={"encoding": "utf8-lossy"}).rows() == [(1, "caf\ufffd")]


@pytest.mark.parametrize(
    ("data", "options", "rows"),
    [
        (b"id;n\n1;a\n", {"separator": ";"}, [(1, "a")]),
        (b"id,n\n1,'a,b'\n", {"quote": "'"}, [(1, "a,b")]),
        (b'id,n\n1,"a\n', {"quote": None}, [(1, '"a')]),
        (b"junk\nx,y,z\nid,n\n1,a\n", {"skip_rows": 2}, [(1, "a")]),
        (b"1,a\n2,b\n", {"header": False}, [(1, "a"), (2, "b")]),
        (b"id,n\nNA,a\n2,-\n", {"null_values": ["NA", "-"]}, [(None, "a"), (2, None)]),
        (b"# x\nid,n\n# y,z,q\n1,a\n", {"comment": "#"}, [(1, "a")]),
        (b"id;n\n1;2,5\n", {"separator": ";", "decimal_comma": True}, [(1, 2.5)]),
        (b"id,n\n007,a\n", {"types": {"id": "string"}}, [("007", "a")]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_csv_option_is_obeyed(
    tmp_path: Path, data: bytes, options: dict[str, Any], rows: list[Any]
) -> None:
    put(tmp_path, "home/a.csv", data)

    assert read(tmp_path, "home", options=options).rows() == rows


def test_type_may_be_decided_by_a_late_row(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"id\n" + b"1\n" * 10_000 + b"x\n")

    assert examined(tmp_path, "home") == (
        "'x' in the column 'id' of 'home/a.csv' is no i64\n"
        "  at home/a.csv\n"
        "  try: if it means null: options: {null_values: ['x']}; "
        "if it is a value: options: {types: {id: string}}"
    )
    assert read(tmp_path, "home", options={"infer_rows": "all"}).tail(1).rows() == [("x",)]


def test_dates_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"day\n2013-01-31\n")

    assert read(tmp_path, "home").schema == {"day": pl.String}
    assert read(tmp_path, "home", options={"dates": True}).schema == {"day": pl.Date}


def test_names_of_columns_without_a_header_are_as_the_schema_says(tmp_path: Path) -> None:
    put(tmp_path, "home/a.csv", b"1,a\n")

    columns = read(tmp_path, "home", options={"header": False}).columns

    options = schema.read("home/csv")["properties"]["options"]["properties"]
    described = options["header"]["description"]
    assert [name for name in columns if name not in described] == [], described


@pytest.mark.parametrize("option", ["separator", "quote"])
@pytest.mark.parametrize("value", ["§", "\x00"])
def test_character_that_the_parser_can_not_take_is_refused(
    tmp_path: Path, option: str, value: str
) -> None:
    put(tmp_path, "home/a.csv", b"id,name\n1,a\n")

    shown = value if value.isprintable() else repr(value)[1:-1]
    message = re.escape(f"'home.options.{option}' can't be '{shown}'")
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, "home", options={option: value})


# ndjson


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b'{"id":1}', [(1,)]),
        (b'{"id":1}\n\n{"id":2}\n', [(1,), (2,)]),
        (b'{"id":1}\r\n{"id":2}\r\n', [(1,), (2,)]),
        (b'{"id":1}\n{"id":2,"name":"late"}\n', [(1, None), (2, "late")]),
        (b'{"id":1}\n{"id":2.5}\n', [(1.0,), (2.5,)]),
        (b'{"id":null}\n{"id":2}\n', [(None,), (2,)]),
    ],
    ids=["unended", "empty line", "crlf", "late key", "mixed numbers", "null first"],
)
def test_well_formed_ndjson_is_read(tmp_path: Path, data: bytes, rows: list[Any]) -> None:
    put(tmp_path, "home/a.ndjson", data)

    assert read(tmp_path, "home").rows() == rows


def test_key_that_first_stands_in_a_late_row_is_read(tmp_path: Path) -> None:
    put(tmp_path, "home/a.ndjson", b'{"id":1}\n' * 20_000 + b'{"id":2,"name":"late"}\n')

    assert read(tmp_path, "home").tail(1).rows() == [(2, "late")]


def test_types_of_ndjson_may_be_said(tmp_path: Path) -> None:
    put(tmp_path, "home/a.ndjson", b'{"id":1}\n')

    rows = read(tmp_path, "home", options={"types": {"id": "float32"}})

    assert rows.schema == {"id": pl.Float32}


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (b"[1]\n", 1, "is no JSON object"),
        (b"1\n", 1, "is no JSON object"),
        (b'{"id":1}\n{"id":\n', 2, "is no JSON"),
        (b'{"id":1}\n\n{"id":1} x\n', 3, "is no JSON"),
        (b'{"id":"caf\xe9"}\n', 1, "is no JSON"),
        (b'{"id":' + b"[" * 100_000 + b"\n", 1, "is no JSON"),
    ],
    ids=["list", "number", "torn", "more after it", "no UTF-8", "nested without end"],
)
def test_line_that_is_no_json_object_is_refused(
    tmp_path: Path, data: bytes, line: int, problem: str
) -> None:
    put(tmp_path, "home/a.ndjson", data)

    assert examined(tmp_path, "home") == no_json("home/a.ndjson", line, problem)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("name", "one", "two"),
    [("a.csv", b"id\n1\n", b"2\n3\n"), ("a.ndjson", b'{"id":1}\n', b'{"id":2}\n{"id":3}\n')],
)
def test_compressed_file_of_several_members_is_read_to_its_end(
    tmp_path: Path, codec: str, name: str, one: bytes, two: bytes
) -> None:
    ending = {"gzip": ".gz", "zstd": ".zst"}[codec]
    put(tmp_path, f"home/{name}{ending}", compress(one, codec) + compress(two, codec))

    assert read(tmp_path, "home").rows() == [(1,), (2,), (3,)]


def test_home_is_built_from_the_current_folder_when_no_root_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "home/a.csv", b"id\n1\n")
    monkeypatch.chdir(tmp_path)

    (partition,) = Home.create("home").partitions()

    assert partition.key == "a"
