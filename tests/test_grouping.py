"""Laws of how files become partitions, for any names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hygge.document import Document
from hygge.errors import HomeError
from hygge.flow import Section
from hygge.homes.grouping import Group, partitions, without_suffix
from hygge.homes.listing import Listed
from hygge.partition import natural
from hygge.paths import HIVE_NULL

SUFFIXES = (".csv", ".tsv", ".csv.gz")

SECTION = Section("home", {"path": "home"}, Document({}))

# Few characters, so that names meet: the ones that mean something, and some that do not.
PLAIN = st.sampled_from(["1", "11", "a"]) | st.text("a1.-% é", min_size=1, max_size=4)

ANY = st.text("a1=.-% é", min_size=1, max_size=4)

HIVE = st.builds("{}={}".format, st.sampled_from("ab"), PLAIN)

SUFFIX = st.sampled_from([*SUFFIXES, ".CSV"])


def names(*segments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return a strategy for paths of *segments*, of which the last gets a suffix."""
    return st.tuples(*segments, SUFFIX).map(lambda parts: "/".join(parts[:-1]) + parts[-1])


FITTING = {
    "file": names(PLAIN) | names(PLAIN, PLAIN) | names(HIVE, PLAIN) | names(ANY),
    "hive": names(HIVE, PLAIN) | names(HIVE, HIVE, PLAIN) | names(HIVE, PLAIN, PLAIN),
    "all": names(ANY) | names(ANY, ANY),
    "{a}.*": names(PLAIN),
    "{a}/{b}": names(PLAIN, PLAIN),
    "{a}-*": names(st.builds("{}-{}".format, PLAIN, PLAIN)),
    "{a}/*{b}1*": names(PLAIN, st.builds("{}a1{}".format, PLAIN, PLAIN)),
}
"""What partitions are formed by, with names that mostly fit."""

