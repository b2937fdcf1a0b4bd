"""What every home of files promises, whatever its format.

A kind inherits `HomeContract`, says how its files are written and what its parser says of bytes
that are none of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from hygge.errors import ConfigError, HomeError
from hygge.fingerprint import Signature
from hygge.homes.base import Home
from hygge.partition import FILE, ROW, Partition

ROWS = pl.DataFrame(
    {
        "id": [3, 1, 2],
        "name": ["plain", "żółw 🐢", None],
        "share": [0.5, None, -1.25],
        "late": [True, None, False],
    }
)

ODD_NAMES = [
    "two words",
    " space first",
    "100%",
    "%41",
    "x[1]",
    "x*",
    "x?",
    "{x}",
    "~x",
    "#x",
    "!x",
    "turtle 🐢",
    "two\nlines",
    "-dash",
    "--dash",
    "back\\slash",
    "quo'te\"",
    "dots.in.it",
    "$HOME",
]


class HomeContract:
    """Tests that every home of files passes."""

    kind: ClassVar[str]
    """The ``type`` in YAML."""
    suffix: ClassVar[str]
    """Ending of the files that `write_rows` writes."""
    other_suffix: ClassVar[str]
    """Another ending of the same kind."""
    garbage: ClassVar[bytes]
    """Bytes that are no file of this kind."""
    garbage_problem: ClassVar[str]
    """What the parser says of `garbage`."""
    half_problem: ClassVar[str]
    """What the parser says of the first half of a file."""
    copied: ClassVar[bool] = True
    """Whether a file's bytes are what a store of the kind would write."""
    counted: ClassVar[bool]
    """Whether rows can be counted without decoding them."""

    def write_rows(self, path: Path, frame: pl.DataFrame) -> None:
        """Write *frame* to *path* in the format of this kind."""
        raise NotImplementedError

    def write_empty(self, path: Path) -> pl.Schema:
        """Write no rows of the columns ``id`` and ``name``; return the schema that is read."""
        frame = pl.DataFrame(schema={"id": pl.Int64, "name": pl.String})
        self.write_rows(path, frame)
        return frame.schema

    def garbage_message(self) -> str:
        """Return what the home says of `garbage`."""
        return self.unreadable(self.garbage_problem)

    def half_message(self) -> str:
        """Return what the home says of the first half of a file."""
        return self.unreadable(self.half_problem)

    def unreadable(self, problem: str) -> str:
        """Return what the home says of the one file, which its parser refused with *problem*."""
        return (
            f"'home/a{self.suffix}' can't be read as {self.kind}: {problem}\n"
            f"  at home/a{self.suffix}\n"
            "  try: write it again, remove it, or exclude it"
        )

    # What the tests are written with

    def put(self, root: Path, *names: str, frame: pl.DataFrame = ROWS) -> None:
        """Write a file with the rows of *frame* for each of *names*, below *root*."""
        for name in names:
            file = root / (name + self.suffix)
            file.parent.mkdir(parents=True, exist_ok=True)
            self.write_rows(file, frame)

    def home(self, root: Path, path: str = "home", **more: Any) -> Home:
        return Home.create({"type": self.kind, "path": path, **more}, root)

    def keys(self, root: Path, path: str = "home", **more: Any) -> list[str]:
        return [partition.key for partition in self.home(root, path, **more).partitions()]

    def only(self, root: Path, path: str = "home", **more: Any) -> tuple[Home, Partition]:
        """Return a home with its one partition."""
        home = self.home(root, path, **more)
        (partition,) = home.partitions()
        return home, partition

    def rows(self, home: Home, partition: Partition) -> pl.DataFrame:
        return home.scan(partition).collect()

    def refusal(self, root: Path, **more: Any) -> str:
        """Return the message of the HomeError with which the home can't be listed."""
        with pytest.raises(HomeError) as error:
            self.home(root, **more).partitions()
        return str(error.value)

    # Both forms of YAML

    def test_string_and_long_form_agree(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b/c")

        short, long = Home.create("home", tmp_path), self.home(tmp_path)

        assert type(short) is type(long)
        assert short.reading() == long.reading()
        assert _described(short) == _described(long)
        for one, other in zip(short.partitions(), long.partitions(), strict=True):
            assert_frame_equal(self.rows(short, one), self.rows(long, other))

    def test_relative_path_starts_at_the_root_and_not_at_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.put(tmp_path, "home/a", "elsewhere/home/b")
        monkeypatch.chdir(tmp_path / "elsewhere")

        assert self.keys(tmp_path) == ["a"]

    def test_unknown_option_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        with pytest.raises(ConfigError) as error:
            self.home(tmp_path, partitions="file")

        assert str(error.value) == (
            "unknown key 'partitions' in home\n  try: did you mean 'partition'?"
        )

    def test_unknown_partition_mode_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        with pytest.raises(ConfigError) as error:
            self.home(tmp_path, partition="yearly").partitions()

        assert str(error.value) == (
            "'home.partition' can't be 'yearly'\n"
            "  at home\n"
            '  try: file, hive, all, or a template with captures such as "{year}-{month}.parquet"'
        )

    # A file, a folder, a glob

    def test_file_is_one_partition(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b")

        partition = self.only(tmp_path, f"home/a{self.suffix}")[1]

        assert partition.key == partition.name == "a"
        assert [source.path for source in partition.sources] == [f"home/a{self.suffix}"]

    def test_named_file_may_have_any_suffix(self, tmp_path: Path) -> None:
        self.put(tmp_path, "a")
        (tmp_path / f"a{self.suffix}").rename(tmp_path / f"a{self.suffix}".replace(".", "_", 1))

        named = f"a{self.suffix}".replace(".", "_", 1)

        assert [s.path for s in self.only(tmp_path, named)[1].sources] == [named]

    def test_folder_is_read_with_everything_below_it(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b/c", "home/b/d/e", "beside")

        assert self.keys(tmp_path) == ["a", "b/c", "b/d/e"]

    def test_folder_may_end_in_a_slash(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        partition = self.only(tmp_path, "home/")[1]

        assert (partition.key, partition.sources[0].path) == ("a", f"home/a{self.suffix}")

    def test_glob_names_the_files(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a1", "home/a2", "home/b1", "home/c/a3")

        assert self.keys(tmp_path, f"home/a*{self.suffix}") == ["a1", "a2"]

    def test_glob_with_two_stars_enters_folders(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b/c", "home/b/d/e")

        assert self.keys(tmp_path, f"home/**/*{self.suffix}") == ["a", "b/c", "b/d/e"]

    def test_glob_that_finds_nothing_has_no_partitions(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        assert self.keys(tmp_path, f"home/z*{self.suffix}") == []

    def test_absolute_path_outside_the_root_is_read(self, tmp_path: Path) -> None:
        self.put(tmp_path / "outside", "a")
        (tmp_path / "root").mkdir()

        home, partition = self.only(tmp_path / "root", str(tmp_path / "outside"))

        assert partition.key == "a"
        assert partition.sources[0].path == str(tmp_path / "outside" / f"a{self.suffix}")
        assert_frame_equal(self.rows(home, partition), ROWS)

    def test_suffix_may_be_in_capitals(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        (tmp_path / "home" / f"a{self.suffix}").rename(
            tmp_path / "home" / f"A{self.suffix.upper()}"
        )

        assert self.keys(tmp_path) == ["A"]

    def test_files_of_another_kind_are_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        (tmp_path / "home" / "notes.txt").write_text("notes")
        (tmp_path / "home" / f"a{self.suffix}.bak").write_text("old")

        assert self.keys(tmp_path) == ["a"]

    def test_dot_files_are_passed_over(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/.b", "home/.c/d", "home/e/.f")
        (tmp_path / "home" / f".a{self.suffix}.20130101T000000Z-abcdef.tmp").write_bytes(b"half")

        assert self.keys(tmp_path) == ["a"]
        assert self.keys(tmp_path, f"home/**/*{self.suffix}") == ["a"]

    def test_folder_that_is_named_like_a_file_is_entered(self, tmp_path: Path) -> None:
        self.put(tmp_path, f"home/a{self.suffix}/b")

        assert self.keys(tmp_path) == [f"a{self.suffix}/b"]

    def test_empty_folder_has_no_partitions(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()

        assert self.keys(tmp_path) == []

    # include and exclude

    def test_include_is_seen_from_the_root(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b/a")

        assert self.keys(tmp_path, include=["/home/b/**"]) == ["b/a"]
        assert self.keys(tmp_path, include=["/b/**"]) == []

    def test_include_without_a_slash_matches_in_every_folder(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b/a", "home/b/c")

        assert self.keys(tmp_path, include=["a.*"]) == ["a", "b/a"]

    def test_exclude_wins_over_include(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b")

        assert self.keys(tmp_path, include=["home/"], exclude=["b.*"]) == ["a"]

    def test_excluded_folder_is_left_out_with_everything_below_it(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/old/b", "home/c/old/d/e")

        assert self.keys(tmp_path, exclude=["old/"]) == ["a"]

    def test_later_pattern_takes_back_an_earlier_one(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b")

        assert self.keys(tmp_path, exclude=["home/*", "!a.*"]) == ["a"]

    def test_patterns_hold_for_a_glob_and_for_a_path_with_dots(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "home/b")

        assert self.keys(tmp_path, f"home/*{self.suffix}", exclude=["/home/b.*"]) == ["a"]
        assert self.keys(tmp_path, "./home", exclude=["/home/b.*"]) == ["a"]

    # Names and order

    def test_key_is_the_path_below_the_home_without_suffix(self, tmp_path: Path) -> None:
        self.put(tmp_path, "data/home/2013/01/flights")

        partition = self.only(tmp_path, "data/home")[1]

        assert partition.key == partition.name == "2013/01/flights"
        assert [s.path for s in partition.sources] == [f"data/home/2013/01/flights{self.suffix}"]

    def test_keys_are_in_natural_order(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/10", "home/9", "home/1", "home/b10/1", "home/b9/2", "home/01")

        assert self.keys(tmp_path) == ["01", "1", "9", "10", "b9/2", "b10/1"]

    def test_equals_sign_of_a_hive_folder_is_not_in_the_key(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/year=2013/month=1/a")

        partition = self.only(tmp_path)[1]

        assert partition.key == "2013/1/a"
        assert partition.name == "year=2013/month=1/a"
        assert partition.values == ()

    def test_name_that_would_leave_an_equals_sign_in_the_key_is_refused(
        self, tmp_path: Path
    ) -> None:
        self.put(tmp_path, "home/a=b=c")

        assert self.refusal(tmp_path) == (
            f"'a=b=c{self.suffix}' can't name a partition: 'b=c' contains '='\n"
            "  at home\n"
            "  try: rename it without the '=', or exclude it"
        )

    def test_two_files_with_one_key_are_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        (tmp_path / "home" / f"a{self.other_suffix}").write_bytes(b"")

        one, other = sorted((f"a{self.suffix}", f"a{self.other_suffix}"))

        assert self.refusal(tmp_path) == (
            f"'{one}' and '{other}' would both be the partition 'a'\n"
            "  at home\n"
            "  try: rename one of them, or exclude it"
        )

    def test_two_hive_folders_with_one_key_are_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/day=1/x", "home/month=1/x")

        assert self.refusal(tmp_path, partition="hive") == (
            f"'day=1/x{self.suffix}' and 'month=1/x{self.suffix}' would both be the partition '1'\n"
            "  at home\n"
            "  try: rename one of them, or exclude it"
        )

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_file_with_an_odd_name_is_read(self, tmp_path: Path, name: str) -> None:
        # What the name would match, were it a pattern, is not read in its place.
        self.put(tmp_path, "home/x1", "home/A", frame=ROWS.head(1))
        self.put(tmp_path, f"home/{name}")
        home = self.home(tmp_path)
        partition = next(each for each in home.partitions() if each.name == name)

        assert partition.key == name
        assert_frame_equal(self.rows(home, partition), ROWS)

    @pytest.mark.parametrize("name", ["x[1]", "two words", "turtle 🐢", "two\nlines", "-dash"])
    def test_path_with_an_odd_name_is_read(self, tmp_path: Path, name: str) -> None:
        self.put(tmp_path, f"{name}/a")
        self.put(tmp_path, "x1/b")

        assert self.keys(tmp_path, name) == ["a"]
        assert self.keys(tmp_path, f"{name}/a{self.suffix}") == ["a"]

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
    def test_name_that_is_no_utf8_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        file = os.fsencode(tmp_path / "home") + b"/caf\xe9" + self.suffix.encode()
        os.close(os.open(file, os.O_CREAT))

        assert self.refusal(tmp_path) == (
            f"the name of the file 'caf\\xe9{self.suffix}' is no UTF-8\n"
            "  at home\n"
            "  try: rename it, for example with convmv"
        )

    # Partitions of several files

    def test_hive_makes_each_innermost_folder_a_partition(self, tmp_path: Path) -> None:
        self.put(
            tmp_path,
            "home/year=2013/month=10/x",
            "home/year=2013/month=9/b",
            "home/year=2013/month=9/a",
        )

        september, october = self.home(tmp_path, partition="hive").partitions()

        assert (september.key, september.name) == ("2013/9", "2013/9")
        assert (october.key, october.name) == ("2013/10", "2013/10")
        assert [source.path for source in september.sources] == [
            f"home/year=2013/month=9/a{self.suffix}",
            f"home/year=2013/month=9/b{self.suffix}",
        ]
        assert september.values == (("year", "2013"), ("month", "9"))

    def test_captured_values_become_text_columns(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/year=2013/month=01/a")

        rows = self.rows(*self.only(tmp_path, partition="hive"))

        assert_frame_equal(rows, ROWS.with_columns(year=pl.lit("2013"), month=pl.lit("01")))

    def test_column_that_the_file_has_is_not_replaced_by_a_captured_value(
        self, tmp_path: Path
    ) -> None:
        frame = ROWS.with_columns(year=pl.lit(1999, pl.Int64))
        self.put(tmp_path, "home/year=2013/a", frame=frame)

        assert_frame_equal(self.rows(*self.only(tmp_path, partition="hive")), frame)

    def test_hive_default_partition_is_null(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/year=__HIVE_DEFAULT_PARTITION__/a")

        rows = self.rows(*self.only(tmp_path, partition="hive"))

        assert_frame_equal(rows, ROWS.with_columns(year=pl.lit(None, pl.String)))

    def test_hive_values_are_percent_decoded(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/at=2013-01-01%2000%3A00/a")

        home, partition = self.only(tmp_path, partition="hive")

        assert partition.key == "2013-01-01%2000%3A00"
        assert self.rows(home, partition)["at"].to_list() == ["2013-01-01 00:00"] * 3

    def test_file_in_no_hive_folder_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/year=2013/a", "home/b")

        assert self.refusal(tmp_path, partition="hive") == (
            f"'b{self.suffix}' is in no key=value folder\n"
            "  at home\n"
            "  try: move it, exclude it, or write 'partition: file'"
        )

    def test_template_puts_files_with_the_same_captures_together(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/2013-01-b", "home/2013-01-a", "home/2013-02-a")

        template = "{year}-{month}-*" + self.suffix
        january, february = self.home(tmp_path, partition=template).partitions()

        assert (january.key, january.name) == ("2013-01", "2013-01")
        assert (february.key, february.name) == ("2013-02", "2013-02")
        assert january.values == (("year", "2013"), ("month", "01"))
        assert [source.path for source in january.sources] == [
            f"home/2013-01-a{self.suffix}",
            f"home/2013-01-b{self.suffix}",
        ]

    def test_captures_of_a_template_become_text_columns(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/2013-01")

        rows = self.rows(*self.only(tmp_path, partition="{year}-{month}" + self.suffix))

        assert_frame_equal(rows, ROWS.with_columns(year=pl.lit("2013"), month=pl.lit("01")))

    def test_template_may_name_folders(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/2013/EWR/a", "home/2013/EWR/b", "home/2013/JFK/a")

        assert self.keys(tmp_path, partition="{year}/{origin}/*" + self.suffix) == [
            "2013/EWR",
            "2013/JFK",
        ]

    def test_file_that_the_template_does_not_match_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/2013-01", "home/notes")

        assert self.refusal(tmp_path, partition="{year}-{month}.*") == (
            f"'notes{self.suffix}' does not match '{{year}}-{{month}}.*'\n"
            "  at home\n"
            "  try: correct the template, or exclude the file"
        )

    def test_all_makes_the_whole_home_one_partition(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/b/10", frame=ROWS.tail(1))
        self.put(tmp_path, "home/b/9", frame=ROWS.head(2))

        home, partition = self.only(tmp_path, partition="all")

        assert partition.key == partition.name == "all"
        assert [source.path for source in partition.sources] == [
            f"home/b/9{self.suffix}",
            f"home/b/10{self.suffix}",
        ]
        assert_frame_equal(self.rows(home, partition), ROWS)

    def test_column_that_a_file_of_a_group_lacks_is_null_there(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", frame=pl.DataFrame({"id": [1], "name": ["x"]}))
        self.put(tmp_path, "home/b", frame=pl.DataFrame({"id": [2], "late": [True]}))

        rows = self.rows(*self.only(tmp_path, partition="all"))

        assert rows.rows() == [(1, "x", None), (2, None, True)]
        assert rows.columns == ["id", "name", "late"]

    # Rows

    def test_scan_gives_exactly_the_rows_that_were_written(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        assert_frame_equal(self.rows(*self.only(tmp_path)), ROWS)

    def test_scan_gives_many_rows_in_their_order(self, tmp_path: Path) -> None:
        count = 60_000
        frame = pl.DataFrame({"id": range(count), "name": [f"n{i * 7919}" for i in range(count)]})
        self.put(tmp_path, "home/a", frame=frame)

        home, partition = self.only(tmp_path)

        assert_frame_equal(home.scan(partition).collect(engine="streaming"), frame)

    def test_trace_says_which_row_of_which_file_each_row_is(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", frame=pl.DataFrame({"id": [1, 2]}))
        self.put(tmp_path, "home/b", frame=pl.DataFrame({"id": [3]}))

        home, partition = self.only(tmp_path, partition="all")
        rows = home.trace(partition).collect()

        assert rows.select("id", FILE, ROW).rows() == [(1, 0, 1), (2, 0, 2), (3, 1, 1)]
        assert rows.schema[FILE] == pl.UInt32
        assert rows.schema[ROW] == pl.UInt64

    def test_file_without_rows_keeps_its_columns(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        schema = self.write_empty(tmp_path / "home" / f"a{self.suffix}")

        rows = self.rows(*self.only(tmp_path))

        assert (rows.height, rows.schema) == (0, schema)

    def test_link_to_a_file_is_read(self, tmp_path: Path) -> None:
        self.put(tmp_path, "elsewhere/a")
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / f"b{self.suffix}").symlink_to(f"../elsewhere/a{self.suffix}")

        home, partition = self.only(tmp_path)

        assert partition.key == "b"
        assert_frame_equal(self.rows(home, partition), ROWS)

    def test_link_to_a_folder_is_entered(self, tmp_path: Path) -> None:
        self.put(tmp_path, "elsewhere/a")
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "b").symlink_to("../elsewhere")

        assert self.keys(tmp_path) == ["b/a"]

    def test_signature_is_that_of_the_file(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        (source,) = self.only(tmp_path)[1].sources

        stat = (tmp_path / "home" / f"a{self.suffix}").stat()
        assert source.signature is not None
        assert source.signature.same_file(Signature.of(stat))

    def test_good_file_passes_examination(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        home, partition = self.only(tmp_path)
        home.examine(partition)

    # What is wrong

    def _broken(self, root: Path) -> list[str]:
        """Return what the home says of its one file when it is scanned, examined and counted."""
        home, partition = self.only(root)
        messages = []
        for look in (home.scan, home.examine, home.count):
            with pytest.raises(HomeError) as error:
                look(partition)
            messages.append(str(error.value))
        return messages

    def test_file_of_no_bytes_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / f"a{self.suffix}").write_bytes(b"")

        assert self._broken(tmp_path) == 3 * [
            f"'home/a{self.suffix}' is empty: it has 0 bytes\n"
            f"  at home/a{self.suffix}\n"
            "  try: write it again, remove it, or exclude it"
        ]

    def test_dangling_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / f"a{self.suffix}").symlink_to("nowhere")

        assert self.only(tmp_path)[1].sources[0].signature is None
        assert self._broken(tmp_path) == 3 * [
            f"'home/a{self.suffix}' is a link to 'nowhere', which leads to no file\n"
            f"  at home/a{self.suffix}\n"
            "  try: restore its target, remove the link, or exclude it"
        ]

    def test_pipe_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        os.mkfifo(tmp_path / "home" / f"a{self.suffix}")

        assert self.only(tmp_path)[1].sources[0].signature is None
        assert self._broken(tmp_path) == 3 * [
            f"'home/a{self.suffix}' is no plain file\n"
            f"  at home/a{self.suffix}\n"
            "  try: remove it, or exclude it"
        ]

    def test_file_that_went_after_it_was_listed_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        home, partition = self.only(tmp_path)
        (tmp_path / "home" / f"a{self.suffix}").unlink()

        with pytest.raises(HomeError) as error:
            home.scan(partition)

        assert str(error.value) == (
            f"'home/a{self.suffix}' can't be read: No such file or directory\n"
            f"  at home/a{self.suffix}\n"
            "  try: run again: it went after it was listed"
        )

    def test_garbage_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / f"a{self.suffix}").write_bytes(self.garbage)
        home, partition = self.only(tmp_path)

        with pytest.raises(HomeError) as error:
            home.examine(partition)

        assert str(error.value) == self.garbage_message()

    def test_half_a_file_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", frame=pl.DataFrame({"id": range(2000)}))
        file = tmp_path / "home" / f"a{self.suffix}"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        home, partition = self.only(tmp_path)

        with pytest.raises(HomeError) as error:
            home.examine(partition)

        assert str(error.value) == self.half_message()

    def test_missing_file_is_refused_with_the_near_miss(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/flights")

        assert self.refusal(tmp_path, path=f"home/fligths{self.suffix}") == (
            f"no file 'home/fligths{self.suffix}'\n"
            f"  at home/fligths{self.suffix}\n"
            f"  try: create it, or did you mean 'home/flights{self.suffix}'?"
        )

    def test_missing_folder_is_refused_with_the_near_miss(self, tmp_path: Path) -> None:
        self.put(tmp_path, "data/home/a")

        assert self.refusal(tmp_path, path="data/hme") == (
            "no folder 'data/hme'\n  at data/hme\n  try: create it, or did you mean 'data/home'?"
        )

    def test_missing_folder_that_nothing_is_like_is_refused(self, tmp_path: Path) -> None:
        assert self.refusal(tmp_path, path="zzz") == "no folder 'zzz'\n  at zzz\n  try: create it"

    def test_folder_of_a_glob_that_is_missing_is_refused(self, tmp_path: Path) -> None:
        assert self.refusal(tmp_path, path=f"zzz/*{self.suffix}") == (
            f"no file 'zzz/*{self.suffix}'\n  at zzz/*{self.suffix}\n  try: create it"
        )

    def test_link_to_a_folder_above_it_is_refused(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")
        (tmp_path / "home" / "again").symlink_to(".")

        assert self.refusal(tmp_path) == (
            "'home/again' is a link to a folder above it\n  at home\n  try: remove the link"
        )

    # What the other sides ask for

    def test_alone_and_unchanged_a_file_may_be_copied_as_it_is(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        home, partition = self.only(tmp_path)

        assert home.copyable(partition) == (self.kind if self.copied else None)

    def test_grouped_files_may_not_be_copied_as_they_are(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/year=2013/a", "home/year=2013/b", "home/year=2014/a")

        home = self.home(tmp_path, partition="hive")

        assert [home.copyable(partition) for partition in home.partitions()] == [None, None]

    def test_rows_are_counted_where_that_is_cheap(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a")

        home, partition = self.only(tmp_path)

        assert home.count(partition) == (3 if self.counted else None)

    def test_what_is_read_depends_on_the_configuration_alone(self, tmp_path: Path) -> None:
        self.put(tmp_path, "home/a", "other/b")

        assert self.home(tmp_path).reading() == self.home(tmp_path, "other").reading()
        assert self.home(tmp_path).reading() != self.home(tmp_path, partition="all").reading()

    @pytest.mark.parametrize(
        ("store", "shared"),
        [
            ("data/home", True),
            ("data/home/store", True),
            ("data", True),
            ("data/home2", False),
            ("data/store", False),
            ("data/link", True),
        ],
    )
    def test_store_that_shares_files_with_the_home_is_found(
        self, tmp_path: Path, store: str, shared: bool
    ) -> None:
        self.put(tmp_path, "data/home/a")
        (tmp_path / "data/link").symlink_to("home")

        assert self.home(tmp_path, "data/home").overlaps(tmp_path / store) is shared

    def test_store_beside_the_files_of_a_glob_shares_nothing(self, tmp_path: Path) -> None:
        self.put(tmp_path, "data/a", "data/store/b")

        assert not self.home(tmp_path, f"data/*{self.suffix}").overlaps(tmp_path / "data/store")
        assert self.home(tmp_path, f"data/**/*{self.suffix}").overlaps(tmp_path / "data/store")


def _described(home: Home) -> list[Mapping[str, Any]]:
    """Return what partitions are, without when they were looked at."""
    return [
        {
            "key": each.key,
            "name": each.name,
            "sources": [source.path for source in each.sources],
            "values": each.values,
        }
        for each in home.partitions()
    ]
