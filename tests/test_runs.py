"""`doit runs`: what was done, the newest first; and what is a run that goes on."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ProjectFolder
from run_folders import (
    WrittenRun,
    counts,
    dead_pid,
    hold,
    in_terminal,
    now,
    run_id,
    steady,
    this_minute,
)

from hygge import liveness
from hygge.commands.terminal import Column, table
from hygge.runs import find, run_folders


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """A project whose records may be wrong."""
    return ProjectFolder(tmp_path / "project")


def test_runs_are_listed_the_newest_first(project: ProjectFolder) -> None:
    told = counts(moved=1204, failed=1, removed=2, rows=48_120, bytes=9_100_000)
    WrittenRun(project, 0).manifest(counts=told, status="failed")
    WrittenRun(project, 5).manifest(counts=counts(moved=1), command=["doit", "-n", "2", "flights"])

    result = project.doit("runs", TZ="UTC")

    assert (result.code, result.err) == (0, "")
    assert steady(result.out) == (
        "run  began  status  moved  failed  removed  rows  bytes  time  command\n"
        "20260102T083500000Z-abcdef  2026-01-02 08:35:00  N ago  succeeded"
        "  1  0  0  0  0B  3.4s  doit -n 2 flights\n"
        "20260102T083000000Z-abcdef  2026-01-02 08:30:00  N ago  failed"
        "  1,204  1  2  48,120  9.1MB  3.4s  doit\n"
    )


def test_times_are_those_of_the_clock_on_the_wall(project: ProjectFolder) -> None:
    WrittenRun(project).manifest()

    assert "2026-01-02 14:00:00" in project.doit("runs", TZ="IST-5:30").out


def test_no_run_yet_is_said_with_what_to_type(project: ProjectFolder) -> None:
    result = project.doit("runs")

    assert (result.code, result.err) == (0, "")
    assert result.out == "No run yet: one that moves something leaves what it did. Type `doit`.\n"


def test_only_the_last_ones_are_listed_and_how_to_see_the_others(project: ProjectFolder) -> None:
    for minute in range(25):
        WrittenRun(project, minute).manifest()

    lines = project.doit("runs").out.splitlines()
    few = project.doit("runs", "-n", "2").out.splitlines()

    assert [line.split()[0] for line in lines[1:-1]] == [run_id(m) for m in range(24, 4, -1)]
    assert lines[-1] == "5 older: doit runs -n 25"
    assert [line.split()[0] for line in few[1:-1]] == [run_id(24), run_id(23)]
    assert few[-1] == "23 older: doit runs -n 25"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "error: -n 0\n  try: how many runs to show: doit runs -n 50\n"),
        (["x"], "error: runs takes no name: 'x'\n  try: doit show x\n"),
    ],
)
def test_what_makes_no_sense_is_refused(
    project: ProjectFolder, arguments: list[str], message: str
) -> None:
    result = project.doit("runs", *arguments)

    assert (result.code, result.out, result.err) == (3, "", message)


def test_programs_get_the_runs_in_an_envelope(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.manifest(counts=counts(moved=2))

    answer = json.loads(project.doit("runs", "--json").out)

    assert answer == {
        "schema_version": 1,
        "command": "runs",
        "status": "ok",
        "data": {
            "total": 1,
            "runs": [
                {
                    "run_id": run.id,
                    "status": "succeeded",
                    "killed": False,
                    "started": "2026-01-02T08:30:00.000Z",
                    "ended": "2026-01-02T08:30:03.400Z",
                    "seconds": 3.4,
                    "command": ["doit"],
                    "pid": 4_190_000,
                    "counts": counts(moved=2),
                    "warnings": [],
                }
            ],
        },
        "diagnostics": [],
    }


def test_what_is_no_run_is_not_listed(project: ProjectFolder) -> None:
    WrittenRun(project).manifest()
    project.write(".hygge/runs/.DS_Store", b"\0")
    project.write(".hygge/runs/notes/manifest.json", "{}")
    project.write(".hygge/runs/99999999T999999999Z-abcdef/manifest.json", "{}")

    assert [folder.id for folder in run_folders(project.root)] == [run_id()]


def test_run_of_an_early_version_is_read_from_its_events(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("job.started")
    run.event("step.started", "f:a", reason="new")
    run.event("file.written", "f:a", path="s/a", hash="0", size_bytes=1137, rows=25, wrote=True)
    run.event("step.succeeded", "f:a")
    run.event("step.failed", "f:b", "ERROR", error="no\n  at x", error_type="HomeError")
    run.event("job.failed", seconds=0.128)

    result = project.doit("runs", TZ="UTC")

    assert (result.code, result.err) == (0, "")
    assert steady(result.out.splitlines()[1]).split() == [
        *(run.id, "2026-01-02", "08:30:00", "N", "ago", "failed"),
        *("1", "1", "0", "25", "1.1kB", "0.13s"),
    ]


@pytest.mark.parametrize("content", ["", "{", "\0" * 100, "[]", '{"status": 1}', "\udcff"])
def test_manifest_that_cannot_be_read_is_made_from_the_events(
    project: ProjectFolder, content: str
) -> None:
    run = WrittenRun(project)
    run.event("job.started", command=["doit", "f"], pid=7, planned=2)
    run.moved("f:a")
    run.moved("f:b")
    run.event("job.succeeded", seconds=3.4)
    project.write(f"{run.path}/manifest.json", content.encode("utf-8", "surrogateescape"))

    result = project.doit("runs", TZ="UTC")

    assert result.code == 0
    assert result.err == (
        f"warning: '{run.path}/manifest.json' can't be read (no manifest): "
        "what is shown is made from the events\n"
    )
    assert steady(result.out.splitlines()[1]).split()[5:] == [
        *("succeeded", "2", "0", "0", "6", "2.4kB", "3.4s", "doit", "f")
    ]


def test_events_that_cannot_be_read_are_counted(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("job.started", command=["doit"], pid=7, planned=2)
    run.line("torn in the mid")
    run.moved("f:a")
    run.line("[]")
    run.line('{"ts": 1, "level": "INFO", "type": "job.started"}')
    run.line('{"ts": "2026-01-02T08:', end="")

    result = project.doit("runs")

    assert result.code == 0
    assert result.err == (
        f"warning: '{run.path}/events.jsonl': 3 lines are left out, they can't be read\n"
    )


def test_torn_last_line_is_no_news(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.moved("f:a")
    run.line('{"ts": "2026-01-02T08:', end="")

    result = project.doit("runs")

    assert (result.code, result.err) == (0, "")
    assert " interrupted " in result.out


def test_empty_folder_is_a_run_of_which_nothing_is_known(project: ProjectFolder) -> None:
    run = WrittenRun(project)

    result = project.doit("runs", TZ="UTC")

    assert result.code == 0
    assert (
        result.err == f"warning: nothing is known of run {run.id}: '{run.path}' holds no events\n"
    )
    assert steady(result.out.splitlines()[1]).split()[5:] == ["unknown", *"0000", "0B"]


def test_manifest_with_wrong_types_is_read_as_far_as_it_goes(project: ProjectFolder) -> None:
    WrittenRun(project).manifest(
        counts=3,
        command="doit",
        partitions={"done": {"a": 1}},
        started=9,
        resources=None,
        files=[1],
    )

    for command in ("runs", "show"):
        result = project.doit(command)

        assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("odd", [{"files": [{"path": []}]}, {"partitions": {"pending": [{}]}}])
def test_manifest_of_a_run_that_goes_on_is_read_as_far_as_it_goes(
    project: ProjectFolder, odd: dict[str, object]
) -> None:
    """A bug: what is no text was to be a key, and `runs` ended in a TypeError."""
    WrittenRun(project).manifest(status="running", **odd)

    result = project.doit("runs")

    assert (result.code, result.err) == (0, "")


def test_runs_that_cannot_be_read_are_said_to_be(project: ProjectFolder) -> None:
    project.write(".hygge/runs", "no folder")

    result = project.doit("runs")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: '.hygge/runs' can't be read: Not a directory\n"
        "  at .hygge/runs\n"
        "  try: see to it that you may read it\n"
    )


def test_run_whose_process_is_gone_is_interrupted(project: ProjectFolder) -> None:
    pid = dead_pid()
    WrittenRun(project).manifest(status="running", pid=pid, started=now(), ended=None)
    hold(project, pid)

    assert [each.status() for each in run_folders(project.root)] == ["interrupted"]


def test_run_whose_process_holds_the_project_goes_on(project: ProjectFolder) -> None:
    WrittenRun(project).manifest(status="running", pid=os.getpid(), started=now(), ended=None)
    hold(project, os.getpid())

    assert [each.status() for each in run_folders(project.root)] == ["running"]


def test_run_whose_process_is_another_by_now_is_interrupted(project: ProjectFolder) -> None:
    WrittenRun(project).manifest(
        status="running", pid=os.getpid(), started="2026-01-02T08:30:00.000Z", ended=None
    )
    hold(project, os.getpid())

    assert [each.status() for each in run_folders(project.root)] == ["interrupted"]


def test_run_whose_process_holds_the_project_no_more_is_interrupted(project: ProjectFolder) -> None:
    WrittenRun(project).manifest(status="running", pid=os.getpid(), started=now(), ended=None)
    hold(project, os.getppid())

    assert [each.status() for each in run_folders(project.root)] == ["interrupted"]


def test_run_of_an_early_version_goes_on_while_the_project_is_held(project: ProjectFolder) -> None:
    WrittenRun(project, 0).event("job.started")
    WrittenRun(project, this_minute()).event("job.started")
    hold(project, os.getpid())

    assert [each.status() for each in run_folders(project.root)] == ["running", "interrupted"]


def test_run_that_nobody_is_known_to_hold_is_interrupted(project: ProjectFolder) -> None:
    WrittenRun(project, this_minute()).event("job.started")

    assert [each.status() for each in run_folders(project.root)] == ["interrupted"]


def test_end_that_only_the_events_know_of_is_believed(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.manifest(status="running", pid=os.getpid(), ended=None)
    run.event("job.failed", level="ERROR", seconds=1.5, failed=1)

    assert [each.status() for each in run_folders(project.root)] == ["failed"]


def test_process_that_ended_and_was_not_waited_for_is_gone(tmp_path: Path) -> None:
    since = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    before = liveness.works_on(tmp_path, process.pid, since)
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while liveness.works_on(tmp_path, process.pid, since) and time.monotonic() < deadline:
        time.sleep(0.01)
    after = liveness.works_on(tmp_path, process.pid, since)
    process.communicate()

    assert (before, after) == (True, False)


@pytest.mark.parametrize("pid", [0, -1, 2**70])
def test_what_is_no_process_does_not_work(tmp_path: Path, pid: int) -> None:
    assert not liveness.works_on(tmp_path, pid, datetime.datetime.now(datetime.UTC))


def test_birth_is_the_same_by_both_ways_to_learn_of_it() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is one way here")

    by_proc, by_ps = liveness._born_by_proc(os.getpid()), liveness._born_by_ps(os.getpid())

    assert abs(by_proc - by_ps) < 2
    assert 0 <= time.time() - by_proc < 3600 * 24


def test_lines_are_as_wide_as_the_terminal(project: ProjectFolder) -> None:
    command = ["doit", "--continue", *(f"flights:2013-{month:02}" for month in range(1, 13))]
    WrittenRun(project).manifest(command=command, counts=counts(moved=12, rows=36, bytes=14_400))

    narrow, wide = in_terminal(project, 80, "runs"), in_terminal(project, 200, "runs")

    assert steady(narrow[0]) == "run  status  moved  failed  command"
    assert steady(narrow[1]).startswith(f"{run_id()}  N ago  succeeded  12  0  doit --cont")
    assert (len(narrow[1]), narrow[1][-1]) == (80, "…")
    assert steady(wide[0]) == (
        "run  began  status  moved  failed  removed  rows  bytes  time  command"
    )
    assert (len(wide[1]), wide[1][-1]) == (200, "…")
    assert project.doit("runs").out.splitlines()[1].endswith(" ".join(command))


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    columns = [Column("name", least=8), Column("rows", is_number=True, leaves=1), Column("why")]
    rows = [["日本 🐟", "1,204", "new"], ["a\tb", "3", "a \u202eb"], ["e\u0301" * 4, "", ""]]

    assert list(table(columns, rows, None)) == [
        "name      rows  why",
        "日本 🐟  1,204  new",
        "a\\tb         3  a \\u202eb",
        "e\u0301" * 4,
    ]
    assert list(table(columns, [["flights:2013-01", "3", "new"]], 20)) == [
        "name       rows  why",
        "flights:…     3  new",
    ]
    assert list(table(columns, [["flights:2013-01", "3", "new"]], 15)) == [
        "name        why",
        "flights:2…  new",
    ]


def test_odd_commands_do_nothing_to_a_terminal(project: ProjectFolder) -> None:
    WrittenRun(project).manifest(command=["doit", "a\nb", "\x1b[31m", "\udcff", "日本 🐟"])

    result = project.doit("runs")

    assert result.code == 0
    assert result.out.splitlines()[1].endswith("doit a\\nb \\x1b[31m ? 日本 🐟")


def test_reader_that_has_seen_enough_is_no_failure(project: ProjectFolder) -> None:
    for minute in range(50):
        WrittenRun(project, minute).manifest()
    command = f"{sys.executable} -m doit runs -n 50 | head -1; echo ${{PIPESTATUS[0]}}"

    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines()[1] in ("0", "141")


def test_runs_are_listed_of_a_project_with_a_broken_flow(project: ProjectFolder) -> None:
    project.flow("broken", "hom: x\n")
    WrittenRun(project).manifest()

    result = project.doit("runs")

    assert (result.code, result.err) == (0, "")


def test_real_runs_are_listed(project: ProjectFolder) -> None:
    project.months(2)
    project.doit()
    project.parquet("data/home/flights/2013-01.parquet", 5)
    (project.root / "data/home/flights/2013-02.parquet").unlink()
    project.doit("--allow-prune", "flights")

    runs = json.loads(project.doit("runs", "--json").out)["data"]["runs"]

    assert [run["command"][1:] for run in runs] == [["--allow-prune", "flights"], []]
    assert [run["status"] for run in runs] == ["succeeded", "succeeded"]
    figures = ("moved", "removed", "rows")
    assert [[run["counts"][name] for name in figures] for run in runs] == [[1, 1, 5], [2, 0, 6]]


def test_run_is_found_by_its_beginning_and_by_its_place(project: ProjectFolder) -> None:
    first, second = WrittenRun(project, 0).id, WrittenRun(project, 1).id
    root = project.root

    assert find(root).id == find(root, "last").id == find(root, "-1").id == second
    assert find(root, "-2").id == find(root, first).id == find(root, first[:14]).id == first


@pytest.mark.parametrize("name", ["manifest.json", "events.jsonl"])
def test_record_that_is_nested_without_end_is_no_record(project: ProjectFolder, name: str) -> None:
    project.months(1)
    project.doit()
    (run,) = (project.root / ".hygge/runs").iterdir()
    (run / name).write_text("[" * 100_000 + "\n")
    told = {words: project.doit(*words.split()) for words in ("runs", "show", "tail", "board")}

    assert {words: each.code for words, each in told.items()} == dict.fromkeys(told, 0)
    assert "Traceback" not in "".join(each.err for each in told.values())
    assert f"{name}'" in told["show"].err


def test_events_that_cant_be_read_are_told(project: ProjectFolder) -> None:
    project.months(1)
    project.doit()
    (run,) = (project.root / ".hygge/runs").iterdir()
    (run / "events.jsonl").unlink()
    (run / "events.jsonl").mkdir()
    shown = project.doit("tail")

    assert (shown.code, shown.out) == (0, "")
    assert shown.err == (
        f"warning: '.hygge/runs/{run.name}/events.jsonl' can't be read (Is a directory)\n"
    )
