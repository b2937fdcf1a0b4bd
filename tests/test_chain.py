"""A flow that begins in another flow's store is brought up to date after it, in the same run."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import polars as pl
import pytest
from conftest import ProjectFolder

A = "home: data/home/a\nstore: data/store/a\n"
B = "home: data/store/a\nstore: {path: data/store/b, compression: snappy}\n"


def chain(project: ProjectFolder, count: int = 3) -> None:
    """Make the flow `a`, and `b` behind it."""
    for i in range(1, count + 1):
        project.parquet(f"data/home/a/{i}.parquet", 3, start=i * 10)
    project.flow("a", A)
    project.flow("b", B)


def identity(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns


class TestOneRun:
    def test_new_partitions_go_through_the_whole_chain_in_one_run(
        self, project: ProjectFolder
    ) -> None:
        chain(project)
        project.flow("c", "home: {path: data/store/b, partition: all}\nstore: data/store/c\n")
        result = project.doit()

        assert (result.code, result.moved) == (0, 7)
        assert sorted(project.digest()) == [
            "a/1.parquet",
            "a/2.parquet",
            "a/3.parquet",
            "b/1.parquet",
            "b/2.parquet",
            "b/3.parquet",
            "c/all.parquet",
        ]
        assert project.doit().counts["unchanged"] == 7

    def test_name_order_does_not_matter(self, project: ProjectFolder) -> None:
        project.parquet("data/home/z/1.parquet")
        project.flow("z", "home: data/home/z\nstore: data/store/z\n")
        project.flow("a", "home: data/store/z\nstore: data/store/a\n")
        result = project.doit()

        assert [line.split(":")[0] for line in result.out.splitlines()[:2]] == ["z", "a"]

    def test_only_what_changed_goes_on(self, project: ProjectFolder) -> None:
        chain(project)
        project.doit()
        project.parquet("data/home/a/2.parquet", 4, start=50)
        result = project.doit()

        assert (result.moved, result.counts["unchanged"]) == (2, 4)

    def test_source_that_goes_is_removed_along_the_chain(self, project: ProjectFolder) -> None:
        chain(project)
        project.doit()
        (project.root / "data/home/a/2.parquet").unlink()
        result = project.doit()

        assert result.counts["removed"] == 2
        assert sorted(project.digest()) == [
            "a/1.parquet",
            "a/3.parquet",
            "b/1.parquet",
            "b/3.parquet",
        ]

    def test_store_with_nothing_in_it_is_an_empty_home(self, project: ProjectFolder) -> None:
        (project.root / "data/home/a").mkdir(parents=True)
        project.flow("a", "home: {type: parquet, path: data/home/a}\nstore: data/store/a\n")
        project.flow("b", B)
        result = project.doit()

        assert (result.code, result.moved) == (0, 0)

    def test_name_of_the_later_flow_brings_the_earlier_one_up_to_date(
        self, project: ProjectFolder
    ) -> None:
        chain(project)

        assert project.doit("b").moved == 6

    def test_partition_can_be_asked_for_before_it_is_known(self, project: ProjectFolder) -> None:
        chain(project)
        result = project.doit("b:2")

        assert (result.code, result.moved) == (0, 4)
        assert sorted(project.digest("data/store/b")) == ["2.parquet"]

    def test_pattern_can_be_asked_for_before_anything_is_known(
        self, project: ProjectFolder
    ) -> None:
        chain(project, 12)
        result = project.doit("b:1*")

        assert (result.code, result.moved) == (0, 16)
        assert sorted(project.digest("data/store/b")) == [
            "1.parquet",
            "10.parquet",
            "11.parquet",
            "12.parquet",
        ]

    def test_partition_that_never_comes_is_told(self, project: ProjectFolder) -> None:
        chain(project)
        result = project.doit("b:4")

        assert result.code == 1
        assert "b:4  failed\nerror: no task 'b:4'\n  try: did you mean 'b:" in result.out

    def test_two_threads_keep_the_order(self, project: ProjectFolder) -> None:
        chain(project, 20)
        result = project.doit("-n", "2")

        assert (result.code, result.moved) == (0, 40)

    def test_forced_run_moves_the_chain(self, project: ProjectFolder) -> None:
        chain(project)
        project.doit()

        assert project.doit("-a").moved == 6

    def test_needs_orders_flows_that_share_nothing(self, project: ProjectFolder) -> None:
        chain(project)
        project.flow("b", "home: data/home/a\nstore: data/store/b\nneeds: [z]\n")
        project.flow("z", "home: data/home/a\nstore: data/store/z\n")
        lines = project.doit("b").out.splitlines()

        assert [line.split(":")[0] for line in lines[:6]] == ["z"] * 3 + ["b"] * 3

    def test_glob_reads_several_stores(self, project: ProjectFolder) -> None:
        for name in ("a1", "a2"):
            project.parquet(f"data/home/{name}/x.parquet")
            project.flow(name, f"home: data/home/{name}\nstore: data/store/{name}\n")
        project.flow(
            "b",
            """
            home: {path: data/store/a*/*.parquet, partition: all}
            store: data/out/b
            """,
        )

        assert project.doit().moved == 3


class TestEarlyCutoff:
    def test_same_bytes_stop_the_chain(self, project: ProjectFolder) -> None:
        for i in (1, 2):
            project.write(f"data/home/a/{i}.csv", "k,v\na,1\nb,2\n")
        project.flow("a", "home: data/home/a\nstore: data/store/a\ntransform: {select: [k]}\n")
        project.flow("b", "home: {path: data/store/a, partition: all}\nstore: data/store/b\n")
        project.doit()
        before = identity(project.root / "data/store/a/1.parquet")
        project.write("data/home/a/1.csv", "k,v\na,1\nb,3\n")
        result = project.doit()

        assert (result.moved, result.counts["unchanged"]) == (1, 2)
        assert identity(project.root / "data/store/a/1.parquet") == before

    def test_change_that_a_query_does_not_see_stops_at_the_query(
        self, project: ProjectFolder
    ) -> None:
        chain(project)
        project.flow(
            "b",
            "home: {path: data/store/a, partition: all}\nstore: data/store/b\n"
            "transform: {sql: 'SELECT id % 2 AS odd, COUNT(*) AS n FROM self GROUP BY odd'}\n",
        )
        project.flow("c", "home: data/store/b\nstore: {path: data/store/c, compression: snappy}\n")
        project.doit()
        frame = pl.read_parquet(project.root / "data/home/a/1.parquet")
        frame.with_columns(name=pl.lit("x")).write_parquet(project.root / "data/home/a/1.parquet")
        planned = project.doit("plan")
        result = project.doit()

        assert re.search(r"c:all +move +\S+  upstream changed: 'b:all' is to be", planned.out)
        assert (result.moved, result.counts["unchanged"]) == (2, 3)


class TestFailure:
    def broken(self, project: ProjectFolder) -> None:
        chain(project)
        project.write("data/home/a/2.parquet", b"PAR1 no more")
        project.flow("a", A + "transform: {where: 'id >= 0'}\n")

    def test_only_what_depends_on_a_failed_partition_is_kept_back(
        self, project: ProjectFolder
    ) -> None:
        chain(project)
        project.flow("a", A + "transform: {where: 'id >= 0'}\n")
        project.doit()
        for i in (1, 2, 3):
            project.parquet(f"data/home/a/{i}.parquet", 5, start=i * 10)
        project.write("data/home/a/2.parquet", b"PAR1 no more")
        before = identity(project.root / "data/store/b/2.parquet")
        result = project.doit("--continue")

        assert result.code == 1
        assert "b:2  not run: a:2 failed" in result.out
        assert (result.moved, result.counts["failed"]) == (4, 1)
        assert identity(project.root / "data/store/b/2.parquet") == before

    def test_partition_that_never_was_keeps_no_other_back(self, project: ProjectFolder) -> None:
        self.broken(project)
        result = project.doit("--continue")

        assert (result.moved, result.counts["failed"]) == (4, 1)

    def test_group_waits_for_a_partition_that_never_was(self, project: ProjectFolder) -> None:
        """A whole that lacks a part is no result, even when nothing of the part is there."""
        self.broken(project)
        project.flow("b", "home: {path: data/store/a, partition: all}\nstore: data/store/b\n")
        result = project.doit("--continue")

        assert "b:all  not run: a:2 failed" in result.out
        assert project.digest("data/store/b") == {}
        project.parquet("data/home/a/2.parquet")
        assert project.doit().moved == 2

    def test_broken_flow_keeps_back_what_is_behind_it(self, project: ProjectFolder) -> None:
        chain(project)
        project.doit()
        (project.root / "data/home/a").rename(project.root / "data/home/gone")
        project.parquet("data/home/x/1.parquet")
        project.flow("x", "home: data/home/x\nstore: data/store/x\n")
        result = project.doit("--continue")

        assert result.code == 1
        assert "x:1  moved" in result.out
        assert "b:1  not run: a failed" in result.out

    def test_needed_flow_that_fails_keeps_all_back(self, project: ProjectFolder) -> None:
        self.broken(project)
        project.flow("b", "home: data/home/b\nstore: data/store/b\nneeds: [a]\n")
        project.parquet("data/home/b/1.parquet")
        result = project.doit("--continue")

        assert "b:1  not run: a:2 failed" in result.out

    def test_killed_run_goes_on_in_the_middle_of_the_chain(self, project: ProjectFolder) -> None:
        chain(project, 60)
        process = project.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not any(
            (project.root / "data/store/b").glob("*.parquet")
        ):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result = project.doit()

        assert result.code == 0
        assert result.moved <= 60
        assert len(project.digest()) == 120
        assert project.doit().moved == 0


class TestRefusal:
    def test_circle_is_written_out(self, project: ProjectFolder) -> None:
        project.flow("a", "home: data/store/c\nstore: data/store/a\n")
        project.flow("b", "home: data/store/a\nstore: data/store/b\n")
        project.flow("c", "home: data/store/b\nstore: data/store/c\n")
        project.parquet("data/home/d/1.parquet")
        project.flow("d", "home: data/home/d\nstore: data/store/d\n")
        result = project.doit()

        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(
            "error: flows wait for each other in a circle: a -> c -> b -> a\n"
            "  at flows/a.yml:1:7  home: data/store/c\n"
            "                            ^\n"
            "  try: let one of them begin with what none of the others writes\n"
            "error: flows wait for each other in a circle: b -> a -> c -> b\n"
        )
        going_on = project.doit("--continue")
        assert (going_on.code, going_on.moved, going_on.counts["failed"]) == (1, 1, 3)

    def test_circle_by_needs_points_at_needs(self, project: ProjectFolder) -> None:
        project.parquet("data/home/a/1.parquet")
        project.flow("a", A + "needs: [b]\n")
        project.flow("b", B)

        assert project.doit().err.startswith(
            "error: flows wait for each other in a circle: a -> b -> a\n"
            "  at flows/a.yml:3:8  needs: [b]\n"
            "                             ^\n"
        )

    def test_needed_flow_must_be_there(self, project: ProjectFolder) -> None:
        chain(project)
        project.flow("b", B + "needs: [aa]\n")
        result = project.doit()

        assert (result.code, result.err) == (
            3,
            "error: no flow 'aa' that 'b' could need\n"
            "  at flows/b.yml:3:9  needs: [aa]\n"
            "                              ^\n"
            "  try: did you mean 'a'?\n",
        )


class TestInputs:
    def joined(self, project: ProjectFolder, where: str = "data/home/names.csv") -> None:
        for i in (1, 2):
            project.write(f"data/home/a/{i}.csv", f"k,v\na,{i}\nb,{i}\n")
        project.write("data/home/names.csv", "k,name\na,Anna\nb,Bert\n")
        project.flow(
            "a",
            f"""
            home: data/home/a
            inputs: {{names: {where}}}
            transform:
              sql: SELECT name, v FROM self JOIN names ON self.k = names.k
            store: data/store/a
            """,
        )

    def test_input_is_a_table_of_the_query(self, project: ProjectFolder) -> None:
        self.joined(project)
        project.doit()

        assert pl.read_parquet(project.root / "data/store/a/2.parquet").rows() == [
            ("Anna", 2),
            ("Bert", 2),
        ]

    def test_changed_input_moves_every_partition(self, project: ProjectFolder) -> None:
        self.joined(project)
        project.doit()
        assert project.doit().moved == 0
        project.write("data/home/names.csv", "k,name\na,Anne\nb,Bert\n")
        result = project.doit()

        assert result.moved == 2
        assert "(upstream changed: the input 'data/home/names.csv', content " in result.out

    def test_touched_input_moves_nothing(self, project: ProjectFolder) -> None:
        self.joined(project)
        project.doit()
        os.utime(project.root / "data/home/names.csv")

        assert project.doit().moved == 0

    def test_input_in_a_store_is_moved_first(self, project: ProjectFolder) -> None:
        self.joined(project, "data/store/names")
        project.flow("names", "home: data/home/names.csv\nstore: data/store/names\n")
        result = project.doit()

        assert (result.code, result.moved) == (0, 3)
        assert result.out.startswith("names:names  moved")

    def test_input_without_files_is_told(self, project: ProjectFolder) -> None:
        self.joined(project, "data/store/names")
        (project.root / "data/home/n").mkdir()
        project.flow("names", "home: {type: csv, path: data/home/n}\nstore: data/store/names\n")
        result = project.doit()

        assert result.code == 1
        assert "a:1  failed\nerror: the input 'names' has no files\n" in result.out

    def test_broken_input_is_told(self, project: ProjectFolder) -> None:
        self.joined(project)
        project.write("data/home/names.csv", "k,name\na,Anna,x\n")
        result = project.doit()

        assert result.code == 1
        assert "error: line 2 of 'data/home/names.csv' has 3 fields" in result.out

    def test_missing_input_is_told(self, project: ProjectFolder) -> None:
        self.joined(project, "data/home/nams.csv")
        result = project.doit()

        assert (result.code, result.err) == (
            3,
            "error: no file 'data/home/nams.csv'\n"
            "  at flows/a.yml:3:17  inputs: {names: data/home/nams.csv}\n"
            "                                       ^\n"
            "  try: create it, or did you mean 'data/home/names.csv'?\n",
        )


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "brotli", "none"])
def test_same_rows_are_the_same_bytes_for_each_compression(
    project: ProjectFolder, compression: str
) -> None:
    """Else a forced run, or a build from nothing, would go through the whole chain."""
    rows = range(100_000)
    frame = pl.DataFrame({"i": rows, "s": [f"n{i % 977}" for i in rows]})
    (project.root / "data/home/a").mkdir(parents=True)
    for i in range(3):
        frame.write_csv(project.root / f"data/home/a/{i}.csv")
    project.flow(
        "a",
        f"home: data/home/a\nstore: {{path: data/store/a, compression: {compression}}}\n"
        "transform: {sql: 'SELECT s, COUNT(*) AS n, SUM(i) AS i FROM self GROUP BY s'}\n",
    )
    project.doit()
    first = project.digest()
    store = project.root / "data/store/a"
    before = {file: identity(file) for file in store.iterdir()}
    result = project.doit("-a")

    assert result.moved == 3
    assert len(set(first.values())) == 1
    assert {file: identity(file) for file in store.iterdir()} == before


class TestTakeover:
    def test_renamed_flow_behind_a_stale_one_keeps_its_data(self, project: ProjectFolder) -> None:
        """What a renamed flow had written went before it was written again, for a moment."""
        chain(project)
        project.doit()
        before = identity(project.root / "data/store/b/1.parquet")
        (project.root / "flows/b.yml").rename(project.root / "flows/c.yml")
        project.parquet("data/home/a/2.parquet", 7)
        (project.root / "data/home/a/3.parquet").unlink()
        result = project.doit()

        assert "b  no such flow any more: 3 forgotten, data stays" in result.out
        assert identity(project.root / "data/store/b/1.parquet") == before
        assert sorted(project.digest("data/store/b")) == ["1.parquet", "2.parquet"]
        assert project.doit().counts["unchanged"] == 4

    def test_store_that_changes_hands_loses_what_nobody_writes(
        self, project: ProjectFolder
    ) -> None:
        """What a flow had left behind in a store that became another's stayed there for good."""
        project.months(2)
        project.doit()
        project.parquet("data/home/other/x.parquet")
        project.flow("flights", "home: data/home/flights\nstore: data/store/elsewhere\n")
        project.flow("other", "home: data/home/other\nstore: data/store/flights\n")
        project.doit()

        assert sorted(project.digest("data/store/flights")) == ["x.parquet"]


class TestPastMistakes:
    def test_inputs_that_change_places_are_another_result(self, project: ProjectFolder) -> None:
        """The files were the same, so nothing was moved."""
        project.write("data/home/a/1.csv", "k\n1\n")
        project.write("data/x.csv", "k,v\n1,X\n")
        project.write("data/y.csv", "k,v\n1,Y\n")
        text = (
            "home: data/home/a\nstore: {{type: csv, path: data/store/a}}\n"
            "inputs: {{x: data/{}.csv, y: data/{}.csv}}\n"
            "transform: {{sql: SELECT x.v FROM self JOIN x ON self.k = x.k}}\n"
        )
        project.flow("a", text.format("x", "y"))
        project.doit()
        project.flow("a", text.format("y", "x"))

        assert project.doit().moved == 1
        assert (project.root / "data/store/a/1.csv").read_text() == "v\nY\n"

    def test_own_task_waits_for_a_flow_that_is_put_off(self, project: ProjectFolder) -> None:
        """It ran before the output that it reads was brought up to date."""
        chain(project, 1)
        project.write(
            "dodo.py",
            """
            import shutil
            from hygge.tasks import DOIT_CONFIG, task_hygge

            def task_copy():
                def copy():
                    shutil.copy("data/store/b/1.parquet", "copy.parquet")
                return {
                    "actions": [copy],
                    "file_dep": ["data/store/b/1.parquet"],
                    "targets": ["copy.parquet"],
                }
            """,
        )
        first = project.doit("copy")
        project.parquet("data/home/a/1.parquet", 7)
        second = project.doit("copy")

        assert (first.code, second.code, first.moved, second.moved) == (0, 0, 2, 2)
        assert pl.read_parquet(project.root / "copy.parquet").height == 7

    def test_removal_waits_for_a_failed_partition_too(self, project: ProjectFolder) -> None:
        """What lacks its source because the source could not be made again was removed."""
        chain(project)
        project.doit()
        project.write("data/home/a/2.parquet", b"no more")
        (project.root / "data/store/a/2.parquet").unlink()
        result = project.doit("--continue")

        assert "b:2  not run: a:2 failed" in result.out
        assert sorted(project.digest("data/store/b")) == ["1.parquet", "2.parquet", "3.parquet"]

    def test_input_that_lacks_a_part_is_not_read(self, project: ProjectFolder) -> None:
        project.parquet("data/home/a/1.parquet")
        project.write("data/home/a/2.parquet", b"no more")
        project.flow("a", A)
        project.parquet("data/home/b/x.parquet")
        project.flow(
            "b",
            "home: data/home/b\nstore: data/store/b\ninputs: {t: data/store/a}\n"
            "transform: {sql: SELECT COUNT(*) AS n FROM t}\n",
        )
        result = project.doit("--continue")

        assert "b:x  not run: a:2 failed" in result.out

    def test_quarantine_can_be_a_home(self, project: ProjectFolder) -> None:
        project.write("data/home/a/1.csv", "k\n1\n9\n")
        project.flow(
            "a",
            "home: data/home/a\nstore: data/store/a\n"
            "checks: [{between: {k: [0, 5]}, on_fail: quarantine}]\n",
        )
        project.flow("bad", "home: data/quarantine/a\nstore: data/store/bad\n")

        assert project.doit().moved == 2
        assert project.doit().moved == 0

    def test_left_overs_of_a_kill_are_no_source(self, project: ProjectFolder) -> None:
        """A flow behind read a file that the killed run had published and nobody recorded."""
        for name in ("x", "y"):
            project.write(f"data/home/a/{name}.csv", "k\nM\n")
        project.flow("a", "home: data/home/a\nstore: {path: data/store/a, partition_by: k}\n")
        project.flow("b", "home: {path: data/store/a, partition: hive}\nstore: data/store/b\n")
        project.doit()
        project.write("data/home/a/x.csv", "k\nM\nA\nM\n")
        project.write(
            "sitecustomize.py",
            """
            import os, sys
            def kill(event, arguments):
                if event == "os.rename" and "k=M/x.parquet" in str(arguments[1]):
                    os.kill(os.getpid(), 9)
            sys.addaudithook(kill)
            """,
        )
        killed = project.doit(PYTHONPATH=str(project.root))
        published = (project.root / "data/store/a/k=A/x.parquet").exists()
        project.write("data/home/a/x.csv", "k\nM\n")
        result = project.doit()

        assert (killed.code, published) == (-signal.SIGKILL, True)
        assert result.code == 0
        assert sorted(project.digest()) == ["a/k=M/x.parquet", "a/k=M/y.parquet", "b/M.parquet"]


def test_result_of_a_join_is_the_same_bytes_each_time(project: ProjectFolder) -> None:
    """Its rows came in other portions each time, and each portion became a row group."""
    row = pl.int_range(400_000, eager=True)
    frame = pl.DataFrame({"k": row.hash(1) % 50, "x": row.hash(2) % 1000})
    project.parquet("data/home/a/1.parquet")
    frame.write_parquet(project.root / "data/home/a/1.parquet")
    limits = pl.DataFrame({"low": range(0, 500, 10), "high": range(30, 530, 10)})
    limits.write_parquet(project.root / "data/limits.parquet")
    project.flow(
        "a",
        """
        home: data/home/a
        inputs: {limits: data/limits.parquet}
        transform:
          sql: SELECT k, x, low FROM self JOIN limits ON x > low AND x < high
        store: data/store/a
        """,
    )
    digests = []
    for _ in range(4):
        project.doit("-a")
        digests.append(project.digest())

    assert digests[1:] == digests[:1] * 3


def test_plan_of_a_flow_shows_what_is_moved_before_it(project: ProjectFolder) -> None:
    # It showed the flow alone, and the run moved more.
    project.months(1)
    project.flow("whole", "home: {path: data/store/flights, partition: all}\nstore: data/store/all")
    project.flow("other", "home: data/home/flights\nstore: data/store/other\n")
    planned = json.loads(project.doit("plan", "--json", "whole").out)["data"]
    moved = re.findall(r"^(\S+)  moved", project.doit("whole").out, re.MULTILINE)

    assert [each["task"] for each in planned["partitions"]] == ["flights:2013-01"]
    assert [each["flow"] for each in planned["waiting"]] == ["whole"]
    assert moved == ["flights:2013-01", "whole:all"]
