"""A watch keeps stores up to date while people save files, and survives what they save."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import SUMMARY, ProjectFolder
from jsonschema import Draft202012Validator

from hygge import schema
from hygge.events import RUN_ID
from hygge.watching.changes import changes
from hygge.watching.places import Folders, Place, of_path
from hygge.watching.sight import Configured, Sight, Trouble

DEADLINE = 120.0
"""Seconds; the machine may be busy."""

QUIET = 1.5
"""Seconds without news after which nothing more is expected."""

WAITING = "watch: waiting for changes; Ctrl-C ends it\n"

SLOW = """\
import time

def slow(rows):
    time.sleep(1.5)
    return rows
"""


class Watching:
    """`doit watch` as a person sees it."""

    def __init__(self, project: ProjectFolder, *args: str, **environment: str) -> None:
        self.project = project
        self.process = project.start("watch", "--debounce=100", *args, **environment)
        self.out, self.err = "", ""
        self._readers = [
            threading.Thread(target=self._read, args=(name,)) for name in ("out", "err")
        ]
        for each in self._readers:
            each.start()
        self._seen = 0

    def _read(self, name: str) -> None:
        stream = getattr(self.process, f"std{name}")
        for line in stream:
            setattr(self, name, getattr(self, name) + line)
        stream.close()

    def until(self, told: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not told():
            assert time.monotonic() < deadline, f"waited in vain:\n{self.out}\n{self.err}"
            assert self.process.poll() is None, f"it ended:\n{self.out}\n{self.err}"
            time.sleep(0.05)

    def until_waiting(self) -> None:
        """Wait until it has said once more that it waits for changes."""
        self.until(lambda: self.err.count(WAITING) > self._seen)
        self._seen = self.err.count(WAITING)

    def settle(self) -> None:
        """Wait until it has had nothing to say for a while."""
        before = None
        while before != (self.out, self.err):
            before = (self.out, self.err)
            time.sleep(QUIET)
        self._seen = self.err.count(WAITING)

    @property
    def moved(self) -> list[int]:
        """How many partitions each run moved so far."""
        return [int(match[1]) for match in map(SUMMARY.match, self.out.splitlines()) if match]

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE)
        for each in self._readers:
            each.join(DEADLINE)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            # Its runs are in groups of their own, and end when they have moved what is in flight.
            self.process.terminate()
        self.wait()


@pytest.fixture
def watch(project: ProjectFolder) -> Iterator[Callable[..., Watching]]:
    begun: list[Watching] = []

    def begin(*args: str, **environment: str) -> Watching:
        begun.append(Watching(project, *args, **environment))
        begun[-1].until_waiting()
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def events(project: ProjectFolder, type_: str) -> list[dict[str, Any]]:
    """Return the data of each event of *type_*, of all runs; every line is held to the schema."""
    found = []
    validator = Draft202012Validator(schema.read("event"))
    for file in sorted((project.root / ".hygge/runs").glob("*/events.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            validator.validate(event)
            if event["type"] == type_:
                found.append(event["data"])
    return found


def ids(project: ProjectFolder, file: str) -> list[int]:
    return pl.read_parquet(project.root / file)["id"].to_list()


# What is saved is moved


def test_a_watch_runs_once_and_ends_with_ctrl_c(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    code = begun.end()

    assert begun.moved == [3]
    assert code == 130
    assert begun.err == f"{WAITING}watch: stopped\n"


def test_a_saved_file_is_moved_alone_and_once(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [3, 1]
    assert "watch: stale: flights:2013-02\n" in begun.err
    assert ids(project, "data/store/flights/2013-02.parquet") == [0]


def test_a_hundred_files_saved_at_once_take_a_run_or_two(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    begun = watch()
    for i in range(100):
        project.parquet(f"data/home/flights/more/{i:03}.parquet", start=i)
    begun.until(lambda: sum(begun.moved) == 101)
    begun.settle()

    assert len(begun.moved) <= 3


def test_what_a_removed_file_became_is_removed(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    (project.root / "data/home/flights/2013-03.parquet").unlink()
    begun.until_waiting()

    assert "flights:2013-03  removed  (source gone)\n" in begun.out
    assert sorted(project.digest()) == ["flights/2013-01.parquet", "flights/2013-02.parquet"]


def test_an_output_that_was_removed_by_hand_is_made_again_once(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    before = project.digest()
    (project.root / "data/store/flights/2013-01.parquet").unlink()
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [3, 1]
    assert project.digest() == before


def test_only_what_is_named_is_watched(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    project.parquet("data/home/users/a.parquet")
    project.flow("users", "home: data/home/users\nstore: data/store/users\n")
    begun = watch("users")
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    project.parquet("data/home/users/b.parquet")
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [1, 1]
    assert not (project.root / "data/store/flights").exists()


def test_what_reads_the_store_of_a_flow_follows_it(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    project.flow("copy", "home: data/store/flights\nstore: data/store/copy\n")
    begun = watch()
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [6, 2]
    assert ids(project, "data/store/copy/2013-02.parquet") == [0]


def test_tasks_of_ones_own_are_run_too(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    project.write("notes.txt", "one")
    project.write(
        "dodo.py",
        """\
        from hygge.tasks import DOIT_CONFIG, task_hygge

        def task_copy():
            return {"actions": ["cp notes.txt copy.txt"], "file_dep": ["notes.txt"]}
        """,
    )
    begun = watch()
    project.write("notes.txt", "two")
    begun.until(lambda: (project.root / "copy.txt").read_text() == "two")
    begun.settle()

    assert len(begun.moved) == 2


def test_an_event_stream_is_passed_through(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch("-r", "json")
    begun.end()

    types = [json.loads(line)["type"] for line in begun.out.splitlines()]
    assert types.count("step.succeeded") == 3
    assert types[-1] == "job.succeeded"


# The configuration


def test_data_is_moved_by_the_last_good_configuration_until_a_broken_flow_is_mended(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    project.flow("flights", "home: data/home/flights\nstore: {path: data/store/flights, x\n")
    begun.until_waiting()
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [3, 1]
    assert ids(project, "data/store/flights/2013-02.parquet") == [0]
    assert begun.err == (
        f"{WAITING}"
        "error: not YAML: did not find expected ',' or '}'\n"
        "  at flows/flights.yml:3:1  \n"
        "                            ^\n"
        "  try: quote the value\n"
        "watch: the last good configuration is kept until that is mended\n"
        f"{WAITING}"
        "watch: stale: flights:2013-02\n"
        f"{WAITING}"
    )
    (rejected,) = events(project, "config.rejected")
    assert rejected["config_path"] == "flows/flights.yml"
    assert rejected["error"]["what"] == "not YAML: did not find expected ',' or '}'"

    text = "home: data/home/flights\nstore: {path: data/store/flights, compression: lz4}\n"
    project.flow("flights", text)
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [3, 1, 3]
    assert "watch: mended\nwatch: changed: flows/flights.yml:store.compression\n" in begun.err
    (changed,) = events(project, "config.changed")
    assert changed.pop("timestamp").endswith("Z")
    assert changed == {
        "config_path": "flows/flights.yml:store.compression",
        "old_value": None,
        "new_value": "lz4",
        "affected_modules": ["flights"],
    }


def test_a_watch_that_begins_with_a_broken_flow_waits_for_it(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    good = (project.root / "flows/flights.yml").read_text()
    project.flow("flights", "home: data/home/flights\nstoer: data/store/flights\n")
    begun = watch()
    project.parquet("data/home/flights/2013-04.parquet")
    begun.settle()
    assert begun.moved == []
    assert "watch: nothing is moved until that is mended\n" in begun.err
    project.flow("flights", good)
    begun.until_waiting()

    assert begun.moved == [4]


def test_nothing_of_a_broken_configuration_is_used_but_all_of_the_last_good_one(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.write("hygge.yml", "defaults: {store: {compression: lz4}}\n")
    project.write("flows/shop/flow.yml", "home: data/shop\nstore: data/s\n")
    project.write("flows/shop/entities/users.yml", "transform: {select: [id]}\n")
    project.parquet("data/shop/users/a.parquet")
    begun = watch()
    project.write("hygge.yml", "defaults: [\n")
    project.write("flows/shop/entities/users.yml", "transform: {select: [name]}\n")
    begun.until_waiting()
    project.parquet("data/shop/users/b.parquet")
    begun.until_waiting()
    assert pl.read_parquet_schema(project.root / "data/s/users/b.parquet").names() == ["id"]
    project.write("hygge.yml", "defaults: {}\n")
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [1, 1, 2]
    assert pl.read_parquet_schema(project.root / "data/s/users/b.parquet").names() == ["name"]


def test_a_flow_that_can_not_be_copied_is_broken_like_any_other(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch()
    (project.root / "flows/other.yml").symlink_to("nowhere.yml")
    begun.until_waiting()
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()

    assert begun.moved == [3, 1]
    assert "error: can't be read: No such file or directory\n  at flows/other.yml\n" in begun.err


def test_errors_of_a_run_by_the_last_good_configuration_name_the_files_themselves(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    text = "home: data/home/flights\nstore: data/store/flights\nchecks: [{unique: [id]}]\n"
    project.flow("flights", text)
    begun = watch()
    project.flow("other", "home: [\n")
    begun.until_waiting()
    twice = pl.DataFrame({"id": [1, 1], "name": ["a", "b"]})
    twice.write_parquet(project.root / "data/home/flights/2013-02.parquet")
    begun.until_waiting()
    begun.settle()

    shown = begun.out + begun.err
    assert "failed=1" in begun.out
    assert "  at flows/flights.yml:3:" in shown
    assert ".hygge/watch" not in shown


def test_a_partition_of_a_broken_flow_is_still_watched(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    begun = watch("flights:2013-02")
    project.flow("flights", "home: [\n")
    begun.until_waiting()
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()

    assert begun.moved == [1, 1]
    assert "no task" not in begun.err


def test_a_python_function_that_breaks_too_stops_runs(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    project.write("flows/same.py", "def same(rows):\n    return rows\n")
    good = (
        "home: data/home/flights\nstore: data/store/flights\n"
        "transform: {python: 'flows/same.py:same'}\n"
    )
    project.flow("flights", good)
    begun = watch()
    project.flow("flights", "home: [\n")
    begun.until_waiting()
    project.write("flows/same.py", "def same(rows:\n")
    begun.until_waiting()
    project.parquet("data/home/flights/2013-02.parquet")
    begun.settle()
    assert begun.moved == [1]
    project.write("flows/same.py", "def same(rows):\n    return rows\n")
    begun.until_waiting()

    assert begun.moved == [1, 1]
    told = [line for line in begun.err.splitlines() if "until that is mended" in line]
    kept = "watch: the last good configuration is kept until that is mended"
    assert told == [kept, "watch: nothing is moved until that is mended", kept]


def test_flows_in_another_folder_are_watched_there(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months()
    (project.root / "flows").rename(project.root / "etl")
    project.write("hygge.yml", "flows_dir: etl\n")
    begun = watch()
    project.write("etl/flights.yml", "home: [\n")
    begun.until_waiting()
    assert "  at etl/flights.yml:" in begun.err
    project.parquet("data/home/flights/2013-02.parquet", rows=1)
    begun.until_waiting()
    project.write("etl/flights.yml", "home: data/home/flights\nstore: data/store/more\n")
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [3, 1, 3]
    assert ids(project, "data/store/more/2013-02.parquet") == [0]


def test_a_folder_with_flows_that_comes_later_is_noticed(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    project.write("hygge.yml", "flows_dir: etl\n")
    begun = watch()
    assert begun.moved == []
    (project.root / "flows").rename(project.root / "etl")
    begun.until_waiting()

    assert begun.moved == [1]


def test_copies_of_the_configuration_go_with_the_watch_or_with_the_next(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    killed, ended = watch(), watch()
    folder = project.root / ".hygge/watch"
    both = [*folder.iterdir()]
    ended.end()
    left = [*folder.iterdir()]
    killed.end(signal.SIGKILL)
    after = watch()
    (now,) = folder.iterdir()
    copies = sorted(file.relative_to(now).parts[1:] for file in now.rglob("*.yml"))
    after.end()

    assert (len(both), len(left)) == (2, 1)
    assert now not in left
    assert now.name not in {each.name for each in both}
    assert copies == [("flows", "flights.yml")]
    assert [*folder.iterdir()] == []


def test_settings_that_concern_several_flows_name_them(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    project.flow("copy", "home: data/home/flights\nstore: {path: data/c, compression: zstd}\n")
    begun = watch()
    project.write("hygge.yml", "defaults: {store: {compression: lz4}}\n")
    begun.until_waiting()
    begun.settle()

    (changed,) = events(project, "config.changed")
    assert (changed["config_path"], changed["affected_modules"]) == ("hygge.yml", ["flights"])
    assert begun.moved == [2, 1]


def test_a_comment_is_no_change(project: ProjectFolder, watch: Callable[..., Watching]) -> None:
    project.months(1)
    begun = watch()
    text = "# for people\nstore: data/store/flights\nhome: data/home/flights\n"
    project.flow("flights", text)
    begun.settle()

    assert begun.moved == [1]
    assert begun.err == WAITING


def test_a_new_flow_and_a_flow_that_went_are_noticed(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    begun = watch()
    project.parquet("data/home/users/a.parquet")
    file = project.flow("users", "home: data/home/users\nstore: data/store/users\n")
    begun.until_waiting()
    begun.settle()
    file.unlink()
    begun.until_waiting()

    assert begun.moved == [1, 1]
    assert (project.root / "data/store/users/a.parquet").exists()
    came, went = events(project, "config.changed")
    assert came["config_path"] == went["config_path"] == "flows/users.yml"
    assert came["affected_modules"] == went["affected_modules"] == ["users"]
    assert (came["old_value"], went["new_value"]) == (None, None)


def test_a_saved_python_function_is_used_by_the_next_run(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    project.flow(
        "flights",
        """\
        home: data/home/flights
        store: data/store/flights
        transform: {python: "flows/more.py:more"}
        """,
    )
    code = (
        "import polars as pl\n\ndef more(rows):\n    return rows.with_columns(pl.col('id') + {})\n"
    )
    project.write("flows/more.py", code.format(1))
    begun = watch()
    assert ids(project, "data/store/flights/2013-01.parquet") == [11, 12, 13]
    project.write("flows/more.py", "def more(rows:\n")
    begun.until_waiting()
    assert begun.moved == [1]
    project.write("flows/more.py", code.format(2))
    begun.until_waiting()

    assert ids(project, "data/store/flights/2013-01.parquet") == [12, 13, 14]
    (changed,) = events(project, "config.changed")
    assert (changed["config_path"], changed["affected_modules"]) == ("flows/more.py", ["flights"])


def test_an_edit_during_a_run_takes_effect_in_the_next(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(2)
    project.write("flows/slow.py", SLOW)
    text = (
        "home: data/home/flights\n"
        "store: {{path: data/store/flights, compression: {}}}\n"
        "transform: {{python: 'flows/slow.py:slow'}}\n"
    )
    project.flow("flights", text.format("zstd"))
    begun = Watching(project)
    try:
        begun.until(lambda: (project.root / ".hygge/lock.holder").exists())
        begun.until(lambda: bool(events(project, "step.started")))
        project.flow("flights", text.format("lz4"))
        begun.until(lambda: len(begun.moved) == 2)
        begun.until_waiting()
        begun.settle()
    finally:
        begun.close()

    assert begun.moved == [2, 2]
    assert "(new)" in begun.out
    assert "config changed: store.compression: 'zstd' -> 'lz4'" in begun.out


def test_a_secret_is_in_no_event(project: ProjectFolder, watch: Callable[..., Watching]) -> None:
    project.months(1)
    begun = watch(MY_TOKEN="planted-0815")
    text = "description: is ${MY_TOKEN}\nhome: data/home/flights\nstore: data/store/flights\n"
    project.flow("flights", text)
    begun.until_waiting()
    code = begun.end()

    (changed,) = events(project, "config.changed")
    assert changed["new_value"] == "is ***"
    assert code == 130
    assert "planted" not in begun.out + begun.err


# What goes wrong


def test_a_watch_survives_a_failing_run_and_does_not_repeat_it(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(2)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ntransform: {select: [id]}\n",
    )
    begun = watch()
    project.write("data/home/flights/2013-02.parquet", "no parquet")
    begun.until_waiting()
    begun.settle()
    assert "failed=1" in begun.out
    assert len(begun.moved) == 2

    project.parquet("data/home/flights/2013-02.parquet", start=7)
    begun.until_waiting()
    begun.settle()

    assert begun.moved == [2, 0, 1]
    assert ids(project, "data/store/flights/2013-02.parquet") == [7, 8, 9]


def test_a_home_that_comes_later_outside_the_project_is_noticed(
    project: ProjectFolder, watch: Callable[..., Watching], tmp_path: Path
) -> None:
    project.flow("late", f"home: {tmp_path}/away/deep/late\nstore: data/store/late\n")
    begun = watch()
    assert begun.moved == []
    assert f"no folder '{tmp_path}/away/deep/late'" in begun.err
    rows = project.parquet("../made/late/a.parquet")
    rows.parent.parent.parent.joinpath("away").mkdir()
    rows.parent.parent.rename(tmp_path / "away/deep")
    begun.until(lambda: begun.moved == [1])
    begun.until_waiting()
    (tmp_path / "away/deep/late/b.parquet").write_bytes(
        (tmp_path / "away/deep/late/a.parquet").read_bytes()
    )
    begun.until_waiting()

    assert begun.moved == [1, 1]


def test_a_home_that_is_made_anew_is_still_watched(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    begun = watch()
    home = project.root / "data/home/flights"
    home.rename(project.root / "data/home/old")
    begun.until_waiting()
    (project.root / "data/home/old").rename(home)
    begun.settle()
    project.parquet("data/home/flights/2013-01.parquet", rows=1)
    begun.until_waiting()

    assert ids(project, "data/store/flights/2013-01.parquet") == [0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_a_watch_too(
    project: ProjectFolder, watch: Callable[..., Watching], number: int, code: int
) -> None:
    project.months(1)

    assert watch().end(number) == code


def test_a_run_in_flight_ends_in_good_order_with_the_watch(project: ProjectFolder) -> None:
    project.months(3)
    project.write("flows/slow.py", SLOW)
    project.flow(
        "flights",
        """\
        home: data/home/flights
        store: data/store/flights
        transform: {python: "flows/slow.py:slow"}
        """,
    )
    begun = Watching(project)
    try:
        begun.until(lambda: bool(events(project, "step.started")))
        code = begun.end()
    finally:
        begun.close()

    assert code == 130
    assert "1 of 3 moved; run `doit` to go on" in begun.out
    assert begun.err == "watch: stopped\n"
    assert len(events(project, "job.interrupted")) == 1
    assert [each["action"] for each in events(project, "step.succeeded")] == ["moved"]


def test_a_watch_waits_for_a_run_that_holds_the_project(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    begun = watch()
    project.write("flows/slow.py", SLOW)
    project.parquet("data/home/slow/a.parquet")
    project.flow(
        "slow",
        "home: data/home/slow\nstore: data/store/slow\ntransform: {python: 'flows/slow.py:slow'}\n",
    )
    other = project.doit("--wait", "slow")
    begun.settle()

    assert other.code == 0
    assert project.doit("plan", "--check").code == 0


def test_a_watch_works_without_a_dodo(project: ProjectFolder) -> None:
    project.months(1)
    (project.root / "dodo.py").rename(project.root / "hygge.yml")
    project.write("hygge.yml", "")
    process = subprocess.Popen(
        ["hygge", "watch"],
        cwd=project.root / "data",
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)

    assert (first, err) == (WAITING, "watch: stopped\n")
    assert process.returncode == 130
    assert "hygge: moved=1 " in out


def test_a_dodo_that_breaks_is_told_and_mended(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    dodo = (project.root / "dodo.py").read_text()
    begun = watch()
    project.write("dodo.py", "def (")
    begun.until_waiting()
    project.write("dodo.py", dodo)
    begun.until_waiting()

    assert "error: the project can't be loaded: SyntaxError: invalid syntax\n  at dodo.py\n" in (
        begun.err
    )
    assert "watch: mended\n" in begun.err


def test_what_is_not_there_is_not_watched(project: ProjectFolder) -> None:
    project.months(1)
    result = project.doit("watch", "flihgts")

    assert result.code == 3
    assert result.err == "error: no task 'flihgts'\n  try: did you mean 'flights'?\n"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ("--debounce=-1",),
            "error: a debounce of -1 milliseconds\n"
            "  at --debounce\n"
            "  try: take one from 0 to 60,000\n",
        ),
        (
            ("flights", "--debounce=1"),
            "error: no task '--debounce=1'\n"
            "  try: options stand before names: doit watch --debounce=100 flights\n",
        ),
    ],
)
def test_what_can_not_be_meant_is_refused(
    project: ProjectFolder, args: tuple[str, ...], told: str
) -> None:
    project.months(1)
    result = project.doit("watch", *args)

    assert (result.code, result.err) == (3, told)


def test_a_missing_package_is_named(project: ProjectFolder, tmp_path: Path) -> None:
    project.months(1)
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['watchfiles'] = None\n")
    result = project.doit("watch", PYTHONPATH=str(tmp_path))

    assert result.code == 3
    assert result.err == (
        "error: watching needs the package watchfiles\n"
        "  try: install it: pip install 'hygge-data[watch]'\n"
    )


def test_a_watch_shows_up_among_runs_as_what_it_is(
    project: ProjectFolder, watch: Callable[..., Watching]
) -> None:
    project.months(1)
    begun = watch()
    project.flow("flights", "home: [")
    begun.until_waiting()
    begun.end()

    first = min((project.root / ".hygge/runs").iterdir())
    manifest = json.loads((first / "manifest.json").read_text())
    Draft202012Validator(schema.read("manifest")).validate(manifest)
    assert (manifest["status"], manifest["counts"]["moved"]) == ("succeeded", 0)
    assert "watch" in manifest["command"]
    assert re.fullmatch(RUN_ID, first.name)


# The parts


def test_a_place_means_what_lies_there_and_what_it_lies_in() -> None:
    home = Place("/p/home")

    assert home.means("/p/home")
    assert home.means("/p/home/a/b.csv")
    assert home.means("/p")
    assert not home.means("/p/other")
    assert not home.means("/p/home/.a.csv.tmp")
    assert not home.means("/p/home/__pycache__/a.pyc")
    assert Place("/p/home", "entries").means("/p/home/a")
    assert not Place("/p/home", "entries").means("/p/home/a/b")
    assert not Place("/p/home", "itself").means("/p/home/a")


def test_folders_inside_others_are_not_watched_twice(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    places = [Place(str(tmp_path / "a")), Place(str(tmp_path / "a/b")), Place("/none/such/x")]
    folders = Folders.of(places, tmp_path)

    assert [path for path, _ in folders.whole] == [str(tmp_path / "a")]
    assert {path for path, _ in folders.single} == {str(tmp_path), "/"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data", [("data", "below")]),
        ("data/a.csv", [("data/a.csv", "below")]),
        ("data/*.csv", [("data", "entries")]),
        ("*.csv", [("", "entries")]),
        ("data/*/x.csv", [("data", "entries"), ("data/one", "entries")]),
        ("data/**/x.csv", [("data", "below")]),
        ("data/{entity}/x.csv", [("data", "below")]),
    ],
)
def test_no_more_is_watched_than_a_path_can_name(
    tmp_path: Path, path: str, found: list[tuple[str, str]]
) -> None:
    (tmp_path / "data/one/two").mkdir(parents=True)

    assert [(each.path, each.reach) for each in of_path(path, tmp_path)] == [
        (os.path.normpath(tmp_path / each), reach) for each, reach in found
    ]


def test_each_value_that_changed_is_named_with_the_flows_it_matters_to() -> None:
    old = Sight(
        values={"flows/a.yml": {"home": "x", "store": "y", "checks": [1]}, "hygge.yml": {}},
        flows={"a": Configured("1", ("flows/a.yml",)), "b": Configured("1", ("flows/b.yml",))},
    )
    new = Sight(
        values={
            "flows/a.yml": {"home": {"path": "x", "type": "csv"}, "store": "z", "checks": [1]},
            "hygge.yml": {},
        },
        flows={"a": Configured("2", ("flows/a.yml",)), "b": Configured("1", ("flows/b.yml",))},
    )

    assert [(each.path, each.old, each.new, each.flows) for each in changes(old, new)] == [
        ("flows/a.yml:home.type", None, "csv", ("a",)),
        ("flows/a.yml:store", "y", "z", ("a",)),
    ]


def test_a_sight_crosses_between_processes_whole() -> None:
    sight = Sight(
        stale={"a:1": "h"},
        rejected=(Trouble("ConfigError", "what", "where", "hint"),),
        unusable=Trouble("UsageError", "no"),
        places=(Place("/a", "itself"),),
        values={"hygge.yml": {"a": [1, None]}},
        flows={"a": Configured("1", ("x",))},
    )

    assert Sight.from_json(sight.to_json()) == sight
    with pytest.raises(ValueError, match="no sight"):
        Sight.from_json("[]")
