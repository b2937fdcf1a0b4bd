"""`doit show`: what one run did, and what it did not come to."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from conftest import ProjectFolder
from rich.cells import cell_len
from run_folders import WrittenRun, counts, dead_pid, done, hold, in_terminal, now, run_id, steady


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """A project whose records may be wrong."""
    return ProjectFolder(tmp_path / "project")


def show(project: ProjectFolder, *args: str) -> str:
    """Type `doit show`; return what it prints, all other ways to end being wrong."""
    result = project.doit("show", *args, TZ="UTC")

    assert (result.code, result.err) == (0, "")
    return steady(result.out)


def file_of(task: str, reason: str = "created", rows: int | None = 3) -> dict[str, object]:
    path = f"data/store/{task}.parquet"
    told = {"hash": "0" * 32, "size_bytes": 1200, "rows": rows}
    return {"step": f"flights:{task}", "path": path, **told, "wrote": True, "reason": reason}


def test_run_that_went_well_is_shown_whole(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    parts = {"done": {"flights:a": done(), "flights:b": done("source gone", "removed", None)}}
    run.manifest(
        counts=counts(moved=1, removed=1, unchanged=1204, rows=3, bytes=1200),
        partitions={**parts, "failed": {}, "skipped": {}, "pending": []},
        files=[file_of("a"), {**file_of("b", "removed", None), "size_bytes": None}],
    )

    assert show(project) == (
        "run  20260102T083000000Z-abcdef\n"
        "status  succeeded\n"
        "began  2026-01-02 08:30:00, N ago\n"
        "took  3.4s\n"
        "command  doit\n"
        "partitions  1 moved, 1 removed, 1,204 up to date\n"
        "settled  3 rows, 1.2kB\n"
        "memory  90.0MB\n"
        "\n"
        "task  status  rows  bytes  seconds  reason\n"
        "flights:a  moved  3  1.2kB  0.25s  new\n"
        "flights:b  removed  source gone\n"
        "\n"
        "file  rows  bytes\n"
        "data/store/a.parquet  created  3  1.2kB\n"
        "data/store/b.parquet  removed\n"
    )


def test_run_that_failed_tells_what_to_do_and_what_was_kept_back(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    message = "'a' can't be read\n  at data/a.csv\n  try: write it again"
    run.event("job.started", command=["doit"], pid=7, planned=3)
    run.failed("flights:a", message, row=3, column="delay")
    run.event("step.skipped", "delays:a", reason="flights failed")
    run.event("job.failed", seconds=1.5, failed=1, not_run=1)

    assert show(project) == (
        "run  20260102T083000000Z-abcdef\n"
        "status  failed\n"
        "began  2026-01-02 08:30:00, N ago\n"
        "took  1.5s\n"
        "command  doit\n"
        "partitions  1 failed, 1 kept back\n"
        "settled  0 rows, 0B\n"
        "\n"
        "task  status  rows  bytes  seconds  reason\n"
        "flights:a  failed  HomeError\n"
        "\n"
        "failures\n"
        "flights:a  HomeError\n"
        "  'a' can't be read\n"
        "  at data/a.csv\n"
        "  try: write it again\n"
        "  in row 3, column delay\n"
        "\n"
        "not run\n"
        "delays:a  flights failed\n"
        "\n"
        "0 of 2 done. What failed is tried again by the next `doit`.\n"
    )


def test_warnings_are_shown(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.event("step.succeeded", "f:a", "WARN", **done(), warnings=["2 rows were set aside"])
    run.event("step.warned", "f:b", "WARN", message="columns changed")
    run.event("job.succeeded", seconds=1.5)

    assert "\nwarnings\nf:a  2 rows were set aside\nf:b  columns changed\n" in show(project)


def test_run_that_was_killed_says_how_far_it_came(project: ProjectFolder) -> None:
    pid = dead_pid()
    hold(project, pid)
    run = WrittenRun(project)
    pending = ["flights:b", "flights:c"]
    parts = {"done": {}, "failed": {}, "skipped": {}, "pending": ["flights:a", *pending]}
    run.manifest(status="running", pid=pid, partitions=parts, ended=None, counts=counts(pending=3))
    run.event("job.started", command=["doit"], pid=pid, planned=3)
    run.moved("flights:a")
    run.event("step.started", "flights:b", reason="new")
    run.line('{"ts": "2026-', end="")

    assert show(project) == (
        "run  20260102T083000000Z-abcdef\n"
        f"status  interrupted: killed, process {pid} is gone\n"
        "began  2026-01-02 08:30:00, N ago\n"
        "command  doit\n"
        "partitions  1 moved, 2 not come to\n"
        "settled  3 rows, 1.2kB\n"
        "memory  90.0MB\n"
        "\n"
        "task  status  rows  bytes  seconds  reason\n"
        "flights:a  moved  3  1.2kB  0.25s  new\n"
        "\n"
        "file  rows  bytes\n"
        "data/store/flights/a.parquet  created  3  1.2kB\n"
        "\n"
        "not run\n"
        "flights:b  begun, not finished\n"
        "flights:c  not come to\n"
        "\n"
        "Killed: 1 of 3 done; run `doit` to go on.\n"
    )


def test_run_that_was_stopped_says_what_to_type(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    parts = {"done": {"f:a": done()}, "failed": {}, "skipped": {"f:c": "ignored"}}
    run.manifest(status="interrupted", partitions={**parts, "pending": ["f:b"]})

    assert show(project).endswith(
        "not run\nf:c  ignored\nf:b  not come to\n\nStopped: 1 of 2 done; run `doit` to go on.\n"
    )


def test_run_that_goes_on_says_so(project: ProjectFolder) -> None:
    hold(project, os.getpid())
    run = WrittenRun(project)
    parts = {"done": {"f:a": done()}, "failed": {}, "skipped": {}, "pending": ["f:b", "f:c"]}
    run.manifest(status="running", pid=os.getpid(), started=now(), ended=None, partitions=parts)
    run.event("step.started", "f:b", reason="new")

    assert show(project).endswith(
        "not run\nf:b  is being moved\nf:c  is waiting\n\n"
        "It goes on: 1 of 3 done. Watch it: doit tail --follow\n"
    )


def test_many_that_went_well_are_one_line(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    names = [f"flights:{number:03}" for number in range(21)]
    parts = {
        name: done("new" if name > "flights:001" else f"source changed: {name}") for name in names
    }
    failed = {
        f"flights:x{number}": {"error_type": "E", "error_message": "m"} for number in range(25)
    }
    few = {f"small:{number}": done() for number in range(3)}
    left = [f"late:{number}" for number in range(10_000)]
    run.manifest(
        status="failed",
        partitions={"done": parts | few, "failed": failed, "skipped": {}, "pending": left},
        files=[file_of(name, "nochange" if name == "s" else "created") for name in [*names, "s"]],
    )

    folded, whole = show(project), show(project, "--all")

    assert (
        "\nflights (21 partitions)  moved  63  25.2kB  5.2s  19 new, 2 source changed\nsmall:0"
        in folded
    )
    assert folded.count("flights:x") == 25 + 20
    assert f"\n  m\n5 more: doit show --all {run.id}\n" in folded
    assert "\n22 files  21 created, 1 nochange  26.4kB\n" in folded
    assert "\nnot run\nlate (10,000 partitions)  not come to\n" in folded
    assert "\nflights:020  moved  3  1.2kB  0.25s  new\n" in whole
    assert whole.count("flights:x") == 50
    assert whole.count("  not come to\n") == 10_000


def test_partitions_with_uncounted_rows_are_folded_without_rows(project: ProjectFolder) -> None:
    parts = {f"text:{number}": done(rows=None if number == 7 else 3) for number in range(30)}
    WrittenRun(project).manifest(
        partitions={"done": parts, "failed": {}, "skipped": {}, "pending": []}
    )

    assert "\ntext (30 partitions)  moved  36.0kB  7.5s  new\n" in show(project)


def test_programs_get_manifest_and_steps(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    told = run.manifest(
        status="failed",
        partitions={
            "done": {"f:a": done()},
            "failed": {"f:b": {"error_type": "HomeError", "error_message": "no\n  at x"}},
            "skipped": {"f:c": "f failed"},
            "pending": ["f:d"],
        },
    )
    run.event("step.succeeded", "f:a", "WARN", **done(), warnings=["w"])
    run.failed("f:b", "no\n  at x")

    answer = json.loads(project.doit("show", "--json").out)

    nothing = {"rows": None, "bytes": None, "seconds": None, "warnings": [], "error": None}
    error = {"error_type": "HomeError", "error_message": "no\n  at x", "context_data": {}}
    assert answer == {
        "schema_version": 1,
        "command": "show",
        "status": "ok",
        "data": {
            "killed": False,
            "warnings": [],
            "manifest": told,
            "steps": [
                {
                    "task": "f:a",
                    "status": "moved",
                    "reason": "new",
                    "rows": 3,
                    "bytes": 1200,
                    "seconds": 0.25,
                    "warnings": ["w"],
                    "error": None,
                },
                {**nothing, "task": "f:b", "status": "failed", "reason": "no", "error": error},
                {**nothing, "task": "f:c", "status": "skipped", "reason": "f failed"},
                {**nothing, "task": "f:d", "status": "pending", "reason": "not come to"},
            ],
        },
        "diagnostics": [],
    }


@pytest.mark.parametrize("name", ["last", "-1", "20260102T0835", "20260102T083500000Z-abcdef"])
def test_run_is_named_in_several_ways(project: ProjectFolder, name: str) -> None:
    WrittenRun(project, 0).manifest()
    WrittenRun(project, 5).manifest()

    assert show(project, name).startswith(f"run  {run_id(5)}\n")


@pytest.mark.parametrize("arguments", [["-2", "--json"], ["--json", "-2"]])
def test_run_is_named_before_options_or_after_them(
    project: ProjectFolder, arguments: list[str]
) -> None:
    WrittenRun(project, 0).manifest()
    WrittenRun(project, 5).manifest()

    answer = json.loads(project.doit("show", *arguments).out)

    assert answer["data"]["manifest"]["run_id"] == run_id(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["x"],
            "error: no run 'x'\n"
            "  try: the last ones are 20260102T083600000Z-abcdef, 20260102T083500000Z-abcdef, "
            "20260102T083400000Z-abcdef, 20260102T083300000Z-abcdef, 20260102T083200000Z-abcdef "
            "and 2 more: doit runs\n",
        ),
        (["20260102T0830000001"], "error: no run '20260102T0830000001'\n  try: the last ones "),
        (
            ["20260102T083"],
            "error: '20260102T083' is the beginning of 7 runs\n"
            "  try: type more of it: 20260102T083600000Z-abcdef, 20260102T083500000Z-abcdef, "
            "20260102T083400000Z-abcdef, 20260102T083300000Z-abcdef, 20260102T083200000Z-abcdef "
            "and 2 more: doit runs\n",
        ),
        (["-8"], "error: no run '-8'\n  try: the last ones are "),
        (
            ["last", "-2"],
            "error: 2 runs are asked for\n  at last -2\n  try: name one\n",
        ),
    ],
)
def test_run_that_is_not_there_is_refused_with_those_that_are(
    project: ProjectFolder, arguments: list[str], message: str
) -> None:
    for minute in range(7):
        WrittenRun(project, minute).manifest()

    result = project.doit("show", *arguments)

    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(message)


@pytest.mark.parametrize("command", ["show", "tail"])
def test_no_run_yet_is_an_error_with_what_to_type(project: ProjectFolder, command: str) -> None:
    result = project.doit(command)

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: no run yet\n  at .hygge/runs\n  try: a run that moves something leaves one: doit\n"
    )


def test_folder_with_nothing_in_it_is_shown_as_such(project: ProjectFolder) -> None:
    run = WrittenRun(project)

    result = project.doit("show", TZ="UTC")

    assert result.code == 0
    assert (
        result.err == f"warning: nothing is known of run {run.id}: '{run.path}' holds no events\n"
    )
    assert steady(result.out).splitlines()[:2] == [f"run  {run.id}", "status  unknown"]


def test_odd_names_do_nothing_to_a_terminal(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    run.moved("f:日本 🐟\n\x1b[31m")
    run.event("step.succeeded", "f:é\u202e", **done())
    run.failed("f:x\udcff", "a\rb")
    run.event("job.failed", seconds=1.0)

    text = show(project)

    assert "\nf:日本 🐟\\n\\x1b[31m  moved  3  1.2kB  0.25s  new\n" in text
    assert "\nf:é\\u202e  moved  " in text
    assert "\nf:x?  HomeError\n  a\n  b\n" in text


def test_lines_are_as_wide_as_the_terminal(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    reason = "source changed: " + "content " * 20
    run.moved("flights:" + "🐟" * 40, reason)
    run.failed("flights:x", "word " * 60)
    run.event("job.failed", seconds=1.0)

    for width in (80, 200):
        lines = in_terminal(project, width, "show")
        tables, failures = lines[: lines.index("failures")], lines[lines.index("failures") :]

        assert max(map(cell_len, tables)) == width
        assert failures[2] == f"  {'word ' * 60}"
    assert reason.strip() in show(project)


def test_no_colour_is_used(project: ProjectFolder) -> None:
    WrittenRun(project).manifest()

    assert not any("\x1b" in line for line in in_terminal(project, 80, "show"))


def test_ten_thousand_steps_are_shown_at_once(project: ProjectFolder) -> None:
    run = WrittenRun(project)
    events = []
    for number in range(10_000):
        run.clock = 0.0
        name = f"flights:{number:05}"
        told = {"ts": "2026-01-02T08:30:00.000Z", "level": "INFO", "step": name}
        events += [{**told, "type": "step.started", "data": {"reason": "new"}}]
        events += [{**told, "type": "file.written", "data": file_of(name)}]
        events += [{**told, "type": "step.succeeded", "data": done()}]
    run.line("\n".join(map(json.dumps, events)))
    tasks = [f"flights:{number:05}" for number in range(10_000)]
    run.manifest(
        partitions={"done": {t: done() for t in tasks}, "failed": {}, "skipped": {}, "pending": []},
        files=[file_of(task) for task in tasks],
    )

    _, nothing, _ = project.measured("runs", "-n", "1")
    result, seconds, _ = project.measured("show")
    everything, _, _ = project.measured("show", "--all")

    assert "flights (10,000 partitions)" in result.out
    assert len(everything.out.splitlines()) > 20_000
    assert seconds - nothing < 1


def test_real_run_that_failed_is_shown(project: ProjectFolder) -> None:
    project.months(2)
    project.write("data/home/flights/2013-02.parquet", "no parquet")
    project.doit("--continue")

    text = show(project)

    assert "\npartitions  1 moved, 1 failed\n" in text
    assert (
        "\nflights:2013-02  HomeError\n  'data/home/flights/2013-02.parquet' can't be read" in text
    )
    assert "\n  at data/home/flights/2013-02.parquet\n  try: write it again" in text
    assert text.endswith("\n1 of 2 done. What failed is tried again by the next `doit`.\n")


SLOW = """
import time
def slow(frame):
    time.sleep(0.4)
    return frame
