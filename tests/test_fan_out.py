"""Partitions are spread over folders by the values of columns."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from conftest import ProjectFolder
from hypothesis import given
from hypothesis import strategies as st

from hygge.paths import HIVE_NULL, hive_folder
from hygge.stores import fan_out

FLOW = "home: data/home/f\nstore: {{path: data/store/f, partition_by: {by}}}\n"


def rows(project: ProjectFolder, name: str, **columns: list[Any]) -> Path:
    file = project.root / f"data/home/f/{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(file)
    return file


def spread(project: ProjectFolder, by: str, name: str = "1", **columns: list[Any]) -> list[str]:
    """Move one file with *columns*; return the outputs, relative to the store."""
    rows(project, name, **columns)
    project.flow("f", FLOW.format(by=by))
    result = project.doit()
    assert result.code == 0, result.out + result.err
    return sorted(project.digest("data/store/f"))


def read(project: ProjectFolder, output: str) -> pl.DataFrame:
    return pl.read_parquet(project.root / "data/store/f" / output, hive_partitioning=False)


def identity(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns


class TestFolders:
    def test_each_value_has_a_folder_and_the_file_is_named_after_the_partition(
        self, project: ProjectFolder
    ) -> None:
        outputs = spread(project, "[k]", k=["a", "b", "a"], v=[1, 2, 3])

        assert outputs == ["k=a/1.parquet", "k=b/1.parquet"]
        assert read(project, outputs[0]).to_dict(as_series=False) == {"k": ["a", "a"], "v": [1, 3]}

    def test_one_column_need_not_be_a_list(self, project: ProjectFolder) -> None:
        assert spread(project, "k", k=["a"]) == ["k=a/1.parquet"]

    def test_several_columns_are_folders_in_folders(self, project: ProjectFolder) -> None:
        outputs = spread(project, "[k, n]", k=["a", "a", "b"], n=[1, 2, 1])

        assert outputs == ["k=a/n=1/1.parquet", "k=a/n=2/1.parquet", "k=b/n=1/1.parquet"]

    @pytest.mark.parametrize(
        ("every", "folder"),
        [("year", "2013"), ("month", "2013-02"), ("day", "2013-02-03"), ("hour", "2013-02-03T04")],
    )
    def test_times_are_put_together(self, project: ProjectFolder, every: str, folder: str) -> None:
        when = [datetime.datetime(2013, 2, 3, 4, 5), datetime.datetime(2013, 2, 3, 4, 59)]
        outputs = spread(project, f"[{{column: t, every: {every}}}]", t=when)

        assert outputs == [f"t_{every}={folder}/1.parquet"]
        store = project.root / "data/store/f"
        assert pl.read_parquet(store, hive_partitioning=True)["t"].to_list() == when
        assert read(project, outputs[0])["t"].to_list() == when

    def test_null_and_empty_text_have_the_folder_that_hive_gives_to_null(
        self, project: ProjectFolder
    ) -> None:
        outputs = spread(project, "[k]", k=[None, "", "a"])

        assert outputs == [f"k={HIVE_NULL}/1.parquet", "k=a/1.parquet"]
        assert read(project, outputs[0])["k"].to_list() == [None, ""]

    def test_what_a_path_can_not_hold_is_percent_encoded(self, project: ProjectFolder) -> None:
        outputs = spread(project, "[k]", k=["a/b", "c=d", "5%", "x:y", "Zürich", "a b", "..", "*"])

        assert outputs == [
            "k=%2A/1.parquet",
            "k=../1.parquet",
            "k=5%25/1.parquet",
            "k=Z%C3%BCrich/1.parquet",
            "k=a b/1.parquet",
            "k=a%2Fb/1.parquet",
            "k=c%3Dd/1.parquet",
            "k=x%3Ay/1.parquet",
        ]

    def test_numbers_booleans_and_dates_name_folders(self, project: ProjectFolder) -> None:
        day = datetime.date(2013, 2, 3)
        outputs = spread(project, "[n, b, d, f]", n=[-1], b=[True], d=[day], f=[0.5])

        assert outputs == ["n=-1/b=true/d=2013-02-03/f=0.5/1.parquet"]

    def test_no_rows_are_no_files(self, project: ProjectFolder) -> None:
        file = project.root / "data/home/f/1.parquet"
        file.parent.mkdir(parents=True)
        pl.DataFrame(schema={"k": pl.String}).write_parquet(file)
        project.flow("f", FLOW.format(by="[k]"))

        assert project.doit().moved == 1
        assert project.digest("data/store") == {}
        assert project.doit().moved == 0

    @pytest.mark.parametrize("kind", ["csv", "ndjson", "arrow"])
    def test_every_format_can_be_spread(self, project: ProjectFolder, kind: str) -> None:
        rows(project, "1", k=["a", "b"], v=[1, 2])
        project.flow(
            "f",
            f"home: data/home/f\nstore: {{type: {kind}, path: data/store/f, partition_by: k}}\n",
        )

        assert project.doit().counts["rows"] == 2
        assert sorted(project.digest("data/store/f")) == [f"k=a/1.{kind}", f"k=b/1.{kind}"]

    @given(st.text(max_size=20), st.text(min_size=1, max_size=20))
    def test_two_values_never_share_a_folder(self, one: str, other: str) -> None:
        assert (hive_folder("k", one) == hive_folder("k", other)) == (one == other)
        assert "/" not in hive_folder(one, other)
        assert hive_folder("k", one).count("=") == 1

    def test_letters_and_digits_stay_readable(self) -> None:
        assert hive_folder("k", "Aa0 -_.,+") == "k=Aa0 -_.,+"
        assert hive_folder("k", "é") == f"k={quote('é')}"


class TestChange:
    def months(self, project: ProjectFolder) -> None:
        for month in range(12):
            rows(project, f"{month:02}", origin=["EWR", "JFK", "LGA"] * 4, n=[month] * 12)
        project.flow("f", FLOW.format(by="[origin]"))
        assert project.doit().moved == 12

    def test_one_changed_month_of_twelve_is_one_partition_and_three_files(
        self, project: ProjectFolder
    ) -> None:
        self.months(project)
        store = project.root / "data/store/f"
        before = {file: identity(file) for file in store.rglob("*.parquet")}
        rows(project, "03", origin=["EWR", "JFK", "LGA"] * 4, n=[99] * 12)
        moved = project.doit().moved

        assert moved == 1
        written = [file for file, was in before.items() if identity(file) != was]
        assert sorted(file.parent.name for file in written) == [
            "origin=EWR",
            "origin=JFK",
            "origin=LGA",
        ]
        assert {file.name for file in written} == {"03.parquet"}

    def test_one_changed_row_is_one_file(self, project: ProjectFolder) -> None:
        self.months(project)
        store = project.root / "data/store/f"
        before = {file: identity(file) for file in store.rglob("*.parquet")}
        rows(project, "03", origin=["EWR", "JFK", "LGA"] * 4, n=[3] * 11 + [4])
        moved = project.doit().moved

        assert moved == 1
        written = [file for file, was in before.items() if identity(file) != was]
        assert [file.relative_to(store).as_posix() for file in written] == ["origin=LGA/03.parquet"]

    def test_folder_that_is_no_longer_written_goes(self, project: ProjectFolder) -> None:
        spread(project, "[k]", k=["a", "b"])

        assert spread(project, "[k]", k=["a", "c"]) == ["k=a/1.parquet", "k=c/1.parquet"]
        assert not (project.root / "data/store/f/k=b").exists()

    def test_source_that_is_gone_takes_its_files_along(self, project: ProjectFolder) -> None:
        rows(project, "2", k=["a", "b"])
        spread(project, "[k]", k=["a", "c"])
        (project.root / "data/home/f/1.parquet").unlink()
        result = project.doit()

        assert result.counts["removed"] == 1
        assert sorted(project.digest("data/store/f")) == ["k=a/2.parquet", "k=b/2.parquet"]
        assert not (project.root / "data/store/f/k=c").exists()

    def test_other_columns_write_anew_and_take_the_old_files_away(
        self, project: ProjectFolder
    ) -> None:
        spread(project, "[k]", k=["a", "b"], n=[1, 1])

        assert spread(project, "[n]", k=["a", "b"], n=[1, 1]) == ["n=1/1.parquet"]

    def test_fan_out_that_is_given_up_leaves_no_folder(self, project: ProjectFolder) -> None:
        spread(project, "[k]", k=["a", "b"])
        project.flow("f", "home: data/home/f\nstore: data/store/f\n")
        project.doit()

        assert sorted(project.digest("data/store/f")) == ["1.parquet"]
        assert [each.name for each in (project.root / "data/store/f").iterdir()] == ["1.parquet"]

    def test_deleted_output_is_written_again_and_the_others_are_not(
        self, project: ProjectFolder
    ) -> None:
        spread(project, "[k]", k=["a", "b"])
        store = project.root / "data/store/f"
        kept = identity(store / "k=a/1.parquet")
        (store / "k=b/1.parquet").unlink()

        assert project.doit().moved == 1
        assert (store / "k=b/1.parquet").exists()
        assert identity(store / "k=a/1.parquet") == kept

    def test_lost_state_leaves_no_orphan(self, project: ProjectFolder) -> None:
        """What a partition wrote is found by its name when nothing is remembered of it."""
        spread(project, "[k]", k=["a", "b"])
        (project.root / ".doit.db").unlink()
        rows(project, "1", k=["b", "c"])
        result = project.doit()

        assert "state lost" in result.out
        assert sorted(project.digest("data/store/f")) == ["k=b/1.parquet", "k=c/1.parquet"]

    def test_reset_dep_takes_what_is_there(self, project: ProjectFolder) -> None:
        spread(project, "[k]", k=["a", "b"])
        project.doit("forget")
        project.doit("reset-dep")

        assert project.doit().moved == 0


class TestRefusal:
    def refused(self, project: ProjectFolder, by: str, **columns: list[Any]) -> str:
        rows(project, "1", **columns)
        project.flow("f", FLOW.format(by=by))
        result = project.doit()
        assert result.code != 0
        assert project.digest("data/store") == {}
        text = result.out if result.code == 1 else result.err
        return text[text.index("error: ") :].split("\n1 failed")[0].rstrip("\n")

    def test_missing_column_is_told_with_the_near_miss(self, project: ProjectFolder) -> None:
        assert self.refused(project, "[orgin]", origin=["a"]) == (
            "error: no column 'orgin' to spread the rows by\n"
            "  at flows/f.yml:2:43  store: {path: data/store/f, partition_by: [orgin]}\n"
            "                                                                 ^\n"
            "  try: did you mean 'origin'?"
        )

    def test_time_of_a_column_without_time_is_refused(self, project: ProjectFolder) -> None:
        message = self.refused(project, "[{column: k, every: month}]", k=["a"])

        assert message.split("\n")[0] == "error: the column 'k' is no date or time: it is string"

    def test_column_that_stands_twice_is_refused(self, project: ProjectFolder) -> None:
        message = self.refused(project, "[k, k]", k=["a"])

        assert message.split("\n")[0] == "error: the column 'k' stands twice in 'partition_by'"

    def test_lists_name_no_folder(self, project: ProjectFolder) -> None:
        message = self.refused(project, "[k]", k=[["a"]])

        assert message.split("\n")[0] == (
            "error: the values of the column 'k' can't name folders: it is list[string]"
        )

    def test_value_too_long_for_a_folder_changes_nothing(self, project: ProjectFolder) -> None:
        message = self.refused(project, "[k]", k=["a", "x" * 300])

        assert message.split("\n")[0] == (
            "error: 'k=" + "x" * 38 + "…' is too long to name a file or a folder"
        )
        assert not any((project.root / "data/store").rglob("*.tmp"))


class TestManyFolders:
    def sunk(
        self, frame: pl.DataFrame, staging: Path, monkeypatch: pytest.MonkeyPatch, most: int
    ) -> dict[str, bytes]:
        from hygge.document import Document
        from hygge.flow import Section

        monkeypatch.setattr(fan_out, "MOST_FOLDERS", most)
        section = Section("store", {"partition_by": ["k"]}, Document({}))
        spreading = fan_out.FanOut.of(section)
        assert spreading is not None
        staging.mkdir()
        found = {
            folder: file.read_bytes()
            for folder, file in spreading.sink(
                frame.lazy(), lambda rows, target: rows.sink_parquet(target), staging
            )
        }
        assert not any(each.name.startswith("buckets") for each in staging.iterdir())
        return found

    def test_more_folders_than_open_files_give_the_same_rows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frame = pl.DataFrame({"k": [i * 7 % 300 for i in range(30_000)], "v": range(30_000)})
        direct = self.sunk(frame, tmp_path / "1", monkeypatch, 1000)
        bucketed = self.sunk(frame, tmp_path / "2", monkeypatch, 100)
        twice_bucketed = self.sunk(frame, tmp_path / "3", monkeypatch, 2)

        assert len(direct) == 300
        for other in (bucketed, twice_bucketed):
            assert other.keys() == direct.keys()
            for folder, content in other.items():
                assert pl.read_parquet(content).equals(pl.read_parquet(direct[folder]))

    def test_same_rows_are_the_same_bytes_each_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frame = pl.DataFrame({"k": [i * 7 % 50 for i in range(200_000)], "v": range(200_000)})
        runs = [self.sunk(frame, tmp_path / f"{i}", monkeypatch, 20 + i % 2 * 0) for i in range(6)]
        others = [self.sunk(frame, tmp_path / f"x{i}", monkeypatch, 100) for i in range(6)]

        assert all(run == runs[0] for run in runs)
        assert all(run == others[0] for run in others)


def test_kill_leaves_no_staging_and_the_next_run_finishes(project: ProjectFolder) -> None:
    import signal
    import time

    for i in range(40):
        rows(project, f"{i:02}", k=[j % 20 for j in range(20_000)], v=list(range(i, i + 20_000)))
    project.flow("f", FLOW.format(by="[k]"))
    process = project.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not any((project.root / "data/store").glob("f/.*.tmp")):
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    killed_with_staging = any((project.root / "data/store").rglob(".*.tmp"))
    result = project.doit()

    assert result.code == 0
    assert killed_with_staging, "the kill came at no telling moment"
    assert not any((project.root / "data/store").rglob(".*"))
    assert len(project.digest("data/store/f")) == 40 * 20


class TestPastMistakes:
    def test_text_that_means_null_to_hive_shares_its_folder(self, project: ProjectFolder) -> None:
        """Two files were written to one place, and the null row was lost."""
        outputs = spread(project, "[k]", k=[HIVE_NULL, None, "a"])

        assert outputs == [f"k={HIVE_NULL}/1.parquet", "k=a/1.parquet"]
        assert read(project, outputs[0])["k"].to_list() == [HIVE_NULL, None]
        assert not any((project.root / "data/store").rglob("*.tmp"))

    def test_column_whose_name_is_encoded_leaves_no_orphan(self, project: ProjectFolder) -> None:
        spread(project, "[départ]", départ=["A", "B"])
        (project.root / ".doit.db").unlink()

        assert spread(project, "[départ]", départ=["A"]) == ["d%C3%A9part=A/1.parquet"]

    def test_file_where_a_folder_was_waits_for_its_removal(self, project: ProjectFolder) -> None:
        rows(project, "y", k=["a"])
        rows(project, "x.parquet/1", k=["a", "b"])
        project.flow("f", FLOW.format(by="[k]"))
        project.doit()
        home = project.root / "data/home/f/x.parquet"
        (home / "1.parquet").unlink()
        home.rmdir()
        rows(project, "x", k=["a"])
        result = project.doit()

        assert result.code == 0
        assert sorted(project.digest("data/store/f")) == ["k=a/x.parquet", "k=a/y.parquet"]

    def test_partition_in_a_folder_leaves_no_empty_one(self, project: ProjectFolder) -> None:
        outputs = spread(project, "[k]", "2013/x", k=["a"])

        assert outputs == ["k=a/2013/x.parquet"]
        assert [each.name for each in (project.root / "data/store/f").iterdir()] == ["k=a"]

    def test_partition_waits_for_no_removal_that_is_not_in_its_way(
        self, project: ProjectFolder
    ) -> None:
        """It waited for any whose name ends alike, and was kept back when that one was."""
        for name in ("a", "d/a"):
            project.write(f"data/home/raw/{name}.csv", "k,n\nx,1\n")
        project.flow(
            "raw",
            "home: data/home/raw\nstore: data/store/raw\nchecks: [{between: {n: [0, 9]}}]\n",
        )
        project.flow("f", "home: data/store/raw\nstore: {path: data/store/f, partition_by: k}\n")
        project.doit()
        project.write("data/home/raw/a.csv", "k,n\nx,99\n")
        (project.root / "data/store/raw/a.parquet").unlink()
        project.write("data/home/raw/d/a.csv", "k,n\nx,2\n")
        result = project.doit("--continue")

        assert "f:a  not run: raw:a failed" in result.out
        assert "f:d/a  moved" in result.out


CHANGING = """
import pathlib
import polars


def changing(rows, partition):
    if partition.key == "1":
        later = pathlib.Path("data/home/f/2.parquet")
        polars.DataFrame({"k": ["a"], "v": [9]}).write_parquet(later)
    return rows
"""


def test_source_that_changes_after_the_plan_leaves_no_folder_of_its_old_rows(
    project: ProjectFolder,
) -> None:
    """A bug: what was up to date when the run began counted as in use, and stayed for ever."""
    project.write("flows/changing.py", CHANGING)
    project.flow("f", FLOW.format(by="k") + 'transform: {python: "flows/changing.py:changing"}\n')
    for name in ("1", "2"):
        rows(project, name, k=["a", "b"], v=[1, 2])
    project.doit("f:2")
    project.settle()
    result = project.doit("f:1", "f:2")  # what is asked for by name is looked at in its turn

    assert "f:2  moved  1 row" in result.out
    assert sorted(project.digest("data/store/f")) == [
        "k=a/1.parquet",
        "k=a/2.parquet",
        "k=b/1.parquet",
    ]
    assert project.doit().moved == 0
