"""A contract says which columns a store may have, and shows both sides where they don't fit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hygge.contract import Columns, Contract, fits
from hygge.document import parse
from hygge.errors import ConfigError, ContractBroken
from hygge.flow import Section

FLIGHTS: Columns = (("year", "int64"), ("delay", "int64"), ("tailnum", "string"))


def contract(written: str) -> Contract:
    """Read what stands behind `schema:` in a flow."""
    document = parse(f"schema: {written}\n", "flows/flights.yml")
    value = document.values["schema"]
    values = {"mode": value} if isinstance(value, str) else {"columns": value}
    return Contract.create(Section("schema", values, document))


def columns(text: str) -> Columns:
    """Read columns from ``a int64, b string``."""
    pairs = (each.partition(" ") for each in text.split(", ") if each)
    return tuple((name, dtype) for name, _, dtype in pairs)


def known(*texts: str) -> list[tuple[str, Columns]]:
    return [(f"flights:{i}", columns(text)) for i, text in enumerate(texts, 1)]


def refusal(written: str, ours: str, *others: str) -> str:
    """Return the whole message with which *ours* is refused."""
    with pytest.raises(ContractBroken) as error:
        contract(written).compare("flights:9", columns(ours), known(*others))
    return str(error.value)


def accepted(ours: Columns, theirs: Columns) -> bool:
    try:
        contract("evolve").compare("f:b", ours, [("f:a", theirs)])
    except ContractBroken:
        return False
    return True


# evolve


@pytest.mark.parametrize(
    ("ours", "theirs", "news"),
    [
        ("a int64, b string", ["b string, a int64"], []),
        ("a int64, x int64", ["a int64"], ["new column 'x' (int64)"]),
        (
            "a int64",
            ["a int64, y string"],
            ["column 'y' is missing: null when the store is read as a whole"],
        ),
        ("z int64", ["z int32", "z int16"], ["'z' is wider: int32 -> int64, since flights:9"]),
        ("z int16", ["z int16", "z int32"], ["'z' is narrower: int16, but int32 since flights:2"]),
        ("z int32", ["z int16", "z int32"], []),
        ("z null", ["z string"], ["'z' is narrower: null, but string since flights:1"]),
        ("a int64", [], []),
        (
            "a int64",
            ["a int64", "x int8", "a int64, x int8"],
            [
                "column 'x' is missing: null when the store is read as a whole",
            ],
        ),
    ],
)
def test_evolve_tells_what_is_new_missing_wider_or_narrower(
    ours: str, theirs: list[str], news: list[str]
) -> None:
    told = contract("evolve").compare("flights:9", columns(ours), known(*theirs))

    assert list(told) == news


def test_evolve_shows_both_sides_of_the_columns_in_conflict_only() -> None:
    ours = "year int32, delay string, gate string, tailnum int64"

    assert refusal("evolve", ours, "year int64", "year int64, delay int64, tailnum string") == (
        "the columns of 'flights:9' do not fit those of 'flights:2'\n"
        "    delay   int64 -> string\n"
        "    tailnum string -> int64\n"
        "  at flows/flights.yml:1:9  schema: evolve\n"
        "                                    ^\n"
        "  try: cast 'delay': transform: {cast: {delay: int64}}"
    )


# freeze


def test_freeze_takes_the_same_columns_in_any_order() -> None:
    told = contract("freeze").compare("f:b", FLIGHTS[::-1], [("f:a", FLIGHTS)])

    assert told == ()


def test_freeze_takes_whatever_comes_first() -> None:
    assert contract("freeze").compare("f:a", FLIGHTS, []) == ()


def test_freeze_shows_every_difference() -> None:
    ours = "year int64, delay string, gate string"

    assert refusal("freeze", ours, "year int64, delay int64, tailnum string") == (
        "the columns of 'flights:9' are not those of 'flights:1'\n"
        "    delay   int64 -> string\n"
        "  + gate    string\n"
        "  - tailnum string\n"
        "  at flows/flights.yml:1:9  schema: freeze\n"
        "                                    ^\n"
        "  try: cast 'delay': transform: {cast: {delay: int64}}, or write 'schema: evolve'"
    )


@pytest.mark.parametrize(
    ("ours", "hint"),
    [
        ("a int32", "cast 'a': transform: {cast: {a: int64}}, or write 'schema: evolve'"),
        (
            "a int64, b int8",
            "leave 'b' out by 'select' under 'transform', or write 'schema: evolve'",
        ),
        ("", "restore 'a' at the source, or write 'schema: evolve'"),
    ],
)
def test_freeze_takes_no_change_however_small(ours: str, hint: str) -> None:
    assert refusal("freeze", ours, "a int64").split("  try: ")[1] == hint


def test_freeze_holds_a_partition_against_its_own_columns_too() -> None:
    with pytest.raises(ContractBroken) as error:
        contract("freeze").compare("f:a", (("a", "int8"),), [("f:a", (("a", "int64"),))])

    assert error.value.what == ("the columns of 'f:a' are not those it had\n    a int64 -> int8")


def test_hint_can_be_pasted_whatever_the_names() -> None:
    message = refusal("freeze", "arr-time string", "arr-time decimal(10,2)")

    assert message.split("  try: ")[1] == (
        "cast 'arr-time': transform: {cast: {'arr-time': 'decimal(10,2)'}}, "
        "or write 'schema: evolve'"
    )


# Columns that are written out


def test_written_columns_are_taken_in_any_order_and_by_any_name_of_their_types() -> None:
    written = contract("{delay: bigint, year: Int64, tailnum: text}")

    assert written.compare("f:a", FLIGHTS, [("f:b", ())]) == ()


def test_other_columns_than_the_written_ones_are_refused() -> None:
    assert refusal("{year: int32, tailnum: text, gate: text}", "year int64, tailnum string") == (
        "the columns of 'flights:9' are not the ones that 'schema' names\n"
        "    year int32 -> int64\n"
        "  - gate string\n"
        "  at flows/flights.yml:1:9  schema: {year: int32, tailnum: text, gate: text}\n"
        "                                    ^\n"
        "  try: cast 'year': transform: {cast: {year: int32}}, or change 'schema'"
    )


def test_unknown_type_is_refused_with_a_near_miss() -> None:
    with pytest.raises(ConfigError) as error:
        contract("{year: int46}")

    assert str(error.value) == (
        "no type 'int46'\n"
        "  at flows/flights.yml:1:16  schema: {year: int46}\n"
        "                                            ^\n"
        "  try: did you mean 'int4'?"
    )


def test_unknown_type_that_resembles_none_is_refused_with_examples() -> None:
    with pytest.raises(ConfigError) as error:
        contract("{year: zzz}")

    assert error.value.hint == "as polars or SQL call it: int64"


def test_no_columns_are_no_contract() -> None:
    with pytest.raises(ConfigError) as error:
        contract("{}")

    assert str(error.value) == (
        "'schema' names no columns\n"
        "  at flows/flights.yml:1:9  schema: {}\n"
        "                                    ^\n"
        "  try: name each column with its type, or remove it"
    )


# No contract; the fingerprint; cost


def test_without_a_contract_anything_goes() -> None:
    nothing = Contract.create(None)

    assert nothing.is_empty
    assert nothing.fingerprint() is None
    assert nothing.compare("f:a", FLIGHTS, known("year string")) == ()


@pytest.mark.parametrize(
    ("written", "fingerprint"),
    [
        ("evolve", "evolve"),
        ("freeze", "freeze"),
        ("{b: text, a: int}", {"a": "int32", "b": "string"}),
    ],
)
def test_fingerprint_is_what_was_meant(written: str, fingerprint: object) -> None:
    assert contract(written).fingerprint() == fingerprint
    assert not contract(written).is_empty


def test_creating_a_contract_loads_no_polars() -> None:
    program = (
        "import sys; from hygge.contract import Contract; from hygge.flow import Section\n"
        "from hygge.document import Document\n"
        "made = Contract.create(Section('schema', {'columns': {'a': 'int'}}, Document({})))\n"
        "print(made.columns, 'polars' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert result.stdout == "(('a', 'int32'),) False\n"


def test_many_partitions_with_equal_columns_cost_little() -> None:
    wide = tuple((f"column_{i}", "int64") for i in range(500))
    others = [(f"f:{i}", wide) for i in range(10_000)]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        told = contract("evolve").compare("f:x", (*wide, ("new", "int8")), others)
        seconds.append(time.perf_counter() - began)

    assert told == ("new column 'new' (int8)",)
    assert min(seconds) < 0.03  # takes 2 ms; hashing each of them takes 60 ms


# Laws

NUMBERS = [
    *("int8", "int16", "int32", "int64", "int128"),
    *("uint8", "uint16", "uint32", "uint64", "uint128"),
    *("float16", "float32", "float64"),
]
OTHERS = ["null", "string", "boolean", "date", "datetime[us]", "datetime[ns]", "list[int8]"]

types = st.sampled_from(NUMBERS + OTHERS) | st.tuples(
    st.integers(1, 38), st.integers(0, 38)
).filter(lambda pair: pair[1] <= pair[0]).map(lambda pair: f"decimal({pair[0]},{pair[1]})")

schemas = st.dictionaries(st.sampled_from("abc"), types, max_size=3).map(
    lambda each: tuple(each.items())
)


@given(types)
def test_every_type_fits_itself(one: str) -> None:
    assert fits(one, one)


@given(types, types)
def test_two_types_that_fit_each_other_are_the_same(one: str, other: str) -> None:
    assert not (fits(one, other) and fits(other, one)) or one == other


@settings(max_examples=1000)
@given(types, types, types)
def test_what_fits_a_type_fits_those_that_are_wider(one: str, two: str, three: str) -> None:
    assert not (fits(one, two) and fits(two, three)) or fits(one, three)


@pytest.mark.parametrize(
    ("narrow", "wider"),
    [
        ("int8", ["int16", "int32", "int64", "int128", "float32", "float64"]),
        ("int32", ["int64", "int128", "float64"]),
        ("int64", ["int128"]),
        ("uint8", ["uint16", "uint32", "uint64", "uint128", "int16", "int32", "int64", "int128"]),
        ("uint16", ["uint32", "uint64", "uint128", "int32", "int64", "int128"]),
        ("uint32", ["uint64", "uint128", "int64", "int128", "float64"]),
        ("uint64", ["uint128", "int128"]),
        ("float16", ["float32", "float64"]),
        ("float32", ["float64"]),
        ("float64", []),
        ("date", []),
        ("string", []),
        ("datetime[us]", []),
        ("null", [each for each in NUMBERS + OTHERS if each != "null"]),
    ],
)
def test_types_widen_to_those_that_hold_all_their_values(narrow: str, wider: list[str]) -> None:
    floats = ["float32", "float64"] if narrow in ("uint8", "uint16") else []
    found = [each for each in NUMBERS + OTHERS if each != narrow and fits(narrow, each)]

    assert sorted(found) == sorted({*wider, *floats})


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        ("decimal(10,2)", "decimal(12,2)", True),
        ("decimal(10,2)", "decimal(12,4)", True),
        ("decimal(10,2)", "decimal(12,5)", False),
        ("decimal(10,2)", "decimal(12,1)", False),
        ("decimal(10,2)", "float64", False),
        ("int8", "decimal(10,0)", False),
    ],
)
def test_decimals_widen_where_no_digit_is_lost(narrow: str, wide: str, expected: bool) -> None:
    assert fits(narrow, wide) is expected


@given(schemas, schemas)
def test_who_comes_first_does_not_decide_whether_both_fit(one: Columns, other: Columns) -> None:
    assert accepted(one, other) == accepted(other, one)


@given(schemas, st.lists(schemas, max_size=5))
def test_partition_fits_a_store_where_it_fits_each_other(
    ours: Columns, others: Sequence[Columns]
) -> None:
    try:
        contract("evolve").compare("f:x", ours, [(f"f:{i}", each) for i, each in enumerate(others)])
        fitted = True
    except ContractBroken:
        fitted = False

    assert fitted == all(accepted(ours, each) for each in others)


@given(schemas, st.randoms())
def test_freeze_takes_the_same_columns_and_no_others(ours: Columns, random: object) -> None:
    shuffled = list(ours)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    frozen = contract("freeze")

    assert frozen.compare("f:b", tuple(shuffled), [("f:a", ours)]) == ()
    with pytest.raises(ContractBroken):
        frozen.compare("f:b", (*ours, ("z", "int8")), [("f:a", ours)])
