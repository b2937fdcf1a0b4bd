"""Checks hold rows against what a flow asks of them, and tell what does not hold, and where."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.checks import Checks
from hygge.checks.verdict import Verdict
from hygge.checks.written import _problem_of_pattern
from hygge.document import Document, parse
from hygge.errors import CheckFailed, ConfigError
from hygge.flow import Section
from hygge.partition import FILE, ROW

NOW = dt.datetime(2014, 1, 1, tzinfo=dt.UTC)
FILES = ("data/home/2013-01.csv", "data/home/2013-02.csv")


def checks(*entries: str) -> Checks:
    """Read *entries*, one a line, as they stand under `checks:` in a flow."""
    text = "".join(f"  - {entry}\n" for entry in entries)
    document = parse(f"checks:\n{text}", "flows/delays.yml")
    each = enumerate(document.values["checks"])
    return Checks.create([Section("check", values, document, ("checks", i)) for i, values in each])


def traced(frame: pl.DataFrame, *lengths: int) -> pl.LazyFrame:
    """Return the rows as if they came from files of these *lengths*, one after the other."""
    lengths = lengths or (frame.height,)
    files = [file for file, length in enumerate(lengths) for _ in range(length)]
    rows = [row for length in lengths for row in range(1, length + 1)]
    return frame.lazy().with_columns(
        pl.Series(FILE, files, dtype=pl.UInt32), pl.Series(ROW, rows, dtype=pl.UInt64)
    )


def examine(rows: pl.LazyFrame, *entries: str, files: int = 1) -> Verdict:
    return checks(*entries).examine(rows, FILES[:files], NOW)


def refusal(rows: pl.LazyFrame, *entries: str, files: int = 1) -> str:
    """Return the whole message with which the rows are refused."""
    with pytest.raises(CheckFailed) as error:
        examine(rows, *entries, files=files)
    return str(error.value)


def told(frame: pl.DataFrame, entry: str, *lengths: int, trace: bool = True) -> str:
    """Return the message of the only warning that the check gives; empty if it holds."""
    rows = traced(frame, *lengths) if trace else frame.lazy()
    verdict = examine(rows, f"{{{entry}, severity: warn}}", files=max(1, len(lengths)))
    assert len(verdict.warnings) < 2
    return verdict.warnings[0].message if verdict.warnings else ""


def config_refusal(entry: str) -> str:
    with pytest.raises(ConfigError) as error:
        checks(entry)
    return str(error.value)


def column(*values: Any, dtype: Any = None) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.Series(values, dtype=dtype)})


# What a failure tells


def test_failure_names_file_rows_column_values_count_and_place() -> None:
    delays = [0] * 16 + [9999, 1, -121, None, 2001]
    rows = traced(pl.DataFrame({"delay": delays}))

    assert refusal(rows, "between: {delay: [-120, 2000]}") == (
        "'delay' is not between -120 and 2000 in 3 rows: "
        "9999 in row 17, -121 in row 19, 2001 in row 21 of 'data/home/2013-01.csv'\n"
        "  at flows/delays.yml:2:22  - between: {delay: [-120, 2000]}\n"
        "                                               ^\n"
        "  try: correct the source, or relax the check; "
        "'on_fail: quarantine' sets offending rows aside"
    )


def test_one_row_is_told_in_the_singular() -> None:
    assert told(column(1, 2), "in: {x: [1]}") == (
        "'x' is not one of 1 in 1 row: 2 in row 2 of 'data/home/2013-01.csv'"
    )


def test_five_rows_are_told_of_many() -> None:
    assert told(column(*range(6000)), "between: {x: [null, 99]}") == (
        "'x' is not at most 99 in 5,900 rows: 100 in row 101, 101 in row 102, 102 in row 103, "
        "103 in row 104, 104 in row 105, … of 'data/home/2013-01.csv'"
    )


def test_exactly_five_rows_are_told_without_dots() -> None:
    assert told(column(*range(5)), "between: {x: [9, null]}") == (
        "'x' is not at least 9 in 5 rows: 0 in row 1, 1 in row 2, 2 in row 3, 3 in row 4, "
        "4 in row 5 of 'data/home/2013-01.csv'"
    )


def test_rows_of_several_files_are_told_file_by_file() -> None:
    assert told(column(7, 1, 8, 9), "between: {x: [0, 5]}", 3, 1) == (
        "'x' is not between 0 and 5 in 3 rows: 7 in row 1, 8 in row 3 of 'data/home/2013-01.csv'; "
        "9 in row 1 of 'data/home/2013-02.csv'"
    )


def test_rows_that_are_not_told_may_be_in_another_file() -> None:
    assert told(column(*range(7)), "between: {x: [9, null]}", 6, 1) == (
        "'x' is not at least 9 in 7 rows: 0 in row 1, 1 in row 2, 2 in row 3, 3 in row 4, "
        "4 in row 5 of 'data/home/2013-01.csv'; …"
    )


def test_rows_that_are_not_traced_are_those_of_the_result() -> None:
    assert told(column(1, 7, 9), "between: {x: [0, 5]}", trace=False) == (
        "'x' is not between 0 and 5 in 2 rows: 7 in row 2, 9 in row 3 of the result"
    )


def test_null_is_told_by_its_row_alone() -> None:
    assert told(column(None, 1, None), "not_null: x") == (
        "'x' is null in 2 rows: row 1, row 3 of 'data/home/2013-01.csv'"
    )


def test_expression_is_told_with_the_values_of_its_columns() -> None:
    frame = pl.DataFrame({"a": [1, 5], "b": [2, 2], "c": ["x", "y"]})

    assert told(frame, "expression: a < b") == (
        "'a < b' is not true in 1 row: a=5, b=2 in row 2 of 'data/home/2013-01.csv'"
    )


def test_long_values_and_line_breaks_are_shortened_to_one_line() -> None:
    text = "two\nlines and " + "more " * 100

    assert told(column(text), "matches: {x: '[a-z]+'}") == (
        "'x' does not match '[a-z]+' in 1 row: "
        "'two\\nlines and more more more more more more more more more…' "
        "in row 1 of 'data/home/2013-01.csv'"
    )


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (dt.date(2013, 1, 2), pl.Date, "2013-01-02"),
        (dt.datetime(2013, 1, 2, 3), pl.Datetime("ms"), "2013-01-02T03:00:00"),
        (dt.datetime(2013, 1, 2, 3, 4, 5, 60), pl.Datetime("us"), "2013-01-02T03:04:05.00006"),
        (10**18 + 7, pl.Datetime("ns"), "2001-09-09T01:46:40.000000007"),
        (
            dt.datetime(2013, 7, 2, 3, tzinfo=dt.UTC),
            pl.Datetime("us", "Europe/Berlin"),
            "2013-07-02T05:00:00+02:00",
        ),
        (2**62, pl.Datetime("us"), "4611686018427387904 us since 1970"),
        (dt.time(1, 2, 3, 400_000), pl.Time, "01:02:03.4"),
        (math.nan, pl.Float64, "NaN"),
        (1.5, pl.Float32, "1.5"),
        (Decimal("1.50"), pl.Decimal(10, 2), "1.50"),
        (False, pl.Boolean, "false"),
        ("it's", pl.String, "'it's'"),
    ],
)
def test_values_are_told_as_people_write_them(value: Any, dtype: Any, shown: str) -> None:
    assert told(column(value, dtype=dtype), "expression: x <> x OR x IS NULL") == (
        f"'x <> x OR x IS NULL' is not true in 1 row: x={shown} in row 1 of 'data/home/2013-01.csv'"
    )


def test_all_failing_checks_are_told_in_the_order_written() -> None:
    rows = traced(pl.DataFrame({"a": [1, None, 3], "b": ["x", "x", "y"]}))

    assert refusal(rows, "rows: {min: 5}", "not_null: a", "unique: b", "in: {b: [x, y]}") == (
        "3 rows: fewer than 5; and 2 more checks fail: not_null: a (1), unique: b (1)\n"
        "  at flows/delays.yml:2:11  - rows: {min: 5}\n"
        "                                    ^\n"
        "  try: correct the source, or relax the check"
    )


def test_place_is_that_of_the_column_that_fails() -> None:
    rows = traced(pl.DataFrame({"a": [1], "b": [None]}))

    assert refusal(rows, "not_null: [a, b]").split("\n")[1:3] == [
        "  at flows/delays.yml:2:19  - not_null: [a, b]",
        "                                            ^",
    ]


def test_warnings_and_quarantine_stop_nothing() -> None:
    rows = traced(pl.DataFrame({"a": [1, None, 3]}))
    verdict = examine(
        rows,
        "{not_null: a, on_fail: quarantine}",
        "{rows: {min: 5}, severity: warn}",
        "{in: {a: [1]}, severity: warn}",
        "{not_null: a, severity: warn}",
    )

    assert [(each.check, each.count, each.message) for each in verdict.warnings] == [
        ("rows: min 5", 0, "2 rows beside 1 in quarantine: fewer than 5"),
        ("in: a [1]", 1, "'a' is not one of 1 in 1 row: 3 in row 3 of 'data/home/2013-01.csv'"),
    ]
    assert [(each.check, each.count, each.message) for each in verdict.quarantined] == [
        ("not_null: a", 1, "'a' is null in 1 row: row 2 of 'data/home/2013-01.csv'"),
    ]


# Each kind


def test_several_columns_are_each_checked() -> None:
    frame = pl.DataFrame({"a": [1, None], "b": [None, 2]})
    verdict = examine(traced(frame), "{not_null: [a, b], severity: warn}")

    assert [each.check for each in verdict.warnings] == ["not_null: a", "not_null: b"]


def test_rows_that_repeat_an_earlier_one_are_not_unique() -> None:
    assert told(column("a", "b", "a", "a", None, None), "unique: x") == (
        "'x' is not unique: 2 rows repeat an earlier one: "
        "'a' in row 3, 'a' in row 4 of 'data/home/2013-01.csv'"
    )


def test_a_list_of_columns_is_unique_together() -> None:
    frame = pl.DataFrame({"year": [2013, 2014, 2013, None, None], "id": [1, 1, 1, 1, 1]})

    assert told(frame, "unique: [year, id]") == (
        "'year', 'id' together are not unique: 1 row repeats an earlier one: "
        "(2013, 1) in row 3 of 'data/home/2013-01.csv'"
    )


def test_first_rows_are_told_however_many_there_are() -> None:
    assert told(column(*range(60_000), *range(60_000)), "unique: x") == (
        "'x' is not unique: 60,000 rows repeat an earlier one: 0 in row 60001, 1 in row 60002, "
        "2 in row 60003, 3 in row 60004, 4 in row 60005, … of 'data/home/2013-01.csv'"
    )


def test_a_column_that_stands_twice_counts_once() -> None:
    assert told(column(1, 2), "unique: [x, x]") == ""


@pytest.mark.parametrize("dtype", [pl.Null, pl.Boolean, pl.Binary, pl.Categorical, pl.Date])
def test_every_type_of_single_values_can_be_unique(dtype: Any) -> None:
    assert told(column(None, None, dtype=dtype), "unique: x") == ""


@pytest.mark.parametrize(
    ("dtype", "bounds", "inside", "outside"),
    [
        (pl.UInt8, "[-120, 2000]", [0, 255], []),
        (pl.UInt8, "[300, null]", [], [0, 255]),
        (pl.UInt8, "[null, -1]", [], [0, 255]),
        (pl.Int64, "[0.5, 1.5]", [1], [0, 2]),
        (pl.Int64, "[-.inf, .inf]", [-(2**63), 2**63 - 1], []),
        (pl.Int64, "[9007199254740993, null]", [2**53 + 1], [2**53]),
        (pl.UInt64, "[null, 18446744073709551614]", [2**64 - 2], [2**64 - 1]),
        (pl.Float64, "[0, null]", [0.0, -0.0, math.inf], [-1e-300, math.nan]),
        (pl.Float64, "[null, 0]", [-math.inf], [math.inf, math.nan]),
        (pl.Float32, "[0.1, 0.3]", [0.1, 0.2, 0.3], [0.09, 0.31]),
        (pl.Float32, "[-1.0e+300, 1.0e+300]", [3e38, math.inf], [math.nan]),
        (pl.Decimal(10, 2), "[0.1, 0.305]", [Decimal("0.10"), Decimal("0.30")], [Decimal("0.31")]),
        (pl.Decimal(38, 2), "[null, 1]", [Decimal(1)], [Decimal("9" * 36)]),
        (pl.String, "[b, d]", ["b", "cz", "d"], ["a", "da", ""]),
        (pl.Categorical, "[b, d]", ["b", "c"], ["a"]),
        (pl.Enum(["z", "c", "a"]), "[b, d]", ["c"], ["a", "z"]),
        (pl.Date, "[2013-01-01, 2013-12-31]", [dt.date(2013, 12, 31)], [dt.date(2014, 1, 1)]),
        (pl.Time, "['09:00', '17:00:00.5']", [dt.time(9), dt.time(17)], [dt.time(17, 0, 1)]),
        (
            pl.Datetime("ms"),
            "[2013-01-01 10:00:00.0005, 2013-12-31]",
            [dt.datetime(2013, 1, 1, 10, 0, 0, 1000), dt.datetime(2013, 12, 31)],
            [dt.datetime(2013, 1, 1, 10), dt.datetime(2013, 12, 31, 0, 0, 1)],
        ),
        (pl.Datetime("ns"), "[null, 1970-01-01]", [0], [1]),
        (pl.Datetime("ns"), "[0001-01-01, 9999-12-31]", [-(2**63) + 1, 2**63 - 1], []),
        (
            pl.Datetime("us", "Europe/Berlin"),
            "['2013-01-01T01:00+00:00', '2013-01-01T02:30']",
            [dt.datetime(2013, 1, 1, 1, tzinfo=dt.UTC)],
            [dt.datetime(2013, 1, 1, 2, tzinfo=dt.UTC), dt.datetime(2013, 1, 1, tzinfo=dt.UTC)],
        ),
        (pl.Null, "[1, 2]", [None], []),
    ],
)
def test_bounds_are_exact_whatever_the_type(
    dtype: Any, bounds: str, inside: list[Any], outside: list[Any]
) -> None:
    frame = column(*inside, None, *outside, dtype=dtype)
    verdict = examine(
        frame.lazy().with_row_index("n"), f"{{between: {{x: {bounds}}}, on_fail: quarantine}}"
    )

    good = verdict.good(frame.lazy().with_row_index("n")).collect()["n"].to_list()
    assert good == list(range(len(inside) + 1))


@pytest.mark.parametrize(
    ("dtype", "allowed", "inside", "outside"),
    [
        (pl.Int8, "[1, 2.0, 2.5, 300, null]", [1, 2], [3, 44]),
        (pl.Float64, "[0, .nan]", [0.0, -0.0, math.nan], [1.0]),
        (pl.Float32, "[0.1]", [0.1], [0.2]),
        (pl.Decimal(10, 2), "[0.1, 0.205]", [Decimal("0.10")], [Decimal("0.20"), Decimal("0.21")]),
        (pl.String, "[EWR, '1']", ["EWR", "1"], ["ewr", "EWR ", ""]),
        (pl.Categorical, "[a]", ["a"], ["b"]),
        (pl.Boolean, "[true]", [True], [False]),
        (pl.Date, "[2013-01-01]", [dt.date(2013, 1, 1)], [dt.date(2013, 1, 2)]),
        (pl.Time, "['09:00']", [dt.time(9)], [dt.time(10)]),
        (pl.Datetime("us"), "[2013-01-01]", [dt.datetime(2013, 1, 1)], [dt.datetime(2013, 1, 2)]),
        (pl.Int64, "[null]", [], [1]),
        (pl.Null, "[1]", [], []),
    ],
)
def test_values_are_compared_exactly_whatever_the_type(
    dtype: Any, allowed: str, inside: list[Any], outside: list[Any]
) -> None:
    frame = column(*inside, None, *outside, dtype=dtype).lazy().with_row_index("n")
    verdict = examine(frame, f"{{in: {{x: {allowed}}}, on_fail: quarantine}}")

    assert verdict.good(frame).collect()["n"].to_list() == list(range(len(inside) + 1))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("N[0-9]+", ["N1", "N22"], ["xN1", "N1x", "N1\n", "\nN1", ""]),
        ("a|b", ["a", "b"], ["ab", "ax", "xb"]),
        ("(?m)^a$", ["a"], ["a\nb", "b\na"]),
        (r"\p{L}+", ["é", "日本"], ["1"]),
        ("[[:alpha:](]+", ["a(", "("], [")"]),
        ("", [""], ["a"]),
    ],
)
def test_whole_value_must_match(pattern: str, matching: list[str], others: list[str]) -> None:
    frame = column(*matching, None, *others, dtype=pl.String).lazy().with_row_index("n")
    verdict = examine(frame, f"{{matches: {{x: '{pattern}'}}, on_fail: quarantine}}")

    assert verdict.good(frame).collect()["n"].to_list() == list(range(len(matching) + 1))


@pytest.mark.parametrize(
    ("number", "limits", "message"),
    [
        (0, "min: 1", "0 rows: fewer than 1"),
        (1, "min: 1, max: 1", ""),
        (2, "min: 1, max: 1", "2 rows: more than 1"),
        (1, "min: 1200", "1 row: fewer than 1,200"),
    ],
)
def test_rows_are_counted(number: int, limits: str, message: str) -> None:
    assert told(column(*range(number), dtype=pl.Int64), f"rows: {{{limits}}}") == message


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("x > 1", [0]),
        ("x > 1 OR x IS NULL", [0]),
        ("x IS NOT NULL", [3]),
        ("x > AVG(x)", [0, 1]),
        ("SUM(x) > 100", [0, 1, 2, 3]),
        ("COUNT(*) = 4", []),
        ("1 = 1", []),
        ("1 = 2", [0, 1, 2, 3]),
        ("NULL", []),
        ("x > 1 AS y", [0]),
        ('"x" > 1', [0]),
    ],
)
def test_expression_must_be_true_or_null(text: str, offending: list[int]) -> None:
    frame = column(1, 2, 3, None).lazy().with_row_index("n")
    verdict = examine(frame, f"{{expression: '{text}', on_fail: quarantine}}")

    assert verdict.quarantine(frame).collect()["n"].to_list() == offending


@pytest.mark.parametrize(
    ("values", "dtype", "age", "message"),
    [
        ([dt.datetime(2013, 12, 30), None], None, "2d", ""),
        (
            [dt.datetime(2013, 12, 30, 0, 0, 1), dt.datetime(2013, 1, 1)],
            None,
            "47h",
            "the newest 'x' is 2013-12-30T00:00:01, 1d 23h old: more than 47h",
        ),
        ([dt.date(2013, 12, 30)], None, "2d", ""),
        (
            [dt.date(2013, 12, 1)],
            None,
            "2w",
            "the newest 'x' is 2013-12-01, 31d 0h old: more than 2w",
        ),
        ([dt.date(2014, 12, 1)], None, "1m", ""),
        (
            [dt.datetime(2013, 12, 30, tzinfo=dt.UTC)],
            pl.Datetime("ms", "America/New_York"),
            "1d",
            "the newest 'x' is 2013-12-29T19:00:00-05:00, 2d 0h old: more than 1d",
        ),
        ([], pl.Date, "1d", "'x' has no newest value: there are no rows"),
        ([None, None], pl.Date, "1d", "'x' has no newest value: it is null in 2 rows"),
        ([None], pl.Null, "1d", "'x' has no newest value: it is null in 1 row"),
        ([dt.date(1, 1, 1)], pl.Date, "99999999999999999w", ""),
    ],
)
def test_newest_value_must_not_be_too_old(
    values: list[Any], dtype: Any, age: str, message: str
) -> None:
    frame = column(*values, dtype=dtype)

    assert told(frame, f"freshness: {{column: x, max_age: {age}}}") == message


def test_no_rows_offend_where_there_are_none() -> None:
    frame = pl.DataFrame(schema={"x": pl.Int64, "s": pl.String})
    verdict = examine(
        traced(frame),
        "not_null: x",
        "{unique: x, on_fail: quarantine}",
        "{between: {x: [5, 6]}, on_fail: quarantine}",
        "in: {x: [1]}",
        "matches: {s: a}",
        "expression: SUM(x) > 5",
        "rows: {max: 0}",
    )

    assert (verdict.warnings, verdict.quarantined) == ((), ())
    assert verdict.good(traced(frame)).collect().equals(frame)
    assert verdict.quarantine(traced(frame)).collect().height == 0


# Quarantine


def test_rows_are_set_aside_with_all_their_reasons_in_order() -> None:
    frame = pl.DataFrame({"a": [3, None, 1, 1, 9, 1], "b": ["x", None, "y", "y", "z", None]})
    rows = traced(frame)
    verdict = examine(
        rows,
        "{not_null: [a, b], on_fail: quarantine}",
        "{unique: [a], on_fail: quarantine}",
        "{between: {a: [0, 5]}, on_fail: quarantine}",
    )

    assert verdict.good(rows).collect().rows() == [(3, "x"), (1, "y")]
    assert verdict.quarantine(rows).collect().rows(named=True) == [
        {"a": None, "b": None, "quarantine_reason": "'a' is null; 'b' is null"},
        {
            "a": 1,
            "b": "y",
            "quarantine_reason": "'a' is not unique: it repeats an earlier row",
        },
        {"a": 9, "b": "z", "quarantine_reason": "'a' is not between 0 and 5"},
        {"a": 1, "b": None, "quarantine_reason": "'b' is null"},
    ]


def test_row_that_is_set_aside_makes_no_other_a_repetition() -> None:
    frame = pl.DataFrame({"id": [1, 1, 2], "b": [None, "x", "x"]})
    rows = traced(frame)
    verdict = examine(
        rows,
        "{unique: b, on_fail: quarantine}",
        "{unique: id, on_fail: quarantine}",
        "{not_null: b, on_fail: quarantine}",
        "unique: [id, b]",
    )

    assert verdict.good(rows).collect().rows() == [(1, "x")]


def test_checks_that_stop_judge_what_is_left() -> None:
    rows = traced(pl.DataFrame({"x": ["1", "two", "1"]}))
    verdict = examine(
        rows,
        "unique: x",
        "expression: CAST(x AS INT) > 0 AND COUNT(*) = 1",
        "rows: {max: 1}",
        "{matches: {x: '[0-9]+'}, on_fail: quarantine}",
        "{unique: x, on_fail: quarantine}",
    )

    assert verdict.good(rows).collect().rows() == [("1",)]
    assert verdict.warnings == ()


def test_nothing_is_set_aside_where_all_holds() -> None:
    rows = traced(column(1, 2))
    verdict = examine(rows, "{not_null: x, on_fail: quarantine}")

    assert verdict.quarantined == ()
    assert verdict.good(rows).collect().rows() == [(1,), (2,)]
    assert verdict.quarantine(rows).collect().schema == {
        "x": pl.Int64,
        "quarantine_reason": pl.String,
    }


def test_quarantined_row_can_be_examined_again() -> None:
    frame = pl.DataFrame({"quarantine_reason": ["an older one"], "x": [None]})
    verdict = examine(frame.lazy(), "{not_null: x, on_fail: quarantine}")

    assert verdict.quarantine(frame.lazy()).collect().rows(named=True) == [
        {"x": None, "quarantine_reason": "'x' is null"}
    ]


# Checks that can't be applied


@pytest.mark.parametrize(
    ("entry", "what", "hint"),
    [
        ("not_null: [x, orgin]", "no column 'orgin' to check", "did you mean 'origin'?"),
        ("unique: __hygge_row", "no column '__hygge_row' to check", "one of 'x', 'origin'"),
        ("expression: orgin > 1", "no column 'orgin' to check", "did you mean 'origin'?"),
        (
            "freshness: {column: orgin, max_age: 1d}",
            "no column 'orgin' to check",
            "did you mean 'origin'?",
        ),
        (
            "between: {x: [a, z]}",
            "the bound 'a' is not a number, but 'x' is of type int64",
            "write it without quotes, or cast the column under 'transform'",
        ),
        (
            "between: {origin: [1, 2]}",
            "the bound 1 is not text, but 'origin' is of type string",
            "quote it",
        ),
        (
            "in: {origin: [EWR, NO]}",
            "the value false is not text, but 'origin' is of type string",
            "quote it",
        ),
        (
            "in: {x: [true]}",
            "the value true is not a number, but 'x' is of type int64",
            "write a number",
        ),
        (
            "matches: {x: '[0-9]'}",
            "'x' is of type int64: only text matches a pattern",
            "check it with 'between', 'in' or 'expression'",
        ),
        (
            "matches: {origin: '(?!E).*'}",
            "the pattern of 'origin' can't be used: "
            "look-around, including look-ahead and look-behind, is not supported",
            "write it without; or as an 'expression'",
        ),
        (
            "expression: x >",
            "'x >' is no SQL expression: unable to parse 'x >' as Expr",
            "",
        ),
        (
            "expression: x + 1",
            "'x + 1' is of type int64, not true or false",
            "compare it with something",
        ),
        (
            "expression: CAST(origin AS INT) > 0",
            "'CAST(origin AS INT) > 0' can't be evaluated: "
            "'EWR' in the column 'origin' is no int32",
            "mend the expression",
        ),
        (
            "freshness: {column: x, max_age: 1d}",
            "'x' is of type int64: only dates and datetimes have an age",
            "name another column, or cast it under 'transform'",
        ),
    ],
)
def test_check_that_does_not_fit_the_columns_is_an_error(entry: str, what: str, hint: str) -> None:
    frame = pl.DataFrame({"x": [1], "origin": ["EWR"]})
    with pytest.raises(CheckFailed) as error:
        examine(traced(frame), f"{{{entry}, severity: warn}}")

    assert (error.value.what, error.value.hint) == (what, hint)
    assert error.value.where.startswith("flows/delays.yml:2:")


@pytest.mark.parametrize(
    ("dtype", "bound", "what"),
    [
        (pl.Date, "yesterday", "'yesterday' is not a date, but 'x' is of type date"),
        (pl.Date, "2013-01-01T10:00", "'2013-01-01T10:00' is not a date, but 'x' is of type date"),
        (pl.Date, 2013, "2013 is not a date, but 'x' is of type date"),
        (pl.Time, "9", "'9' is not a time, but 'x' is of type time"),
        (
            pl.Time,
            "09:00+01:00",
            "'09:00+01:00' is not a time without an offset, but 'x' is of type time",
        ),
        (
            pl.Datetime("us"),
            "2013-01-01T00:00Z",
            "'2013-01-01T00:00Z' is not a date with a time and without an offset, "
            "but 'x' is of type datetime[us]",
        ),
        (
            pl.Decimal(5, 2),
            "a",
            "'a' is not a number, but 'x' is of type decimal(5,2)",
        ),
    ],
)
def test_bound_that_does_not_fit_the_type_names_both(dtype: Any, bound: Any, what: str) -> None:
    written = f"'{bound}'" if isinstance(bound, str) else bound

    message = refusal(column(None, dtype=dtype).lazy(), f"between: {{x: [{written}, null]}}")
    assert message.split("\n")[0] == f"the bound {what}"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("between: {x: [1, 2]}", "'x' is of type list[int64]: it has no lowest and highest value"),
        ("in: {x: [1, 2]}", "'x' is of type list[int64]: its values can't be listed"),
        (
            "unique: x",
            "'x' is of type list[int64]: such values can't be told to be unique",
        ),
        ("matches: {x: a}", "'x' is of type list[int64]: only text matches a pattern"),
    ],
)
def test_nested_values_can_only_be_null_or_not(entry: str, what: str) -> None:
    frame = column([1], None)

    assert refusal(frame.lazy(), entry).split("\n")[0] == what
    assert told(frame, "not_null: x", trace=False) == "'x' is null in 1 row: row 2 of the result"


# What is wrong before there is any data


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{severity: warn}",
            "an entry that checks nothing\n"
            "  at flows/delays.yml:2:5  - {severity: warn}\n"
            "                             ^\n"
            "  try: add one of 'not_null', 'unique', 'between', 'in', 'matches', 'rows', "
            "'expression', 'freshness'",
        ),
        (
            "{not_null: a, unique: b}",
            "several checks in one entry: 'not_null' and 'unique'\n"
            "  at flows/delays.yml:2:27  - {not_null: a, unique: b}\n"
            "                                                    ^\n"
            "  try: write an entry for each of them",
        ),
        (
            "{rows: {min: 1}, on_fail: quarantine}",
            "'rows' can't quarantine: no single row offends against it\n"
            "  at flows/delays.yml:2:31  - {rows: {min: 1}, on_fail: quarantine}\n"
            "                                                        ^\n"
            "  try: remove 'on_fail', or write 'severity: warn' to be told only",
        ),
        (
            "{not_null: a, on_fail: quarantine, severity: warn}",
            "'severity: warn' leaves offending rows in, 'on_fail: quarantine' sets them aside\n"
            "  at flows/delays.yml:2:28  - {not_null: a, on_fail: quarantine, severity: warn}\n"
            "                                                     ^\n"
            "  try: remove one of the two; what is quarantined is told anyway",
        ),
        (
            "rows: {min: 5, max: 1}",
            "no number of rows is at least 5 and at most 1\n"
            "  at flows/delays.yml:2:11  - rows: {min: 5, max: 1}\n"
            "                                    ^\n"
            "  try: {min: 1, max: 5}",
        ),
        (
            "between: {a: [5, 1]}",
            "the bounds of 'a' leave nothing between them: 5 is above 1\n"
            "  at flows/delays.yml:2:18  - between: {a: [5, 1]}\n"
            "                                           ^\n"
            "  try: [1, 5]",
        ),
        (
            "matches: {a: 'x(y'}",
            "the pattern of 'a' is no regular expression: "
            "missing ), unterminated subpattern, at character 2\n"
            "  at flows/delays.yml:2:18  - matches: {a: 'x(y'}\n"
            "                                           ^\n"
            "  try: mend it; a '\\' before a sign makes it stand for itself",
        ),
        (
            "matches: {a: '*.csv'}",
            "the pattern of 'a' is no regular expression: nothing to repeat, at character 1\n"
            "  at flows/delays.yml:2:18  - matches: {a: '*.csv'}\n"
            "                                           ^\n"
            "  try: mend it; a '\\' before a sign makes it stand for itself",
        ),
        (
            "in: {a: [x, [y]]}",
            "a list among the values of 'a'\n"
            "  at flows/delays.yml:2:17  - in: {a: [x, [y]]}\n"
            "                                          ^\n"
            "  try: write texts, numbers, true, false or null",
        ),
    ],
)
def test_entry_that_could_never_be_applied_is_refused(entry: str, message: str) -> None:
    assert config_refusal(entry) == message


@pytest.mark.parametrize(
    ("bounds", "what"),
    [
        ("[null, null]", "the bounds of 'a' are both open"),
        ("[.nan, 1]", "the bounds of 'a' can't be NaN: nothing compares to it"),
        ("[1, b]", "the bounds of 'a' are a text and a number: 1 and b"),
        ("[b, a]", "the bounds of 'a' leave nothing between them: b is above a"),
        (
            "[2013-02-01, 2013-01-01T00:00]",
            "the bounds of 'a' leave nothing between them: 2013-02-01 is above 2013-01-01T00:00",
        ),
        (
            "['2013-01-01T00:00+00:00', '2013-01-01T00:00+02:00']",
            "the bounds of 'a' leave nothing between them: "
            "2013-01-01T00:00+00:00 is above 2013-01-01T00:00+02:00",
        ),
    ],
)
def test_bounds_that_no_value_could_meet_are_refused(bounds: str, what: str) -> None:
    assert config_refusal(f"between: {{a: {bounds}}}").split("\n")[0] == what


@pytest.mark.parametrize(
    "bounds",
    ["[1, 1]", "[a, a]", "['2013-01-01', '2013-01-01T00:00Z']", "['2013-01-01', a]"],
)
def test_bounds_that_some_value_could_meet_are_taken(bounds: str) -> None:
    assert not checks(f"between: {{a: {bounds}}}").is_empty


@settings(deadline=None, max_examples=500)
@given(st.text(alphabet="ab01()[]{}|*+?.^$\\-&~:,#<>=!pPdwz x\n", max_size=12))
def test_pattern_that_is_refused_without_data_is_refused_by_the_engine_too(pattern: str) -> None:
    if not _problem_of_pattern(pattern):
        return

    with pytest.raises(pl.exceptions.ComputeError, match="regex error"):
        pl.select(pl.lit("").str.contains(pattern))


def test_creating_checks_loads_no_polars() -> None:
    program = (
        "import sys; from hygge.checks import Checks; from hygge.flow import Section\n"
        "from hygge.document import Document\n"
        "values = {'matches': {'a': 'b'}, 'on_fail': 'quarantine'}\n"
        "made = Checks.create([Section('check', values, Document({}), ('checks', 0))])\n"
        "print(len(made.fingerprint()), 'polars' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert result.stdout == "1 False\n"


# The fingerprint


def test_no_checks_are_empty() -> None:
    assert (checks_of_nothing().is_empty, checks_of_nothing().fingerprint()) == (True, [])


def checks_of_nothing() -> Checks:
    return Checks.create([])


def test_short_forms_and_defaults_do_not_change_the_fingerprint() -> None:
    short = checks("not_null: a").fingerprint()

    assert short == checks("{on_fail: stop, severity: error, not_null: [a]}").fingerprint()
    assert short == [{"not_null": ["a"], "severity": "error", "on_fail": "stop"}]


@pytest.mark.parametrize(
    "other",
    [
        "not_null: b",
        "unique: a",
        "{not_null: a, severity: warn}",
        "{not_null: a, on_fail: quarantine}",
    ],
)
def test_whatever_can_change_the_result_changes_the_fingerprint(other: str) -> None:
    assert checks("not_null: a").fingerprint() != checks(other).fingerprint()


# The law: what is counted and set aside is what a plain reading of the rows says

Row = tuple[int | None, float | None, str | None, dt.date | None]

NAMES = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "d": pl.Date}

DATES = [dt.date(2013, 1, day) for day in (1, 2, 3)]

table_rows = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.0, math.inf, math.nan]),
        st.none() | st.sampled_from(["", "a", "ab", "b", "a\nb"]),
        st.none() | st.sampled_from(DATES),
    ),
    max_size=20,
)


def cell(row: Row, name: str) -> Any:
    return row[list(NAMES).index(name)]


Bad = Callable[[Row], bool]


@st.composite
def row_checks(draw: st.DrawFn) -> tuple[dict[str, Any], Bad]:
    """Draw a check of single rows and what it means."""
    kind = draw(st.sampled_from(["not_null", "between", "in", "matches", "expression"]))
    name = draw(st.sampled_from(list(NAMES)))
    if kind == "not_null":
        return {kind: name}, lambda row: cell(row, name) is None
    if kind == "matches":
        return {kind: {"s": "a|a.*b"}}, lambda row: row[2] not in (None, "a", "ab")
    if kind == "expression":
        low = draw(st.integers(-3, 3))
        return {kind: f"i >= {low}"}, lambda row: row[0] is not None and row[0] < low
    some: st.SearchStrategy[Any] = {
        "i": st.integers(-3, 3),
        "f": st.sampled_from([-1.5, 0, 0.25, 2]),
        "s": st.sampled_from(["a", "ab", "b"]),
        "d": st.sampled_from(DATES),
    }[name]
    if kind == "in":
        values = draw(st.lists(some, min_size=1, max_size=3))
        return {kind: {name: written(values)}}, lambda row: cell(row, name) not in (None, *values)
    low, high = sorted([draw(some), draw(some)])

    def outside(row: Row) -> bool:
        value = cell(row, name)
        return value is not None and not low <= value <= high

    return {kind: {name: written([low, high])}}, outside


def written(values: Sequence[Any]) -> list[Any]:
    return [str(value) if isinstance(value, dt.date) else value for value in values]


def repeating(rows: Sequence[tuple[int, Row]], names: Sequence[str]) -> list[int]:
    """Return the numbers of the rows whose values an earlier one has."""
    seen, found = set(), []
    for number, row in rows:
        # NaN is one value here, as in polars; in Python each is another.
        key = tuple("NaN" if v != v else v for v in (cell(row, name) for name in names))
        if None in key:
            continue
        if key in seen:
            found.append(number)
        seen.add(key)
    return found


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that each example writes anew."""
    return tmp_path_factory.mktemp("spool") / "rows.arrow"


