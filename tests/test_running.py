"""What `doit` does: the second run, a change, and each way in which stock doit can be wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import ProjectFolder


class TestSecondRun:
    def test_moves_nothing(self, project: ProjectFolder) -> None:
        project.months(3)

        assert project.doit().moved == 3

        second = project.doit()

        assert second.code == 0
        assert second.counts == {"moved": 0, "unchanged": 3, "failed": 0, "removed": 0, "rows": 0}
        assert second.out.startswith("Nothing to move: 3 up to date.\nhygge: moved=0 unchanged=3 ")

    def test_leaves_no_run_folder(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        project.doit()

        assert len(list((project.root / ".hygge/runs").iterdir())) == 1


class TestChange:
    def test_touched_files_move_nothing(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        for file in (project.root / "data/home/flights").iterdir():
            file.touch()

        assert project.doit().moved == 0

    def test_changed_file_is_moved_alone(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        project.parquet("data/home/flights/2013-02.parquet", 5)
        result = project.doit()

        assert result.counts == {"moved": 1, "unchanged": 2, "failed": 0, "removed": 0, "rows": 5}
        assert "flights:2013-02  moved  5 rows" in result.out
        assert "(source changed: '2013-02.parquet', content " in result.out

    def test_new_file_is_moved_alone(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        project.months(4)

        assert project.doit().moved == 1

    def test_deleted_output_is_moved_alone(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        (project.root / "data/store/flights/2013-02.parquet").unlink()
        result = project.doit()

        assert result.moved == 1
        assert "(output missing: 'data/store/flights/2013-02.parquet')" in result.out

    @pytest.mark.parametrize("damage", [b"", b"PAR1", None])
    def test_damaged_output_is_moved_alone(
        self, project: ProjectFolder, damage: bytes | None
    ) -> None:
        project.months(3)
        project.doit()
        reference = project.digest()
        output = project.root / "data/store/flights/2013-02.parquet"
        content = output.read_bytes()
        output.write_bytes(damage if damage is not None else content[:-1] + b"x")
        result = project.doit()

        assert result.moved == 1
        assert project.digest() == reference

    def test_comment_in_a_flow_moves_nothing(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        project.flow(
            "flights",
            """\
            # A comment.
            store: data/store/flights
            description: Another order, a comment, a description.
            home: data/home/flights
            """,
        )

        assert project.doit().moved == 0

    def test_changed_compression_moves_that_flow_only(self, project: ProjectFolder) -> None:
        project.months(3)
        project.flow("other", "home: data/home/flights\nstore: data/store/other\n")
        project.doit()
        project.flow(
            "flights",
            "home: data/home/flights\nstore: {path: data/store/flights, compression: snappy}\n",
        )
        plan = project.doit("plan")
        result = project.doit()

        assert re.sub(r"[\d.]+(?=kB|s\))", "N", plan.out) == (
            "flights:2013-01 … 2013-03  move  NkB  config changed: store.compression: "
            "(not set) -> 'snappy' (3 partitions)\n"
            "3 to move (NkB, about 9 rows in Ns), 3 up to date.\n"
        )
        assert result.counts["moved"] == 3
        footer = pq.read_metadata(project.root / "data/store/flights/2013-01.parquet")
        assert footer.row_group(0).column(0).compression == "SNAPPY"

    def test_renamed_store_takes_the_old_outputs_away(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit()
        project.flow("flights", "home: data/home/flights\nstore: data/store/elsewhere\n")
        project.doit()

        assert sorted(project.digest()) == [
            "elsewhere/2013-01.parquet",
            "elsewhere/2013-02.parquet",
        ]

    def test_moved_home_moves_nothing(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit()
        (project.root / "data/home/flights").rename(project.root / "data/home/elsewhere")
        project.flow("flights", "home: data/home/elsewhere\nstore: data/store/flights\n")

        assert project.doit().moved == 0

    def test_vanished_flow_leaves_its_data_and_is_forgotten(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit()
        (project.root / "flows/flights.yml").unlink()
        result = project.doit()

        assert result.code == 0
        assert len(project.digest()) == 2
        assert "flights" not in project.doit("dumpdb").out


class TestTrapsOfDoit:
    """Design, section 9: what stock doit gets wrong, or what it makes easy to get wrong."""

    def test_edit_that_keeps_size_and_mtime_is_found(self, project: ProjectFolder) -> None:
        project.flow("text", "home: data/home/text\nstore: {type: csv, path: data/store/text}\n")
        source = project.write("data/home/text/a.csv", "id\n1\n")
        project.doit()
        project.settle()
        project.doit()
        before = source.stat()
        source.write_text("id\n2\n")
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))

        assert source.stat().st_mtime_ns == before.st_mtime_ns
        assert project.doit().moved == 1
        assert (project.root / "data/store/text/a.csv").read_text() == "id\n2\n"

    def test_replacement_that_keeps_size_and_mtime_is_found(self, project: ProjectFolder) -> None:
        project.flow("text", "home: data/home/text\nstore: {type: csv, path: data/store/text}\n")
        source = project.write("data/home/text/a.csv", "id\n1\n")
        project.doit()
        project.settle()
        project.doit()
        before = source.stat()
        other = project.write("data/other.csv", "id\n2\n")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.rename(source)

        assert project.doit().moved == 1

    def test_change_back_after_a_kill_is_found(self, project: ProjectFolder) -> None:
        # Source A was moved; B was moved, and killed before that was recorded; now A again.
        project.flow("text", "home: data/home/text\nstore: {type: csv, path: data/store/text}\n")
        source = project.write("data/home/text/a.csv", "id\n1\n")
        project.doit()
        (project.root / "data/store/text/a.csv").write_text("id\n2\n")
        source.write_text("id\n1\n")

        assert project.doit().moved == 1
        assert (project.root / "data/store/text/a.csv").read_text() == "id\n1\n"

    def test_touch_costs_one_reading_and_no_more(self, project: ProjectFolder) -> None:
        project.months(1)
        project.doit()
        (project.root / "data/home/flights/2013-01.parquet").touch()
        project.settle()
        project.doit()
        first = project.doit("dumpdb").out
        project.doit()

        assert project.doit("dumpdb").out == first
        row = json.loads(first.split(" -> ")[1])
        *_, mtime, ctime, _, taken = row["_values_:"]["sources"][0]
        assert max(mtime, ctime) < taken - 2 * 10**9

    def test_failure_keeps_what_is_remembered_of_others(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        good = (project.root / "data/home/flights/2013-01.parquet").read_bytes()
        project.write("data/home/flights/2013-01.parquet", b"not parquet")
        failed = project.doit("--continue")
        project.write("data/home/flights/2013-01.parquet", good)
        after = project.doit()

        assert failed.code == 1
        assert failed.counts == {"moved": 0, "unchanged": 2, "failed": 1, "removed": 0, "rows": 0}
        assert "(last move failed: 'data/home/flights/2013-01.parquet' can't be read" in after.out
        assert after.moved == 1

    def test_continue_moves_what_comes_after_a_failure(self, project: ProjectFolder) -> None:
        project.months(3)
        project.write("data/home/flights/2013-01.parquet", b"not parquet")
        stopped = project.doit()
        continued = project.doit("--continue")

        assert (stopped.code, stopped.moved) == (1, 0)
        assert (continued.code, continued.moved) == (1, 2)

    def test_argument_with_an_equals_sign_does_not_run_everything(
        self, project: ProjectFolder
    ) -> None:
        project.months(1)
        result = project.doit("data/store/flights/day=1/x")

        assert result.code == 3
        assert result.err == (
            "error: 'data/store/flights/day=1/x' names no task: doit takes it for a variable\n"
            "  try: name the partition instead; its key has no 'name=': doit list --all\n"
        )
        assert not (project.root / "data/store").exists()

    def test_variables_for_users_tasks_still_work(self, project: ProjectFolder) -> None:
        project.months(1)

        assert project.doit("level=3").moved == 1

    def test_processes_are_refused(self, project: ProjectFolder) -> None:
        project.months(1)
        result = project.doit("-n", "2", "-P", "process")

        assert result.code == 3
        assert result.err == (
            "error: partitions are moved by threads, not by processes\n"
            "  at -P process\n"
            "  try: leave it out: doit -n 2\n"
        )

    def test_threads_give_the_same_store(self, project: ProjectFolder, tmp_path: Path) -> None:
        project.months(12)
        project.doit()
        other = ProjectFolder(tmp_path / "threads")
        other.months(12)
        result = other.doit("-n", "4")

        assert result.moved == 12
        assert other.digest() == project.digest()
        assert other.doit().moved == 0

    def test_unknown_key_in_doit_config_is_refused(self, project: ProjectFolder) -> None:
        project.months(1)
        project.write(
            "dodo.py",
            """\
            from hygge.tasks import DOIT_CONFIG, task_hygge
            DOIT_CONFIG = {**DOIT_CONFIG, "verbositi": 1}
            """,
        )
        result = project.doit()

        assert result.code == 3
        assert result.err == (
            "error: unknown key 'verbositi' in DOIT_CONFIG\n"
            "  at dodo.py\n"
            "  try: did you mean 'verbosity'?\n"
        )

    def test_missing_doit_config_is_told(self, project: ProjectFolder) -> None:
        project.months(1)
        project.write("dodo.py", "from hygge.tasks import task_hygge\n")
        result = project.doit()

        assert result.code == 3
        assert result.err == (
            "error: doit does not use hygge's state\n"
            "  at DOIT_CONFIG in dodo.py\n"
            "  try: from hygge.tasks import DOIT_CONFIG, task_hygge\n"
        )

    def test_other_working_folder_is_refused(self, project: ProjectFolder) -> None:
        project.months(1)
        result = project.doit("-d", "data")

        assert result.code == 3
        assert result.err == (
            "error: doit is to work in another folder than the project's root\n"
            f"  at {project.root}/data, root {project.root}\n"
            "  try: leave out -d: all paths in flows start at the root\n"
        )

    def test_task_whose_setup_failed_is_not_run(self, project: ProjectFolder) -> None:
        project.write(
            "dodo.py",
            """\
            from hygge.tasks import DOIT_CONFIG, task_hygge

            def task_first():
                return {"actions": ["false"]}

            def task_second():
                return {"actions": ["touch ran"], "setup": ["first"]}
            """,
        )
        result = project.doit("--continue", "second")

        assert result.code == 1
        assert "second  not run: first failed" in result.out
        assert not (project.root / "ran").exists()

    def test_failing_teardown_fails_the_run(self, project: ProjectFolder) -> None:
        project.write(
            "dodo.py",
            """\
            from hygge.tasks import DOIT_CONFIG, task_hygge

            def task_torn():
                return {"actions": ["true"], "teardown": ["false"]}
            """,
        )

        assert project.doit("torn").code == 2

    def test_vanished_partition_leaves_no_row(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        (project.root / "data/home/flights/2013-02.parquet").unlink()
        project.doit()

        assert "2013-02" not in project.doit("dumpdb").out

    def test_hive_folders_are_named_without_an_equals_sign(self, project: ProjectFolder) -> None:
        project.parquet("data/home/h/year=2013/month=1/part.parquet")
        project.flow("h", "home: data/home/h\nstore: data/store/h\n")
        project.doit()

        assert project.doit("info", "h:2013/1/part").code == 0
        assert list(project.digest()) == ["h/year=2013/month=1/part.parquet"]


class TestCommandsOfDoit:
    """The commands that doit's users know do what they expect."""

    def test_list_shows_flows(self, project: ProjectFolder) -> None:
        project.months(2)

        assert project.doit("list").out == "flights   data/home/flights -> data/store/flights\n"

    def test_list_all_with_status_shows_partitions(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit("flights:2013-01")

        assert project.doit("list", "--all", "--status").out == (
            "R flights           data/home/flights -> data/store/flights  (1 new)\n"
            "U flights:2013-01   up to date\n"
            "R flights:2013-02   new\n"
        )

    def test_info_says_why(self, project: ProjectFolder) -> None:
        project.months(2)
        result = project.doit("info", "flights:2013-02")

        assert result.code == 1
        assert result.out == (
            "\nflights:2013-02\n"
            "\nstatus     : stale\n"
            "reason     : new\n"
            "\nfile_dep   :\n - data/home/flights/2013-02.parquet\n"
            "\ntargets    :\n - data/store/flights/2013-02.parquet\n"
        )

    @pytest.mark.parametrize("command", [(), ("info",), ("list",), ("forget",), ("ignore",)])
    def test_unknown_task_is_told_with_the_near_miss(
        self, project: ProjectFolder, command: tuple[str, ...]
    ) -> None:
        project.months(2)
        result = project.doit(*command, "flights:2013-2")

        assert result.code == 3
        assert result.err == (
            "error: no task 'flights:2013-2'\n  try: did you mean 'flights:2013-02'?\n"
        )

    def test_pattern_runs_what_it_matches(self, project: ProjectFolder) -> None:
        project.months(12)

        assert project.doit("flights:2013-0*").moved == 9

    def test_target_runs_its_partition(self, project: ProjectFolder) -> None:
        project.months(3)

        assert project.doit("data/store/flights/2013-02.parquet").moved == 1

    def test_always_moves_everything_and_rewrites_nothing(self, project: ProjectFolder) -> None:
        project.months(3)
        project.doit()
        store = project.root / "data/store/flights"
        before = {f.name: f.stat().st_ino for f in store.iterdir()}
        result = project.doit("-a")

        assert result.moved == 3
        assert {f.name: f.stat().st_ino for f in store.iterdir()} == before

    @pytest.mark.parametrize("names", [(), ("flights",)])
    def test_forget_makes_stale(self, project: ProjectFolder, names: tuple[str, ...]) -> None:
        project.months(2)
        project.doit()
        result = project.doit("forget", *names)

        assert result.code == 0, result.err
        assert project.doit("plan", "--check").code == 4
        assert project.doit().moved == 2

    def test_ignore_sets_aside_until_forgotten(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit("ignore", "flights:2013-01")
        ignoring = project.doit()
        project.doit("forget", "flights:2013-01")

        assert ignoring.moved == 1
        assert "1 ignored" in ignoring.out
        assert project.doit().moved == 1

    def test_clean_removes_outputs_and_the_next_run_writes_them(
        self, project: ProjectFolder
    ) -> None:
        project.months(2)
        project.doit()
        reference = project.digest()
        project.doit("clean", "flights")

        assert project.digest() == {}
        assert project.doit().moved == 2
        assert project.digest() == reference

    def test_reset_dep_takes_what_is_there_for_right(self, project: ProjectFolder) -> None:
        project.months(2)
        project.doit()
        project.write("data/store/flights/2013-01.parquet", b"edited by hand")
        result = project.doit("reset-dep", "flights")

        assert result.out == "processed flights:2013-01\nskip flights:2013-02\n"
        assert project.doit().moved == 0

    def test_reset_dep_knows_what_is_captured_from_the_path(self, project: ProjectFolder) -> None:
        project.parquet("data/home/h/year=2013/part.parquet")
        project.flow(
            "h", "home: {type: parquet, path: data/home/h, partition: hive}\nstore: data/store/h\n"
        )
        project.doit()
        project.write("data/store/h/2013.parquet", b"edited by hand")
        project.doit("reset-dep")

        assert project.doit().moved == 0

    def test_dumpdb_shows_receipts(self, project: ProjectFolder) -> None:
        project.months(1)
        project.doit()
        line = project.doit("dumpdb").out
        task, _, row = line.partition(" -> ")

        assert task == "flights:2013-01"
        assert json.loads(row)["_values_:"]["outputs"][0][0] == "data/store/flights/2013-01.parquet"

    def test_plan_check_exits_with_4_when_something_is_stale(self, project: ProjectFolder) -> None:
        project.months(1)
        stale = project.doit("plan", "--check").code
        project.doit()

        assert (stale, project.doit("plan", "--check").code) == (4, 0)

    def test_users_tasks_run_beside_the_flows(self, project: ProjectFolder) -> None:
        project.months(1)
        project.write(
            "dodo.py",
            """\
            from hygge.tasks import DOIT_CONFIG, task_hygge

            def task_count():
                january = "data/store/flights/2013-01.parquet"
                return {
                    "actions": [f"wc -c {january} > size.txt"],
                    "file_dep": [january],
                    "targets": ["size.txt"],
                }
            """,
        )
        first = project.doit()
        second = project.doit()
        project.parquet("data/home/flights/2013-01.parquet", 30)
        third = project.doit("count")

        assert "flights:2013-01  moved" in first.out
        assert ".  count" in first.out
        assert "-- count" in second.out
        assert third.moved == 1
        assert ".  count" in third.out

    def test_hygge_runs_from_any_folder_without_a_dodo_py(self, project: ProjectFolder) -> None:
        project.months(2)
        (project.root / "dodo.py").unlink()
        project.write("hygge.yml", "defaults: {}\n")
        result = subprocess.run(
            [Path(sys.executable).with_name("hygge")],
            cwd=project.root / "data/home",
            capture_output=True,
            text=True,
            check=True,
            env=project.environment(),
        )

        assert "moved=2" in result.stdout

    def test_other_projects_of_doit_are_left_alone(self, project: ProjectFolder) -> None:
        project.write(
            "dodo.py",
            """\
            DOIT_CONFIG = {"backend": "json"}

            def task_plain():
                return {"actions": ["touch done"], "targets": ["done"], "uptodate": [True]}
            """,
        )

        assert project.doit().out == ".  plain\n"
        assert project.doit().out == "-- plain\n"
        assert project.doit("list").out == "plain   \n"
        assert not (project.root / ".hygge").exists()


def test_events_tell_what_happened(project: ProjectFolder) -> None:
    project.months(1)
    project.doit()
    (file,) = (project.root / ".hygge/runs").glob("*/events.jsonl")
    events = [json.loads(line) for line in file.read_text().split("\n") if line]

    assert [event["type"] for event in events] == [
        "job.started",
        "step.started",
        "file.written",
        "step.succeeded",
        "job.succeeded",
    ]
    assert events[2]["data"]["path"] == "data/store/flights/2013-01.parquet"
    assert time.strptime(events[0]["ts"][:19], "%Y-%m-%dT%H:%M:%S")


def test_parquet_that_only_polars_could_read_is_not_written(project: ProjectFolder) -> None:
    """A bug: it failed with an error of pyarrow's that nobody could mend."""
    project.write("data/home/big/a.csv", "a,b\n18446744073709551615,2\n")
    project.flow("big", "home: data/home/big\nstore: data/store/big\n")
    result = project.doit()

    assert result.code == 1
    assert (
        "error: other programs could not read what would be written: "
        "Integers with more than 64 bits not implemented\n"
        "  at data/store/big\n"
        "  try: cast such columns: transform: {cast: {COLUMN: decimal, float64 or string}}\n"
    ) in result.out
    assert list((project.root / "data/store").rglob("*.*")) == []
    project.flow(
        "big", "home: data/home/big\nstore: data/store/big\ntransform: {cast: {a: string}}\n"
    )

    assert project.doit().moved == 1