Case = tuple[str, list[str]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a mode and files, of which seldom one does not fit."""
    mode = draw(st.sampled_from(sorted(FITTING)))
    files = draw(st.lists(FITTING[mode], unique=True, max_size=8))
    strange = draw(st.sampled_from([0, 0, 0, 0, 1]))
    return mode, list(dict.fromkeys(files + draw(st.lists(names(ANY), max_size=strange))))


SEEN = st.text("a1.-% é", max_size=3).map("x{}".format)
"""Names that a listing does not pass over: they begin with no dot."""

LISTED = {
    "file": names(SEEN) | names(SEEN, SEEN),
    "hive": names(st.builds("a={}".format, st.text("1.%é", max_size=3)), SEEN)
    | names(SEEN.map("a={}".format), st.builds("b={}".format, st.text(".1", max_size=2)), SEEN),
    "*/{a}.*": names(SEEN, SEEN),
    "*.{a}.*": names(SEEN.map("{}.x".format)),
    "{a}/*/{b}.*": names(SEEN, SEEN, SEEN),
    "x*{a}/{b}.*": names(SEEN, SEEN),
}
"""What partitions are formed by, with names as a listing has them."""

VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(
    lambda value: not value.startswith(".")
)
"""What may stand behind `key=`; a dot at its beginning is refused."""


def grouped(mode: str, files: Sequence[str]) -> list[Group]:
    listed = [Listed(f"/root/home/{name}", name, None) for name in files]
    return partitions(SECTION, mode, listed, SUFFIXES)


def outcome(mode: str, files: Sequence[str]) -> list[tuple[str, object, list[str]]] | str:
    """Return what became of the files, or why they were refused."""
    try:
        groups = grouped(mode, files)
    except HomeError as error:
        return str(error)
    return [(group.key, group.values, [file.name for file in group.files]) for group in groups]


@given(case=cases())
def test_no_key_contains_an_equals_sign(case: Case) -> None:
    groups = outcome(*case)

    assert isinstance(groups, str) or not [key for key, _, _ in groups if "=" in key]


@given(case=cases())
def test_every_file_is_in_exactly_one_partition(case: Case) -> None:
    groups = outcome(*case)

    assert isinstance(groups, str) or sorted(
        name for _, _, files in groups for name in files
    ) == sorted(case[1])


@given(case=cases())
def test_no_two_partitions_share_a_key(case: Case) -> None:
    groups = outcome(*case)

    assert isinstance(groups, str) or len({key for key, _, _ in groups}) == len(groups)


@given(case=cases())
def test_values_of_a_partition_are_those_of_each_of_its_files(case: Case) -> None:
    groups = outcome(*case)
    if isinstance(groups, str):
        return

    alone = [(outcome(case[0], [file]), key, values) for key, values, of in groups for file in of]

    assert [(found[0][0], found[0][1]) for found, _, _ in alone] == [
        (key, values) for _, key, values in alone
    ]


@given(case=cases())
def test_no_two_partitions_share_the_name_of_an_output(case: Case) -> None:
    try:
        groups = grouped(*case)
    except HomeError:
        return

    assert len({group.name for group in groups}) == len(groups)


@given(case=cases(), chance=st.randoms(use_true_random=False))
def test_order_of_the_listing_makes_no_difference(case: Case, chance: random.Random) -> None:
    mode, files = case
    shuffled = chance.sample(files, len(files))

    assert outcome(mode, shuffled) == outcome(mode, files)


@given(case=cases())
def test_files_of_a_partition_are_in_natural_order(case: Case) -> None:
    groups = outcome(*case)

    assert isinstance(groups, str) or all(
        files == sorted(files, key=natural) for _, _, files in groups
    )


@given(case=cases())
def test_another_file_changes_at_most_the_partition_it_joins(case: Case) -> None:
    mode, files = case
    before, after = outcome(mode, files[:-1]), outcome(mode, files)
    if isinstance(before, str) or isinstance(after, str):
        return

    joined = [key for key, _, together in after if files and files[-1] in together]

    assert [group for group in before if group[0] not in joined] == [
        group for group in after if group[0] not in joined
    ]


@given(
    case=st.sampled_from(sorted(LISTED)).flatmap(
        lambda mode: st.tuples(st.just(mode), st.lists(LISTED[mode], unique=True, max_size=4))
    )
)
@example(case=("*/{a}.*", ["x/EWR.csv"]))
@example(case=("*.{a}.*", ["x.EWR.csv"]))
@example(case=("hive", ["a=/b=1/x.csv"]))
@example(case=("hive", ["a=../b=1/x.csv"]))
def test_every_output_is_below_its_store_and_is_not_hidden(case: Case) -> None:
    try:
        groups = grouped(*case)
    except HomeError:
        return

    segments = [segment for group in groups for segment in group.name.split("/")]

    assert [each for each in segments if not each or each.startswith(".")] == []


@given(files=st.lists(FITTING["file"], unique=True, max_size=4))
def test_each_file_alone_is_named_as_it_is_without_its_suffix(files: list[str]) -> None:
    try:
        groups = grouped("file", files)
    except HomeError:
        return

    assert {group.name for group in groups} == {without_suffix(name, SUFFIXES) for name in files}


@given(files=st.lists(FITTING["all"], unique=True, max_size=4))
def test_all_is_one_partition_or_none(files: list[str]) -> None:
    assert [group.key for group in grouped("all", files)] == (["all"] if files else [])


@given(
    pairs=st.lists(st.tuples(st.none() | VALUES, VALUES), unique=True, min_size=1, max_size=5),
    files=st.integers(1, 3),
)
def test_hive_values_are_those_that_were_written(
    pairs: list[tuple[str | None, str]], files: int
) -> None:
    def encoded(value: str | None) -> str:
        return HIVE_NULL if value is None else quote(value, safe="")

    paths = [
        f"one={encoded(one)}/two={encoded(two)}/{i}.csv" for one, two in pairs for i in range(files)
    ]

    groups = grouped("hive", paths)

    assert sorted(map(repr, (group.values for group in groups))) == sorted(
        repr((("one", one), ("two", two))) for one, two in pairs
    )
    assert {len(group.files) for group in groups} == {files}
    assert {group.key for group in groups} == {f"{encoded(a)}/{encoded(b)}" for a, b in pairs}


WORDS = st.text("ab1é ", min_size=1, max_size=3)


@given(parts=st.lists(st.tuples(WORDS, WORDS, WORDS), unique=True, min_size=1, max_size=8))
def test_files_are_together_if_and_only_if_their_captures_are_the_same(
    parts: list[tuple[str, str, str]],
) -> None:
    paths = [f"{one}/{two}-{other}.csv" for one, two, other in parts]

    groups = grouped("{one}/{two}-*.csv", paths)

    assert {group.key: group.values for group in groups} == {
        f"{one}/{two}": (("one", one), ("two", two)) for one, two, _ in parts
    }
    for group in groups:
        assert {file.name for file in group.files} == {
            f"{one}/{two}-{other}.csv"
            for one, two, other in parts
            if (("one", one), ("two", two)) == group.values
        }


def test_folder_that_only_stars_match_is_no_part_of_the_name() -> None:
    """``origin=*/{month}`` became ``origin=/01``, and ``*/{month}`` was refused."""
    files = ["origin=EWR/01.csv", "origin=JFK/01.csv"]

    assert outcome("origin=*/{month}.csv", files) == [("01", (("month", "01"),), files)]
    assert outcome("*/{month}.csv", files) == [("01", (("month", "01"),), files)]


def test_name_that_would_leave_the_store_is_refused() -> None:
    assert outcome("{origin}/{month}.csv", [".x/EWR.csv"]) == (
        "'.x/EWR.csv' can't name a partition: '.x/EWR' has a part that is empty or begins with a "
        "dot\n"
        "  at home\n"
        "  try: rename it, exclude it, or correct the template"
    )


def test_capture_that_stands_twice_must_be_the_same_twice() -> None:
    template = "{year}/{year}-{month}.csv"

    (group,) = grouped(template, ["2013/2013-01.csv"])

    assert (group.key, group.values) == ("2013/2013-01", (("year", "2013"), ("month", "01")))
    assert outcome(template, ["2013/2014-01.csv"]) == (
        "'2013/2014-01.csv' does not match '{year}/{year}-{month}.csv'\n"
        "  at home\n"
        "  try: correct the template, or exclude the file"
    )


@pytest.mark.parametrize("name", ["2013-01.csv", "2013x01.csv"])
def test_characters_of_a_template_mean_themselves(name: str) -> None:
    groups = outcome("{year}.{month}.csv", [name])

    assert isinstance(groups, str)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("a.csv", "a"),
        ("a.csv.gz", "a"),
        ("A.CSV.GZ", "A"),
        ("a.b.csv", "a.b"),
        ("x.csv/a.csv", "x.csv/a"),
        ("x.y/a.txt", "x.y/a"),
        ("x.y/a", "x.y/a"),
        ("a", "a"),
        (".txt", ".txt"),
        ("x/.txt", "x/.txt"),
    ],
)
def test_longest_known_suffix_goes_or_the_last_one(name: str, without: str) -> None:
    assert without_suffix(name, SUFFIXES) == without


# Natural order


@given(one=st.integers(0, 10**12), other=st.integers(0, 10**12), around=st.text("ab-/", max_size=3))
def test_numbers_are_ordered_as_numbers(one: int, other: int, around: str) -> None:
    keys = natural(f"{around}{one}{around}"), natural(f"{around}{other}{around}")

    assert (keys[0] < keys[1]) is (one < other)


@given(texts=st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("0123456789"))))
def test_any_texts_have_one_order(texts: list[str]) -> None:
    turned = texts[::-1]

    assert sorted(texts, key=natural) == sorted(turned, key=natural)


@given(one=st.text("ab019"), other=st.text("ab019"))
def test_different_texts_are_never_equal(one: str, other: str) -> None:
    assert (natural(one) == natural(other)) is (one == other)
