"""Rows are shaped step by step; what is wrong is shown where it stands in the YAML."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygge.datatypes import canonical_name, known_names, polars_type, polars_types, type_name
from hygge.document import parse
from hygge.errors import ConfigError, HyggeError, TransformError
from hygge.fingerprint import content_hash
from hygge.flow import Section
from hygge.partition import FILE, ROW, Partition, Source
from hygge.transform import Context, Transform, order

RUN = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)

PARTITION = Partition(
    "2013-01", "2013-01", (Source("data/home/x.csv", None), Source("data/home/y.csv", None))
)

ROWS = pl.LazyFrame(
    {
        "year": [2013, 2013, 2013, 2014],
        "origin": ["EWR", "JFK", "JFK", None],
        "dep_delay": ["5", "abc", None, "xyz"],
    }
)

TRACED = ROWS.with_columns(
    pl.Series(FILE, [0, 0, 1, 1], dtype=pl.UInt32), pl.Series(ROW, [1, 2, 1, 2], dtype=pl.UInt64)
)

INPUTS = {"airports": pl.LazyFrame({"faa": ["EWR", "JFK"], "name": ["Newark", "Kennedy"]})}

CONTEXT = Context(PARTITION, INPUTS, RUN)


def transform(text: str, root: Path, inputs: Collection[str] = ("airports",)) -> Transform:
    """Return the transform that is written as *text* below the key `transform`."""
    whole = "transform:\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "  ") + "\n"
    root.joinpath("flows").mkdir(parents=True, exist_ok=True)
    root.joinpath("flows/a.yml").write_text(whole, encoding="utf-8")
    document = parse(whole, "flows/a.yml")
    return Transform.create(
        Section("transform", document.values["transform"], document), inputs, root
    )


def applied(text: str, root: Path, rows: pl.LazyFrame = ROWS) -> pl.DataFrame:
    return transform(text, root).apply(rows, CONTEXT).collect(engine="streaming")


def columns(text: str, root: Path) -> dict[str, list[Any]]:
    return applied(text, root).to_dict(as_series=False)


def refusal(text: str, root: Path, cls: type[HyggeError] = TransformError) -> str:
    """Return the whole message with which *text* is refused before rows are read."""
    with pytest.raises(cls) as error:
        transform(text, root).apply(TRACED, CONTEXT)
    return str(error.value)


def finding(text: str, root: Path, rows: pl.LazyFrame = TRACED) -> str:
    """Return the whole message of what is found out after moving the rows has failed."""
    made = transform(text, root)
    with pytest.raises(pl.exceptions.PolarsError):
        made.apply(rows, CONTEXT).collect(engine="streaming")
    with pytest.raises(TransformError) as error:
        made.examine(rows, CONTEXT)
    return str(error.value)


def at(line: int, text: str, column: int) -> str:
    """Return how the *column* of a *line* with this *text* is shown, 1 being the first of both."""
    head = f"  at flows/a.yml:{line}:{column}  "
    return f"\n{head}{text.lstrip()}\n{' ' * (len(head) + column - 1 - _indent(text))}^"


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


# Nothing to do


@pytest.mark.parametrize("values", [None, {}])
def test_empty_transform_leaves_rows_alone(tmp_path: Path, values: dict[str, Any] | None) -> None:
    document = parse("", "flows/a.yml")
    section = None if values is None else Section("transform", values, document)
    made = Transform.create(section, (), tmp_path)

    assert made.is_empty
    assert made.traces
    assert made.fingerprint() == {}
    assert made.apply(ROWS, CONTEXT) is ROWS
    made.examine(TRACED, CONTEXT)


def test_fingerprint_is_what_was_written(tmp_path: Path) -> None:
    made = transform("where: year > 1\nrename: {a: b}\n", tmp_path)

    assert not made.is_empty
    assert made.fingerprint() == {"where": "year > 1", "rename": {"a": "b"}}


def test_source_that_is_wrong_is_not_the_transforms_fault(tmp_path: Path) -> None:
    tmp_path.joinpath("x.parquet").write_bytes(b"PAR1 no parquet PAR1")
    made = transform("where: year > 1", tmp_path)

    with pytest.raises(pl.exceptions.PolarsError):
        made.apply(pl.scan_parquet(tmp_path / "x.parquet"), CONTEXT)


# Steps


def test_rows_for_which_where_is_true_stay(tmp_path: Path) -> None:
    assert columns("where: origin <> 'EWR' AND year < 2014", tmp_path)["origin"] == ["JFK", "JFK"]


def test_columns_are_selected_by_name_and_computed(tmp_path: Path) -> None:
    text = "select: [origin, {next: year + 1, one: '1'}, year]"

    assert columns(text, tmp_path) == {
        "origin": ["EWR", "JFK", "JFK", None],
        "next": [2014, 2014, 2014, 2015],
        "one": [1, 1, 1, 1],
        "year": [2013, 2013, 2013, 2014],
    }


@pytest.mark.parametrize("rows", [ROWS, TRACED])
def test_value_that_is_of_no_row_stands_in_every_row(tmp_path: Path, rows: pl.LazyFrame) -> None:
    result = applied("select: [{n: COUNT(*), top: MAX(year)}]", tmp_path, rows)

    assert result["n"].to_list() == [4] * 4
    assert result["top"].to_list() == [2014] * 4


def test_column_may_be_computed_from_the_one_that_it_replaces(tmp_path: Path) -> None:
    text = "select: [{year: year - 2000, before: year - 2001}]"

    assert columns(text, tmp_path) == {"year": [13, 13, 13, 14], "before": [12, 12, 12, 13]}


def test_columns_are_renamed(tmp_path: Path) -> None:
    assert applied("rename: {year: origin, origin: year}", tmp_path).columns == [
        "origin",
        "year",
        "dep_delay",
    ]


def test_columns_are_cast(tmp_path: Path) -> None:
    result = applied("cast: {year: SmallInt, origin: varchar(3)}", tmp_path)

    assert result.dtypes == [pl.Int16, pl.String, pl.String]


def test_steps_are_done_in_their_order(tmp_path: Path) -> None:
    text = """
        polish: {columns: {case: camel}}
        sql: SELECT the_year + 1 AS the_next, airport FROM self
        cast: {the_year: int64}
        rename: {year: the_year, origin: airport}
        select: [year, origin]
        where: dep_delay = '5'
        """

    assert columns(text, tmp_path) == {"theNext": [2014], "airport": ["EWR"]}


def test_sql_joins_inputs(tmp_path: Path) -> None:
    text = """
        sql: |
          SELECT a.name, COUNT(*) AS n
          FROM self JOIN airports a ON self.origin = a.faa
          GROUP BY a.name
        """

    assert columns(text, tmp_path) == {"name": ["Kennedy", "Newark"], "n": [2, 1]}


@pytest.mark.parametrize(
    "text",
    [
        "where: year > 2013",
        "select: [{y: year}, origin]",
        "rename: {year: y}",
        "cast: {year: int16}",
        "polish: {columns: {case: pascal}, hash_ids: [{name: id, from_columns: [Year]}]}",
    ],
)
def test_rows_keep_what_traces_them(tmp_path: Path, text: str) -> None:
    made = transform(text, tmp_path)
    result = made.apply(TRACED, CONTEXT).collect()

    assert made.traces
    assert result.select(FILE, ROW).row(-1) == (1, 2)


def test_query_neither_sees_nor_returns_what_traces_rows(tmp_path: Path) -> None:
    made = transform("sql: SELECT * FROM self", tmp_path)

    assert not made.traces
    assert made.apply(TRACED, CONTEXT).collect_schema().names() == ["year", "origin", "dep_delay"]


# Text that is cast


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        ("boolean", ["true", "FALSE", None], [True, False, None]),
        ("date", ["2013-01-31", None], [datetime.date(2013, 1, 31), None]),
        ("time", ["01:02", "01:02:03.5"], [datetime.time(1, 2), datetime.time(1, 2, 3, 500_000)]),
        (
            "timestamp",
            ["2013-01-31", "2013-01-31 01:02", "2013-01-31T01:02:03.25"],
            [
                datetime.datetime(2013, 1, 31),
                datetime.datetime(2013, 1, 31, 1, 2),
                datetime.datetime(2013, 1, 31, 1, 2, 3, 250_000),
            ],
        ),
        (
            "timestamptz",
            ["2013-01-31", "2013-01-31T01:02Z", "2013-01-31 01:02:03+02:00"],
            [
                datetime.datetime(2013, 1, 31, tzinfo=datetime.UTC),
                datetime.datetime(2013, 1, 31, 1, 2, tzinfo=datetime.UTC),
                datetime.datetime(2013, 1, 30, 23, 2, 3, tzinfo=datetime.UTC),
            ],
        ),
        ("int32", ["-7", None], [-7, None]),
        ("double", ["1.5", "1e3"], [1.5, 1000.0]),
    ],
)
def test_text_is_read_as(tmp_path: Path, kind: str, texts: list[Any], expected: list[Any]) -> None:
    rows = pl.LazyFrame({"a": texts})

    result = applied(f"cast: {{a: {kind}}}", tmp_path, rows)

    assert result["a"].to_list() == expected
    assert result["a"].dtype == polars_type(kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("boolean", "yes"),
        ("date", "2013-02-30"),
        ("date", "31.01.2013"),
        ("time", "25:00"),
        ("datetime[us]", "2013-01-31T25:00"),
        ("datetime[us, UTC]", "yesterday"),
        ("int8", "128"),
        ("int32", "1.5"),
        ("float64", ""),
        ("decimal(4,2)", "100.5"),
    ],
)
def test_text_that_is_no_such_value_is_found(tmp_path: Path, kind: str, text: str) -> None:
    rows = pl.LazyFrame({"a": [None, text], FILE: [0, 0], ROW: [1, 2]})
    line = f'  cast: {{a: "{kind}"}}'

    assert finding(f'cast: {{a: "{kind}"}}', tmp_path, rows) == (
        f"'{text}' in the column 'a' is no {kind}: row 2 of 'data/home/x.csv'"
        + at(2, line, 13)
        + "\n  try: correct the value, or choose a type that can hold it"
    )


def test_first_of_many_impossible_values_is_found_with_their_number(tmp_path: Path) -> None:
    count = 50_000
    rows = pl.LazyFrame({"a": ["1"] * 10 + ["x"] + ["1"] * count + ["y"] * count}).with_columns(
        pl.lit(1, dtype=pl.UInt32).alias(FILE),
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt64).alias(ROW),
    )

    assert finding("cast: {a: int32}", tmp_path, rows) == (
        "'x' in the column 'a' is no int32: row 11 of 'data/home/y.csv', and 50,000 more like it"
        + at(2, "  cast: {a: int32}", 13)
        + "\n  try: correct the value, or choose a type that can hold it"
    )


def test_impossible_value_is_told_by_its_row_in_the_source(tmp_path: Path) -> None:
    text = "where: origin IS NULL\nrename: {dep_delay: delay}\ncast: {delay: int32}"

    assert finding(text, tmp_path).startswith(
        "'xyz' in the column 'delay' is no int32: row 2 of 'data/home/y.csv'\n"
    )


def test_number_that_does_not_fit_is_found(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"a": [1, 300], FILE: [0, 0], ROW: [1, 2]})

    assert finding("cast: {a: tinyint}", tmp_path, rows).startswith(
        "300 in the column 'a' is no int8: row 2 of 'data/home/x.csv'\n"
    )


def test_long_value_is_cut_short(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"a": ["x" * 500], FILE: [0], ROW: [1]})

    assert finding("cast: {a: int32}", tmp_path, rows).startswith(
        "'" + "x" * 79 + "... in the column 'a' is no int32: row 1 of 'data/home/x.csv'\n"
    )


def test_column_of_which_nothing_can_be_cast_is_found(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"at": [datetime.time(1)], FILE: [0], ROW: [1]})

    assert finding("cast: {at: date}", tmp_path, rows) == (
        "the column 'at' is time, which can't become date"
        + at(2, "  cast: {at: date}", 14)
        + "\n  try: convert it in 'select' or 'sql'"
    )


# What is wrong


def test_unknown_type_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        transform("cast: {year: int33}", tmp_path)

    assert str(error.value) == (
        "no type 'int33'" + at(2, "  cast: {year: int33}", 16) + "\n  try: did you mean 'int32'?"
    )


def test_unknown_type_with_nothing_like_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        transform("cast: {year: '???'}", tmp_path)

    assert str(error.value) == (
        "no type '???'"
        + at(2, "  cast: {year: '???'}", 16)
        + "\n  try: a name of polars or SQL: string, boolean, int64, float64, date, datetime[us]"
    )


def test_input_can_not_be_called_as_the_partition_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        transform("sql: SELECT 1", tmp_path, ["self"])

    assert str(error.value) == (
        "an input can't be called 'self': so the partition is called"
        + at(2, "  sql: SELECT 1", 8)
        + "\n  try: rename the input"
    )


NEAR = "\n  try: did you mean '{}'?"


@pytest.mark.parametrize(
    ("text", "name", "column", "near"),
    [
        ("where: yaer > 1", "yaer", 10, "year"),
        ("where: year > 1 AND orign = 'x'", "orign", 23, "origin"),
        ("select: [year, orign]", "orign", 18, "origin"),
        ("select: [year, {a: yaer + 1}]", "yaer", 22, "year"),
        ("rename: {year: y, dep_dely: d}", "dep_dely", 21, "dep_delay"),
        ("cast: {dep_dely: int32}", "dep_dely", 10, "dep_delay"),
        ("sql: SELECT dep_dely FROM self", "dep_dely", 15, "dep_delay"),
        ("sql: SELECT self.yaer FROM self", "yaer", 20, "year"),
        ("sql: SELECT a.nam FROM airports a", "nam", 17, "name"),
        ("sql: SELECT 1 FROM self ORDER BY yaer", "yaer", 36, "year"),
        ("polish: {hash_ids: [{name: id, from_columns: [yaer]}]}", "yaer", 49, "year"),
    ],
)
def test_unknown_column_is_refused_with_the_near_miss(
    tmp_path: Path, text: str, name: str, column: int, near: str
) -> None:
    assert refusal(text, tmp_path) == (
        f"no column '{name}'" + at(2, f"  {text}", column) + NEAR.format(near)
    )


def test_unknown_column_with_nothing_like_it_is_refused_with_those_there_are(
    tmp_path: Path,
) -> None:
    assert refusal("where: x > 1", tmp_path) == (
        "no column 'x'"
        + at(2, "  where: x > 1", 10)
        + "\n  try: one of 'year', 'origin', 'dep_delay'"
    )


def test_column_that_an_earlier_step_took_away_is_unknown(tmp_path: Path) -> None:
    assert refusal("select: [year]\nrename: {origin: o}", tmp_path) == (
        "no column 'origin'" + at(3, "  rename: {origin: o}", 12) + "\n  try: one of 'year'"
    )


def test_column_that_only_another_table_has_is_refused_with_those_of_the_table_asked(
    tmp_path: Path,
) -> None:
    """A bug: 'no column 'name'' asked whether 'name' was meant."""
    text = "sql: SELECT self.name FROM self JOIN airports ON self.origin = airports.faa"

    assert refusal(text, tmp_path) == (
        "no column 'name'"
        + at(2, f"  {text}", 20)
        + "\n  try: one of 'year', 'origin', 'dep_delay'"
    )


def test_unknown_table_is_refused_with_the_near_miss(tmp_path: Path) -> None:
    text = "sql: SELECT * FROM self JOIN airprots USING (x)"

    assert refusal(text, tmp_path) == (
        "no table 'airprots'" + at(2, f"  {text}", 32) + NEAR.format("airports")
    )


def test_unknown_function_is_refused(tmp_path: Path) -> None:
    assert refusal("sql: SELECT year, foo(year) FROM self", tmp_path) == (
        "no function 'foo'"
        + at(2, "  sql: SELECT year, foo(year) FROM self", 21)
        + "\n  try: polars' SQL has no such function"
    )


def test_column_selected_twice_is_refused(tmp_path: Path) -> None:
    assert refusal("select: [year, {year: year + 1}]", tmp_path) == (
        "the column 'year' is selected twice" + at(2, "  select: [year, {year: year + 1}]", 25)
    )


def test_rename_to_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    assert refusal("rename: {year: origin}", tmp_path) == (
        "the columns 'year' and 'origin' would both be called 'origin'"
        + at(2, "  rename: {year: origin}", 18)
        + "\n  try: choose another name"
    )


def test_where_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    assert refusal("where: year + 1", tmp_path) == (
        "true or false is wanted for each row, not int64" + at(2, "  where: year + 1", 10)
    )


def test_query_within_an_expression_is_refused(tmp_path: Path) -> None:
    text = "where: year IN (SELECT 1)"

    assert refusal(text, tmp_path) == (
        "a query within an expression"
        + at(2, f"  {text}", 10)
        + "\n  try: use 'sql:', which takes whole queries"
    )


@pytest.mark.parametrize("statement", ["DROP", "DELETE FROM", "SHOW TABLES --", "EXPLAIN"])
def test_what_is_no_query_is_refused(tmp_path: Path, statement: str) -> None:
    text = f"sql: {statement} SELECT 1 FROM self"
    word = statement.split()[0]

    assert refusal(text, tmp_path) == (
        f"'{word}' is no query" + at(2, f"  {text}", 8) + "\n  try: begin with SELECT or WITH"
    )


def test_query_that_makes_no_sense_is_refused_in_polars_words(tmp_path: Path) -> None:
    text = "sql: SELECT origin, COUNT(*) FROM self GROUP BY year"

    assert refusal(text, tmp_path) == (
        "the SQL fails: 'origin' should participate in the GROUP BY clause or an aggregate function"
        + at(2, f"  {text}", 8)
    )


def test_value_that_a_query_can_not_convert_is_found(tmp_path: Path) -> None:
    text = "sql: SELECT CAST(dep_delay AS INT) AS d FROM self"

    assert finding(text, tmp_path) == (
        "'sql' fails: 'abc' in the column 'dep_delay' is no int32" + at(2, f"  {text}", 8)
    )


def test_comparison_that_makes_no_sense_is_found(tmp_path: Path) -> None:
    assert finding("where: origin > 1", tmp_path) == (
        "'where' fails: cannot compare string with numeric type (i32)"
        + at(2, "  where: origin > 1", 10)
    )


# Where SQL is wrong


@pytest.mark.parametrize(
    ("text", "what", "line", "shown", "column"),
    [
        (
            "sql: SELECT * FRM self",
            "line 1, column 10 of the SQL: expected end of statement, found 'FRM'",
            2,
            "  sql: SELECT * FRM self",
            17,
        ),
        (
            "sql: 'SELECT ''a'' FROM self WHERE x x x'",
            "line 1, column 30 of the SQL: expected end of statement, found 'x'",
            2,
            "  sql: 'SELECT ''a'' FROM self WHERE x x x'",
            40,
        ),
        (
            'sql: "SELECT \\"a\\" FROM self WHERE x x x"',
            "line 1, column 30 of the SQL: expected end of statement, found 'x'",
            2,
            '  sql: "SELECT \\"a\\" FROM self WHERE x x x"',
            40,
        ),
        (
            'sql: "SELECT \\t1 FROM self WHERE x x x"',
            "line 1, column 29 of the SQL: expected end of statement, found 'x'",
            2,
            '  sql: "SELECT \\t1 FROM self WHERE x x x"',
            8,
        ),
        (
            "sql: |\n\n  SELECT *\n    FROM self\n  WHERE x x x\n",
            "line 4, column 9 of the SQL: expected end of statement, found 'x'",
            6,
            "    WHERE x x x",
            13,
        ),
        (
            "sql: >-\n  SELECT *\n  FROM self\n\n  WHERE x x x\n",
            "line 2, column 9 of the SQL: expected end of statement, found 'x'",
            6,
            "    WHERE x x x",
            13,
        ),
        (
            "sql: SELECT *\n  FROM self\n  WHERE x x x\n",
            "line 1, column 28 of the SQL: expected end of statement, found 'x'",
            4,
            "    WHERE x x x",
            13,
        ),
        (
            "sql: SELECT 'abc FROM self",
            "line 1, column 8 of the SQL: unterminated string literal",
            2,
            "  sql: SELECT 'abc FROM self",
            15,
        ),
        (
            "sql: |\n  SELECT *\n  FROM self\n  WHERE\n",
            "the SQL ends too early: expected an expression",
            5,
            "    WHERE",
            9,
        ),
        (
            "where: year >",
            "the SQL ends too early: expected an expression",
            2,
            "  where: year >",
            15,
        ),
        (
            "where: |\n  year > 1\n  AND )\n",
            "line 2, column 5 of the SQL: expected an expression, found ')'",
            4,
            "    AND )",
            9,
        ),
        (
            "select: [{a: year year year}]",
            "line 1, column 11 of the SQL: expected end of statement, found 'year'",
            2,
            "  select: [{a: year year year}]",
            26,
        ),
        (
            "where: foo(year) > 1",
            "no function 'foo'",
            2,
            "  where: foo(year) > 1",
            10,
        ),
    ],
)
def test_sql_is_shown_where_it_is_wrong(
    tmp_path: Path, text: str, what: str, line: int, shown: str, column: int
) -> None:
    assert refusal(text, tmp_path).split("\n  try:")[0] == what + at(line, shown, column)


def test_place_in_sql_with_a_variable_is_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE", "self")

    assert refusal("sql: SELECT * FROM ${TABLE} WHERE x x x", tmp_path) == (
        "line 1, column 28 of the SQL: expected end of statement, found 'x'"
        + at(2, "  sql: SELECT * FROM ${TABLE} WHERE x x x", 8)
    )


def test_place_in_sql_whose_file_is_gone_is_its_start(tmp_path: Path) -> None:
    made = transform("sql: |\n  SELECT *\n  FRM self\n", tmp_path)
    tmp_path.joinpath("flows/a.yml").unlink()

    with pytest.raises(TransformError) as error:
        made.apply(ROWS, CONTEXT)

    assert str(error.value) == (
        "line 2, column 1 of the SQL: expected end of statement, found 'FRM'" + at(2, "  sql: |", 8)
    )


# Order


COUNT = 200_000

ROUNDS = 10


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("big")
    numbers = pl.int_range(COUNT, eager=True)
    rows = pl.DataFrame(
        {
            "id": numbers,
            "k": numbers * 7919 % 1013,
            "g": numbers % 7,
            "v": numbers * 31 % 1009,
            "t": "t" + (numbers % 97).cast(pl.String),
        }
    )
    other = pl.int_range(0, 1013, 2, eager=True)
    pl.DataFrame({"k": other, "z": other % 5}).write_parquet(folder / "other.parquet")
    rows.write_parquet(folder / "rows.parquet", row_group_size=10_000)
    return {"rows": folder / "rows.parquet", "other": folder / "other.parquet"}


def digests(folder: Path, plan: Any) -> set[str]:
    """Return the hashes of the files that are written for what *plan* returns each time."""
    found = set()
    for i in range(ROUNDS):
        file = folder / f"{i}.parquet"
        plan().sink_parquet(file, engine="streaming")
        found.add(content_hash(file))
    return found


QUERIES = [
    "SELECT k, SUM(v) AS s FROM self GROUP BY k",
    "SELECT self.id, z FROM self JOIN other ON self.k = other.k",
    "SELECT self.id, z FROM self LEFT JOIN other ON self.k = other.k",
    "SELECT * FROM self WHERE k IN (SELECT k FROM other)",
    "SELECT k FROM self UNION SELECT k FROM other",
    "SELECT k, g FROM self UNION ALL SELECT k, z FROM other",
    "SELECT k FROM self EXCEPT SELECT k FROM other",
    "SELECT * FROM self ORDER BY g",
    "SELECT id, v FROM self ORDER BY g DESC",
    "SELECT id, v FROM self ORDER BY g % 3, t DESC NULLS LAST",
    "SELECT g, k, COUNT(*) AS n FROM self GROUP BY g, k ORDER BY n DESC LIMIT 10",
    "SELECT k, COUNT(*) AS n FROM self GROUP BY k ORDER BY SUM(g) % 5 LIMIT 20 OFFSET 5 -- end",
    "SELECT k, COUNT(*) AS n FROM self GROUP BY k LIMIT 10;",
    "WITH a AS (SELECT k, SUM(v) AS s FROM self GROUP BY k) SELECT s, z FROM a JOIN other USING(k)",
    "SELECT k FROM self UNION ALL SELECT k FROM other ORDER BY k DESC LIMIT 1000",
    "SELECT g, ARRAY_AGG(DISTINCT t) AS l FROM self WHERE id < 5 GROUP BY g",
]


@pytest.mark.parametrize("query", QUERIES)
def test_query_gives_the_same_bytes_every_time(
    tmp_path: Path, big: dict[str, Path], query: str
) -> None:
    made = transform(f"sql: '{query}'", tmp_path, ["other"])
    context = Context(PARTITION, {"other": pl.scan_parquet(big["other"])}, RUN)

    found = digests(tmp_path, lambda: made.apply(pl.scan_parquet(big["rows"]), context))

    assert len(found) == 1


def test_query_would_not_give_the_same_bytes_by_itself(
    tmp_path: Path, big: dict[str, Path]
) -> None:
    frames = {"self": pl.scan_parquet(big["rows"])}

    found = digests(tmp_path, lambda: pl.SQLContext(frames=frames, eager=False).execute(QUERIES[0]))

    assert len(found) > 1


PLANS = {
    "group_by": lambda rows, other: rows.group_by("k").agg(pl.col("v").sum()),
    "lists": lambda rows, other: rows.group_by("k").agg(pl.col("id").sort()),
    "join": lambda rows, other: rows.join(other, on="k"),
    "semi": lambda rows, other: rows.join(other, on="k", how="semi"),
    "unique": lambda rows, other: rows.select("k", "g").unique(),
    "unique values": lambda rows, other: rows.select(pl.col("k").unique()),
    "value_counts": lambda rows, other: rows.select(pl.col("k").value_counts()),
    "pivot": lambda rows, other: rows.pivot(
        on="g", on_columns=list(range(7)), index="k", values="v", aggregate_function="sum"
    ),
    "sort": lambda rows, other: rows.sort("g", descending=True),
    "sort and more": lambda rows, other: (
        rows.sort("g").filter(pl.col("v") > 500).with_columns(w=pl.col("v") + 1).select("g", "w")
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_function_gives_the_same_bytes_every_time(
    tmp_path: Path, big: dict[str, Path], name: str
) -> None:
    def plan() -> pl.LazyFrame:
        rows, other = pl.scan_parquet(big["rows"]), pl.scan_parquet(big["other"])
        return order.of_frame(PLANS[name](rows, other))

    assert len(digests(tmp_path, plan)) == 1


def test_function_s_result_is_given_an_order(tmp_path: Path, big: dict[str, Path]) -> None:
    source = "def mark(rows):\n    return rows.group_by('g').len()\n"
    made = transform("python: flows/late.py:mark", _with(tmp_path, source))

    result = made.apply(pl.scan_parquet(big["rows"]), CONTEXT).collect()

    assert result["g"].to_list() == [0, 1, 2, 3, 4, 5, 6]


def _with(root: Path, source: str) -> Path:
    root.joinpath("flows").mkdir()
    root.joinpath("flows/late.py").write_text(source, encoding="utf-8")
    return root


def test_order_of_a_query_holds_and_its_ties_are_broken(tmp_path: Path) -> None:
    rows = pl.LazyFrame(
        {"a": [1, 2, None, 1], "b": [1.5, 2.5, 3.5, 0.5], "c": ["x", "y", "z", "w"]}
    )
    text = "sql: SELECT b, c, a FROM self ORDER BY a DESC NULLS LAST"

    assert applied(text, tmp_path, rows).rows() == [
        (2.5, "y", 2),
        (0.5, "w", 1),
        (1.5, "x", 1),
        (3.5, "z", None),
    ]


def test_floats_are_sorted_by_last_and_nulls_come_first(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"f": [1.5, 0.5, 2.5, 9.5], "k": [1, 2, None, 1]})

    result = applied("sql: SELECT f, k FROM self GROUP BY f, k", tmp_path, rows)

    assert result.rows() == [(2.5, None), (1.5, 1), (9.5, 1), (0.5, 2)]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (lambda rows: rows.filter(pl.col("a") > 0).select("b", c=pl.col("a") + 1), False),
        (lambda rows: rows.with_columns(w=pl.col("a").sum().over("b")), False),
        (lambda rows: rows.sort("a", maintain_order=True), False),
        (lambda rows: rows.unique(maintain_order=True), False),
        (lambda rows: rows.group_by("a", maintain_order=True).len(), False),
        (lambda rows: pl.concat([rows, rows]), False),
        (lambda rows: rows.sort("a"), True),
        (lambda rows: rows.sort("a", "b", descending=[True, False]), True),
        (lambda rows: rows.unique(), True),
        (lambda rows: rows.group_by("a").len().filter(pl.col("len") > 1), True),
        (lambda rows: rows.join(rows, how="cross"), True),
        (lambda rows: rows.join(rows, on="a", how="anti"), True),
        (lambda rows: pl.union([rows, rows]), True),
    ],
)
def test_plan_tells_whether_its_order_is_open(plan: Any, expected: bool) -> None:
    rows = pl.LazyFrame({"a": [1], "b": [1]})

    assert order.is_open(plan(rows).explain(optimized=False)) is expected


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (lambda rows: rows, []),
        (lambda rows: rows.sort("a"), [order.Key("a")]),
        (
            lambda rows: rows.sort("a", "b", descending=[True, False], nulls_last=[False, True]),
            [order.Key("a", descending=True), order.Key("b", nulls_last=True)],
        ),
        (lambda rows: rows.sort("a").select("b", "a").head(3), [order.Key("a")]),
        (lambda rows: rows.sort("a").filter(pl.col("b") > 0), [order.Key("a")]),
        (lambda rows: rows.sort("a").with_columns(b=pl.col("a") + 1), [order.Key("a")]),
        (lambda rows: rows.sort("a").with_columns(a=pl.col("a") + 1), None),
        (lambda rows: rows.sort("a").with_columns(pl.col("a") + 1), None),
        (lambda rows: rows.sort("a").select(pl.col("a") + 1), None),
        (lambda rows: rows.sort("a").select(pl.col("b").alias("a")), None),
        (lambda rows: rows.sort("a").select("b"), None),
        (lambda rows: rows.sort(pl.col("a") + 1), None),
        (lambda rows: rows.sort("a").group_by("a").len(), []),
        (lambda rows: rows.sort("a").join(rows, on="a"), []),
    ],
)
def test_keys_that_a_plan_is_sorted_by_are_known(plan: Any, expected: Any) -> None:
    rows = plan(pl.LazyFrame({"a": [1], "b": [1]}))

    keys = order.own_keys(rows.explain(optimized=False), rows.collect_schema().names())

    assert keys == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT a, b FROM self", None),
        ("SELECT a, b FROM self ORDER BY b", "SELECT a, b FROM self ORDER BY b, {} "),
        (
            "SELECT a, b FROM self ORDER BY b LIMIT 1",
            "SELECT a, b FROM self ORDER BY b, {} LIMIT 1",
        ),
        ("SELECT a, b FROM self limit 1 -- x", "SELECT a, b FROM self ORDER BY {} limit 1 -- x"),
        ("SELECT a, b FROM self ORDER BY b -- x", "SELECT a, b FROM self ORDER BY b, {}  -- x"),
        ("SELECT a, b FROM (SELECT * FROM self ORDER BY a LIMIT 1)", None),
        ("SELECT a, ROW_NUMBER() OVER (ORDER BY a) AS b FROM self", None),
        ("SELECT a, ' ORDER BY ' AS b FROM self", None),
        ('SELECT a, b AS "limit" FROM self', None),
        ("SELECT a, b FROM self /* ORDER BY */", None),
    ],
)
def test_ties_are_broken_in_the_query_itself(query: str, expected: str | None) -> None:
    schema = pl.Schema({"a": pl.Float64(), "b": pl.Int64()})
    keys = "2 NULLS FIRST, 1 NULLS FIRST"

    assert order.tie_broken(query, schema) == (expected and expected.format(keys))


def test_rows_that_are_sorted_by_no_column_of_theirs_are_left_alone() -> None:
    rows = pl.LazyFrame({"a": [2, 1], "b": [1, 2]}).sort("a").select("b")

    assert order.of_frame(rows) is rows


def test_nothing_is_sorted_that_has_an_order(tmp_path: Path) -> None:
    made = transform("sql: SELECT year + 1 AS y, origin FROM self WHERE year > 1", tmp_path)

    assert "SORT" not in made.apply(ROWS, CONTEXT).explain(optimized=False)


# Names of types


FLAT = [
    *(pl.String(), pl.Boolean(), pl.Binary(), pl.Date(), pl.Time(), pl.Categorical(), pl.Null()),
    *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()),
    *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.UInt128()),
    *(pl.Float16(), pl.Float32(), pl.Float64()),
]

UNITS: Any = st.sampled_from(["ms", "us", "ns"])
ZONES = st.none() | st.sampled_from(["UTC", "Europe/Warsaw", "America/Argentina/Buenos_Aires"])
DECIMALS = st.integers(1, 38).flatmap(
    lambda precision: st.builds(pl.Decimal, st.just(precision), st.integers(0, precision))
)
TYPES = st.recursive(
    st.sampled_from(FLAT)
    | st.builds(pl.Datetime, UNITS, ZONES)
    | st.builds(pl.Duration, UNITS)
    | DECIMALS
    | st.builds(pl.Enum, st.lists(st.text(), unique=True, max_size=4)),
    lambda inner: st.builds(pl.List, inner),
    max_leaves=3,
)


@given(TYPES)
def test_name_of_a_type_means_that_type(dtype: pl.DataType) -> None:
    name = type_name(dtype)

    assert polars_type(name) == dtype
    assert canonical_name(name) == name


@pytest.mark.parametrize("name", known_names())
def test_every_known_name_means_a_type_whatever_its_case(name: str) -> None:
    dtype = polars_type(name)

    assert dtype is not None
    assert type_name(dtype) == canonical_name(name) == canonical_name(f" {name} ")
    if "[" not in name:
        assert polars_type(name.upper()) == polars_type(name.title()) == dtype


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Int32", "int32"),
        ("Utf8", "string"),
        ("BIGINT", "int64"),
        ("double  Precision", "float64"),
        ("varchar(20)", "string"),
        ("float(24)", "float32"),
        ("float(25)", "float64"),
        ("NUMERIC(10, 2)", "decimal(10,2)"),
        ("decimal(5)", "decimal(5,0)"),
        ("Decimal(precision=10, scale=2)", "decimal(10,2)"),
        ("timestamp(3)", "datetime[ms]"),
        ("timestamptz(9)", "datetime[ns, UTC]"),
        ("timestamp with time zone", "datetime[us, UTC]"),
        ("Datetime[us, UTC]", "datetime[us, UTC]"),
        ("Datetime('ns', 'Europe/Warsaw')", "datetime[ns, Europe/Warsaw]"),
        ("Datetime(time_unit='us', time_zone=None)", "datetime[us]"),
        ("List(Int64)", "list[int64]"),
        ("list[list[varchar]]", "list[list[string]]"),
        ("int8", "int8"),
        ("int4", "int32"),
    ],
)
def test_type_has_names_in_polars_and_in_sql(name: str, expected: str) -> None:
    assert canonical_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("", "foo", "int33", "int32()", "int32(1)", "decimal(39,2)", "decimal(2,3)", "decimal()"),
        *("datetime[s]", "datetime[us, Mars/Base]", "datetime[us, UTC, x]", "duration[x]"),
        *("list[foo]", "list", "enum[a]", "struct[a: int64]", "varchar(x)", "timestamp(4)"),
        *("enum[1]", "datetime[us, ../etc]", "varchar(1,2)", "[int]"),
    ],
)
def test_what_is_no_type_has_no_name(name: str) -> None:
    assert polars_type(name) is None


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pl.Struct({"a": pl.Int64, "b": pl.List(pl.String)}), "struct[a: int64, b: list[string]]"),
        (pl.Array(pl.Int8, 3), "array[int8, 3]"),
        (pl.Object(), "object"),
        (pl.Int64, "int64"),
    ],
)
def test_type_that_no_name_means_is_named_all_the_same(dtype: Any, expected: str) -> None:
    assert type_name(dtype) == expected


def test_types_of_columns_are_named_by_column() -> None:
    assert polars_types({"a": "datetime", "b": "string"}) == {
        "a": pl.Datetime("us"),
        "b": pl.String(),
    }