keys = st.lists(st.sampled_from(list(NAMES)), min_size=1, max_size=3, unique=True)


@settings(deadline=None, max_examples=300)
@given(
    table_rows, st.lists(row_checks(), max_size=4), keys, st.lists(row_checks(), max_size=4), keys
)
def test_rows_are_parted_and_counted_as_a_plain_reading_says(
    spool: Path,
    rows: list[Row],
    aside: list[tuple[dict[str, Any], Bad]],
    unique_aside: list[str],
    warned: list[tuple[dict[str, Any], Bad]],
    unique_warned: list[str],
) -> None:
    frame = pl.DataFrame(rows, schema=NAMES, orient="row").with_row_index("n")
    spool.unlink(missing_ok=True)  # the one before may still be mapped
    frame.write_ipc(spool, record_batch_size=3)
    entries = [{**values, "on_fail": "quarantine"} for values, _ in aside]
    entries += [{"unique": unique_aside, "on_fail": "quarantine"}]
    entries += [{**values, "severity": "warn"} for values, _ in warned]
    entries += [{"unique": unique_warned, "severity": "warn"}]
    sections = [Section("check", each, Document({}), ("checks", 0)) for each in entries]
    lazy = pl.scan_ipc(spool)
    verdict = Checks.create(sections).examine(lazy, (), NOW)
    good = verdict.good(lazy).collect(engine="streaming")["n"].to_list()
    bad = verdict.quarantine(lazy).collect(engine="streaming")["n"].to_list()

    numbered = list(enumerate(rows))
    sound = [(n, row) for n, row in numbered if not any(is_bad(row) for _, is_bad in aside)]
    repeated = repeating(sound, unique_aside)
    left = [(n, row) for n, row in sound if n not in repeated]
    counts = [sum(is_bad(row) for _, row in left) for _, is_bad in warned]
    counts.append(len(repeating(left, unique_warned)))
    assert good == [n for n, _ in left]
    assert bad == sorted(set(range(len(rows))) - set(good))
    assert [each.count for each in verdict.warnings] == [count for count in counts if count]
