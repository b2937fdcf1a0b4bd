"""Names become clean, ids are hashes that stay the same, added columns say where rows come from."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import sys
from typing import Any

import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.document import Document, parse
from hygge.errors import TransformError
from hygge.flow import Section
from hygge.partition import FILE, ROW
from hygge.transform.polish import clean_name, polish, words

RUN = datetime.datetime(2024, 2, 29, 12, 30, 15, 250, tzinfo=datetime.UTC)


def section(polish: dict[str, Any]) -> Section:
    values = {"polish": polish}
    return Section("transform", values, Document({"transform": values}))


def polished(rows: pl.LazyFrame | pl.DataFrame, **wanted: Any) -> pl.DataFrame:
    return polish(section(wanted), rows.lazy(), RUN).collect(engine="streaming")


def refusal(rows: pl.DataFrame, text: str) -> str:
    """Return the whole message with which the polish written as *text* is refused for *rows*."""
    document = parse(f"transform:\n  polish:\n    {text}\n", "flows/a.yml")
    with pytest.raises(TransformError) as error:
        polish(Section("transform", document.values["transform"], document), rows.lazy(), RUN)
    return str(error.value)


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dep Delay", ["Dep", "Delay"]),
        ("depDelay", ["dep", "Delay"]),
        ("dep_delay", ["dep", "delay"]),
        ("HTTPStatus2", ["HTTP", "Status2"]),
        ("year2013Month", ["year2013", "Month"]),
        ("año_NUEVO", ["año", "NUEVO"]),
        ("ŻółwŻyje", ["Żółw", "Żyje"]),
        ("__id__", ["id"]),
        ("  a \t b ", ["a", "b"]),
        ("ABC", ["ABC"]),
        ("aB", ["a", "B"]),
        ("", []),
        ("東京 駅", ["東京", "駅"]),
    ],
)
def test_name_has_words(name: str, expected: list[str]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    ("name", "snake", "camel", "pascal"),
    [
        ("Dep Delay (min)", "dep_delay_min", "depDelayMin", "DepDelayMin"),
        ("depDelay", "dep_delay", "depDelay", "DepDelay"),
        ("dep-delay", "dep_delay", "depDelay", "DepDelay"),
        ("HTTPStatus2", "http_status2", "httpStatus2", "HttpStatus2"),
        ("año_NUEVO", "año_nuevo", "añoNuevo", "AñoNuevo"),
        ("carrier's name", "carriers_name", "carriersName", "CarriersName"),
        ("2nd stop", "2nd_stop", "2ndStop", "2ndStop"),
        ("% late", "late", "late", "Late"),
        ("an\u0303o", "año", "año", "Año"),
        ("हिन्दी नाम", "हिन्दी_नाम", "हिन्दीनाम", "हिन्दीनाम"),
    ],
)
def test_name_gets_a_case(name: str, snake: str, camel: str, pascal: str) -> None:
    cases = [clean_name(name, case, remove_special=True) for case in ("snake", "camel", "pascal")]

    assert cases == [snake, camel, pascal]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "Dep-Delay (min)"),
        ({"remove_special": True}, "DepDelay min"),
        ({"remove_spaces": True}, "Dep-Delay(min)"),
        ({"remove_special": True, "remove_spaces": True}, "DepDelaymin"),
        ({"case": "snake"}, "dep-delay_(min)"),
        ({"case": "snake", "remove_special": True}, "dep_delay_min"),
    ],
)
def test_name_loses_what_is_to_be_removed(options: dict[str, Any], expected: str) -> None:
    assert clean_name(" Dep-Delay (min)", **options) == expected


@given(st.text())
def test_snake_is_snake_already(name: str) -> None:
    once = clean_name(name, "snake", remove_special=True)

    assert clean_name(once, "snake", remove_special=True) == once


def test_columns_are_renamed_and_hidden_ones_are_not() -> None:
    rows = pl.DataFrame({"Dep Delay": [1], FILE: [0], ROW: [1]})

    assert polished(rows, columns={"case": "snake"}).columns == ["dep_delay", FILE, ROW]


def test_two_columns_can_not_get_one_name() -> None:
    rows = pl.DataFrame({"Dep Delay": [1], "depDelay": [2]})

    assert refusal(rows, "columns: {case: snake}") == (
        "the columns 'Dep Delay' and 'depDelay' would both be called 'dep_delay'\n"
        "  at flows/a.yml:3:14  columns: {case: snake}\n"
        "                                ^\n"
        "  try: rename one first, under 'rename'"
    )


def test_name_of_which_nothing_is_left_is_refused() -> None:
    assert refusal(pl.DataFrame({"(%)": [1]}), "columns: {remove_special: true}") == (
        "nothing would be left of the column's name '(%)'\n"
        "  at flows/a.yml:3:14  columns: {remove_special: true}\n"
        "                                ^\n"
        "  try: rename it first, under 'rename'"
    )


# Constants and timestamps


def test_constants_stand_in_every_row_with_the_type_of_their_value() -> None:
    values: dict[str, Any] = {"i": 5, "f": 1.5, "t": "x", "b": True, "n": None}
    wanted = [{"name": name, "value": value} for name, value in values.items()]

    result = polished(pl.DataFrame({"id": [1, 2]}), constants=wanted)

    assert result.rows(named=True) == [{"id": 1, **values}, {"id": 2, **values}]
    assert result.dtypes == [pl.Int64, pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Null]


def test_constant_can_not_take_the_name_of_a_column() -> None:
    text = "constants: [{name: id, value: 1}]"

    assert refusal(pl.DataFrame({"id": [1]}), text) == (
        "there is a column 'id' already\n"
        "  at flows/a.yml:3:24  constants: [{name: id, value: 1}]\n"
        "                                          ^\n"
        "  try: choose another name"
    )


def test_timestamp_is_the_instant_of_the_run() -> None:
    result = polished(pl.DataFrame({"id": [1]}), timestamps=[{"name": "at"}])

    assert result.schema["at"] == pl.Datetime("us", "UTC")
    assert result["at"].to_list() == [RUN]


def test_timestamp_of_a_run_in_another_zone_is_in_utc() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=5))
    wanted = section({"timestamps": [{"name": "at", "source": "run"}]})

    result = polish(wanted, pl.LazyFrame({"id": [1]}), RUN.astimezone(zone)).collect()

    assert result["at"].to_list() == [RUN]


def test_timestamp_is_the_present_where_that_is_asked_for() -> None:
    before = datetime.datetime.now(datetime.UTC)
    result = polished(pl.DataFrame({"id": [1]}), timestamps=[{"name": "at", "source": "now_utc"}])
    after = datetime.datetime.now(datetime.UTC)

    assert before <= result["at"].item() <= after


# Hashes


def ids(rows: pl.DataFrame, *columns: str, algo: str = "xxh3_128") -> list[str]:
    wanted = [{"name": "the id", "from_columns": list(columns), "algo": algo}]
    return polished(rows, hash_ids=wanted)["the id"].to_list()


def test_hash_is_of_the_lengths_and_texts_of_the_values() -> None:
    rows = pl.DataFrame({"a": ["añ", None], "b": [12, 3]})
    encoded = ["3:añ2:12".encode(), b"~1:3"]

    assert ids(rows, "a", "b") == [xxhash.xxh3_128_hexdigest(each) for each in encoded]
    assert ids(rows, "a", "b", algo="xxh3_64") == [xxhash.xxh3_64_hexdigest(e) for e in encoded]
    assert ids(rows, "a", "b", algo="md5") == [hashlib.md5(each).hexdigest() for each in encoded]
    assert ids(rows, "a", "b", algo="sha256") == [hashlib.sha256(e).hexdigest() for e in encoded]


def test_hash_is_known_for_good() -> None:
    """Ids that are in stores already: none of these may ever change."""
    rows = pl.DataFrame(
        {
            "text": ["EWR"],
            "whole": [-7],
            "float": [0.1],
            "single": pl.Series([0.5], dtype=pl.Float32),
            "bool": [True],
            "date": [datetime.date(2013, 1, 2)],
            "time": [datetime.time(1, 2, 3, 4)],
            "at": [datetime.datetime(2013, 1, 2, 3, 4, 5, 6)],
            "there": pl.Series([RUN]).dt.convert_time_zone("Asia/Tokyo"),
            "span": [datetime.timedelta(seconds=1)],
            "bytes": [b"\x00\xff"],
            "decimal": pl.Series(["1.50"]).str.to_decimal(scale=2),
        }
    )
    parts = [
        *("EWR", "-7", "0.1", "0.5", "true", "2013-01-02", "01:02:03.000004000"),
        *("2013-01-02T03:04:05.000006000", "2024-02-29T12:30:15.000250000Z"),
        *("1000000us", "00ff", "1.50"),
    ]
    encoded = "".join(f"{len(each)}:{each}" for each in parts)

    assert ids(rows, *rows.columns) == [xxhash.xxh3_128_hexdigest(encoded.encode())]
    assert ids(rows, *rows.columns) == ["02e49198e2db0a0947a3199ff514e1cc"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        ((None, "x"), ("", "x")),
        ((None, "x"), ("null", "x")),
        ((None, "x"), ("~", "x")),
        ((None, None), (None, "")),
        (("a", None), (None, "a")),
        (("1:a", ""), ("", "1:a")),
    ],
)
def test_rows_that_differ_have_different_hashes(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    rows = pl.DataFrame([one, other], schema={"a": pl.String, "b": pl.String}, orient="row")

    assert len(set(ids(rows, "a", "b"))) == 2


TEXTS = st.none() | st.text(st.sampled_from("ab:~01 ñ"), max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=30))
def test_hashes_are_equal_if_and_only_if_the_values_are(values: list[tuple[Any, ...]]) -> None:
    schema = {"a": pl.String, "b": pl.String, "c": pl.String}
    rows = pl.DataFrame(values, schema=schema, orient="row")

    hashes = ids(rows, "a", "b", "c")

    assert len(set(zip(values, hashes, strict=True))) == len(set(values)) == len(set(hashes))


def test_equal_numbers_have_equal_hashes() -> None:
    zeros = pl.DataFrame({"a": [0.0, -0.0]})
    narrow = pl.DataFrame({"a": pl.Series([7], dtype=pl.Int8)})
    wide = pl.DataFrame({"a": [7]})

    assert len(set(ids(zeros, "a"))) == 1
    assert ids(narrow, "a") == ids(wide, "a")


def test_one_instant_has_one_hash_in_every_unit_and_zone() -> None:
    instants = [
        pl.Series([RUN.replace(microsecond=0)]).dt.cast_time_unit(unit).dt.convert_time_zone(zone)
        for unit in ("ms", "us", "ns")
        for zone in ("UTC", "America/New_York")
    ]

    assert len({ids(pl.DataFrame({"a": each}), "a")[0] for each in instants}) == 1


def test_hash_is_the_same_in_another_process() -> None:
    program = (
        "import polars as pl, datetime\n"
        "from tests.test_polish import ids\n"
        "print(*ids(pl.DataFrame({'a': ['x', None], 'b': [1.5, 2.5]}), 'a', 'b'))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert there.stdout.split() == ids(pl.DataFrame({"a": ["x", None], "b": [1.5, 2.5]}), "a", "b")


def test_hash_of_no_rows_is_no_hash() -> None:
    assert ids(pl.DataFrame({"a": []}, schema={"a": pl.Int64}), "a") == []


def test_hash_of_a_missing_column_is_refused() -> None:
    text = "hash_ids: [{name: id, from_columns: [origin, yaer]}]"

    assert refusal(pl.DataFrame({"origin": ["x"], "year": [1]}), text) == (
        "no column 'yaer'\n"
        f"  at flows/a.yml:3:50  {text}\n"
        "                                                                    ^\n"
        "  try: did you mean 'year'?"
    )


def test_hash_of_a_list_is_refused() -> None:
    text = "hash_ids: [{name: id, from_columns: [parts]}]"

    assert refusal(pl.DataFrame({"parts": [[1]]}), text) == (
        "the column 'parts' can't be hashed: it holds more than one value a row\n"
        f"  at flows/a.yml:3:42  {text}\n"
        "                                                            ^\n"
        "  try: hash its parts"
    )


def test_hash_takes_the_names_that_were_cleaned() -> None:
    result = polished(
        pl.DataFrame({"Tail Num": ["N1"]}),
        columns={"case": "snake"},
        constants=[{"name": "source", "value": "x"}],
        hash_ids=[{"name": "id", "from_columns": ["tail_num", "source"]}],
    )

    assert result.columns == ["tail_num", "source", "id"]
    assert result["id"].to_list() == [xxhash.xxh3_128_hexdigest(b"2:N11:x")]