"""


def test_real_run_is_shown_while_it_goes_on_and_when_it_was_killed(project: ProjectFolder) -> None:
    project.months(12)
    project.write("slow.py", SLOW)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ntransform: {python: 'slow.py:slow'}\n",
    )
    process = project.start()
    deadline = time.monotonic() + 30
    while not list((project.root / "data/store/flights").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    going_on = show(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    killed = show(project)
    listed = project.doit("runs").out
    project.doit()

    assert "\nstatus  running\n" in going_on
    assert going_on.endswith(" of 12 done. Watch it: doit tail --follow\n")
    assert f"\nstatus  interrupted: killed, process {process.pid} is gone\n" in killed
    assert killed.endswith(" of 12 done; run `doit` to go on.\n")
    assert "  interrupted  " in listed
    assert "\nstatus  succeeded\n" in show(project)


def test_real_run_that_was_stopped_is_shown(project: ProjectFolder) -> None:
    project.months(12)
    project.write("slow.py", SLOW)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ntransform: {python: 'slow.py:slow'}\n",
    )
    process = project.start()
    deadline = time.monotonic() + 30
    while not list((project.root / "data/store/flights").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()

    text = show(project)

    assert process.returncode == 130
    assert "\nstatus  interrupted\n" in text
    assert text.splitlines()[-1].startswith("Stopped: ")
    assert text.endswith(" of 12 done; run `doit` to go on.\n")
